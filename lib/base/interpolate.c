// SPDX-License-Identifier: MIT
#include "interpolate.h"
#include "fixed.h"

/*
 * One half of the quotient, by schoolbook division in base 2^32: the estimate
 * from the leading digits is at most two too large if the divisor's top bit is
 * set (Knuth, TAOCP 2, 4.3.1).
 */
static uint64_t digit(u128 *rest, uint64_t next, uint64_t divisor)
{
	uint64_t high = (uint64_t)*rest;
	uint64_t q = high / (divisor >> 32);
	u128 value = *rest << 32 | next;

	if (q > UINT32_MAX)
		q = UINT32_MAX;
	while ((u128)q * divisor > value)
		q--;
	*rest = value - (u128)q * divisor;
	return q;
}

uint64_t pclk_divide_128(uint64_t high, uint64_t low, uint64_t divisor)
{
	unsigned int shift = (unsigned int)__builtin_clzll(divisor);
	u128 value = ((u128)high << 64 | low) << shift;
	u128 rest = value >> 64;
	uint64_t q;

	divisor <<= shift;
	q = digit(&rest, (uint64_t)value >> 32, divisor) << 32;
	return q | digit(&rest, (uint32_t)value, divisor);
}

int64_t pclk_interpolate(int64_t from, int64_t to, uint64_t f)
{
	uint64_t way, part;

	/* Unsigned: the difference of two int64_t may need 64 bits. */
	way = to >= from ? (uint64_t)to - (uint64_t)from
			 : (uint64_t)from - (uint64_t)to;
	/* Half a unit of f makes up for fraction() rounding down. The sum is at
	 * most 2^128 - 2^64, so it fits. */
	part = (uint64_t)(((u128)way * f + way / 2 + ((u128)1 << 63)) >> 64);
	return (int64_t)(to >= from ? (uint64_t)from + part
				    : (uint64_t)from - part);
}
