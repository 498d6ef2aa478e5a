/* SPDX-License-Identifier: MIT */
/* Interpolation between two points, without a 128-bit division. */
#ifndef INTERPOLATE_H
#define INTERPOLATE_H

#include <stdint.h>

#include "shared.h"

/* floor((high * 2^64 + low) / divisor); high < divisor, so that the result
 * fits. */
PCLK_SHARED uint64_t pclk_divide_128(uint64_t high, uint64_t low,
				     uint64_t divisor);

/* part / whole in 2^-64, rounded down; part < whole. */
static inline uint64_t fraction(uint64_t part, uint64_t whole)
{
	return pclk_divide_128(part, 0, whole);
}

/* from + (to - from) * part / whole, where f is fraction(part, whole): within 1
 * of the exact value for any two ends. */
int64_t pclk_interpolate(int64_t from, int64_t to, uint64_t f);

#endif
