// SPDX-License-Identifier: MIT
/* Events: their members, how they are kept, and where they come from. */

#include "clock/clock.h"
#include "events.h"

#define NOW 1000000000

/* --- the members of an event ---------------------------------------------- */

static void a_jump_says_when_and_how_far(void **state)
{
	struct paraclock *clk = fake_open(fake, "kvmclock");
	struct paraclock_event event;

	(void)state;
	no_event(clk);
	fake->counter = NOW + 500;
	no_event(clk);
	fake->counter = NOW + 2000;
	fake_set_pvclock(fake, 4, NOW + 1000, NOW + 1000 + 4000 + 7000000);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_JUMPED);
	assert_int_equal(event.marker_class, PARACLOCK_MARKER_HEURISTIC);
	assert_string_equal(event.source, "kvmclock");
	assert_int_equal(event.epoch, paraclock_epoch(clk));
	assert_int_equal(event.counter, PARACLOCK_COUNTER_X86_TSC);
	assert_int_equal(event.timescale, PARACLOCK_TIMESCALE_MONOTONIC);
	assert_int_equal(event.counter_before, NOW + 500);
	assert_int_equal(event.counter_after, NOW + 2000);
	assert_int_equal(event.host_ns_before, NOW + 500 + 4000);
	assert_int_equal(event.host_ns_after, NOW + 2000 + 4000 + 7000000);
	assert_int_equal(event.gap_ns, 7000000);
	assert_int_equal(event.flags, PARACLOCK_EVENT_BEFORE |
					      PARACLOCK_EVENT_AFTER |
					      PARACLOCK_EVENT_GAP);
	no_event(clk);
	close_all(clk);
}

static void a_rate_alone_is_an_update(void **state)
{
	struct paraclock *clk = fake_open(fake, "kvmclock");
	struct paraclock_event event;

	(void)state;
	put32(fake->pvclock, 24, 0x80000000U + 4400); /* 2 ppm */
	put32(fake->pvclock, 0, 4);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_UPDATED);
	assert_int_equal(event.marker_class, PARACLOCK_MARKER_HEURISTIC);
	assert_int_equal(event.gap_ns, 0);
	no_event(clk);
	close_all(clk);
}

static void a_base_that_went_back_is_a_jump(void **state)
{
	struct paraclock *clk;
	struct paraclock_event event;

	(void)state;
	fake_set_pvclock(fake, 2, 500000000, 500005000);
	clk = fake_open(fake, "kvmclock");
	/*
	 * Restored: the counter, the clock and everything else are back where
	 * they were.
	 */
	fake_set_pvclock(fake, 4, 1000, 6000);
	fake->counter = 100000;
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_JUMPED);
	assert_int_equal(event.counter_before, NOW);
	assert_int_equal(event.counter_after, 100000);
	assert_int_equal(event.host_ns_before, NOW + 5000);
	assert_int_equal(event.host_ns_after, 105000);
	/* At the same counter value: */
	assert_int_equal(event.gap_ns, 0);
	close_all(clk);
}

static void a_marker_is_the_hosts_own_word(void **state)
{
	struct paraclock *clk;
	struct paraclock_event event;

	(void)state;
	fake_set_vmclock_marker(fake, 7);
	clk = open_with_vmclock("kvmclock");
	put64(fake->vmclock, 16, 8);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_UPDATED);
	assert_int_equal(event.marker_class, PARACLOCK_MARKER_AUTHORITATIVE);
	assert_string_equal(event.source, "vmclock");
	assert_true(event.flags & PARACLOCK_EVENT_MARKERS);
	assert_int_equal(event.marker_before.value, 7);
	assert_int_equal(event.marker_after.value, 8);
	assert_true(event.flags & PARACLOCK_EVENT_GAP);
	assert_int_equal(event.gap_ns, 0);
	close_all(clk);
}

static void renew(struct fake *of)
{
	fake_set_pvclock(of, 4, NOW, NOW + 4000 + 3000000);
}

/* The marker and the page that follows it are one event. */
static void a_marker_and_its_page_are_one_event(void **state)
{
	struct paraclock *clk;
	struct paraclock_event event;

	(void)state;
	fake_set_vmclock_marker(fake, 7);
	clk = open_with_vmclock("kvmclock");
	fake->cpu = 1;
	fake->affinity_error = 0;
	fake->on_visit = renew;
	put64(fake->vmclock, 16, 8);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_JUMPED);
	assert_int_equal(event.marker_class, PARACLOCK_MARKER_AUTHORITATIVE);
	assert_string_equal(event.source, "vmclock");
	assert_int_equal(event.gap_ns, 3000000);
	assert_int_equal(event.host_ns_after, NOW + 4000 + 3000000);
	no_event(clk);
	close_all(clk);
}

/*
 * The page comes later, and completes the event if nobody has fetched it yet.
 */
static void a_page_that_comes_later_completes_its_event(void **state)
{
	struct paraclock_event event;
	struct paraclock *clk;

	(void)state;
	fake_set_vmclock_marker(fake, 7);
	clk = open_with_vmclock("kvmclock");
	fake->cpu = 1;
	put64(fake->vmclock, 16, 8);
	assert_int_equal(paraclock_epoch(clk), 2);
	fake_set_pvclock(fake, 4, NOW, NOW + 4000 + 3000000);
	assert_int_equal(paraclock_epoch(clk), 2);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_JUMPED);
	assert_int_equal(event.gap_ns, 3000000);
	no_event(clk);

	put64(fake->vmclock, 16, 9);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_UPDATED);
	assert_int_equal(event.flags, PARACLOCK_EVENT_MARKERS);
	assert_int_equal(event.host_ns_after, 0);
	assert_int_equal(event.gap_ns, 0);
	fake_set_pvclock(fake, 6, NOW, NOW + 4000 + 9000000);
	no_event(clk);
	assert_int_equal(paraclock_epoch(clk), 3);
	close_all(clk);
}

static void two_timescales_have_no_gap(void **state)
{
	struct paraclock *clk;
	struct paraclock_event event;

	(void)state;
	fake_set_vmclock(fake, 2, 7, 1000, 1700000000);
	clk = open_with_vmclock("vmclock");
	fake_set_vmclock(fake, 4, 8, 1000, 1700000000);
	fake->vmclock[11] = 0; /* UTC */
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_UPDATED);
	assert_int_equal(event.timescale, PARACLOCK_TIMESCALE_UTC);
	assert_int_equal(event.flags,
			 PARACLOCK_EVENT_AFTER | PARACLOCK_EVENT_MARKERS);
	assert_int_equal(event.host_ns_before, 0);
	close_all(clk);
}

struct generation_case {
	const char *name;
	int given_before;
	uint64_t before;
	int given_after;
	uint64_t after;
	uint8_t kind;
};

static struct generation_case generations[] = {
	{ "another generation is a restore", 1, 5, 1, 6,
	  PARACLOCK_EVENT_RESTORED },
	{ "the first restore of a machine that counts from 0", 1, 0, 1, 1,
	  PARACLOCK_EVENT_RESTORED },
	{ "a generation that wraps", 1, 9, 1, 0, PARACLOCK_EVENT_RESTORED },
	{ "the same generation is no restore", 1, 5, 1, 5,
	  PARACLOCK_EVENT_UPDATED },
	{ "a host that begins to give a generation has restored nothing", 0, 0,
	  1, 6, PARACLOCK_EVENT_UPDATED },
	{ "a host that no longer gives a generation has restored nothing", 1, 5,
	  0, 0, PARACLOCK_EVENT_UPDATED },
	{ "a host without a generation", 0, 0, 0, 0, PARACLOCK_EVENT_UPDATED },
};

static void a_generation(void **state)
{
	const struct generation_case *c = *state;
	struct paraclock_event event;
	struct paraclock *clk;

	world_init(&world);
	fake_set_vmclock_marker(fake, 7);
	if (c->given_before)
		world_set_generation(&world, c->before);
	clk = open_with_vmclock("kvmclock");
	put64(fake->vmclock, 24, 0);
	put64(fake->vmclock, 104, 0);
	if (c->given_after)
		world_set_generation(&world, c->after);
	put64(fake->vmclock, 16, 8);
	event = next_event(clk);
	assert_int_equal(event.kind, c->kind);
	assert_int_equal(event.marker_class, PARACLOCK_MARKER_AUTHORITATIVE);
	assert_int_equal(event.marker_before.generation, c->before);
	assert_int_equal(event.marker_after.generation, c->after);
	no_event(clk);
	close_all(clk);
}

/* --- how they are kept ---------------------------------------------------- */

static void jump(unsigned int i)
{
	fake_set_pvclock(fake, 4 + 2 * i, 2000 + i, 6000 + i + 5000 * i);
}

static void a_disruption_that_a_read_noticed_becomes_an_event(void **state)
{
	struct paraclock *clk = fake_open(fake, "kvmclock");
	struct paraclock_sample sample;

	(void)state;
	jump(1);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	jump(2);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(next_event(clk).epoch, 2);
	assert_int_equal(next_event(clk).epoch, 3);
	no_event(clk);
	close_all(clk);
}

static void the_oldest_events_are_lost_and_the_loss_is_flagged(void **state)
{
	struct paraclock *clk = fake_open(fake, "kvmclock");

	(void)state;
	for (unsigned int i = 1; i <= 12; i++) {
		jump(i);
		assert_int_equal(paraclock_epoch(clk), 1 + i);
	}
	for (unsigned int i = 0; i < 8; i++) {
		struct paraclock_event event = next_event(clk);

		assert_int_equal(event.epoch, 6 + i);
		assert_int_equal(event.flags & PARACLOCK_EVENT_LOST,
				 i ? 0 : PARACLOCK_EVENT_LOST);
	}
	no_event(clk);
	jump(13);
	assert_int_equal(next_event(clk).flags & PARACLOCK_EVENT_LOST, 0);
	close_all(clk);
}

static void next_event_waits_for_no_other_thread(void **state)
{
	struct paraclock *clk = fake_open(fake, "kvmclock");

	(void)state;
	jump(1);
	/* Another thread commits a change. */
	clk->owner = fake->process_id;
	no_event(clk);
	clk->owner = 0;
	assert_int_equal(next_event(clk).kind, PARACLOCK_EVENT_JUMPED);
	/* A consumer that this process was forked away from. */
	jump(2);
	clk->owner = fake->process_id + 1;
	assert_int_equal(next_event(clk).kind, PARACLOCK_EVENT_JUMPED);
	close_all(clk);
}

static void an_error_is_returned_if_no_event_waits(void **state)
{
	struct paraclock_event event = { .size = sizeof(event) };
	struct paraclock *clk = fake_open(fake, "kvmclock");

	(void)state;
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	put32(fake->pvclock, 24, 0);
	world.set = 1;
	assert_int_equal(next_event(clk).kind, PARACLOCK_EVENT_SOURCE_LOST);
	assert_int_equal(next_event(clk).kind, PARACLOCK_EVENT_CLOCK_SET);
	assert_int_equal(paraclock_next_event(clk, &event), -EPROTO);
	close_all(clk);
}

static void arguments_are_checked(void **state)
{
	struct paraclock *clk = fake_open(fake, "kvmclock");
	struct paraclock_event event = { .size = sizeof(event) - 1 };

	(void)state;
	assert_int_equal(paraclock_next_event(clk, &event), -EINVAL);
	assert_int_equal(paraclock_next_event(clk, NULL), -EINVAL);
	assert_int_equal(paraclock_next_event(NULL, &event), -EINVAL);
	assert_int_equal(paraclock_event_fd(NULL), -EINVAL);
	assert_string_equal(paraclock_event_kind_name(0), "unknown");
	assert_string_equal(paraclock_event_kind_name(5), "restored");
	assert_string_equal(paraclock_event_kind_name(9), "source-found");
	assert_string_equal(paraclock_event_kind_name(10), "unknown");
	close_all(clk);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_jump_says_when_and_how_far),
		cmocka_unit_test(a_rate_alone_is_an_update),
		cmocka_unit_test(a_base_that_went_back_is_a_jump),
		cmocka_unit_test(a_marker_is_the_hosts_own_word),
		cmocka_unit_test(a_marker_and_its_page_are_one_event),
		cmocka_unit_test(a_page_that_comes_later_completes_its_event),
		cmocka_unit_test(two_timescales_have_no_gap),
		cmocka_unit_test(
			a_disruption_that_a_read_noticed_becomes_an_event),
		cmocka_unit_test(
			the_oldest_events_are_lost_and_the_loss_is_flagged),
		cmocka_unit_test(next_event_waits_for_no_other_thread),
		cmocka_unit_test(an_error_is_returned_if_no_event_waits),
		cmocka_unit_test(arguments_are_checked),
	};

	ADD_ROWS(generations, a_generation);
	each_test(make_world, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
