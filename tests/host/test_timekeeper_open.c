// SPDX-License-Identifier: MIT
/* A timekeeper as a clock: reads, markers, and its explanations. */

#include <paraclock/timekeeper.h>

#include "timekeepers.h"

static struct keeper keeper;
static struct paraclock *clk;

static void set_at_5(uint32_t vmclock_error)
{
	struct paraclock_timeline tl = conv_at(NOW, 5);

	keeper_init(&keeper);
	keeper.fake.vmclock_error = -(int)vmclock_error;
	fake_set_vmclock_marker(&keeper.fake, 7);
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	keeper.fake.counter = NOW + TICKS_SEC;
	assert_int_equal(paraclock_timekeeper_open(&clk, &keeper.tk,
						   &keeper.fake.env),
			 0);
}

static void migrate(void)
{
	struct paraclock_timeline tl = conv_at(NOW, 5);

	assert_int_equal(
		paraclock_timekeeper_freeze(&keeper.tk, &keeper.fake.env), 0);
	assert_int_equal(paraclock_timekeeper_reconfigure(
				 &keeper.tk, &keeper.fake.env, &tl),
			 0);
	assert_int_equal(
		paraclock_timekeeper_unfreeze(&keeper.tk, &keeper.fake.env), 0);
}

static void is_a_clock(void **state)
{
	struct paraclock_sample s;
	struct paraclock_marker marker;
	uint64_t epoch;

	(void)state;
	set_at_5(ENODEV);
	assert_string_equal(paraclock_backend_name(clk), "timekeeper");
	assert_int_equal(paraclock_read(clk, &s), 0);
	assert_int_equal(s.valid, 1);
	assert_int_equal(s.host_ns, 6 * SEC);
	assert_int_equal(s.marker_class, PARACLOCK_MARKER_HEURISTIC);
	assert_int_equal(paraclock_read_at(clk, NOW + TICKS_SEC / 2, &s), 0);
	assert_int_equal(s.valid, 1);
	assert_int_equal(s.host_ns, 5 * SEC + SEC / 2);
	assert_int_equal(paraclock_marker(clk, &marker), 0);
	assert_int_equal(marker.value, 1);
	epoch = paraclock_epoch(clk);
	assert_int_equal(paraclock_disrupted(clk, epoch), 0);
	migrate();
	assert_int_equal(paraclock_disrupted(clk, epoch), 1);
	assert_int_equal(paraclock_read(clk, &s), 0);
	assert_int_equal(s.valid, 1);
	assert_int_equal(s.epoch, epoch + 1);
	paraclock_close(clk);
	assert_int_equal(keeper.fake.allocs, keeper.fake.frees);
}

/* Another marker shows the move before the timekeeper's writer knows of it. */
static void waits_for_its_writer(void **state)
{
	struct paraclock_sample s;

	(void)state;
	set_at_5(0);
	assert_int_equal(paraclock_read(clk, &s), 0);
	assert_int_equal(s.valid, 1);
	fake_set_vmclock_marker(&keeper.fake, 8);
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(paraclock_read(clk, &s), 0);
		assert_int_equal(s.valid, 0);
		assert_int_equal(s.reason, PARACLOCK_REASON_DISRUPTED);
	}
	migrate();
	assert_int_equal(paraclock_read(clk, &s), 0);
	assert_int_equal(s.valid, 1);
	assert_int_equal(s.host_ns, 6 * SEC);
	paraclock_close(clk);
}

/*
 * The reader sleeps through a move that the writer knows of, and is awake for
 * the next before the writer is: it cannot tell, and does not promise to,
 * whatever the vmclock's marker could.
 */
static void promises_no_more_than_its_writer(void **state)
{
	struct paraclock_sample s;

	(void)state;
	set_at_5(0);
	assert_int_equal(paraclock_read(clk, &s), 0);
	assert_int_equal(s.marker_class, PARACLOCK_MARKER_HEURISTIC);
	fake_set_vmclock_marker(&keeper.fake, 8);
	migrate();
	fake_set_vmclock_marker(&keeper.fake, 9);
	assert_int_equal(paraclock_read(clk, &s), 0);
	assert_int_equal(s.valid, 1);
	assert_int_equal(s.marker_class, PARACLOCK_MARKER_HEURISTIC);
	paraclock_close(clk);
}

static void an_explanation_names_the_fault(void **state)
{
	struct paraclock_sample s;
	char text[200];

	(void)state;
	set_at_5(ENODEV);
	keeper.fake.counter = NOW + 20 * TICKS_SEC;
	assert_int_equal(paraclock_read(clk, &s), -EAGAIN);
	assert_int_equal(
		paraclock_explain(clk, -EAGAIN, NULL, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "lease has expired"));
	keeper.fake.counter = NOW + TICKS_SEC;
	assert_int_equal(
		paraclock_timekeeper_freeze(&keeper.tk, &keeper.fake.env), 0);
	assert_int_equal(paraclock_read(clk, &s), -EAGAIN);
	assert_int_equal(
		paraclock_explain(clk, -EAGAIN, NULL, text, sizeof(text)), 0);
	assert_non_null(strstr(text, "frozen"));
	paraclock_close(clk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_a_clock),
		cmocka_unit_test(waits_for_its_writer),
		cmocka_unit_test(promises_no_more_than_its_writer),
		cmocka_unit_test(an_explanation_names_the_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
