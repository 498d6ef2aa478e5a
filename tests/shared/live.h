/* SPDX-License-Identifier: MIT */
/* For how long, and on which CPUs, readers and a live writer run. */
#ifndef LIVE_H
#define LIVE_H

#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "rows.h"

#define LIVE_READERS_MAX 8

static inline uint64_t live_setting(const char *name, uint64_t other)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : other;
}

static inline double live_clock(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static inline double live_now(void)
{
	return live_clock(CLOCK_MONOTONIC);
}

/* The CPU time of this thread, s: others may use the CPU as well. */
static inline double live_cpu(void)
{
	return live_clock(CLOCK_THREAD_CPUTIME_ID);
}

/* PARACLOCK_LIVE_READERS, or two if that is not a number. */
static inline unsigned int live_readers(void)
{
	uint64_t n = live_setting("PARACLOCK_LIVE_READERS", 2);

	return n > 0 && n <= LIVE_READERS_MAX ? (unsigned int)n : 2;
}

/* Of each reader: this many reads, or this many seconds. */
struct live_span {
	uint64_t reads;
	double until; /* 0: until reads are made */
};

/* PARACLOCK_LIVE_SECONDS, else PARACLOCK_LIVE_READS, else that many. */
static inline struct live_span live_span(uint64_t reads)
{
	uint64_t seconds = live_setting("PARACLOCK_LIVE_SECONDS", 0);
	struct live_span span = {
		.reads = live_setting("PARACLOCK_LIVE_READS", reads),
	};

	if (seconds) {
		span.reads = UINT64_MAX;
		span.until = live_now() + (double)seconds;
	}
	return span;
}

/*
 * enough: the reader has also seen what it should see. However long it takes:
 * which thread runs when depends on the machine.
 */
static inline bool live_goes_on(const struct live_span *span, uint64_t done,
				bool enough)
{
	/* There may be more threads than CPUs. */
	if (done % 1024 == 0)
		sched_yield();
	if (!enough)
		return true;
	if (span->until > 0 && done % 1024 == 0 && live_now() >= span->until)
		return false;
	return done < span->reads;
}

/*
 * The writer gets a CPU of its own: on one with a reader they alternate in
 * milliseconds, and never race.
 */
static inline void live_keep_apart(pthread_t thread, bool is_writer)
{
	cpu_set_t all, some;
	bool first = true;

	if (pthread_getaffinity_np(pthread_self(), sizeof(all), &all) ||
	    CPU_COUNT(&all) < 2)
		return;
	CPU_ZERO(&some);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		if (first == is_writer)
			CPU_SET(cpu, &some);
		first = false;
	}
	(void)pthread_setaffinity_np(thread, sizeof(some), &some);
}

/*
 * One writer, until every reader is done: reader i gets the i-th element at
 * readers, of size bytes each.
 */
static inline void live_run(void *(*write_on)(void *), bool *stop,
			    void *(*read_on)(void *), void *readers,
			    size_t size, unsigned int n)
{
	pthread_t writer, thread[LIVE_READERS_MAX];

	assert_in_range(n, 1, LIVE_READERS_MAX);
	assert_int_equal(pthread_create(&writer, NULL, write_on, NULL), 0);
	for (unsigned int i = 0; i < n; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, read_on,
						(char *)readers + i * size),
				 0);
	for (unsigned int i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
	__atomic_store_n(stop, true, __ATOMIC_RELAXED);
	pthread_join(writer, NULL);
}

#endif
