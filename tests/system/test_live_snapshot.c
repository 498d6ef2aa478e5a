// SPDX-License-Identifier: MIT
/*
 * This machine's own clocks, in several threads, while CLOCK_REALTIME is set
 * time and again - in the env only, by an offset that is added to the kernel's
 * value. No snapshot and no cross timestamp may mix two of these times.
 */

#include <pthread.h>
#include <stdio.h>
#include <time.h>

#include <paraclock/backend.h>

#include "fake.h"

#define READERS 2
#define STEP_NS INT64_C(1000000000)
#define SETS	1000

static struct paraclock_env env;
static struct paraclock_system_clocks system_clocks;
static int64_t steps; /* how often it was set */
static int done;

static int read_clock(void *ctx, int clock_id, int64_t *ret_ns)
{
	int64_t offset = __atomic_load_n(&steps, __ATOMIC_RELAXED) * STEP_NS;
	int ret;

	ret = paraclock_default_env()->read_clock(ctx, clock_id, ret_ns);
	if (clock_id == CLOCK_REALTIME || clock_id == CLOCK_TAI)
		*ret_ns += offset;
	return ret;
}

static int device_time(void *ctx, struct paraclock_sample *ret_sample)
{
	struct paraclock_snapshot snap = { .size = sizeof(snap) };
	int ret = paraclock_snapshot(ctx, &snap);

	ret_sample->host_tsc = snap.counter;
	ret_sample->counter = env.counter_id;
	ret_sample->valid = 1;
	return ret;
}

struct reader {
	pthread_t thread;
	unsigned long snapshots, crosses, set_in_between, busy, mixed;
	unsigned long recalibrated;
	int error;
};

/* REALTIME - MONOTONIC is the kernel's own plus a whole number of steps. */
static bool is_mixed(const int64_t ns[PARACLOCK_CLOCKS], uint64_t error_ns)
{
	static int64_t kernels_own;
	int64_t own = __atomic_load_n(&kernels_own, __ATOMIC_RELAXED);
	int64_t offset =
		ns[PARACLOCK_CLOCK_REALTIME] - ns[PARACLOCK_CLOCK_MONOTONIC];
	int64_t beyond;

	if (!own) {
		/* To within a step: which one does not matter. */
		__atomic_store_n(&kernels_own, offset, __ATOMIC_RELAXED);
		return false;
	}
	beyond = (offset - own) % STEP_NS;
	beyond = beyond < 0 ? -beyond : beyond;
	if (beyond > STEP_NS / 2)
		beyond = STEP_NS - beyond;
	/* own is known to within such an error as well. */
	return beyond > 4 * (int64_t)error_ns;
}

static void read_once(struct reader *reader)
{
	struct paraclock_snapshot snap = { .size = sizeof(snap) };
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };
	int ret = paraclock_snapshot(&env, &snap);

	if (!ret) {
		__atomic_fetch_add(&reader->snapshots, 1, __ATOMIC_RELAXED);
		reader->mixed += is_mixed(snap.ns, snap.uncertainty_ns);
	} else if (ret == -EAGAIN) {
		reader->busy++;
	} else {
		reader->error = ret;
	}
	ret = paraclock_correlate(&env, device_time, &env, NULL, NULL, &xt);
	if (!ret) {
		reader->crosses++;
		if (xt.realtime_valid)
			reader->mixed += is_mixed(xt.ns, xt.uncertainty_ns);
	} else if (ret == -ESTALE) {
		reader->set_in_between++;
	} else if (ret == -EAGAIN) {
		reader->busy++;
	} else if (ret == -EINVAL) {
		reader->recalibrated++;
	} else {
		reader->error = ret;
	}
}

static void *read_on(void *arg)
{
	struct reader *reader = arg;

	while (!__atomic_load_n(&done, __ATOMIC_RELAXED) && !reader->error)
		read_once(reader);
	return NULL;
}

static bool is_enough(struct reader *readers)
{
	for (unsigned int i = 0; i < READERS; i++)
		if (!__atomic_load_n(&readers[i].snapshots, __ATOMIC_RELAXED))
			return false;
	return true;
}

/* The number of them. */
static unsigned int set_on(struct reader *readers)
{
	const struct timespec pause = { .tv_nsec = 200000 };
	unsigned int i = 0;

	/* And until each reader got a snapshot. */
	for (; i < SETS || !is_enough(readers); i++) {
		__atomic_fetch_add(&steps, 1, __ATOMIC_RELAXED);
		nanosleep(&pause, NULL);
		if (i % 16 == 0) {
			int ret = paraclock_refresh(&env);

			assert_true(ret == 0 || ret == -EAGAIN);
		}
	}
	__atomic_store_n(&done, 1, __ATOMIC_RELAXED);
	return i;
}

static struct paraclock_snapshot snapshot(void)
{
	struct paraclock_snapshot snap = { .size = sizeof(snap) };
	int ret;

	/* No bracket is narrow enough while others have the CPU. */
	do {
		ret = paraclock_snapshot(&env, &snap);
	} while (ret == -EAGAIN);
	assert_int_equal(ret, 0);
	return snap;
}

static void a_clock_that_is_set_is_never_mixed(void **state)
{
	struct reader readers[READERS] = { 0 };
	struct paraclock_snapshot snap;
	unsigned long recalibrated = 0;
	unsigned int sets;

	(void)state;
	env = *paraclock_default_env();
	env.read_clock = read_clock;
	env.system_clocks = &system_clocks;
	snap = snapshot();
	if (!snap.valid_for_correlation) {
		print_message("skipped: clocksource %s is no image of the "
			      "counter\n",
			      snap.clocksource);
		skip();
	}
	assert_false(is_mixed(snap.ns, snap.uncertainty_ns));
	for (unsigned int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i].thread, NULL,
						read_on, &readers[i]),
				 0);
	sets = set_on(readers);
	for (unsigned int i = 0; i < READERS; i++) {
		struct reader *reader = &readers[i];

		pthread_join(reader->thread, NULL);
		print_message("%lu snapshots, %lu cross timestamps, %lu "
			      "-ESTALE, %lu -EAGAIN, %lu mixed\n",
			      reader->snapshots, reader->crosses,
			      reader->set_in_between, reader->busy,
			      reader->mixed);
		assert_int_equal(reader->error, 0);
		assert_int_equal(reader->mixed, 0);
		recalibrated += reader->recalibrated;
	}
	snap = snapshot();
	/* A thread that is preempted in each of its tries finds the clock set
	 * each time, and takes what it compares with for wrong: it calibrates
	 * anew, which counts as a change of the clocksource. */
	assert_true(!recalibrated || snap.clocksource_changed_seq > 0);
	/*
	 * Each set that a snapshot came after was noticed; none was invented.
	 */
	assert_in_range(snap.clock_was_set_seq, 1, sets);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_clock_that_is_set_is_never_mixed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
