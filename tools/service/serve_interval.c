// SPDX-License-Identifier: MIT
/*
 * How one interval follows another. docs/decisions/0030 has the argument; in
 * short, with f and e for the centre and half width of the old interval, g for
 * the growth of e, r for its rate, and m, b, h, s for those of the claim:
 *
 * At the counter c of the claim. x is m, moved into [f - e, f + e]. TAI is
 * within b of m, so it is within b + |x - m| of x.
 *
 * At any later value, d ns after c. TAI is within b + h d of m + s d. q is s,
 * moved into [r - g, r + g]; so TAI is within b + |x - m| + (h + |q - s|) d of
 * x + q d. And the centre x + q d is within e + g d of f + r d: inside the old
 * interval for as long as anybody may still use it.
 */

#include <errno.h>

#include "duration.h"
#include "serve_interval.h"

__extension__ typedef unsigned __int128 u128;

/* The library rounds a bound up by 2 ns, and a centre down by less than 1 ns:
 * what the old interval surely contains is smaller by this. */
#define ROUNDED_NS 4

/* 10^9, of ppb and of Hz. */
#define BILLION 1000000000U

/* A claim that is worse is no use to anybody. */
#define BOUND_MAX_NS ((uint64_t)1 << 62)

static uint64_t distance(int64_t a, int64_t b)
{
	return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

int serve_interval_at(const struct paraclock_timeline *tl, uint64_t counter,
		      int64_t *ret_tai_ns, uint64_t *ret_bound_ns)
{
	struct paraclock_timeline at = *tl;
	int64_t tai_ns;

	/* Where nothing is promised, before the base, it fails. */
	if (paraclock_timeline_rebase(&at, counter) ||
	    paraclock_timeline_ns(&at, counter, &tai_ns))
		return -ERANGE;
	*ret_tai_ns = tai_ns;
	/* The centre is up to 1 ns above what ns can say. */
	*ret_bound_ns = add(at.maxerror_ns, 1);
	return 0;
}

bool serve_is_consistent(const struct paraclock_timeline *tl,
			 const struct serve_claim *claim)
{
	int64_t tai_ns;
	uint64_t bound_ns;

	return !serve_interval_at(tl, claim->counter, &tai_ns, &bound_ns) &&
	       distance(claim->tai_ns, tai_ns) <=
		       add(bound_ns, claim->bound_ns);
}

uint64_t serve_growth_ppb(const struct paraclock_timeline *tl)
{
	u128 ppb = (u128)tl->maxerror_rate_frac * BILLION / tl->period_frac;

	return ppb < UINT64_MAX ? (uint64_t)ppb + 1 : UINT64_MAX;
}

/* --- the claim as a timeline ---------------------------------------------- */

static void set_time(struct paraclock_timeline *tl, int64_t tai_ns)
{
	uint64_t ns = (uint64_t)tai_ns % BILLION;

	tl->base_sec = (uint64_t)tai_ns / BILLION;
	/* Rounded down, by less than a ns. */
	tl->base_frac = (uint64_t)(((u128)ns << 64) / BILLION);
}

static uint64_t share_of(uint64_t period, uint64_t ppb)
{
	u128 share = ((u128)period * ppb + BILLION - 1) / BILLION + 1;

	return share < UINT64_MAX ? (uint64_t)share : UINT64_MAX;
}

static int from_claim(const struct serve_claim *claim,
		      struct paraclock_timeline *tl)
{
	if (claim->tai_ns < 0 || claim->bound_ns > BOUND_MAX_NS ||
	    !claim->hz_frac ||
	    paraclock_timeline_set_hz(tl, claim->hz_frac, SERVE_HZ_BITS))
		return -ERANGE;
	/* One bit to spare: the next rate may be a little lower. */
	tl->period_frac /= 2;
	if (!tl->period_shift)
		return -ERANGE;
	tl->period_shift--;
	tl->base_tsc = tl->t_start = claim->counter;
	tl->t_end = 0;
	set_time(tl, claim->tai_ns);
	/* 1: set_time() rounds down. */
	tl->maxerror_ns = claim->bound_ns + 1;
	tl->maxerror_rate_frac = share_of(tl->period_frac, claim->growth_ppb);
	tl->flags |=
		PARACLOCK_TIMELINE_MAXERROR | PARACLOCK_TIMELINE_MAXERROR_RATE;
	return 0;
}

/* --- the clamps ----------------------------------------------------------- */

/* What an interval surely contains. */
static int find_limits(const struct paraclock_timeline *tl, uint64_t counter,
		       struct paraclock_timeline *ret_at,
		       struct serve_limits *ret_limits)
{
	struct paraclock_timeline at = *tl;
	int64_t ns, inside_ns = 0;

	if (paraclock_timeline_rebase(&at, counter) ||
	    paraclock_timeline_ns(&at, counter, &ns) ||
	    at.maxerror_ns > BOUND_MAX_NS)
		return -ERANGE;
	if (at.maxerror_ns > ROUNDED_NS)
		inside_ns = (int64_t)(at.maxerror_ns - ROUNDED_NS);
	if (__builtin_sub_overflow(ns, inside_ns, &ret_limits->least_ns) ||
	    __builtin_add_overflow(ns, inside_ns, &ret_limits->most_ns))
		return -ERANGE;
	*ret_at = at;
	return 0;
}

static struct serve_limits both(const struct serve_limits *a,
				const struct serve_limits *b)
{
	return (struct serve_limits){
		.least_ns =
			a->least_ns > b->least_ns ? a->least_ns : b->least_ns,
		.most_ns = a->most_ns < b->most_ns ? a->most_ns : b->most_ns,
	};
}

void serve_limit(struct serve_limits *limits,
		 const struct paraclock_timeline *tl, uint64_t counter)
{
	struct paraclock_timeline at;
	struct serve_limits own;

	if (!find_limits(tl, counter, &at, &own))
		*limits = both(limits, &own);
}

static int clamp_time(const struct paraclock_timeline *old,
		      const struct serve_limits *limits,
		      const struct serve_claim *claim,
		      struct paraclock_timeline *tl)
{
	struct paraclock_timeline at;
	struct serve_limits within, all;
	int64_t tai_ns = claim->tai_ns;
	int ret = find_limits(old, claim->counter, &at, &within);

	if (ret)
		return ret;
	if (limits) {
		all = both(limits, &within);
		if (all.least_ns <= all.most_ns)
			within = all;
	}
	if (tai_ns < within.least_ns)
		tai_ns = within.least_ns;
	if (tai_ns > within.most_ns)
		tai_ns = within.most_ns;
	if (tai_ns == claim->tai_ns)
		return 0;
	set_time(tl, tai_ns);
	/* What the clamp has moved the centre by, and the rounding of both. */
	tl->maxerror_ns =
		add(tl->maxerror_ns, add(distance(claim->tai_ns, tai_ns), 1));
	if (at.maxerror_ns <= ROUNDED_NS) {
		/* Exactly where it was. */
		tl->base_sec = at.base_sec;
		tl->base_frac = at.base_frac;
	}
	return 0;
}

/* Both rates in one unit: 2^-(64 + shift) s, the coarser of the two. */
static int align(struct paraclock_timeline *tl, uint64_t *period,
		 uint64_t *growth, unsigned int shift)
{
	while (tl->period_shift > shift) {
		tl->period_frac = (tl->period_frac >> 1) | 1;
		tl->maxerror_rate_frac = (tl->maxerror_rate_frac >> 1) + 2;
		tl->period_shift--;
	}
	while (shift > tl->period_shift) {
		*period >>= 1;
		/* Rounded down, and the period is: the clamp gets narrower. */
		*growth = *growth / 2 > 1 ? *growth / 2 - 1 : 0;
		shift--;
	}
	return *period ? 0 : -ERANGE;
}

static int clamp_rate(const struct paraclock_timeline *old,
		      struct paraclock_timeline *tl)
{
	uint64_t period = old->period_frac, growth = old->maxerror_rate_frac;
	uint64_t off;
	int ret = align(tl, &period, &growth, old->period_shift);

	if (ret)
		return ret;
	off = tl->period_frac > period ? tl->period_frac - period
				       : period - tl->period_frac;
	if (off <= growth)
		return 0;
	tl->period_frac =
		tl->period_frac > period ? period + growth : period - growth;
	tl->maxerror_rate_frac = add(tl->maxerror_rate_frac, off - growth + 1);
	return 0;
}

int serve_next(const struct paraclock_timeline *old,
	       const struct serve_limits *limits,
	       const struct serve_claim *claim,
	       struct paraclock_timeline *ret_tl)
{
	struct paraclock_timeline tl = *ret_tl;
	int ret = from_claim(claim, &tl);

	if (!ret && old && claim->counter < old->base_tsc)
		ret = -ERANGE;
	if (!ret && old && !serve_is_consistent(old, claim))
		ret = -ESTALE;
	if (!ret && old)
		ret = clamp_time(old, limits, claim, &tl);
	if (!ret && old)
		ret = clamp_rate(old, &tl);
	if (!ret)
		*ret_tl = tl;
	return ret;
}
