// SPDX-License-Identifier: MIT
/*
 * Timekeepers in memory that another process has overwritten: readers, writers,
 * followers and relays. The memory is checked as a page is.
 */

/* First: what follows has a name that is a variable in there. */
#include <paraclock/relay.h>

#include "host/timekeeper.h"

#include "follows.h"

static struct paraclock *above;

static struct tk *tk_of(void)
{
	return (void *)&keeper.tk;
}

static struct tk_slot *slot_of(void)
{
	return &tk_of()->slot[tk_of()->state & 1];
}

/* A running timekeeper, and a clock on it. */
static int start(void **state)
{
	struct paraclock_timeline tl = conv_at(NOW, 5);

	set_up(state);
	tl.flags |= PARACLOCK_TIMELINE_TAI_OFFSET;
	tl.tai_offset_sec = 37;
	tl.leap = PARACLOCK_LEAP_UNKNOWN;
	assert_int_equal(keeper_set(&keeper, &tl, 0), 0);
	assert_int_equal(paraclock_timekeeper_open(&above, &keeper.tk,
						   &keeper.fake.env),
			 0);
	keeper.fake.counter += TICKS_SEC;
	return 0;
}

static int stop(void **state)
{
	paraclock_close(above);
	return tear_down(state);
}

/* --- what readers check --------------------------------------------------- */

struct conv_case {
	const char *name;
	size_t offset; /* in struct tk_line */
	unsigned int bytes;
	uint64_t value;
	int ret;
};

/* As in a sample, first from valid and then from flags on. */
#define QUALIFIER(n)                                      \
	offsetof(struct tk_conversion, qualifiers) +      \
		offsetof(struct paraclock_sample, n) -    \
		offsetof(struct paraclock_sample, valid), \
		sizeof(((struct paraclock_sample *)0)->n)
#define CONV(n) offsetof(struct tk_conversion, n), 8

static struct conv_case conv_cases[] = {
	/* clang-format off */
	{ "a period of 0", CONV(period_frac), 0, -EPROTO },
	{ "a shift of 63", CONV(shift), 63, 0 },
	{ "a shift of 64", CONV(shift), 64, -EPROTO },
	{ "a shift of 128", CONV(shift), 128, -EPROTO },
	{ "a shift of 2^63", CONV(shift), 1ULL << 63, -EPROTO },
	{ "a time beyond 64 bits of ns", CONV(base_sec), UINT64_MAX, -ERANGE },
	{ "a time that just fits", CONV(base_sec), 9223372035, 0 },
	{ "a bound of 2^64 - 2", CONV(error_ns), UINT64_MAX - 1, 0 },
	{ "a bound that grows by the largest rate", CONV(error_rate_frac),
	  UINT64_MAX, 0 },
	{ "a valid of 2", QUALIFIER(valid), 2, -EPROTO },
	{ "a valid of 255", QUALIFIER(valid), 255, -EPROTO },
	{ "not valid, without a reason", QUALIFIER(valid), 0, -EPROTO },
	{ "valid, with a reason", QUALIFIER(reason), 2, -EPROTO },
	{ "an undefined reason", QUALIFIER(reason), 200, -EPROTO },
	{ "no timescale", QUALIFIER(timescale), 0, -EPROTO },
	{ "the last timescale", QUALIFIER(timescale), 4, 0 },
	{ "an undefined timescale", QUALIFIER(timescale), 5, -EPROTO },
	{ "inside a leap second", QUALIFIER(leap), 3, -EPROTO },
	{ "after a leap second", QUALIFIER(leap), 5, 0 },
	{ "an undefined leap state", QUALIFIER(leap), 6, -EPROTO },
	{ "another", QUALIFIER(leap), 254, -EPROTO },
	{ "a marker class of none", QUALIFIER(marker_class), 0, -EPROTO },
	{ "an authoritative one", QUALIFIER(marker_class), 2, -EPROTO },
	{ "an undefined marker class", QUALIFIER(marker_class), 255,
	  -EPROTO },
	{ "every flag that a timeline may have", CONV(flags), 7, 0 },
	{ "UNVOUCHED", CONV(flags), 8, -EPROTO },
	{ "a flag in the upper half", CONV(flags), 1ULL << 32, -EPROTO },
	/* clang-format on */
};

static void reads_a_conversion(void **state)
{
	const struct conv_case *c = *state;
	struct tk_conversion *conv = slot_of()->conv;
	struct paraclock_sample s, same;

	memset((char *)conv + c->offset, 0, c->bytes);
	memcpy((char *)conv + c->offset, &c->value, c->bytes);
	memset(&s, 0x5a, sizeof(s));
	same = s;
	assert_int_equal(keeper_read(&keeper, keeper.fake.counter, &s), c->ret);
	if (c->ret)
		assert_memory_equal(&s, &same, sizeof(s));
	else
		assert_int_equal(s.marker_class, PARACLOCK_MARKER_HEURISTIC);
	s = same;
	assert_int_equal(paraclock_read(above, &s), c->ret);
	if (c->ret)
		assert_memory_equal(&s, &same, sizeof(s));
	assert_int_equal(paraclock_read_at(above, keeper.fake.counter, &s),
			 c->ret);
}

/* --- what writers and relays check ---------------------------------------- */

struct slot_case {
	const char *name;
	size_t offset; /* in struct tk_slot */
	unsigned int bytes;
	uint64_t value;
};

#define SLOT(n) offsetof(struct tk_slot, n), 8
#define TL(n)                                                                  \
	offsetof(struct tk_slot, tl) + offsetof(struct paraclock_timeline, n), \
		sizeof(((struct paraclock_timeline *)0)->n)

static struct slot_case slot_cases[] = {
	/* clang-format off */
	{ "an undefined mode", SLOT(mode), 3 },
	{ "a mode of 2^32 + 1", SLOT(mode), (1ULL << 32) + 1 },
	{ "a coming timeline of zeros", SLOT(t_change), NOW + 9 },
	{ "a current timeline of zeros", SLOT(t_change), NOW - 9 },
	{ "a timeline without a size", TL(size), 0 },
	{ "a timeline that is too small", TL(size), 127 },
	{ "a rate of 0", TL(period_frac), 0 },
	{ "a shift of 64", TL(period_shift), 64 },
	{ "a shift of 255", TL(period_shift), 255 },
	{ "an end before its start", TL(t_start), UINT64_MAX },
	{ "a status without a time", TL(status), 0 },
	{ "an undefined status", TL(status), 200 },
	{ "without a timescale", TL(timescale), 0 },
	{ "with an undefined one", TL(timescale), 5 },
	{ "without a counter", TL(counter), 0 },
	/* clang-format on */
};

static int nothing_written(void *page, struct paraclock_page_writer *writer,
			   const struct paraclock_env *env,
			   const struct paraclock_timeline *tl)
{
	(void)page;
	(void)writer;
	(void)env;
	(void)tl;
	fail_msg("written");
	return 0;
}

static int freezes;

static int count_freeze(void *page, struct paraclock_page_writer *writer,
			const struct paraclock_env *env)
{
	(void)page;
	(void)writer;
	(void)env;
	freezes++;
	return 0;
}

static void a_hostile_change_is_not_relayed(int error)
{
	struct paraclock_target target = {
		.size = sizeof(target),
		.page = &target,
		.writer = (void *)&target,
		.write = nothing_written,
		.freeze = count_freeze,
		.coupling = {
			.size = sizeof(target.coupling),
			.mult = 3,
			.shift = 1,
			.device_counter = PARACLOCK_COUNTER_X86_TSC,
			.system_counter = PARACLOCK_COUNTER_X86_TSC,
			.flags = PARACLOCK_COUPLING_FIXED |
				 PARACLOCK_COUPLING_TO_DEVICE,
		},
	};
	struct paraclock_relay relay = {
		.size = sizeof(relay),
		.clk = above,
		.timekeeper = &keeper.tk,
		.targets = &target,
		.n_targets = 1,
	};

	freezes = 0;
	assert_int_equal(paraclock_relay_update(&relay), error);
	assert_int_equal(target.state, PARACLOCK_TARGET_FROZEN);
	assert_int_equal(freezes, 1);
	assert_int_equal(paraclock_relay_align(&relay, &target, NOW, 1, 0),
			 error);
}

/*
 * No timeline follows from it; a freeze forgets it, and the time can be set
 * anew.
 */
static void a_hostile_slot_is_refused(void **state)
{
	const struct paraclock_env *env = &keeper.fake.env;
	const struct slot_case *c = *state;
	struct paraclock_timekeeper_info info = { .size = sizeof(info) };
	struct paraclock_timeline tl;
	struct paraclock_marker marker;
	struct paraclock_sample s;

	memset((char *)slot_of() + c->offset, 0, c->bytes);
	memcpy((char *)slot_of() + c->offset, &c->value, c->bytes);
	assert_int_equal(paraclock_timekeeper_describe(&keeper.tk, env, &info),
			 -EPROTO);
	assert_int_equal(paraclock_marker(above, &marker), -EPROTO);
	assert_int_equal(paraclock_read(above, &s), -EPROTO);
	a_hostile_change_is_not_relayed(-EPROTO);
	assert_int_equal(call(), -EPROTO);

	tl = conv_at(keeper.fake.counter, 9);
	assert_int_equal(keeper_set(&keeper, &tl, 0), -EPROTO);
	assert_int_equal(paraclock_timekeeper_unfreeze(&keeper.tk, env),
			 -EPROTO);
	assert_int_equal(paraclock_timekeeper_reconfigure(&keeper.tk, env, &tl),
			 -EPROTO);
	assert_int_equal(paraclock_timekeeper_freeze(&keeper.tk, env), 0);
	assert_int_equal(paraclock_timekeeper_describe(&keeper.tk, env, &info),
			 0);
	assert_int_equal(info.state, PARACLOCK_TIMEKEEPER_FROZEN);
	assert_int_equal(info.timeline.size, 0);
	assert_int_equal(paraclock_timekeeper_reconfigure(&keeper.tk, env, &tl),
			 0);
	assert_int_equal(paraclock_timekeeper_unfreeze(&keeper.tk, env), 0);
	assert_shows(&keeper, keeper.fake.counter + 3, 9000000002);
	assert_int_equal(describe(&keeper).migrations, 2);
}

/* A caller that knows that the writer is gone need not know more. */
static void an_orphan_is_acquired(void **state)
{
	const struct paraclock_timekeeper_options orphan = {
		.size = sizeof(orphan),
		.flags = PARACLOCK_TIMEKEEPER_ORPHAN,
	};
	const struct slot_case *c = *state;

	memset((char *)slot_of() + c->offset, 0, c->bytes);
	memcpy((char *)slot_of() + c->offset, &c->value, c->bytes);
	assert_int_equal(paraclock_timekeeper_acquire(
				 &keeper.tk, &keeper.fake.env, &orphan),
			 0);
	assert_int_equal(describe(&keeper).timeline.size, 0);
	assert_int_equal(describe(&keeper).migrations, 2);
	assert_refuses(&keeper, keeper.fake.counter, -EAGAIN);
}

/* --- any memory ----------------------------------------------------------- */

static int accept_anything(void *page, struct paraclock_page_writer *writer,
			   const struct paraclock_env *env,
			   const struct paraclock_timeline *tl)
{
	unsigned int *written = page;

	(void)writer;
	(void)env;
	assert_true(tl->period_frac && tl->period_shift <= 63);
	(*written)++;
	return 0;
}

/*
 * A sanitizer checks this: each relayed word gets any value, among others that
 * are right.
 */
static void relays_any_memory(void **state)
{
	uint64_t seed = 88172645463325252U;
	unsigned int written = 0;
	struct paraclock_timekeeper good = keeper.tk;

	(void)state;
	for (unsigned int i = 0; i < 20000; i++) {
		struct paraclock_target target = {
			.size = sizeof(target),
			.page = &written,
			.writer = (void *)&target,
			.write = accept_anything,
			.freeze = count_freeze,
		};
		struct paraclock_relay relay = {
			.size = sizeof(relay),
			.clk = above,
			.timekeeper = &keeper.tk,
			.targets = &target,
			.n_targets = 1,
		};
		uint64_t *word;

		keeper.tk = good;
		word = (void *)slot_of();
		for (size_t w = 0; w < TK_SLOT_WORDS; w++) {
			seed ^= seed << 13;
			seed ^= seed >> 7;
			seed ^= seed << 17;
			if (seed % 40 == 0)
				word[w] = seed >> (seed >> 8) % 64;
		}
		if (i % 2) {
			target.coupling = (struct paraclock_coupling){
				.size = sizeof(target.coupling),
				.mult = seed >> seed % 63 | 1,
				.offset = seed * seed,
				.shift = seed >> 32 & 63,
				.device_counter = PARACLOCK_COUNTER_X86_TSC,
				.system_counter = PARACLOCK_COUNTER_X86_TSC,
				.flags = PARACLOCK_COUPLING_FIXED |
					 PARACLOCK_COUPLING_TO_DEVICE,
			};
		}
		(void)paraclock_relay_update(&relay);
		(void)call();
		(void)call_for(1);
		keeper.fake.counter = NOW + TICKS_SEC;
	}
	assert_true(written > 1000);
}

int main(void)
{
	each_test(start, stop);
	ADD_ROWS(conv_cases, reads_a_conversion);
	ADD_ROWS(slot_cases, a_hostile_slot_is_refused);
	ADD_ROWS(slot_cases, an_orphan_is_acquired);
	add_test("relays and readers survive any memory", relays_any_memory);
	return run_suite(NULL, NULL);
}
