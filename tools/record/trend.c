// SPDX-License-Identifier: MIT
/* Nothing here is computed across the end of a run: see trace.h. */

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "allan.h"
#include "scale.h"
#include "trend.h"

/* Windows for the rate: so many in a record, and so many readings in each. */
#define WINDOWS	   60
#define WINDOW_MIN 5

/* Intervals that the usual one is the median of. */
#define INTERVALS_MAX 4096U

/* How much a grid of slots follows the readings: one that came late moves it
 * little, and a grid that is a little too fast does not lose a slot in time. */
#define FOLLOW 0.125

/* No record is that long, but a file may say so. */
#define SLOTS_MAX (INT64_C(1) << 40)

/* --- straight lines ------------------------------------------------------- */

struct sums {
	double products; /* of the distances from the means */
	double squares;	 /* of those in time */
};

static double time_of(const struct trace_point *point,
		      const struct trace_point *origin)
{
	return (double)(point->raw_ns - origin->raw_ns);
}

/* Differences as unsigned: those of hostile values wrap. */
static double phase_of(const struct trace_point *point,
		       const struct trace_point *origin)
{
	return (double)(int64_t)((uint64_t)point->ahead_ns -
				 (uint64_t)origin->ahead_ns);
}

static double mean(const struct trace_point *points, size_t count,
		   double (*value)(const struct trace_point *,
				   const struct trace_point *))
{
	double sum = 0;

	for (size_t i = 0; i < count; i++)
		sum += value(&points[i], points);
	return sum / (double)count;
}

static void add_line(struct sums *sums, const struct trace_point *points,
		     size_t count)
{
	const double mean_time = mean(points, count, time_of);
	const double mean_phase = mean(points, count, phase_of);

	for (size_t i = 0; i < count; i++) {
		const double time = time_of(&points[i], points) - mean_time;

		sums->products +=
			time * (phase_of(&points[i], points) - mean_phase);
		sums->squares += time * time;
	}
}

static double common_rate(const struct trace *trace)
{
	struct sums sums = { 0 };
	size_t begin, end = 0;

	while (trace_next_run(trace, &begin, &end))
		add_line(&sums, trace->points + begin, end - begin);
	return sums.squares > 0 ? sums.products / sums.squares : 0;
}

/* --- the usual interval --------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* The median of some of them, chosen evenly. */
static double usual_interval(const struct trace *trace)
{
	int64_t intervals[INTERVALS_MAX];
	const size_t step = trace->count / INTERVALS_MAX + 1;
	size_t count = 0;

	for (size_t i = 1; i < trace->count; i += step) {
		const struct trace_point *point = &trace->points[i];

		if (point->begins_run || count == INTERVALS_MAX)
			continue;
		intervals[count++] = point->raw_ns - point[-1].raw_ns;
	}
	if (!count)
		return 0;
	qsort(intervals, count, sizeof(intervals[0]), compare);
	count /= 2;
	return (double)intervals[count];
}

/* --- rates ---------------------------------------------------------------- */

/* The least squares' slope is a weighted sum of the readings, and each of these
 * is wrong by its bound at most. */
static double rate_bound(const struct trace_point *points, size_t count,
			 double squares)
{
	const double mean_time = mean(points, count, time_of);
	double bound = 0;

	for (size_t i = 0; i < count; i++) {
		if (points[i].reading_bound_ns == TRACE_NO_BOUND)
			return NAN;
		bound += fabs(time_of(&points[i], points) - mean_time) *
			 (double)points[i].reading_bound_ns;
	}
	return bound / squares;
}

static void add_rate(struct trend *trend, const struct trace_point *points,
		     size_t count, bool begins_run)
{
	const int64_t span_ns = points[count - 1].raw_ns - points[0].raw_ns;
	struct sums sums = { 0 };

	if (trend->rate_count == TREND_RATES_MAX)
		return;
	add_line(&sums, points, count);
	trend->rates[trend->rate_count++] = (struct trend_rate){
		.raw_ns = points[0].raw_ns + span_ns / 2,
		.rate = sums.products / sums.squares,
		.bound = rate_bound(points, count, sums.squares),
		.begins_run = begins_run,
	};
}

/* Windows that overlap by half. One is left out if less than half of it has
 * readings. */
static void add_run_rates(struct trend *trend, const struct trace_point *points,
			  size_t count)
{
	bool begins_run = true;
	size_t first = 0, last = 0;

	while (first < count) {
		const int64_t from_ns = points[first].raw_ns;
		size_t next = first + 1;

		while (last < count &&
		       points[last].raw_ns - from_ns <= trend->window_ns)
			last++;
		if (last - first >= WINDOW_MIN &&
		    points[last - 1].raw_ns > from_ns &&
		    points[last - 1].raw_ns - from_ns >= trend->window_ns / 2) {
			add_rate(trend, points + first, last - first,
				 begins_run);
			begins_run = false;
		}
		while (next < count &&
		       points[next].raw_ns - from_ns < trend->window_ns / 2)
			next++;
		first = next;
	}
}

static void find_rates(struct trend *trend, const struct trace *trace)
{
	const double whole_ns = (double)(trace->last_ns - trace->first_ns);
	const double least_ns = trend->interval_ns * WINDOW_MIN;
	size_t begin, end = 0;

	trend->window_ns = scale_round_up(fmax(whole_ns / WINDOWS, least_ns));
	while (trace_next_run(trace, &begin, &end))
		add_run_rates(trend, trace->points + begin, end - begin);
}

/* --- stability ------------------------------------------------------------ */

/* The points of all runs; each run's slots begin anew, at 0. */
struct slots {
	struct allan_point *points;
	size_t count;
	int64_t most;	/* slots in the longest run */
	double time_ns; /* of all slots */
	double number;	/* of them */
};

/* A reading of a slot that has one already is left out. The line that all have
 * in common is subtracted: second differences do not see it, and readings that
 * are a little early or late no longer matter. */
static void add_run_slots(struct slots *slots, const struct trace_point *points,
			  size_t count, const struct trend *trend)
{
	double grid_ns = 0;
	int64_t slot = 0;

	for (size_t i = 0; i < count; i++) {
		const double time_ns = time_of(&points[i], points);
		const double steps =
			floor((time_ns - grid_ns) / trend->interval_ns + 0.5);

		if (steps > (double)(SLOTS_MAX - slot))
			break;
		if (i && steps < 1)
			continue;
		slot += (int64_t)steps;
		grid_ns += steps * trend->interval_ns;
		grid_ns += FOLLOW * (time_ns - grid_ns);
		slots->points[slots->count++] = (struct allan_point){
			.slot = slot,
			.phase = phase_of(&points[i], points) -
				 trend->rate * time_ns,
		};
	}
	slots->time_ns += time_of(&points[count - 1], points);
	slots->number += (double)slot;
	if (slot > slots->most)
		slots->most = slot;
}

static void add_all(struct allan_sum *sum, const struct slots *slots, int64_t m)
{
	size_t begin = 0;

	for (size_t i = 1; i <= slots->count; i++) {
		if (i < slots->count && slots->points[i].slot)
			continue;
		allan_add(sum, slots->points + begin, i - begin, m);
		begin = i;
	}
}

/* In octaves, as long as there are enough differences that hardly overlap. */
static void find_taus(struct trend *trend, const struct slots *slots)
{
	const double tau0_ns = slots->time_ns / slots->number;

	for (int64_t m = 1; m <= slots->most / 2; m *= 2) {
		struct allan_sum sum = { 0 };
		struct trend_tau *tau = &trend->taus[trend->tau_count];

		add_all(&sum, slots, m);
		if (sum.terms < (uint64_t)m + 2 ||
		    trend->tau_count == TREND_TAUS_MAX)
			return;
		tau->tau_ns = (double)m * tau0_ns;
		tau->deviation = allan_deviation(&sum, m, tau0_ns);
		/* As many independent ones as fit side by side: fewer than
		 * there are, for most kinds of noise. */
		tau->error = tau->deviation /
			     sqrt(2 * ((double)sum.terms / (double)m + 1));
		trend->tau_count++;
	}
}

static int find_stability(struct trend *trend, const struct trace *trace)
{
	struct slots slots = { 0 };
	size_t begin, end = 0;

	if (!(trend->interval_ns > 0))
		return 0;
	slots.points = malloc(trace->count * sizeof(*slots.points));
	if (!slots.points)
		return -ENOMEM;
	while (trace_next_run(trace, &begin, &end))
		add_run_slots(&slots, trace->points + begin, end - begin,
			      trend);
	if (slots.number > 0)
		find_taus(trend, &slots);
	free(slots.points);
	return 0;
}

int trend_find(struct trend *trend, const struct trace *trace)
{
	*trend = (struct trend){ 0 };
	trend->interval_ns = usual_interval(trace);
	if (!trace->count)
		return 0;
	trend->rate = common_rate(trace);
	find_rates(trend, trace);
	return find_stability(trend, trace);
}
