// SPDX-License-Identifier: MIT
/* The second opinion: clocks that run as RAW does, and clocks that do not. */

#include "checks.h"

static void the_first_call_has_nothing_to_compare(void **state)
{
	(void)state;
	assert_int_equal(paraclock_check(clk, &check), 0);
	assert_int_equal(check.compared, 0);
	assert_int_equal(check.interval_ns, 0);
}

static void a_clock_that_runs_as_raw_does_agrees(void **state)
{
	(void)state;
	assert_int_equal(paraclock_check(clk, &check), 0);
	for (unsigned int i = 0; i < 100; i++) {
		assert_int_equal(check_later(), 0);
		assert_int_equal(check.compared, PARACLOCK_CHECK_RATE);
		assert_int_equal(check.contradicted, 0);
		assert_in_range(check.interval_ns, 10 * SEC, 10 * SEC + 9999);
		assert_in_range(check.rate_ppb + 10, 0, 20);
		assert_in_range(check.error_ns, 1, 500);
	}
	assert_int_equal(reason_now(), 0);
}

struct rate_case {
	const char *name;
	int64_t ppb;
	uint64_t max_rate_ppb;
	int contradicted;
};

static struct rate_case rates[] = {
	/* clang-format off */
	{ "a rate that NTP can reach agrees", 500000, 0, 0 },
	{ "a rate just below the bound agrees", 999000, 0, 0 },
	{ "a rate just above the bound contradicts", 1001000, 0, 1 },
	{ "a slow one just below it agrees", -999000, 0, 0 },
	{ "a slow one just above it contradicts", -1001000, 0, 1 },
	{ "a bound of the caller's is kept", 60000, 50000, 1 },
	{ "a rate below the caller's bound agrees", 40000, 50000, 0 },
	{ "the page of another host's frequency does not agree",
	  83333333, 0, 1 },
	{ "a clock that stands still does not agree", -1000000000, 0, 1 },
	/* clang-format on */
};

static void check_rate(void **state)
{
	const struct rate_case *c = *state;

	setup(NULL);
	one.ppb = c->ppb;
	check.max_rate_ppb = c->max_rate_ppb;
	assert_int_equal(paraclock_check(clk, &check), 0);
	assert_int_equal(check_later(), c->contradicted);
	assert_int_equal(check.contradicted,
			 c->contradicted ? PARACLOCK_CHECK_RATE : 0);
	assert_in_range(check.rate_ppb - c->ppb + 100, 0, 200);
	assert_int_equal(check.max_rate_ppb, c->max_rate_ppb);
	assert_int_equal(reason_now(), c->contradicted
					       ? PARACLOCK_REASON_IMPLAUSIBLE
					       : PARACLOCK_REASON_OK);
	assert_int_equal(teardown(NULL), 0);
}

static void a_step_is_a_contradiction(void **state)
{
	(void)state;
	assert_int_equal(paraclock_check(clk, &check), 0);
	one.offset_ns += 20000000;
	assert_int_equal(check_later(), 1);
	assert_int_equal(reason_now(), PARACLOCK_REASON_IMPLAUSIBLE);
	/* Until it is cleared, whatever the clocks do now. */
	assert_int_equal(check_later(), 1);
	assert_int_equal(check_later(), 1);
	assert_int_equal(reason_now(), PARACLOCK_REASON_IMPLAUSIBLE);
	assert_int_equal(paraclock_check_clear(clk), 0);
	assert_int_equal(reason_now(), 0);
	assert_int_equal(check_later(), 0);
	assert_int_equal(check_later(), 0);
	assert_int_equal(check.compared, PARACLOCK_CHECK_RATE);
}

static void another_reason_comes_first(void **state)
{
	(void)state;
	assert_int_equal(paraclock_check(clk, &check), 0);
	one.offset_ns += 20000000;
	assert_int_equal(check_later(), 1);
	one.invalid = PARACLOCK_REASON_STATUS;
	assert_int_equal(reason_now(), PARACLOCK_REASON_STATUS);
}

static void a_leap_second_is_no_contradiction(void **state)
{
	(void)state;
	assert_int_equal(paraclock_check(clk, &check), 0);
	one.offset_ns -= SEC;
	assert_int_equal(check_later(), 0);
	one.offset_ns += SEC;
	assert_int_equal(check_later(), 0);
	one.offset_ns += 2 * SEC;
	assert_int_equal(check_later(), 1);
}

/* A clock that gives its TAI offset has no excuse. */
static void with_a_tai_offset_a_leap_second_is_seen_through(void **state)
{
	(void)state;
	one.tai_offset_sec = 37;
	assert_int_equal(paraclock_check(clk, &check), 0);
	one.offset_ns -= SEC;
	one.tai_offset_sec = 38;
	assert_int_equal(check_later(), 0);
	assert_in_range(check.rate_ppb + 10, 0, 20);
	one.offset_ns -= SEC;
	assert_int_equal(check_later(), 1);
}

static void a_disruption_begins_anew(void **state)
{
	(void)state;
	assert_int_equal(paraclock_check(clk, &check), 0);
	one.offset_ns += 20000000;
	one.marker++;
	assert_int_equal(check_later(), 0);
	assert_int_equal(check.compared, 0);
	assert_int_equal(check_later(), 0);
	assert_int_equal(check.compared, PARACLOCK_CHECK_RATE);
}

static void another_clocksource_begins_anew(void **state)
{
	(void)state;
	assert_int_equal(paraclock_check(clk, &check), 0);
	strcpy(clocks.source, "kvm-clock");
	clocks.kind = PARACLOCK_CLOCKSOURCE_IMAGE;
	assert_int_equal(paraclock_refresh(&clocks.world.env), 0);
	one.offset_ns += 20000000;
	assert_int_equal(check_later(), 0);
	assert_int_equal(check.compared, 0);
}

static void a_sample_that_is_not_valid_is_not_compared(void **state)
{
	(void)state;
	assert_int_equal(paraclock_check(clk, &check), 0);
	one.invalid = PARACLOCK_REASON_STATUS;
	assert_int_equal(check_later(), 0);
	assert_int_equal(check.compared, 0);
	one.invalid = 0;
	one.offset_ns += 20000000;
	assert_int_equal(check_later(), 0);
	assert_int_equal(check.compared, 0);
}

static void two_clocks_that_drift_apart_contradict(void **state)
{
	(void)state;
	check.other = other;
	one.ppb = 900000;
	two.ppb = -900000;
	check.max_offset_ns = 3600 * SEC;
	assert_int_equal(paraclock_check(clk, &check), 0);
	assert_int_equal(check.compared, PARACLOCK_CHECK_OTHER_OFFSET);
	assert_int_equal(check_later(), 1);
	assert_int_equal(check.compared, PARACLOCK_CHECK_RATE |
						 PARACLOCK_CHECK_OTHER_RATE |
						 PARACLOCK_CHECK_OTHER_OFFSET);
	assert_int_equal(check.contradicted, PARACLOCK_CHECK_OTHER_RATE);
	assert_in_range(check.other_rate_ppb - 1800000 + 100, 0, 200);
}

struct offset_case {
	const char *name;
	uint8_t one_scale, two_scale;
	int16_t one_tai, two_tai;
	int64_t offset_ns;
	uint64_t one_error_ns;
	uint64_t max_offset_ns;
	int compared, contradicted;
};

static struct offset_case offsets[] = {
	/* clang-format off */
	{ "half a second may be a smear", PARACLOCK_TIMESCALE_UTC,
	  PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED, 0, 0, 500000000,
	  PARACLOCK_ERROR_UNKNOWN, 0, 1, 0 },
	{ "two seconds ahead are a contradiction", PARACLOCK_TIMESCALE_UTC,
	  PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED, 0, 0, 2000000000,
	  PARACLOCK_ERROR_UNKNOWN, 0, 1, 1 },
	{ "two seconds back are a contradiction", PARACLOCK_TIMESCALE_UTC,
	  PARACLOCK_TIMESCALE_UTC, 0, 0, -2000000000,
	  PARACLOCK_ERROR_UNKNOWN, 0, 1, 1 },
	{ "the host's own bound is allowed for", PARACLOCK_TIMESCALE_UTC,
	  PARACLOCK_TIMESCALE_UTC, 0, 0, 2000000000, 1500000000, 0, 1, 0 },
	{ "the caller's bound is kept to", PARACLOCK_TIMESCALE_UTC,
	  PARACLOCK_TIMESCALE_UTC, 0, 0, 2000000, PARACLOCK_ERROR_UNKNOWN,
	  1000000, 1, 1 },
	{ "TAI and UTC are compared where the offset is given",
	  PARACLOCK_TIMESCALE_UTC, PARACLOCK_TIMESCALE_TAI, 37, 0,
	  -37000000000, PARACLOCK_ERROR_UNKNOWN, 1000, 1, 0 },
	{ "a wrong offset makes TAI and UTC contradict",
	  PARACLOCK_TIMESCALE_UTC, PARACLOCK_TIMESCALE_TAI, 36, 0,
	  -37000000000, PARACLOCK_ERROR_UNKNOWN, 1000, 1, 1 },
	{ "TAI and UTC are not compared without the offset",
	  PARACLOCK_TIMESCALE_UTC, PARACLOCK_TIMESCALE_TAI, 0, 0,
	  -37000000000, PARACLOCK_ERROR_UNKNOWN, 1000, 0, 0 },
	{ "two monotonic clocks have no common start",
	  PARACLOCK_TIMESCALE_MONOTONIC, PARACLOCK_TIMESCALE_MONOTONIC, 0, 0,
	  9000000000000, PARACLOCK_ERROR_UNKNOWN, 1000, 0, 0 },
	/* clang-format on */
};

static void check_offset(void **state)
{
	const struct offset_case *c = *state;

	setup(NULL);
	check.other = other;
	check.max_offset_ns = c->max_offset_ns;
	one.timescale = c->one_scale;
	two.timescale = c->two_scale;
	one.tai_offset_sec = c->one_tai;
	two.tai_offset_sec = c->two_tai;
	one.offset_ns = c->offset_ns;
	one.clock_error_ns = c->one_error_ns;
	assert_int_equal(paraclock_check(clk, &check), c->contradicted);
	assert_int_equal(check.compared,
			 c->compared ? PARACLOCK_CHECK_OTHER_OFFSET : 0);
	assert_int_equal(check.contradicted,
			 c->contradicted ? PARACLOCK_CHECK_OTHER_OFFSET : 0);
	assert_int_equal(teardown(NULL), 0);
}

/* The page of the fake's: 1 ns a tick, until the counter's rate changes and
 * the page does not. */
static void a_stale_page_fails_closed(void **state)
{
	struct paraclock *page = fake_open(&clocks.world, "kvmclock");
	struct paraclock_sample sample;

	(void)state;
	assert_int_equal(paraclock_check(page, &check), 0);
	fake_clocks_pass(&clocks, 10 * SEC);
	assert_int_equal(paraclock_check(page, &check), 0);
	assert_int_equal(check.compared, PARACLOCK_CHECK_RATE);
	assert_int_equal(paraclock_read(page, &sample), 0);
	assert_int_equal(sample.valid, 1);
	/* Another host's counter: 1.2 ns a tick. */
	clocks.raw.base = fake_clock_at(&clocks, PARACLOCK_CLOCK_MONOTONIC_RAW,
					clocks.world.counter);
	clocks.mono.base = fake_clock_at(&clocks, PARACLOCK_CLOCK_MONOTONIC,
					 clocks.world.counter);
	clocks.origin = clocks.world.counter;
	clocks.raw.num = 12;
	clocks.raw.den = 10;
	clocks.mono.num = 12;
	clocks.mono.den = 10;
	fake_clocks_pass(&clocks, SEC);
	/*
	 * The first one after the disruption begins anew, because the counter
	 * is another.
	 */
	(void)paraclock_check(page, &check);
	fake_clocks_pass(&clocks, SEC);
	assert_int_equal(paraclock_check(page, &check), 1);
	assert_int_equal(paraclock_read(page, &sample), 0);
	assert_int_equal(sample.valid, 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_IMPLAUSIBLE);
	assert_int_equal(sample.clock_error_ns, PARACLOCK_ERROR_UNKNOWN);
	assert_int_equal(
		paraclock_read_at(page, clocks.world.counter - 1, &sample), 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_IMPLAUSIBLE);
	/* A page update does not cure it. */
	fake_set_pvclock(&clocks.world, 4, 1000, 5000);
	assert_int_equal(paraclock_read(page, &sample), 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_IMPLAUSIBLE);
	assert_int_equal(paraclock_check_clear(page), 0);
	assert_int_equal(paraclock_read(page, &sample), 0);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(sample.epoch, 1);
	paraclock_close(page);
}

static void bad_arguments_are_refused(void **state)
{
	struct paraclock_check was = check;

	(void)state;
	assert_int_equal(paraclock_check(NULL, &check), -EINVAL);
	assert_int_equal(paraclock_check(clk, NULL), -EINVAL);
	assert_int_equal(paraclock_check_clear(NULL), -EINVAL);
	check.size--;
	assert_int_equal(paraclock_check(clk, &check), -EINVAL);
	check.size++;
	check.other = clk;
	assert_int_equal(paraclock_check(clk, &check), -EINVAL);
	check.other = NULL;
	clocks.clock_error = -EOPNOTSUPP;
	assert_int_equal(paraclock_check(clk, &check), -EOPNOTSUPP);
	assert_memory_equal(&check, &was, sizeof(was));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_call_has_nothing_to_compare),
		cmocka_unit_test(a_clock_that_runs_as_raw_does_agrees),
		cmocka_unit_test(a_step_is_a_contradiction),
		cmocka_unit_test(another_reason_comes_first),
		cmocka_unit_test(a_leap_second_is_no_contradiction),
		cmocka_unit_test(
			with_a_tai_offset_a_leap_second_is_seen_through),
		cmocka_unit_test(a_disruption_begins_anew),
		cmocka_unit_test(another_clocksource_begins_anew),
		cmocka_unit_test(a_sample_that_is_not_valid_is_not_compared),
		cmocka_unit_test(two_clocks_that_drift_apart_contradict),
		cmocka_unit_test(a_stale_page_fails_closed),
		cmocka_unit_test(bad_arguments_are_refused),
	};

	each_test(setup, teardown);
	ADD_TESTS(tests);
	each_test(NULL, NULL);
	ADD_ROWS(rates, check_rate);
	ADD_ROWS(offsets, check_offset);
	return run_suite(NULL, NULL);
}
