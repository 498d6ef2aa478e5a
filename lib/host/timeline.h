/* SPDX-License-Identifier: MIT */
/* Timelines from inside. Times are in 2^-64 s. */
#ifndef TIMELINE_H
#define TIMELINE_H

#include <stdbool.h>

#include <paraclock/host.h>

#include "base/fixed.h"

/* The last second whose beginning fits an int64_t of ns. */
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

/* The counter value after so many ticks. If the counter would wrap: the last
 * value that a lease can end with, for 2^64 - 1 means "never". */
static inline uint64_t timeline_after(uint64_t counter, uint64_t ticks)
{
	return counter < UINT64_MAX - ticks ? counter + ticks : UINT64_MAX - 1;
}

/* The time at a counter value. -ERANGE: outside of 0 to 2^63 ns. */
int pclk_timeline_time(const struct paraclock_timeline *tl, uint64_t counter,
		       u128 *ret_time);

/* Check *tl, and rebase the copy to t_start if its base is before that. */
int pclk_timeline_from_start(const struct paraclock_timeline *tl,
			     struct paraclock_timeline *ret_tl);

/*
 * The end of the UTC month (or of the inserted second) that the base is in, s
 * on the timeline's timescale; UINT64_MAX: the timeline does not say. There the
 * number of seconds, the offset or the leap may change: a timeline that went on
 * would be wrong by a second. The time at the base must fit an int64_t of ns.
 */
uint64_t pclk_timeline_month_end(const struct paraclock_timeline *tl);

/* A tick in 2^-64 ns. */
u128 pclk_timeline_tick(const struct paraclock_timeline *tl);

/* The ticks that take at most ns; too few by some parts in 2^62 at most,
 * however long a tick is. */
uint64_t pclk_timeline_ticks(const struct paraclock_timeline *tl, uint64_t ns);

#endif
