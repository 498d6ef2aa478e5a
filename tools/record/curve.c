// SPDX-License-Identifier: MIT
#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "curve.h"
#include "scale.h"

/* An offset that varies by less than this part of itself is shown from a base,
 * or the numbers at the axis would be alike. */
#define SMALL_PART 100

/* Those of all columns; the last one ends at the last reading. */
#define CURVE_POINTS ((size_t)2 * (CURVE_COLUMNS + 1))

/* --- values --------------------------------------------------------------- */

static bool is_shown(const struct curve *curve, const struct trace_point *point)
{
	return !curve->is_offset || point->has_offset;
}

static int64_t exact(const struct curve *curve, const struct trace_point *point)
{
	return curve->is_offset ? point->offset_ns : point->ahead_ns;
}

/* Less the base; as unsigned, because a hostile difference wraps. */
static double value(const struct curve *curve, const struct trace *trace,
		    const struct trace_point *point)
{
	const double ns = (double)(int64_t)((uint64_t)exact(curve, point) -
					    (uint64_t)curve->base_ns);

	return ns - curve->rate * (double)(point->raw_ns - trace->first_ns);
}

static uint64_t bound(const struct curve *curve,
		      const struct trace_point *point)
{
	return curve->is_utc ? point->utc_bound_ns : point->reading_bound_ns;
}

/* A band of two kinds would be read as the wider one. */
static bool is_utc_known(const struct curve *curve, const struct trace *trace)
{
	for (size_t i = 0; i < trace->count; i++) {
		const struct trace_point *point = &trace->points[i];

		if (is_shown(curve, point) &&
		    point->utc_bound_ns == TRACE_NO_BOUND)
			return false;
	}
	return curve->is_offset;
}

/* The range of the values, and of what their bounds allow. */
static void find_range(struct curve *curve, const struct trace *trace)
{
	curve->least = curve->bound_low = INFINITY;
	curve->most = curve->bound_high = -INFINITY;
	curve->has_bound = trace->count > 0;
	curve->bound_ns = 0;
	for (size_t i = 0; i < trace->count; i++) {
		const struct trace_point *point = &trace->points[i];
		const uint64_t bound_ns = bound(curve, point);
		double ns;

		if (!is_shown(curve, point))
			continue;
		ns = value(curve, trace, point);
		curve->least = fmin(curve->least, ns);
		curve->most = fmax(curve->most, ns);
		if (bound_ns == TRACE_NO_BOUND) {
			curve->has_bound = false;
			continue;
		}
		curve->bound_ns = fmax(curve->bound_ns, (double)bound_ns);
		curve->bound_low =
			fmin(curve->bound_low, ns - (double)bound_ns);
		curve->bound_high =
			fmax(curve->bound_high, ns + (double)bound_ns);
	}
}

/* Of the offset, a round number near it, or 0; else the first value. */
static void choose_base(struct curve *curve, const struct trace *trace,
			const struct trace_point *first)
{
	double spread, middle;
	int64_t step;

	if (!curve->is_offset) {
		curve->base_ns = first->ahead_ns;
		return;
	}
	find_range(curve, trace);
	spread = curve->most - curve->least;
	middle = (curve->most + curve->least) / 2;
	if (fabs(middle) < SMALL_PART * spread || fabs(middle) < 1000)
		return;
	step = scale_round_up(spread);
	curve->base_ns = first->offset_ns / step * step;
}

/* --- thinning ------------------------------------------------------------- */

/* The values in one column of one run. */
struct column {
	struct curve_point least, most; /* by value */
	double low, high;
	bool is_used;
};

static void add_point(struct curve *curve, struct curve_point point)
{
	curve->points[curve->count++] = point;
}

/* In the order of time. */
static void end_column(struct curve *curve, struct column *column)
{
	struct curve_point first = column->least, second = column->most;

	if (!column->is_used)
		return;
	column->is_used = false;
	if (first.raw_ns > second.raw_ns) {
		first = column->most;
		second = column->least;
	}
	first.low = second.low = column->low;
	first.high = second.high = column->high;
	second.begins_run = false;
	add_point(curve, first);
	if (second.raw_ns != first.raw_ns)
		add_point(curve, second);
}

static void add_to_column(struct column *column, struct curve_point point)
{
	if (!column->is_used) {
		*column = (struct column){ point, point, point.low, point.high,
					   true };
		return;
	}
	/* The first one's stays. */
	point.begins_run = column->least.begins_run;
	if (point.ns < column->least.ns)
		column->least = point;
	if (point.ns > column->most.ns)
		column->most = point;
	column->low = fmin(column->low, point.low);
	column->high = fmax(column->high, point.high);
}

static struct curve_point shown_point(const struct curve *curve,
				      const struct trace *trace,
				      const struct trace_point *point)
{
	const double ns = value(curve, trace, point);
	const double bound_ns =
		curve->has_bound ? (double)bound(curve, point) : 0;

	return (struct curve_point){
		.raw_ns = point->raw_ns,
		.ns = ns,
		.low = ns - bound_ns,
		.high = ns + bound_ns,
	};
}

/* Of two runs in one column the second begins in the next one. */
static void thin_out(struct curve *curve, const struct trace *trace)
{
	const int64_t width_ns =
		(trace->last_ns - trace->first_ns) / CURVE_COLUMNS + 1;
	struct column column = { .is_used = false };
	bool begins_run = true;
	int64_t last = -1;

	for (size_t i = 0; i < trace->count; i++) {
		const struct trace_point *point = &trace->points[i];
		const int64_t at = (point->raw_ns - trace->first_ns) / width_ns;
		struct curve_point shown;

		begins_run = begins_run || point->begins_run ||
			     !is_shown(curve, point);
		if (!is_shown(curve, point))
			continue;
		if (at != last)
			end_column(curve, &column);
		shown = shown_point(curve, trace, point);
		if (!column.is_used) {
			shown.begins_run = begins_run;
			begins_run = false;
		}
		add_to_column(&column, shown);
		last = at;
	}
	end_column(curve, &column);
}

int curve_find(struct curve *curve, const struct trace *trace,
	       const struct trend *trend)
{
	const struct trace_point *first = trace->points;

	*curve = (struct curve){ 0 };
	if (!trace->count)
		return 0;
	for (size_t i = 0; i < trace->count && !curve->is_offset; i++) {
		curve->is_offset = trace->points[i].has_offset;
		if (curve->is_offset)
			first = &trace->points[i];
	}
	curve->rate = curve->is_offset ? 0 : trend->rate;
	curve->is_utc = is_utc_known(curve, trace);
	choose_base(curve, trace, first);
	find_range(curve, trace);
	curve->points = calloc(CURVE_POINTS, sizeof(*curve->points));
	if (!curve->points)
		return -ENOMEM;
	thin_out(curve, trace);
	return 0;
}

void curve_free(struct curve *curve)
{
	free(curve->points);
	curve->points = NULL;
	curve->count = 0;
}
