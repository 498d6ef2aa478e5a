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
	struct source_identity opened;
	uint64_t count; /* 0: for ever */
	bool json;
	uint64_t told;
	int lost; /* the error that the source was told to be lost by; or 0 */
};

static const char doc[] =
	"Print what happens to this machine and its clocks, one line each as "
	"it is noticed, until SIGINT or SIGTERM: restored, jumped, paused, "
	"migrated, or updated (the host says that what was known of the "
	"counter is void, and no more); and, which is no disruption, "
	"clock-set, "
	"clocksource-changed, source-lost and source-found.\n"
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
	"A source that can no longer be read (a page that is garbage, "
	"truncated, removed or replaced, a device that is gone) is source-lost "
	"with the reason, which stderr gets as well, once; source-found when "
	"it can, or when -d names a new one.\n"
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
		       side, marker->value, side, marker->generation);
	else
		printf(" marker_%s=unknown generation_%s=unknown", side, side);
}

/* Why the source is lost: a sentence without double quotes. */
static void explain_loss(const struct paraclock_event *event,
			 const struct paraclock *clk, char *buf, size_t size)
{
	paraclock_explain(clk, event->error, NULL, buf, size);
	while ((buf = strchr(buf, '"')))
		*buf = '\'';
}

static bool is_about_source(const struct paraclock_event *event)
{
	return event->kind == PARACLOCK_EVENT_SOURCE_LOST ||
	       event->kind == PARACLOCK_EVENT_SOURCE_FOUND;
}

static void print_event(const struct paraclock_event *event, const char *why)
{
	uint32_t flags = event->flags;
	time_t now = time(NULL);
	char when[32];
	struct tm tm;

	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
	printf("time=%s kind=%s source=%s marker_class=%s disruption=%" PRIu64
	       " lost=%s",
	       when, paraclock_event_kind_name(event->kind), event->source,
	       paraclock_marker_class_name(event->marker_class), event->epoch,
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
	if (why)
		printf(" error=%s reason=\"%s\"",
		       paraclock_error_name(event->error), why);
	putchar('\n');
}

void event_print(const struct paraclock_event *event,
		 const struct paraclock *clk)
{
	bool lost = event->kind == PARACLOCK_EVENT_SOURCE_LOST;
	char why[512];

	explain_loss(event, clk, why, sizeof(why));
	print_event(event, lost ? why : NULL);
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

static int print_json(const struct paraclock_event *event, const char *why)
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
	json_put_u64(&json, "epoch", event->epoch);
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
	put_u64(&json, "marker_before", event->marker_before.value, markers);
	put_u64(&json, "generation_before", event->marker_before.generation,
		markers);
	put_u64(&json, "marker_after", event->marker_after.value, markers);
	put_u64(&json, "generation_after", event->marker_after.generation,
		markers);
	if (is_about_source(event)) {
		json_put_text(&json, "error",
			      why ? paraclock_error_name(event->error) : NULL);
		json_put_text(&json, "reason", why);
	}
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

/* 0: go on; 1: that was all; -EIO: nobody hears it. @p why: of source-lost. */
static int tell(struct events *events, const struct paraclock_event *event,
		const char *why)
{
	int ret;

	if (events->json) {
		ret = print_json(event, why);
	} else {
		print_event(event, why);
		ret = output_flush();
	}
	if (ret)
		return ret;
	return ++events->told == events->count;
}

/* Once, until it is found. */
static int tell_lost(struct events *events, const struct paraclock *clk,
		     const struct paraclock_event *event, const char *why)
{
	char text[512];

	if (events->lost)
		return 0;
	explain_loss(event, clk, text, sizeof(text));
	if (!why)
		why = text;
	events->lost = event->error;
	warnx("%s: lost: %s", event->source, why);
	return tell(events, event, why);
}

/* What this command sees, and the handle does not. */
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

/* What has gone for good may be back by its name: of a file that is another
 * one, of a device that is plugged in again. */
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

/* The name that was given, and the handle that was opened by it. */
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

/* Its descriptor, from which on it watches what no memory shows; or it has
 * complained. */
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

static int follow(struct events *events, struct paraclock **clk)
{
	int fd = open_events(*clk);
	int ret = 0;

	/* A second signal is a plain one: it ends a write that hangs. */
	stop_on_signals(true);
	while (!ret && fd >= 0) {
		ret = look(events, clk);
		/* It may be another clock by now. */
		fd = open_events(*clk);
		if (!ret && fd >= 0 && !wait_for_events(fd))
			break;
	}
	/* Of a full disk stderr knows already. */
	return (ret < 0 && !stop) || fd < 0 ? STATUS_FAILED : STATUS_OK;
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
	events.opened = source_identify(&events.source);
	ret = source_open_any(&events.source, &clk);
	if (ret)
		return ret;
	ret = follow(&events, &clk);
	paraclock_close(clk);
	return ret;
}
