// SPDX-License-Identifier: MIT
/* The sheet: its colours, its title, and what is marked in time. */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "picture.h"
#include "scale.h"

/* gnuplot's numbers of labels; the lower ones are the sheet's and the panels'. */
#define LABELS_FROM 20

/* The width of a character of such a label, in parts of the time axis. */
#define CHARACTER 0.0078

/* --- styles --------------------------------------------------------------- */

/*
 * Colours of Okabe and Ito's palette, which people with any kind of colour
 * vision tell apart; what they mark also differs in its dashes, for print.
 */
static void write_styles(const struct picture *picture, FILE *to)
{
	static const char *const terminals[] = {
		[PICTURE_PNG] = "pngcairo size 1200,900 font 'sans-serif,11' "
				"noenhanced background '#ffffff'",
		[PICTURE_SVG] = "svg size 1200,900 font 'sans-serif,14' "
				"noenhanced background '#ffffff' dynamic",
	};

	fprintf(to,
		"set terminal %s\n"
		"set encoding utf8\n"
		"set style line 1 lc rgb '#0072b2' lw 1.5 pt 7 ps 0.4\n"
		"set style line 2 lc rgb '#a6d5f2' lw 0\n"
		"set style line 3 lc rgb '#d55e00' lw 2 dt 1\n"
		"set style line 4 lc rgb '#009e73' lw 2 dt '--'\n"
		"set style line 5 lc rgb '#aa4499' lw 2 dt '. '\n"
		"set style line 6 lc rgb '#808080' lw 1 dt '-  '\n"
		"set style line 7 lc rgb '#d0d0d0' lw 0.5\n"
		"set style fill solid 1 noborder\n"
		"set grid ls 7\n"
		"set border 3 lc rgb '#404040'\n"
		"set tics nomirror out textcolor rgb '#000000'\n"
		"set lmargin at screen 0.115\n"
		"set rmargin at screen 0.975\n"
		"set multiplot\n",
		terminals[picture->format]);
}

/* --- the title ------------------------------------------------------------ */

static const char *or_unknown(const char *name)
{
	return name[0] ? name : "unknown";
}

/* "2026-11-29T16:00:00Z" for people. */
static void format_start(const struct record_about *about, char *buf,
			 size_t size)
{
	const char *t = strchr(about->started, 'T');
	const size_t length = strlen(about->started);

	if (t && about->started[length - 1] == 'Z')
		snprintf(buf, size, "from %.*s %.*s UTC",
			 (int)(t - about->started), about->started,
			 (int)(about->started + length - 2 - t), t + 1);
	else
		snprintf(buf, size, "at an unknown date");
}

static void write_title(const struct picture *picture, FILE *to)
{
	const struct trace *trace = picture->trace;
	const struct record_about *about = &trace->about;
	const struct scale interval = scale_of_ns(picture->trend->interval_ns);
	const double length_ns = (double)(trace->last_ns - trace->first_ns);
	const struct scale length = scale_of_elapsed(length_ns);
	char start[96];

	format_start(about, start, sizeof(start));
	fprintf(to,
		"set label 1 \"%s (%s), %.4g %s %s\" at screen 0.5,0.972 "
		"center "
		"font ',16'\n",
		or_unknown(about->backend), or_unknown(about->timescale),
		length_ns / length.size, length.unit, start);
	fprintf(to, "set label 2 \"%zu valid reading%s", trace->count,
		trace->count == 1 ? "" : "s");
	if (picture->trend->interval_ns > 0)
		fprintf(to, ", every %.4g %s",
			picture->trend->interval_ns / interval.size,
			interval.unit);
	fprintf(to,
		"; %" PRIu64 " not valid; %" PRIu64
		" disruption%s; clocksource %s; paraclock %s\" "
		"at screen 0.5,0.942 center textcolor rgb '#404040'\n",
		trace->not_valid, trace->kinds[TRACE_DISRUPTION],
		trace->kinds[TRACE_DISRUPTION] == 1 ? "" : "s",
		or_unknown(about->clocksource), or_unknown(about->version));
}

/* --- marks ---------------------------------------------------------------- */

static void write_spans(const struct picture *picture, FILE *to)
{
	const struct trace *trace = picture->trace;
	const double end =
		picture_time(picture, trace->first_ns) +
		picture_length_ns(picture) /
			scale_of_elapsed(picture_length_ns(picture)).size;

	for (size_t i = 0; i < trace->span_count; i++) {
		double from = picture_time(picture, trace->spans[i].from_ns);
		double till = picture_time(picture, trace->spans[i].to_ns);

		/* One reading is a line. */
		if (till - from < end / 400)
			till = from + end / 400;
		fprintf(to,
			"set object rectangle from %.9g, graph 0 to %.9g, "
			"graph 1 behind fc rgb '#d9d9d9' fs solid 1 "
			"noborder\n",
			from, fmin(till, end));
	}
}

static void write_marks(const struct picture *picture, FILE *to)
{
	const struct trace *trace = picture->trace;

	for (size_t i = 0; i < trace->mark_count; i++)
		fprintf(to,
			"set arrow from %.9g, graph 0 to %.9g, graph 1 nohead "
			"front ls %d\n",
			picture_time(picture, trace->marks[i].raw_ns),
			picture_time(picture, trace->marks[i].raw_ns),
			3 + (int)trace->marks[i].kind);
}

/* Where a label stands, in parts of the time axis. */
struct place {
	double from, to;
};

struct labels {
	const struct picture *picture;
	FILE *to;
	struct place used[TRACE_MARKS_MAX];
	size_t count;
};

static double axis_part(const struct labels *labels, size_t mark)
{
	const struct trace *trace = labels->picture->trace;

	return (double)(trace->marks[mark].raw_ns - trace->first_ns) /
	       picture_length_ns(labels->picture);
}

static bool is_free(const struct labels *labels, struct place place)
{
	if (place.from < 0 || place.to > 1)
		return false;
	for (size_t i = 0; i < labels->count; i++) {
		if (place.from < labels->used[i].to &&
		    place.to > labels->used[i].from)
			return false;
	}
	return true;
}

/* Would the line of a mark go through it? */
static bool is_crossed(const struct labels *labels, struct place place)
{
	for (size_t i = 0; i < labels->picture->trace->mark_count; i++) {
		const double at = axis_part(labels, i);

		if (at > place.from && at < place.to)
			return true;
	}
	return false;
}

static void format_label(const struct trace_mark *mark, char *buf, size_t size)
{
	const double gap_ns = (double)mark->gap_ns;
	const struct scale scale = scale_of_ns(fabs(gap_ns));

	snprintf(buf, size, "%s", mark->name);
	if (mark->has_gap)
		snprintf(buf, size, "%s %+.4g %s", mark->name,
			 gap_ns / scale.size, scale.unit);
}

/* To the right of its mark, or else to the left; false: no room. */
static bool find_place(const struct labels *labels, double at, double width,
		       bool may_cross, struct place *ret_place)
{
	const struct place places[] = { { at, at + width },
					{ at - width, at } };

	for (unsigned int i = 0; i < 2; i++) {
		if (!is_free(labels, places[i]) ||
		    (!may_cross && is_crossed(labels, places[i])))
			continue;
		*ret_place = places[i];
		return true;
	}
	return false;
}

static void write_label(struct labels *labels, size_t i)
{
	const struct trace_mark *mark = &labels->picture->trace->marks[i];
	const bool may_cross = mark->kind == TRACE_DISRUPTION;
	const double at = axis_part(labels, i);
	struct place place;
	char text[96];
	double width;
	bool is_left;

	format_label(mark, text, sizeof(text));
	width = CHARACTER * (double)(strlen(text) + 2);
	if (!find_place(labels, at, width, false, &place) &&
	    !(may_cross && find_place(labels, at, width, true, &place)))
		return;
	is_left = place.from < at;
	labels->used[labels->count++] = place;
	fprintf(labels->to,
		"set label %d \"%s\" at %.9g, graph 0.94 %s front offset "
		"character %s,0 textcolor ls %d\n",
		LABELS_FROM + (int)i, text,
		picture_time(labels->picture, mark->raw_ns),
		is_left ? "right" : "left", is_left ? "-0.6" : "0.6",
		3 + (int)mark->kind);
}

/* Disruptions first. A label that finds no room is left out: the legend has the
 * number of its kind. */
static void write_labels(const struct picture *picture, FILE *to)
{
	struct labels labels = { .picture = picture, .to = to };
	const struct trace *trace = picture->trace;

	for (unsigned int kind = 0; kind < TRACE_KINDS; kind++)
		for (size_t i = 0; i < trace->mark_count; i++)
			if (trace->marks[i].kind == kind)
				write_label(&labels, i);
}

/* --- the sheet ------------------------------------------------------------ */

void picture_write(const struct picture *picture, FILE *to)
{
	write_styles(picture, to);
	write_title(picture, to);
	write_spans(picture, to);
	write_marks(picture, to);
	write_labels(picture, to);
	picture_write_offset(picture, to);
	/* The title and the labels of the marks stand there once. */
	fputs("unset label\n", to);
	picture_write_rate(picture, to);
	fputs("unset label\nunset arrow\nunset object\n", to);
	picture_write_stability(picture, to);
	fputs("unset multiplot\n", to);
}
