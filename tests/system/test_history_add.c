// SPDX-License-Identifier: MIT
/*
 * Adding to a history: which snapshots are accepted, and which entries they
 * drop.
 */

#include "histories.h"
#include "system/history.h"

#define RAW	   PARACLOCK_CLOCK_MONOTONIC_RAW
#define ALL_CLOCKS ((1U << PARACLOCK_CLOCKS) - 1)

/* Added after 1000 and 2000, of seq 7; 3000 and later by itself. */
struct addition {
	const char *name;
	void (*change)(struct paraclock_snapshot *snap);
	int ret;
	int is_dropping; /* compared only if ret is 0 */
};

static void later(struct paraclock_snapshot *snap)
{
	(void)snap;
}

static void larger(struct paraclock_snapshot *snap)
{
	snap->size += 8;
}

static void too_small(struct paraclock_snapshot *snap)
{
	snap->size--;
}

static void no_size(struct paraclock_snapshot *snap)
{
	snap->size = 0;
}

static void invalid(struct paraclock_snapshot *snap)
{
	snap->valid_for_correlation = 0;
}

static void no_raw(struct paraclock_snapshot *snap)
{
	snap->known &= (uint8_t) ~(1U << RAW);
}

static void other_counter(struct paraclock_snapshot *snap)
{
	snap->counter_id = PARACLOCK_COUNTER_ARM_VCNT;
}

static void other_counter_and_source(struct paraclock_snapshot *snap)
{
	snap->counter_id = PARACLOCK_COUNTER_ARM_VCNT;
	snap->clocksource_changed_seq++;
}

static void other_source(struct paraclock_snapshot *snap)
{
	snap->clocksource_changed_seq++;
}

static void earlier_source(struct paraclock_snapshot *snap)
{
	snap->clocksource_changed_seq--;
}

static void other_source_and_earlier(struct paraclock_snapshot *snap)
{
	snap->clocksource_changed_seq++;
	snap->counter = 500;
	snap->ns[RAW] = 500;
}

static void counter_back(struct paraclock_snapshot *snap)
{
	snap->counter = 1500;
}

static void counter_stopped(struct paraclock_snapshot *snap)
{
	snap->counter = 2000;
}

static void raw_back(struct paraclock_snapshot *snap)
{
	snap->ns[RAW] = 1999;
}

static void raw_equal(struct paraclock_snapshot *snap)
{
	snap->ns[RAW] = 2000;
}

static void the_same(struct paraclock_snapshot *snap)
{
	snap->counter = 2000;
	snap->ns[RAW] = 2000;
}

static void earlier(struct paraclock_snapshot *snap)
{
	snap->counter = 1999;
	snap->ns[RAW] = 1999;
}

static void clock_set(struct paraclock_snapshot *snap)
{
	snap->clock_was_set_seq++;
	snap->ns[PARACLOCK_CLOCK_REALTIME] = -5;
}

static struct addition additions[] = {
	/* clang-format off */
	{ "a later snapshot follows", later, 0, 0 },
	{ "a snapshot of a later release follows", larger, 0, 0 },
	{ "a snapshot of no release is refused", too_small, -EINVAL, 0 },
	{ "a snapshot whose size nobody set is refused", no_size, -EINVAL, 0 },
	{ "a snapshot that is not valid is refused", invalid, -ENODEV, 0 },
	{ "a snapshot without MONOTONIC_RAW is refused", no_raw, -ENODEV, 0 },
	{ "a snapshot of another counter is refused",
	  other_counter, -ENODEV, 0 },
	{ "another counter is refused also after a change",
	  other_counter_and_source, -ENODEV, 0 },
	{ "another clocksource drops the older ones", other_source, 0, 1 },
	{ "the seq is not ordered", earlier_source, 0, 1 },
	{ "another clocksource at any counter value",
	  other_source_and_earlier, 0, 1 },
	{ "a counter that jumped back drops the older ones", counter_back, 0,
	  1 },
	{ "a counter that jumped back to where it was", counter_stopped, 0,
	  1 },
	{ "time that jumped back drops the older ones", raw_back, 0, 1 },
	{ "a counter finer than time follows", raw_equal, 0, 0 },
	{ "the same snapshot again is refused", the_same, -EINVAL, 0 },
	{ "an earlier snapshot is refused", earlier, -EINVAL, 0 },
	{ "a clock that was set drops nothing", clock_set, 0, 0 },
	/* clang-format on */
};

static void add_at(struct paraclock_history *hist, uint64_t counter)
{
	struct paraclock_snapshot snap = snapshot_at(counter);

	snap.clocksource_changed_seq = 7;
	assert_int_equal(paraclock_history_add(hist, &snap), 0);
}

static void check_addition(void **state)
{
	const struct addition *c = *state;
	struct paraclock_history *hist = new_history(8);
	struct paraclock_snapshot snap = snapshot_at(3000), before, after;
	const struct paraclock_snapshot *newest;

	snap.clocksource_changed_seq = 7;
	add_at(hist, 1000);
	add_at(hist, 2000);
	c->change(&snap);
	assert_int_equal(paraclock_history_add(hist, &snap), c->ret);
	newest = c->ret ? NULL : &snap;
	assert_int_equal(pclk_history_find(hist, 1 << 20, &before, &after), 1);
	assert_int_equal(before.counter, newest ? newest->counter : 2000);
	assert_int_equal(before.ns[RAW], newest ? newest->ns[RAW] : 2000);
	assert_int_equal(before.size, sizeof(before));
	if (!c->ret && c->is_dropping) {
		assert_int_equal(pclk_history_find(hist, snap.counter - 1,
						   &before, &after),
				 -EINVAL);
		assert_int_equal(pclk_history_find(hist, snap.counter, &before,
						   &after),
				 0);
	} else {
		assert_int_equal(pclk_history_find(hist, 1500, &before, &after),
				 0);
		assert_int_equal(before.counter, 1000);
		assert_int_equal(after.counter, 2000);
	}
	free_history(hist);
}

/* Dropped entries do not come back when more are added. */
static void dropped_is_dropped(void **state)
{
	struct paraclock_history *hist = new_history(8);
	struct paraclock_snapshot snap, before, after;

	(void)state;
	add_at(hist, 10000);
	add_at(hist, 20000);
	for (uint64_t i = 1; i <= 20; i++) {
		snap = snapshot_at(100 * i);
		snap.clocksource_changed_seq = 8;
		assert_int_equal(paraclock_history_add(hist, &snap), 0);
		assert_int_equal(
			pclk_history_find(hist, 15000, &before, &after), 1);
		assert_int_equal(before.counter, 100 * i);
		assert_int_equal(pclk_history_find(hist, 99, &before, &after),
				 -EINVAL);
	}
	assert_int_equal(pclk_history_find(hist, 1250, &before, &after),
			 -EINVAL);
	assert_int_equal(pclk_history_find(hist, 1350, &before, &after), 0);
	assert_int_equal(before.counter, 1300);
	assert_int_equal(after.counter, 1400);
	free_history(hist);
}

static int add_with_raw(struct paraclock_history *hist, uint64_t counter,
			int64_t raw_ns)
{
	struct paraclock_snapshot snap = snapshot_at(counter);

	for (unsigned int i = 0; i < PARACLOCK_CLOCKS; i++)
		snap.ns[i] = raw_ns;
	return paraclock_history_add(hist, &snap);
}

/*
 * From 15 * 2^60 to 10^12: it did not go on by 2^60 ticks in a second. Nobody
 * has noticed, so the seq is the same.
 */
static void a_reset_does_not_pass_for_progress(void **state)
{
	struct paraclock_history *hist = new_history(8);
	const uint64_t far = 15ULL << 60;
	struct paraclock_snapshot before, after;

	(void)state;
	assert_int_equal(add_with_raw(hist, far, 1000), 0);
	assert_int_equal(add_with_raw(hist, far + 1000000000, 1000001000), 0);
	assert_int_equal(add_with_raw(hist, 1000000000000, 2000001000), 0);
	assert_int_equal(pclk_history_find(hist, 500000000000, &before, &after),
			 -EINVAL);
	assert_int_equal(pclk_history_find(hist, far + 5, &before, &after),
			 -EINVAL);
	assert_int_equal(
		pclk_history_find(hist, 1000000000000, &before, &after), 0);
	free_history(hist);
	/* A counter of 64 bits may wrap while it counts. */
	hist = new_history(8);
	assert_int_equal(add_with_raw(hist, 0 - 1000ULL, 1000), 0);
	assert_int_equal(add_with_raw(hist, 1000, 3000), 0);
	assert_int_equal(pclk_history_find(hist, 0, &before, &after), 0);
	assert_int_equal(before.counter, 0 - 1000ULL);
	free_history(hist);
}

static void adding_wants_both(void **state)
{
	struct paraclock_history *hist = new_history(2);
	struct paraclock_snapshot snap = snapshot_at(1);

	(void)state;
	assert_int_equal(paraclock_history_add(NULL, &snap), -EINVAL);
	assert_int_equal(paraclock_history_add(hist, NULL), -EINVAL);
	free_history(hist);
}

int main(void)
{
	const struct CMUnitTest whole[] = {
		cmocka_unit_test(dropped_is_dropped),
		cmocka_unit_test(a_reset_does_not_pass_for_progress),
		cmocka_unit_test(adding_wants_both),
	};

	ADD_ROWS(additions, check_addition);
	ADD_TESTS(whole);
	return run_suite(NULL, NULL);
}
