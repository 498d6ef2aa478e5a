// SPDX-License-Identifier: MIT
/*
 * A thousand moves of L1s and of the L2 inside, at random, all announced or
 * emulated: no reader gets a wrong time. Without the freeze some readers do.
 *
 * PARACLOCK_NESTED_READS in the environment sets how many reads are spread over
 * the moves: 10000000 for the full promise.
 */

#include "nested.h"

#define READS 200000

#define MOVES	    1000
#define WORLD_MOVES 25
/* Looks of a move: before, in between and after. */
#define PHASES 3
/* Readers of two L1s and of a physical host, and L2's. */
#define READERS 9

static struct counts l1, l2;

static uint64_t reads_wanted(void)
{
	const char *text = getenv("PARACLOCK_NESTED_READS");

	return text ? strtoull(text, NULL, 0) : READS;
}

static struct world_options random_options(uint64_t seed)
{
	uint64_t dices = seed * 0x9e3779b97f4a7c15U;
	bool tai = dices >> 60 == 0;

	return (struct world_options){
		.seed = seed,
		.above = { tai ? ABOVE_VMCLOCK
			       : (enum above)((dices >> 40) % ABOVE_VMCLOCK),
			   tai ? ABOVE_VMCLOCK
			       : (enum above)((dices >> 48) % ABOVE_VMCLOCK) },
		.below = tai ? BELOW_TAI : BELOW_ALL,
		.period_ns = dices >> 32 & 1 ? SEC : 10 * MS,
		.monotonic = !tai && dices >> 33 & 1,
	};
}

static void move_at_random(struct world *w, unsigned int looks)
{
	struct machine *m = &w->machine[dice(w, 2)];

	if (dice(w, 2))
		move_l2(w, &w->machine[dice(w, MACHINES)], looks);
	else if (m->kind->announces && dice(w, 2))
		move_l1(w, m, EMULATED, looks);
	else
		move_l1(w, m, ANNOUNCED, looks);
}

static void add(struct counts *sum, const struct counts *more)
{
	sum->reads += more->reads;
	sum->valid += more->valid;
	sum->wrong += more->wrong;
	if (more->worst_ns > sum->worst_ns)
		sum->worst_ns = more->worst_ns;
	if (more->wrong_ns > sum->wrong_ns)
		sum->wrong_ns = more->wrong_ns;
}

static void print(const char *level, const struct counts *c)
{
	print_message("  %s: %llu reads, %llu valid, %llu wrong and valid; "
		      "worst error %lld ns\n",
		      level, (unsigned long long)c->reads,
		      (unsigned long long)c->valid,
		      (unsigned long long)c->wrong, (long long)c->wrong_ns);
}

static void announced_or_emulated_moves_are_safe(void **state)
{
	unsigned int looks =
		(unsigned int)(reads_wanted() / MOVES / (PHASES * READERS)) + 1;
	static struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= MOVES / WORLD_MOVES; seed++) {
		struct world_options opts = random_options(seed);

		world_start(&w, &opts);
		for (unsigned int i = 0; i < WORLD_MOVES; i++) {
			look_on(&w, looks, random_ns(&w));
			move_at_random(&w, looks);
		}
		add(&l1, &w.l1);
		add(&l2, &w.l2);
		assert_no_read_wrong(&w);
		world_end(&w);
	}
	print("L1", &l1);
	print("L2", &l2);
	assert_true(l1.reads + l2.reads >= reads_wanted() * 9 / 10);
	assert_true(l2.valid > l2.reads / 4);
}

/* Why the freeze is needed: L2 runs with the old page. */
static void without_the_freeze_some_reads_are_wrong(void **state)
{
	struct counts above = { 0 }, below = { 0 };
	static struct world w;

	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct world_options opts = random_options(seed);

		opts.monotonic = false;
		/* Emulation is as good as a freeze. */
		for (unsigned int i = 0; i < 2; i++) {
			if (opts.above[i] == ABOVE_REENLIGHTENMENT)
				opts.above[i] = ABOVE_HYPERV;
		}
		world_start(&w, &opts);
		for (unsigned int i = 0; i < 5; i++)
			move_l1(&w, &w.machine[0], CARELESS, 10);
		add(&above, &w.l1);
		add(&below, &w.l2);
		world_end(&w);
	}
	print("L1", &above);
	print("L2", &below);
	assert_int_equal(above.wrong, 0);
	assert_in_range(below.wrong, 100, below.valid);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{ "announced or emulated, no read is wrong",
		  announced_or_emulated_moves_are_safe, NULL, NULL, NULL },
		{ "without the freeze, some reads are wrong",
		  without_the_freeze_some_reads_are_wrong, NULL, NULL, NULL },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
