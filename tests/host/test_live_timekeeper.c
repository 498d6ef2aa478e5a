// SPDX-License-Identifier: MIT
/* Two readers and a live writer of a timekeeper, at full speed. */

#include "live.h"
#include "timekeeper_model.h"

/* Of each reader. */
#define READS 2000000

struct world {
	const char *name;
	uint32_t flags;
	uint64_t migrate; /* once in so many updates; 0: never */
};

static _Alignas(64) struct paraclock_timekeeper tk;
static struct model model;
static struct model_pace pace;
static const struct world *world;
static struct live_span span;
static double writer_cpu; /* s */
static bool stop, frozen;
static uint64_t updates, late, migrations, failed;
static uint64_t made; /* past updates */
static int last_error;

/* The latest time that any reader has seen. */
static int64_t seen_ns;

static void update(void)
{
	int ret;

	if (frozen || (world->migrate && updates % world->migrate == 0)) {
		ret = model_migrate(&model, &tk);
		migrations++;
		/* Preempted for the whole lease. */
		frozen = ret == -ESTALE;
	} else {
		ret = model_update(&model, &tk);
	}
	updates++;
	/* Preempted in every try: the old timeline stays. */
	late += ret == -ESTALE;
	if (!ret)
		__atomic_store_n(&made, made + 1, __ATOMIC_RELAXED);
	if (ret && ret != -ESTALE) {
		__atomic_store_n(&failed, failed + 1, __ATOMIC_RELAXED);
		last_error = ret;
	}
}

static void *write_on(void *arg)
{
	uint64_t rate = live_setting("PARACLOCK_LIVE_UPDATES", 0);
	uint64_t step = rate ? 2000000000 / rate : 0;
	uint64_t next = counter_fenced();

	while (!__atomic_load_n(&stop, __ATOMIC_RELAXED)) {
		while (step && counter_fenced() < next)
			cpu_relax();
		next += step;
		update();
	}
	writer_cpu = live_cpu();
	return arg;
}

struct reader {
	pthread_t thread;
	struct model_counts n;
	uint64_t behind_other;
};

/* The time that another reader saw before this one began is no later. */
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

/* Writer and reader must both get through, or the test has shown nothing. */
static bool is_enough(const struct reader *reader)
{
	if (__atomic_load_n(&failed, __ATOMIC_RELAXED))
		return true;
	return reader->n.valid > 100 &&
	       __atomic_load_n(&made, __ATOMIC_RELAXED) > 100;
}

static void *read_on(void *arg)
{
	struct reader *reader = arg;

	while (live_goes_on(&span, reader->n.reads, is_enough(reader))) {
		uint64_t valid = reader->n.valid;
		int64_t before = __atomic_load_n(&seen_ns, __ATOMIC_ACQUIRE);

		model_read(&model, &reader->n, &tk);
		if (reader->n.valid > valid)
			compare(reader, before);
	}
	return NULL;
}

static void set_up(void)
{
	memset(&tk, 0, sizeof(tk));
	model = (struct model){
		.first = counter_fenced(),
		.seed = 88172645463325252U,
		.flags = world->flags,
		.pace = &pace,
	};
	pace = (struct model_pace){ .last = model.first };
	stop = frozen = false;
	updates = late = migrations = failed = made = 0;
	seen_ns = 0;
	assert_int_equal(paraclock_timekeeper_acquire(&tk, NULL, NULL), 0);
	assert_int_equal(model_update(&model, &tk), 0);
}

static void report(double took)
{
	print_message("%s: %llu updates, %.3g a second (of its CPU: %.3g), "
		      "%llu late, %llu migrations\n",
		      world->name, (unsigned long long)updates,
		      (double)updates / took, (double)updates / writer_cpu,
		      (unsigned long long)late, (unsigned long long)migrations);
}

static void reads_are_right(void **state)
{
	static struct reader readers[LIVE_READERS_MAX];
	const unsigned int n = live_readers();
	pthread_t writer;
	double began;

	world = *state;
	set_up();
	memset(readers, 0, sizeof(readers));
	began = live_now();
	assert_int_equal(pthread_create(&writer, NULL, write_on, NULL), 0);
	live_keep_apart(writer, true);
	span = live_span(READS);
	for (unsigned int i = 0; i < n; i++) {
		assert_int_equal(pthread_create(&readers[i].thread, NULL,
						read_on, &readers[i]),
				 0);
		live_keep_apart(readers[i].thread, false);
	}
	for (unsigned int i = 0; i < n; i++)
		pthread_join(readers[i].thread, NULL);
	__atomic_store_n(&stop, true, __ATOMIC_RELAXED);
	pthread_join(writer, NULL);
	report(live_now() - began);
	for (unsigned int i = 0; i < n; i++)
		model_report("a reader", &readers[i].n);
	for (unsigned int i = 0; i < n; i++) {
		model_assert(&readers[i].n);
		assert_int_equal(readers[i].behind_other, 0);
	}
	assert_int_equal(last_error, 0);
	assert_int_equal(failed, 0);
}

static struct world worlds[] = {
	{ "readers never go back, at random rates",
	  PARACLOCK_TIMELINE_MONOTONIC, 0 },
	{ "readers never go back, with migrations",
	  PARACLOCK_TIMELINE_MONOTONIC, 64 },
	{ "migrations all the time, without the promise", 0, 4 },
};

int main(void)
{
	ADD_ROWS(worlds, reads_are_right);
	return run_suite(NULL, NULL);
}
