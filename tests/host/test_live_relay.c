// SPDX-License-Identifier: MIT
/*
 * A relay at work and readers of each kind of page below, while the machine is
 * moved all the time. Each valid reading must be the time before or after a
 * move that was under way, never older than a freeze that had ended when the
 * read began, and never behind an earlier reading.
 */

#include <pthread.h>
#include <sched.h>

#include <paraclock/relay.h>
#include <paraclock/timekeeper.h>

#include "relays.h"

#include "base/counter.h"

/* PARACLOCK_LIVE_READS divided by 1000. */
#define MOVES 2000
/*
 * After this many moves the test waits for each reader, which needs a turn on a
 * CPU that others may use as well.
 */
#define MOVES_TOGETHER 50

/* A tick is a ns, and each move advances L0's clock by this much. */
#define HZ_TEST 1000000000U
#define JUMP_NS 1000000

/* Of a page, by <paraclock/host.h>. */
#define OFF_NS 450

#define LOAD(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define ADD(x)	__atomic_fetch_add(&(x), 1, __ATOMIC_SEQ_CST)
#define TK	3
#define READERS 4

static struct reader {
	pthread_t thread;
	size_t i;
	struct paraclock *clk;
	uint64_t reads, valid, again, other, wrong, back;
	int64_t wrong_ns;
	/* A guest that is asked to pause does so between two reads. */
	uint32_t asked, inside;
} readers[READERS];

static struct above above;
static struct below below[3];
static struct paraclock_target targets[4];
static struct paraclock_relay relay;
static _Alignas(64) struct paraclock_timekeeper tk;
static uint64_t first_tsc;
static uint64_t begun;	/* moves */
static uint64_t frozen; /* freezes that had ended */
static uint32_t stop;

/* --- readers -------------------------------------------------------------- */

static void judge(struct reader *r, const struct paraclock_sample *sample,
		  uint64_t least, int64_t *seen)
{
	int64_t off = sample->host_ns - 1000 * (int64_t)NSEC_PER_SEC -
		      (int64_t)(sample->host_tsc - first_tsc);
	int64_t moves = (off + JUMP_NS / 2) / JUMP_NS;

	ADD(r->valid);
	off -= moves * JUMP_NS;
	if (llabs(off) > OFF_NS || moves < (int64_t)least ||
	    moves > (int64_t)LOAD(begun)) {
		r->wrong++;
		r->wrong_ns = off;
	}
	if (sample->host_ns < *seen)
		r->back++;
	*seen = sample->host_ns;
}

static void *read_on(void *arg)
{
	struct reader *r = arg;
	int64_t seen = 0;

	while (!LOAD(stop)) {
		struct paraclock_sample sample;
		uint64_t least;
		int ret;

		__atomic_store_n(&r->inside, 1, __ATOMIC_SEQ_CST);
		if (__atomic_load_n(&r->asked, __ATOMIC_SEQ_CST)) {
			__atomic_store_n(&r->inside, 0, __ATOMIC_SEQ_CST);
			sched_yield();
			continue;
		}
		least = LOAD(frozen);
		ret = r->i == TK ? paraclock_timekeeper_read(&tk, NULL, &sample)
				 : paraclock_read(r->clk, &sample);
		if (!ret && sample.valid)
			judge(r, &sample, least, &seen);
		else if (!ret || ret == -EAGAIN)
			r->again++;
		else
			r->other++;
		__atomic_store_n(&r->inside, 0, __ATOMIC_SEQ_CST);
		/* There are more of them than CPUs. */
		if (ADD(r->reads) % 64 == 0)
			sched_yield();
	}
	return NULL;
}

static int pause_reader(void *arg, int halt)
{
	struct reader *r = arg;

	__atomic_store_n(&r->asked, (uint32_t)halt, __ATOMIC_SEQ_CST);
	while (halt && __atomic_load_n(&r->inside, __ATOMIC_SEQ_CST))
		sched_yield();
	return 0;
}

/* --- the machine ---------------------------------------------------------- */

static void set_up(void)
{
	above_start(&above, &kinds[0], HZ_TEST, counter_fenced(), 1000);
	paraclock_close(above.clk);
	above.fake.env.counter = NULL;
	first_tsc = above.conv.base_tsc;
	above.clk = fake_open(&above.fake, "kvmclock");
	for (size_t i = 0; i < 3; i++) {
		below_init(&below[i], &targets[i], &kinds[i], &above.fake.env);
		below[i].fake.env.counter = NULL;
	}
	targets[0].pause = pause_reader;
	targets[0].arg = &readers[0];
	targets[TK].size = sizeof(targets[TK]);
	targets[TK].timekeeper = &tk;
	assert_int_equal(
		paraclock_timekeeper_acquire(&tk, &above.fake.env, NULL), 0);
	for (size_t i = 0; i < READERS; i++)
		targets[i].flags = PARACLOCK_TARGET_MONOTONIC;
	relay = relay_of(&above, targets, READERS);
	assert_int_equal(paraclock_relay_update(&relay), 0);
	for (size_t i = 0; i < READERS; i++) {
		readers[i].i = i;
		if (i < TK)
			readers[i].clk =
				fake_open(&below[i].fake, kinds[i].backend);
	}
}

static void move_once(void)
{
	int ret;

	assert_int_equal(paraclock_relay_freeze(&relay), 0);
	ADD(begun);
	assert_int_equal(
		paraclock_timeline_rebase(&above.conv, counter_fenced()), 0);
	add_ns(&above.conv, JUMP_NS);
	above_write(&above);
	ADD(frozen);
	ret = paraclock_relay_resume(&relay);
	/* Preempted where the promise is judged. */
	while (ret == -ESTALE)
		ret = paraclock_relay_update(&relay);
	assert_int_equal(ret, 0);
}

/*
 * The relay gets a CPU of its own: otherwise it and the readers alternate, and
 * never race.
 */
static void keep_apart(pthread_t thread, bool is_relay)
{
	static cpu_set_t all;
	cpu_set_t some;
	bool first = true;

	if (!CPU_COUNT(&all) &&
	    pthread_getaffinity_np(thread, sizeof(all), &all))
		return;
	if (CPU_COUNT(&all) < 2)
		return;
	CPU_ZERO(&some);
	for (size_t cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &all))
			continue;
		if (first == is_relay)
			CPU_SET(cpu, &some);
		first = false;
	}
	(void)pthread_setaffinity_np(thread, sizeof(some), &some);
}

/* Preempted where the promise is judged; the call is made again. */
static void update(void)
{
	int ret;

	do {
		ret = paraclock_relay_update(&relay);
	} while (ret == -ESTALE);
	assert_int_equal(ret, 0);
}

/*
 * Each reader has had a valid reading since. A timekeeper's are valid for its
 * lease only.
 */
static void wait_for_readers(void)
{
	uint64_t valid[READERS];

	for (size_t i = 0; i < READERS; i++)
		valid[i] = LOAD(readers[i].valid);
	for (size_t i = 0; i < READERS; i++) {
		while (LOAD(readers[i].valid) < valid[i] + 2) {
			update();
			sched_yield();
		}
	}
}

static void readers_survive_moves_at_full_speed(void **state)
{
	const char *text = getenv("PARACLOCK_LIVE_READS");
	uint64_t moves = text ? strtoull(text, NULL, 0) / 1000 : MOVES;

	(void)state;
	set_up();
	keep_apart(pthread_self(), true);
	for (size_t i = 0; i < READERS; i++) {
		assert_int_equal(pthread_create(&readers[i].thread, NULL,
						read_on, &readers[i]),
				 0);
		keep_apart(readers[i].thread, false);
	}
	for (uint64_t n = 0; n < moves; n++) {
		move_once();
		update();
		if ((n + 1) % MOVES_TOGETHER == 0)
			wait_for_readers();
	}
	/* At the least. */
	wait_for_readers();
	__atomic_store_n(&stop, 1, __ATOMIC_RELEASE);
	for (size_t i = 0; i < READERS; i++) {
		struct reader *r = &readers[i];

		pthread_join(r->thread, NULL);
		print_message("%s: %llu reads, %llu valid, %llu not, %llu "
			      "wrong (%lld ns), %llu back\n",
			      i == TK ? "timekeeper" : kinds[i].name,
			      (unsigned long long)r->reads,
			      (unsigned long long)r->valid,
			      (unsigned long long)r->again,
			      (unsigned long long)r->wrong,
			      (long long)r->wrong_ns,
			      (unsigned long long)r->back);
		paraclock_close(r->clk);
		assert_int_equal(r->wrong, 0);
		assert_int_equal(r->back, 0);
		assert_int_equal(r->other, 0);
	}
	assert_int_equal(relay.disruptions, moves);
	above_end(&above);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(readers_survive_moves_at_full_speed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
