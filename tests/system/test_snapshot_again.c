// SPDX-License-Identifier: MIT
/*
 * A counter that goes wrong, and a kernel that leaves it and comes back: the
 * values are true meanwhile, and snapshots come back by themselves.
 */

#include <stdio.h>

#include "fake_machine.h"

#define HPET_COST (1500UL * FS_PER_NS)
#define MS	  (FS_PER_SEC / 1000)

static const struct fake_counter tsc = { "2.096 GHz", 2096000000, 1, 1 };
static struct fake_machine machine;

static int setup(void **state)
{
	(void)state;
	fake_machine_init(&machine, &tsc);
	return 0;
}

static int try(struct paraclock_snapshot *ret_snap)
{
	struct paraclock_snapshot snap = { .size = sizeof(snap) };
	unsigned int reads = machine.clock_reads;
	int ret = paraclock_snapshot(&machine.world.env, &snap);

	/* The call ends. */
	assert_true(machine.clock_reads - reads < 400000);
	if (!ret)
		fake_machine_check_snapshot(&machine, &snap);
	*ret_snap = snap;
	return ret;
}

/*
 * How many of the snapshots succeed, and whether the last one may be
 * correlated.
 */
static unsigned int count(unsigned int n, uint64_t every, bool *ret_valid)
{
	struct paraclock_snapshot snap;
	unsigned int good = 0;

	*ret_valid = false;
	for (unsigned int i = 0; i < n; i++) {
		bool ok = !try(&snap);

		good += ok;
		*ret_valid = ok && snap.valid_for_correlation;
		fake_machine_pass(&machine, every);
	}
	return good;
}

static void to_hpet(void)
{
	fake_machine_become(&machine, "hpet", PARACLOCK_CLOCKSOURCE_OTHER,
			    HPET_COST);
}

/* Also a clocksource that is read as fast as the TSC: nothing shows it. */
static void to_fast(void)
{
	fake_machine_become(&machine, "other", PARACLOCK_CLOCKSOURCE_OTHER, 0);
}

static void to_tsc(void)
{
	fake_machine_become(&machine, "tsc", PARACLOCK_CLOCKSOURCE_COUNTER, 0);
}

static void jump_ahead(void)
{
	fake_machine_move_counter(&machine, fake_machine_counter(&machine) +
						    (1ULL << 40));
}

static void jump_a_bit(void)
{
	fake_machine_move_counter(&machine,
				  fake_machine_counter(&machine) + 20960000);
}

static void jump_back(void)
{
	fake_machine_move_counter(&machine, fake_machine_counter(&machine) / 2);
}

static void reset(void)
{
	fake_machine_move_counter(&machine, 0);
}

static void stop(void)
{
	if (!machine.stopped)
		fake_machine_stop(&machine);
}

static void go(void)
{
	if (machine.stopped)
		fake_machine_go(&machine);
}

static void snapshots(void)
{
	bool valid;

	(void)count(30, MS, &valid);
}

static void a_second(void)
{
	fake_machine_pass(&machine, FS_PER_SEC + 100 * MS);
}

typedef void act(void);

/* What happens, in turn; and then the kernel is on the TSC for 1.1 s. */
static struct history {
	const char *name;
	act *acts[10];
} histories[] = {
	/* clang-format off */
	{ "the TSC jumps ahead under hpet",
	  { to_hpet, snapshots, jump_ahead, snapshots, a_second, snapshots } },
	{ "the TSC jumps a little under hpet",
	  { to_hpet, snapshots, jump_a_bit, snapshots, a_second, snapshots } },
	{ "the TSC jumps back under hpet",
	  { to_hpet, snapshots, jump_back, snapshots, a_second, snapshots } },
	{ "the TSC is reset under hpet",
	  { to_hpet, snapshots, reset, snapshots, a_second, snapshots } },
	{ "the TSC stops under hpet, and goes on",
	  { to_hpet, snapshots, stop, snapshots, a_second, snapshots, go,
	    snapshots } },
	{ "the TSC stops for long, without a snapshot",
	  { to_hpet, snapshots, stop, a_second, go, a_second, snapshots } },
	{ "the TSC jumps ahead, and the kernel leaves it",
	  { jump_ahead, to_hpet, snapshots, a_second } },
	{ "the TSC is reset, and the kernel leaves it",
	  { snapshots, reset, to_hpet, snapshots } },
	{ "the TSC stops, and the kernel leaves it",
	  { snapshots, stop, to_hpet, snapshots, go } },
	{ "the TSC jumps under a kernel that keeps it",
	  { snapshots, jump_ahead, snapshots, reset, snapshots, jump_a_bit } },
	{ "the kernel leaves it for a fast clocksource",
	  { snapshots, to_fast, snapshots, jump_ahead, snapshots, reset,
	    snapshots, stop, snapshots, go } },
	{ "the TSC jumps at each snapshot",
	  { to_hpet, snapshots, jump_ahead, snapshots, jump_back, snapshots,
	    jump_a_bit, snapshots, reset, snapshots } },
	{ "nothing happens", { snapshots } },
	/* clang-format on */
};

static void confirm_fresh(void)
{
	bool valid;

	go();
	to_tsc();
	/* The search may happen once a second, and must not take longer. */
	(void)count(1, FS_PER_SEC + 100 * MS, &valid);
	assert_int_equal(count(300, MS, &valid), 300);
	assert_true(valid);
}

static void come_back(void **state)
{
	const struct history *history = *state;

	for (unsigned int i = 0; i < 5; i++) {
		setup(NULL);
		for (size_t n = 0; n < ARRAY_LEN(history->acts); n++) {
			if (history->acts[n])
				history->acts[n]();
			fake_machine_pass(&machine, random_word() % MS);
		}
		confirm_fresh();
	}
}

/* A counter that is not used, but that runs, fails no snapshot. */
static void an_unused_counter_does_not_matter(void **state)
{
	static act *const acts[] = { jump_ahead, jump_a_bit, jump_back, reset };
	bool valid;

	(void)state;
	to_hpet();
	(void)count(30, MS, &valid);
	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		acts[i]();
		assert_int_equal(count(300, MS, &valid), 300);
		assert_false(valid);
	}
}

/* Any acts in any order. */
static void snapshots_come_back_after_anything(void **state)
{
	static act *const acts[] = { to_hpet,	 to_fast,   to_tsc,  jump_ahead,
				     jump_a_bit, jump_back, reset,   stop,
				     go,	 snapshots, a_second };

	(void)state;
	for (unsigned int i = 0; i < 60; i++) {
		setup(NULL);
		for (unsigned int n = 0; n < 12; n++) {
			acts[random_word() % ARRAY_LEN(acts)]();
			snapshots();
			/* The counter has only 5 hours of fs. */
			fake_machine_pass(&machine, random_word() % MS);
		}
		confirm_fresh();
	}
}

/* A device's value from before the counter went wrong has no time here. */
static uint64_t device_counter;

static int old_device(void *ctx, struct paraclock_sample *ret_sample)
{
	(void)ctx;
	ret_sample->host_tsc = device_counter;
	ret_sample->counter = PARACLOCK_COUNTER_X86_TSC;
	ret_sample->valid = 1;
	return 0;
}

static int look_back(struct paraclock_history *hist)
{
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };
	int ret = paraclock_correlate(&machine.world.env, old_device, NULL,
				      NULL, hist, &xt);

	if (!ret)
		assert_true(xt.known);
	return ret;
}

static void a_history_ends_where_the_counter_went_wrong(void **state)
{
	static act *const acts[] = { jump_ahead, jump_a_bit, jump_back, reset };
	struct paraclock_history *hist;
	struct paraclock_snapshot snap;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(acts); i++) {
		setup(NULL);
		assert_int_equal(paraclock_history_new(&hist,
						       &machine.world.env, 64),
				 0);
		for (unsigned int n = 0; n < 20; n++) {
			assert_int_equal(try(&snap), 0);
			assert_int_equal(paraclock_history_add(hist, &snap), 0);
			fake_machine_pass(&machine, MS);
		}
		device_counter = snap.counter - 2096000;
		assert_int_equal(look_back(hist), 0);
		to_hpet();
		assert_int_equal(look_back(hist), -ENODEV);
		acts[i]();
		assert_int_equal(look_back(hist), -ENODEV);
		confirm_fresh();
		assert_int_equal(look_back(hist), -EINVAL);
		paraclock_history_free(hist);
	}
}

int main(void)
{
	const struct CMUnitTest whole[] = {
		cmocka_unit_test_setup(an_unused_counter_does_not_matter,
				       setup),
		cmocka_unit_test(snapshots_come_back_after_anything),
		cmocka_unit_test(a_history_ends_where_the_counter_went_wrong),
	};

	ADD_ROWS(histories, come_back);
	ADD_TESTS(whole);
	return run_suite(NULL, NULL);
}
