/* SPDX-License-Identifier: MIT */
/* Frequencies, clocks that run by a TSC, and TAI - UTC: sums without a
 * world. */
#ifndef SIM_RATE_H
#define SIM_RATE_H

#include <stdbool.h>
#include <string.h>

#include <paraclock/sim.h>

#include "base/fixed.h"

/* A ratio of two frequencies has this many fraction bits, as KVM's has. */
#define RATIO_BITS 48
#define RATIO_ONE  (1ULL << RATIO_BITS)
/* A clock slews by at most this, ppb: 10 %. */
#define PPB	100000000
#define PPB_ONE 1000000000

/* A frequency, 2^-bits Hz. */
struct sim_hz {
	uint64_t hz;
	int bits;
};

/* A clock that runs by a TSC of hz: it shows at, 2^-64 ns, at the first tick
 * and is faster than true time by ppb. */
struct sim_clock {
	u128 at;
	struct sim_hz hz;
	int64_t ppb;
};

bool pclk_sim_hz_is_good(uint64_t hz, unsigned int bits);
struct sim_hz pclk_sim_hz_scale(struct sim_hz hz, uint64_t ratio);
/* a / b in 2^-48; -ERANGE if KVM could not scale by it. */
int pclk_sim_ratio(struct sim_hz a, struct sim_hz b, uint64_t *ret_ratio);
/* Give tl the rate of a clock that is ppb fast, over ticks of hz. */
void pclk_sim_timeline_set_rate(struct paraclock_timeline *tl, struct sim_hz hz,
				int64_t ppb);
/* The clock's time this many ticks after its first, 2^-64 ns. */
u128 pclk_sim_clock_at(const struct sim_clock *clock, uint64_t ticks);
/* How long frac of a tick (2^-64) takes, 2^-64 ns. */
u128 pclk_sim_part_of_tick(const struct sim_clock *clock, uint64_t frac);
/* Base ticks as 2^-64 ticks of hz. */
u128 pclk_sim_ticks_of(const struct paraclock_sim *sim, struct sim_hz hz,
		       uint64_t base_ticks);
/* time * ppb / 10^9. */
s128 pclk_sim_ppb_of(u128 time, int64_t ppb);

/* --- utc.c ---------------------------------------------------------------- */

/* TAI - UTC as a host believes it, with at most one leap second. */
struct sim_utc {
	int64_t leap_ns;    /* TAI; the offset changes here */
	int16_t offset_sec; /* before leap_ns */
	uint8_t leap;	    /* enum paraclock_leap, before leap_ns */
	bool known;
};

/* Announce leap for the end of the UTC month that tai lies in. */
void pclk_sim_utc_arm(struct sim_utc *utc, uint8_t leap, u128 tai);
/* Offset and leap as they are at tai. */
struct sim_utc pclk_sim_utc_at(const struct sim_utc *utc, u128 tai);

static inline u128 sim_to_utc(const struct sim_utc *utc, u128 tai)
{
	return tai - ((u128)pclk_sim_utc_at(utc, tai).offset_sec * NSEC_PER_SEC
		      << 64);
}

#endif
