/* SPDX-License-Identifier: MIT */
/* Random numbers, the same each time, and exact arithmetic. */
#ifndef RANDOM_H
#define RANDOM_H

#include "base/fixed.h"

/* xorshift64*: the same numbers each time. */
static inline uint64_t random_word(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15U;

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dU;
}

/* Of any length, so that small numbers occur, too. */
static inline uint64_t random_length(void)
{
	uint64_t word = random_word();

	return word >> (random_word() % 64);
}

static inline uint64_t random_divisor(void)
{
	uint64_t length = random_length();

	return length ? length : 1;
}

static inline uint64_t distance(int64_t a, int64_t b)
{
	return a > b ? (uint64_t)a - (uint64_t)b : (uint64_t)b - (uint64_t)a;
}

/* |got * whole - way * part| <= whole: within one of way * part / whole. */
static inline bool is_within_one(uint64_t got, uint64_t way, uint64_t part,
				 uint64_t whole)
{
	u128 is = (u128)got * whole;
	u128 exact = (u128)way * part;

	return (is > exact ? is - exact : exact - is) <= whole;
}

/* --- dividing ------------------------------------------------------------- */

#endif
