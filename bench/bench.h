/* SPDX-License-Identifier: MIT */
/* The cost of one read, compared with the bare counter and the vDSO. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include <paraclock/paraclock.h>

/* A sanitizer's runtime slows clock_gettime(): nothing is judged then. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define BENCH_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
	__has_feature(memory_sanitizer)
#define BENCH_SANITIZED 1
#endif
#endif
#ifndef BENCH_SANITIZED
#define BENCH_SANITIZED 0
#endif

#define SUBJECTS_MAX 10

/* The limits of one read; 0: no limit. */
struct limits {
	double over_bare;     /* median / bare's */
	double over_vdso;     /* median / vdso's */
	double minus_bare_ns; /* median - bare's */
	double scaling;	      /* at least: two-thread scaling / bare's */
};

/* Over blocks; low and high are the 10th and the 90th percentile. */
struct spread {
	double median;
	double low;
	double high;
};

/* A subject: a few instructions, or reads of a clock. */
struct subject {
	const char *name;
	const char *page; /* where its page is; NULL: it has no page */
	/* Make n reads: 0, or their errors ORed. */
	int (*run)(const struct paraclock *clk, uint64_t n);
	struct paraclock *clk; /* NULL: it reads no clock */
	struct limits limits;
	uint8_t marker_class; /* enum paraclock_marker_class */
	bool absent;	      /* not in this build, which is no failure */
	char why[256];	      /* why it has no figures; empty: it has */

	double guess_ns;    /* one read, roughly: decides the block size */
	struct spread ns;   /* one read */
	double scaling;	    /* two threads' throughput / one's; 0: unknown */
	double syscalls;    /* per read; < 0: not measured */
	double allocations; /* calls of the allocator, likewise */
};

/* A way of counting; its control shows whether it counts right. */
struct method {
	uint64_t expected; /* what the control must count */
	uint64_t counted;
	bool used; /* false: why says why not */
	char why[128];
};

/* One request to a running keep. */
struct sync_cost {
	uint64_t requests; /* 0: why says why not */
	struct spread ns;
	char why[256];
};

struct bench {
	struct paraclock_machine machine;
	long cpus;
	double seconds;
	struct subject subject[SUBJECTS_MAX];
	unsigned int count;
	struct subject *bare; /* lfence; rdtsc - or isb; mrs */
	struct subject *vdso; /* clock_gettime(CLOCK_MONOTONIC) */
	uint64_t passes;
	uint64_t thread_passes; /* 0: threads_why says why */
	int thread_cpu[2];	/* -1: not pinned */
	char threads_why[128];
	struct method syscalls;
	struct method allocations;
	const char *keep_folder;
	struct sync_cost sync;
};

static inline bool is_measured(const struct subject *subject)
{
	return !subject->why[0];
}

static inline bool is_broken(const struct method *method)
{
	return method->used && method->counted != method->expected;
}

/* alloc_count.c: how often malloc() and its kin were called so far; false: this
 * build does not count. */
bool alloc_count(uint64_t *ret_calls);

/* pages.c: envs whose pages are memory, at this machine's counter rate. */
int pages_init(uint64_t counter_hz);
const struct paraclock_env *pages_images(void);
/* Between blocks, when nobody reads: the served page as its writer renews it. */
void pages_renew(void);
/* The machine's own kvmclock page; the others in memory. */
const struct paraclock_env *pages_real_kvmclock(void);

/* subjects.c */
void subjects_open(struct bench *bench);
void subjects_close(struct bench *bench);
/* Read once; false: the subject loses its figures, and why is set. */
bool subject_check(struct subject *subject, int failed);
void measure_allocations(struct bench *bench);

/* timing.c */
struct spread spread_of(double *value, uint64_t n);
/* How many reads make a block of block_ns. */
uint64_t block_size(const struct subject *subject, uint64_t block_ns);
int measure_time(struct bench *bench, double seconds);

/* threads.c: 0, also if it was skipped. */
int measure_threads(struct bench *bench, double seconds);

/* syscalls.c */
void measure_syscalls(struct bench *bench);

/* sync.c: a keep that does not run is no failure. */
void measure_sync(struct bench *bench, double seconds);

/* report_table.c, report_json.c. A judgement is 1: within the limit, 0: over
 * it, -1: no limit. */
int judge_time(const struct bench *bench, const struct subject *subject);
int judge_scaling(const struct bench *bench, const struct subject *subject);
/* Is any figure beyond its limit? */
bool misses_limit(const struct bench *bench);
/* The cross timestamp; NULL: it was not measured. */
const struct subject *find_cross(const struct bench *bench);
int report_table(const struct bench *bench);
int report_json(const struct bench *bench);

#endif
