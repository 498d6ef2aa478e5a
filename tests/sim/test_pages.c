// SPDX-License-Identifier: MIT
/* Pages with every possible fault, and KVM's habit. */

#include "sims.h"

#define PVCLOCK PARACLOCK_SIM_PVCLOCK
#define HYPERV	PARACLOCK_SIM_HYPERV
#define VMCLOCK PARACLOCK_SIM_VMCLOCK

#define ALL_PAGES                                               \
	(PARACLOCK_SIM_HAS_PVCLOCK | PARACLOCK_SIM_HAS_HYPERV | \
	 PARACLOCK_SIM_HAS_VMCLOCK)

struct page_case {
	const char *name;
	const char *backend;
	unsigned int kind;
	int64_t within;
	unsigned int sequence; /* where it is, in 4 bytes */
	unsigned int body;     /* where its changing part begins, in 8 */
	unsigned int words;    /* and how long it is */
};

static struct page_case pages[] = {
	{ "pvclock", "kvmclock", PVCLOCK, PVCLOCK_NS, 0, 1, 3 },
	{ "hyperv", "hyperv", HYPERV, HYPERV_NS, 0, 1, 2 },
	{ "vmclock", "vmclock", VMCLOCK, VMCLOCK_NS, 3, 2, 11 },
};

static uint32_t sequence_of(const struct paraclock_sim_vm *vm,
			    const struct page_case *c)
{
	const uint32_t *page = paraclock_sim_page(vm, c->kind, 0, NULL);

	return page[c->sequence];
}

static const uint64_t *body_of(const struct paraclock_sim_vm *vm,
			       const struct page_case *c)
{
	const uint64_t *page = paraclock_sim_page(vm, c->kind, 0, NULL);

	return page + c->body;
}

static void set_fault(struct paraclock_sim_vm *vm, const struct page_case *c,
		      unsigned int fault, uint64_t delay_ns)
{
	assert_int_equal(paraclock_sim_fault(vm, c->kind, 0, fault, delay_ns),
			 0);
}

static void is_memory_of_the_vm(void **state)
{
	const struct page_case *c = *state;
	struct paraclock_sim_vm *vm = new_vm(ALL_PAGES, 2);
	size_t size = 0;

	assert_non_null(paraclock_sim_page(vm, c->kind, 0, &size));
	assert_int_equal(size, 4096);
	assert_null(paraclock_sim_page(vm, c->kind, 2, &size));
	assert_null(paraclock_sim_page(NULL, c->kind, 0, &size));
	if (c->kind == PVCLOCK)
		assert_ptr_not_equal(paraclock_sim_page(vm, c->kind, 1, NULL),
				     paraclock_sim_page(vm, c->kind, 0, NULL));
	else
		assert_null(paraclock_sim_page(vm, c->kind, 1, NULL));
}

static void an_update_is_another_sequence(void **state)
{
	const struct page_case *c = *state;
	struct paraclock_sim_vm *vm = new_vm(ALL_PAGES, 1);
	struct paraclock *clk = open_user(vm, c->backend);
	uint32_t was = sequence_of(vm, c);

	run(SEC);
	assert_int_equal(paraclock_sim_update(vm, c->kind, 0), 0);
	assert_int_not_equal(sequence_of(vm, c), was);
	assert_right(vm, clk, c->within);
	paraclock_close(clk);
}

static void a_stale_page_gets_old(void **state)
{
	const struct page_case *c = *state;
	struct paraclock_sim_vm *vm = new_vm(ALL_PAGES, 1);
	struct paraclock *clk = open_user(vm, c->backend);
	uint32_t was = sequence_of(vm, c);

	set_fault(vm, c, PARACLOCK_SIM_FAULT_STALE, 0);
	run(1000 * SEC);
	assert_int_equal(paraclock_sim_update(vm, c->kind, 0), 0);
	assert_int_equal(sequence_of(vm, c), was);
	/* Nothing has happened, so it is old but right. */
	assert_near(read_clock(clk).host_ns,
		    truth(vm, read_clock(clk).timescale), c->within + 250);
	set_fault(vm, c, PARACLOCK_SIM_FAULT_NONE, 0);
	assert_int_not_equal(sequence_of(vm, c), was);
	assert_right(vm, clk, c->within);
	paraclock_close(clk);
}

static void a_torn_page_has_no_time(void **state)
{
	const struct page_case *c = *state;
	struct paraclock_sim_vm *vm = new_vm(ALL_PAGES, 1);
	struct paraclock *clk = open_user(vm, c->backend);
	struct paraclock_sample sample;

	set_fault(vm, c, PARACLOCK_SIM_FAULT_TORN, 0);
	run(1000 * SEC);
	if (c->kind == HYPERV)
		assert_invalid(clk, PARACLOCK_REASON_SEQUENCE);
	else
		assert_int_equal(paraclock_read(clk, &sample), -EAGAIN);
	/* Healed and broken again. */
	set_fault(vm, c, PARACLOCK_SIM_FAULT_NONE, 0);
	assert_right(vm, clk, c->within);
	set_fault(vm, c, PARACLOCK_SIM_FAULT_TORN, 0);
	set_fault(vm, c, PARACLOCK_SIM_FAULT_STALE, 0);
	assert_near(read_clock(clk).host_ns,
		    truth(vm, read_clock(clk).timescale), c->within);
	paraclock_close(clk);
}

static void a_writer_dies_in_the_middle(void **state)
{
	const struct page_case *c = *state;
	struct paraclock_sim_vm *vm = new_vm(ALL_PAGES, 1);
	struct paraclock *clk = open_user(vm, c->backend);
	const uint64_t *body = body_of(vm, c);
	uint64_t was[16];
	unsigned int changed = 0;
	struct paraclock_sample sample;

	run(SEC);
	memcpy(was, body, c->words * sizeof(was[0]));
	set_fault(vm, c, PARACLOCK_SIM_FAULT_DIES, 0);
	assert_right(vm, clk, c->within);
	/* With another rate, so that every word changes. */
	assert_int_equal(paraclock_sim_slew(host, 1000), 0);
	assert_int_equal(paraclock_sim_migrate(vm, fast, SEC, 0), 0);
	for (unsigned int i = 0; i < c->words; i++)
		changed += was[i] != body[i];
	assert_in_range(changed, 1, c->words - 1);
	if (c->kind == HYPERV)
		assert_invalid(clk, PARACLOCK_REASON_SEQUENCE);
	else
		assert_int_equal(paraclock_read(clk, &sample), -EAGAIN);
	/* Another writer repairs it. */
	set_fault(vm, c, PARACLOCK_SIM_FAULT_NONE, 0);
	assert_right(vm, clk, c->within);
	paraclock_close(clk);
}

static void a_slow_publisher_is_seen_late(void **state)
{
	const struct page_case *c = *state;
	struct paraclock_sim_vm *vm = new_vm(ALL_PAGES, 1);
	struct paraclock *clk = open_user(vm, c->backend);
	int64_t off;

	set_fault(vm, c, PARACLOCK_SIM_FAULT_SLOW, 300);
	/*
	 * As seed 002 showed: the new clock is much slower, and readers see the
	 * old one until they see the store.
	 */
	assert_int_equal(paraclock_sim_tsc(host, 5200000000, 0, 0, 1), 0);
	assert_int_equal(paraclock_sim_clocksource(host, 1), 0);
	run(299);
	off = read_clock(clk).host_ns - truth(vm, read_clock(clk).timescale);
	assert_near(off, 299, c->within);
	run(1);
	assert_near(read_clock(clk).host_ns,
		    truth(vm, read_clock(clk).timescale), c->within);
	paraclock_close(clk);
}

static void a_late_update_never_shows(void **state)
{
	const struct page_case *c = *state;
	struct paraclock_sim_vm *vm = new_vm(ALL_PAGES, 1);
	uint32_t was = sequence_of(vm, c);

	set_fault(vm, c, PARACLOCK_SIM_FAULT_SLOW, SEC);
	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(paraclock_sim_update(vm, c->kind, 0), 0);
		run(SEC / 2);
		assert_int_equal(sequence_of(vm, c), was);
	}
	run(SEC / 2);
	assert_int_not_equal(sequence_of(vm, c), was);
}

/* --- KVM's habit ---------------------------------------------------------- */

#define MARKERS (PARACLOCK_SIM_HAS_PVCLOCK | PARACLOCK_SIM_HAS_VMCLOCK_MARKERS)

static void the_page_of_a_halted_vcpu_is_stale(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(PARACLOCK_SIM_HAS_PVCLOCK, 2);
	struct paraclock *clk = open_user(vm, "kvmclock");
	struct paraclock_sample sample;

	(void)state;
	assert_int_equal(paraclock_sim_vcpu_run(vm, 1), 0);
	assert_int_equal(paraclock_sim_vcpu_halt(vm, 0), 0);
	run(10 * SEC);
	/*
	 * Time stood still for 5 s: the page is 5 s ahead of it, even and
	 * stable; no marker shows it.
	 */
	assert_int_equal(paraclock_sim_migrate(vm, host, 5 * SEC,
					       PARACLOCK_SIM_CLOCK_STOPS),
			 0);
	run(SEC);
	sample = read_clock(clk);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(sample.marker_class, PARACLOCK_MARKER_HEURISTIC);
	assert_near(error_of(vm, &sample), 5 * SEC, PVCLOCK_NS + 5);
	assert_int_equal(paraclock_sim_vcpu_run(vm, 0), 0);
	assert_right(vm, clk, PVCLOCK_NS);
	paraclock_close(clk);
}

/* --- pages of other writers ----------------------------------------------- */

struct others_case {
	const char *name;
	uint32_t parts, timeline_flags;
	unsigned int flags; /* on the page */
};

/*
 * QEMU hw/acpi/vmclock.c and Firecracker devices/acpi/vmclock.rs both zero the
 * page and set a few fields: bits 8 and 9 are VM_GEN_COUNTER_PRESENT and
 * NOTIFICATION_PRESENT.
 */
static struct others_case others[] = {
	{ "a page of markers is as QEMU's", 0, 0, 0 },
	{ "a page with a generation is as Firecracker's",
	  PARACLOCK_SIM_HAS_GENERATION, PARACLOCK_TIMELINE_NOTIFIES, 0x300 },
};

/* Whatever the host knows and promises. */
static void check_others(void **state)
{
	const struct others_case *c = *state;
	const struct paraclock_sim_vm_options opts = {
		.size = sizeof(opts),
		.parts = PARACLOCK_SIM_HAS_VMCLOCK_MARKERS | c->parts,
		.vcpus = 1,
		.tsc_start = 1000,
		.vmclock_timescale = PARACLOCK_TIMESCALE_TAI,
		.timeline_flags = c->timeline_flags,
	};
	/* Magic, size, version 1, counter INVALID, time_type UTC. */
	uint8_t want[112] = {
		0x56, 0x43, 0x4c, 0x4b, 0, 0x10, 0, 0, 1, 0, 0xff
	};
	const struct paraclock_sim_host_options sure = {
		.size = sizeof(sure),
		.status = PARACLOCK_STATUS_SYNCHRONIZED,
		.error_flags = PARACLOCK_TIMELINE_MAXERROR,
		.maxerror_ns = 1000,
	};
	struct paraclock_sim_vm *vm;
	const uint8_t *page;

	assert_int_equal(paraclock_sim_host_new(&host, sim, &sure), 0);
	vm = new_vm_of(&opts);
	page = paraclock_sim_page(vm, VMCLOCK, 0, NULL);
	run(SEC);
	assert_int_equal(paraclock_sim_update(vm, VMCLOCK, 0), 0);
	want[24] = (uint8_t)c->flags;
	want[25] = (uint8_t)(c->flags >> 8);
	/* Sequence, marker and generation may have any value. */
	memcpy(want + 12, page + 12, 12);
	assert_int_equal(want[12] & 1, 0);
	if (c->parts)
		memcpy(want + 104, page + 104, 8);
	assert_memory_equal(page, want, sizeof(want));
}

static void with_markers_nothing_stale_is_valid(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(MARKERS, 2);
	struct paraclock *clk = open_user(vm, "kvmclock");
	const uint32_t *page = paraclock_sim_page(vm, PVCLOCK, 0, NULL);
	uint32_t was;

	(void)state;
	assert_int_equal(paraclock_sim_vcpu_run(vm, 1), 0);
	assert_int_equal(paraclock_sim_vcpu_halt(vm, 0), 0);
	run(10 * SEC);
	was = page[0];
	assert_int_equal(paraclock_sim_migrate(vm, fast, 5 * SEC, 0), 0);
	assert_int_equal(page[0], was);
	/* The library visits vCPU 0, and that renews the page. */
	assert_right(vm, clk, PVCLOCK_NS);
	assert_int_not_equal(page[0], was);
	paraclock_close(clk);
}

static void a_page_is_that_of_its_vcpu(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(PARACLOCK_SIM_HAS_PVCLOCK, 4);
	struct paraclock *clk;

	(void)state;
	for (unsigned int i = 1; i < 4; i++)
		assert_int_equal(paraclock_sim_vcpu_skew(vm, i, 1000000 * i),
				 0);
	for (unsigned int i = 0; i < 4; i++) {
		struct paraclock_sample sample;

		assert_int_equal(paraclock_sim_vcpu_run(vm, i), 0);
		clk = open_in(vm, "kvmclock", PARACLOCK_SIM_KERNEL);
		run(SEC);
		assert_invalid(clk, PARACLOCK_REASON_UNSTABLE);
		sample = read_clock(clk);
		assert_int_equal(sample.host_tsc, paraclock_sim_counter(vm, i));
		assert_near(sample.host_ns, truth(vm, MONO), PVCLOCK_NS + 4);
		paraclock_close(clk);
	}
	/* In user space every thread sees vCPU 0's. */
	clk = open_user(vm, "kvmclock");
	assert_invalid(clk, PARACLOCK_REASON_UNSTABLE);
	for (unsigned int i = 1; i < 4; i++)
		assert_int_equal(paraclock_sim_vcpu_skew(vm, i, 0), 0);
	assert_right(vm, clk, PVCLOCK_NS);
	paraclock_close(clk);
}

static void pages_are_renewed_in_time(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(ALL_PAGES, 1);
	uint32_t was[3], is[3];

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		was[i] = sequence_of(vm, &pages[i]);
	run(600 * SEC);
	for (unsigned int i = 0; i < 3; i++)
		is[i] = sequence_of(vm, &pages[i]) - was[i];
	assert_int_equal(is[0], 2 * 2);
	assert_int_equal(is[1], 0);
	assert_int_equal(is[2], 10 * 2);
	/* Nobody writes while it is paused. */
	assert_int_equal(paraclock_sim_pause(vm), 0);
	run(6000 * SEC);
	assert_int_equal(sequence_of(vm, &pages[2]) - was[2], 10 * 2);
	assert_int_equal(paraclock_sim_resume(vm, 0), 0);
	assert_int_equal(sequence_of(vm, &pages[2]) - was[2], 11 * 2);
}

static void another_may_write_the_pages(void **state)
{
	struct paraclock_sim_vm *vm =
		new_vm(ALL_PAGES | PARACLOCK_SIM_HAS_NO_WRITER, 1);
	struct paraclock_page_writer writer = { 0 };
	const struct paraclock_env *env =
		paraclock_sim_env(vm, PARACLOCK_SIM_USER);
	void *page = paraclock_sim_page(vm, VMCLOCK, 0, NULL);
	uint8_t zero[4096] = { 0 };
	struct paraclock_timeline tl;
	struct paraclock *clk;

	(void)state;
	run(1000 * SEC);
	assert_memory_equal(page, zero, sizeof(zero));
	assert_int_equal(paraclock_sim_update(vm, VMCLOCK, 0), -EINVAL);
	assert_int_equal(paraclock_sim_fault(vm, VMCLOCK, 0,
					     PARACLOCK_SIM_FAULT_TORN, 0),
			 -EINVAL);
	assert_int_equal(paraclock_page_writer_acquire(&writer, env), 0);
	assert_int_equal(paraclock_sim_timeline(vm, TAI, &tl), 0);
	assert_int_equal(paraclock_vmclock_write(page, &writer, env, &tl), 0);
	clk = open_user(vm, "vmclock");
	run(SEC);
	assert_right(vm, clk, VMCLOCK_NS);
	paraclock_close(clk);
}

int main(void)
{
	each_test(make_world, free_world);
	ADD_ROWS(pages, is_memory_of_the_vm);
	ADD_ROWS(pages, an_update_is_another_sequence);
	ADD_ROWS(pages, a_stale_page_gets_old);
	ADD_ROWS(pages, a_torn_page_has_no_time);
	ADD_ROWS(pages, a_writer_dies_in_the_middle);
	ADD_ROWS(pages, a_slow_publisher_is_seen_late);
	ADD_ROWS(pages, a_late_update_never_shows);
	ADD_ROWS(others, check_others);
	add_test("the page of a halted vCPU is stale",
		 the_page_of_a_halted_vcpu_is_stale);
	add_test("with markers no stale page is valid",
		 with_markers_nothing_stale_is_valid);
	add_test("a vCPU has a page of its own", a_page_is_that_of_its_vcpu);
	add_test("pages are renewed in time", pages_are_renewed_in_time);
	add_test("another may write the pages", another_may_write_the_pages);
	return run_suite(NULL, NULL);
}
