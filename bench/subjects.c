// SPDX-License-Identifier: MIT
/* The subjects: counters, the vDSO, and clocks on their pages. */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <paraclock/backend.h>

#include "bench.h"
#include "measure.h"

/* Enough for one call in a hundred thousand to show. */
#define COUNTED_READS 100000

/* The backend that calls other than reads are measured with. */
#if defined(__x86_64__)
#define BEST "kvmclock"
#else
#define BEST "vmclock"
#endif

/* By then, work that a clock does less and less often is done. */
#define WARM_UP_NS 200000000

/* Uses a value, so that the compiler omits nothing that computes it. */
#define KEEP(value) __asm__ __volatile__("" : : "r"(value) : "memory")

/*
 * All loops are alike, so that each adds the same to the call. None looks at
 * sample.valid, because the next read's fence would wait for that load.
 * subject_check() checks validity between blocks instead.
 */

#if defined(__x86_64__)
static int run_rdtsc(const struct paraclock *clk, uint64_t n)
{
	(void)clk;
	for (uint64_t i = 0; i < n; i++) {
		uint32_t low, high;

		__asm__ __volatile__("rdtsc" : "=a"(low), "=d"(high));
		KEEP((uint64_t)high << 32 | low);
	}
	return 0;
}
#endif

static int run_bare(const struct paraclock *clk, uint64_t n)
{
	(void)clk;
	for (uint64_t i = 0; i < n; i++)
		KEEP(bare());
	return 0;
}

static int run_vdso(const struct paraclock *clk, uint64_t n)
{
	struct timespec now;
	int failed = 0;

	(void)clk;
	for (uint64_t i = 0; i < n; i++) {
		failed |= clock_gettime(CLOCK_MONOTONIC, &now);
		KEEP(&now);
	}
	return failed;
}

static int run_clock(const struct paraclock *clk, uint64_t n)
{
	struct paraclock_sample sample;
	int failed = 0;

	for (uint64_t i = 0; i < n; i++) {
		failed |= paraclock_read(clk, &sample);
		KEEP(&sample);
	}
	return failed;
}

/* A counter value of a moment ago, like one in a trace. */
static int run_read_at(const struct paraclock *clk, uint64_t n)
{
	struct paraclock_sample sample;
	uint64_t counter = bare();
	int failed = 0;

	for (uint64_t i = 0; i < n; i++) {
		failed |= paraclock_read_at(clk, counter, &sample);
		KEEP(&sample);
	}
	return failed;
}

static int run_counter(const struct paraclock *clk, uint64_t n)
{
	(void)clk;
	for (uint64_t i = 0; i < n; i++)
		KEEP(paraclock_counter(NULL));
	return 0;
}

static int run_cross(const struct paraclock *clk, uint64_t n)
{
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };
	int failed = 0;

	for (uint64_t i = 0; i < n; i++) {
		failed |= paraclock_crosststamp(clk, NULL, &xt);
		KEEP(&xt);
	}
	return failed;
}

static struct subject *add(struct bench *bench, const char *name,
			   int (*run)(const struct paraclock *clk, uint64_t n))
{
	struct subject *subject = &bench->subject[bench->count++];

	memset(subject, 0, sizeof(*subject));
	subject->name = name;
	subject->run = run;
	subject->syscalls = -1;
	subject->allocations = -1;
	return subject;
}

static int open_clock(struct subject *subject, const char *backend,
		      const struct paraclock_env *env)
{
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = backend,
		.env = env,
		.detail = subject->why,
		.detail_size = sizeof(subject->why),
	};
	int ret = paraclock_open(&subject->clk, &opts);

	/* The options are right, so this build has no backend of that name. */
	subject->absent = ret == -EINVAL;
	if (ret && !subject->why[0])
		snprintf(subject->why, sizeof(subject->why),
			 "cannot be opened: %s", paraclock_error_name(ret));
	return ret;
}

bool subject_check(struct subject *subject, int failed)
{
	struct paraclock_sample sample;
	int ret;

	pages_renew();
	if (!subject->clk) {
		if (failed)
			strcpy(subject->why, "the call failed");
		return !failed;
	}
	ret = paraclock_read(subject->clk, &sample);
	if (ret || !sample.valid) {
		strcpy(subject->why, "not valid: ");
		paraclock_explain(subject->clk, ret, &sample, subject->why + 11,
				  sizeof(subject->why) - 11);
		return false;
	}
	if (failed)
		strcpy(subject->why, "a read failed while it was measured");
	subject->marker_class = sample.marker_class;
	return !failed;
}

static void open_subject(struct subject *subject, const char *backend,
			 struct limits limits, bool may_be_real)
{
	subject->limits = limits;
	subject->page = "this machine's page";
	if (!may_be_real ||
	    open_clock(subject, backend, pages_real_kvmclock())) {
		subject->page = "an image in memory";
		if (open_clock(subject, backend, pages_images()))
			return;
	}
	subject_check(subject, 0);
}

static void add_clock(struct bench *bench, const char *name,
		      struct limits limits, bool may_be_real)
{
	open_subject(add(bench, name, run_clock), name, limits, may_be_real);
}

/* It has no figures where the system clocks cannot be correlated. */
static void add_cross(struct bench *bench, const char *backend)
{
	const struct limits limits = { .over_bare = 40 };
	struct subject *subject = add(bench, "cross", run_cross);
	int ret;

	open_subject(subject, backend, limits, true);
	if (!is_measured(subject))
		return;
	/* Until the counter's rate is known well enough: the library measures
	 * it again whenever it could know it twice as well. */
	for (uint64_t end = raw_ns() + WARM_UP_NS; raw_ns() < end;) {
		ret = run_cross(subject->clk, 1000);
		if (ret) {
			snprintf(subject->why, sizeof(subject->why),
				 "the system clocks cannot be correlated: %s",
				 paraclock_error_name(ret));
			subject->absent = true;
			return;
		}
	}
}

void subjects_open(struct bench *bench)
{
	const struct limits limits = { 0, 0.95, 6, 0.97 };
	const struct limits of_read_at = { .over_bare = 2 };
#if defined(__x86_64__)
	const struct limits of_kvmclock = { 0, 0.90, 5, 0.97 };

	add(bench, "rdtsc", run_rdtsc);
#endif
	bench->bare = add(bench, "bare", run_bare);
	add(bench, "counter", run_counter);
	bench->vdso = add(bench, "vdso", run_vdso);
	/* The first two are pages of x86's counter. */
#if defined(__x86_64__)
	add_clock(bench, "kvmclock", of_kvmclock, true);
	add_clock(bench, "hyperv", limits, false);
#endif
	add_clock(bench, "vmclock", limits, false);
	add_clock(bench, "served", limits, false);
	open_subject(add(bench, "read-at", run_read_at), BEST, of_read_at,
		     true);
	add_cross(bench, BEST);
}

void subjects_close(struct bench *bench)
{
	for (unsigned int i = 0; i < bench->count; i++)
		paraclock_close(bench->subject[i].clk);
}

/* One malloc() and one free() each, called inside the library, as a read would
 * call them. */
static uint64_t allocation_control(uint64_t n)
{
	const struct paraclock_env *env = paraclock_default_env();
	uint64_t before, after;

	alloc_count(&before);
	for (uint64_t i = 0; i < n; i++)
		env->free(env->ctx, env->alloc(env->ctx, 64));
	alloc_count(&after);
	return after - before;
}

void measure_allocations(struct bench *bench)
{
	struct method *method = &bench->allocations;
	uint64_t before, after;

	if (!alloc_count(&before)) {
		strcpy(method->why, "this build cannot count them (it has "
				    "a sanitizer, or no glibc)");
		return;
	}
	method->used = true;
	method->expected = 2 * (uint64_t)COUNTED_READS;
	method->counted = allocation_control(COUNTED_READS);
	if (is_broken(method))
		return;
	for (unsigned int i = 0; i < bench->count; i++) {
		struct subject *subject = &bench->subject[i];
		int failed;

		if (!is_measured(subject))
			continue;
		alloc_count(&before);
		failed = subject->run(subject->clk, COUNTED_READS);
		alloc_count(&after);
		if (subject_check(subject, failed))
			subject->allocations =
				(double)(after - before) / COUNTED_READS;
	}
}
