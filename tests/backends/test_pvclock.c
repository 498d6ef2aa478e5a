// SPDX-License-Identifier: MIT
/* What a pvclock record means. */

#include "fake.h"
#include "kvmclock/pvclock.h"

#define STABLE	PVCLOCK_TSC_STABLE
#define UNKNOWN PARACLOCK_ERROR_UNKNOWN
#define NEVER	UINT64_MAX

/* Reasons, short enough for a table. */
enum {
	OK = PARACLOCK_REASON_OK,
	UNSTABLE = PARACLOCK_REASON_UNSTABLE,
	WINDOW = PARACLOCK_REASON_WINDOW,
};

struct convert_case {
	const char *name;
	uint64_t base, system_time;
	uint32_t mul;
	int8_t shift;
	uint8_t flags;
	uint64_t counter;
	int ret;
	uint8_t reason; /* This and the next are compared only if ret is 0. */
	int64_t host_ns;
};

/*
 * The numbers that cannot be seen at a glance were worked out with Python's
 * integers, which have no width: tests/oracle/pages.py vectors.
 */
static struct convert_case cases[] = {
	/* clang-format off */
	{ "at the reference point it is the reference time",
	  1000, 5000, 0x80000000, 1, STABLE, 1000, 0, OK, 5000 },
	{ "one tick of 1 ns later",
	  1000, 5000, 0x80000000, 1, STABLE, 1001, 0, OK, 5001 },
	{ "a second of a 2.6 GHz counter",
	  0x2d1f3a5c7, 123456789, 0xc536c445, -1, STABLE, 0x36cb1573f,
	  0, OK, 1123440432 },
	{ "a day of it",
	  0x2d1f3a5c7, 123456789, 0xc536c445, -1, STABLE, 0xffffffffffff,
	  0, OK, 108414963864664 },
	{ "almost 1 ns a tick, 2^32 ticks",
	  0, 0, 0xffffffff, 0, STABLE, 0xffffffff, 0, OK, 4294967294 },
	{ "a product of more than 64 bits",
	  0, 0, 0xffffffff, 0, STABLE, 1ULL << 63,
	  0, OK, 9223372034707292160 },
	{ "the product is rounded down, not to the nearest",
	  7, 1, 1, 0, STABLE, 7 + 0xffffffffULL, 0, OK, 1 },
	{ "a whole ns is not rounded",
	  7, 1, 1, 0, STABLE, 7 + 0x100000000ULL, 0, OK, 2 },
	{ "the shift comes before the product",
	  0, 0, 0x80000000, -1, STABLE, 3, 0, OK, 0 },
	{ "a shift by 63 to the right leaves one bit",
	  0, 0, 0xffffffff, -63, STABLE, UINT64_MAX, 0, OK, 0 },
	{ "a shift by 32 to the right",
	  0, 0, 0xffffffff, -32, STABLE, UINT64_MAX, 0, OK, 4294967294 },
	{ "a shift by 63 to the left",
	  0, 0, 1, 63, STABLE, 1, 0, OK, 2147483648 },
	{ "a shift by 33 that just fits",
	  0, 0, 0x80000000, 33, STABLE, 0x7fffffff,
	  0, OK, 9223372032559808512 },
	{ "a base beyond the sign bit",
	  1ULL << 63, 1000000000000000000, 0xdeadbeef, -7, STABLE,
	  0x8123456789abcdef, 0, OK, 1000557142047954770 },

	{ "mul 0 is malformed",
	  1000, 5000, 0, 1, STABLE, 1000, -EPROTO, 0, 0 },
	{ "mul 0 is malformed also when not stable and before the base",
	  1000, 5000, 0, 1, 0, 1, -EPROTO, 0, 0 },
	{ "shift 64 is malformed",
	  1000, 5000, 1, 64, STABLE, 1000, -EPROTO, 0, 0 },
	{ "shift -64 is malformed",
	  1000, 5000, 1, -64, STABLE, 1000, -EPROTO, 0, 0 },
	{ "shift -128 is malformed",
	  1000, 5000, 1, -128, STABLE, 1, -EPROTO, 0, 0 },

	{ "a counter before the base is outside of the window",
	  1000, 5000, 0x80000000, 1, STABLE, 999, 0, WINDOW, 5000 },
	{ "counter 0 before a base near the end",
	  UINT64_MAX, 5000, 0xffffffff, 63, STABLE, 0, 0, WINDOW, 5000 },
	{ "no stable flag is unstable",
	  1000, 5000, 0x80000000, 1, 0, 2000, 0, UNSTABLE, 6000 },
	{ "other flags do not replace the stable flag",
	  1000, 5000, 0x80000000, 1, 0xfe, 2000, 0, UNSTABLE, 6000 },
	{ "other flags do not make the record unstable",
	  1000, 5000, 0x80000000, 1, 0xff, 2000, 0, OK, 6000 },
	{ "unstable comes before the window",
	  1000, 5000, 0x80000000, 1, 0, 999, 0, UNSTABLE, 5000 },

	{ "a left shift that loses a bit",
	  0, 0, 0x80000000, 33, STABLE, 0x80000000, -ERANGE, 0, 0 },
	{ "a left shift by 1 that loses a bit",
	  0, 0, 1, 1, STABLE, 1ULL << 63, -ERANGE, 0, 0 },
	{ "a left shift by 1 that loses no bit",
	  0, 0, 1, 1, STABLE, UINT64_MAX >> 1, 0, OK, 4294967295 },
	{ "a left shift by 63 of two ticks",
	  0, 0, 1, 63, STABLE, 2, -ERANGE, 0, 0 },
	{ "a left shift that loses a bit of an unstable record",
	  0, 0, 1, 63, 0, 2, -ERANGE, 0, 0 },

	{ "the last ns that fits",
	  1000, INT64_MAX - 1, 0x80000000, 1, STABLE, 1001,
	  0, OK, INT64_MAX },
	{ "the first ns that does not fit",
	  1000, INT64_MAX - 1, 0x80000000, 1, STABLE, 1002, -ERANGE, 0, 0 },
	{ "a reference time that just fits",
	  1000, INT64_MAX, 0x80000000, 1, STABLE, 1000, 0, OK, INT64_MAX },
	{ "a reference time that does not",
	  1000, 1ULL << 63, 0x80000000, 1, STABLE, 1000, -ERANGE, 0, 0 },
	{ "the largest reference time",
	  1000, UINT64_MAX, 0x80000000, 1, STABLE, 1001, -ERANGE, 0, 0 },
	{ "the largest reference time, before its base",
	  1000, UINT64_MAX, 0x80000000, 1, STABLE, 1, -ERANGE, 0, 0 },
	{ "everything at its largest",
	  0, UINT64_MAX, UINT32_MAX, 0, 0xff, UINT64_MAX, -ERANGE, 0, 0 },
	/* clang-format on */
};

/* No function may leave this half written. */
static void poison(struct paraclock_sample *sample)
{
	memset(sample, 0xa5, sizeof(*sample));
}

static void check_poison(const struct paraclock_sample *sample)
{
	struct paraclock_sample clean;

	poison(&clean);
	assert_memory_equal(sample, &clean, sizeof(clean));
}

static void check_sample(const struct paraclock_sample *got, uint64_t counter,
			 uint8_t reason, int64_t host_ns)
{
	assert_int_equal(got->host_ns, host_ns);
	assert_int_equal(got->host_tsc, counter);
	assert_int_equal(got->reason, reason);
	assert_int_equal(got->valid, reason == OK);
	assert_int_equal(got->pair_error_ns, reason == OK ? 0 : UNKNOWN);
	assert_int_equal(got->clock_error_ns, UNKNOWN);
	assert_int_equal(got->timescale, PARACLOCK_TIMESCALE_MONOTONIC);
	assert_int_equal(got->counter, PARACLOCK_COUNTER_X86_TSC);
	assert_int_equal(got->leap, PARACLOCK_LEAP_UNKNOWN);
	assert_int_equal(got->flags, 0);
}

static void check_convert(void **state)
{
	const struct convert_case *c = *state;
	const struct pvclock_limits limits = { NEVER, STABLE };
	const struct pvclock pv = {
		.version = 2,
		.tsc_timestamp = c->base,
		.system_time = c->system_time,
		.tsc_to_system_mul = c->mul,
		.tsc_shift = c->shift,
		.flags = c->flags,
	};
	struct paraclock_sample got;
	const char *bad = NULL;

	poison(&got);
	assert_int_equal(pclk_pvclock_convert(&pv, &limits, c->counter, &got,
					      &bad),
			 c->ret);
	/* The field is named if and only if the page is malformed. */
	assert_int_equal(bad != NULL, c->ret == -EPROTO);
	if (c->ret)
		check_poison(&got);
	else
		check_sample(&got, c->counter, c->reason, c->host_ns);
}

struct limit_case {
	const char *name;
	uint64_t max_age_ns;
	uint8_t stable_mask;
	uint64_t counter;
	uint8_t reason;
	int64_t host_ns;
};

/* 1 ns a tick from counter 1000 on, where it is 5000 ns. */
static struct limit_case limit_cases[] = {
	/* clang-format off */
	{ "as old as the caller allows",   100, STABLE, 1100, OK, 5100 },
	{ "a ns older",                    100, STABLE, 1101, WINDOW, 5000 },
	{ "an age limit, but too early",   100, STABLE, 999, WINDOW, 5000 },
	{ "an age limit of 1 ns",          1, STABLE, 1002, WINDOW, 5000 },
	{ "292 years old, and no limit",   NEVER, STABLE, INT64_MAX - 4000,
	  OK, INT64_MAX },
	{ "a host whose flag has no meaning", NEVER, 0, 1100, UNSTABLE, 5100 },
	{ "a flag without a meaning comes before the age",
	  100, 0, 1101, UNSTABLE, 5101 },
	/* clang-format on */
};

static void check_limit(void **state)
{
	const struct limit_case *c = *state;
	const struct pvclock_limits limits = { c->max_age_ns, c->stable_mask };
	const struct pvclock pv = {
		.version = 2,
		.tsc_timestamp = 1000,
		.system_time = 5000,
		.tsc_to_system_mul = 0x80000000,
		.tsc_shift = 1,
		.flags = STABLE,
	};
	struct paraclock_sample got;
	const char *bad = NULL;

	poison(&got);
	assert_int_equal(
		pclk_pvclock_convert(&pv, &limits, c->counter, &got, &bad), 0);
	assert_null(bad);
	check_sample(&got, c->counter, c->reason, c->host_ns);
}

/*
 * The same by long multiplication in two halves, and the shift by doubling or
 * halving one step at a time. Returns false if bits were lost, or if the result
 * does not fit.
 */
static bool reference_ns(uint64_t ticks, uint32_t mul, int shift,
			 uint64_t *ret_ns)
{
	uint64_t low, high;

	for (; shift > 0; shift--) {
		if (ticks > UINT64_MAX / 2)
			return false;
		ticks *= 2;
	}
	for (; shift < 0; shift++)
		ticks /= 2;
	low = (ticks % 0x100000000U) * mul / 0x100000000U;
	high = ticks / 0x100000000U * mul;
	*ret_ns = high + low;
	return high <= INT64_MAX && *ret_ns <= INT64_MAX;
}

static void check_shift(int shift, uint64_t ticks, uint32_t mul)
{
	const struct pvclock_limits limits = { NEVER, STABLE };
	const struct pvclock pv = {
		.tsc_timestamp = 12345,
		.tsc_to_system_mul = mul,
		.tsc_shift = (int8_t)shift,
		.flags = STABLE,
	};
	struct paraclock_sample got;
	const char *bad = NULL;
	uint64_t want = 0;
	int ret;

	poison(&got);
	ret = pclk_pvclock_convert(&pv, &limits, 12345 + ticks, &got, &bad);
	if (shift < -63 || shift > 63) {
		assert_int_equal(ret, -EPROTO);
		assert_non_null(bad);
		check_poison(&got);
	} else if (!reference_ns(ticks, mul, shift, &want)) {
		assert_int_equal(ret, -ERANGE);
		assert_null(bad);
		check_poison(&got);
	} else {
		assert_int_equal(ret, 0);
		assert_null(bad);
		check_sample(&got, 12345 + ticks, OK, (int64_t)want);
	}
}

static void check_every_shift(void **state)
{
	static const uint32_t muls[] = { 1, 3, 0x80000000, 0xc536c445,
					 UINT32_MAX };

	(void)state;
	for (int shift = -128; shift <= 127; shift++) {
		for (unsigned int bit = 0; bit < 64; bit++) {
			uint64_t ticks = 1ULL << bit;

			for (size_t m = 0; m < ARRAY_LEN(muls); m++) {
				check_shift(shift, ticks - 1, muls[m]);
				check_shift(shift, ticks, muls[m]);
				/*
				 * This does not go past the end of 64 bits with
				 * the base.
				 */
				if (bit < 63)
					check_shift(shift, ticks * 2 - 1,
						    muls[m]);
			}
		}
	}
}

struct sane_case {
	const char *name;
	struct pvclock pv;
	int sane;
};

static struct sane_case sane_cases[] = {
	/* clang-format off */
	{ "a record as KVM writes it is sane",
	  { 14, 0, 1, 2, 0xc536c445, -1, 1, { 0, 0 } }, 1 },
	{ "a page that was never updated is sane",
	  { 0, 0, 0, 0, 1, 0, 0, { 0, 0 } }, 1 },
	{ "an odd version is sane",
	  { 15, 0, 1, 2, 1, 0, 1, { 0, 0 } }, 1 },
	{ "every known flag", { 2, 0, 1, 2, 1, 0, 7, { 0, 0 } }, 1 },
	{ "an unknown flag", { 2, 0, 1, 2, 1, 0, 8, { 0, 0 } }, 0 },
	{ "the highest flag", { 2, 0, 1, 2, 1, 0, 0x80, { 0, 0 } }, 0 },
	{ "a page of zeros", { 0, 0, 0, 0, 0, 0, 0, { 0, 0 } }, 0 },
	{ "a page of ones",
	  { UINT32_MAX, UINT32_MAX, UINT64_MAX, UINT64_MAX, UINT32_MAX, -1,
	    0xff, { 0xff, 0xff } }, 0 },
	{ "mul 0 is not sane", { 2, 0, 1, 2, 0, 0, 1, { 0, 0 } }, 0 },
	{ "pad0 is not 0", { 2, 1, 1, 2, 1, 0, 1, { 0, 0 } }, 0 },
	{ "pad[0] is not 0", { 2, 0, 1, 2, 1, 0, 1, { 1, 0 } }, 0 },
	{ "pad[1] is not 0", { 2, 0, 1, 2, 1, 0, 1, { 0, 1 } }, 0 },
	{ "shift 63 is sane", { 2, 0, 1, 2, 1, 63, 1, { 0, 0 } }, 1 },
	{ "shift 64 is not sane", { 2, 0, 1, 2, 1, 64, 1, { 0, 0 } }, 0 },
	{ "shift -63 is sane", { 2, 0, 1, 2, 1, -63, 1, { 0, 0 } }, 1 },
	{ "shift -64 is not sane", { 2, 0, 1, 2, 1, -64, 1, { 0, 0 } }, 0 },
	/* clang-format on */
};

static void check_sane(void **state)
{
	const struct sane_case *c = *state;

	assert_int_equal(pclk_pvclock_is_sane(&c->pv), c->sane);
}

int main(void)
{
	ADD_ROWS(cases, check_convert);
	ADD_ROWS(limit_cases, check_limit);
	ADD_ROWS(sane_cases, check_sane);
	add_test("every shift agrees with long multiplication",
		 check_every_shift);
	return run_suite(NULL, NULL);
}
