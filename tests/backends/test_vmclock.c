// SPDX-License-Identifier: MIT
/* What a vmclock page means; each field in turn is hostile. */

#include "fake.h"
#include "vmclock/vmclock_page.h"

#define UNKNOWN PARACLOCK_ERROR_UNKNOWN
#define SEC	1000000000LL

/* Half a second a tick, exactly: 2^63 of 2^-64 s. */
#define HALF (1ULL << 63)
/* The reference point of every row: this tick, this second of TAI. */
#define BASE		 1000
#define REF		 1700000000LL
#define AT(half_seconds) (REF * SEC + (half_seconds) * (SEC / 2))

#define TAI_VALID VMCLOCK_FLAG_TAI_OFFSET_VALID
#define BOTH \
	(VMCLOCK_FLAG_PERIOD_MAXERROR_VALID | VMCLOCK_FLAG_TIME_MAXERROR_VALID)

/* One field of the page, set to something. */
struct patch {
	size_t offset, size;
	uint64_t value;
};
#define SET(field, value)                                                  \
	{                                                                  \
		offsetof(struct vmclock_page, field),                      \
			sizeof(((struct vmclock_page *)0)->field), (value) \
	}

/* Reasons and counters, short enough for a table. */
enum {
	OK = PARACLOCK_REASON_OK,
	STATUS = PARACLOCK_REASON_STATUS,
	COUNTER = PARACLOCK_REASON_COUNTER,
	WINDOW = PARACLOCK_REASON_WINDOW,
};
enum {
	X86 = PARACLOCK_COUNTER_X86_TSC,
	ARM = PARACLOCK_COUNTER_ARM_VCNT,
	ANY = PARACLOCK_COUNTER_ANY,
};

struct vmclock_case {
	const char *name;
	struct patch patch[5];
	uint64_t ticks;	  /* bytes that the page has; 0: all */
	size_t copy_size; /* bytes that the page had; 0: all */
	uint64_t max_age_ns;
	uint8_t counter_id; /* the env's; 0: X86 */
	const char *bad;    /* -EPROTO, and the detail names this */
	int ret;
	/* The rest is compared only if ret is 0 and bad is NULL. */
	uint8_t reason;
	int64_t host_ns;
	uint64_t error_ns; /* 0: unknown; else one more than the offset */
};
#define ERROR(ns) ((ns) + 1)

static struct vmclock_case cases[] = {
	/* clang-format off */
	{ .name = "the reference point", .host_ns = AT(0) },
	{ .name = "a tick later", .ticks = 1, .host_ns = AT(1) },
	{ .name = "a fraction of a second carries",
	  .patch = { SET(time_frac_sec, HALF) }, .ticks = 1,
	  .host_ns = AT(2) },
	{ .name = "a fraction is rounded down",
	  .patch = { SET(time_frac_sec, UINT64_MAX) },
	  .host_ns = AT(2) - 1 },

	/* Worked out with Python's integers: tests/oracle/pages.py vectors. */
	{ .name = "1 GHz with the finest period that fits",
	  .patch = { SET(counter_period_frac_sec, 0x89705f4136b4a597),
		     SET(counter_period_shift, 29),
		     SET(time_frac_sec, UINT64_MAX) },
	  .ticks = 123456789, .host_ns = 1700000001123456788 },
	{ .name = "a minute of 2.6 GHz, error included",
	  .patch = { SET(counter_period_frac_sec, 0xd3c2a3bdf68822e6),
		     SET(counter_period_shift, 31), SET(flags, BOTH),
		     SET(counter_period_maxerror_rate_frac_sec,
			 0x2b5e56c8496d6) },
	  .ticks = 60 * 2596123000, .host_ns = AT(120) - 1,
	  .error_ns = ERROR(3000000) },
	{ .name = "24 MHz without a shift",
	  .patch = { SET(counter_period_frac_sec, 0xb2f4fc0794),
		     SET(time_frac_sec, HALF) },
	  .ticks = 24000000, .host_ns = AT(3) - 1 },
	{ .name = "every bit of the largest period and shift",
	  .patch = { SET(counter_period_frac_sec, UINT64_MAX),
		     SET(counter_period_shift, 127) },
	  .ticks = UINT64_MAX - BASE, .host_ns = AT(0) },

	{ .name = "another magic", .patch = { SET(magic, 0x4b4c4357) },
	  .bad = "magic" },
	{ .name = "the magic in the other order",
	  .patch = { SET(magic, 0x56434c4b) }, .bad = "magic" },
	{ .name = "version 0", .patch = { SET(version, 0) },
	  .bad = "version" },
	{ .name = "version 2", .patch = { SET(version, 2) },
	  .bad = "version" },
	{ .name = "time_type 3", .patch = { SET(time_type, 3) },
	  .bad = "time_type" },
	{ .name = "time_type 255", .patch = { SET(time_type, 255) },
	  .bad = "time_type" },
	{ .name = "time_type 3 on a page without a time",
	  .patch = { SET(time_type, 3), SET(clock_status, 0) },
	  .bad = "time_type" },

	{ .name = "size 0", .patch = { SET(size, 0) }, .bad = "size" },
	{ .name = "size 31", .patch = { SET(size, 31) }, .bad = "size" },
	{ .name = "size 32 has no status, so nothing vouches for the time",
	  .patch = { SET(size, 32) }, .reason = STATUS },
	{ .name = "size 35 has a status and no time",
	  .patch = { SET(size, 35) }, .reason = STATUS },
	{ .name = "size 80 has whole seconds only",
	  .patch = { SET(size, 80), SET(time_frac_sec, HALF) },
	  .reason = STATUS, .host_ns = AT(0) },
	{ .name = "size 87 ends before the time does",
	  .patch = { SET(size, 87) }, .reason = STATUS, .host_ns = AT(0) },
	{ .name = "a truncated field is not read",
	  .patch = { SET(size, 87), SET(time_frac_sec, UINT64_MAX) },
	  .reason = STATUS, .host_ns = AT(0) },
	{ .name = "size 88 has the time", .patch = { SET(size, 88) },
	  .ticks = 1, .host_ns = AT(1) },
	{ .name = "size 88 has no error term, whatever the flags say",
	  .patch = { SET(size, 88), SET(flags, BOTH),
		     SET(time_maxerror_nanosec, 5) }, .host_ns = AT(0) },
	{ .name = "size 103 has no error term",
	  .patch = { SET(size, 103), SET(flags, BOTH),
		     SET(time_maxerror_nanosec, 5) }, .host_ns = AT(0) },
	{ .name = "size 104 has the error term",
	  .patch = { SET(size, 104), SET(flags, BOTH),
		     SET(time_maxerror_nanosec, 5) }, .host_ns = AT(0),
	  .error_ns = ERROR(5) },
	{ .name = "size 4096, the whole page",
	  .patch = { SET(size, 4096) }, .host_ns = AT(0) },
	{ .name = "size 0xffffffff is clamped",
	  .patch = { SET(size, UINT32_MAX) }, .ticks = 1, .host_ns = AT(1) },

	{ .name = "32 bytes of a larger page",
	  .patch = { SET(size, 4096) }, .copy_size = 32, .reason = STATUS },
	{ .name = "87 bytes of a larger page",
	  .patch = { SET(size, 4096) }, .copy_size = 87, .reason = STATUS,
	  .host_ns = AT(0) },
	{ .name = "88 bytes of a larger page",
	  .patch = { SET(size, 4096), SET(flags, BOTH) }, .copy_size = 88,
	  .host_ns = AT(0) },
	{ .name = "104 bytes of a larger page",
	  .patch = { SET(size, 4096), SET(flags, BOTH) }, .copy_size = 104,
	  .host_ns = AT(0), .error_ns = ERROR(0) },

	{ .name = "status unknown", .patch = { SET(clock_status, 0) },
	  .ticks = 1, .reason = STATUS, .host_ns = AT(0) },
	{ .name = "status initializing", .patch = { SET(clock_status, 1) },
	  .ticks = 1, .reason = STATUS, .host_ns = AT(0) },
	{ .name = "status synchronized", .patch = { SET(clock_status, 2) },
	  .ticks = 1, .host_ns = AT(1) },
	{ .name = "status free-running", .patch = { SET(clock_status, 3) },
	  .ticks = 1, .host_ns = AT(1) },
	{ .name = "status unreliable", .patch = { SET(clock_status, 4) },
	  .ticks = 1, .reason = STATUS, .host_ns = AT(0) },
	{ .name = "status 255", .patch = { SET(clock_status, 255) },
	  .ticks = 1, .reason = STATUS, .host_ns = AT(0) },
	{ .name = "without a valid status the rate may be anything",
	  .patch = { SET(clock_status, 0), SET(counter_id, 255),
		     SET(counter_period_frac_sec, 0),
		     SET(counter_period_shift, 255) },
	  .reason = STATUS, .host_ns = AT(0) },
	{ .name = "status comes before the counter",
	  .patch = { SET(clock_status, 4), SET(counter_id, 255) },
	  .reason = STATUS, .host_ns = AT(0) },

	{ .name = "an arm64 page on x86", .patch = { SET(counter_id, 0) },
	  .ticks = 1, .reason = COUNTER, .host_ns = AT(0) },
	{ .name = "an arm64 page on arm64", .patch = { SET(counter_id, 0) },
	  .ticks = 1, .counter_id = ARM, .host_ns = AT(1) },
	{ .name = "an x86 page on arm64", .ticks = 1, .counter_id = ARM,
	  .reason = COUNTER, .host_ns = AT(0) },
	{ .name = "an arm64 page, decoded", .patch = { SET(counter_id, 0) },
	  .ticks = 1, .counter_id = ANY, .host_ns = AT(1) },
	{ .name = "an x86 page, decoded", .ticks = 1, .counter_id = ANY,
	  .host_ns = AT(1) },
	{ .name = "counter 2 belongs to no architecture",
	  .patch = { SET(counter_id, 2) },
	  .ticks = 1, .reason = COUNTER, .host_ns = AT(0) },
	{ .name = "counter 255 belongs to no architecture",
	  .patch = { SET(counter_id, 255) }, .ticks = 1, .reason = COUNTER,
	  .host_ns = AT(0) },
	{ .name = "counter 255 is not valid when decoded, either",
	  .patch = { SET(counter_id, 255) }, .ticks = 1, .counter_id = ANY,
	  .reason = COUNTER, .host_ns = AT(0) },
	{ .name = "a counter that is not ours excuses the rate",
	  .patch = { SET(counter_id, 0), SET(counter_period_frac_sec, 0),
		     SET(counter_period_shift, 255) },
	  .reason = COUNTER, .host_ns = AT(0) },

	{ .name = "period 0", .patch = { SET(counter_period_frac_sec, 0) },
	  .bad = "counter_period_frac_sec" },
	{ .name = "period 0 before the reference point", .ticks = -1ULL,
	  .patch = { SET(counter_period_frac_sec, 0) },
	  .bad = "counter_period_frac_sec" },
	{ .name = "shift 127", .patch = { SET(counter_period_shift, 127) },
	  .ticks = 1000, .host_ns = AT(0) },
	{ .name = "shift 128", .patch = { SET(counter_period_shift, 128) },
	  .bad = "counter_period_shift" },
	{ .name = "shift 255", .patch = { SET(counter_period_shift, 255) },
	  .bad = "counter_period_shift" },

	{ .name = "a tick before the reference point", .ticks = -1ULL,
	  .reason = WINDOW, .host_ns = AT(0) },
	{ .name = "counter 0, before the reference point",
	  .ticks = (uint64_t)-BASE, .reason = WINDOW, .host_ns = AT(0) },

	{ .name = "an hour without error terms", .ticks = 7200,
	  .host_ns = AT(7200) },
	{ .name = "more than an hour without error terms", .ticks = 7201,
	  .reason = WINDOW, .host_ns = AT(0) },
	{ .name = "a month without error terms, from a publisher long dead",
	  .ticks = 2 * 86400 * 30, .reason = WINDOW, .host_ns = AT(0) },
	{ .name = "the rate of the error alone gives no bound",
	  .patch = { SET(flags, VMCLOCK_FLAG_PERIOD_MAXERROR_VALID) },
	  .ticks = 7201, .reason = WINDOW, .host_ns = AT(0) },
	{ .name = "the error alone gives no bound",
	  .patch = { SET(flags, VMCLOCK_FLAG_TIME_MAXERROR_VALID) },
	  .ticks = 7201, .reason = WINDOW, .host_ns = AT(0) },
	{ .name = "a month with error terms that stay small",
	  .patch = { SET(flags, BOTH), SET(time_maxerror_nanosec, 77),
		     SET(counter_period_maxerror_rate_frac_sec, 1) },
	  .ticks = 2 * 86400 * 30, .host_ns = AT(2 * 86400 * 30),
	  .error_ns = ERROR(78) },

	{ .name = "a maximal error is exactly the page's at first",
	  .patch = { SET(flags, BOTH), SET(time_maxerror_nanosec, 100),
		     SET(counter_period_maxerror_rate_frac_sec, 1ULL << 44) },
	  .host_ns = AT(0), .error_ns = ERROR(100) },
	{ .name = "it grows by 2^-20 s a tick, rounded up",
	  .patch = { SET(flags, BOTH), SET(time_maxerror_nanosec, 100),
		     SET(counter_period_maxerror_rate_frac_sec, 1ULL << 44) },
	  .ticks = 1, .host_ns = AT(1), .error_ns = ERROR(100 + 954) },
	{ .name = "the sum is rounded, not the step",
	  .patch = { SET(flags, BOTH), SET(time_maxerror_nanosec, 100),
		     SET(counter_period_maxerror_rate_frac_sec, 1ULL << 44) },
	  .ticks = 2, .host_ns = AT(2), .error_ns = ERROR(100 + 1908) },
	{ .name = "the least growth is a ns",
	  .patch = { SET(flags, BOTH),
		     SET(counter_period_maxerror_rate_frac_sec, 1) },
	  .ticks = 1, .host_ns = AT(1), .error_ns = ERROR(1) },
	{ .name = "the shift holds for the growth as well",
	  .patch = { SET(flags, BOTH), SET(counter_period_shift, 10),
		     SET(counter_period_maxerror_rate_frac_sec, 1ULL << 44) },
	  .ticks = 1 << 10, .host_ns = AT(1), .error_ns = ERROR(954) },
	{ .name = "an error of a second",
	  .patch = { SET(flags, BOTH), SET(time_maxerror_nanosec, SEC) },
	  .host_ns = AT(0), .error_ns = ERROR(SEC) },
	{ .name = "an error that grows to a second",
	  .patch = { SET(flags, BOTH), SET(time_maxerror_nanosec, SEC - 1),
		     SET(counter_period_maxerror_rate_frac_sec, 1) },
	  .ticks = 1, .host_ns = AT(1), .error_ns = ERROR(SEC) },
	{ .name = "an error that grows beyond a second",
	  .patch = { SET(flags, BOTH), SET(time_maxerror_nanosec, SEC),
		     SET(counter_period_maxerror_rate_frac_sec, 1) },
	  .ticks = 1, .reason = WINDOW, .host_ns = AT(0) },
	{ .name = "the largest error of all",
	  .patch = { SET(flags, BOTH),
		     SET(time_maxerror_nanosec, UINT64_MAX),
		     SET(counter_period_maxerror_rate_frac_sec, UINT64_MAX) },
	  .ticks = 7, .reason = WINDOW, .host_ns = AT(0) },

	{ .name = "as old as the caller allows", .ticks = 2,
	  .max_age_ns = SEC, .host_ns = AT(2) },
	{ .name = "older than the caller allows", .ticks = 3,
	  .max_age_ns = SEC, .reason = WINDOW, .host_ns = AT(0) },
	{ .name = "the caller allows more than an hour", .ticks = 7201,
	  .max_age_ns = 7200 * SEC, .host_ns = AT(7201) },
	{ .name = "the caller's age limit counts with error terms, too",
	  .patch = { SET(flags, BOTH) }, .ticks = 3, .max_age_ns = SEC,
	  .reason = WINDOW, .host_ns = AT(0) },
	{ .name = "the caller's age limit replaces the limit of a second",
	  .patch = { SET(flags, BOTH), SET(time_maxerror_nanosec, 2 * SEC) },
	  .ticks = 1, .max_age_ns = SEC, .host_ns = AT(1),
	  .error_ns = ERROR(2 * SEC) },
	{ .name = "an error beyond 64 bits gives no bound",
	  .patch = { SET(flags, BOTH),
		     SET(time_maxerror_nanosec, UINT64_MAX - 1),
		     SET(counter_period_maxerror_rate_frac_sec, UINT64_MAX) },
	  .ticks = 1, .max_age_ns = SEC, .host_ns = AT(1) },

	{ .name = "a second beyond the sign bit",
	  .patch = { SET(time_sec, 1ULL << 63) }, .ret = -ERANGE },
	{ .name = "the last second of 64 bits",
	  .patch = { SET(time_sec, UINT64_MAX) }, .ticks = 2,
	  .ret = -ERANGE },
	{ .name = "a second must fit even if the status does not vouch for it",
	  .patch = { SET(time_sec, UINT64_MAX), SET(clock_status, 0) },
	  .ret = -ERANGE },
	{ .name = "the last ns that fits",
	  .patch = { SET(time_sec, INT64_MAX / SEC),
		     SET(time_frac_sec, 0xdad296587a1d301b) },
	  .host_ns = INT64_MAX },
	{ .name = "half a second more",
	  .patch = { SET(time_sec, INT64_MAX / SEC),
		     SET(time_frac_sec, 0xdad296587a1d301b) },
	  .ticks = 1, .ret = -ERANGE },
	{ .name = "a ns more does not fit",
	  .patch = { SET(time_sec, INT64_MAX / SEC),
		     SET(time_frac_sec, 0xdad2965cc5a02a24) },
	  .ret = -ERANGE },
	{ .name = "ticks that exceed any time",
	  .patch = { SET(flags, BOTH), SET(counter_value, 0),
		     SET(counter_period_maxerror_rate_frac_sec, 1),
		     SET(counter_period_frac_sec, UINT64_MAX) },
	  .ticks = UINT64_MAX - BASE, .ret = -ERANGE },
	/* Year 2262, ten days before the end: March loses a second. */
	{ .name = "a leap that moves the result past the end",
	  .patch = { SET(time_type, 0), SET(leap_indicator, 2),
		     SET(time_frac_sec, 15ULL << 60),
		     SET(time_sec, INT64_MAX / SEC - 1000000) },
	  .ticks = 1999998, .max_age_ns = UINT64_MAX, .ret = -ERANGE },
	/* clang-format on */
};

static void make_page(struct page_copy *copy, const struct vmclock_case *c)
{
	const struct vmclock_page page = {
		.magic = VMCLOCK_MAGIC,
		.size = sizeof(page),
		.version = 1,
		.counter_id = VMCLOCK_COUNTER_X86_TSC,
		.time_type = VMCLOCK_TIME_TAI,
		.seq_count = 2,
		.disruption_marker = UINT64_MAX,
		/* Pads, estimates and hints are ignored. */
		.pad = { 0xff, 0xff },
		.clock_status = VMCLOCK_STATUS_SYNCHRONIZED,
		.leap_second_smearing_hint = 0xff,
		.counter_value = BASE,
		.counter_period_frac_sec = HALF,
		.counter_period_esterror_rate_frac_sec = UINT64_MAX,
		.time_sec = REF,
		.time_esterror_nanosec = UINT64_MAX,
		.vm_generation_counter = UINT64_MAX,
	};
	char *bytes = (char *)copy->word;

	memset(copy, 0, sizeof(*copy));
	memcpy(bytes, &page, sizeof(page));
	for (size_t i = 0; i < ARRAY_LEN(c->patch); i++)
		memcpy(bytes + c->patch[i].offset, &c->patch[i].value,
		       c->patch[i].size);
	copy->size = c->copy_size ? c->copy_size : sizeof(page);
	memset(bytes + copy->size, 0, sizeof(copy->word) - copy->size);
}

/* Decode and convert as the backend does. */
static int convert(const struct vmclock_case *c, uint64_t counter,
		   struct paraclock_sample *ret_sample, const char **ret_bad)
{
	const struct vmclock_limits limits = {
		.max_age_ns = c->max_age_ns,
		.counter_id = c->counter_id ? c->counter_id : (uint8_t)X86,
	};
	struct page_copy copy;
	struct vmclock_page vc, clean;

	make_page(&copy, c);
	memset(&vc, 0xa5, sizeof(vc));
	memset(&clean, 0xa5, sizeof(clean));
	*ret_bad = pclk_vmclock_decode(&copy, &vc);
	if (*ret_bad) {
		assert_memory_equal(&vc, &clean, sizeof(vc));
		return -EPROTO;
	}
	return pclk_vmclock_convert(&vc, &limits, counter, ret_sample, ret_bad);
}

static void check_convert(void **state)
{
	const struct vmclock_case *c = *state;
	struct paraclock_sample got, clean;
	const char *bad = NULL;
	int ret;

	memset(&got, 0xa5, sizeof(got));
	memset(&clean, 0xa5, sizeof(clean));
	ret = convert(c, BASE + c->ticks, &got, &bad);
	assert_int_equal(ret, c->bad ? -EPROTO : c->ret);
	assert_int_equal(bad != NULL, ret == -EPROTO);
	if (ret == -EPROTO)
		assert_memory_equal(bad, c->bad, strlen(c->bad));
	if (ret) {
		assert_memory_equal(&got, &clean, sizeof(got));
		return;
	}
	assert_int_equal(got.host_ns, c->host_ns);
	assert_int_equal(got.host_tsc, BASE + c->ticks);
	assert_int_equal(got.reason, c->reason);
	assert_int_equal(got.valid, c->reason == OK);
	assert_int_equal(got.pair_error_ns, c->reason == OK ? 0 : UNKNOWN);
	assert_int_equal(got.clock_error_ns, c->error_ns - 1);
}

/* What a page says beside the time. */
struct word_case {
	const char *name;
	struct patch patch[4];
	uint8_t timescale, counter, leap;
	uint32_t flags;
	int16_t tai_offset_sec;
};

#define TAI_SCALE  PARACLOCK_TIMESCALE_TAI
#define MONO_SCALE PARACLOCK_TIMESCALE_MONOTONIC

static struct word_case word_cases[] = {
	/* clang-format off */
	{ "TAI, without a word on leap seconds", { SET(time_type, 1) },
	  TAI_SCALE, X86, PARACLOCK_LEAP_NONE, 0, 0 },
	{ "UTC", { SET(time_type, 0) },
	  PARACLOCK_TIMESCALE_UTC, X86, PARACLOCK_LEAP_NONE, 0, 0 },
	{ "a monotonic time has no leap seconds", { SET(time_type, 2) },
	  MONO_SCALE, X86, PARACLOCK_LEAP_UNKNOWN, 0, 0 },
	{ "a monotonic time ignores the leap indicator",
	  { SET(time_type, 2), SET(leap_indicator, 3) },
	  MONO_SCALE, X86, PARACLOCK_LEAP_UNKNOWN, 0, 0 },
	{ "leap_indicator 6 says nothing", { SET(leap_indicator, 6) },
	  TAI_SCALE, X86, PARACLOCK_LEAP_UNKNOWN, 0, 0 },
	{ "the arm64 counter is named as such",
	  { SET(counter_id, 0) },
	  TAI_SCALE, ARM, PARACLOCK_LEAP_NONE, 0, 0 },
	{ "a counter of no architecture has no name", { SET(counter_id, 255) },
	  TAI_SCALE, PARACLOCK_COUNTER_NONE, PARACLOCK_LEAP_NONE, 0, 0 },
	{ "a TAI offset without its flag", { SET(tai_offset_sec, 37) },
	  TAI_SCALE, X86, PARACLOCK_LEAP_NONE, 0, 0 },
	{ "TAI offset 37", { SET(flags, TAI_VALID), SET(tai_offset_sec, 37) },
	  TAI_SCALE, X86, PARACLOCK_LEAP_NONE, PARACLOCK_FLAG_TAI_OFFSET, 37 },
	{ "TAI offset 37 of a page without a valid time",
	  { SET(flags, TAI_VALID), SET(tai_offset_sec, 37),
	    SET(clock_status, 0) },
	  TAI_SCALE, X86, PARACLOCK_LEAP_NONE, PARACLOCK_FLAG_TAI_OFFSET, 37 },
	{ "TAI offset -37, the other sign",
	  { SET(flags, TAI_VALID), SET(tai_offset_sec, (uint16_t)-37) },
	  TAI_SCALE, X86, PARACLOCK_LEAP_NONE, PARACLOCK_FLAG_TAI_OFFSET, 37 },
	{ "TAI offset 9", { SET(flags, TAI_VALID), SET(tai_offset_sec, 9) },
	  TAI_SCALE, X86, PARACLOCK_LEAP_NONE, 0, 0 },
	{ "TAI offset 10, as in 1972",
	  { SET(flags, TAI_VALID), SET(tai_offset_sec, 10) },
	  TAI_SCALE, X86, PARACLOCK_LEAP_NONE, PARACLOCK_FLAG_TAI_OFFSET, 10 },
	{ "TAI offset 100",
	  { SET(flags, TAI_VALID), SET(tai_offset_sec, 100) },
	  TAI_SCALE, X86, PARACLOCK_LEAP_NONE, PARACLOCK_FLAG_TAI_OFFSET,
	  100 },
	{ "TAI offset 101",
	  { SET(flags, TAI_VALID), SET(tai_offset_sec, 101) },
	  TAI_SCALE, X86, PARACLOCK_LEAP_NONE, 0, 0 },
	{ "the host promises that time never steps back",
	  { SET(flags, VMCLOCK_FLAG_TIME_MONOTONIC) },
	  TAI_SCALE, X86, PARACLOCK_LEAP_NONE, PARACLOCK_FLAG_MONOTONIC, 0 },
	{ "unknown flags are ignored",
	  { SET(flags, ~(uint64_t)(TAI_VALID | BOTH |
				   VMCLOCK_FLAG_TIME_MONOTONIC)) },
	  TAI_SCALE, X86, PARACLOCK_LEAP_NONE, 0, 0 },
	/* clang-format on */
};

static void check_words(void **state)
{
	const struct word_case *c = *state;
	struct vmclock_case page = { .counter_id = ANY };
	struct paraclock_sample got;
	const char *bad = NULL;

	memcpy(page.patch, c->patch, sizeof(c->patch));
	memset(&got, 0xa5, sizeof(got));
	assert_int_equal(convert(&page, BASE, &got, &bad), 0);
	assert_int_equal(got.timescale, c->timescale);
	assert_int_equal(got.counter, c->counter);
	assert_int_equal(got.leap, c->leap);
	assert_int_equal(got.flags, c->flags);
	assert_int_equal(got.tai_offset_sec, c->tai_offset_sec);
}

int main(void)
{
	ADD_ROWS(cases, check_convert);
	ADD_ROWS(word_cases, check_words);
	return run_suite(NULL, NULL);
}
