// SPDX-License-Identifier: MIT
/* The panels: each chooses its range and its unit, and plots its data. */

#include <inttypes.h>
#include <math.h>

#include "picture.h"
#include "scale.h"

/* A band that is higher than this, in heights of what the values need, would
 * make a flat line of them: the legend then only says how high it is. */
#define BAND_MAX 20

/* Free above and below the values, in parts of their height; and above them for
 * the labels of marks. */
#define MARGIN	    0.08
#define LABELS_ROOM 0.22

struct range {
	double low, high;
	bool is_beyond; /* the band is higher than the panel */
};

/* More points make a thick line. */
#define POINTS_MAX 200

/* Of values, and of the band around them. */
static struct range choose_range(struct range values, const struct range *band)
{
	struct range range = values;
	double height = values.high - values.low;

	if (band) {
		range.is_beyond = height > 0 &&
				  band->high - band->low > BAND_MAX * height;
		if (!range.is_beyond) {
			range.low = band->low;
			range.high = band->high;
		}
	}
	height = range.high - range.low;
	if (!(height > 0))
		height = fmax(fabs(range.low), 1) * 1e-3;
	range.low -= MARGIN * height;
	range.high += MARGIN * height;
	return range;
}

static double most(struct range range)
{
	return fmax(fabs(range.low), fabs(range.high));
}

static void write_nothing(const char *why, FILE *to)
{
	fprintf(to,
		"set label 9 \"%s\" at graph 0.5,0.5 center\n"
		"set yrange [0:1]\nunset ytics\nplot NaN notitle\n"
		"set ytics\nunset label 9\n",
		why);
}

/* The name of the vertical axis is label 3, which gets its text later: gnuplot's
 * own would stand in the numbers if it has three lines. */
static void begin_panel(double bottom, double top, FILE *to)
{
	fprintf(to,
		"set bmargin at screen %g\nset tmargin at screen %g\n"
		"set label 3 '' at screen 0.024,%g center rotate\n",
		bottom, top, (bottom + top) / 2);
}

static void write_time_axis(const struct picture *picture, bool is_labelled,
			    FILE *to)
{
	const double length_ns = picture_length_ns(picture);
	const struct scale scale = scale_of_elapsed(length_ns);

	fprintf(to, "set xrange [0:%.9g]\n", length_ns / scale.size);
	if (is_labelled)
		fprintf(to,
			"set xlabel \"time since the first reading (%s)\" "
			"offset 0,0.4\nset format x '%%g'\n",
			scale.unit);
	else
		fputs("unset xlabel\nset format x ''\n", to);
}

/* --- the offset ----------------------------------------------------------- */

static void write_curve(const struct picture *picture, double unit, FILE *to)
{
	const struct curve *curve = picture->curve;

	fputs("$offset << END\n", to);
	for (size_t i = 0; i < curve->count; i++) {
		const struct curve_point *point = &curve->points[i];

		fprintf(to, "%s%.9g %.9g %.9g %.9g\n",
			point->begins_run && i ? "\n" : "",
			picture_time(picture, point->raw_ns), point->ns / unit,
			point->low / unit, point->high / unit);
	}
	fputs("END\n", to);
}

static void write_offset_label(const struct curve *curve, const char *unit,
			       FILE *to)
{
	const struct scale rate = scale_of_rate(fabs(curve->rate));
	char base[64] = "";

	if (curve->is_offset && curve->base_ns)
		scale_format_ns(curve->base_ns, base, sizeof(base));
	if (curve->is_offset)
		fprintf(to,
			"set label 3 \"host UTC - "
			"CLOCK_REALTIME%s%s\\n(%s)\"\n",
			base[0] ? "\\nless " : "", base, unit);
	else
		fprintf(to,
			"set label 3 \"host - MONOTONIC_RAW\\nless a line of "
			"%+.4g %s\\n(%s)\"\n",
			curve->rate / rate.size, rate.unit, unit);
}

/* One that is in the picture is in the legend. */
static void write_legend(const struct trace *trace, FILE *to)
{
	static const char *const names[TRACE_KINDS] = {
		[TRACE_DISRUPTION] = "disruption",
		[TRACE_CLOCK_SET] = "CLOCK_REALTIME set",
		[TRACE_OTHER] = "change of source",
	};

	for (unsigned int i = 0; i < TRACE_KINDS; i++) {
		if (trace->kinds[i])
			fprintf(to,
				", NaN with lines ls %u title \"%s (%" PRIu64
				")\"",
				3 + i, names[i], trace->kinds[i]);
	}
	if (trace->not_valid)
		fprintf(to,
			", NaN with boxes fc rgb '#d9d9d9' title \"not valid "
			"(%" PRIu64 ")\"",
			trace->not_valid);
	fputc('\n', to);
}

static void write_bound_title(const struct picture *picture, bool is_beyond,
			      FILE *to)
{
	const double ns = picture->curve->bound_ns;
	const struct scale scale = scale_of_ns(ns);

	fprintf(to, "\"%s bound, at most ±%.4g %s%s\"",
		picture->curve->is_utc ? "host's" : "reading's",
		ns / scale.size, scale.unit, is_beyond ? " (not shown)" : "");
}

void picture_write_offset(const struct picture *picture, FILE *to)
{
	const struct curve *curve = picture->curve;
	const struct range band = { curve->bound_low, curve->bound_high,
				    false };
	struct range range = { curve->least, curve->most, false };
	struct scale scale;

	begin_panel(0.61, 0.865, to);
	write_time_axis(picture, false, to);
	fputs("set key at screen 0.545,0.925 center top horizontal Left "
	      "reverse "
	      "samplen 2.5\n"
	      "unset logscale\n",
	      to);
	if (!curve->count) {
		write_nothing("no valid reading", to);
		return;
	}
	range = choose_range(range, curve->has_bound ? &band : NULL);
	scale = scale_of_ns(most(range));
	if (picture->trace->mark_count)
		range.high += LABELS_ROOM * (range.high - range.low);
	write_curve(picture, scale.size, to);
	write_offset_label(curve, scale.unit, to);
	fprintf(to, "set yrange [%.9g:%.9g]\nset format y '%%.6g'\nplot ",
		range.low / scale.size, range.high / scale.size);
	if (curve->has_bound) {
		fputs(range.is_beyond
			      ? "NaN with filledcurves ls 2 title "
			      : "$offset using 1:3:4 with filledcurves ls 2 "
				"title ",
		      to);
		write_bound_title(picture, range.is_beyond, to);
		fputs(", ", to);
	}
	fprintf(to, "$offset using 1:2 with %s ls 1 title \"%s\"",
		curve->count > POINTS_MAX ? "lines" : "linespoints",
		curve->is_offset ? "offset" : "host clock");
	write_legend(picture->trace, to);
}

/* --- the rate ------------------------------------------------------------- */

static struct range rate_range(const struct trend *trend, bool with_bounds)
{
	struct range range = { INFINITY, -INFINITY, false };

	for (size_t i = 0; i < trend->rate_count; i++) {
		const struct trend_rate *rate = &trend->rates[i];
		const double bound = with_bounds ? rate->bound : 0;

		range.low = fmin(range.low, rate->rate - bound);
		range.high = fmax(range.high, rate->rate + bound);
		/* fmin() passes over what is not a number. */
		if (isnan(bound))
			range.low = NAN;
	}
	return range;
}

/* Rates that are nearly alike are shown from one of them. */
static double rate_base(const struct range *range)
{
	const double middle = (range->low + range->high) / 2;
	const double spread = range->high - range->low;
	double step;

	if (fabs(middle) < 100 * spread || fabs(middle) < 1e-10)
		return 0;
	step = (double)scale_round_up(fmax(spread, 1e-12) * 1e15) * 1e-15;
	return round(middle / step) * step;
}

static void write_rates(const struct picture *picture, double base, double unit,
			FILE *to)
{
	const struct trend *trend = picture->trend;

	fputs("$rate << END\n", to);
	for (size_t i = 0; i < trend->rate_count; i++) {
		const struct trend_rate *rate = &trend->rates[i];
		const double bound = isnan(rate->bound) ? 0 : rate->bound;

		fprintf(to, "%s%.9g %.9g %.9g %.9g\n",
			rate->begins_run && i ? "\n" : "",
			picture_time(picture, rate->raw_ns),
			(rate->rate - base) / unit,
			(rate->rate - bound - base) / unit,
			(rate->rate + bound - base) / unit);
	}
	fputs("END\n", to);
}

/* What errors of reading can make of the widest of them, if no band shows it. */
static void write_rate_bound(const struct trend *trend, FILE *to)
{
	struct scale scale;
	double bound = 0;

	for (size_t i = 0; i < trend->rate_count; i++)
		bound = fmax(bound, trend->rates[i].bound);
	scale = scale_of_rate(bound);
	fprintf(to,
		"set label 4 \"reading's bound, at most ±%.4g %s (not shown)\" "
		"at graph 0.995,1.05 right textcolor rgb '#404040'\n",
		bound / scale.size, scale.unit);
}

static void write_rate_label(const struct trend *trend, double base,
			     const char *unit, FILE *to)
{
	const struct scale window = scale_of_ns((double)trend->window_ns);
	char text[64] = "";

	if (base != 0)
		snprintf(text, sizeof(text), " less %+.9g ppm", base * 1e6);
	fprintf(to,
		"set label 3 \"rate%s\\nagainst MONOTONIC_RAW\\nover %g %s "
		"(%s)\"\n",
		text, (double)trend->window_ns / window.size, window.unit,
		unit);
}

void picture_write_rate(const struct picture *picture, FILE *to)
{
	const struct trend *trend = picture->trend;
	struct range range = rate_range(trend, false);
	struct range band = rate_range(trend, true);
	const bool has_band = !isnan(band.low);
	double base = rate_base(&range);
	struct scale scale;

	begin_panel(0.385, 0.575, to);
	write_time_axis(picture, true, to);
	fputs("unset key\n", to);
	if (!trend->rate_count) {
		fputs("set label 3 \"rate\"\n", to);
		write_nothing("too few readings for a rate", to);
		return;
	}
	range = choose_range(range, has_band ? &band : NULL);
	range.low -= base;
	range.high -= base;
	scale = scale_of_rate(most(range));
	write_rates(picture, base, scale.size, to);
	write_rate_label(trend, base, scale.unit, to);
	if (has_band && range.is_beyond)
		write_rate_bound(trend, to);
	fprintf(to, "set yrange [%.9g:%.9g]\nplot ", range.low / scale.size,
		range.high / scale.size);
	if (has_band && !range.is_beyond)
		fputs("$rate using 1:3:4 with filledcurves ls 2, ", to);
	fputs("$rate using 1:2 with linespoints ls 1\n", to);
}

/* --- stability ------------------------------------------------------------ */

static void write_taus(const struct trend *trend, struct range *ret_range,
		       FILE *to)
{
	*ret_range = (struct range){ INFINITY, 0, false };
	fputs("$tau << END\n", to);
	for (size_t i = 0; i < trend->tau_count; i++) {
		const struct trend_tau *tau = &trend->taus[i];
		const double low =
			fmax(tau->deviation - tau->error, tau->deviation / 10);

		if (!(tau->deviation > 0))
			continue;
		ret_range->low = fmin(ret_range->low, low);
		ret_range->high =
			fmax(ret_range->high, tau->deviation + tau->error);
		fprintf(to, "%.9g %.9g %.9g %.9g\n", tau->tau_ns / 1e9,
			tau->deviation, low, tau->deviation + tau->error);
	}
	fputs("END\n", to);
}

void picture_write_stability(const struct picture *picture, FILE *to)
{
	const struct trend *trend = picture->trend;
	struct range range;

	begin_panel(0.075, 0.3, to);
	write_taus(trend, &range, to);
	fputs("set label 3 \"overlapping Allan\\ndeviation (no unit)\"\n"
	      "set xlabel \"averaging time, tau (s)\" offset 0,0.4\n"
	      "set key at graph 0.99,0.97 right top vertical maxrows 2 Left "
	      "reverse\n",
	      to);
	if (!(range.high > 0)) {
		fputs("unset xtics\n", to);
		write_nothing("too few readings in one run, or no deviation",
			      to);
		return;
	}
	fprintf(to,
		"set logscale xy\nset grid mxtics mytics ls 7, ls 7\n"
		"set xrange [%.9g:%.9g]\nset yrange [1e%d:1e%d]\n"
		"set format x '%%g'\nset format y '1e%%T'\n"
		"set mxtics 10\nset mytics 10\n",
		trend->taus[0].tau_ns / 1.25e9,
		trend->taus[trend->tau_count - 1].tau_ns * 1.25 / 1e9,
		(int)floor(log10(range.low)), (int)ceil(log10(range.high)));
	fprintf(to,
		"plot %.9g / x with lines ls 6 title \"1/tau: noise of the "
		"readings alone\", $tau using 1:2:3:4 with yerrorbars lc rgb "
		"'#0072b2' pt 0 notitle, $tau using 1:2 with linespoints lc "
		"rgb '#0072b2' lw 1.5 pt 7 ps 0.8 title \"deviation of "
		"the rate, and one sigma of it\"\n",
		trend->taus[0].deviation * trend->taus[0].tau_ns / 1e9);
}
