// SPDX-License-Identifier: MIT
/* paraclock watch: follow a clock, on a screen or in lines. */

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "screen.h"
#include "tools.h"
#include "track.h"
#include "watch_lines.h"

/* Nobody can read faster, and a terminal would do nothing but redraw. */
#define INTERVAL_MIN_NS (NSEC_PER_SEC / 100)
#define INTERVAL_NS	(NSEC_PER_SEC / 2)

struct watch {
	struct source source;
	uint64_t count; /* 0: no limit */
	int64_t interval_ns;
	bool json;
	int event_fd;	       /* negative: look for events at each refresh */
	struct screen *screen; /* NULL: plain lines */
	struct track track;
};

static const char doc[] =
	"Follow a clock: is it valid, how fast does it run, was this machine "
	"disrupted? On a terminal, one screen is refreshed until you press q "
	"or Ctrl-C; 40 columns and 10 lines are enough for what matters most, "
	"which stands on top. Elsewhere, or with --json, one line per refresh "
	"and one per event is printed until SIGINT or SIGTERM.\n"
	"\v"
	"The rate is that of the host clock against this kernel's "
	"CLOCK_MONOTONIC_RAW, in ppm with its bound: since the start or the "
	"last disruption, which voids older measurements, and over the last "
	"10 s. A gap is the host's time between two readings: a gap longer "
	"than the interval means that this machine, or this process, did not "
	"run.\n"
	"\n"
	"A line has the columns TIME, STATE, RATE_PPM, PPM_ERROR (over the "
	"last 10 s) and DISRUPTED (how often); '-' means not known. An event "
	"has those of 'paraclock events'. In JSON an event has the member "
	"kind.\n"
	"\n"
	"Exit status: 0 every reading was valid; 3 at least one was not; 1 the "
	"clock could not be read; 2 wrong usage.\n"
	"\n"
	"Examples:\n"
	"  paraclock watch\n"
	"  paraclock watch -b kvmclock -i 0.1\n"
	"  paraclock watch -n 600 -i 1 > watch.log\n"
	"  paraclock watch | awk '$2 != \"ok\"'\n"
	"  paraclock watch --json | jq 'select(.valid | not)'";

static const struct argp_option options[] = {
	{ "count", 'n', "N", 0, "Stop after N refreshes", 0 },
	{ "interval", 'i', "SECONDS", 0,
	  "Time between refreshes (default 0.5, least 0.01)", 0 },
	{ "json", 'j', NULL, 0,
	  "Print JSON objects, one per line: one per refresh, and one per "
	  "event",
	  0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct watch *watch = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		args_init(state);
		state->child_inputs[0] = &watch->source;
		return 0;
	case 'n':
		return parse_count(state, arg, &watch->count);
	case 'i':
		return parse_span_within(state, "-i", arg,
					 (struct span_range){ INTERVAL_MIN_NS,
							      0 },
					 &watch->interval_ns);
	case 'j':
		watch->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_error(state, "%s: unexpected argument", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- waiting -------------------------------------------------------------- */

static int64_t monotonic_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static int poll_until(int64_t deadline_ns, struct pollfd poller[2])
{
	int64_t left_ns = deadline_ns - monotonic_ns();
	struct timespec left = { 0 };

	if (left_ns > 0) {
		left.tv_sec = left_ns / NSEC_PER_SEC;
		left.tv_nsec = left_ns % NSEC_PER_SEC;
	}
	return stop_poll(poller, 2, &left);
}

/* 0, or -EIO and stderr says why. */
static int show_events(struct watch *watch)
{
	struct paraclock_event event;
	bool any = false;

	while (track_event(&watch->track, &event)) {
		any = true;
		if (!watch->screen)
			watch_print_event(watch->track.clk, &event,
					  watch->json);
	}
	if (any && watch->screen)
		screen_show(&watch->track);
	return any && !watch->screen ? output_flush() : 0;
}

/* false: the command is to end. */
static bool wait_until(struct watch *watch, int64_t deadline_ns)
{
	/* poll(2) ignores a negative descriptor. */
	struct pollfd poller[2] = {
		{ .fd = watch->screen ? STDIN_FILENO : -1, .events = POLLIN },
		{ .fd = watch->event_fd, .events = POLLIN },
	};

	while (!stop) {
		int ret = poll_until(deadline_ns, poller);

		/* Also after a signal: the terminal may have a new size. */
		if (watch->screen && screen_keys(&watch->track))
			return false;
		if (ret == 0)
			return true;
		if (ret > 0 &&
		    poller[0].revents & (POLLHUP | POLLERR | POLLNVAL))
			return false;
		if (ret > 0 && poller[1].revents && show_events(watch))
			return false;
	}
	return false;
}

/* --- the loop ------------------------------------------------------------- */

static int show(const struct watch *watch)
{
	if (!watch->screen)
		return watch->json ? watch_print_json(&watch->track)
				   : watch_print_row(&watch->track);
	screen_show(&watch->track);
	return 0;
}

static int run(struct watch *watch)
{
	struct track *track = &watch->track;
	int64_t deadline_ns = monotonic_ns();

	while (!stop) {
		int64_t now_ns;

		track_refresh(track);
		if (show_events(watch) || show(watch))
			return stop ? STATUS_OK : STATUS_FAILED;
		/* The source is gone for good; other errors may pass. */
		if (track->error == -ENODEV)
			return STATUS_FAILED;
		if (track->readings == watch->count)
			break;
		/* Do not catch up after this process was stopped. */
		deadline_ns += watch->interval_ns;
		now_ns = monotonic_ns();
		if (deadline_ns < now_ns)
			deadline_ns = now_ns;
		if (!wait_until(watch, deadline_ns))
			break;
	}
	return track->not_valid ? STATUS_NOT_VALID : STATUS_OK;
}

static void complain(const struct track *track)
{
	char text[512];

	if (!track->error)
		return;
	paraclock_explain(track->clk, track->error, NULL, text, sizeof(text));
	warnx("%s: %s", paraclock_backend_name(track->clk), text);
}

static int watch_clock(struct watch *watch, struct paraclock *clk)
{
	int ret;

	watch->track = (struct track){ .clk = clk };
	watch->event_fd = paraclock_event_fd(clk);
	watch->screen = watch->json ? NULL : screen_open();
	/* With a screen, even a second signal must leave a usable terminal;
	 * with lines, it kills a write that hangs. */
	stop_on_signals(!watch->screen);
	if (!watch->screen && !watch->json && output_height())
		watch_print_header();
	ret = run(watch);
	screen_close(watch->screen);
	if (ret == STATUS_FAILED)
		complain(&watch->track);
	return ret;
}

int cmd_watch(int argc, char **argv)
{
	static const struct argp_child children[] = {
		{ .argp = &source_argp },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = doc,
		.children = children,
	};
	struct watch watch = { .interval_ns = INTERVAL_NS };
	struct paraclock *clk;
	int ret = args_parse(&argp, argc, argv, &watch);

	if (ret)
		return ret;
	ret = source_open_any(&watch.source, &clk);
	if (ret)
		return ret;
	ret = watch_clock(&watch, clk);
	paraclock_close(clk);
	return ret;
}
