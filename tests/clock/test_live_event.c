// SPDX-License-Identifier: MIT
/*
 * Threads and a signal handler that notice disruptions, a host that makes them,
 * and one consumer, which gets an event for each, in order, or that some were lost.
 */

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <paraclock/backend.h>

#include "events.h"

#define READERS 3
/* Of each thread; more by PARACLOCK_LIVE_READS. */
#define READS 300000

static struct paraclock *clk;
static bool stop;
static uint64_t markers, signals;

static struct told {
	uint64_t events, lost, wrong;
	struct paraclock_event last;
} told;

static uint64_t wanted_reads(void)
{
	const char *text = getenv("PARACLOCK_LIVE_READS");
	uint64_t reads = text ? strtoull(text, NULL, 10) / 4 : 0;

	return reads ? reads : READS;
}

static bool is_over(void)
{
	return __atomic_load_n(&stop, __ATOMIC_RELAXED);
}

/* However long that takes, unless the test has failed already. */
static bool is_enough(void)
{
	if (__atomic_load_n(&told.wrong, __ATOMIC_RELAXED))
		return true;
	return __atomic_load_n(&told.events, __ATOMIC_RELAXED) > 100 &&
	       __atomic_load_n(&signals, __ATOMIC_RELAXED) > 10;
}

/* The marker changes, and now and then the page: some changes are jumps. */
static void *disrupt(void *arg)
{
	const struct timespec pause = { .tv_nsec = 20000 };

	while (!is_over()) {
		put64(world.fake.vmclock, 16, ++markers);
		nanosleep(&pause, NULL);
	}
	return arg;
}

static void *read_on(void *arg)
{
	uint64_t reads = *(uint64_t *)arg;
	struct paraclock_sample sample;
	uint64_t epoch = 0;

	for (uint64_t i = 0; i < reads || !is_enough(); i++) {
		if (paraclock_read(clk, &sample) || sample.epoch < epoch)
			__atomic_fetch_add(&told.wrong, 1, __ATOMIC_RELAXED);
		epoch = sample.epoch;
		/* There are more threads than CPUs. */
		if (i % 1024 == 0)
			sched_yield();
	}
	return NULL;
}

static void on_signal(int number)
{
	struct paraclock_sample sample;

	(void)number;
	__atomic_fetch_add(&signals, 1, __ATOMIC_RELAXED);
	if (paraclock_read(clk, &sample))
		__atomic_fetch_add(&told.wrong, 1, __ATOMIC_RELAXED);
}

static void check(const struct paraclock_event *event)
{
	bool lost = event->flags & PARACLOCK_EVENT_LOST;
	bool follows = event->epoch == told.last.epoch + 1;

	__atomic_fetch_add(&told.events, 1, __ATOMIC_RELAXED);
	told.lost += lost;
	if (event->epoch <= told.last.epoch ||
	    (told.events > 1 && !lost && !follows) ||
	    (told.events > 1 && follows &&
	     event->marker_before.value != told.last.marker_after.value) ||
	    event->marker_before.value >= event->marker_after.value ||
	    strcmp(event->source, "vmclock") != 0)
		__atomic_fetch_add(&told.wrong, 1, __ATOMIC_RELAXED);
	told.last = *event;
}

static void drain(void)
{
	struct paraclock_event event = { .size = sizeof(event) };

	while (!paraclock_next_event(clk, &event))
		check(&event);
}

static void *consume(void *arg)
{
	while (!is_over()) {
		drain();
		/* The consumer is late at times: then some are lost. */
		if (told.events % 64 == 0)
			sched_yield();
	}
	return arg;
}

static void each_disruption_is_one_event_in_order(void **state)
{
	pthread_t readers[READERS], host, consumer;
	uint64_t reads = wanted_reads();

	(void)state;
	world_init(&world);
	fake_set_vmclock_marker(&world.fake, markers = 1);
	world.fake.vmclock_error = 0;
	clk = fake_open(&world.fake, "kvmclock");
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	signal(SIGUSR1, on_signal);
	assert_int_equal(pthread_create(&host, NULL, disrupt, NULL), 0);
	assert_int_equal(pthread_create(&consumer, NULL, consume, NULL), 0);
	for (int i = 0; i < READERS; i++)
		assert_int_equal(
			pthread_create(&readers[i], NULL, read_on, &reads), 0);
	/* The signal interrupts the thread that may be holding the flag. */
	for (int i = 0; i < 2000 || !is_enough(); i++) {
		const struct timespec pause = { .tv_nsec = 50000 };

		pthread_kill(consumer, SIGUSR1);
		nanosleep(&pause, NULL);
	}
	for (int i = 0; i < READERS; i++)
		pthread_join(readers[i], NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(host, NULL);
	pthread_join(consumer, NULL);
	drain();
	print_message("%llu markers, %llu events, %llu times some were lost, "
		      "%llu signals\n",
		      (unsigned long long)markers,
		      (unsigned long long)told.events,
		      (unsigned long long)told.lost,
		      (unsigned long long)signals);
	assert_int_equal(told.wrong, 0);
	assert_int_equal(told.last.epoch, paraclock_epoch(clk));
	assert_int_equal(told.last.marker_after.value, markers);
	paraclock_close(clk);
	assert_int_equal(world.opened, world.closed);
}

static void *ask_for_fd(void *arg)
{
	*(int *)arg = paraclock_event_fd(clk);
	return NULL;
}

/* The thread that comes second closes its own descriptor. */
static void threads_share_one_descriptor(void **state)
{
	const struct paraclock_env *env = paraclock_default_env();
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "kvmclock",
		.env = &world.fake.env,
	};

	(void)state;
	for (int i = 0; i < 200; i++) {
		/* The lowest free one. */
		int lowest = dup(0);
		pthread_t threads[4];
		int fds[4], fd;

		assert_true(lowest >= 0);
		close(lowest);

		world_init(&world);
		/* Only one thread uses its counters. */
		world.fake.env.watch_clock = env->watch_clock;
		world.fake.env.watch_generation = NULL;
		world.fake.env.poll_group = env->poll_group;
		world.fake.env.close_device = env->close_device;
		world.fake.env.alloc = env->alloc;
		world.fake.env.free = env->free;
		assert_int_equal(paraclock_open(&clk, &opts), 0);
		for (int j = 0; j < 4; j++)
			assert_int_equal(pthread_create(&threads[j], NULL,
							ask_for_fd, &fds[j]),
					 0);
		for (int j = 0; j < 4; j++)
			pthread_join(threads[j], NULL);
		for (int j = 0; j < 4; j++)
			assert_int_equal(fds[j], fds[0]);
		assert_true(fds[0] >= 0);
		paraclock_close(clk);
		/* Nothing leaks. */
		fd = dup(0);
		assert_int_equal(fd, lowest);
		close(fd);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_disruption_is_one_event_in_order),
		cmocka_unit_test(threads_share_one_descriptor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
