/* SPDX-License-Identifier: MIT */
/* Timelines, in 2^-64 s. */
#ifndef TIMELINE_H
#define TIMELINE_H

#include <stdbool.h>

#include <paraclock/host.h>

#include "base/fixed.h"

/* Seconds of which some part fits an int64_t of ns. */
#define TIMELINE_SEC_MAX (INT64_MAX / NSEC_PER_SEC)

/* A ns in 2^-64 s, rounded up. */
#define TIMELINE_NSEC 18446744074U

/* Does the status vouch for a time? */
bool pclk_timeline_has_time(const struct paraclock_timeline *tl);

/* -EINVAL: a member is out of range. */
int pclk_timeline_check(const struct paraclock_timeline *tl);

/* What ticks take, rounded down. */
static inline u128 timeline_elapsed(uint64_t ticks, uint64_t period_frac,
				    unsigned int shift)
{
	return shift_right((u128)ticks * period_frac, shift);
}

/* A counter value so many ticks after one; the last that a lease can end with,
 * where the counter would wrap: 2^64 - 1 stands for "never". */
static inline uint64_t timeline_after(uint64_t counter, uint64_t ticks)
{
	return counter < UINT64_MAX - ticks ? counter + ticks : UINT64_MAX - 1;
}

/* The time at a counter value. -ERANGE: not in 0 to 2^63 ns. */
int pclk_timeline_time(const struct paraclock_timeline *tl, uint64_t counter,
		       u128 *ret_time);

/* *tl, and not before its t_start; checked. */
int pclk_timeline_from_start(const struct paraclock_timeline *tl,
			     struct paraclock_timeline *ret_tl);

/*
 * The end of the UTC month (or of the inserted second) that its
 * base is in, s on its timescale; UINT64_MAX: it does not say. From there on
 * the number of seconds, the offset or what leap says is another one: to read a
 * straight line across it would be to be wrong by a second. Its time fits.
 */
uint64_t pclk_timeline_month_end(const struct paraclock_timeline *tl);

/* A tick in 2^-64 ns. */
u128 pclk_timeline_tick(const struct paraclock_timeline *tl);

/* The ticks that take at most ns; too few by some parts in 2^62 at most,
 * however long a tick is. */
uint64_t pclk_timeline_ticks(const struct paraclock_timeline *tl, uint64_t ns);

#endif
