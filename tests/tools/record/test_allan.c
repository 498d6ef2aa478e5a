// SPDX-License-Identifier: MIT
/*
 * The Allan deviation against published values. Two sets of frequencies with
 * tau0 = 1 s are in W. J. Riley, "Handbook of Frequency Stability Analysis", NIST
 * Special Publication 1065 (2008), pages 107 to 109, and in his "The Calculation
 * of Time Domain Frequency Stability": the nine of NBS Monograph 140, annex 8.E;
 * and 1000 that the generator n(i+1) = 16807 n(i) mod 2147483647 makes from
 * n(0) = 1234567890, divided by 2147483647.
 */

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "record/allan.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

#define NBS_COUNT    9
#define RILEY_COUNT  1000
#define POINTS_MAX   (RILEY_COUNT + 1)
#define RILEY_MODULO 2147483647U

static const double nbs[NBS_COUNT] = {
	892, 809, 823, 798, 671, 644, 883, 903, 677,
};

/* Integrate frequencies to phases. */
static size_t fill(struct allan_point *points, bool is_nbs)
{
	const size_t count = is_nbs ? NBS_COUNT : RILEY_COUNT;
	uint64_t n = 1234567890;

	points[0] = (struct allan_point){ 0 };
	for (size_t i = 0; i < count; i++) {
		double frequency = (double)n / RILEY_MODULO;

		if (is_nbs)
			frequency = nbs[i];
		points[i + 1].slot = (int64_t)i + 1;
		points[i + 1].phase = points[i].phase + frequency;
		n = n * 16807 % RILEY_MODULO;
	}
	return count + 1;
}

struct published {
	const char *name;
	bool is_nbs;
	int64_t m;
	double want;
	double digit; /* one unit of the last digit printed there */
};

static struct published published[] = {
	/* clang-format off */
	{ "NBS, 9 points, tau 1",       true,  1,   91.22945,     1e-5 },
	{ "NBS, 9 points, tau 2",       true,  2,   85.95287,     1e-5 },
	{ "SP 1065, 1000 points, tau 1",   false, 1,   2.922319e-01, 1e-7 },
	{ "SP 1065, 1000 points, tau 10",  false, 10,  9.159953e-02, 1e-8 },
	{ "SP 1065, 1000 points, tau 100", false, 100, 3.241343e-02, 1e-8 },
	/* clang-format on */
};

static void check_published(void **state)
{
	const struct published *p = *state;
	struct allan_point points[POINTS_MAX];
	struct allan_sum sum = { 0 };
	size_t count = fill(points, p->is_nbs);
	double got;

	allan_add(&sum, points, count, p->m);
	got = allan_deviation(&sum, p->m, 1);
	print_message("%.9g, published %.9g\n", got, p->want);
	assert_true(fabs(got - p->want) <= 0.501 * p->digit);
	assert_int_equal(sum.terms, count - 2 * (size_t)p->m);
}

/* In other units of time, the same number. */
static void check_units(void **state)
{
	struct allan_point points[POINTS_MAX];
	struct allan_sum sum = { 0 };
	size_t count = fill(points, false);

	(void)state;
	for (size_t i = 0; i < count; i++)
		points[i].phase *= 1e9 / 4;
	allan_add(&sum, points, count, 10);
	assert_true(fabs(allan_deviation(&sum, 10, 1e9 / 4) - 9.159953e-02) <
		    1e-8);
}

static void check_no_terms(void **state)
{
	struct allan_point points[POINTS_MAX];
	struct allan_sum sum = { 0 };

	(void)state;
	fill(points, true);
	allan_add(&sum, points, NBS_COUNT + 1, 5);
	allan_add(&sum, points, 0, 1);
	allan_add(&sum, points, 1, 1);
	assert_int_equal(sum.terms, 0);
	assert_true(isnan(allan_deviation(&sum, 5, 1)));
}

/* Two runs with a step between them: no difference spans the step. */
static void check_runs(void **state)
{
	struct allan_point points[POINTS_MAX];
	struct allan_sum whole = { 0 }, parts = { 0 };
	size_t count = fill(points, false), half = count / 2;

	(void)state;
	for (size_t i = half; i < count; i++)
		points[i].phase += 1e6;
	allan_add(&parts, points, half, 10);
	allan_add(&parts, points + half, count - half, 10);
	allan_add(&whole, points, count, 10);
	assert_int_equal(parts.terms, count - 40);
	assert_true(fabs(allan_deviation(&parts, 10, 1) / 9.159953e-02 - 1) <
		    0.05);
	assert_true(allan_deviation(&whole, 10, 1) > 100);
}

/* By the definition, in the order of the definition. */
static struct allan_sum slowly(const struct allan_point *points, size_t count,
			       int64_t m)
{
	struct allan_sum sum = { 0 };

	for (size_t i = 0; i < count; i++)
		for (size_t k = i; k < count; k++) {
			if (points[k].slot != points[i].slot + m)
				continue;
			for (size_t l = k; l < count; l++) {
				const double second = points[l].phase -
						      2 * points[k].phase +
						      points[i].phase;

				if (points[l].slot != points[i].slot + 2 * m)
					continue;
				sum.squares += second * second;
				sum.terms++;
			}
		}
	return sum;
}

/* Points that are missing take their differences along, and nothing else. */
static void check_holes(void **state)
{
	struct allan_point points[POINTS_MAX];
	size_t count = fill(points, false), kept = 0;
	uint32_t random = 1;

	(void)state;
	for (size_t i = 0; i < count; i++) {
		random = random * 1664525U + 1013904223U;
		if (random >> 29 && (i < 300 || i > 350))
			points[kept++] = points[i];
	}
	for (int64_t m = 1; m < 300; m = m * 2 + 1) {
		struct allan_sum fast = { 0 };
		struct allan_sum slow = slowly(points, kept, m);

		allan_add(&fast, points, kept, m);
		assert_int_equal(fast.terms, slow.terms);
		assert_true(fabs(fast.squares - slow.squares) <=
			    1e-9 * slow.squares);
	}
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		{ "other units give the same number", check_units, NULL, NULL,
		  NULL },
		{ "too few points give no number", check_no_terms, NULL, NULL,
		  NULL },
		{ "no difference spans two runs", check_runs, NULL, NULL,
		  NULL },
		{ "holes cost only their own differences", check_holes, NULL,
		  NULL, NULL },
	};
	struct CMUnitTest tests[ARRAY_LEN(published) + ARRAY_LEN(others)] = {
		0
	};

	for (size_t i = 0; i < ARRAY_LEN(published); i++) {
		tests[i].name = published[i].name;
		tests[i].test_func = check_published;
		tests[i].initial_state = &published[i];
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		tests[ARRAY_LEN(published) + i] = others[i];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
