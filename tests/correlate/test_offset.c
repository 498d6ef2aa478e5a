// SPDX-License-Identifier: MIT
/* The offset of a cross timestamp: what it is, or why it is refused. */

#include "leap_states.h"
#include "leaps.h"

#define UTC   PARACLOCK_TIMESCALE_UTC
#define TAI   PARACLOCK_TIMESCALE_TAI
#define MONO  PARACLOCK_TIMESCALE_MONOTONIC
#define MAYBE PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED

#define SMEARED	  PARACLOCK_OFFSET_MAYBE_SMEARED
#define NEAR_LEAP PARACLOCK_OFFSET_NEAR_LEAP
#define NO_BOUND  PARACLOCK_ERROR_UNKNOWN
#define MS	  (SEC / 1000)

/* A time without a leap second near: 2016-12-10. */
#define EARLY (T2016_12 + 9 * DAY)

/* Of the cross timestamp: both add to error_ns. */
#define UNCERTAIN 20
#define PAIR	  3
#define ERROR	  (UNCERTAIN + PAIR)

struct offset_case {
	const char *name;
	/* The host clock, its bound, and CLOCK_REALTIME. */
	uint8_t scale, leap;
	int16_t sample_tai;
	int64_t host_ns;
	uint64_t clock_ns;
	int64_t real_ns;
	/* What the caller gives. */
	bool has_table;
	int16_t assume_tai;
	int64_t start_ns;
	int ret;
	/* The rest is compared only if ret is 0. */
	uint8_t valid;
	uint32_t flags;
	int64_t offset_ns;
	uint64_t bound_ns;
};

#define ALONE	   false, 0, 0
#define WITH_TABLE true, 0, 0
#define REFUSED	   -EOPNOTSUPP, 0, 0, 0, 0

static const struct offset_case cases[] = {
	/* clang-format off */
	{ "a machine that is behind", UTC, NONE, 0, EARLY * SEC + 500, 1000,
	  EARLY * SEC, ALONE, 0, 1, 0, 500, 1000 + ERROR },
	{ "a machine that is ahead", UTC, NONE, 0, EARLY * SEC, 0,
	  EARLY * SEC + 7, ALONE, 0, 1, 0, -7, ERROR },
	{ "years apart", UTC, NONE, 0, EARLY * SEC, 0, 1, ALONE, 0, 1, 0,
	  EARLY * SEC - 1, ERROR },
	{ "no bound of the host", UTC, NONE, 0, EARLY * SEC, NO_BOUND,
	  EARLY * SEC, ALONE, 0, 1, 0, 0, NO_BOUND },
	{ "a bound that is the largest of all", UTC, NONE, 0, EARLY * SEC,
	  NO_BOUND - ERROR, EARLY * SEC, ALONE, 0, 1, 0, 0, NO_BOUND },
	{ "TAI with its offset", TAI, NONE, 36, (EARLY + 36) * SEC + 9, MS,
	  EARLY * SEC, ALONE, 0, 1, 0, 9, MS + ERROR },
	{ "TAI without an offset", TAI, NONE, 0, (EARLY + 36) * SEC, MS,
	  EARLY * SEC, ALONE, REFUSED },
	{ "TAI with an offset that cannot be", TAI, NONE, -36,
	  (EARLY + 36) * SEC, MS, EARLY * SEC, ALONE, REFUSED },
	{ "TAI and a table", TAI, UNKNOWN, 0, (EARLY + 36) * SEC + 9, MS,
	  EARLY * SEC, WITH_TABLE, 0, 1, 0, 9, MS + ERROR },
	{ "TAI whose own offset is not the table's", TAI, NONE, 35,
	  (EARLY + 35) * SEC, MS, EARLY * SEC, WITH_TABLE, 0, 1, 0, 0,
	  MS + ERROR },
	{ "TAI after the table has expired", TAI, NONE, 0,
	  (EXPIRY + 36) * SEC, MS, EARLY * SEC, WITH_TABLE, REFUSED },
	{ "the same with an offset of the caller's", TAI, NONE, 0,
	  (EXPIRY + 36) * SEC, MS, EXPIRY * SEC, true, 36, 0,
	  0, 1, 0, 0, MS + ERROR },
	{ "an offset of the caller's that cannot be", TAI, NONE, 0,
	  (EARLY + 36) * SEC, MS, EARLY * SEC, false, 3600, 0, REFUSED },
	{ "since some start", MONO, UNKNOWN, 0, 5 * SEC, 0, EARLY * SEC, ALONE,
	  REFUSED },
	{ "the same with a TAI offset and a table", MONO, NONE, 36, 5 * SEC, 0,
	  EARLY * SEC, WITH_TABLE, REFUSED },
	{ "since a start that the caller knows", MONO, UNKNOWN, 0, 5 * SEC, 0,
	  EARLY * SEC, true, 0, (EARLY - 5) * SEC + 1, 0, 1, SMEARED, 1,
	  NO_BOUND },
	{ "an unknown scale", PARACLOCK_TIMESCALE_UNKNOWN, NONE, 36,
	  EARLY * SEC, 0, EARLY * SEC, WITH_TABLE, REFUSED },
	{ "a scale of tomorrow", 5, NONE, 36, EARLY * SEC, 0, EARLY * SEC,
	  WITH_TABLE, REFUSED },
	{ "too far apart for 64 bits", UTC, NONE, 0, EARLY * SEC, 0, INT64_MIN,
	  ALONE, -ERANGE, 0, 0, 0, 0 },
	{ "a start that does not fit", MONO, NONE, 0, INT64_MAX, 0, 0, false, 0,
	  1, -ERANGE, 0, 0, 0, 0 },
	{ "TAI that does not fit", TAI, NONE, 36, INT64_MIN, 0, 0, ALONE,
	  -ERANGE, 0, 0, 0, 0 },

	{ "maybe smeared: no bound", MAYBE, UNKNOWN, 0, EARLY * SEC + 4, MS,
	  EARLY * SEC, ALONE, 0, 1, SMEARED, 4, NO_BOUND },
	{ "maybe smeared, no leap second within a day", MAYBE, UNKNOWN, 0,
	  EARLY * SEC + 4, MS, EARLY * SEC, WITH_TABLE, 0, 1, 0, 4,
	  MS + ERROR },
	{ "maybe smeared, a leap second in a day", MAYBE, UNKNOWN, 0,
	  (T2017_01 - DAY) * SEC, MS, EARLY * SEC, WITH_TABLE, 0, 1, SMEARED,
	  (T2017_01 - DAY - EARLY) * SEC, NO_BOUND },
	{ "maybe smeared, a leap second a day ago", MAYBE, UNKNOWN, 0,
	  (T2017_01 + DAY) * SEC - 1, MS, T2017_01 * SEC, WITH_TABLE, 0, 1,
	  SMEARED, DAY * SEC - 1, NO_BOUND },
	{ "maybe smeared, and the table says nothing of tomorrow", MAYBE,
	  UNKNOWN, 0, (EXPIRY - 1) * SEC, MS, EXPIRY * SEC,
	  WITH_TABLE, 0, 1, SMEARED, -SEC, NO_BOUND },

	{ "the last second before an inserted one", UTC, PRE_POS, 0,
	  (T2017_01 - 1) * SEC, MS, T2017_01 * SEC, ALONE, 0, 0, NEAR_LEAP,
	  -SEC, NO_BOUND },
	{ "the inserted second", UTC, POS, 0, (T2017_01 - 1) * SEC + 5, 0,
	  (T2017_01 - 1) * SEC, ALONE, 0, 0, NEAR_LEAP, 5, NO_BOUND },
	{ "the inserted second on TAI", TAI, POS, 37,
	  (T2017_01 + 36) * SEC + 5, 0, (T2017_01 - 1) * SEC, ALONE, 0, 0,
	  NEAR_LEAP, 5, NO_BOUND },
	{ "the inserted second by a table", TAI, UNKNOWN, 0,
	  (T2017_01 + 36) * SEC + 5, 0, (T2017_01 - 1) * SEC, WITH_TABLE, 0, 0,
	  NEAR_LEAP, 5, NO_BOUND },
	{ "just before the last second, but for the error", UTC, PRE_POS, 0,
	  (T2017_01 - 1) * SEC - ERROR, MS, 0, ALONE, 0, 0, NEAR_LEAP,
	  (T2017_01 - 1) * SEC - ERROR, NO_BOUND },
	{ "just before the last second: the host's bound reaches into it", UTC,
	  PRE_POS, 0, (T2017_01 - 1) * SEC - ERROR - 1, MS, 0, ALONE, 0, 1,
	  NEAR_LEAP, (T2017_01 - 1) * SEC - ERROR - 1, NO_BOUND },
	{ "the bound ends before the last second", UTC, PRE_POS, 0,
	  (T2017_01 - 1) * SEC - ERROR - MS - 1, MS, 0, ALONE, 0, 1, 0,
	  (T2017_01 - 1) * SEC - ERROR - MS - 1, MS + ERROR },
	{ "the first second after an inserted one", UTC, POST_POS, 0,
	  T2017_01 * SEC + ERROR, 0, T2017_01 * SEC, ALONE, 0, 1, 0, ERROR,
	  ERROR },
	{ "nobody knows whether the month ends so", UTC, UNKNOWN, 0,
	  (T2017_01 - 1) * SEC, 0, T2017_01 * SEC, ALONE, 0, 0, NEAR_LEAP,
	  -SEC, NO_BOUND },
	{ "maybe smeared at the end of a month", MAYBE, UNKNOWN, 0,
	  (T2017_01 - 1) * SEC, 0, T2017_01 * SEC, ALONE, 0, 0,
	  NEAR_LEAP | SMEARED, -SEC, NO_BOUND },
	{ "a start that the caller knows, at the end of a month", MONO, NONE, 0,
	  4 * SEC, 0, T2017_01 * SEC, false, 0, (T2017_01 - 5) * SEC, 0, 0,
	  NEAR_LEAP | SMEARED, -SEC, NO_BOUND },
	{ "before there were leap seconds", UTC, UNKNOWN, 0, 5 * SEC, MS, 0,
	  ALONE, 0, 1, 0, 5 * SEC, MS + ERROR },
	/* clang-format on */
};

static struct paraclock_crosststamp cross_of(const struct offset_case *c)
{
	return (struct paraclock_crosststamp){
		.size = sizeof(struct paraclock_crosststamp),
		.known = 0x1f,
		.realtime_valid = 1,
		.sample = {
			.host_ns = c->host_ns,
			.host_tsc = 12345,
			.pair_error_ns = PAIR,
			.clock_error_ns = c->clock_ns,
			.valid = 1,
			.timescale = c->scale,
			.counter = PARACLOCK_COUNTER_X86_TSC,
			.leap = c->leap,
			.tai_offset_sec = c->sample_tai,
			.flags = c->sample_tai ? PARACLOCK_FLAG_TAI_OFFSET : 0,
		},
		.counter = 54321,
		.ns = { c->real_ns, 2, 3, 4, 5 },
		.uncertainty_ns = UNCERTAIN,
	};
}

static void a_cross_timestamp(void **state)
{
	const struct offset_case *c = *state;
	struct paraclock_leap_table table;
	struct paraclock_crosststamp xt = cross_of(c);
	struct paraclock_offset off = {
		.size = sizeof(off),
		.leap_table = c->has_table ? &table : NULL,
		.start_utc_ns = c->start_ns,
		.assume_tai_offset_sec = c->assume_tai,
	};
	const struct paraclock_offset was = off;

	leaps_table(&table);
	assert_int_equal(paraclock_offset_of(&xt, &off), c->ret);
	if (c->ret) {
		assert_memory_equal(&off, &was, sizeof(off));
		return;
	}
	assert_int_equal(off.valid, c->valid);
	assert_int_equal(off.reason, c->valid ? PARACLOCK_REASON_OK
					      : PARACLOCK_REASON_WINDOW);
	assert_int_equal(off.flags, c->flags);
	assert_int_equal(off.offset_ns, c->offset_ns);
	assert_int_equal(off.error_ns, ERROR);
	assert_int_equal(off.bound_ns, c->bound_ns);
	assert_int_equal(off.utc_ns - off.realtime_ns, off.offset_ns);
	assert_int_equal(off.realtime_ns, c->real_ns);
	assert_int_equal(off.monotonic_raw_ns, 3);
	assert_int_equal(off.counter, 54321);
	assert_int_equal(off.sample.host_ns, c->host_ns);
	assert_int_equal(off.sample.valid, 1);
	assert_ptr_equal(off.leap_table, was.leap_table);
	assert_int_equal(off.assume_tai_offset_sec, c->assume_tai);
	assert_int_equal(off.start_utc_ns, c->start_ns);
}

static const struct offset_case plain = {
	.scale = UTC,
	.host_ns = EARLY * SEC,
	.real_ns = EARLY * SEC,
};

static void a_sample_that_is_not_valid_has_no_offset(void **state)
{
	struct paraclock_crosststamp xt = cross_of(&plain);
	struct paraclock_offset off = { .size = sizeof(off), .offset_ns = 9 };

	(void)state;
	xt.sample.valid = 0;
	xt.sample.reason = PARACLOCK_REASON_STATUS;
	xt.realtime_valid = 0;
	assert_int_equal(paraclock_offset_of(&xt, &off), 0);
	assert_int_equal(off.valid, 0);
	assert_int_equal(off.reason, PARACLOCK_REASON_STATUS);
	assert_int_equal(off.offset_ns, 0);
	assert_int_equal(off.error_ns, PARACLOCK_ERROR_UNKNOWN);
	assert_int_equal(off.bound_ns, PARACLOCK_ERROR_UNKNOWN);
	assert_int_equal(off.flags, 0);
}

static void a_clock_that_was_set_is_estale(void **state)
{
	struct paraclock_crosststamp xt = cross_of(&plain);
	struct paraclock_offset off = { .size = sizeof(off) }, was = off;

	(void)state;
	xt.realtime_valid = 0;
	assert_int_equal(paraclock_offset_of(&xt, &off), -ESTALE);
	assert_memory_equal(&off, &was, sizeof(off));
}

static void what_gave_the_tai_offset_shows_in_the_sample(void **state)
{
	struct paraclock_leap_table table;
	const struct offset_case c = {
		.scale = TAI,
		.leap = UNKNOWN,
		.host_ns = (T2017_01 + 37 + DAY) * SEC,
		.real_ns = T2017_01 * SEC,
	};
	struct paraclock_crosststamp xt = cross_of(&c);
	struct paraclock_offset off = { .size = sizeof(off),
					.leap_table = &table };

	(void)state;
	leaps_table(&table);
	assert_int_equal(paraclock_offset_of(&xt, &off), 0);
	assert_int_equal(off.sample.tai_offset_sec, 37);
	assert_int_equal(off.sample.flags, PARACLOCK_FLAG_TAI_OFFSET);
	assert_int_equal(off.sample.leap, POST_POS);
	off.leap_table = NULL;
	off.assume_tai_offset_sec = 36;
	assert_int_equal(paraclock_offset_of(&xt, &off), 0);
	assert_int_equal(off.sample.tai_offset_sec, 36);
	assert_int_equal(off.sample.leap, UNKNOWN);
	assert_int_equal(off.offset_ns, (DAY + 1) * SEC);
}

static void bad_arguments_are_refused(void **state)
{
	struct paraclock_leap_table table;
	struct paraclock_crosststamp xt = cross_of(&plain);
	struct paraclock_offset off = { .size = sizeof(off) };

	(void)state;
	assert_int_equal(paraclock_offset_of(NULL, &off), -EINVAL);
	assert_int_equal(paraclock_offset_of(&xt, NULL), -EINVAL);
	assert_int_equal(paraclock_offset(NULL, &off), -EINVAL);
	off.size--;
	assert_int_equal(paraclock_offset_of(&xt, &off), -EINVAL);
	off.size++;
	xt.size--;
	assert_int_equal(paraclock_offset_of(&xt, &off), -EINVAL);
	xt.size++;
	xt.sample.timescale = TAI;
	leaps_table(&table);
	table.count = 0;
	off.leap_table = &table;
	off.assume_tai_offset_sec = 37;
	assert_int_equal(paraclock_offset_of(&xt, &off), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_sample_that_is_not_valid_has_no_offset),
		cmocka_unit_test(a_clock_that_was_set_is_estale),
		cmocka_unit_test(what_gave_the_tai_offset_shows_in_the_sample),
		cmocka_unit_test(bad_arguments_are_refused),
	};

	ADD_ROWS(cases, a_cross_timestamp);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
