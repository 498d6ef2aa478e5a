// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <ncurses.h>

#include "screen.h"

/* The column of the values: on a screen of 40 columns a date with 9 decimals
 * fits behind it. */
#define COLUMN 11

#define PAIR_GOOD 1
#define PAIR_BAD  2

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

/* Returns the row below the text. */
static int put_wrapped(int y, int x, const char *text)
{
	const int width = COLS - x;

	while (*text && width > 0 && y < LINES) {
		size_t length = wrap_length(text, (size_t)width);

		mvaddnstr(y++, x, text, (int)length);
		text += length;
		text += strspn(text, " ");
	}
	return y;
}

/* Returns the row below. */
__attribute__((format(printf, 3, 4))) static int
put_row(int y, const char *label, const char *format, ...)
{
	char value[256];
	va_list list;

	va_start(list, format);
	vsnprintf(value, sizeof(value), format, list);
	va_end(list);
	put(y, 0, label);
	return put_wrapped(y, COLUMN, value);
}

static const char *state_of(const struct track *track, char *buf, size_t size)
{
	const struct paraclock_sample *sample = &track->sample;

	if (track->error)
		snprintf(buf, size, "no answer: %s",
			 paraclock_error_name(track->error));
	else
		snprintf(buf, size, "%s%s", sample->valid ? "" : "not valid: ",
			 sample_state(sample));
	return buf;
}

static bool is_good(const struct track *track)
{
	return !track->error && track->sample.valid;
}

static int put_title(int y, const struct track *track)
{
	static const char quit[] = "q quits";
	char text[64];

	attr_set(A_BOLD, 0, NULL);
	put(y, 0, paraclock_backend_name(track->clk));
	attr_set(A_BOLD, is_good(track) ? PAIR_GOOD : PAIR_BAD, NULL);
	put(y, COLUMN + 1, state_of(track, text, sizeof(text)));
	attr_set(A_NORMAL, 0, NULL);
	if (COLS > COLUMN + 1 + (int)strlen(text) + (int)sizeof(quit))
		put(y, COLS - (int)sizeof(quit) + 1, quit);
	return y + 1;
}

static int put_why(int y, const struct track *track)
{
	char text[512];

	if (is_good(track))
		return y;
	paraclock_explain(track->clk, track->error,
			  track->error ? NULL : &track->sample, text,
			  sizeof(text));
	return put_wrapped(y, 2, text);
}

static const char *format_error(uint64_t ns, char *buf, size_t size)
{
	if (ns == PARACLOCK_ERROR_UNKNOWN)
		snprintf(buf, size, "unknown");
	else
		format_duration_up(ns, buf, size);
	return buf;
}

static int put_sample(int y, const struct paraclock_sample *sample)
{
	char text[UTC_TEXT], pair[32], clock[32];

	sample_format_time(sample, text);
	y = put_row(y, "host time", "%s %s", text,
		    paraclock_timescale_name(sample->timescale));
	return put_row(y, "bound", "clock %s, pair %s",
		       format_error(sample->clock_error_ns, clock,
				    sizeof(clock)),
		       format_error(sample->pair_error_ns, pair, sizeof(pair)));
}

static const char *format_rate(struct track_rate rate, char *buf, size_t size)
{
	char ppm[32], bound[32];

	if (rate.span_sec > 0)
		snprintf(buf, size, "%s +- %s ppm",
			 format_ppm(rate.ppm, "+", ppm),
			 format_ppm_bound(rate.ppm, rate.bound_ppm, bound));
	else
		snprintf(buf, size, "not known yet");
	return buf;
}

static int put_rates(int y, const struct track *track)
{
	char all[80], recent[80];

	return put_row(y, "rate", "%s; last 10 s %s",
		       format_rate(track_rate(track, 0), all, sizeof(all)),
		       format_rate(track_rate(track, TRACK_RECENT_NS), recent,
				   sizeof(recent)));
}

/* "12:00:01Z 11:59:07Z": when the last disruptions were noticed. */
static void format_times(const struct track *track, char *buf, size_t size)
{
	size_t used = 0;

	buf[0] = '\0';
	for (uint64_t i = 0; i < track->disruptions && i < TRACK_TIMES; i++) {
		time_t sec = track->disrupted_sec[i];
		struct tm tm;

		/* One reading can count several disruptions at one time. */
		if (!sec || !gmtime_r(&sec, &tm))
			break;
		used += (size_t)snprintf(buf + used, size - used, "%s",
					 i ? " " : "");
		used += strftime(buf + used, size - used, "%H:%M:%SZ", &tm);
	}
}

static int put_disruptions(int y, const struct track *track)
{
	char times[64];

	format_times(track, times, sizeof(times));
	if (!track->disruptions)
		return put_row(y, "disrupted", "not since the start");
	attr_set(A_BOLD, PAIR_BAD, NULL);
	if (track->disruptions == 1)
		y = put_row(y, "disrupted", "once, at %s", times);
	else
		y = put_row(y, "disrupted", "%" PRIu64 " times, last at %s",
			    track->disruptions, times);
	attr_set(A_NORMAL, 0, NULL);
	return y;
}

/* On a small screen the latest ones only. */
static unsigned int events_shown(const struct track *track)
{
	unsigned int most = LINES < 20 ? 1 : LINES < 30 ? 2 : TRACK_EVENTS;

	return track->events < most ? track->events : most;
}

static int put_events(int y, const struct track *track)
{
	for (unsigned int i = 0; i < events_shown(track); i++) {
		const struct track_event *told =
			&track->event[(track->events - 1 - i) % TRACK_EVENTS];
		const struct paraclock_event *event = &told->event;
		time_t sec = told->realtime_sec;
		char when[16] = "", gap[32];
		struct tm tm;

		if (gmtime_r(&sec, &tm))
			strftime(when, sizeof(when), "%H:%M:%SZ", &tm);
		event_format_gap(event, gap, sizeof(gap));
		y = put_row(y, i ? "" : "events", "%s %s, gap %s, by %s (%s)%s",
			    when, paraclock_event_kind_name(event->kind), gap,
			    event->source,
			    paraclock_marker_class_name(event->marker_class),
			    event->flags & PARACLOCK_EVENT_LOST
				    ? "; others were lost"
				    : "");
	}
	return y;
}

static int put_marker(int y, const struct track *track)
{
	struct paraclock_marker marker;

	y = put_row(y, "epoch", "%" PRIu64 ", marker class %s", track->epoch,
		    paraclock_marker_class_name(track->sample.marker_class));
	if (paraclock_marker(track->clk, &marker))
		return put_row(y, "marker", "not shown by the source");
	return put_row(y, "marker", "0x%016" PRIx64 " generation 0x%016" PRIx64,
		       marker.value, marker.generation);
}

/* What matters most is on top: a small screen shows as much of it as fits. */
void screen_show(const struct track *track)
{
	int y = 0;

	erase();
	y = put_title(y, track);
	y = put_disruptions(y, track);
	y = put_events(y, track);
	y = put_why(y, track);
	if (!track->error)
		y = put_sample(y, &track->sample);
	y = put_rates(y, track);
	y = put_row(y, "readings",
		    "%" PRIu64 ", %" PRIu64 " not valid, worst gap %.6f s",
		    track->readings, track->not_valid,
		    (double)track->worst_gap_ns / 1e9);
	y = put_marker(y, track);
	if (!track->error)
		put_row(y, "counter", "%" PRIu64 " %s", track->sample.host_tsc,
			paraclock_counter_name(track->sample.counter));
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
