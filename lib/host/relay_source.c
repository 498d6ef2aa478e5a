// SPDX-License-Identifier: MIT
/*
 * What a clock says, as a timeline.
 *
 * Nothing is measured: a page is an affine map of the counter, and that map is
 * taken, exact in base and rate. Two readings of it would give a rate that is
 * off by a ns over the time between them.
 */

#include <errno.h>
#include <string.h>

#include "base/interpolate.h"
#include "base/seqword.h"
#include "relay.h"
#include "timekeeper.h"

/* The clock is not valid: that it says so again is no use. */
#define NOT_VALID 2

/* A look that another thread's, or the host's, change fell into. */
#define LOOK_TRIES 4

/* 10^9 with its top bit set: ns to s in pclk_divide_128(). */
#define DIVISOR_UP 34
#define DIVISOR	   ((uint64_t)NSEC_PER_SEC << DIVISOR_UP)

/* Longer than any counter has run, and half of what a timeline can say, s. */
#define LIFT_SEC ((uint64_t)1 << 32)

/* A change of the timekeeper above that comes so soon is taken as come. */
#define SOON_NS 50000

/* --- from a page's line --------------------------------------------------- */

/* value * 2^(up - 34) / 10^9, rounded down; -ERANGE: beyond 2^64. */
static int scale(u128 value, unsigned int up, uint64_t *ret_scaled)
{
	if (value >> (128 - up) || (value << up) >> 64 >= DIVISOR)
		return -ERANGE;
	value <<= up;
	*ret_scaled = pclk_divide_128((uint64_t)(value >> 64), (uint64_t)value,
				      DIVISOR);
	return 0;
}

/* From 2^-64 ns per tick; every bit of period_frac counts. */
static int set_period(const struct paraclock_conversion *conv,
		      struct paraclock_timeline *tl)
{
	u128 mult = (u128)conv->mult_hi << 64 | conv->mult_lo;
	unsigned int up =
		conv->mult_hi
			? (unsigned int)__builtin_clzll(conv->mult_hi)
			: 64 + (unsigned int)__builtin_clzll(conv->mult_lo | 1);

	if (up <= DIVISOR_UP || up > DIVISOR_UP + 63)
		return -ERANGE;
	if (scale(mult, up, &tl->period_frac))
		(void)scale(mult, --up, &tl->period_frac);
	tl->period_shift = (uint8_t)(up - DIVISOR_UP);
	/* 2: it is rounded down, and so is time_at() of the page's reader. */
	if (conv->error_ns < PARACLOCK_ERROR_UNKNOWN - 2 &&
	    !scale(conv->error_mult, up, &tl->maxerror_rate_frac)) {
		tl->maxerror_rate_frac += conv->error_mult != 0;
		tl->maxerror_ns = conv->error_ns + 2;
		tl->flags |= PARACLOCK_TIMELINE_MAXERROR |
			     PARACLOCK_TIMELINE_MAXERROR_RATE;
	}
	return 0;
}

static int from_conversion(const struct observation *obs,
			   struct paraclock_timeline *tl)
{
	const struct paraclock_conversion *conv = &obs->conv;
	uint64_t counter = obs->sample.host_tsc;
	bool past = counter - conv->base_tsc > conv->max_ticks;
	int64_t sec = conv->base_ns / NSEC_PER_SEC;
	int64_t ns = conv->base_ns % NSEC_PER_SEC;
	int64_t now;
	u128 base;
	int ret;

	/* Before its base a line says nothing. */
	if (!conv->usable || obs->sample.leap == PARACLOCK_LEAP_POS ||
	    counter < conv->base_tsc)
		return RELAY_AS_IT_WAS;
	ret = set_period(conv, tl);
	if (ret)
		return ret;
	if (ns < 0) {
		ns += NSEC_PER_SEC;
		sec--;
	}
	/* Rounded up, so that a whole ns stays the same one. */
	base = ((u128)(uint64_t)sec << 64) +
	       pclk_divide_128((uint64_t)ns, conv->frac, NSEC_PER_SEC) +
	       ((uint64_t)ns | conv->frac ? 1 : 0);
	tl->base_tsc = conv->base_tsc;
	if (past ||
	    __builtin_add_overflow(conv->base_tsc, conv->max_ticks, &tl->t_end))
		tl->t_end = UINT64_MAX;
	/* A page without a reference point begins before its epoch. */
	if (sec < 0)
		base += (u128)LIFT_SEC << 64;
	relay_set_base(tl, base);
	ret = paraclock_timeline_rebase(tl, counter);
	if (sec < 0 && tl->base_sec < LIFT_SEC)
		return -ERANGE;
	if (sec < 0)
		tl->base_sec -= LIFT_SEC;
	/* The line ends where its reader's rounding could show (2^46 ticks, by
	 * 2^-18 ns), or before a leap second. The page's own formula, to which
	 * the clock's samples go on, tells which; 1: it is rounded down. */
	if (!ret && past &&
	    (paraclock_timeline_ns(tl, tl->base_tsc, &now) ||
	     (uint64_t)now - (uint64_t)obs->sample.host_ns + 1 > 2))
		ret = RELAY_AS_IT_WAS;
	return ret;
}

/* src is zeroed. */
static int take_line(const struct observation *obs, struct relay_source *src)
{
	const struct paraclock_sample *sample = &obs->sample;
	struct paraclock_timeline *tl = &src->tl;

	src->conv = obs->conv;
	tl->size = sizeof(*tl);
	tl->flags = PARACLOCK_TIMELINE_STABLE;
	if (sample->flags & PARACLOCK_FLAG_TAI_OFFSET)
		tl->flags |= PARACLOCK_TIMELINE_TAI_OFFSET;
	tl->tai_offset_sec = sample->tai_offset_sec;
	tl->timescale = sample->timescale;
	tl->counter = sample->counter;
	/* The weaker word: that the clock above is being kept right is not for
	 * a relay to say. */
	tl->status = PARACLOCK_STATUS_FREERUNNING;
	tl->leap = sample->leap;
	return from_conversion(obs, tl);
}

/* --- from a timekeeper ---------------------------------------------------- */

#define BOUND (PARACLOCK_TIMELINE_MAXERROR | PARACLOCK_TIMELINE_MAXERROR_RATE)

/* How far apart two lines are there. */
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

/* *tl stands for the other one, too, which has a bound of error_ns where they
 * are gap apart. */
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
 * What is about to come, as if it had come: from that counter value on. Until
 * it comes its line leaves the one that is in force, or comes nearer; the most
 * of both ends, and what the bound of the one in force grows to, is in its
 * bound.
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

/* From one period_shift to another, rounded down. */
static u128 reshift(uint64_t frac, int by)
{
	return by < 0 ? (u128)frac << -by : frac >> by;
}

/*
 * What is in force, and is gone on with although another one comes later, until
 * the next call: in its bound is how far that one is off when it comes, and how
 * fast it goes away.
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

/* Else pages would go on with the old rate until the next call. */
static bool is_soon(const struct paraclock_timekeeper_info *info)
{
	return info->next.size && info->t_change > info->now_tsc &&
	       info->t_change - info->now_tsc <
		       pclk_timeline_ticks(&info->next, SOON_NS);
}

static int begin_at(struct paraclock_timekeeper_info *info, uint64_t counter)
{
	struct paraclock_timeline *tl = &info->timeline;

	/* Another one has come in between: look again. */
	if (counter < tl->base_tsc)
		return -EAGAIN;
	if (!info->next.size || counter >= info->next.base_tsc)
		return paraclock_timeline_rebase(tl, counter);
	return is_soon(info) ? begin_early(&info->next, tl, counter)
			     : wait_for(&info->next, tl, counter);
}

static int take_timekeeper(const struct paraclock_relay *relay,
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
	/* Whatever publishes it anew makes it another one. */
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

/* --- one look ------------------------------------------------------------- */

/* After a move that only the caller knows of, the clock's source is asked as
 * if a marker had changed. */
static int confirm_fresh(struct paraclock_relay *relay)
{
	struct paraclock *clk = (struct paraclock *)(uintptr_t)relay->clk;
	struct relay_kept *kept = relay_kept(relay);
	int ret = 0;

	/* One that was set before it was asked would be waited for. */
	if (!kept->unconfirmed || !clk->be->confirm_fresh || relay->timekeeper)
		return 0;
	if (!pclk_own(clk))
		return -EAGAIN;
	ret = clk->be->confirm_fresh(clk->state, !kept->noticed);
	unlock(&clk->owner);
	kept->noticed = 1;
	kept->unconfirmed = ret != 0;
	return ret ? -EAGAIN : 0;
}

/*
 * The line is that of the epoch: markers and page were the same before and
 * after it was taken, and what the handle remembers is this.
 */
static int look_once(struct paraclock_relay *relay, struct relay_source *src)
{
	const struct paraclock *clk = relay->clk;
	struct paraclock_sample sample;
	struct observation obs;
	struct remembered now;
	int ret = paraclock_read(clk, &sample);

	if (ret)
		return ret;
	src->epoch = sample.epoch;
	src->inferred = sample.marker_class < PARACLOCK_MARKER_AUTHORITATIVE;
	if (!sample.valid)
		return NOT_VALID;
	ret = pclk_observe(clk, &obs);
	if (ret)
		return ret;
	if (!pclk_recall(clk, &now) || now.epoch != sample.epoch ||
	    !obs.sample.valid || !pclk_unchanged(clk, &now, &obs))
		return -EAGAIN;
	for (unsigned int i = 0; i < clk->n_markers; i++)
		src->generations += obs.marker[i].generation;
	memcpy(src->qualifiers, &obs.sample.valid, sizeof(src->qualifiers));
	if (relay->timekeeper)
		return take_timekeeper(relay, &obs, src);
	return clk->be->get_conversion ? take_line(&obs, src) : -EOPNOTSUPP;
}

int pclk_relay_look(struct paraclock_relay *relay,
		    struct relay_source *ret_source)
{
	int ret;

	for (unsigned int i = 0; i < LOOK_TRIES; i++) {
		memset(ret_source, 0, sizeof(*ret_source));
		ret = confirm_fresh(relay);
		if (!ret)
			ret = look_once(relay, ret_source);
		if (ret != -EAGAIN)
			break;
		cpu_relax();
	}
	return ret == NOT_VALID ? -EAGAIN : ret;
}

int paraclock_relay_align(struct paraclock_relay *relay,
			  struct paraclock_target *target, uint64_t counter,
			  uint64_t sec, uint64_t frac)
{
	struct relay_source src;
	u128 time;
	int ret = target ? pclk_relay_check(relay) : -EINVAL;

	if (ret)
		return ret;
	if (target->state == PARACLOCK_TARGET_RUNNING ||
	    target->state == PARACLOCK_TARGET_WRITTEN)
		return -EBUSY;
	ret = pclk_relay_look(relay, &src);
	if (!ret)
		ret = pclk_timeline_time(&src.tl, counter, &time);
	if (ret)
		return ret < 0 ? ret : -EAGAIN;
	time = ((u128)sec << 64 | frac) - time;
	target->offset_sec = (int64_t)(time >> 64);
	target->offset_frac = (uint64_t)time;
	return 0;
}

/* --- in ticks of a guest -------------------------------------------------- */

/* A tick of the device's takes 2^shift / mult as long as one of the system's;
 * again every bit of period_frac counts. */
static int couple_rates(const struct paraclock_coupling *coupling,
			struct paraclock_timeline *tl)
{
	unsigned int spare = (unsigned int)__builtin_clzll(tl->period_frac);
	unsigned int up = (unsigned int)__builtin_clzll(coupling->mult);
	uint64_t period = tl->period_frac << spare;
	uint64_t rate = tl->maxerror_rate_frac;
	uint64_t mult = coupling->mult << up;
	uint64_t scaled;
	int shift =
		tl->period_shift - coupling->shift + 64 + (int)spare - (int)up;
	u128 grown;

	if (period < mult) {
		scaled = pclk_divide_128(period, 0, mult);
	} else {
		scaled = pclk_divide_128(period >> 1, period << 63, mult);
		shift--;
	}
	if (shift < 0 || shift > 63)
		return -ERANGE;
	/* In the same proportion to a tick as it was. */
	grown = (u128)rate * scaled;
	if (grown >> 64 < tl->period_frac)
		tl->maxerror_rate_frac =
			pclk_divide_128((uint64_t)(grown >> 64),
					(uint64_t)grown, tl->period_frac) +
			(rate != 0);
	else
		tl->flags &= ~(uint32_t)PARACLOCK_TIMELINE_MAXERROR_RATE;
	tl->period_frac = scaled;
	tl->period_shift = (uint8_t)shift;
	return 0;
}

int pclk_relay_couple(const struct paraclock_coupling *coupling,
		      struct paraclock_timeline *tl)
{
	uint64_t above = tl->base_tsc;
	uint64_t rest;
	int ret;

	if (!coupling->size)
		return 0;
	if (!(coupling->flags & PARACLOCK_COUPLING_TO_DEVICE) ||
	    coupling->system_counter != tl->counter)
		return -EINVAL;
	ret = paraclock_coupling_to_device(coupling, above, &tl->base_tsc);
	if (!ret && tl->t_end) {
		ret = paraclock_coupling_to_device(coupling, tl->t_end,
						   &tl->t_end);
		/* The guest's counter wraps on the way: it ends before. */
		if (!ret && tl->t_end < tl->base_tsc)
			tl->t_end = UINT64_MAX - 1;
	}
	if (!ret)
		ret = couple_rates(coupling, tl);
	if (ret)
		return ret;
	tl->counter = coupling->device_counter;
	/* The device's value was there that part of its tick ago. */
	rest = above * coupling->mult & (((uint64_t)1 << coupling->shift) - 1);
	relay_set_base(tl,
		       relay_base(tl) - ((u128)rest * tl->period_frac >>
					 (coupling->shift + tl->period_shift)));
	return 0;
}
