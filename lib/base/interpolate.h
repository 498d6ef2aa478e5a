/* SPDX-License-Identifier: MIT */
/* Between two points, without a division of 128 bits. */
#ifndef INTERPOLATE_H
#define INTERPOLATE_H

#include <stdint.h>

#include "shared.h"

/* floor((high * 2^64 + low) / divisor); high < divisor, so that it fits. */
PCLK_SHARED uint64_t pclk_divide_128(uint64_t high, uint64_t low,
				     uint64_t divisor);

/* part / whole in 2^-64, rounded down; part < whole. */
static inline uint64_t fraction(uint64_t part, uint64_t whole)
{
	return pclk_divide_128(part, 0, whole);
}

/* from + (to - from) * part / whole with f = fraction(part, whole): within one
 * of the exact value, whatever the two ends are. */
int64_t pclk_interpolate(int64_t from, int64_t to, uint64_t f);

#endif
