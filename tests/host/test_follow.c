// SPDX-License-Identifier: MIT
/* Timekeepers that follow a clock. */

#include <paraclock/timekeeper.h>

#include "follows.h"

/* --- what readers see ----------------------------------------------------- */

static void shows_the_clock(void **state)
{
	(void)state;
	source.ppb = 100000;
	start_following();
	assert_in_range(off() + 2, 0, 4);
	for (unsigned int i = 0; i < 20; i++) {
		/* Between the calls, too: the rate is right. */
		keeper.fake.counter += SEC / 2;
		assert_in_range(off() + 4, 0, 8);
		keeper.fake.counter += SEC / 2;
		assert_int_equal(call(), 0);
		assert_in_range(off() + 4, 0, 8);
	}
	assert_int_equal(follow.steps, 0);
	assert_int_equal(describe(&keeper).migrations, 1);
}

static void calls_in_between_measure_no_rate(void **state)
{
	(void)state;
	assert_int_equal(call(), -EAGAIN);
	for (unsigned int i = 0; i < 19; i++) {
		keeper.fake.counter += 100 * MS;
		assert_int_equal(call(), -EAGAIN);
	}
	keeper.fake.counter += 100 * MS;
	assert_int_equal(call(), 0);
}

struct slew_case {
	const char *name;
	int64_t jump_ns;
	uint64_t max_slew_ppb, step_ns;
	uint32_t flags;
	int64_t slew_ppb;
	uint32_t steps;
};

static struct slew_case slew_cases[] = {
	/* clang-format off */
	{ "a ms ahead lasts 4 s", MS, 0, 0, MONO, 250000, 0 },
	{ "a ms behind lasts 4 s", -(int64_t)MS, 0, 0, MONO, -250000, 0 },
	{ "an offset is slewed no faster than 500 ppm",
	  SEC, 0, 0, 0, 500000, 0 },
	{ "a negative offset is slewed no faster, either",
	  -SEC, 0, 0, MONO, -500000, 0 },
	{ "an offset is slewed no faster than the caller allows",
	  MS, 1000, 0, 0, 1000, 0 },
	{ "an offset is slewed by up to a tenth",
	  3 * SEC, 100000000, 0, 0, 100000000, 0 },
	{ "a step ahead, if the caller allows it", SEC, 0, SEC, MONO, 0, 1 },
	{ "a smaller offset is not stepped", SEC - 1, 0, SEC, MONO, 500000, 0 },
	{ "a step back, if the caller allows it", -SEC, 0, SEC, 0, 0, 1 },
	{ "no step back with MONOTONIC", -SEC, 0, SEC, MONO, -500000, 0 },
	/* clang-format on */
};

static void slews(void **state)
{
	const struct slew_case *c = *state;
	const uint64_t max = c->max_slew_ppb ? c->max_slew_ppb : 500000;
	int64_t before, then, now, ran;

	follow.max_slew_ppb = c->max_slew_ppb;
	follow.step_ns = c->step_ns;
	follow.flags = c->flags;
	start_following();
	source.offset_ns += c->jump_ns;
	before = shown();
	assert_int_equal(call(), 0);
	assert_int_equal(follow.steps, c->steps);
	if (c->steps) {
		assert_in_range(off() + 2, 0, 4);
		assert_int_equal(describe(&keeper).migrations, 2);
		return;
	}
	assert_in_range(follow.offset_ns - c->jump_ns + 3, 0, 6);
	assert_in_range(follow.slew_ppb - c->slew_ppb + 2, 0, 4);
	assert_int_equal(describe(&keeper).migrations, 1);
	/* Not a step: the change is some microseconds ahead. */
	assert_int_equal(shown(), before);
	keeper.fake.counter += 20000;
	then = shown();
	keeper.fake.counter += 100 * MS;
	now = shown();
	ran = now - then - (int64_t)(100 * MS);
	assert_in_range(ran - c->slew_ppb / 10 + 3, 0, 6);
	assert_true(ran <= (int64_t)max / 10 + 2);
}

static void an_offset_goes_and_is_not_overdone(void **state)
{
	int64_t last = MS;

	(void)state;
	start_following();
	source.offset_ns += last;
	for (unsigned int i = 0; i < 100; i++) {
		int64_t now;

		assert_int_equal(call(), 0);
		keeper.fake.counter += 250 * MS;
		now = -off();
		assert_true(now <= last + 3);
		assert_true(now >= -4);
		last = now;
	}
	/* A sixteenth each time, in 25 s. */
	assert_in_range(last + 4, 0, 5000);
}

/*
 * Less than a whole lease of the counter is left: 2^64 - 1 stands for "never".
 */
static void follows_to_the_end_of_the_counter(void **state)
{
	struct paraclock_sample s;

	(void)state;
	keeper.fake.counter = UINT64_MAX - 4 * SEC;
	source.turned = keeper.fake.counter;
	source.offset_ns = 5 * SEC - (int64_t)keeper.fake.counter;
	start_following();
	assert_int_equal(describe(&keeper).t_end, UINT64_MAX - 1);
	keeper.fake.counter = UINT64_MAX - 1;
	assert_in_range(off() + 4, 0, 8);
	/* It begins anew: the old timeline was not of this counter. */
	keeper.fake.counter = SEC;
	assert_int_equal(keeper_read(&keeper, keeper.fake.counter, &s), 0);
	assert_int_equal(s.valid, 0);
	assert_int_equal(s.reason, PARACLOCK_REASON_WINDOW);
}

/* --- what is refused ------------------------------------------------------ */

static void an_own_kernel_clock_is_refused(void **state)
{
	struct paraclock_sample s;

	(void)state;
	source.sample.flags = PARACLOCK_FLAG_OWN_KERNEL;
	assert_int_equal(call(), -EOPNOTSUPP);
	follow.flags = PARACLOCK_FOLLOW_OWN_KERNEL;
	start_following();
	/* It does not pass for another clock, either. */
	assert_int_equal(keeper_read(&keeper, keeper.fake.counter, &s), 0);
	assert_int_equal(s.flags, PARACLOCK_FLAG_OWN_KERNEL);
}

static void an_unreadable_clock_changes_nothing(void **state)
{
	struct paraclock_follow was;
	int64_t ns;

	(void)state;
	start_following();
	was = follow;
	source.error = -EPROTO;
	assert_int_equal(call(), -EPROTO);
	source.error = 0;
	source.sample.valid = 0;
	source.sample.reason = PARACLOCK_REASON_STATUS;
	assert_int_equal(call(), -EAGAIN);
	source.sample.valid = 1;
	source.sample.reason = 0;
	source.sample.leap = PARACLOCK_LEAP_POS;
	assert_int_equal(call(), -EAGAIN);
	source.sample.leap = PARACLOCK_LEAP_UNKNOWN;
	source.sample.timescale = PARACLOCK_TIMESCALE_TAI;
	assert_int_equal(call(), -EINVAL);
	assert_memory_equal(&follow, &was, sizeof(was));
	source.sample.timescale = PARACLOCK_TIMESCALE_MONOTONIC;
	/* The timekeeper runs on alone, up to the end of its lease. */
	keeper.fake.counter += 4 * SEC - 1;
	ns = off();
	assert_in_range(ns + 6, 0, 12);
	keeper.fake.counter += 2;
	assert_refuses(&keeper, keeper.fake.counter, -EAGAIN);
	assert_int_equal(call(), 0);
	assert_in_range(off() + 2, 0, 4);
}

struct bad_case {
	const char *name;
	size_t offset;
	unsigned int bytes;
	uint64_t value;
};

#define FIELD(m)                              \
	offsetof(struct paraclock_follow, m), \
		sizeof(((struct paraclock_follow *)0)->m)

static struct bad_case bad_cases[] = {
	/* clang-format off */
	{ "a size that is too small", FIELD(size),
	  sizeof(struct paraclock_follow) - 1 },
	{ "a slew of more than a tenth", FIELD(max_slew_ppb), 100000001 },
	{ "a drift of more than a tenth", FIELD(drift_ppb), 100000001 },
	{ "a lease below a ms", FIELD(lease_ns), MS - 1 },
	{ "a lease above 10^6 s", FIELD(lease_ns), 1000000 * SEC + 1 },
	{ "an interval below a ms", FIELD(rate_interval_ns), MS - 1 },
	{ "an interval above 10^6 s", FIELD(rate_interval_ns),
	  1000000 * SEC + 1 },
	{ "an unknown flag", FIELD(flags), 8 },
	/* clang-format on */
};

static void refuses_options(void **state)
{
	const struct bad_case *c = *state;
	struct paraclock_follow was;

	memcpy((char *)&follow + c->offset, &c->value, c->bytes);
	was = follow;
	assert_int_equal(call(), -EINVAL);
	assert_memory_equal(&follow, &was, sizeof(was));
}

static void refuses_arguments(void **state)
{
	const struct paraclock_env *env = &keeper.fake.env;

	(void)state;
	assert_int_equal(paraclock_timekeeper_follow(NULL, env, clk, &follow),
			 -EINVAL);
	assert_int_equal(paraclock_timekeeper_follow(&keeper.tk, env, NULL,
						     &follow),
			 -EINVAL);
	assert_int_equal(paraclock_timekeeper_follow(&keeper.tk, env, clk,
						     NULL),
			 -EINVAL);
}

int main(void)
{
	each_test(set_up, tear_down);
	add_test("readers see the clock's time", shows_the_clock);
	add_test("calls in between measure no rate",
		 calls_in_between_measure_no_rate);
	ADD_ROWS(slew_cases, slews);
	add_test("an offset goes, and is not overdone",
		 an_offset_goes_and_is_not_overdone);
	add_test("follows to the end of the counter",
		 follows_to_the_end_of_the_counter);
	add_test("an own-kernel clock is refused",
		 an_own_kernel_clock_is_refused);
	add_test("a clock that cannot be read changes nothing",
		 an_unreadable_clock_changes_nothing);
	ADD_ROWS(bad_cases, refuses_options);
	add_test("refuses bad arguments", refuses_arguments);
	return run_suite(NULL, NULL);
}
