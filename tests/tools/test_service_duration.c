// SPDX-License-Identifier: MIT
/* No bound is shown narrower than it is. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "duration.h"

/* --- times ---------------------------------------------------------------- */

struct time_case {
	uint64_t ns;
	const char *want;	/* rounded up */
	const char *want_short; /* in a column */
};

static struct time_case time_cases[] = {
	/* clang-format off */
	{ 0, "0 ns", "0ns" },
	{ 999, "999 ns", "999ns" },
	{ 1001, "1.1 us", "1.1us" },
	{ 999999, "1.00 ms", "1.00ms" },
	{ 1000001, "1.01 ms", "1.01ms" },
	{ 999999999, "1.000 s", "1.000s" },
	{ 1000000001, "1.001 s", "1.001s" },
	{ 100000000001, "100.001 s", "100.1s" },
	{ 86399999999999, "1 d 00:00:00", "1d" },
	{ 86400000000001, "1 d 00:00:01", "2d" },
	{ UINT64_MAX, "213503 d 23:34:33", "213503d" },
	/* clang-format on */
};

static void check_time(void **state)
{
	const struct time_case *c = *state;
	char text[48], column[SHORT_TEXT];

	assert_string_equal(format_duration_up(c->ns, text, sizeof(text)),
			    c->want);
	assert_string_equal(format_short_up(c->ns, column), c->want_short);
}

/* --- rates ---------------------------------------------------------------- */

/* Also of an hour's measurement, which knows a rate to 0.00003 ppm. */
static void a_rate_is_within_the_bound_beside_it(void **state)
{
	static const double factors[] = { 1, 3e-5, 1.23456789, 2e-9, 0 };
	char rate[32], bound[32];

	(void)state;
	for (double ppm = 1e-9; ppm < 1e7; ppm *= 1.37) {
		for (size_t i = 0; i < sizeof(factors) / sizeof(factors[0]);
		     i++) {
			const double within = ppm * factors[i];
			double apart =
				strtod(format_ppm(ppm, "+", rate), NULL) - ppm;

			if (apart < 0)
				apart = -apart;
			assert_true(strtod(format_ppm_bound(ppm, within, bound),
					   NULL) >= within + apart);
		}
	}
}

static void a_large_bound_is_rounded_up(void **state)
{
	char text[32];

	(void)state;
	for (double ppm = 9000; ppm < 1e12; ppm *= 1.01)
		assert_true(strtod(format_ppm_bound(0, ppm, text), NULL) >=
			    ppm);
}

#define CASES(cases) (sizeof(cases) / sizeof((cases)[0]))

int main(void)
{
	struct CMUnitTest tests[CASES(time_cases) + 2] = {
		cmocka_unit_test(a_rate_is_within_the_bound_beside_it),
		cmocka_unit_test(a_large_bound_is_rounded_up),
	};

	for (size_t i = 0; i < CASES(time_cases); i++)
		tests[i + 2] = (struct CMUnitTest){
			.name = time_cases[i].want,
			.test_func = check_time,
			.initial_state = &time_cases[i],
		};
	return cmocka_run_group_tests_name("bounds as they are shown", tests,
					   NULL, NULL);
}
