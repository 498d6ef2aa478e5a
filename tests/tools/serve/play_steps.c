// SPDX-License-Identifier: MIT
/* serve is a program, and a pause or a death may come between any two of its
 * instructions: here, between any two calls into a clock or the library. */
#include <inttypes.h>
#include <stdio.h>

#include "bed.h"

#define MSEC 1000000

/* In a round of a normal run, and of a long one. */
#define TRIES	   4
#define TRIES_LONG 20

static uint32_t next_random(struct bed *bed)
{
	bed->random = bed->random * 1664525U + 1013904223U;
	return bed->random >> 8;
}

static uint32_t steps_a_second(struct bed *bed)
{
	const uint32_t before = bed->world->steps;

	bed_run(bed, NS_PER_SEC);
	return bed->world->steps - before;
}

static uint32_t choose(struct bed *bed, uint32_t steps)
{
	return 1 + next_random(bed) % (steps ? steps : 1);
}

static void disrupt_between(struct bed *bed, uint32_t steps)
{
	struct disruption d = {
		.is_disruption = true,
		.is_marked = bed->options.is_installed,
		.jump_ns = 5 * MSEC,
		.ppm = 100,
	};
	uint32_t at;

	if (next_random(bed) % 2) {
		d.jump_ns = -d.jump_ns;
		d.ppm = -d.ppm;
	}
	at = choose(bed, steps);
	if (!bed_run_to_step(bed, at, false)) {
		bed_fail(bed, "serve makes no steps any more");
		return;
	}
	bed_disrupt(bed, &d);
	bed->steering.frequency_ppm -= d.ppm;
	bed_run_until_served(bed);
}

/*
 * serve alone is stopped, as on a machine that is busy elsewhere. Meanwhile the
 * host corrects itself, or chronyd: by what it knew that it did not know.
 */
static void starve_between(struct bed *bed, uint32_t steps)
{
	const int64_t wrong_ns = next_random(bed) % 2 ? 20 * MSEC : -20 * MSEC;
	const int64_t bound_ns = 25 * MSEC;

	if (bed->options.from_kernel)
		steering_update(&bed->steering, wrong_ns, bound_ns);
	if (!bed_run_to_step(bed, choose(bed, steps), false)) {
		bed_fail(bed, "serve makes no steps any more");
		return;
	}
	if (bed->options.from_kernel)
		steering_update(&bed->steering, -wrong_ns, bound_ns);
	bed_run(bed, NS_PER_SEC * 4 / 10);
	bed_continue(bed);
	bed_run_until_served(bed);
}

static void kill_between(struct bed *bed, uint32_t steps)
{
	bed_run_to_step(bed, choose(bed, steps), true);
	bed_run(bed, NS_PER_SEC / 100);
	bed_start_serve(bed);
	bed_run_until_served(bed);
}

void play_steps(struct bed *bed)
{
	const int tries = bed->options.is_long ? TRIES_LONG : TRIES;
	uint32_t steps;

	bed_phase(bed, "the machine is paused between two steps of serve");
	bed->source.error = SOURCE_STEPS;
	bed_run_until_served(bed);
	steps = steps_a_second(bed);
	printf("          serve makes %" PRIu32 " steps a second\n", steps);
	for (int i = 0; i < tries && !bed->wrong; i++)
		disrupt_between(bed, steps);
	bed_phase(bed, "serve alone is stopped between two steps");
	for (int i = 0; i < tries && !bed->wrong; i++)
		starve_between(bed, steps);
	bed_phase(bed, "serve is killed between two steps");
	for (int i = 0; i < tries / 2 && !bed->wrong; i++)
		kill_between(bed, steps);
}
