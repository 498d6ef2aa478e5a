// SPDX-License-Identifier: MIT
#include <inttypes.h>

#include "json.h"
#include "utc.h"
#include "watch_lines.h"

/* --- a table -------------------------------------------------------------- */

/* 5 columns, as of an event, so that one program reads both. */
#define COLUMNS "%-20s %-19s %10s %10s %9s\n"

void watch_print_header(void)
{
	printf(COLUMNS, "TIME", "STATE", "RATE_PPM", "PPM_ERROR", "DISRUPTED");
}

int watch_print_row(const struct track *track)
{
	struct track_rate rate = track_rate(track, TRACK_RECENT_NS);
	char now[UTC_TEXT], when[UTC_TEXT], ppm[32] = "-", bound[32] = "-";
	char disruptions[24];

	snprintf(when, sizeof(when), "%.19sZ",
		 format_utc(realtime_ns(), false, now));
	if (rate.span_sec > 0) {
		format_ppm(rate.ppm, "+", ppm);
		format_ppm_bound(rate.ppm, rate.bound_ppm, bound);
	}
	snprintf(disruptions, sizeof(disruptions), "%" PRIu64,
		 track->disruptions);
	printf(COLUMNS, when,
	       track->error ? paraclock_error_name(track->error)
			    : sample_word(&track->sample),
	       ppm, bound, disruptions);
	return output_flush();
}

/* --- JSON ----------------------------------------------------------------- */

static void put_rate(struct json *json, const struct track_rate *rate,
		     const char *key, const char *bound_key)
{
	if (rate->span_sec > 0) {
		json_put_double(json, key, rate->ppm);
		json_put_double_bound(json, bound_key, rate->bound_ppm);
	} else {
		json_put_null(json, key);
		json_put_null(json, bound_key);
	}
}

static void put_rates(struct json *json, const struct track *track)
{
	struct track_rate all = track_rate(track, 0);
	struct track_rate recent = track_rate(track, TRACK_RECENT_NS);

	put_rate(json, &all, "rate_ppm", "rate_ppm_bound");
	put_rate(json, &recent, "rate_10s_ppm", "rate_10s_ppm_bound");
}

static void put_marker(struct json *json, const struct paraclock *clk)
{
	struct paraclock_marker marker;

	if (paraclock_marker(clk, &marker)) {
		json_put_null(json, "marker");
		json_put_null(json, "generation");
	} else {
		json_put_marker(json, "marker", marker.value);
		json_put_marker(json, "generation", marker.generation);
	}
}

static void put_disruptions(struct json *json, const struct track *track)
{
	json_put_u64(json, "disruptions", track->disruptions);
	json_begin(json, "disrupted_at", '[');
	for (uint64_t i = 0; i < track->disruptions && i < TRACK_TIMES &&
			     track->disrupted_sec[i];
	     i++)
		json_put_time(json, NULL,
			      track->disrupted_sec[i] * NSEC_PER_SEC);
	json_end(json, ']');
}

static void put_reading(struct json *json, const struct track *track)
{
	const char *backend = paraclock_backend_name(track->clk);

	if (!track->error) {
		sample_put_json(json, backend, &track->sample);
		json_put_null(json, "error");
		return;
	}
	json_put_text(json, "backend", backend);
	json_put_bool(json, "valid", false);
	json_put_text(json, "error", paraclock_error_name(track->error));
}

int watch_print_json(const struct track *track)
{
	const int64_t now_ns = realtime_ns();
	struct json json = { 0 };

	json_begin(&json, NULL, '{');
	put_reading(&json, track);
	json_put_s64(&json, "realtime_ns", now_ns);
	/* "time" is what the host clock says, as in 'paraclock read'. */
	json_put_time(&json, "realtime", now_ns);
	put_marker(&json, track->clk);
	put_rates(&json, track);
	put_disruptions(&json, track);
	json_put_s64(&json, "worst_gap_ns", track->worst_gap_ns);
	json_put_u64(&json, "readings", track->readings);
	json_put_u64(&json, "not_valid", track->not_valid);
	json_end(&json, '}');
	return json_finish(&json);
}

/* --- events --------------------------------------------------------------- */

void watch_print_event(const struct paraclock *clk,
		       const struct paraclock_event *event, bool json)
{
	bool lost = event->kind == PARACLOCK_EVENT_SOURCE_LOST;
	char why[512];

	event_explain_loss(event, clk, why, sizeof(why));
	if (json)
		(void)event_print_json(event, lost ? why : NULL);
	else
		event_print_row(event);
}
