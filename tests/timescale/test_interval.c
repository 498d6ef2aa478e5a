// SPDX-License-Identifier: MIT
/* The interval that true time lies in, or a refusal. */

#include "leap_states.h"
#include "leaps.h"
#include "random.h"

#define UTC   PARACLOCK_TIMESCALE_UTC
#define TAI   PARACLOCK_TIMESCALE_TAI
#define MONO  PARACLOCK_TIMESCALE_MONOTONIC
#define MAYBE PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED

#define OFFSET	 PARACLOCK_FLAG_TAI_OFFSET
#define NO_BOUND PARACLOCK_ERROR_UNKNOWN
#define MS	 (SEC / 1000)

/* A failure must leave these unchanged. */
#define UNTOUCHED 0x5eadbeef

/* 2016-11, and a time of no interest: 2016-12-10. */
#define T2016_11 1477958400LL
#define EARLY	 (T2016_12 + 9 * DAY)
#define LAST_DAY (T2017_01 - DAY)

typedef int interval_fn(const struct paraclock_sample *sample,
			int64_t *ret_earliest_ns, int64_t *ret_latest_ns);

struct interval_case {
	const char *name;
	uint8_t scale, leap;
	int64_t host_ns;
	uint64_t clock_ns, pair_ns;
	int16_t offset_sec;
	uint32_t flags;
	int ret;
	/* The rest is compared only if ret is 0. */
	int64_t earliest_ns, latest_ns;
};

#define REFUSED		  -EOPNOTSUPP, 0, 0
#define AROUND(ns, width) 0, (ns) - (width), (ns) + (width)

static struct interval_case utc_cases[] = {
	/* clang-format off */
	{ "UTC with a bound", UTC, NONE, EARLY * SEC + 5, 1000, 0, 0, 0,
	  AROUND(EARLY * SEC + 5, 1000) },
	{ "the bound and the pair's error add up",
	  UTC, NONE, EARLY * SEC, 1000, 30, 0, 0, AROUND(EARLY * SEC, 1030) },
	{ "a bound of 0", UTC, NONE, EARLY * SEC, 0, 0, 0, 0,
	  AROUND(EARLY * SEC, 0) },
	{ "TAI with its offset", TAI, NONE, EARLY * SEC, MS, 0, 36, OFFSET,
	  AROUND((EARLY - 36) * SEC, MS) },
	{ "no bound", UTC, NONE, EARLY * SEC, NO_BOUND, 0, 0, 0, REFUSED },
	{ "no bound of the pair", UTC, NONE, EARLY * SEC, 0, NO_BOUND, 0, 0,
	  REFUSED },
	{ "the largest bounds of all are not added to none", UTC, NONE,
	  EARLY * SEC, NO_BOUND - 1, 1, 0, 0, REFUSED },
	{ "TAI without the offset", TAI, NONE, EARLY * SEC, 1, 0, 36, 0,
	  REFUSED },
	{ "TAI with an impossible offset", TAI, NONE, EARLY * SEC, 1, 0, -36,
	  OFFSET, REFUSED },
	{ "maybe smeared", MAYBE, NONE, EARLY * SEC, 1, 0, 36, OFFSET,
	  REFUSED },
	{ "since some start", MONO, NONE, EARLY * SEC, 1, 0, 36, OFFSET,
	  REFUSED },
	{ "an unknown scale", PARACLOCK_TIMESCALE_UNKNOWN, NONE, EARLY * SEC,
	  1, 0, 36, OFFSET, REFUSED },
	{ "a scale of tomorrow", 5, NONE, EARLY * SEC, 1, 0, 36, OFFSET,
	  REFUSED },

	{ "before an inserted second: up to the last second",
	  UTC, PRE_POS, (T2017_01 - 2) * SEC, SEC - 1, 0, 0, 0,
	  AROUND((T2017_01 - 2) * SEC, SEC - 1) },
	{ "before an inserted second: into the last second",
	  UTC, PRE_POS, (T2017_01 - 2) * SEC, SEC, 0, 0, 0, REFUSED },
	{ "in the second before an inserted one",
	  UTC, PRE_POS, (T2017_01 - 1) * SEC, 0, 0, 0, 0, REFUSED },
	{ "the same on TAI",
	  TAI, PRE_POS, (T2017_01 - 1 + 36) * SEC, 0, 0, 36, OFFSET, REFUSED },
	{ "before an inserted second, from the first of the month on",
	  UTC, PRE_POS, (T2016_12 + 1) * SEC, SEC, 0, 0, 0,
	  AROUND((T2016_12 + 1) * SEC, SEC) },
	{ "before an inserted second, from the month before on",
	  UTC, PRE_POS, (T2016_12 + 1) * SEC, SEC + 1, 0, 0, 0, REFUSED },
	{ "in an inserted second", UTC, POS, (T2017_01 - 1) * SEC, 0, 0, 0, 0,
	  REFUSED },
	{ "in an inserted second, on TAI", TAI, POS, (T2017_01 + 36) * SEC, 0,
	  0, 37, OFFSET, REFUSED },
	{ "after an inserted second: back to the month's first ns",
	  UTC, POST_POS, T2017_01 * SEC + MS, MS, 0, 0, 0,
	  AROUND(T2017_01 * SEC + MS, MS) },
	{ "after an inserted second: back into it",
	  UTC, POST_POS, T2017_01 * SEC + MS, MS + 1, 0, 0, 0, REFUSED },
	{ "the same on TAI",
	  TAI, POST_POS, (T2017_01 + 37) * SEC + MS, MS + 1, 0, 37, OFFSET,
	  REFUSED },
	{ "after an inserted second, early in the month: not to its end",
	  UTC, POST_POS, (T2017_02 - DAY - 1) * SEC, (DAY + 1) * SEC, 0, 0, 0,
	  REFUSED },
	{ "after an inserted second, on the last day: into the next month",
	  UTC, POST_POS, (T2017_02 - 1) * SEC, 2 * SEC, 0, 0, 0,
	  AROUND((T2017_02 - 1) * SEC, 2 * SEC) },
	{ "before a removed second: up to it",
	  UTC, PRE_NEG, (T2017_01 - 2) * SEC, SEC - 1, 0, 0, 0,
	  AROUND((T2017_01 - 2) * SEC, SEC - 1) },
	{ "before a removed second: across it",
	  UTC, PRE_NEG, (T2017_01 - 2) * SEC, SEC, 0, 0, 0, REFUSED },
	{ "after a removed second: back to the month's first ns",
	  UTC, POST_NEG, T2017_01 * SEC, 0, 0, 0, 0, AROUND(T2017_01 * SEC, 0) },
	{ "after a removed second: back across it",
	  UTC, POST_NEG, T2017_01 * SEC, 1, 0, 0, 0, REFUSED },

	{ "no leap second: across the end of the last month",
	  UTC, NONE, T2016_12 * SEC, MS, 0, 0, 0, AROUND(T2016_12 * SEC, MS) },
	{ "no leap second: the whole month before",
	  UTC, NONE, T2016_12 * SEC, 30 * DAY * SEC, 0, 0, 0,
	  AROUND(T2016_12 * SEC, 30 * DAY * SEC) },
	{ "no leap second: more than the month before",
	  UTC, NONE, T2016_12 * SEC, 30 * DAY * SEC + 1, 0, 0, 0, REFUSED },
	{ "no leap second, on the last day: across the end of this month",
	  UTC, NONE, LAST_DAY * SEC, (DAY + 1) * SEC, 0, 0, 0,
	  AROUND(LAST_DAY * SEC, (DAY + 1) * SEC) },
	{ "no leap second, a second before the last day: not across the end",
	  UTC, NONE, (LAST_DAY - 1) * SEC, (DAY + 1) * SEC, 0, 0, 0, REFUSED },
	{ "no leap second, a second before the last day: up to its last second",
	  UTC, NONE, (LAST_DAY - 1) * SEC, DAY * SEC - 1, 0, 0, 0,
	  AROUND((LAST_DAY - 1) * SEC, DAY * SEC - 1) },
	{ "no leap second, on the last day: up to the next month's last second",
	  UTC, NONE, LAST_DAY * SEC, 32 * DAY * SEC - 2 * SEC, 0, 0, 0,
	  0, (LAST_DAY - 32 * DAY + 2) * SEC, (T2017_02 - 2) * SEC },
	{ "no leap second, on the last day: into the next month's last second",
	  UTC, NONE, LAST_DAY * SEC, 32 * DAY * SEC - SEC, 0, 0, 0, REFUSED },
	{ "an unknown state: the first second of the month is in doubt",
	  UTC, UNKNOWN, T2016_12 * SEC + SEC / 2, 0, 0, 0, 0, REFUSED },
	{ "an unknown state: the second second is not",
	  UTC, UNKNOWN, (T2016_12 + 1) * SEC, 0, 0, 0, 0,
	  AROUND((T2016_12 + 1) * SEC, 0) },
	{ "an unknown state: the last second of the month is in doubt",
	  UTC, UNKNOWN, (T2017_01 - 1) * SEC, 0, 0, 0, 0, REFUSED },
	{ "an unknown state: up to the last second",
	  UTC, UNKNOWN, (T2017_01 - 1) * SEC - MS, MS - 1, 0, 0, 0,
	  AROUND((T2017_01 - 1) * SEC - MS, MS - 1) },
	{ "an undefined state counts as unknown",
	  UTC, 6, (T2017_01 - 1) * SEC, 0, 0, 0, 0, REFUSED },

	{ "before 1972", UTC, NONE, T1972_01 * SEC - 1, 0, 0, 0, 0,
	  -ERANGE, 0, 0 },
	{ "from 1972 on", UTC, NONE, T1972_01 * SEC, 0, 0, 0, 0,
	  AROUND(T1972_01 * SEC, 0) },
	{ "the least number", UTC, NONE, INT64_MIN, 1, 0, 0, 0,
	  -ERANGE, 0, 0 },
	{ "the greatest number", UTC, NONE, INT64_MAX, 1, 0, 0, 0,
	  -ERANGE, 0, 0 },
	{ "the least number of TAI", TAI, NONE, INT64_MIN, 1, 0, 37, OFFSET,
	  -ERANGE, 0, 0 },
	/* clang-format on */
};

static struct interval_case tai_cases[] = {
	/* clang-format off */
	{ "TAI with a bound", TAI, UNKNOWN, EARLY * SEC, MS, 2, 0, 0,
	  AROUND(EARLY * SEC, MS + 2) },
	{ "TAI in an inserted second", TAI, POS, (T2017_01 + 36) * SEC, MS, 0,
	  37, OFFSET, AROUND((T2017_01 + 36) * SEC, MS) },
	{ "TAI across a removed second", TAI, PRE_NEG, (T2017_01 + 35) * SEC,
	  SEC, 0, 37, OFFSET, AROUND((T2017_01 + 35) * SEC, SEC) },
	{ "UTC with its offset", UTC, NONE, EARLY * SEC, MS, 0, 36, OFFSET,
	  AROUND((EARLY + 36) * SEC, MS) },
	{ "UTC across an inserted second: TAI does not repeat",
	  UTC, PRE_POS, (T2017_01 - 1) * SEC, 5 * SEC, 0, 36, OFFSET,
	  AROUND((T2017_01 - 1 + 36) * SEC, 5 * SEC) },
	{ "UTC in an inserted second", UTC, POS, (T2017_01 - 1) * SEC, 0, 0,
	  37, OFFSET, REFUSED },
	{ "UTC of an unknown state in a month's last second",
	  UTC, UNKNOWN, (T2017_01 - 1) * SEC, 0, 0, 36, OFFSET, REFUSED },
	{ "UTC of an unknown state in a month's first second",
	  UTC, UNKNOWN, T2017_01 * SEC + 1, 0, 0, 37, OFFSET, REFUSED },
	{ "UTC of an unknown state a second later",
	  UTC, UNKNOWN, (T2017_01 + 1) * SEC, 0, 0, 37, OFFSET,
	  AROUND((T2017_01 + 1 + 37) * SEC, 0) },
	{ "UTC without the offset", UTC, NONE, EARLY * SEC, 0, 0, 36, 0,
	  REFUSED },
	{ "UTC with an impossible offset", UTC, NONE, EARLY * SEC, 0, 0, 101,
	  OFFSET, REFUSED },
	{ "no bound", TAI, NONE, EARLY * SEC, NO_BOUND, 0, 0, 0, REFUSED },
	{ "no bound of the pair", TAI, NONE, EARLY * SEC, 0, NO_BOUND, 0, 0,
	  REFUSED },
	{ "maybe smeared", MAYBE, NONE, EARLY * SEC, 1, 0, 36, OFFSET,
	  REFUSED },
	{ "since some start", MONO, NONE, EARLY * SEC, 1, 0, 36, OFFSET,
	  REFUSED },
	{ "UTC before 1972", UTC, NONE, -1, 0, 0, 10, OFFSET, -ERANGE, 0, 0 },

	{ "the earliest saturates", TAI, NONE, INT64_MIN + 5, 6, 0, 0, 0,
	  0, INT64_MIN, INT64_MIN + 11 },
	{ "the latest saturates", TAI, NONE, INT64_MAX - 5, 3, 3, 0, 0,
	  0, INT64_MAX - 11, INT64_MAX },
	{ "both saturate: two bounds beyond 64 bits are no lack of one",
	  TAI, NONE, 0, NO_BOUND - 1, NO_BOUND - 1, 0, 0,
	  0, INT64_MIN, INT64_MAX },
	{ "the largest bound that does not saturate", TAI, NONE, -1,
	  INT64_MAX, 0, 0, 0, 0, INT64_MIN, INT64_MAX - 1 },
	/* clang-format on */
};

static struct paraclock_sample sample_of(const struct interval_case *c)
{
	return (struct paraclock_sample){
		.host_ns = c->host_ns,
		.clock_error_ns = c->clock_ns,
		.pair_error_ns = c->pair_ns,
		.valid = 1,
		.timescale = c->scale,
		.leap = c->leap,
		.tai_offset_sec = c->offset_sec,
		.flags = c->flags,
	};
}

static void check_ns(const struct interval_case *c, interval_fn *interval)
{
	struct paraclock_sample sample = sample_of(c);
	int64_t earliest = UNTOUCHED, latest = UNTOUCHED;

	assert_int_equal(interval(&sample, &earliest, &latest), c->ret);
	assert_int_equal(earliest, c->ret ? UNTOUCHED : c->earliest_ns);
	assert_int_equal(latest, c->ret ? UNTOUCHED : c->latest_ns);
	/* Not valid, it says nothing. */
	sample.valid = 0;
	earliest = UNTOUCHED;
	assert_int_equal(interval(&sample, &earliest, &latest), -EINVAL);
	assert_int_equal(earliest, UNTOUCHED);
}

static void assert_is(const struct timespec *ts, int64_t ns)
{
	assert_in_range(ts->tv_nsec, 0, SEC - 1);
	assert_true((s128)ts->tv_sec * SEC + ts->tv_nsec == ns);
}

/* The same in struct timespec. */
static void check_timespec(const struct interval_case *c,
			   int (*interval)(const struct paraclock_sample *,
					   struct timespec *,
					   struct timespec *))
{
	const struct paraclock_sample sample = sample_of(c);
	struct timespec earliest = { .tv_sec = UNTOUCHED };
	struct timespec latest = { .tv_sec = UNTOUCHED };

	assert_int_equal(interval(&sample, &earliest, &latest), c->ret);
	if (c->ret) {
		assert_int_equal(earliest.tv_sec, UNTOUCHED);
		assert_int_equal(latest.tv_sec, UNTOUCHED);
	} else {
		assert_is(&earliest, c->earliest_ns);
		assert_is(&latest, c->latest_ns);
	}
}

static void check_utc(void **state)
{
	check_ns(*state, paraclock_interval_ns);
	check_timespec(*state, paraclock_interval);
}

static void check_tai(void **state)
{
	check_ns(*state, paraclock_interval_tai_ns);
	check_timespec(*state, paraclock_interval_tai);
}

/* --- truth ------------------------------------------------------------------ */

/* One instant of TAI, as a host on either scale says it. */
static struct paraclock_sample said_at(const struct paraclock_leap_table *table,
				       int64_t tai_ns, uint8_t scale,
				       uint64_t bound_ns)
{
	struct paraclock_utc utc;

	assert_int_equal(paraclock_tai_to_utc(table, tai_ns, &utc), 0);
	return (struct paraclock_sample){
		.host_ns = scale == TAI ? tai_ns : utc.ns,
		.clock_error_ns = bound_ns,
		.valid = 1,
		.timescale = scale,
		.leap = utc.leap,
		.tai_offset_sec = utc.tai_offset_sec,
		.flags = OFFSET,
	};
}

/* The truth is off by what the bound allows, and the interval holds it; on TAI
 * always, on UTC unless it is refused. 1: it was. */
static int check_truth(const struct paraclock_leap_table *table,
		       int64_t said_ns, uint8_t scale, uint64_t bound_ns)
{
	const struct paraclock_sample sample =
		said_at(table, said_ns, scale, bound_ns);
	int64_t truth_ns = said_ns - (int64_t)bound_ns +
			   (int64_t)(random_word() % (2 * bound_ns + 1));
	int64_t earliest, latest;
	struct paraclock_utc truth;
	int ret;

	ret = paraclock_interval_tai_ns(&sample, &earliest, &latest);
	if (scale == UTC && sample.leap == POS) {
		assert_int_equal(ret, -EOPNOTSUPP);
	} else {
		assert_int_equal(ret, 0);
		assert_in_range((uint64_t)truth_ns, (uint64_t)earliest,
				(uint64_t)latest);
	}
	ret = paraclock_interval_ns(&sample, &earliest, &latest);
	if (ret)
		return 1;
	assert_int_equal(paraclock_tai_to_utc(table, truth_ns, &truth), 0);
	assert_in_range((uint64_t)truth.ns, (uint64_t)earliest,
			(uint64_t)latest);
	/* None of its numbers has two seconds, and none is left out. */
	assert_int_equal(truth.tai_offset_sec, sample.tai_offset_sec);
	assert_int_not_equal(truth.leap, POS);
	return 0;
}

/* The truth is always inside, within seconds of a leap second as well; and what
 * cannot touch a leap second is not refused. */
static void check_leap(void **state)
{
	const struct leap_row *row = *state;
	struct paraclock_leap_table table;
	unsigned int refused = 0, given = 0;
	const int64_t at = (row->after_sec + row->after) * SEC;

	leaps_table(&table);
	for (unsigned int i = 0; i < 20000; i++) {
		uint8_t scale = i % 2 ? UTC : TAI;
		uint64_t bound =
			random_word() % (3 * SEC) >> random_word() % 32;
		int64_t off = (int64_t)(random_word() % (10 * SEC)) - 5 * SEC;
		int is_refused = check_truth(&table, at + off, scale, bound);

		/* 2: the inserted second, and the one before it. */
		if (off > (int64_t)bound || -off > 2 * SEC + (int64_t)bound)
			assert_int_equal(is_refused, 0);
		refused += (unsigned int)is_refused;
		given += !is_refused;
	}
	assert_true(refused > 100);
	assert_true(given > 1000);
}

static void check_null(void **state)
{
	const struct paraclock_sample sample = { .valid = 1, .timescale = TAI };
	struct timespec ts;
	int64_t ns;

	(void)state;
	assert_int_equal(paraclock_interval_ns(NULL, &ns, &ns), -EINVAL);
	assert_int_equal(paraclock_interval_ns(&sample, NULL, &ns), -EINVAL);
	assert_int_equal(paraclock_interval_ns(&sample, &ns, NULL), -EINVAL);
	assert_int_equal(paraclock_interval_tai_ns(NULL, &ns, &ns), -EINVAL);
	assert_int_equal(paraclock_interval_tai_ns(&sample, NULL, &ns),
			 -EINVAL);
	assert_int_equal(paraclock_interval_tai_ns(&sample, &ns, NULL),
			 -EINVAL);
	assert_int_equal(paraclock_interval(NULL, &ts, &ts), -EINVAL);
	assert_int_equal(paraclock_interval(&sample, NULL, &ts), -EINVAL);
	assert_int_equal(paraclock_interval(&sample, &ts, NULL), -EINVAL);
	assert_int_equal(paraclock_interval_tai(NULL, &ts, &ts), -EINVAL);
	assert_int_equal(paraclock_interval_tai(&sample, NULL, &ts), -EINVAL);
	assert_int_equal(paraclock_interval_tai(&sample, &ts, NULL), -EINVAL);
}

int main(void)
{
	add_test("a NULL argument", check_null);
	ADD_ROWS(utc_cases, check_utc);
	ADD_ROWS(tai_cases, check_tai);
	ADD_ROWS(leaps, check_leap);
	return run_suite(NULL, NULL);
}
