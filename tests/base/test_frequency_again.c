// SPDX-License-Identifier: MIT
/*
 * The library waits for the counter's frequency once: a second look measures
 * from where the first began, unless the machine has changed since.
 */

#include <time.h>

#include "fake_clocks.h"
#include "linux/detect.h"

#define KHZ	  2400000
#define SLOWER	  2300000
#define SEC_TICKS (KHZ * UINT64_C(1000))

static struct fake_clocks clocks;
static unsigned int sleeps;

/* Replaces libc's: time passes in the fake world. */
int nanosleep(const struct timespec *wait, struct timespec *rest)
{
	(void)rest;
	sleeps++;
	fake_clocks_pass(&clocks,
			 (uint64_t)wait->tv_nsec * clocks.raw.den / 1000000);
	return 0;
}

static void set_rate(uint64_t khz)
{
	uint64_t now = clocks.world.counter;

	clocks.raw.base =
		fake_clock_at(&clocks, PARACLOCK_CLOCK_MONOTONIC_RAW, now);
	clocks.mono.base =
		fake_clock_at(&clocks, PARACLOCK_CLOCK_MONOTONIC, now);
	clocks.origin = now;
	clocks.raw.num = clocks.mono.num = 1000000;
	clocks.raw.den = clocks.mono.den = khz;
}

static int setup(void **state)
{
	(void)state;
	fake_clocks_init(&clocks);
	set_rate(KHZ);
	sleeps = 0;
	return 0;
}

/*
 * The frequency from a look, which must be right, and how often the look
 * sleeps.
 */
static void look(uint64_t khz, unsigned int want_sleeps)
{
	struct paraclock_machine machine = { .size = sizeof(machine) };
	uint64_t hz = khz * 1000, off;

	sleeps = 0;
	pclk_detect_machine(&clocks.world.env, &machine);
	assert_int_equal(machine.measured, 1);
	off = machine.measured_hz > hz ? machine.measured_hz - hz
				       : hz - machine.measured_hz;
	assert_in_range(off, 0, machine.measured_error_hz);
	/* In 10 ms the rate is known to about 40 ns. */
	assert_in_range(machine.measured_error_hz, 0, hz / 100000);
	assert_int_equal(sleeps, want_sleeps);
}

static void a_second_look_does_not_sleep(void **state)
{
	(void)state;
	look(KHZ, 1);
	look(KHZ, 0);
	fake_clocks_pass(&clocks, 3600 * SEC_TICKS);
	look(KHZ, 0);
}

static void after_a_move_the_frequency_is_measured_anew(void **state)
{
	(void)state;
	look(KHZ, 1);
	fake_clocks_pass(&clocks, SEC_TICKS);
	set_rate(SLOWER);
	fake_clocks_pass(&clocks, SEC_TICKS);
	look(SLOWER, 1);
}

static void after_a_jump_of_the_counter_too(void **state)
{
	(void)state;
	look(KHZ, 1);
	/* The clock goes on from where it was. */
	clocks.world.counter += 1000 * SEC_TICKS;
	clocks.origin += 1000 * SEC_TICKS;
	look(KHZ, 1);
	clocks.world.counter -= 2000 * SEC_TICKS;
	clocks.origin -= 2000 * SEC_TICKS;
	look(KHZ, 1);
}

static void an_env_without_a_memory_waits_each_time(void **state)
{
	(void)state;
	clocks.world.env.system_clocks = NULL;
	look(KHZ, 1);
	look(KHZ, 1);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_second_look_does_not_sleep),
		cmocka_unit_test(after_a_move_the_frequency_is_measured_anew),
		cmocka_unit_test(after_a_jump_of_the_counter_too),
		cmocka_unit_test(an_env_without_a_memory_waits_each_time),
	};

	each_test(setup, NULL);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
