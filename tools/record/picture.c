// SPDX-License-Identifier: MIT
/* The sheet: its colours, its title, and what is marked in time. */

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "picture.h"
#include "scale.h"

/* gnuplot's numbers of labels; the lower ones are the sheet's and the panels'. */
#define LABELS_FROM 20

/* Labels of marks keep this distance, in parts of the time axis. */
#define LABEL_ROOM 0.16

double picture_length_ns(const struct picture *picture)
{
	const int64_t ns = picture->trace->last_ns - picture->trace->first_ns;

	return ns > 0 ? (double)ns : 1e9;
}

double picture_time(const struct picture *picture, int64_t raw_ns)
{
	const double ns = (double)(raw_ns - picture->trace->first_ns);

	return ns / scale_of_elapsed(picture_length_ns(picture)).size;
}

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
	fprintf(to,
		"set label 2 \"%zu valid readings, every %.4g %s; %" PRIu64
		" not valid; %" PRIu64
		" disruption%s; clocksource %s; paraclock %s\" "
		"at screen 0.5,0.942 center textcolor rgb '#404040'\n",
		trace->count, picture->trend->interval_ns / interval.size,
		interval.unit, trace->not_valid, trace->kinds[TRACE_DISRUPTION],
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

static void write_label(const struct trace_mark *mark, int tag, double time,
			bool left, FILE *to)
{
	const double gap_ns = (double)mark->gap_ns;
	const struct scale scale = scale_of_ns(fabs(gap_ns));
	char gap[64] = "";

	if (mark->has_gap)
		snprintf(gap, sizeof(gap), " %+.4g %s", gap_ns / scale.size,
			 scale.unit);
	fprintf(to,
		"set label %d \"%s%s\" at %.9g, graph 0.94 %s front offset "
		"character %s,0 textcolor ls %d\n",
		tag, mark->name, gap, time, left ? "right" : "left",
		left ? "-0.6" : "0.6", 3 + (int)mark->kind);
}

/* Of marks that are close together only the first. */
static void write_labels(const struct picture *picture, FILE *to)
{
	const struct trace *trace = picture->trace;
	const double whole = picture_length_ns(picture) /
			     scale_of_elapsed(picture_length_ns(picture)).size;
	double free_from = 0;

	for (size_t i = 0; i < trace->mark_count; i++) {
		const double time =
			picture_time(picture, trace->marks[i].raw_ns);
		const bool left = time > whole * (1 - LABEL_ROOM);
		const double begin = left ? time - whole * LABEL_ROOM : time;

		if (begin < free_from)
			continue;
		write_label(&trace->marks[i], LABELS_FROM + (int)i, time, left,
			    to);
		free_from = begin + whole * LABEL_ROOM;
	}
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
