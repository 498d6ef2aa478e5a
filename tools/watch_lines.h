/* SPDX-License-Identifier: MIT */
/* 'paraclock watch' without a screen. */
#ifndef WATCH_LINES_H
#define WATCH_LINES_H

#include "track.h"

void watch_print_header(void);
/* Each prints one refresh: 0, or -EIO and stderr says why. */
int watch_print_row(const struct track *track);
int watch_print_json(const struct track *track);
/* Flush afterwards. */
void watch_print_event(const struct paraclock *clk,
		       const struct paraclock_event *event, bool json);

#endif
