// SPDX-License-Identifier: MIT
/* What a relay reads from the clock above: a whole state, of one moment. */

#include <paraclock/relay.h>
#include <paraclock/timekeeper.h>

#include "relays.h"

#define SEC_TICKS 2500000000U
/* A month of UTC ends with a leap second before it. */
#define NEW_YEAR 1483228800U

static struct above above;
static struct below below;
static struct paraclock_target targets[2]; /* a page, and a timekeeper */
static struct paraclock_relay relay;
static struct paraclock_timekeeper tk; /* above or below */

static int update(void)
{
	return paraclock_relay_update(&relay);
}

/* A vmclock on a vmclock. */
static void start(void)
{
	above_start(&above, &kinds[2], SEC_TICKS, 1ULL << 45, NEW_YEAR - 10);
	below_init(&below, &targets[0], &kinds[2], &above.fake.env);
	relay = relay_of(&above, targets, 1);
	memset(&tk, 0, sizeof(tk));
	assert_int_equal(
		paraclock_timekeeper_acquire(&tk, &above.fake.env, NULL), 0);
}

static struct paraclock_sample read_below(void)
{
	struct paraclock_sample sample;

	assert_int_equal(below_sample(&below, above.fake.counter, &sample), 0);
	assert_int_equal(sample.valid, 1);
	return sample;
}

/* --- a page that is not renewed ------------------------------------------- */

/* The conversion ends after 2^46 ticks, 7.8 h; the page does not. */
static void an_ended_conversion(void **state)
{
	const uint32_t both =
		PARACLOCK_TIMELINE_MAXERROR | PARACLOCK_TIMELINE_MAXERROR_RATE;
	struct paraclock_sample up, down;

	(void)state;
	start();
	above.conv.flags |= both;
	above.conv.maxerror_ns = 1000;
	/* 10 ppb */
	above.conv.maxerror_rate_frac = above.conv.period_frac / 100000000;
	above_write(&above);
	targets[1] = (struct paraclock_target){
		.size = sizeof(targets[1]),
		.timekeeper = &tk,
		.flags = PARACLOCK_TARGET_MONOTONIC,
	};
	targets[0].flags = PARACLOCK_TARGET_MONOTONIC;
	relay.n_targets = 2;
	for (unsigned int hour = 0; hour < 14; hour++) {
		assert_int_equal(update(), 0);
		assert_running(&below);
		above.fake.counter += SEC_TICKS;
		above.fake.counter_step = 0;
		assert_int_equal(paraclock_read(above.clk, &up), 0);
		assert_int_equal(up.valid, 1);
		assert_int_equal(paraclock_timekeeper_read(&tk, &above.fake.env,
							   &down),
				 0);
		assert_in_range(down.host_ns, up.host_ns - 1, up.host_ns + 1);
		assert_in_range(down.clock_error_ns, up.clock_error_ns,
				up.clock_error_ns + 8);
		down = read_below();
		assert_in_range(down.host_ns, up.host_ns - 1, up.host_ns + 1);
		assert_in_range(down.clock_error_ns, up.clock_error_ns,
				up.clock_error_ns + 8);
		above.fake.counter += 3599ULL * SEC_TICKS;
		above.fake.counter_step = 10;
	}
	assert_true(above.fake.counter - above.conv.base_tsc > 1ULL << 46);
	assert_int_equal(relay.disruptions, 0);
	above_end(&above);
}

/* From before a leap second, on UTC: it counts one second less from there. */
static void a_conversion_from_before_a_leap_second(void **state)
{
	struct paraclock_sample up;
	uint32_t written;

	(void)state;
	start();
	above.conv.timescale = PARACLOCK_TIMESCALE_UTC;
	above.conv.flags |= PARACLOCK_TIMELINE_TAI_OFFSET;
	above.conv.tai_offset_sec = 36;
	above.conv.leap = PARACLOCK_LEAP_PRE_POS;
	above_renew(&above);
	relay.clk = above.clk;
	assert_int_equal(update(), 0);
	written = sequence_at(&below.fake, &kinds[2]);
	for (unsigned int i = 1; i < 20; i++) {
		above.fake.counter += SEC_TICKS - 1000;
		assert_int_equal(update(), i < 11 ? 0 : -EAGAIN);
		/*
		 * Unchanged, and right: L2's page announces the leap second,
		 * too.
		 */
		assert_running(&below);
		assert_int_equal(sequence_at(&below.fake, &kinds[2]), written);
		above.fake.counter_step = 0;
		assert_int_equal(paraclock_read(above.clk, &up), 0);
		assert_in_range(read_below().host_ns, up.host_ns - 1,
				up.host_ns + 1);
		assert_int_equal(read_below().leap, up.leap);
		above.fake.counter_step = 10;
	}
	assert_int_equal(read_below().leap, PARACLOCK_LEAP_POST_POS);
	above_end(&above);
}

/* --- an unchanged conversion --------------------------------------------- */

static struct qualifier_case {
	const char *name;
	uint8_t from_leap;
	uint8_t to_leap;
	int16_t to_tai_sec; /* from 36 */
} qualifier_cases[] = {
	{ "another TAI offset on an unchanged conversion is handed on",
	  PARACLOCK_LEAP_NONE, PARACLOCK_LEAP_NONE, 37 },
	{ "another leap state on an unchanged conversion is handed on",
	  PARACLOCK_LEAP_POST_POS, PARACLOCK_LEAP_POST_NEG, 36 },
};

static void qualifiers(void **state)
{
	const struct qualifier_case *c = *state;
	uint32_t written;

	start();
	above.conv.flags |= PARACLOCK_TIMELINE_TAI_OFFSET;
	above.conv.tai_offset_sec = 36;
	above.conv.leap = c->from_leap;
	above_write(&above);
	assert_int_equal(update(), 0);
	written = sequence_at(&below.fake, &kinds[2]);
	assert_int_equal(read_below().tai_offset_sec, 36);
	assert_int_equal(read_below().leap, c->from_leap);
	/* Written again unchanged, it is the same. */
	above_rewrite(&above);
	assert_int_equal(update(), 0);
	assert_int_equal(sequence_at(&below.fake, &kinds[2]), written);

	above.conv.tai_offset_sec = c->to_tai_sec;
	above.conv.leap = c->to_leap;
	above_rewrite(&above);
	assert_int_equal(update(), 0);
	assert_running(&below);
	assert_int_equal(read_below().tai_offset_sec, c->to_tai_sec);
	assert_int_equal(read_below().leap, c->to_leap);
	assert_int_equal(relay.disruptions, 0);
	above_end(&above);
}

/* --- a clock that leaves its bound ---------------------------------------- */

/* The page below must not keep its bound, unless it is disrupted. */
static void a_clock_that_leaves_its_bound(void **state)
{
	const uint32_t both =
		PARACLOCK_TIMELINE_MAXERROR | PARACLOCK_TIMELINE_MAXERROR_RATE;

	(void)state;
	start();
	above.conv.flags |= both;
	above.conv.maxerror_ns = 100;
	above_write(&above);
	assert_int_equal(update(), 0);
	assert_int_equal(read_below().clock_error_ns, 102);
	add_ns(&above.conv, 800);
	above_rewrite(&above);
	assert_int_equal(update(), -ESTALE);
	assert_int_equal(targets[0].marker, 1);
	assert_int_equal(targets[0].state, PARACLOCK_TARGET_FROZEN);
	assert_frozen(&below, above.fake.counter);
	assert_int_equal(update(), 0);
	assert_running(&below);
	assert_int_equal(targets[0].marker, 2);
	assert_int_equal(get64(below.fake.vmclock, 16), 2);
	assert_right(&above, &below, above.fake.counter);
	above_end(&above);
}

/* --- a timekeeper above --------------------------------------------------- */

static uint64_t (*fake_counter)(void *ctx);
static unsigned int reads; /* of the counter, until the timekeeper migrates */
static struct paraclock_timeline after;

/* On a page with the time of the day, like the others here. */
static struct paraclock *start_timekeeper(void)
{
	struct paraclock_timeline conv;
	struct paraclock *clk;

	start();
	conv = above.conv;
	conv.t_end = conv.base_tsc + 1000ULL * SEC_TICKS;
	assert_int_equal(
		paraclock_timekeeper_set(&tk, &above.fake.env, &conv, 0), 0);
	above.fake.counter += SEC_TICKS;
	assert_int_equal(paraclock_timekeeper_open(&clk, &tk, &above.fake.env),
			 0);
	relay.clk = clk;
	relay.timekeeper = &tk;
	assert_int_equal(update(), 0);
	assert_int_equal(targets[0].timeline.period_frac, conv.period_frac);
	after = conv;
	assert_int_equal(paraclock_timeline_rebase(&after, above.fake.counter),
			 0);
	return clk;
}

static void end_timekeeper(struct paraclock *clk)
{
	paraclock_close(clk);
	above_end(&above);
}

static void a_change_still_to_come(void **state)
{
	struct paraclock *clk = start_timekeeper();
	uint64_t old_rate = after.period_frac;
	uint64_t t_change = above.fake.counter + SEC_TICKS;

	(void)state;
	assert_int_equal(paraclock_timeline_set_hz(&after, SEC_TICKS + 1000, 0),
			 0);
	assert_int_not_equal(after.period_frac, old_rate);
	/* In a second: until then the old timeline holds. */
	assert_int_equal(paraclock_timekeeper_set(&tk, &above.fake.env, &after,
						  t_change),
			 0);
	assert_int_equal(update(), 0);
	assert_int_equal(targets[0].timeline.period_frac, old_rate);
	/*
	 * Within 20 us: otherwise pages would keep the old timeline for a
	 * second.
	 */
	assert_int_equal(
		paraclock_timekeeper_set(&tk, &above.fake.env, &after, 0), 0);
	assert_int_equal(update(), 0);
	assert_int_equal(targets[0].timeline.period_frac, after.period_frac);
	assert_int_equal(relay.disruptions, 0);
	end_timekeeper(clk);
}

static void migrate(void)
{
	const struct paraclock_env *env = &above.fake.env;

	assert_int_equal(paraclock_timekeeper_freeze(&tk, env), 0);
	assert_int_equal(paraclock_timekeeper_reconfigure(&tk, env, &after), 0);
	assert_int_equal(paraclock_timekeeper_unfreeze(&tk, env), 0);
}

static uint64_t counter_and_migrate(void *ctx)
{
	if (reads && !--reads)
		migrate();
	return fake_counter(ctx);
}

/* The time after the migration with the marker from before it is wrong. */
static int checked_write(void *page, struct paraclock_page_writer *writer,
			 const struct paraclock_env *env,
			 const struct paraclock_timeline *tl)
{
	assert_int_equal(tl->marker, tl->base_sec < NEW_YEAR ? 1 : 2);
	return paraclock_vmclock_write(page, writer, env, tl);
}

static void a_timekeeper_above_that_migrates_meanwhile(void **state)
{
	unsigned int i = 0;
	bool fired;

	(void)state;
	/*
	 * At each reading of the counter, until an update has no more of them.
	 */
	do {
		struct paraclock *clk = start_timekeeper();

		targets[0].write = checked_write;
		add_ns(&after, 1000 * (int64_t)NSEC_PER_SEC);
		fake_counter = above.fake.env.counter;
		above.fake.env.counter = counter_and_migrate;
		reads = ++i;
		assert_int_equal(update(), 0);
		/* Not in this call, or after its last look: in the next one. */
		fired = !reads;
		reads = 0;
		if (!fired)
			migrate();
		if (targets[0].marker == 1)
			assert_int_equal(update(), 0);
		assert_running(&below);
		assert_int_equal(targets[0].marker, 2);
		assert_int_equal(relay.disruptions, 1);
		assert_true(read_below().host_ns / NSEC_PER_SEC > NEW_YEAR);
		end_timekeeper(clk);
	} while (fired);
	assert_true(i > 4);
}

int main(void)
{
	add_test("after its conversion ended a page goes on",
		 an_ended_conversion);
	add_test("a conversion from before a leap second is not kept",
		 a_conversion_from_before_a_leap_second);
	ADD_ROWS(qualifier_cases, qualifiers);
	add_test("a clock that leaves its bound is a disruption",
		 a_clock_that_leaves_its_bound);
	add_test("a timekeeper's change that is still to come",
		 a_change_still_to_come);
	add_test("a timekeeper above that migrates meanwhile",
		 a_timekeeper_above_that_migrates_meanwhile);
	return run_suite(NULL, NULL);
}
