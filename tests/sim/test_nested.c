// SPDX-License-Identifier: MIT
/*
 * The four ways in which a guest of a guest is moved, and Hyper-V's own, with
 * every page above and every page below: the readers of L1 and L2 get the truth
 * before, in between and after.
 */

#include <stdio.h>

#include "nested.h"

#define WORLDS 8
#define LOOKS  12

struct nested_case {
	const char *name;
	void (*move)(struct world *w);
	enum above above;
	enum below below;
};

static void unmoved_l1(struct world *w)
{
	move_l2(w, &w->machine[0], LOOKS);
	assert_int_equal(w->machine[0].relay.disruptions, 0);
}

static void another_l1(struct world *w)
{
	move_l2(w, &w->machine[1], LOOKS);
}

static void physical_host(struct world *w)
{
	move_l2(w, &w->machine[PHYSICAL], LOOKS);
}

static void l1_with_l2(struct world *w)
{
	move_l1(w, &w->machine[0], ANNOUNCED, LOOKS);
	assert_int_equal(w->machine[0].relay.disruptions, 1);
}

static void emulated(struct world *w)
{
	move_l1(w, &w->machine[0], EMULATED, LOOKS);
	assert_int_equal(w->machine[0].relay.disruptions, 1);
	assert_int_equal(w->machine[0].re.notifications, 2);
}

static struct world_options options_of(const struct nested_case *c,
				       uint64_t seed)
{
	return (struct world_options){
		.seed = seed,
		.above = { c->above, c->above },
		.below = BELOW(c->below),
		.period_ns = seed & 1 ? SEC : 10 * MS,
		/* The time of the day may be behind on another machine. */
		.monotonic = seed & 2 && c->above != ABOVE_VMCLOCK,
	};
}

static uint64_t marker_of(const struct world *w)
{
	enum below b = BELOW_PVCLOCK;

	while (!w->guest.target[b])
		b++;
	return w->guest.target[b]->marker;
}

static void is_right_throughout(void **state)
{
	const struct nested_case *c = *state;
	struct counts l1 = { 0 }, l2 = { 0 };
	static struct world w;

	for (uint64_t seed = 0; seed < WORLDS; seed++) {
		struct world_options opts = options_of(c, seed);
		uint64_t marker;

		world_start(&w, &opts);
		marker = marker_of(&w);
		look_on(&w, LOOKS, 400 * opts.period_ns);
		c->move(&w);
		assert_int_equal(marker_of(&w), marker + 1);
		look_on(&w, LOOKS, 400 * opts.period_ns);
		assert_no_read_wrong(&w);
		l1.valid += w.l1.valid;
		l2.valid += w.l2.valid;
		l1.worst_ns = w.l1.worst_ns > l1.worst_ns ? w.l1.worst_ns
							  : l1.worst_ns;
		l2.worst_ns = w.l2.worst_ns > l2.worst_ns ? w.l2.worst_ns
							  : l2.worst_ns;
		world_end(&w);
	}
	assert_true(l1.valid && l2.valid);
	print_message("  worst error: L1 %lld ns (%llu reads), L2 %lld ns "
		      "(%llu reads)\n",
		      (long long)l1.worst_ns, (unsigned long long)l1.valid,
		      (long long)l2.worst_ns, (unsigned long long)l2.valid);
}

static struct {
	const char *name;
	void (*move)(struct world *w);
} moves[] = {
	{ "L2, its L1 does not move", unmoved_l1 },
	{ "L2 to another L1", another_l1 },
	{ "L2 to a physical host", physical_host },
	{ "L1 with its L2 inside", l1_with_l2 },
	{ "L1 with its L2 inside, TSC emulated", emulated },
};

#define ROWS (ARRAY_LEN(moves) * ABOVES * BELOWS)

static bool exists(const struct nested_case *c)
{
	if (c->move == emulated && !above_kinds[c->above].announces)
		return false;
	return above_kinds[c->above].timescale != TAI ||
	       BELOW(c->below) & BELOW_TAI;
}

int main(void)
{
	static struct nested_case cases[ROWS];
	static char names[ROWS][100];
	size_t n = 0;

	for (size_t i = 0; i < ROWS; i++) {
		struct nested_case *c = &cases[n];

		c->move = moves[i / (ABOVES * BELOWS)].move;
		c->above = (enum above)(i / BELOWS % ABOVES);
		c->below = (enum below)(i % BELOWS);
		if (!exists(c))
			continue;
		(void)snprintf(names[n], sizeof(names[n]), "%s: %s on %s",
			       moves[i / (ABOVES * BELOWS)].name,
			       below_kinds[c->below].name,
			       above_kinds[c->above].name);
		add_row(names[n++], is_right_throughout, c);
	}
	return run_suite(NULL, NULL);
}
