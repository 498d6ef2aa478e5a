/* SPDX-License-Identifier: MIT */
/* Fixed-point arithmetic in 128 bits; no division (ring 0 has none). */
#ifndef FIXED_H
#define FIXED_H

#include <stdint.h>

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 s128;

#define NSEC_PER_SEC 1000000000U

/* floor(a * b / 2^64) */
static inline uint64_t mul_high(uint64_t a, uint64_t b)
{
	return (uint64_t)(((u128)a * b) >> 64);
}

/* A shift count of 128 or more gives 0 instead of undefined behaviour. */
static inline u128 shift_right(u128 value, unsigned int shift)
{
	return shift < 128 ? value >> shift : 0;
}

/* The sum of two error bounds; UINT64_MAX, "no bound", if it does not fit. */
static inline uint64_t add_bounds(uint64_t a, uint64_t b)
{
	return b <= UINT64_MAX - a ? a + b : UINT64_MAX;
}

/* Does value fit an int64_t? */
static inline int fits_s64(s128 value)
{
	return value >= INT64_MIN && value <= INT64_MAX;
}

#endif
