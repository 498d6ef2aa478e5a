// SPDX-License-Identifier: MIT
/*
 * What the clock above says, as a timeline.
 *
 * Nothing is measured: a page is an affine map of the counter, and the relay
 * uses that map, exact in base and rate. Two readings of the clock would give a
 * rate that is off by a ns over the time between them.
 */

#include <errno.h>
#include <string.h>

#include "base/interpolate.h"
#include "base/seqword.h"
#include "relay_parts.h"

/* The clock is not valid: looking again is no use. */
#define NOT_VALID 2

/* How often to look again when the host or another thread changed something
 * meanwhile. */
#define LOOK_TRIES 4

/* 10^9 with its top bit set: ns to s in pclk_divide_128(). */
#define DIVISOR_UP 34
#define DIVISOR	   ((uint64_t)NSEC_PER_SEC << DIVISOR_UP)

/* Longer than any counter has run, and half of what a timeline can express,
 * s. */
#define LIFT_SEC ((uint64_t)1 << 32)

/* --- a page's conversion -------------------------------------------------- */

/* value * 2^(up - 34) / 10^9, rounded down; -ERANGE: 2^64 or more. */
static int scale(u128 value, unsigned int up, uint64_t *ret_scaled)
{
	if (value >> (128 - up) || (value << up) >> 64 >= DIVISOR)
		return -ERANGE;
	value <<= up;
	*ret_scaled = pclk_divide_128((uint64_t)(value >> 64), (uint64_t)value,
				      DIVISOR);
	return 0;
}

/* From 2^-64 ns per tick. Every bit of period_frac is used. */
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
	/* 2: this is rounded down, and so is what the page's reader
	 * computes. */
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

	/* A conversion says nothing before its base. */
	if (!conv->usable || obs->sample.leap == PARACLOCK_LEAP_POS ||
	    counter < conv->base_tsc)
		return RELAY_NO_CONVERSION;
	ret = set_period(conv, tl);
	if (ret)
		return ret;
	if (ns < 0) {
		ns += NSEC_PER_SEC;
		sec--;
	}
	/* Rounded up, so that a whole number of ns stays the same. */
	base = ((u128)(uint64_t)sec << 64) +
	       pclk_divide_128((uint64_t)ns, conv->frac, NSEC_PER_SEC) +
	       ((uint64_t)ns | conv->frac ? 1 : 0);
	tl->base_tsc = conv->base_tsc;
	if (past ||
	    __builtin_add_overflow(conv->base_tsc, conv->max_ticks, &tl->t_end))
		tl->t_end = UINT64_MAX;
	/* A page without a reference point may have a base below zero. */
	if (sec < 0)
		base += (u128)LIFT_SEC << 64;
	relay_set_base(tl, base);
	ret = paraclock_timeline_rebase(tl, counter);
	if (sec < 0 && tl->base_sec < LIFT_SEC)
		return -ERANGE;
	if (sec < 0)
		tl->base_sec -= LIFT_SEC;
	/* A conversion ends where its reader's rounding could show (2^46 ticks,
	 * by 2^-18 ns), or before a leap second. The page's own formula, which
	 * the sample beyond it was made by, tells which; 1: it is rounded
	 * down. */
	if (!ret && past &&
	    (paraclock_timeline_ns(tl, tl->base_tsc, &now) ||
	     (uint64_t)now - (uint64_t)obs->sample.host_ns + 1 > 2))
		ret = RELAY_NO_CONVERSION;
	return ret;
}

/* src is zeroed. */
static int from_page(const struct observation *obs, struct relay_source *src)
{
	const struct paraclock_sample *sample = &obs->sample;
	struct paraclock_timeline *tl = &src->tl;

	src->conv = obs->conv;
	tl->size = sizeof(*tl);
	tl->flags = PARACLOCK_TIMELINE_STABLE;
	if (sample->flags & PARACLOCK_FLAG_TAI_OFFSET)
		tl->flags |= PARACLOCK_TIMELINE_TAI_OFFSET;
	/* If the page comes back to this machine, nobody shall steer by it. */
	if (sample->flags & PARACLOCK_FLAG_OWN_KERNEL)
		tl->flags |= PARACLOCK_TIMELINE_OWN_KERNEL;
	tl->tai_offset_sec = sample->tai_offset_sec;
	tl->timescale = sample->timescale;
	tl->counter = sample->counter;
	/* The weaker status: a relay cannot vouch that somebody is keeping the
	 * clock above right. */
	tl->status = PARACLOCK_STATUS_FREERUNNING;
	tl->leap = sample->leap;
	return from_conversion(obs, tl);
}

/* --- one look ------------------------------------------------------------- */

/* After a move that only the caller knows of, ask the clock's source as if a
 * marker had changed. */
static int confirm_fresh(struct paraclock_relay *relay)
{
	struct paraclock *clk = (struct paraclock *)(uintptr_t)relay->clk;
	struct relay_private *priv = relay_private(relay);
	int ret = 0;

	/* Not a timekeeper: if it was set before this question, the answer
	 * would wait for another change. */
	if (!priv->unconfirmed || !clk->be->confirm_fresh || relay->timekeeper)
		return 0;
	if (!pclk_clock_lock(clk))
		return -EAGAIN;
	ret = clk->be->confirm_fresh(clk->state, !priv->noticed);
	unlock(&clk->owner);
	priv->noticed = 1;
	priv->unconfirmed = ret != 0;
	return ret ? -EAGAIN : 0;
}

/*
 * Markers and page were the same before and after the conversion was copied,
 * and the handle remembers just these: so the conversion belongs to the epoch.
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
		return pclk_relay_from_timekeeper(relay, &obs, src);
	return clk->be->get_conversion ? from_page(&obs, src) : -EOPNOTSUPP;
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
