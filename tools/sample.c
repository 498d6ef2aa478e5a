// SPDX-License-Identifier: MIT
/* One sample of a clock, for programs and for people. */

#include <inttypes.h>
#include <string.h>

#include "json.h"
#include "tools.h"

void sample_put_error(struct json *json, const char *key, uint64_t error_ns)
{
	if (error_ns == PARACLOCK_ERROR_UNKNOWN)
		json_put_null(json, key);
	else
		json_put_u64(json, key, error_ns);
}

static bool is_utc(const struct paraclock_sample *sample)
{
	return sample->timescale == PARACLOCK_TIMESCALE_UTC ||
	       sample->timescale == PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED;
}

/* As the host counts it; false: not a valid sample, or its UTC is not known. On
 * TAI hosts disagree on the offset inside an inserted second. */
static bool utc_of(const struct paraclock_sample *sample, int64_t *ret_utc_ns)
{
	int64_t offset_ns = 0;

	if (!sample->valid)
		return false;
	if (sample->timescale == PARACLOCK_TIMESCALE_TAI &&
	    sample->flags & PARACLOCK_FLAG_TAI_OFFSET &&
	    sample->leap != PARACLOCK_LEAP_POS)
		offset_ns = sample->tai_offset_sec * NSEC_PER_SEC;
	else if (!is_utc(sample))
		return false;
	return !__builtin_sub_overflow(sample->host_ns, offset_ns, ret_utc_ns);
}

/* What people call a time of day is UTC, also of a source on TAI. */
static void put_time(struct json *json, const struct paraclock_sample *sample)
{
	bool is_inserted = sample->leap == PARACLOCK_LEAP_POS;
	char text[UTC_TEXT];
	int64_t utc_ns;

	if (utc_of(sample, &utc_ns))
		json_put_text(json, "time",
			      format_utc(utc_ns, is_inserted, text));
	else
		json_put_null(json, "time");
}

/* UTC, also of a source on TAI: that is what people and logs compare. */
static void put_interval(struct json *json,
			 const struct paraclock_sample *sample)
{
	int64_t earliest, latest;

	if (paraclock_interval_ns(sample, &earliest, &latest)) {
		json_put_null(json, "earliest_ns");
		json_put_null(json, "latest_ns");
		json_put_null(json, "earliest");
		json_put_null(json, "latest");
	} else {
		json_put_s64(json, "earliest_ns", earliest);
		json_put_s64(json, "latest_ns", latest);
		json_put_time(json, "earliest", earliest);
		json_put_time(json, "latest", latest);
	}
}

void sample_put_json(struct json *json, const char *backend,
		     const struct paraclock_sample *sample)
{
	json_put_text(json, "backend", backend);
	json_put_s64(json, "host_ns", sample->host_ns);
	put_time(json, sample);
	json_put_u64(json, "host_tsc", sample->host_tsc);
	json_put_bool(json, "valid", sample->valid);
	json_put_text(json, "reason", sample_state(sample));
	json_put_text(json, "timescale",
		      paraclock_timescale_name(sample->timescale));
	json_put_text(json, "counter", paraclock_counter_name(sample->counter));
	sample_put_error(json, "pair_error_ns", sample->pair_error_ns);
	sample_put_error(json, "clock_error_ns", sample->clock_error_ns);
	/* No handle counts from 0: it is a page's sample, from 'decode'. */
	if (sample->epoch)
		json_put_u64(json, "epoch", sample->epoch);
	else
		json_put_null(json, "epoch");
	json_put_text(json, "marker_class",
		      paraclock_marker_class_name(sample->marker_class));
	if (sample->leap == PARACLOCK_LEAP_UNKNOWN)
		json_put_null(json, "leap");
	else
		json_put_text(json, "leap", paraclock_leap_name(sample->leap));
	if (sample->flags & PARACLOCK_FLAG_TAI_OFFSET)
		json_put_s64(json, "tai_offset_sec", sample->tai_offset_sec);
	else
		json_put_null(json, "tai_offset_sec");
	json_put_bool(json, "own_kernel",
		      sample->flags & PARACLOCK_FLAG_OWN_KERNEL);
	put_interval(json, sample);
}

int sample_print_json(const char *backend,
		      const struct paraclock_sample *sample)
{
	struct json json = { 0 };

	json_begin(&json, NULL, '{');
	sample_put_json(&json, backend, sample);
	json_end(&json, '}');
	return json_finish(&json);
}

const char *sample_state(const struct paraclock_sample *sample)
{
	return paraclock_reason_name(sample->valid
					     ? (unsigned int)PARACLOCK_REASON_OK
					     : sample->reason);
}

const char *sample_word(const struct paraclock_sample *sample)
{
	if (sample->valid && sample->flags & PARACLOCK_FLAG_OWN_KERNEL)
		return "own-kernel";
	return sample_state(sample);
}

void sample_print_state(const struct paraclock_sample *sample)
{
	printf("%s%-11s%s",
	       output_style(sample->valid ? STYLE_GREEN : STYLE_YELLOW),
	       sample_word(sample), output_style(STYLE_RESET));
}

int64_t difference_ns(int64_t a, int64_t b)
{
	int64_t diff;

	if (__builtin_sub_overflow(a, b, &diff))
		return a > b ? INT64_MAX : INT64_MIN;
	return diff;
}

static bool is_date(const struct paraclock_sample *sample)
{
	return is_utc(sample) || sample->timescale == PARACLOCK_TIMESCALE_TAI;
}

static void format_seconds(int64_t ns, char *buf, size_t size)
{
	/* Negated as unsigned: INT64_MIN has no positive counterpart. */
	uint64_t whole = ns < 0 ? -(uint64_t)ns : (uint64_t)ns;

	snprintf(buf, size, "%s%" PRIu64 ".%09" PRIu64 "s", ns < 0 ? "-" : "",
		 whole / NSEC_PER_SEC, whole % NSEC_PER_SEC);
}

void sample_format_time(const struct paraclock_sample *sample,
			char ret_text[UTC_TEXT])
{
	bool is_inserted = sample->leap == PARACLOCK_LEAP_POS &&
			   sample->timescale == PARACLOCK_TIMESCALE_UTC;

	/* A page without a time leaves it at 0, which is no date. */
	if (!sample->valid && !sample->host_ns) {
		snprintf(ret_text, UTC_TEXT, "-");
		return;
	}
	if (!is_date(sample)) {
		format_seconds(sample->host_ns, ret_text, UTC_TEXT);
		return;
	}
	format_utc(sample->host_ns, is_inserted, ret_text);
	/* Z is UTC alone: the timescale is told beside it. */
	ret_text[strlen(ret_text) - 1] = '\0';
}

uint64_t sample_bound(const struct paraclock_sample *sample)
{
	uint64_t bound_ns;

	if (sample->pair_error_ns == PARACLOCK_ERROR_UNKNOWN ||
	    sample->clock_error_ns == PARACLOCK_ERROR_UNKNOWN ||
	    __builtin_add_overflow(sample->pair_error_ns,
				   sample->clock_error_ns, &bound_ns))
		return PARACLOCK_ERROR_UNKNOWN;
	return bound_ns;
}

const char *format_bound(uint64_t ns, char ret_text[SHORT_TEXT])
{
	if (ns == PARACLOCK_ERROR_UNKNOWN)
		snprintf(ret_text, SHORT_TEXT, "-");
	else
		format_short_up(ns, ret_text);
	return ret_text;
}

void format_error_ns(uint64_t error_ns, char *buf, size_t size)
{
	if (error_ns == PARACLOCK_ERROR_UNKNOWN)
		snprintf(buf, size, "unknown");
	else
		snprintf(buf, size, "%" PRIu64, error_ns);
}

/* --- vertically ----------------------------------------------------------- */

static void print_interval(const struct paraclock_sample *sample)
{
	int64_t earliest_ns, latest_ns;
	char text[UTC_TEXT];

	if (paraclock_interval_ns(sample, &earliest_ns, &latest_ns))
		return;
	printf("%-14s %s\n", "earliest", format_utc(earliest_ns, false, text));
	printf("%-14s %s\n", "latest", format_utc(latest_ns, false, text));
}

static void print_errors(const struct paraclock_sample *sample)
{
	char text[24];

	format_error_ns(sample->pair_error_ns, text, sizeof(text));
	printf("%-14s %s\n", "pair_error_ns", text);
	format_error_ns(sample->clock_error_ns, text, sizeof(text));
	printf("%-14s %s\n", "clock_error_ns", text);
}

void sample_print_long(const char *backend,
		       const struct paraclock_sample *sample)
{
	char text[UTC_TEXT];

	printf("%-14s %s\n", "backend", backend);
	printf("%-14s %s\n", "state", sample_word(sample));
	printf("%-14s %" PRId64 "\n", "host_ns", sample->host_ns);
	sample_format_time(sample, text);
	printf("%-14s %s\n", "time", text);
	printf("%-14s %s\n", "timescale",
	       paraclock_timescale_name(sample->timescale));
	printf("%-14s %" PRIu64 "\n", "host_tsc", sample->host_tsc);
	printf("%-14s %s\n", "counter",
	       paraclock_counter_name(sample->counter));
	print_errors(sample);
	print_interval(sample);
	printf("%-14s %s\n", "leap", paraclock_leap_name(sample->leap));
	if (sample->flags & PARACLOCK_FLAG_TAI_OFFSET)
		printf("%-14s %d\n", "tai_offset_sec", sample->tai_offset_sec);
	/* No handle counts from 0: it is a page's sample, from 'decode'. */
	if (sample->epoch)
		printf("%-14s %" PRIu64 "\n", "epoch", sample->epoch);
	printf("%-14s %s\n", "marker_class",
	       paraclock_marker_class_name(sample->marker_class));
}
