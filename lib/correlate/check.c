// SPDX-License-Identifier: MIT
/* A second opinion: does a clock run as other clocks do? */

#include <errno.h>
#include <string.h>

#include <paraclock/system.h>

#include "base/fixed.h"
#include "base/interpolate.h"
#include "clock/clock.h"

#define PPB	      1000000000
#define MAX_RATE_PPB  1000000
#define MAX_OFFSET_NS NSEC_PER_SEC

/* A clock and CLOCK_MONOTONIC_RAW at one instant. */
struct reading {
	int64_t host_ns;
	int64_t raw_ns;
	uint64_t error_ns; /* of the two together */
	uint64_t epoch;
	uint64_t source_seq;
	/* enum paraclock_timescale; TAI if UTC's offset is known. */
	uint64_t scale;
};

/* What a check remembers from call to call: check.opaque. */
struct __attribute__((may_alias)) check_private {
	uint64_t used; /* 1: clk is set; 2: other is as well */
	struct reading clk, other;
};
_Static_assert(sizeof(struct check_private) <=
		       sizeof(((struct paraclock_check *)0)->opaque),
	       "the public struct has room for it");

static bool is_utc(uint64_t scale)
{
	return scale == PARACLOCK_TIMESCALE_UTC ||
	       scale == PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED;
}

/* 1: the sample is not valid. */
static int read_both(const struct paraclock *clk, struct reading *ret_reading,
		     struct paraclock_sample *ret_sample)
{
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };
	const struct paraclock_sample *sample = &xt.sample;
	int ret = paraclock_crosststamp(clk, NULL, &xt);
	int64_t tai_ns;

	if (ret)
		return ret;
	*ret_sample = *sample;
	if (!sample->valid)
		return 1;
	*ret_reading = (struct reading){
		.host_ns = sample->host_ns,
		.raw_ns = xt.ns[PARACLOCK_CLOCK_MONOTONIC_RAW],
		.error_ns =
			add_bounds(sample->pair_error_ns, xt.uncertainty_ns),
		.epoch = sample->epoch,
		.source_seq = xt.clocksource_changed_seq,
		.scale = sample->timescale,
	};
	/* On TAI a leap second is not a step. */
	tai_ns = sample->tai_offset_sec * (int64_t)NSEC_PER_SEC;
	if (is_utc(sample->timescale) &&
	    sample->flags & PARACLOCK_FLAG_TAI_OFFSET &&
	    !__builtin_add_overflow(sample->host_ns, tai_ns,
				    &ret_reading->host_ns))
		ret_reading->scale = PARACLOCK_TIMESCALE_TAI;
	return 0;
}

/* How far the clock advanced less how far RAW did, ns. */
static s128 gained(const struct reading *from, const struct reading *to)
{
	return ((s128)to->host_ns - from->host_ns) -
	       ((s128)to->raw_ns - from->raw_ns);
}

/* May two readings be compared? */
static bool follows(const struct reading *from, const struct reading *to)
{
	return from->epoch == to->epoch && from->source_seq == to->source_seq &&
	       from->scale == to->scale && to->raw_ns > from->raw_ns;
}

static s128 absolute(s128 value)
{
	return value < 0 ? -value : value;
}

/* Saturates: a rate that does not fit is wrong in any case. */
static int64_t to_ppb(s128 gain, uint64_t interval_ns)
{
	u128 scaled = (u128)absolute(gain) * PPB;
	uint64_t ppb;

	if ((uint64_t)(scaled >> 64) >= interval_ns)
		return gain < 0 ? INT64_MIN : INT64_MAX;
	ppb = pclk_divide_128((uint64_t)(scaled >> 64), (uint64_t)scaled,
			      interval_ns);
	if (ppb > INT64_MAX)
		return gain < 0 ? INT64_MIN : INT64_MAX;
	return gain < 0 ? -(int64_t)ppb : (int64_t)ppb;
}

/* A gain is at most twice 2^63 ns, so its product with PPB fits 128 bits. */
static bool is_beyond(const struct paraclock_check *check, s128 gain,
		      uint64_t error_ns, bool may_leap)
{
	u128 slack = (u128)error_ns * PPB +
		     (u128)check->interval_ns * check->max_rate_ppb;
	u128 scaled = (u128)absolute(gain) * PPB;
	u128 second = (u128)NSEC_PER_SEC * PPB;

	if (scaled <= slack)
		return false;
	return !may_leap || scaled + slack < second || scaled > second + slack;
}

static bool may_leap(const struct reading *reading)
{
	return is_utc(reading->scale);
}

static void compare_rate(struct paraclock_check *check,
			 const struct reading *from, const struct reading *to)
{
	s128 gain = gained(from, to);
	uint64_t error_ns = add_bounds(from->error_ns, to->error_ns);

	check->compared |= PARACLOCK_CHECK_RATE;
	check->interval_ns = (uint64_t)to->raw_ns - (uint64_t)from->raw_ns;
	check->rate_ppb = to_ppb(gain, check->interval_ns);
	check->error_ns = error_ns;
	if (is_beyond(check, gain, error_ns, may_leap(to)))
		check->contradicted |= PARACLOCK_CHECK_RATE;
}

static void compare_other_rate(struct paraclock_check *check,
			       const struct check_private *last,
			       const struct reading *clk,
			       const struct reading *other)
{
	s128 gain = gained(&last->clk, clk) - gained(&last->other, other);
	uint64_t error_ns =
		add_bounds(check->error_ns,
			   add_bounds(last->other.error_ns, other->error_ns));

	check->compared |= PARACLOCK_CHECK_OTHER_RATE;
	check->other_rate_ppb = to_ppb(gain, check->interval_ns);
	check->error_ns = error_ns;
	if (is_beyond(check, gain, error_ns, may_leap(clk) || may_leap(other)))
		check->contradicted |= PARACLOCK_CHECK_OTHER_RATE;
}

static uint64_t known_error(const struct paraclock_sample *sample)
{
	return sample->clock_error_ns == PARACLOCK_ERROR_UNKNOWN
		       ? 0
		       : sample->clock_error_ns;
}

/* Only for clocks on the same timescale, smeared or not. */
static void compare_offset(struct paraclock_check *check,
			   const struct reading *clk,
			   const struct reading *other, uint64_t error_ns)
{
	/* RAW says how much later one was read than the other. */
	s128 offset = ((s128)clk->host_ns - clk->raw_ns) -
		      ((s128)other->host_ns - other->raw_ns);
	u128 slack = (u128)check->max_offset_ns + error_ns + clk->error_ns +
		     other->error_ns;

	if (clk->scale != other->scale &&
	    !(is_utc(clk->scale) && is_utc(other->scale)))
		return;
	if (clk->scale != PARACLOCK_TIMESCALE_TAI && !is_utc(clk->scale))
		return;
	check->compared |= PARACLOCK_CHECK_OTHER_OFFSET;
	check->other_offset_ns = fits_s64(offset) ? (int64_t)offset
				 : offset < 0	  ? INT64_MIN
						  : INT64_MAX;
	if ((u128)absolute(offset) > slack)
		check->contradicted |= PARACLOCK_CHECK_OTHER_OFFSET;
}

/* 1: clk is not valid, which its readers see themselves. */
static int read_all(struct paraclock *clk, struct paraclock_check *check,
		    struct check_private *next, uint64_t *ret_error_ns)
{
	struct paraclock_sample sample, other = { 0 };
	int ret = read_both(clk, &next->clk, &sample);

	next->used = 1;
	if (ret || !check->other)
		return ret;
	ret = read_both(check->other, &next->other, &other);
	if (!ret)
		next->used = 2;
	*ret_error_ns = add_bounds(known_error(&sample), known_error(&other));
	return ret > 0 ? 0 : ret;
}

static void compare(struct paraclock_check *check,
		    const struct check_private *last,
		    const struct check_private *next, uint64_t error_ns)
{
	bool follows_on = last->used && follows(&last->clk, &next->clk);

	if (follows_on)
		compare_rate(check, &last->clk, &next->clk);
	if (next->used < 2)
		return;
	if (follows_on && last->used == 2 &&
	    follows(&last->other, &next->other))
		compare_other_rate(check, last, &next->clk, &next->other);
	compare_offset(check, &next->clk, &next->other, error_ns);
}

int paraclock_check(struct paraclock *clk, struct paraclock_check *check)
{
	struct paraclock_check found;
	struct check_private last, next = { 0 };
	uint64_t error_ns = 0;
	int ret;

	if (!clk || !check || check->size < sizeof(*check) ||
	    check->other == clk)
		return -EINVAL;
	found = *check;
	memcpy(&last, found.opaque, sizeof(last));
	found.compared = found.contradicted = 0;
	found.interval_ns = found.error_ns = 0;
	found.rate_ppb = found.other_rate_ppb = found.other_offset_ns = 0;
	if (!found.max_rate_ppb)
		found.max_rate_ppb = MAX_RATE_PPB;
	if (!found.max_offset_ns)
		found.max_offset_ns = MAX_OFFSET_NS;
	ret = read_all(clk, &found, &next, &error_ns);
	if (ret < 0)
		return ret;
	if (ret)
		next = (struct check_private){ 0 };
	else
		compare(&found, &last, &next, error_ns);
	if (found.contradicted) {
		ret = pclk_set_implausible(clk, true);
		if (ret)
			return ret;
	}
	memcpy(found.opaque, &next, sizeof(next));
	found.max_rate_ppb = check->max_rate_ppb;
	found.max_offset_ns = check->max_offset_ns;
	*check = found;
	return pclk_is_implausible(clk);
}

int paraclock_check_clear(struct paraclock *clk)
{
	return clk ? pclk_set_implausible(clk, false) : -EINVAL;
}
