// SPDX-License-Identifier: MIT
/* What another thread, or the host, does in the middle of a read. */

#include "clock/clock.h"
#include "fake.h"

static struct world {
	struct fake fake;
	struct paraclock *clk;
	uint64_t (*counter)(void *ctx); /* the fake's own */
	unsigned int countdown; /* reads of it until the hook; 0: never */
	void (*hook)(void);
} w;

static uint64_t hooked_counter(void *ctx)
{
	if (w.countdown && --w.countdown == 0)
		w.hook();
	return w.counter(ctx);
}

static void start(const char *backend)
{
	memset(&w, 0, sizeof(w));
	fake_init(&w.fake);
	w.counter = w.fake.env.counter;
	w.fake.env.counter = hooked_counter;
	w.fake.hyperv_error = 0;
	w.fake.vmclock_error = 0;
	fake_set_hyperv(&w.fake, 5, 0);
	fake_set_vmclock_marker(&w.fake, 7);
	w.clk = fake_open(&w.fake, backend);
}

/*
 * A read by the conversion has one step in which something can happen; the
 * other reads here go the long way, because their conversion has ended.
 */
#define STEPS 24

static void start_at_step(unsigned int step)
{
	start("hyperv");
	if (step % 2)
		w.clk->now.conv.max_ticks = 0;
	w.countdown = step / 2 + 1;
}

/* Moved to a host that is 5 s ahead; another thread notices it first. */
static void move_and_let_another_thread_see_it(void)
{
	struct paraclock_sample sample;

	put64(w.fake.vmclock, 16, 8);
	fake_set_hyperv(&w.fake, 6, 50000000);
	w.fake.counter += 1000;
	assert_int_equal(paraclock_read(w.clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(sample.epoch, 2);
}

static void a_past_value_is_never_read_off_the_next_hosts_page(void **state)
{
	unsigned int raced = 0;

	(void)state;
	for (unsigned int step = 0; step < STEPS; step++) {
		struct paraclock_sample sample = { 0 };
		uint64_t then;
		int ret;

		start_at_step(step);
		then = w.fake.counter;
		w.fake.counter += 1000000;
		w.hook = move_and_let_another_thread_see_it;
		ret = paraclock_read_at(w.clk, then, &sample);
		raced += w.countdown == 0;
		if (!ret && sample.valid)
			/* Units of 100 ns, rounded down. */
			assert_in_range(sample.host_ns, then - 100, then);
		paraclock_close(w.clk);
	}
	assert_true(raced > 2);
}

/* Restored where the counter starts again; another thread notices it first. */
static void restore_and_let_another_thread_see_it(void)
{
	struct paraclock_sample sample;

	w.fake.counter = 500000;
	put64(w.fake.vmclock, 16, 8);
	fake_set_hyperv(&w.fake, 6, 50000000);
	assert_int_equal(paraclock_read(w.clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(sample.epoch, 2);
}

static void a_value_that_the_counter_has_yet_to_reach_has_no_time(void **state)
{
	unsigned int raced = 0, refused = 0;

	(void)state;
	for (unsigned int step = 0; step < STEPS; step++) {
		struct paraclock_sample sample = { 0 };
		uint64_t then;
		int ret;

		start_at_step(step);
		then = w.fake.counter;
		w.fake.counter += 1000000;
		w.hook = restore_and_let_another_thread_see_it;
		ret = paraclock_read_at(w.clk, then, &sample);
		raced += w.countdown == 0;
		refused += ret == -EINVAL;
		if (!ret && sample.valid) {
			/* The answer is from before, and its epoch says so. */
			assert_int_equal(sample.epoch, 1);
			assert_in_range(sample.host_ns, then - 100, then);
		}
		if (ret)
			assert_int_equal(sample.host_tsc, 0);
		paraclock_close(w.clk);
	}
	assert_true(raced > 3);
	assert_true(refused > 2);
}

/* The thread came to CPU 0 by itself, and the next move finds it there. */
static int move_again(void *ctx, unsigned int cpu, int go)
{
	struct fake *fake = ctx;

	(void)cpu;
	(void)go;
	put64(fake->vmclock, 16, 9);
	return 0;
}

static void a_second_disruption_while_one_is_confirmed_is_counted(void **state)
{
	struct paraclock_sample sample;
	uint64_t epoch;

	(void)state;
	start("kvmclock");
	put64(w.fake.vmclock, 16, 8);
	assert_int_equal(paraclock_read(w.clk, &sample), 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_DISRUPTED);
	epoch = paraclock_epoch(w.clk);
	assert_int_equal(epoch, sample.epoch);

	w.fake.env.run_on_cpu = move_again;
	assert_int_equal(paraclock_read(w.clk, &sample), 0);
	assert_int_equal(sample.epoch, epoch + 1);
	assert_int_equal(paraclock_disrupted(w.clk, epoch), 1);
	paraclock_close(w.clk);
}

static unsigned int moves;

/* Moved at each visit; the last host but one renews its page before that. */
static int move_at_each_visit(void *ctx, unsigned int cpu, int go)
{
	struct fake *fake = ctx;

	(void)cpu;
	(void)go;
	if (++moves > 3)
		return -EAGAIN;
	if (moves == 3)
		fake_set_pvclock(fake, 4, 1000, 5000 + 5000000000);
	put64(fake->vmclock, 16, 8 + moves);
	return 0;
}

static void the_last_of_many_disruptions_is_confirmed_too(void **state)
{
	struct paraclock_sample sample;
	uint64_t epoch;

	(void)state;
	start("kvmclock");
	moves = 0;
	w.fake.env.run_on_cpu = move_at_each_visit;
	put64(w.fake.vmclock, 16, 8);
	for (unsigned int i = 0; i < 3; i++) {
		/* Version 4 is from before the last move. */
		assert_int_equal(paraclock_read(w.clk, &sample), 0);
		assert_int_equal(sample.valid, 0);
		assert_int_equal(sample.reason, PARACLOCK_REASON_DISRUPTED);
	}
	epoch = sample.epoch;
	fake_set_pvclock(&w.fake, 6, 1000, 5000 + 9000000000);
	assert_int_equal(paraclock_read(w.clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(sample.epoch, epoch);
	paraclock_close(w.clk);
}

static void no_value_is_read_off_parameters_that_came_later(void **state)
{
	struct paraclock_sample sample;
	uint64_t first, second;

	(void)state;
	start("hyperv");
	first = w.fake.counter;
	assert_int_equal(paraclock_read_at(w.clk, first, &sample), 0);
	assert_int_equal(sample.valid, 1);
	/* From before the clock was opened: unknown. */
	assert_int_equal(paraclock_read_at(w.clk, first - 1, &sample), 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_WINDOW);

	/* 500 ns is an update, not a jump, and still differs from before. */
	w.fake.counter += 1000000;
	second = w.fake.counter;
	fake_set_hyperv(&w.fake, 6, 5);
	assert_int_equal(paraclock_read(w.clk, &sample), 0);
	assert_int_equal(sample.epoch, 1);
	assert_int_equal(paraclock_read_at(w.clk, first, &sample), 0);
	assert_int_equal(sample.valid, 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_WINDOW);
	assert_int_equal(paraclock_read_at(w.clk, second, &sample), 0);
	assert_int_equal(sample.valid, 1);
	paraclock_close(w.clk);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			a_past_value_is_never_read_off_the_next_hosts_page),
		cmocka_unit_test(
			a_value_that_the_counter_has_yet_to_reach_has_no_time),
		cmocka_unit_test(
			a_second_disruption_while_one_is_confirmed_is_counted),
		cmocka_unit_test(the_last_of_many_disruptions_is_confirmed_too),
		cmocka_unit_test(
			no_value_is_read_off_parameters_that_came_later),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
