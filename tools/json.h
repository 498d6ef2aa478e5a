/* SPDX-License-Identifier: MIT */
/*
 * JSON on stdout, one object per line.
 *
 * jansson keeps integers in an int64_t, and half of a counter's range would
 * come out negative: so only its strings are used.
 */
#ifndef JSON_H
#define JSON_H

#include <stdbool.h>
#include <stdint.h>

/* Zero it, then begin and end in pairs. Keys are NULL inside of an array. */
struct json {
	bool needs_comma;
};

void json_begin(struct json *json, const char *key, char bracket);
void json_end(struct json *json, char bracket);
/* End of the line: 0, or -EIO as output_flush(). */
int json_finish(struct json *json);

void json_put_null(struct json *json, const char *key);
void json_put_bool(struct json *json, const char *key, bool value);
void json_put_s64(struct json *json, const char *key, int64_t value);
void json_put_u64(struct json *json, const char *key, uint64_t value);
/* A fraction, to the 6th place; finite. */
void json_put_double(struct json *json, const char *key, double value);
/* NULL and text that cannot be had are null. */
void json_put_text(struct json *json, const char *key, const char *value);

#endif
