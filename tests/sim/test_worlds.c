// SPDX-License-Identifier: MIT
/*
 * Random worlds of honest hosts: whatever happens in them, no sample is outside
 * its bound.
 *
 * PARACLOCK_WORLD_READS in the environment sets how many readings are made:
 * 10000000 for the full promise, of which 1000000 are of timekeepers.
 * PARACLOCK_WORLD_SEED plays that world alone.
 */

#include "worlds.h"

#define READS 100000

/* Readings in a pass, and passes in a world. */
#define LOOKS  8
#define PASSES 60

static const char *const names[SOURCES] = {
	"kvmclock",	  "kvmclock in ring 0",	 "hyperv",
	"vmclock",	  "Hyper-V's PTP clock", "pairing hypercall",
	"nested vmclock",
};

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

/* How long a pass takes. */
static uint64_t pass_ns(struct world *w)
{
	if (w->beat_ns)
		return w->beat_ns;
	return any_size(w, 36);
}

static void play(uint64_t seed)
{
	static struct world w;

	world_start(&w, seed);
	for (w.pass = 0; w.pass < PASSES; w.pass++) {
		look(&w, LOOKS);
		pass(&w, pass_ns(&w));
		look(&w, LOOKS);
		act(&w);
		forget_promises(&w);
	}
	world_end(&w);
}

static uint64_t reads_of(const struct tally *t)
{
	return t->reads;
}

static uint64_t all_reads(void)
{
	uint64_t sum = reads_of(&kept) + reads_of(&guest_kept);

	for (unsigned int s = 0; s < SOURCES; s++)
		sum += reads_of(&tallies[s]);
	return sum;
}

static void print(const char *name, const struct tally *t)
{
	print_message("  %s: %llu reads, %llu valid, %llu with a bound; %llu "
		      "outside of it, %llu promises broken; %lld ns at most\n",
		      name, (unsigned long long)t->reads,
		      (unsigned long long)t->valid,
		      (unsigned long long)t->bounded,
		      (unsigned long long)t->wrong,
		      (unsigned long long)t->broken, (long long)t->worst_ns);
}

static void print_all(uint64_t worlds)
{
	for (unsigned int s = 0; s < SOURCES; s++)
		print(names[s], &tallies[s]);
	print("timekeepers", &kept);
	print("a guest's timekeeper", &guest_kept);
	print_message(
		"  %llu worlds: %llu steps (%llu with a marker), %llu "
		"slews, %llu moves, %llu torn and %llu late pages, %llu "
		"samples in leap seconds, %llu cross timestamps (%llu "
		"failed)\n",
		(unsigned long long)worlds, (unsigned long long)steps_inside,
		(unsigned long long)marked, (unsigned long long)slews_inside,
		(unsigned long long)moved, (unsigned long long)torn_pages,
		(unsigned long long)late_pages, (unsigned long long)leaps_seen,
		(unsigned long long)crossed, (unsigned long long)cross_failed);
}

static void assert_kept(const struct tally *t)
{
	assert_int_equal(t->wrong, 0);
	assert_int_equal(t->broken, 0);
}

static void no_sample_is_outside_its_bound(void **state)
{
	uint64_t wanted = setting("PARACLOCK_WORLD_READS", READS);
	uint64_t seed = setting("PARACLOCK_WORLD_SEED", 0);
	uint64_t worlds = 1;

	(void)state;
	play(seed ? seed : 1);
	while (!seed && (all_reads() < wanted ||
			 kept.reads + guest_kept.reads < wanted / 10))
		play(++worlds);
	print_all(worlds);
	for (unsigned int s = 0; s < SOURCES; s++) {
		assert_kept(&tallies[s]);
		assert_true(seed || tallies[s].valid > tallies[s].reads / 4);
	}
	assert_kept(&kept);
	assert_kept(&guest_kept);
	/* Everything has happened, so the test has shown something. */
	assert_true(seed || kept.bounded > kept.reads / 8);
	assert_true(seed || crossed > cross_failed);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_sample_is_outside_its_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
