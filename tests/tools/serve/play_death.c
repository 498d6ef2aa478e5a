// SPDX-License-Identifier: MIT
/* A dead serve is believed for a minute, and its bound holds until then. */
#include <stdio.h>

#include <paraclock/backend.h>
#include <paraclock/paraclock.h>

#include "bed.h"

/* Our backend does not believe a page that is older. */
#define BELIEVED_NS (60 * NS_PER_SEC)
/* By another clock's rate. */
#define TOLERANCE_NS (NS_PER_SEC / 10)

/* The counter as it will be. */
static uint64_t later_counter(void *ctx)
{
	const uint64_t *later = ctx;

	return counter_now() + *later;
}

static void judge_later(struct bed *bed, const struct paraclock_sample *sample,
			int64_t age_ns)
{
	const int64_t truth_ns = line_at(&bed->world->truth, sample->host_tsc);
	struct timespec earliest, latest;

	if (age_ns > BELIEVED_NS + TOLERANCE_NS)
		bed_fail(bed, "a page older than 60 s is believed");
	else if (paraclock_interval_tai(sample, &earliest, &latest) ||
		 truth_ns < earliest.tv_sec * NS_PER_SEC + earliest.tv_nsec ||
		 truth_ns > latest.tv_sec * NS_PER_SEC + latest.tv_nsec)
		bed_fail(bed, "the truth is outside of a later read");
}

/* Until 90 s later, in steps of 100 ms: the last age at which it was valid. */
static int64_t read_later(struct bed *bed, const struct paraclock *clk,
			  uint64_t *later, uint64_t *ret_error_ns)
{
	struct paraclock_sample sample;
	int64_t age_ns, last_ns = 0;

	for (int64_t ns = 0; ns < 90 * NS_PER_SEC; ns += NS_PER_SEC / 10) {
		*later = ticks_of(bed->world, ns);
		if (paraclock_read(clk, &sample) || !sample.valid)
			continue;
		age_ns = ns_of(bed->world, sample.host_tsc - bed->last.counter);
		judge_later(bed, &sample, age_ns);
		last_ns = age_ns;
		*ret_error_ns = sample.clock_error_ns;
	}
	return last_ns;
}

/* Read as if it were later: nothing else moves meanwhile. */
static void read_dead(struct bed *bed)
{
	uint64_t later = 0, error_ns = 0;
	struct paraclock_env env = *paraclock_default_env();
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "served",
		.device = bed->options.is_installed ? NULL : bed->page,
		.env = &env,
	};
	struct paraclock *clk;
	int64_t last_ns;

	/* The other functions of Linux's env take no notice of it. */
	env.ctx = &later;
	env.counter = later_counter;
	if (paraclock_open(&clk, &opts)) {
		bed_fail(bed, "the page of a dead serve cannot be opened");
		return;
	}
	last_ns = read_later(bed, clk, &later, &error_ns);
	paraclock_close(clk);
	printf("the page of a dead serve is believed for %.1f s; its bound is "
	       "%.1f us then\n",
	       (double)last_ns / 1e9, (double)error_ns / 1e3);
	if (!last_ns)
		bed_fail(bed,
			 "the page of a dead serve is not believed at all");
}

void play_death(struct bed *bed)
{
	bed_phase(bed, "serve is killed, and stays dead");
	bed_run_until_served(bed);
	bed_kill_serve(bed);
	bed_run(bed, NS_PER_SEC / 2);
	read_dead(bed);
	if (bed->options.is_long) {
		bed_phase(bed, "nobody starts it for more than a minute");
		bed_run(bed, BELIEVED_NS + 5 * NS_PER_SEC);
	}
}
