// SPDX-License-Identifier: MIT
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "feed_config.h"
#include "feed_lines.h"
#include "feed_tell.h"
#include "news.h"
#include "writer.h"

/* --- words ---------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *text;
} whys[] = {
	[FEED_WHY_NONE] = { NULL, "" },
	[FEED_WHY_DISRUPTED] = { "disrupted",
				 "a disruption came; waiting for the first "
				 "measurement after it" },
	[FEED_WHY_WIDE] = { "wide", "the bound is wider than the delay that "
				    "chrony.conf states allows" },
	[FEED_WHY_LEAP] = { "leap", "a leap second is under way, or is near "
				    "and the source may smear it" },
	[FEED_WHY_CLOCK_SET] = { "clock-set",
				 "CLOCK_REALTIME was set during the "
				 "measurement" },
	[FEED_WHY_RANGE] = { "range", "CLOCK_REALTIME is before 1970" },
};

const char *feed_state_name(enum feed_state state)
{
	static const char *const names[] = {
		[FEED_STARTING] = "starting",
		[FEED_FEEDING] = "feeding",
		[FEED_WAITING] = "waiting",
		[FEED_ENDED] = "ended",
	};

	return names[state];
}

const char *feed_why_name(const struct feed *feed)
{
	return feed->why == FEED_WHY_SOURCE ? keep_why_name(feed->keep_why)
					    : whys[feed->why].name;
}

static void describe_wide(const struct feed *feed, char *buf, size_t size)
{
	char bound[32], limit[32], delay[32], need[32];
	struct feed_sample largest = feed->sample;
	int64_t need_ns;

	largest.bound_ns = feed->largest_bound_ns;
	need_ns = feed_config_delay(&largest,
				    feed->options->rules.assume_error_ns);

	format_duration_up(feed->sample.bound_ns, bound, sizeof(bound));
	format_duration(feed_config_limit(feed->delay_ns), limit,
			sizeof(limit));
	feed_format_seconds((uint64_t)feed->delay_ns, delay, sizeof(delay));
	feed_format_seconds((uint64_t)need_ns, need, sizeof(need));
	snprintf(buf, size,
		 "the bound is %s, wider than the %s that 'delay %s' allows; "
		 "if it stays so, state 'delay %s' in chrony.conf and "
		 "--delay %s",
		 bound, limit, delay, need, need);
}

void feed_describe(const struct feed *feed, char *buf, size_t size)
{
	const struct observer *observer = &feed->observer;

	if (feed->why == FEED_WHY_WIDE)
		describe_wide(feed, buf, size);
	else if (feed->why != FEED_WHY_SOURCE)
		snprintf(buf, size, "%s", whys[feed->why].text);
	else if (!observer->keeper.clk)
		snprintf(buf, size, "%s", observer->detail);
	else
		snprintf(buf, size, "%s", keep_why_text(feed->keep_why));
}

/* --- the state file ------------------------------------------------------- */

static void put_outputs(struct json *json, const struct feed *feed)
{
	json_begin(json, "outputs", '[');
	for (unsigned int i = 0; i < feed->outputs; i++) {
		const struct feed_output *output = &feed->output[i];

		json_begin(json, NULL, '{');
		json_put_text(json, "kind", output->kind->name);
		json_put_text(json, "target", output->target);
		json_put_bool(json, "connected", output->connected);
		json_put_u64(json, "delivered", output->delivered);
		json_put_u64(json, "failed", output->failed);
		json_end(json, '}');
	}
	json_end(json, ']');
}

static void put_sample(struct json *json, const struct feed_sample *sample)
{
	json_put_text(json, "timescale",
		      sample ? paraclock_timescale_name(sample->timescale)
			     : NULL);
	if (!sample) {
		json_put_null(json, "offset_ns");
		json_put_null(json, "bound_ns");
		json_put_null(json, "has_bound");
		return;
	}
	json_put_s64(json, "offset_ns", sample->offset_ns);
	/* Many readers have no larger integers. */
	if (sample->bound_ns <= INT64_MAX)
		json_put_u64(json, "bound_ns", sample->bound_ns);
	else
		json_put_null(json, "bound_ns");
	json_put_bool(json, "has_bound", sample->has_bound);
}

static void put_state(struct json *json, const struct feed *feed)
{
	const struct keeper *keeper = &feed->observer.keeper;
	char text[OBSERVER_DETAIL_MAX];

	feed_describe(feed, text, sizeof(text));
	json_put_now(json);
	json_put_text(json, "state", feed_state_name(feed->state));
	json_put_text(json, "why", feed_why_name(feed));
	json_put_text(json, "text", text);
	json_put_text(json, "backend",
		      keeper->clk ? paraclock_backend_name(keeper->clk) : NULL);
	put_sample(json, feed->has_sample ? &feed->sample : NULL);
	json_put_u64(json, "disruptions", feed->disruptions);
	json_put_u64(json, "samples", feed->samples);
	put_outputs(json, feed);
	if (feed->delay_ns >= 0)
		json_put_u64(json, "printed_bound_ns",
			     feed_config_limit(feed->delay_ns));
	else
		json_put_null(json, "printed_bound_ns");
	if (feed->largest_bound_ns <= INT64_MAX)
		json_put_u64(json, "largest_bound_ns", feed->largest_bound_ns);
	else
		json_put_null(json, "largest_bound_ns");
}

static const char *state_path(const struct feed *feed, char *buf, size_t size)
{
	snprintf(buf, size, "%s/feed.json", feed->options->folder);
	return buf;
}

void feed_write_state(struct feed *feed)
{
	char path[PATH_MAX];
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	struct json json = { .to = to };
	int ret;

	if (!to)
		return;
	json_begin(&json, NULL, '{');
	json_put_u64(&json, "pid", (uint64_t)getpid());
	json_put_u64(&json, "started_ticks", writer_started_ticks());
	put_state(&json, feed);
	json_end(&json, '}');
	(void)json_finish(&json);
	if (fclose(to)) {
		free(text);
		return;
	}
	ret = state_write(state_path(feed, path, sizeof(path)), text);
	/* It may fail with each sample. */
	if (ret && ret != feed->state_error)
		service_log(LOG_LEVEL_WARNING, "%s: %s", path, strerror(-ret));
	feed->state_error = ret;
	feed->is_changed = false;
	feed->written_ns = loop_now_ns();
	free(text);
}

void feed_remove_state(const struct feed *feed)
{
	char path[PATH_MAX];

	(void)unlink(state_path(feed, path, sizeof(path)));
}

/* --- events --------------------------------------------------------------- */

static void print_state(struct feed *feed)
{
	char *line = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&line, &size);
	struct json json = { .to = to };

	if (!to)
		return;
	json_begin(&json, NULL, '{');
	json_put_text(&json, "type", "state");
	put_state(&json, feed);
	json_end(&json, '}');
	(void)json_finish(&json);
	if (!fclose(to))
		(void)feed_lines_write(feed->lines, line, size);
	free(line);
}

static void log_state(const struct feed *feed)
{
	const struct feed_sample *sample = &feed->sample;
	const uint64_t distance = duration_of(sample->offset_ns);
	const char *backend =
		feed->observer.keeper.clk
			? paraclock_backend_name(feed->observer.keeper.clk)
			: "no source";
	char text[OBSERVER_DETAIL_MAX], offset[48], bound[48];

	/* The observer has told. */
	if (feed->state == FEED_WAITING && !feed->observer.keeper.clk)
		return;
	if (feed->state != FEED_FEEDING) {
		feed_describe(feed, text, sizeof(text));
		service_log(feed->state == FEED_ENDED ? LOG_LEVEL_ERROR
						      : LOG_LEVEL_NOTICE,
			    "%s: %s: %s", feed_state_name(feed->state), backend,
			    feed->state == FEED_ENDED
				    ? "what --start-utc says is void since the "
				      "disruption: find out anew when this "
				      "clock was 0"
				    : text);
		return;
	}
	format_duration(distance, offset, sizeof(offset));
	/* It is less exact by the digits that are not shown. */
	format_duration_up(add_bounds(sample->bound_ns,
				      duration_rest(distance)),
			   bound, sizeof(bound));
	service_log(LOG_LEVEL_INFO,
		    "feeding: CLOCK_REALTIME is %s %s the host's clock (%s, to "
		    "within %s%s)",
		    offset, sample->offset_ns < 0 ? "ahead of" : "behind",
		    backend, bound,
		    sample->has_bound ? "" : ", most of it assumed");
}

void feed_enter(struct feed *feed, enum feed_state state, enum feed_why why)
{
	bool is_same = feed->state == state && feed->why == why &&
		       (why != FEED_WHY_SOURCE ||
			feed->keep_why == feed->keep_why_told);

	feed->state = state;
	feed->why = why;
	feed->keep_why_told = feed->keep_why;
	if (is_same)
		return;
	feed->is_changed = true;
	log_state(feed);
	notify_status(feed_state_name(state));
	if (feed->options->json)
		print_state(feed);
}

static void log_cause(const struct keep_cause *cause, const char *act)
{
	service_log(LOG_LEVEL_NOTICE, "disruption: %s, by %s (%s)%s",
		    cause->kind, cause->source,
		    paraclock_marker_class_name(cause->marker_class), act);
}

void feed_tell_disruption(struct feed *feed)
{
	const struct keeper *keeper = &feed->observer.keeper;
	const struct feed_options *options = feed->options;
	const struct keep_cause *cause =
		keeper->cause.kind ? &keeper->cause : &keeper->last_cause;
	bool resets =
		!options->no_reset && (options->sock || options->unit >= 0);

	if (cause->kind)
		log_cause(cause, resets ? "; telling chronyd to forget its "
					  "measurements"
					: "");
	if (options->lines)
		feed_lines_disruption(feed->lines, keeper);
}

void feed_tell_leap(struct feed *feed, uint8_t leap)
{
	if (leap == feed->leap)
		return;
	feed->leap = leap;
	if (feed_leap(leap))
		service_log(LOG_LEVEL_NOTICE,
			    "the host announces a leap second (%s) at the end "
			    "of this month; chronyd takes no sample within 5 s "
			    "of it",
			    paraclock_leap_name(leap));
}

void feed_tell_delay(const struct feed *feed)
{
	char delay[32], limit[32];

	feed_format_seconds((uint64_t)feed->delay_ns, delay, sizeof(delay));
	format_duration(feed_config_limit(feed->delay_ns), limit,
			sizeof(limit));
	service_log(LOG_LEVEL_NOTICE,
		    "chrony.conf has to state 'delay %s' or more for this "
		    "refclock: feed delivers nothing while the bound is wider "
		    "than %s (--delay)",
		    delay, limit);
}
