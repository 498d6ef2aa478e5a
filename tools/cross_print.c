// SPDX-License-Identifier: MIT
/* A cross timestamp, for programs and for people. */

#include <errno.h>
#include <inttypes.h>

#include "cross_result.h"
#include "json.h"

/* --- JSON ----------------------------------------------------------------- */

static void put_clock(struct json *json, const char *key,
		      const struct paraclock_crosststamp *xt,
		      enum paraclock_clock clock)
{
	if (cross_knows(xt, clock))
		json_put_s64(json, key, xt->ns[clock]);
	else
		json_put_null(json, key);
}

static void put_realtime(struct json *json,
			 const struct paraclock_crosststamp *xt)
{
	if (cross_knows(xt, PARACLOCK_CLOCK_REALTIME))
		json_put_time(json, "realtime",
			      xt->ns[PARACLOCK_CLOCK_REALTIME]);
	else
		json_put_null(json, "realtime");
}

static void put_offset(struct json *json, const struct cross_result *result)
{
	if (!result->has_offset) {
		json_put_null(json, "offset_ns");
		json_put_null(json, "error_ns");
		json_put_null(json, "bound_ns");
		return;
	}
	json_put_s64(json, "offset_ns", result->offset_ns);
	sample_put_error(json, "error_ns", result->error_ns);
	sample_put_error(json, "bound_ns", result->bound_ns);
}

static void put_rate(struct json *json, const struct cross_result *result)
{
	if (!result->has_rate) {
		json_put_null(json, "rate_ppm");
		json_put_null(json, "rate_ppm_bound");
		return;
	}
	json_put_double(json, "rate_ppm", result->rate_ppm);
	json_put_double_bound(json, "rate_ppm_bound", result->bound_ppm);
}

int cross_print_json(const char *backend,
		     const struct paraclock_crosststamp *xt,
		     const struct cross_result *result)
{
	struct json json = { 0 };

	json_begin(&json, NULL, '{');
	sample_put_json(&json, backend, &xt->sample);
	put_clock(&json, "realtime_ns", xt, PARACLOCK_CLOCK_REALTIME);
	put_realtime(&json, xt);
	put_clock(&json, "monotonic_ns", xt, PARACLOCK_CLOCK_MONOTONIC);
	put_clock(&json, "monotonic_raw_ns", xt, PARACLOCK_CLOCK_MONOTONIC_RAW);
	put_clock(&json, "boottime_ns", xt, PARACLOCK_CLOCK_BOOTTIME);
	if (xt->known)
		json_put_u64(&json, "uncertainty_ns", xt->uncertainty_ns);
	else
		json_put_null(&json, "uncertainty_ns");
	json_put_text(&json, "clocksource",
		      xt->clocksource[0] ? xt->clocksource : NULL);
	put_clock(&json, "tai_ns", xt, PARACLOCK_CLOCK_TAI);
	put_offset(&json, result);
	put_rate(&json, result);
	json_put_u64(&json, "clock_was_set_seq", xt->clock_was_set_seq);
	json_put_u64(&json, "clocksource_changed_seq",
		     xt->clocksource_changed_seq);
	json_end(&json, '}');
	return json_finish(&json);
}

/* --- for people ----------------------------------------------------------- */

#define COLUMNS " %20s %8s %8s %10s %10s %5s"

void cross_print_header(void)
{
	printf("%-11s" COLUMNS, "STATE", "OFFSET_NS", "ERROR", "BOUND",
	       "RATE_PPM", "PPM_ERROR", "EPOCH");
}

/* A number of the table; "-" where it is not known. */
struct cell {
	char text[32];
};

static struct cell cell_ns(bool known, int64_t ns)
{
	struct cell cell = { "-" };

	if (known)
		snprintf(cell.text, sizeof(cell.text), "%+" PRId64, ns);
	return cell;
}

static struct cell cell_bound(bool known, uint64_t bound_ns)
{
	struct cell cell;

	format_bound(known ? bound_ns : PARACLOCK_ERROR_UNKNOWN, cell.text);
	return cell;
}

static struct cell cell_ppm(bool known, double ppm)
{
	struct cell cell = { "-" };

	if (known)
		format_ppm(ppm, "+", cell.text);
	return cell;
}

static struct cell cell_ppm_bound(const struct cross_result *result)
{
	struct cell cell = { "-" };

	if (result->has_rate)
		format_ppm_bound(result->rate_ppm, result->bound_ppm,
				 cell.text);
	return cell;
}

static const char *remark_on(const struct paraclock_sample *sample)
{
	switch (sample->timescale) {
	case PARACLOCK_TIMESCALE_MONOTONIC:
		return "The host clock counts from an unspecified start: it "
		       "has no offset to CLOCK_REALTIME.";
	case PARACLOCK_TIMESCALE_UNKNOWN:
		return "The timescale of the host clock is not known, so its "
		       "offset to CLOCK_REALTIME is not known either.";
	default:
		return NULL;
	}
}

int cross_print_line(struct series *series, const struct paraclock *clk,
		     const struct paraclock_crosststamp *xt,
		     const struct cross_result *result)
{
	const struct paraclock_sample *sample = &xt->sample;
	char epoch[24];

	snprintf(epoch, sizeof(epoch), "%" PRIu64, sample->epoch);
	series_begin_row(series, sample, remark_on(sample));
	sample_print_state(sample);
	printf(COLUMNS "\n",
	       cell_ns(result->has_offset, result->offset_ns).text,
	       cell_bound(result->has_offset, result->error_ns).text,
	       cell_bound(result->has_offset, result->bound_ns).text,
	       cell_ppm(result->has_rate, result->rate_ppm).text,
	       cell_ppm_bound(result).text, epoch);
	if (output_flush())
		return -EIO;
	series_end_row(series, clk, sample);
	return 0;
}
