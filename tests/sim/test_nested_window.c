// SPDX-License-Identifier: MIT
/*
 * Moves that nothing announces: for how long L2 can be wrong and valid. That
 * lasts until the relay's next update, and no less if the move came just after
 * one, as paraclock-relay(7) says.
 */

#include <stdio.h>

#include "nested.h"

/* Looks in a period. */
#define STEPS 500
#define STEP  (w.opts.period_ns / STEPS)
#define CLOSE 25

#define SCALED	      PARACLOCK_SIM_SCALED
#define COUNTER_STOPS PARACLOCK_SIM_COUNTER_STOPS
#define CLOCK_STOPS   PARACLOCK_SIM_CLOCK_STOPS
#define SILENT	      PARACLOCK_SIM_SILENT

static struct world w;

struct window_case {
	char name[100];
	bool shown; /* as a disruption, by a marker or by the page */
	enum above above;
	uint64_t period_ns;
	uint32_t flags;
};

static void start(enum above above, uint64_t period_ns, bool monotonic)
{
	struct world_options opts = {
		.seed = period_ns + above,
		.above = { above, above },
		.below = above_kinds[above].timescale == TAI ? BELOW_TAI
							     : BELOW_ALL,
		.period_ns = period_ns,
		.monotonic = monotonic,
	};

	world_start(&w, &opts);
}

/* An update was made just now. */
static void to_an_update(void)
{
	pass(&w, (uint64_t)(w.next_update - true_ns(&w)));
	look(&w);
	assert_no_read_wrong(&w);
}

/* Densely around an update. */
static void look_for(uint64_t periods)
{
	for (uint64_t i = 0; i < periods * STEPS; i++) {
		look(&w);
		pass(&w, STEP);
		for (unsigned int k = 0; (i + 1) % STEPS == 0 && k < CLOSE;
		     k++) {
			look(&w);
			pass(&w, US);
		}
	}
	look(&w);
}

/* For this long, and no longer. */
static void assert_window(uint64_t late_ns, bool shown)
{
	uint64_t limit = WINDOW_NS(w.opts.period_ns, late_ns);
	int64_t window = w.l2.last_wrong - w.resumed;

	print_message("  wrong for %lld us, by up to %lld ns\n",
		      (long long)(window / US), (long long)w.l2.wrong_ns);
	assert_in_range(window, limit - STEP,
			limit + (shown ? 0 : WINDOW_NOT_SHOWN_NS));
}

static void until_the_next_update(void **state)
{
	const struct window_case *c = *state;

	start(c->above, c->period_ns, false);
	to_an_update();
	migrate_l1(&w, &w.machine[0], MS, c->flags);
	look_for(3);
	assert_int_equal(w.l1.wrong, 0);
	assert_window(0, c->shown);
	world_end(&w);
}

static void move_to_hz(uint64_t hz, enum how how)
{
	struct paraclock_sim_host_options opts = {
		.size = sizeof(opts),
		.tsc_hz = hz,
		.tsc_start = 1ULL << 44,
	};
	struct machine *m = &w.machine[0];
	struct paraclock_sim_host *to;

	assert_int_equal(paraclock_sim_host_new(&to, w.sim, &opts), 0);
	assert_int_equal(paraclock_sim_migrate(m->vm, to, 0, 0), 0);
	w.resumed = true_ns(&w);
	if (how == ANNOUNCED)
		finish_update(&w, m, paraclock_relay_resume(&m->relay));
}

/* Below a ppm it counts as an update of the same clock, with the same end. */
static void half_a_ppm_is_no_disruption(void **state)
{
	uint64_t disruptions, marker;
	struct machine *m = &w.machine[0];

	(void)state;
	start(ABOVE_KVMCLOCK, SEC, false);
	move_to_hz(2500000000, ANNOUNCED);
	to_an_update();
	disruptions = m->relay.disruptions;
	marker = m->target[0].marker;
	move_to_hz(2500001250, UNANNOUNCED);
	look_for(3);
	assert_int_equal(w.l1.wrong, 0);
	assert_window(0, false);
	assert_in_range(w.l2.wrong_ns, 490, 600);
	assert_int_equal(m->relay.disruptions, disruptions);
	assert_int_equal(m->target[0].marker, marker);
	world_end(&w);
}

/*
 * With the promise: readers that were ahead when the update came are waited
 * for, with everything frozen; look() checks that no reading goes back.
 */
static void readers_never_go_back(void **state)
{
	int64_t before;

	(void)state;
	start(ABOVE_KVMCLOCK, 10 * MS, true);
	move_to_hz(2000000000, ANNOUNCED);
	to_an_update();
	move_to_hz(2100000000, UNANNOUNCED);
	look_for(1);
	assert_window(0, true);
	/* A twentieth of a period. */
	assert_in_range(w.l2.wrong_ns, 490 * US, 501 * US);
	before = w.resumed + (int64_t)w.opts.period_ns;
	assert_in_range(true_ns(&w) - before, 450 * US, 600 * US);
	look_for(2);
	assert_window(0, true);
	assert_int_equal(w.l1.wrong, 0);
	world_end(&w);
}

/* vCPU 0, whose page Linux shows to all, does not run for two periods. */
static void a_late_page_makes_it_longer(void **state)
{
	struct machine *m = &w.machine[0];
	uint64_t late_ns;

	(void)state;
	start(ABOVE_KVMCLOCK, 10 * MS, false);
	late_ns = 2 * w.opts.period_ns;
	to_an_update();
	assert_int_equal(paraclock_sim_vcpu_halt(m->vm, 0), 0);
	migrate_l1(&w, m, MS, COUNTER_STOPS);
	look_for(2);
	assert_int_equal(paraclock_sim_vcpu_run(m->vm, 0), 0);
	look_for(3);
	/* L1 itself was wrong until then. */
	assert_in_range(w.l1.last_wrong - w.resumed, late_ns,
			late_ns + 2 * CLOSE * US);
	assert_window(late_ns, true);
	world_end(&w);
}

static void a_marker_makes_a_late_page_early(void **state)
{
	struct machine *m = &w.machine[0];

	(void)state;
	start(ABOVE_KVMCLOCK_MARKERS, 10 * MS, false);
	to_an_update();
	assert_int_equal(paraclock_sim_vcpu_halt(m->vm, 0), 0);
	migrate_l1(&w, m, MS, COUNTER_STOPS);
	look_for(3);
	assert_int_equal(w.l1.wrong, 0);
	assert_window(0, true);
	world_end(&w);
}

static void random_moves_are_never_wrong_for_longer(void **state)
{
	int64_t longest = 0;
	uint64_t wrong = 0;

	(void)state;
	for (uint64_t i = 0; i < 2ULL * ABOVES; i++) {
		start((enum above)(i / 2), i & 1 ? SEC : 10 * MS, false);
		for (unsigned int k = 0; k < 20; k++) {
			struct machine *m = &w.machine[0];
			int64_t was = w.l2.last_wrong;
			int64_t window;

			pass(&w, random_ns(&w));
			move_l1(&w, m,
				m->kind->announces ? EMULATED : UNANNOUNCED,
				200);
			window = w.l2.last_wrong - w.resumed;
			if (w.l2.last_wrong == was)
				continue;
			assert_in_range(window, 0,
					WINDOW_NS(w.opts.period_ns, 0) +
						WINDOW_NOT_SHOWN_NS);
			longest = window > longest ? window : longest;
		}
		assert_int_equal(w.l1.wrong, 0);
		if (w.machine[0].kind->announces)
			assert_int_equal(w.l2.wrong, 0);
		wrong += w.l2.wrong;
		world_end(&w);
	}
	print_message("  longest %lld us\n", (long long)(longest / US));
	assert_in_range(longest, SEC / 2, SEC + WINDOW_NOT_SHOWN_NS);
	assert_true(wrong);
}

static const struct {
	const char *name;
	uint32_t flags;
} moves[] = {
	{ "another rate", 0 },
	{ "the TSC stops", SCALED | COUNTER_STOPS },
	{ "the clock stops", CLOCK_STOPS },
	{ "no marker shows it", COUNTER_STOPS | SILENT },
};

#define CASES (2 * ARRAY_LEN(moves) * ABOVES)

int main(void)
{
	static struct window_case cases[CASES];
	size_t n = 0;

	for (size_t i = 0; i < CASES; i++) {
		struct window_case *c = &cases[n];

		c->above = (enum above)(i / 2 % ABOVES);
		c->period_ns = i & 1 ? SEC : 10 * MS;
		c->flags = moves[i / (2 * ABOVES)].flags;
		/* For a vmclock a jump is a mere correction. */
		c->shown =
			!(c->flags & SILENT) || !(above_kinds[c->above].parts &
						  PARACLOCK_SIM_HAS_VMCLOCK);
		/* The time of the day goes on; and this move is announced. */
		if (above_kinds[c->above].announces ||
		    (c->above == ABOVE_VMCLOCK && c->flags & CLOCK_STOPS))
			continue;
		(void)snprintf(c->name, sizeof(c->name),
			       "%s, unannounced: %s, updates each %s",
			       above_kinds[c->above].name,
			       moves[i / (2 * ABOVES)].name,
			       i & 1 ? "1 s" : "10 ms");
		add_row(c->name, until_the_next_update, c);
		n++;
	}
	add_test("half a ppm is no disruption, and is followed",
		 half_a_ppm_is_no_disruption);
	add_test("with the promise, readers never go back",
		 readers_never_go_back);
	add_test("a late page makes it longer", a_late_page_makes_it_longer);
	add_test("a marker makes a late page early",
		 a_marker_makes_a_late_page_early);
	add_test("random moves are never wrong for longer",
		 random_moves_are_never_wrong_for_longer);
	return run_suite(NULL, NULL);
}
