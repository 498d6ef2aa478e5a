// SPDX-License-Identifier: MIT
/*
 * Relays with MONOTONIC over moves that nobody announces: the times that
 * readers below saw are not forgotten when L1's counter is turned back.
 */

#include <paraclock/relay.h>

#include "relays.h"

#define SEC_TICKS 2500000000ULL
/* A month of UTC ends with a leap second before it. */
#define NEW_YEAR 1483228800U

static struct above above;
static struct below below;
static struct paraclock_target target;
static struct paraclock_relay relay;

static int update(void)
{
	return paraclock_relay_update(&relay);
}

/*
 * Ten seconds before the leap second, which L0's page may or may not announce.
 */
static void start(bool leap)
{
	above_start(&above, &kinds[2], SEC_TICKS, 1ULL << 45, NEW_YEAR - 10);
	above.conv.timescale = PARACLOCK_TIMESCALE_UTC;
	above.conv.flags |= PARACLOCK_TIMELINE_TAI_OFFSET;
	above.conv.tai_offset_sec = 36;
	above.conv.leap = leap ? PARACLOCK_LEAP_PRE_POS : PARACLOCK_LEAP_NONE;
	above_renew(&above);
	below_init(&below, &target, &kinds[2], &above.fake.env);
	target.flags = PARACLOCK_TARGET_MONOTONIC;
	relay = relay_of(&above, &target, 1);
	assert_int_equal(update(), 0);
}

static int64_t read_below(void)
{
	struct paraclock_sample sample;

	assert_int_equal(below_sample(&below, above.fake.counter, &sample), 0);
	assert_int_equal(sample.valid, 1);
	return sample.host_ns;
}

/* To a host whose TSC began later, and whose clock is behind. */
static void move_back(int64_t now_ns, int64_t behind_ns)
{
	above.fake.counter = 1000000;
	above.conv.base_tsc = above.fake.counter;
	above.conv.base_sec = 0;
	above.conv.base_frac = 0;
	add_ns(&above.conv, now_ns - behind_ns);
	above.conv.leap = PARACLOCK_LEAP_NONE;
	above.conv.marker++;
	above_rewrite(&above);
}

static struct seen_case {
	const char *name;
	unsigned int updates; /* each after a second, without a write */
	bool leap;
	int last; /* the result of the last of them */
} seen_cases[] = {
	{ "the time that a page was written with is remembered", 0, false, 0 },
	{ "time shown since the page was written is remembered", 20, false, 0 },
	{ "time shown without a conversion is remembered", 20, true, -EAGAIN },
};

static void stays_seen(void **state)
{
	const struct seen_case *c = *state;
	uint32_t written;
	int64_t last;
	int ret = 0;

	start(c->leap);
	written = sequence_at(&below.fake, &kinds[2]);
	for (unsigned int i = 0; i < c->updates; i++) {
		above.fake.counter += SEC_TICKS;
		ret = update();
	}
	assert_int_equal(ret, c->last);
	assert_int_equal(sequence_at(&below.fake, &kinds[2]), written);
	assert_int_equal(target.state, PARACLOCK_TARGET_RUNNING);
	last = read_below();

	move_back(last, 5000000000);
	assert_int_equal(update(), -ESTALE);
	assert_int_equal(target.error, -ESTALE);
	assert_frozen(&below, above.fake.counter);
	/* Except for the ticks since that update. */
	assert_true(NSEC_PER_SEC * target.seen_sec +
			    mul_high(target.seen_frac, NSEC_PER_SEC) + 1000 >
		    (uint64_t)last);
	above.fake.counter += SEC_TICKS / 10 * 49;
	assert_int_equal(update(), -ESTALE);
	assert_frozen(&below, above.fake.counter);
	/* A conversion does not know of the leap second: one more. */
	above.fake.counter += SEC_TICKS / 10 * (c->leap ? 12 : 2);
	assert_int_equal(update(), 0);
	assert_running(&below);
	assert_true(read_below() >= last);
	assert_int_equal(target.marker, 2);
	above_end(&above);
}

static void a_dropped_promise_begins_anew(void **state)
{
	(void)state;
	start(false);
	above.fake.counter += SEC_TICKS;
	assert_int_equal(update(), 0);
	move_back(read_below(), 3600 * (int64_t)NSEC_PER_SEC);
	assert_int_equal(update(), -ESTALE);
	target.flags = 0;
	assert_int_equal(update(), 0);
	assert_right(&above, &below, above.fake.counter);
	/* From here on the promise holds again, from the time written. */
	target.flags = PARACLOCK_TARGET_MONOTONIC;
	above.fake.counter += SEC_TICKS;
	assert_int_equal(update(), 0);
	assert_int_equal(paraclock_relay_freeze(&relay), 0);
	assert_int_equal(target.seen_sec, target.timeline.base_sec + 1);
	assert_int_equal(paraclock_relay_resume(&relay), 0);
	assert_running(&below);
	assert_right(&above, &below, above.fake.counter);
	above_end(&above);
}

int main(void)
{
	ADD_ROWS(seen_cases, stays_seen);
	add_test("a promise that was dropped begins anew",
		 a_dropped_promise_begins_anew);
	return run_suite(NULL, NULL);
}
