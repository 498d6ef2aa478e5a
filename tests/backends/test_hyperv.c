// SPDX-License-Identifier: MIT
/* What a Hyper-V reference TSC page means. */

#include "fake.h"
#include "hyperv/hyperv_page.h"

#define UNKNOWN PARACLOCK_ERROR_UNKNOWN

/* 10^7 units of 100 ns in 10^9 ticks, and in 2596123000. */
#define SCALE_1GHZ   184467440737095516U
#define SCALE_2_6GHZ 71054969559260295U

/* 7 ns a tick, rounded up: 2^64 * 7 / 100. */
#define SCALE_7NS 1291272085159668614U

/*
 * The farthest offsets that fit an int64_t of ns by themselves, in units of 100
 * ns.
 */
#define OFFSET_MAX (INT64_MAX / 100)
#define OFFSET_MIN (INT64_MIN / 100)

enum {
	OK = PARACLOCK_REASON_OK,
	SEQUENCE = PARACLOCK_REASON_SEQUENCE,
};

struct hyperv_case {
	const char *name;
	uint32_t sequence;
	uint64_t scale;
	int64_t offset;
	uint64_t counter;
	int ret;
	uint8_t reason; /* This and the next are compared only if ret is 0. */
	int64_t host_ns;
};

/* Worked out with Python's integers: tests/oracle/pages.py vectors. */
static struct hyperv_case cases[] = {
	/* clang-format off */
	{ "a second of a 1 GHz counter, its scale rounded down",
	  1, SCALE_1GHZ, 0, 1000000000, 0, OK, 999999999 },
	{ "an offset before the start",
	  1, SCALE_1GHZ, -5, 1000000000, 0, OK, 999999499 },
	{ "a slow counter",
	  1, 71055155532462, 123456789, 0x123456789abcdef,
	  0, OK, 31592414804438 },
	{ "two days, less a large offset",
	  1, SCALE_2_6GHZ, -98765432101, 0xffffffffffff,
	  0, OK, 98544736024610 },
	{ "the first tick", 1, SCALE_2_6GHZ, 0, 1, 0, OK, 0 },
	{ "below its unit of 100 ns", 1, SCALE_2_6GHZ, 0, 26, 0, OK, 10 },
	{ "the smallest scale, the largest counter",
	  1, 1, 0, UINT64_MAX, 0, OK, 99 },
	{ "the largest scale, the largest counter that fits",
	  1, UINT64_MAX, 0, 92233720368547758, 0, OK, 9223372036854775799 },
	{ "one more tick does not fit",
	  1, UINT64_MAX, 0, 92233720368547759, -ERANGE, 0, 0 },
	{ "half the scale", 1, 1ULL << 63, 0, 1ULL << 57,
	  0, OK, 7205759403792793600 },
	{ "far before the start and back",
	  1, UINT64_MAX, -92233720368547758, 1ULL << 57,
	  0, OK, 5188146770730811399 },
	{ "a product of 128 bits does not fit",
	  1, UINT64_MAX, 0, UINT64_MAX, -ERANGE, 0, 0 },
	{ "with the smallest offset it does not fit, either",
	  1, UINT64_MAX, INT64_MIN, UINT64_MAX, -ERANGE, 0, 0 },

	{ "time before the start is negative",
	  1, SCALE_1GHZ, -1, 0, 0, OK, -100 },
	{ "negative time is rounded down, too",
	  1, SCALE_1GHZ, -1, 2, 0, OK, -99 },
	{ "the largest offset", 1, 1, OFFSET_MAX, 0,
	  0, OK, INT64_MAX / 100 * 100 },
	{ "a larger offset does not fit",
	  1, 1, OFFSET_MAX + 1, 0, -ERANGE, 0, 0 },
	{ "the largest offset and the last ns that fits",
	  1, SCALE_7NS, OFFSET_MAX, 1, 0, OK, INT64_MAX },
	{ "the largest offset pushed over the end",
	  1, 1ULL << 63, OFFSET_MAX, 1, -ERANGE, 0, 0 },
	{ "the smallest offset", 1, 1, OFFSET_MIN, 0,
	  0, OK, INT64_MIN / 100 * 100 },
	{ "a smaller offset does not fit",
	  1, 1, OFFSET_MIN - 1, 0, -ERANGE, 0, 0 },
	{ "the smallest of 64 bits", 1, 1, INT64_MIN, 0, -ERANGE, 0, 0 },
	{ "the largest of 64 bits", 1, 1, INT64_MAX, 0, -ERANGE, 0, 0 },

	{ "scale 0 is malformed", 1, 0, 5, 1000, -EPROTO, 0, 0 },
	{ "sequence 0: the page is off",
	  0, SCALE_1GHZ, 5, 1000, 0, SEQUENCE, 0 },
	{ "sequence 0xffffffff: off, as in old versions",
	  UINT32_MAX, SCALE_1GHZ, 5, 1000, 0, SEQUENCE, 0 },
	{ "a page that is off may hold anything",
	  0, 0, INT64_MIN, UINT64_MAX, 0, SEQUENCE, 0 },
	{ "an odd sequence is valid",
	  0xfffffffd, SCALE_1GHZ, 0, 1000, 0, OK, 999 },
	{ "the last sequence before the end",
	  0xfffffffe, SCALE_1GHZ, 0, 1000, 0, OK, 999 },
	/* clang-format on */
};

static void check_convert(void **state)
{
	const struct hyperv_case *c = *state;
	const struct hyperv_page page = {
		.tsc_sequence = c->sequence,
		.reserved1 = UINT32_MAX,
		.tsc_scale = c->scale,
		.tsc_offset = c->offset,
		.reserved2 = UINT64_MAX,
	};
	struct paraclock_sample got, clean;
	const char *bad = NULL;
	bool ok = c->reason == OK;

	memset(&got, 0xa5, sizeof(got));
	memset(&clean, 0xa5, sizeof(clean));
	assert_int_equal(pclk_hyperv_convert(&page, c->counter, &got, &bad),
			 c->ret);
	assert_int_equal(bad != NULL, c->ret == -EPROTO);
	if (c->ret) {
		assert_memory_equal(&got, &clean, sizeof(got));
		return;
	}
	assert_int_equal(got.host_ns, c->host_ns);
	assert_int_equal(got.host_tsc, c->counter);
	assert_int_equal(got.reason, c->reason);
	assert_int_equal(got.valid, ok);
	assert_int_equal(got.pair_error_ns, ok ? 0 : UNKNOWN);
	assert_int_equal(got.clock_error_ns, UNKNOWN);
	assert_int_equal(got.timescale, PARACLOCK_TIMESCALE_MONOTONIC);
	assert_int_equal(got.counter, PARACLOCK_COUNTER_X86_TSC);
	assert_int_equal(got.leap, PARACLOCK_LEAP_UNKNOWN);
	assert_int_equal(got.flags, 0);
}

int main(void)
{
	ADD_ROWS(cases, check_convert);
	return run_suite(NULL, NULL);
}
