// SPDX-License-Identifier: MIT
/* Smears against their definition, in 128 bits; windows against both. */

#include "base/fixed.h"
#include "leaps.h"

#define NOON   PARACLOCK_SMEAR_NOON_LINEAR
#define SLS    PARACLOCK_SMEAR_UTC_SLS
#define STRICT PARACLOCK_SMEAR_NONE

#define UNTOUCHED 0x5eadbeef

/* A leap second's smear, by its definition. */
struct spec {
	int64_t tai_start, tai_end; /* ns */
	int64_t clock_start, clock_end;
};

static struct spec spec_of(const struct leap_row *r, unsigned int smear)
{
	int64_t leap = r->after - r->before;
	int64_t m = r->after_sec;

	/* From noon to noon by UTC; or the last 1000 s of the day. */
	if (smear == NOON)
		return (struct spec){ (m - 43200 + r->before) * SEC,
				      (m + 43200 + r->after) * SEC,
				      (m - 43200) * SEC, (m + 43200) * SEC };
	return (struct spec){ (m + r->after - 1000) * SEC, (m + r->after) * SEC,
			      (m - 1000 + leap) * SEC, m * SEC };
}

/* A straight line between the two ends, rounded down. */
static int64_t by_spec(const struct spec *s, const struct leap_row *r,
		       int64_t tai)
{
	s128 way = (s128)(tai - s->tai_start) * (s->clock_end - s->clock_start);

	if (tai < s->tai_start)
		return tai - r->before * SEC;
	if (tai >= s->tai_end)
		return tai - r->after * SEC;
	return s->clock_start + (int64_t)(way / (s->tai_end - s->tai_start));
}

/* The first ns at which the clock shows value or more. */
static int64_t first_at(const struct spec *s, const struct leap_row *r,
			int64_t value)
{
	s128 len = s->clock_end - s->clock_start;
	s128 way = (s128)(value - s->clock_start) * (s->tai_end - s->tai_start);

	if (value < s->clock_start)
		return value + r->before * SEC;
	if (value >= s->clock_end)
		return value + r->after * SEC;
	return s->tai_start + (int64_t)((way + len - 1) / len);
}

static int64_t distance(int64_t a, int64_t b)
{
	return a > b ? a - b : b - a;
}

static void check_instant(const struct paraclock_leap_table *table,
			  const struct leap_row *r, unsigned int smear,
			  int64_t tai)
{
	struct spec spec = spec_of(r, smear);
	int64_t value = UNTOUCHED, next = UNTOUCHED, back = UNTOUCHED;

	assert_int_equal(paraclock_tai_to_smeared(table, smear, tai, &value),
			 0);
	assert_int_equal(value, by_spec(&spec, r, tai));
	assert_int_equal(paraclock_tai_to_smeared(table, smear, tai + 1, &next),
			 0);
	assert_in_range(next - value, 0, 2);
	assert_int_equal(paraclock_smeared_to_tai(table, smear, value, &back),
			 0);
	assert_int_equal(back, first_at(&spec, r, value));
	assert_in_range(distance(back, tai), 0, 1);
	/* And the other way round. */
	assert_int_equal(paraclock_smeared_to_tai(table, smear, tai - 40 * SEC,
						  &back),
			 0);
	assert_int_equal(back, first_at(&spec, r, tai - 40 * SEC));
	assert_int_equal(paraclock_tai_to_smeared(table, smear, back, &value),
			 0);
	assert_in_range(value - (tai - 40 * SEC), 0, 1);
}

/* Repeatable, and any of 64 bits. */
static uint64_t next_random(uint64_t *state)
{
	*state = *state * 6364136223846793005U + 1442695040888963407U;
	return *state ^ *state >> 33;
}

static void check_around(const struct paraclock_leap_table *table,
			 const struct leap_row *r, unsigned int smear)
{
	static const int64_t near[] = {
		-SEC,  -SEC + 1, -86402,  -86401, -86400, -1001, -1000,
		-999,  -998,	 -2,	  -1,	  0,	  1,	 2,
		998,   999,	 1000,	  1001,	  86398,  86399, 86400,
		86401, 86402,	 SEC - 1, SEC,	  SEC + 1
	};
	struct spec spec = spec_of(r, smear);
	const int64_t at[] = { spec.tai_start, spec.tai_end,
			       (r->after_sec + r->before) * SEC,
			       (r->after_sec + r->after) * SEC,
			       spec.tai_start / 2 + spec.tai_end / 2 };
	uint64_t seed = (uint64_t)r->after_sec;

	for (size_t i = 0; i < ARRAY_LEN(at); i++) {
		for (size_t k = 0; k < ARRAY_LEN(near); k++)
			check_instant(table, r, smear, at[i] + near[k]);
	}
	for (unsigned int i = 0; i < 1000; i++)
		check_instant(table, r, smear,
			      (r->after_sec + r->before - DAY) * SEC +
				      (int64_t)(next_random(&seed) %
						(uint64_t)(2 * DAY * SEC)));
}

static void check_smear(void **state)
{
	const struct leap_row *r = *state;
	struct paraclock_leap_table table;

	leaps_table(&table);
	check_around(&table, r, NOON);
	check_around(&table, r, SLS);
}

static void check_window(const struct paraclock_leap_table *table,
			 const struct paraclock_wall_window *w, int64_t tai)
{
	struct paraclock_utc utc;
	int64_t ns[PARACLOCK_WALLS], smeared;

	for (unsigned int id = 0; id < PARACLOCK_WALLS; id++)
		assert_int_equal(paraclock_wall_read(w, id, tai, &ns[id]), 0);
	assert_int_equal(paraclock_tai_to_utc(table, tai, &utc), 0);
	assert_int_equal(ns[PARACLOCK_WALL_TAI], tai);
	assert_int_equal(ns[PARACLOCK_WALL_UTC], utc.ns);
	assert_int_equal(w->leap, utc.leap);
	assert_int_equal(w->tai_offset_sec, utc.tai_offset_sec);
	if (w->smear == STRICT) {
		smeared = utc.ns;
	} else {
		assert_int_equal(paraclock_tai_to_smeared(table, w->smear, tai,
							  &smeared),
				 0);
	}
	assert_int_equal(ns[PARACLOCK_WALL_SMEARED], smeared);
}

/*
 * From window to window over a leap second, without a gap, and with as many
 * windows as there are changes.
 */
static unsigned int walk(const struct paraclock_leap_table *table,
			 unsigned int smear, int64_t from, int64_t to)
{
	struct paraclock_wall_window w;
	int64_t tai = from, last, mid, none = UNTOUCHED;
	unsigned int windows = 0;

	while (tai < to) {
		assert_int_equal(
			paraclock_wall_window_at(table, smear, tai, &w), 0);
		/* The first is entered at its middle. */
		if (windows)
			assert_int_equal(w.start_tai_ns, tai);
		last = w.start_tai_ns + (int64_t)w.max_delta_ns;
		mid = w.start_tai_ns + (int64_t)(w.max_delta_ns / 2);
		check_window(table, &w, w.start_tai_ns);
		check_window(table, &w, w.start_tai_ns + 1);
		check_window(table, &w, mid);
		check_window(table, &w, last);
		assert_int_equal(paraclock_wall_read(&w, PARACLOCK_WALL_UTC,
						     last + 1, &none),
				 -ERANGE);
		assert_int_equal(paraclock_wall_read(&w, PARACLOCK_WALL_TAI,
						     w.start_tai_ns - 1, &none),
				 -ERANGE);
		assert_int_equal(none, UNTOUCHED);
		tai = last + 1;
		windows++;
	}
	return windows;
}

static void check_walk(void **state)
{
	const struct leap_row *r = *state;
	int64_t tai = (r->after_sec + r->before) * SEC;
	unsigned int inserted = r->after > r->before;
	struct paraclock_leap_table table;

	leaps_table(&table);
	/* Before; the inserted second; after. */
	assert_int_equal(walk(&table, STRICT, tai - 2 * DAY * SEC,
			      tai + 2 * DAY * SEC),
			 2 + inserted);
	/* Before; from noon; the inserted second; to noon; after. */
	assert_int_equal(walk(&table, NOON, tai - 2 * DAY * SEC,
			      tai + 2 * DAY * SEC),
			 4 + inserted);
	/* Before; 1000 s, of which one is the inserted; after. */
	assert_int_equal(walk(&table, SLS, tai - 2 * DAY * SEC,
			      tai + 2 * DAY * SEC),
			 3 + inserted);
}

struct value_case {
	const char *name;
	unsigned int smear;
	int64_t tai_ns;
	int ret;
	int64_t smeared_ns; /* Compared only if ret is 0. */
};

/* The last second of 2016-12 begins at this TAI. */
#define LAST ((T2017_01 - 1 + 36) * SEC)

static struct value_case values[] = {
	/* clang-format off */
	{ "UTC-SLS begins at 23:43:21 before an inserted second",
	  SLS, (T2017_01 - 999 + 36) * SEC, 0, (T2017_01 - 999) * SEC },
	{ "a microsecond later it is a ns behind",
	  SLS, (T2017_01 - 999 + 36) * SEC + 1000, 0,
	  (T2017_01 - 999) * SEC + 999 },
	{ "a ns after the beginning it is rounded down",
	  SLS, (T2017_01 - 999 + 36) * SEC + 1, 0, (T2017_01 - 999) * SEC },
	{ "UTC-SLS is half a second behind after 500 s",
	  SLS, (T2017_01 - 499 + 36) * SEC, 0,
	  (T2017_01 - 499) * SEC - SEC / 2 },
	{ "UTC-SLS and UTC agree at midnight after an inserted second",
	  SLS, (T2017_01 + 37) * SEC, 0, T2017_01 * SEC },
	{ "a ns before UTC-SLS and UTC agree",
	  SLS, (T2017_01 + 37) * SEC - 1, 0, T2017_01 * SEC - 1 },
	{ "UTC-SLS begins at 23:43:19 before a removed second",
	  SLS, (T2035_01 - 1001 + 37) * SEC, 0, (T2035_01 - 1001) * SEC },
	{ "a microsecond later it is a ns ahead",
	  SLS, (T2035_01 - 1001 + 37) * SEC + 1000, 0,
	  (T2035_01 - 1001) * SEC + 1001 },
	{ "UTC-SLS and UTC agree at midnight after a removed second",
	  SLS, (T2035_01 + 36) * SEC, 0, T2035_01 * SEC },
	{ "noon before an inserted second",
	  NOON, (T2017_01 - 43200 + 36) * SEC, 0, (T2017_01 - 43200) * SEC },
	{ "43200.5 s later half of it is done: half past 23:59:59 by the smear",
	  NOON, (T2017_01 + 36) * SEC + SEC / 2, 0, T2017_01 * SEC },
	{ "noon after an inserted second",
	  NOON, (T2017_01 + 43200 + 37) * SEC, 0, (T2017_01 + 43200) * SEC },
	{ "noon before a removed second",
	  NOON, (T2035_01 - 43200 + 37) * SEC, 0, (T2035_01 - 43200) * SEC },
	{ "43199.5 s later it is midnight by the smear",
	  NOON, (T2035_01 + 37) * SEC - SEC / 2, 0, T2035_01 * SEC },
	{ "noon after a removed second",
	  NOON, (T2035_01 + 43200 + 36) * SEC, 0, (T2035_01 + 43200) * SEC },
	{ "a day without a leap second",
	  NOON, (T2017_02 + 37) * SEC, 0, T2017_02 * SEC },
	{ "without a smear it is UTC", STRICT, LAST, -EINVAL, 0 },
	{ "an undefined smear", 3, LAST, -EINVAL, 0 },
	{ "a number far beyond the smears", UINT32_MAX, LAST, -EINVAL, 0 },
	{ "too soon after the table's beginning to be known",
	  NOON, (T1972_01 + 10 + 43200) * SEC - 1, -ERANGE, 0 },
	{ "at noon of the table's first day it is known",
	  NOON, (T1972_01 + 10 + 43200) * SEC, 0, (T1972_01 + 43200) * SEC },
	{ "UTC-SLS needs no knowledge of the day before",
	  SLS, (T1972_01 + 10) * SEC, 0, T1972_01 * SEC },
	{ "before the table", SLS, (T1972_01 + 10) * SEC - 1, -ERANGE, 0 },
	{ "past the expiry", SLS, (EXPIRY + 36) * SEC, -ESTALE, 0 },
	{ "the smallest number", NOON, INT64_MIN, -ERANGE, 0 },
	{ "the largest number", NOON, INT64_MAX, -ERANGE, 0 },
	/* clang-format on */
};

static void check_value(void **state)
{
	const struct value_case *c = *state;
	struct paraclock_leap_table table;
	struct paraclock_wall_window w = { .leap = 77 };
	int64_t got = UNTOUCHED, back = UNTOUCHED;

	leaps_table(&table);
	assert_int_equal(paraclock_tai_to_smeared(&table, c->smear, c->tai_ns,
						  &got),
			 c->ret);
	assert_int_equal(got, c->ret ? UNTOUCHED : c->smeared_ns);
	if (c->smear != STRICT)
		assert_int_equal(paraclock_wall_window_at(&table, c->smear,
							  c->tai_ns, &w),
				 c->ret);
	if (c->ret) {
		assert_int_equal(w.leap, 77);
		return;
	}
	assert_int_equal(paraclock_smeared_to_tai(&table, c->smear, got, &back),
			 0);
	assert_in_range(distance(back, c->tai_ns), 0, 1);
}

struct back_case {
	const char *name;
	unsigned int smear;
	int64_t smeared_ns;
	int ret;
	int64_t tai_ns;
};

static struct back_case backs[] = {
	/* clang-format off */
	{ "a second that UTC removes is a second of the smeared clock",
	  SLS, T2035_01 * SEC - SEC, 0, (T2035_01 + 36) * SEC - 999000999 },
	{ "no smear", STRICT, T2017_02 * SEC, -EINVAL, 0 },
	{ "an undefined smear", 3, T2017_02 * SEC, -EINVAL, 0 },
	{ "before the table", NOON, T1972_01 * SEC - 1, -ERANGE, 0 },
	{ "too soon after the table's beginning",
	  NOON, (T1972_01 + 43200) * SEC - 1, -ERANGE, 0 },
	{ "past the expiry", NOON, EXPIRY * SEC, -ESTALE, 0 },
	{ "the smallest number", SLS, INT64_MIN, -ERANGE, 0 },
	{ "the largest number", SLS, INT64_MAX, -ERANGE, 0 },
	/* clang-format on */
};

static void check_back(void **state)
{
	const struct back_case *c = *state;
	struct paraclock_leap_table table;
	int64_t got = UNTOUCHED;

	leaps_table(&table);
	assert_int_equal(paraclock_smeared_to_tai(&table, c->smear,
						  c->smeared_ns, &got),
			 c->ret);
	assert_int_equal(got, c->ret ? UNTOUCHED : c->tai_ns);
}

/* A table that ends within the smear of a leap second that may come. */
struct unknown_case {
	const char *name;
	unsigned int smear;
	int64_t before_end_sec; /* UTC */
	int ret;
};

static struct unknown_case unknowns[] = {
	/* clang-format off */
	{ "before noon of the last day nothing can be smeared",
	  NOON, 43201, 0 },
	{ "from noon on the smear is not known", NOON, 43200, -ESTALE },
	{ "UTC-SLS: before 23:43:19 nothing can be smeared", SLS, 1002, 0 },
	{ "UTC-SLS: from 23:43:19 on it is not known", SLS, 1001, -ESTALE },
	{ "strict UTC is known to the end of the table", STRICT, 2, 0 },
	{ "strict UTC is not known after it", STRICT, 1, -ESTALE },
	/* clang-format on */
};

static void check_unknown(void **state)
{
	const struct unknown_case *c = *state;
	const struct paraclock_leap_table table = {
		.expires_sec = T2017_02 - 1,
		.count = 1,
		.entry = { { .utc_sec = T2016_12, .tai_offset_sec = 37 } },
	};
	int64_t tai = (T2017_02 - c->before_end_sec + 37) * SEC;
	int64_t back = UNTOUCHED;
	struct paraclock_wall_window w = { .leap = 77 };
	int64_t end;

	assert_int_equal(paraclock_wall_window_at(&table, c->smear, tai, &w),
			 c->ret);
	if (c->smear != STRICT)
		assert_int_equal(paraclock_smeared_to_tai(&table, c->smear,
							  tai - 37 * SEC,
							  &back),
				 c->ret);
	if (c->ret) {
		assert_int_equal(w.leap, 77);
		assert_int_equal(back, UNTOUCHED);
		return;
	}
	assert_int_equal(w.leap, PARACLOCK_LEAP_UNKNOWN);
	/* A second later it is not known: the window must end here. */
	end = w.start_tai_ns + (int64_t)w.max_delta_ns;
	assert_int_equal(end, tai + SEC - 1);
}

/* A window does not reach back to an unknown time, either. */
static void check_first_window(void **state)
{
	const int64_t noon = (T1972_01 + 10 + 43200) * SEC;
	struct paraclock_leap_table table;
	struct paraclock_wall_window w;

	(void)state;
	leaps_table(&table);
	assert_int_equal(paraclock_wall_window_at(&table, NOON,
						  noon + DAY * SEC, &w),
			 0);
	assert_int_equal(w.start_tai_ns, noon);
	/* A leap second in the list is known, whenever the list expires. */
	table.expires_sec = T2035_01 - 6 * 3600;
	assert_int_equal(
		paraclock_wall_window_at(&table, NOON,
					 (T2035_01 + 37 - 8 * 3600) * SEC, &w),
		0);
	assert_int_equal(w.start_tai_ns, (T2035_01 + 37 - 43200) * SEC);
	assert_int_equal(paraclock_wall_window_at(&table, SLS, noon, &w), 0);
	assert_int_equal(w.start_tai_ns, (T1972_01 + 10) * SEC);
}

static void check_null(void **state)
{
	struct paraclock_leap_table table;
	struct paraclock_wall_window w;
	int64_t ns = UNTOUCHED;

	(void)state;
	leaps_table(&table);
	assert_int_equal(paraclock_wall_window_at(NULL, SLS, LAST, &w),
			 -EINVAL);
	assert_int_equal(paraclock_wall_window_at(&table, SLS, LAST, NULL),
			 -EINVAL);
	assert_int_equal(paraclock_tai_to_smeared(NULL, SLS, LAST, &ns),
			 -EINVAL);
	assert_int_equal(paraclock_tai_to_smeared(&table, SLS, LAST, NULL),
			 -EINVAL);
	assert_int_equal(paraclock_smeared_to_tai(NULL, SLS, LAST, &ns),
			 -EINVAL);
	assert_int_equal(paraclock_smeared_to_tai(&table, SLS, LAST, NULL),
			 -EINVAL);
	assert_int_equal(paraclock_wall_window_at(&table, SLS, LAST, &w), 0);
	assert_int_equal(paraclock_wall_read(NULL, 0, LAST, &ns), -EINVAL);
	assert_int_equal(paraclock_wall_read(&w, 0, LAST, NULL), -EINVAL);
	assert_int_equal(paraclock_wall_read(&w, PARACLOCK_WALLS, LAST, &ns),
			 -EINVAL);
	assert_int_equal(ns, UNTOUCHED);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(check_null),
		cmocka_unit_test(check_first_window),
	};

	ADD_TESTS(others);
	ADD_ROWS(leaps, check_smear);
	ADD_ROWS(leaps, check_walk);
	ADD_ROWS(values, check_value);
	ADD_ROWS(backs, check_back);
	ADD_ROWS(unknowns, check_unknown);
	return run_suite(NULL, NULL);
}
