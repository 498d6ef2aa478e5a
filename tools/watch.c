// SPDX-License-Identifier: MIT
/* paraclock watch: follow a clock, on a screen or in lines. */

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "screen.h"
#include "tools.h"
#include "track.h"
#include "utc.h"

/* Nobody can read faster, and a terminal would do nothing but redraw. */
#define INTERVAL_MIN_NS (NSEC_PER_SEC / 100)
#define INTERVAL_NS	(NSEC_PER_SEC / 2)

#define RECENT_NS (10 * NSEC_PER_SEC)

struct watch {
	struct source source;
	uint64_t count; /* 0: no limit */
	int64_t interval_ns;
	int event_fd;	       /* negative: look for events at each refresh */
	struct screen *screen; /* NULL: plain lines */
	struct track track;
};

static const char doc[] =
	"Follow a clock: is it valid, how fast does it run, was this machine "
	"disrupted? On a terminal, one screen is refreshed until you press q "
	"or "
	"Ctrl-C. Elsewhere, one line per refresh and one per event (with "
	"kind=, "
	"as in 'paraclock events') is printed until SIGINT or SIGTERM.\n"
	"\v"
	"The rate is that of the host clock against this kernel's "
	"CLOCK_MONOTONIC_RAW, in ppm with its bound: since the start or the "
	"last disruption, which voids older measurements, and over the last "
	"10 s. A gap is the host's time between two readings: a gap longer "
	"than "
	"the interval means that this machine, or this process, did not run. "
	"A value that is not known is 'unknown'.\n"
	"\n"
	"Exit status: 0 every reading was valid; 3 at least one was not; 1 the "
	"clock could not be read; 2 wrong usage.\n"
	"\n"
	"Examples:\n"
	"  paraclock watch\n"
	"  paraclock watch -b kvmclock -i 0.1\n"
	"  paraclock watch -n 600 -i 1 > watch.log\n"
	"  paraclock watch | grep --line-buffered valid=false";

static const struct argp_option options[] = {
	{ "count", 'n', "N", 0, "Stop after N refreshes", 0 },
	{ "interval", 'i', "SECONDS", 0,
	  "Time between refreshes (default 0.5, least 0.01)", 0 },
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
		if (parse_seconds(arg, &watch->interval_ns) ||
		    watch->interval_ns < INTERVAL_MIN_NS)
			return args_error(state,
					  "-i %s: not a time of 0.01 s or more",
					  arg);
		return 0;
	case ARGP_KEY_ARG:
		return args_error(state, "%s: unexpected argument", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- plain lines ---------------------------------------------------------- */

static void print_rate(const char *name, struct track_rate rate)
{
	if (rate.span_sec > 0)
		printf(" %s=%+.4f %s_bound=%.4f", name, rate.ppm, name,
		       rate.bound_ppm);
	else
		printf(" %s=unknown %s_bound=unknown", name, name);
}

static void print_time(void)
{
	char text[UTC_TEXT];

	printf("time=%s", format_utc(realtime_ns(), false, text));
}

static void print_sample(const struct paraclock_sample *sample)
{
	char pair[24], bound[24];

	format_error_ns(sample->pair_error_ns, pair, sizeof(pair));
	format_error_ns(sample->clock_error_ns, bound, sizeof(bound));
	printf(" valid=%s reason=%s host_ns=%" PRId64 " host_tsc=%" PRIu64
	       " timescale=%s pair_error_ns=%s clock_error_ns=%s "
	       "epoch=%" PRIu64 " marker_class=%s",
	       sample->valid ? "true" : "false", sample_state(sample),
	       sample->host_ns, sample->host_tsc,
	       paraclock_timescale_name(sample->timescale), pair, bound,
	       sample->epoch,
	       paraclock_marker_class_name(sample->marker_class));
}

static void print_marker(const struct paraclock *clk)
{
	struct paraclock_marker marker;

	if (paraclock_marker(clk, &marker))
		printf(" marker=unknown generation=unknown");
	else
		printf(" marker=0x%" PRIx64 " generation=0x%" PRIx64,
		       marker.value, marker.generation);
}

static int print_line(const struct track *track)
{
	char times[64];

	print_time();
	printf(" backend=%s", paraclock_backend_name(track->clk));
	if (track->error)
		printf(" valid=false error=%s",
		       paraclock_error_name(track->error));
	else
		print_sample(&track->sample);
	print_marker(track->clk);
	print_rate("rate_ppm", track_rate(track, 0));
	print_rate("rate_10s_ppm", track_rate(track, RECENT_NS));
	format_times(track, times, sizeof(times));
	printf(" disruptions=%" PRIu64 " disrupted_at=%s worst_gap_sec=%.6f "
	       "readings=%" PRIu64 " not_valid=%" PRIu64 "\n",
	       track->disruptions, times[0] ? times : "never",
	       (double)track->worst_gap_ns / 1e9, track->readings,
	       track->not_valid);
	return output_flush();
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
			event_print(&event, watch->track.clk);
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
		return print_line(&watch->track);
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
	watch->screen = screen_open();
	/* With a screen, even a second signal must leave a usable terminal;
	 * with lines, it kills a write that hangs. */
	stop_on_signals(!watch->screen);
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
