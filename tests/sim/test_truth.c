// SPDX-License-Identifier: MIT
/* The truth against integer arithmetic; and it is not forgotten. */

#include "sims.h"

/* A host and a VM on it, both from 0 on; without a world before them. */
struct pair {
	struct paraclock_sim *world;
	struct paraclock_sim_host *host;
	struct paraclock_sim_vm *vm;
};

static struct pair make_pair(uint64_t hz, uint8_t bits, int64_t ppb)
{
	struct paraclock_sim_host_options opts = {
		.size = sizeof(opts),
		.tsc_hz = hz,
		.tsc_hz_bits = bits,
		.clock_ppb = ppb,
	};
	struct pair pair;

	assert_int_equal(paraclock_sim_new(&pair.world, NULL), 0);
	assert_int_equal(paraclock_sim_host_new(&pair.host, pair.world, &opts),
			 0);
	assert_int_equal(paraclock_sim_vm_new(&pair.vm, pair.host, NULL), 0);
	return pair;
}

/* floor(ticks * 10^9 * 2^bits / hz), of 64, 30 and 12 bits: in two steps. */
static uint64_t ns_of(uint64_t ticks, unsigned int bits, uint64_t hz)
{
	u128 ns = (u128)ticks * SEC;

	return (uint64_t)((ns / hz << bits) + (ns % hz << bits) / hz);
}

static uint64_t muldiv(uint64_t a, uint64_t b, u128 by)
{
	return (uint64_t)((u128)a * b / by);
}

static void counters_and_truth_are_exact(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 300; i++) {
		uint8_t bits = (uint8_t)paraclock_sim_random(sim, 12);
		uint64_t hz = (65536 +
			       (paraclock_sim_random(sim, 0) >> (24 + i % 16)))
			      << bits;
		struct pair p = make_pair(hz, bits, 0);
		uint64_t at = paraclock_sim_random(sim, 0) >> (8 + i % 50);
		u128 each = (u128)SEC << bits;
		uint64_t ticks = muldiv(at, hz, each);

		assert_int_equal(paraclock_sim_run(p.world, at), 0);
		assert_int_equal(paraclock_sim_host_counter(p.host), ticks);
		assert_int_equal(paraclock_sim_counter(p.vm, 0), ticks);
		assert_int_equal(truth_at(p.vm, ticks, MONO),
				 ns_of(ticks, bits, hz));
		paraclock_sim_free(p.world);
	}
}

static void a_slewed_clock_is_exact(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 300; i++) {
		int64_t ppb = (int64_t)paraclock_sim_random(sim, 200000001) -
			      100000000;
		uint64_t at = paraclock_sim_random(sim, 0) >> (10 + i % 50);
		/* 1 GHz: a tick is a ns, and nothing else is rounded. */
		struct pair p = make_pair(SEC, 0, ppb);
		uint64_t want = muldiv(at, (uint64_t)(SEC + ppb), SEC);

		assert_int_equal(paraclock_sim_run(p.world, at), 0);
		assert_int_equal(truth_at(p.vm, at, MONO), at);
		assert_int_equal(truth_at(p.vm, at, TAI),
				 START_TAI + (int64_t)want);
		assert_int_equal(truth_at(p.vm, at, UTC),
				 START_TAI - 37 * SEC + (int64_t)want);
		paraclock_sim_free(p.world);
	}
}

static void a_scaled_vm_runs_at_its_rate(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 100; i++) {
		struct paraclock_sim_vm_options opts = {
			.size = sizeof(opts),
			.tsc_hz =
				1000000 + paraclock_sim_random(sim, 5000000000),
		};
		struct paraclock_sim_vm *vm = new_vm_of(&opts);
		uint64_t at = paraclock_sim_random(sim, 1000 * SEC);
		struct paraclock_coupling coupling;
		uint64_t counter, coupled;

		run(at);
		counter = paraclock_sim_counter(vm, 0);
		/* The ratio is rounded to 2^-48, of at most 1000 s. */
		assert_near((int64_t)counter,
			    (int64_t)muldiv(at, opts.tsc_hz, SEC), 12);
		assert_near(truth(vm, MONO), (int64_t)at,
			    1 + SEC / (int64_t)opts.tsc_hz);
		assert_int_equal(paraclock_sim_coupling(vm, &coupling), 0);
		assert_int_equal(paraclock_coupling_to_device(
					 &coupling,
					 paraclock_sim_host_counter(host),
					 &coupled),
				 0);
		assert_near((int64_t)coupled, (int64_t)counter,
			    1 + (int64_t)(opts.tsc_hz / 2600000000));
	}
}

#define LOOKS 200

static void the_truth_of_the_past_stays(void **state)
{
	struct {
		uint64_t counter;
		int64_t ns[3];
	} look[LOOKS];
	static const unsigned int scale[] = { MONO, UTC, TAI };
	struct paraclock_sim_vm *vm = new_vm(PARACLOCK_SIM_HAS_VMCLOCK, 1);

	(void)state;
	for (unsigned int i = 0; i < LOOKS; i++) {
		uint64_t wait = paraclock_sim_random(sim, SEC);

		run(wait);
		switch (paraclock_sim_random(sim, 6)) {
		case 0:
			assert_int_equal(paraclock_sim_step(host, -5), 0);
			break;
		case 1:
			assert_int_equal(paraclock_sim_slew(host, (int64_t)i),
					 0);
			break;
		case 2:
			assert_int_equal(
				paraclock_sim_migrate(vm, i % 2 ? host : fast,
						      wait, 0),
				0);
			break;
		default:
			break;
		}
		run(1 + wait / 2);
		look[i].counter = paraclock_sim_counter(vm, 0);
		for (unsigned int k = 0; k < 3; k++)
			look[i].ns[k] = truth(vm, scale[k]);
	}
	for (unsigned int i = 0; i < LOOKS; i++) {
		for (unsigned int k = 0; k < 3; k++)
			assert_int_equal(truth_at(vm, look[i].counter,
						  scale[k]),
					 look[i].ns[k]);
	}
}

static void a_repeated_value_means_its_last_time(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(0, 1);
	struct paraclock_sim_state *saved;

	(void)state;
	run(SEC);
	assert_int_equal(paraclock_sim_save(&saved, vm), 0);
	run(9 * SEC);
	assert_int_equal(
		paraclock_sim_restore(vm, saved, NULL,
				      PARACLOCK_SIM_COUNTER_STOPS |
					      PARACLOCK_SIM_CLOCK_STOPS),
		0);
	paraclock_sim_state_free(saved);
	assert_int_equal(paraclock_sim_counter(vm, 0), 1000 + 2600000000);
	assert_int_equal(truth(vm, MONO), SEC);
	assert_int_equal(truth(vm, TAI), START_TAI + 10 * SEC);
	run(SEC);
	/*
	 * At the second time that it is shown, and values that were not shown
	 * again.
	 */
	assert_int_equal(truth_at(vm, 1000 + 2 * 2600000000, TAI),
			 START_TAI + 11 * SEC);
	assert_int_equal(truth_at(vm, 1000 + 3 * 2600000000, TAI),
			 START_TAI + 3 * SEC);
	/* Never shown at all. */
	assert_int_equal(truth_at(vm, 1000 + 11 * 2600000000, TAI),
			 START_TAI + 20 * SEC);
}

static void other_vms_do_not_change_it(void **state)
{
	const uint32_t stops =
		PARACLOCK_SIM_COUNTER_STOPS | PARACLOCK_SIM_CLOCK_STOPS;
	struct paraclock_sim_vm *vm = new_vm(0, 1), *other = new_vm(0, 1);
	struct paraclock_sim_state *saved;

	(void)state;
	assert_int_equal(paraclock_sim_save(&saved, vm), 0);
	run(10 * SEC);
	/* The TSC repeats its values from here on. */
	assert_int_equal(paraclock_sim_restore(vm, saved, NULL, stops), 0);
	paraclock_sim_state_free(saved);
	run(SEC);
	assert_int_equal(paraclock_sim_migrate(other, fast, 0, 0), 0);
	run(SEC);
	assert_int_equal(truth(vm, TAI), START_TAI + 12 * SEC);
	assert_int_equal(paraclock_sim_step(host, 5 * SEC), 0);
	run(SEC);
	assert_int_equal(truth(vm, TAI), START_TAI + 18 * SEC);
	/* Half a second before the step. */
	assert_int_equal(truth_at(vm, 1000 + 3900000000, TAI),
			 START_TAI + 23 * SEC / 2);
}

static void a_timeline_says_the_truth(void **state)
{
	static const unsigned int scale[] = { MONO, UTC, TAI };
	struct paraclock_sim_vm *vm = new_vm(0, 1);
	struct paraclock_timeline tl;

	(void)state;
	assert_int_equal(paraclock_sim_slew(host, -12345), 0);
	for (unsigned int i = 0; i < 300; i++) {
		uint64_t later, counter;
		int64_t ns;

		run(paraclock_sim_random(sim, 100 * SEC));
		assert_int_equal(paraclock_sim_timeline(vm, scale[i % 3], &tl),
				 0);
		later = paraclock_sim_random(sim, 1000 * SEC);
		counter = paraclock_sim_counter(vm, 0) + later;
		assert_int_equal(paraclock_timeline_ns(&tl, counter, &ns), 0);
		assert_near(ns, truth_at(vm, counter, scale[i % 3]), 1);
		assert_true(tl.flags & PARACLOCK_TIMELINE_STABLE);
	}
}

/* The start of February 2026, UTC: ns from the world's start. */
#define MONTH_END (1769904000 * SEC - (1768478400 * SEC))

static void a_leap_second_is_counted(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(0, 1);
	int64_t utc;

	(void)state;
	assert_int_equal(paraclock_sim_leap(host, PARACLOCK_LEAP_PRE_POS), 0);
	run(MONTH_END - 1);
	utc = truth(vm, UTC);
	assert_near(utc, 1769904000 * SEC - 1, 1);
	run(SEC / 2);
	/* 23:59:60 has the number of 23:59:59. */
	assert_near(truth(vm, UTC), utc - SEC / 2, 1);
	run(SEC / 2);
	assert_near(truth(vm, UTC), utc, 1);
	run(SEC);
	assert_near(truth(vm, UTC), utc + SEC, 1);
	assert_near(truth(vm, TAI), START_TAI + MONTH_END + 2 * SEC - 1, 1);
}

static void a_leap_second_is_removed(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(0, 1);

	(void)state;
	assert_int_equal(paraclock_sim_leap(host, PARACLOCK_LEAP_PRE_NEG), 0);
	run(MONTH_END - SEC - 1);
	assert_near(truth(vm, UTC), 1769903999 * SEC - 1, 1);
	run(SEC);
	assert_near(truth(vm, UTC), 1769904001 * SEC - 1, 1);
}

static void before_a_vm_was_made_it_has_no_truth(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(0, 1);
	int64_t ns = 42;

	(void)state;
	assert_int_equal(paraclock_sim_truth(vm, 999, TAI, &ns), -ESTALE);
	assert_int_equal(paraclock_sim_truth(vm, 1000,
					     PARACLOCK_TIMESCALE_UNKNOWN, &ns),
			 -EINVAL);
	assert_int_equal(paraclock_sim_truth(NULL, 1000, TAI, &ns), -EINVAL);
	assert_int_equal(paraclock_sim_truth(vm, 1000, TAI, NULL), -EINVAL);
	assert_int_equal(ns, 42);
}

static void the_oldest_changes_are_forgotten(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(0, 1);
	uint64_t counter[3];
	int64_t ns = 42;

	(void)state;
	for (unsigned int i = 0; i < 65536 + 2; i++) {
		run(US);
		if (i < 3)
			counter[i] = paraclock_sim_counter(vm, 0);
		assert_int_equal(paraclock_sim_slew(host, i % 2), 0);
	}
	/* The piece of its start, and the first two slews. */
	assert_int_equal(paraclock_sim_truth(vm, counter[1], MONO, &ns),
			 -ESTALE);
	assert_int_equal(ns, 42);
	assert_int_equal(truth_at(vm, counter[2], MONO), 3 * US);
}

int main(void)
{
	each_test(make_world, free_world);
	add_test("counters and MONOTONIC are exact at any frequency",
		 counters_and_truth_are_exact);
	add_test("a slewed clock is exact", a_slewed_clock_is_exact);
	add_test("a scaled VM runs at its rate, and is coupled",
		 a_scaled_vm_runs_at_its_rate);
	add_test("the truth of the past stays", the_truth_of_the_past_stays);
	add_test("a repeated value means its last time",
		 a_repeated_value_means_its_last_time);
	add_test("other VMs do not change it", other_vms_do_not_change_it);
	add_test("a timeline gives the truth", a_timeline_says_the_truth);
	add_test("a leap second is counted", a_leap_second_is_counted);
	add_test("a removed leap second is skipped", a_leap_second_is_removed);
	add_test("the oldest of many changes are forgotten",
		 the_oldest_changes_are_forgotten);
	add_test("before a VM was made, it has no truth",
		 before_a_vm_was_made_it_has_no_truth);
	return run_suite(NULL, NULL);
}
