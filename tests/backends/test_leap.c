// SPDX-License-Identifier: MIT
/* Leap seconds: where months end, and what a page says on either side. */

#include <time.h>

#include "fake.h"
#include "leap_states.h"
#include "vmclock/leap.h"
#include "vmclock/vmclock_page.h"

#define UTC  PARACLOCK_TIMESCALE_UTC
#define TAI  PARACLOCK_TIMESCALE_TAI
#define MONO PARACLOCK_TIMESCALE_MONOTONIC

/* 2026-08-01 00:00:00 UTC: every second below is counted from here. */
#define END 1785542400LL

#define DAY 86400

/* A TAI offset that differs from the page's. */
#define NO_TAI INT16_MIN

struct leap_case {
	const char *name;
	uint8_t leap, scale;
	int16_t tai; /* NO_TAI: not known */
	int64_t ref, sec;
	bool known;
	/* The rest is compared only if it is known. */
	int64_t want_sec;
	uint8_t want_leap;
	int16_t want_tai;
};

static struct leap_case cases[] = {
	/* clang-format off */
	/* An inserted second repeats the number of the one before. */
	{ "UTC, the second before an inserted one",
	  PRE_POS, UTC, 37, -10, -1, true, -1, PRE_POS, 37 },
	{ "UTC, in the inserted second",
	  PRE_POS, UTC, 37, -10, 0, true, -1, POS, 38 },
	{ "UTC, the second after it",
	  PRE_POS, UTC, 37, -10, 1, true, 0, POST_POS, 38 },
	{ "UTC, days after it",
	  PRE_POS, UTC, 37, -10, 9 * DAY, true, 9 * DAY - 1, POST_POS, 38 },
	{ "UTC, the last second of the month after it",
	  PRE_POS, UTC, 37, -10, 31 * DAY, true, 31 * DAY - 1, POST_POS, 38 },
	{ "UTC, the month after that one announces no leap second",
	  PRE_POS, UTC, 37, -10, 31 * DAY + 1, true, 31 * DAY, NONE, 38 },
	{ "UTC, from the last second of the month into the inserted one",
	  PRE_POS, UTC, 37, -1, 0, true, -1, POS, 38 },
	{ "UTC, the reference second itself is the last",
	  PRE_POS, UTC, 37, -1, -1, true, -1, PRE_POS, 37 },
	{ "UTC, a leap is announced for this month, not the last one",
	  PRE_POS, UTC, 37, 0, 30 * DAY, true, 30 * DAY, PRE_POS, 37 },
	{ "UTC, the end of the month after",
	  PRE_POS, UTC, 37, 0, 31 * DAY, true, 31 * DAY - 1, POS, 38 },
	{ "UTC without a TAI offset is corrected all the same",
	  PRE_POS, UTC, NO_TAI, -10, 5, true, 4, POST_POS, NO_TAI },

	/* A removed second is never shown. */
	{ "UTC, the second before a removed one",
	  PRE_NEG, UTC, 37, -10, -2, true, -2, PRE_NEG, 37 },
	{ "UTC, a removed second is skipped",
	  PRE_NEG, UTC, 37, -10, -1, true, 0, POST_NEG, 36 },
	{ "UTC, the second after a removed one",
	  PRE_NEG, UTC, 37, -10, 0, true, 1, POST_NEG, 36 },
	{ "UTC, days after a removed second",
	  PRE_NEG, UTC, 37, -10, 9 * DAY, true, 9 * DAY + 1, POST_NEG, 36 },
	{ "UTC, the last second of the month after a removed one",
	  PRE_NEG, UTC, 37, -10, 31 * DAY - 2, true, 31 * DAY - 1, POST_NEG,
	  36 },
	{ "UTC, the month after that one announces no removed second",
	  PRE_NEG, UTC, 37, -10, 31 * DAY - 1, true, 31 * DAY, NONE, 36 },

	/* TAI goes on; only the offset and the leap state change. */
	{ "TAI, the second before an inserted one",
	  PRE_POS, TAI, 37, -10, 36, true, 36, PRE_POS, 37 },
	{ "TAI, in the inserted second",
	  PRE_POS, TAI, 37, -10, 37, true, 37, POS, 38 },
	{ "TAI, the second after it",
	  PRE_POS, TAI, 37, -10, 38, true, 38, POST_POS, 38 },
	{ "TAI, the reference is in the next month, UTC is not yet",
	  PRE_POS, TAI, 37, 20, 37, true, 37, POS, 38 },
	{ "TAI, the second before a removed one",
	  PRE_NEG, TAI, 37, -10, 35, true, 35, PRE_NEG, 37 },
	{ "TAI, where a second was removed",
	  PRE_NEG, TAI, 37, -10, 36, true, 36, POST_NEG, 36 },
	{ "TAI, days after a removed second",
	  PRE_NEG, TAI, 37, -10, 9 * DAY, true, 9 * DAY, POST_NEG, 36 },
	{ "TAI, the last second of the month after an inserted one",
	  PRE_POS, TAI, 37, -10, 31 * DAY + 37, true, 31 * DAY + 37, POST_POS,
	  38 },
	{ "TAI, the month after that one announces no leap second",
	  PRE_POS, TAI, 37, -10, 31 * DAY + 38, true, 31 * DAY + 38, NONE,
	  38 },
	{ "TAI, the last second of the month after a removed one",
	  PRE_NEG, TAI, 37, -10, 31 * DAY + 35, true, 31 * DAY + 35, POST_NEG,
	  36 },
	{ "TAI, the month after that one announces no removed second",
	  PRE_NEG, TAI, 37, -10, 31 * DAY + 36, true, 31 * DAY + 36, NONE,
	  36 },
	{ "TAI without its offset, well before the month's end",
	  PRE_POS, TAI, NO_TAI, -1000, -10, true, -10, PRE_POS, NO_TAI },
	{ "TAI without its offset, when the second may have come",
	  PRE_POS, TAI, NO_TAI, -1000, 37, false, 0, 0, 0 },
	{ "TAI without its offset, when the removal may have come",
	  PRE_NEG, TAI, NO_TAI, -1000, 36, false, 0, 0, 0 },

	/* A page that was written inside an inserted second. */
	{ "inside an inserted second that has the number before",
	  POS, UTC, 38, -1, -1, true, -1, POS, 38 },
	{ "after an inserted second that has the number before, whose offset "
	  "may be either",
	  POS, UTC, 38, -1, 0, true, 0, POST_POS, NO_TAI },
	{ "the month after an inserted second ends, too",
	  POS, UTC, 38, -1, 31 * DAY, true, 31 * DAY, NONE, NO_TAI },
	{ "the month after an inserted second has a last second",
	  POS, UTC, 38, -1, 31 * DAY - 1, true, 31 * DAY - 1, POST_POS,
	  NO_TAI },
	{ "inside an inserted second that has the number after",
	  POS, UTC, 38, 0, 0, true, 0, POS, 38 },
	{ "after an inserted second that has the number after",
	  POS, UTC, 38, 0, 1, false, 0, 0, 0 },
	{ "TAI inside an inserted second",
	  POS, TAI, 38, 37, 37, true, 37, POS, 38 },
	{ "TAI after an inserted second",
	  POS, TAI, 38, 37, 38, true, 38, POST_POS, 38 },
	{ "TAI after an inserted second, with the offset from before it",
	  POS, TAI, 37, 37, 38, true, 38, POST_POS, NO_TAI },
	{ "TAI inside an inserted second, with the offset from before it",
	  POS, TAI, 37, 37, 37, true, 37, POS, 37 },
	{ "TAI after an inserted second, a month later",
	  POS, TAI, 38, 37, 31 * DAY + 38, true, 31 * DAY + 38, NONE, 38 },
	{ "TAI without its offset after an inserted second",
	  POS, TAI, NO_TAI, 37, 38, true, 38, POST_POS, NO_TAI },
	{ "TAI without its offset, until the next month may have ended",
	  POS, TAI, NO_TAI, 37, 31 * DAY + 9, true, 31 * DAY + 9, POST_POS,
	  NO_TAI },
	{ "TAI after an inserted second, first of a month by its number",
	  POS, TAI, 38, 0, 1, true, 1, POST_POS, 38 },

	/* No leap second is announced, and none was before. */
	{ "no leap announced", NONE, UTC, 37, -10, 10, true, 10, NONE, 37 },

	/* How the last month ended does not say how this one ends. */
	{ "after an inserted second, up to the month's end",
	  POST_POS, UTC, 37, -10, -1, true, -1, POST_POS, 37 },
	{ "after an inserted second, over a month's end",
	  POST_POS, UTC, 37, -10, 0, true, 0, NONE, 37 },
	{ "after an inserted second, in the month that begins",
	  POST_POS, UTC, 37, 0, 31 * DAY - 1, true, 31 * DAY - 1, POST_POS,
	  37 },
	{ "after a removed second, up to the month's end on TAI",
	  POST_NEG, TAI, 37, -10, 36, true, 36, POST_NEG, 37 },
	{ "after a removed second, over a month's end",
	  POST_NEG, TAI, 37, -10, 37, true, 37, NONE, 37 },
	{ "on TAI without the offset, while the month has surely not ended",
	  POST_NEG, TAI, NO_TAI, -10, 9, true, 9, POST_NEG, NO_TAI },
	{ "on TAI without the offset, when it may have ended",
	  POST_NEG, TAI, NO_TAI, -10, 10, true, 10, UNKNOWN, NO_TAI },
	{ "on TAI without the offset, when it still may have ended",
	  POST_NEG, TAI, NO_TAI, -10, 99, true, 99, UNKNOWN, NO_TAI },
	{ "on TAI without the offset, when it surely has ended",
	  POST_POS, TAI, NO_TAI, -10, 100, true, 100, NONE, NO_TAI },
	{ "on TAI without the offset, at the reference point itself",
	  POST_POS, TAI, NO_TAI, 50, 50, true, 50, POST_POS, NO_TAI },
	{ "on TAI without the offset, when the month is not known",
	  POST_POS, TAI, NO_TAI, 50, 51, true, 51, UNKNOWN, NO_TAI },
	{ "on TAI without the offset, for as long as the month is not known",
	  POST_POS, TAI, NO_TAI, 50, 31 * DAY, true, 31 * DAY, UNKNOWN,
	  NO_TAI },
	{ "an undefined indicator",
	  6, UTC, 37, -10, 10, true, 10, 6, 37 },
	{ "the last undefined indicator",
	  255, UTC, 37, -10, 10, true, 10, 255, 37 },
	{ "a monotonic time has no months",
	  PRE_POS, MONO, 37, -10, 10, true, 10, PRE_POS, 37 },
	{ "a monotonic time has no inserted second",
	  POS, MONO, 37, 0, 10, true, 10, POS, 37 },
	/* clang-format on */
};

static struct leap_state state_of(const struct leap_case *c)
{
	return (struct leap_state){
		.leap = c->leap,
		.timescale = c->scale,
		.tai_known = c->tai != NO_TAI,
		.tai_offset_sec = c->tai == NO_TAI ? (int16_t)0 : c->tai,
	};
}

static void check_apply(void **state)
{
	const struct leap_case *c = *state;
	struct leap_state leap = state_of(c);
	int64_t sec = END + c->sec;

	assert_int_equal(pclk_leap_apply(&leap, END + c->ref, &sec), c->known);
	if (!c->known) {
		/* A function that fails leaves its results as they were. */
		assert_int_equal(sec, END + c->sec);
		assert_int_equal(leap.leap, c->leap);
		return;
	}
	assert_int_equal(sec, END + c->want_sec);
	assert_int_equal(leap.leap, c->want_leap);
	assert_int_equal(leap.tai_known, c->want_tai != NO_TAI);
	if (leap.tai_known)
		assert_int_equal(leap.tai_offset_sec, c->want_tai);
}

/* The same through a page, half a second after the second of the row. */
static void check_signed_page(const struct leap_case *c, int sign)
{
	const struct vmclock_limits limits = {
		.max_age_ns = UINT64_MAX,
		.counter_id = PARACLOCK_COUNTER_X86_TSC,
	};
	const struct vmclock_page vc = {
		.size = sizeof(vc),
		.counter_id = VMCLOCK_COUNTER_X86_TSC,
		.time_type = c->scale == UTC   ? VMCLOCK_TIME_UTC
			     : c->scale == TAI ? VMCLOCK_TIME_TAI
					       : VMCLOCK_TIME_MONOTONIC,
		.flags = c->tai != NO_TAI ? VMCLOCK_FLAG_TAI_OFFSET_VALID : 0U,
		.clock_status = VMCLOCK_STATUS_SYNCHRONIZED,
		.tai_offset_sec = (int16_t)(sign * c->tai),
		.leap_indicator = c->leap,
		.counter_period_frac_sec = 1ULL << 63,
		.time_sec = (uint64_t)(END + c->ref),
	};
	uint64_t ticks = (uint64_t)(c->sec - c->ref) * 2 + 1;
	struct paraclock_sample got;
	const char *bad = NULL;

	assert_int_equal(pclk_vmclock_convert(&vc, &limits, ticks, &got, &bad),
			 0);
	assert_int_equal(got.valid, c->known);
	if (!c->known) {
		assert_int_equal(got.reason, PARACLOCK_REASON_WINDOW);
		assert_int_equal(got.host_ns, (END + c->ref) * 1000000000);
		assert_int_equal(got.leap, c->leap);
		return;
	}
	assert_int_equal(got.host_ns,
			 (END + c->want_sec) * 1000000000 + 500000000);
	assert_int_equal(got.leap, c->scale == MONO || c->want_leap > POST_NEG
					   ? UNKNOWN
					   : c->want_leap);
	assert_int_equal(got.flags & PARACLOCK_FLAG_TAI_OFFSET,
			 c->want_tai != NO_TAI ? PARACLOCK_FLAG_TAI_OFFSET : 0);
	assert_int_equal(got.tai_offset_sec,
			 c->want_tai != NO_TAI ? c->want_tai : 0);
}

static void check_page(void **state)
{
	check_signed_page(*state, 1);
	check_signed_page(*state, -1);
}

/* date -u -d '...' +%s */
static void check_month_ends(void **state)
{
	static const struct {
		int64_t sec, end;
	} rows[] = {
		{ 0, 2678400 },		    /* 1970-01-01 */
		{ -1, 0 },		    /* 1969-12-31 23:59:59 */
		{ -2678400, 0 },	    /* 1969-12-01 */
		{ -2678401, -2678400 },	    /* 1969-11-30 23:59:59 */
		{ 68169600, 68256000 },	    /* 1972-02-29 */
		{ 951782400, 951868800 },   /* 2000-02-29 */
		{ 951868799, 951868800 },   /* its last second */
		{ 1483228799, 1483228800 }, /* 2016-12-31 23:59:59 */
		{ 1483228800, 1485907200 }, /* 2017-01-01 */
		{ 4107456000, 4107542400 }, /* 2100-02-28, no leap year */
		{ 4107542399, 4107542400 }, /* its last second */
		{ 9223372035, 9225014400 }, /* 2262-04-11, the last that fits */
		{ -2208988800, -2206310400 } /* 1900-01-01 */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(pclk_leap_month_end(rows[i].sec), rows[i].end);
}

static void check_all_months(void **state)
{
	(void)state;
	for (int month = 12 * 70; month < 12 * 300; month++) {
		struct tm from = { .tm_year = month / 12,
				   .tm_mon = month % 12,
				   .tm_mday = 1 };
		struct tm to = { .tm_year = (month + 1) / 12,
				 .tm_mon = (month + 1) % 12,
				 .tm_mday = 1 };
		int64_t start = timegm(&from);
		int64_t end = timegm(&to);

		for (int64_t sec = start; sec < end; sec += DAY) {
			assert_int_equal(pclk_leap_month_end(sec), end);
			assert_int_equal(pclk_leap_month_end(sec + DAY - 1),
					 end);
		}
		assert_int_equal(pclk_leap_month_end(start - 1), start);
	}
}

/* gmtime_r() puts the second that ends a month into the next one. */
static void check_gmtime(void **state)
{
	(void)state;
	for (int64_t sec = 0; sec < 7258118400; sec += 1000003) {
		time_t end = pclk_leap_month_end(sec);
		time_t last = end - 1;
		struct tm now, then, after;

		assert_non_null(gmtime_r(&sec, &now));
		assert_non_null(gmtime_r(&last, &then));
		assert_non_null(gmtime_r(&end, &after));
		assert_int_equal(now.tm_mon, then.tm_mon);
		assert_int_equal(now.tm_year, then.tm_year);
		assert_int_equal(after.tm_mday, 1);
		assert_int_equal(after.tm_hour * 3600 + after.tm_min * 60 +
					 after.tm_sec,
				 0);
	}
}

/* A conversion is followed this far without another look at the leap second. */
static void check_horizon(void **state)
{
	static const uint8_t scales[] = { UTC, TAI, MONO };

	(void)state;
	for (unsigned int i = 0; i < 3 * 7 * 2 * 400; i++) {
		const struct leap_state was = {
			.leap = (uint8_t)(i / 3 % 7),
			.timescale = scales[i % 3],
			.tai_known = i / 21 % 2,
			.tai_offset_sec = 37,
		};
		int64_t ref = END - 200 + i / 42;
		uint64_t horizon = pclk_leap_horizon_sec(&was, ref);
		/* The last seconds, in which a leap second could come. */
		uint64_t from = horizon > 300 ? horizon - 300 : 0;

		for (uint64_t after = from; after <= horizon; after++) {
			struct leap_state leap = was;
			int64_t sec = ref + (int64_t)after;

			/*
			 * A horizon of 0 belongs to a conversion that must not
			 * be followed at all.
			 */
			if (!horizon)
				break;
			assert_true(pclk_leap_apply(&leap, ref, &sec));
			assert_int_equal(sec, ref + (int64_t)after);
			assert_int_equal(leap.leap, was.leap);
			assert_int_equal(leap.tai_offset_sec, 37);
		}
		/* Conversions must be used most of the time all the same. */
		if (was.leap == NONE || was.timescale == MONO)
			assert_true(horizon > 1000000000);
	}
}

static void check_plausible(void **state)
{
	(void)state;
	for (int offset = INT16_MIN; offset <= INT16_MAX; offset++)
		assert_int_equal(pclk_leap_tai_is_plausible((int16_t)offset),
				 offset >= 10 && offset <= 100);
}

static void check_signs(void **state)
{
	(void)state;
	for (int stated = INT16_MIN; stated <= INT16_MAX; stated++) {
		int want = 0;

		for (int offset = 10; offset <= 100; offset++) {
			if (stated == offset || stated + offset == 0)
				want = offset;
		}
		assert_int_equal(pclk_leap_tai((int16_t)stated), want);
	}
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		TEST("months end where date(1) says", check_month_ends),
		TEST("every day of 1970 to 2199 is in its month",
		     check_all_months),
		TEST("gmtime_r() agrees on where months end", check_gmtime),
		TEST("nothing happens within the horizon", check_horizon),
		TEST("TAI offsets from 10 to 100 are plausible",
		     check_plausible),
		TEST("a page may state them with either sign", check_signs),
	};
	static char names[ARRAY_LEN(cases)][96];

	ADD_TESTS(others);
	ADD_ROWS(cases, check_apply);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		strcpy(names[i], "on a page: ");
		strncat(names[i], cases[i].name, sizeof(names[i]) - 12);
		add_row(names[i], check_page, &cases[i]);
	}
	return run_suite(NULL, NULL);
}
