// SPDX-License-Identifier: MIT
/*
 * The history: which entries are found around a value, and that nobody is held
 * up.
 */

#include "histories.h"
/* The whole header, for states that only a stopped writer leaves behind. */
#include "system/history.c"

#define RAW PARACLOCK_CLOCK_MONOTONIC_RAW

/* --- finding -------------------------------------------------------------- */

/* The values added, up to a 0; then the value searched for. */
struct lookup {
	const char *name;
	unsigned int entries;
	uint64_t added[12];
	uint64_t counter;
	int ret;
	uint64_t before, after; /* before if ret >= 0, after if 0 */
};

#define BACK(n) ((uint64_t)0 - (n))

static struct lookup lookups[] = {
	/* clang-format off */
	{ "an empty history has no entries", 2, { 0 }, 5, -EINVAL, 0, 0 },
	{ "an entry that is older", 2, { 10 }, 11, 1, 10, 0 },
	{ "an entry at the value", 2, { 10 }, 10, 0, 10, 10 },
	{ "an entry that is newer", 2, { 10 }, 9, -EINVAL, 0, 0 },
	{ "between two", 2, { 10, 20 }, 15, 0, 10, 20 },
	{ "just after the older of two", 2, { 10, 20 }, 11, 0, 10, 20 },
	{ "just before the newer of two", 2, { 10, 20 }, 19, 0, 10, 20 },
	{ "the older of two itself", 2, { 10, 20 }, 10, 0, 10, 10 },
	{ "the newer of two itself", 2, { 10, 20 }, 20, 0, 20, 20 },
	{ "the newest of more than fit", 2, { 10, 20, 30 }, 31, 1, 30, 0 },
	{ "the oldest entry goes first", 2, { 10, 20, 30 }, 15, -EINVAL, 0, 0 },
	{ "the entries left of more than fit",
	  2, { 10, 20, 30 }, 20, 0, 20, 20 },
	{ "a ring that has turned", 3, { 1, 2, 4, 8, 16, 32, 64, 128 }, 33, 0,
	  32, 64 },
	{ "all that fit are kept", 3, { 1, 2, 4, 8, 16, 32, 64, 128 }, 32, 0,
	  32, 32 },
	{ "no more than fit are kept",
	  3, { 1, 2, 4, 8, 16, 32, 64, 128 }, 31, -EINVAL,
	  0, 0 },
	{ "a counter that wraps, before", 4,
	  { BACK(30), BACK(10), 10, 30 }, BACK(20), 0, BACK(30), BACK(10) },
	{ "a counter that wraps, in between", 4,
	  { BACK(30), BACK(10), 10, 30 }, 0, 0, BACK(10), 10 },
	{ "a counter that wraps, after", 4,
	  { BACK(30), BACK(10), 10, 30 }, 20, 0, 10, 30 },
	{ "a counter that wraps, later", 4,
	  { BACK(30), BACK(10), 10, 30 }, 31, 1, 30, 0 },
	{ "a counter that wraps, earlier", 4,
	  { BACK(30), BACK(10), 10, 30 }, BACK(31), -EINVAL, 0, 0 },
	/* clang-format on */
};

static void check_lookup(void **state)
{
	const struct lookup *c = *state;
	struct paraclock_history *hist = new_history(c->entries);
	struct paraclock_snapshot before, after, untouched;
	unsigned int n;

	for (n = 0; n < ARRAY_LEN(c->added) && c->added[n]; n++) {
		struct paraclock_snapshot snap = snapshot_at(c->added[n]);

		snap.clock_was_set_seq = n;
		assert_int_equal(paraclock_history_add(hist, &snap), 0);
	}
	memset(&before, 0x5a, sizeof(before));
	after = untouched = before;
	assert_int_equal(pclk_history_find(hist, c->counter, &before, &after),
			 c->ret);
	if (c->ret >= 0) {
		assert_true(before.counter == c->before);
		assert_true(before.ns[RAW] == (int64_t)c->before);
		/* It is that entry as it was added. */
		assert_true(before.clock_was_set_seq < n);
		assert_true(c->added[before.clock_was_set_seq] == c->before);
	} else {
		assert_memory_equal(&before, &untouched, sizeof(before));
	}
	if (c->ret == 0) {
		assert_true(after.counter == c->after);
		assert_true(after.ns[RAW] == (int64_t)c->after);
	} else {
		assert_memory_equal(&after, &untouched, sizeof(after));
	}
	free_history(hist);
}

static uint64_t random_word(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15U;

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dU;
}

/* The result of find(), by looking at each entry. */
static void check_against_list(const struct paraclock_history *hist,
			       const uint64_t *added, unsigned int n,
			       uint64_t counter)
{
	struct paraclock_snapshot before = { 0 }, after = { 0 };
	unsigned int i = 0;
	int ret = pclk_history_find(hist, counter, &before, &after);

	while (i < n && added[i] < counter)
		i++;
	if (i == n) {
		assert_int_equal(ret, 1);
		assert_int_equal(before.counter, added[n - 1]);
	} else if (added[i] == counter) {
		assert_int_equal(ret, 0);
		assert_int_equal(before.counter, counter);
		assert_int_equal(after.counter, counter);
	} else if (i == 0) {
		assert_int_equal(ret, -EINVAL);
	} else {
		assert_int_equal(ret, 0);
		assert_int_equal(before.counter, added[i - 1]);
		assert_int_equal(after.counter, added[i]);
	}
}

static void any_value_is_found(void **state)
{
	uint64_t added[300] = { 0 };
	const unsigned int entries[] = { 2, 3, 7, 64, 100 };

	(void)state;
	for (unsigned int e = 0; e < ARRAY_LEN(entries); e++) {
		struct paraclock_history *hist = new_history(entries[e]);
		uint64_t counter = 1000;

		for (unsigned int n = 0; n < ARRAY_LEN(added); n++) {
			unsigned int kept =
				n + 1 < entries[e] ? n + 1 : entries[e];
			const uint64_t *first = &added[n + 1 - kept];
			struct paraclock_snapshot snap;

			counter += 1 + random_word() % 20;
			added[n] = counter;
			snap = snapshot_at(counter);
			assert_int_equal(paraclock_history_add(hist, &snap), 0);
			for (uint64_t at = first[0] - 2; at <= counter + 2;
			     at++)
				check_against_list(hist, first, kept, at);
		}
		free_history(hist);
	}
}

/* --- a writer that stops ------------------------------------------------- */

static void add_at(struct paraclock_history *hist, uint64_t counter)
{
	struct paraclock_snapshot snap = snapshot_at(counter);

	snap.clocksource_changed_seq = 7;
	assert_int_equal(paraclock_history_add(hist, &snap), 0);
}

static struct added *added_of(struct paraclock_history *hist, uint64_t index)
{
	return &hist->slot[slot_of(hist, index)].added;
}

/* 10, 20, .. 60, of which 30 and later are kept; then 70 is begun. */
static struct paraclock_history *stopped_history(void)
{
	struct paraclock_history *hist = new_history(4);
	struct entry *entry;

	for (uint64_t i = 1; i <= 6; i++)
		add_at(hist, 10 * i);
	entry = &hist->slot[slot_of(hist, 6)];
	entry->gen |= 1;
	memset(&entry->added, 0xee, sizeof(entry->added));
	return hist;
}

static void a_stopped_writer_stops_nobody(void **state)
{
	struct paraclock_history *hist = stopped_history();
	struct paraclock_snapshot before, after;

	(void)state;
	for (uint64_t at = 25; at <= 65; at++) {
		int want = at < 30 ? -EINVAL : at > 60;

		assert_int_equal(pclk_history_find(hist, at, &before, &after),
				 want);
		if (want >= 0)
			assert_int_equal(before.counter, at / 10 * 10);
	}
	free_history(hist);
}

static void the_next_writer_repairs(void **state)
{
	struct paraclock_history *hist = stopped_history();
	struct paraclock_snapshot before, after;

	(void)state;
	add_at(hist, 70);
	assert_int_equal(pclk_history_find(hist, 65, &before, &after), 0);
	assert_int_equal(before.counter, 60);
	assert_int_equal(after.counter, 70);
	assert_int_equal(pclk_history_find(hist, 35, &before, &after), -EINVAL);
	free_history(hist);
}

/*
 * A reader that the writer laps: each entry that it looks at is one of the next
 * turn, or becomes one.
 */
static void a_lapped_reader_gives_up(void **state)
{
	const uint64_t at[] = { 30, 35, 45, 50, 55, 60 };
	struct paraclock_snapshot before, after, untouched;

	(void)state;
	memset(&before, 0x5a, sizeof(before));
	after = untouched = before;
	for (unsigned int i = 0; i < 2 * ARRAY_LEN(at); i++) {
		struct paraclock_history *hist = stopped_history();

		for (uint64_t index = 2; index < 6; index++) {
			if (i % 2)
				added_of(hist, index)->index += 5;
			else
				hist->slot[slot_of(hist, index)].gen |= 1;
		}
		assert_int_equal(pclk_history_find(hist, at[i / 2], &before,
						   &after),
				 -EAGAIN);
		assert_memory_equal(&before, &untouched, sizeof(before));
		assert_memory_equal(&after, &untouched, sizeof(after));
		free_history(hist);
	}
}

/* The ends of the search, one at a time. */
static void a_missing_neighbour_is_noticed(void **state)
{
	struct paraclock_snapshot before, after;

	(void)state;
	for (uint64_t index = 2; index < 6; index++) {
		struct paraclock_history *hist = stopped_history();
		uint64_t counter = 10 * (index + 1);

		hist->slot[slot_of(hist, index)].gen |= 1;
		assert_int_equal(pclk_history_find(hist, counter, &before,
						   &after),
				 -EAGAIN);
		if (index < 5)
			assert_int_equal(pclk_history_find(hist, counter + 5,
							   &before, &after),
					 -EAGAIN);
		free_history(hist);
	}
}

/* --- making --------------------------------------------------------------- */

static void *no_memory(void *ctx, size_t size)
{
	(void)ctx;
	(void)size;
	return NULL;
}

struct making {
	const char *name;
	unsigned int entries;
	int ret;
	void (*change)(struct paraclock_env *env);
};

static void keep(struct paraclock_env *env)
{
	(void)env;
}

static void no_alloc(struct paraclock_env *env)
{
	env->alloc = NULL;
}

static void no_free(struct paraclock_env *env)
{
	env->free = NULL;
}

static void full(struct paraclock_env *env)
{
	env->alloc = no_memory;
}

static void small_env(struct paraclock_env *env)
{
	env->size--;
}

static struct making makings[] = {
	{ "a history of no entries is refused", 0, -EINVAL, keep },
	{ "a history of one entry is refused", 1, -EINVAL, keep },
	{ "a history of two entries", 2, 0, keep },
	{ "the largest history", PARACLOCK_HISTORY_MAX, 0, keep },
	{ "a larger history is refused", PARACLOCK_HISTORY_MAX + 1, -EINVAL,
	  keep },
	{ "the largest number is refused", (unsigned int)-1, -EINVAL, keep },
	{ "an env without memory to spare", 2, -EINVAL, no_alloc },
	{ "an env without free()", 2, -EINVAL, no_free },
	{ "an env of an earlier release", 2, -EINVAL, small_env },
	{ "an env without alloc()", 2, -ENOMEM, full },
};

static void check_making(void **state)
{
	const struct making *c = *state;
	struct paraclock_history *const untouched = (void *)&fake;
	struct paraclock_history *hist = untouched;
	struct paraclock_snapshot snap = snapshot_at(10), before, after;

	fake_init(&fake);
	c->change(&fake.env);
	assert_int_equal(paraclock_history_new(&hist, &fake.env, c->entries),
			 c->ret);
	if (c->ret) {
		assert_ptr_equal(hist, untouched);
		assert_int_equal(fake.allocs, 0);
		return;
	}
	assert_int_equal(fake.allocs, 1);
	assert_int_equal(paraclock_history_add(hist, &snap), 0);
	assert_int_equal(pclk_history_find(hist, 11, &before, &after), 1);
	free_history(hist);
}

static void null_is_this_machine(void **state)
{
	struct paraclock_history *hist = NULL;

	(void)state;
	assert_int_equal(paraclock_history_new(NULL, NULL, 2), -EINVAL);
	assert_int_equal(paraclock_history_new(&hist, NULL, 2), 0);
	assert_non_null(hist);
	paraclock_history_free(hist);
	paraclock_history_free(NULL);
}

int main(void)
{
	const struct CMUnitTest whole[] = {
		cmocka_unit_test(any_value_is_found),
		cmocka_unit_test(a_stopped_writer_stops_nobody),
		cmocka_unit_test(the_next_writer_repairs),
		cmocka_unit_test(a_lapped_reader_gives_up),
		cmocka_unit_test(a_missing_neighbour_is_noticed),
		cmocka_unit_test(null_is_this_machine),
	};

	ADD_ROWS(lookups, check_lookup);
	ADD_ROWS(makings, check_making);
	ADD_TESTS(whole);
	return run_suite(NULL, NULL);
}
