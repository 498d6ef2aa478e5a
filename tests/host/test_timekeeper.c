// SPDX-License-Identifier: MIT
/* Timekeepers: what is set, what readers get, and what is refused. */

#include "host/timekeeper.h"
#include "timekeepers.h"

#define STABLE PARACLOCK_TIMELINE_STABLE

static struct keeper keeper;

/* --- one timeline ---------------------------------------------------------
 */

struct shown_case {
	const char *name;
	uint64_t frac;	/* of the base, 2^-64 s */
	uint64_t ticks; /* after it */
	int64_t ns;	/* after 5 s */
};

/* n ticks are n * 10^9 / 2^30 ns, rounded down. */
static struct shown_case shown_cases[] = {
	/* clang-format off */
	{ "its base", 0, 0, 0 },
	{ "a tick is less than a ns", 0, 1, 0 },
	{ "two ticks are more than one", 0, 2, 1 },
	{ "a second is exact", 0, TICKS_SEC, SEC },
	{ "a tick less is rounded down", 0, TICKS_SEC - 1, SEC - 1 },
	{ "2^-64 s below a ns are not that ns", 18446744073U, 0, 0 },
	{ "2^-64 s above a ns are that ns", 18446744074U, 0, 1 },
	{ "a fraction carries into seconds", UINT64_MAX, 1, SEC },
	{ "the last counter value of the lease", 0, 10 * TICKS_SEC, 10 * SEC },
	/* clang-format on */
};

static void shows_a_conversion(void **state)
{
	const struct shown_case *c = *state;
	struct paraclock_timeline tl = conv_at(NOW, 5);
	int64_t ns;

	keeper_init(&keeper);
	tl.base_frac = c->frac;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_shows(&keeper, NOW + c->ticks, 5 * SEC + c->ns);
	assert_int_equal(paraclock_timeline_ns(&tl, NOW + c->ticks, &ns), 0);
	assert_int_equal(ns, 5 * SEC + c->ns);
}

static void a_sample_says_what_qualifies_it(void **state)
{
	struct paraclock_timeline tl = conv_at(NOW, 1700000000);
	struct paraclock_sample s;

	(void)state;
	keeper_init(&keeper);
	tl.timescale = PARACLOCK_TIMESCALE_UTC;
	tl.leap = PARACLOCK_LEAP_NONE;
	tl.tai_offset_sec = 37;
	tl.flags = STABLE | PARACLOCK_TIMELINE_MONOTONIC |
		   PARACLOCK_TIMELINE_TAI_OFFSET | PARACLOCK_TIMELINE_MAXERROR |
		   PARACLOCK_TIMELINE_OWN_KERNEL |
		   PARACLOCK_TIMELINE_MAXERROR_RATE;
	tl.maxerror_ns = 100;
	/* A thousandth of the period: 1 us a ms. */
	tl.maxerror_rate_frac = tl.period_frac / 1000;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_int_equal(keeper_read(&keeper, NOW + TICKS_SEC, &s), 0);
	assert_int_equal(s.valid, 1);
	assert_int_equal(s.timescale, PARACLOCK_TIMESCALE_UTC);
	assert_int_equal(s.counter, PARACLOCK_COUNTER_X86_TSC);
	assert_int_equal(s.leap, PARACLOCK_LEAP_NONE);
	assert_int_equal(s.marker_class, PARACLOCK_MARKER_HEURISTIC);
	assert_int_equal(s.tai_offset_sec, 37);
	assert_int_equal(s.flags, PARACLOCK_FLAG_OWN_KERNEL |
					  PARACLOCK_FLAG_TAI_OFFSET |
					  PARACLOCK_FLAG_MONOTONIC);
	assert_int_equal(s.epoch, 1);
	/* 100 + ceil(10^6), and at most 2 more. */
	assert_in_range(s.clock_error_ns, 1000100, 1000102);
	for (size_t i = 0; i < sizeof(s.reserved); i++)
		assert_int_equal(s.reserved[i], 0);
}

static void half_a_bound_is_no_bound(void **state)
{
	struct paraclock_timeline tl = conv_at(NOW, 5);
	struct paraclock_sample s;

	(void)state;
	keeper_init(&keeper);
	tl.flags |= PARACLOCK_TIMELINE_MAXERROR;
	tl.maxerror_ns = 100;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_int_equal(keeper_read(&keeper, NOW, &s), 0);
	assert_int_equal(s.clock_error_ns, PARACLOCK_ERROR_UNKNOWN);
}

static void an_invalid_reading_says_why(void **state)
{
	struct paraclock_timeline tl = conv_at(NOW, 5);

	(void)state;
	keeper_init(&keeper);
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_not_valid(&keeper, NOW - 1, PARACLOCK_REASON_WINDOW, 5 * SEC);
	keeper.fake.env.counter_id = PARACLOCK_COUNTER_ARM_VCNT;
	assert_not_valid(&keeper, NOW + TICKS_SEC, PARACLOCK_REASON_COUNTER,
			 5 * SEC);
	keeper.fake.env.counter_id = PARACLOCK_COUNTER_ANY;
	assert_shows(&keeper, NOW + TICKS_SEC, 6 * SEC);

	keeper_init(&keeper);
	tl.flags = 0;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_not_valid(&keeper, NOW + TICKS_SEC, PARACLOCK_REASON_UNSTABLE,
			 6 * SEC);
}

static void lease_ends(void **state)
{
	struct paraclock_timeline tl = conv_at(NOW, 5);

	(void)state;
	keeper_init(&keeper);
	assert_refuses(&keeper, NOW, -EAGAIN);
	assert_int_equal(describe(&keeper).state, PARACLOCK_TIMEKEEPER_EMPTY);
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_int_equal(describe(&keeper).state, PARACLOCK_TIMEKEEPER_RUNNING);
	assert_refuses(&keeper, tl.t_end + 1, -EAGAIN);
	keeper.fake.counter = tl.t_end + 1;
	assert_int_equal(describe(&keeper).state, PARACLOCK_TIMEKEEPER_EXPIRED);
	/* A reader goes on after any wait. */
	tl = conv_at(tl.t_end + 1, 7);
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_shows(&keeper, tl.base_tsc + TICKS_SEC, 8 * SEC);
}

/* --- refused timelines ----------------------------------------------------
 */

struct bad_case {
	const char *name;
	size_t offset;
	unsigned int bytes;
	uint64_t value;
	uint64_t t_change;
	int ret;
};

#define FIELD(m)                                \
	offsetof(struct paraclock_timeline, m), \
		sizeof(((struct paraclock_timeline *)0)->m)

static struct bad_case bad_cases[] = {
	/* clang-format off */
	{ "a size that is too small", FIELD(size), 127, 0, -EINVAL },
	{ "no status", FIELD(status), 0, 0, -EINVAL },
	{ "an unreliable one", FIELD(status), 4, 0, -EINVAL },
	{ "no period", FIELD(period_frac), 0, 0, -EINVAL },
	{ "a shift of 64", FIELD(period_shift), 64, 0, -EINVAL },
	{ "no lease", FIELD(t_end), 0, 0, -EINVAL },
	{ "a lease for ever", FIELD(t_end), UINT64_MAX, 0, -EINVAL },
	{ "a lease from before its base", FIELD(t_end), NOW - 1, 0, -EINVAL },
	{ "a start after its end", FIELD(t_start), NOW + 11 * TICKS_SEC, 0,
	  -EINVAL },
	{ "no timescale", FIELD(timescale), 0, 0, -EINVAL },
	{ "no such timescale", FIELD(timescale), 5, 0, -EINVAL },
	{ "another timescale than before", FIELD(timescale), 3, 0, -EINVAL },
	{ "no counter", FIELD(counter), 0, 0, -EINVAL },
	{ "another counter than before", FIELD(counter), 2, 0, -EINVAL },
	{ "beyond 2^63 ns", FIELD(base_sec), 9223372037, 0, -ERANGE },
	{ "beyond 2^63 ns when it changes", FIELD(base_sec), 9223372036, 0,
	  -ERANGE },
	{ "a change before it begins", FIELD(t_start), NOW + 9, NOW + 8,
	  -EINVAL },
	{ "a change after its end", FIELD(t_start), NOW,
	  NOW + 10 * TICKS_SEC + 1, -EINVAL },
	{ "a change now", FIELD(t_start), NOW, NOW, -ESTALE },
	{ "a change in the past", FIELD(t_start), NOW - 9, NOW - 1, -EINVAL },
	{ "a lease that is over", FIELD(t_end), NOW, 0, -ESTALE },
	/* clang-format on */
};

static void refuses_a_timeline(void **state)
{
	const struct bad_case *c = *state;
	struct paraclock_timeline tl = conv_at(NOW, 5);

	keeper_init(&keeper);
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	memcpy((char *)&tl + c->offset, &c->value, c->bytes);
	assert_int_equal(keeper_set(&keeper, &tl, c->t_change), c->ret);
	assert_shows(&keeper, NOW + TICKS_SEC, 6 * SEC);
	assert_shows(&keeper, NOW + 10 * TICKS_SEC, 15 * SEC);
	assert_refuses(&keeper, NOW + 10 * TICKS_SEC + 1, -EAGAIN);
	assert_int_equal(describe(&keeper).state, PARACLOCK_TIMEKEEPER_RUNNING);
}

static void refuses_arguments(void **state)
{
	struct paraclock_timeline tl = conv_at(NOW, 5);
	struct paraclock_timekeeper_info info = { .size = sizeof(info) - 1 };
	struct paraclock_timekeeper *off;
	struct paraclock_sample s;
	struct paraclock_env small;

	(void)state;
	keeper_init(&keeper);
	small = keeper.fake.env;
	small.size--;
	off = (void *)((char *)&keeper.tk + 4);
	assert_int_equal(paraclock_timekeeper_acquire(NULL, NULL, NULL),
			 -EINVAL);
	assert_int_equal(paraclock_timekeeper_acquire(off, NULL, NULL),
			 -EINVAL);
	assert_int_equal(paraclock_timekeeper_release(NULL, NULL), -EINVAL);
	assert_int_equal(paraclock_timekeeper_set(NULL, NULL, &tl, 0), -EINVAL);
	assert_int_equal(paraclock_timekeeper_set(&keeper.tk, &keeper.fake.env,
						  NULL, 0),
			 -EINVAL);
	assert_int_equal(paraclock_timekeeper_set(&keeper.tk, &small, &tl, 0),
			 -EINVAL);
	assert_int_equal(paraclock_timekeeper_freeze(NULL, NULL), -EINVAL);
	assert_int_equal(paraclock_timekeeper_unfreeze(off, NULL), -EINVAL);
	assert_int_equal(paraclock_timekeeper_reconfigure(
				 &keeper.tk, &keeper.fake.env, &tl),
			 -EINVAL);
	assert_int_equal(paraclock_timekeeper_read(NULL, NULL, &s), -EINVAL);
	assert_int_equal(paraclock_timekeeper_read(&keeper.tk, NULL, NULL),
			 -EINVAL);
	assert_int_equal(paraclock_timekeeper_read(off, NULL, &s), -EINVAL);
	assert_int_equal(paraclock_timekeeper_read(&keeper.tk, &small, &s),
			 -EINVAL);
	assert_int_equal(paraclock_timekeeper_describe(&keeper.tk, NULL, &info),
			 -EINVAL);
	assert_int_equal(paraclock_timekeeper_describe(&keeper.tk, NULL, NULL),
			 -EINVAL);
	assert_int_equal(paraclock_timekeeper_open(NULL, &keeper.tk, NULL),
			 -EINVAL);
	assert_int_equal(describe(&keeper).state, PARACLOCK_TIMEKEEPER_EMPTY);
}

/* --- ticks ----------------------------------------------------------------
 */

struct ticks_case {
	const char *name;
	uint64_t hz, ns, want, less;
};

static struct ticks_case ticks_cases[] = {
	/* clang-format off */
	{ "a second of 1 GHz, where a tick is a ns", 1000000000, SEC, SEC, 1 },
	{ "a second of 2 GHz", 2000000000, SEC, 2000000000, 1 },
	{ "a second of 24 MHz", 24000000, SEC, 24000000, 1 },
	{ "a second of 999999999 Hz", 999999999, SEC, 999999999, 1 },
	{ "less than a tick", 1000000, 999, 0, 0 },
	{ "ten years of 5 GHz", 5000000000, 315360000 * SEC,
	  1576800000000000000, 2 },
	{ "all of it", 5000000000, UINT64_MAX, (uint64_t)1 << 62, 0 },
	{ "nothing", 5000000000, 0, 0, 0 },
	/* clang-format on */
};

static void counts_ticks(void **state)
{
	const struct ticks_case *c = *state;
	struct paraclock_timeline tl = conv_at(NOW, 5);
	uint64_t ticks;

	assert_int_equal(paraclock_timeline_set_hz(&tl, c->hz, 0), 0);
	ticks = pclk_timeline_ticks(&tl, c->ns);
	assert_in_range(ticks, c->want - c->less, c->want);
}

/* --- hostile memory ------------------------------------------------------- */

static void memory_that_is_no_timekeeper_is_refused(void **state)
{
	struct paraclock_timeline tl = conv_at(NOW, 5);
	uint64_t head;

	(void)state;
	for (unsigned int bit = 0; bit < 64; bit++) {
		keeper_init(&keeper);
		assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
		head = keeper.tk.opaque[1];
		keeper.tk.opaque[1] ^= (uint64_t)1 << bit;
		assert_refuses(&keeper, NOW, -EPROTO);
		assert_int_equal(paraclock_timekeeper_acquire(
					 &keeper.tk, &keeper.fake.env, NULL),
				 -EPROTO);
		assert_int_equal(keeper_set(&keeper, &tl, 0), -EPERM);
		keeper.tk.opaque[1] = head;
		assert_shows(&keeper, NOW, 5 * SEC);
	}
	keeper.tk.opaque[1] = 0;
	assert_refuses(&keeper, NOW, -EAGAIN);
}

/* Whatever the memory holds, a reader returns, and does not read elsewhere. */
static void survives_any_memory(void **state)
{
	struct paraclock_timeline tl = conv_at(NOW, 5);
	uint64_t seed = 88172645463325252U, head;
	struct paraclock_timekeeper_info info;
	struct paraclock_timekeeper good;
	struct paraclock_sample s;
	unsigned int answers = 0;

	(void)state;
	keeper_init(&keeper);
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	head = keeper.tk.opaque[1];
	good = keeper.tk;
	for (unsigned int i = 0; i < 20000; i++) {
		/* From all of it to a word here and there. */
		unsigned int part = 3 + i % 64;

		keeper.tk = good;
		for (unsigned int w = 0; w < ARRAY_LEN(keeper.tk.opaque); w++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			if (seed % part == 0)
				keeper.tk.opaque[w] = seed >> (seed % 64);
		}
		keeper.tk.opaque[1] = head;
		answers += paraclock_timekeeper_read(&keeper.tk,
						     &keeper.fake.env, &s) == 0;
		info.size = sizeof(info);
		(void)paraclock_timekeeper_describe(&keeper.tk,
						    &keeper.fake.env, &info);
	}
	assert_true(answers > 0);
}

/* Its writer does nothing undefined, either, which only a sanitizer shows. */
static void writer_survives_any_memory(void **state)
{
	struct tk *tk = (void *)&keeper.tk;
	const struct paraclock_env *env = &keeper.fake.env;
	struct paraclock_timeline tl = conv_at(NOW, 5);
	uint64_t seed = 88172645463325252U;
	unsigned int done = 0;

	(void)state;
	tl.flags |= PARACLOCK_TIMELINE_MONOTONIC;
	for (unsigned int i = 0; i < 20000; i++) {
		uint64_t *word = (void *)tk->slot;

		keeper_init(&keeper);
		assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
		for (size_t w = 0; w < 2 * TK_SLOT_WORDS; w++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			if (seed % 4 == 0)
				word[w] = seed >> (seed % 64);
		}
		for (unsigned int s = 0; s < 2; s++) {
			tk->slot[s].mode = seed >> s & 3;
			tk->slot[s].tl[0].size = sizeof(tl);
			tk->slot[s].tl[0].timescale = tl.timescale;
			tk->slot[s].tl[0].counter = tl.counter;
		}
		done += keeper_set(&keeper, &tl, seed & 8 ? 0 : NOW + 9) == 0;
		done += paraclock_timekeeper_unfreeze(&keeper.tk, env) == 0;
		done += paraclock_timekeeper_freeze(&keeper.tk, env) == 0;
		done += paraclock_timekeeper_reconfigure(&keeper.tk, env,
							 &tl) == 0;
	}
	assert_true(done > 20000);
}

/* A single shift that no timeline has, and that was there before. */
static void writer_bounds_a_shift(void **state)
{
	struct tk *tk = (void *)&keeper.tk;
	struct paraclock_timeline tl = conv_at(NOW, 5);

	(void)state;
	keeper_init(&keeper);
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	tk->slot[tk->state & 1].tl[0].period_shift = 29 + 64;
	keeper.fake.counter += 2 * TICKS_SEC;
	assert_int_equal(
		paraclock_timekeeper_freeze(&keeper.tk, &keeper.fake.env), 0);
	assert_int_equal(describe(&keeper).seen_sec, 0);
	assert_int_equal(describe(&keeper).timeline.size, 0);
}

static void a_timekeeper_works_at_any_address(void **state)
{
	static struct paraclock_timekeeper elsewhere;
	struct paraclock_timeline tl = conv_at(NOW, 5);
	struct paraclock_sample a, b;

	(void)state;
	keeper_init(&keeper);
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	elsewhere = keeper.tk;
	assert_int_equal(
		paraclock_timekeeper_read(&keeper.tk, &keeper.fake.env, &a), 0);
	assert_int_equal(
		paraclock_timekeeper_read(&elsewhere, &keeper.fake.env, &b), 0);
	assert_memory_equal(&a, &b, sizeof(a));
}

int main(void)
{
	ADD_ROWS(shown_cases, shows_a_conversion);
	add_test("a sample says what qualifies it",
		 a_sample_says_what_qualifies_it);
	add_test("half a bound is no bound", half_a_bound_is_no_bound);
	add_test("an invalid reading says why", an_invalid_reading_says_why);
	add_test("past its lease a timekeeper has no time", lease_ends);
	ADD_ROWS(bad_cases, refuses_a_timeline);
	add_test("refuses bad arguments", refuses_arguments);
	ADD_ROWS(ticks_cases, counts_ticks);
	add_test("memory that is no timekeeper is refused",
		 memory_that_is_no_timekeeper_is_refused);
	add_test("a reader comes back from any memory", survives_any_memory);
	add_test("a writer comes back from any memory",
		 writer_survives_any_memory);
	add_test("a writer bounds a shift", writer_bounds_a_shift);
	add_test("a timekeeper works at any address",
		 a_timekeeper_works_at_any_address);
	return run_suite(NULL, NULL);
}
