// SPDX-License-Identifier: MIT
/* How long a line may be used. */

#include "line.h"
#include "fixed.h"

/* Far beyond any line; keeps sums of ticks from wrapping. */
#define LINE_TICKS_MAX (1ULL << 62)

/* Ticks that surely take no more than this many ns; a little less than could
 * be, for a division of 64 bits is all there is in ring 0. */
uint64_t paraclock_ticks_within(uint64_t ns, uint64_t mult_hi, uint64_t mult_lo)
{
	u128 ticks;

	if (mult_hi >= UINT32_MAX)
		return 0;
	if (mult_hi)
		return ns / (mult_hi + 1);
	/* 2^64 / (mult_lo >> 20), rounded down: 2^20 ticks per ns. */
	ticks = ((u128)ns * (UINT64_MAX / ((mult_lo >> 20) + 1))) >> 20;
	return ticks < LINE_TICKS_MAX ? (uint64_t)ticks : LINE_TICKS_MAX;
}

void paraclock_line_limit(struct paraclock_line *line, uint64_t max_ns)
{
	uint64_t room = line->base_ns > 0
				? (uint64_t)(INT64_MAX - line->base_ns)
				: INT64_MAX;
	uint64_t ticks = paraclock_ticks_within(max_ns < room ? max_ns : room,
						line->mult_hi, line->mult_lo);

	if (ticks < line->max_ticks)
		line->max_ticks = ticks;
	if (!ticks || line->mult_hi >= UINT32_MAX)
		line->usable = 0;
}
