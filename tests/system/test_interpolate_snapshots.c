// SPDX-License-Identifier: MIT
/* Between two snapshots: against exact arithmetic in 128 bits. */

#include "fake.h"
#include "random.h"
#include "system/history.h"

#define CASES 100000

#define REAL PARACLOCK_CLOCK_REALTIME
#define MONO PARACLOCK_CLOCK_MONOTONIC
#define RAW  PARACLOCK_CLOCK_MONOTONIC_RAW
#define BOOT PARACLOCK_CLOCK_BOOTTIME
#define TAI  PARACLOCK_CLOCK_TAI

#define SET_CLOCKS (1U << REAL | 1U << TAI)
#define ALL	   ((1U << PARACLOCK_CLOCKS) - 1)

/* --- two snapshots -------------------------------------------------------- */

/* Each clock at a rate of its own: 1, 2, .. thirds of a ns a tick. */
static struct paraclock_snapshot snapshot_at(uint64_t counter)
{
	struct paraclock_snapshot snap = {
		.size = sizeof(snap),
		.counter_id = PARACLOCK_COUNTER_X86_TSC,
		.clocksource_kind = PARACLOCK_CLOCKSOURCE_COUNTER,
		.valid_for_correlation = 1,
		.known = ALL,
		.counter = counter,
		.uncertainty_ns = 20,
		.clock_was_set_seq = 3,
		.clocksource_changed_seq = 4,
		.tai_offset_sec = 37,
		.clocksource = "tsc",
	};

	for (unsigned int i = 0; i < PARACLOCK_CLOCKS; i++)
		snap.ns[i] = (int64_t)(counter / 3 * (i + 1));
	snap.ns[BOOT] = snap.ns[MONO] + 4711;
	return snap;
}

struct between {
	const char *name;
	void (*change)(struct paraclock_snapshot *a,
		       struct paraclock_snapshot *b);
	uint64_t counter; /* the ends are 3000 and 15000 */
	int ret;
	unsigned int known;
	int64_t mono, raw; /* compared only if ret is 0 */
	uint64_t uncertainty_ns;
};

static void set_clock(struct paraclock_snapshot *a,
		      struct paraclock_snapshot *b)
{
	(void)a;
	b->clock_was_set_seq++;
	b->ns[REAL] += 1000000;
}

static void set_offset(struct paraclock_snapshot *a,
		       struct paraclock_snapshot *b)
{
	a->tai_offset_sec = 36;
	(void)b;
}

static void change_source(struct paraclock_snapshot *a,
			  struct paraclock_snapshot *b)
{
	(void)a;
	b->clocksource_changed_seq++;
}

static void other_counter(struct paraclock_snapshot *a,
			  struct paraclock_snapshot *b)
{
	(void)b;
	a->counter_id = PARACLOCK_COUNTER_ARM_VCNT;
}

static void first_invalid(struct paraclock_snapshot *a,
			  struct paraclock_snapshot *b)
{
	(void)b;
	a->valid_for_correlation = 0;
}

static void second_invalid(struct paraclock_snapshot *a,
			   struct paraclock_snapshot *b)
{
	(void)a;
	b->valid_for_correlation = 0;
}

static void no_raw(struct paraclock_snapshot *a, struct paraclock_snapshot *b)
{
	(void)a;
	b->known &= (uint8_t) ~(1U << RAW);
}

static void boot_in_one(struct paraclock_snapshot *a,
			struct paraclock_snapshot *b)
{
	(void)b;
	a->known &= (uint8_t) ~(1U << BOOT);
	a->ns[BOOT] = 0;
}

static void more_than_clocks(struct paraclock_snapshot *a,
			     struct paraclock_snapshot *b)
{
	a->known = b->known = 0xff;
}

static void no_window(struct paraclock_snapshot *a,
		      struct paraclock_snapshot *b)
{
	*a = *b;
	a->uncertainty_ns = 25;
}

static void backwards(struct paraclock_snapshot *a,
		      struct paraclock_snapshot *b)
{
	struct paraclock_snapshot swap = *a;

	*a = *b;
	*b = swap;
}

static void first_is_vague(struct paraclock_snapshot *a,
			   struct paraclock_snapshot *b)
{
	(void)b;
	a->uncertainty_ns = 500;
}

static void no_bound(struct paraclock_snapshot *a, struct paraclock_snapshot *b)
{
	(void)a;
	b->uncertainty_ns = UINT64_MAX - 3;
}

/* 4001 and 1 ns more of RAW. */
static void raw_step(struct paraclock_snapshot *a, struct paraclock_snapshot *b)
{
	b->ns[RAW] = a->ns[RAW] + 4001;
}

static void raw_back(struct paraclock_snapshot *a, struct paraclock_snapshot *b)
{
	b->ns[RAW] = a->ns[RAW] - 8000;
}

static void raw_far(struct paraclock_snapshot *a, struct paraclock_snapshot *b)
{
	a->ns[RAW] = INT64_MIN;
	b->ns[RAW] = INT64_MAX;
}

static void one_call(struct paraclock_snapshot *a, struct paraclock_snapshot *b)
{
	b->ns[RAW] = a->ns[RAW] + 10000;
}

/* By one more than both ends' uncertainties, and by as much. */
static void slept(struct paraclock_snapshot *a, struct paraclock_snapshot *b)
{
	(void)a;
	b->ns[BOOT] += 41;
}

static void hardly_slept(struct paraclock_snapshot *a,
			 struct paraclock_snapshot *b)
{
	(void)a;
	b->ns[BOOT] -= 40;
}

static void wrap(struct paraclock_snapshot *a, struct paraclock_snapshot *b)
{
	a->counter -= 6000;
	b->counter -= 6000;
}

#define ENDS_UNC 321 /* 20, one, and 12000 / 40 */

static struct between betweens[] = {
	/* clang-format off */
	{ "at the first end it is the first", NULL, 3000, 0, ALL, 2000, 3000,
	  ENDS_UNC },
	{ "at the second end it is the second",
	  NULL, 15000, 0, ALL, 10000, 15000,
	  ENDS_UNC },
	{ "near the first", NULL, 3003, 0, ALL, 2002, 3003, ENDS_UNC },
	{ "near the second", NULL, 14997, 0, ALL, 9998, 14997, ENDS_UNC },
	{ "in the middle", NULL, 9000, 0, ALL, 6000, 9000, ENDS_UNC },
	{ "before the first end nothing is interpolated",
	  NULL, 2999, -EINVAL, 0, 0, 0,
	  0 },
	{ "after the second end nothing is interpolated",
	  NULL, 15001, -EINVAL, 0, 0, 0,
	  0 },
	{ "a set clock is not interpolated, but the others are", set_clock,
	  9000, 0, ALL & ~SET_CLOCKS, 6000, 9000, ENDS_UNC },
	{ "a set clock is not interpolated at an end, either",
	  set_clock, 15000, 0,
	  ALL & ~SET_CLOCKS, 10000, 15000, ENDS_UNC },
	{ "another TAI offset invalidates TAI only", set_offset, 9000, 0,
	  ALL & ~(1U << TAI), 6000, 9000, ENDS_UNC },
	{ "two clocksources are refused", change_source, 9000, -EINVAL, 0, 0,
	  0, 0 },
	{ "two counters are refused", other_counter, 9000, -EINVAL, 0, 0, 0,
	  0 },
	{ "a first snapshot that is not valid",
	  first_invalid, 9000, -ENODEV, 0, 0, 0,
	  0 },
	{ "a second snapshot that is not valid",
	  second_invalid, 9000, -ENODEV, 0, 0, 0,
	  0 },
	{ "without RAW the elapsed time is unknown", no_raw, 9000, -EINVAL, 0,
	  0, 0, 0 },
	{ "a clock that one end does not know is unknown", boot_in_one, 9000, 0,
	  ALL & ~(1U << BOOT), 6000, 9000, ENDS_UNC },
	{ "a clock of no number is unknown",
	  more_than_clocks, 9000, 0, ALL, 6000,
	  9000, ENDS_UNC },
	{ "the same snapshot twice gives that snapshot",
	  no_window, 15000, 0, ALL, 10000, 15000,
	  26 },
	{ "beside the same snapshot twice nothing is interpolated",
	  no_window, 15001, -EINVAL,
	  0, 0, 0, 0 },
	{ "before the same snapshot twice nothing is interpolated",
	  no_window, 14999, -EINVAL,
	  0, 0, 0, 0 },
	{ "the ends in the wrong order are refused",
	  backwards, 9000, -EINVAL, 0, 0, 0, 0 },
	{ "the ends in the wrong order have no range",
	  backwards, 15000, -EINVAL, 0, 0, 0,
	  0 },
	{ "the less certain end counts",
	  first_is_vague, 9000, 0, ALL, 6000, 9000,
	  801 },
	{ "a cheaper clock call bends less",
	  one_call, 3000, 0, ALL, 2000, 3000, 24 },
	{ "a suspend invalidates BOOTTIME only", slept, 9000, 0,
	  ALL & ~(1U << BOOT), 6000, 9000, ENDS_UNC },
	{ "a suspend within the uncertainty does not count",
	  hardly_slept, 9000, 0, ALL, 6000, 9000, ENDS_UNC },
	{ "an unknown bound stays unknown", no_bound, 9000, 0, ALL, 6000, 9000,
	  UINT64_MAX },
	{ "a part of a step of rate counts as one step", raw_step, 3000, 0, ALL,
	  2000, 3000, 23 },
	{ "a distance has no sign", raw_back, 3000, 0, ALL, 2000, 3000, 23 },
	{ "the farthest possible ends", raw_far, 3000, 0, ALL, 2000, INT64_MIN,
	  21 + UINT64_MAX / 40 + 1 },
	{ "a counter that wraps in between", wrap, 3000, 0, ALL, 6000, 9000,
	  ENDS_UNC },
	{ "a wrapped counter and a value before it", wrap,
	  (uint64_t)0 - 3001, -EINVAL, 0, 0, 0, 0 },
	/* clang-format on */
};

static void check_rest(const struct between *c,
		       const struct paraclock_snapshot *b,
		       const struct paraclock_snapshot *at)
{
	assert_int_equal(at->size, sizeof(*at));
	assert_int_equal(at->counter_id, b->counter_id);
	assert_int_equal(at->clocksource_kind, b->clocksource_kind);
	assert_int_equal(at->valid_for_correlation, 1);
	assert_int_equal(at->clock_was_set_seq, b->clock_was_set_seq);
	assert_int_equal(at->clocksource_changed_seq,
			 b->clocksource_changed_seq);
	assert_string_equal(at->clocksource, "tsc");
	assert_int_equal(at->tai_offset_sec, c->known >> TAI & 1 ? 37 : 0);
	for (unsigned int i = 0; i < PARACLOCK_CLOCKS; i++) {
		if (c->known >> i & 1)
			assert_true(at->ns[i] != 0);
		else
			assert_int_equal(at->ns[i], 0);
	}
}

static void check_snapshots(void **state)
{
	const struct between *c = *state;
	struct paraclock_snapshot a = snapshot_at(3000), b = snapshot_at(15000);
	struct paraclock_snapshot at, untouched;

	/* RAW is the counter, which is the simplest case. */
	a.ns[RAW] = 3000;
	b.ns[RAW] = 15000;
	if (c->change)
		c->change(&a, &b);
	memset(&at, 0x5a, sizeof(at));
	untouched = at;
	assert_int_equal(pclk_interpolate_snapshots(&a, &b, c->counter, &at),
			 c->ret);
	if (c->ret) {
		assert_memory_equal(&at, &untouched, sizeof(at));
		return;
	}
	assert_true(at.counter == c->counter);
	assert_int_equal(at.known, c->known);
	assert_int_equal(at.ns[MONO], c->mono);
	assert_int_equal(at.ns[RAW], c->raw);
	assert_true(at.uncertainty_ns == c->uncertainty_ns);
	check_rest(c, &b, &at);
}

/* Values that only a 128-bit product can hold. */
static void check_exact(struct paraclock_snapshot *a,
			struct paraclock_snapshot *b, uint64_t since)
{
	uint64_t total = b->counter - a->counter;
	struct paraclock_snapshot at;

	assert_int_equal(
		pclk_interpolate_snapshots(a, b, a->counter + since, &at), 0);
	for (unsigned int i = 0; i < PARACLOCK_CLOCKS; i++) {
		int64_t from = a->ns[i], to = b->ns[i];

		assert_true(from <= to ? at.ns[i] >= from && at.ns[i] <= to
				       : at.ns[i] <= from && at.ns[i] >= to);
		assert_true(is_within_one(distance(from, at.ns[i]),
					  distance(from, to), since,
					  total ? total : 1));
	}
}

static void snapshots_are_interpolated(void **state)
{
	(void)state;
	for (unsigned int k = 0; k < CASES; k++) {
		struct paraclock_snapshot a = snapshot_at(0), b = a;
		uint64_t total = random_length() >> 1;
		unsigned int wide = random_word() & 1;

		a.counter = random_word();
		b.counter = a.counter + total;
		for (unsigned int i = 0; i < PARACLOCK_CLOCKS; i++) {
			a.ns[i] = (int64_t)random_word();
			b.ns[i] = wide ? (int64_t)random_word()
				       : (int64_t)((uint64_t)a.ns[i] +
						   (random_length() >> 20));
		}
		/* No suspend in between; BOOTTIME is known then. */
		a.ns[BOOT] = a.ns[MONO];
		b.ns[BOOT] = b.ns[MONO];
		if (!total)
			b = a;
		check_exact(&a, &b, total ? random_word() % total : 0);
		check_exact(&a, &b, total);
	}
}

int main(void)
{
	const struct CMUnitTest whole[] = {
		cmocka_unit_test(snapshots_are_interpolated),
	};

	ADD_ROWS(betweens, check_snapshots);
	ADD_TESTS(whole);
	return run_suite(NULL, NULL);
}
