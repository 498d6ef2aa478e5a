// SPDX-License-Identifier: MIT
/* Cross timestamps on clocks that are exactly known. */

#include "correlates.h"

#define DEVICE_COUNTER PARACLOCK_COUNTER_USER

/* A failure writes nothing. */
static void check_refused(const struct paraclock_coupling *coupling, int error)
{
	struct paraclock_crosststamp xt, was;

	memset(&xt, 0x5a, sizeof(xt));
	xt.size = sizeof(xt);
	xt.brackets = 0;
	was = xt;
	assert_int_equal(correlate(coupling, &xt), error);
	assert_memory_equal(&xt, &was, sizeof(xt));
}

static void set_realtime(struct fake_clocks *c)
{
	c->real_minus_mono += 1000000000;
}

static void a_value_inside_the_window_is_interpolated(void **state)
{
	struct paraclock_crosststamp xt;

	(void)state;
	for (unsigned int i = 0; i < 1000; i++) {
		device.ns += 1000;
		xt = check_given();
		check_truth(&xt);
		assert_int_equal(xt.known, 0x1f);
		assert_int_equal(xt.realtime_valid, 1);
		assert_int_equal(xt.interpolated_from_history, 0);
		assert_int_equal(xt.tai_offset_sec, 37);
		assert_in_range(xt.uncertainty_ns, 17, 40);
		assert_int_equal(xt.clocksource_kind,
				 PARACLOCK_CLOCKSOURCE_COUNTER);
		assert_string_equal(xt.clocksource, "tsc");
		assert_int_equal(device.calls, i + 1);
		fake_clocks_pass(&clocks, 12345);
	}
}

static void a_value_later_than_now_is_refused(void **state)
{
	(void)state;
	device.counter = clocks.world.counter + 100000000;
	check_refused(NULL, -EINVAL);
	(void)remember();
	device.counter = clocks.world.counter + 100000000;
	check_refused(NULL, -EINVAL);
}

/* A bad value stays bad, whatever else happens. */
static void a_value_later_than_now_is_not_tried_again(void **state)
{
	(void)state;
	device.act = set_realtime;
	device.acts = 4;
	device.counter = clocks.world.counter + 100000000;
	check_refused(NULL, -EINVAL);
	assert_int_equal(device.calls, 1);
}

static void an_earlier_value_needs_a_history(void **state)
{
	struct paraclock_history *none = hist;
	struct paraclock_snapshot first;

	(void)state;
	device.counter = clocks.world.counter;
	fake_clocks_pass(&clocks, 1000000);
	check_refused(NULL, -EINVAL); /* an empty one */
	hist = NULL;
	check_refused(NULL, -EINVAL);
	hist = none;
	first = remember();
	device.counter = first.counter - 1;
	check_refused(NULL, -EINVAL); /* one that does not reach back */
	device.counter = first.counter;
	(void)check_given();
}

static void a_history_gives_the_clocks_before_the_window(void **state)
{
	struct paraclock_snapshot first = remember(), last = first;

	(void)state;
	for (unsigned int i = 0; i < 5; i++)
		last = remember();
	for (device.counter = first.counter;
	     device.counter < last.counter + 2000000;
	     device.counter += 777777) {
		struct paraclock_crosststamp xt = check_given();

		check_truth(&xt);
		assert_int_equal(xt.interpolated_from_history, 1);
		assert_int_equal(xt.realtime_valid, 1);
		assert_int_equal(xt.known, 0x1f);
	}
}

static void a_step_between_two_entries_voids_realtime_only(void **state)
{
	struct paraclock_snapshot before, after;
	struct paraclock_crosststamp xt;

	(void)state;
	(void)remember();
	before = remember();
	clocks.real_minus_mono += 3000000000;
	after = remember();
	(void)remember();
	device.counter = before.counter + 1000000;
	xt = check_given();
	check_truth(&xt);
	assert_int_equal(xt.realtime_valid, 0);
	assert_int_equal(xt.known, 1 << PARACLOCK_CLOCK_MONOTONIC |
					   1 << PARACLOCK_CLOCK_MONOTONIC_RAW |
					   1 << PARACLOCK_CLOCK_BOOTTIME);
	/* After it, and before it: only the time around the value counts. */
	device.counter = after.counter + 1000000;
	xt = check_given();
	check_truth(&xt);
	assert_int_equal(xt.realtime_valid, 1);
	device.counter = before.counter - 1000000;
	xt = check_given();
	assert_int_equal(xt.realtime_valid, 1);
	clocks.real_minus_mono -= 3000000000;
	check_truth(&xt);
}

static void a_step_since_the_newest_entry_voids_realtime_only(void **state)
{
	struct paraclock_snapshot newest = remember();
	struct paraclock_crosststamp xt;

	(void)state;
	clocks.real_minus_mono += 3000000000;
	device.counter = newest.counter + 1000000;
	xt = check_given();
	check_truth(&xt);
	assert_int_equal(xt.realtime_valid, 0);
	assert_int_equal(xt.clock_was_set_seq, newest.clock_was_set_seq + 1);
}

static void a_set_in_the_window_is_tried_again(void **state)
{
	struct paraclock_crosststamp xt;

	(void)state;
	(void)remember();
	device.act = set_realtime;
	for (unsigned int sets = 1; sets <= 3; sets++) {
		device.calls = 0;
		device.acts = sets;
		xt = check_given();
		check_truth(&xt);
		assert_int_equal(xt.realtime_valid, 1);
		assert_int_equal(device.calls, sets + 1);
	}
}

static void a_set_in_each_window_is_estale(void **state)
{
	(void)state;
	(void)remember();
	device.act = set_realtime;
	device.acts = 4;
	check_refused(NULL, -ESTALE);
	assert_int_equal(device.calls, 4);
}

static void jump(struct fake_clocks *c)
{
	c->world.counter += 10000000;
	c->origin += 10000000;
}

static void a_counter_that_jumps_in_the_window_is_refused(void **state)
{
	(void)state;
	(void)remember();
	device.act = jump;
	device.acts = 1;
	check_refused(NULL, -EINVAL);
	(void)check_given();
}

static void a_history_from_before_a_jump_is_refused(void **state)
{
	struct paraclock_snapshot newest;

	(void)state;
	(void)remember();
	newest = remember();
	jump(&clocks);
	device.counter = newest.counter - 1000;
	check_refused(NULL, -EINVAL);
}

static void become_hpet(struct fake_clocks *c)
{
	memset(c->source, 0, sizeof(c->source));
	strcpy(c->source, "hpet");
	c->kind = PARACLOCK_CLOCKSOURCE_OTHER;
	c->read_ticks = 4000;
}

static void a_jump_in_the_window_voids_the_history_too(void **state)
{
	struct paraclock_snapshot newest;

	(void)state;
	(void)remember();
	newest = remember();
	device.act = jump;
	device.acts = 1;
	device.counter = newest.counter - 1000;
	check_refused(NULL, -EINVAL);
}

static void a_history_needs_a_memory_of_the_clocks(void **state)
{
	struct paraclock_snapshot newest;

	(void)state;
	(void)remember();
	newest = remember();
	device.counter = newest.counter - 1000;
	clocks.world.env.system_clocks = NULL;
	check_refused(NULL, -EINVAL);
}

static void a_clocksource_of_hpet_is_enodev(void **state)
{
	struct paraclock_crosststamp xt = { .size = sizeof(xt) }, was = xt;
	struct paraclock *clk;

	(void)state;
	become_hpet(&clocks);
	check_refused(NULL, -ENODEV);
	device.counter = clocks.world.counter - 1000;
	check_refused(NULL, -ENODEV);
	assert_int_equal(device.calls, 0);
	clk = fake_open(&clocks.world, "kvmclock");
	assert_int_equal(paraclock_crosststamp(clk, hist, &xt), -ENODEV);
	assert_memory_equal(&xt, &was, sizeof(xt));
	paraclock_close(clk);
}

static void an_unknown_clocksource_is_enodev(void **state)
{
	(void)state;
	clocks.source_error = -ENODEV;
	check_refused(NULL, -ENODEV);
	clocks.world.env.clocksource = NULL;
	memset(&clocks.system_clocks, 0, sizeof(clocks.system_clocks));
	check_refused(NULL, -ENODEV);
}

static void a_change_to_hpet_in_the_window_is_enodev(void **state)
{
	(void)state;
	(void)remember();
	device.act = become_hpet;
	device.acts = 1;
	check_refused(NULL, -ENODEV);
}

static void an_image_of_the_counter_will_do(void **state)
{
	struct paraclock_crosststamp xt;

	(void)state;
	clocks.kind = PARACLOCK_CLOCKSOURCE_IMAGE;
	xt = check_given();
	check_truth(&xt);
	assert_int_equal(xt.clocksource_kind, PARACLOCK_CLOCKSOURCE_IMAGE);
}

static void another_counter_is_enodev(void **state)
{
	(void)state;
	device.counter_id = PARACLOCK_COUNTER_ARM_VCNT;
	check_refused(NULL, -ENODEV);
	device.counter_id = PARACLOCK_COUNTER_NONE;
	check_refused(NULL, -ENODEV);
	device.counter_id = DEVICE_COUNTER;
	check_refused(NULL, -ENODEV);
	clocks.world.env.counter_id = PARACLOCK_COUNTER_NONE;
	device.counter_id = PARACLOCK_COUNTER_NONE;
	check_refused(NULL, -ENODEV);
}

/* A device of 19.2 MHz: 1625/12 system ticks to one of its own. */
static struct paraclock_coupling device_coupling(void)
{
	return (struct paraclock_coupling){
		.size = sizeof(struct paraclock_coupling),
		.mult = (UINT64_C(1625) << 32) / 12,
		.shift = 32,
		.offset = clocks.world.counter - 1000000,
		.device_counter = DEVICE_COUNTER,
		.system_counter = PARACLOCK_COUNTER_X86_TSC,
		.flags = PARACLOCK_COUPLING_FIXED,
	};
}

static void a_coupled_counter_is_converted(void **state)
{
	struct paraclock_coupling coupling = device_coupling();
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };
	uint64_t want;

	(void)state;
	(void)remember();
	(void)remember();
	device.counter_id = DEVICE_COUNTER;
	device.counter = (1000000 + 2600000) * UINT64_C(12) / 1625;
	assert_int_equal(paraclock_coupling_to_system(&coupling, device.counter,
						      &want),
			 0);
	assert_int_equal(correlate(&coupling, &xt), 0);
	assert_int_equal(xt.sample.host_tsc, device.counter);
	assert_int_equal(xt.counter, want);
	check_truth(&xt);
}

static void a_coupling_that_does_not_hold_is_refused(void **state)
{
	struct paraclock_coupling coupling = device_coupling();

	(void)state;
	device.counter_id = DEVICE_COUNTER + 1;
	check_refused(&coupling, -ENODEV);
	device.counter_id = DEVICE_COUNTER;
	coupling.system_counter = PARACLOCK_COUNTER_ARM_VCNT;
	check_refused(&coupling, -ENODEV);
	coupling = device_coupling();
	coupling.flags = 0;
	check_refused(&coupling, -ENODEV);
	coupling = device_coupling();
	coupling.size--;
	check_refused(&coupling, -EINVAL);
}

static void a_sample_that_is_not_valid_has_no_clocks(void **state)
{
	struct paraclock_crosststamp xt;

	(void)state;
	device.invalid = PARACLOCK_REASON_HOST_CLOCK;
	device.counter = clocks.world.counter;
	xt = check_given();
	assert_int_equal(xt.sample.valid, 0);
	assert_int_equal(xt.sample.reason, PARACLOCK_REASON_HOST_CLOCK);
	assert_int_equal(xt.known, 0);
	assert_int_equal(xt.realtime_valid, 0);
}

static void the_devices_error_is_returned(void **state)
{
	(void)state;
	device.error = -ETIMEDOUT;
	check_refused(NULL, -ETIMEDOUT);
	device.error = -EACCES;
	check_refused(NULL, -EACCES);
	device.error = 1;
	check_refused(NULL, -EINVAL);
}

static void bad_arguments_are_refused(void **state)
{
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };
	struct paraclock_env *env = &clocks.world.env;

	(void)state;
	assert_int_equal(paraclock_correlate(env, NULL, NULL, NULL, NULL, &xt),
			 -EINVAL);
	assert_int_equal(paraclock_correlate(env, fake_device_time, &device,
					     NULL, NULL, NULL),
			 -EINVAL);
	xt.brackets = PARACLOCK_BRACKETS_MAX + 1;
	assert_int_equal(correlate(NULL, &xt), -EINVAL);
	xt.brackets = 0;
	xt.size--;
	assert_int_equal(correlate(NULL, &xt), -EINVAL);
	assert_int_equal(paraclock_crosststamp(NULL, NULL, &xt), -EINVAL);
	env->read_clock = NULL;
	xt.size++;
	assert_int_equal(correlate(NULL, &xt), -EOPNOTSUPP);
	assert_int_equal(device.calls, 0);
}

static void without_a_memory_it_works_too(void **state)
{
	struct paraclock_crosststamp xt;

	(void)state;
	clocks.world.env.system_clocks = NULL;
	xt = check_given();
	check_truth(&xt);
	device.act = set_realtime;
	device.acts = 4;
	device.calls = 0;
	check_refused(NULL, -ESTALE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_inside_the_window_is_interpolated),
		cmocka_unit_test(a_value_later_than_now_is_refused),
		cmocka_unit_test(a_value_later_than_now_is_not_tried_again),
		cmocka_unit_test(an_earlier_value_needs_a_history),
		cmocka_unit_test(a_history_gives_the_clocks_before_the_window),
		cmocka_unit_test(
			a_step_between_two_entries_voids_realtime_only),
		cmocka_unit_test(
			a_step_since_the_newest_entry_voids_realtime_only),
		cmocka_unit_test(a_set_in_the_window_is_tried_again),
		cmocka_unit_test(a_set_in_each_window_is_estale),
		cmocka_unit_test(a_counter_that_jumps_in_the_window_is_refused),
		cmocka_unit_test(a_history_from_before_a_jump_is_refused),
		cmocka_unit_test(a_jump_in_the_window_voids_the_history_too),
		cmocka_unit_test(a_history_needs_a_memory_of_the_clocks),
		cmocka_unit_test(a_clocksource_of_hpet_is_enodev),
		cmocka_unit_test(an_unknown_clocksource_is_enodev),
		cmocka_unit_test(a_change_to_hpet_in_the_window_is_enodev),
		cmocka_unit_test(an_image_of_the_counter_will_do),
		cmocka_unit_test(another_counter_is_enodev),
		cmocka_unit_test(a_coupled_counter_is_converted),
		cmocka_unit_test(a_coupling_that_does_not_hold_is_refused),
		cmocka_unit_test(a_sample_that_is_not_valid_has_no_clocks),
		cmocka_unit_test(the_devices_error_is_returned),
		cmocka_unit_test(bad_arguments_are_refused),
		cmocka_unit_test(without_a_memory_it_works_too),
	};

	each_test(setup, teardown);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
