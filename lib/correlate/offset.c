// SPDX-License-Identifier: MIT
/* How far is CLOCK_REALTIME from the host's UTC? */

#include <errno.h>
#include <string.h>

#include <paraclock/offset.h>

#include "base/env.h"
#include "base/env_call.h"
#include "base/fixed.h"
#include "clock/clock.h"
#include "timescale/leap_table.h"

/* Readings of which the narrowest counts. */
#define BRACKETS 5

/* Nobody smears a leap second further than this from it. */
#define SMEAR_NS (86400 * (int64_t)NSEC_PER_SEC)

/* --- the host's UTC ------------------------------------------------------- */

/* TAI - UTC, s, by whoever knows it. */
static int tai_offset(struct paraclock_offset *off, int16_t *ret_sec)
{
	struct paraclock_sample *sample = &off->sample;
	struct paraclock_utc utc;
	int ret = -ESTALE;

	*ret_sec = 0;
	if (sample->flags & PARACLOCK_FLAG_TAI_OFFSET)
		*ret_sec = sample->tai_offset_sec;
	if (pclk_leap_offset_is_plausible(*ret_sec))
		return 0;
	if (off->leap_table)
		ret = paraclock_tai_to_utc(off->leap_table, sample->host_ns,
					   &utc);
	if (ret == -EINVAL)
		return ret;
	*ret_sec = off->assume_tai_offset_sec;
	if (!ret) {
		*ret_sec = utc.tai_offset_sec;
		sample->leap = utc.leap;
	}
	return pclk_leap_offset_is_plausible(*ret_sec) ? 0 : -EOPNOTSUPP;
}

static int from_tai(struct paraclock_offset *off)
{
	struct paraclock_sample *sample = &off->sample;
	int16_t sec = 0;
	int ret = tai_offset(off, &sec);

	if (ret)
		return ret;
	sample->tai_offset_sec = sec;
	sample->flags |= PARACLOCK_FLAG_TAI_OFFSET;
	return __builtin_sub_overflow(sample->host_ns,
				      sec * (int64_t)NSEC_PER_SEC, &off->utc_ns)
		       ? -ERANGE
		       : 0;
}

/* Does the table show that no leap second is within a day? */
static bool is_far_from_leaps(const struct paraclock_leap_table *table,
			      int64_t utc_ns)
{
	struct paraclock_utc utc = { .leap = PARACLOCK_LEAP_UNKNOWN };
	int64_t from_ns, to_ns;

	return table && !__builtin_sub_overflow(utc_ns, SMEAR_NS, &utc.ns) &&
	       !paraclock_utc_to_tai(table, &utc, &from_ns) &&
	       !__builtin_add_overflow(utc_ns, SMEAR_NS, &utc.ns) &&
	       !paraclock_utc_to_tai(table, &utc, &to_ns) &&
	       to_ns - from_ns == 2 * SMEAR_NS;
}

static int set_utc(struct paraclock_offset *off)
{
	const struct paraclock_sample *sample = &off->sample;

	switch (sample->timescale) {
	case PARACLOCK_TIMESCALE_TAI:
		return from_tai(off);
	case PARACLOCK_TIMESCALE_MONOTONIC:
		if (!off->start_utc_ns)
			return -EOPNOTSUPP;
		off->flags |= PARACLOCK_OFFSET_MAYBE_SMEARED;
		return __builtin_add_overflow(sample->host_ns,
					      off->start_utc_ns, &off->utc_ns)
			       ? -ERANGE
			       : 0;
	case PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED:
		if (!is_far_from_leaps(off->leap_table, sample->host_ns))
			off->flags |= PARACLOCK_OFFSET_MAYBE_SMEARED;
		break;
	case PARACLOCK_TIMESCALE_UTC:
		break;
	default:
		return -EOPNOTSUPP;
	}
	off->utc_ns = sample->host_ns;
	return 0;
}

/* --- the offset ----------------------------------------------------------- */

static bool is_near_leap(const struct paraclock_offset *off, uint64_t error_ns)
{
	/* What a host says of leap seconds is of its own clock, and not of the
	 * start that a caller adds. */
	uint8_t leap = off->sample.timescale == PARACLOCK_TIMESCALE_MONOTONIC
			       ? (uint8_t)PARACLOCK_LEAP_UNKNOWN
			       : off->sample.leap;

	return pclk_leap_is_near(leap, off->utc_ns, error_ns);
}

static void set_bound(struct paraclock_offset *off)
{
	uint64_t bound_ns =
		add_bounds(off->error_ns, off->sample.clock_error_ns);

	if (is_near_leap(off, off->error_ns)) {
		off->valid = 0;
		off->reason = PARACLOCK_REASON_WINDOW;
		off->flags |= PARACLOCK_OFFSET_NEAR_LEAP;
		return;
	}
	if (bound_ns == PARACLOCK_ERROR_UNKNOWN ||
	    off->flags & PARACLOCK_OFFSET_MAYBE_SMEARED)
		return;
	if (is_near_leap(off, bound_ns))
		off->flags |= PARACLOCK_OFFSET_NEAR_LEAP;
	else
		off->bound_ns = bound_ns;
}

static int fill(struct paraclock_offset *off,
		const struct paraclock_crosststamp *xt)
{
	int ret;

	if (!xt->realtime_valid)
		return -ESTALE;
	ret = set_utc(off);
	if (ret)
		return ret;
	off->valid = 1;
	off->counter = xt->counter;
	off->realtime_ns = xt->ns[PARACLOCK_CLOCK_REALTIME];
	off->monotonic_raw_ns = xt->ns[PARACLOCK_CLOCK_MONOTONIC_RAW];
	off->error_ns =
		add_bounds(xt->uncertainty_ns, off->sample.pair_error_ns);
	set_bound(off);
	return __builtin_sub_overflow(off->utc_ns, off->realtime_ns,
				      &off->offset_ns)
		       ? -ERANGE
		       : 0;
}

static bool is_usable(const struct paraclock_offset *off)
{
	return off && off->size >= sizeof(*off);
}

int paraclock_offset_of(const struct paraclock_crosststamp *xt,
			struct paraclock_offset *ret_offset)
{
	struct paraclock_offset off;
	int ret = 0;

	if (!xt || xt->size < sizeof(*xt) || !is_usable(ret_offset))
		return -EINVAL;
	off = (struct paraclock_offset){
		.size = ret_offset->size,
		.leap_table = ret_offset->leap_table,
		.start_utc_ns = ret_offset->start_utc_ns,
		.assume_tai_offset_sec = ret_offset->assume_tai_offset_sec,
		.reason = xt->sample.reason,
		.error_ns = PARACLOCK_ERROR_UNKNOWN,
		.bound_ns = PARACLOCK_ERROR_UNKNOWN,
		.sample = xt->sample,
	};
	if (xt->sample.valid)
		ret = fill(&off, xt);
	if (!ret)
		*ret_offset = off;
	return ret;
}

/* --- by a bracket --------------------------------------------------------- */

struct bracket {
	struct paraclock_sample before, after;
	int64_t real_ns, raw_ns;
	uint64_t width_ns;
};

static int read_system(const struct paraclock_env *env, unsigned int clock,
		       int64_t *ret_ns)
{
	return pclk_env_error(
		env->read_clock(env->ctx, pclk_clock_id[clock], ret_ns));
}

/* Are both ends of one run of the host clock? */
static bool is_one_run(const struct bracket *b)
{
	const struct paraclock_sample *before = &b->before, *after = &b->after;

	return after->valid && before->epoch == after->epoch &&
	       before->timescale == after->timescale &&
	       before->leap == after->leap &&
	       before->tai_offset_sec == after->tai_offset_sec &&
	       after->host_ns >= before->host_ns;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

static int read_bracket(const struct paraclock *clk, struct bracket *b)
{
	int ret = paraclock_read(clk, &b->before);

	if (!ret)
		ret = read_system(clk->env, PARACLOCK_CLOCK_REALTIME,
				  &b->real_ns);
	if (!ret)
		ret = read_system(clk->env, PARACLOCK_CLOCK_MONOTONIC_RAW,
				  &b->raw_ns);
	if (!ret)
		ret = paraclock_read(clk, &b->after);
	if (ret || !b->before.valid)
		return ret;
	if (!is_one_run(b))
		return -ESTALE;
	b->width_ns = (uint64_t)b->after.host_ns - (uint64_t)b->before.host_ns;
	/* Each end is as sure as it says. */
	b->before.pair_error_ns =
		larger(b->before.pair_error_ns, b->after.pair_error_ns);
	b->before.clock_error_ns =
		larger(b->before.clock_error_ns, b->after.clock_error_ns);
	return 0;
}

/* The clocks were read somewhere between the two ends. */
static void fill_crosststamp(const struct bracket *b,
			     struct paraclock_crosststamp *xt)
{
	xt->sample = b->before;
	xt->sample.host_ns += (int64_t)(b->width_ns / 2);
	xt->sample.host_tsc += (b->after.host_tsc - b->before.host_tsc) / 2;
	xt->counter = xt->sample.host_tsc;
	xt->ns[PARACLOCK_CLOCK_REALTIME] = b->real_ns;
	xt->ns[PARACLOCK_CLOCK_MONOTONIC_RAW] = b->raw_ns;
	xt->known = 1U << PARACLOCK_CLOCK_REALTIME |
		    1U << PARACLOCK_CLOCK_MONOTONIC_RAW;
	xt->realtime_valid = 1;
	xt->uncertainty_ns = b->width_ns / 2 + 1;
}

/* *ret_best stays NULL if no bracket was valid; then b[0] says why. */
static int read_brackets(const struct paraclock *clk, struct bracket b[2],
			 const struct bracket **ret_best)
{
	struct bracket *next = b;
	const struct bracket *best = NULL;
	int ret = 0;

	for (int i = 0; i < BRACKETS && !ret; i++) {
		ret = read_bracket(clk, next);
		if (!ret && !next->before.valid) {
			b[0].before = next->before;
			return 0;
		}
		/* What was read before a disruption is void. */
		if (!ret &&
		    (!best || next->before.epoch != best->before.epoch ||
		     next->width_ns < best->width_ns)) {
			best = next;
			next = &b[best == b];
		}
	}
	*ret_best = best;
	if (!best || ret == -ESTALE)
		return ret;
	ret = paraclock_disrupted(clk, best->before.epoch);
	return ret > 0 ? -ESTALE : ret;
}

int paraclock_bracket(const struct paraclock *clk,
		      struct paraclock_crosststamp *ret_xt)
{
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };
	const struct bracket *best = NULL;
	struct bracket b[2];
	int ret;

	if (!clk || !ret_xt || ret_xt->size < sizeof(xt))
		return -EINVAL;
	if (!clk->env->read_clock)
		return -EOPNOTSUPP;
	ret = read_brackets(clk, b, &best);
	if (ret)
		return ret;
	if (best)
		fill_crosststamp(best, &xt);
	else
		xt.sample = b[0].before;
	*ret_xt = xt;
	return 0;
}

/* --- both ----------------------------------------------------------------- */

int paraclock_offset(const struct paraclock *clk,
		     struct paraclock_offset *ret_offset)
{
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };
	bool bracketed;
	int ret;

	if (!clk || !is_usable(ret_offset))
		return -EINVAL;
	ret = paraclock_crosststamp(clk, NULL, &xt);
	/* The source's counter, or the kernel's clocksource, is another one. */
	bracketed = ret == -ENODEV || ret == -EOPNOTSUPP;
	if (bracketed)
		ret = paraclock_bracket(clk, &xt);
	if (!ret)
		ret = paraclock_offset_of(&xt, ret_offset);
	if (!ret && bracketed && ret_offset->sample.valid)
		ret_offset->flags |= PARACLOCK_OFFSET_BRACKETED;
	return ret;
}
