// SPDX-License-Identifier: MIT
/*
 * The rate of a clock that is followed, and a bound for a whole lease.
 *
 * A sample's error bound holds for its own instant. Two facts bound the error
 * after it, and neither needs the other. First, the counter's true rate was
 * measured between two readings that were each within their bound, and it
 * changes by the drift at most. Second, a source that can say what it will show
 * later also says how its bound will grow. The wider of the two bounds is used,
 * so it is enough that one of them is right.
 */

#include "follow_parts.h"

/* If two rates differ by more than one part in this (500 ppm), the clock was
 * set in between: no oscillator and no servo is that far off. */
#define RATE_PART 2000

/* How far ahead a clock is asked for its bound: to the end of the lease or, if
 * the clock says nothing that late, down to this part of it. */
#define AHEAD_PART 1024

/* Two readings closer than this say nothing about growth: each is rounded to a
 * ns. */
#define SEEN_NS 1000000U

/* What the source says of later counter values. */
struct ahead {
	const struct paraclock *clk;
	const struct paraclock_sample *sample;
};

/* An error that does not fit is unknown. */
static uint64_t add(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

/* --- the rate ------------------------------------------------------------- */

/* The rate if the clock took less time than it said. UINT64_MAX: no limit. */
static uint64_t rate_at_most(u128 ticks, uint64_t ns, uint64_t error_ns)
{
	/* 2: both readings are rounded down to a ns. */
	error_ns = add(error_ns, 2);
	return error_ns < ns ? follow_quotient(ticks, ns - error_ns)
			     : UINT64_MAX;
}

/*
 * How much two rates differ tells whether the clock was set in between. How
 * well a rate is known is another question: a clock may be corrected anywhere
 * within its bound, again and again by the same amount, which looks like a
 * rate. So a rate is known no better than both its ends.
 */
static void agree(struct follow_private *priv, uint64_t hz, uint64_t by_pairs,
		  uint64_t by_all)
{
	uint64_t last = priv->last_hz;
	uint64_t differ = hz > last ? hz - last : last - hz;

	/* A rate that does not agree spans a jump, or is the first one. */
	if (by_pairs < UINT64_MAX &&
	    differ + (by_pairs - hz) < hz / RATE_PART) {
		priv->hz = hz;
		priv->hz_off = add(differ, by_all - hz);
	}
	priv->last_hz = hz;
}

void pclk_follow_measure(struct follow_private *priv,
			 const struct paraclock_sample *sample,
			 uint64_t interval_ns)
{
	const struct paraclock_sample *last = &priv->last;
	uint64_t ns = (uint64_t)sample->host_ns - (uint64_t)last->host_ns;
	uint64_t pairs = add(last->pair_error_ns, sample->pair_error_ns);
	uint64_t clocks = add(last->clock_error_ns, sample->clock_error_ns);
	uint64_t hz = 0, by_pairs = UINT64_MAX, by_all = UINT64_MAX;
	u128 ticks;

	if (last->valid && sample->host_tsc > last->host_tsc &&
	    sample->host_ns > last->host_ns) {
		if (ns < interval_ns)
			return;
		ticks = (u128)(sample->host_tsc - last->host_tsc) * NSEC_PER_SEC
			<< FOLLOW_HZ_BITS;
		hz = follow_quotient(ticks, ns);
		by_pairs = rate_at_most(ticks, ns, pairs);
		by_all = rate_at_most(ticks, ns, add(pairs, clocks));
	}
	agree(priv, hz, by_pairs, by_all);
	priv->last = *sample;
}

/* --- how the bound grows -------------------------------------------------- */

/* ns in in_ns, as maxerror_rate_frac; rounded up. */
static uint64_t rate_of(const struct paraclock_timeline *tl, uint64_t ns,
			uint64_t in_ns)
{
	return in_ns ? add(follow_quotient((u128)tl->period_frac * ns, in_ns),
			   1)
		     : UINT64_MAX;
}

/* How long ticks take on tl, rounded down. */
static uint64_t ns_of(const struct paraclock_timeline *tl, uint64_t ticks)
{
	u128 took = timeline_elapsed(ticks, tl->period_frac, tl->period_shift);

	return (uint64_t)(took >> 64) * NSEC_PER_SEC +
	       mul_high((uint64_t)took, NSEC_PER_SEC);
}

static uint64_t apart(int64_t a, int64_t b)
{
	return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

/* What the source will say there if nothing changes, and its bound there. */
static bool ask(const struct ahead *ahead, uint64_t counter,
		struct paraclock_sample *ret_then)
{
	const struct paraclock *clk = ahead->clk;

	return !clk->be->get_time_at(clk->state, counter, ret_then) &&
	       ret_then->valid && ret_then->leap == ahead->sample->leap &&
	       ret_then->clock_error_ns < PARACLOCK_ERROR_UNKNOWN;
}

/*
 * The growth by what the source says now of the end of the lease: how much its
 * own bound grows, and how far its own rate leaves that of tl, which was
 * measured. If the source has changed since the sample, tl begins with the new
 * bound and the distance to what the source says now.
 */
static uint64_t growth_ahead(const struct ahead *ahead,
			     struct paraclock_timeline *tl)
{
	const uint64_t lease = tl->t_end - tl->base_tsc;
	uint64_t ticks = lease;
	uint64_t ns, source_ns, error_ns;
	struct paraclock_sample then, now;

	while (!ask(ahead, tl->base_tsc + ticks, &then)) {
		ticks /= 2;
		if (ticks <= lease / AHEAD_PART)
			return UINT64_MAX;
	}
	if (!ask(ahead, tl->base_tsc, &now))
		return UINT64_MAX;
	error_ns = add(now.clock_error_ns,
		       apart(now.host_ns, ahead->sample->host_ns));
	if (error_ns > tl->maxerror_ns)
		tl->maxerror_ns = error_ns;
	ns = ns_of(tl, ticks);
	source_ns = (uint64_t)then.host_ns - (uint64_t)now.host_ns;
	/* 3: three numbers here are rounded. */
	error_ns = add(source_ns > ns ? source_ns - ns : ns - source_ns, 3);
	if (then.clock_error_ns > now.clock_error_ns)
		error_ns =
			add(error_ns, then.clock_error_ns - now.clock_error_ns);
	return rate_of(tl, error_ns, ns);
}

/* The growth of a source that only says what holds now: as seen between two
 * samples. */
static uint64_t growth_seen(const struct ahead *ahead,
			    const struct paraclock_sample *last,
			    const struct paraclock_timeline *tl)
{
	const struct paraclock_sample *sample = ahead->sample;
	uint64_t ns = (uint64_t)sample->host_ns - (uint64_t)last->host_ns;

	if (sample->host_ns <= last->host_ns || ns < SEEN_NS ||
	    sample->clock_error_ns <= last->clock_error_ns)
		return 0;
	return rate_of(tl, sample->clock_error_ns - last->clock_error_ns + 1,
		       ns);
}

void pclk_follow_bound(const struct paraclock *clk,
		       const struct paraclock_sample *sample,
		       const struct follow_private *priv, uint64_t drift_ppb,
		       struct paraclock_timeline *tl)
{
	const struct ahead ahead = { .clk = clk, .sample = sample };
	uint64_t measured, growth;

	if (!drift_ppb || sample->clock_error_ns == PARACLOCK_ERROR_UNKNOWN ||
	    priv->hz_off >= priv->hz)
		return;
	tl->maxerror_ns = sample->clock_error_ns;
	growth = clk->be->get_time_at ? growth_ahead(&ahead, tl)
				      : growth_seen(&ahead, &priv->last, tl);
	/* 1: host_ns is rounded down. */
	tl->maxerror_ns = add(tl->maxerror_ns, add(sample->pair_error_ns, 1));
	measured = follow_quotient((u128)tl->period_frac * priv->hz_off,
				   priv->hz - priv->hz_off);
	/* 2: this and the next are rounded down. */
	measured = add(measured, follow_parts(tl->period_frac, drift_ppb) + 2);
	tl->maxerror_rate_frac = measured > growth ? measured : growth;
	if (tl->maxerror_ns < UINT64_MAX && tl->maxerror_rate_frac < UINT64_MAX)
		tl->flags |= PARACLOCK_TIMELINE_MAXERROR |
			     PARACLOCK_TIMELINE_MAXERROR_RATE;
}
