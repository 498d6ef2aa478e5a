// SPDX-License-Identifier: MIT
/* One thread: many passes over short blocks of each subject. */

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "bench.h"
#include "measure.h"

/* Shorter than the time between timer interrupts, so that most blocks see
 * no interrupt; 500 times longer than the two clock reads around them. */
#define BLOCK_NS 50000

/* Percentiles of fewer blocks mean little. */
#define PASSES_MIN 50
#define PASSES_MAX 1000000

#define GUESS_READS 1000
#define GUESS_TRIES 20

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

struct spread spread_of(double *value, uint64_t n)
{
	qsort(value, n, sizeof(*value), compare);
	return (struct spread){
		.median = value[n / 2],
		.low = value[n / 10],
		.high = value[n - 1 - n / 10],
	};
}

uint64_t block_size(const struct subject *subject, uint64_t block_ns)
{
	double reads = (double)block_ns / subject->guess_ns;

	return reads > 1 ? (uint64_t)reads : 1;
}

/* The fastest of a few: after an interrupt, blocks would be too short. */
static void guess(struct subject *subject)
{
	uint64_t best = UINT64_MAX;

	for (unsigned int i = 0; i < GUESS_TRIES; i++) {
		uint64_t begin = raw_ns(), took;
		int failed = subject->run(subject->clk, GUESS_READS);

		took = raw_ns() - begin;
		if (!subject_check(subject, failed))
			return;
		if (took < best)
			best = took;
	}
	subject->guess_ns = (double)(best ? best : 1) / GUESS_READS;
}

/* Each pass begins with another subject, so that a slow moment of the machine
 * does not always hit the same one. */
static void one_pass(struct bench *bench, uint64_t pass, uint64_t most,
		     double *value)
{
	for (unsigned int i = 0; i < bench->count; i++) {
		unsigned int which = (unsigned int)((i + pass) % bench->count);
		struct subject *subject = &bench->subject[which];
		uint64_t n, begin, took;
		int failed;

		if (!is_measured(subject))
			continue;
		n = block_size(subject, BLOCK_NS);
		begin = raw_ns();
		failed = subject->run(subject->clk, n);
		took = raw_ns() - begin;
		if (subject_check(subject, failed))
			value[which * most + pass] = (double)took / (double)n;
	}
}

int measure_time(struct bench *bench, double seconds)
{
	uint64_t most, end, pass;
	double *value;

	for (unsigned int i = 0; i < bench->count; i++) {
		if (is_measured(&bench->subject[i]))
			guess(&bench->subject[i]);
	}
	most = (uint64_t)(seconds * 1e9 / BLOCK_NS) + PASSES_MIN;
	if (most > PASSES_MAX)
		most = PASSES_MAX;
	value = malloc(SUBJECTS_MAX * most * sizeof(*value));
	if (!value)
		return -ENOMEM;
	end = raw_ns() + (uint64_t)(seconds * 1e9);
	for (pass = 0; pass < most && (pass < PASSES_MIN || raw_ns() < end);
	     pass++)
		one_pass(bench, pass, most, value);
	bench->passes = pass;
	for (unsigned int i = 0; i < bench->count; i++) {
		if (is_measured(&bench->subject[i]))
			bench->subject[i].ns =
				spread_of(value + i * most, pass);
	}
	free(value);
	return 0;
}
