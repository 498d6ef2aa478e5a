// SPDX-License-Identifier: MIT
/*
 * Moves that Hyper-V announces, as the guest handles them; see reenlightens.h.
 */

#include <paraclock/relay.h>

#include "reenlightens.h"

static struct below below[3];
static struct paraclock_target targets[3];
static struct paraclock_relay relay;

static int noted_pause(void *arg, int stop)
{
	note(stop ? 'b' : 'u');
	return below_pause(arg, stop);
}

static int noted_write(void *page, struct paraclock_page_writer *writer,
		       const struct paraclock_env *env,
		       const struct paraclock_timeline *tl)
{
	note('w');
	return paraclock_pvclock_write(page, writer, env, tl);
}

/* With a page of each kind below. */
static void start(void)
{
	assert_int_equal(paraclock_reenlightenment_start(&re), 0);
	assert_int_equal(paraclock_reenlightenment_open(&above.clk, &re), 0);
	for (size_t i = 0; i < 3; i++) {
		below_init(&below[i], &targets[i], &kinds[i], &above.fake.env);
		couple(&targets[i], 1ULL << 32, 32, 0 - (1ULL << 44));
		targets[i].flags = PARACLOCK_TARGET_MONOTONIC;
	}
	targets[0].pause = noted_pause;
	targets[0].write = noted_write;
	relay = relay_of(&above, targets, 3);
	re.relay = &relay;
	assert_int_equal(paraclock_reenlightenment_run(&re), 0);
	memset(hv.log, 0, sizeof(hv.log));
}

static void all_right(void)
{
	for (size_t i = 0; i < 3; i++) {
		assert_running(&below[i]);
		assert_right(&above, &below[i],
			     counter_below(&targets[i], above.fake.counter));
	}
}

static void all_frozen(void)
{
	for (size_t i = 0; i < 3; i++)
		assert_frozen(&below[i],
			      counter_below(&targets[i], above.fake.counter));
}

static struct paraclock_sample read_above(void)
{
	struct paraclock_sample sample;

	assert_int_equal(paraclock_read(above.clk, &sample), 0);
	return sample;
}

/* --- a move --------------------------------------------------------------- */

static void the_whole_sequence(void **state)
{
	struct paraclock_event event = { .size = sizeof(event) };
	struct paraclock_sample before;

	(void)state;
	start();
	all_right();
	before = read_above();
	assert_int_equal(before.valid, 1);
	assert_int_equal(before.marker_class, PARACLOCK_MARKER_AUTHORITATIVE);

	/*
	 * The TSC is emulated, so the old page is right, and the pages below
	 * are as well.
	 */
	move(3100000000U);
	pass(1000000000);
	all_right();
	/* But a calibration made now is void in a moment. */
	assert_int_equal(read_above().valid, 0);
	assert_int_equal(read_above().reason, PARACLOCK_REASON_DISRUPTED);

	assert_int_equal(paraclock_reenlightenment_run(&re), 0);
	assert_int_equal(hv.status, 0);
	assert_int_equal(re.hz, 3100000000U);
	all_right();
	pass(10000000000);
	all_right();
	assert_int_equal(read_above().valid, 1);
	assert_int_equal(read_above().epoch, before.epoch + 1);
	assert_int_equal(targets[2].marker, 2);
	/*
	 * Block, acknowledge, frequency, two writes for the promise, release.
	 */
	assert_string_equal(hv.log, "bafwwu");

	assert_int_equal(paraclock_next_event(above.clk, &event), 0);
	assert_int_equal(event.kind, PARACLOCK_EVENT_MIGRATED);
	assert_int_equal(event.marker_class, PARACLOCK_MARKER_AUTHORITATIVE);
	assert_int_equal(paraclock_next_event(above.clk, &event), -EAGAIN);
}

static void without_a_move_nothing_is_done(void **state)
{
	uint32_t before;

	(void)state;
	start();
	before = sequence_at(&below[1].fake, &kinds[1]);
	for (unsigned int i = 0; i < 5; i++) {
		pass(1000000);
		assert_int_equal(paraclock_reenlightenment_run(&re), 0);
	}
	assert_string_equal(hv.log, "");
	assert_int_equal(sequence_at(&below[1].fake, &kinds[1]), before);
	assert_int_equal(re.notifications, 1);
	assert_int_equal(targets[2].marker, 1);
	all_right();
}

/* Moved to a host with the same frequency: nothing is emulated. */
static void a_move_without_emulation_counts(void **state)
{
	(void)state;
	start();
	paraclock_reenlightenment_notify(&re);
	assert_int_equal(paraclock_reenlightenment_run(&re), 0);
	assert_string_equal(hv.log, "bfwwu");
	assert_int_equal(targets[2].marker, 2);
	all_right();
}

static void an_interrupt_that_was_lost(void **state)
{
	uint64_t epoch;

	(void)state;
	start();
	epoch = paraclock_epoch(above.clk);
	hv.status = 1;
	hv.next_hz = 2000000000U;
	assert_int_equal(paraclock_reenlightenment_run(&re), 0);
	assert_int_equal(hv.status, 0);
	assert_int_equal(paraclock_disrupted(above.clk, epoch), 1);
	assert_int_equal(targets[2].marker, 2);
	/* The move is handled once. */
	assert_string_equal(hv.log, "bafwwu");
	all_right();
}

static void another_move_during_the_first(void **state)
{
	(void)state;
	start();
	hv.moves = 1;
	move(3100000000U);
	assert_int_equal(paraclock_reenlightenment_run(&re), 0);
	assert_int_equal(hv.status, 0);
	assert_int_equal(re.hz, 1550000000U);
	all_right();
	pass(10000000000);
	all_right();
	assert_int_equal(read_above().valid, 1);
}

/*
 * Right after the status was read: a status of 0 must not count for the later
 * move.
 */
static void lands_behind_the_status(bool related)
{
	start();
	if (!related)
		re.relay = NULL;
	hv.lands = 3100000000U;
	assert_int_equal(paraclock_reenlightenment_run(&re), 0);
	assert_int_equal(hv.lands, 0);
	assert_int_equal(hv.status, 0);
	assert_int_equal(re.hz, 3100000000U);
	assert_int_equal(re.notifications, 2);
	assert_int_equal(read_above().valid, 1);
}

static void a_move_just_after_the_status(void **state)
{
	(void)state;
	lands_behind_the_status(true);
	all_right();
	assert_int_equal(targets[2].marker, 2);
}

static void a_move_just_after_the_status_without_a_relay(void **state)
{
	(void)state;
	lands_behind_the_status(false);
}

/*
 * The interrupt of an earlier move, which needed no emulation, arrives as well.
 */
static void a_move_just_after_anothers_status(void **state)
{
	(void)state;
	start();
	paraclock_reenlightenment_notify(&re);
	hv.lands = 3100000000U;
	assert_int_equal(paraclock_reenlightenment_run(&re), 0);
	assert_int_equal(hv.status, 0);
	assert_int_equal(re.hz, 3100000000U);
	assert_int_equal(re.notifications, 3);
	all_right();
	assert_int_equal(read_above().valid, 1);
}

/* Another move comes while the interrupt of the first was lost. */
static void a_move_just_after_a_lost_interrupt(void **state)
{
	(void)state;
	start();
	hv.status = 1;
	hv.next_hz = 2000000000U;
	hv.lands = 3100000000U;
	assert_int_equal(paraclock_reenlightenment_run(&re), 0);
	assert_int_equal(hv.status, 0);
	assert_int_equal(re.hz, 3100000000U);
	all_right();
	assert_int_equal(read_above().valid, 1);
}

static void a_machine_that_is_moved_without_end(void **state)
{
	(void)state;
	start();
	hv.moves = 3;
	move(3100000000U);
	assert_int_equal(paraclock_reenlightenment_run(&re), -EAGAIN);
	all_frozen();
	assert_int_equal(read_above().valid, 0);
	assert_int_equal(paraclock_reenlightenment_run(&re), 0);
	all_right();
}

static void a_page_that_comes_late_is_waited_for(void **state)
{
	(void)state;
	start();
	hv.late = true;
	move(3100000000U);
	assert_int_equal(paraclock_reenlightenment_run(&re), -EAGAIN);
	all_frozen();
	assert_int_equal(read_above().valid, 0);
	assert_int_equal(paraclock_reenlightenment_run(&re), -EAGAIN);
	all_frozen();
	new_page();
	assert_int_equal(paraclock_reenlightenment_run(&re), 0);
	all_right();
	assert_int_equal(read_above().valid, 1);
	assert_int_equal(targets[2].marker, 2);
}

static void a_page_that_is_off_is_waited_for(void **state)
{
	(void)state;
	start();
	hv.late = true;
	move(3100000000U);
	above.fake.counter_step = 1 << 12;
	assert_int_equal(paraclock_hyperv_freeze(above.fake.hyperv,
						 &above.writer,
						 &above.fake.env),
			 0);
	assert_int_equal(paraclock_reenlightenment_run(&re), -EAGAIN);
	all_frozen();
	above.fake.counter_step = 10;
	new_page();
	assert_int_equal(paraclock_reenlightenment_run(&re), 0);
	all_right();
}

static void markers_without_a_relay(void **state)
{
	(void)state;
	start();
	re.relay = NULL;
	move(3100000000U);
	assert_int_equal(read_above().valid, 0);
	assert_int_equal(paraclock_reenlightenment_run(&re), 0);
	assert_int_equal(read_above().valid, 1);
	assert_string_equal(hv.log, "af");
}

/* --- MSRs that fail, in a move -------------------------------------------- */

static struct fault_case {
	const char *name;
	uint32_t bad_read, bad_write;
	bool frozen;
	bool emulated;
} fault_cases[] = {
	{ "a status that cannot be read changes nothing", STATUS, 0, false,
	  true },
	{ "an acknowledgement that fails leaves everything frozen", 0, STATUS,
	  true, true },
	{ "a frequency that cannot be read leaves everything frozen", FREQUENCY,
	  0, true, false },
};

static void msr_fails(void **state)
{
	const struct fault_case *c = *state;

	start();
	hv.bad_read = c->bad_read;
	hv.bad_write = c->bad_write;
	move(3100000000U);
	for (unsigned int i = 0; i < 2; i++) {
		assert_int_equal(paraclock_reenlightenment_run(&re), -EIO);
		assert_int_equal(hv.status, c->emulated);
		assert_int_equal(read_above().valid, 0);
		if (c->frozen)
			all_frozen();
		else
			all_right();
	}
	hv.bad_read = 0;
	hv.bad_write = 0;
	assert_int_equal(paraclock_reenlightenment_run(&re), 0);
	all_right();
	assert_int_equal(read_above().valid, 1);
	assert_int_equal(targets[2].marker, 2);
}

static void a_frequency_of_0(void **state)
{
	(void)state;
	start();
	hv.late = true;
	move(0);
	assert_int_equal(paraclock_reenlightenment_run(&re), -EPROTO);
	all_frozen();
	hv.hz = 3100000000U;
	new_page();
	assert_int_equal(paraclock_reenlightenment_run(&re), 0);
	all_right();
}

static void a_guest_that_cannot_be_blocked(void **state)
{
	(void)state;
	start();
	move(3100000000U);
	below[0].pause_error = -EIO;
	assert_int_equal(paraclock_reenlightenment_run(&re), -EIO);
	/* The TSC stays emulated for as long as that takes. */
	assert_int_equal(hv.status, 1);
	below[0].pause_error = 0;
	assert_int_equal(paraclock_reenlightenment_run(&re), 0);
	all_right();
}

int main(void)
{
	each_test(set_up, tear_down);
	add_test("the whole sequence", the_whole_sequence);
	add_test("without a move nothing is done",
		 without_a_move_nothing_is_done);
	add_test("a move without emulation counts",
		 a_move_without_emulation_counts);
	add_test("an interrupt that was lost", an_interrupt_that_was_lost);
	add_test("another move during the first",
		 another_move_during_the_first);
	add_test("a move just after the status was read",
		 a_move_just_after_the_status);
	add_test("a move just after the status was read, without a relay",
		 a_move_just_after_the_status_without_a_relay);
	add_test("a move just after the status of another was read",
		 a_move_just_after_anothers_status);
	add_test("a move just after a lost interrupt was found",
		 a_move_just_after_a_lost_interrupt);
	add_test("a machine that is moved without end",
		 a_machine_that_is_moved_without_end);
	add_test("a page that comes late is waited for",
		 a_page_that_comes_late_is_waited_for);
	add_test("a page that is off is waited for",
		 a_page_that_is_off_is_waited_for);
	add_test("markers without a relay", markers_without_a_relay);
	ADD_ROWS(fault_cases, msr_fails);
	add_test("a frequency of 0 leaves everything frozen", a_frequency_of_0);
	add_test("a guest that cannot be blocked is not acknowledged",
		 a_guest_that_cannot_be_blocked);
	return run_suite(NULL, NULL);
}
