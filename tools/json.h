/* SPDX-License-Identifier: MIT */
/*
 * JSON, one object per line: on stdout, or on another stream.
 *
 * jansson keeps integers in an int64_t, so that half of a counter's range would
 * come out negative. Only its encoding of strings is used.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Zero it, then begin and end in pairs. Inside an array keys are NULL. */
struct json {
	bool needs_comma;
	FILE *to; /* NULL: stdout */
};

void json_begin(struct json *json, const char *key, char bracket);
void json_end(struct json *json, char bracket);
/* End the line. Of stdout: 0, or -EIO and stderr says why. */
int json_finish(struct json *json);

void json_put_null(struct json *json, const char *key);
void json_put_bool(struct json *json, const char *key, bool value);
void json_put_s64(struct json *json, const char *key, int64_t value);
void json_put_u64(struct json *json, const char *key, uint64_t value);
/* With 6 decimals; @p value is finite. */
void json_put_double(struct json *json, const char *key, double value);
/* The bound of one, and what the decimals leave out of both. */
void json_put_double_bound(struct json *json, const char *key, double bound);
/* A string, "0x" and 16 digits: jq 1.6 and JavaScript lose digits of numbers
 * over 2^53, and a marker that is off by one is another marker. */
void json_put_marker(struct json *json, const char *key, uint64_t value);
/* A time of day, a POSIX count of ns, as a string: "2026-11-29T03:51:00.1Z"
 * with 9 decimals. A number of ns has more digits than jq 1.6 and JavaScript
 * keep. */
void json_put_time(struct json *json, const char *key, int64_t utc_ns);
/* "realtime_ns" and "time": what CLOCK_REALTIME says now. */
void json_put_now(struct json *json);
/* An object that is JSON already. */
void json_put_object(struct json *json, const char *key, const char *object);
/* NULL, and text that cannot be encoded, become null. */
void json_put_text(struct json *json, const char *key, const char *value);

#endif
