// SPDX-License-Identifier: MIT
/* Cross timestamps of 100 000 random timelines and machines. */

#include "correlates.h"

#define CASES 100000

__extension__ typedef __int128 wide;

static uint64_t seed = 88172645463325252U;

static uint64_t random_below(uint64_t limit)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % limit;
}

/*
 * The exact value lies within one ns of the given one: in rationals, |(given -
 * from) * total - (to - from) * part| <= total.
 */
static bool is_within_one(int64_t given, int64_t from, int64_t to,
			  uint64_t part, uint64_t total)
{
	wide off = ((wide)given - from) * (wide)total -
		   ((wide)to - from) * (wide)part;

	return off <= (wide)total && -off <= (wide)total;
}

static struct paraclock_snapshot random_entry(uint64_t counter)
{
	struct paraclock_snapshot snap = {
		.size = sizeof(snap),
		.counter_id = PARACLOCK_COUNTER_X86_TSC,
		.clocksource_kind = PARACLOCK_CLOCKSOURCE_COUNTER,
		.valid_for_correlation = 1,
		.known = 0x1f,
		.counter = counter,
		.tai_offset_sec = 37,
	};

	for (unsigned int i = 0; i < PARACLOCK_CLOCKS; i++)
		snap.ns[i] = (int64_t)random_below(UINT64_C(1) << 61);
	return snap;
}

/* Two entries of any rates: a time in between is interpolated between both. */
static void random_timelines_are_exact_to_one_ns(void **state)
{
	(void)state;
	(void)remember();
	for (unsigned int i = 0; i < CASES; i++) {
		uint64_t total = 1 + random_below(clocks.world.counter / 4);
		struct paraclock_snapshot from, to;
		struct paraclock_crosststamp xt;

		if (i % 2)
			total = 1 + random_below(1 + total % 10007);
		from = random_entry(clocks.world.counter - total - 1000);
		to = random_entry(from.counter + total);
		for (unsigned int c = 0; c < PARACLOCK_CLOCKS; c++) {
			from.ns[c] /= 2;
			if (to.ns[c] < from.ns[c])
				to.ns[c] += from.ns[c];
		}
		/* No suspend in between. */
		from.ns[PARACLOCK_CLOCK_BOOTTIME] =
			from.ns[PARACLOCK_CLOCK_MONOTONIC] + 4711;
		to.ns[PARACLOCK_CLOCK_BOOTTIME] =
			to.ns[PARACLOCK_CLOCK_MONOTONIC] + 4711;
		teardown(NULL);
		assert_int_equal(
			paraclock_history_new(&hist, &clocks.world.env, 2), 0);
		assert_int_equal(paraclock_history_add(hist, &from), 0);
		assert_int_equal(paraclock_history_add(hist, &to), 0);
		device.counter = from.counter + random_below(total + 1);
		xt = check_given();
		for (unsigned int c = 0; c < PARACLOCK_CLOCKS; c++)
			assert_true(is_within_one(
				xt.ns[c], from.ns[c], to.ns[c],
				device.counter - from.counter, total));
	}
}

/* Machines of any frequency, any offset, any position in the window. */
static void random_machines_keep_within_their_uncertainty(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < CASES; i++) {
		uint64_t khz = 20000 + random_below(5000000);
		struct paraclock_crosststamp xt;

		if (i % 64 == 0) {
			memset(&clocks.system_clocks, 0,
			       sizeof(clocks.system_clocks));
			clocks.origin = random_below(UINT64_MAX);
			clocks.world.counter =
				clocks.origin + random_below(1000000000);
			clocks.raw.num = 999000 + random_below(2000);
			clocks.mono.num =
				clocks.raw.num - 500 + random_below(1000);
			clocks.raw.den = clocks.mono.den = khz;
			clocks.world.counter_step = 1 + random_below(100);
			clocks.read_ticks = 1 + random_below(300);
			clocks.real_minus_mono =
				(int64_t)random_below(UINT64_C(1) << 61);
			clocks.boot_minus_mono = (int64_t)random_below(2) *
						 (int64_t)random_below(1 << 30);
		}
		xt = check_given();
		check_truth(&xt);
		fake_clocks_pass(&clocks, random_below(1000000));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_timelines_are_exact_to_one_ns),
		cmocka_unit_test(random_machines_keep_within_their_uncertainty),
	};

	each_test(setup, teardown);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
