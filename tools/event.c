// SPDX-License-Identifier: MIT
/* One event, for programs and for people. */

#include <inttypes.h>
#include <string.h>

#include "json.h"
#include "tools.h"
#include "utc.h"

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

/* Why the source is lost: a sentence without double quotes. */
void event_explain_loss(const struct paraclock_event *event,
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

static const char *short_gap(const struct paraclock_event *event,
			     char buf[SHORT_TEXT + 1])
{
	if (!(event->flags & PARACLOCK_EVENT_GAP))
		return "-";
	buf[0] = event->gap_ns < 0 ? '-' : '+';
	format_short(duration_of(event->gap_ns), buf + 1);
	return buf;
}

/* As wide as the longest kind, and the longest source. */
#define COLUMNS "%-20s %-19s %9s %-11s %s\n"

void event_print_header(void)
{
	printf(COLUMNS, "TIME", "KIND", "GAP", "SOURCE", "MARKERS");
}

void event_print_row(const struct paraclock_event *event)
{
	char now[UTC_TEXT], when[UTC_TEXT], gap[SHORT_TEXT + 1];

	snprintf(when, sizeof(when), "%.19sZ",
		 format_utc(realtime_ns(), false, now));
	printf(COLUMNS, when, paraclock_event_kind_name(event->kind),
	       short_gap(event, gap), event->source,
	       paraclock_marker_class_name(event->marker_class));
}

static void put_s64(struct json *json, const char *key, int64_t value,
		    uint32_t known)
{
	if (known)
		json_put_s64(json, key, value);
	else
		json_put_null(json, key);
}

/* The event does not say TAI - UTC: of a host on TAI no time of day is
 * known. */
static void put_host_time(struct json *json, const char *key,
			  const struct paraclock_event *event, int64_t host_ns,
			  uint32_t known)
{
	if (known &&
	    (event->timescale == PARACLOCK_TIMESCALE_UTC ||
	     event->timescale == PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED))
		json_put_time(json, key, host_ns);
	else
		json_put_null(json, key);
}

static void put_marker(struct json *json, const char *key, uint64_t value,
		       uint32_t known)
{
	if (known)
		json_put_marker(json, key, value);
	else
		json_put_null(json, key);
}

int event_print_json(const struct paraclock_event *event, const char *why)
{
	uint32_t markers = event->flags & PARACLOCK_EVENT_MARKERS;
	struct json json = { 0 };

	json_begin(&json, NULL, '{');
	json_put_now(&json);
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
	put_host_time(&json, "time_before", event, event->host_ns_before,
		      event->flags & PARACLOCK_EVENT_BEFORE);
	put_host_time(&json, "time_after", event, event->host_ns_after,
		      event->flags & PARACLOCK_EVENT_AFTER);
	put_marker(&json, "marker_before", event->marker_before.value, markers);
	put_marker(&json, "generation_before", event->marker_before.generation,
		   markers);
	put_marker(&json, "marker_after", event->marker_after.value, markers);
	put_marker(&json, "generation_after", event->marker_after.generation,
		   markers);
	if (is_about_source(event)) {
		json_put_text(&json, "error",
			      why ? paraclock_error_name(event->error) : NULL);
		json_put_text(&json, "reason", why);
	}
	json_end(&json, '}');
	return json_finish(&json);
}
