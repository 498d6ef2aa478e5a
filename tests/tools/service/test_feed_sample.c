// SPDX-License-Identifier: MIT
/* A burst and what is made of it: every value is worked out by hand. */

#include "duration.h"
#include "service/feed_kernel.h"
#include "service/feed_sample.h"

#include "../../shared/rows.h"

#define US  1000LL
#define MS  (1000 * US)
#define SEC (1000 * MS)

#define NOW (1795000000 * SEC)

/* Of a host that says 1 ms, read to within 20 ns. */
static struct measurement reading(int64_t offset_ns)
{
	return (struct measurement){
		.sample = { .valid = 1,
			    .epoch = 7,
			    .timescale = PARACLOCK_TIMESCALE_TAI,
			    .clock_error_ns = 1000000 },
		.offset_ns = offset_ns,
		.utc_ns = NOW + offset_ns,
		.raw_ns = 5 * SEC,
		.bound_ns = 1000020,
		.has_bound = true,
	};
}

/* --- the median ----------------------------------------------------------- */

struct burst_case {
	const char *name;
	int64_t offset_ns[FEED_BURST];
	unsigned int n;
	int64_t median_ns;
	uint64_t spread_ns;
};

static const struct burst_case bursts[] = {
	/* clang-format off */
	{ "one reading is its own median", { 5 }, 1, 5, 0 },
	{ "of two, the larger", { 9, 4 }, 2, 9, 5 },
	{ "two that an interrupt hit do not move the median",
	  { 100, 900000, 101, -700000, 102 }, 5, 101, 1600000 },
	{ "negative offsets", { -5, -3, -4, -1, -2 }, 5, -3, 4 },
	{ "a spread beyond INT64_MAX",
	  { INT64_MIN / 2 - 2, 0, INT64_MAX / 2 + 2 }, 3, 0,
	  (uint64_t)INT64_MAX + 4 },
	/* clang-format on */
};

static void check_burst(void **state)
{
	const struct burst_case *c = *state;
	struct measurement m[FEED_BURST];
	struct feed_sample got;

	for (unsigned int i = 0; i < c->n; i++) {
		m[i] = reading(c->offset_ns[i]);
		/* Each at its own instant, and as sure as it is right. */
		m[i].utc_ns += i;
		m[i].raw_ns += i;
		m[i].bound_ns += duration_of(c->offset_ns[i]);
	}
	assert_int_equal(feed_sample_make(m, c->n, 0, &got), 0);
	assert_int_equal(got.offset_ns, c->median_ns);
	assert_true(got.spread_ns == c->spread_ns);
	assert_int_equal(got.n, c->n);
	assert_int_equal(got.epoch, 7);
	assert_true(got.has_bound);
	/* The instant is the median's own. */
	for (unsigned int i = 0; i < c->n; i++) {
		if (c->offset_ns[i] != c->median_ns)
			continue;
		assert_int_equal(got.real_ns, NOW + i);
		assert_int_equal(got.raw_ns, 5 * SEC + i);
	}
}

static void a_disruption_voids_the_burst(void **state)
{
	struct measurement m[3] = { reading(1), reading(2), reading(3) };
	struct feed_sample got = { .n = 99 };

	(void)state;
	m[2].sample.epoch++;
	assert_int_equal(feed_sample_make(m, 3, 0, &got), -ESTALE);
	assert_int_equal(got.n, 99);
}

static void a_clock_before_1970_is_refused(void **state)
{
	struct measurement m[1] = { reading(0) };
	struct feed_sample got = { .n = 99 };

	(void)state;
	m[0].offset_ns = NOW + 1;
	assert_int_equal(feed_sample_make(m, 1, 0, &got), -ERANGE);
	m[0].utc_ns = INT64_MIN + 1;
	m[0].offset_ns = 2;
	assert_int_equal(feed_sample_make(m, 1, 0, &got), -ERANGE);
	assert_int_equal(got.n, 99);
}

/* No marker tells of it, and CLOCK_REALTIME runs on. */
static void a_jump_in_the_middle_voids_the_burst(void **state)
{
	static const int64_t jumps[] = { 1000000, -1000000, 250 * MS,
					 INT64_MAX - NOW };

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		for (unsigned int at = 1; at < FEED_BURST; at++) {
			struct measurement m[FEED_BURST];
			struct feed_sample got;

			for (unsigned int k = 0; k < FEED_BURST; k++) {
				m[k] = reading(k < at ? 0 : jumps[i]);
				m[k].raw_ns += 1000 * k;
			}
			assert_int_equal(feed_sample_make(m, FEED_BURST, 0,
							  &got),
					 -ESTALE);
		}
	}
}

/* chronyd moves CLOCK_REALTIME at its fastest. */
static void a_slew_does_not(void **state)
{
	struct measurement m[3] = { reading(0), reading(833330),
				    reading(1666660) };
	struct feed_sample got;

	(void)state;
	m[1].raw_ns += 10 * MS;
	m[2].raw_ns += 20 * MS;
	assert_int_equal(feed_sample_make(m, 3, 0, &got), 0);
}

/* --- the bound ------------------------------------------------------------ */

static void the_bound_is_the_medians_own(void **state)
{
	struct measurement m[3] = { reading(1), reading(2), reading(3) };
	struct feed_sample got;

	(void)state;
	/* The one that an interrupt hit. */
	m[0].bound_ns = 9000000;
	m[1].bound_ns = 1000030;
	assert_int_equal(feed_sample_make(m, 3, SEC, &got), 0);
	assert_int_equal(got.bound_ns, 1000030);
	/* Of the median: the pair, without what the host says of itself. */
	assert_int_equal(got.precision_ns, 30);
}

static void a_source_without_a_bound_is_taken_at_the_assumption(void **state)
{
	struct measurement m[1] = { reading(1) };
	struct feed_sample got;

	(void)state;
	m[0].has_bound = false;
	m[0].sample.clock_error_ns = PARACLOCK_ERROR_UNKNOWN;
	m[0].bound_ns = 20;
	assert_int_equal(feed_bound(&m[0], SEC), SEC + 20);
	assert_int_equal(feed_sample_make(m, 1, SEC, &got), 0);
	assert_int_equal(got.bound_ns, SEC + 20);
	assert_int_equal(got.precision_ns, 20);
	assert_false(got.has_bound);
	m[0].bound_ns = UINT64_MAX - 5;
	assert_true(feed_bound(&m[0], SEC) == UINT64_MAX);
}

/* --- the instant ---------------------------------------------------------- */

struct tv_case {
	const char *name;
	int64_t ns, sec;
	int32_t us;
};

static const struct tv_case tvs[] = {
	{ "tv: a whole us", 1795000000000001000, 1795000000, 1 },
	{ "tv: the last ns of a us", 1795000000000001999, 1795000000, 1 },
	{ "tv: the last ns of a second", 1795000000999999999, 1795000000,
	  999999 },
	{ "tv: a ns before 1970", -1, -1, 999999 },
	{ "tv: a second before 1970", -SEC, -1, 0 },
	{ "tv: a second and a ns before 1970", -SEC - 1, -2, 999999 },
	{ "tv: the earliest", INT64_MIN, -9223372037, 145224 },
	{ "tv: the latest", INT64_MAX, 9223372036, 854775 },
};

static void check_tv(void **state)
{
	const struct tv_case *c = *state;
	struct feed_tv got = feed_tv(c->ns);

	assert_int_equal(got.sec, c->sec);
	assert_int_equal(got.us, c->us);
}

struct current_case {
	const char *name;
	/* Since the measurement: RAW before, REALTIME, RAW after. */
	int64_t before_ns, real_ns, after_ns;
	bool is;
};

static const struct current_case currents[] = {
	/* clang-format off */
	{ "current: at once", 0, 0, 0, true },
	{ "current: a moment later", 50 * US, 50 * US, 51 * US, true },
	{ "current: slewed by a tenth", SEC, SEC + 83 * MS, SEC, true },
	{ "current: slewed back by a tenth", SEC, SEC - 83 * MS, SEC, true },
	{ "current: we slept between two readings", 0, 2 * SEC, 3 * SEC, true },
	{ "set back by a us: dated in the future", 0, -1, 10, false },
	{ "set back later", SEC, 0, SEC, false },
	{ "set back by 20 us", 50 * US, 30 * US, 51 * US, false },
	{ "set ahead by 20 us", 50 * US, 70 * US, 51 * US, false },
	{ "set ahead by an hour", 50 * US, 3600 * SEC, 51 * US, false },
	{ "a suspend: RAW stood still", 50 * US, 10 * SEC, 51 * US, false },
	{ "RAW runs back", -1, 0, 0, false },
	{ "RAW beyond everything", INT64_MAX - 6 * SEC, 0,
	  INT64_MAX - 6 * SEC, false },
	/* clang-format on */
};

static void check_current(void **state)
{
	const struct current_case *c = *state;
	const struct feed_sample sample = { .real_ns = NOW, .raw_ns = 5 * SEC };
	const struct feed_now now = {
		.before_raw_ns = 5 * SEC + c->before_ns,
		.real_ns = NOW + c->real_ns,
		.after_raw_ns = 5 * SEC + c->after_ns,
	};

	assert_int_equal(feed_is_current(&sample, &now), c->is);
}

static void clocks_whose_difference_does_not_fit(void **state)
{
	const struct feed_sample sample = { .real_ns = -2, .raw_ns = -2 };
	const struct feed_now now = { INT64_MAX, INT64_MAX, INT64_MAX };

	(void)state;
	assert_false(feed_is_current(&sample, &now));
}

/* --- what is passed on ---------------------------------------------------- */

static void the_leap_indicator(void **state)
{
	(void)state;
	assert_int_equal(feed_leap(PARACLOCK_LEAP_NONE), 0);
	assert_int_equal(feed_leap(PARACLOCK_LEAP_PRE_POS), 1);
	assert_int_equal(feed_leap(PARACLOCK_LEAP_PRE_NEG), 2);
	assert_int_equal(feed_leap(PARACLOCK_LEAP_POST_POS), 0);
	assert_int_equal(feed_leap(PARACLOCK_LEAP_POST_NEG), 0);
	assert_int_equal(feed_leap(PARACLOCK_LEAP_UNKNOWN), 0);
}

static void the_precision(void **state)
{
	struct feed_sample sample = { .precision_ns = 1, .spread_ns = 0 };

	(void)state;
	/* 2^-30 s is 0.93 ns, 2^-29 s is 1.9 ns. */
	assert_int_equal(feed_log2_precision(&sample), -29);
	sample.precision_ns = 0;
	assert_int_equal(feed_log2_precision(&sample), -30);
	/* The spread counts if it is more. 2^-20 s is 953 ns. */
	sample.spread_ns = 953;
	assert_int_equal(feed_log2_precision(&sample), -20);
	sample.spread_ns = 954;
	assert_int_equal(feed_log2_precision(&sample), -19);
	sample.precision_ns = UINT64_MAX;
	assert_int_equal(feed_log2_precision(&sample), 0);
}

/* --- what the kernel was told --------------------------------------------- */

static void the_kernels_tai_offset(void **state)
{
	struct feed_kernel kernel = { 0 };
	int16_t sec = -1;

	(void)state;
	assert_int_equal(feed_kernel_tai(&kernel, 0, 0, &sec), -ENODATA);
	assert_int_equal(sec, -1);
	assert_int_equal(feed_kernel_tai(&kernel, 0, 37, &sec), 0);
	assert_int_equal(sec, 37);
	/* After a disruption it is as old as the saved state. */
	sec = -1;
	assert_int_equal(feed_kernel_tai(&kernel, 1, 37, &sec), -ESTALE);
	assert_int_equal(feed_kernel_tai(&kernel, 1, 37, &sec), -ESTALE);
	assert_int_equal(sec, -1);
	/* Somebody has set it since, though to 0 first. */
	assert_int_equal(feed_kernel_tai(&kernel, 1, 0, &sec), -ENODATA);
	assert_int_equal(feed_kernel_tai(&kernel, 1, 38, &sec), 0);
	assert_int_equal(sec, 38);
	assert_int_equal(feed_kernel_tai(&kernel, 1, 38, &sec), 0);
	assert_int_equal(feed_kernel_tai(&kernel, 2, 38, &sec), -ESTALE);
}

static void a_tai_offset_that_nobody_can_mean(void **state)
{
	struct feed_kernel kernel = { 0 };
	int16_t sec = -1;

	(void)state;
	assert_int_equal(feed_kernel_tai(&kernel, 0, -37, &sec), -ERANGE);
	assert_int_equal(feed_kernel_tai(&kernel, 0, 9, &sec), -ERANGE);
	assert_int_equal(feed_kernel_tai(&kernel, 0, 65536 + 37, &sec),
			 -ERANGE);
	assert_int_equal(sec, -1);
}

static void the_kernels_announcement(void **state)
{
	struct feed_kernel kernel = { 0 };

	(void)state;
	assert_false(feed_kernel_leap(&kernel, 0, false));
	assert_true(feed_kernel_leap(&kernel, 0, true));
	/* It may be what was announced before a restore, years ago. */
	assert_false(feed_kernel_leap(&kernel, 1, true));
	assert_false(feed_kernel_leap(&kernel, 1, true));
	assert_false(feed_kernel_leap(&kernel, 1, false));
	assert_true(feed_kernel_leap(&kernel, 1, true));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("a disruption voids the burst",
		     a_disruption_voids_the_burst),
		TEST("a jump in the middle voids the burst",
		     a_jump_in_the_middle_voids_the_burst),
		TEST("a slew does not", a_slew_does_not),
		TEST("a clock before 1970 is refused",
		     a_clock_before_1970_is_refused),
		TEST("the bound is the median's own",
		     the_bound_is_the_medians_own),
		TEST("a source without a bound is taken at the assumption",
		     a_source_without_a_bound_is_taken_at_the_assumption),
		TEST("current: a difference that does not fit",
		     clocks_whose_difference_does_not_fit),
		TEST("the leap indicator is passed on", the_leap_indicator),
		TEST("the precision is log2 s, rounded up", the_precision),
		TEST("rule 5: the kernel's TAI offset is void after a "
		     "disruption until it changes",
		     the_kernels_tai_offset),
		TEST("a TAI offset that nobody can mean is refused",
		     a_tai_offset_that_nobody_can_mean),
		TEST("rule 5: so is its announcement of a leap second",
		     the_kernels_announcement),
	};

	ADD_ROWS(bursts, check_burst);
	ADD_ROWS(tvs, check_tv);
	ADD_ROWS(currents, check_current);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
