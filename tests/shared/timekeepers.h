/* SPDX-License-Identifier: MIT */
/*
 * Shared by the tests of timekeepers: a world of processes and one timekeeper.
 */
#ifndef TIMEKEEPERS_H
#define TIMEKEEPERS_H

#include <stdio.h>

#include <paraclock/timekeeper.h>

#include "fake.h"

/* A tick is 2^-30 s, so that a second is 2^30 of them and a ns is exact. */
#define TICKS_SEC ((uint64_t)1 << 30)
#define NOW	  (100 * TICKS_SEC)
#define SEC	  1000000000LL

/* Any process but this one is dead unless it is listed as alive. */
struct keeper {
	struct fake fake;
	_Alignas(64) struct paraclock_timekeeper tk;
	uint32_t alive;
};

/* All of one namespace, and started at 200. */
static inline int keeper_identify(void *ctx, uint32_t id,
				  struct paraclock_process *ret_who)
{
	struct keeper *keeper = ctx;

	if (!id)
		id = keeper->fake.process_id;
	if (id != keeper->alive && id != keeper->fake.process_id)
		return -ESRCH;
	*ret_who = (struct paraclock_process){
		.start = 200,
		.space = 1,
		.id = id,
	};
	return 0;
}

static inline struct paraclock_timeline conv_at(uint64_t tsc, uint64_t sec)
{
	return (struct paraclock_timeline){
		.size = sizeof(struct paraclock_timeline),
		.base_tsc = tsc,
		.base_sec = sec,
		.period_frac = (uint64_t)1 << 63,
		.period_shift = 29,
		.t_end = tsc + 10 * TICKS_SEC,
		.flags = PARACLOCK_TIMELINE_STABLE,
		.timescale = PARACLOCK_TIMESCALE_MONOTONIC,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.status = PARACLOCK_STATUS_SYNCHRONIZED,
	};
}

/* Acquired, and empty; the counter stands at NOW. */
static inline void keeper_init(struct keeper *keeper)
{
	memset(keeper, 0, sizeof(*keeper));
	fake_init(&keeper->fake);
	keeper->fake.counter = NOW;
	keeper->fake.env.identify = keeper_identify;
	assert_int_equal(paraclock_timekeeper_acquire(&keeper->tk,
						      &keeper->fake.env, NULL),
			 0);
}

static inline int keeper_set(struct keeper *keeper,
			     const struct paraclock_timeline *tl, uint64_t at)
{
	return paraclock_timekeeper_set(&keeper->tk, &keeper->fake.env, tl, at);
}

/* A reader's result when the counter is there. */
static inline int keeper_read(struct keeper *keeper, uint64_t counter,
			      struct paraclock_sample *ret_sample)
{
	uint64_t was = keeper->fake.counter;
	int ret;

	keeper->fake.counter = counter;
	ret = paraclock_timekeeper_read(&keeper->tk, &keeper->fake.env,
					ret_sample);
	keeper->fake.counter = was;
	return ret;
}

static inline void assert_shows(struct keeper *keeper, uint64_t counter,
				int64_t ns)
{
	struct paraclock_sample sample;

	assert_int_equal(keeper_read(keeper, counter, &sample), 0);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(sample.reason, 0);
	assert_int_equal(sample.host_tsc, counter);
	assert_int_equal(sample.host_ns, ns);
	assert_int_equal(sample.pair_error_ns, 0);
}

static inline void assert_refuses(struct keeper *keeper, uint64_t counter,
				  int error)
{
	struct paraclock_sample sample, same;

	memset(&sample, 0x5a, sizeof(sample));
	same = sample;
	assert_int_equal(keeper_read(keeper, counter, &sample), error);
	assert_memory_equal(&sample, &same, sizeof(sample));
}

static inline void assert_not_valid(struct keeper *keeper, uint64_t counter,
				    uint8_t reason, int64_t ns)
{
	struct paraclock_sample s;

	assert_int_equal(keeper_read(keeper, counter, &s), 0);
	assert_int_equal(s.valid, 0);
	assert_int_equal(s.reason, reason);
	assert_int_equal(s.host_ns, ns);
	assert_int_equal(s.pair_error_ns, PARACLOCK_ERROR_UNKNOWN);
	assert_int_equal(s.clock_error_ns, PARACLOCK_ERROR_UNKNOWN);
}

static inline struct paraclock_timekeeper_info describe(struct keeper *keeper)
{
	struct paraclock_timekeeper_info info = { .size = sizeof(info) };

	assert_int_equal(paraclock_timekeeper_describe(
				 &keeper->tk, &keeper->fake.env, &info),
			 0);
	return info;
}

#endif
