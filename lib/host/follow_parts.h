/* SPDX-License-Identifier: MIT */
/* The rate of a clock that is followed, and the bound of a timeline made of
 * it. */
#ifndef FOLLOW_PARTS_H
#define FOLLOW_PARTS_H

#include "base/interpolate.h"
#include "clock/clock.h"
#include "timeline.h"

/* Rates are in 2^-28 Hz: up to 68 GHz, and 1 MHz to within 2^-48 of it. */
#define FOLLOW_HZ_BITS 28

#define FOLLOW_PPB 1000000000U

/* What a follower remembers from call to call: follow.opaque. */
struct __attribute__((may_alias)) follow_private {
	uint64_t restarting; /* not 0: frozen by follow, which will unfreeze */
	uint64_t last_hz;    /* the last rate measured; 0: none */
	uint64_t hz;	     /* the last rate that agreed with the one before */
	uint64_t hz_off;     /* how far off hz may be; hz or more: unknown */
	struct paraclock_sample
		last; /* where the measurement under way began */
};

/* value / divisor, rounded down; UINT64_MAX: it does not fit. */
static inline uint64_t follow_quotient(u128 value, uint64_t divisor)
{
	uint64_t high = (uint64_t)(value >> 64);

	return high < divisor ? pclk_divide_128(high, (uint64_t)value, divisor)
			      : UINT64_MAX;
}

/* value * ppb / 10^9, rounded down; ppb is at most 10^8. */
static inline uint64_t follow_parts(uint64_t value, uint64_t ppb)
{
	return follow_quotient((u128)value * ppb, FOLLOW_PPB);
}

/* follow_bound.c */

/* Measure the rate, if the last sample is that long ago. */
void pclk_follow_measure(struct follow_private *priv,
			 const struct paraclock_sample *sample,
			 uint64_t interval_ns);

/* Give tl, which goes on from the sample at the measured rate until its t_end,
 * a bound that holds for all that time, if one is known. */
void pclk_follow_bound(const struct paraclock *clk,
		       const struct paraclock_sample *sample,
		       const struct follow_private *priv, uint64_t drift_ppb,
		       struct paraclock_timeline *tl);

#endif
