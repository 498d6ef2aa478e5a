/* SPDX-License-Identifier: MIT */
/* A program that asks keep whether the clock is right. */
#ifndef KEEP_SYNC_H
#define KEEP_SYNC_H

#include "keep_options.h"

/*
 * Ask the keep whose socket is in the options' folder, and wait for its answer.
 * @p within_ns negative: as keep's own rules say. enum status; STATUS_NOT_VALID:
 * the clock is not right.
 */
int keep_sync(const struct keep_options *options, int64_t wait_ns,
	      int64_t within_ns);

#endif
