/* SPDX-License-Identifier: MIT */
/* One measurement of a PTP hardware clock: made by ptp_read.c, turned into a
 * pair by ptp_pair.c. */
#ifndef PTP_WINDOW_H
#define PTP_WINDOW_H

#include <paraclock/system.h>

#include "ptp.h"

/* The longest series of readings. */
#define PTP_READINGS_MAX 4

enum ptp_way {
	PTP_WAY_PRECISE,
	PTP_WAY_EXTENDED_RAW,
	PTP_WAY_EXTENDED_REALTIME,
	PTP_WAY_BRACKET,
	PTP_WAYS,
};

/* The device's time, with a clock read before and after it: ns, or ticks in a
 * bracket. */
struct ptp_reading {
	int64_t before;
	int64_t host;
	int64_t after;
};

/* Everything of one measurement. */
struct ptp_window {
	struct paraclock_snapshot begin;
	struct paraclock_snapshot end;
	enum ptp_way way;
	unsigned int n;
	struct ptp_reading reading[PTP_READINGS_MAX];
};

/* -EAGAIN: a clock stepped, measure again; -EPROTO: the readings are not of the
 * clock that was asked for. */
int pclk_ptp_evaluate(const struct ptp_window *w, struct ptp_pair *ret_pair);

#endif
