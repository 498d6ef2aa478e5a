// SPDX-License-Identifier: MIT
/*
 * How a PTP clock's handle reacts to changes: of the clocksource, of the host,
 * of the device; and that its error is a bound, whatever the rates.
 */

#include <linux/ptp_clock.h>

#include "fake_ptp.h"

static struct fake_ptp ptp;
static struct fake_phc *phc;

static struct paraclock *open_phc(uint64_t max_pair_error_ns)
{
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "phc",
		.env = &ptp.clocks.world.env,
		.max_pair_error_ns = max_pair_error_ns,
	};
	struct paraclock *clk = NULL;

	assert_int_equal(paraclock_open(&clk, &opts), 0);
	return clk;
}

static void can_precise(void)
{
	phc->cross = 1;
	phc->precise = 0;
}

static void read_ok(struct paraclock *clk)
{
	struct paraclock_sample sample;

	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	fake_ptp_check_pair(&ptp, phc, &sample);
}

static int setup(void **state)
{
	(void)state;
	fake_ptp_init(&ptp);
	phc = fake_ptp_add(&ptp, 0, "hyperv", 0);
	return 0;
}

static void another_clocksource_is_asked_anew(void **state)
{
	struct paraclock *clk;

	(void)state;
	can_precise();
	phc->needs_image = true;
	clk = open_phc(0);
	memset(&ptp.calls, 0, sizeof(ptp.calls));
	read_ok(clk);
	assert_int_equal(ptp.calls.precise, 0);
	/* The kernel changes to kvm-clock, and RAW jumps a little with it. */
	ptp.clocks.kind = PARACLOCK_CLOCKSOURCE_IMAGE;
	strcpy(ptp.clocks.source, "kvm-clock");
	ptp.clocks.raw.base += 3000;
	read_ok(clk);
	assert_int_equal(ptp.calls.precise, 1);
	read_ok(clk);
	assert_int_equal(ptp.calls.precise, 2);
	paraclock_close(clk);
}

static void a_disruption_makes_it_ask_anew(void **state)
{
	struct fake *world = &ptp.clocks.world;
	struct paraclock *clk;

	(void)state;
	fake_set_vmclock_marker(world, 1);
	world->vmclock_error = 0;
	phc->cross = 1;
	phc->extended = 0;
	clk = open_phc(0);
	memset(&ptp.calls, 0, sizeof(ptp.calls));
	read_ok(clk);
	assert_int_equal(ptp.calls.precise, 0);
	/* The next host can do it. */
	phc->precise = 0;
	fake_set_vmclock_marker(world, 2);
	read_ok(clk);
	memset(&ptp.calls, 0, sizeof(ptp.calls));
	read_ok(clk);
	assert_int_equal(ptp.calls.precise, 1);
	assert_int_equal(ptp.calls.raw, 0);
	paraclock_close(clk);
}

static void a_caller_who_allows_more_waits_for_less(void **state)
{
	struct paraclock *clk;

	(void)state;
	phc->ticks = 26000;
	clk = open_phc(6000);
	memset(&ptp.calls, 0, sizeof(ptp.calls));
	read_ok(clk);
	assert_int_equal(ptp.calls.read, 1);
	paraclock_close(clk);
}

static void a_device_that_goes_says_so(void **state)
{
	struct paraclock_sample sample, before;
	struct paraclock *clk;

	(void)state;
	can_precise();
	clk = open_phc(0);
	read_ok(clk);
	phc->precise = -ENODEV;
	phc->extended = -ENODEV;
	phc->read = -ENODEV;
	phc->caps_error = -ENODEV;
	memset(&sample, 0xa5, sizeof(sample));
	before = sample;
	assert_int_equal(paraclock_read(clk, &sample), -ENODEV);
	assert_memory_equal(&sample, &before, sizeof(sample));
	paraclock_close(clk);
}

static void the_host_may_be_before_1970(void **state)
{
	struct paraclock_sample sample;
	struct paraclock *clk;

	(void)state;
	can_precise();
	phc->time.base = -1500000001;
	clk = open_phc(0);
	read_ok(clk);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_true(sample.host_ns < 0);
	paraclock_close(clk);
}

/* 24 MHz: 41.7 ns a tick, and 30 of them after the device was read. */
static void read_between_ticks(struct fake_ptp *p, void *answer)
{
	struct ptp_sys_offset_precise *offset = answer;

	(void)p;
	offset->device.nsec += 30;
	offset->sys_monoraw.nsec += 30;
}

static int64_t off_by(struct paraclock *clk)
{
	struct paraclock_sample sample;

	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	return sample.host_ns - fake_phc_at(&ptp, phc, sample.host_tsc);
}

static void a_slow_counter_costs_no_precision(void **state)
{
	struct fake_clocks *clocks = &ptp.clocks;
	struct paraclock *clk;
	int64_t on_tick;

	(void)state;
	clocks->world.env.counter_id = PARACLOCK_COUNTER_ARM_VCNT;
	clocks->world.counter_step = 1;
	clocks->read_ticks = 2;
	clocks->raw = (struct fake_rate){ 5000000000, 1000000, 24000 };
	clocks->mono = (struct fake_rate){ 7000000000, 1000012, 24000 };
	phc->time.den = 24000;
	phc->ticks = 100;
	can_precise();
	clk = open_phc(0);
	on_tick = off_by(clk);
	ptp.on_answer = read_between_ticks;
	assert_in_range(off_by(clk) - on_tick + 3, 0, 6);
	paraclock_close(clk);
}

/* Wherever in a bracket the device is really read, and at whatever rates. */
static void however_late_it_is_within_the_error(void **state)
{
	uint64_t seed = 1;

	(void)state;
	for (unsigned int i = 0; i < 2000; i++) {
		struct paraclock *clk;

		fake_ptp_init(&ptp);
		phc = fake_ptp_add(&ptp, 0, "hyperv", (int64_t)i * 977 - 999);
		seed = seed * 6364136223846793005U + 1442695040888963407U;
		phc->ticks = (seed >> 33) % 2500;
		phc->cross = seed >> 20 & 1;
		phc->precise = 0;
		phc->extended = seed >> 21 & 1 ? 0 : -EOPNOTSUPP;
		phc->old_kernel = seed >> 22 & 1;
		phc->time.num = 1000000 - 400 + (seed >> 23) % 800;
		ptp.clocks.mono.num = 1000000 - 400 + (seed >> 40) % 800;
		ptp.clocks.read_ticks = 20 + (seed >> 50) % 200;
		clk = open_phc(100000);
		read_ok(clk);
		fake_clocks_pass(&ptp.clocks, seed >> 30);
		read_ok(clk);
		paraclock_close(clk);
	}
}

static const struct CMUnitTest tests[] = {
	TEST("another clocksource is asked anew",
	     another_clocksource_is_asked_anew),
	TEST("a disruption makes it ask anew", a_disruption_makes_it_ask_anew),
	TEST("a caller who allows more waits for less",
	     a_caller_who_allows_more_waits_for_less),
	TEST("a device that goes says so", a_device_that_goes_says_so),
	TEST("the host may be before 1970", the_host_may_be_before_1970),
	TEST("a slow counter costs no precision",
	     a_slow_counter_costs_no_precision),
	TEST("however late, it is within the error",
	     however_late_it_is_within_the_error),
};

int main(void)
{
	each_test(setup, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
