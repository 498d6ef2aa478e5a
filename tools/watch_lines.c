// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <time.h>

#include "json.h"
#include "screen.h"
#include "utc.h"
#include "watch_lines.h"

/* --- key=value ------------------------------------------------------------ */

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

int watch_print_line(const struct track *track)
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
	print_rate("rate_10s_ppm", track_rate(track, TRACK_RECENT_NS));
	format_times(track, ",", times, sizeof(times));
	printf(" disruptions=%" PRIu64 " disrupted_at=%s worst_gap_sec=%.6f "
	       "readings=%" PRIu64 " not_valid=%" PRIu64 "\n",
	       track->disruptions, times[0] ? times : "never",
	       (double)track->worst_gap_ns / 1e9, track->readings,
	       track->not_valid);
	return output_flush();
}

/* --- JSON ----------------------------------------------------------------- */

static void put_double(struct json *json, const char *key, bool known,
		       double value)
{
	if (known)
		json_put_double(json, key, value);
	else
		json_put_null(json, key);
}

static void put_rates(struct json *json, const struct track *track)
{
	struct track_rate all = track_rate(track, 0);
	struct track_rate recent = track_rate(track, TRACK_RECENT_NS);

	put_double(json, "rate_ppm", all.span_sec > 0, all.ppm);
	put_double(json, "rate_ppm_bound", all.span_sec > 0, all.bound_ppm);
	put_double(json, "rate_10s_ppm", recent.span_sec > 0, recent.ppm);
	put_double(json, "rate_10s_ppm_bound", recent.span_sec > 0,
		   recent.bound_ppm);
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
		event_print_line(event, lost ? why : NULL);
}
