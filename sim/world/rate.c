// SPDX-License-Identifier: MIT
/* Frequencies, ratios of them, and clocks that run by them. */

#include <errno.h>

#include "world.h"

#define HZ_MIN	 (1ULL << 16)
#define HZ_MAX	 (1ULL << 40)
#define BITS_MAX 32U

/* About the range that KVM can scale by. */
#define RATIO_MIN (1ULL << 33)
#define RATIO_MAX (1ULL << 63)

bool pclk_sim_hz_is_good(uint64_t hz, unsigned int bits)
{
	return bits <= BITS_MAX && hz >> bits >= HZ_MIN && hz >> bits <= HZ_MAX;
}

/* Keep the upper 64 bits, rounded. */
static struct sim_hz normalise(u128 hz, int bits)
{
	unsigned int drop = 0;

	while (hz >> drop >> 64)
		drop++;
	if (drop)
		hz = (hz >> drop) + (hz >> (drop - 1) & 1);
	/* Rounding has made it 2^64. */
	if (hz >> 64) {
		hz >>= 1;
		drop++;
	}
	return (struct sim_hz){ (uint64_t)hz, bits - (int)drop };
}

struct sim_hz pclk_sim_hz_scale(struct sim_hz hz, uint64_t ratio)
{
	if (ratio == RATIO_ONE)
		return hz;
	return normalise((u128)hz.hz * ratio, hz.bits + RATIO_BITS);
}

int pclk_sim_ratio(struct sim_hz a, struct sim_hz b, uint64_t *ret_ratio)
{
	int up_a = __builtin_clzll(a.hz), up_b = __builtin_clzll(b.hz);
	/* Both have their top bit set, so the quotient is in 2^62 to 2^64. */
	u128 ratio = ((u128)(a.hz << up_a) << 63) / (b.hz << up_b);
	int drop = 63 - RATIO_BITS + (a.bits + up_a) - (b.bits + up_b);

	if (drop < 0 || drop > 32)
		return -ERANGE;
	if (drop)
		ratio = (ratio >> drop) + (ratio >> (drop - 1) & 1);
	if (ratio < RATIO_MIN || ratio > RATIO_MAX)
		return -ERANGE;
	*ret_ratio = (uint64_t)ratio;
	return 0;
}

void pclk_sim_timeline_set_rate(struct paraclock_timeline *tl, struct sim_hz hz,
				int64_t ppb)
{
	const uint64_t rate = (uint64_t)(PPB_ONE + ppb);
	u128 period;

	/* Cannot fail: every frequency here is in its range. */
	(void)paraclock_timeline_set_hz(tl, hz.hz, (unsigned int)hz.bits);
	period = tl->period_frac;
	if (ppb)
		period = (period * rate + PPB_ONE / 2) / PPB_ONE;
	if (period >> 64) {
		period >>= 1;
		tl->period_shift--;
	}
	tl->period_frac = (uint64_t)period;
}

/*
 * ticks * (10^9 + ppb) * 2^bits / hz in 2^-64 ns, rounded up. 128 bits do not
 * hold the product, so it is divided in three steps, each on the remainder of
 * the one before.
 */
static u128 ticks_in_ns(const struct sim_clock *clock, uint64_t ticks)
{
	const uint64_t hz = clock->hz.hz;
	const int bits = clock->hz.bits;
	u128 whole = (u128)ticks * (uint64_t)(PPB_ONE + clock->ppb);
	u128 part = whole % hz << 64;

	return (whole / hz << (64 + bits)) + (part / hz << bits) +
	       ((part % hz << bits) + hz - 1) / hz;
}

u128 pclk_sim_clock_at(const struct sim_clock *clock, uint64_t ticks)
{
	return clock->at + ticks_in_ns(clock, ticks);
}

u128 pclk_sim_part_of_tick(const struct sim_clock *clock, uint64_t frac)
{
	/* The upper 32 bits as whole ticks: 64 bits might overflow. */
	return ticks_in_ns(clock, frac >> 32) >> 32;
}

s128 pclk_sim_ppb_of(u128 time, int64_t ppb)
{
	uint64_t rate = ppb < 0 ? (uint64_t)-ppb : (uint64_t)ppb;
	u128 whole = (u128)(uint64_t)(time >> 64) * rate;
	u128 part = (u128)(uint64_t)time * rate;
	u128 sum = (whole / PPB_ONE << 64) + (whole % PPB_ONE << 64) / PPB_ONE +
		   part / PPB_ONE;

	return ppb < 0 ? -(s128)sum : (s128)sum;
}

/* The divisor may have 72 bits, so only 56 bits of the tick fit: the lower 8
 * are 0. */
u128 pclk_sim_ticks_of(const struct paraclock_sim *sim, struct sim_hz hz,
		       uint64_t base_ticks)
{
	u128 product, each;

	if (hz.bits > (int)BITS_MAX) {
		hz.hz >>= hz.bits - (int)BITS_MAX;
		hz.bits = BITS_MAX;
	}
	product = (u128)base_ticks * hz.hz;
	each = (u128)sim->hz << hz.bits;
	return (product / each << 64) + ((product % each << 56) / each << 8);
}
