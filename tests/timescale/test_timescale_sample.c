// SPDX-License-Identifier: MIT
/* UTC and TAI by a sample's leap state, and samples by a table. */

#include "leap_states.h"
#include "leaps.h"

#define UTC   PARACLOCK_TIMESCALE_UTC
#define TAI   PARACLOCK_TIMESCALE_TAI
#define MONO  PARACLOCK_TIMESCALE_MONOTONIC
#define MAYBE PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED

/* A failure must leave this unchanged. */
#define UNTOUCHED 0x5eadbeef

/* A table made from a sample. */
struct from_case {
	const char *name;
	uint8_t scale, leap;
	int64_t host_sec;
	int16_t offset_sec;
	uint32_t flags;
	uint8_t valid;
	int ret;
	/* The rest is compared only if ret is 0. */
	uint32_t count;
	int64_t first_sec, second_sec;
	int16_t first, second;
	int64_t expires_sec;
};

#define OFFSET PARACLOCK_FLAG_TAI_OFFSET
/* 2016-12-10 and the two months around: 2016-11 and 2017-02. */
#define T2016_11 1477958400LL
#define EARLY	 (T2016_12 + 9 * DAY)
#define LAST_DAY (T2017_01 - DAY)

static struct from_case from_cases[] = {
	/* clang-format off */
	{ "an announced second: two months are known",
	  UTC, PRE_POS, EARLY, 36, OFFSET, 1, 0,
	  2, T2016_12, T2017_01, 36, 37, T2017_02 - 1 },
	{ "the same on TAI",
	  TAI, PRE_POS, T2016_12 + 36, 36, OFFSET, 1, 0,
	  2, T2016_12, T2017_01, 36, 37, T2017_02 - 1 },
	{ "TAI of the first of the month, UTC of the one before",
	  TAI, PRE_POS, T2017_01 + 35, 36, OFFSET, 1, 0,
	  2, T2016_12, T2017_01, 36, 37, T2017_02 - 1 },
	{ "an announced removal",
	  UTC, PRE_NEG, EARLY, 36, OFFSET, 1, 0,
	  2, T2016_12, T2017_01, 36, 35, T2017_02 - 1 },
	{ "no leap second announced, early in the month: its end is not known",
	  UTC, NONE, EARLY, 36, OFFSET, 1, 0,
	  1, T2016_11, 0, 36, 0, T2017_01 - 1 },
	{ "no leap second announced, a second before the last day",
	  UTC, NONE, LAST_DAY - 1, 36, OFFSET, 1, 0,
	  1, T2016_11, 0, 36, 0, T2017_01 - 1 },
	{ "no leap second announced on the last day: there is no leap second",
	  UTC, NONE, LAST_DAY, 36, OFFSET, 1, 0,
	  1, T2016_11, 0, 36, 0, T2017_02 - 1 },
	{ "after an inserted second",
	  UTC, POST_POS, T2017_01, 37, OFFSET, 1, 0,
	  2, T2016_12, T2017_01, 36, 37, T2017_02 - 1 },
	{ "after a removed second",
	  UTC, POST_NEG, T2017_01 + DAY, 37, OFFSET, 1, 0,
	  2, T2016_12, T2017_01, 38, 37, T2017_02 - 1 },
	{ "an unknown leap state: this month only",
	  UTC, UNKNOWN, LAST_DAY + 5, 36, OFFSET, 1, 0,
	  1, T2016_12, 0, 36, 0, T2017_01 - 1 },
	{ "an undefined indicator",
	  UTC, 6, LAST_DAY + 5, 36, OFFSET, 1, 0,
	  1, T2016_12, 0, 36, 0, T2017_01 - 1 },
	{ "in the inserted second",
	  UTC, POS, T2017_01 - 1, 37, OFFSET, 1, -EAGAIN, 0, 0, 0, 0, 0, 0 },
	{ "not valid",
	  UTC, NONE, EARLY, 36, OFFSET, 0, -EINVAL, 0, 0, 0, 0, 0, 0 },
	{ "no offset",
	  UTC, NONE, EARLY, 36, 0, 1, -EOPNOTSUPP, 0, 0, 0, 0, 0, 0 },
	{ "maybe smeared",
	  MAYBE, NONE, EARLY, 36, OFFSET, 1, -EOPNOTSUPP, 0, 0, 0, 0, 0, 0 },
	{ "since some start",
	  MONO, NONE, EARLY, 36, OFFSET, 1, -EOPNOTSUPP, 0, 0, 0, 0, 0, 0 },
	{ "an offset with the wrong sign",
	  UTC, NONE, EARLY, -36, OFFSET, 1, -EPROTO, 0, 0, 0, 0, 0, 0 },
	{ "an offset that nobody has set",
	  UTC, NONE, EARLY, 0, OFFSET, 1, -EPROTO, 0, 0, 0, 0, 0, 0 },
	{ "the smallest offset ever",
	  UTC, UNKNOWN, EARLY, 10, OFFSET, 1, 0,
	  1, T2016_12, 0, 10, 0, T2017_01 - 1 },
	{ "an offset of 9 s",
	  UTC, UNKNOWN, EARLY, 9, OFFSET, 1, -EPROTO, 0, 0, 0, 0, 0, 0 },
	{ "the largest offset",
	  UTC, UNKNOWN, EARLY, 100, OFFSET, 1, 0,
	  1, T2016_12, 0, 100, 0, T2017_01 - 1 },
	{ "an offset of 101 s",
	  UTC, UNKNOWN, EARLY, 101, OFFSET, 1, -EPROTO, 0, 0, 0, 0, 0, 0 },
	{ "a host that begins in 1970",
	  UTC, NONE, 1000, 37, OFFSET, 1, -ERANGE, 0, 0, 0, 0, 0, 0 },
	{ "the first month after a known one",
	  UTC, NONE, T1972_01 + 31 * DAY, 10, OFFSET, 1, 0,
	  1, T1972_01, 0, 10, 0, T1972_01 + 60 * DAY - 1 },
	{ "a second before that month",
	  UTC, NONE, T1972_01 + 31 * DAY - 1, 10, OFFSET, 1, -ERANGE,
	  0, 0, 0, 0, 0, 0 },
	{ "the end of time", UTC, NONE, INT64_MAX / SEC, 37, OFFSET, 1,
	  -ERANGE, 0, 0, 0, 0, 0, 0 },
	{ "the beginning of time", UTC, NONE, INT64_MIN / SEC, 37, OFFSET, 1,
	  -ERANGE, 0, 0, 0, 0, 0, 0 },
	/* clang-format on */
};

static void check_from(void **state)
{
	const struct from_case *c = *state;
	const struct paraclock_sample sample = {
		.host_ns = c->host_sec * SEC,
		.valid = c->valid,
		.timescale = c->scale,
		.leap = c->leap,
		.tai_offset_sec = c->offset_sec,
		.flags = c->flags,
	};
	struct paraclock_leap_table table = { .count = 77 };

	assert_int_equal(paraclock_leap_table_from_sample(&sample, &table),
			 c->ret);
	if (c->ret) {
		assert_int_equal(table.count, 77);
		assert_int_equal(table.entry[0].utc_sec, 0);
		return;
	}
	assert_int_equal(table.count, c->count);
	assert_int_equal(table.entry[0].utc_sec, c->first_sec);
	assert_int_equal(table.entry[0].tai_offset_sec, c->first);
	assert_int_equal(table.entry[1].utc_sec, c->second_sec);
	assert_int_equal(table.entry[1].tai_offset_sec, c->second);
	assert_int_equal(table.expires_sec, c->expires_sec);
	assert_int_equal(paraclock_leap_table_check(&table), 0);
}

/* The announced second itself, by the table. */
static void check_from_then(void **state)
{
	const struct paraclock_sample sample = {
		.host_ns = EARLY * SEC,
		.valid = 1,
		.timescale = UTC,
		.leap = PRE_POS,
		.tai_offset_sec = 36,
		.flags = OFFSET,
	};
	struct paraclock_leap_table table;
	struct paraclock_utc utc;

	(void)state;
	assert_int_equal(paraclock_leap_table_from_sample(&sample, &table), 0);
	assert_int_equal(
		paraclock_tai_to_utc(&table, (T2017_01 + 36) * SEC, &utc), 0);
	assert_int_equal(utc.ns, (T2017_01 - 1) * SEC);
	assert_int_equal(utc.leap, POS);
	assert_int_equal(utc.tai_offset_sec, 37);
	/* It does not say how the next month ends. */
	assert_int_equal(
		paraclock_tai_to_utc(&table, (T2017_01 + 37) * SEC, &utc), 0);
	assert_int_equal(utc.ns, T2017_01 * SEC);
	assert_int_equal(utc.leap, UNKNOWN);
}

struct sample_case {
	const char *name;
	uint8_t scale, leap, valid, with_table;
	int64_t host_sec;
	int16_t offset_sec;
	uint32_t flags;
	int ret;
	int64_t tai_sec; /* Compared only if ret is 0. */
};

static struct sample_case sample_cases[] = {
	/* clang-format off */
	{ "TAI is TAI", TAI, NONE, 1, 0, T2017_02, 0, 0, 0, T2017_02 },
	{ "TAI beyond the table is TAI",
	  TAI, UNKNOWN, 1, 1, EXPIRY + DAY, 0, 0, 0, EXPIRY + DAY },
	{ "UTC by its own offset",
	  UTC, NONE, 1, 0, T2017_02, 37, OFFSET, 0, T2017_02 + 37 },
	{ "UTC by the table",
	  UTC, NONE, 1, 1, T2017_02, 0, 0, 0, T2017_02 + 37 },
	{ "UTC by both, which agree",
	  UTC, NONE, 1, 1, T2017_02, 37, OFFSET, 0, T2017_02 + 37 },
	{ "UTC by both, which do not agree",
	  UTC, NONE, 1, 1, T2017_02, 36, OFFSET, -EINVAL, 0 },
	{ "an impossible offset does not count against the table",
	  UTC, NONE, 1, 1, T2017_02, 0, OFFSET, 0, T2017_02 + 37 },
	{ "an impossible offset, alone",
	  UTC, NONE, 1, 0, T2017_02, -37, OFFSET, -EOPNOTSUPP, 0 },
	{ "neither a table nor an offset",
	  UTC, NONE, 1, 0, T2017_02, 37, 0, -EOPNOTSUPP, 0 },
	{ "the inserted second by the table, whichever offset the host gives",
	  UTC, POS, 1, 1, T2017_01 - 1, 36, OFFSET, 0, T2017_01 + 36 },
	{ "the inserted second without a table",
	  UTC, POS, 1, 0, T2017_01 - 1, 37, OFFSET, -EOPNOTSUPP, 0 },
	{ "the repeated second without an indicator: not even with an offset",
	  UTC, UNKNOWN, 1, 1, T2017_01 - 1, 36, OFFSET, -EINVAL, 0 },
	{ "past the expiry of the table",
	  UTC, NONE, 1, 1, EXPIRY, 36, OFFSET, -ESTALE, 0 },
	{ "maybe smeared", MAYBE, NONE, 1, 1, T2017_02, 37, OFFSET,
	  -EOPNOTSUPP, 0 },
	{ "since some start", MONO, NONE, 1, 1, T2017_02, 37, OFFSET,
	  -EOPNOTSUPP, 0 },
	{ "not valid", TAI, NONE, 0, 1, T2017_02, 37, OFFSET, -EINVAL, 0 },
	{ "does not fit", UTC, NONE, 1, 0, INT64_MAX / SEC, 37, OFFSET,
	  -ERANGE, 0 },
	/* clang-format on */
};

static void check_sample(void **state)
{
	const struct sample_case *c = *state;
	const struct paraclock_sample sample = {
		.host_ns = c->host_sec * SEC,
		.valid = c->valid,
		.timescale = c->scale,
		.leap = c->leap,
		.tai_offset_sec = c->offset_sec,
		.flags = c->flags,
	};
	struct paraclock_leap_table table;
	int64_t got = UNTOUCHED;

	leaps_table(&table);
	assert_int_equal(paraclock_sample_to_tai(
				 &sample, c->with_table ? &table : NULL, &got),
			 c->ret);
	assert_int_equal(got, c->ret ? UNTOUCHED : c->tai_sec * SEC);
}

static void check_null(void **state)
{
	const struct paraclock_sample sample = { .valid = 1, .timescale = TAI };
	struct paraclock_leap_table table;
	int64_t ns = 0;

	(void)state;
	leaps_table(&table);
	assert_int_equal(paraclock_leap_table_from_sample(NULL, &table),
			 -EINVAL);
	assert_int_equal(paraclock_leap_table_from_sample(&sample, NULL),
			 -EINVAL);
	assert_int_equal(paraclock_sample_to_tai(NULL, &table, &ns), -EINVAL);
	assert_int_equal(paraclock_sample_to_tai(&sample, &table, NULL),
			 -EINVAL);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(check_null),
		cmocka_unit_test(check_from_then),
	};

	ADD_TESTS(others);
	ADD_ROWS(from_cases, check_from);
	ADD_ROWS(sample_cases, check_sample);
	return run_suite(NULL, NULL);
}
