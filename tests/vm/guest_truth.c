// SPDX-License-Identifier: MIT
/*
 * CLOCK_REALTIME at a value of the counter, and each step of it, by nothing but
 * rdtsc and clock_gettime(2): the host, which knows the true time at that
 * value, is the judge.
 */

#include <err.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/timex.h>
#include <time.h>
#include <x86intrin.h>

#include "guest.h"

/* Of these brackets the narrowest is kept: others are preempted. */
#define TRIES  50
#define NAP_NS (2 * NSEC_PER_SEC / 1000)
/* What no slew of chronyd's moves the clock by: 83333 ppm of the time. */
#define STEP_NS	     2000000
#define SLEW_DIVISOR 10

struct reading {
	uint64_t counter;
	uint64_t width; /* of the bracket around all, ticks */
	int64_t realtime_ns;
	int64_t raw_ns;
};

static int64_t ns_of(clockid_t id)
{
	struct timespec now;

	clock_gettime(id, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static uint64_t counter(void)
{
	_mm_lfence();
	return __rdtsc();
}

/* The narrowest of TRIES, or the first that is at most @p width ticks wide. */
static struct reading read_clock(uint64_t width)
{
	struct reading best = { .width = UINT64_MAX };

	for (int i = 0; i < TRIES && best.width > width; i++) {
		uint64_t before = counter();
		int64_t realtime_ns = ns_of(CLOCK_REALTIME);
		int64_t raw_ns = ns_of(CLOCK_MONOTONIC_RAW);
		uint64_t after = counter();

		if (after - before < best.width)
			best = (struct reading){
				.counter = before + (after - before) / 2,
				.width = after - before,
				.realtime_ns = realtime_ns,
				.raw_ns = raw_ns,
			};
	}
	return best;
}

static void print(const struct reading *now, int64_t moved_ns, uint64_t since)
{
	printf("{\"counter\":%" PRIu64 ",\"width\":%" PRIu64
	       ",\"realtime_ns\":%" PRId64 ",\"moved_ns\":%" PRId64
	       ",\"since\":%" PRIu64 "}\n",
	       now->counter, now->width, now->realtime_ns, moved_ns, since);
}

/* clock: one reading of CLOCK_REALTIME. */
int guest_clock(int argc, char **argv)
{
	struct reading now = read_clock(0);

	(void)argc;
	(void)argv;
	print(&now, 0, 0);
	return 0;
}

/*
 * steps: print a reading after each step of CLOCK_REALTIME, for ever; "since"
 * is the counter value at which it had not come yet.
 */
int guest_steps(int argc, char **argv)
{
	const struct timespec nap = { .tv_nsec = NAP_NS };
	struct reading last = read_clock(0);
	/* What is wider was preempted, which must not look like a step. */
	const uint64_t wide = 4 * last.width;

	(void)argc;
	(void)argv;
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (!ferror(stdout)) {
		struct reading now;
		int64_t elapsed, moved;

		nanosleep(&nap, NULL);
		now = read_clock(wide);
		elapsed = now.raw_ns - last.raw_ns;
		moved = now.realtime_ns - last.realtime_ns - elapsed;
		if (llabs(moved) >= STEP_NS + elapsed / SLEW_DIVISOR)
			print(&now, moved, last.counter);
		last = now;
	}
	return 1;
}

/* step NS: move CLOCK_REALTIME by this, exactly. */
int guest_step(int argc, char **argv)
{
	const struct timex unit = { .modes = ADJ_MICRO };
	struct timex timex = { .modes = ADJ_SETOFFSET | ADJ_NANO };
	int64_t ns = argc > 1 ? strtoll(argv[1], NULL, 0) : 0;
	int64_t rest = ns % NSEC_PER_SEC;

	if (rest < 0)
		rest += NSEC_PER_SEC;
	timex.time.tv_sec = (ns - rest) / NSEC_PER_SEC;
	timex.time.tv_usec = rest;
	if (adjtimex(&timex) < 0)
		err(1, "adjtimex");
	/* Others, as chronyd, count in us. */
	timex = unit;
	if (adjtimex(&timex) < 0)
		err(1, "adjtimex");
	return 0;
}
