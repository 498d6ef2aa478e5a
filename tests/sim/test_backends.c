// SPDX-License-Identifier: MIT
/* Every backend, opened through the env of a VM, reads the truth. */

#include "sims.h"

struct backend_case {
	const char *name;
	const char *backend;
	uint32_t parts;
	unsigned int ring;
	const char *clocksource;
	int64_t within;		/* the truth, ns */
	uint64_t pair_error_ns; /* at most */
	uint8_t timescale;
	uint8_t marker_class;
};

#define PVCLOCK PARACLOCK_SIM_HAS_PVCLOCK
#define HYPERV	PARACLOCK_SIM_HAS_HYPERV
#define VMCLOCK PARACLOCK_SIM_HAS_VMCLOCK
#define MARKERS PARACLOCK_SIM_HAS_VMCLOCK_MARKERS
#define PAIRING PARACLOCK_SIM_HAS_PAIRING
#define SMEARED PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED
#define USER	PARACLOCK_SIM_USER
#define KERNEL	PARACLOCK_SIM_KERNEL

static struct backend_case cases[] = {
	/* clang-format off */
	{ "kvmclock, alone", "kvmclock", PVCLOCK, USER, NULL,
	  PVCLOCK_NS, 0, MONO, PARACLOCK_MARKER_HEURISTIC },
	{ "kvmclock, with markers", "kvmclock", PVCLOCK | MARKERS, USER, NULL,
	  PVCLOCK_NS, 0, MONO, PARACLOCK_MARKER_AUTHORITATIVE },
	{ "kvmclock in ring 0", "kvmclock", PVCLOCK, KERNEL, NULL,
	  PVCLOCK_NS, 0, MONO, PARACLOCK_MARKER_HEURISTIC },
	{ "kvmclock beside Hyper-V's leaves", "kvmclock", PVCLOCK | HYPERV,
	  KERNEL, NULL, PVCLOCK_NS, 0, MONO, PARACLOCK_MARKER_HEURISTIC },
	{ "hyperv", "hyperv", HYPERV, USER, NULL,
	  HYPERV_NS, 0, MONO, PARACLOCK_MARKER_HEURISTIC },
	{ "hyperv in ring 0", "hyperv", HYPERV, KERNEL, NULL,
	  HYPERV_NS, 0, MONO, PARACLOCK_MARKER_HEURISTIC },
	{ "vmclock", "vmclock", VMCLOCK, USER, NULL,
	  VMCLOCK_NS, 0, TAI, PARACLOCK_MARKER_AUTHORITATIVE },
	{ "vmclock in ring 0", "vmclock", VMCLOCK, KERNEL, NULL,
	  VMCLOCK_NS, 0, TAI, PARACLOCK_MARKER_AUTHORITATIVE },
	{ "kvm-pairing by hypercall", "kvm-pairing", PAIRING, KERNEL, NULL,
	  1, 0, SMEARED, PARACLOCK_MARKER_NONE },
	{ "kvm-pairing by its PTP clock, on kvm-clock", "kvm-pairing", PAIRING,
	  USER, "kvm-clock", 100, 100, SMEARED, PARACLOCK_MARKER_NONE },
	{ "kvm-pairing by its PTP clock, on tsc", "kvm-pairing", PAIRING,
	  USER, "tsc", 600, 600, SMEARED, PARACLOCK_MARKER_NONE },
	{ "phc: Hyper-V's", "phc", PARACLOCK_SIM_HAS_PTP_HYPERV, USER, NULL,
	  600, 600, SMEARED, PARACLOCK_MARKER_NONE },
	{ "phc: vmclock's", "phc", VMCLOCK | PARACLOCK_SIM_HAS_PTP_VMCLOCK,
	  USER, NULL, 100, 100, TAI, PARACLOCK_MARKER_AUTHORITATIVE },
	{ "the best of all", NULL, PVCLOCK | HYPERV | VMCLOCK | PAIRING, USER,
	  NULL, VMCLOCK_NS, 0, TAI, PARACLOCK_MARKER_AUTHORITATIVE },
	/* clang-format on */
};

static void reads_the_truth(void **state)
{
	const struct backend_case *c = *state;
	struct paraclock_sim_vm_options opts = {
		.size = sizeof(opts),
		.parts = c->parts,
		.vcpus = 2,
		.tsc_start = 987654321,
		.clocksource = c->clocksource,
	};
	struct paraclock_sim_vm *vm = new_vm_of(&opts);
	struct paraclock *clk;

	run(12345678901);
	clk = open_in(vm, c->backend, c->ring);
	for (unsigned int i = 0; i < 100; i++) {
		struct paraclock_sample sample = read_clock(clk);

		assert_near(error_of(vm, &sample), 0,
			    c->within == PVCLOCK_NS ? pvclock_ns(vm, 0)
						    : c->within);
		assert_int_equal(sample.timescale, c->timescale);
		assert_int_equal(sample.marker_class, c->marker_class);
		assert_in_range(sample.pair_error_ns, 0, c->pair_error_ns);
		assert_int_equal(sample.counter, PARACLOCK_COUNTER_X86_TSC);
		run(1 + paraclock_sim_random(sim, 10 * SEC));
	}
	paraclock_close(clk);
}

static void the_truth_is_a_backend(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(PVCLOCK, 1);
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = paraclock_sim_env(vm, USER),
	};
	struct paraclock_sample sample;
	struct paraclock *clk;
	uint64_t epoch;

	(void)state;
	assert_int_equal(paraclock_open_backend(&clk, paraclock_sim_backend(),
						NULL, &opts),
			 0);
	run(7 * SEC);
	sample = read_clock(clk);
	assert_int_equal(sample.host_ns, START_TAI + 7 * SEC);
	assert_int_equal(sample.host_tsc, 1000 + 7 * 2600000000);
	assert_int_equal(sample.valid, 1);
	epoch = paraclock_epoch(clk);
	assert_int_equal(paraclock_sim_migrate(vm, fast, SEC, 0), 0);
	assert_int_equal(paraclock_disrupted(clk, epoch), 1);
	assert_int_equal(read_clock(clk).host_ns, START_TAI + 8 * SEC);
	assert_int_equal(paraclock_read_at(clk, 1000, &sample), 0);
	assert_int_equal(sample.valid, 0);
	paraclock_close(clk);

	opts.timescales = 1U << MONO;
	assert_int_equal(paraclock_open_backend(&clk, paraclock_sim_backend(),
						NULL, &opts),
			 0);
	assert_int_equal(read_clock(clk).host_ns, 8 * SEC);
	paraclock_close(clk);
	opts.env = NULL;
	assert_int_equal(paraclock_open_backend(&clk, paraclock_sim_backend(),
						NULL, &opts),
			 -ENODEV);
}

struct absent {
	const char *name, *backend;
	uint32_t parts;
	unsigned int ring;
	int error;
};

static struct absent absents[] = {
	/* clang-format off */
	{ "no kvmclock without its page", "kvmclock", HYPERV, USER, -ENODEV },
	{ "no hyperv without its page", "hyperv", PVCLOCK, USER, -ENODEV },
	{ "no vmclock without its page", "vmclock", PVCLOCK, USER, -ENODEV },
	{ "no phc without a PTP clock", "phc", PVCLOCK, USER, -ENODEV },
	{ "no pairing without the hypercall", "kvm-pairing", PVCLOCK, KERNEL,
	  -EOPNOTSUPP },
	{ "markers alone give no time", NULL, MARKERS, USER, -ENODEV },
	/* clang-format on */
};

static void is_not_there(void **state)
{
	const struct absent *c = *state;
	struct paraclock_sim_vm *vm = new_vm(c->parts, 1);
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = c->backend,
		.env = paraclock_sim_env(vm, c->ring),
	};
	struct paraclock *clk = NULL;

	assert_int_equal(paraclock_open(&clk, &opts), c->error);
	assert_null(clk);
}

int main(void)
{
	each_test(make_world, free_world);
	ADD_ROWS(cases, reads_the_truth);
	ADD_ROWS(absents, is_not_there);
	add_test("the truth is a backend", the_truth_is_a_backend);
	return run_suite(NULL, NULL);
}
