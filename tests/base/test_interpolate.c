// SPDX-License-Identifier: MIT
/* Between two numbers: against exact arithmetic in 128 bits. */

#include "base/interpolate.h"
#include "fake.h"
#include "random.h"

#define CASES 100000

struct division {
	const char *name;
	uint64_t high, low, divisor, want;
};

static struct division divisions[] = {
	/* clang-format off */
	{ "zero by one is zero", 0, 0, 1, 0 },
	{ "any number by one is itself", 0, UINT64_MAX, 1, UINT64_MAX },
	{ "a quotient is rounded down", 0, 99, 10, 9 },
	{ "the largest operands fit", UINT64_MAX - 1, UINT64_MAX, UINT64_MAX,
	  UINT64_MAX },
	{ "a third in 2^-64", 1, 0, 3, 0x5555555555555555U },
	{ "a half in 2^-64", 1, 0, 2, (uint64_t)1 << 63 },
	{ "an estimate that is two too large",
	  0x7fffffffffffffffU, 0xffffffffffffffffU, 0x80000000ffffffffU,
	  0xfffffffe00000005U },
	{ "an estimate of more than a digit",
	  0x80000000fffffffeU, 0xffffffffffffffffU, 0x80000000ffffffffU,
	  0xffffffffffffffffU },
	/* clang-format on */
};

static void check_division(void **state)
{
	const struct division *d = *state;

	assert_true(pclk_divide_128(d->high, d->low, d->divisor) == d->want);
	assert_true((uint64_t)(((u128)d->high << 64 | d->low) / d->divisor) ==
		    d->want);
}

static void divisions_are_exact(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < CASES; i++) {
		uint64_t divisor = random_divisor();
		uint64_t high = random_length() % divisor;
		uint64_t low = random_word();
		u128 value = (u128)high << 64 | low;

		assert_true(pclk_divide_128(high, low, divisor) ==
			    (uint64_t)(value / divisor));
	}
}

static void fractions_are_rounded_down(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < CASES; i++) {
		uint64_t whole = random_divisor();
		uint64_t part = random_length() % whole;

		assert_true(fraction(part, whole) ==
			    (uint64_t)(((u128)part << 64) / whole));
	}
}

/* --- two numbers ---------------------------------------------------------- */

static void check_between(int64_t from, int64_t to, uint64_t part,
			  uint64_t whole)
{
	int64_t at = pclk_interpolate(from, to, fraction(part, whole));

	/* Never beyond either end, so the distance needs no sign. */
	assert_true(from <= to ? at >= from && at <= to
			       : at <= from && at >= to);
	assert_true(is_within_one(distance(from, at), distance(from, to), part,
				  whole));
}

static void any_two_are_interpolated(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < CASES; i++) {
		int64_t from = (int64_t)random_word();
		/* Close by, or anywhere. */
		int64_t to = random_word() & 1
				     ? (int64_t)((uint64_t)from +
						 (random_length() >> 8))
				     : (int64_t)random_word();
		uint64_t whole = random_divisor();
		uint64_t part = random_length() % whole;

		check_between(from, to, part, whole);
		check_between(to, from, part, whole);
	}
}

static void extremes_are_interpolated(void **state)
{
	static const uint64_t whole[] = { 1, 2, 3, UINT64_MAX - 1, UINT64_MAX };

	(void)state;
	for (unsigned int i = 0; i < ARRAY_LEN(whole); i++) {
		check_between(INT64_MIN, INT64_MAX, 0, whole[i]);
		check_between(INT64_MAX, INT64_MIN, 0, whole[i]);
		check_between(INT64_MIN, INT64_MAX, whole[i] - 1, whole[i]);
		check_between(INT64_MAX, INT64_MIN, whole[i] - 1, whole[i]);
		check_between(INT64_MIN, INT64_MAX, whole[i] / 2, whole[i]);
		check_between(7, 7, whole[i] / 2, whole[i]);
	}
}

int main(void)
{
	const struct CMUnitTest whole[] = {
		cmocka_unit_test(divisions_are_exact),
		cmocka_unit_test(fractions_are_rounded_down),
		cmocka_unit_test(any_two_are_interpolated),
		cmocka_unit_test(extremes_are_interpolated),
	};

	ADD_ROWS(divisions, check_division);
	ADD_TESTS(whole);
	return run_suite(NULL, NULL);
}
