// SPDX-License-Identifier: MIT
/* A timekeeper that follows a clock. */

#include <errno.h>
#include <string.h>

#include "follow_parts.h"
#include "timekeeper.h"

#define PPB_MAX	     100000000U
#define SLEW_PPB     500000U
#define LEASE_NS     (4ULL * NSEC_PER_SEC)
#define INTERVAL_NS  ((uint64_t)NSEC_PER_SEC)
#define DURATION_MIN 1000000U
#define DURATION_MAX (1000000ULL * NSEC_PER_SEC)
#define FLAGS                                                       \
	(PARACLOCK_FOLLOW_OWN_KERNEL | PARACLOCK_FOLLOW_MONOTONIC | \
	 PARACLOCK_FOLLOW_RESTART)

_Static_assert(sizeof(struct follow_private) <=
		       sizeof(((struct paraclock_follow *)0)->opaque),
	       "the public struct has room for it");

/* One call. */
struct call {
	struct follow_private *priv;
	struct paraclock_timekeeper *timekeeper;
	const struct paraclock_env *env;
	const struct paraclock *clk;
	uint64_t month_end; /* of the clock's timeline, s */
	struct paraclock_sample sample;
	struct paraclock_follow follow; /* a copy with the defaults filled in */
	struct paraclock_timekeeper_info info;
};

static uint64_t size_of(int64_t ns)
{
	return ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
}

static uint64_t or_default(uint64_t value, uint64_t other)
{
	return value ? value : other;
}

static bool is_duration(uint64_t ns)
{
	return ns >= DURATION_MIN && ns <= DURATION_MAX;
}

static int complete(struct paraclock_follow *full)
{
	full->max_slew_ppb = or_default(full->max_slew_ppb, SLEW_PPB);
	full->lease_ns = or_default(full->lease_ns, LEASE_NS);
	full->rate_interval_ns =
		or_default(full->rate_interval_ns, INTERVAL_NS);
	full->offset_ns = 0;
	full->slew_ppb = 0;
	if (full->flags & ~FLAGS || full->max_slew_ppb > PPB_MAX ||
	    full->drift_ppb > PPB_MAX || !is_duration(full->lease_ns) ||
	    !is_duration(full->rate_interval_ns))
		return -EINVAL;
	return 0;
}

/* --- from the time shown to the clock's ----------------------------------- */

static u128 base_of(const struct paraclock_timeline *tl)
{
	return (u128)tl->base_sec << 64 | tl->base_frac;
}

/* The difference of two times of up to TIMELINE_SEC_MAX, so that it fits. */
static int64_t to_ns(s128 time)
{
	return (int64_t)((time * NSEC_PER_SEC + ((s128)1 << 63)) >> 64);
}

static int speed_up(struct paraclock_timeline *tl, uint64_t more)
{
	if (__builtin_add_overflow(tl->period_frac, more, &more)) {
		if (!tl->period_shift)
			return -ERANGE;
		more = more >> 1 | 1ULL << 63;
		tl->period_shift--;
		tl->maxerror_rate_frac = (tl->maxerror_rate_frac + 1) >> 1;
	}
	tl->period_frac = more;
	return 0;
}

static int aim(struct paraclock_timeline *tl, u128 shown, void *arg)
{
	struct call *call = arg;
	struct paraclock_follow *follow = &call->follow;
	int64_t offset_ns;
	uint64_t ns, ppb, more;

	if (shown >> 64 >= TIMELINE_SEC_MAX)
		return -ERANGE;
	offset_ns = to_ns((s128)(base_of(tl) - shown));
	tl->base_sec = (uint64_t)(shown >> 64);
	tl->base_frac = (uint64_t)shown;
	/* A leap second between the two is not an offset: wait until both are
	 * in the same month. */
	if (pclk_timeline_month_end(tl) != call->month_end)
		return -EAGAIN;
	ns = size_of(offset_ns);
	/* 1: the offset is rounded. */
	if (__builtin_add_overflow(tl->maxerror_ns, ns + 1, &tl->maxerror_ns))
		tl->flags &= ~PARACLOCK_TIMELINE_MAXERROR;
	/* Slew over the whole lease or slower: the offset is not gone before
	 * the lease ends. */
	ppb = follow_quotient((u128)ns * FOLLOW_PPB, follow->lease_ns);
	if (ppb > follow->max_slew_ppb)
		ppb = follow->max_slew_ppb;
	more = follow_parts(tl->period_frac, ppb);
	follow->offset_ns = offset_ns;
	follow->slew_ppb = (int64_t)ppb;
	if (offset_ns >= 0)
		return speed_up(tl, more);
	follow->slew_ppb = -follow->slew_ppb;
	tl->period_frac -= more;
	return 0;
}

/* --- one call ------------------------------------------------------------- */

/* What the clock says, at the rate that was measured. */
static int make_timeline(const struct call *call, struct paraclock_timeline *tl)
{
	const struct paraclock_sample *sample = &call->sample;
	const struct paraclock_follow *follow = &call->follow;
	const struct follow_private *priv = call->priv;
	uint64_t ns = (uint64_t)sample->host_ns;
	int ret;

	if (sample->host_ns < 0)
		return -ERANGE;
	*tl = (struct paraclock_timeline){
		.size = sizeof(*tl),
		.base_tsc = sample->host_tsc,
		.base_sec = ns / NSEC_PER_SEC,
		.flags = PARACLOCK_TIMELINE_STABLE,
		.tai_offset_sec = sample->tai_offset_sec,
		.timescale = sample->timescale,
		.counter = sample->counter,
		.status = PARACLOCK_STATUS_SYNCHRONIZED,
		.leap = sample->leap,
	};
	/* Rounded up, so that the number of ns stays the same. */
	ns %= NSEC_PER_SEC;
	if (ns)
		tl->base_frac = fraction(ns, NSEC_PER_SEC) + 1;
	if (follow->flags & PARACLOCK_FOLLOW_MONOTONIC)
		tl->flags |= PARACLOCK_TIMELINE_MONOTONIC;
	if (sample->flags & PARACLOCK_FLAG_OWN_KERNEL)
		tl->flags |= PARACLOCK_TIMELINE_OWN_KERNEL;
	if (sample->flags & PARACLOCK_FLAG_TAI_OFFSET)
		tl->flags |= PARACLOCK_TIMELINE_TAI_OFFSET;
	ret = paraclock_timeline_set_hz(tl, priv->hz, FOLLOW_HZ_BITS);
	if (ret)
		return ret;
	tl->t_end = timeline_after(tl->base_tsc,
				   pclk_timeline_ticks(tl, follow->lease_ns));
	pclk_follow_bound(call->clk, sample, priv, follow->drift_ppb, tl);
	return 0;
}

/* A timekeeper's timeline ends 2 ns before its month: see cut_at_month_end().
 * What was seen may be at that end already, if the lease ended there. */
static bool is_at_month_end(const struct paraclock_timeline *tl)
{
	const uint64_t sec = pclk_timeline_month_end(tl);

	return sec != UINT64_MAX && ((u128)sec << 64) - base_of(tl) <=
					    ((u128)3 << 64) / NSEC_PER_SEC;
}

/* -ESTALE: only because the call came late, for an aimed timeline keeps the
 * promise. */
static int reconfigure(const struct call *call, struct paraclock_timeline *tl)
{
	int ret;

	/* Go on when the clock is in the next month. */
	if (is_at_month_end(tl))
		return -EAGAIN;
	ret = paraclock_timekeeper_reconfigure(call->timekeeper, call->env, tl);
	if (!ret)
		ret = paraclock_timekeeper_unfreeze(call->timekeeper,
						    call->env);
	if (!ret)
		call->priv->restarting = 0;
	return ret;
}

/* Go on after a freeze: from the clock's time, or from what was seen if that is
 * later. */
static int restart(struct call *call, struct paraclock_timeline *tl)
{
	const struct paraclock_timekeeper_info *info = &call->info;
	u128 seen = (u128)info->seen_sec << 64 | info->seen_frac;
	u128 time;
	int ret = 0;

	if (call->follow.flags & PARACLOCK_FOLLOW_MONOTONIC &&
	    !pclk_timeline_time(tl, info->now_tsc, &time) && time < seen) {
		ret = paraclock_timeline_rebase(tl, info->now_tsc);
		if (!ret)
			ret = aim(tl, seen, call);
	}
	return ret ? ret : reconfigure(call, tl);
}

static bool is_step(const struct call *call, int64_t offset_ns)
{
	const struct paraclock_follow *follow = &call->follow;

	if (!follow->step_ns || size_of(offset_ns) < follow->step_ns)
		return false;
	return offset_ns > 0 || !(follow->flags & PARACLOCK_FOLLOW_MONOTONIC);
}

static int step(struct call *call, struct paraclock_timeline *tl)
{
	int ret = paraclock_timekeeper_freeze(call->timekeeper, call->env);

	if (ret)
		return ret;
	/* If the rest fails, the next call goes on from here. */
	call->priv->restarting = 1;
	ret = reconfigure(call, tl);
	call->follow.steps += !ret;
	return ret;
}

static int go_on(struct call *call)
{
	const struct paraclock_timekeeper_info *info = &call->info;
	struct paraclock_timeline tl;
	int64_t clock_ns, shown_ns;
	int ret = make_timeline(call, &tl);

	if (ret)
		return ret;
	call->month_end = pclk_timeline_month_end(&tl);
	if (info->state == PARACLOCK_TIMEKEEPER_FROZEN)
		return restart(call, &tl);
	if (info->state == PARACLOCK_TIMEKEEPER_RUNNING &&
	    !paraclock_timeline_ns(&tl, info->now_tsc, &clock_ns) &&
	    !paraclock_timeline_ns(&info->timeline, info->now_tsc, &shown_ns)) {
		call->follow.offset_ns = clock_ns - shown_ns;
		if (is_step(call, call->follow.offset_ns))
			return step(call, &tl);
	}
	return pclk_timekeeper_aim(call->timekeeper, call->env, &tl, aim, call);
}

/* others: the timekeeper was frozen already, and not by this function. */
static int disrupted(struct call *call, bool others)
{
	int ret = paraclock_timekeeper_freeze(call->timekeeper, call->env);

	if (ret)
		return ret;
	memset(call->priv, 0, sizeof(*call->priv));
	if (!others)
		call->priv->restarting =
			call->follow.flags & PARACLOCK_FOLLOW_RESTART;
	return -ESTALE;
}

static int follow_once(struct call *call)
{
	const struct paraclock_sample *sample = &call->sample;
	const struct paraclock_timeline *now = &call->info.timeline;
	struct follow_private *priv = call->priv;
	bool others;
	int ret = paraclock_read(call->clk, &call->sample);

	if (ret)
		return ret;
	if (sample->flags & PARACLOCK_FLAG_OWN_KERNEL &&
	    !(call->follow.flags & PARACLOCK_FOLLOW_OWN_KERNEL))
		return -EOPNOTSUPP;
	ret = paraclock_timekeeper_describe(call->timekeeper, call->env,
					    &call->info);
	if (ret)
		return ret;
	others = call->info.state == PARACLOCK_TIMEKEEPER_FROZEN;
	if (!others)
		priv->restarting = 0;
	else if (priv->restarting)
		others = false;
	if (priv->last.valid && priv->last.epoch != sample->epoch)
		return disrupted(call, others);
	if (!sample->valid || sample->leap == PARACLOCK_LEAP_POS)
		return -EAGAIN;
	if (now->size && (now->timescale != sample->timescale ||
			  now->counter != sample->counter))
		return -EINVAL;
	pclk_follow_measure(priv, sample, call->follow.rate_interval_ns);
	if (others)
		return -ESTALE;
	return priv->hz ? go_on(call) : -EAGAIN;
}

int paraclock_timekeeper_follow(struct paraclock_timekeeper *timekeeper,
				const struct paraclock_env *env,
				const struct paraclock *clk,
				struct paraclock_follow *follow)
{
	struct call call = {
		.timekeeper = timekeeper,
		.env = env,
		.clk = clk,
	};
	int ret;

	if (!timekeeper || !clk || !follow || follow->size < sizeof(*follow))
		return -EINVAL;
	call.info.size = sizeof(call.info);
	call.follow = *follow;
	call.priv = (void *)follow->opaque;
	ret = complete(&call.follow);
	if (!ret)
		ret = follow_once(&call);
	if (ret)
		return ret;
	follow->offset_ns = call.follow.offset_ns;
	follow->slew_ppb = call.follow.slew_ppb;
	follow->steps = call.follow.steps;
	return 0;
}
