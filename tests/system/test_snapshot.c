// SPDX-License-Identifier: MIT
/* Snapshots on clocks that are exactly known. */

#include "fake_clocks.h"

static struct fake_clocks clocks;

static struct paraclock_snapshot take(void)
{
	struct paraclock_snapshot snap = { .size = sizeof(snap) };

	assert_int_equal(paraclock_snapshot(&clocks.world.env, &snap), 0);
	return snap;
}

static void check_truth(const struct paraclock_snapshot *snap)
{
	fake_check_truth(&clocks, snap->known, snap->ns, snap->counter,
			 snap->uncertainty_ns);
}

static int setup(void **state)
{
	(void)state;
	fake_clocks_init(&clocks);
	return 0;
}

static void all_clocks_at_one_counter_value(void **state)
{
	struct paraclock_snapshot snap = take();

	(void)state;
	check_truth(&snap);
	assert_int_equal(snap.known, 0x1f);
	assert_int_equal(snap.tai_offset_sec, 37);
	assert_int_equal(snap.counter_id, PARACLOCK_COUNTER_X86_TSC);
	assert_int_equal(snap.clocksource_kind, PARACLOCK_CLOCKSOURCE_COUNTER);
	assert_int_equal(snap.valid_for_correlation, 1);
	assert_string_equal(snap.clocksource, "tsc");
	assert_int_equal(snap.clock_was_set_seq, 0);
	assert_int_equal(snap.clocksource_changed_seq, 0);
	/* Half of 39 + 52 ticks at 2.6 GHz is 17.5 ns. */
	assert_in_range(snap.uncertainty_ns, 17, 40);
}

/* So far apart that the rate is refined, and each clock is read again. */
static void clocks_stay_true_for_days(void **state)
{
	uint64_t step = 1000;

	(void)state;
	for (unsigned int i = 0; i < 2000; i++) {
		struct paraclock_snapshot snap = take();

		check_truth(&snap);
		assert_in_range(snap.uncertainty_ns, 17, 60);
		assert_int_equal(snap.clock_was_set_seq, 0);
		assert_int_equal(snap.clocksource_changed_seq, 0);
		fake_clocks_pass(&clocks, step);
		step += step / 50;
		if (step > 260000000000)
			step = 260000000000;
	}
	/* Once, at the first snapshot: sysfs is not read per call. */
	assert_int_equal(clocks.source_reads, 1);
}

static void a_tai_offset_of_zero_is_unknown(void **state)
{
	struct paraclock_snapshot snap;

	(void)state;
	clocks.tai_sec = 0;
	snap = take();
	check_truth(&snap);
	assert_int_equal(snap.known, 0xf);
	assert_int_equal(snap.tai_offset_sec, 0);
}

static void boottime_has_its_suspends(void **state)
{
	struct paraclock_snapshot snap;

	(void)state;
	clocks.boot_minus_mono = 3600123456789;
	snap = take();
	check_truth(&snap);
	assert_in_range(snap.uncertainty_ns, 17, 100);
}

/* Nothing else shows it in the fake; in Linux a suspend does. */
static void boottime_is_looked_at_once_a_second(void **state)
{
	struct paraclock_snapshot snap = take();

	(void)state;
	fake_clocks_pass(&clocks, 2700000000);
	clocks.boot_minus_mono = 3600123456789;
	snap = take();
	fake_check_truth(&clocks, snap.known, snap.ns, snap.counter,
			 snap.uncertainty_ns);
	assert_int_equal(snap.clock_was_set_seq, 1);
}

static void a_set_clock_counts(void **state)
{
	static const int64_t steps[] = { 1000, -1000, 1000000000,
					 -86400000000000, 300 };
	uint32_t seq = take().clock_was_set_seq;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		struct paraclock_snapshot snap;

		fake_clocks_pass(&clocks, 1000000);
		clocks.real_minus_mono += steps[i];
		snap = take();
		check_truth(&snap);
		assert_int_equal(snap.clock_was_set_seq, ++seq);
		assert_int_equal(snap.clocksource_changed_seq, 0);
		assert_int_equal(take().clock_was_set_seq, seq);
	}
}

static void another_tai_offset_counts_as_a_set(void **state)
{
	struct paraclock_snapshot snap = take();

	(void)state;
	clocks.tai_sec = 38;
	snap = take();
	check_truth(&snap);
	assert_int_equal(snap.tai_offset_sec, 38);
	assert_int_equal(snap.clock_was_set_seq, 1);
}

/* The kernel's inserted second: REALTIME goes back, TAI goes on. */
static void a_leap_second_counts_as_a_set(void **state)
{
	struct paraclock_snapshot snap = take();

	(void)state;
	clocks.tai_sec++;
	clocks.real_minus_mono -= 1000000000;
	snap = take();
	check_truth(&snap);
	assert_int_equal(snap.clock_was_set_seq, 1);
}

static unsigned int until_set;

static void set_in_the_middle(struct fake_clocks *c, int clock_id)
{
	(void)clock_id;
	if (until_set && !--until_set)
		c->real_minus_mono += 5000000000;
}

/* Between any two of a snapshot's readings. */
static void a_set_within_a_snapshot_is_all_before_or_all_after(void **state)
{
	(void)state;
	for (unsigned int n = 1; n <= 8; n++) {
		struct paraclock_snapshot snap;
		int64_t before;

		setup(NULL);
		(void)take();
		before = clocks.real_minus_mono;
		until_set = n;
		clocks.on_read = set_in_the_middle;
		snap = take();
		if (snap.clock_was_set_seq == 0)
			clocks.real_minus_mono = before;
		check_truth(&snap);
		clocks.real_minus_mono = before + 5000000000;
		snap = take();
		check_truth(&snap);
		assert_int_equal(snap.clock_was_set_seq, 1);
	}
}

static void always_set(struct fake_clocks *c, int clock_id)
{
	(void)clock_id;
	c->real_minus_mono += 1000000;
}

static void a_clock_that_is_always_set_gives_no_snapshot(void **state)
{
	struct paraclock_snapshot snap = take(), was;

	(void)state;
	was = snap;
	clocks.on_read = always_set;
	assert_int_equal(paraclock_snapshot(&clocks.world.env, &snap), -EAGAIN);
	assert_memory_equal(&snap, &was, sizeof(snap));
	clocks.on_read = NULL;
	snap = take();
	check_truth(&snap);
}

static void a_counter_that_jumps_counts_as_another_source(void **state)
{
	static const int64_t jumps[] = { 2600000, -2600000, -1000000000, 2600 };
	uint32_t seq = take().clocksource_changed_seq;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(jumps); i++) {
		struct paraclock_snapshot snap;

		/* The clocks go on where they were. */
		clocks.world.counter += (uint64_t)jumps[i];
		clocks.origin += (uint64_t)jumps[i];
		snap = take();
		check_truth(&snap);
		assert_int_equal(snap.clocksource_changed_seq, ++seq);
		assert_int_equal(snap.clock_was_set_seq, 0);
		fake_clocks_pass(&clocks, 1000000);
	}
}

/*
 * The longer the rate is observed, the better it is known: a jump of 1 us shows
 * after days as it does at once.
 */
static void a_small_jump_shows_after_days(void **state)
{
	uint32_t seq;

	(void)state;
	for (uint64_t step = 1000; step < 260000000000000; step *= 3) {
		(void)take();
		fake_clocks_pass(&clocks, step);
	}
	seq = take().clocksource_changed_seq;
	assert_int_equal(seq, 0);
	clocks.world.counter += 2600;
	clocks.origin += 2600;
	assert_int_equal(take().clocksource_changed_seq, 1);
}

static unsigned int until_back;

static void go_back_once(struct fake_clocks *c, int clock_id)
{
	(void)clock_id;
	if (until_back && !--until_back)
		c->world.counter -= 200;
}

/* A thread that moves to a CPU whose counter is behind. */
static void a_counter_that_goes_back_is_read_again(void **state)
{
	(void)state;
	for (unsigned int n = 1; n <= 8; n++) {
		struct paraclock_snapshot snap;
		unsigned int before;

		setup(NULL);
		(void)take();
		before = clocks.clock_reads;
		until_back = n;
		clocks.on_read = go_back_once;
		snap = take();
		check_truth(&snap);
		assert_int_equal(snap.clocksource_changed_seq, 0);
		/* In the first pass of four, or never. */
		assert_int_equal(clocks.clock_reads - before, n <= 4 ? 8 : 4);
	}
}

/* As after a move to another host without scaling. */
static void another_counter_rate_counts_as_another_source(void **state)
{
	struct paraclock_snapshot snap = take();

	(void)state;
	clocks.raw.base = fake_clock_at(&clocks, PARACLOCK_CLOCK_MONOTONIC_RAW,
					clocks.world.counter);
	clocks.mono.base = fake_clock_at(&clocks, PARACLOCK_CLOCK_MONOTONIC,
					 clocks.world.counter);
	clocks.origin = clocks.world.counter;
	clocks.raw.den = clocks.mono.den = 2400000;
	fake_clocks_pass(&clocks, 10000000);
	snap = take();
	check_truth(&snap);
	assert_int_equal(snap.clocksource_changed_seq, 1);
}

/*
 * A slow clocksource is a system call away: wide, and so recognised by its
 * width.
 */
static void a_change_to_hpet_is_noticed(void **state)
{
	struct paraclock_snapshot snap = take();

	(void)state;
	strcpy(clocks.source, "hpet");
	clocks.kind = PARACLOCK_CLOCKSOURCE_OTHER;
	clocks.read_ticks = 4000;
	snap = take();
	assert_int_equal(snap.valid_for_correlation, 0);
	assert_int_equal(snap.clocksource_kind, PARACLOCK_CLOCKSOURCE_OTHER);
	assert_string_equal(snap.clocksource, "hpet");
	assert_int_equal(snap.clocksource_changed_seq, 1);
}

static void each_number_of_brackets_works(void **state)
{
	(void)state;
	for (unsigned int n = 1; n <= PARACLOCK_BRACKETS_MAX; n++) {
		struct paraclock_snapshot snap = { .size = sizeof(snap) };
		unsigned int before;

		(void)take();
		before = clocks.clock_reads;
		snap.brackets = n;
		assert_int_equal(paraclock_snapshot(&clocks.world.env, &snap),
				 0);
		check_truth(&snap);
		assert_int_equal(clocks.clock_reads - before, n + 2);
	}
}

static void without_a_memory_each_call_is_the_first(void **state)
{
	(void)state;
	clocks.world.env.system_clocks = NULL;
	for (unsigned int i = 0; i < 3; i++) {
		struct paraclock_snapshot snap = take();

		check_truth(&snap);
		assert_int_equal(snap.clock_was_set_seq, 0);
		clocks.real_minus_mono += 1000000000;
	}
	assert_int_equal(clocks.source_reads, 3);
}

static void a_counter_may_wrap_around(void **state)
{
	(void)state;
	clocks.world.counter = UINT64_MAX - 300000;
	clocks.origin = clocks.world.counter - 1000;
	for (unsigned int i = 0; i < 100; i++) {
		struct paraclock_snapshot snap = take();

		check_truth(&snap);
		assert_int_equal(snap.clocksource_changed_seq, 0);
		fake_clocks_pass(&clocks, 10000);
	}
	assert_true(clocks.world.counter < UINT64_MAX / 2);
}

static uint64_t frozen_counter(void *ctx)
{
	return ((struct fake *)ctx)->counter;
}

static int own_read_clock(void *ctx, int clock_id, int64_t *ret_ns)
{
	(void)ctx;
	(void)clock_id;
	*ret_ns = 0;
	return 0;
}

static void bad_arguments_are_refused(void **state)
{
	struct paraclock_snapshot snap = { .size = sizeof(snap) }, was;
	struct paraclock_env *env = &clocks.world.env;

	(void)state;
	was = snap;
	assert_int_equal(paraclock_snapshot(env, NULL), -EINVAL);
	snap.size--;
	assert_int_equal(paraclock_snapshot(env, &snap), -EINVAL);
	snap = was;
	snap.brackets = PARACLOCK_BRACKETS_MAX + 1;
	assert_int_equal(paraclock_snapshot(env, &snap), -EINVAL);
	snap = was;
	clocks.clock_error = -EOPNOTSUPP;
	assert_int_equal(paraclock_snapshot(env, &snap), -EOPNOTSUPP);
	clocks.clock_error = 0;
	(void)take();
	/* Another env with the memory of this one. */
	env->read_clock = own_read_clock;
	assert_int_equal(paraclock_snapshot(env, &snap), -EINVAL);
	/* Clocks that stand still, and clocks that fail. */
	memset(&clocks.system_clocks, 0, sizeof(clocks.system_clocks));
	assert_int_equal(paraclock_snapshot(env, &snap), -EOPNOTSUPP);
	env->counter = frozen_counter;
	assert_int_equal(paraclock_snapshot(env, &snap), -EOPNOTSUPP);
	env->read_clock = NULL;
	assert_int_equal(paraclock_snapshot(env, &snap), -EOPNOTSUPP);
	assert_memory_equal(&snap, &was, sizeof(snap));
}

static int wild_read_clock(void *ctx, int clock_id, int64_t *ret_ns)
{
	static uint64_t x = 88172645463325252U;

	(void)clock_id;
	((struct fake *)ctx)->counter += x & 0xfffff;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	*ret_ns = (int64_t)(x << (x & 31));
	return 0;
}

/* The call ends, and nothing undefined happens on the way. */
static void senseless_clocks_give_no_snapshot(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 50; i++) {
		struct paraclock_snapshot snap = { .size = sizeof(snap) };
		int ret;

		clocks.world.env.read_clock = wild_read_clock;
		memset(&clocks.system_clocks, 0, sizeof(clocks.system_clocks));
		ret = paraclock_snapshot(&clocks.world.env, &snap);
		assert_true(ret == -EAGAIN || ret == -EOPNOTSUPP ||
			    ret == -ERANGE);
	}
}

/* A child inherits the memory while another thread was writing it. */
static void a_memory_lost_in_a_fork_is_made_anew(void **state)
{
	uint32_t *words = (uint32_t *)(void *)&clocks.system_clocks;
	struct paraclock_snapshot snap = take();

	(void)state;
	words[0] |= 1;
	words[1] = clocks.world.process_id;
	/* Its own process is still writing. */
	assert_int_equal(paraclock_snapshot(&clocks.world.env, &snap), -EAGAIN);
	clocks.world.process_id++;
	snap = take();
	check_truth(&snap);
	assert_int_equal(snap.clock_was_set_seq, 1);
	assert_int_equal(snap.clocksource_changed_seq, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_clocks_at_one_counter_value),
		cmocka_unit_test(clocks_stay_true_for_days),
		cmocka_unit_test(a_tai_offset_of_zero_is_unknown),
		cmocka_unit_test(boottime_has_its_suspends),
		cmocka_unit_test(boottime_is_looked_at_once_a_second),
		cmocka_unit_test(a_set_clock_counts),
		cmocka_unit_test(another_tai_offset_counts_as_a_set),
		cmocka_unit_test(a_leap_second_counts_as_a_set),
		cmocka_unit_test(
			a_set_within_a_snapshot_is_all_before_or_all_after),
		cmocka_unit_test(a_clock_that_is_always_set_gives_no_snapshot),
		cmocka_unit_test(a_counter_that_jumps_counts_as_another_source),
		cmocka_unit_test(a_small_jump_shows_after_days),
		cmocka_unit_test(a_counter_that_goes_back_is_read_again),
		cmocka_unit_test(another_counter_rate_counts_as_another_source),
		cmocka_unit_test(a_change_to_hpet_is_noticed),
		cmocka_unit_test(each_number_of_brackets_works),
		cmocka_unit_test(without_a_memory_each_call_is_the_first),
		cmocka_unit_test(a_counter_may_wrap_around),
		cmocka_unit_test(bad_arguments_are_refused),
		cmocka_unit_test(senseless_clocks_give_no_snapshot),
		cmocka_unit_test(a_memory_lost_in_a_fork_is_made_anew),
	};

	each_test(setup, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
