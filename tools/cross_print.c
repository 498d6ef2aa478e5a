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

static void put_rate(struct json *json, const char *key, bool known, double ppm)
{
	if (known)
		json_put_double(json, key, ppm);
	else
		json_put_null(json, key);
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
	if (result->has_offset)
		json_put_s64(&json, "offset_ns", result->offset_ns);
	else
		json_put_null(&json, "offset_ns");
	put_rate(&json, "rate_ppm", result->has_rate, result->rate_ppm);
	put_rate(&json, "rate_ppm_bound", result->has_rate, result->bound_ppm);
	json_put_u64(&json, "clock_was_set_seq", xt->clock_was_set_seq);
	json_put_u64(&json, "clocksource_changed_seq",
		     xt->clocksource_changed_seq);
	json_end(&json, '}');
	return json_finish(&json);
}

/* --- for people ----------------------------------------------------------- */

#define COLUMNS " %19s  %-17s %19s %17s %14s %11s %11s %9s %7s %5s"

void cross_print_header(void)
{
	printf("%-11s" COLUMNS, "STATE", "HOST_NS", "TIMESCALE", "REALTIME_NS",
	       "RAW_NS", "OFFSET_NS", "RATE_PPM", "BOUND_PPM", "UNCERT_NS",
	       "PAIR_NS", "EPOCH");
}

/* A number of the table; "-" where it is not known. */
struct cell {
	char text[32];
};

static struct cell cell_ns(bool known, int64_t ns, const char *sign)
{
	struct cell cell = { "-" };

	if (known)
		snprintf(cell.text, sizeof(cell.text), "%s%" PRId64,
			 ns < 0 ? "" : sign, ns);
	return cell;
}

static struct cell cell_u64(bool known, uint64_t value)
{
	struct cell cell = { "-" };

	if (known)
		snprintf(cell.text, sizeof(cell.text), "%" PRIu64, value);
	return cell;
}

static struct cell cell_ppm(bool known, double ppm, bool sign)
{
	struct cell cell = { "-" };

	if (known)
		snprintf(cell.text, sizeof(cell.text), sign ? "%+.4f" : "%.4f",
			 ppm);
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
	const int64_t *ns = xt->ns;
	char pair[24];

	format_error_ns(sample->pair_error_ns, pair, sizeof(pair));
	series_begin_row(series, sample, remark_on(sample));
	sample_print_state(sample);
	printf(COLUMNS, cell_ns(true, sample->host_ns, "").text,
	       paraclock_timescale_name(sample->timescale),
	       cell_ns(cross_knows(xt, PARACLOCK_CLOCK_REALTIME),
		       ns[PARACLOCK_CLOCK_REALTIME], "")
		       .text,
	       cell_ns(cross_knows(xt, PARACLOCK_CLOCK_MONOTONIC_RAW),
		       ns[PARACLOCK_CLOCK_MONOTONIC_RAW], "")
		       .text,
	       cell_ns(result->has_offset, result->offset_ns, "+").text,
	       cell_ppm(result->has_rate, result->rate_ppm, true).text,
	       cell_ppm(result->has_rate, result->bound_ppm, false).text,
	       cell_u64(xt->known, xt->uncertainty_ns).text, pair,
	       cell_u64(true, sample->epoch).text);
	sample_end_line(sample);
	if (output_flush())
		return -EIO;
	series_end_row(series, clk, sample);
	return 0;
}
