// SPDX-License-Identifier: MIT
/*
 * Hyper-V moves a VM that has asked for reenlightenment: the behaviour of its
 * MSRs.
 */

#include "sims.h"

#define REF_COUNT	0x40000020U
#define REF_TSC		0x40000021U
#define TSC_FREQUENCY	0x40000022U
#define APIC_FREQUENCY	0x40000023U
#define REENLIGHTENMENT 0x40000106U
#define EMULATION	0x40000107U
#define STATUS		0x40000108U

#define HZ 2600000000ULL

#define HYPERV (PARACLOCK_SIM_HAS_HYPERV | PARACLOCK_SIM_HAS_REENLIGHTENMENT)

static struct {
	struct paraclock_sim_vm *vm;
	const struct paraclock_env *env;
	unsigned int interrupts;
	uint64_t at;	   /* the TSC at the interrupt */
	bool acknowledges; /* from within it */
} guest;

static void be_in(struct paraclock_sim_vm *vm)
{
	guest.vm = vm;
	guest.env = paraclock_sim_env(vm, PARACLOCK_SIM_KERNEL);
}

static uint64_t rdmsr(uint32_t msr)
{
	uint64_t value = 0xdead;

	assert_int_equal(guest.env->rdmsr(guest.env->ctx, msr, &value), 0);
	return value;
}

static void wrmsr(uint32_t msr, uint64_t value)
{
	assert_int_equal(guest.env->wrmsr(guest.env->ctx, msr, value), 0);
}

static void interrupt(void *arg, struct paraclock_sim_vm *vm,
		      unsigned int notice)
{
	(void)arg;
	if (notice != PARACLOCK_SIM_NOTICE_REENLIGHTENMENT)
		return;
	be_in(vm);
	guest.interrupts++;
	guest.at = paraclock_sim_counter(vm, 0);
	assert_int_equal(rdmsr(STATUS), 1);
	if (guest.acknowledges)
		wrmsr(STATUS, 0);
}

static void start(uint32_t parts)
{
	struct paraclock_sim_vm_options opts = {
		.size = sizeof(opts),
		.parts = parts,
		.notify = interrupt,
	};

	memset(&guest, 0, sizeof(guest));
	be_in(new_vm_of(&opts));
}

static void set_up(void)
{
	wrmsr(REENLIGHTENMENT, 1U << 16 | 0xee);
	wrmsr(EMULATION, 1);
	assert_int_equal(rdmsr(REENLIGHTENMENT), 1U << 16 | 0xee);
	assert_int_equal(rdmsr(EMULATION), 1);
	assert_int_equal(rdmsr(STATUS), 0);
}

static uint64_t ticks_of(uint64_t ns)
{
	uint64_t before = paraclock_sim_counter(guest.vm, 0);

	run(ns);
	return paraclock_sim_counter(guest.vm, 0) - before;
}

static void a_vm_keeps_the_old_rate_until_it_acknowledges(void **state)
{
	struct paraclock_coupling coupling;
	struct paraclock *clk;
	const uint64_t *page;
	uint64_t scale, before;

	(void)state;
	start(HYPERV);
	page = paraclock_sim_page(guest.vm, PARACLOCK_SIM_HYPERV, 0, NULL);
	clk = open_user(guest.vm, "hyperv");
	set_up();
	run(SEC);
	scale = page[1];
	assert_int_equal(paraclock_sim_migrate(guest.vm, fast, SEC, 0), 0);
	assert_int_equal(guest.interrupts, 1);
	assert_near((int64_t)ticks_of(100 * SEC), 100 * (int64_t)HZ, 3);
	assert_right(guest.vm, clk, HYPERV_NS);
	assert_near((int64_t)(page[1] - scale), 0, 1 << 20);
	assert_int_equal(paraclock_sim_coupling(guest.vm, &coupling), 0);
	assert_false(coupling.flags & PARACLOCK_COUPLING_FIXED);
	/* It already sees the frequency that it will have. */
	assert_int_equal(rdmsr(TSC_FREQUENCY), FAST_HZ);

	before = paraclock_sim_counter(guest.vm, 0);
	wrmsr(STATUS, 0);
	assert_near((int64_t)(paraclock_sim_counter(guest.vm, 0) - before), 0,
		    1);
	assert_int_equal(rdmsr(STATUS), 0);
	assert_near((int64_t)ticks_of(100 * SEC), 100LL * FAST_HZ, 1);
	assert_true(page[1] < scale);
	assert_right(guest.vm, clk, HYPERV_NS);
	assert_int_equal(paraclock_sim_coupling(guest.vm, &coupling), 0);
	assert_true(coupling.flags & PARACLOCK_COUPLING_FIXED);
	paraclock_close(clk);
}

static void a_vm_may_acknowledge_within_the_interrupt(void **state)
{
	(void)state;
	start(HYPERV);
	set_up();
	guest.acknowledges = true;
	assert_int_equal(paraclock_sim_migrate(guest.vm, fast, SEC, 0), 0);
	assert_int_equal(guest.interrupts, 1);
	assert_int_equal(rdmsr(STATUS), 0);
	assert_near((int64_t)ticks_of(SEC), FAST_HZ, 1);
	/* And back. */
	assert_int_equal(paraclock_sim_migrate(guest.vm, host, SEC, 0), 0);
	assert_int_equal(guest.interrupts, 2);
	assert_near((int64_t)ticks_of(SEC), (int64_t)HZ, 1);
}

static void a_vm_may_move_again_before_it_acknowledges(void **state)
{
	struct paraclock_sim_host_options opts = { .size = sizeof(opts),
						   .tsc_hz = 2000000000 };
	struct paraclock_sim_host *slow;
	struct paraclock *clk;

	(void)state;
	start(HYPERV);
	set_up();
	clk = open_user(guest.vm, "hyperv");
	assert_int_equal(paraclock_sim_host_new(&slow, sim, &opts), 0);
	assert_int_equal(paraclock_sim_migrate(guest.vm, fast, SEC, 0), 0);
	assert_int_equal(paraclock_sim_migrate(guest.vm, slow, SEC, 0), 0);
	assert_int_equal(guest.interrupts, 2);
	assert_near((int64_t)ticks_of(10 * SEC), 10 * (int64_t)HZ, 1);
	assert_right(guest.vm, clk, HYPERV_NS);
	wrmsr(STATUS, 0);
	assert_near((int64_t)ticks_of(10 * SEC), 20000000000, 1);
	assert_right(guest.vm, clk, HYPERV_NS);
	paraclock_close(clk);
}

/* The number of interrupts, and emulated until it acknowledges. */
static void assert_emulated(unsigned int interrupts)
{
	struct paraclock *clk = open_user(guest.vm, "hyperv");

	assert_int_equal(guest.interrupts, interrupts);
	assert_int_equal(rdmsr(STATUS), 1);
	assert_int_equal(rdmsr(TSC_FREQUENCY), FAST_HZ);
	assert_near((int64_t)ticks_of(10 * SEC), 10 * (int64_t)HZ, 1);
	assert_right(guest.vm, clk, HYPERV_NS);
	paraclock_close(clk);
}

static void assert_it_acknowledges(void)
{
	struct paraclock *clk = open_user(guest.vm, "hyperv");

	wrmsr(STATUS, 0);
	assert_int_equal(rdmsr(STATUS), 0);
	assert_near((int64_t)ticks_of(10 * SEC), 10LL * FAST_HZ, 1);
	assert_right(guest.vm, clk, HYPERV_NS);
	paraclock_close(clk);
}

static void emulate(void)
{
	start(HYPERV);
	set_up();
	assert_int_equal(paraclock_sim_migrate(guest.vm, fast, SEC, 0), 0);
	assert_emulated(1);
}

/* Flags of a move to its present host. */
static struct stay_case {
	const char *name;
	uint32_t flags;
} stays[] = {
	{ "a move to its own host keeps the emulation", 0 },
	{ "a scaled move to its own host keeps it, too", PARACLOCK_SIM_SCALED },
};

static void a_move_to_its_own_host(void **state)
{
	const struct stay_case *c = *state;

	emulate();
	assert_int_equal(paraclock_sim_migrate(guest.vm, fast, SEC, c->flags),
			 0);
	assert_emulated(2);
	assert_it_acknowledges();
	assert_int_equal(paraclock_sim_migrate(guest.vm, fast, SEC, c->flags),
			 0);
	assert_int_equal(guest.interrupts, 2);
	assert_int_equal(rdmsr(STATUS), 0);
}

static void a_vm_may_be_restored_to_before_it_acknowledged(void **state)
{
	struct paraclock_sim_state *saved;

	(void)state;
	emulate();
	assert_int_equal(paraclock_sim_save(&saved, guest.vm), 0);
	assert_int_equal(paraclock_sim_restore(guest.vm, saved, NULL, 0), 0);
	assert_emulated(2);
	assert_it_acknowledges();
	assert_int_equal(paraclock_sim_restore(guest.vm, saved, NULL, 0), 0);
	assert_emulated(3);
	/* Elsewhere it is as it was saved, too: at the rate that it knows. */
	assert_int_equal(paraclock_sim_restore(guest.vm, saved, host, 0), 0);
	assert_int_equal(guest.interrupts, 3);
	assert_int_equal(rdmsr(STATUS), 0);
	assert_near((int64_t)ticks_of(SEC), (int64_t)HZ, 1);
	paraclock_sim_state_free(saved);
}

static void a_restored_vm_has_its_saved_setup(void **state)
{
	struct paraclock_sim_state *saved;

	(void)state;
	start(HYPERV);
	set_up();
	run(SEC);
	assert_int_equal(paraclock_sim_save(&saved, guest.vm), 0);
	wrmsr(EMULATION, 0);
	assert_int_equal(paraclock_sim_restore(guest.vm, saved, fast, 0), 0);
	assert_emulated(1);
	paraclock_sim_state_free(saved);
}

static void an_unwanted_interrupt_does_not_come(void **state)
{
	(void)state;
	emulate();
	wrmsr(REENLIGHTENMENT, 0);
	assert_int_equal(paraclock_sim_migrate(guest.vm, fast, SEC, 0), 0);
	assert_emulated(1);
}

static void a_clone_gets_its_interrupt(void **state)
{
	struct paraclock_sim_vm *vm, *twin = NULL;

	(void)state;
	start(HYPERV);
	set_up();
	run(SEC);
	vm = guest.vm;
	assert_int_equal(paraclock_sim_clone(&twin, vm, fast, 0), 0);
	assert_ptr_equal(guest.vm, twin);
	assert_ptr_not_equal(twin, vm);
	assert_emulated(1);
	/* The same for a VM that has not acknowledged. */
	assert_int_equal(paraclock_sim_clone(&twin, guest.vm, NULL, 0), 0);
	assert_ptr_equal(guest.vm, twin);
	assert_emulated(2);
	assert_it_acknowledges();
	be_in(vm);
	assert_int_equal(rdmsr(STATUS), 0);
	assert_near((int64_t)ticks_of(SEC), (int64_t)HZ, 1);
}

static void without_reenlightenment_nothing_is_emulated(void **state)
{
	(void)state;
	start(HYPERV);
	assert_int_equal(paraclock_sim_migrate(guest.vm, fast, SEC, 0), 0);
	assert_int_equal(guest.interrupts, 0);
	assert_near((int64_t)ticks_of(SEC), FAST_HZ, 1);
	/* Not if the rate stays the same, either. */
	set_up();
	assert_int_equal(paraclock_sim_migrate(guest.vm, host, SEC,
					       PARACLOCK_SIM_SCALED),
			 0);
	assert_int_equal(guest.interrupts, 0);
	assert_near((int64_t)ticks_of(SEC), FAST_HZ, 1);
}

static void msrs_say_what_the_page_says(void **state)
{
	uint64_t value = 42;

	(void)state;
	start(HYPERV);
	run(123456789);
	assert_int_equal(rdmsr(REF_COUNT), 1234567);
	assert_int_equal(rdmsr(TSC_FREQUENCY), HZ);
	assert_int_equal(rdmsr(APIC_FREQUENCY), 1000000000);
	assert_int_equal(rdmsr(REF_TSC) & 0xfff, 1);
	wrmsr(REF_TSC, rdmsr(REF_TSC));
	assert_int_equal(guest.env->wrmsr(guest.env->ctx, REF_TSC, 0x5001),
			 -EINVAL);
	assert_int_equal(guest.env->rdmsr(guest.env->ctx, 0x4b564d01, &value),
			 -EOPNOTSUPP);
	assert_int_equal(value, 42);
	start(PARACLOCK_SIM_HAS_HYPERV);
	assert_int_equal(guest.env->rdmsr(guest.env->ctx, REENLIGHTENMENT,
					  &value),
			 -EOPNOTSUPP);
	start(PARACLOCK_SIM_HAS_PVCLOCK);
	assert_int_equal(guest.env->rdmsr(guest.env->ctx, REF_COUNT, &value),
			 -EOPNOTSUPP);
	assert_int_equal(value, 42);
}

static void cpuid_shows_the_features(void **state)
{
	uint32_t regs[4];

	(void)state;
	start(HYPERV);
	assert_int_equal(guest.env->cpuid(guest.env->ctx, 0x40000000, 0, regs),
			 0);
	assert_memory_equal(&regs[1], "Microsoft Hv", 12);
	assert_int_equal(guest.env->cpuid(guest.env->ctx, 0x40000003, 0, regs),
			 0);
	assert_int_equal(regs[0],
			 1U << 1 | 1U << 9 | 1U << 11 | 1U << 13 | 1U << 15);
	assert_int_equal(regs[3], 1U << 8);
	start(PARACLOCK_SIM_HAS_HYPERV);
	assert_int_equal(guest.env->cpuid(guest.env->ctx, 0x40000003, 0, regs),
			 0);
	assert_false(regs[0] >> 13 & 1);
}

int main(void)
{
	each_test(make_world, free_world);
	add_test("a VM keeps the old rate until it acknowledges",
		 a_vm_keeps_the_old_rate_until_it_acknowledges);
	add_test("a VM may acknowledge from within the interrupt",
		 a_vm_may_acknowledge_within_the_interrupt);
	add_test("a VM may be moved again before it acknowledges",
		 a_vm_may_move_again_before_it_acknowledges);
	ADD_ROWS(stays, a_move_to_its_own_host);
	add_test("a VM may be restored to before it acknowledged",
		 a_vm_may_be_restored_to_before_it_acknowledged);
	add_test("a restored VM has the setup that was saved",
		 a_restored_vm_has_its_saved_setup);
	add_test("a VM gets no interrupt that it does not want",
		 an_unwanted_interrupt_does_not_come);
	add_test("a clone gets its interrupt, too", a_clone_gets_its_interrupt);
	add_test("without reenlightenment, or scaled, nothing is emulated",
		 without_reenlightenment_nothing_is_emulated);
	add_test("MSRs say what the page says", msrs_say_what_the_page_says);
	add_test("CPUID shows the features", cpuid_shows_the_features);
	return run_suite(NULL, NULL);
}
