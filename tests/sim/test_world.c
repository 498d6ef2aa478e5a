// SPDX-License-Identifier: MIT
/*
 * Worlds: their time, their numbers, and which worlds, hosts and VMs are
 * refused.
 */

#include "sims.h"

#define UNTOUCHED ((void *)(uintptr_t)0x5a5a5a50)

static void time_begins_at_the_given_start(void **state)
{
	struct paraclock_sim_options opts = {
		.size = sizeof(opts),
		.start_tai_ns = 1000 * SEC,
		.tai_offset_sec = 10,
	};
	struct paraclock_sim *world;
	int64_t ns = 7;

	(void)state;
	assert_int_equal(paraclock_sim_new(&world, &opts), 0);
	assert_int_equal(paraclock_sim_run(world, 123), 0);
	assert_int_equal(paraclock_sim_now(world, TAI, &ns), 0);
	assert_int_equal(ns, 1000 * SEC + 123);
	assert_int_equal(paraclock_sim_now(world, UTC, &ns), 0);
	assert_int_equal(ns, 990 * SEC + 123);
	assert_int_equal(paraclock_sim_now(world, MONO, &ns), 0);
	assert_int_equal(ns, 123);
	assert_int_equal(paraclock_sim_now(world, 0, &ns), -EINVAL);
	assert_int_equal(paraclock_sim_now(NULL, TAI, &ns), -EINVAL);
	assert_int_equal(paraclock_sim_now(world, TAI, NULL), -EINVAL);
	assert_int_equal(ns, 123);
	paraclock_sim_free(world);
	paraclock_sim_free(NULL);
}

static void the_world_has_its_leap_second(void **state)
{
	struct paraclock_sim_options opts = {
		.size = sizeof(opts),
		.leap = PARACLOCK_LEAP_PRE_POS,
	};
	struct paraclock_sim *world;
	struct paraclock_sim_host *knows, *late;
	struct paraclock_sim_vm *vm;
	int64_t ns;

	(void)state;
	assert_int_equal(paraclock_sim_new(&world, &opts), 0);
	assert_int_equal(paraclock_sim_host_new(&knows, world, NULL), 0);
	/* 30 days on, February has begun. */
	assert_int_equal(paraclock_sim_run(world, 30 * 86400 * SEC), 0);
	assert_int_equal(paraclock_sim_now(world, UTC, &ns), 0);
	assert_int_equal(ns, START_TAI - 38 * SEC + 30 * 86400 * SEC);
	assert_int_equal(paraclock_sim_host_new(&late, world, NULL), 0);
	assert_int_equal(paraclock_sim_vm_new(&vm, knows, NULL), 0);
	assert_int_equal(truth(vm, UTC), ns);
	assert_int_equal(paraclock_sim_vm_new(&vm, late, NULL), 0);
	assert_int_equal(truth(vm, UTC), ns);
	paraclock_sim_free(world);
}

static void the_seed_fixes_the_random_numbers(void **state)
{
	struct paraclock_sim_options opts = { .size = sizeof(opts), .seed = 1 };
	struct paraclock_sim *twin;
	unsigned int seen = 0;

	(void)state;
	assert_int_equal(paraclock_sim_new(&twin, &opts), 0);
	/* Hosts and VMs have used none of them. */
	for (unsigned int i = 0; i < 100; i++)
		assert_int_equal(paraclock_sim_random(sim, 0),
				 paraclock_sim_random(twin, 0));
	for (unsigned int i = 0; i < 1000; i++) {
		uint64_t number = paraclock_sim_random(sim, 6);

		assert_in_range(number, 0, 5);
		seen |= 1U << number;
	}
	assert_int_equal(seen, 63);
	assert_int_equal(paraclock_sim_random(NULL, 6), 0);
	paraclock_sim_free(twin);
}

static void time_has_an_end(void **state)
{
	(void)state;
	assert_int_equal(paraclock_sim_run(NULL, 1), -EINVAL);
	assert_int_equal(paraclock_sim_run(sim, UINT64_MAX), -EINVAL);
	run(1ULL << 61);
	run(1ULL << 61);
	assert_int_equal(paraclock_sim_run(sim, 1), -ERANGE);
	assert_int_equal(true_time(MONO), 1LL << 62);
}

static void bad_worlds_are_refused(void **state)
{
	const struct paraclock_sim_options good = { .size = sizeof(good) };
	struct paraclock_sim_options bad[] = { good, good, good, good };
	struct paraclock_sim *world = UNTOUCHED;

	(void)state;
	bad[0].size--;
	bad[1].counter_hz = SEC;
	bad[2].start_tai_ns = 36 * SEC;
	bad[3].leap = PARACLOCK_LEAP_POS;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(paraclock_sim_new(&world, &bad[i]), -EINVAL);
	assert_int_equal(paraclock_sim_new(NULL, &good), -EINVAL);
	assert_ptr_equal(world, UNTOUCHED);
}

static void bad_vms_are_refused(void **state)
{
	const struct paraclock_sim_vm_options good = { .size = sizeof(good) };
	struct paraclock_sim_vm_options bad[] = { good, good, good, good, good,
						  good, good, good, good };
	struct paraclock_sim_vm *vm = UNTOUCHED;

	(void)state;
	bad[0].size--;
	bad[1].vcpus = PARACLOCK_SIM_VCPUS_MAX + 1;
	bad[2].parts =
		PARACLOCK_SIM_HAS_VMCLOCK | PARACLOCK_SIM_HAS_VMCLOCK_MARKERS;
	bad[3].parts = PARACLOCK_SIM_HAS_PTP_VMCLOCK;
	bad[4].parts = PARACLOCK_SIM_HAS_REENLIGHTENMENT;
	bad[5].user_vcpu = 1;
	bad[6].tsc_hz = 1000;
	bad[7].timeline_flags = PARACLOCK_TIMELINE_STABLE;
	bad[8].clocksource = "a name that has more than 31 bytes";
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(paraclock_sim_vm_new(&vm, host, &bad[i]),
				 -EINVAL);
	assert_int_equal(paraclock_sim_vm_new(&vm, NULL, &good), -EINVAL);
	assert_int_equal(paraclock_sim_vm_new(NULL, host, &good), -EINVAL);
	assert_ptr_equal(vm, UNTOUCHED);
}

static void bad_acts_are_refused(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(PARACLOCK_SIM_HAS_PVCLOCK, 2);
	struct paraclock_sim_vm *other = new_vm(0, 1), *none = UNTOUCHED;
	struct paraclock_sim *world;
	struct paraclock_sim_host *beyond;
	struct paraclock_sim_state *saved = UNTOUCHED;
	uint64_t counter = paraclock_sim_counter(vm, 0);

	(void)state;
	assert_int_equal(paraclock_sim_new(&world, NULL), 0);
	assert_int_equal(paraclock_sim_host_new(&beyond, world, NULL), 0);
	assert_int_equal(paraclock_sim_migrate(vm, beyond, 0, 0), -EINVAL);
	assert_int_equal(paraclock_sim_migrate(vm, fast, 0, 64), -EINVAL);
	assert_int_equal(paraclock_sim_migrate(vm, NULL, 0, 0), -EINVAL);
	assert_int_equal(paraclock_sim_migrate(NULL, fast, 0, 0), -EINVAL);
	assert_int_equal(paraclock_sim_pause(NULL), -EINVAL);
	assert_int_equal(paraclock_sim_resume(vm, PARACLOCK_SIM_SCALED),
			 -EINVAL);
	assert_int_equal(paraclock_sim_save(NULL, vm), -EINVAL);
	assert_int_equal(paraclock_sim_save(&saved, NULL), -EINVAL);
	assert_ptr_equal(saved, UNTOUCHED);
	assert_int_equal(paraclock_sim_save(&saved, vm), 0);
	assert_int_equal(paraclock_sim_restore(other, saved, NULL, 0), -EINVAL);
	assert_int_equal(paraclock_sim_restore(vm, saved, beyond, 0), -EINVAL);
	assert_int_equal(paraclock_sim_restore(vm, saved, NULL,
					       PARACLOCK_SIM_ANNOUNCED),
			 -EINVAL);
	paraclock_sim_state_free(saved);
	paraclock_sim_state_free(NULL);
	assert_int_equal(paraclock_sim_clone(&none, vm, beyond, 0), -EINVAL);
	assert_ptr_equal(none, UNTOUCHED);
	assert_int_equal(paraclock_sim_vcpu_run(vm, 2), -EINVAL);
	assert_int_equal(paraclock_sim_vcpu_halt(vm, 2), -EINVAL);
	assert_int_equal(paraclock_sim_vcpu_skew(vm, 0, 1), -EINVAL);
	assert_int_equal(paraclock_sim_vcpu_skew(vm, 2, 1), -EINVAL);
	assert_int_equal(paraclock_sim_fault(vm, 0, 2, 0, 0), -EINVAL);
	assert_int_equal(paraclock_sim_fault(vm, 0, 0, 5, 0), -EINVAL);
	assert_int_equal(paraclock_sim_fault(vm, 0, 0, 1, 1), -EINVAL);
	assert_int_equal(paraclock_sim_update(vm, 1, 0), -EINVAL);
	assert_int_equal(paraclock_sim_pause(vm), 0);
	assert_int_equal(paraclock_sim_migrate(vm, fast, 0, 0), -EINVAL);
	assert_int_equal(paraclock_sim_counter(vm, 0), counter);
	assert_int_equal(paraclock_sim_counter(vm, 2), 0);
	assert_int_equal(paraclock_sim_counter(NULL, 0), 0);
	assert_int_equal(paraclock_sim_host_counter(NULL), 0);
	paraclock_sim_free(world);
}

static void a_vm_that_cannot_be_scaled_is_not_moved(void **state)
{
	struct paraclock_sim_host_options opts = { .size = sizeof(opts),
						   .tsc_hz = 65536 };
	struct paraclock_sim_vm *vm = new_vm(0, 1);
	struct paraclock_sim_host *slow;

	(void)state;
	assert_int_equal(paraclock_sim_host_new(&slow, sim, &opts), 0);
	assert_int_equal(paraclock_sim_migrate(vm, slow, SEC,
					       PARACLOCK_SIM_SCALED),
			 -ERANGE);
	assert_int_equal(paraclock_sim_counter(vm, 0), 1000);
	run(SEC);
	assert_int_equal(paraclock_sim_counter(vm, 0), 1000 + 2600000000);
}

int main(void)
{
	each_test(make_world, free_world);
	add_test("time begins at the given start",
		 time_begins_at_the_given_start);
	add_test("the world has its leap second",
		 the_world_has_its_leap_second);
	add_test("the seed fixes the random numbers",
		 the_seed_fixes_the_random_numbers);
	add_test("time has an end", time_has_an_end);
	add_test("bad worlds are refused", bad_worlds_are_refused);
	add_test("bad VMs are refused", bad_vms_are_refused);
	add_test("bad acts are refused", bad_acts_are_refused);
	add_test("a VM that cannot be scaled is not moved",
		 a_vm_that_cannot_be_scaled_is_not_moved);
	return run_suite(NULL, NULL);
}
