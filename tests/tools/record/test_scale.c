// SPDX-License-Identifier: MIT
/* Units, round steps, and the line of the progress. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "record/progress.h"
#include "record/scale.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static void check_units(void **state)
{
	static const struct {
		struct scale (*choose)(double most);
		double most;
		const char *want;
	} rows[] = {
		{ scale_of_ns, 0, "ns" },
		{ scale_of_ns, 0.01, "ns" },
		{ scale_of_ns, 999, "ns" },
		{ scale_of_ns, 1000, "us" },
		{ scale_of_ns, 999999, "us" },
		{ scale_of_ns, 1e6, "ms" },
		{ scale_of_ns, 1e9, "s" },
		{ scale_of_ns, 1e18, "s" },
		{ scale_of_elapsed, 1e9, "s" },
		{ scale_of_elapsed, 179e9, "s" },
		{ scale_of_elapsed, 180e9, "min" },
		{ scale_of_elapsed, 3 * 3600e9, "h" },
		{ scale_of_elapsed, 3 * 86400e9, "d" },
		{ scale_of_rate, 0, "ppb" },
		{ scale_of_rate, 0.9e-6, "ppb" },
		{ scale_of_rate, 2e-6, "ppm" },
		{ scale_of_rate, 0.02, "%" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct scale scale = rows[i].choose(rows[i].most);

		assert_string_equal(scale.unit, rows[i].want);
		assert_true(scale.size > 0);
	}
}

static void check_round(void **state)
{
	static const struct {
		double ns;
		int64_t want;
	} rows[] = {
		{ -5, 1 },
		{ 0, 1 },
		{ 1, 1 },
		{ 1.5, 2 },
		{ 2.1, 5 },
		{ 6, 10 },
		{ 101, 200 },
		{ 1e9, 1000000000 },
		{ 1e30, INT64_C(100000000000000000) },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_true(scale_round_up(rows[i].ns) == rows[i].want);
}

static void check_exact(void **state)
{
	static const struct {
		int64_t ns;
		const char *want;
	} rows[] = {
		{ 0, "+0 ns" },
		{ 1, "+1 ns" },
		{ -999, "-999 ns" },
		{ 1000, "+1 us" },
		{ 1001, "+1.001 us" },
		{ 800000, "+800 us" },
		{ -12345000, "-12.345 ms" },
		{ 12345600, "+12345.6 us" },
		{ 1500000000, "+1.5 s" },
		{ INT64_MIN, "-9223372036854775.808 us" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char text[64];

		scale_format_ns(rows[i].ns, text, sizeof(text));
		assert_string_equal(text, rows[i].want);
	}
}

static void check_progress(void **state)
{
	struct progress progress = {
		.total_ns = 60000000000,
		.readings = 252,
		.not_valid = 1,
		.disruptions = 2,
	};
	char line[256];

	(void)state;
	progress_format(&progress, 25200000000, 79, line, sizeof(line));
	assert_string_equal(line, "[#####-------]   42 %  25.2 of 60.0 s: "
				  "252 readings, 1 not valid, 2 disruptions");
	progress_format(&progress, 99000000000, 200, line, sizeof(line));
	assert_non_null(strstr(line, "[########################################"
				     "]  100 %"));
	progress.total_ns = 0;
	progress.readings = progress.disruptions = 1;
	progress_format(&progress, 1500000000, 79, line, sizeof(line));
	assert_string_equal(line,
			    "1.5 s: 1 reading, 1 not valid, 1 disruption");
}

/* No width makes it longer than that. */
static void check_progress_width(void **state)
{
	struct progress progress = { .total_ns = 1, .readings = UINT64_MAX };
	char line[256];

	(void)state;
	for (unsigned int width = 1; width < 200; width++)
		for (int64_t elapsed = 0; elapsed < 3; elapsed++) {
			progress.total_ns = elapsed;
			progress_format(&progress, elapsed, width, line,
					sizeof(line));
			assert_true(strlen(line) <= width);
		}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(check_units),
		cmocka_unit_test(check_round),
		cmocka_unit_test(check_exact),
		cmocka_unit_test(check_progress),
		cmocka_unit_test(check_progress_width),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
