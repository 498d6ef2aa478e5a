/* SPDX-License-Identifier: MIT */
/* One measurement: how far is CLOCK_REALTIME from the host's UTC? */
#ifndef MEASURE_H
#define MEASURE_H

#include "judge.h"

/* A leap second list that has not expired: 0, or -errno. */
typedef int measure_leap_fn(void *ctx, struct paraclock_leap_table *ret_table);

/*
 * Measure now. By a cross timestamp or, if the kernel's clocksource is not an
 * image of the counter, by reading CLOCK_REALTIME between two reads of the host
 * clock. @p get_leaps is called for TAI without an offset.
 */
void measure(const struct paraclock *clk, const struct paraclock_env *env,
	     measure_leap_fn *get_leaps, void *ctx,
	     struct measurement *ret_measurement);

#endif
