// SPDX-License-Identifier: MIT
/* Couplings: against exact arithmetic, both ways. */

#include "base/fixed.h"
#include "fake.h"

#define CASES 100000

#define FIXED	  PARACLOCK_COUPLING_FIXED
#define TO_DEVICE PARACLOCK_COUPLING_TO_DEVICE

#define BACK(n)	  ((uint64_t)0 - (n))
#define UNTOUCHED 0xdeadbeefU

static struct paraclock_coupling coupled(uint64_t mult, uint8_t shift,
					 uint64_t offset, uint8_t flags)
{
	return (struct paraclock_coupling){
		.size = sizeof(struct paraclock_coupling),
		.mult = mult,
		.shift = shift,
		.offset = offset,
		.device_counter = PARACLOCK_COUNTER_USER,
		.system_counter = PARACLOCK_COUNTER_X86_TSC,
		.flags = flags,
	};
}

/* The formula's way, and back. */
static int ahead(const struct paraclock_coupling *c, uint64_t from,
		 uint64_t *ret_to)
{
	return c->flags & TO_DEVICE
		       ? paraclock_coupling_to_device(c, from, ret_to)
		       : paraclock_coupling_to_system(c, from, ret_to);
}

static int back(const struct paraclock_coupling *c, uint64_t to,
		uint64_t *ret_from)
{
	return c->flags & TO_DEVICE
		       ? paraclock_coupling_to_system(c, to, ret_from)
		       : paraclock_coupling_to_device(c, to, ret_from);
}

/* --- rows ----------------------------------------------------------------- */

struct row {
	const char *name;
	int (*way)(const struct paraclock_coupling *c, uint64_t value,
		   uint64_t *ret_value);
	uint64_t mult, offset;
	uint8_t shift;
	uint64_t value;
	int ret;
	uint64_t want; /* compared only if ret is 0 */
};

#define TOP ((uint64_t)1 << 63)

static struct row rows[] = {
	/* clang-format off */
	{ "one to one", ahead, 1, 0, 0, 12345, 0, 12345 },
	{ "one to one, and back", back, 1, 0, 0, 12345, 0, 12345 },
	{ "an offset is added", ahead, 1, 1000, 0, 12345, 0, 13345 },
	{ "an offset is subtracted on the way back", back, 1, 1000, 0, 13345,
	  0, 12345 },
	{ "a negative offset, as a young guest's", ahead, 1, BACK(12000), 0,
	  12345, 0, 345 },
	{ "a negative offset, and back", back, 1, BACK(12000), 0, 345, 0,
	  12345 },
	{ "a guest's counter that is still to wrap", ahead, 1, BACK(12000), 0,
	  11999, 0, UINT64_MAX },
	{ "a counter that is still to wrap, and back", back, 1, BACK(12000), 0,
	  UINT64_MAX, 0, 11999 },
	{ "one to one in the finest fraction", ahead, TOP, 5, 63, UINT64_MAX, 0,
	  4 },
	{ "one to one in the finest fraction, and back", back, TOP, 5, 63, 4,
	  0, UINT64_MAX },
	{ "twice as fast", ahead, 2, 7, 0, 100, 0, 207 },
	{ "twice as fast, and back", back, 2, 7, 0, 207, 0, 100 },
	{ "twice as fast, a value that is skipped", back, 2, 7, 0, 206, 0,
	  100 },
	{ "half as fast", ahead, 1, 7, 1, 101, 0, 57 },
	{ "half as fast, and back to the smallest", back, 1, 7, 1, 57, 0, 100 },
	{ "three halves, rounded down", ahead, 3, 0, 1, 3, 0, 4 },
	{ "three halves, and back", back, 3, 0, 1, 4, 0, 3 },
	{ "three halves, beyond what is skipped", back, 3, 0, 1, 5, 0, 4 },
	{ "nothing is nothing", ahead, 3, 0, 1, 0, 0, 0 },
	{ "nothing is nothing, and back", back, 3, 0, 1, 0, 0, 0 },
	{ "the last that can be doubled", ahead, 2, 0, 0, TOP - 1, 0,
	  UINT64_MAX - 1 },
	{ "a value that cannot be doubled", ahead, 2, 0, 0, TOP, -ERANGE, 0 },
	{ "an offset does not make it fit", ahead, 2, 1, 0, TOP, -ERANGE, 0 },
	{ "the last that can be halved, back", back, 1, 0, 1, TOP - 1, 0,
	  UINT64_MAX - 1 },
	{ "a value that no half reaches", back, 1, 0, 1, TOP, -ERANGE, 0 },
	{ "a value before the offset that no half reaches", back, 1, 10, 1, 9,
	  -ERANGE, 0 },
	{ "the largest ratio", ahead, UINT64_MAX, 0, 0, 1, 0, UINT64_MAX },
	{ "the largest ratio, and back", back, UINT64_MAX, 0, 0, UINT64_MAX, 0,
	  1 },
	{ "the largest ratio, too much", ahead, UINT64_MAX, 0, 0, 2, -ERANGE,
	  0 },
	{ "the smallest ratio", ahead, 1, 0, 63, UINT64_MAX, 0, 1 },
	{ "the smallest ratio, and back", back, 1, 0, 63, 1, 0, TOP },
	{ "the smallest ratio, out of reach", back, 1, 0, 63, 2, -ERANGE, 0 },
	/* clang-format on */
};

static void check_row(void **state)
{
	const struct row *r = *state;

	/* The two functions differ only in which counter is the device's. */
	for (uint8_t flags = FIXED; flags <= (FIXED | TO_DEVICE);
	     flags += TO_DEVICE) {
		struct paraclock_coupling c =
			coupled(r->mult, r->shift, r->offset, flags);
		uint64_t got = UNTOUCHED;

		assert_int_equal(r->way(&c, r->value, &got), r->ret);
		assert_true(got == (r->ret ? UNTOUCHED : r->want));
	}
}

/* --- invalid couplings ---------------------------------------------------- */

struct wrong {
	const char *name;
	struct paraclock_coupling coupling;
	int ret;
};

#define SIZE sizeof(struct paraclock_coupling)

static struct wrong wrongs[] = {
	/* clang-format off */
	{ "a valid coupling, for comparison",
	  { .size = SIZE, .mult = 1, .flags = FIXED }, 0 },
	{ "a coupling of a later release",
	  { .size = SIZE + 8, .mult = 1, .flags = FIXED }, 0 },
	{ "a coupling of no release",
	  { .size = SIZE - 1, .mult = 1, .flags = FIXED }, -EINVAL },
	{ "a coupling whose size nobody set",
	  { .mult = 1, .flags = FIXED }, -EINVAL },
	{ "a shift too far",
	  { .size = SIZE, .mult = 1, .shift = 64, .flags = FIXED }, -EINVAL },
	{ "the farthest shift",
	  { .size = SIZE, .mult = 1, .shift = 63, .flags = FIXED }, 0 },
	{ "a flag of a later release",
	  { .size = SIZE, .mult = 1, .flags = FIXED | 4 }, -EINVAL },
	{ "not fixed", { .size = SIZE, .mult = 1, .flags = 0 }, -ENODEV },
	{ "not fixed, the other way",
	  { .size = SIZE, .mult = 1, .flags = TO_DEVICE }, -ENODEV },
	{ "no ratio", { .size = SIZE, .flags = FIXED }, -ENODEV },
	{ "no ratio, the other way",
	  { .size = SIZE, .flags = FIXED | TO_DEVICE }, -ENODEV },
	/* clang-format on */
};

static void check_wrong(void **state)
{
	const struct wrong *w = *state;
	uint64_t got[2] = { UNTOUCHED, UNTOUCHED };

	assert_int_equal(paraclock_coupling_to_system(&w->coupling, 0, &got[0]),
			 w->ret);
	assert_int_equal(paraclock_coupling_to_device(&w->coupling, 0, &got[1]),
			 w->ret);
	assert_int_equal(got[0], w->ret ? UNTOUCHED : 0);
	assert_int_equal(got[1], w->ret ? UNTOUCHED : 0);
}

static void null_is_refused(void **state)
{
	struct paraclock_coupling c = coupled(1, 0, 0, FIXED);
	uint64_t got = UNTOUCHED;

	(void)state;
	assert_int_equal(paraclock_coupling_to_system(NULL, 0, &got), -EINVAL);
	assert_int_equal(paraclock_coupling_to_device(NULL, 0, &got), -EINVAL);
	assert_int_equal(got, UNTOUCHED);
	assert_int_equal(paraclock_coupling_to_system(&c, 0, NULL), -EINVAL);
	assert_int_equal(paraclock_coupling_to_device(&c, 0, NULL), -EINVAL);
}

/* --- any numbers ---------------------------------------------------------- */

static uint64_t random_word(void)
{
	static uint64_t state = 0x9e3779b97f4a7c15U;

	state ^= state >> 12;
	state ^= state << 25;
	state ^= state >> 27;
	return state * 0x2545f4914f6cdd1dU;
}

/* A TSC's ratio as hardware has it, or anything at all. */
static struct paraclock_coupling random_coupling(void)
{
	uint8_t flags = random_word() & 1 ? FIXED : FIXED | TO_DEVICE;
	uint64_t offset = random_word();
	uint64_t mult;

	switch (random_word() % 4) {
	case 0: /* 48 bits of fraction, 0.5 to 1.5 */
		mult = ((uint64_t)1 << 47) + (random_word() >> 16);
		return coupled(mult, 48, offset, flags);
	case 1: /* 32 bits of fraction, 0 to 4 */
		mult = (random_word() >> 30) | 1;
		return coupled(mult, 32, offset, flags);
	case 2: /* not scaled */
		return coupled((uint64_t)1 << 48, 48, offset, flags);
	default:
		mult = random_word() >> random_word() % 64;
		return coupled(mult ? mult : 1, (uint8_t)(random_word() % 64),
			       offset, flags);
	}
}

/* mult * from / 2^shift, rounded down, without a limit. */
static u128 scale(const struct paraclock_coupling *c, uint64_t from)
{
	return (u128)from * c->mult >> c->shift;
}

static void check_ahead(const struct paraclock_coupling *c, uint64_t from)
{
	u128 exact = scale(c, from);
	uint64_t to = UNTOUCHED, from_again = UNTOUCHED;
	int fits = exact <= UINT64_MAX;

	assert_int_equal(ahead(c, from, &to), fits ? 0 : -ERANGE);
	if (!fits) {
		assert_int_equal(to, UNTOUCHED);
		return;
	}
	assert_true(to == (uint64_t)exact + c->offset);
	/* Back to the smallest value that leads there, at most from itself. */
	assert_int_equal(back(c, to, &from_again), 0);
	assert_true(from_again <= from);
	assert_true(scale(c, from_again) == exact);
	assert_true(!from_again || scale(c, from_again - 1) < exact);
}

static void check_back(const struct paraclock_coupling *c, uint64_t to)
{
	uint64_t scaled = to - c->offset;
	uint64_t from = UNTOUCHED;
	int is_reached = scale(c, UINT64_MAX) >= scaled;

	assert_int_equal(back(c, to, &from), is_reached ? 0 : -ERANGE);
	if (!is_reached) {
		assert_int_equal(from, UNTOUCHED);
		return;
	}
	/* There or just beyond, and the value before does not reach it. */
	assert_true(scale(c, from) >= scaled);
	assert_true(!from || scale(c, from - 1) < scaled);
}

static void any_value_goes_both_ways(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < CASES; i++) {
		struct paraclock_coupling c = random_coupling();
		uint64_t value = random_word() >> random_word() % 64;

		check_ahead(&c, value);
		check_back(&c, value + c.offset);
		check_back(&c, random_word());
		check_ahead(&c, UINT64_MAX - value);
		check_back(&c, c.offset - 1 - value);
	}
}

static void one_to_one_wraps(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < CASES; i++) {
		uint8_t shift = (uint8_t)(random_word() % 64);
		struct paraclock_coupling c =
			coupled((uint64_t)1 << shift, shift, random_word(),
				random_word() & 1 ? FIXED : FIXED | TO_DEVICE);
		uint64_t from = random_word(), to, from_again;

		assert_int_equal(ahead(&c, from, &to), 0);
		assert_true(to == from + c.offset);
		assert_int_equal(back(&c, to, &from_again), 0);
		assert_true(from_again == from);
	}
}

int main(void)
{
	const struct CMUnitTest whole[] = {
		cmocka_unit_test(null_is_refused),
		cmocka_unit_test(any_value_goes_both_ways),
		cmocka_unit_test(one_to_one_wraps),
	};

	ADD_ROWS(rows, check_row);
	ADD_ROWS(wrongs, check_wrong);
	ADD_TESTS(whole);
	return run_suite(NULL, NULL);
}
