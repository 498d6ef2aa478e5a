// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdio.h>

#include "duration.h"
#include "news.h"
#include "service.h"

static bool has_offset(const struct measurement *m)
{
	return !m->error && m->sample.valid && !m->utc_error;
}

/* --- for people ----------------------------------------------------------- */

/* "1.2 s behind the host's clock (vmclock, to within 40 ns)" */
static void describe(const struct keep_news *news, const struct measurement *m,
		     char *buf, size_t size)
{
	const uint64_t distance = duration_of(m->offset_ns);
	char offset[48], bound[48];

	if (!has_offset(m)) {
		snprintf(buf, size, "not measured");
		return;
	}
	format_duration(distance, offset, sizeof(offset));
	/* It is less exact by the digits that are not shown. */
	format_duration_up(add_bounds(m->bound_ns, duration_rest(distance)),
			   bound, sizeof(bound));
	snprintf(buf, size, "%s %s the host's clock (%s, to within %s%s)",
		 offset, m->offset_ns < 0 ? "ahead of" : "behind",
		 news->backend, bound,
		 m->has_bound ? ""
			      : " and the host's own error, which it does not "
				"state");
}

/* "; restored, by vmgenid (authoritative)", or "; asked" */
static void describe_cause(const struct keep_cause *cause, char *buf,
			   size_t size)
{
	if (!cause->kind)
		snprintf(buf, size, "%s", "");
	else if (cause->marker_class == PARACLOCK_MARKER_NONE)
		snprintf(buf, size, "; %s", cause->kind);
	else
		snprintf(buf, size, "; %s, by %s (%s)", cause->kind,
			 cause->source,
			 paraclock_marker_class_name(cause->marker_class));
}

static void log_step(const struct keep_news *news, const char *cause)
{
	char before[256], after[256];

	describe(news, &news->before, before, sizeof(before));
	describe(news, &news->after, after, sizeof(after));
	if (news->dry_run)
		service_log(LOG_LEVEL_NOTICE,
			    "dry run: CLOCK_REALTIME is %s, and would be "
			    "stepped%s",
			    before, cause);
	else
		service_log(LOG_LEVEL_NOTICE,
			    "stepped: CLOCK_REALTIME was %s; now it is %s%s",
			    before, after, cause);
}

static void log_off(const struct keep_news *news, const char *cause)
{
	char before[256];

	describe(news, &news->before, before, sizeof(before));
	if (news->error)
		service_log(LOG_LEVEL_ERROR,
			    "not corrected: CLOCK_REALTIME is %s; %s: %s%s",
			    before, keep_why_text(news->why),
			    paraclock_error_name(news->error), cause);
	else
		service_log(LOG_LEVEL_WARNING,
			    "not corrected: CLOCK_REALTIME is %s; %s%s", before,
			    keep_why_text(news->why), cause);
}

static void log_waiting(const struct keep_news *news, const char *cause)
{
	const struct paraclock_sample *sample = &news->before.sample;
	const char *what = "";

	if (news->why == KEEP_WHY_NO_ANSWER)
		what = paraclock_error_name(news->error);
	else if (news->why == KEEP_WHY_NOT_VALID)
		what = paraclock_reason_name(sample->reason);
	service_log(LOG_LEVEL_NOTICE, "waiting: %s: %s%s%s%s", news->backend,
		    keep_why_text(news->why), what[0] ? ": " : "", what, cause);
}

void news_log(const struct keep_news *news)
{
	char cause[160], text[256];

	describe_cause(&news->cause, cause, sizeof(cause));
	describe(news, &news->before, text, sizeof(text));
	if (news->corrected || news->dry_run)
		log_step(news, cause);
	else if (news->state == KEEP_OFF)
		log_off(news, cause);
	else if (news->state == KEEP_WAITING)
		log_waiting(news, cause);
	else if (news->state == KEEP_SLEWING)
		service_log(LOG_LEVEL_NOTICE, "slewing: CLOCK_REALTIME is %s%s",
			    text, cause);
	else
		service_log(LOG_LEVEL_INFO, "right: CLOCK_REALTIME is %s%s",
			    text, cause);
}

/* --- for programs --------------------------------------------------------- */

void news_put_measurement(struct json *json, const struct measurement *m)
{
	if (!has_offset(m)) {
		json_put_null(json, "offset_ns");
		json_put_null(json, "bound_ns");
		json_put_null(json, "has_bound");
		return;
	}
	json_put_s64(json, "offset_ns", m->offset_ns);
	/* Many readers have no larger integers. */
	if (m->bound_ns <= INT64_MAX)
		json_put_u64(json, "bound_ns", m->bound_ns);
	else
		json_put_null(json, "bound_ns");
	json_put_bool(json, "has_bound", m->has_bound);
}

static void put_marker(struct json *json, const char *key, bool is_known,
		       uint64_t value)
{
	if (is_known)
		json_put_marker(json, key, value);
	else
		json_put_null(json, key);
}

void news_put_cause(struct json *json, const struct keep_cause *cause)
{
	bool known = cause->has_markers;

	if (!cause->kind) {
		json_put_null(json, "cause");
		return;
	}
	json_begin(json, "cause", '{');
	json_put_text(json, "kind", cause->kind);
	json_put_text(json, "source", cause->source);
	json_put_text(json, "marker_class",
		      paraclock_marker_class_name(cause->marker_class));
	put_marker(json, "marker_before", known, cause->before.value);
	put_marker(json, "generation_before", known, cause->before.generation);
	put_marker(json, "marker_after", known, cause->after.value);
	put_marker(json, "generation_after", known, cause->after.generation);
	json_end(json, '}');
}

void news_put_json(struct json *json, const struct keep_news *news)
{
	const struct paraclock_sample *sample = &news->before.sample;

	json_put_now(json);
	json_put_text(json, "state", keep_state_name(news->state));
	json_put_text(json, "why", keep_why_name(news->why));
	json_put_bool(json, "corrected", news->corrected);
	json_put_bool(json, "dry_run", news->dry_run);
	json_put_text(json, "backend", news->backend);
	json_put_bool(json, "valid", !news->before.error && sample->valid);
	json_put_text(json, "reason",
		      news->before.error
			      ? NULL
			      : paraclock_reason_name(sample->reason));
	json_put_text(json, "error",
		      news->error ? paraclock_error_name(news->error) : NULL);
	news_put_cause(json, &news->cause);
	news_put_measurement(json, &news->before);
	if (!news->corrected) {
		json_put_null(json, "stepped_ns");
		json_put_null(json, "after");
		return;
	}
	json_put_s64(json, "stepped_ns", news->stepped_ns);
	json_begin(json, "after", '{');
	news_put_measurement(json, &news->after);
	json_end(json, '}');
}
