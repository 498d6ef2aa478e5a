/* SPDX-License-Identifier: MIT */
/* The overlapping Allan deviation of phase data that may have holes. */
#ifndef RECORD_ALLAN_H
#define RECORD_ALLAN_H

#include <stddef.h>
#include <stdint.h>

/* The phase of a clock at one instant. */
struct allan_point {
	int64_t slot; /* when: a multiple of the basic interval, tau0 */
	double phase; /* any unit of time */
};

/* Zero it, add each run of a clock, and ask for the deviation. */
struct allan_sum {
	double squares;
	uint64_t terms;
};

/*
 * Add the second differences over @p m slots of one run: points with rising
 * slots, and no disruption among them. A difference counts only if all three of
 * its points are there.
 */
void allan_add(struct allan_sum *sum, const struct allan_point *points,
	       size_t count, int64_t m);

/* For tau = @p m slots of @p tau0: a pure number, if phases and tau0 have the
 * same unit. 0 terms: NAN. */
double allan_deviation(const struct allan_sum *sum, int64_t m, double tau0);

#endif
