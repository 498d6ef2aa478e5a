/* SPDX-License-Identifier: MIT */
/*
 * The tests of one program. Most are the rows of a table: the row's name is a
 * sentence, and its test finds the row in *state. Include cmocka's headers
 * through this.
 */
#ifndef ROWS_H
#define ROWS_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

static struct {
	struct CMUnitTest test[256];
	size_t len;
	CMFixtureFunction setup, teardown;
} suite;

/* The tests that are added from here on run between these; NULL: without. */
static inline void each_test(CMFixtureFunction setup,
			     CMFixtureFunction teardown)
{
	suite.setup = setup;
	suite.teardown = teardown;
}

static inline void add_row(const char *sentence, CMUnitTestFunction run,
			   const void *row)
{
	if (suite.len == ARRAY_LEN(suite.test))
		abort();
	suite.test[suite.len++] = (struct CMUnitTest){
		.name = sentence,
		.test_func = run,
		.setup_func = suite.setup,
		.teardown_func = suite.teardown,
		.initial_state = (void *)(uintptr_t)row,
	};
}

static inline void add_test(const char *sentence, CMUnitTestFunction run)
{
	add_row(sentence, run, NULL);
}

static inline void add_tests(const struct CMUnitTest *test, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		add_row(test[i].name, test[i].test_func, test[i].initial_state);
		if (test[i].setup_func)
			suite.test[suite.len - 1].setup_func =
				test[i].setup_func;
	}
}

/* One test for each row of a table. */
#define ADD_ROWS(table, run)                                          \
	do {                                                          \
		for (size_t i_ = 0; i_ < ARRAY_LEN(table); i_++)      \
			add_row((table)[i_].name, run, &(table)[i_]); \
	} while (0)

/* A list of TEST(), or of cmocka_unit_test() where the function's name is the
 * sentence. A setup in the list replaces the one of each_test(). */
#define ADD_TESTS(list) add_tests(list, ARRAY_LEN(list))
#define TEST(sentence, run)                            \
	{                                              \
		.name = (sentence), .test_func = (run) \
	}

/* Both run once, around all tests. Returns how many failed. */
static inline int run_suite(CMFixtureFunction setup, CMFixtureFunction teardown)
{
	return _cmocka_run_group_tests("tests", suite.test, suite.len, setup,
				       teardown);
}

#endif
