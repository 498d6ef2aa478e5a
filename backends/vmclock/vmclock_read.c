// SPDX-License-Identifier: MIT
/* What a vmclock page means. See vmclock_page.h for the source. */

#include <errno.h>
#include <string.h>

#include "base/fixed.h"
#include "leap.h"
#include "page/conversion.h"
#include "vmclock_page.h"

#define SHIFT_MAX 127

/* A page with error terms is believed until its bound passes a second; one
 * without them, or whose bound does not grow, for an hour. A dead publisher must
 * not stay valid for ever. */
#define AGE_MAX_NS   (3600ULL * NSEC_PER_SEC)
#define ERROR_MAX_NS ((uint64_t)NSEC_PER_SEC)

/* Even less a leap second, a later second does not fit an int64_t of ns. */
#define SEC_MAX (INT64_MAX / NSEC_PER_SEC + 1)

/* A conversion's rounding error is below 2^-64 ns a tick; that of the exact
 * formula, which rounds to 2^-64 s, is below 10^9 times 2^-64 ns. 2^46 ticks are
 * four hours at 5 GHz. */
#define TICKS_MAX (1ULL << 46)
#define GUARD	  (TICKS_MAX + 2ULL * NSEC_PER_SEC)

const struct page_shape pclk_vmclock_shape = {
	.name = "vmclock",
	.seq_offset = offsetof(struct vmclock_page, seq_count),
	.size = sizeof(struct vmclock_page),
	.min_size = offsetof(struct vmclock_page, pad),
	.sequence = PAGE_ODD,
};

#define HAS(vc, field) \
	((vc)->size >= \
	 offsetof(struct vmclock_page, field) + sizeof((vc)->field))

const char *pclk_vmclock_decode(const struct page_copy *copy,
				struct vmclock_page *ret_vc)
{
	struct vmclock_page vc;

	memcpy(&vc, copy->word, sizeof(vc));
	if (vc.magic != VMCLOCK_MAGIC)
		return "magic is not 0x4b4c4356";
	if (vc.size < pclk_vmclock_shape.min_size)
		return "size is below 32";
	if (vc.version != 1)
		return "version is not 1";
	if (vc.time_type > VMCLOCK_TIME_MONOTONIC)
		return "time_type is above 2";
	if (vc.size > copy->size)
		vc.size = (uint32_t)copy->size;
	/* A field that is cut short does not count. From counter_value on all
	 * have 8 bytes. */
	if (vc.size > offsetof(struct vmclock_page, counter_value))
		vc.size &= ~7U;
	else if (vc.size == offsetof(struct vmclock_page, tai_offset_sec) + 1)
		vc.size--;
	memset((char *)&vc + vc.size, 0, sizeof(vc) - vc.size);
	*ret_vc = vc;
	return NULL;
}

static uint8_t counter_of(const struct vmclock_page *vc)
{
	switch (vc->counter_id) {
	case VMCLOCK_COUNTER_ARM_VCNT:
		return PARACLOCK_COUNTER_ARM_VCNT;
	case VMCLOCK_COUNTER_X86_TSC:
		return PARACLOCK_COUNTER_X86_TSC;
	default:
		return PARACLOCK_COUNTER_NONE;
	}
}

static uint8_t timescale_of(const struct vmclock_page *vc)
{
	switch (vc->time_type) {
	case VMCLOCK_TIME_UTC:
		return PARACLOCK_TIMESCALE_UTC;
	case VMCLOCK_TIME_TAI:
		return PARACLOCK_TIMESCALE_TAI;
	default:
		return PARACLOCK_TIMESCALE_MONOTONIC;
	}
}

static int has_error_terms(const struct vmclock_page *vc)
{
	const uint64_t both = VMCLOCK_FLAG_PERIOD_MAXERROR_VALID |
			      VMCLOCK_FLAG_TIME_MAXERROR_VALID;

	return HAS(vc, time_maxerror_nanosec) && (vc->flags & both) == both;
}

/* Does the page's bound grow by itself? */
static int has_growing_error(const struct vmclock_page *vc)
{
	return has_error_terms(vc) && vc->counter_period_maxerror_rate_frac_sec;
}

/* time_maxerror + ceil(ticks * rate * 10^9 / 2^(64 + shift)), saturating at
 * "no bound". */
static uint64_t error_at(const struct vmclock_page *vc, uint64_t ticks)
{
	u128 grown = (u128)ticks * vc->counter_period_maxerror_rate_frac_sec;
	u128 low = (u128)(uint64_t)grown * NSEC_PER_SEC;
	u128 high = (u128)(uint64_t)(grown >> 64) * NSEC_PER_SEC + (low >> 64);
	unsigned int shift = vc->counter_period_shift;
	u128 whole = shift_right(high, shift);
	u128 rest = (high - (whole << shift)) | (uint64_t)low;
	u128 sum = whole + (rest != 0) + vc->time_maxerror_nanosec;

	return sum < PARACLOCK_ERROR_UNKNOWN ? (uint64_t)sum
					     : PARACLOCK_ERROR_UNKNOWN;
}

/* How long ticks last, in seconds and 2^-64 s. */
static u128 duration(const struct vmclock_page *vc, uint64_t ticks)
{
	return shift_right((u128)ticks * vc->counter_period_frac_sec,
			   vc->counter_period_shift);
}

static u128 age_of(const struct vmclock_page *vc, uint64_t ticks)
{
	u128 took = duration(vc, ticks);

	return (took >> 64) * NSEC_PER_SEC +
	       mul_high((uint64_t)took, NSEC_PER_SEC);
}

/* How old the page may be, ns; UINT64_MAX: its bound alone says. */
static uint64_t age_limit(const struct vmclock_page *vc,
			  const struct vmclock_limits *limits)
{
	uint64_t max_ns = limits->max_age_ns;

	if (!max_ns)
		max_ns = has_growing_error(vc) ? UINT64_MAX : AGE_MAX_NS;
	return limits->age_cap_ns && limits->age_cap_ns < max_ns
		       ? limits->age_cap_ns
		       : max_ns;
}

static int is_too_old(const struct vmclock_page *vc,
		      const struct vmclock_limits *limits, uint64_t ticks,
		      uint64_t error_ns)
{
	const uint64_t max_ns = age_limit(vc, limits);

	if (!limits->max_age_ns && has_error_terms(vc) &&
	    error_ns > ERROR_MAX_NS)
		return 1;
	return max_ns != UINT64_MAX && age_of(vc, ticks) > max_ns;
}

/* The page's time at its reference point, or ticks later. */
static int time_at(const struct vmclock_page *vc, uint64_t ticks,
		   uint64_t *ret_sec, uint64_t *ret_nsec)
{
	u128 took = duration(vc, ticks);
	u128 frac = (u128)vc->time_frac_sec + (uint64_t)took;
	u128 sec = (u128)vc->time_sec + (uint64_t)(took >> 64) +
		   (uint64_t)(frac >> 64);

	if (sec > SEC_MAX)
		return -ERANGE;
	*ret_sec = (uint64_t)sec;
	*ret_nsec = mul_high((uint64_t)frac, NSEC_PER_SEC);
	return 0;
}

static uint8_t judge_page(const struct vmclock_page *vc,
			  const struct vmclock_limits *limits)
{
	/* A page that is too short for a time cannot vouch for one. */
	if ((vc->clock_status != VMCLOCK_STATUS_SYNCHRONIZED &&
	     vc->clock_status != VMCLOCK_STATUS_FREERUNNING) ||
	    !HAS(vc, time_frac_sec))
		return PARACLOCK_REASON_STATUS;
	if (counter_of(vc) == PARACLOCK_COUNTER_NONE ||
	    (limits->counter_id != PARACLOCK_COUNTER_ANY &&
	     limits->counter_id != counter_of(vc)))
		return PARACLOCK_REASON_COUNTER;
	return PARACLOCK_REASON_OK;
}

/* What does not depend on the counter's value. */
static struct paraclock_sample describe(const struct vmclock_page *vc,
					uint64_t counter)
{
	return (struct paraclock_sample){
		.host_tsc = counter,
		.pair_error_ns = PARACLOCK_ERROR_UNKNOWN,
		.clock_error_ns = PARACLOCK_ERROR_UNKNOWN,
		.timescale = timescale_of(vc),
		.counter = counter_of(vc),
		.flags = vc->flags & VMCLOCK_FLAG_TIME_MONOTONIC
				 ? PARACLOCK_FLAG_MONOTONIC
				 : 0,
	};
}

static struct leap_state leap_of(const struct vmclock_page *vc)
{
	/* 0 if the page ends before it. */
	int16_t tai = pclk_leap_tai(vc->tai_offset_sec);

	return (struct leap_state){
		.leap = HAS(vc, leap_indicator) ? vc->leap_indicator
						: PARACLOCK_LEAP_UNKNOWN,
		.timescale = timescale_of(vc),
		.tai_known = vc->flags & VMCLOCK_FLAG_TAI_OFFSET_VALID && tai,
		.tai_offset_sec = tai,
	};
}

int pclk_vmclock_convert(const struct vmclock_page *vc,
			 const struct vmclock_limits *limits, uint64_t counter,
			 struct paraclock_sample *ret_sample,
			 const char **ret_bad)
{
	struct paraclock_sample sample = describe(vc, counter);
	struct leap_state leap = leap_of(vc);
	uint64_t ref_sec, ref_nsec, sec, nsec;
	uint64_t ticks = counter - vc->counter_value;
	uint64_t error_ns = PARACLOCK_ERROR_UNKNOWN;

	sample.reason = judge_page(vc, limits);
	if (!sample.reason && !vc->counter_period_frac_sec) {
		*ret_bad = "counter_period_frac_sec is 0";
		return -EPROTO;
	}
	if (!sample.reason && vc->counter_period_shift > SHIFT_MAX) {
		*ret_bad = "counter_period_shift is above 127";
		return -EPROTO;
	}
	if (time_at(vc, 0, &ref_sec, &ref_nsec) ||
	    ref_sec * NSEC_PER_SEC + ref_nsec > INT64_MAX)
		return -ERANGE;
	sec = ref_sec;
	nsec = ref_nsec;
	if (!sample.reason) {
		if (has_error_terms(vc))
			error_ns = error_at(vc, ticks);
		if (counter < vc->counter_value ||
		    is_too_old(vc, limits, ticks, error_ns))
			sample.reason = PARACLOCK_REASON_WINDOW;
	}
	if (!sample.reason) {
		if (time_at(vc, ticks, &sec, &nsec))
			return -ERANGE;
		if (!pclk_leap_apply(&leap, (int64_t)ref_sec,
				     (int64_t *)&sec)) {
			sample.reason = PARACLOCK_REASON_WINDOW;
			sec = ref_sec;
			nsec = ref_nsec;
			leap = leap_of(vc);
		}
	}
	/* No wrap: 2^64 ns are twice SEC_MAX. */
	if (sec * NSEC_PER_SEC + nsec > INT64_MAX)
		return -ERANGE;
	sample.host_ns = (int64_t)(sec * NSEC_PER_SEC + nsec);
	sample.leap = pclk_leap_for_sample(&leap);
	if (leap.tai_known) {
		sample.flags |= PARACLOCK_FLAG_TAI_OFFSET;
		sample.tai_offset_sec = leap.tai_offset_sec;
	}
	if (!sample.reason) {
		sample.valid = 1;
		sample.pair_error_ns = 0;
		sample.clock_error_ns = error_ns;
	}
	*ret_sample = sample;
	return 0;
}

/* Bound the conversion by the growth of its error, up to ERROR_MAX_NS. */
static void limit_error(const struct vmclock_page *vc,
			struct paraclock_conversion *conv)
{
	u128 rate =
		(u128)vc->counter_period_maxerror_rate_frac_sec * NSEC_PER_SEC;
	u128 mult = shift_right(rate, vc->counter_period_shift);
	uint64_t room, ticks;

	conv->error_ns = vc->time_maxerror_nanosec;
	conv->error_mult = (uint64_t)mult;
	conv->error_guard = rate ? GUARD : 0;
	/* An error that grows by 1 ns a tick is not worth a conversion. 2: the
	 * ceiling, and what rounding may add up to. */
	if (mult >> 64 || conv->error_ns > ERROR_MAX_NS - 2) {
		conv->usable = 0;
		return;
	}
	room = ERROR_MAX_NS - 2 - conv->error_ns;
	ticks = pclk_ticks_within(room, 0, conv->error_mult);
	if (ticks < conv->max_ticks)
		conv->max_ticks = ticks;
}

void pclk_vmclock_conversion(const struct vmclock_page *vc,
			     const struct vmclock_limits *limits,
			     const struct paraclock_sample *sample,
			     struct paraclock_conversion *ret_conv)
{
	struct leap_state leap = leap_of(vc);
	uint64_t horizon_ns, max_age_ns = age_limit(vc, limits);
	uint64_t sec, nsec;
	u128 mult, frac;

	memcpy(ret_conv->key, (const char *)vc + VMCLOCK_WATCHED_OFFSET,
	       sizeof(ret_conv->key));
	ret_conv->usable = sample->valid && !time_at(vc, 0, &sec, &nsec);
	if (!ret_conv->usable)
		return;

	mult = shift_right((u128)vc->counter_period_frac_sec * NSEC_PER_SEC,
			   vc->counter_period_shift);
	frac = (u128)vc->time_frac_sec * NSEC_PER_SEC;
	ret_conv->mask = ~0ULL;
	ret_conv->mult_hi = (uint64_t)(mult >> 64);
	ret_conv->mult_lo = (uint64_t)mult;
	ret_conv->base_tsc = vc->counter_value;
	ret_conv->base_ns = (int64_t)(sec * NSEC_PER_SEC + nsec);
	ret_conv->frac = (uint64_t)frac;
	ret_conv->guard = GUARD;
	ret_conv->error_ns = PARACLOCK_ERROR_UNKNOWN;
	ret_conv->max_ticks = TICKS_MAX;
	if (has_error_terms(vc))
		limit_error(vc, ret_conv);
	horizon_ns = pclk_leap_horizon_sec(&leap, (int64_t)sec) * NSEC_PER_SEC;
	pclk_conversion_limit(ret_conv, max_age_ns < horizon_ns ? max_age_ns
								: horizon_ns);
}
