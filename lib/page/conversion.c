// SPDX-License-Identifier: MIT
/* How long a conversion may be used. */

#include "conversion.h"
#include "base/fixed.h"
#include "base/interpolate.h"

/* Longer than any conversion lasts; keeps sums of ticks from wrapping. */
#define TICKS_MAX (1ULL << 62)

/* Rounded down, by at most one tick and some parts in 2^62: ring 0 can only
 * divide by 64 bits, so the divisor is shortened to 63 and rounded up. */
uint64_t pclk_ticks_within(uint64_t ns, uint64_t mult_hi, uint64_t mult_lo)
{
	u128 mult = (u128)mult_hi << 64 | mult_lo;
	uint64_t ticks = TICKS_MAX;
	unsigned int down = 0;
	u128 value;

	if (mult_hi >= UINT32_MAX)
		return 0;
	/* At most 33: value loses nothing. */
	if (mult_hi)
		down = 65 - (unsigned int)__builtin_clzll(mult_hi);
	mult = (mult + (1ULL << down) - 1) >> down;
	value = ((u128)ns << 64) >> down;
	if ((uint64_t)(value >> 64) < (uint64_t)mult)
		ticks = pclk_divide_128((uint64_t)(value >> 64),
					(uint64_t)value, (uint64_t)mult);
	return ticks < TICKS_MAX ? ticks : TICKS_MAX;
}

void pclk_conversion_limit(struct paraclock_conversion *conv, uint64_t max_ns)
{
	uint64_t room = conv->base_ns > 0
				? (uint64_t)(INT64_MAX - conv->base_ns)
				: INT64_MAX;
	uint64_t ticks = pclk_ticks_within(max_ns < room ? max_ns : room,
					   conv->mult_hi, conv->mult_lo);

	if (ticks < conv->max_ticks)
		conv->max_ticks = ticks;
	if (!ticks || conv->mult_hi >= UINT32_MAX)
		conv->usable = 0;
}

void pclk_conversion_confine(struct paraclock_conversion *conv)
{
	uint64_t ticks = UINT64_MAX - conv->base_tsc;

	if (ticks < conv->max_ticks)
		conv->max_ticks = ticks;
	if (!conv->error_mult)
		return;
	/* UINT64_MAX itself means that no bound is known. */
	ticks = conv->error_ns < UINT64_MAX - 1
			? UINT64_MAX - 1 - conv->error_ns
			: 0;
	ticks = pclk_ticks_within(ticks, 0, conv->error_mult);
	if (ticks < conv->max_ticks)
		conv->max_ticks = ticks;
}

s128 pclk_conversion_ns(const struct paraclock_conversion *conv,
			uint64_t counter)
{
	uint64_t ticks = (counter - conv->base_tsc) & conv->mask;

	return (s128)conv->base_ns + (s128)((u128)ticks * conv->mult_hi) +
	       (s128)(((u128)ticks * conv->mult_lo + conv->frac) >> 64);
}

bool pclk_conversion_gap(const struct paraclock_conversion *from,
			 const struct paraclock_conversion *to,
			 uint64_t counter, int64_t *ret_ns)
{
	uint64_t at = pclk_conversions_meet(from, to, counter);
	s128 gap;

	if (!from->usable || !to->usable)
		return false;
	/* No overflow: mult_hi of a usable one has 32 bits. */
	gap = pclk_conversion_ns(to, at) - pclk_conversion_ns(from, at);
	if (gap > INT64_MAX || gap < -INT64_MAX)
		return false;
	*ret_ns = (int64_t)gap;
	return true;
}
