// SPDX-License-Identifier: MIT
/*
 * What a program in a VM sees besides the pages: clocks, devices, the machine.
 */

#include "sims.h"

#define PVCLOCK PARACLOCK_SIM_HAS_PVCLOCK
#define VMCLOCK PARACLOCK_SIM_HAS_VMCLOCK

static const struct paraclock_env *env_of(struct paraclock_sim_vm *vm)
{
	return paraclock_sim_env(vm, PARACLOCK_SIM_USER);
}

struct source_case {
	const char *name;
	const char *source;
	uint8_t kind;
	bool correlates;
};

static struct source_case sources[] = {
	{ "clocksource tsc", "tsc", PARACLOCK_CLOCKSOURCE_COUNTER, true },
	{ "clocksource kvm-clock", "kvm-clock", PARACLOCK_CLOCKSOURCE_IMAGE,
	  true },
	{ "clocksource of Hyper-V", "hyperv_clocksource_tsc_page",
	  PARACLOCK_CLOCKSOURCE_IMAGE, true },
	{ "clocksource hpet", "hpet", PARACLOCK_CLOCKSOURCE_OTHER, false },
};

/* The guest's clocks have run since it began, and are right. */
static void assert_snapshot(struct paraclock_sim_vm *vm,
			    const struct paraclock_snapshot *snap)
{
	int64_t within = (int64_t)snap->uncertainty_ns;
	int64_t mono = truth_at(vm, snap->counter, MONO);
	int64_t utc = truth_at(vm, snap->counter, UTC);

	assert_in_range(within, 0, 100);
	assert_near(snap->ns[PARACLOCK_CLOCK_REALTIME], utc, within);
	assert_near(snap->ns[PARACLOCK_CLOCK_MONOTONIC], mono, within);
	assert_near(snap->ns[PARACLOCK_CLOCK_MONOTONIC_RAW], mono, within);
	assert_near(snap->ns[PARACLOCK_CLOCK_BOOTTIME], mono, within);
	assert_near(snap->ns[PARACLOCK_CLOCK_TAI], utc + 37 * SEC, within);
	assert_int_equal(snap->tai_offset_sec, 37);
}

static void its_clocks_are_known(void **state)
{
	const struct source_case *c = *state;
	struct paraclock_sim_vm_options opts = {
		.size = sizeof(opts),
		.clocksource = c->source,
	};
	struct paraclock_sim_vm *vm = new_vm_of(&opts);
	struct paraclock_snapshot snap = { .size = sizeof(snap) };

	run(SEC);
	assert_int_equal(paraclock_snapshot(env_of(vm), &snap), 0);
	assert_string_equal(snap.clocksource, c->source);
	assert_int_equal(snap.clocksource_kind, c->kind);
	assert_int_equal(snap.valid_for_correlation, c->correlates);
	assert_snapshot(vm, &snap);
}

static void a_cross_timestamp_is_right(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(PVCLOCK, 1);
	struct paraclock *clk = open_user(vm, "kvmclock");
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };

	(void)state;
	for (unsigned int i = 0; i < 20; i++) {
		run(paraclock_sim_random(sim, 10 * SEC));
		assert_int_equal(paraclock_crosststamp(clk, NULL, &xt), 0);
		assert_int_equal(xt.sample.valid, 1);
		assert_near(xt.ns[PARACLOCK_CLOCK_MONOTONIC],
			    truth_at(vm, xt.counter, MONO), 100);
		assert_near(xt.sample.host_ns, truth_at(vm, xt.counter, MONO),
			    pvclock_ns(vm, 0));
	}
	paraclock_close(clk);
}

static void a_clock_that_is_set_is_noticed(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(PVCLOCK, 1);
	struct paraclock_snapshot was = { .size = sizeof(was) }, is = was;

	(void)state;
	run(SEC);
	assert_int_equal(paraclock_snapshot(env_of(vm), &was), 0);
	assert_int_equal(paraclock_sim_guest_step(vm, -7 * SEC), 0);
	assert_int_equal(paraclock_snapshot(env_of(vm), &is), 0);
	assert_int_not_equal(is.clock_was_set_seq, was.clock_was_set_seq);
	assert_near(is.ns[PARACLOCK_CLOCK_REALTIME],
		    truth_at(vm, is.counter, UTC) - 7 * SEC, 100);
	assert_int_equal(paraclock_sim_guest_clocksource(vm, "hpet"), 0);
	run(2 * SEC);
	assert_int_equal(paraclock_snapshot(env_of(vm), &is), 0);
	assert_near(is.ns[PARACLOCK_CLOCK_MONOTONIC],
		    truth_at(vm, is.counter, MONO), 200);
	assert_int_equal(paraclock_sim_guest_clocksource(
				 vm, "a name that has more than 31 bytes"),
			 -EINVAL);
}

static void a_kernel_on_the_tsc_keeps_its_rate(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(PVCLOCK, 1);
	int64_t was, is;

	(void)state;
	assert_int_equal(paraclock_sim_migrate(vm, fast, 0, 0), 0);
	assert_int_equal(env_of(vm)->read_clock(env_of(vm)->ctx, 4, &was), 0);
	run(26 * SEC);
	assert_int_equal(env_of(vm)->read_clock(env_of(vm)->ctx, 4, &is), 0);
	/* It counts 3.1 GHz for 2.6. */
	assert_near(is - was, 31 * SEC, 100);
}

static void clocks_and_exits_cost_time(void **state)
{
	struct paraclock_sim_vm *vm =
		new_vm(PVCLOCK | PARACLOCK_SIM_HAS_PAIRING, 1);
	const struct paraclock_env *env = env_of(vm);
	int64_t ns;
	int fd;

	(void)state;
	assert_int_equal(env->read_clock(env->ctx, 1, &ns), 0);
	assert_int_equal(ns, 10);
	assert_int_equal(truth(vm, MONO), 20);
	assert_int_equal(env->open_device(env->ctx, "/dev/ptp0", &fd), 0);
	assert_int_equal(env->read_clock(env->ctx, ~fd * 8 + 3, &ns), 0);
	assert_int_equal(ns, START_TAI - 37 * SEC + 520);
	assert_int_equal(truth(vm, MONO), 1020);
	/* Reading the counter and pages takes no time. */
	assert_int_equal(env->counter(env->ctx), 1000 + 1020 * 26 / 10);
	assert_int_equal(truth(vm, MONO), 1020);
	assert_int_equal(env->read_clock(env->ctx, 2, &ns), -EINVAL);
	assert_int_equal(env->open_device(env->ctx, "/dev/ptp1", &fd), -ENODEV);
}

struct machine_case {
	const char *name;
	uint32_t parts;
	const char *hypervisor;
	uint8_t vmclock, vmgenid;
};

static struct machine_case machines[] = {
	{ "a KVM guest", PVCLOCK, "kvm", 0, 0 },
	{ "a Hyper-V guest", PARACLOCK_SIM_HAS_HYPERV, "hyper-v", 0, 0 },
	{ "a KVM guest with enlightenments", PVCLOCK | PARACLOCK_SIM_HAS_HYPERV,
	  "kvm", 0, 0 },
	{ "a guest with a vmclock", VMCLOCK | PARACLOCK_SIM_HAS_GENERATION,
	  "kvm", PARACLOCK_FIRMWARE_ACPI, PARACLOCK_FIRMWARE_ACPI },
};

static void is_described(void **state)
{
	const struct machine_case *c = *state;
	struct paraclock_machine machine = { .size = sizeof(machine) };
	struct paraclock_sim_vm *vm = new_vm(c->parts, 1);

	assert_int_equal(paraclock_describe_machine(env_of(vm), &machine), 0);
	assert_string_equal(machine.hypervisor, c->hypervisor);
	assert_string_equal(machine.clocksource, "tsc");
	assert_int_equal(machine.counter_hz, 2600000000);
	assert_int_equal(machine.invariant, 1);
	assert_int_equal(machine.vmclock, c->vmclock);
	assert_int_equal(machine.vmgenid, c->vmgenid);
}

static int count(void *arg, const struct paraclock_listing *listing)
{
	unsigned int *there = arg;

	*there += !listing->error && listing->sample.valid;
	return 0;
}

static void all_is_listed(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(0x1ff & ~8U, 2);
	unsigned int there = 0;

	(void)state;
	run(SEC);
	assert_int_equal(paraclock_list(env_of(vm), count, &there), 0);
	/* All but kvm-host, which needs a VM of its own. */
	assert_int_equal(there, 6);
}

static void an_env_is_the_vms(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(VMCLOCK, 1);
	const struct paraclock_env *env = env_of(vm);
	struct paraclock_mapping map = { 0 };
	uint8_t copy[4096];

	(void)state;
	assert_null(paraclock_sim_env(NULL, PARACLOCK_SIM_USER));
	assert_null(paraclock_sim_env(vm, 2));
	assert_null(env->wrmsr);
	assert_null(env->hypercall);
	assert_int_equal(
		env->map_page(env->ctx, "vmclock", "/dev/vmclock0", &map), 0);
	assert_ptr_equal(map.addr, paraclock_sim_page(vm, PARACLOCK_SIM_VMCLOCK,
						      0, NULL));
	assert_int_equal(env->pread(env->ctx, map.fd, copy, sizeof(copy), 0),
			 4096);
	assert_memory_equal(copy, map.addr, sizeof(copy));
	assert_int_equal(env->pread(env->ctx, map.fd, copy, 8, 4090), 6);
	assert_int_equal(env->pread(env->ctx, map.fd, copy, 8, 4096), 0);
	assert_int_equal(env->map_page(env->ctx, "vmclock", "/dev/vmclock1",
				       &map),
			 -ENODEV);
	assert_string_equal(map.why, "the simulated VM has no vmclock page at "
				     "/dev/vmclock1");
}

int main(void)
{
	each_test(make_world, free_world);
	ADD_ROWS(sources, its_clocks_are_known);
	add_test("a cross timestamp is right", a_cross_timestamp_is_right);
	add_test("a clock that is set is noticed",
		 a_clock_that_is_set_is_noticed);
	add_test("a kernel on the TSC keeps its rate",
		 a_kernel_on_the_tsc_keeps_its_rate);
	add_test("clocks and exits cost time, pages none",
		 clocks_and_exits_cost_time);
	ADD_ROWS(machines, is_described);
	add_test("all is listed", all_is_listed);
	add_test("an env is the VM's", an_env_is_the_vms);
	return run_suite(NULL, NULL);
}
