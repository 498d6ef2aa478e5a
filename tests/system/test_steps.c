// SPDX-License-Identifier: MIT
/*
 * Counters that move by many ns at a time: the clocks at a counter value are
 * true at every instant at which the counter shows that value.
 */

#include <stdio.h>

#include "fake_machine.h"

/* Readings of each counter, of which ten handles are opened. */
#define HANDLES 10
#define READS	2000

static struct fake_machine machine;

/* The steps of real machines' counters. */
static struct fake_counter counters[] = {
	{ "24 MHz", 24000000, 1, 1 },
	{ "25 MHz", 25000000, 1, 1 },
	{ "19.2 MHz", 19200000, 1, 1 },
	{ "1536 MHz by 64", 24000000, 64, 1 },
	{ "2096 MHz by 21", 99809523, 21, 1 },
	{ "1 GHz by 52 and 53", 19200000, 625, 12 },
	{ "2.6 GHz by 26 and a bit", 100000000, 2593, 100 },
	{ "280 MHz by 3 and 4", 86504594, 81, 25 },
	{ "1 MHz", 1000000, 1, 1 },
	{ "1 GHz", 1000000000, 1, 1 },
	{ "2.5 GHz", 2500000000, 1, 1 },
};

static void prepare(const struct fake_counter *counter, bool by_counter)
{
	fake_machine_init(&machine, counter);
	machine.by_counter = by_counter;
}

/* ns that the counter moves by, rounded down. */
static uint64_t step_ns(void)
{
	return 1000000000 / machine.is.moves_hz;
}

static void make_snapshots(void)
{
	for (unsigned int i = 0; i < READS; i++) {
		struct paraclock_snapshot snap = { .size = sizeof(snap) };

		snap.brackets = i % 5;
		assert_int_equal(paraclock_snapshot(&machine.world.env, &snap),
				 0);
		fake_machine_check_snapshot(&machine, &snap);
		assert_int_equal(snap.clock_was_set_seq, 0);
		assert_int_equal(snap.clocksource_changed_seq, 0);
		/* The intersection of several readings may be narrower. */
		assert_true(snap.uncertainty_ns >=
			    step_ns() / (i % 5 > 2 ? 2 : 1));
		fake_machine_pass(&machine, random_word() % FS_PER_SEC / 100);
	}
}

static void snapshots_are_true(void **state)
{
	for (unsigned int i = 0; i < HANDLES; i++) {
		prepare(*state, i % 2);
		make_snapshots();
	}
}

/*
 * Two answers of one clock, between which REALTIME cannot have gone by more or
 * less than the counter.
 */
static void check_pair(const struct paraclock_sample *a,
		       const struct paraclock_sample *b)
{
	uint64_t from = fake_machine_instant(&machine, a->host_tsc);
	uint64_t to = fake_machine_instant(&machine, b->host_tsc);
	int64_t went = fake_machine_clock(&machine, 0, to) -
		       fake_machine_clock(&machine, 0, from);
	uint64_t error = a->pair_error_ns + b->pair_error_ns + 1;

	assert_true(distance(b->host_ns - a->host_ns, went) <= error);
}

static void read_pairs(struct paraclock *clk)
{
	struct paraclock_sample before;

	assert_int_equal(paraclock_read(clk, &before), 0);
	for (unsigned int i = 0; i < READS; i++) {
		struct paraclock_sample sample;

		assert_int_equal(paraclock_read(clk, &sample), 0);
		fake_machine_check(&machine, PARACLOCK_CLOCK_REALTIME,
				   sample.host_ns, sample.host_tsc,
				   sample.pair_error_ns);
		check_pair(&before, &sample);
		assert_true(sample.pair_error_ns > step_ns());
		before = sample;
		fake_machine_pass(&machine, random_word() % FS_PER_SEC / 1000);
	}
}

static void pairs_of_tsc_are_true(void **state)
{
	for (unsigned int i = 0; i < HANDLES; i++) {
		struct paraclock *clk;

		prepare(*state, i % 2);
		clk = fake_open(&machine.world, "tsc");
		read_pairs(clk);
		paraclock_close(clk);
	}
}

/* A device that counts with the counter, captured when it moves. */
static int read_device(void *ctx, struct paraclock_sample *ret_sample)
{
	(void)ctx;
	fake_machine_pass(&machine, random_word() % (200 * FS_PER_NS));
	ret_sample->host_tsc = fake_machine_read(&machine);
	ret_sample->host_ns = 1;
	ret_sample->counter = PARACLOCK_COUNTER_X86_TSC;
	ret_sample->valid = 1;
	return 0;
}

static void check_cross(const struct paraclock_crosststamp *xt)
{
	for (unsigned int i = 0; i < PARACLOCK_CLOCKS; i++) {
		if (xt->known >> i & 1)
			fake_machine_check(&machine, (enum paraclock_clock)i,
					   xt->ns[i], xt->counter,
					   xt->uncertainty_ns);
	}
}

static void cross_timestamps_are_true(void **state)
{
	for (unsigned int i = 0; i < HANDLES; i++) {
		prepare(*state, i % 2);
		for (unsigned int n = 0; n < READS; n++) {
			struct paraclock_crosststamp xt = { .size = sizeof(
								    xt) };

			assert_int_equal(paraclock_correlate(&machine.world.env,
							     read_device, NULL,
							     NULL, NULL, &xt),
					 0);
			assert_int_equal(xt.known, 0x1f);
			check_cross(&xt);
			fake_machine_pass(&machine,
					  random_word() % FS_PER_SEC / 1000);
		}
	}
}

static uint64_t long_ago;

static int read_old_device(void *ctx, struct paraclock_sample *ret_sample)
{
	int ret = read_device(ctx, ret_sample);

	ret_sample->host_tsc = long_ago;
	return ret;
}

/*
 * Snapshots as close together as the counter's steps, and the past between
 * them.
 */
static void look_back_once(struct paraclock_history *hist)
{
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };
	uint64_t oldest = 0;

	for (unsigned int i = 0; i < 8; i++) {
		struct paraclock_snapshot snap = { .size = sizeof(snap) };
		int ret;

		assert_int_equal(paraclock_snapshot(&machine.world.env, &snap),
				 0);
		ret = paraclock_history_add(hist, &snap);
		/* Not later, where the counter has not moved. */
		assert_true(!ret || ret == -EINVAL);
		if (!i)
			oldest = snap.counter;
		long_ago = snap.counter;
	}
	long_ago = oldest + (long_ago - oldest) / 2;
	assert_int_equal(paraclock_correlate(&machine.world.env,
					     read_old_device, NULL, NULL, hist,
					     &xt),
			 0);
	assert_int_equal(xt.interpolated_from_history, 1);
	check_cross(&xt);
}

static void histories_reach_back(void **state)
{
	struct paraclock_history *hist;

	for (unsigned int i = 0; i < HANDLES; i++) {
		prepare(*state, i % 2);
		assert_int_equal(paraclock_history_new(&hist,
						       &machine.world.env, 64),
				 0);
		for (unsigned int n = 0; n < READS / 8; n++) {
			look_back_once(hist);
			fake_machine_pass(&machine,
					  random_word() % FS_PER_SEC / 1000);
		}
		paraclock_history_free(hist);
	}
}

/*
 * Sums over this many snapshots: of each clock's error, and of its stated
 * bound.
 */
static void sum_up(unsigned int brackets, uint64_t ret_off[3],
		   uint64_t *ret_said)
{
	memset(ret_off, 0, 3 * sizeof(ret_off[0]));
	*ret_said = 0;
	prepare(&counters[9], false);
	for (unsigned int i = 0; i < READS; i++) {
		struct paraclock_snapshot snap = { .size = sizeof(snap) };

		snap.brackets = brackets;
		assert_int_equal(paraclock_snapshot(&machine.world.env, &snap),
				 0);
		fake_machine_check_snapshot(&machine, &snap);
		for (unsigned int c = 0; c < 3; c++)
			ret_off[c] += distance(
				snap.ns[c],
				fake_machine_clock(
					&machine, (enum paraclock_clock)c,
					fake_machine_instant(&machine,
							     snap.counter)));
		*ret_said += snap.uncertainty_ns;
		fake_machine_pass(&machine, random_word() % FS_PER_SEC / 1000);
	}
}

/*
 * Where a clock is read anywhere between two readings of the counter, the mean
 * error of k readings is 1 / sqrt(k) of a single one's: 16 brackets are 6 of
 * RAW, 6 of MONOTONIC and 6 of REALTIME.
 */
static void more_brackets_make_each_clock_better(void **state)
{
	uint64_t usual[3], more[3], said_usual, said_more;

	(void)state;
	sum_up(0, usual, &said_usual);
	sum_up(16, more, &said_more);
	assert_true(4 * more[PARACLOCK_CLOCK_MONOTONIC_RAW] <
		    3 * usual[PARACLOCK_CLOCK_MONOTONIC_RAW]);
	assert_true(4 * more[PARACLOCK_CLOCK_MONOTONIC] <
		    3 * usual[PARACLOCK_CLOCK_MONOTONIC]);
	assert_true(more[PARACLOCK_CLOCK_REALTIME] <
		    usual[PARACLOCK_CLOCK_REALTIME]);
	assert_true(said_more < said_usual);
}

/* An env's stated step is used, unless it is nonsense: then it is measured. */
static void a_step_that_no_counter_has_is_measured(void **state)
{
	static const uint64_t stated[] = { 1ULL << 31, 1ULL << 63, UINT64_MAX };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(stated); i++) {
		struct paraclock_snapshot snap = { .size = sizeof(snap) };

		/* 1536 MHz by 64. */
		prepare(&counters[3], false);
		machine.world.env.counter_step = stated[i];
		assert_int_equal(paraclock_snapshot(&machine.world.env, &snap),
				 0);
		assert_int_equal(snap.counter_step, 64);
		make_snapshots();
	}
}

static const struct {
	const char *name;
	void (*run)(void **state);
} kinds[] = {
	{ "snapshots", snapshots_are_true },
	{ "pairs of tsc", pairs_of_tsc_are_true },
	{ "cross timestamps", cross_timestamps_are_true },
	{ "histories", histories_reach_back },
};

#define TESTS (ARRAY_LEN(kinds) * ARRAY_LEN(counters))

int main(void)
{
	const struct CMUnitTest whole[] = {
		cmocka_unit_test(more_brackets_make_each_clock_better),
		cmocka_unit_test(a_step_that_no_counter_has_is_measured),
	};
	static char names[TESTS][64];

	for (size_t i = 0; i < TESTS; i++) {
		size_t kind = i % ARRAY_LEN(kinds);
		struct fake_counter *counter = &counters[i / ARRAY_LEN(kinds)];

		(void)snprintf(names[i], sizeof(names[i]), "%s, %s",
			       kinds[kind].name, counter->name);
		add_row(names[i], kinds[kind].run, counter);
	}
	ADD_TESTS(whole);
	return run_suite(NULL, NULL);
}
