/* SPDX-License-Identifier: MIT */
/* Lines: what a page says until it changes, as an affine map. */
#ifndef LINE_H
#define LINE_H

#include <stdbool.h>

#include <paraclock/backend.h>

#include "base/fixed.h"
#include "base/shared.h"

/* Ticks that take at most ns, at mult 2^-64 ns per tick. */
PCLK_SHARED uint64_t pclk_ticks_within(uint64_t ns, uint64_t mult_hi,
				       uint64_t mult_lo);

/*
 * Bound max_ticks, so that the line is followed for at most max_ns and its
 * time fits; not usable if it does not fit at all. max_ticks must be set.
 */
void pclk_conversion_limit(struct paraclock_conversion *conv, uint64_t max_ns);

/*
 * Bound max_ticks, so that the line ends where the counter wraps, and before
 * its error does. From then on one comparison of a distance modulo 2^64 keeps
 * counters from before the base out as well.
 */
void pclk_conversion_confine(struct paraclock_conversion *conv);

/* Of a line that is confined. */
static inline bool
pclk_conversion_reaches(const struct paraclock_conversion *conv,
			uint64_t counter)
{
	return conv->usable && counter - conv->base_tsc <= conv->max_ticks;
}

/* Its time at a counter value that is not before its base, ns. */
s128 pclk_conversion_ns(const struct paraclock_conversion *conv,
			uint64_t counter);

/*
 * Where two of them are compared: at the later one of their bases, or at
 * counter if neither page has a reference point. It is never scaled by the age
 * of either.
 */
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
