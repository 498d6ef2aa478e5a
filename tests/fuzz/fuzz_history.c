// SPDX-License-Identifier: MIT
/*
 * Histories of any snapshots: the entries found lie around the value, and an
 * interpolated one lies between the ends, with at least their uncertainty.
 */

#include "fuzz_host.h"
#include "system/history.h"

static const int errors[] = { EINVAL, ENODEV, EAGAIN, 0 };

/* Mostly a snapshot that follows the one before; now and then any. */
static struct paraclock_snapshot next(struct fuzz_world *world,
				      const struct paraclock_snapshot *last)
{
	struct paraclock_snapshot snap = *last;
	uint8_t act = (uint8_t)fuzz_take(world, 1);
	uint64_t ticks = fuzz_take(world, 3);

	snap.counter += ticks;
	for (unsigned int i = 0; i < PARACLOCK_CLOCKS; i++)
		snap.ns[i] = (int64_t)((uint64_t)snap.ns[i] + ticks / 2);
	if (act & 1)
		snap.counter = fuzz_take(world, 8);
	if (act & 2)
		snap.ns[act >> 2 & 3] = (int64_t)fuzz_take(world, 8);
	if ((act & 0xc0) == 0xc0)
		snap.clock_was_set_seq++;
	if ((act & 0xe0) == 0x60)
		snap.clocksource_changed_seq++;
	if ((act & 0xf0) == 0x20)
		snap.uncertainty_ns = fuzz_take(world, 8);
	if ((act & 0xf8) == 0x10)
		snap.known = (uint8_t)fuzz_take(world, 1);
	if ((act & 0xf8) == 0x18)
		snap.valid_for_correlation = 0;
	if ((act & 0xf8) == 0x08)
		snap.counter_id = (uint8_t)fuzz_take(world, 1) & 3;
	return snap;
}

static uint64_t least_uncertainty(const struct paraclock_snapshot *a,
				  const struct paraclock_snapshot *b)
{
	return a->uncertainty_ns > b->uncertainty_ns ? a->uncertainty_ns
						     : b->uncertainty_ns;
}

static bool is_between(int64_t value, int64_t a, int64_t b)
{
	swide low = a < b ? a : b, high = a < b ? b : a;

	/* Rounded to within one. */
	return (swide)value >= low - 1 && (swide)value <= high + 1;
}

static void check_between(const struct paraclock_snapshot *a,
			  const struct paraclock_snapshot *b, uint64_t counter)
{
	struct paraclock_snapshot at;
	int ret;

	memset(&at, 0xa5, sizeof(at));
	ret = pclk_interpolate_snapshots(a, b, counter, &at);
	fuzz_check_error(ret, errors);
	if (ret) {
		fuzz_check_untouched(&at, sizeof(at));
		return;
	}
	CHECK(counter - a->counter <= b->counter - a->counter);
	CHECK(at.counter == counter);
	CHECK(at.uncertainty_ns >= least_uncertainty(a, b));
	CHECK(a->clocksource_changed_seq == b->clocksource_changed_seq);
	CHECK(!(at.known & ~(a->known & b->known)));
	for (unsigned int i = 0; i < PARACLOCK_CLOCKS; i++) {
		if (at.known >> i & 1)
			CHECK(is_between(at.ns[i], a->ns[i], b->ns[i]));
		else
			CHECK(!at.ns[i]);
	}
}

static void check_find(const struct paraclock_history *hist, uint64_t counter)
{
	struct paraclock_snapshot before, after;
	int ret;

	memset(&before, 0xa5, sizeof(before));
	memset(&after, 0xa5, sizeof(after));
	ret = pclk_history_find(hist, counter, &before, &after);
	/* Nobody writes meanwhile. */
	CHECK(ret == 0 || ret == 1 || ret == -EINVAL);
	if (ret)
		fuzz_check_untouched(&after, sizeof(after));
	if (ret < 0)
		fuzz_check_untouched(&before, sizeof(before));
	if (ret)
		return;
	CHECK(counter - before.counter <= after.counter - before.counter);
	CHECK(before.valid_for_correlation && after.valid_for_correlation);
	CHECK(before.counter_id == after.counter_id);
	CHECK(before.clocksource_changed_seq == after.clocksource_changed_seq);
	/* The ends rise along one conversion from counter to time. */
	CHECK(before.ns[PARACLOCK_CLOCK_MONOTONIC_RAW] <=
	      after.ns[PARACLOCK_CLOCK_MONOTONIC_RAW]);
	check_between(&before, &after, counter);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct paraclock_snapshot last = {
		.size = sizeof(last),
		.counter_id = PARACLOCK_COUNTER_X86_TSC,
		.valid_for_correlation = 1,
		.known = 0x1f,
		.counter = 1ULL << 32,
		.ns = { 1ULL << 60, 1ULL << 30, 1ULL << 30, 1ULL << 31,
			1ULL << 60 },
		.uncertainty_ns = 20,
	};
	struct paraclock_history *hist;
	struct fuzz_world world;

	fuzz_world_init(&world, data, size);
	if (paraclock_history_new(&hist, &world.env,
				  (unsigned int)fuzz_take(&world, 1) & 15))
		return 0;
	while (world.size) {
		struct paraclock_snapshot snap = next(&world, &last);
		int ret = paraclock_history_add(hist, &snap);

		fuzz_check_error(ret, errors);
		check_between(&last, &snap,
			      last.counter + fuzz_take(&world, 3));
		if (!ret)
			last = snap;
		check_find(hist, last.counter - fuzz_take(&world, 3));
		check_find(hist, last.counter);
		check_find(hist, fuzz_take(&world, 8));
	}
	paraclock_history_free(hist);
	return 0;
}
