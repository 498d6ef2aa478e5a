/* SPDX-License-Identifier: MIT */
/* What a vmclock page's leap indicator means some time after its reference
 * point. */
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

/* Can this be TAI - UTC? It has been positive since 1972, and will stay so. */
PCLK_SHARED bool pclk_leap_tai_is_plausible(int16_t offset_sec);

/*
 * TAI - UTC by a page's tai_offset_sec; 0: the page does not say. Version 1.0 of
 * the specification put this difference there (37); version 1.1 and Linux's
 * driver put UTC - TAI there (-37). Neither is ever close to 0, so both are
 * accepted.
 */
PCLK_SHARED int16_t pclk_leap_tai(int16_t stated_sec);

/*
 * *sec was counted from the reference second as if there were no leap seconds:
 * correct it and the state. false: that cannot be known. The inserted second
 * repeats the number of the one before it.
 */
PCLK_SHARED bool pclk_leap_apply(struct leap_state *leap, int64_t ref_sec,
				 int64_t *sec);

/* For how many whole seconds after ref_sec pclk_leap_apply() changes nothing. */
uint64_t pclk_leap_horizon_sec(const struct leap_state *leap, int64_t ref_sec);

/* enum paraclock_leap. */
uint8_t pclk_leap_for_sample(const struct leap_state *leap);

/* The first second after the UTC month of sec (since 1970). */
int64_t pclk_leap_month_end(int64_t sec);

#endif
