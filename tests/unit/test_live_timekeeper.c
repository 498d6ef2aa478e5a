// SPDX-License-Identifier: MIT
/* Two readers and a live writer of a timekeeper, at full speed. */

#include <pthread.h>
#include <time.h>

#include "timekeeper_model.h"

#define READERS 2
/* Of each reader; more by PARACLOCK_LIVE_READS. */
#define READS 2000000

struct world {
	const char *name;
	uint32_t flags;
	uint64_t migrate; /* once in so many updates; 0: never */
};

static _Alignas(64) struct paraclock_timekeeper tk;
static struct model model;
static const struct world *world;
static bool stop;
static uint64_t updates, late, migrations, failed;
static int last_error;

/* The latest time that any reader has seen. */
static int64_t seen_ns;

static uint64_t from_environment(const char *name, uint64_t other)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : other;
}

static void update(void)
{
	int ret;

	if (world->migrate && updates % world->migrate == 0) {
		ret = model_migrate(&model, &tk);
		migrations++;
	} else {
		ret = model_update(&model, &tk);
	}
	updates++;
	/* Preempted each time that it tried: the old one stays. */
	late += ret == -ESTALE;
	if (ret && ret != -ESTALE) {
		failed++;
		last_error = ret;
	}
}

static void *write_on(void *arg)
{
	uint64_t rate = from_environment("PARACLOCK_LIVE_UPDATES", 0);
	uint64_t step = rate ? 2000000000 / rate : 0;
	uint64_t next = counter_fenced();

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		while (step && counter_fenced() < next)
			cpu_relax();
		next += step;
		update();
	}
	return arg;
}

struct reader {
	pthread_t thread;
	struct model_counts n;
	uint64_t behind_other;
};

/* What another reader has seen before this one began is no later. */
static void compare(struct reader *reader, int64_t before)
{
	int64_t mine = reader->n.last_ns;

	if (world->flags & PARACLOCK_TIMELINE_MONOTONIC && mine < before)
		reader->behind_other++;
	while (before < mine &&
	       !__atomic_compare_exchange_n(&seen_ns, &before, mine, true,
					    __ATOMIC_RELEASE, __ATOMIC_RELAXED))
		;
}

static void *read_on(void *arg)
{
	struct reader *reader = arg;
	uint64_t reads = from_environment("PARACLOCK_LIVE_READS", READS);

	for (uint64_t i = 0; i < reads; i++) {
		uint64_t valid = reader->n.valid;
		int64_t before = __atomic_load_n(&seen_ns, __ATOMIC_ACQUIRE);

		model_read(&model, &reader->n, &tk);
		if (reader->n.valid > valid)
			compare(reader, before);
	}
	return NULL;
}

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void set_up(void)
{
	memset(&tk, 0, sizeof(tk));
	model = (struct model){
		.first = counter_fenced(),
		.seed = 88172645463325252U,
		.flags = world->flags,
	};
	stop = false;
	updates = late = migrations = failed = 0;
	seen_ns = 0;
	assert_int_equal(paraclock_timekeeper_take(&tk, NULL, NULL), 0);
	assert_int_equal(model_update(&model, &tk), 0);
}

static void reads_are_right(void **state)
{
	static struct reader readers[READERS];
	pthread_t writer;
	double began;

	world = *state;
	set_up();
	memset(readers, 0, sizeof(readers));
	began = seconds();
	assert_int_equal(pthread_create(&writer, NULL, write_on, NULL), 0);
	for (unsigned int i = 0; i < READERS; i++)
		assert_int_equal(pthread_create(&readers[i].thread, NULL,
						read_on, &readers[i]),
				 0);
	for (unsigned int i = 0; i < READERS; i++)
		pthread_join(readers[i].thread, NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(writer, NULL);
	print_message("writer: %llu updates, %.2f million a second, %llu late, "
		      "%llu migrations\n",
		      (unsigned long long)updates,
		      (double)updates / (seconds() - began) / 1e6,
		      (unsigned long long)late, (unsigned long long)migrations);
	for (unsigned int i = 0; i < READERS; i++) {
		model_report("reader", &readers[i].n);
		model_assert(&readers[i].n);
		assert_int_equal(readers[i].behind_other, 0);
	}
	assert_int_equal(last_error, 0);
	assert_int_equal(failed, 0);
	assert_true(updates > late);
}

static struct world worlds[] = {
	{ "never back, at random rates", PARACLOCK_TIMELINE_MONOTONIC, 0 },
	{ "never back, also by migrations", PARACLOCK_TIMELINE_MONOTONIC, 64 },
	{ "no promise, and migrations all the time", 0, 4 },
};

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(worlds)];

	memset(tests, 0, sizeof(tests));
	for (size_t i = 0; i < ARRAY_LEN(worlds); i++) {
		tests[i].name = worlds[i].name;
		tests[i].test_func = reads_are_right;
		tests[i].initial_state = &worlds[i];
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
