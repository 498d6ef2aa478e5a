// SPDX-License-Identifier: MIT
/*
 * What a page below may promise: no more than the page above does. And what a
 * timekeeper promises once it has learned that it does not know.
 */

#include <paraclock/relay.h>
#include <paraclock/timekeeper.h>

#include "relays.h"

#define SEC_TICKS 2500000000U
#define INFERRED  ((uint64_t)1 << 62)
#define OWN	  ((uint64_t)1 << 63)
#define FLAGS	  24 /* of a vmclock */

static struct above above;
static struct below below;
static struct paraclock_target target;
static struct paraclock_relay relay;

static const uint8_t heuristic = PARACLOCK_MARKER_HEURISTIC;
static const uint8_t authoritative = PARACLOCK_MARKER_AUTHORITATIVE;

static void start(const struct writer_kind *kind)
{
	above_start(&above, kind, SEC_TICKS, 1ULL << 45, 1000);
	below_init(&below, &target, &kinds[2], &above.fake.env);
	relay = relay_of(&above, &target, 1);
}

static uint8_t class_below(void)
{
	struct paraclock_sample sample;

	assert_int_equal(below_sample(&below, above.fake.counter, &sample), 0);
	assert_int_equal(sample.valid, 1);
	return sample.marker_class;
}

static uint64_t flags_of(const struct fake *fake)
{
	return get64(fake->vmclock, FLAGS);
}

struct class_case {
	const char *name;
	unsigned int above;
	bool is_inferred; /* the page above says so */
	uint8_t want;
};

static struct class_case class_cases[] = {
	/* clang-format off */
	{ "kvmclock above is followed by its page", 0, false, 1 },
	{ "hyperv above is followed by its page", 1, false, 1 },
	{ "a vmclock above knows", 2, false, 2 },
	{ "a vmclock that a relay wrote does not", 2, true, 1 },
	/* clang-format on */
};

static void a_page_promises_what_the_one_above_does(void **state)
{
	const struct class_case *c = *state;

	start(&kinds[c->above]);
	if (c->is_inferred) {
		above.conv.flags |= PARACLOCK_TIMELINE_INFERRED;
		above_renew(&above);
		relay.clk = above.clk;
	}
	assert_int_equal(paraclock_relay_update(&relay), 0);
	assert_int_equal(class_below(), c->want);
	assert_int_equal(flags_of(&below.fake) & INFERRED,
			 c->want == authoritative ? 0 : INFERRED);
	above_end(&above);
}

/* Neither env has a boot id, so the page below is everybody's own. */
static void assert_own_below(uint64_t own)
{
	struct paraclock_sample sample;

	assert_int_equal(paraclock_relay_update(&relay), 0);
	assert_int_equal(flags_of(&below.fake) & OWN, own);
	assert_int_equal(below_sample(&below, above.fake.counter, &sample), 0);
	assert_int_equal(sample.flags & PARACLOCK_FLAG_OWN_KERNEL,
			 own ? PARACLOCK_FLAG_OWN_KERNEL : 0);
}

static void a_page_passes_on_that_it_is_own_kernel(void **state)
{
	(void)state;
	start(&kinds[2]);
	assert_own_below(0);
	above.conv.flags |= PARACLOCK_TIMELINE_OWN_KERNEL;
	above_write(&above);
	assert_own_below(OWN);
	above.conv.flags &= ~(uint32_t)PARACLOCK_TIMELINE_OWN_KERNEL;
	above_write(&above);
	assert_own_below(0);
	above_end(&above);
}

/* A timekeeper above the relay; the caller closes what is returned. */
static struct paraclock *open_timekeeper(uint32_t flags)
{
	static struct paraclock_timekeeper tk;
	const struct paraclock_env *env = &above.fake.env;
	struct paraclock_timeline conv;
	struct paraclock *clk;

	start(&kinds[2]);
	memset(&tk, 0, sizeof(tk));
	assert_int_equal(paraclock_timekeeper_acquire(&tk, env, NULL), 0);
	conv = above.conv;
	conv.flags |= flags;
	conv.t_end = conv.base_tsc + 1000ULL * SEC_TICKS;
	assert_int_equal(paraclock_timekeeper_set(&tk, env, &conv, 0), 0);
	above.fake.counter += SEC_TICKS;
	assert_int_equal(paraclock_timekeeper_open(&clk, &tk, env), 0);
	relay.clk = clk;
	relay.timekeeper = &tk;
	return clk;
}

static void a_page_passes_on_that_a_timekeeper_is_own_kernel(void **state)
{
	struct paraclock *clk = open_timekeeper(PARACLOCK_TIMELINE_OWN_KERNEL);

	(void)state;
	assert_own_below(OWN);
	paraclock_close(clk);
	above_end(&above);
}

/* Its migration count is its writer's claim. */
static void a_timekeeper_above_does_not_know(void **state)
{
	struct paraclock *clk = open_timekeeper(0);

	(void)state;
	assert_int_equal(paraclock_relay_update(&relay), 0);
	assert_int_equal(class_below(), heuristic);
	paraclock_close(clk);
	above_end(&above);
}

/* A caller that kept an epoch while the marker promised more notices. */
static void a_weaker_meaning_is_another_marker(void **state)
{
	struct paraclock_sample before, after;
	struct paraclock *clk;

	(void)state;
	start(&kinds[2]);
	assert_int_equal(paraclock_relay_update(&relay), 0);
	assert_int_equal(target.marker, 1);
	below.fake.counter = above.fake.counter;
	clk = fake_open(&below.fake, "vmclock");
	assert_int_equal(paraclock_read(clk, &before), 0);
	assert_int_equal(before.marker_class, authoritative);
	above.conv.flags |= PARACLOCK_TIMELINE_INFERRED;
	above_write(&above);
	assert_int_equal(paraclock_relay_update(&relay), 0);
	assert_int_equal(target.marker, 2);
	below.fake.counter = above.fake.counter;
	assert_int_equal(paraclock_read(clk, &after), 0);
	assert_int_equal(after.marker_class, heuristic);
	assert_int_equal(after.epoch, before.epoch + 1);
	/* A marker that means more again is no disruption. */
	above.conv.flags &= ~(uint32_t)PARACLOCK_TIMELINE_INFERRED;
	above_write(&above);
	assert_int_equal(paraclock_relay_update(&relay), 0);
	assert_int_equal(target.marker, 2);
	below.fake.counter = above.fake.counter;
	assert_int_equal(paraclock_read(clk, &after), 0);
	assert_int_equal(after.marker_class, authoritative);
	assert_int_equal(after.epoch, before.epoch + 1);
	paraclock_close(clk);
	above_end(&above);
}

/* Markers of a vmclock without a time, beside another clock. */
static void markers_of_a_relay_vouch_for_nothing(void **state)
{
	struct paraclock_event event = { .size = sizeof(event) };
	struct paraclock_sample sample;
	struct paraclock *clk;
	struct fake fake;

	(void)state;
	fake_init(&fake);
	/* So the page is known to be from after the open. */
	fake.cpu = 0;
	fake.vmclock_error = 0;
	fake_set_vmclock_marker(&fake, 7);
	clk = fake_open(&fake, "kvmclock");
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.marker_class, authoritative);
	paraclock_close(clk);
	put64(fake.vmclock, FLAGS, INFERRED);
	clk = fake_open(&fake, "kvmclock");
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.marker_class, heuristic);
	/* The marker class is not known, but inferred. */
	put64(fake.vmclock, 16, 8);
	assert_int_equal(paraclock_next_event(clk, &event), 0);
	assert_int_equal(event.marker_class, heuristic);
	assert_string_equal(event.source, "vmclock");
	paraclock_close(clk);
}

int main(void)
{
	ADD_ROWS(class_cases, a_page_promises_what_the_one_above_does);
	add_test("a page passes on that it is own-kernel",
		 a_page_passes_on_that_it_is_own_kernel);
	add_test("a page passes on that a timekeeper is own-kernel",
		 a_page_passes_on_that_a_timekeeper_is_own_kernel);
	add_test("a timekeeper above does not know",
		 a_timekeeper_above_does_not_know);
	add_test("a weaker marker is another marker",
		 a_weaker_meaning_is_another_marker);
	add_test("a relay's markers vouch for nothing",
		 markers_of_a_relay_vouch_for_nothing);
	return run_suite(NULL, NULL);
}
