/* SPDX-License-Identifier: MIT */
/* The offset of a trace over its time, thinned out to what a picture shows. */
#ifndef RECORD_CURVE_H
#define RECORD_CURVE_H

#include "trace.h"
#include "trend.h"

/* Instants that a picture tells apart. Each has at most two points: the least
 * and the greatest value there. */
#define CURVE_COLUMNS 1000U

struct curve_point {
	int64_t raw_ns;
	double ns;	  /* the value, less the base */
	double low, high; /* its bound */
	bool begins_run;
};

struct curve {
	/* By CLOCK_REALTIME; else by CLOCK_MONOTONIC_RAW, less the base and a
	 * line of @c rate. */
	bool is_offset;
	double rate;
	int64_t base_ns;	      /* to be added to each value */
	bool is_utc;		      /* the bounds are those of UTC */
	bool has_bound;		      /* else low and high are the value */
	double bound_ns;	      /* the greatest bound */
	double least, most;	      /* of the values */
	double bound_low, bound_high; /* of the bounds */
	struct curve_point *points;
	size_t count;
};

/* 0, or -ENOMEM. curve_free() in any case. */
int curve_find(struct curve *curve, const struct trace *trace,
	       const struct trend *trend);
void curve_free(struct curve *curve);

#endif
