/* SPDX-License-Identifier: MIT */
/*
 * The interval that is published: TAI as an affine function of the counter, its
 * bound, and how fast the bound grows. Pure: nothing is read or set here.
 */
#ifndef SERVE_INTERVAL_H
#define SERVE_INTERVAL_H

#include <stdbool.h>
#include <stdint.h>

#include <paraclock/host.h>

/* Rates of counters are in 2^-SERVE_HZ_BITS Hz: 2^34 Hz fit. */
#define SERVE_HZ_BITS 29U

/* What one measurement says. */
struct serve_claim {
	uint64_t counter;  /* ticks */
	int64_t tai_ns;	   /* TAI at that value, ns since 1970 TAI */
	uint64_t bound_ns; /* TAI is within this of tai_ns */
	uint64_t hz_frac;  /* the rate of the counter, 2^-SERVE_HZ_BITS Hz */
	/* By so much of the time that passes since, bound_ns grows: the counter
	 * may wander, and the rate is known to some error. */
	uint64_t growth_ppb;
};

/* Where the centre has to lie, if that is possible: TAI, ns. */
struct serve_limits {
	int64_t least_ns, most_ns;
};

/*
 * The next timeline to publish. *ret_tl gets a base, a rate, the error terms and
 * their flags; the other members stay. @p old is the one that is published now,
 * NULL: readers have seen none under this marker. @p limits: what still earlier
 * ones ask for, or NULL; where they leave nothing of the old one, it counts alone.
 *
 * If the claim holds, the new interval holds, whether or not the old one did;
 * and its centre lies within the old one at this and every later counter value.
 *
 * 0; -ESTALE: the old interval and the claim exclude each other; -ERANGE: the
 * claim cannot be expressed, or its counter is before the old base.
 */
int serve_next(const struct paraclock_timeline *old,
	       const struct serve_limits *limits,
	       const struct serve_claim *claim,
	       struct paraclock_timeline *ret_tl);

/* Narrow the limits to where a timeline allows a centre at a counter value. */
void serve_limit(struct serve_limits *limits,
		 const struct paraclock_timeline *tl, uint64_t counter);

/* What a timeline says at a counter value. The centre is within a ns above
 * ret_tai_ns, the bound is at most 4 ns too large and never too small. 0, or
 * -ERANGE. */
int serve_interval_at(const struct paraclock_timeline *tl, uint64_t counter,
		      int64_t *ret_tai_ns, uint64_t *ret_bound_ns);

/* May both be right? */
bool serve_is_consistent(const struct paraclock_timeline *tl,
			 const struct serve_claim *claim);

/* How fast the bound of a timeline grows, ppb, rounded up. */
uint64_t serve_growth_ppb(const struct paraclock_timeline *tl);

#endif
