// SPDX-License-Identifier: MIT
/* UTC and TAI: around every leap second, and at both ends of the known time. */

#include "leap_states.h"
#include "leaps.h"

/* A failure must leave this unchanged. */
#define UNTOUCHED 0x5eadbeef

static const struct paraclock_utc untouched = { .ns = UNTOUCHED, .leap = 77 };

/* One instant, both ways. */
static void both_ways(const struct paraclock_leap_table *table, int64_t tai_ns,
		      int64_t utc_ns, uint8_t leap, int offset_sec)
{
	struct paraclock_utc utc = untouched;
	int64_t back = UNTOUCHED;

	assert_int_equal(paraclock_tai_to_utc(table, tai_ns, &utc), 0);
	assert_int_equal(utc.ns, utc_ns);
	assert_int_equal(utc.leap, leap);
	assert_int_equal(utc.tai_offset_sec, offset_sec);
	assert_int_equal(utc.reserved[0], 0);
	assert_int_equal(paraclock_utc_to_tai(table, &utc, &back), 0);
	assert_int_equal(back, tai_ns);
}

static void check_inserted(const struct paraclock_leap_table *table,
			   const struct leap_row *r)
{
	int64_t tai = (r->after_sec + r->before) * SEC;
	int64_t utc = r->after_sec * SEC;

	both_ways(table, tai - 14 * DAY * SEC, utc - 14 * DAY * SEC, PRE_POS,
		  r->before);
	both_ways(table, tai - SEC - 1, utc - SEC - 1, PRE_POS, r->before);
	both_ways(table, tai - SEC, utc - SEC, PRE_POS, r->before);
	both_ways(table, tai - 1, utc - 1, PRE_POS, r->before);
	both_ways(table, tai, utc - SEC, POS, r->after);
	both_ways(table, tai + SEC / 2, utc - SEC / 2, POS, r->after);
	both_ways(table, tai + SEC - 1, utc - 1, POS, r->after);
	both_ways(table, tai + SEC, utc, POST_POS, r->after);
	both_ways(table, tai + SEC + 1, utc + 1, POST_POS, r->after);
	both_ways(table, tai + 14 * DAY * SEC, utc + (14 * DAY - 1) * SEC,
		  POST_POS, r->after);
	both_ways(table, tai + 35 * DAY * SEC, utc + (35 * DAY - 1) * SEC, NONE,
		  r->after);
}

static void check_removed(const struct paraclock_leap_table *table,
			  const struct leap_row *r)
{
	int64_t tai = (r->after_sec + r->after) * SEC;
	int64_t utc = r->after_sec * SEC;
	struct paraclock_utc gone = { .leap = PRE_NEG };
	int64_t ret = UNTOUCHED;

	both_ways(table, tai - SEC, utc - 2 * SEC, PRE_NEG, r->before);
	both_ways(table, tai - 1, utc - SEC - 1, PRE_NEG, r->before);
	both_ways(table, tai, utc, POST_NEG, r->after);
	both_ways(table, tai + SEC, utc + SEC, POST_NEG, r->after);
	for (int64_t ns = utc - SEC; ns < utc; ns += SEC - 1) {
		gone.ns = ns;
		assert_int_equal(paraclock_utc_to_tai(table, &gone, &ret),
				 -EINVAL);
		assert_int_equal(ret, UNTOUCHED);
	}
}

static void check_leap(void **state)
{
	const struct leap_row *r = *state;
	struct paraclock_leap_table table;

	leaps_table(&table);
	assert_int_equal(paraclock_leap_table_check(&table), 0);
	if (r->after > r->before)
		check_inserted(&table, r);
	else
		check_removed(&table, r);
}

struct tai_case {
	const char *name;
	int64_t tai_ns;
	int ret;
	/* The rest is compared only if ret is 0. */
	int64_t utc_ns;
	uint8_t leap;
	int offset_sec;
};

static struct tai_case tai_cases[] = {
	/* clang-format off */
	{ "the last ns of 1971 is not known",
	  (T1972_01 + 10) * SEC - 1, -ERANGE, 0, 0, 0 },
	{ "the first ns of 1972 is known, but not how the month before ended",
	  (T1972_01 + 10) * SEC, 0, T1972_01 * SEC, UNKNOWN, 10 },
	{ "the month after it",
	  (T1972_01 + 31 * DAY + 10) * SEC, 0, (T1972_01 + 31 * DAY) * SEC,
	  NONE, 10 },
	{ "1970 is not known", 0, -ERANGE, 0, 0, 0 },
	{ "the smallest number", INT64_MIN, -ERANGE, 0, 0, 0 },
	{ "the largest number", INT64_MAX, -ERANGE, 0, 0, 0 },
	{ "the last ns before the list expires: the month's end is not known",
	  (EXPIRY + 36) * SEC - 1, 0, EXPIRY * SEC - 1, UNKNOWN, 36 },
	{ "the list has expired", (EXPIRY + 36) * SEC, -ESTALE, 0, 0, 0 },
	{ "the list has expired long ago",
	  (EXPIRY + 36 + 9000 * DAY) * SEC, -ESTALE, 0, 0, 0 },
	{ "a month of which the list knows the end",
	  (EXPIRY - 28 * DAY + 36) * SEC, 0, (EXPIRY - 28 * DAY) * SEC, NONE,
	  36 },
	/* clang-format on */
};

static void check_tai(void **state)
{
	const struct tai_case *c = *state;
	struct paraclock_leap_table table;
	struct paraclock_utc utc = untouched;

	leaps_table(&table);
	if (!c->ret) {
		both_ways(&table, c->tai_ns, c->utc_ns, c->leap, c->offset_sec);
		return;
	}
	assert_int_equal(paraclock_tai_to_utc(&table, c->tai_ns, &utc), c->ret);
	assert_memory_equal(&utc, &untouched, sizeof(utc));
}

struct utc_case {
	const char *name;
	int64_t utc_ns;
	uint8_t leap;
	int ret;
	int64_t tai_ns; /* Compared only if ret is 0. */
};

static struct utc_case utc_cases[] = {
	/* clang-format off */
	{ "the repeated second, without a leap state",
	  T2017_01 * SEC - 1, NONE, -EINVAL, 0 },
	{ "the repeated second, with an unknown leap state",
	  T2017_01 * SEC - 1, UNKNOWN, -EINVAL, 0 },
	{ "the first of the two seconds",
	  T2017_01 * SEC - 1, PRE_POS, 0, (T2017_01 + 36) * SEC - 1 },
	{ "the second of the two seconds",
	  T2017_01 * SEC - 1, POS, 0, (T2017_01 + 37) * SEC - 1 },
	{ "elsewhere any state but POS is enough",
	  T2017_01 * SEC - SEC - 1, UNKNOWN, 0, (T2017_01 + 35) * SEC - 1 },
	{ "an inserted second that has the number after",
	  T2017_01 * SEC, POS, -EINVAL, 0 },
	{ "an inserted second in a month without one",
	  T2017_02 * SEC - 1, POS, -EINVAL, 0 },
	{ "the last second of a month without a leap second",
	  T2017_02 * SEC - 1, UNKNOWN, 0, (T2017_02 + 37) * SEC - 1 },
	{ "the second before a removed one",
	  T2035_01 * SEC - SEC - 1, PRE_NEG, 0, (T2035_01 + 36) * SEC - 1 },
	{ "a removed second, whatever the leap state",
	  T2035_01 * SEC - 1, POS, -EINVAL, 0 },
	{ "before 1972", T1972_01 * SEC - 1, NONE, -ERANGE, 0 },
	{ "negative", -1, NONE, -ERANGE, 0 },
	{ "the smallest number", INT64_MIN, NONE, -ERANGE, 0 },
	{ "the largest number", INT64_MAX, NONE, -ERANGE, 0 },
	{ "the last ns before the list expires",
	  EXPIRY * SEC - 1, NONE, 0, (EXPIRY + 36) * SEC - 1 },
	{ "the list has expired", EXPIRY * SEC, NONE, -ESTALE, 0 },
	/* clang-format on */
};

static void check_utc(void **state)
{
	const struct utc_case *c = *state;
	const struct paraclock_utc utc = { .ns = c->utc_ns, .leap = c->leap };
	struct paraclock_leap_table table;
	int64_t got = UNTOUCHED;

	leaps_table(&table);
	assert_int_equal(paraclock_utc_to_tai(&table, &utc, &got), c->ret);
	assert_int_equal(got, c->ret ? UNTOUCHED : c->tai_ns);
}

/* A table of the caller's with one error. */
struct table_case {
	const char *name;
	uint32_t count;
	uint32_t entry; /* the entry that is changed */
	int64_t utc_sec;
	int16_t offset_sec;
	int check, convert; /* convert: an instant of January 2017 */
};

static struct table_case table_cases[] = {
	/* clang-format off */
	{ "a sound table", 3, 1, T2016_12, 35, 0, 0 },
	{ "no entry", 0, 1, T2016_12, 35, -EINVAL, -EINVAL },
	{ "more entries than there is room for",
	  PARACLOCK_LEAP_TABLE_MAX + 1, 1, T2016_12, 35, -EINVAL, -EINVAL },
	{ "an entry in the middle of a month",
	  3, 2, T2017_01 + DAY, 36, -EINVAL, -EINVAL },
	{ "an entry in the middle of an earlier month",
	  3, 1, T2016_12 - DAY, 35, -EINVAL, 0 },
	{ "an entry before 1972", 3, 0, T1972_01 - 31 * DAY, 34, -EINVAL, 0 },
	{ "two entries for one second", 3, 2, T2016_12, 36, -EINVAL,
	  -EINVAL },
	{ "an entry that is earlier than the one before",
	  3, 2, T2016_12 - 30 * DAY, 36, -EINVAL, -EINVAL },
	{ "a leap of two seconds", 3, 2, T2017_01, 37, -EINVAL, -EINVAL },
	{ "an entry without a leap", 3, 2, T2017_01, 35, -EINVAL, -EINVAL },
	{ "an offset with the wrong sign", 3, 2, T2017_01, -36, -EINVAL,
	  -EINVAL },
	{ "a negative offset", 1, 0, T2017_01, -36, -EINVAL, -EINVAL },
	{ "an entry after 2261", 3, 2, 9214646400, 36, -EINVAL, -EINVAL },
	{ "an entry that overflows", 3, 2, INT64_MAX, 36, -EINVAL, -EINVAL },
	{ "an entry that underflows", 3, 2, INT64_MIN, 36, -EINVAL, -EINVAL },
	/* clang-format on */
};

static void check_table(void **state)
{
	const struct table_case *c = *state;
	struct paraclock_leap_table table = {
		.expires_sec = T2017_02,
		.count = c->count,
		.entry = { { .utc_sec = T1972_01, .tai_offset_sec = 34 },
			   { .utc_sec = T2016_12, .tai_offset_sec = 35 },
			   { .utc_sec = T2017_01, .tai_offset_sec = 36 } },
	};
	const struct paraclock_utc at = { .ns = (T2017_01 + 40) * SEC };
	struct paraclock_utc utc = untouched;
	int64_t tai = UNTOUCHED;

	table.entry[c->entry].utc_sec = c->utc_sec;
	table.entry[c->entry].tai_offset_sec = c->offset_sec;
	assert_int_equal(paraclock_leap_table_check(&table), c->check);
	assert_int_equal(paraclock_utc_to_tai(&table, &at, &tai), c->convert);
	assert_int_equal(tai, c->convert ? UNTOUCHED : (T2017_01 + 76) * SEC);
	assert_int_equal(paraclock_tai_to_utc(&table, (T2017_01 + 76) * SEC,
					      &utc),
			 c->convert);
	if (c->convert)
		assert_memory_equal(&utc, &untouched, sizeof(utc));
	else
		assert_int_equal(utc.ns, at.ns);
}

/*
 * A caller who knows that no leap second will come sets the expiry accordingly.
 */
static void check_no_expiry(void **state)
{
	struct paraclock_leap_table table;
	struct paraclock_utc utc;

	(void)state;
	leaps_table(&table);
	table.expires_sec = INT64_MAX;
	assert_int_equal(paraclock_tai_to_utc(&table, 9199999999 * SEC, &utc),
			 0);
	assert_int_equal(utc.ns, (9199999999 - 36) * SEC);
	assert_int_equal(utc.leap, NONE);
	assert_int_equal(paraclock_tai_to_utc(&table, 9200000000 * SEC, &utc),
			 -ERANGE);
	table.expires_sec = INT64_MIN;
	assert_int_equal(paraclock_tai_to_utc(&table, T2017_02 * SEC, &utc),
			 -ESTALE);
}

/*
 * The end of a month is known if the list extends to it, or if the list has the
 * leap second, whenever the list expires.
 */
static void check_month_end(void **state)
{
	struct paraclock_leap_table table;
	struct paraclock_utc utc;

	(void)state;
	leaps_table(&table);
	table.expires_sec = T2035_02;
	assert_int_equal(paraclock_tai_to_utc(&table, (T2035_02 + 36) * SEC - 1,
					      &utc),
			 0);
	assert_int_equal(utc.leap, POST_NEG);
	table.expires_sec = T2035_02 - 1;
	assert_int_equal(
		paraclock_tai_to_utc(&table, (T2035_02 + 34) * SEC, &utc), 0);
	assert_int_equal(utc.leap, UNKNOWN);
	table.expires_sec = T2035_01 - 3 * DAY;
	assert_int_equal(paraclock_tai_to_utc(&table,
					      (T2035_01 - 4 * DAY) * SEC, &utc),
			 0);
	assert_int_equal(utc.leap, PRE_NEG);
	assert_int_equal(paraclock_tai_to_utc(&table,
					      (T2035_01 - 2 * DAY) * SEC, &utc),
			 -ESTALE);
}

static void check_null(void **state)
{
	struct paraclock_leap_table table;
	struct paraclock_utc utc = { 0 };
	int64_t ns = 0;

	(void)state;
	leaps_table(&table);
	assert_int_equal(paraclock_leap_table_check(NULL), -EINVAL);
	assert_int_equal(paraclock_tai_to_utc(NULL, T2017_01 * SEC, &utc),
			 -EINVAL);
	assert_int_equal(paraclock_tai_to_utc(&table, T2017_01 * SEC, NULL),
			 -EINVAL);
	assert_int_equal(paraclock_utc_to_tai(NULL, &utc, &ns), -EINVAL);
	assert_int_equal(paraclock_utc_to_tai(&table, NULL, &ns), -EINVAL);
	assert_int_equal(paraclock_utc_to_tai(&table, &utc, NULL), -EINVAL);
}

struct ts_case {
	const char *name;
	int64_t sec;
	long nsec;
	int ret; /* of timespec to ns */
	int64_t ns;
};

static struct ts_case ts_cases[] = {
	/* clang-format off */
	{ "the epoch", 0, 0, 0, 0 },
	{ "a ns before the epoch", -1, 999999999, 0, -1 },
	{ "a second before the epoch", -1, 0, 0, -SEC },
	{ "the largest number", 9223372036, 854775807, 0, INT64_MAX },
	{ "the smallest number", -9223372037, 145224192, 0, INT64_MIN },
	{ "a ns more than the largest", 9223372036, 854775808, -ERANGE, 0 },
	{ "a ns less than the smallest", -9223372037, 145224191, -ERANGE, 0 },
	{ "far beyond", INT64_MAX, 0, -ERANGE, 0 },
	{ "far before", INT64_MIN, 0, -ERANGE, 0 },
	{ "a whole second of ns", 0, 1000000000, -EINVAL, 0 },
	{ "negative ns", 5, -1, -EINVAL, 0 },
	/* clang-format on */
};

static void check_ts(void **state)
{
	const struct ts_case *c = *state;
	const struct timespec ts = { .tv_sec = c->sec, .tv_nsec = c->nsec };
	struct timespec back = { 0 };
	int64_t ns = UNTOUCHED;

	assert_int_equal(paraclock_timespec_to_ns(&ts, &ns), c->ret);
	assert_int_equal(ns, c->ret ? UNTOUCHED : c->ns);
	assert_int_equal(paraclock_timespec_to_ns(NULL, &ns), -EINVAL);
	assert_int_equal(paraclock_timespec_to_ns(&ts, NULL), -EINVAL);
	assert_int_equal(paraclock_ns_to_timespec(0, NULL), -EINVAL);
	if (c->ret)
		return;
	assert_int_equal(paraclock_ns_to_timespec(c->ns, &back), 0);
	assert_int_equal(back.tv_sec, c->sec);
	assert_int_equal(back.tv_nsec, c->nsec);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(check_null),
		cmocka_unit_test(check_no_expiry),
		cmocka_unit_test(check_month_end),
	};

	ADD_TESTS(others);
	ADD_ROWS(leaps, check_leap);
	ADD_ROWS(tai_cases, check_tai);
	ADD_ROWS(utc_cases, check_utc);
	ADD_ROWS(table_cases, check_table);
	ADD_ROWS(ts_cases, check_ts);
	return run_suite(NULL, NULL);
}
