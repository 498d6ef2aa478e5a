/* SPDX-License-Identifier: MIT */
/* This machine's CLOCK_REALTIME, for the commands of the guest agent. */
#ifndef QGA_CLOCK_H
#define QGA_CLOCK_H

#include "qga.h"

struct qga_clock {
	bool dry_run;
	int64_t max_step_ns; /* negative: any */
};

/* Without set_from_host() and status() of its own: both say so. */
struct agent_clock qga_clock(struct qga_clock *clock);

#endif
