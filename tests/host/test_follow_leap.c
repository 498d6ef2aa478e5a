// SPDX-License-Identifier: MIT
/* Following a clock across the end of a UTC month. */

#include <paraclock/timekeeper.h>

#include "follows.h"

#define UTC PARACLOCK_TIMESCALE_UTC
#define TAI PARACLOCK_TIMESCALE_TAI

/* 2017-01-01 00:00:00 UTC, and TAI - UTC before. */
#define JANUARY	 1483228800LL
#define TAI_LESS 36

/*
 * A world begins this long before the month's end, and lasts as long after it.
 */
#define AROUND_SEC 8

struct leap_case {
	const char *name;
	uint64_t hz;
	uint8_t timescale;
	int leap; /* s that are inserted */
	uint32_t flags;
	int64_t jitter_ns; /* its clock is set by up to this */
};

static const struct leap_case *world;
static uint64_t first;	 /* counter at which the world begins */
static int64_t ahead_ns; /* the clock of true time */
static uint64_t delay;	 /* from a sample to the timeline made of it, ticks */

static uint64_t seed;

static uint64_t dice(uint64_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % sides;
}

static int64_t tai_at(uint64_t counter)
{
	return (JANUARY + TAI_LESS - AROUND_SEC) * SEC +
	       (int64_t)((u128)(counter - first) * SEC / world->hz);
}

/* Everything that depends on the TAI offset. */
static void set_leap_state(int64_t tai, struct paraclock_sample *s)
{
	const bool leap = world->leap != 0;
	int64_t end = (JANUARY + TAI_LESS - (world->leap < 0)) * SEC;
	int offset = TAI_LESS;

	s->leap = PARACLOCK_LEAP_NONE;
	if (tai < end) {
		if (leap)
			s->leap = world->leap > 0 ? PARACLOCK_LEAP_PRE_POS
						  : PARACLOCK_LEAP_PRE_NEG;
	} else {
		offset += world->leap;
		if (leap)
			s->leap = world->leap > 0 ? PARACLOCK_LEAP_POST_POS
						  : PARACLOCK_LEAP_POST_NEG;
		if (world->leap > 0 && tai < end + SEC)
			s->leap = PARACLOCK_LEAP_POS;
	}
	s->tai_offset_sec = (int16_t)offset;
	s->host_ns = world->timescale == TAI ? tai : tai - offset * SEC;
}

static void say(struct paraclock_sample *sample)
{
	set_leap_state(tai_at(sample->host_tsc) + ahead_ns, sample);
	keeper.fake.counter += delay;
}

static void begin(const struct leap_case *c)
{
	world = c;
	ahead_ns = 0;
	assert_int_equal(set_up(NULL), 0);
	first = keeper.fake.counter;
	source.say = say;
	source.sample.timescale = c->timescale;
	source.sample.flags = PARACLOCK_FLAG_TAI_OFFSET;
	source.sample.clock_error_ns = 10;
	follow.flags = c->flags;
	follow.drift_ppb = 1000;
	follow.rate_interval_ns = 500 * MS;
}

/*
 * Readers see the truth: within the steps of the clock, and never out by the
 * leap second, on either side of it.
 */
struct seen {
	unsigned int reads, before, after;
	int64_t last_ns;
};

static void look(struct seen *seen)
{
	struct paraclock_sample s;
	struct paraclock_sample truth;
	int64_t away, tai;

	if (keeper_read(&keeper, keeper.fake.counter, &s))
		return;
	assert_int_equal(s.valid, 1);
	set_leap_state(tai_at(s.host_tsc), &truth);
	tai = s.host_ns;
	if (world->timescale == UTC)
		tai += s.tai_offset_sec * SEC;
	away = tai - tai_at(s.host_tsc);
	away = away < 0 ? -away : away;
	assert_in_range(away, 0, 2 * world->jitter_ns + 10);
	if (!world->jitter_ns) {
		assert_in_range(away, 0, s.clock_error_ns);
		assert_int_equal(s.tai_offset_sec, truth.tai_offset_sec);
		assert_int_equal(s.leap, truth.leap);
	}
	/*
	 * In the month that the sample states: also for UTC computed from TAI.
	 */
	tai -= s.tai_offset_sec * SEC;
	if (s.tai_offset_sec == TAI_LESS && world->leap) {
		assert_true(tai < (JANUARY - (world->leap < 0)) * SEC);
		seen->before++;
	} else {
		seen->after += tai >= JANUARY * SEC;
	}
	/* A second that is inserted is one step back, on UTC. */
	if (world->flags & MONO)
		assert_true(s.host_ns >= seen->last_ns);
	seen->last_ns = s.host_ns;
	seen->reads++;
}

/* Often the last 12 us of the month, otherwise up to 0.7 s. */
static void go_on(uint64_t month)
{
	uint64_t *now = &keeper.fake.counter;
	uint64_t short_of = 1 + dice(world->hz / (dice(2) ? 83000 : 10000000));

	if (dice(3) == 0 && *now < month && month - *now < world->hz &&
	    short_of < month - *now)
		*now = month - short_of;
	else
		*now += dice(world->hz * 7 / 10);
}

static void crosses(const struct leap_case *c, struct seen *seen)
{
	uint64_t month, end;

	begin(c);
	month = first + (c->leap < 0 ? AROUND_SEC - 1 : AROUND_SEC) * c->hz;
	end = first + 2 * AROUND_SEC * c->hz;
	seen->last_ns = 0;
	while (keeper.fake.counter < end) {
		go_on(month);
		if (c->jitter_ns && dice(5) == 0)
			ahead_ns = (int64_t)dice((uint64_t)c->jitter_ns) -
				   c->jitter_ns / 2;
		(void)call();
		for (unsigned int i = 0; i < 10; i++) {
			look(seen);
			keeper.fake.counter +=
				dice(world->hz / (dice(2) ? 10 : 100000));
		}
	}
	tear_down(NULL);
}

static struct leap_case leap_cases[] = {
	/* clang-format off */
	{ "a leap second of UTC at 24 MHz", 24000000, UTC, 1, MONO, 0 },
	{ "a leap second of UTC at 1 GHz", 1000000000, UTC, 1, 0, 0 },
	{ "a leap second of UTC at 3 GHz", 3000000000, UTC, 1, MONO, 0 },
	{ "a leap second of TAI at 24 MHz", 24000000, TAI, 1, MONO, 0 },
	{ "a leap second of TAI at 3 GHz", 3000000000, TAI, 1, 0, 0 },
	{ "a second removed from UTC at 24 MHz", 24000000, UTC, -1, MONO, 0 },
	{ "a second removed from UTC at 3 GHz", 3000000000, UTC, -1, 0, 0 },
	{ "a second removed from TAI", 1000000000, TAI, -1, MONO, 0 },
	{ "a month without", 1000000000, UTC, 0, MONO, 0 },
	{ "a leap second while it lags", 24000000, UTC, 1, MONO, 2 * MS },
	{ "a second removed while it lags", 24000000, UTC, -1, MONO, 2 * MS },
	{ "removed from TAI while it lags", 3000000000, TAI, -1, 0, 20 * MS },
	{ "a month without a leap second, while it lags",
	  3000000000, UTC, 0, MONO, 2 * MS },
	/* clang-format on */
};

/* About 1000 reads each time. */
static void is_true_across(void **state)
{
	const struct leap_case *c = *state;
	struct seen seen = { 0 };

	seed = 88172645463325252U;
	for (unsigned int i = 0; i < 150; i++)
		crosses(c, &seen);
	assert_true(seen.reads > 20000);
	assert_true(seen.after > 5000);
	if (c->leap)
		assert_true(seen.before > 5000);
}

/* --- a clock in another month than the timekeeper ------------------------- */

static void to(int64_t ms)
{
	keeper.fake.counter =
		first + (uint64_t)(AROUND_SEC * 1000 + ms) * (world->hz / 1000);
}

static struct leap_case removed = { "", 1000000000, UTC, -1, MONO, 0 };
static struct leap_case plain = { "", 1000000000, UTC, 0, MONO, 0 };
static struct leap_case inserted = {
	"", 1000000000, UTC, 1, MONO | PARACLOCK_FOLLOW_RESTART, 0
};

static void followed_until(int64_t ms)
{
	for (int64_t at = ms - 3000; at <= ms; at += 500) {
		to(at);
		(void)call();
	}
	assert_int_equal(call(), 0);
}

/*
 * The clock is past the second that was removed, and 1.2 s ahead: this offset
 * must not be slewed away.
 */
static void a_lagging_timekeeper_waits_for_the_months_end(void **state)
{
	struct paraclock_sample s;

	(void)state;
	begin(&removed);
	followed_until(-1400);
	ahead_ns = 200 * (int64_t)MS;
	to(-1100);
	assert_int_equal(call(), -EAGAIN);
	to(-1050);
	assert_int_equal(keeper_read(&keeper, keeper.fake.counter, &s), 0);
	assert_int_equal(s.leap, PARACLOCK_LEAP_PRE_NEG);
	assert_in_range(s.host_ns, JANUARY * SEC - 1051 * (int64_t)MS,
			JANUARY * SEC - 1049 * (int64_t)MS);
	assert_int_equal(call(), -EAGAIN);
	to(-900);
	assert_refuses(&keeper, keeper.fake.counter, -EAGAIN);
	assert_int_equal(call(), 0);
	assert_int_equal(keeper_read(&keeper, keeper.fake.counter, &s), 0);
	assert_int_equal(s.leap, PARACLOCK_LEAP_POST_NEG);
	assert_int_equal(s.host_ns, JANUARY * SEC + 300 * (int64_t)MS);
	tear_down(NULL);
}

/*
 * It has shown more of the month than the clock, so it waits for the clock to
 * get there.
 */
static void a_leading_timekeeper_waits_for_the_clock(void **state)
{
	struct paraclock_sample s;

	(void)state;
	begin(&plain);
	ahead_ns = 200 * (int64_t)MS;
	followed_until(-300);
	ahead_ns = 0;
	to(-250);
	assert_int_equal(call(), 0);
	to(-150);
	assert_refuses(&keeper, keeper.fake.counter, -EAGAIN);
	/*
	 * Still in the old month, like the time that was seen: it goes on from
	 * there.
	 */
	(void)call();
	to(-100);
	assert_refuses(&keeper, keeper.fake.counter, -EAGAIN);
	to(100);
	assert_int_equal(call(), 0);
	assert_int_equal(keeper_read(&keeper, keeper.fake.counter, &s), 0);
	assert_int_equal(s.host_ns, JANUARY * SEC + 100 * (int64_t)MS);
	tear_down(NULL);
}

/* A clock is read just before the month's end, and the timekeeper just after.
 */
static void restart_is_in_the_month_of_the_sample(void **state)
{
	struct paraclock_sample s;
	unsigned int restarted = 0;

	(void)state;
	for (int64_t us = 1; us < 20; us++) {
		begin(&inserted);
		followed_until(-2500);
		source.marker++;
		assert_int_equal(call(), -ESTALE);
		to(-1100);
		assert_int_equal(call(), -EAGAIN);
		to(-550);
		assert_int_equal(call(), -EAGAIN);
		to(0);
		keeper.fake.counter -= (uint64_t)us * 1000;
		delay = 10000;
		restarted += call() == 0;
		delay = 0;
		to(500);
		assert_int_not_equal(
			keeper_read(&keeper, keeper.fake.counter, &s), 0);
		to(3000);
		assert_int_not_equal(
			keeper_read(&keeper, keeper.fake.counter, &s), 0);
		tear_down(NULL);
	}
	assert_true(restarted > 0);
}

static struct leap_case restarted = {
	"", 1000000000, UTC, 0, MONO | PARACLOCK_FOLLOW_RESTART, 0
};

/*
 * The counter is reset, so readers may have seen all of a lease, which ended
 * with the month: no timeline begins there until the clock is in the next
 * month.
 */
static void a_month_seen_to_its_end_waits_for_the_clock(void **state)
{
	struct paraclock_sample s;

	(void)state;
	begin(&restarted);
	followed_until(-2600);
	source.marker++;
	keeper.fake.counter = 1000;
	first = 1000 - (AROUND_SEC * 1000 - 2500) * MS;
	assert_int_equal(call(), -ESTALE);
	for (int64_t ms = -1900; ms < 0; ms += 600) {
		to(ms);
		assert_int_equal(call(), -EAGAIN);
		assert_refuses(&keeper, keeper.fake.counter, -EAGAIN);
	}
	to(100);
	assert_int_equal(call(), 0);
	assert_int_equal(keeper_read(&keeper, keeper.fake.counter, &s), 0);
	assert_int_equal(s.host_ns, JANUARY * SEC + 100 * (int64_t)MS);
	tear_down(NULL);
}

int main(void)
{
	ADD_ROWS(leap_cases, is_true_across);
	add_test("a lagging timekeeper waits for the end of its month",
		 a_lagging_timekeeper_waits_for_the_months_end);
	add_test("a leading timekeeper waits for the clock",
		 a_leading_timekeeper_waits_for_the_clock);
	add_test("a restart is in the month of its sample",
		 restart_is_in_the_month_of_the_sample);
	add_test("a month that was seen to its end waits for the clock",
		 a_month_seen_to_its_end_waits_for_the_clock);
	return run_suite(NULL, NULL);
}
