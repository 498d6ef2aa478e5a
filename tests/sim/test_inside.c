// SPDX-License-Identifier: MIT
/*
 * VMs in VMs, in the simulation itself: L1 is a VM on a host, and a host for
 * L2. test_nested.c tests what a relay makes of that.
 */

#include "sims.h"

#define ALL_PAGES                                               \
	(PARACLOCK_SIM_HAS_PVCLOCK | PARACLOCK_SIM_HAS_HYPERV | \
	 PARACLOCK_SIM_HAS_VMCLOCK)

#define HZ 2600000000LL

static struct paraclock_sim_vm *l1, *l2;
static struct paraclock_sim_host *inner;

static void nest(void)
{
	struct paraclock_sim_vm_options opts = {
		.size = sizeof(opts),
		.parts = ALL_PAGES,
		.tsc_start = 500,
	};

	l1 = new_vm(ALL_PAGES | PARACLOCK_SIM_HAS_REENLIGHTENMENT, 2);
	run(10 * SEC);
	assert_int_equal(paraclock_sim_host_nested(&inner, l1), 0);
	assert_int_equal(paraclock_sim_vm_new(&l2, inner, &opts), 0);
}

static void l2_shows_the_time_of_l1(void **state)
{
	(void)state;
	nest();
	assert_int_equal(paraclock_sim_host_counter(inner),
			 paraclock_sim_counter(l1, 0));
	assert_int_equal(paraclock_sim_counter(l2, 0), 500);
	assert_int_equal(truth(l2, MONO), 10 * SEC);
	run(SEC);
	assert_int_equal(paraclock_sim_counter(l2, 0), 500 + HZ);
	assert_int_equal(truth(l2, MONO), truth(l1, MONO));
	assert_int_equal(truth(l2, TAI), truth(l1, TAI));
	assert_all_right(l2);
}

static void l1_moves_with_l2_inside(void **state)
{
	struct paraclock_marker was, is;
	struct paraclock *clk;
	uint64_t before;

	(void)state;
	nest();
	clk = open_user(l2, "vmclock");
	assert_int_equal(paraclock_marker(clk, &was), 0);
	assert_int_equal(paraclock_sim_migrate(l1, fast, 5 * SEC,
					       PARACLOCK_SIM_CLOCK_STOPS),
			 0);
	assert_int_equal(truth(l1, MONO), 10 * SEC);
	assert_int_equal(truth(l2, MONO), truth(l1, MONO));
	before = paraclock_sim_counter(l2, 0);
	assert_near((int64_t)before, 500 + 5 * HZ, 1);
	run(SEC);
	assert_near((int64_t)(paraclock_sim_counter(l2, 0) - before), FAST_HZ,
		    1);
	assert_all_right(l1);
	assert_all_right(l2);
	/* Its TSC's rate is another. */
	assert_int_equal(paraclock_marker(clk, &is), 0);
	assert_int_not_equal(is.value, was.value);
	paraclock_close(clk);
}

/* The events that L1 may meet. */
static void migrated(void)
{
	assert_int_equal(paraclock_sim_migrate(l1, fast, SEC, 0), 0);
}

static void migrated_silently(void)
{
	assert_int_equal(
		paraclock_sim_migrate(l1, fast, SEC, PARACLOCK_SIM_SILENT), 0);
}

static void restore_l1(uint32_t flags)
{
	struct paraclock_sim_state *saved;

	assert_int_equal(paraclock_sim_save(&saved, l1), 0);
	assert_int_equal(paraclock_sim_restore(l1, saved, fast, flags), 0);
	paraclock_sim_state_free(saved);
}

static void restored(void)
{
	restore_l1(0);
}

static void restored_silently(void)
{
	restore_l1(PARACLOCK_SIM_SILENT);
}

static void paused(void)
{
	assert_int_equal(paraclock_sim_pause(l1), 0);
	assert_int_equal(paraclock_sim_resume(l1, 0), 0);
}

static void wrmsr(uint32_t msr, uint64_t value)
{
	const struct paraclock_env *env =
		paraclock_sim_env(l1, PARACLOCK_SIM_KERNEL);

	assert_int_equal(env->wrmsr(env->ctx, msr, value), 0);
}

static void acknowledges(void)
{
	wrmsr(0x40000108, 0);
}

static struct inside_case {
	const char *name;
	void (*act)(void);
	uint64_t markers, moves; /* by how much both rise inside */
	bool emulated;		 /* L1's TSC, before */
} tells[] = {
	/* clang-format off */
	{ "VMs within notice that L1 was migrated", migrated, 1, 1, false },
	{ "VMs within do not notice a silent migration",
	  migrated_silently, 0, 1, false },
	{ "VMs within notice that L1 was restored", restored, 1, 1, false },
	{ "VMs within do not notice a silent restore, either",
	  restored_silently, 0, 1, false },
	{ "VMs within notice when L1 adopts the new rate", acknowledges, 1, 1,
	  true },
	{ "VMs within do not notice a rate that is already adopted",
	  acknowledges, 0, 0, false },
	{ "VMs within do not notice a pause", paused, 0, 0, false },
	/* clang-format on */
};

/* By the page, or by the truth. */
static uint64_t disruption_of(struct paraclock_sim_vm *vm, bool truly)
{
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = paraclock_sim_env(vm, PARACLOCK_SIM_USER),
	};
	struct paraclock_marker marker;
	struct paraclock *clk;

	if (truly)
		assert_int_equal(paraclock_open_backend(&clk,
							paraclock_sim_backend(),
							NULL, &opts),
				 0);
	else
		clk = open_user(vm, "vmclock");
	assert_int_equal(paraclock_marker(clk, &marker), 0);
	paraclock_close(clk);
	return marker.value;
}

static void l1_and_those_within(void **state)
{
	const struct inside_case *c = *state;
	struct paraclock_sim_vm_options opts = { .size = sizeof(opts),
						 .parts = ALL_PAGES };
	struct paraclock_sim_vm *vms[3];
	struct paraclock_sim_host *inmost;
	uint64_t marker[3], moves[3];

	nest();
	vms[0] = l2;
	assert_int_equal(paraclock_sim_host_nested(&inmost, l2), 0);
	assert_int_equal(paraclock_sim_vm_new(&vms[1], inmost, &opts), 0);
	/* And a VM beside L1. */
	vms[2] = new_vm(ALL_PAGES, 1);
	wrmsr(0x40000106, 1U << 16 | 0xee);
	wrmsr(0x40000107, c->emulated);
	if (c->emulated)
		migrated();
	for (size_t i = 0; i < ARRAY_LEN(vms); i++) {
		marker[i] = disruption_of(vms[i], false);
		moves[i] = disruption_of(vms[i], true);
	}
	c->act();
	for (size_t i = 0; i < ARRAY_LEN(vms); i++) {
		uint64_t within = i < 2;

		assert_int_equal(disruption_of(vms[i], false) != marker[i],
				 c->markers * within);
		assert_int_equal(disruption_of(vms[i], true) - moves[i],
				 c->moves * within);
		assert_all_right(vms[i]);
	}
}

static void l2_moves_to_another_l1(void **state)
{
	struct paraclock_sim_vm *other;
	struct paraclock_sim_host *beside;
	int64_t mono;

	(void)state;
	nest();
	assert_int_equal(paraclock_sim_vm_new(&other, fast, NULL), 0);
	assert_int_equal(paraclock_sim_host_nested(&beside, other), 0);
	run(SEC);
	mono = truth(l2, MONO);
	assert_int_equal(paraclock_sim_migrate(l2, beside, SEC, 0), 0);
	assert_near(truth(l2, MONO), mono + SEC, 1);
	assert_all_right(l2);
	/* And to a physical host. */
	assert_int_equal(paraclock_sim_migrate(l2, host, SEC,
					       PARACLOCK_SIM_CLOCK_STOPS),
			 0);
	assert_near(truth(l2, MONO), mono + SEC, 2);
	run(SEC);
	assert_all_right(l2);
}

static void no_vm_on_a_paused_l1_runs(void **state)
{
	const uint32_t *page;
	uint64_t was;

	(void)state;
	nest();
	page = paraclock_sim_page(l2, PARACLOCK_SIM_VMCLOCK, 0, NULL);
	was = page[3];
	assert_int_equal(paraclock_sim_pause(l1), 0);
	run(600 * SEC);
	assert_int_equal(page[3], was);
	assert_int_equal(
		paraclock_sim_resume(l1, PARACLOCK_SIM_COUNTER_STOPS |
						 PARACLOCK_SIM_CLOCK_STOPS),
		0);
	assert_int_equal(page[3], was + 2);
	assert_int_equal(paraclock_sim_counter(l2, 0), 500);
	assert_int_equal(truth(l2, MONO), 10 * SEC);
	assert_all_right(l2);
}

static void deep_and_scaled(void **state)
{
	struct paraclock_sim_vm_options opts = { .size = sizeof(opts),
						 .parts = ALL_PAGES };
	struct paraclock_sim_vm *vm = NULL;
	struct paraclock_sim_host *on = host;

	(void)state;
	for (unsigned int i = 0; i < 4; i++) {
		opts.tsc_hz = 1900000000 + 300000007 * i;
		if (vm)
			assert_int_equal(paraclock_sim_host_nested(&on, vm), 0);
		assert_int_equal(paraclock_sim_vm_new(&vm, on, &opts), 0);
		run(paraclock_sim_random(sim, 5 * SEC));
		assert_all_right(vm);
	}
	run(200 * SEC);
	assert_near(true_time(TAI), truth(vm, TAI), 1);
}

static void a_vm_cannot_go_into_itself(void **state)
{
	struct paraclock_sim_host *deeper;

	(void)state;
	nest();
	assert_int_equal(paraclock_sim_host_nested(&deeper, l2), 0);
	assert_int_equal(paraclock_sim_migrate(l1, inner, 0, 0), -EINVAL);
	assert_int_equal(paraclock_sim_migrate(l1, deeper, 0, 0), -EINVAL);
	assert_int_equal(paraclock_sim_migrate(l2, deeper, 0, 0), -EINVAL);
	/* A VM has no clock of its own to set, either. */
	assert_int_equal(paraclock_sim_step(inner, SEC), -EINVAL);
	assert_int_equal(paraclock_sim_tsc(inner, 0, 0, 1, 1), -EINVAL);
	assert_int_equal(paraclock_sim_host_nested(&deeper, NULL), -EINVAL);
}

static void a_hosts_missing_parts_are_missing_in_its_vms(void **state)
{
	struct paraclock *clk;

	(void)state;
	nest();
	clk = open_user(l2, "kvmclock");
	assert_int_equal(paraclock_sim_clocksource(host, 0), 0);
	assert_invalid(clk, PARACLOCK_REASON_UNSTABLE);
	assert_int_equal(paraclock_sim_clocksource(host, 1), 0);
	assert_right(l2, clk, PVCLOCK_NS);
	assert_int_equal(paraclock_sim_clocksource(inner, 0), 0);
	assert_invalid(clk, PARACLOCK_REASON_UNSTABLE);
	paraclock_close(clk);
	clk = open_user(l1, "kvmclock");
	assert_right(l1, clk, PVCLOCK_NS);
	paraclock_close(clk);
}

int main(void)
{
	each_test(make_world, free_world);
	add_test("L2 shows the time of L1", l2_shows_the_time_of_l1);
	add_test("L1 moves with its L2 inside", l1_moves_with_l2_inside);
	ADD_ROWS(tells, l1_and_those_within);
	add_test("L2 moves to another L1, and to a physical host",
		 l2_moves_to_another_l1);
	add_test("no VM on a paused L1 runs", no_vm_on_a_paused_l1_runs);
	add_test("VMs four deep, each scaled", deep_and_scaled);
	add_test("a VM cannot go into itself", a_vm_cannot_go_into_itself);
	add_test("a host's missing parts are missing in its VMs",
		 a_hosts_missing_parts_are_missing_in_its_vms);
	return run_suite(NULL, NULL);
}
