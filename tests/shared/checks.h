/* SPDX-License-Identifier: MIT */
/* Two sources whose time is RAW's plus what a test adds. */
#ifndef CHECKS_H
#define CHECKS_H

#include <paraclock/backend.h>

#include "fake_clocks.h"

#define SEC INT64_C(1000000000)

static struct fake_clocks clocks;

/* A source whose time is RAW's plus what the test adds. */
struct source {
	int64_t offset_ns;
	int64_t ppb; /* since the counter was origin */
	uint64_t pair_error_ns;
	uint64_t clock_error_ns;
	uint8_t timescale;
	uint8_t invalid;
	int16_t tai_offset_sec; /* 0: not given */
	uint64_t marker;
};
static struct source one, two;

static inline int source_open_one(const struct paraclock_env *env,
				  const struct paraclock_options *opts,
				  void *arg, void **ret_state)
{
	(void)env;
	(void)opts;
	(void)arg;
	*ret_state = &one;
	return 0;
}

static inline int source_open_two(const struct paraclock_env *env,
				  const struct paraclock_options *opts,
				  void *arg, void **ret_state)
{
	(void)env;
	(void)opts;
	(void)arg;
	*ret_state = &two;
	return 0;
}

static inline int source_time(void *state, struct paraclock_sample *ret_sample)
{
	const struct source *source = state;
	uint64_t tsc = clocks.world.counter;
	int64_t raw =
		fake_clock_at(&clocks, PARACLOCK_CLOCK_MONOTONIC_RAW, tsc);
	int64_t since = (int64_t)(tsc - clocks.origin);

	*ret_sample = (struct paraclock_sample){
		.host_ns = raw + source->offset_ns +
			   since / 1000 * source->ppb / 1000000,
		.host_tsc = tsc,
		.pair_error_ns = source->invalid ? PARACLOCK_ERROR_UNKNOWN
						 : source->pair_error_ns,
		.clock_error_ns = source->clock_error_ns,
		.valid = !source->invalid,
		.reason = source->invalid,
		.timescale = source->timescale,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.leap = PARACLOCK_LEAP_UNKNOWN,
		.tai_offset_sec = source->tai_offset_sec,
		.flags = source->tai_offset_sec ? PARACLOCK_FLAG_TAI_OFFSET : 0,
	};
	return 0;
}

static inline int source_marker(void *state,
				struct paraclock_marker *ret_marker)
{
	*ret_marker = (struct paraclock_marker){
		.value = ((struct source *)state)->marker,
	};
	return 0;
}

static inline void source_close(void *state)
{
	(void)state;
}

static const struct paraclock_backend backend_one = {
	.size = sizeof(backend_one),
	.name = "one",
	.marker_class = PARACLOCK_MARKER_AUTHORITATIVE,
	.open = source_open_one,
	.get_time = source_time,
	.get_marker = source_marker,
	.close = source_close,
};
static const struct paraclock_backend backend_two = {
	.size = sizeof(backend_two),
	.name = "two",
	.open = source_open_two,
	.get_time = source_time,
	.close = source_close,
};

static struct paraclock *clk, *other;
static struct paraclock_check check;

static inline int setup(void **state)
{
	/* Pairs that are too wide for most uses are tested here. */
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = &clocks.world.env,
		.max_pair_error_ns = PARACLOCK_ERROR_UNKNOWN,
	};

	(void)state;
	fake_clocks_init(&clocks);
	/* One tick is one ns, so that the fake's pages agree with RAW. */
	clocks.raw.num = clocks.raw.den = 1;
	clocks.mono.num = 1000012;
	clocks.mono.den = 1000000;
	one = two = (struct source){
		.timescale = PARACLOCK_TIMESCALE_UTC,
		.clock_error_ns = PARACLOCK_ERROR_UNKNOWN,
	};
	check = (struct paraclock_check){ .size = sizeof(check) };
	return paraclock_open_backend(&clk, &backend_one, NULL, &opts) ||
	       paraclock_open_backend(&other, &backend_two, NULL, &opts);
}

static inline int teardown(void **state)
{
	(void)state;
	paraclock_close(clk);
	paraclock_close(other);
	return clocks.world.allocs != clocks.world.frees;
}

/* After ten seconds. */
static inline int check_later(void)
{
	fake_clocks_pass(&clocks, 10 * SEC);
	return paraclock_check(clk, &check);
}

static inline uint8_t reason_now(void)
{
	struct paraclock_sample sample;

	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, sample.reason == 0);
	if (!sample.valid)
		assert_int_equal(sample.pair_error_ns, PARACLOCK_ERROR_UNKNOWN);
	return sample.reason;
}

#endif
