// SPDX-License-Identifier: MIT
/* paraclock events: what happens to this machine and its clocks, at once. */

#include <err.h>
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include "tools.h"

struct events {
	struct source source;
	struct source_identity opened;
	uint64_t count; /* 0: no limit */
	bool json;
	uint64_t told;
	int lost; /* the error that source-lost reported; 0: not lost */
};

static const char doc[] =
	"Print what happens to this machine and its clocks, one line per event "
	"as it is noticed, until SIGINT or SIGTERM. The kinds of disruptions "
	"are restored, jumped, paused, migrated, and updated (the host says "
	"only that what was known of the counter is void). Other kinds are "
	"clock-set, clocksource-changed, source-lost and source-found.\n"
	"\v"
	"A line has the columns TIME, KIND, GAP, SOURCE and MARKERS. GAP is "
	"how far the host clock is ahead of what its page said before, at the "
	"same counter value; '-' means not known. MARKERS is authoritative if "
	"the host or the kernel reported the event, heuristic if a page only "
	"looks like it. --json shows the host's markers and the rest. stderr "
	"says first what is followed and what that can miss; "
	"paraclock-disruption(7) lists which source can report which kind.\n"
	"\n"
	"--dev-mem is for kernels without the vmclock's driver, ptp_vmclock: "
	"each change of the page's marker is an event within about 100 ms. It "
	"fails, saying why, if there is no vmclock, or the kernel does not let "
	"this process look at it.\n"
	"\n"
	"source-lost: the source can no longer be read, because its page is "
	"malformed, truncated, removed or replaced, or its device is gone; the "
	"reason goes to stderr as well, once. source-found: it can be read "
	"again, or -d names a new one.\n"
	"\n"
	"Exit status: 0 stopped by a signal, or N events were printed; 1 the "
	"source could not be read; 2 wrong usage.\n"
	"\n"
	"Examples:\n"
	"  paraclock events\n"
	"  paraclock events -n 1 && systemctl restart chrony\n"
	"  paraclock events --json | jq 'select(.kind == \"restored\")'";

static const struct argp_option options[] = {
	{ "count", 'n', "N", 0, "Stop after N events", 0 },
	{ "json", 'j', NULL, 0, "Print one JSON object per event, one per line",
	  0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct events *events = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		args_init(state);
		state->child_inputs[0] = &events->source;
		return 0;
	case 'n':
		return parse_count(state, arg, &events->count);
	case 'j':
		events->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_error(state, "%s: unexpected argument", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* false: a signal came, or nobody reads stdout any more. @p looks: nothing wakes
 * for the page in /dev/mem. */
static bool wait_for_events(int fd, bool looks)
{
	static const struct timespec look = { .tv_nsec = LOOK_NS };
	struct pollfd poller[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = STDOUT_FILENO },
	};

	(void)stop_poll(poller, 2, looks ? &look : NULL);
	return !stop && !(poller[1].revents & POLLERR);
}

/* 0: go on; 1: that was the last one; -EIO: stdout failed. @p why: why the
 * source is lost. */
static int tell(struct events *events, const struct paraclock_event *event,
		const char *why)
{
	int ret;

	if (events->json) {
		ret = event_print_json(event, why);
	} else {
		if (event->flags & PARACLOCK_EVENT_LOST)
			warnx("there were more events before this one than "
			      "could be kept");
		event_print_row(event);
		ret = output_flush();
	}
	if (ret)
		return ret;
	return ++events->told == events->count;
}

/* Print it once, until the source is found again. */
static int tell_lost(struct events *events, const struct paraclock *clk,
		     const struct paraclock_event *event, const char *why)
{
	char text[512];

	if (events->lost)
		return 0;
	event_explain_loss(event, clk, text, sizeof(text));
	if (!why)
		why = text;
	events->lost = event->error;
	warnx("%s: lost: %s", event->source, why);
	return tell(events, event, why);
}

/* An event that only this command can see: the handle does not know names. */
static struct paraclock_event about_source(const struct paraclock *clk,
					   uint8_t kind, int error)
{
	struct paraclock_event event = {
		.size = sizeof(event),
		.kind = kind,
		.marker_class = PARACLOCK_MARKER_AUTHORITATIVE,
		.source = paraclock_backend_name(clk),
		.epoch = paraclock_epoch(clk),
		.counter_before = paraclock_counter(NULL),
		.counter_after = paraclock_counter(NULL),
		.error = error,
	};

	return event;
}

static int print_events(struct events *events, struct paraclock *clk)
{
	struct paraclock_event event = { .size = sizeof(event) };
	int ret = 0;

	while (!ret && !paraclock_next_event(clk, &event)) {
		if (event.kind == PARACLOCK_EVENT_SOURCE_LOST) {
			ret = tell_lost(events, clk, &event, NULL);
			continue;
		}
		if (event.kind == PARACLOCK_EVENT_SOURCE_FOUND)
			events->lost = 0;
		ret = tell(events, &event, NULL);
	}
	return ret;
}

/* A handle whose file or device is gone never finds it again. Its name may:
 * another file has it, or the device was plugged in again. */
static int find_again(struct events *events, struct paraclock **clk)
{
	struct source_identity now = source_identify(&events->source);
	struct paraclock_event event;
	struct paraclock *found;

	if (!source_reopen(&events->source, *clk, &found))
		return 0;
	paraclock_close(*clk);
	*clk = found;
	events->opened = now;
	events->lost = 0;
	event = about_source(found, PARACLOCK_EVENT_SOURCE_FOUND, 0);
	return tell(events, &event, NULL);
}

/* Look at both: the name that -d gave, and the handle that was opened by it. */
static int look(struct events *events, struct paraclock **clk)
{
	const char *how = source_is_replaced(&events->source, &events->opened);
	struct paraclock_event event;
	char why[512];
	int ret = 0;

	if (how) {
		event = about_source(*clk, PARACLOCK_EVENT_SOURCE_LOST,
				     -ENODEV);
		snprintf(why, sizeof(why), "%s: %s", events->source.device,
			 how);
		ret = tell_lost(events, *clk, &event, why);
	}
	if (!ret)
		ret = print_events(events, *clk);
	if (!ret && (how || events->lost == -ENODEV))
		ret = find_again(events, clk);
	return ret;
}

/* The descriptor of the events; from now on the handle also watches what memory
 * does not show. Negative: stderr says why. */
static int open_events(struct paraclock *clk)
{
	int fd = paraclock_event_fd(clk);
	char text[512];

	if (fd >= 0)
		return fd;
	paraclock_explain(clk, fd, NULL, text, sizeof(text));
	warnx("%s: %s", paraclock_backend_name(clk), text);
	return fd;
}

/* What silence is worth. */
static void tell_source(const struct paraclock *clk)
{
	static const char *const says[] = {
		[PARACLOCK_MARKER_NONE] =
			"nothing here shows that this machine was moved or "
			"restored; only CLOCK_REALTIME being set and another "
			"clocksource are seen",
		[PARACLOCK_MARKER_HEURISTIC] =
			"what makes its page jump is seen; a migration or a "
			"pause that does not is missed",
		[PARACLOCK_MARKER_AUTHORITATIVE] =
			"the host reports migrations, restores and clones; a "
			"pause can be missed",
	};
	struct paraclock_sample sample;
	const char *backend = paraclock_backend_name(clk);
	unsigned int class;

	/* Why not is told as an event. */
	if (paraclock_read(clk, &sample)) {
		warnx("following %s, which cannot be read now", backend);
		return;
	}
	class = sample.marker_class;
	if (class < sizeof(says) / sizeof(says[0]))
		warnx("following %s (markers: %s): %s", backend,
		      paraclock_marker_class_name(class), says[class]);
}

static int follow(struct events *events, struct paraclock **clk)
{
	bool looks = events->source.flags & PARACLOCK_DEVICE_MEMORY;
	int fd = open_events(*clk);
	int ret = 0;

	if (fd >= 0) {
		tell_source(*clk);
		if (!events->json && output_height())
			event_print_header();
	}
	/* A second signal kills: it ends a write that hangs. */
	stop_on_signals(true);
	while (!ret && fd >= 0) {
		ret = look(events, clk);
		/* look() may have opened another clock. */
		fd = open_events(*clk);
		/* A source that is lost is opened anew once a second. */
		if (!ret && fd >= 0 &&
		    !wait_for_events(fd, looks && !events->lost))
			break;
	}
	/* output_flush() has already reported a full disk. */
	return (ret < 0 && !stop) || fd < 0 ? STATUS_FAILED : STATUS_OK;
}

int cmd_events(int argc, char **argv)
{
	static const struct argp_child children[] = {
		{ .argp = &source_memory_argp },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = doc,
		.children = children,
	};
	struct events events = { 0 };
	struct paraclock *clk;
	int ret = args_parse(&argp, argc, argv, &events);

	if (ret)
		return ret;
	events.opened = source_identify(&events.source);
	ret = source_open_any(&events.source, &clk);
	if (ret)
		return ret;
	ret = follow(&events, &clk);
	paraclock_close(clk);
	return ret;
}
