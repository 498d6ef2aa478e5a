// SPDX-License-Identifier: MIT
/* Following a clock that is disrupted, set, and never at one rate. */

/* First: it has parameters of the name of the source below. */
#include "host/timekeeper.h"

#include "follows.h"

/* --- disruptions, and a clock that jumps ----------------------------------
 */

static void a_disruption_freezes(void **state)
{
	(void)state;
	start_following();
	source.marker++;
	assert_int_equal(call_for(1), -ESTALE);
	assert_int_equal(describe(&keeper).state, PARACLOCK_TIMEKEEPER_FROZEN);
	assert_refuses(&keeper, keeper.fake.counter, -EAGAIN);
	/* Until the caller has handled it. */
	assert_int_equal(call_for(5), -ESTALE);
	assert_int_equal(paraclock_timekeeper_unfreeze(&keeper.tk,
						       &keeper.fake.env),
			 -ESTALE);
}

static void a_disruption_can_be_outlived(void **state)
{
	int64_t before;

	(void)state;
	follow.flags = PARACLOCK_FOLLOW_RESTART | MONO;
	start_following();
	before = shown();
	/* Another counter, at another rate, and the clock 3 s back. */
	source.marker++;
	source.turned = keeper.fake.counter;
	source.ppb = 300000000;
	source.offset_ns -= 6 * SEC;
	assert_int_equal(call(), -ESTALE);
	assert_int_equal(call_for(1), -EAGAIN);
	assert_int_equal(call_for(1), -EAGAIN);
	assert_refuses(&keeper, keeper.fake.counter, -EAGAIN);
	assert_int_equal(call_for(1), 0);
	assert_int_equal(describe(&keeper).migrations, 2);
	/*
	 * Readers must not go behind what they have seen: the clock is behind,
	 * and the timekeeper waits for it.
	 */
	assert_true(shown() >= before);
	assert_true(source_at(keeper.fake.counter) < before);
	assert_int_equal(follow.slew_ppb, -500000);
	/* A timekeeper without the promise goes back at once. */
	follow.flags = PARACLOCK_FOLLOW_RESTART;
	source.marker++;
	assert_int_equal(call(), -ESTALE);
	(void)call_for(3);
	assert_int_equal(describe(&keeper).state, PARACLOCK_TIMEKEEPER_RUNNING);
	assert_in_range(off() + 4, 0, 8);
}

/* A freeze by the owner is for the owner to end. */
static void owner_freezes(void)
{
	assert_int_equal(
		paraclock_timekeeper_freeze(&keeper.tk, &keeper.fake.env), 0);
	assert_int_equal(call_for(5), -ESTALE);
	assert_int_equal(describe(&keeper).state, PARACLOCK_TIMEKEEPER_FROZEN);
	assert_refuses(&keeper, keeper.fake.counter, -EAGAIN);
}

static void only_the_owner_ends_its_freeze(void **state)
{
	const struct paraclock_env *env = &keeper.fake.env;
	struct paraclock_timeline tl;

	(void)state;
	follow.flags = PARACLOCK_FOLLOW_RESTART;
	start_following();
	source.marker++;
	assert_int_equal(call(), -ESTALE);
	/* The offset is corrected by hand, before the rate is known again. */
	tl = conv_at(keeper.fake.counter,
		     (uint64_t)source_at(keeper.fake.counter) / SEC);
	assert_int_equal(paraclock_timekeeper_reconfigure(&keeper.tk, env, &tl),
			 0);
	assert_int_equal(paraclock_timekeeper_unfreeze(&keeper.tk, env), 0);
	assert_int_equal(call_for(3), 0);
	owner_freezes();
	assert_int_equal(describe(&keeper).migrations, 2);
}

static void owners_freeze_outlives_a_disruption(void **state)
{
	(void)state;
	follow.flags = PARACLOCK_FOLLOW_RESTART;
	start_following();
	assert_int_equal(
		paraclock_timekeeper_freeze(&keeper.tk, &keeper.fake.env), 0);
	source.marker++;
	owner_freezes();
	assert_int_equal(describe(&keeper).migrations, 1);
}

static void only_the_owner_ends_its_freeze_after_a_restart(void **state)
{
	(void)state;
	follow.flags = PARACLOCK_FOLLOW_RESTART;
	start_following();
	source.marker++;
	assert_int_equal(call(), -ESTALE);
	assert_int_equal(call_for(3), 0);
	owner_freezes();
	assert_int_equal(describe(&keeper).migrations, 2);
}

/* The memory is shared: its record of what was seen may hold anything. */
static void an_impossible_seen_time_is_not_believed(void **state)
{
	struct tk *tk = (void *)&keeper.tk;

	(void)state;
	follow.flags = PARACLOCK_FOLLOW_RESTART | MONO;
	start_following();
	source.marker++;
	assert_int_equal(call(), -ESTALE);
	tk->slot[tk->state & 1].seen_sec = UINT64_MAX / 2;
	assert_int_equal(call_for(2), -EAGAIN);
	assert_int_equal(call_for(1), -ERANGE);
	assert_refuses(&keeper, keeper.fake.counter, -EAGAIN);
}

static void a_jump_is_not_mistaken_for_a_rate(void **state)
{
	int64_t rate;

	(void)state;
	start_following();
	keeper.fake.counter += SEC;
	source.offset_ns += SEC / 2;
	assert_int_equal(call(), 0);
	keeper.fake.counter += SEC / 10;
	rate = shown();
	keeper.fake.counter += SEC / 10;
	rate = shown() - rate;
	/* 500 ppm of slew, and not 50 % of rate. */
	assert_in_range(rate, SEC / 10 + 49990, SEC / 10 + 50010);
	/* A rate between the first two is not believed, either. */
	tear_down(NULL);
	set_up(NULL);
	assert_int_equal(call(), -EAGAIN);
	source.offset_ns += SEC;
	assert_int_equal(call_for(1), -EAGAIN);
	assert_int_equal(call_for(1), -EAGAIN);
	assert_int_equal(call_for(1), 0);
	keeper.fake.counter += SEC;
	assert_in_range(off() + 4, 0, 8);
}

/* --- the bound, and the promise, whatever the clock does ------------------
 */

static uint64_t seed = 88172645463325252U;

static uint64_t dice(uint64_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % sides;
}

/* Rates within 40 ppm of each other, and sometimes it is set. */
static void disturb(bool jumps)
{
	source.offset_ns =
		source_at(keeper.fake.counter) - (int64_t)keeper.fake.counter;
	source.turned = keeper.fake.counter;
	source.ppb = (int64_t)dice(40000) - 20000;
	if (jumps && dice(10) == 0)
		source.offset_ns += (int64_t)dice(2 * MS) - (int64_t)MS;
}

static void the_clock_is_within_the_bound(void **state)
{
	struct paraclock_sample s;
	unsigned int bounded = 0;

	(void)state;
	follow.drift_ppb = 50000;
	follow.rate_interval_ns = 50 * MS;
	source.sample.clock_error_ns = 100;
	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t away;

		(void)call();
		keeper.fake.counter += dice(200 * MS);
		if (!keeper_read(&keeper, keeper.fake.counter, &s)) {
			int64_t gap = off();

			away = (uint64_t)(gap < 0 ? -gap : gap);
			assert_true(s.clock_error_ns !=
				    PARACLOCK_ERROR_UNKNOWN);
			assert_true(away + 100 <= s.clock_error_ns);
			bounded++;
		}
		disturb(false);
	}
	assert_true(bounded > 19000);
}

struct correct_case {
	const char *name;
	int64_t from_ns, to_ns; /* the clock's own error, within 250 us */
	uint64_t pair_error_ns, interval_ns;
	/*
	 * The bound grows by: both of 250 us, both pairs and the difference of
	 * two rates, an interval; and by the drift.
	 */
	uint64_t per_sec_ns;
};

static struct correct_case correct_cases[] = {
	/* clang-format off */
	{ "a clock that keeps to its bound", 100000, 100000, 0, SEC, 501000 },
	{ "a clock that corrects itself by 400 us", -200000, 200000, 0, SEC,
	  901000 },
	{ "a clock that corrects itself by -400 us",
	  200000, -200000, 0, SEC, 901000 },
	{ "a clock that corrects itself by 2 us", 1000, -1000, 0, SEC, 503000 },
	{ "pairs of 1 us in a second", 0, 0, 1000, SEC, 503000 },
	{ "pairs of 1 us in 10 ms", 0, 0, 1000, 10 * MS, 50201000 },
	{ "a correction and pairs of 1 us", 1000, -1000, 1000, SEC, 505000 },
	/* clang-format on */
};

/*
 * No marker changed, and no jump could be told from a rate; yet the correction
 * was noticed.
 */
static void corrections_are_in_the_bound(void **state)
{
	const struct correct_case *c = *state;
	struct paraclock_sample s;
	uint64_t last = 0;

	follow.drift_ppb = 1000;
	follow.rate_interval_ns = c->interval_ns;
	source.sample.clock_error_ns = 250000;
	source.sample.pair_error_ns = c->pair_error_ns;
	source.offset_ns = 5 * SEC + c->from_ns;
	for (unsigned int i = 0; i < 10; i++) {
		keeper.fake.counter += c->interval_ns + MS / 2;
		(void)call();
	}
	source.offset_ns = 5 * SEC + c->to_ns;
	keeper.fake.counter += c->interval_ns + MS / 2;
	assert_int_equal(call(), 0);
	keeper.fake.counter += MS;
	for (unsigned int i = 0; i < 3; i++) {
		int64_t away;

		assert_int_equal(keeper_read(&keeper, keeper.fake.counter, &s),
				 0);
		away = s.host_ns - 5 * SEC - (int64_t)s.host_tsc;
		assert_true((uint64_t)(away < 0 ? -away : away) <=
			    s.clock_error_ns);
		/* The bound is not much larger, either. */
		if (i)
			assert_in_range(s.clock_error_ns - last,
					c->per_sec_ns * 9 / 10,
					c->per_sec_ns * 11 / 10 + 300);
		last = s.clock_error_ns;
		keeper.fake.counter += SEC;
	}
}

static int call_after_a_ms(void)
{
	keeper.fake.counter += MS;
	return call();
}

/* 2000 ppm are not a rate, however well two of them agree. */
static void wide_pairs_give_no_rate(void **state)
{
	(void)state;
	follow.rate_interval_ns = MS;
	source.sample.pair_error_ns = 1000;
	for (unsigned int i = 0; i < 5; i++)
		assert_int_equal(call_after_a_ms(), -EAGAIN);
	source.sample.pair_error_ns = 0;
	assert_int_equal(call_after_a_ms(), -EAGAIN);
	assert_int_equal(call_after_a_ms(), 0);
}

/*
 * No marker shows it. 4 s of the lease are left, so readers may have seen 4 s.
 */
static void never_back_after_a_reset(void **state)
{
	struct paraclock_sample s;
	uint64_t last;

	(void)state;
	follow.flags = MONO;
	follow.drift_ppb = 1;
	source.sample.clock_error_ns = 100;
	start_following();
	last = keeper.fake.counter;
	assert_int_equal(keeper_read(&keeper, last + 3 * SEC, &s), 0);
	keeper.fake.counter = 1000;
	source.turned = 0;
	source.offset_ns = 10 * SEC;
	assert_int_equal(call(), 0);
	/* A lease is rounded down. */
	assert_in_range(shown(), (int64_t)last + 9 * SEC - 1,
			(int64_t)last + 9 * SEC);
	assert_int_equal(keeper_read(&keeper, 1000, &s), 0);
	assert_in_range(s.clock_error_ns, off(), off() + 300);
	assert_in_range(follow.offset_ns + off() + 1, 0, 2);
	/* Half a ms a second. */
	assert_int_equal(call_for(2), 0);
	assert_in_range((int64_t)last - SEC - 1000 - off(), 999000, 1001000);
}

static void never_back(void **state)
{
	struct paraclock_sample s;
	uint64_t last_tsc = 0;
	int64_t last_ns = 0;
	unsigned int reads = 0;

	(void)state;
	follow.flags = MONO | PARACLOCK_FOLLOW_RESTART;
	follow.rate_interval_ns = 50 * MS;
	follow.lease_ns = 500 * MS;
	follow.step_ns = MS / 2;
	for (unsigned int i = 0; i < 40000; i++) {
		if (dice(4) == 0)
			(void)call();
		if (!keeper_read(&keeper, keeper.fake.counter, &s) && s.valid) {
			assert_true(s.host_tsc >= last_tsc);
			assert_true(s.host_ns >= last_ns);
			/*
			 * No leaps, either, except the ones that the test
			 * counts.
			 */
			last_tsc = s.host_tsc;
			last_ns = s.host_ns;
			reads++;
		}
		keeper.fake.counter += dice(dice(2) ? 20000 : 100 * MS);
		if (dice(8) == 0)
			disturb(true);
		if (dice(500) == 0)
			source.marker++;
	}
	assert_true(reads > 20000);
	assert_true(follow.steps > 10);
}

int main(void)
{
	each_test(set_up, tear_down);
	add_test("a disruption freezes", a_disruption_freezes);
	add_test("a disruption is outlived, if the caller allows it",
		 a_disruption_can_be_outlived);
	add_test("a freeze by the owner ends only by the owner",
		 only_the_owner_ends_its_freeze);
	add_test("a freeze by the owner outlives a disruption",
		 owners_freeze_outlives_a_disruption);
	add_test("a freeze by the owner outlives a restart",
		 only_the_owner_ends_its_freeze_after_a_restart);
	add_test("an impossible seen time is not believed",
		 an_impossible_seen_time_is_not_believed);
	add_test("a jump is not mistaken for a rate",
		 a_jump_is_not_mistaken_for_a_rate);
	ADD_ROWS(correct_cases, corrections_are_in_the_bound);
	add_test("pairs that are too wide give no rate",
		 wide_pairs_give_no_rate);
	add_test("the clock is within the bound",
		 the_clock_is_within_the_bound);
	add_test("readers never go back, whatever the clock does", never_back);
	add_test("readers never go back after a reset of the counter",
		 never_back_after_a_reset);
	return run_suite(NULL, NULL);
}
