// SPDX-License-Identifier: MIT
/* Relays with a timekeeper below, and with one above. */

#include <paraclock/relay.h>
#include <paraclock/timekeeper.h>

#include "relay_of_three.h"

#define SEC_TICKS 2500000000U

static struct writer_kind *const pvclock = &kinds[0];
static struct writer_kind *const hyperv = &kinds[1];

static void all_frozen(void)
{
	for (size_t i = 0; i < relay.n_targets; i++) {
		assert_int_equal(targets[i].state, PARACLOCK_TARGET_FROZEN);
		assert_frozen(&below[i],
			      counter_below(&targets[i], above.fake.counter));
	}
}

static void a_timekeeper_below(void **state)
{
	static struct paraclock_timekeeper tk;
	struct paraclock_target *target = &targets[0];
	struct paraclock_sample sample, up;

	(void)state;
	start(hyperv, SEC_TICKS, 1ULL << 45);
	memset(&tk, 0, sizeof(tk));
	memset(target, 0, sizeof(*target));
	target->size = sizeof(*target);
	target->timekeeper = &tk;
	target->flags = PARACLOCK_TARGET_MONOTONIC;
	relay.n_targets = 1;
	relay.lease_ns = 2000000000;
	assert_int_equal(
		paraclock_timekeeper_acquire(&tk, &above.fake.env, NULL), 0);
	for (unsigned int i = 0; i < 5; i++) {
		assert_int_equal(update(), 0);
		above.fake.counter += SEC_TICKS;
		above.fake.counter_step = 0;
		assert_int_equal(paraclock_read(above.clk, &up), 0);
		assert_int_equal(paraclock_timekeeper_read(&tk, &above.fake.env,
							   &sample),
				 0);
		assert_int_equal(sample.valid, 1);
		assert_in_range(sample.host_ns, up.host_ns - 1, up.host_ns);
		/* The first write ended its freeze. */
		assert_int_equal(sample.epoch, 2);
		above.fake.counter_step = 10;
	}
	/* The relay has died. */
	above.fake.counter += 2ULL * SEC_TICKS;
	assert_int_equal(paraclock_timekeeper_read(&tk, &above.fake.env,
						   &sample),
			 -EAGAIN);
	assert_int_equal(update(), 0);
	assert_int_equal(paraclock_relay_freeze(&relay), 0);
	assert_int_equal(paraclock_timekeeper_read(&tk, &above.fake.env,
						   &sample),
			 -EAGAIN);
	assert_int_equal(paraclock_relay_resume(&relay), 0);
	assert_int_equal(
		paraclock_timekeeper_read(&tk, &above.fake.env, &sample), 0);
	assert_int_equal(sample.epoch, 3);
	above_end(&above);
}

static void a_timekeeper_above(void **state)
{
	static struct paraclock_timekeeper tk;
	struct paraclock_timeline conv;
	struct paraclock_sample sample;
	struct paraclock *clk;

	(void)state;
	start(pvclock, SEC_TICKS, 1ULL << 45);
	memset(&tk, 0, sizeof(tk));
	assert_int_equal(
		paraclock_timekeeper_acquire(&tk, &above.fake.env, NULL), 0);
	conv = above.conv;
	conv.base_sec = 5000;
	conv.t_end = conv.base_tsc + 1000ULL * SEC_TICKS;
	assert_int_equal(
		paraclock_timekeeper_set(&tk, &above.fake.env, &conv, 0), 0);
	above.fake.counter += SEC_TICKS;
	assert_int_equal(paraclock_timekeeper_open(&clk, &tk, &above.fake.env),
			 0);
	relay.clk = clk;
	/* It gives single samples only. */
	assert_int_equal(update(), -EOPNOTSUPP);
	relay.timekeeper = &tk;
	assert_int_equal(update(), 0);
	for (size_t i = 0; i < 3; i++) {
		assert_running(&below[i]);
		assert_int_equal(below_sample(&below[i],
					      conv.base_tsc + 10ULL * SEC_TICKS,
					      &sample),
				 0);
		assert_int_equal(sample.valid, 1);
		assert_in_range(sample.host_ns, 5009999999949, 5010000000050);
	}
	assert_int_equal(paraclock_timekeeper_freeze(&tk, &above.fake.env), 0);
	assert_int_equal(update(), -EAGAIN);
	all_frozen();
	conv.base_sec = 6000;
	assert_int_equal(paraclock_timekeeper_reconfigure(&tk, &above.fake.env,
							  &conv),
			 0);
	assert_int_equal(paraclock_timekeeper_unfreeze(&tk, &above.fake.env),
			 0);
	assert_int_equal(update(), 0);
	assert_int_equal(targets[2].marker, 2);
	assert_int_equal(below_sample(&below[2],
				      conv.base_tsc + 10ULL * SEC_TICKS,
				      &sample),
			 0);
	assert_in_range(sample.host_ns, 6009999999999, 6010000000000);
	paraclock_close(clk);
	above_end(&above);
}

/* --- a change above that is still to come --------------------------------- */

static struct paraclock_timekeeper changing;
static struct paraclock *changing_clk;

/*
 * The timekeeper above is at 5001 s, within 4000 ns. In us microseconds it
 * changes: by so many ns, to a rate that is a tenth less, within 10 ns. The
 * vmclock below is written.
 */
static uint64_t below_one_that_changes(uint64_t us, int64_t by_ns)
{
	const struct paraclock_env *env = &above.fake.env;
	struct paraclock_timeline conv;
	uint64_t at;

	start(pvclock, SEC_TICKS, 1ULL << 45);
	above.fake.counter_step = 0;
	memset(&changing, 0, sizeof(changing));
	assert_int_equal(paraclock_timekeeper_acquire(&changing, env, NULL), 0);
	conv = above.conv;
	conv.base_sec = 5000;
	conv.t_end = conv.base_tsc + 1000ULL * SEC_TICKS;
	conv.maxerror_ns = 4000;
	conv.flags |=
		PARACLOCK_TIMELINE_MAXERROR | PARACLOCK_TIMELINE_MAXERROR_RATE;
	assert_int_equal(paraclock_timekeeper_set(&changing, env, &conv, 0), 0);
	above.fake.counter = conv.base_tsc + SEC_TICKS;
	at = above.fake.counter + us * (SEC_TICKS / 1000000);
	assert_int_equal(paraclock_timeline_rebase(&conv, at), 0);
	add_ns(&conv, by_ns);
	conv.maxerror_ns = 10;
	conv.period_frac -= conv.period_frac / 10;
	assert_int_equal(paraclock_timekeeper_set(&changing, env, &conv, at),
			 0);
	assert_int_equal(
		paraclock_timekeeper_open(&changing_clk, &changing, env), 0);
	relay.clk = changing_clk;
	relay.timekeeper = &changing;
	relay.targets = &targets[2];
	relay.n_targets = 1;
	assert_int_equal(update(), 0);
	return at;
}

static void end_of_change(void)
{
	paraclock_close(changing_clk);
	above_end(&above);
}

/* The time below, ns, and its bound. */
static void assert_below(uint64_t counter, int64_t ns, uint64_t error_ns)
{
	struct paraclock_sample sample;

	assert_int_equal(below_sample(&below[2], counter, &sample), 0);
	assert_int_equal(sample.valid, 1);
	assert_in_range(sample.host_ns, ns - 1, ns + 1);
	assert_in_range(sample.clock_error_ns, error_ns, error_ns + 4);
}

/*
 * The change counts as made: it is a us ahead of the time shown now, which is
 * within 4000 ns until then.
 */
static void a_coming_change_is_within_the_bound(void **state)
{
	(void)state;
	(void)below_one_that_changes(10, 0);
	assert_below(above.fake.counter, 5001000001000, 5000);
	end_of_change();
}

/* Now it is 26 us behind, and 30 us when the change comes. */
static void timelines_that_part_are_within_the_bound(void **state)
{
	uint64_t at;

	(void)state;
	at = below_one_that_changes(40, -30000);
	assert_below(above.fake.counter, 5000999974000, 34000);
	/* Above, it is 5001000040000 within 4000 until then. */
	assert_below(at - 1, 5001000010000, 34000);
	end_of_change();
}

/*
 * The change is a second away, so the old timeline goes on below until the next
 * call. It is 300 us behind the new one then, and a tenth of each second ahead
 * of that later; the bound covers both from the beginning.
 */
static void a_later_change_is_within_the_bound(void **state)
{
	uint64_t at;

	(void)state;
	at = below_one_that_changes(1000000, 300000);
	assert_below(above.fake.counter, 5001000000000, 300010);
	assert_below(at, 5002000000000, 100300010);
	/* Above, it is 5003800300000 within 10. */
	assert_below(at + 2ULL * SEC_TICKS, 5004000000000, 300300010);
	end_of_change();
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{ .name = "a timekeeper below has a lease",
		  .test_func = a_timekeeper_below },
		{ .name = "a timekeeper above is handed on",
		  .test_func = a_timekeeper_above },
		{ .name = "a coming change is within its bound",
		  .test_func = a_coming_change_is_within_the_bound },
		{ .name = "timelines that part until the change are within it",
		  .test_func = timelines_that_part_are_within_the_bound },
		{ .name = "a later change is within the bound, too",
		  .test_func = a_later_change_is_within_the_bound },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
