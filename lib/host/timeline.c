// SPDX-License-Identifier: MIT
/* Timelines: what a clock shows at a counter value. */

#include <errno.h>

#include "base/calendar.h"
#include "base/interpolate.h"
#include "page/conversion.h"
#include "timeline.h"

#define SHIFT_MAX 63
#define HALF	  (1ULL << 63)

bool pclk_timeline_has_time(const struct paraclock_timeline *tl)
{
	return tl->status == PARACLOCK_STATUS_SYNCHRONIZED ||
	       tl->status == PARACLOCK_STATUS_FREERUNNING;
}

int pclk_timeline_check(const struct paraclock_timeline *tl)
{
	if (!tl || tl->size < sizeof(*tl) ||
	    tl->status > PARACLOCK_STATUS_UNRELIABLE ||
	    tl->period_shift > SHIFT_MAX ||
	    (tl->t_end && tl->t_end < tl->t_start))
		return -EINVAL;
	return pclk_timeline_has_time(tl) && !tl->period_frac ? -EINVAL : 0;
}

/* The mask is for a timekeeper's timeline: others may write that memory after
 * it was checked. */
static unsigned int shift_of(const struct paraclock_timeline *tl)
{
	return tl->period_shift & SHIFT_MAX;
}

u128 pclk_timeline_tick(const struct paraclock_timeline *tl)
{
	return (u128)tl->period_frac * NSEC_PER_SEC >> shift_of(tl);
}

uint64_t pclk_timeline_ticks(const struct paraclock_timeline *tl, uint64_t ns)
{
	/* 1: it is rounded down. */
	u128 tick = pclk_timeline_tick(tl) + 1;

	return pclk_ticks_within(ns, (uint64_t)(tick >> 64), (uint64_t)tick);
}

/* The time is always rounded down; so before the base the ticks are rounded
 * up. */
int pclk_timeline_time(const struct paraclock_timeline *tl, uint64_t counter,
		       u128 *ret_time)
{
	const u128 max = (u128)TIMELINE_SEC_MAX << 64;
	const bool before = counter < tl->base_tsc;
	u128 time = (u128)tl->base_sec << 64 | tl->base_frac;
	u128 took = before ? tl->base_tsc - counter : counter - tl->base_tsc;

	took *= tl->period_frac;
	/* At most 2^128 - 2^65 + 1, so that it fits. */
	if (before)
		took += (1ULL << shift_of(tl)) - 1;
	took >>= shift_of(tl);
	if (time > max || took > (before ? time : max - time))
		return -ERANGE;
	*ret_time = before ? time - took : time + took;
	return 0;
}

/* For a time up to little more than TIMELINE_SEC_MAX. */
static uint64_t to_ns(u128 time)
{
	return (uint64_t)(time * NSEC_PER_SEC >> 64);
}

int paraclock_timeline_ns(const struct paraclock_timeline *tl, uint64_t counter,
			  int64_t *ret_ns)
{
	u128 time;
	int ret;

	if (!ret_ns || pclk_timeline_check(tl) || !tl->period_frac)
		return -EINVAL;
	if (counter < tl->t_start || (tl->t_end && counter > tl->t_end))
		return -ESTALE;
	ret = pclk_timeline_time(tl, counter, &time);
	if (ret)
		return ret;
	*ret_ns = (int64_t)to_ns(time);
	return 0;
}

/* An error term that grows, at a counter value, ns. */
static int grow(const struct paraclock_timeline *tl, uint32_t flag,
		uint64_t rate, uint64_t counter, uint64_t *ns)
{
	u128 grown, sum;

	if (!(tl->flags & flag) || counter == tl->base_tsc)
		return 0;
	/* Nobody promises an error bound before the reference point. */
	if (counter < tl->base_tsc)
		return -ERANGE;
	grown = timeline_elapsed(counter - tl->base_tsc, rate,
				 tl->period_shift);
	if (grown >> 64 > TIMELINE_SEC_MAX)
		return -ERANGE;
	/* 2: this and the product above are rounded down. */
	sum = (u128)*ns + to_ns(grown) + (rate ? 2 : 0);
	if (sum > UINT64_MAX)
		return -ERANGE;
	*ns = (uint64_t)sum;
	return 0;
}

int paraclock_timeline_rebase(struct paraclock_timeline *tl, uint64_t counter)
{
	uint64_t maxerror_ns, esterror_ns;
	u128 time;
	int ret;

	if (pclk_timeline_check(tl) || !tl->period_frac)
		return -EINVAL;
	maxerror_ns = tl->maxerror_ns;
	esterror_ns = tl->esterror_ns;
	ret = pclk_timeline_time(tl, counter, &time);
	if (!ret)
		ret = grow(tl, PARACLOCK_TIMELINE_MAXERROR_RATE,
			   tl->maxerror_rate_frac, counter, &maxerror_ns);
	if (!ret)
		ret = grow(tl, PARACLOCK_TIMELINE_ESTERROR_RATE,
			   tl->esterror_rate_frac, counter, &esterror_ns);
	if (ret)
		return ret;
	tl->base_tsc = counter;
	tl->base_sec = (uint64_t)(time >> 64);
	tl->base_frac = (uint64_t)time;
	tl->maxerror_ns = maxerror_ns;
	tl->esterror_ns = esterror_ns;
	return 0;
}

uint64_t pclk_timeline_month_end(const struct paraclock_timeline *tl)
{
	const bool tai = tl->timescale == PARACLOCK_TIMESCALE_TAI;
	int64_t offset = tai ? tl->tai_offset_sec : 0;

	/* TAI without the offset does not say when the month ends. */
	if (tl->timescale == PARACLOCK_TIMESCALE_MONOTONIC ||
	    (!(tl->flags & PARACLOCK_TIMELINE_TAI_OFFSET) &&
	     (tai || tl->leap > PARACLOCK_LEAP_POST_NEG)))
		return UINT64_MAX;
	/* However the inserted second is numbered. */
	if (tl->leap == PARACLOCK_LEAP_POS)
		return tl->base_sec + 1;
	/* PRE_NEG: the last second is left out. */
	return (uint64_t)(pclk_calendar_month_of((int64_t)tl->base_sec - offset)
				  .end_sec +
			  offset - (tl->leap == PARACLOCK_LEAP_PRE_NEG));
}

int pclk_timeline_from_start(const struct paraclock_timeline *tl,
			     struct paraclock_timeline *ret_tl)
{
	int ret = pclk_timeline_check(tl);

	if (ret)
		return ret;
	*ret_tl = *tl;
	if (!pclk_timeline_has_time(tl))
		return 0;
	/* This also checks that the time at the base fits. */
	ret = paraclock_timeline_rebase(ret_tl, tl->t_start > tl->base_tsc
							? tl->t_start
							: tl->base_tsc);
	/* Offset and leap belong to the month before. */
	if (!ret && ret_tl->base_sec >= pclk_timeline_month_end(tl))
		ret = -EINVAL;
	return ret;
}

/*
 * 2^127 / hz with hz shifted up to its top bit: between 2^63 and 2^64, so that
 * every bit of period_frac counts.
 */
int paraclock_timeline_set_hz(struct paraclock_timeline *tl, uint64_t hz,
			      unsigned int frac_bits)
{
	unsigned int up;
	uint64_t period, rest;
	int shift;

	if (!tl || tl->size < sizeof(*tl) || !hz || frac_bits > 63)
		return -EINVAL;
	up = (unsigned int)__builtin_clzll(hz);
	shift = SHIFT_MAX - (int)up - (int)frac_bits;
	hz <<= up;
	if (hz == HALF) {
		/* 2^64 itself does not fit, half of it does. */
		period = HALF;
		shift--;
	} else {
		period = pclk_divide_128(HALF, 0, hz);
		/* 2^127 - period * hz, which is below hz. */
		rest = 0 - period * hz;
		/* No overflow: hz > 2^63 makes period + 1 at most 2^64 - 1. */
		period += rest >= hz - rest;
	}
	if (shift < 0 || shift > SHIFT_MAX)
		return -ERANGE;
	tl->period_frac = period;
	tl->period_shift = (uint8_t)shift;
	return 0;
}
