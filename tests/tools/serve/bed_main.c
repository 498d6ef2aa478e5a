// SPDX-License-Identifier: MIT
/*
 * usage: serve_bed WORLD TOOL PRELOAD FAKES [PART]
 *
 * WORLD: host, installed (a host whose device every process sees) or kernel.
 * PARACLOCK_SERVE_READS: how many reads at least; PARACLOCK_SERVE_LONG: a dead
 * serve is waited for; PARACLOCK_SERVE_SEED.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bed.h"

#define READS_DEFAULT 400000
/* A long run has so many rounds at least. */
#define ROUNDS_LONG 5
/* A round takes about this long, and readers pause 2 ms between batches. */
#define ROUND_BATCHES 10000

static uint64_t number_of(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoull(text, NULL, 10) : otherwise;
}

/* --- rounds ----------------------------------------------------------------- */

static uint64_t reads_of(const struct world *world)
{
	uint64_t reads = 0;

	for (int i = 0; i < BED_READERS; i++)
		reads += world->findings[i].reads;
	return reads;
}

static bool is_death(const char *part)
{
	return !strcmp(part, "death");
}

void bed_play(struct bed *bed, const struct play *plays)
{
	bool any = bed->options.only && is_death(bed->options.only);

	for (; plays->name; plays++) {
		if (bed->options.only && strcmp(bed->options.only, plays->name))
			continue;
		any = true;
		plays->play(bed);
	}
	if (!any)
		bed_fail(bed, "no part has that name");
}

static void play(struct bed *bed)
{
	const uint64_t rounds = bed->options.is_long ? ROUNDS_LONG : 1;
	const uint64_t batch =
		bed->options.reads / rounds / BED_READERS / ROUND_BATCHES;

	bed->world->batch = batch < 1 ? 1 : batch > 200 ? 200 : (uint32_t)batch;
	bed_start_readers(bed);
	for (uint64_t round = 0;
	     !bed->wrong &&
	     (round < rounds || reads_of(bed->world) < bed->options.reads);
	     round++) {
		if (bed->options.from_kernel)
			play_kernel(bed);
		else
			play_host(bed);
		if (bed->options.only)
			break;
	}
	if (!bed->options.only || is_death(bed->options.only))
		play_death(bed);
}

int main(int argc, char **argv)
{
	static struct bed bed;
	struct bed_options options = {
		.reads = number_of("PARACLOCK_SERVE_READS", READS_DEFAULT),
		.seed = (uint32_t)number_of("PARACLOCK_SERVE_SEED", 1),
		.is_long = number_of("PARACLOCK_SERVE_LONG", 0),
	};
	int ret;

	if (argc != 5 && argc != 6) {
		fprintf(stderr, "usage: %s WORLD TOOL PRELOAD FAKES [PART]\n",
			argv[0]);
		return 2;
	}
	options.tool = argv[2];
	options.preload = argv[3];
	options.fakes = argv[4];
	options.only = argv[5];
	options.from_kernel = !strcmp(argv[1], "kernel");
	options.is_installed =
		options.from_kernel || !strcmp(argv[1], "installed");
	ret = bed_open(&bed, &options);
	if (ret)
		return ret;
	play(&bed);
	return bed_close(&bed);
}
