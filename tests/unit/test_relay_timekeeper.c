// SPDX-License-Identifier: MIT
/* Relays with a timekeeper below, and with one above. */

#include "relays.h"

#define SEC_TICKS 2500000000U

static struct above above;
static struct below below[3];
static struct paraclock_outlet outlets[3];
static struct paraclock_relay relay;

static struct writer_kind *const pvclock = &kinds[0];
static struct writer_kind *const hyperv = &kinds[1];

/* A page of each kind below; vmclock says MONOTONIC like the others. */
static void start(const struct writer_kind *kind, uint64_t hz, uint64_t tsc)
{
	above_start(&above, kind, hz, tsc, 1000);
	for (size_t i = 0; i < 3; i++)
		below_init(&below[i], &outlets[i], &kinds[i], &above.fake.env);
	relay = relay_of(&above, outlets, 3);
}

static int update(void)
{
	return paraclock_relay_update(&relay);
}

static void all_frozen(void)
{
	for (size_t i = 0; i < relay.n_outlets; i++) {
		assert_int_equal(outlets[i].state, PARACLOCK_OUTLET_FROZEN);
		assert_frozen(&below[i],
			      counter_below(&outlets[i], above.fake.counter));
	}
}

static void a_timekeeper_below(void **state)
{
	static struct paraclock_timekeeper tk;
	struct paraclock_outlet *outlet = &outlets[0];
	struct paraclock_sample sample, up;

	(void)state;
	start(hyperv, SEC_TICKS, 1ULL << 45);
	memset(&tk, 0, sizeof(tk));
	memset(outlet, 0, sizeof(*outlet));
	outlet->size = sizeof(*outlet);
	outlet->timekeeper = &tk;
	outlet->flags = PARACLOCK_OUTLET_MONOTONIC;
	relay.n_outlets = 1;
	relay.lease_ns = 2000000000;
	assert_int_equal(paraclock_timekeeper_take(&tk, &above.fake.env, NULL),
			 0);
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
		/* The first write made it go on after a freeze. */
		assert_int_equal(sample.disruption, 2);
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
	assert_int_equal(sample.disruption, 3);
	above_end(&above);
}

static void a_timekeeper_above(void **state)
{
	static struct paraclock_timekeeper tk;
	struct paraclock_timeline line;
	struct paraclock_sample sample;
	struct paraclock *clk;

	(void)state;
	start(pvclock, SEC_TICKS, 1ULL << 45);
	memset(&tk, 0, sizeof(tk));
	assert_int_equal(paraclock_timekeeper_take(&tk, &above.fake.env, NULL),
			 0);
	line = above.line;
	line.base_sec = 5000;
	line.t_end = line.base_tsc + 1000ULL * SEC_TICKS;
	assert_int_equal(
		paraclock_timekeeper_set(&tk, &above.fake.env, &line, 0), 0);
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
					      line.base_tsc + 10ULL * SEC_TICKS,
					      &sample),
				 0);
		assert_int_equal(sample.valid, 1);
		assert_in_range(sample.host_ns, 5009999999949, 5010000000050);
	}
	assert_int_equal(paraclock_timekeeper_freeze(&tk, &above.fake.env), 0);
	assert_int_equal(update(), -EAGAIN);
	all_frozen();
	line.base_sec = 6000;
	assert_int_equal(paraclock_timekeeper_reconfigure(&tk, &above.fake.env,
							  &line),
			 0);
	assert_int_equal(paraclock_timekeeper_unfreeze(&tk, &above.fake.env),
			 0);
	assert_int_equal(update(), 0);
	assert_int_equal(outlets[2].disruption, 2);
	assert_int_equal(below_sample(&below[2],
				      line.base_tsc + 10ULL * SEC_TICKS,
				      &sample),
			 0);
	assert_in_range(sample.host_ns, 6009999999999, 6010000000000);
	paraclock_close(clk);
	above_end(&above);
}

/*
 * A change that is 10 us away, to a rate that is a tenth less: taken as come, it
 * is a us ahead of what is shown now, and what is shown is within 4000 ns then.
 */
static void what_is_to_come_is_within_its_bound(void **state)
{
	static struct paraclock_timekeeper tk;
	const struct paraclock_env *env = &above.fake.env;
	struct paraclock_timeline line;
	struct paraclock_sample sample;
	struct paraclock *clk;
	uint64_t at;

	(void)state;
	start(pvclock, SEC_TICKS, 1ULL << 45);
	above.fake.counter_step = 0;
	memset(&tk, 0, sizeof(tk));
	assert_int_equal(paraclock_timekeeper_take(&tk, env, NULL), 0);
	line = above.line;
	line.base_sec = 5000;
	line.t_end = line.base_tsc + 1000ULL * SEC_TICKS;
	line.maxerror_ns = 4000;
	line.flags |=
		PARACLOCK_TIMELINE_MAXERROR | PARACLOCK_TIMELINE_MAXERROR_RATE;
	assert_int_equal(paraclock_timekeeper_set(&tk, env, &line, 0), 0);
	above.fake.counter = line.base_tsc + SEC_TICKS;
	at = above.fake.counter + SEC_TICKS / 100000;
	assert_int_equal(paraclock_timeline_rebase(&line, at), 0);
	line.maxerror_ns = 10;
	line.period_frac -= line.period_frac / 10;
	assert_int_equal(paraclock_timekeeper_set(&tk, env, &line, at), 0);
	assert_int_equal(paraclock_timekeeper_open(&clk, &tk, env), 0);
	relay.clk = clk;
	relay.timekeeper = &tk;
	relay.outlets = &outlets[2];
	relay.n_outlets = 1;
	assert_int_equal(update(), 0);
	assert_int_equal(below_sample(&below[2], above.fake.counter, &sample),
			 0);
	assert_int_equal(sample.valid, 1);
	assert_in_range(sample.host_ns, 5001000000999, 5001000001001);
	assert_in_range(sample.clock_error_ns, 5000, 5003);
	paraclock_close(clk);
	above_end(&above);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		{ .name = "a timekeeper below has a lease",
		  .test_func = a_timekeeper_below },
		{ .name = "a timekeeper above is handed on",
		  .test_func = a_timekeeper_above },
		{ .name = "what is to come is within its bound",
		  .test_func = what_is_to_come_is_within_its_bound },
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
