/* SPDX-License-Identifier: MIT */
/* Shared by the tests of following: a clock of their own, and a timekeeper. */
#ifndef FOLLOWS_H
#define FOLLOWS_H

#include <paraclock/timekeeper.h>

#include "base/fixed.h"
#include "timekeepers.h"

#define MS   1000000ULL
#define MONO PARACLOCK_FOLLOW_MONOTONIC

/* A clock of the test's own: a ns a tick, plus the members below. */
static struct {
	struct paraclock_sample sample; /* but for the pair */
	int64_t offset_ns;
	int64_t ppb;	 /* since the counter was at */
	uint64_t turned; /* this */
	uint64_t marker;
	int error;
	/* Its answer instead; NULL: the above. */
	void (*say)(struct paraclock_sample *sample);
} source;

static struct keeper keeper;
static struct paraclock *clk;
static struct paraclock_follow follow;

static inline int64_t source_at(uint64_t counter)
{
	int64_t ticks = (int64_t)(counter - source.turned);

	return (int64_t)counter + source.offset_ns +
	       (int64_t)((s128)ticks * source.ppb / 1000000000);
}

static inline int source_open(const struct paraclock_env *env,
			      const struct paraclock_options *opts, void *arg,
			      void **ret_state)
{
	(void)env;
	(void)opts;
	(void)arg;
	*ret_state = &source;
	return 0;
}

static inline void source_close(void *state)
{
	(void)state;
}

static inline int source_get_time(void *state,
				  struct paraclock_sample *ret_sample)
{
	(void)state;
	if (source.error)
		return source.error;
	*ret_sample = source.sample;
	ret_sample->host_tsc = keeper.fake.counter;
	ret_sample->host_ns = source_at(keeper.fake.counter);
	if (source.say)
		source.say(ret_sample);
	return 0;
}

static inline int source_get_marker(void *state,
				    struct paraclock_marker *ret_marker)
{
	(void)state;
	*ret_marker = (struct paraclock_marker){ .value = source.marker };
	return 0;
}

static const struct paraclock_backend backend = {
	.size = sizeof(backend),
	.name = "test",
	.marker_class = PARACLOCK_MARKER_AUTHORITATIVE,
	.open = source_open,
	.get_time = source_get_time,
	.get_marker = source_get_marker,
	.close = source_close,
};

static inline int set_up(void **state)
{
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = &keeper.fake.env,
	};

	(void)state;
	memset(&source, 0, sizeof(source));
	source.sample = (struct paraclock_sample){
		.valid = 1,
		.timescale = PARACLOCK_TIMESCALE_MONOTONIC,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.leap = PARACLOCK_LEAP_UNKNOWN,
		.clock_error_ns = PARACLOCK_ERROR_UNKNOWN,
	};
	source.offset_ns = 5 * SEC;
	keeper_init(&keeper);
	source.turned = keeper.fake.counter;
	follow = (struct paraclock_follow){ .size = sizeof(follow) };
	assert_int_equal(paraclock_open_backend(&clk, &backend, NULL, &opts),
			 0);
	return 0;
}

static inline int tear_down(void **state)
{
	(void)state;
	paraclock_close(clk);
	return 0;
}

static inline int call(void)
{
	return paraclock_timekeeper_follow(&keeper.tk, &keeper.fake.env, clk,
					   &follow);
}

/* Calls once a second. */
static inline int call_for(unsigned int seconds)
{
	int ret = 0;

	while (seconds--) {
		keeper.fake.counter += SEC;
		ret = call();
	}
	return ret;
}

static inline int64_t shown(void)
{
	struct paraclock_sample s;

	assert_int_equal(keeper_read(&keeper, keeper.fake.counter, &s), 0);
	assert_int_equal(s.valid, 1);
	return s.host_ns;
}

/* The timekeeper less the clock. */
static inline int64_t off(void)
{
	return shown() - source_at(keeper.fake.counter);
}

static inline void start_following(void)
{
	assert_int_equal(call(), -EAGAIN);
	assert_int_equal(call_for(1), -EAGAIN);
	assert_int_equal(describe(&keeper).state, PARACLOCK_TIMEKEEPER_EMPTY);
	assert_int_equal(call_for(1), 0);
}

#endif
