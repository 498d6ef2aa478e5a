/* SPDX-License-Identifier: MIT */
/* Units for an axis, by how large its numbers are. */
#ifndef RECORD_SCALE_H
#define RECORD_SCALE_H

#include <stddef.h>
#include <stdint.h>

struct scale {
	const char *unit;
	double size; /* of the unit: ns, or for rates parts of 1 */
};

/* ns, us, ms or s: the largest value has 1 to 3 digits before the point, if
 * there is such a unit. @p most_ns: its distance from 0. */
struct scale scale_of_ns(double most_ns);
/* s, min, h or d, for the time since a start. */
struct scale scale_of_elapsed(double most_ns);
/* ppb, ppm or %. */
struct scale scale_of_rate(double most);

/* The smallest of 1, 2, 5, 10, 20, ... ns that is at least this; 10^17 at most. */
int64_t scale_round_up(double ns);

/* Exactly, in the largest unit that needs no more than three decimals: "+800
 * us", "-12.345 ms". */
void scale_format_ns(int64_t ns, char *buf, size_t size);

#endif
