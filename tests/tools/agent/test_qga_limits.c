// SPDX-License-Identifier: MIT
/* What a host or an upstream cannot make the agent do: keep much, answer without
 * end, or let a command of its own through. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "qga_bed.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define GET	     "{\"execute\":\"guest-get-time\"}"
#define PING	     "{\"execute\":\"guest-ping\"}"
/* An output and what may come on top of it: a reply, or a piece of input. */
#define OUTPUT_MAX (2 * QGA_OUTPUT_FULL + QGA_MESSAGE_MAX)

static bool has(const struct qga_buffer *out, const char *text)
{
	return memmem(out->data + out->at, qga_buffer_count(out), text,
		      strlen(text));
}

static bool is(const struct qga_buffer *out, const char *text)
{
	return qga_buffer_count(out) == strlen(text) && has(out, text);
}

static unsigned int count_lines(const struct qga_buffer *out)
{
	unsigned int lines = 0;

	for (size_t i = out->at; i < out->len; i++)
		lines += out->data[i] == '\n';
	return lines;
}

/* @p before, so many spaces, and @p after. */
static char *pad(const char *before, size_t spaces, const char *after)
{
	size_t size = strlen(before) + spaces + strlen(after) + 1;
	char *text = malloc(size);

	assert_non_null(text);
	snprintf(text, size, "%s%*s%s", before, (int)spaces, "", after);
	return text;
}

static void open_connected(struct bed *bed)
{
	bed_open(bed, true);
	qga_upstream_up(bed->qga);
	bed_answer(bed);
	assert_false(qga_is_greeting(bed->qga));
}

/* What a request that is longer than what is kept does. */
struct long_case {
	const char *name;
	const char *before, *after;
	bool upstream;
	bool passed;	   /* to the upstream, whole */
	bool broken_off;   /* to the upstream, up to a 0xFF */
	const char *error; /* part of the reply */
};

static struct long_case long_cases[] = {
	{ "a long request of another's is passed on", "{\"a\":1,",
	  "\"execute\":\"guest-exec\"}", true, true, false, NULL },
	{ "one of ours is refused if its name comes first",
	  "{\"execute\":\"guest-set-time\",", "\"id\":1}", true, false, false,
	  "longer than 65536 bytes" },
	{ "one of ours is broken off if its name comes late", "{\"id\":1,",
	  "\"execute\":\"guest-set-time\"}", true, false, true, NULL },
	{ "one that is no JSON is broken off", "{\"id\":1,", "!}\n", true,
	  false, true, NULL },
	{ "one of ours is broken off if it hides behind another",
	  "{\"execute\":\"guest-ping\",", "\"execute\":\"guest-set-time\"}",
	  true, false, true, NULL },
	{ "info is refused, for its answer is not only the upstream's",
	  "{\"execute\":\"guest-info\",", "\"id\":1}", true, false, false,
	  "longer than 65536 bytes" },
	{ "without an upstream any is refused", "{\"a\":1,",
	  "\"execute\":\"guest-exec\"}", false, false, false,
	  "longer than 65536 bytes" },
};

static void check_long(void **state)
{
	const struct long_case *c = *state;
	char *text = pad(c->before, (size_t)3 * QGA_MESSAGE_MAX, c->after);
	struct bed bed;
	size_t size = strlen(text), seen = 0;
	bool sentinel = false;

	if (c->upstream)
		open_connected(&bed);
	else
		bed_open(&bed, false);
	for (size_t i = 0; i < size; i += 1000) {
		struct qga_buffer *out = &bed.qga->to_upstream;
		size_t n = size - i < 1000 ? size - i : 1000;

		assert_int_equal(bed_host(&bed, text + i, n, 1000), n);
		seen += qga_buffer_count(out);
		if (qga_buffer_count(out))
			sentinel |= out->data[out->len - 1] == '\xff';
		out->at = out->len = 0;
		qga_run(bed.qga);
	}
	assert_int_equal(seen == size, c->passed);
	assert_int_equal(sentinel, c->broken_off);
	if (!c->passed && !c->broken_off)
		assert_int_equal(seen, 0);
	if (c->error)
		assert_true(has(&bed.qga->to_host, c->error));
	else
		assert_int_equal(qga_buffer_count(&bed.qga->to_host), 0);
	assert_int_equal(bed.sets + bed.sets_from_host, 0);
	/* The upstream's answer is the only one, and ours are served again. */
	if (bed.qga->is_up && !c->error)
		bed_upstream(&bed, "{\"error\": {}}\n", 14);
	bed_drop_output(&bed);
	assert_int_equal(bed_host(&bed, GET, strlen(GET), SIZE_MAX),
			 strlen(GET));
	assert_true(
		is(&bed.qga->to_host, "{\"return\": 1700000000123456789}\n"));
	bed_close(&bed);
	free(text);
}

/* A request of exactly the limit is served, and of one byte more is not. */
static void check_longest(void **state)
{
	const char *before = "{\"execute\":\"guest-get-time\"";
	const size_t spaces = QGA_MESSAGE_MAX - strlen(before) - 1;

	(void)state;
	for (size_t more = 0; more < 2; more++) {
		char *text = pad(before, spaces + more, "}");
		struct bed bed;

		bed_open(&bed, false);
		bed_host(&bed, text, strlen(text), SIZE_MAX);
		assert_int_equal(has(&bed.qga->to_host, "longer"), more);
		bed_close(&bed);
		free(text);
	}
}

/* Deep enough to pass the scanner, too deep for us; jansson never sees it. */
static void check_deep(void **state)
{
	char text[QGA_SCAN_DEPTH * 2 + 64] = "{\"execute\":\"guest-get-time\","
					     "\"id\":";
	struct bed bed;

	(void)state;
	for (size_t depth = QGA_DEPTH_MAX - 1; depth <= QGA_SCAN_DEPTH - 1;
	     depth += QGA_SCAN_DEPTH - QGA_DEPTH_MAX) {
		size_t len = strlen("{\"execute\":\"guest-get-time\",\"id\":");

		memset(text + len, '[', depth);
		memset(text + len + depth, ']', depth);
		text[len + 2 * depth] = '}';
		text[len + 2 * depth + 1] = '\0';
		bed_open(&bed, false);
		bed_host(&bed, text, strlen(text), SIZE_MAX);
		assert_int_equal(has(&bed.qga->to_host, "depth limit"),
				 depth >= QGA_DEPTH_MAX);
		bed_close(&bed);
	}
}

/* An upstream that never answers is asked no more than so many. */
static void check_unanswered(void **state)
{
	struct bed bed;
	unsigned int taken = 0;

	(void)state;
	open_connected(&bed);
	while (taken < 1000 &&
	       bed_host(&bed, PING, strlen(PING), SIZE_MAX) == strlen(PING))
		taken++;
	/* The last one has been read, and waits. */
	assert_in_range(taken, QGA_UNANSWERED_MAX, QGA_UNANSWERED_MAX + 1);
	assert_true(qga_buffer_count(&bed.qga->to_upstream) < OUTPUT_MAX);
	/* It dies: an error for each that was passed on, and one for that. */
	qga_upstream_down(bed.qga);
	qga_run(bed.qga);
	assert_int_equal(count_lines(&bed.qga->to_host), taken);
	bed_close(&bed);
}

/* Nobody reads what the agent writes: it stops to read. */
static void check_back_pressure(void **state)
{
	struct bed bed;
	size_t i = 0;

	(void)state;
	bed_open(&bed, false);
	while (i < 100000 &&
	       bed_host(&bed, GET, strlen(GET), SIZE_MAX) == strlen(GET))
		i++;
	assert_true(i < 100000);
	assert_in_range(qga_buffer_count(&bed.qga->to_host), QGA_OUTPUT_FULL,
			OUTPUT_MAX);
	assert_false(qga_upstream_ready(bed.qga));
	/* Then the rest is answered. */
	bed_drop_output(&bed);
	assert_true(qga_buffer_count(&bed.qga->to_host) > 0);
	assert_true(bed_host(&bed, GET, strlen(GET), SIZE_MAX) == strlen(GET));
	bed_close(&bed);
}

/* A reply of any length is streamed; only a guest-info is kept, to a limit. */
static void check_long_replies(void **state)
{
	char piece[1000];
	struct bed bed;
	size_t seen = 0;

	(void)state;
	memset(piece, 'x', sizeof(piece));
	for (int info = 0; info < 2; info++) {
		const char *request =
			info ? "{\"execute\":\"guest-info\"}" : PING;

		open_connected(&bed);
		bed_host(&bed, request, strlen(request), SIZE_MAX);
		seen = 0;
		for (int i = 0; i < 1000; i++) {
			bed_upstream(&bed, piece, sizeof(piece));
			seen += bed_drop_output(&bed);
			assert_true(seen + QGA_INFO_MAX >=
				    (size_t)(i + 1) * sizeof(piece));
		}
		bed_upstream(&bed, "\n", 1);
		seen += bed_drop_output(&bed);
		assert_int_equal(seen, 1000 * sizeof(piece) + 1);
		bed_close(&bed);
	}
}

static void set_often(struct bed *bed, unsigned int times)
{
	static const char set[] = "{\"execute\":\"guest-set-time\","
				  "\"arguments\":{\"time\":1}}";

	for (unsigned int i = 0; i < times; i++) {
		bed_host(bed, set, strlen(set), SIZE_MAX);
		bed_drop_output(bed);
	}
}

/* The clock is not set more often than the rate says, and the log not filled. */
static void check_rate(void **state)
{
	struct bed bed;

	(void)state;
	bed_open(&bed, false);
	set_often(&bed, 1000);
	assert_int_equal(bed.sets, QGA_RATE);
	assert_int_equal(bed.told, QGA_RATE);
	bed.now_ns += 1000000000 / QGA_RATE;
	set_often(&bed, 1000);
	assert_int_equal(bed.sets, QGA_RATE + 1);
	/* What was not used is not saved up. */
	bed.now_ns += INT64_C(3600000000000);
	set_often(&bed, 1000);
	assert_int_equal(bed.sets, 2 * QGA_RATE + 1);
	/* Reading it is free. */
	bed_host(&bed, GET, strlen(GET), SIZE_MAX);
	assert_true(has(&bed.qga->to_host, "return"));
	bed_close(&bed);
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(long_cases) + 6] = {
		cmocka_unit_test(check_longest),
		cmocka_unit_test(check_deep),
		cmocka_unit_test(check_unanswered),
		cmocka_unit_test(check_back_pressure),
		cmocka_unit_test(check_long_replies),
		cmocka_unit_test(check_rate),
	};

	for (size_t i = 0; i < ARRAY_LEN(long_cases); i++) {
		tests[i + 6].name = long_cases[i].name;
		tests[i + 6].test_func = check_long;
		tests[i + 6].initial_state = &long_cases[i];
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
