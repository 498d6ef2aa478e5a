/* SPDX-License-Identifier: MIT */
/* Conversions: what a page says until it changes, as an affine map. */
#ifndef CONVERSION_H
#define CONVERSION_H

#include <stdbool.h>

#include <paraclock/backend.h>

#include "base/fixed.h"
#include "base/shared.h"

/* Ticks that take at most ns, at mult 2^-64 ns per tick. */
PCLK_SHARED uint64_t pclk_ticks_within(uint64_t ns, uint64_t mult_hi,
				       uint64_t mult_lo);

/*
 * Bound max_ticks, so that the conversion is used for at most max_ns and its
 * time fits; if it never fits, the conversion becomes unusable. The caller has
 * set max_ticks.
 */
void pclk_conversion_limit(struct paraclock_conversion *conv, uint64_t max_ns);

/*
 * Confine a conversion: bound max_ticks, so that it ends where the counter
 * wraps, and before its error does. After that, one comparison of a distance
 * modulo 2^64 also rejects counters from before the base.
 */
void pclk_conversion_confine(struct paraclock_conversion *conv);

/* Of a confined conversion. */
static inline bool
pclk_conversion_reaches(const struct paraclock_conversion *conv,
			uint64_t counter)
{
	return conv->usable && counter - conv->base_tsc <= conv->max_ticks;
}

/* Its time at a counter value that is not before its base, ns. */
s128 pclk_conversion_ns(const struct paraclock_conversion *conv,
			uint64_t counter);

/* The counter value at which two conversions are compared: the later base, so
 * that neither one's age scales the difference. Pages without a reference point
 * are compared where they were read. */
static inline uint64_t
pclk_conversions_meet(const struct paraclock_conversion *from,
		      const struct paraclock_conversion *to, uint64_t counter)
{
	uint64_t at =
		to->base_tsc > from->base_tsc ? to->base_tsc : from->base_tsc;

	return at ? at : counter;
}

/* How far one is ahead of another where they meet, ns. false: they cannot be
 * compared. */
bool pclk_conversion_gap(const struct paraclock_conversion *from,
			 const struct paraclock_conversion *to,
			 uint64_t counter, int64_t *ret_ns);

#endif
