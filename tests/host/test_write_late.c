// SPDX-License-Identifier: MIT
/* MONOTONIC, and a preempted writer: how far ahead a page may get. */

#include <paraclock/host.h>

#include "written.h"

/* Of a counter that ticks each ns. */
#define MINUTES(n) ((n)*60000000000U)

/* It loses the CPU at that reading of its counter, counted from 1. */
#define BEFORE 0

static struct {
	unsigned int readings, at;
	uint64_t ticks;
} away;

static uint64_t jumping_counter(void *ctx)
{
	struct fake *fake = ctx;

	if (away.at && ++away.readings == away.at)
		fake->counter += away.ticks;
	return fake->counter += fake->counter_step;
}

struct late {
	const char *name;
	unsigned int kind;
	unsigned int at;
	uint64_t ticks;	  /* for this long */
	uint64_t counter; /* how long the guest's has run */
	int64_t lifted;	  /* the most that host.h allows then, ns */
};

static struct late lates[] = {
	/* clang-format off */
	{ "pvclock: before it closes the page", 0, BEFORE, 140000, LONG, 3 },
	{ "pvclock: in it", 0, 1, 140000, LONG, 3 },
	{ "pvclock: before it writes", 0, 5, 140000, LONG, 3 },
	{ "hyperv: before it closes the page", 1, BEFORE, 4000000, LONG, 101 },
	{ "hyperv: in it", 1, 1, 4000000, LONG, 101 },
	{ "hyperv: before it writes", 1, 5, 4000000, LONG, 101 },
	{ "hyperv: often, for less", 1, 1, 500000, LONG, 101 },
	{ "hyperv: with a young counter", 1, 1, 4000000, SHORT, 401 },
	{ "hyperv: with one of 8 minutes", 1, 1, 4000000, MINUTES(8), 401 },
	{ "hyperv: with one of 15 minutes", 1, 1, 4000000, MINUTES(15), 301 },
	{ "hyperv: with one of 22 minutes", 1, 1, 4000000, MINUTES(22), 201 },
	{ "hyperv: with one of 29 minutes", 1, 1, 4000000, MINUTES(29), 101 },
	{ "vmclock: before it closes the page", 2, BEFORE, 40000, LONG, 1 },
	{ "vmclock: in it", 2, 1, 40000, LONG, 1 },
	{ "vmclock: before it writes", 2, 5, 40000, LONG, 1 },
	/* clang-format on */
};

/* Write a timeline of another rate that begins now; is it on the page? */
static bool change_rate(const struct late *l, uint64_t hz)
{
	const struct writer_kind *kind = &kinds[l->kind];
	const struct paraclock_timeline before = conv;
	int ret;

	assert_int_equal(paraclock_timeline_rebase(&conv, host.counter), 0);
	assert_int_equal(paraclock_timeline_set_hz(&conv, hz, 0), 0);
	away.readings = 0;
	if (away.ticks && l->at == BEFORE)
		host.counter += away.ticks;
	ret = write_timeline(kind);
	if (!ret)
		return true;
	assert_int_equal(ret, -ESTALE);
	conv = before;
	return false;
}

/* The readers' times, at once and later: never back, never too far ahead. */
static void check_reading(const struct late *l, int64_t *last)
{
	const struct writer_kind *kind = &kinds[l->kind];

	for (uint64_t later = 0; later <= 4000000; later += 4000000) {
		int64_t ns = read_ns(kind, host.counter + later);
		int64_t truth;

		assert_int_equal(paraclock_timeline_ns(
					 &conv, host.counter + later, &truth),
				 0);
		assert_in_range(ns - truth + kind->below + 1, 0,
				kind->below + 1 + l->lifted);
		assert_true(later || ns >= *last);
		*last = ns;
	}
	host.counter += 4000000;
}

/*
 * Each time that the writer is preempted the timeline has become slower, so
 * that it is a little behind the last one when it is written; each time that it
 * is not, the timeline has become faster, which makes up for nothing. The sum
 * must be refused.
 */
static void check_late(void **state)
{
	const struct late *l = *state;
	unsigned int written = 0, refused = 0;
	int64_t last = 0;

	start(&kinds[l->kind], l->counter);
	conv.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	host.env.counter = jumping_counter;
	away.at = l->at;
	away.ticks = 0;
	assert_true(change_rate(l, HZ));
	for (int i = 0; i < 50; i++) {
		away.ticks = l->ticks;
		if (change_rate(l, HZ + 10000))
			written++;
		else
			refused++;
		check_reading(l, &last);
		away.ticks = 0;
		/* A refusal does not cause the next one. */
		assert_true(change_rate(l, HZ - 10000));
		check_reading(l, &last);
	}
	assert_true(written > 0);
	assert_true(refused > 0);
}

int main(void)
{
	ADD_ROWS(lates, check_late);
	return run_suite(NULL, NULL);
}
