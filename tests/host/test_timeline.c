// SPDX-License-Identifier: MIT
/* Timelines: rates, times and moving along. */

#include <paraclock/host.h>

#include "base/fixed.h"
#include "fake.h"
#include "writers.h"

/* --- rates: the numbers are floor or ceil of 2^(64 + shift) / hz ---------- */

struct rate_case {
	const char *name;
	uint64_t hz;
	unsigned int frac_bits;
	int ret;
	uint64_t period;
	uint8_t shift;
};

static struct rate_case rates[] = {
	/* clang-format off */
	{ "1 GHz", 1000000000, 0, 0, 9903520314283042199U, 29 },
	{ "2.6 GHz, as measured", 2596122131, 0, 0, 15258943631389646975U, 31 },
	{ "the same in 2^-16 Hz", 2596122131ULL << 16, 16, 0,
	  15258943631389646975U, 31 },
	{ "half a Hz more", 2596122131ULL * 2 + 1, 1, 0,
	  15258943628450851561U, 31 },
	{ "a power of two has no period of 64 bits but a half", 1 << 30, 0, 0,
	  1ULL << 63, 29 },
	{ "3 Hz", 3, 0, 0, 12297829382473034411U, 1 },
	{ "the fastest", UINT64_MAX, 0, 0, (1ULL << 63) + 1, 63 },
	{ "the slowest", 2, 0, 0, 1ULL << 63, 0 },
	{ "one Hz is too slow", 1, 0, -ERANGE, 0, 0 },
	{ "a little more in many bits is too slow", 1, 63, -ERANGE, 0, 0 },
	{ "a frequency of 0", 0, 0, -EINVAL, 0, 0 },
	{ "more bits than 64", 1000, 64, -EINVAL, 0, 0 },
	/* clang-format on */
};

static void check_rate(void **state)
{
	const struct rate_case *c = *state;
	struct paraclock_timeline tl = {
		.size = sizeof(tl),
		.period_frac = 42,
		.period_shift = 43,
	};

	assert_int_equal(paraclock_timeline_set_hz(&tl, c->hz, c->frac_bits),
			 c->ret);
	if (c->ret) {
		assert_int_equal(tl.period_frac, 42);
		assert_int_equal(tl.period_shift, 43);
		return;
	}
	assert_true(tl.period_frac == c->period);
	assert_int_equal(tl.period_shift, c->shift);
}

/* period * hz is 2^(64 + shift) to within half of hz: no period is nearer. */
static void no_period_is_nearer(void **state)
{
	uint64_t dices = 1;

	(void)state;
	for (int i = 0; i < 100000; i++) {
		struct paraclock_timeline tl = { .size = sizeof(tl) };
		uint64_t hz = dice(&dices) >> (1 + dice(&dices) % 60);
		u128 product, one, off;

		if (hz < 2)
			continue;
		assert_int_equal(paraclock_timeline_set_hz(&tl, hz, 0), 0);
		product = (u128)tl.period_frac * hz;
		one = (u128)1 << (64 + tl.period_shift);
		off = product > one ? product - one : one - product;
		assert_true(off <= hz - hz / 2);
		assert_true(tl.period_frac >> 63);
	}
}

/* --- times ---------------------------------------------------------------- */

struct time_case {
	const char *name;
	struct paraclock_timeline tl; /* size and status are set below */
	uint64_t counter;
	int ret;
	int64_t ns;
};

#define SECOND_OF_2_30 .period_frac = 1ULL << 63, .period_shift = 29
#define SEC_MAX	       9223372036ULL

static struct time_case times[] = {
	/* clang-format off */
	{ "at the base", { .base_tsc = 5, .base_sec = 7, SECOND_OF_2_30 },
	  5, 0, 7000000000 },
	{ "a second later", { .base_tsc = 5, .base_sec = 7, SECOND_OF_2_30 },
	  5 + (1 << 30), 0, 8000000000 },
	{ "a second before", { .base_tsc = 1 << 30, .base_sec = 7,
	  SECOND_OF_2_30 }, 0, 0, 6000000000 },
	{ "a fraction carries over", { .base_sec = 7, .base_frac = 1ULL << 63,
	  SECOND_OF_2_30 }, 1 << 29, 0, 8000000000 },
	{ "a tick is rounded down", { .base_sec = 7, SECOND_OF_2_30 },
	  1, 0, 7000000000 },
	{ "a tick before the base is rounded down, too", { .base_tsc = 1,
	  .base_sec = 7, SECOND_OF_2_30 }, 0, 0, 6999999999 },
	{ "before the base, an inexact time is rounded down",
	  { .base_tsc = 1, .base_sec = 7, .period_frac = 3,
	    .period_shift = 1 }, 0, 0, 6999999999 },
	{ "in the window", { .base_sec = 7, .t_start = 10, .t_end = 10,
	  SECOND_OF_2_30 }, 10, 0, 7000000009 },
	{ "before the window", { .base_sec = 7, .t_start = 11,
	  SECOND_OF_2_30 }, 10, -ESTALE, 0 },
	{ "after the window", { .base_sec = 7, .t_end = 9,
	  SECOND_OF_2_30 }, 10, -ESTALE, 0 },
	{ "a window that ends before it begins", { .base_sec = 7,
	  .t_start = 12, .t_end = 9, SECOND_OF_2_30 }, 10, -EINVAL, 0 },
	{ "before the epoch", { .base_tsc = 1, SECOND_OF_2_30 },
	  0, -ERANGE, 0 },
	{ "the last ns that fits", { .base_sec = SEC_MAX, SECOND_OF_2_30 },
	  0, 0, (int64_t)SEC_MAX * 1000000000 },
	{ "later", { .base_sec = SEC_MAX, SECOND_OF_2_30 }, 1, -ERANGE, 0 },
	{ "a later base", { .base_sec = UINT64_MAX, SECOND_OF_2_30 },
	  0, -ERANGE, 0 },
	{ "a product beyond all bounds",
	  { .period_frac = UINT64_MAX }, UINT64_MAX,
	  -ERANGE, 0 },
	{ "no period", { .base_sec = 7 }, 10, -EINVAL, 0 },
	{ "a shift that never ends", { .period_frac = 1,
	  .period_shift = 64 }, 10, -EINVAL, 0 },
	/* clang-format on */
};

static void check_time(void **state)
{
	const struct time_case *c = *state;
	struct paraclock_timeline tl = c->tl;
	int64_t ns = 4711;

	tl.size = sizeof(tl);
	tl.status = PARACLOCK_STATUS_FREERUNNING;
	assert_int_equal(paraclock_timeline_ns(&tl, c->counter, &ns), c->ret);
	assert_int_equal(ns, c->ret ? 4711 : c->ns);
}

/* --- moving --------------------------------------------------------------- */

static void moving_says_the_same(void **state)
{
	struct paraclock_timeline tl = timeline_of(&kinds[0], 2596122131);
	uint64_t dices = 2;

	(void)state;
	tl.base_tsc = 1ULL << 50;
	tl.base_sec = 1000000;
	for (int i = 0; i < 10000; i++) {
		struct paraclock_timeline moved = tl;
		uint64_t to = tl.base_tsc + (dice(&dices) >> 20);
		uint64_t at = to + (dice(&dices) >> 20);
		int64_t a, b;

		assert_int_equal(paraclock_timeline_rebase(&moved, to), 0);
		assert_int_equal(moved.base_tsc, to);
		assert_int_equal(paraclock_timeline_ns(&tl, at, &a), 0);
		assert_int_equal(paraclock_timeline_ns(&moved, at, &b), 0);
		/* 2^-64 s less, which may cost a ns. */
		assert_true(a == b || a == b + 1);
	}
}

static void error_terms_move_along(void **state)
{
	struct paraclock_timeline tl = timeline_of(&kinds[0], 1 << 30);
	struct paraclock_timeline was;

	(void)state;
	tl.base_tsc = 1000;
	tl.base_sec = 100;
	tl.flags |=
		PARACLOCK_TIMELINE_MAXERROR | PARACLOCK_TIMELINE_MAXERROR_RATE |
		PARACLOCK_TIMELINE_ESTERROR | PARACLOCK_TIMELINE_ESTERROR_RATE;
	tl.maxerror_ns = 500;
	tl.esterror_ns = 50;
	/* 2^-20 and 2^-30 of the period: 953 ns and 0.9 ns a second. */
	tl.maxerror_rate_frac = tl.period_frac >> 20;
	tl.esterror_rate_frac = tl.period_frac >> 30;
	was = tl;
	assert_int_equal(paraclock_timeline_rebase(&tl, 1000 + (1 << 30)), 0);
	assert_in_range(tl.maxerror_ns, 500 + 954, 500 + 956);
	assert_in_range(tl.esterror_ns, 50 + 1, 50 + 3);
	was.maxerror_ns = UINT64_MAX - 10;
	tl = was;
	assert_int_equal(paraclock_timeline_rebase(&tl, 1000 + (1 << 30)),
			 -ERANGE);
	assert_memory_equal(&tl, &was, sizeof(tl));
	assert_int_equal(paraclock_timeline_rebase(&tl, 999), -ERANGE);
	assert_memory_equal(&tl, &was, sizeof(tl));
}

static void null_is_refused(void **state)
{
	struct paraclock_timeline tl = timeline_of(&kinds[0], 1 << 30);
	int64_t ns = 4711;

	(void)state;
	assert_int_equal(paraclock_timeline_set_hz(NULL, 1000, 0), -EINVAL);
	assert_int_equal(paraclock_timeline_ns(NULL, 1, &ns), -EINVAL);
	assert_int_equal(paraclock_timeline_ns(&tl, 1, NULL), -EINVAL);
	assert_int_equal(paraclock_timeline_rebase(NULL, 1), -EINVAL);
	tl.size--;
	assert_int_equal(paraclock_timeline_ns(&tl, 1, &ns), -EINVAL);
	assert_int_equal(paraclock_timeline_set_hz(&tl, 1000, 0), -EINVAL);
	assert_int_equal(ns, 4711);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(no_period_is_nearer),
		cmocka_unit_test(moving_says_the_same),
		cmocka_unit_test(error_terms_move_along),
		cmocka_unit_test(null_is_refused),
	};

	ADD_TESTS(others);
	ADD_ROWS(rates, check_rate);
	ADD_ROWS(times, check_time);
	return run_suite(NULL, NULL);
}
