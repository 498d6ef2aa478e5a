/* SPDX-License-Identifier: MIT */
/* One measurement: how far is CLOCK_REALTIME from the host's UTC? */
#ifndef MEASURE_H
#define MEASURE_H

#include "judge.h"

/* A leap second list that has not expired: 0, or -errno. */
typedef int measure_leap_fn(void *ctx, struct paraclock_leap_table *ret_table);

/* What turns a sample into UTC. */
struct utc_help {
	measure_leap_fn *leap_table;
	/* TAI - UTC, s: 0, or -errno. */
	int (*tai_offset)(void *ctx, int16_t *ret_sec);
	void *ctx;
	/* Ask the list also whether what may be smeared is UTC now. */
	bool bounds_utc;
	/* UTC of the start of MONOTONIC, ns. */
	bool has_start;
	int64_t start_utc_ns;
};

/*
 * Measure now, as paraclock_offset() does: by a cross timestamp or, if the
 * kernel's clocksource is not an image of the counter, by a bracket. TAI without
 * an offset is turned into UTC by the list, or else by tai_offset(); both may be
 * NULL. MONOTONIC with a start becomes UTC_MAYBE_SMEARED, also in the sample.
 */
void measure(const struct paraclock *clk, const struct utc_help *help,
	     struct measurement *ret_measurement);

#endif
