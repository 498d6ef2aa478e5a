// SPDX-License-Identifier: MIT
/*
 * Changing a timekeeper: when, whether it is allowed, and how far it reaches.
 */

#include <paraclock/backend.h>
#include <paraclock/timekeeper.h>

#include "base/fixed.h"
#include "timekeepers.h"

#define MONOTONIC PARACLOCK_TIMELINE_MONOTONIC
#define STABLE	  PARACLOCK_TIMELINE_STABLE

static struct keeper keeper;

/* --- a change that is announced -------------------------------------------
 */

static void a_change_comes_at_its_counter_value(void **state)
{
	const uint64_t at = NOW + 2 * TICKS_SEC;
	struct paraclock_timeline tl = conv_at(NOW, 5);
	struct paraclock_timekeeper_info info;

	(void)state;
	keeper_init(&keeper);
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	/* Twice as fast, and a second ahead. */
	tl = conv_at(at, 8);
	tl.period_shift--;
	assert_int_equal(keeper_set(&keeper, &tl, at), 0);
	assert_shows(&keeper, NOW, 5 * SEC);
	assert_shows(&keeper, at - 1, 7 * SEC - 1);
	assert_shows(&keeper, at, 8 * SEC);
	assert_shows(&keeper, at + TICKS_SEC, 10 * SEC);
	assert_shows(&keeper, tl.t_end, 28 * SEC);
	assert_refuses(&keeper, tl.t_end + 1, -EAGAIN);
	info = describe(&keeper);
	assert_int_equal(info.t_change, at);
	assert_int_equal(info.timeline.base_tsc, NOW);
	assert_int_equal(info.next.base_tsc, at);
	assert_int_equal(info.next.base_sec, 8);
	keeper.fake.counter = at;
	info = describe(&keeper);
	assert_int_equal(info.t_change, UINT64_MAX);
	assert_int_equal(info.timeline.base_sec, 8);
	assert_int_equal(info.next.size, 0);
}

static void a_pending_change_is_replaced(void **state)
{
	const uint64_t first = NOW + 2 * TICKS_SEC;
	const uint64_t second = NOW + 4 * TICKS_SEC;
	struct paraclock_timeline tl = conv_at(NOW, 5);

	(void)state;
	keeper_init(&keeper);
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	tl = conv_at(first, 100);
	assert_int_equal(keeper_set(&keeper, &tl, first), 0);
	tl = conv_at(second, 200);
	assert_int_equal(keeper_set(&keeper, &tl, second), 0);
	assert_shows(&keeper, second - 1, 9 * SEC - 1);
	assert_shows(&keeper, second, 200 * SEC);
	/* Sooner, too. */
	tl = conv_at(first, 100);
	assert_int_equal(keeper_set(&keeper, &tl, first), 0);
	assert_shows(&keeper, first - 1, 7 * SEC - 1);
	assert_shows(&keeper, second, 102 * SEC);
	/* Once it has come, later changes follow it. */
	keeper.fake.counter = first;
	tl = conv_at(second, 200);
	assert_int_equal(keeper_set(&keeper, &tl, second), 0);
	assert_shows(&keeper, second - 1, 102 * SEC - 1);
	assert_shows(&keeper, second, 200 * SEC);
	assert_not_valid(&keeper, first - 1, PARACLOCK_REASON_WINDOW,
			 100 * SEC);
}

static void a_change_as_soon_as_possible_is_within_20_us(void **state)
{
	struct paraclock_timeline tl = conv_at(NOW, 5);
	uint64_t at;

	(void)state;
	keeper_init(&keeper);
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	tl = conv_at(NOW, 6);
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	at = describe(&keeper).t_change;
	assert_in_range(at, NOW + 1, NOW + TICKS_SEC / 50000);
	assert_shows(&keeper, NOW, 5 * SEC);
	assert_shows(&keeper, NOW + TICKS_SEC, 7 * SEC);
	/* Another one does not put it off. */
	keeper.fake.counter = NOW + 10;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_int_equal(describe(&keeper).t_change, at);
	/* Not beyond the end of the old timeline. */
	keeper_init(&keeper);
	tl = conv_at(NOW, 5);
	tl.t_end = NOW + 1000;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	tl = conv_at(NOW, 6);
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_int_equal(describe(&keeper).t_change, NOW + 1001);
	tl = conv_at(NOW, 5);
	assert_int_equal(keeper_set(&keeper, &tl, NOW + 1002), -EINVAL);
	/* Nor if another change is just about to come. */
	keeper.fake.counter = NOW + 1000;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_int_equal(describe(&keeper).t_change, NOW + 1001);
	assert_shows(&keeper, NOW + 1001, 5 * SEC + 932);
}

/* A counter is not followed past its end: 2^64 - 1 stands for "never". */
static void the_last_lease_ends_with_the_counter(void **state)
{
	struct paraclock_timeline tl = conv_at(UINT64_MAX - 2000, 5);

	(void)state;
	keeper_init(&keeper);
	keeper.fake.counter = UINT64_MAX - 1000;
	tl.t_end = UINT64_MAX - 1;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_shows(&keeper, UINT64_MAX - 1, 5 * SEC + 1861);
	assert_refuses(&keeper, UINT64_MAX, -EAGAIN);
	/* The counter was reset, so its values are not later ones. */
	assert_not_valid(&keeper, 1000, PARACLOCK_REASON_WINDOW, 5 * SEC);
	/* As soon as possible is the last moment of the counter. */
	tl.base_sec = 6;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_shows(&keeper, UINT64_MAX - 2, 5 * SEC + 1860);
	assert_shows(&keeper, UINT64_MAX - 1, 6 * SEC + 1861);
}

/* --- monotonic ------------------------------------------------------------
 */

struct promise_case {
	const char *name;
	uint64_t frac; /* so much, 2^-64 s, */
	bool behind;   /* behind or ahead */
	uint32_t flags;
	int ret;
	int64_t ns; /* at the change, after 7 s */
};

#define NSEC_FRAC 18446744074U

static struct promise_case promise_cases[] = {
	/* clang-format off */
	{ "the same", 0, false, STABLE | MONOTONIC, 0, 0 },
	{ "2^-64 s behind is lifted", 1, true, STABLE | MONOTONIC, 0, 0 },
	{ "a ns behind is lifted", NSEC_FRAC, true, STABLE | MONOTONIC, 0, 0 },
	{ "more is refused", NSEC_FRAC + 1, true, STABLE | MONOTONIC, -ESTALE,
	  0 },
	{ "a second behind is refused", UINT64_MAX, true, STABLE | MONOTONIC,
	  -ESTALE, 0 },
	{ "a step back is allowed without the promise",
	  UINT64_MAX, true, STABLE, 0, -SEC },
	{ "a step ahead is allowed",
	  2 * NSEC_FRAC, false, STABLE | MONOTONIC, 0,
	  2 },
	/* clang-format on */
};

static void keeps_the_promise(void **state)
{
	const struct promise_case *c = *state;
	const uint64_t at = NOW + 2 * TICKS_SEC;
	struct paraclock_timeline tl = conv_at(NOW, 5);
	/*
	 * A little slower: a reader of the old timeline past the change would
	 * be ahead.
	 */
	struct paraclock_timeline next = conv_at(at, c->behind ? 6 : 7);

	keeper_init(&keeper);
	tl.flags |= MONOTONIC;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	next.flags = c->flags;
	next.base_frac = c->behind ? 0 - c->frac : c->frac;
	if (c->behind && !c->frac)
		next.base_sec++;
	next.period_frac -= next.period_frac >> 10;
	assert_int_equal(keeper_set(&keeper, &next, at), c->ret);
	assert_shows(&keeper, at - 1, 7 * SEC - 1);
	assert_shows(&keeper, at, 7 * SEC + c->ns);
	if (c->ret)
		assert_shows(&keeper, at + TICKS_SEC, 8 * SEC);
}

static uint64_t bound_at(uint64_t counter)
{
	struct paraclock_sample s;

	assert_int_equal(keeper_read(&keeper, counter, &s), 0);
	return s.clock_error_ns;
}

/* A ns ahead of a timeline that is off by 5 at most. */
static void a_lift_is_in_the_bound(void **state)
{
	const struct paraclock_env *env = &keeper.fake.env;
	const uint64_t at = NOW + 2 * TICKS_SEC;
	struct paraclock_timeline tl = conv_at(NOW, 5);
	struct paraclock_timeline next = conv_at(at, 6);

	(void)state;
	keeper_init(&keeper);
	tl.flags |= MONOTONIC | PARACLOCK_TIMELINE_MAXERROR |
		    PARACLOCK_TIMELINE_MAXERROR_RATE;
	tl.maxerror_ns = 5;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_int_equal(bound_at(at - 1), 5);
	next.flags = tl.flags;
	next.maxerror_ns = 5;
	next.base_frac = 0 - (uint64_t)NSEC_FRAC;
	assert_int_equal(keeper_set(&keeper, &next, at), 0);
	assert_shows(&keeper, at, 7 * SEC);
	assert_int_equal(bound_at(at), 6);
	/* The same, with no read meanwhile. */
	keeper.fake.counter = at;
	assert_int_equal(paraclock_timekeeper_freeze(&keeper.tk, env), 0);
	assert_int_equal(
		paraclock_timekeeper_reconfigure(&keeper.tk, env, &next), 0);
	assert_int_equal(paraclock_timekeeper_unfreeze(&keeper.tk, env), 0);
	assert_shows(&keeper, at, 7 * SEC);
	assert_int_equal(bound_at(at), 6);
}

static void promise_outlives_the_lease(void **state)
{
	struct paraclock_timeline tl = conv_at(NOW, 5);

	(void)state;
	keeper_init(&keeper);
	tl.flags |= MONOTONIC;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	keeper.fake.counter = NOW + 20 * TICKS_SEC;
	/* Readers saw 15 s at the end. */
	tl = conv_at(keeper.fake.counter, 14);
	tl.flags |= MONOTONIC;
	assert_int_equal(keeper_set(&keeper, &tl, 0), -ESTALE);
	assert_refuses(&keeper, keeper.fake.counter, -EAGAIN);
	tl.base_sec = 15;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_shows(&keeper, keeper.fake.counter, 15 * SEC);
	/*
	 * A change that is still to come has not been seen, but the time before
	 * it has.
	 */
	keeper.fake.counter = tl.t_end + TICKS_SEC;
	tl = conv_at(tl.t_end + 2 * TICKS_SEC, 100);
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	tl = conv_at(tl.base_tsc, 24);
	tl.flags |= MONOTONIC;
	assert_int_equal(keeper_set(&keeper, &tl, 0), -ESTALE);
	tl.base_sec = 25;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_shows(&keeper, tl.base_tsc, 25 * SEC);
}

/*
 * The writer is preempted in the middle of a change, until long after t_change:
 * no reader follows the old timeline past it, or sees the new one before the
 * writer knows that it does not step back.
 */
static struct stall {
	unsigned int calls, at; /* of the writer's counter */
	uint64_t until;
	uint64_t now; /* of the reader's, which moves */
	int ret;
	struct paraclock_sample seen;
} stall;

static uint64_t reader_counter(void *ctx)
{
	(void)ctx;
	return stall.now++;
}

static int read_meanwhile(struct paraclock_sample *ret_sample)
{
	struct paraclock_env env = keeper.fake.env;

	env.counter = reader_counter;
	return paraclock_timekeeper_read(&keeper.tk, &env, ret_sample);
}

static uint64_t stalling_counter(void *ctx)
{
	(void)ctx;
	if (++stall.calls == stall.at) {
		keeper.fake.counter = stall.until;
		stall.now = stall.until;
		stall.ret = read_meanwhile(&stall.seen);
	}
	return keeper.fake.counter;
}

static void a_late_change_is_not_published(void **state)
{
	const uint64_t at = NOW + TICKS_SEC / 1024;
	struct paraclock_timeline tl;
	struct paraclock_sample after;
	unsigned int stalled = 0, followed = 0;
	int ret;

	(void)state;
	for (unsigned int i = 1; i <= 400; i++) {
		keeper_init(&keeper);
		tl = conv_at(NOW, 5);
		tl.flags |= MONOTONIC;
		assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
		memset(&stall, 0, sizeof(stall));
		stall.at = i;
		stall.until = at + TICKS_SEC;
		/* No step at the change, but 10 ms behind a second later. */
		tl = conv_at(at, 5);
		tl.base_frac = ((uint64_t)1 << 54) + NSEC_FRAC;
		tl.period_frac -= tl.period_frac / 100;
		tl.flags |= MONOTONIC;
		keeper.fake.env.counter = stalling_counter;
		ret = keeper_set(&keeper, &tl, at);
		assert_int_equal(ret, stall.calls < i ? 0 : -ESTALE);
		if (stall.calls < i)
			break;
		stalled++;
		followed += stall.ret == 0;
		assert_true(stall.ret == 0 || stall.ret == -EAGAIN);
		stall.at = 0;
		assert_int_equal(read_meanwhile(&after), 0);
		assert_int_equal(after.valid, 1);
		assert_int_equal(
			after.host_ns,
			5 * SEC +
				(int64_t)((u128)(after.host_tsc - NOW) * SEC >>
					  30));
		if (!stall.ret)
			assert_true(after.host_ns >= stall.seen.host_ns);
	}
	/*
	 * Before the first publication they follow the old one; after it none
	 * does.
	 */
	assert_true(stalled > 1);
	assert_int_equal(followed, 1);
}

/* The memory when the writer read the counter for the stall.at-th time. */
static struct paraclock_timekeeper corpse;

static uint64_t dying_counter(void *ctx)
{
	(void)ctx;
	if (++stall.calls == stall.at)
		corpse = keeper.tk;
	return keeper.fake.counter;
}

/* false: it never did. */
static bool dies_in_a_change(unsigned int moment, uint64_t t_change)
{
	struct paraclock_timeline tl = conv_at(NOW, 5);

	keeper_init(&keeper);
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	memset(&stall, 0, sizeof(stall));
	stall.at = moment;
	tl.base_sec = 6;
	keeper.fake.env.counter = dying_counter;
	assert_int_equal(keeper_set(&keeper, &tl, t_change), 0);
	keeper_init(&keeper);
	keeper.tk = corpse;
	return stall.calls >= moment;
}

static void dead_writer_leaves_no_step(void **state)
{
	const uint64_t at = NOW + TICKS_SEC / 1024;
	struct paraclock_timeline tl = conv_at(NOW, 7);
	const uint64_t lease = tl.t_end;
	struct paraclock_sample sample;
	unsigned int closed = 0, open = 0;

	(void)state;
	for (unsigned int i = 1; dies_in_a_change(i, at); i++) {
		assert_shows(&keeper, NOW, 5 * SEC);
		assert_shows(&keeper, at - 1, 5 * SEC + 976561);
		if (keeper_read(&keeper, at, &sample)) {
			closed++;
			assert_refuses(&keeper, at, -EAGAIN);
			assert_refuses(&keeper, lease, -EAGAIN);
		} else {
			open++;
			assert_int_equal(sample.host_ns, 5 * SEC + 976562);
		}
		assert_refuses(&keeper, lease + 1, -EAGAIN);
		keeper.fake.process_id++;
		assert_int_equal(paraclock_timekeeper_acquire(
					 &keeper.tk, &keeper.fake.env, NULL),
				 0);
		assert_int_equal(keeper_set(&keeper, &tl, at), 0);
		assert_shows(&keeper, at - 1, 5 * SEC + 976561);
		assert_shows(&keeper, at, 7 * SEC + 976562);
	}
	assert_true(closed > 0);
	assert_true(open > 0);
}

/* --- leap seconds ---------------------------------------------------------
 */

/* 2016-12-31 23:59:55 UTC: five seconds, and then a leap second. */
#define BEFORE_2017 1483228795

struct month_case {
	const char *name;
	uint8_t timescale, leap;
	uint32_t flags;
	uint64_t sec;
	unsigned int seconds; /* of the ten */
};

static struct month_case month_cases[] = {
	/* clang-format off */
	{ "UTC ends with the month", PARACLOCK_TIMESCALE_UTC,
	  PARACLOCK_LEAP_PRE_POS, 0, BEFORE_2017, 5 },
	{ "UTC without a leap second too", PARACLOCK_TIMESCALE_UTC,
	  PARACLOCK_LEAP_NONE, 0, BEFORE_2017, 5 },
	{ "UTC ends a second earlier if the last one is removed",
	  PARACLOCK_TIMESCALE_UTC,
	  PARACLOCK_LEAP_PRE_NEG, 0, BEFORE_2017, 4 },
	{ "UTC without a leap state goes on", PARACLOCK_TIMESCALE_UTC,
	  PARACLOCK_LEAP_UNKNOWN, 0, BEFORE_2017, 10 },
	{ "TAI ends with the month of UTC", PARACLOCK_TIMESCALE_TAI,
	  PARACLOCK_LEAP_PRE_POS, PARACLOCK_TIMELINE_TAI_OFFSET,
	  BEFORE_2017 + 36, 5 },
	{ "TAI without an offset goes on", PARACLOCK_TIMESCALE_TAI,
	  PARACLOCK_LEAP_PRE_POS, 0, BEFORE_2017 + 36, 10 },
	{ "the month's second half is far away", PARACLOCK_TIMESCALE_UTC,
	  PARACLOCK_LEAP_PRE_POS, 0, BEFORE_2017 - 86400, 10 },
	/* clang-format on */
};

static void ends_with_the_month(void **state)
{
	const struct month_case *c = *state;
	struct paraclock_timeline tl = conv_at(NOW, c->sec);
	const uint64_t last = NOW + c->seconds * TICKS_SEC;

	keeper_init(&keeper);
	tl.timescale = c->timescale;
	tl.leap = c->leap;
	tl.tai_offset_sec = 36;
	tl.flags |= c->flags;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	if (c->seconds == 10) {
		assert_shows(&keeper, last, (int64_t)(c->sec + 10) * SEC);
		return;
	}
	/* It may end some microseconds earlier, and never later. */
	assert_refuses(&keeper, last, -EAGAIN);
	assert_shows(&keeper, last - TICKS_SEC / 1024,
		     (int64_t)(c->sec + c->seconds) * SEC - 976563);
}

int main(void)
{
	add_test("a change comes at its counter value",
		 a_change_comes_at_its_counter_value);
	add_test("a pending change is replaced", a_pending_change_is_replaced);
	add_test("a change as soon as possible is within 20 us",
		 a_change_as_soon_as_possible_is_within_20_us);
	add_test("the last lease ends with the counter",
		 the_last_lease_ends_with_the_counter);
	ADD_ROWS(promise_cases, keeps_the_promise);
	add_test("a lift is in the bound", a_lift_is_in_the_bound);
	add_test("the promise outlives the lease", promise_outlives_the_lease);
	add_test("a writer that dies in a change leaves no step",
		 dead_writer_leaves_no_step);
	add_test("a change that comes too late is not published",
		 a_late_change_is_not_published);
	ADD_ROWS(month_cases, ends_with_the_month);
	return run_suite(NULL, NULL);
}
