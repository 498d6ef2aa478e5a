// SPDX-License-Identifier: MIT
/* Notice of a set clock, or of a changed clocksource. */

#include "fake_clocks.h"

static struct fake_clocks clocks;

static struct paraclock_snapshot take(void)
{
	struct paraclock_snapshot snap = { .size = sizeof(snap) };

	assert_int_equal(paraclock_snapshot(&clocks.world.env, &snap), 0);
	return snap;
}

static int setup(void **state)
{
	(void)state;
	fake_clocks_init(&clocks);
	return 0;
}

static void refresh_reads_the_name_when_asked(void **state)
{
	struct paraclock_snapshot snap = take();

	(void)state;
	assert_int_equal(paraclock_refresh(&clocks.world.env), 0);
	assert_int_equal(take().clocksource_changed_seq, 0);
	memset(clocks.source, 0, sizeof(clocks.source));
	strcpy(clocks.source, "kvm-clock");
	clocks.kind = PARACLOCK_CLOCKSOURCE_IMAGE;
	assert_int_equal(take().clocksource_changed_seq, 0);
	assert_int_equal(paraclock_refresh(&clocks.world.env), 0);
	snap = take();
	assert_int_equal(snap.clocksource_changed_seq, 1);
	assert_string_equal(snap.clocksource, "kvm-clock");
	assert_int_equal(snap.valid_for_correlation, 1);
	clocks.source_error = -ENODEV;
	assert_int_equal(paraclock_refresh(&clocks.world.env), -ENODEV);
}

static void a_watch_sees_a_set_too_small_to_measure(void **state)
{
	struct paraclock_watch *watch = NULL;

	(void)state;
	assert_int_equal(take().clock_was_set_seq, 0);
	assert_int_equal(paraclock_watch_open(&watch, &clocks.world.env), 0);
	assert_int_equal(paraclock_watch_fd(watch), 99);
	assert_int_equal(paraclock_watch_update(watch), 0);
	clocks.real_minus_mono += 1;
	assert_int_equal(take().clock_was_set_seq, 0);
	clocks.watch_answer = 1;
	assert_int_equal(paraclock_watch_update(watch), 1);
	assert_int_equal(take().clock_was_set_seq, 1);
	assert_int_equal(paraclock_watch_update(watch), 0);
	assert_int_equal(take().clock_was_set_seq, 1);

	memset(clocks.source, 0, sizeof(clocks.source));
	strcpy(clocks.source, "acpi_pm");
	clocks.kind = PARACLOCK_CLOCKSOURCE_OTHER;
	assert_int_equal(paraclock_watch_update(watch), 1);
	assert_int_equal(take().valid_for_correlation, 0);
	/* A set counts also where the name cannot be read. */
	clocks.source_error = -EACCES;
	clocks.watch_answer = 1;
	assert_int_equal(paraclock_watch_update(watch), 1);
	assert_int_equal(take().clock_was_set_seq, 2);
	clocks.watch_answer = -EOPNOTSUPP;
	assert_int_equal(paraclock_watch_update(watch), -EOPNOTSUPP);
	paraclock_watch_close(watch);
	assert_int_equal(clocks.closes, clocks.watches);
	assert_int_equal(clocks.world.allocs, clocks.world.frees);
}

static void a_set_before_the_first_snapshot_is_reported(void **state)
{
	struct paraclock_watch *watch = NULL;

	(void)state;
	assert_int_equal(paraclock_watch_open(&watch, &clocks.world.env), 0);
	clocks.watch_answer = 1;
	assert_int_equal(paraclock_watch_update(watch), 1);
	assert_int_equal(paraclock_watch_update(watch), 0);
	assert_int_equal(take().clock_was_set_seq, 0);
	paraclock_watch_close(watch);
}

static void a_set_that_a_watch_saw_is_not_lost(void **state)
{
	uint32_t *owner = (uint32_t *)(void *)&clocks.system_clocks + 1;
	struct paraclock_watch *watch = NULL;

	(void)state;
	(void)take();
	assert_int_equal(paraclock_watch_open(&watch, &clocks.world.env), 0);
	clocks.watch_answer = 1;
	*owner = clocks.world.process_id; /* another thread holds the lock */
	assert_int_equal(paraclock_watch_update(watch), -EAGAIN);
	assert_int_equal(paraclock_watch_update(watch), -EAGAIN);
	*owner = 0;
	assert_int_equal(paraclock_watch_update(watch), 1);
	assert_int_equal(paraclock_watch_update(watch), 0);
	assert_int_equal(take().clock_was_set_seq, 1);
	paraclock_watch_close(watch);
}

static void a_failed_watch_leaves_nothing(void **state)
{
	struct paraclock_watch *watch = NULL;

	(void)state;
	clocks.watch_answer = -ENOMEM;
	assert_int_equal(paraclock_watch_open(&watch, &clocks.world.env),
			 -ENOMEM);
	clocks.world.env.system_clocks = NULL;
	assert_int_equal(paraclock_watch_open(&watch, &clocks.world.env),
			 -EOPNOTSUPP);
	assert_int_equal(paraclock_refresh(&clocks.world.env), -EOPNOTSUPP);
	assert_null(watch);
	assert_int_equal(clocks.world.allocs, clocks.world.frees);
	assert_int_equal(paraclock_watch_open(NULL, &clocks.world.env),
			 -EINVAL);
	assert_int_equal(paraclock_watch_update(NULL), -EINVAL);
	assert_int_equal(paraclock_watch_fd(NULL), -EINVAL);
	paraclock_watch_close(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(refresh_reads_the_name_when_asked),
		cmocka_unit_test(a_watch_sees_a_set_too_small_to_measure),
		cmocka_unit_test(a_set_before_the_first_snapshot_is_reported),
		cmocka_unit_test(a_set_that_a_watch_saw_is_not_lost),
		cmocka_unit_test(a_failed_watch_leaves_nothing),
	};

	each_test(setup, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
