// SPDX-License-Identifier: MIT
/* Backends of the caller's own, and explanations. */

#include <paraclock/backend.h>

#include "fake.h"

static struct fake fake;

#define UNTOUCHED ((struct paraclock *)(uintptr_t)0x5a5a5a50)

/* --- a backend of the caller's own ---------------------------------------- */

/* The backend's answers, and how often it was asked. */
static struct own {
	int open_error, time_error, marker_error;
	struct paraclock_sample sample;
	struct paraclock_marker marker;
	unsigned int opened, closed;
} own;

static int own_open(const struct paraclock_env *env,
		    const struct paraclock_options *opts, void *arg,
		    void **ret_state)
{
	assert_ptr_equal(env, &fake.env);
	/* The argument of paraclock_open_backend(). */
	assert_ptr_equal(arg, &own);
	assert_int_equal(opts->size, sizeof(*opts));
	if (own.open_error)
		return own.open_error;
	own.opened++;
	*ret_state = arg;
	return 0;
}

static int own_get_time(void *state, struct paraclock_sample *ret_sample)
{
	assert_ptr_equal(state, &own);
	if (!own.time_error)
		*ret_sample = own.sample;
	return own.time_error;
}

static int own_get_marker(void *state, struct paraclock_marker *ret_marker)
{
	assert_ptr_equal(state, &own);
	if (!own.marker_error)
		*ret_marker = own.marker;
	return own.marker_error;
}

static void own_close(void *state)
{
	assert_ptr_equal(state, &own);
	own.closed++;
}

static struct paraclock_backend own_backend(void)
{
	return (struct paraclock_backend){
		.size = sizeof(struct paraclock_backend),
		.name = "own",
		.open = own_open,
		.get_time = own_get_time,
		.close = own_close,
	};
}

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	own = (struct own){
		.sample = {
			.host_ns = 1234567890,
			.host_tsc = 1000,
			.clock_error_ns = 77,
			.valid = 1,
			.timescale = PARACLOCK_TIMESCALE_TAI,
			.counter = PARACLOCK_COUNTER_X86_TSC,
			.leap = PARACLOCK_LEAP_UNKNOWN,
			.tai_offset_sec = 37,
			.flags = PARACLOCK_FLAG_TAI_OFFSET,
		},
	};
	return 0;
}

static struct paraclock *open_own(const struct paraclock_backend *be,
				  uint64_t max_pair_error_ns)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = &fake.env,
		.max_pair_error_ns = max_pair_error_ns,
	};
	struct paraclock *clk = NULL;

	assert_int_equal(paraclock_open_backend(&clk, be, &own, &opts), 0);
	assert_non_null(clk);
	return clk;
}

static void close_own(struct paraclock *clk)
{
	paraclock_close(clk);
	assert_int_equal(own.opened, own.closed);
	assert_int_equal(fake.allocs, fake.frees);
}

static void a_backend_that_gives_time_only_has_no_markers(void **state)
{
	const struct paraclock_backend be = own_backend();
	struct paraclock_marker marker = { 5, 6 };
	struct paraclock *clk = open_own(&be, 0);
	struct paraclock_sample sample;

	(void)state;
	assert_string_equal(paraclock_backend_name(clk), "own");
	assert_int_equal(paraclock_read(clk, &sample), 0);
	own.sample.epoch = sample.epoch;
	assert_memory_equal(&sample, &own.sample, sizeof(sample));
	assert_int_equal(sample.marker_class, PARACLOCK_MARKER_NONE);
	assert_int_equal(sample.epoch, paraclock_epoch(clk));
	assert_int_equal(paraclock_marker(clk, &marker), -EOPNOTSUPP);
	assert_int_equal(marker.value, 5);
	assert_int_equal(paraclock_read_at(clk, 1, &sample), -EOPNOTSUPP);
	close_own(clk);
}

static void a_backend_that_gives_markers_only_does_not_open(void **state)
{
	struct paraclock_backend be = own_backend();
	char detail[64] = "";
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = &fake.env,
		.detail = detail,
		.detail_size = sizeof(detail),
	};
	struct paraclock *clk = UNTOUCHED;

	(void)state;
	be.get_time = NULL;
	be.get_marker = own_get_marker;
	assert_int_equal(paraclock_open_backend(&clk, &be, &own, &opts),
			 -EOPNOTSUPP);
	assert_ptr_equal(clk, UNTOUCHED);
	assert_non_null(strstr(detail, "markers only"));
	assert_int_equal(own.opened, 0);
	assert_int_equal(fake.allocs, fake.frees);
}

static void a_backend_with_time_and_markers_counts_its_own(void **state)
{
	struct paraclock_backend be = own_backend();
	struct paraclock_marker marker;
	struct paraclock_sample sample;
	struct paraclock *clk;
	uint64_t epoch;

	(void)state;
	be.get_marker = own_get_marker;
	be.marker_class = PARACLOCK_MARKER_AUTHORITATIVE;
	own.marker = (struct paraclock_marker){ 7, 8 };
	clk = open_own(&be, 0);
	epoch = paraclock_epoch(clk);
	assert_int_not_equal(epoch, 0);
	assert_int_equal(paraclock_disrupted(clk, epoch), 0);
	assert_int_equal(paraclock_marker(clk, &marker), 0);
	assert_int_equal(marker.value, 7);
	assert_int_equal(marker.generation, 8);
	own.marker.generation = 9;
	assert_int_equal(paraclock_disrupted(clk, epoch), 1);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(sample.epoch, epoch + 1);
	assert_int_equal(sample.marker_class, PARACLOCK_MARKER_AUTHORITATIVE);
	own.marker_error = -ENODEV;
	assert_int_equal(paraclock_disrupted(clk, epoch + 1), -ENODEV);
	assert_int_equal(paraclock_marker(clk, &marker), -ENODEV);
	assert_int_equal(marker.generation, 8);
	memset(&sample, 0x5a, sizeof(sample));
	assert_int_equal(paraclock_read(clk, &sample), -ENODEV);
	assert_int_equal(sample.host_ns, 0x5a5a5a5a5a5a5a5a);
	close_own(clk);
}

static void a_backend_that_does_not_open_leaves_nothing(void **state)
{
	const struct paraclock_backend be = own_backend();
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = &fake.env,
	};
	struct paraclock *clk = UNTOUCHED;

	(void)state;
	own.open_error = -ETIMEDOUT;
	assert_int_equal(paraclock_open_backend(&clk, &be, &own, &opts),
			 -ETIMEDOUT);
	assert_ptr_equal(clk, UNTOUCHED);
	assert_int_equal(own.closed, 0);
	assert_int_equal(fake.allocs, fake.frees);
}

static void an_error_of_a_read_writes_nothing(void **state)
{
	const struct paraclock_backend be = own_backend();
	struct paraclock *clk = open_own(&be, 0);
	struct paraclock_sample sample, before;

	(void)state;
	memset(&sample, 0x5a, sizeof(sample));
	before = sample;
	own.time_error = -ERANGE;
	assert_int_equal(paraclock_read(clk, &sample), -ERANGE);
	assert_memory_equal(&sample, &before, sizeof(sample));
	close_own(clk);
}

static void an_incomplete_backend_is_einval(void **state)
{
	struct paraclock_backend bad[5];
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = &fake.env,
	};
	struct paraclock *clk = UNTOUCHED;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		bad[i] = own_backend();
	bad[0].size--;
	bad[1].name = NULL;
	bad[2].open = NULL;
	bad[3].close = NULL;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		opts.backend = i == 4 ? "own" : NULL;
		assert_int_equal(paraclock_open_backend(&clk, &bad[i], NULL,
							&opts),
				 -EINVAL);
		assert_ptr_equal(clk, UNTOUCHED);
	}
	assert_int_equal(own.opened, 0);
}

/* --- pairs that are too wide ---------------------------------------------- */

struct width_case {
	const char *name;
	uint64_t max_ns, width_ns;
	bool valid;
};

static struct width_case widths[] = {
	{ "a pair as wide as the default is valid", 0, 1000, true },
	{ "a pair wider than the default is not", 0, 1001, false },
	{ "a wider limit accepts it", 5000, 5000, true },
	{ "a wider limit has an end, too", 5000, 5001, false },
	{ "a narrower limit refuses it", 1, 2, false },
	{ "an atomic pair passes the narrowest", 1, 0, true },
};

static void check_width(void **state)
{
	const struct paraclock_backend be = own_backend();
	const struct width_case *c = *state;
	struct paraclock_sample sample;
	struct paraclock *clk;

	setup(NULL);
	own.sample.pair_error_ns = c->width_ns;
	clk = open_own(&be, c->max_ns);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, c->valid);
	assert_int_equal(sample.reason, c->valid ? PARACLOCK_REASON_OK
						 : PARACLOCK_REASON_WIDE);
	/* The width is worth knowing in either case. */
	assert_int_equal(sample.pair_error_ns, c->width_ns);
	assert_int_equal(sample.clock_error_ns,
			 c->valid ? 77 : PARACLOCK_ERROR_UNKNOWN);
	assert_int_equal(sample.host_ns, 1234567890);
	close_own(clk);
}

/* --- explanations --------------------------------------------------------- */

/* Buffers of each size: filled and terminated, with nothing written beyond. */
static void check_sentence(const struct paraclock *clk, int error,
			   const struct paraclock_sample *sample)
{
	char buf[512];

	for (size_t size = 1; size < sizeof(buf); size = size * 2 + 1) {
		size_t length;

		memset(buf, 'x', sizeof(buf));
		assert_int_equal(
			paraclock_explain(clk, error, sample, buf, size), 0);
		length = strnlen(buf, sizeof(buf));
		assert_true(length < size);
		assert_true(length > 0 || size == 1);
		for (size_t i = size; i < sizeof(buf); i++)
			assert_int_equal(buf[i], 'x');
	}
}

static void check_sentences(const struct paraclock *clk)
{
	static const int errors[] = {
		-EACCES, -EAGAIN,     -EINVAL, -ENODEV, -ENOMEM,
		-EPROTO, -EOPNOTSUPP, -ERANGE, -ESTALE, -ETIMEDOUT,
		-ENOENT, EINVAL,      1,       -4095,	INT32_MIN,
	};
	struct paraclock_sample sample = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		check_sentence(clk, errors[i], NULL);
		check_sentence(clk, errors[i], &sample);
	}
	check_sentence(clk, 0, NULL);
	for (unsigned int reason = 0; reason < 256; reason++) {
		sample.reason = (uint8_t)reason;
		sample.valid = !reason;
		check_sentence(clk, 0, &sample);
	}
}

static void everything_has_an_explanation(void **state)
{
	static const char *const names[] = {
		"kvmclock",
		"hyperv",
		"vmclock",
		"tsc",
	};
	const struct paraclock_backend be = own_backend();
	struct paraclock *clk = open_own(&be, 0);

	(void)state;
	check_sentences(NULL);
	check_sentences(clk);
	close_own(clk);
	fake_set_hyperv(&fake, 1, 0);
	fake.hyperv_error = 0;
	fake_set_vmclock_marker(&fake, 1);
	fake.vmclock_error = 0;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		clk = fake_open(&fake, names[i]);
		check_sentences(clk);
		paraclock_close(clk);
	}
}

static void a_malformed_page_has_its_field_named(void **state)
{
	struct paraclock *clk = fake_open(&fake, "kvmclock");
	struct paraclock_sample sample;
	char buf[128];

	(void)state;
	put32(fake.pvclock, 24, 0);
	put32(fake.pvclock, 0, 4);
	assert_int_equal(paraclock_read(clk, &sample), -EPROTO);
	assert_int_equal(
		paraclock_explain(clk, -EPROTO, NULL, buf, sizeof(buf)), 0);
	assert_non_null(strstr(buf, "tsc_to_system_mul"));
	paraclock_close(clk);
}

/* --- why a sample has no interval ----------------------------------------- */

#define UNKNOWN PARACLOCK_ERROR_UNKNOWN

/* 2016-12-31 23:59:59 and a day in the middle of a month, UTC. */
#define LEAP_SEC 1483228799LL
#define NOON_SEC 1768478400LL

struct interval_case {
	const char *name;
	int64_t sec;
	uint64_t clock_error_ns;
	uint8_t timescale;
	uint8_t leap;
	bool has_offset;
	bool asks_tai;
	const char *says;
};

/* clang-format off */
static const struct interval_case intervals[] = {
	{ "no interval: a monotonic clock", 5, UNKNOWN,
	  PARACLOCK_TIMESCALE_MONOTONIC, PARACLOCK_LEAP_UNKNOWN, 0, 0,
	  "is on the timescale monotonic" },
	{ "no interval: an unknown timescale", NOON_SEC, 77,
	  PARACLOCK_TIMESCALE_UNKNOWN, PARACLOCK_LEAP_UNKNOWN, 0, 0,
	  "is on the timescale unknown" },
	{ "no interval: it may be smeared", NOON_SEC, 77,
	  PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED, PARACLOCK_LEAP_NONE, 1, 0,
	  "may be smearing" },
	{ "no interval: no bound", NOON_SEC, UNKNOWN,
	  PARACLOCK_TIMESCALE_UTC, PARACLOCK_LEAP_NONE, 1, 0, "no bound" },
	{ "no interval: no bound on TAI", NOON_SEC, UNKNOWN,
	  PARACLOCK_TIMESCALE_TAI, PARACLOCK_LEAP_NONE, 1, 0, "no bound" },
	{ "no interval: TAI without an offset", NOON_SEC, 77,
	  PARACLOCK_TIMESCALE_TAI, PARACLOCK_LEAP_NONE, 0, 0,
	  "TAI without a plausible offset" },
	{ "no interval: TAI of UTC without an offset", NOON_SEC, 77,
	  PARACLOCK_TIMESCALE_UTC, PARACLOCK_LEAP_NONE, 0, 1,
	  "no plausible TAI offset" },
	{ "no interval: a leap second", LEAP_SEC, 77,
	  PARACLOCK_TIMESCALE_UTC, PARACLOCK_LEAP_POS, 1, 0,
	  "leap second is too close" },
	{ "no interval: a leap second within the bound", LEAP_SEC - 2,
	  2000000000, PARACLOCK_TIMESCALE_UTC, PARACLOCK_LEAP_PRE_POS, 1, 0,
	  "leap second is too close" },
};
/* clang-format on */

static void check_interval(void **state)
{
	const struct interval_case *c = *state;
	const struct paraclock_backend be = own_backend();
	struct paraclock *clk;
	struct paraclock_sample sample;
	int64_t from_ns, to_ns;
	char of_clock[256], alone[256];
	int ret;

	own.sample.host_ns = c->sec * 1000000000LL;
	own.sample.clock_error_ns = c->clock_error_ns;
	own.sample.timescale = c->timescale;
	own.sample.leap = c->leap;
	own.sample.flags = c->has_offset ? PARACLOCK_FLAG_TAI_OFFSET : 0;
	clk = open_own(&be, 0);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	ret = c->asks_tai ? paraclock_interval_tai_ns(&sample, &from_ns, &to_ns)
			  : paraclock_interval_ns(&sample, &from_ns, &to_ns);
	assert_int_equal(ret, -EOPNOTSUPP);
	assert_int_equal(paraclock_explain(clk, ret, &sample, of_clock,
					   sizeof(of_clock)),
			 0);
	assert_int_equal(
		paraclock_explain(NULL, ret, &sample, alone, sizeof(alone)), 0);
	assert_non_null(strstr(of_clock, c->says));
	assert_non_null(strstr(alone, c->says));
	close_own(clk);
}

static const struct CMUnitTest others[] = {
	TEST("a backend that gives time only has no markers",
	     a_backend_that_gives_time_only_has_no_markers),
	TEST("a backend that gives markers only does not open",
	     a_backend_that_gives_markers_only_does_not_open),
	TEST("a backend with time and markers counts its own",
	     a_backend_with_time_and_markers_counts_its_own),
	TEST("a backend that does not open leaves nothing",
	     a_backend_that_does_not_open_leaves_nothing),
	TEST("an error of a read writes nothing",
	     an_error_of_a_read_writes_nothing),
	TEST("an incomplete backend is EINVAL",
	     an_incomplete_backend_is_einval),
	TEST("everything has an explanation", everything_has_an_explanation),
	TEST("a malformed page has its field named",
	     a_malformed_page_has_its_field_named),
};

int main(void)
{
	each_test(setup, NULL);
	ADD_TESTS(others);
	ADD_ROWS(intervals, check_interval);
	each_test(NULL, NULL);
	ADD_ROWS(widths, check_width);
	return run_suite(NULL, NULL);
}
