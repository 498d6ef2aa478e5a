// SPDX-License-Identifier: MIT
/*
 * Records: an error names its line; what is accepted becomes a picture whose
 * numbers are in order, and whose program has no text of the record's but names.
 */

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "fuzz_page.h"
#include "picture.h"

static void check_trend(const struct trend *trend, const struct trace *trace)
{
	CHECK(isfinite(trend->rate));
	CHECK(trend->rate_count <= TREND_RATES_MAX);
	CHECK(trend->tau_count <= TREND_TAUS_MAX);
	for (size_t i = 0; i < trend->rate_count; i++) {
		CHECK(isfinite(trend->rates[i].rate));
		CHECK(trend->rates[i].raw_ns >= trace->first_ns);
		CHECK(trend->rates[i].raw_ns <= trace->last_ns);
	}
	for (size_t i = 0; i < trend->tau_count; i++) {
		CHECK(isfinite(trend->taus[i].deviation));
		CHECK(!i || trend->taus[i].tau_ns > trend->taus[i - 1].tau_ns);
	}
}

static void check_curve(const struct curve *curve, const struct trace *trace)
{
	CHECK(curve->count <= trace->count);
	CHECK(curve->count <= 2 * (CURVE_COLUMNS + 1));
	for (size_t i = 0; i < curve->count; i++) {
		const struct curve_point *point = &curve->points[i];

		CHECK(isfinite(point->ns));
		CHECK(point->low <= point->ns && point->ns <= point->high);
		CHECK(!i || point->raw_ns >= point[-1].raw_ns);
	}
}

/* No sign that ends a text, or begins a command. */
static void check_program(const struct picture *picture)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	CHECK(to);
	picture_write(picture, to);
	CHECK(!fclose(to));
	CHECK(strlen(text) == size);
	CHECK(!strpbrk(text, "`!|@\t\r\033"));
	free(text);
}

static void check_picture(const struct trace *trace)
{
	struct trend *trend = malloc(sizeof(*trend));
	struct curve curve;
	struct picture picture = { trace, trend, &curve, PICTURE_SVG };

	CHECK(trend);
	CHECK(!trend_find(trend, trace));
	CHECK(!curve_find(&curve, trace, trend));
	check_trend(trend, trace);
	check_curve(&curve, trace);
	check_program(&picture);
	curve_free(&curve);
	free(trend);
}

static void check_error(const char *detail, const uint8_t *data, size_t size)
{
	const unsigned long line = strtoul(detail, NULL, 10);
	unsigned long lines = 1;

	for (size_t i = 0; i < size; i++)
		lines += data[i] == '\n';
	/* What is missing is missing in the line after the last one. */
	CHECK(line >= 1 && line <= lines + 1);
	CHECK(strstr(detail, ": "));
	for (; *detail; detail++)
		CHECK(*detail >= ' ' && *detail <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct trace *trace = malloc(sizeof(*trace));
	char detail[512] = "";
	FILE *from;
	int ret;

	if (!size) {
		free(trace);
		return 0;
	}
	CHECK(trace);
	from = fmemopen((void *)(uintptr_t)data, size, "r");
	CHECK(from);
	ret = trace_load(trace, from, detail, sizeof(detail));
	fclose(from);
	CHECK(ret == 0 || ret == -EPROTO);
	if (ret)
		check_error(detail, data, size);
	else
		check_picture(trace);
	trace_free(trace);
	free(trace);
	return 0;
}
