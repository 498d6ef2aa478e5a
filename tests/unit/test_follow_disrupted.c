// SPDX-License-Identifier: MIT
/* Following a clock that is disrupted, set, and never at one rate. */

#include "follows.h"

/* --- disruptions, and a clock that jumps ----------------------------------
 */

static void disruption_freezes(void **state)
{
	(void)state;
	start_following();
	source.marker++;
	assert_int_equal(call_for(1), -ESTALE);
	assert_int_equal(describe(&keeper).state, PARACLOCK_TIMEKEEPER_FROZEN);
	assert_refuses(&keeper, keeper.fake.counter, -EAGAIN);
	/* Until the caller has seen to it. */
	assert_int_equal(call_for(5), -ESTALE);
	assert_int_equal(paraclock_timekeeper_unfreeze(&keeper.tk,
						       &keeper.fake.env),
			 -ESTALE);
}

static void disruption_is_outlived(void **state)
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
	/* Not behind what was seen: the clock is, and is waited for. */
	assert_true(shown() >= before);
	assert_true(source_at(keeper.fake.counter) < before);
	assert_int_equal(follow.slew_ppb, -500000);
	/* Who has not promised it goes back at once. */
	follow.flags = PARACLOCK_FOLLOW_RESTART;
	source.marker++;
	assert_int_equal(call(), -ESTALE);
	(void)call_for(3);
	assert_int_equal(describe(&keeper).state, PARACLOCK_TIMEKEEPER_RUNNING);
	assert_in_range(off() + 4, 0, 8);
}

static void jump_is_no_rate(void **state)
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
	/* One between the first two is not believed, either. */
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

static void bound_holds(void **state)
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
			/* Nor by leaps, but where one is counted. */
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
	static struct CMUnitTest tests[10];
	size_t n = 0;

	FOLLOW_ROW("a disruption freezes", disruption_freezes);
	FOLLOW_ROW("a disruption is outlived, if it is said",
		   disruption_is_outlived);
	FOLLOW_ROW("a jump is not taken for a rate", jump_is_no_rate);
	FOLLOW_ROW("the clock is within the bound", bound_holds);
	FOLLOW_ROW("never back, whatever the clock does", never_back);
	return _cmocka_run_group_tests("follow", tests, n, NULL, NULL);
}
