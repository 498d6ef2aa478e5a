// SPDX-License-Identifier: MIT
/*
 * Readers of NTP's shared memory beside the writer: each copies as ntpd does in
 * mode 1, count before, words, count after, and no copy that it accepts mixes
 * two samples.
 */

#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "service/feed_shm.h"

#include "../../shared/rows.h"

#define READERS 2
#define SEC	1000000000LL
#define START	(1795000000 * SEC)

/* Accepted by each reader; a sanitizer makes one some fifty times as long. */
#define READS 100000

static struct feed_shm shm;
static uint32_t running;

#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_RELAXED)

struct reader {
	pthread_t thread;
	uint64_t wanted, accepted, refused;
	int64_t mixed;
};

/* Sample i is i us after the start, and i + 1 ns off: each word tells i. */
static struct feed_sample sample_of(int64_t i)
{
	return (struct feed_sample){
		.real_ns = START + i * 1000,
		.offset_ns = (i + 1) % 1000,
		.leap = i % 2 ? PARACLOCK_LEAP_PRE_POS : PARACLOCK_LEAP_NONE,
	};
}

static bool is_whole(const struct feed_shm *copy)
{
	int64_t receive = copy->receive_sec * SEC + copy->receive_ns - START;
	int64_t clock = copy->clock_sec * SEC + copy->clock_ns - START;
	int64_t i = receive / 1000;

	return receive % 1000 == 0 && clock - receive == (i + 1) % 1000 &&
	       copy->receive_us == (int32_t)(copy->receive_ns / 1000) &&
	       copy->clock_us == (int32_t)(copy->clock_ns / 1000) &&
	       copy->leap == i % 2;
}

static bool copy_once(struct feed_shm *copy)
{
	int32_t before = __atomic_load_n(&shm.count, __ATOMIC_ACQUIRE);

	copy->valid = LOAD(shm.valid);
	copy->clock_sec = LOAD(shm.clock_sec);
	copy->clock_us = LOAD(shm.clock_us);
	copy->clock_ns = LOAD(shm.clock_ns);
	copy->receive_sec = LOAD(shm.receive_sec);
	copy->receive_us = LOAD(shm.receive_us);
	copy->receive_ns = LOAD(shm.receive_ns);
	copy->leap = LOAD(shm.leap);
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return copy->valid && LOAD(shm.count) == before;
}

static void *read_all(void *arg)
{
	struct reader *reader = arg;
	struct feed_shm copy;

	__atomic_add_fetch(&running, 1, __ATOMIC_SEQ_CST);
	while (reader->accepted < reader->wanted) {
		if (!copy_once(&copy)) {
			/* There may be only one CPU. */
			if (++reader->refused % 1024 == 0)
				sched_yield();
			continue;
		}
		reader->accepted++;
		reader->mixed += !is_whole(&copy);
		if (reader->accepted % 1024 == 0)
			sched_yield();
	}
	__atomic_sub_fetch(&running, 1, __ATOMIC_SEQ_CST);
	return NULL;
}

static void no_reader_sees_a_mix(void **state)
{
	const char *reads = getenv("PARACLOCK_LIVE_READS");
	struct reader reader[READERS] = { 0 };
	int64_t i = 0;

	(void)state;
	for (int r = 0; r < READERS; r++) {
		reader[r].wanted = reads ? strtoull(reads, NULL, 10) : READS;
		assert_int_equal(pthread_create(&reader[r].thread, NULL,
						read_all, &reader[r]),
				 0);
	}
	while (!__atomic_load_n(&running, __ATOMIC_SEQ_CST))
		sched_yield();
	while (__atomic_load_n(&running, __ATOMIC_SEQ_CST)) {
		struct feed_sample sample = sample_of(i++);

		/* Now and then a disruption. */
		if (i % 1000 == 0)
			feed_shm_clear(&shm);
		feed_shm_write(&shm, &sample);
		if (i % 1024 == 0)
			sched_yield();
	}
	for (int r = 0; r < READERS; r++) {
		pthread_join(reader[r].thread, NULL);
		printf("reader %d: %llu accepted, %llu refused\n", r,
		       (unsigned long long)reader[r].accepted,
		       (unsigned long long)reader[r].refused);
		assert_int_equal(reader[r].mixed, 0);
	}
	printf("%lld samples written\n", (long long)i);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("no reader of NTP's shared memory sees a mix of two "
		     "samples",
		     no_reader_sees_a_mix),
	};

	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
