// SPDX-License-Identifier: MIT
/* The second opinion on clocks whose bounds overflow when they are added. */

#include "checks.h"

/*
 * Each row adds up to 2^64 and more somewhere, and contradicts nothing: the
 * clock's error is below its bound.
 */
struct bound_case {
	const char *name;
	uint64_t one_pair_ns, two_pair_ns, one_clock_ns, two_clock_ns;
};

#define HALF (1ULL << 63)

static struct bound_case bounds[] = {
	/* clang-format off */
	{ "two clock errors of 2^63", 0, 0, HALF, HALF },
	{ "two clock errors of nearly 2^64", 0, 0, UINT64_MAX - 1,
	  UINT64_MAX - 1 },
	{ "a clock error of nearly 2^64 and one of 1", 0, 0, UINT64_MAX - 1,
	  2 },
	{ "a pair error of 2^63", HALF, 0, 0, 0 },
	{ "a pair error of the other's of 2^63", 0, HALF, HALF, 0 },
	{ "two pair errors of 2^63", HALF, HALF, 0, 0 },
	{ "pair errors that are 2^64 with a clock error", HALF, 0, HALF, 0 },
	{ "a pair error of nearly 2^64", UINT64_MAX - 1, 0, 0, 0 },
	{ "no bound at all", UINT64_MAX - 1, UINT64_MAX - 1, UINT64_MAX - 1,
	  UINT64_MAX - 1 },
	/* clang-format on */
};

static void check_bound(void **state)
{
	const struct bound_case *c = *state;
	bool rate = c->one_pair_ns >= HALF;

	setup(NULL);
	check.other = other;
	/*
	 * The offset of two seconds and the step of 20 ms exceed the limits
	 * without a bound.
	 */
	two.offset_ns = 2 * SEC;
	one.pair_error_ns = c->one_pair_ns;
	two.pair_error_ns = c->two_pair_ns;
	one.clock_error_ns = c->one_clock_ns;
	two.clock_error_ns = c->two_clock_ns;
	assert_int_equal(paraclock_check(clk, &check), 0);
	assert_int_equal(check.compared, PARACLOCK_CHECK_OTHER_OFFSET);
	if (rate)
		one.offset_ns += 20000000;
	assert_int_equal(check_later(), 0);
	assert_int_equal(check.compared, PARACLOCK_CHECK_RATE |
						 PARACLOCK_CHECK_OTHER_RATE |
						 PARACLOCK_CHECK_OTHER_OFFSET);
	assert_int_equal(check.contradicted, 0);
	if (rate)
		assert_int_equal(check.error_ns, UINT64_MAX);
	assert_int_equal(teardown(NULL), 0);
}

int main(void)
{
	ADD_ROWS(bounds, check_bound);
	return run_suite(NULL, NULL);
}
