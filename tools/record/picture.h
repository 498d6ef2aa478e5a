/* SPDX-License-Identifier: MIT */
/* A trace as a program for gnuplot. */
#ifndef RECORD_PICTURE_H
#define RECORD_PICTURE_H

#include "curve.h"
#include "scale.h"
#include "trace.h"
#include "trend.h"

enum picture_format {
	PICTURE_PNG,
	PICTURE_SVG
};

struct picture {
	const struct trace *trace;
	const struct trend *trend;
	const struct curve *curve;
	enum picture_format format;
};

/* Write the program; ferror() tells whether it could. It holds no text of the
 * record but names, which record_parse() has checked. */
void picture_write(const struct picture *picture, FILE *to);

/* --- picture_panels.c ----------------------------------------------------- */

/* The three panels, from the top. */
void picture_write_offset(const struct picture *picture, FILE *to);
void picture_write_rate(const struct picture *picture, FILE *to);
void picture_write_stability(const struct picture *picture, FILE *to);

/* --- the time axis, which all panels share -------------------------------- */

/* Its length, ns; more than 0. */
static inline double picture_length_ns(const struct picture *picture)
{
	const int64_t ns = picture->trace->last_ns - picture->trace->first_ns;

	return ns > 0 ? (double)ns : 1e9;
}

/* An instant on it, in its unit. */
static inline double picture_time(const struct picture *picture, int64_t raw_ns)
{
	const double ns = (double)(raw_ns - picture->trace->first_ns);

	return ns / scale_of_elapsed(picture_length_ns(picture)).size;
}

#endif
