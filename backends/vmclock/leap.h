/* SPDX-License-Identifier: MIT */
/* What a vmclock page's leap indicator means some time after its reference. */
#ifndef LEAP_H
#define LEAP_H

#include <stdbool.h>
#include <stdint.h>

#include <paraclock/clock.h>

#include "base/shared.h"

/* Leap indicator and TAI offset, at one instant. */
struct leap_state {
	uint8_t leap; /* the page's number; those of enum paraclock_leap */
	uint8_t timescale;
	bool tai_known;
	int16_t tai_offset_sec;
};

/* May this be TAI - UTC? Positive since 1972, and bound to stay so. */
PCLK_SHARED bool pclk_leap_tai_is_plausible(int16_t offset_sec);

/*
 * TAI - UTC by a page's tai_offset_sec; 0: it does not say. Version 1.0 of the
 * specification had this very difference in it (37), version 1.1 and Linux's
 * driver have UTC - TAI (-37). As neither is ever close to 0, either is taken.
 */
PCLK_SHARED int16_t pclk_leap_tai(int16_t stated_sec);

/*
 * From the reference second to another, *sec, counted as if there were no
 * leap seconds: correct *sec and the state. false: it cannot be known.
 * The inserted second repeats the number of the one before it.
 */
PCLK_SHARED bool pclk_leap_apply(struct leap_state *leap, int64_t ref_sec,
				 int64_t *sec);

/* Whole seconds after ref_sec for which pclk_leap_apply() changes nothing. */
uint64_t pclk_leap_horizon_sec(const struct leap_state *leap, int64_t ref_sec);

/* enum paraclock_leap. */
uint8_t pclk_leap_for_sample(const struct leap_state *leap);

/* First second after the UTC month that sec (since 1970) is in. */
int64_t pclk_leap_month_end(int64_t sec);

#endif
