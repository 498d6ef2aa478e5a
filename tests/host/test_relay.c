// SPDX-License-Identifier: MIT
/* What a relay writes below: exact, in time, and only valid time. */

#include <paraclock/relay.h>

#include "relay_of_three.h"

#define SEC_TICKS 2500000000U

static struct writer_kind *const pvclock = &kinds[0];
static struct writer_kind *const hyperv = &kinds[1];
static struct writer_kind *const vmclock = &kinds[2];

static uint32_t sequence(size_t i)
{
	return sequence_at(&below[i].fake, &kinds[i]);
}

static void all_right(uint64_t later)
{
	for (size_t i = 0; i < relay.n_targets; i++) {
		uint64_t counter =
			counter_below(&targets[i], above.fake.counter + later);

		assert_running(&below[i]);
		assert_right(&above, &below[i], counter);
	}
}

static void all_frozen(void)
{
	for (size_t i = 0; i < relay.n_targets; i++) {
		assert_int_equal(targets[i].state, PARACLOCK_TARGET_FROZEN);
		assert_frozen(&below[i],
			      counter_below(&targets[i], above.fake.counter));
	}
}

/* --- exactness ------------------------------------------------------------ */

static void random_coupling(struct paraclock_target *target)
{
	uint8_t shift = random_word() % 2 ? 48 : 32;
	/* A hundredth to four times as fast. */
	uint64_t one = (uint64_t)1 << shift;
	uint64_t mult = one / 100 + random_word() % (one * 4);

	couple(target, mult, shift, random_word() >> 16);
	if (random_word() % 4 == 0)
		target->coupling.mult = (uint64_t)1 << shift;
	if (random_word() % 8 == 0)
		target->coupling.size = 0;
}

static void comes_out_exact(void **state)
{
	const struct writer_kind *kind = *state;

	for (unsigned int i = 0; i < 300; i++) {
		uint64_t hz = 800000000U + random_word() % 4000000000U;

		start(kind, hz, (1ULL << 40) + (random_word() >> 16));
		if (kind == vmclock) {
			/* Only on a page that can express TAI. */
			relay.targets = &targets[2];
			relay.n_targets = 1;
		}
		for (size_t k = 0; k < 3; k++) {
			random_coupling(&targets[k]);
			targets[k].flags = random_word() % 2;
		}
		above.fake.counter += random_word() % (hz * 300);
		assert_int_equal(update(), 0);
		for (size_t k = 3 - relay.n_targets; k < 3; k++) {
			uint64_t later = random_word() % (hz * 600);

			assert_running(&below[k]);
			assert_right(&above, &below[k],
				     counter_below(&targets[k],
						   above.fake.counter + later));
		}
		above_end(&above);
	}
}

static void a_pvclock_page_is_handed_on_to_the_bit(void **state)
{
	(void)state;
	start(pvclock, SEC_TICKS + 12345, 1ULL << 45);
	above.fake.counter += 100ULL * SEC_TICKS;
	assert_int_equal(update(), 0);
	/* Multiplier, shift and flags; its base is now. */
	assert_int_equal(get64(above.fake.pvclock, 24),
			 get64(below[0].fake.pvclock, 24));
	assert_int_equal(get64(above.fake.pvclock, 24) >> 40 & 0xff, 1);
	all_right(3600ULL * SEC_TICKS);
	above_end(&above);
}

static void a_guests_clock_begins_at_its_own_offset(void **state)
{
	(void)state;
	start(hyperv, SEC_TICKS, 1ULL << 45);
	/* Guests that begin with 0 now, and one that is ahead. */
	for (size_t i = 0; i < 2; i++)
		assert_int_equal(paraclock_relay_align(&relay, &targets[i],
						       above.fake.counter, 0,
						       0),
				 0);
	targets[2].offset_sec = 5;
	targets[2].offset_frac = 1ULL << 63;
	assert_true(targets[0].offset_sec < 0);
	above.fake.counter += SEC_TICKS;
	assert_int_equal(update(), 0);
	assert_int_equal(targets[0].timeline.base_sec, 1);
	assert_int_equal(targets[2].timeline.base_sec, 1006);
	all_right(SEC_TICKS);
	/* Its readers would see a step. */
	assert_int_equal(paraclock_relay_align(&relay, &targets[0], 1, 2, 3),
			 -EBUSY);
	above_end(&above);
}

static void error_bounds_cover_the_clock_above(void **state)
{
	struct paraclock_sample sample, up;

	(void)state;
	above_start(&above, vmclock, SEC_TICKS, 1ULL << 45, 1700000000);
	above.conv.flags |= PARACLOCK_TIMELINE_MAXERROR |
			    PARACLOCK_TIMELINE_MAXERROR_RATE |
			    PARACLOCK_TIMELINE_TAI_OFFSET;
	above.conv.tai_offset_sec = 37;
	above.conv.maxerror_ns = 1000;
	/* 50 ppm */
	above.conv.maxerror_rate_frac = above.conv.period_frac / 20000;
	above_write(&above);
	below_init(&below[2], &targets[2], vmclock, &above.fake.env);
	couple(&targets[2], 3ULL << 30, 32, 12345);
	relay = relay_of(&above, &targets[2], 1);
	above.fake.counter += SEC_TICKS;
	assert_int_equal(update(), 0);
	above.fake.counter += 10ULL * SEC_TICKS;
	assert_int_equal(paraclock_read(above.clk, &up), 0);
	assert_int_equal(below_sample(&below[2],
				      counter_below(&targets[2], up.host_tsc),
				      &sample),
			 0);
	assert_in_range(sample.clock_error_ns, up.clock_error_ns,
			up.clock_error_ns + 8);
	assert_int_equal(sample.tai_offset_sec, 37);
	assert_int_equal(sample.timescale, PARACLOCK_TIMESCALE_TAI);
	assert_int_equal(sample.leap, up.leap);
	above_end(&above);
}

/* --- when ----------------------------------------------------------------- */

static void an_unchanged_clock_is_not_written(void **state)
{
	uint32_t before[3];

	(void)state;
	start(pvclock, SEC_TICKS, 1ULL << 45);
	assert_int_equal(update(), 0);
	for (size_t i = 0; i < 3; i++)
		before[i] = sequence(i);
	above.fake.counter += 200ULL * SEC_TICKS;
	/* Another version is not another time. */
	put32(above.fake.pvclock, 0, 20);
	assert_int_equal(update(), 0);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(sequence(i), before[i]);
	above.fake.counter += 101ULL * SEC_TICKS;
	assert_int_equal(update(), 0);
	for (size_t i = 0; i < 3; i++)
		assert_int_not_equal(sequence(i), before[i]);
	all_right(0);
	above_end(&above);
}

static void a_small_change_is_written_and_no_disruption(void **state)
{
	(void)state;
	start(pvclock, SEC_TICKS, 1ULL << 45);
	for (size_t i = 0; i < 3; i++)
		targets[i].flags = PARACLOCK_TARGET_MONOTONIC;
	assert_int_equal(update(), 0);
	for (unsigned int i = 0; i < 100; i++) {
		above.fake.counter += SEC_TICKS;
		/* Back and forth: readers never go back. */
		assert_int_equal(paraclock_timeline_rebase(&above.conv,
							   above.fake.counter),
				 0);
		add_ns(&above.conv, (int64_t)(random_word() % 1600) - 800);
		above_write(&above);
		assert_int_equal(update(), 0);
		all_right(0);
	}
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(targets[i].marker, 1);
	assert_int_equal(relay.disruptions, 0);
	above_end(&above);
}

/* --- only valid time is relayed ------------------------------------------- */

static void a_page_that_is_switched_off_freezes(void **state)
{
	(void)state;
	start(hyperv, SEC_TICKS, 1ULL << 45);
	assert_int_equal(update(), 0);
	assert_int_equal(paraclock_hyperv_freeze(above.fake.hyperv,
						 &above.writer,
						 &above.fake.env),
			 0);
	above.fake.counter_step = 1 << 10;
	assert_int_equal(update(), -EAGAIN);
	all_frozen();
	above_write(&above);
	above.fake.counter_step = 10;
	assert_int_equal(update(), 0);
	all_right(SEC_TICKS);
	/* L1 was not disrupted, and L2 was not either. */
	assert_int_equal(relay.disruptions, 0);
	assert_int_equal(targets[2].marker, 1);
	above_end(&above);
}

static void a_dead_host_freezes(void **state)
{
	(void)state;
	start(pvclock, SEC_TICKS, 1ULL << 45);
	assert_int_equal(update(), 0);
	above.fake.counter_step = 1 << 14;
	put32(above.fake.pvclock, 0, 7);
	assert_int_equal(update(), -EAGAIN);
	all_frozen();
	above_end(&above);
}

static void a_jump_is_a_disruption(void **state)
{
	(void)state;
	start(pvclock, SEC_TICKS, 1ULL << 45);
	assert_int_equal(update(), 0);
	above.fake.counter += SEC_TICKS;
	add_ns(&above.conv, 5000000);
	above_write(&above);
	assert_int_equal(update(), 0);
	all_right(0);
	assert_int_equal(relay.disruptions, 1);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(targets[i].marker, 2);
	/* The page shows it, too. */
	assert_int_equal(get64(below[2].fake.vmclock, 16), 2);
	above_end(&above);
}

static void a_held_target_stays_frozen_and_the_rest_goes_on(void **state)
{
	(void)state;
	start(pvclock, SEC_TICKS, 1ULL << 45);
	assert_int_equal(update(), 0);
	targets[2].flags |= PARACLOCK_TARGET_HELD;
	assert_int_equal(update(), 0);
	assert_int_equal(update(), 0);
	assert_int_equal(targets[2].state, PARACLOCK_TARGET_FROZEN);
	assert_frozen(&below[2], above.fake.counter);
	assert_running(&below[0]);
	assert_running(&below[1]);
	targets[2].flags = 0;
	assert_int_equal(update(), 0);
	all_right(0);
	assert_int_equal(targets[0].marker, 1);
	assert_int_equal(targets[2].marker, 2);
	above_end(&above);
}

static void announced(void **state)
{
	(void)state;
	start(hyperv, SEC_TICKS, 1ULL << 45);
	assert_int_equal(update(), 0);
	assert_int_equal(paraclock_relay_freeze(&relay), 0);
	all_frozen();
	assert_int_equal(update(), -EAGAIN);
	assert_int_equal(paraclock_relay_freeze(&relay), 0);
	all_frozen();
	assert_int_equal(paraclock_relay_resume(&relay), 0);
	all_right(SEC_TICKS);
	/* Nothing on the page above has moved, though. */
	assert_int_equal(relay.disruptions, 1);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(targets[i].marker, 2);
	above_end(&above);
}

/* vCPU 0 must have run before its page is the new host's. */
static void resumes_when_the_page_is_known_to_be_new(void **state)
{
	(void)state;
	start(pvclock, SEC_TICKS, 1ULL << 45);
	assert_int_equal(update(), 0);
	assert_int_equal(paraclock_relay_freeze(&relay), 0);
	above.fake.cpu = 1;
	assert_int_equal(paraclock_relay_resume(&relay), -EAGAIN);
	all_frozen();
	assert_int_equal(update(), -EAGAIN);
	all_frozen();
	above.fake.counter += SEC_TICKS;
	add_ns(&above.conv, 777);
	above_write(&above);
	assert_int_equal(update(), 0);
	all_right(0);
	assert_int_equal(targets[0].marker, 2);
	above_end(&above);
}

static void readers_never_go_back(void **state)
{
	(void)state;
	start(pvclock, SEC_TICKS, 1ULL << 45);
	for (size_t i = 0; i < 3; i++)
		targets[i].flags = PARACLOCK_TARGET_MONOTONIC;
	assert_int_equal(update(), 0);
	above.fake.counter += SEC_TICKS;
	all_right(0);
	add_ns(&above.conv, -3000000000);
	above_write(&above);
	assert_int_equal(update(), -ESTALE);
	all_frozen();
	above.fake.counter += 2ULL * SEC_TICKS;
	assert_int_equal(update(), -ESTALE);
	all_frozen();
	/* For one of them the promise is dropped. */
	targets[1].flags = 0;
	below[1].seen = 0;
	assert_int_equal(update(), -ESTALE);
	assert_running(&below[1]);
	assert_right(&above, &below[1], above.fake.counter);
	above.fake.counter += SEC_TICKS + 1000;
	assert_int_equal(update(), 0);
	all_right(0);
	above_end(&above);
}

/* --- arguments ------------------------------------------------------------ */

static void relay_too_small(void)
{
	relay.size--;
}

static void no_clock(void)
{
	relay.clk = NULL;
}

static void no_targets(void)
{
	relay.targets = NULL;
}

static void targets_of_two_sizes(void)
{
	targets[1].size += 8;
}

static void no_page(void)
{
	targets[1].page = NULL;
}

static void no_writer(void)
{
	targets[1].writer = NULL;
}

static void no_way_to_freeze(void)
{
	targets[0].pause = NULL;
}

static void an_undefined_state(void)
{
	targets[0].state = 4;
}

static struct argument {
	const char *name;
	void (*spoil)(void);
} arguments[] = {
	{ "a relay that is too small is refused", relay_too_small },
	{ "no clock is refused", no_clock },
	{ "a missing list of targets is refused", no_targets },
	{ "targets of two sizes are refused", targets_of_two_sizes },
	{ "a target without a page is refused", no_page },
	{ "a target without a writer is refused", no_writer },
	{ "a target that nothing can freeze is refused", no_way_to_freeze },
	{ "a target in an unknown state is refused", an_undefined_state },
};

static void is_refused(void **state)
{
	const struct argument *argument = *state;
	uint8_t pages[3][4096];

	start(pvclock, SEC_TICKS, 1ULL << 45);
	for (size_t i = 0; i < 3; i++)
		memcpy(pages[i], page_of(&below[i].fake, &kinds[i]), 4096);
	argument->spoil();
	assert_int_equal(update(), -EINVAL);
	assert_int_equal(paraclock_relay_freeze(&relay), -EINVAL);
	assert_int_equal(paraclock_relay_resume(&relay), -EINVAL);
	assert_int_equal(paraclock_relay_align(&relay, &targets[0], 1, 1, 1),
			 -EINVAL);
	for (size_t i = 0; i < 3; i++) {
		assert_memory_equal(pages[i],
				    page_of(&below[i].fake, &kinds[i]), 4096);
		assert_int_equal(below[i].paused, 0);
	}
	above_end(&above);
}

static void null_is_refused(void **state)
{
	(void)state;
	start(pvclock, SEC_TICKS, 1ULL << 45);
	assert_int_equal(paraclock_relay_update(NULL), -EINVAL);
	assert_int_equal(paraclock_relay_freeze(NULL), -EINVAL);
	assert_int_equal(paraclock_relay_resume(NULL), -EINVAL);
	assert_int_equal(paraclock_relay_align(NULL, &targets[0], 1, 1, 1),
			 -EINVAL);
	assert_int_equal(paraclock_relay_align(&relay, NULL, 1, 1, 1), -EINVAL);
	above_end(&above);
}

int main(void)
{
	ADD_ROWS(kinds, comes_out_exact);
	add_test("a pvclock page is handed on to the bit",
		 a_pvclock_page_is_handed_on_to_the_bit);
	add_test("a guest's clock begins at its own offset",
		 a_guests_clock_begins_at_its_own_offset);
	add_test("error bounds below cover those above",
		 error_bounds_cover_the_clock_above);
	add_test("an unchanged clock is not written until the page is old",
		 an_unchanged_clock_is_not_written);
	add_test("a small change is written and no disruption",
		 a_small_change_is_written_and_no_disruption);
	add_test("a page above that is switched off freezes what is below",
		 a_page_that_is_switched_off_freezes);
	add_test("a host that died in an update freezes what is below",
		 a_dead_host_freezes);
	add_test("a jump above is a disruption below", a_jump_is_a_disruption);
	add_test("a held target stays frozen, and the others go on",
		 a_held_target_stays_frozen_and_the_rest_goes_on);
	add_test("an announced move freezes, and counts", announced);
	add_test("after a move the page above must be known to be new",
		 resumes_when_the_page_is_known_to_be_new);
	add_test("readers never go back after a move", readers_never_go_back);
	ADD_ROWS(arguments, is_refused);
	add_test("NULL is refused", null_is_refused);
	return run_suite(NULL, NULL);
}
