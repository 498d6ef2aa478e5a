// SPDX-License-Identifier: MIT
/* What a timekeeper above says, as a timeline. */

#include <errno.h>
#include <string.h>

#include "relay_parts.h"
#include "timekeeper.h"

/* A change of the timekeeper that comes this soon counts as in force. */
#define SOON_NS 50000

#define BOUND (PARACLOCK_TIMELINE_MAXERROR | PARACLOCK_TIMELINE_MAXERROR_RATE)

/* How far apart two timelines are at a counter value. */
static int gap_at(const struct paraclock_timeline *a,
		  const struct paraclock_timeline *b, uint64_t counter,
		  u128 *ret_gap)
{
	u128 time, other;
	int ret = pclk_timeline_time(a, counter, &time);

	if (!ret)
		ret = pclk_timeline_time(b, counter, &other);
	if (!ret)
		*ret_gap = time > other ? time - other : other - time;
	return ret;
}

/* Let the bound of *tl cover the other timeline as well, whose own bound is
 * error_ns where the two are gap apart. */
static void raise_bound(struct paraclock_timeline *tl,
			const struct paraclock_timeline *other, u128 gap,
			uint64_t error_ns)
{
	/* 2: the gap and what it is made of are rounded down. */
	u128 sum = (gap * NSEC_PER_SEC >> 64) + 2 + error_ns;

	if ((tl->flags & other->flags & BOUND) != BOUND || sum > UINT64_MAX)
		tl->flags &= ~(uint32_t)BOUND;
	else if (sum > tl->maxerror_ns)
		tl->maxerror_ns = (uint64_t)sum;
}

/*
 * Let *next be in force from this counter value on, before its time. Until its
 * time comes, the distance to *tl is largest at one of the two ends; the bound
 * of the result covers that, and what the bound of *tl grows to.
 */
static int begin_early(struct paraclock_timeline *next,
		       struct paraclock_timeline *tl, uint64_t counter)
{
	const uint64_t base = next->base_tsc;
	u128 now, then, time;
	int ret = pclk_timeline_time(next, counter, &time);

	if (!ret)
		ret = gap_at(next, tl, counter, &now);
	if (!ret)
		ret = gap_at(next, tl, base, &then);
	if (!ret)
		ret = paraclock_timeline_rebase(tl, base);
	if (ret)
		return ret;
	raise_bound(next, tl, now > then ? now : then, tl->maxerror_ns);
	next->base_tsc = counter;
	relay_set_base(next, time);
	*tl = *next;
	return 0;
}

/* A number that goes with one period_shift, for another one; rounded down. */
static u128 reshift(uint64_t frac, int by)
{
	return by < 0 ? (u128)frac << -by : frac >> by;
}

/*
 * Stay with *tl until the next call, although *next may come before that: the
 * bound of *tl covers how far *next is off when it comes, and how fast it moves
 * away from there.
 */
static int wait_for(const struct paraclock_timeline *next,
		    struct paraclock_timeline *tl, uint64_t counter)
{
	const int by = next->period_shift - tl->period_shift;
	const u128 period = reshift(next->period_frac, by);
	u128 away = reshift(next->maxerror_rate_frac, by);
	u128 gap;
	int ret = gap_at(next, tl, next->base_tsc, &gap);

	if (!ret)
		ret = paraclock_timeline_rebase(tl, counter);
	if (ret)
		return ret;
	raise_bound(tl, next, gap, next->maxerror_ns);
	/* 2: both are rounded down. */
	away += 2 + (period > tl->period_frac ? period - tl->period_frac
					      : tl->period_frac - period);
	if (away > UINT64_MAX)
		tl->flags &= ~(uint32_t)BOUND;
	else if (away > tl->maxerror_rate_frac)
		tl->maxerror_rate_frac = (uint64_t)away;
	return 0;
}

/* If it did not count as in force, pages would keep the old rate until the next
 * call. */
static bool is_soon(const struct paraclock_timekeeper_info *info)
{
	return info->next.size && info->t_change > info->now_tsc &&
	       info->t_change - info->now_tsc <
		       pclk_timeline_ticks(&info->next, SOON_NS);
}

static int begin_at(struct paraclock_timekeeper_info *info, uint64_t counter)
{
	struct paraclock_timeline *tl = &info->timeline;

	/* Another timeline was published in between: look again. */
	if (counter < tl->base_tsc)
		return -EAGAIN;
	if (!info->next.size || counter >= info->next.base_tsc)
		return paraclock_timeline_rebase(tl, counter);
	return is_soon(info) ? begin_early(&info->next, tl, counter)
			     : wait_for(&info->next, tl, counter);
}

int pclk_relay_from_timekeeper(const struct paraclock_relay *relay,
			       const struct observation *obs,
			       struct relay_source *src)
{
	struct paraclock_timekeeper_info info = { .size = sizeof(info) };
	int ret = paraclock_timekeeper_describe(relay->timekeeper,
						relay->clk->env, &info);

	if (ret)
		return ret;
	if (info.state != PARACLOCK_TIMEKEEPER_RUNNING ||
	    info.migrations != obs->marker[0].value)
		return -EAGAIN;
	/* Every publication counts as a change. */
	src->conv.base_tsc = info.updates;
	src->conv.base_ns = (int64_t)(is_soon(&info) ? info.next.base_tsc
						     : info.timeline.base_tsc);
	ret = begin_at(&info, obs->sample.host_tsc);
	if (ret)
		return ret;
	src->tl = info.timeline;
	src->tl.flags &= ~(uint32_t)(PARACLOCK_TIMELINE_ESTERROR |
				     PARACLOCK_TIMELINE_ESTERROR_RATE |
				     PARACLOCK_TIMELINE_MONOTONIC);
	src->tl.t_start = 0;
	src->tl.t_end = info.t_end;
	return 0;
}
