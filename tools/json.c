// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "json.h"
#include "tools.h"
#include "utc.h"

/* JSON must be UTF-8, and a path need not be. */
static char *encode_bytes(const char *text)
{
	char *ascii = strdup(text);
	char *encoded = NULL;
	json_t *string;

	if (!ascii)
		return NULL;
	for (char *c = ascii; *c; c++) {
		if ((unsigned char)*c >= 0x80)
			*c = '?';
	}
	string = json_string(ascii);
	if (string)
		encoded = json_dumps(string, JSON_ENCODE_ANY);
	json_decref(string);
	free(ascii);
	return encoded;
}

static char *encode(const char *text)
{
	json_t *string = json_string(text);
	char *encoded;

	if (!string)
		return encode_bytes(text);
	encoded = json_dumps(string, JSON_ENCODE_ANY);
	json_decref(string);
	return encoded;
}

static FILE *stream(const struct json *json)
{
	return json->to ? json->to : stdout;
}

static void print_text(const struct json *json, const char *text)
{
	char *encoded = text ? encode(text) : NULL;

	fputs(encoded ? encoded : "null", stream(json));
	free(encoded);
}

static void begin_value(struct json *json, const char *key)
{
	if (json->needs_comma)
		putc(',', stream(json));
	json->needs_comma = true;
	if (!key)
		return;
	print_text(json, key);
	putc(':', stream(json));
}

void json_begin(struct json *json, const char *key, char bracket)
{
	begin_value(json, key);
	putc(bracket, stream(json));
	json->needs_comma = false;
}

void json_end(struct json *json, char bracket)
{
	putc(bracket, stream(json));
	json->needs_comma = true;
}

int json_finish(struct json *json)
{
	json->needs_comma = false;
	putc('\n', stream(json));
	return json->to ? 0 : output_flush();
}

void json_put_null(struct json *json, const char *key)
{
	begin_value(json, key);
	fputs("null", stream(json));
}

void json_put_bool(struct json *json, const char *key, bool value)
{
	begin_value(json, key);
	fputs(value ? "true" : "false", stream(json));
}

void json_put_s64(struct json *json, const char *key, int64_t value)
{
	begin_value(json, key);
	fprintf(stream(json), "%" PRId64, value);
}

void json_put_u64(struct json *json, const char *key, uint64_t value)
{
	begin_value(json, key);
	fprintf(stream(json), "%" PRIu64, value);
}

void json_put_double(struct json *json, const char *key, double value)
{
	begin_value(json, key);
	fprintf(stream(json), "%.6f", value);
}

void json_put_double_bound(struct json *json, const char *key, double bound)
{
	json_put_double(json, key, bound + 1e-6);
}

void json_put_marker(struct json *json, const char *key, uint64_t value)
{
	begin_value(json, key);
	fprintf(stream(json), "\"0x%016" PRIx64 "\"", value);
}

void json_put_time(struct json *json, const char *key, int64_t utc_ns)
{
	char text[UTC_TEXT];

	json_put_text(json, key, format_utc(utc_ns, false, text));
}

void json_put_now(struct json *json)
{
	const int64_t now_ns = realtime_ns();

	json_put_s64(json, "realtime_ns", now_ns);
	json_put_time(json, "time", now_ns);
}

void json_put_text(struct json *json, const char *key, const char *value)
{
	begin_value(json, key);
	print_text(json, value);
}

void json_put_object(struct json *json, const char *key, const char *object)
{
	begin_value(json, key);
	fputs(object, stream(json));
}
