// SPDX-License-Identifier: MIT
/* paraclock events: what happens to this machine and its clocks, as it does. */

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "tools.h"

struct events {
	struct source source;
	uint64_t count; /* 0: for ever */
	bool json;
	uint64_t told;
};

static const char doc[] =
	"Print what happens to this machine and its clocks, one line each as "
	"it is noticed, until SIGINT or SIGTERM: restored, jumped, paused, "
	"migrated, or updated (the host says that what was known of the "
	"counter is void, and no more); and, which is no disruption, clock-set "
	"and clocksource-changed.\n"
	"\v"
	"A line is a row of key=value. marker_class says whether somebody who "
	"knows said so (authoritative) or a page looked like it (heuristic). "
	"gap_ns is how far the host clock is ahead of what its page said "
	"before, at the same counter value; what is not known is 'unknown', in "
	"JSON null. Which source can tell which kind is in "
	"paraclock-disruption(7): a live migration is not told from other "
	"disruptions, and a host without a vmclock can move this machine "
	"unnoticed.\n"
	"\n"
	"Exit status: 0 it was ended, or printed N; 1 it could not be read; 2 "
	"usage.\n"
	"\n"
	"Examples:\n"
	"  paraclock events\n"
	"  paraclock events -n 1 && systemctl restart chrony\n"
	"  paraclock events --json | jq 'select(.kind == \"restored\")'";

static const struct argp_option options[] = {
	{ "count", 'n', "N", 0, "Stop after N events", 0 },
	{ "json", 'j', NULL, 0, "One JSON object per event and line", 0 },
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
		return args_error(state, "%s: not expected here", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- one event ------------------------------------------------------------ */

void event_format_gap(const struct paraclock_event *event, char *buf,
		      size_t size)
{
	uint64_t ns = event->gap_ns < 0 ? 0 - (uint64_t)event->gap_ns
					: (uint64_t)event->gap_ns;

	if (event->flags & PARACLOCK_EVENT_GAP)
		snprintf(buf, size, "%c%" PRIu64 ".%09" PRIu64 " s",
			 event->gap_ns < 0 ? '-' : '+', ns / 1000000000,
			 ns % 1000000000);
	else
		snprintf(buf, size, "unknown");
}

static void print_s64(const char *key, int64_t value, uint32_t known)
{
	if (known)
		printf(" %s=%" PRId64, key, value);
	else
		printf(" %s=unknown", key);
}

static void print_marker(const char *side,
			 const struct paraclock_marker *marker, uint32_t known)
{
	if (known)
		printf(" marker_%s=0x%" PRIx64 " generation_%s=0x%" PRIx64,
		       side, marker->disruption, side, marker->generation);
	else
		printf(" marker_%s=unknown generation_%s=unknown", side, side);
}

void event_print(const struct paraclock_event *event)
{
	uint32_t flags = event->flags;
	time_t now = time(NULL);
	char when[32];
	struct tm tm;

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	printf("time=%s kind=%s source=%s marker_class=%s disruption=%" PRIu64
	       " lost=%s",
	       when, paraclock_event_kind_name(event->kind), event->source,
	       paraclock_marker_class_name(event->marker_class),
	       event->disruption,
	       flags & PARACLOCK_EVENT_LOST ? "true" : "false");
	print_s64("gap_ns", event->gap_ns, flags & PARACLOCK_EVENT_GAP);
	printf(" timescale=%s counter_before=%" PRIu64
	       " counter_after=%" PRIu64,
	       paraclock_timescale_name(event->timescale),
	       event->counter_before, event->counter_after);
	print_s64("host_ns_before", event->host_ns_before,
		  flags & PARACLOCK_EVENT_BEFORE);
	print_s64("host_ns_after", event->host_ns_after,
		  flags & PARACLOCK_EVENT_AFTER);
	flags &= PARACLOCK_EVENT_MARKERS;
	print_marker("before", &event->marker_before, flags);
	print_marker("after", &event->marker_after, flags);
	putchar('\n');
}

static void put_s64(struct json *json, const char *key, int64_t value,
		    uint32_t known)
{
	if (known)
		json_put_s64(json, key, value);
	else
		json_put_null(json, key);
}

static void put_u64(struct json *json, const char *key, uint64_t value,
		    uint32_t known)
{
	if (known)
		json_put_u64(json, key, value);
	else
		json_put_null(json, key);
}

static int print_json(const struct paraclock_event *event)
{
	uint32_t markers = event->flags & PARACLOCK_EVENT_MARKERS;
	struct json json = { 0 };
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	json_begin(&json, NULL, '{');
	json_put_s64(&json, "realtime_ns",
		     (int64_t)now.tv_sec * NSEC_PER_SEC + now.tv_nsec);
	json_put_text(&json, "kind", paraclock_event_kind_name(event->kind));
	json_put_text(&json, "source", event->source);
	json_put_text(&json, "marker_class",
		      paraclock_marker_class_name(event->marker_class));
	json_put_u64(&json, "disruption", event->disruption);
	json_put_bool(&json, "lost", event->flags & PARACLOCK_EVENT_LOST);
	put_s64(&json, "gap_ns", event->gap_ns,
		event->flags & PARACLOCK_EVENT_GAP);
	json_put_text(&json, "timescale",
		      paraclock_timescale_name(event->timescale));
	json_put_u64(&json, "counter_before", event->counter_before);
	json_put_u64(&json, "counter_after", event->counter_after);
	put_s64(&json, "host_ns_before", event->host_ns_before,
		event->flags & PARACLOCK_EVENT_BEFORE);
	put_s64(&json, "host_ns_after", event->host_ns_after,
		event->flags & PARACLOCK_EVENT_AFTER);
	put_u64(&json, "marker_before", event->marker_before.disruption,
		markers);
	put_u64(&json, "generation_before", event->marker_before.generation,
		markers);
	put_u64(&json, "marker_after", event->marker_after.disruption, markers);
	put_u64(&json, "generation_after", event->marker_after.generation,
		markers);
	json_end(&json, '}');
	return json_finish(&json);
}

/* --- all of them ---------------------------------------------------------- */

/* false: a signal came, or nobody reads what is printed. */
static bool wait_for_events(int fd)
{
	struct pollfd poller[] = {
		{ .fd = fd, .events = POLLIN },
		{ .fd = STDOUT_FILENO },
	};

	(void)stop_poll(poller, 2, NULL);
	return !stop && !(poller[1].revents & POLLERR);
}

/* 0: go on; 1: that was all; -EIO, or what ended it. */
static int print_events(struct events *events, struct paraclock *clk)
{
	struct paraclock_event event = { .size = sizeof(event) };
	int ret;

	while (!(ret = paraclock_next_event(clk, &event))) {
		if (events->json) {
			ret = print_json(&event);
		} else {
			event_print(&event);
			ret = output_flush();
		}
		if (ret)
			return ret;
		if (++events->told == events->count)
			return 1;
	}
	/* The one error that cannot pass. */
	return ret == -ENODEV ? ret : 0;
}

static int follow(struct events *events, struct paraclock *clk)
{
	int fd = paraclock_event_fd(clk);
	char text[512];
	int ret = fd;

	/* A second signal is a plain one: it ends a write that hangs. */
	stop_on_signals(true);
	while (ret >= 0) {
		ret = print_events(events, clk);
		if (ret > 0 || (!ret && !wait_for_events(fd)))
			return STATUS_OK;
	}
	/* Of a full disk stderr knows already. */
	if (ret == -EIO)
		return stop ? STATUS_OK : STATUS_FAILED;
	paraclock_explain(clk, ret, NULL, text, sizeof(text));
	warnx("%s: %s", paraclock_backend_name(clk), text);
	return STATUS_FAILED;
}

int cmd_events(int argc, char **argv)
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
	struct events events = { 0 };
	struct paraclock *clk;
	int ret = args_parse(&argp, argc, argv, &events);

	if (ret)
		return ret;
	ret = source_open_any(&events.source, &clk);
	if (ret)
		return ret;
	ret = follow(&events, clk);
	paraclock_close(clk);
	return ret;
}
