// SPDX-License-Identifier: MIT
/*
 * Two threads on one clock: is their throughput twice that of one thread, as
 * far as it is for the bare counter? A read that writes to a shared cache line,
 * or takes a lock, would show here. Passes of one and of two threads alternate.
 */

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "measure.h"

/* Long compared with the microsecond between the starts of both threads. */
#define BLOCK_NS   200000
#define PASSES_MIN 20
#define PASSES_MAX 100000

struct stamp {
	uint64_t begin;
	uint64_t end;
	int failed;
};

/* Shared by both threads, which do the same work. */
struct pair {
	/* Alone on its cache lines: both threads spin on it. */
	_Alignas(128) uint64_t arrived;
	char rest_of_lines[120];
	double *one[SUBJECTS_MAX]; /* block of one thread, ns */
	double *two[SUBJECTS_MAX]; /* the same work in each */
	struct bench *bench;
	unsigned int which[SUBJECTS_MAX]; /* subjects that take part */
	unsigned int count;
	bool stop;
	uint64_t pass;
	pthread_barrier_t go; /* the second sleeps here between its passes */
	struct stamp other[SUBJECTS_MAX];
};

static struct stamp run_block(const struct subject *subject)
{
	struct stamp stamp = { .begin = raw_ns() };

	stamp.failed =
		subject->run(subject->clk, block_size(subject, BLOCK_NS));
	stamp.end = raw_ns();
	return stamp;
}

/* Spin: a thread that has to be woken would start much later. */
static void meet(struct pair *pair, uint64_t *meetings)
{
	uint64_t all = 2 * ++*meetings;

	/* Pairs with the load below, in the other thread. */
	__atomic_fetch_add(&pair->arrived, 1, __ATOMIC_ACQ_REL);
	while (__atomic_load_n(&pair->arrived, __ATOMIC_ACQUIRE) < all)
		;
}

static unsigned int turn(const struct pair *pair, unsigned int i)
{
	return pair->which[(i + pair->pass) % pair->count];
}

static void *second_thread(void *arg)
{
	struct pair *pair = arg;
	uint64_t meetings = 0;

	for (;;) {
		pthread_barrier_wait(&pair->go);
		if (pair->stop)
			return NULL;
		for (unsigned int i = 0; i < pair->count; i++) {
			unsigned int at = turn(pair, i);

			meet(pair, &meetings);
			pair->other[at] = run_block(&pair->bench->subject[at]);
		}
		meet(pair, &meetings);
	}
}

static void two_threads(struct pair *pair, uint64_t *meetings)
{
	struct stamp mine[SUBJECTS_MAX];

	pthread_barrier_wait(&pair->go);
	for (unsigned int i = 0; i < pair->count; i++) {
		unsigned int at = turn(pair, i);

		meet(pair, meetings);
		mine[at] = run_block(&pair->bench->subject[at]);
	}
	meet(pair, meetings);
	for (unsigned int i = 0; i < pair->count; i++) {
		unsigned int at = pair->which[i];
		const struct stamp *a = &mine[at], *b = &pair->other[at];
		uint64_t begin = a->begin < b->begin ? a->begin : b->begin;
		uint64_t end = a->end > b->end ? a->end : b->end;

		pair->two[at][pair->pass] = (double)(end - begin);
		subject_check(&pair->bench->subject[at], a->failed | b->failed);
	}
}

static void one_thread(struct pair *pair)
{
	for (unsigned int i = 0; i < pair->count; i++) {
		unsigned int at = turn(pair, i);
		struct stamp stamp = run_block(&pair->bench->subject[at]);

		pair->one[at][pair->pass] = (double)(stamp.end - stamp.begin);
		subject_check(&pair->bench->subject[at], stamp.failed);
	}
}

/* A subject that fails takes part to the end without its figures being printed:
 * both threads must agree on the subjects of a pass. */
static void all_passes(struct pair *pair, uint64_t most, double seconds)
{
	uint64_t end = raw_ns() + (uint64_t)(seconds * 1e9);
	uint64_t meetings = 0, pass = 0;

	while (pass < most && (pass < PASSES_MIN || raw_ns() < end)) {
		pair->pass = pass;
		one_thread(pair);
		two_threads(pair, &meetings);
		pass++;
	}
	pair->stop = true;
	pthread_barrier_wait(&pair->go);
	pair->bench->thread_passes = pass;
	for (unsigned int i = 0; i < pair->count; i++) {
		unsigned int at = pair->which[i];

		pair->bench->subject[at].scaling =
			2 * spread_of(pair->one[at], pass).median /
			spread_of(pair->two[at], pass).median;
	}
}

static void pin(pthread_t thread, int *cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET((size_t)*cpu, &set);
	if (pthread_setaffinity_np(thread, sizeof(set), &set))
		*cpu = -1;
}

static int run_pair(struct pair *pair, uint64_t most, double seconds)
{
	struct bench *bench = pair->bench;
	pthread_t thread;
	int ret;

	if (pthread_barrier_init(&pair->go, NULL, 2))
		return -ENOMEM;
	ret = pthread_create(&thread, NULL, second_thread, pair);
	if (!ret) {
		pin(pthread_self(), &bench->thread_cpu[0]);
		pin(thread, &bench->thread_cpu[1]);
		all_passes(pair, most, seconds);
		pthread_join(thread, NULL);
	}
	pthread_barrier_destroy(&pair->go);
	return -ret;
}

/* The first and the last CPU that we may run on: neighbours are often two
 * threads of one core. false: there is only one. */
static bool choose_cpus(struct bench *bench, const cpu_set_t *set)
{
	bench->thread_cpu[0] = -1;
	for (int i = 0; i < CPU_SETSIZE; i++) {
		if (!CPU_ISSET((size_t)i, set))
			continue;
		if (bench->thread_cpu[0] < 0)
			bench->thread_cpu[0] = i;
		bench->thread_cpu[1] = i;
	}
	return bench->thread_cpu[0] != bench->thread_cpu[1];
}

static int with_memory(struct pair *pair, double seconds)
{
	uint64_t most = (uint64_t)(seconds * 1e9 / BLOCK_NS) + PASSES_MIN;
	double *all;
	int ret;

	if (most > PASSES_MAX)
		most = PASSES_MAX;
	all = malloc(most * 2 * SUBJECTS_MAX * sizeof(*all));
	if (!all)
		return -ENOMEM;
	for (unsigned int i = 0; i < SUBJECTS_MAX; i++) {
		pair->one[i] = all + most * 2 * i;
		pair->two[i] = pair->one[i] + most;
	}
	ret = run_pair(pair, most, seconds);
	free(all);
	return ret;
}

int measure_threads(struct bench *bench, double seconds)
{
	struct pair pair = { .bench = bench };
	cpu_set_t before;
	int ret;

	if (sched_getaffinity(0, sizeof(before), &before)) {
		snprintf(bench->threads_why, sizeof(bench->threads_why),
			 "the allowed CPUs cannot be read: %s",
			 strerror(errno));
		return 0;
	}
	if (!choose_cpus(bench, &before)) {
		strcpy(bench->threads_why, "only one CPU is allowed");
		return 0;
	}
	for (unsigned int i = 0; i < bench->count; i++) {
		struct subject *subject = &bench->subject[i];

		if (is_measured(subject) &&
		    (subject->clk || subject == bench->bare))
			pair.which[pair.count++] = i;
	}
	ret = with_memory(&pair, seconds);
	sched_setaffinity(0, sizeof(before), &before);
	return ret;
}
