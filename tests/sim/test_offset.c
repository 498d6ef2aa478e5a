// SPDX-License-Identifier: MIT
/* How far CLOCK_REALTIME is off, against the truth of a simulated world. */

#include "sims.h"

#define GUEST_HZ 2600000000LL
#define NO_BOUND PARACLOCK_ERROR_UNKNOWN

/* 2026-06-30 23:59:40 UTC on TAI, with an offset of 37 s. */
#define BEFORE_LEAP (1782864017 * SEC)
#define LEAP_UTC    (1782863999 * SEC) /* the last second's number */

struct offset_case {
	const char *name;
	const char *backend;
	uint32_t parts;
	uint8_t scale;	 /* of the vmclock */
	bool has_bound;	 /* the host publishes one */
	int64_t step_ns; /* of the guest's CLOCK_REALTIME */
	/* Of the host's clock against true time. */
	int64_t ahead_ns, ppb;
	const char *clocksource;
	uint32_t flags;
	bool is_bounded; /* what is wanted */
};

#define VMCLOCK "vmclock", PARACLOCK_SIM_HAS_VMCLOCK
#define PAIRING "kvm-pairing", PARACLOCK_SIM_HAS_PAIRING
#define BRACKET PARACLOCK_OFFSET_BRACKETED
#define SMEARED PARACLOCK_OFFSET_MAYBE_SMEARED

static const struct offset_case cases[] = {
	/* clang-format off */
	{ "TAI", VMCLOCK, TAI, true, 0, 0, 0, "tsc", 0, true },
	{ "TAI without a bound", VMCLOCK, TAI, false, 0, 0, 0, "tsc", 0,
	  false },
	{ "UTC", VMCLOCK, UTC, true, 0, 0, 0, "tsc", 0, true },
	{ "a guest a day behind", VMCLOCK, TAI, true, -86400 * SEC, 0, 0,
	  "tsc", 0, true },
	{ "a guest 12.3 us ahead", VMCLOCK, UTC, true, 12300, 0, 0, "tsc", 0,
	  true },
	{ "a host that is wrong within its bound", VMCLOCK, TAI, true, 5, -MS,
	  0, "tsc", 0, true },
	{ "a host that drifts within its bound", VMCLOCK, UTC, true, 0, MS / 2,
	  -20000, "tsc", 0, true },
	{ "the kernel's clock is an image of the counter", VMCLOCK, TAI, true,
	  777, MS, 50000, "kvm-clock", 0, true },
	{ "the kernel's clock is not on the counter", VMCLOCK, TAI, true, 777,
	  MS, 50000, "hpet", BRACKET, true },
	{ "the same, without a bound", VMCLOCK, UTC, false, -SEC, 0, 0, "hpet",
	  BRACKET, false },
	{ "a clock that may be smeared", PAIRING, 0, true, -MS, 7, 0, "tsc",
	  SMEARED, false },
	/* clang-format on */
};

static struct paraclock_sim_vm *vm_of(const struct offset_case *c)
{
	const struct paraclock_sim_host_options of_host = {
		.size = sizeof(of_host),
		.clock_ahead_ns = c->ahead_ns,
		.clock_ppb = c->ppb,
		.maxerror_ns = 2 * MS,
		.maxerror_ppb = 60000,
		.error_flags =
			c->has_bound ? PARACLOCK_TIMELINE_MAXERROR |
					       PARACLOCK_TIMELINE_MAXERROR_RATE
				     : 0,
	};
	const struct paraclock_sim_vm_options of_vm = {
		.size = sizeof(of_vm),
		.parts = c->parts,
		.vmclock_timescale = c->scale,
		.tsc_start = 1000,
		.clocksource = c->clocksource,
	};
	struct paraclock_sim_vm *vm = NULL;

	assert_int_equal(paraclock_sim_host_new(&host, sim, &of_host), 0);
	assert_int_equal(paraclock_sim_vm_new(&vm, host, &of_vm), 0);
	if (c->step_ns)
		assert_int_equal(paraclock_sim_guest_step(vm, c->step_ns), 0);
	return vm;
}

/* True UTC at a counter value of the recent past. */
static int64_t true_utc_at(const struct paraclock_sim_vm *vm, uint64_t counter)
{
	const uint64_t ago = paraclock_sim_counter(vm, 0) - counter;

	return true_time(UTC) - (int64_t)(ago * 10 / (GUEST_HZ / (SEC / 10)));
}

/* The guest's kernel began with the host's clock, was set, and runs at the true
 * rate. */
static void check_truth(const struct paraclock_sim_vm *vm,
			const struct paraclock_offset *off, int64_t set_ns)
{
	const int64_t utc_ns = true_utc_at(vm, off->counter);
	const int64_t host_ns = truth_at(vm, off->counter, UTC);
	/* Each of these times is rounded down. */
	const int64_t error_ns = (int64_t)off->error_ns + 2;

	assert_near(off->realtime_ns, utc_ns + set_ns, error_ns);
	assert_near(off->offset_ns, host_ns - (utc_ns + set_ns), error_ns);
	assert_int_equal(off->utc_ns - off->realtime_ns, off->offset_ns);
	if (off->bound_ns != NO_BOUND)
		assert_near(off->offset_ns, -set_ns,
			    (int64_t)off->bound_ns + 2);
}

static struct paraclock_offset measure(const struct paraclock *clk)
{
	struct paraclock_offset off = { .size = sizeof(off) };

	assert_int_equal(paraclock_offset(clk, &off), 0);
	return off;
}

static void every_offset_and_bound_holds(void **state)
{
	const struct offset_case *c = *state;
	struct paraclock_sim_vm *vm = vm_of(c);
	struct paraclock *clk = open_user(vm, c->backend);

	for (unsigned int i = 0; i < 300; i++) {
		struct paraclock_offset off = measure(clk);

		assert_int_equal(off.valid, 1);
		assert_int_equal(off.reason, PARACLOCK_REASON_OK);
		assert_int_equal(off.flags, c->flags);
		assert_int_equal(off.bound_ns != NO_BOUND, c->is_bounded);
		check_truth(vm, &off, c->ahead_ns + c->step_ns);
		run(paraclock_sim_random(sim, 100 * MS));
	}
	paraclock_close(clk);
}

/* --- leap seconds --------------------------------------------------------- */

struct leap_case {
	const char *name;
	uint8_t scale, leap;
	const char *clocksource;
};

static const struct leap_case leap_cases[] = {
	{ "an inserted second on TAI", TAI, PARACLOCK_LEAP_PRE_POS, "tsc" },
	{ "an inserted second on UTC", UTC, PARACLOCK_LEAP_PRE_POS, "tsc" },
	{ "a removed second on TAI", TAI, PARACLOCK_LEAP_PRE_NEG, "tsc" },
	{ "a removed second on UTC", UTC, PARACLOCK_LEAP_PRE_NEG, "tsc" },
	{ "an inserted second between two reads", TAI, PARACLOCK_LEAP_PRE_POS,
	  "hpet" },
};

/* The guest's kernel does not know of the leap second. */
static int64_t kernel_utc_ns(int64_t start_ns)
{
	return start_ns + true_time(TAI) - BEFORE_LEAP;
}

/* Half a minute around it, in steps that hit each of its edges. */
static void a_leap_second(void **state)
{
	const struct leap_case *c = *state;
	const struct paraclock_sim_options of_sim = {
		.size = sizeof(of_sim),
		.start_tai_ns = BEFORE_LEAP,
		.leap = c->leap,
	};
	const struct offset_case of_vm = {
		.parts = PARACLOCK_SIM_HAS_VMCLOCK,
		.scale = c->scale,
		.has_bound = true,
		.clocksource = c->clocksource,
	};
	const int64_t by = c->leap == PARACLOCK_LEAP_PRE_POS ? -SEC : SEC;
	unsigned int before = 0, near = 0, after = 0;
	struct paraclock_sim_vm *vm;
	struct paraclock *clk;
	int64_t start_ns;

	paraclock_sim_free(sim);
	assert_int_equal(paraclock_sim_new(&sim, &of_sim), 0);
	vm = vm_of(&of_vm);
	start_ns = true_time(UTC);
	clk = open_user(vm, "vmclock");
	for (unsigned int i = 0; i < 3000; i++) {
		struct paraclock_offset off = measure(clk);
		const bool is_after = kernel_utc_ns(start_ns) >=
				      LEAP_UTC + SEC - (by > 0) * SEC;

		if (!off.valid) {
			assert_int_equal(off.reason, PARACLOCK_REASON_WINDOW);
			assert_true(off.flags & PARACLOCK_OFFSET_NEAR_LEAP);
			assert_int_equal(off.bound_ns, NO_BOUND);
			assert_int_equal(off.sample.valid, 1);
			near++;
		} else {
			assert_near(off.offset_ns, is_after ? by : 0,
				    (int64_t)off.error_ns + 2);
			before += !is_after;
			after += is_after;
		}
		run(10 * MS);
	}
	/* The last second and the inserted one; a removed one has no time. */
	assert_in_range(near, by < 0 ? 198 : 0, by < 0 ? 202 : 2);
	assert_true(before > 500 && after > 500);
	paraclock_close(clk);
}

/* --- what has no offset --------------------------------------------------- */

static void a_monotonic_clock_is_refused(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(PARACLOCK_SIM_HAS_PVCLOCK, 1);
	struct paraclock *clk = open_user(vm, "kvmclock");
	struct paraclock_offset off = { .size = sizeof(off) }, was = off;
	char why[512] = "";

	(void)state;
	assert_int_equal(paraclock_offset(clk, &off), -EOPNOTSUPP);
	assert_memory_equal(&off, &was, sizeof(off));
	assert_int_equal(
		paraclock_explain(clk, -EOPNOTSUPP, NULL, why, sizeof(why)), 0);
	assert_non_null(strstr(why, "monotonic"));
	paraclock_close(clk);
}

static void a_host_that_does_not_vouch_has_no_offset(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(PARACLOCK_SIM_HAS_VMCLOCK, 1);
	struct paraclock *clk = open_user(vm, "vmclock");
	struct paraclock_offset off;

	(void)state;
	assert_int_equal(
		paraclock_sim_status(host, PARACLOCK_STATUS_UNRELIABLE), 0);
	off = measure(clk);
	assert_int_equal(off.valid, 0);
	assert_int_equal(off.reason, PARACLOCK_REASON_STATUS);
	assert_int_equal(off.bound_ns, NO_BOUND);
	paraclock_close(clk);
}

static void tai_without_its_offset_is_refused(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(PARACLOCK_SIM_HAS_VMCLOCK, 1);
	struct paraclock *clk = open_user(vm, "vmclock");
	struct paraclock_offset off = { .size = sizeof(off) };
	char why[512] = "";

	(void)state;
	assert_int_equal(paraclock_sim_tai(host, 0), 0);
	assert_int_equal(paraclock_offset(clk, &off), -EOPNOTSUPP);
	assert_int_equal(
		paraclock_explain(clk, -EOPNOTSUPP, NULL, why, sizeof(why)), 0);
	assert_non_null(strstr(why, "TAI"));
	off.assume_tai_offset_sec = 37;
	assert_int_equal(paraclock_offset(clk, &off), 0);
	assert_near(off.offset_ns, 0, (int64_t)off.error_ns + 2);
	paraclock_close(clk);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_monotonic_clock_is_refused),
		cmocka_unit_test(a_host_that_does_not_vouch_has_no_offset),
		cmocka_unit_test(tai_without_its_offset_is_refused),
	};

	each_test(make_world, free_world);
	ADD_ROWS(cases, every_offset_and_bound_holds);
	ADD_ROWS(leap_cases, a_leap_second);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
