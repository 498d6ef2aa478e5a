// SPDX-License-Identifier: MIT
/* What happens to a host's clock and TSC, and what its VMs see of it. */

#include "sims.h"

#define PVCLOCK PARACLOCK_SIM_HAS_PVCLOCK
#define VMCLOCK PARACLOCK_SIM_HAS_VMCLOCK
#define PAIRING PARACLOCK_SIM_HAS_PAIRING

#define BOUNDED (PARACLOCK_TIMELINE_MAXERROR | PARACLOCK_TIMELINE_MAXERROR_RATE)

static void a_host_may_be_wrong(void **state)
{
	struct paraclock_sim_host_options opts = {
		.size = sizeof(opts),
		.clock_ahead_ns = -7 * MS,
		.clock_ppb = 1000,
	};

	(void)state;
	run(5 * SEC);
	assert_int_equal(paraclock_sim_host_new(&host, sim, &opts), 0);
	run(100 * SEC);
	assert_int_equal(true_time(TAI), START_TAI + 105 * SEC);
	assert_int_equal(true_time(UTC), START_TAI - 37 * SEC + 105 * SEC);
	assert_int_equal(true_time(MONO), 105 * SEC);
	assert_int_equal(truth(new_vm(0, 1), TAI),
			 true_time(TAI) - 7 * MS + 100 * US);
}

static void a_step_shows_at_once(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(PVCLOCK | VMCLOCK | PAIRING, 1);
	struct paraclock *wall = open_user(vm, "vmclock");
	struct paraclock *pair =
		open_in(vm, "kvm-pairing", PARACLOCK_SIM_KERNEL);
	struct paraclock *mono = open_user(vm, "kvmclock");
	uint64_t epoch = paraclock_epoch(wall);

	(void)state;
	run(SEC);
	assert_int_equal(paraclock_sim_step(host, -3 * SEC), 0);
	assert_int_equal(truth(vm, TAI), true_time(TAI) - 3 * SEC);
	assert_right(vm, wall, VMCLOCK_NS);
	assert_right(vm, pair, 1);
	/* The step does not change the VM's own time, nor its counter. */
	assert_right(vm, mono, PVCLOCK_NS);
	assert_int_equal(paraclock_disrupted(wall, epoch), 0);
	paraclock_close(mono);
	paraclock_close(pair);
	paraclock_close(wall);
}

static void a_slew_shows_at_once(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(VMCLOCK, 1);
	struct paraclock *clk = open_user(vm, "vmclock");

	(void)state;
	assert_int_equal(paraclock_sim_slew(host, 500000), 0);
	run(100 * SEC);
	assert_int_equal(truth(vm, TAI), true_time(TAI) + 50 * MS);
	assert_right(vm, clk, VMCLOCK_NS);
	assert_int_equal(paraclock_sim_slew(host, -500000), 0);
	run(100 * SEC);
	assert_near(truth(vm, TAI), true_time(TAI), 1);
	assert_right(vm, clk, VMCLOCK_NS);
	paraclock_close(clk);
}

struct status_case {
	const char *name;
	uint8_t status;
	bool valid;
};

static struct status_case statuses[] = {
	{ "status: unknown", PARACLOCK_STATUS_UNKNOWN, false },
	{ "status: initializing", PARACLOCK_STATUS_INITIALIZING, false },
	{ "status: synchronized", PARACLOCK_STATUS_SYNCHRONIZED, true },
	{ "status: freerunning", PARACLOCK_STATUS_FREERUNNING, true },
	{ "status: unreliable", PARACLOCK_STATUS_UNRELIABLE, false },
};

static void a_status_shows(void **state)
{
	const struct status_case *c = *state;
	struct paraclock_sim_vm *vm = new_vm(VMCLOCK, 1);
	struct paraclock *clk = open_user(vm, "vmclock");

	run(SEC);
	assert_int_equal(paraclock_sim_status(host, c->status), 0);
	run(SEC);
	if (c->valid)
		assert_right(vm, clk, VMCLOCK_NS);
	else
		assert_invalid(clk, PARACLOCK_REASON_STATUS);
	assert_int_equal(
		paraclock_sim_status(host, PARACLOCK_STATUS_SYNCHRONIZED), 0);
	assert_right(vm, clk, VMCLOCK_NS);
	paraclock_close(clk);
}

static void bounds_are_published_and_grow(void **state)
{
	struct paraclock_sim_host_options opts = {
		.size = sizeof(opts),
		.maxerror_ns = 5000,
		.maxerror_ppb = 1000,
		.error_flags = BOUNDED,
	};
	struct paraclock_sim_vm *vm = new_vm(VMCLOCK, 1);
	struct paraclock *clk = open_user(vm, "vmclock");
	uint64_t epoch = paraclock_epoch(clk);

	(void)state;
	assert_int_equal(read_clock(clk).clock_error_ns,
			 PARACLOCK_ERROR_UNKNOWN);
	assert_int_equal(paraclock_sim_errors(host, &opts), 0);
	assert_near((int64_t)read_clock(clk).clock_error_ns, 5000, 2);
	run(10 * SEC);
	assert_near((int64_t)read_clock(clk).clock_error_ns, 15000, 2);
	/* Renewed, it has the host's time again. */
	run(50 * SEC);
	assert_near((int64_t)read_clock(clk).clock_error_ns, 5000, 2);
	/* A clock that is left alone does not improve. */
	assert_int_equal(
		paraclock_sim_status(host, PARACLOCK_STATUS_FREERUNNING), 0);
	run(600 * SEC);
	assert_near((int64_t)read_clock(clk).clock_error_ns, 605000, 30);
	assert_int_equal(paraclock_disrupted(clk, epoch), 0);
	/*
	 * A step out of the bound: nobody may rely on the page until it is
	 * renewed.
	 */
	assert_int_equal(paraclock_sim_step(host, SEC), 0);
	assert_int_equal(paraclock_disrupted(clk, epoch), 1);
	assert_right(vm, clk, VMCLOCK_NS);
	paraclock_close(clk);
}

struct terms {
	const char *name;
	uint32_t flags;
	uint64_t bound_ns;
	const char *says;
};

static struct terms terms[] = {
	/* clang-format off */
	{ "no error term, no bound", 0, PARACLOCK_ERROR_UNKNOWN,
	  "the page does not say how far it may be off;" },
	{ "an error that does not say how it grows is no bound",
	  PARACLOCK_TIMELINE_MAXERROR, PARACLOCK_ERROR_UNKNOWN,
	  "how its error grows (counter_period_maxerror_rate_frac_sec" },
	{ "a growth of an unknown error is no bound",
	  PARACLOCK_TIMELINE_MAXERROR_RATE, PARACLOCK_ERROR_UNKNOWN,
	  "how large its error is at the reference time (time_maxerror" },
	{ "both terms are a bound", BOUNDED, 5000, "fit for correlation" },
	/* clang-format on */
};

static void a_bound_needs_both_terms(void **state)
{
	const struct terms *t = *state;
	struct paraclock_sim_host_options opts = {
		.size = sizeof(opts),
		.maxerror_ns = 5000,
		.error_flags = t->flags,
	};
	struct paraclock_sim_vm *vm = new_vm(VMCLOCK, 1);
	struct paraclock *clk = open_user(vm, "vmclock");
	struct paraclock_sample sample;
	char text[256];

	assert_int_equal(paraclock_sim_errors(host, &opts), 0);
	sample = read_clock(clk);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(sample.clock_error_ns, t->bound_ns);
	assert_int_equal(paraclock_explain(clk, 0, &sample, text, sizeof(text)),
			 0);
	assert_non_null(strstr(text, t->says));
	assert_int_equal(strstr(text, "both terms") == NULL,
			 t->flags == BOUNDED);
	paraclock_close(clk);
}

static void a_promise_that_cannot_be_kept_is_dropped(void **state)
{
	struct paraclock_sim_vm_options opts = {
		.size = sizeof(opts),
		.parts = VMCLOCK,
		.timeline_flags = PARACLOCK_TIMELINE_MONOTONIC,
	};
	struct paraclock_sim_vm *vm = new_vm_of(&opts);
	struct paraclock *clk = open_user(vm, "vmclock");
	struct paraclock_sample sample;

	(void)state;
	run(SEC);
	assert_true(read_clock(clk).flags & PARACLOCK_FLAG_MONOTONIC);
	assert_int_equal(paraclock_sim_step(host, -SEC), 0);
	sample = read_clock(clk);
	assert_false(sample.flags & PARACLOCK_FLAG_MONOTONIC);
	assert_near(error_of(vm, &sample), 0, VMCLOCK_NS);
	run(60 * SEC);
	assert_true(read_clock(clk).flags & PARACLOCK_FLAG_MONOTONIC);
	assert_right(vm, clk, VMCLOCK_NS);
	paraclock_close(clk);
}

/* ns from the world's start to that of February 2026. */
#define MONTH_END (1769904000 * SEC - (1768478400 * SEC))

static struct paraclock_sim_vm *new_utc_vm(void)
{
	struct paraclock_sim_vm_options opts = {
		.size = sizeof(opts),
		.parts = VMCLOCK,
		.vmclock_timescale = UTC,
	};

	return new_vm_of(&opts);
}

struct leap_case {
	const char *name;
	uint8_t leap;
	uint8_t during, after; /* within a second of it, and then */
	int16_t offset;
};

static struct leap_case leaps[] = {
	{ "a leap second is inserted", PARACLOCK_LEAP_PRE_POS,
	  PARACLOCK_LEAP_POS, PARACLOCK_LEAP_POST_POS, 38 },
	{ "a leap second is removed", PARACLOCK_LEAP_PRE_NEG,
	  PARACLOCK_LEAP_POST_NEG, PARACLOCK_LEAP_POST_NEG, 36 },
	{ "no leap second", PARACLOCK_LEAP_NONE, PARACLOCK_LEAP_NONE,
	  PARACLOCK_LEAP_NONE, 37 },
};

static void a_leap_second_shows(void **state)
{
	const struct leap_case *c = *state;
	struct paraclock_sim_vm *vm = new_utc_vm();
	struct paraclock *clk = open_user(vm, "vmclock");
	struct paraclock_sample sample;
	bool removed = c->leap == PARACLOCK_LEAP_PRE_NEG;

	assert_int_equal(paraclock_sim_leap(host, c->leap), 0);
	run(MONTH_END - 10 * SEC);
	for (unsigned int i = 0; i < 100; i++) {
		run(SEC / 5);
		assert_right(vm, clk, VMCLOCK_NS);
	}
	paraclock_close(clk);

	/* And once more in a world of its own, for the two instants. */
	free_world(NULL);
	make_world(NULL);
	vm = new_utc_vm();
	clk = open_user(vm, "vmclock");
	assert_int_equal(paraclock_sim_leap(host, c->leap), 0);
	assert_int_equal(read_clock(clk).leap, c->leap);
	run((uint64_t)(MONTH_END + SEC / 2 - (removed ? SEC : 0)));
	sample = read_clock(clk);
	assert_near(error_of(vm, &sample), 0, VMCLOCK_NS);
	assert_int_equal(sample.leap, c->during);
	assert_int_equal(sample.tai_offset_sec, c->offset);
	run(SEC);
	sample = read_clock(clk);
	assert_near(error_of(vm, &sample), 0, VMCLOCK_NS);
	assert_int_equal(sample.leap, c->after);
	assert_int_equal(sample.tai_offset_sec, c->offset);
	paraclock_close(clk);
}

static void an_act_within_a_leap_second(void **state)
{
	struct paraclock_sim_vm *vm = new_utc_vm();
	struct paraclock *clk = open_user(vm, "vmclock");

	(void)state;
	assert_int_equal(paraclock_sim_leap(host, PARACLOCK_LEAP_PRE_POS), 0);
	run(MONTH_END + SEC / 4);
	assert_int_equal(paraclock_sim_slew(host, 10), 0);
	assert_right(vm, clk, VMCLOCK_NS);
	run(SEC / 2);
	assert_right(vm, clk, VMCLOCK_NS);
	run(SEC);
	assert_right(vm, clk, VMCLOCK_NS);
	paraclock_close(clk);
}

static void tai_is_what_the_host_believes(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(VMCLOCK, 1);
	struct paraclock *clk = open_user(vm, "vmclock");
	int64_t utc = truth(vm, UTC);

	(void)state;
	assert_int_equal(read_clock(clk).tai_offset_sec, 37);
	assert_int_equal(paraclock_sim_tai(host, 36), 0);
	assert_int_equal(truth(vm, UTC), utc);
	assert_int_equal(truth(vm, TAI), utc + 36 * SEC);
	assert_int_equal(read_clock(clk).tai_offset_sec, 36);
	assert_right(vm, clk, VMCLOCK_NS);
	assert_int_equal(paraclock_sim_tai(host, 0), 0);
	assert_false(read_clock(clk).flags & PARACLOCK_FLAG_TAI_OFFSET);
	assert_int_equal(truth(vm, TAI), utc + 36 * SEC);
	paraclock_close(clk);
}

static void without_a_tsc_there_is_no_pair(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(PVCLOCK | PAIRING, 1);
	struct paraclock *pair =
		open_in(vm, "kvm-pairing", PARACLOCK_SIM_KERNEL);
	struct paraclock *mono = open_user(vm, "kvmclock");
	struct paraclock_sample sample;

	(void)state;
	assert_int_equal(paraclock_sim_clocksource(host, 0), 0);
	assert_int_equal(paraclock_read(pair, &sample), -EOPNOTSUPP);
	assert_invalid(mono, PARACLOCK_REASON_UNSTABLE);
	assert_int_equal(paraclock_sim_clocksource(host, 1), 0);
	assert_right(vm, pair, 1);
	assert_right(vm, mono, PVCLOCK_NS);
	paraclock_close(mono);
	paraclock_close(pair);
}

static void an_unstable_tsc_is_noticed(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(PVCLOCK | VMCLOCK, 1);
	struct paraclock *mono = open_user(vm, "kvmclock");
	struct paraclock *wall = open_user(vm, "vmclock");
	uint64_t before;

	(void)state;
	run(SEC);
	before = paraclock_sim_counter(vm, 0);
	assert_int_equal(paraclock_sim_tsc(host, 2500000000, 0, 777, 1), 0);
	assert_int_equal(paraclock_sim_counter(vm, 0), before + 777);
	assert_invalid(mono, PARACLOCK_REASON_UNSTABLE);
	assert_near(read_clock(mono).host_ns, truth(vm, MONO), PVCLOCK_NS);
	assert_right(vm, wall, VMCLOCK_NS);
	run(SEC);
	assert_int_equal(paraclock_sim_counter(vm, 0),
			 before + 777 + 2500000000);
	assert_right(vm, wall, VMCLOCK_NS);
	paraclock_close(wall);
	paraclock_close(mono);
}

static void an_unstable_tsc_is_not_noticed(void **state)
{
	struct paraclock_sim_vm *vm = new_vm(PVCLOCK, 1);
	struct paraclock *clk = open_user(vm, "kvmclock");
	struct paraclock_sample sample;

	(void)state;
	run(SEC);
	assert_int_equal(paraclock_sim_tsc(host, 0, 0, 2600000, 0), 0);
	sample = read_clock(clk);
	/* A ms of ticks too many, and nobody knows. */
	assert_near(error_of(vm, &sample), MS, PVCLOCK_NS);
	assert_int_equal(truth(vm, MONO), SEC);
	paraclock_close(clk);
}

static void bad_values_are_refused(void **state)
{
	struct paraclock_sim_host_options bad = { .size = sizeof(bad) };
	struct paraclock_sim_host *none = NULL;

	(void)state;
	assert_int_equal(paraclock_sim_step(NULL, 1), -EINVAL);
	assert_int_equal(paraclock_sim_step(host, INT64_MIN), -ERANGE);
	assert_int_equal(paraclock_sim_step(host, INT64_MAX), -ERANGE);
	assert_int_equal(paraclock_sim_slew(host, 100000001), -EINVAL);
	assert_int_equal(paraclock_sim_slew(host, -100000001), -EINVAL);
	assert_int_equal(paraclock_sim_status(host, 5), -EINVAL);
	assert_int_equal(paraclock_sim_leap(host, PARACLOCK_LEAP_POS), -EINVAL);
	assert_int_equal(paraclock_sim_leap(host, 6), -EINVAL);
	assert_int_equal(paraclock_sim_tai(host, -1), -EINVAL);
	assert_int_equal(paraclock_sim_tai(host, 101), -EINVAL);
	assert_int_equal(paraclock_sim_errors(host, NULL), -EINVAL);
	assert_int_equal(paraclock_sim_clocksource(NULL, 1), -EINVAL);
	assert_int_equal(paraclock_sim_tsc(host, 1000, 0, 0, 1), -EINVAL);
	bad.error_flags = PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(paraclock_sim_errors(host, &bad), -EINVAL);
	assert_int_equal(paraclock_sim_host_new(&none, sim, &bad), -EINVAL);
	bad.error_flags = 0;
	bad.size--;
	assert_int_equal(paraclock_sim_host_new(&none, sim, &bad), -EINVAL);
	bad.size++;
	bad.clock_ahead_ns = INT64_MIN;
	assert_int_equal(paraclock_sim_host_new(&none, sim, &bad), -EINVAL);
	assert_null(none);
	assert_int_equal(truth(new_vm(0, 1), TAI), true_time(TAI));
}

int main(void)
{
	each_test(make_world, free_world);
	add_test("a host may be wrong about time", a_host_may_be_wrong);
	add_test("a step shows at once", a_step_shows_at_once);
	add_test("a slew shows at once", a_slew_shows_at_once);
	ADD_ROWS(statuses, a_status_shows);
	add_test("bounds are published, and grow",
		 bounds_are_published_and_grow);
	ADD_ROWS(terms, a_bound_needs_both_terms);
	add_test("a promise that cannot be kept is dropped",
		 a_promise_that_cannot_be_kept_is_dropped);
	ADD_ROWS(leaps, a_leap_second_shows);
	add_test("an act within a leap second", an_act_within_a_leap_second);
	add_test("TAI is what the host believes",
		 tai_is_what_the_host_believes);
	add_test("without a TSC there is no pair",
		 without_a_tsc_there_is_no_pair);
	add_test("an unstable TSC is noticed", an_unstable_tsc_is_noticed);
	add_test("an unstable TSC is not noticed",
		 an_unstable_tsc_is_not_noticed);
	add_test("bad values are refused", bad_values_are_refused);
	return run_suite(NULL, NULL);
}
