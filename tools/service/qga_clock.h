/* SPDX-License-Identifier: MIT */
/* This machine's CLOCK_REALTIME, for the commands of the guest agent: set by
 * keep's rules, and under keep's lock. */
#ifndef QGA_CLOCK_H
#define QGA_CLOCK_H

#include "keep_service.h"
#include "qga.h"

/* @p keep has been opened; it need not have been started. */
struct agent_clock qga_clock(struct keep *keep);

#endif
