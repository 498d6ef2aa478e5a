// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ncurses.h>

#include "screen.h"

/* The column of the values. */
#define COLUMN 15

#define PAIR_GOOD 1
#define PAIR_BAD  2

#define RECENT_NS (10 * NSEC_PER_SEC)

struct screen {
	SCREEN *curses;
};

struct screen *screen_open(void)
{
	struct screen *screen = NULL;
	const char *term = getenv("TERM");

	/* ncurses opens a dumb terminal as well, but cannot draw on it. */
	if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || !term ||
	    strcmp(term, "dumb") == 0)
		return NULL;
	screen = malloc(sizeof(*screen));
	if (!screen)
		return NULL;
	screen->curses = newterm(NULL, stdout, stdin);
	if (!screen->curses) {
		free(screen);
		return NULL;
	}
	cbreak();
	noecho();
	keypad(stdscr, TRUE);
	nodelay(stdscr, TRUE);
	curs_set(0);
	if (output_has_colour() && has_colors()) {
		start_color();
		use_default_colors();
		init_pair(PAIR_GOOD, COLOR_GREEN, -1);
		init_pair(PAIR_BAD, COLOR_RED, -1);
	}
	return screen;
}

void screen_close(struct screen *screen)
{
	if (!screen)
		return;
	endwin();
	delscreen(screen->curses);
	free(screen);
}

/* Cut at the right edge, so that no line runs into the next. */
static void put(int y, int x, const char *text)
{
	if (x < COLS)
		mvaddnstr(y, x, text, COLS - x);
}

static void put_row(int y, const char *label, const char *value)
{
	put(y, 0, label);
	put(y, COLUMN, value);
}

#define PUT_ROW(y, label, ...)                                       \
	do {                                                         \
		char put_value[256];                                 \
		snprintf(put_value, sizeof(put_value), __VA_ARGS__); \
		put_row(y, label, put_value);                        \
	} while (0)

/* Returns the row below the text. */
static int put_wrapped(int y, const char *text)
{
	const int width = COLS - COLUMN;

	while (*text && width > 0 && y < LINES) {
		size_t length = wrap_length(text, (size_t)width);

		mvaddnstr(y++, COLUMN, text, (int)length);
		text += length;
		text += strspn(text, " ");
	}
	return y;
}

static int put_state(int y, const struct track *track)
{
	const struct paraclock_sample *sample = &track->sample;
	bool good = !track->error && sample->valid;
	char text[512];

	if (track->error)
		snprintf(text, sizeof(text), "no answer: %s",
			 paraclock_error_name(track->error));
	else
		snprintf(text, sizeof(text), "%s%s",
			 good ? "" : "not valid: ", sample_state(sample));
	put(y, 0, "state");
	attr_set(A_BOLD, good ? PAIR_GOOD : PAIR_BAD, NULL);
	put(y, COLUMN, text);
	attr_set(A_NORMAL, 0, NULL);
	if (good)
		return y + 1;
	paraclock_explain(track->clk, track->error, sample, text, sizeof(text));
	return put_wrapped(y + 1, text);
}

static void put_error_ns(int y, const char *label, uint64_t error_ns)
{
	char text[24];

	format_error_ns(error_ns, text, sizeof(text));
	PUT_ROW(y, label, "%s%s", text,
		error_ns == PARACLOCK_ERROR_UNKNOWN ? "" : " ns");
}

static int put_sample(int y, const struct paraclock_sample *sample)
{
	char text[64];

	sample_format_time(sample, 9, text, sizeof(text));
	PUT_ROW(y++, "host time", "%s  %s", text,
		paraclock_timescale_name(sample->timescale));
	PUT_ROW(y++, "counter", "%" PRIu64 "  %s", sample->host_tsc,
		paraclock_counter_name(sample->counter));
	put_error_ns(y++, "pair error", sample->pair_error_ns);
	put_error_ns(y++, "clock error", sample->clock_error_ns);
	return y;
}

static void put_rate(int y, const char *label, struct track_rate rate)
{
	if (rate.span_sec > 0)
		PUT_ROW(y, label, "%+.4f ppm +- %.4f  over %.1f s", rate.ppm,
			rate.bound_ppm, rate.span_sec);
	else
		put_row(y, label, "not known yet");
}

void format_times(const struct track *track, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (uint64_t i = 0; i < track->disruptions && i < TRACK_TIMES; i++) {
		time_t sec = track->disrupted_sec[i];
		struct tm tm;

		/* One reading can count several disruptions at one time. */
		if (!sec || !gmtime_r(&sec, &tm))
			break;
		used += strftime(buf + used, size - used,
				 i ? ",%H:%M:%SZ" : "%H:%M:%SZ", &tm);
	}
}

static int put_markers(int y, const struct track *track)
{
	struct paraclock_marker marker;
	char times[64];

	PUT_ROW(y++, "epoch", "%" PRIu64 "  marker class %s", track->epoch,
		paraclock_marker_class_name(track->sample.marker_class));
	if (paraclock_marker(track->clk, &marker))
		put_row(y++, "host marker", "not shown by the source");
	else
		PUT_ROW(y++, "host marker",
			"0x%" PRIx64 ", generation 0x%" PRIx64, marker.value,
			marker.generation);
	format_times(track, times, sizeof(times));
	PUT_ROW(y++, "disruptions", "%" PRIu64 " seen%s%s", track->disruptions,
		times[0] ? ", the last at " : "", times);
	return y;
}

static int put_events(int y, const struct track *track)
{
	for (unsigned int i = 0; i < TRACK_EVENTS && i < track->events; i++) {
		const struct track_event *told =
			&track->event[(track->events - 1 - i) % TRACK_EVENTS];
		const struct paraclock_event *event = &told->event;
		time_t sec = told->realtime_sec;
		char when[16] = "", gap[32];
		struct tm tm;

		if (gmtime_r(&sec, &tm))
			strftime(when, sizeof(when), "%H:%M:%SZ", &tm);
		event_format_gap(event, gap, sizeof(gap));
		PUT_ROW(y++, i ? "" : "events",
			"%s  %s, gap %s, from %s (%s)%s", when,
			paraclock_event_kind_name(event->kind), gap,
			event->source,
			paraclock_marker_class_name(event->marker_class),
			event->flags & PARACLOCK_EVENT_LOST
				? "; others were lost"
				: "");
	}
	return y;
}

void screen_show(const struct track *track)
{
	int y = 2;

	erase();
	attr_set(A_BOLD, 0, NULL);
	put_row(0, "paraclock", paraclock_backend_name(track->clk));
	attr_set(A_NORMAL, 0, NULL);
	y = put_state(y, track);
	if (!track->error)
		y = put_sample(y, &track->sample);
	y++;
	put_row(y++, "rate", "of the host clock against CLOCK_MONOTONIC_RAW");
	put_rate(y++, "  since start", track_rate(track, 0));
	put_rate(y++, "  last 10 s", track_rate(track, RECENT_NS));
	y++;
	y = put_markers(y, track);
	y = put_events(y, track);
	PUT_ROW(y++, "worst gap", "%.6f s between two readings, host time",
		(double)track->worst_gap_ns / 1e9);
	PUT_ROW(y++, "readings", "%" PRIu64 ", %" PRIu64 " not valid",
		track->readings, track->not_valid);
	put(y + 1, 0, "q quits");
	refresh();
}

bool screen_keys(const struct track *track)
{
	int key;

	while ((key = getch()) != ERR) {
		if (key == 'q' || key == 'Q')
			return true;
		if (key == KEY_RESIZE)
			screen_show(track);
	}
	return false;
}
