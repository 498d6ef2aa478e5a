// SPDX-License-Identifier: MIT
/* Snapshots on a machine that interrupts them, and on odd ones. */

#include <time.h>

#include "fake_clocks.h"

/* 4 ms at 2.6 GHz. */
#define PAUSE_TICKS 10400000

static struct fake_clocks clocks;

static int setup(void **state)
{
	(void)state;
	fake_clocks_init(&clocks);
	return 0;
}

static struct paraclock_snapshot take(void)
{
	struct paraclock_snapshot snap = { .size = sizeof(snap) };

	assert_int_equal(paraclock_snapshot(&clocks.world.env, &snap), 0);
	fake_check_truth(&clocks, snap.known, snap.ns, snap.counter,
			 snap.uncertainty_ns);
	return snap;
}

static unsigned int first_pause, last_pause;

/* Readings first_pause to last_pause are interrupted. */
static void interrupt_some(struct fake_clocks *c, int clock_id)
{
	(void)clock_id;
	if (c->clock_reads >= first_pause && c->clock_reads <= last_pause)
		c->world.counter += PAUSE_TICKS;
}

static void interrupt(unsigned int first, unsigned int last)
{
	first_pause = clocks.clock_reads + first;
	last_pause = clocks.clock_reads + last;
	clocks.on_read = interrupt_some;
}

static uint32_t set_and_snapshot(int64_t step)
{
	fake_clocks_pass(&clocks, 2600000);
	clocks.real_minus_mono += step;
	return take().clock_was_set_seq;
}

/* After a set, a pause interrupts the new measurement. */
static void a_pause_after_a_set_does_not_blind(void **state)
{
	(void)state;
	for (unsigned int first = 1; first < 80; first += 3) {
		uint32_t seq;

		setup(NULL);
		(void)take();
		clocks.real_minus_mono += 5000000000;
		interrupt(first, first + 3);
		(void)take();
		clocks.on_read = NULL;
		fake_clocks_pass(&clocks, 2600000);
		seq = take().clock_was_set_seq;
		assert_int_equal(seq, 1);
		assert_int_equal(set_and_snapshot(-1000), 2);
	}
}

/* All of the first snapshot's readings of one clock, one after the other. */
static void a_pause_in_the_first_snapshot_does_no_lasting_harm(void **state)
{
	(void)state;
	for (unsigned int first = 1; first < 400; first += 7) {
		setup(NULL);
		interrupt(first, first + 6);
		(void)take();
		clocks.on_read = NULL;
		for (unsigned int i = 0; i < 8; i++) {
			struct paraclock_snapshot snap = take();

			/* Also of BOOTTIME, whose offset is kept for long. */
			assert_in_range(snap.uncertainty_ns, 10, 60);
			assert_int_equal(snap.clock_was_set_seq, 0);
			fake_clocks_pass(&clocks, 26000);
		}
		assert_int_equal(set_and_snapshot(1000), 1);
	}
}

/* As after days: the rate is known to some ppb, and stays so. */
static void a_pause_makes_the_rate_no_worse(void **state)
{
	(void)state;
	for (uint64_t step = 1000; step < 26000000000; step *= 3) {
		(void)take();
		fake_clocks_pass(&clocks, step);
	}
	fake_clocks_pass(&clocks, 260000000000);
	interrupt(1, 16);
	(void)take();
	clocks.on_read = NULL;
	fake_clocks_pass(&clocks, 26000000000);
	assert_int_equal(take().clocksource_changed_seq, 0);
	clocks.world.counter += 2600;
	clocks.origin += 2600;
	assert_int_equal(take().clocksource_changed_seq, 1);
}

static void become(const char *name, uint8_t kind, uint64_t read_ticks)
{
	memset(clocks.source, 0, sizeof(clocks.source));
	memcpy(clocks.source, name, strlen(name));
	clocks.kind = kind;
	clocks.read_ticks = read_ticks;
}

static void a_better_clocksource_is_noticed_in_a_second(void **state)
{
	unsigned int reads;

	(void)state;
	become("hpet", PARACLOCK_CLOCKSOURCE_OTHER, 4000);
	for (unsigned int i = 0; i < 10; i++) {
		assert_int_equal(take().valid_for_correlation, 0);
		fake_clocks_pass(&clocks, 26000000);
	}
	reads = clocks.source_reads;
	become("tsc", PARACLOCK_CLOCKSOURCE_COUNTER, 52);
	fake_clocks_pass(&clocks, 2700000000);
	assert_int_equal(take().valid_for_correlation, 1);
	assert_int_equal(take().clocksource_changed_seq, 1);
	fake_clocks_pass(&clocks, 26000000000);
	(void)take();
	/* One look, and one to commit it; none for a good clocksource. */
	assert_int_equal(clocks.source_reads, reads + 2);
}

static void a_name_that_could_not_be_read_is_read_later(void **state)
{
	(void)state;
	clocks.source_error = -ENOMEM;
	assert_int_equal(take().valid_for_correlation, 0);
	clocks.source_error = 0;
	assert_int_equal(take().valid_for_correlation, 0);
	fake_clocks_pass(&clocks, 2700000000);
	assert_int_equal(take().valid_for_correlation, 1);
}

/* Another thread holds the lock, so nothing can be committed. */
static void a_change_to_hpet_never_passes(void **state)
{
	uint32_t *owner = (uint32_t *)(void *)&clocks.system_clocks + 1;
	struct paraclock_snapshot snap = take();

	(void)state;
	become("hpet", PARACLOCK_CLOCKSOURCE_OTHER, 4000);
	*owner = clocks.world.process_id;
	assert_int_equal(paraclock_snapshot(&clocks.world.env, &snap), -EAGAIN);
	*owner = 0;
	assert_int_equal(take().valid_for_correlation, 0);
}

static int (*whole_read_clock)(void *ctx, int clock_id, int64_t *ret_ns);
static int without;

static int lacking_read_clock(void *ctx, int clock_id, int64_t *ret_ns)
{
	return clock_id == without ? -EINVAL
				   : whole_read_clock(ctx, clock_id, ret_ns);
}

static void an_env_may_lack_tai_or_boottime(void **state)
{
	static const struct {
		int id;
		uint8_t known;
	} lacks[] = {
		{ CLOCK_TAI, 0xf },
		{ CLOCK_BOOTTIME, 0x17 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lacks); i++) {
		setup(NULL);
		without = lacks[i].id;
		whole_read_clock = clocks.world.env.read_clock;
		clocks.world.env.read_clock = lacking_read_clock;
		for (unsigned int n = 0; n < 3; n++) {
			struct paraclock_snapshot snap = take();

			assert_int_equal(snap.known, lacks[i].known);
			assert_in_range(snap.uncertainty_ns, 10, 60);
			fake_clocks_pass(&clocks, 2700000000);
		}
	}
}

/* RAW moves every 4 ms. */
static int64_t coarse(int64_t ns)
{
	return ns - ns % 4000000;
}

static int jiffies_read_clock(void *ctx, int clock_id, int64_t *ret_ns)
{
	int ret = whole_read_clock(ctx, clock_id, ret_ns);

	*ret_ns = coarse(*ret_ns);
	return ret;
}

static void a_snapshot_under_jiffies_fails(void **state)
{
	struct paraclock_snapshot snap = { .size = sizeof(snap) }, was = snap;

	(void)state;
	become("jiffies", PARACLOCK_CLOCKSOURCE_OTHER, 2);
	clocks.world.counter_step = 1;
	whole_read_clock = clocks.world.env.read_clock;
	clocks.world.env.read_clock = jiffies_read_clock;
	assert_int_equal(paraclock_snapshot(&clocks.world.env, &snap), -ENODEV);
	assert_memory_equal(&snap, &was, sizeof(snap));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pause_after_a_set_does_not_blind),
		cmocka_unit_test(
			a_pause_in_the_first_snapshot_does_no_lasting_harm),
		cmocka_unit_test(a_pause_makes_the_rate_no_worse),
		cmocka_unit_test(a_better_clocksource_is_noticed_in_a_second),
		cmocka_unit_test(a_name_that_could_not_be_read_is_read_later),
		cmocka_unit_test(a_change_to_hpet_never_passes),
		cmocka_unit_test(an_env_may_lack_tai_or_boottime),
		cmocka_unit_test(a_snapshot_under_jiffies_fails),
	};

	each_test(setup, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
