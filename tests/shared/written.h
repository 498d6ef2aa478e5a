/* SPDX-License-Identifier: MIT */
/* A page of each kind that is written in turn, and read. */
#ifndef WRITTEN_H
#define WRITTEN_H

#include "base/fixed.h"
#include "writers.h"

#define LONG  (1ULL << 50) /* A counter that has run for 13 days. */
#define SHORT 10000000000U /* For 10 seconds. */

/* The guest's world, the writer's, and a page that was written once. */
static struct fake guest, host;
static struct paraclock_page_writer writer;
static struct paraclock_timeline conv;

#define HZ 1000000000U

static inline void start(const struct writer_kind *kind, uint64_t tsc)
{
	fake_init(&host);
	only_page(&guest, kind);
	memset(&writer, 0, sizeof(writer));
	host.counter = tsc;
	/* Otherwise the writer waits for it in vain, as it may. */
	host.counter_step = 10;
	conv = timeline_of(kind, HZ);
	conv.base_tsc = tsc;
	conv.base_sec = 1000;
	assert_int_equal(paraclock_page_writer_acquire(&writer, &host.env), 0);
}

static inline int write_timeline(const struct writer_kind *kind)
{
	return kind->write(page_of(&guest, kind), &writer, &host.env, &conv);
}

static inline int64_t read_ns(const struct writer_kind *kind, uint64_t tsc)
{
	struct paraclock *clk;
	struct paraclock_sample sample;

	guest.counter = tsc;
	clk = fake_open(&guest, kind->backend);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_true(sample.valid);
	paraclock_close(clk);
	return sample.host_ns;
}

/* Move the timeline's time. */
static inline void shift_conversion(int64_t ns)
{
	u128 time = (u128)conv.base_sec << 64 | conv.base_frac;
	u128 by = ((u128)(uint64_t)llabs(ns) << 64) / NSEC_PER_SEC;

	time = ns < 0 ? time - by : time + by;
	conv.base_sec = (uint64_t)(time >> 64);
	conv.base_frac = (uint64_t)time;
}

#define FOR_KIND(fn, n)                                                  \
	{                                                                \
		.name = #fn, .test_func = fn, .initial_state = &kinds[n] \
	}

#endif
