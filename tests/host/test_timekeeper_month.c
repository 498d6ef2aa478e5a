// SPDX-License-Identifier: MIT
/* No timeline is followed into another UTC month than its own. */

#include <paraclock/timekeeper.h>

#include "base/fixed.h"
#include "timekeepers.h"

/* 2016-12-31 23:59:50 UTC: ten seconds, and then a leap second. */
#define DECEMBER 1483228790
#define MONTH	 (NOW + 10 * TICKS_SEC)

#define TAI	PARACLOCK_TIMESCALE_TAI
#define UTC	PARACLOCK_TIMESCALE_UTC
#define PRE_POS PARACLOCK_LEAP_PRE_POS
#define PRE_NEG PARACLOCK_LEAP_PRE_NEG
#define UNKNOWN PARACLOCK_LEAP_UNKNOWN

static struct keeper keeper;

static struct paraclock_timeline december(uint8_t timescale, uint8_t leap)
{
	struct paraclock_timeline tl = conv_at(NOW, DECEMBER);

	tl.timescale = timescale;
	tl.leap = leap;
	tl.tai_offset_sec = 36;
	if (timescale == TAI)
		tl.base_sec += 36;
	if (leap != UNKNOWN)
		tl.flags |= PARACLOCK_TIMELINE_TAI_OFFSET;
	tl.t_end = NOW + 100 * TICKS_SEC;
	return tl;
}

/* --- a base that is moved -------------------------------------------------
 */

struct move_case {
	const char *name;
	uint8_t timescale, leap;
	unsigned int base;  /* s after NOW */
	uint64_t t_start;   /* ticks after NOW */
	uint64_t t_change;  /* ticks after NOW; 0: soon */
	int set;	    /* without a read in between */
	int renewed;	    /* with a read, of one without the two */
	int reconfigured;   /* frozen */
	unsigned int lease; /* s after NOW, if given */
};

static struct move_case move_cases[] = {
	/* clang-format off */
	{ "a timeline may begin in its month", UTC, PRE_POS, 0,
	  10 * TICKS_SEC - 16, 0, 0, 0, 0, 10 },
	{ "a timeline may not begin right after it", UTC, PRE_POS, 0,
	  10 * TICKS_SEC, 0, -EINVAL, -EINVAL, -EINVAL, 0 },
	{ "a timeline may not begin long after it", UTC, PRE_POS, 0,
	  20 * TICKS_SEC, 0, -EINVAL, -EINVAL, -EINVAL, 0 },
	{ "a timeline may not begin after it without a leap second, either",
	  UTC, PARACLOCK_LEAP_NONE, 0,
	  10 * TICKS_SEC, 0, -EINVAL, -EINVAL, -EINVAL, 0 },
	{ "a TAI timeline may begin in the month of UTC", TAI, PRE_POS, 0,
	  10 * TICKS_SEC - 16, 0, 0, 0, 0, 10 },
	{ "a TAI timeline may not begin right after that", TAI, PRE_POS, 0,
	  10 * TICKS_SEC, 0, -EINVAL, -EINVAL, -EINVAL, 0 },
	{ "a removed second does not belong to the month", UTC, PRE_NEG, 0,
	  9 * TICKS_SEC, 0, -EINVAL, -EINVAL, -EINVAL, 0 },
	{ "a removed second is not a base", UTC, PRE_NEG, 9,
	  0, 0, -EINVAL, -EINVAL, -EINVAL, 0 },
	{ "a timeline without a leap state may begin then", UTC, UNKNOWN, 0,
	  20 * TICKS_SEC, 0, 0, 0, 0, 100 },
	{ "a change is moved into the month", UTC, PRE_POS, 0,
	  0, 5 * TICKS_SEC, 0, 0, 0, 10 },
	{ "a change is not moved beyond it", UTC, PRE_POS, 0,
	  0, 20 * TICKS_SEC, -ESTALE, -EINVAL, 0, 10 },
	{ "a change is not moved onto its end", UTC, PRE_POS, 0,
	  0, 10 * TICKS_SEC, -ESTALE, -EINVAL, 0, 10 },
	{ "a TAI change is not moved onto its end", TAI, PRE_POS, 0,
	  0, 10 * TICKS_SEC, -ESTALE, -EINVAL, 0, 10 },
	/* clang-format on */
};

/* Readers get times in December, and none from its end on. */
static void assert_in_month(const struct move_case *c, int ret, uint64_t from)
{
	int64_t ns = (DECEMBER + (c->timescale == TAI ? 36 : 0)) * SEC;
	uint64_t end = NOW + c->lease * TICKS_SEC;
	uint64_t last = describe(&keeper).t_end;

	if (ret) {
		assert_refuses(&keeper, NOW + 9 * TICKS_SEC, -EAGAIN);
		assert_refuses(&keeper, MONTH, -EAGAIN);
		assert_refuses(&keeper, MONTH + TICKS_SEC / 2, -EAGAIN);
		return;
	}
	assert_refuses(&keeper, last + 1, -EAGAIN);
	if (c->lease == 100) {
		assert_int_equal(last, end);
		return;
	}
	/* 2 ns: one for a tick, and one for rounding. */
	assert_in_range(last, end - 4, end - 1);
	if (last >= from)
		assert_shows(&keeper, last,
			     ns + (int64_t)((u128)(last - NOW) * SEC >> 30));
}

static void moves_in_its_month(void **state)
{
	const struct move_case *c = *state;
	struct paraclock_timeline tl = december(c->timescale, c->leap);
	const struct paraclock_timeline plain = tl;
	const uint64_t change = c->t_change ? NOW + c->t_change : 0;
	const uint64_t from = change ? change : NOW + c->t_start;

	tl.base_sec += c->base;
	tl.base_tsc += c->base * TICKS_SEC;
	if (c->t_start)
		tl.t_start = NOW + c->t_start;
	keeper_init(&keeper);
	assert_int_equal(keeper_set(&keeper, &tl, change), c->set);
	assert_in_month(c, c->set, from);
	if (c->set)
		assert_int_equal(describe(&keeper).state,
				 PARACLOCK_TIMEKEEPER_EMPTY);

	keeper_init(&keeper);
	assert_int_equal(keeper_set(&keeper, &plain, 0), 0);
	assert_int_equal(keeper_set(&keeper, &tl, change), c->renewed);
	if (c->renewed)
		assert_shows(&keeper, NOW + 2 * TICKS_SEC,
			     (int64_t)(plain.base_sec + 2) * SEC);

	keeper_init(&keeper);
	assert_int_equal(
		paraclock_timekeeper_freeze(&keeper.tk, &keeper.fake.env), 0);
	assert_int_equal(paraclock_timekeeper_reconfigure(
				 &keeper.tk, &keeper.fake.env, &tl),
			 c->reconfigured);
	assert_int_equal(
		paraclock_timekeeper_unfreeze(&keeper.tk, &keeper.fake.env), 0);
	assert_in_month(c, c->reconfigured, tl.t_start);
}

static void an_ended_lease_is_not_set(void **state)
{
	struct paraclock_timeline tl = december(UTC, PRE_POS);

	(void)state;
	keeper_init(&keeper);
	keeper.fake.counter = MONTH;
	assert_int_equal(keeper_set(&keeper, &tl, 0), -ESTALE);
	assert_int_equal(describe(&keeper).state, PARACLOCK_TIMEKEEPER_EMPTY);
	assert_refuses(&keeper, MONTH, -EAGAIN);
	/* A tick before the last one it is allowed. */
	keeper.fake.counter = MONTH - 8;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_refuses(&keeper, MONTH, -EAGAIN);
}

/* --- renewed all the time -------------------------------------------------
 */

struct renewal_case {
	const char *name;
	uint64_t hz;
	uint8_t timescale;
};

static struct renewal_case renewal_cases[] = {
	{ "renewed to the end, at 24 MHz", 24000000, UTC },
	{ "renewed to the end, at 1 GHz", 1000000000, UTC },
	{ "renewed to the end, at 3 GHz", 3000000000, UTC },
	{ "renewed to the end on TAI, at 24 MHz", 24000000, TAI },
	{ "renewed to the end on TAI, at 3 GHz", 3000000000, TAI },
};

/*
 * A change as soon as possible is put at the end of the lease at the latest,
 * however near that is; and the next one after that.
 */
static void renewals_do_not_creep(void **state)
{
	const struct renewal_case *c = *state;
	struct paraclock_timeline tl = december(c->timescale, PRE_POS);
	const uint64_t month = NOW + 10 * c->hz;
	/* 20 us: a change as soon as possible is 10 us ahead. */
	const uint64_t begin = month - c->hz / 50000;
	unsigned int renewed = 0, refused = 0;

	assert_int_equal(paraclock_timeline_set_hz(&tl, c->hz, 0), 0);
	tl.base_frac = 20ULL * 18446744073U;
	tl.t_end = NOW + 100 * c->hz;
	for (uint64_t at = begin; at < month; at += c->hz / 1000000) {
		keeper_init(&keeper);
		assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
		keeper.fake.counter = at;
		for (unsigned int i = 0; i < 20; i++) {
			int ret = keeper_set(&keeper, &tl, 0);

			assert_true(ret == 0 || ret == -ESTALE);
			renewed += !ret;
			refused += ret != 0;
			keeper.fake.counter += i % 2;
			assert_true(describe(&keeper).t_end < month);
			assert_refuses(&keeper, month, -EAGAIN);
			assert_refuses(&keeper, month + c->hz / 2, -EAGAIN);
		}
	}
	assert_true(renewed > 0);
	assert_true(refused > 0);
}

/* --- a page ---------------------------------------------------------------
 */

struct page_case {
	const char *name;
	uint8_t timescale, leap;
	unsigned int first; /* of January, and not the last of December */
	uint64_t t_start;   /* ticks after NOW */
	int ret;
};

static struct page_case page_cases[] = {
	/* clang-format off */
	{ "a vmclock may begin in its month", UTC, PRE_POS, 0,
	  10 * TICKS_SEC - 1, 0 },
	{ "a vmclock may not begin after it",
	  UTC, PRE_POS, 0, 10 * TICKS_SEC, -EINVAL },
	{ "a TAI vmclock may not begin after it",
	  TAI, PRE_POS, 0, 10 * TICKS_SEC, -EINVAL },
	{ "a vmclock may not begin after the inserted second",
	  UTC, PARACLOCK_LEAP_POS, 0,
	  TICKS_SEC, -EINVAL },
	{ "a vmclock may not begin after it by the number of the next",
	  UTC, PARACLOCK_LEAP_POS, 1,
	  TICKS_SEC, -EINVAL },
	{ "a vmclock may begin in the inserted second",
	  UTC, PARACLOCK_LEAP_POS, 1, TICKS_SEC - 1, 0 },
	/* clang-format on */
};

static void page_begins_in_its_month(void **state)
{
	static _Alignas(8) unsigned char page[PARACLOCK_VMCLOCK_PAGE_SIZE];
	static const unsigned char zero[sizeof(page)];
	const struct page_case *c = *state;
	struct paraclock_timeline tl = december(c->timescale, c->leap);
	struct paraclock_page_writer writer = { { 0 } };

	keeper_init(&keeper);
	keeper.fake.counter = NOW + c->t_start;
	memset(page, 0, sizeof(page));
	if (c->leap == PARACLOCK_LEAP_POS)
		tl.base_sec = DECEMBER + (c->first ? 10 : 9);
	tl.t_start = NOW + c->t_start;
	tl.t_end = 0;
	assert_int_equal(
		paraclock_page_writer_acquire(&writer, &keeper.fake.env), 0);
	assert_int_equal(paraclock_vmclock_write(page, &writer,
						 &keeper.fake.env, &tl),
			 c->ret);
	if (c->ret)
		assert_memory_equal(page, zero, sizeof(page));
	else
		assert_memory_not_equal(page, zero, sizeof(page));
}

int main(void)
{
	ADD_ROWS(move_cases, moves_in_its_month);
	add_test("an ended lease is not set", an_ended_lease_is_not_set);
	ADD_ROWS(renewal_cases, renewals_do_not_creep);
	ADD_ROWS(page_cases, page_begins_in_its_month);
	return run_suite(NULL, NULL);
}
