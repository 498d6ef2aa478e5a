// SPDX-License-Identifier: MIT
/* A page in physical memory is looked at for events, and never for a read. */

#include "memories.h"

static void reads_do_not_look(void **state)
{
	struct paraclock *clk = open_clock("kvmclock");
	struct paraclock_sample sample;
	struct paraclock_marker marker;
	unsigned int looks = memory.looks;
	uint64_t epoch = paraclock_epoch(clk);

	(void)state;
	put64(fake->vmclock, 16, 8);
	for (unsigned int i = 0; i < 10; i++) {
		assert_int_equal(paraclock_read(clk, &sample), 0);
		assert_int_equal(sample.epoch, epoch);
		assert_int_equal(paraclock_epoch(clk), epoch);
		assert_int_equal(paraclock_disrupted(clk, epoch), 0);
		assert_int_equal(
			paraclock_read_at(clk, sample.host_tsc, &sample), 0);
		assert_int_equal(paraclock_marker(clk, &marker), 0);
		assert_int_equal(marker.value, 7);
	}
	assert_int_equal(memory.looks, looks);
	close_clock(clk);
}

static void an_event_call_looks(void **state)
{
	struct paraclock *clk = open_clock("kvmclock");
	struct paraclock_event event;
	struct paraclock_sample sample;
	struct paraclock_marker marker;

	(void)state;
	no_event(clk);
	put64(fake->vmclock, 16, 8);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_UPDATED);
	assert_int_equal(event.marker_class, PARACLOCK_MARKER_AUTHORITATIVE);
	assert_string_equal(event.source, "vmclock");
	assert_int_equal(event.epoch, 2);
	assert_true(event.flags & PARACLOCK_EVENT_MARKERS);
	assert_int_equal(event.marker_before.value, 7);
	assert_int_equal(event.marker_after.value, 8);
	no_event(clk);
	/* From now on reads know it, too. */
	assert_int_equal(paraclock_epoch(clk), 2);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.epoch, 2);
	assert_int_equal(paraclock_marker(clk, &marker), 0);
	assert_int_equal(marker.value, 8);
	close_clock(clk);
}

/* A read must not be believed to have looked. */
static void a_sample_promises_nothing_because_of_it(void **state)
{
	struct paraclock *clk = open_clock("kvmclock");
	struct paraclock_sample sample;

	(void)state;
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(sample.marker_class, PARACLOCK_MARKER_HEURISTIC);
	no_event(clk);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.marker_class, PARACLOCK_MARKER_HEURISTIC);
	close_clock(clk);
}

static void another_generation_is_a_restore(void **state)
{
	struct paraclock_event event;
	struct paraclock *clk;

	(void)state;
	/* Firecracker's first generation is 0. */
	set_generation(0);
	clk = open_clock("kvmclock");
	put64(fake->vmclock, 16, 8);
	set_generation(1);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_RESTORED);
	assert_string_equal(event.source, "vmclock");
	assert_int_equal(event.marker_before.generation, 0);
	assert_int_equal(event.marker_after.generation, 1);
	put64(fake->vmclock, 16, 9);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_UPDATED);
	assert_int_equal(event.marker_after.generation, 1);
	no_event(clk);
	close_clock(clk);
}

static void a_generation_without_its_flag_is_no_restore(void **state)
{
	struct paraclock *clk = open_clock("kvmclock");
	struct paraclock_event event;

	(void)state;
	put64(fake->vmclock, 104, 5);
	no_event(clk);
	put64(fake->vmclock, 16, 8);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_UPDATED);
	assert_int_equal(event.marker_after.generation, 0);
	close_clock(clk);
}

static void an_inferred_marker_is_heuristic(void **state)
{
	struct paraclock *clk;

	(void)state;
	put64(fake->vmclock, 24, 1ULL << 62);
	clk = open_clock("kvmclock");
	put64(fake->vmclock, 16, 8);
	assert_int_equal(next_event(clk).marker_class,
			 PARACLOCK_MARKER_HEURISTIC);
	close_clock(clk);
}

/* The change lies between two looks, whatever reads saw in between. */
static void the_interval_is_that_of_the_looks(void **state)
{
	struct paraclock *clk = open_clock("kvmclock");
	struct paraclock_sample sample;
	struct paraclock_event event;
	uint64_t changed, read;

	(void)state;
	no_event(clk);
	changed = fake->counter;
	put64(fake->vmclock, 16, 8);
	/* The clock's own page is merely renewed: a read commits that. */
	fake_set_pvclock(fake, 4, 2000, 6000);
	fake->counter += 1000;
	assert_int_equal(paraclock_read(clk, &sample), 0);
	read = sample.host_tsc;
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_UPDATED);
	assert_true(event.counter_before < changed);
	assert_true(event.counter_after > read);
	close_clock(clk);
}

static void a_jump_of_the_clock_and_the_marker_are_one(void **state)
{
	struct paraclock *clk = open_clock("kvmclock");
	struct paraclock_event event;

	(void)state;
	put64(fake->vmclock, 16, 8);
	fake_set_pvclock(fake, 4, 2000, 6000 + 5 * SEC);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_JUMPED);
	assert_string_equal(event.source, "vmclock");
	assert_int_equal(event.marker_class, PARACLOCK_MARKER_AUTHORITATIVE);
	no_event(clk);
	close_clock(clk);
}

/* The kernel's message of a restore, and this page. */
static void one_restore_is_told_once(void **state)
{
	struct paraclock_event event;
	struct paraclock *clk;

	(void)state;
	/* Without a generation it becomes part of the same event. */
	clk = open_clock("kvmclock");
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	put64(fake->vmclock, 16, 8);
	world.restored = 1;
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_RESTORED);
	assert_string_equal(event.source, "vmgenid");
	assert_int_equal(event.marker_after.value, 8);
	no_event(clk);
	close_clock(clk);
	/* With one, the page tells it. */
	set_generation(1);
	clk = open_clock("kvmclock");
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	set_generation(2);
	world.restored = 1;
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_RESTORED);
	assert_string_equal(event.source, "vmclock");
	no_event(clk);
	/* The message alone, of the restore just told. */
	world.restored = 1;
	no_event(clk);
	close_clock(clk);
}

/* A page that can no longer be looked at tells of nothing. */
static void a_lost_page_does_not_hide_a_restore(void **state)
{
	struct paraclock_event event;
	struct paraclock *clk;

	(void)state;
	set_generation(1);
	clk = open_clock("kvmclock");
	assert_int_equal(paraclock_event_fd(clk), GROUP_FD);
	memory.read_error = -ENODEV;
	assert_int_equal(next_event(clk).kind, PARACLOCK_EVENT_SOURCE_LOST);
	world.restored = 1;
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_RESTORED);
	assert_string_equal(event.source, "vmgenid");
	close_clock(clk);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_do_not_look),
		cmocka_unit_test(an_event_call_looks),
		cmocka_unit_test(a_sample_promises_nothing_because_of_it),
		cmocka_unit_test(another_generation_is_a_restore),
		cmocka_unit_test(a_generation_without_its_flag_is_no_restore),
		cmocka_unit_test(an_inferred_marker_is_heuristic),
		cmocka_unit_test(the_interval_is_that_of_the_looks),
		cmocka_unit_test(a_jump_of_the_clock_and_the_marker_are_one),
		cmocka_unit_test(one_restore_is_told_once),
		cmocka_unit_test(a_lost_page_does_not_hide_a_restore),
	};

	each_test(make_memory, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
