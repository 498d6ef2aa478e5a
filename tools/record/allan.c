// SPDX-License-Identifier: MIT
/* See W. J. Riley, NIST Special Publication 1065, "Overlapping Allan Variance".
 * The slots replace its indices, so that a missing point shifts no other. */

#include <math.h>

#include "allan.h"

void allan_add(struct allan_sum *sum, const struct allan_point *points,
	       size_t count, int64_t m)
{
	size_t middle = 0, last = 0;

	for (size_t first = 0; first < count; first++) {
		const int64_t slot = points[first].slot;
		double second;

		while (middle < count && points[middle].slot - slot < m)
			middle++;
		while (last < count && points[last].slot - slot < 2 * m)
			last++;
		if (last == count)
			return;
		if (points[middle].slot - slot != m ||
		    points[last].slot - slot != 2 * m)
			continue;
		second = points[last].phase - 2 * points[middle].phase +
			 points[first].phase;
		sum->squares += second * second;
		sum->terms++;
	}
}

double allan_deviation(const struct allan_sum *sum, int64_t m, double tau0)
{
	const double tau = (double)m * tau0;

	if (!sum->terms)
		return NAN;
	return sqrt(sum->squares / (2 * (double)sum->terms)) / tau;
}
