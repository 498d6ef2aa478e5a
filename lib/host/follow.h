/* SPDX-License-Identifier: MIT */
/* How a clock that is followed goes on, and how far off that may be. */
#ifndef FOLLOW_H
#define FOLLOW_H

#include "base/interpolate.h"
#include "clock/clock.h"
#include "timeline.h"

/* Rates are in 2^-28 Hz: up to 68 GHz, and of 1 MHz within 2^-48. */
#define FOLLOW_HZ_BITS 28

#define FOLLOW_PPB 1000000000U

/* What struct paraclock_follow keeps from call to call. */
struct __attribute__((may_alias)) follow_kept {
	uint64_t restarting; /* not 0: frozen here, to be unfrozen here */
	uint64_t last_hz;    /* the last one taken; 0: none */
	uint64_t hz;	     /* the last that agreed with the one before */
	uint64_t hz_off;     /* what that may be off by; hz or more: unknown */
	struct paraclock_sample last; /* from here on a rate is taken */
};

/* Rounded down; UINT64_MAX: it does not fit. */
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

/* Take a rate, if the last one was taken so long ago. */
void pclk_follow_measure(struct follow_kept *kept,
			 const struct paraclock_sample *sample,
			 uint64_t interval_ns);

/* tl goes on from the sample, at the rate that is kept, until its t_end: give
 * it a bound that holds all that time, if there is one. */
void pclk_follow_bound(const struct paraclock *clk,
		       const struct paraclock_sample *sample,
		       const struct follow_kept *kept, uint64_t drift_ppb,
		       struct paraclock_timeline *tl);

#endif
