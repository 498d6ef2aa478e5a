// SPDX-License-Identifier: MIT
/* Lines of a record: what is accepted, and how the rest is named. */

#include <errno.h>
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "record/record.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define COLUMNS "kind,valid,host_ns,epoch,monotonic_raw_ns"

/* --- what is refused ------------------------------------------------------ */

struct refused {
	const char *name;
	const char *lines; /* after the title; the last one is refused */
	const char *want;
};

static struct refused refused[] = {
	/* clang-format off */
	{ "a missing column", "kind,valid,host_ns,epoch",
	  "no column monotonic_raw_ns" },
	{ "a column that is there twice", COLUMNS ",kind", "two columns kind" },
	{ "an empty line of columns", "", "no column kind" },
	{ "a cell too few", COLUMNS "\nreading,1,5,1",
	  "4 cells, expected 5" },
	{ "a cell too many", COLUMNS "\nreading,1,5,1,7,",
	  "more than the 5 cells that the columns have" },
	{ "a row without a kind", COLUMNS "\n,1,5,1,7", "kind: empty" },
	{ "letters for a number", COLUMNS "\nreading,1,5x,1,7",
	  "host_ns: 5x: expected an integer of 64 bits" },
	{ "a sign alone", COLUMNS "\nreading,1,-,1,7",
	  "host_ns: -: expected an integer of 64 bits" },
	{ "a plus", COLUMNS "\nreading,1,+5,1,7",
	  "host_ns: +5: expected an integer of 64 bits" },
	{ "a space", COLUMNS "\nreading,1, 5,1,7",
	  "host_ns:  5: expected an integer of 64 bits" },
	{ "a fraction", COLUMNS "\nreading,1,5.0,1,7",
	  "host_ns: 5.0: expected an integer of 64 bits" },
	{ "one above the greatest", COLUMNS
	  "\nreading,1,9223372036854775808,1,7",
	  "host_ns: 9223372036854775808: expected an integer of 64 bits" },
	{ "one below the least", COLUMNS
	  "\nreading,1,-9223372036854775809,1,7",
	  "host_ns: -9223372036854775809: expected an integer of 64 bits" },
	{ "2^64", COLUMNS "\nreading,1,5,18446744073709551616,7",
	  "epoch: 18446744073709551616: expected an integer of 64 bits, 0 or "
	  "more" },
	{ "an epoch below 0", COLUMNS "\nreading,1,5,-1,7",
	  "epoch: -1: expected an integer of 64 bits, 0 or more" },
	{ "valid that is 2", COLUMNS "\nreading,2,5,1,7",
	  "valid: 2: expected 0 or 1" },
	{ "valid as a word", COLUMNS "\nreading,true,5,1,7",
	  "valid: true: expected 0 or 1" },
	{ "a kind in quotes", COLUMNS "\n\"reading\",1,5,1,7",
	  "kind: \"reading\": expected a name of lower case letters, digits "
	  "and '-'" },
	{ "a kind that gnuplot would read", COLUMNS "\n`id`,1,5,1,7",
	  "kind: `id`: expected a name of lower case letters, digits and '-'" },
	{ "an escape sequence, shown harmless", COLUMNS
	  "\n\033[31m\xff,1,5,1,7",
	  "kind: ?[31m?: expected a name of lower case letters, digits and "
	  "'-'" },
	{ "a backend that is no name", "# backend: a\"b",
	  "backend: a\"b: expected at most 31 letters, digits, '-', '.', ':' "
	  "or '_'" },
	{ "a backend that is too long",
	  "# backend: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
	  "backend: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa: expected at "
	  "most 31 letters, digits, '-', '.', ':' or '_'" },
	/* clang-format on */
};

/* Parse lines; returns what the last one gave. */
static int parse_lines(struct record_parser *parser, const char *lines,
		       struct record_row *row, char *detail, size_t size)
{
	int ret = record_parse(parser, RECORD_TITLE, strlen(RECORD_TITLE), row,
			       detail, size);

	assert_int_equal(ret, 0);
	for (;;) {
		size_t length = strcspn(lines, "\n");

		ret = record_parse(parser, lines, length, row, detail, size);
		lines += length;
		if (!*lines)
			return ret;
		assert_true(ret >= 0);
		lines++;
	}
}

static void check_refused(void **state)
{
	const struct refused *r = *state;
	struct record_parser parser = { 0 };
	struct record_row row = { .known = 0xdead };
	char detail[256] = "";

	assert_int_equal(parse_lines(&parser, r->lines, &row, detail,
				     sizeof(detail)),
			 -EPROTO);
	assert_string_equal(detail, r->want);
	/* A failed call leaves its result alone. */
	assert_int_equal(row.known, 0xdead);
}

/* --- what is accepted ----------------------------------------------------- */

static void check_title(void **state)
{
	static const char *const wrong[] = {
		"",
		"kind,valid",
		"# paraclock record 2",
		"# paraclock record",
		RECORD_TITLE " ",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		struct record_parser parser = { 0 };
		struct record_row row;
		char detail[256];

		assert_int_equal(record_parse(&parser, wrong[i],
					      strlen(wrong[i]), &row, detail,
					      sizeof(detail)),
				 -EPROTO);
		assert_non_null(strstr(detail, RECORD_TITLE));
	}
}

static void check_row(void **state)
{
	struct record_parser parser = { 0 };
	struct record_row row;
	char detail[256];

	(void)state;
	assert_int_equal(
		parse_lines(&parser,
			    "# backend: kvmclock\n# anything: at all!\n"
			    "# started: 2026-11-29T16:00:00Z\n"
			    "later," COLUMNS "\n# and here\n"
			    "`anything`,reading,,-9223372036854775808,"
			    "18446744073709551615,9223372036854775807",
			    &row, detail, sizeof(detail)),
		1);
	assert_string_equal(parser.about.backend, "kvmclock");
	assert_string_equal(parser.about.started, "2026-11-29T16:00:00Z");
	assert_string_equal(parser.about.timescale, "");
	assert_string_equal(row.cell[RECORD_KIND].name, "reading");
	assert_false(record_knows(&row, RECORD_VALID));
	assert_true(row.cell[RECORD_HOST_NS].s64 == INT64_MIN);
	assert_true(row.cell[RECORD_EPOCH].u64 == UINT64_MAX);
	assert_true(row.cell[RECORD_MONOTONIC_RAW_NS].s64 == INT64_MAX);
}

static void check_many_columns(void **state)
{
	struct record_parser parser = { 0 };
	char lines[512] = COLUMNS, detail[256];
	struct record_row row;

	(void)state;
	for (size_t i = 5; i < RECORD_COLUMNS_MAX; i++)
		strcat(lines, ",x");
	assert_int_equal(
		parse_lines(&parser, lines, &row, detail, sizeof(detail)), 0);
	assert_int_equal(parser.columns, RECORD_COLUMNS_MAX);
	strcat(lines, ",x");
	parser = (struct record_parser){ 0 };
	assert_int_equal(parse_lines(&parser, lines, &row, detail,
				     sizeof(detail)),
			 -EPROTO);
	assert_string_equal(detail, "expected at most 64 columns");
}

/* --- what is written is what is read -------------------------------------- */

static struct paraclock_crosststamp reading(void)
{
	struct paraclock_crosststamp xt = {
		.size = sizeof(xt),
		.known = (1U << PARACLOCK_CLOCKS) - 1,
		.realtime_valid = 1,
		.counter = UINT64_MAX,
		.ns = { INT64_MAX, 2, 3, 4, INT64_MIN },
		.uncertainty_ns = 39,
		.sample = {
			.host_ns = INT64_MAX - 1,
			.host_tsc = UINT64_MAX - 2,
			.pair_error_ns = 0,
			.clock_error_ns = PARACLOCK_ERROR_UNKNOWN,
			.epoch = 7,
			.valid = 1,
			.timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED,
			.leap = PARACLOCK_LEAP_UNKNOWN,
			.marker_class = PARACLOCK_MARKER_AUTHORITATIVE,
			.tai_offset_sec = -37,
			.flags = PARACLOCK_FLAG_TAI_OFFSET,
		},
	};

	return xt;
}

/* Write the columns and a row, and parse them. */
static void pass_through(const struct record_row *row, struct record_row *got)
{
	struct record_parser parser = { .has_title = true };
	char *text = NULL, detail[256] = "";
	size_t size = 0, length;
	FILE *to = open_memstream(&text, &size);

	assert_non_null(to);
	record_write_columns(to);
	record_write_row(to, row);
	assert_int_equal(fclose(to), 0);
	length = strcspn(text, "\n");
	assert_int_equal(record_parse(&parser, text, length, got, detail,
				      sizeof(detail)),
			 0);
	assert_int_equal(parser.columns, RECORD_COLUMNS);
	assert_int_equal(text[size - 1], '\n');
	assert_int_equal(record_parse(&parser, text + length + 1,
				      size - length - 2, got, detail,
				      sizeof(detail)),
			 1);
	free(text);
}

static void check_reading(void **state)
{
	const struct paraclock_crosststamp xt = reading();
	struct paraclock_offset off = { .offset_ns = -1,
					.bound_ns = UINT64_MAX - 1 };
	struct record_row row = { 0 }, got;

	(void)state;
	record_put_crosststamp(&row, &xt, &off);
	pass_through(&row, &got);
	assert_int_equal(got.known, row.known);
	assert_true(got.cell[RECORD_COUNTER].u64 == UINT64_MAX);
	assert_true(got.cell[RECORD_HOST_TSC].u64 == UINT64_MAX - 2);
	assert_true(got.cell[RECORD_HOST_NS].s64 == INT64_MAX - 1);
	assert_true(got.cell[RECORD_REALTIME_NS].s64 == INT64_MAX);
	assert_true(got.cell[RECORD_TAI_NS].s64 == INT64_MIN);
	assert_true(got.cell[RECORD_OFFSET_NS].s64 == -1);
	assert_true(got.cell[RECORD_BOUND_NS].u64 == UINT64_MAX - 1);
	assert_true(got.cell[RECORD_TAI_OFFSET_SEC].s64 == -37);
	assert_string_equal(got.cell[RECORD_REASON].name, "ok");
	assert_string_equal(got.cell[RECORD_TIMESCALE].name,
			    "utc-maybe-smeared");
	assert_true(record_knows(&got, RECORD_PAIR_ERROR_NS));
	assert_false(record_knows(&got, RECORD_CLOCK_ERROR_NS));
	assert_false(record_knows(&got, RECORD_LEAP));
	off.bound_ns = PARACLOCK_ERROR_UNKNOWN;
	row = (struct record_row){ 0 };
	record_put_crosststamp(&row, &xt, &off);
	assert_false(record_knows(&row, RECORD_BOUND_NS));
}

/* Of a reading that is not valid no system clock is known. */
static void check_not_valid(void **state)
{
	struct paraclock_crosststamp xt = reading();
	struct paraclock_snapshot snap = {
		.counter = 5,
		.known = 1U << PARACLOCK_CLOCK_MONOTONIC_RAW,
		.ns = { [PARACLOCK_CLOCK_MONOTONIC_RAW] = 11 },
	};
	struct record_row row = { 0 }, got;

	(void)state;
	xt.known = 0;
	xt.sample.valid = 0;
	xt.sample.reason = PARACLOCK_REASON_STATUS;
	record_put_crosststamp(&row, &xt, NULL);
	assert_false(record_knows(&row, RECORD_COUNTER));
	assert_false(record_knows(&row, RECORD_REALTIME_NS));
	/* Its counter does not belong to these clocks. */
	record_put_snapshot(&row, &snap);
	pass_through(&row, &got);
	assert_int_equal(got.cell[RECORD_VALID].u64, 0);
	assert_string_equal(got.cell[RECORD_REASON].name, "status");
	assert_true(got.cell[RECORD_MONOTONIC_RAW_NS].s64 == 11);
	assert_false(record_knows(&got, RECORD_COUNTER));
	assert_false(record_knows(&got, RECORD_UNCERTAINTY_NS));
}

static void check_failure_and_event(void **state)
{
	const struct paraclock_event event = {
		.size = sizeof(event),
		.kind = PARACLOCK_EVENT_JUMPED,
		.flags = PARACLOCK_EVENT_GAP,
		.gap_ns = -250000000,
		.epoch = 2,
		.source = "vmclock",
	};
	struct record_row failed = { 0 }, row = { 0 }, got;

	(void)state;
	record_put_failure(&failed, -ESTALE);
	pass_through(&failed, &got);
	assert_string_equal(got.cell[RECORD_KIND].name, RECORD_FAILED);
	assert_string_equal(got.cell[RECORD_REASON].name, "estale");
	record_put_event(&row, &event);
	failed.cell[RECORD_REALTIME_NS].s64 = 3;
	failed.known |= 1U << RECORD_REALTIME_NS;
	record_put_clocks_of(&row, &failed);
	pass_through(&row, &got);
	assert_string_equal(got.cell[RECORD_KIND].name, "jumped");
	assert_true(got.cell[RECORD_GAP_NS].s64 == -250000000);
	assert_string_equal(got.cell[RECORD_SOURCE].name, "vmclock");
	assert_true(got.cell[RECORD_REALTIME_NS].s64 == 3);
	assert_false(record_knows(&got, RECORD_HOST_NS));
	assert_false(record_knows(&got, RECORD_VALID));
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(check_title),
		cmocka_unit_test(check_row),
		cmocka_unit_test(check_many_columns),
		cmocka_unit_test(check_reading),
		cmocka_unit_test(check_not_valid),
		cmocka_unit_test(check_failure_and_event),
	};
	struct CMUnitTest tests[ARRAY_LEN(refused) + ARRAY_LEN(others)] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		tests[i].name = refused[i].name;
		tests[i].test_func = check_refused;
		tests[i].initial_state = &refused[i];
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		tests[ARRAY_LEN(refused) + i] = others[i];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
