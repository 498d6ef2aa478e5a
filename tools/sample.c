// SPDX-License-Identifier: MIT
/* One sample of a clock, for programs and for people. */

#include <inttypes.h>
#include <time.h>

#include "json.h"
#include "tools.h"
#include "utc.h"

static void json_error_ns(struct json *json, const char *key, uint64_t error_ns)
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

/* As a POSIX count; false: not a valid sample, or its UTC is not known. */
static bool utc_of(const struct paraclock_sample *sample, int64_t *ret_utc_ns)
{
	int64_t offset_ns = 0;

	if (!sample->valid)
		return false;
	if (sample->timescale == PARACLOCK_TIMESCALE_TAI &&
	    sample->flags & PARACLOCK_FLAG_TAI_OFFSET)
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
	json_error_ns(json, "pair_error_ns", sample->pair_error_ns);
	json_error_ns(json, "clock_error_ns", sample->clock_error_ns);
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

void sample_print_state(const struct paraclock_sample *sample)
{
	printf("%s%-11s%s",
	       output_style(sample->valid ? STYLE_GREEN : STYLE_YELLOW),
	       sample_state(sample), output_style(STYLE_RESET));
}

void sample_end_line(const struct paraclock_sample *sample)
{
	puts(sample->flags & PARACLOCK_FLAG_OWN_KERNEL ? "  own-kernel" : "");
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

	snprintf(buf, size, "%s%" PRIu64 ".%09" PRIu64 " s", ns < 0 ? "-" : "",
		 whole / NSEC_PER_SEC, whole % NSEC_PER_SEC);
}

void sample_format_time(const struct paraclock_sample *sample,
			unsigned int decimals, char *buf, size_t size)
{
	int64_t nsec = sample->host_ns % NSEC_PER_SEC;
	time_t sec = sample->host_ns / NSEC_PER_SEC;
	struct tm tm;
	size_t used;

	if (nsec < 0) {
		nsec += NSEC_PER_SEC;
		sec--;
	}
	if (!is_date(sample) || !gmtime_r(&sec, &tm)) {
		format_seconds(sample->host_ns, buf, size);
		return;
	}
	/* POSIX numbers an inserted second as the one before it. */
	if (sample->leap == PARACLOCK_LEAP_POS &&
	    sample->timescale == PARACLOCK_TIMESCALE_UTC && tm.tm_sec == 59)
		tm.tm_sec = 60;
	used = strftime(buf, size, "%Y-%m-%d %H:%M:%S", &tm);
	if (decimals)
		snprintf(buf + used, size - used, ".%09" PRId64, nsec);
}

bool sample_format_interval(const struct paraclock_sample *sample,
			    char ret_earliest[INTERVAL_TEXT],
			    char ret_latest[INTERVAL_TEXT])
{
	struct paraclock_sample ends[2] = {
		{ .timescale = PARACLOCK_TIMESCALE_UTC },
		{ .timescale = PARACLOCK_TIMESCALE_UTC },
	};

	if (paraclock_interval_ns(sample, &ends[0].host_ns, &ends[1].host_ns))
		return false;
	sample_format_time(&ends[0], 9, ret_earliest, INTERVAL_TEXT);
	sample_format_time(&ends[1], 9, ret_latest, INTERVAL_TEXT);
	return true;
}

void format_error_ns(uint64_t error_ns, char *buf, size_t size)
{
	if (error_ns == PARACLOCK_ERROR_UNKNOWN)
		snprintf(buf, size, "unknown");
	else
		snprintf(buf, size, "%" PRIu64, error_ns);
}
