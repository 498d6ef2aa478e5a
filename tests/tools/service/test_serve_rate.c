// SPDX-License-Identifier: MIT
/* The rate of the counter, from readings that are right to within their error. */

#include "service/serve_rate.h"

#include "../../shared/rows.h"

#define SEC 1000000000LL

#define DRIFT_PPB 50000

static double hz_of(const struct serve_rate *rate)
{
	return (double)rate->hz_frac / (1U << SERVE_HZ_BITS);
}

/* The share by which it differs, ppb. */
static double off_by(const struct serve_rate *rate, double hz)
{
	double off = hz_of(rate) / hz - 1;

	return (off < 0 ? -off : off) * 1e9;
}

static struct {
	const char *name;
	struct serve_reading from, to;
	int ret;
	double hz;
	uint64_t least_ppb, most_ppb;
} spans[] = {
	/* clang-format off */
	{ "a second at 1 GHz", { 0, 0, 0, 0 }, { 1000000000, SEC, 0, 0 }, 0, 1e9, 0, 2 },
	{ "10 s at 2.5 GHz, to 1 us each", { 7, 5, 1000, 0 },
	  { 25000000007, 10 * SEC + 5, 1000, 0 }, 0, 2.5e9, 200, 202 },
	{ "1 ms sure and 250 ms apart: 8000 ppm", { 0, 0, 1000000, 0 },
	  { 250000000, SEC / 4, 1000000, 0 }, 0, 1e9, 8000000, 8000002 },
	{ "a second of error in three", { 0, 0, SEC, 0 },
	  { 3000000000, 3 * SEC, SEC, 0 }, -ERANGE, 0, 0, 0 },
	{ "back", { 2, 0, 0, 0 }, { 1, SEC, 0, 0 }, -ERANGE, 0, 0, 0 },
	{ "a clock that stands still", { 0, 9, 0, 0 }, { 5, 9, 0, 0 }, -ERANGE, 0, 0, 0 },
	{ "a day", { 0, 0, 0, 0 }, { 86400000000000, 86400 * SEC, 0, 0 },
	  -ERANGE, 0, 0, 0 },
	/* clang-format on */
};

static void check_span(void **row)
{
	const __typeof__(spans[0]) *c = *row;
	struct serve_rate rate = { 1, 1 };

	assert_int_equal(serve_rate_between(&c->from, &c->to, &rate), c->ret);
	if (c->ret) {
		assert_int_equal(rate.hz_frac, 1);
		return;
	}
	assert_true(off_by(&rate, c->hz) < 1);
	assert_in_range(rate.error_ppb, c->least_ppb, c->most_ppb);
}

static void two_errors_are_spread(void **unused)
{
	/* At worst each end is off by its error, towards the other. */
	const struct serve_reading from = { 0, 500, 500, 0 };
	const struct serve_reading to = { 1000000000, SEC - 1500, 1500, 0 };
	struct serve_rate rate;

	(void)unused;
	assert_int_equal(serve_rate_between(&from, &to, &rate), 0);
	assert_true(off_by(&rate, 1e9) > 1999);
	assert_true(off_by(&rate, 1e9) <= (double)rate.error_ppb);
}

static void slower_clock(void **unused)
{
	struct serve_rate rate = { (uint64_t)SEC << SERVE_HZ_BITS, 100 }, got;

	(void)unused;
	/* It shows 1 - 10^-5 s in a second, so the counter seems faster. */
	assert_int_equal(serve_rate_slower(&rate, 10000, &got), 0);
	assert_true(off_by(&got, 1e9 / (1 - 1e-5)) < 1);
	assert_true(got.error_ppb >= 100);
	assert_int_equal(serve_rate_slower(&rate, -10000, &got), 0);
	assert_true(off_by(&got, 1e9 / (1 + 1e-5)) < 1);
	assert_int_equal(serve_rate_slower(&rate, SEC, &got), -ERANGE);
	assert_int_equal(serve_rate_slower(&rate, INT64_MIN, &got), -ERANGE);
}

static void longer_is_surer(void **unused)
{
	struct serve_readings readings = { 0 };
	uint64_t before = UINT64_MAX;
	struct serve_rate rate;

	(void)unused;
	for (int64_t i = 0; i < 20000; i++) {
		const struct serve_reading now = {
			.counter = (uint64_t)i * 250000000,
			.ns = i * SEC / 4 + (i % 3 - 1) * 900,
			.error_ns = 1000,
			.pair_ns = 1000,
		};
		int ret = serve_rate_add(&readings, &now, DRIFT_PPB, &rate);

		assert_int_equal(ret, i ? 0 : -EAGAIN);
		if (ret)
			continue;
		assert_true(off_by(&rate, 1e9) <= (double)rate.error_ppb);
		if (i == 4 || i == 40 || i == 400 || i == 4000) {
			assert_true(rate.error_ppb < before);
			before = rate.error_ppb;
		}
	}
	/* All of them within the last 17 minutes: a wander is forgotten. */
	for (unsigned int i = 0; i < readings.count; i++)
		assert_true(readings.at[readings.count - 1].ns -
				    readings.at[i].ns <=
			    17 * 64 * SEC);
}

/*
 * 250 ppm, as KVM lets two hosts differ; the host's own error of 1 ms is the
 * same before and after. Found at the first look, and forgotten at the next.
 */
static void another_rate_is_noticed(void **unused)
{
	for (int sign = -1; sign <= 1; sign += 2) {
		struct serve_readings readings = { 0 };
		struct serve_reading now = { .error_ns = 1000000,
					     .pair_ns = 1000 };
		struct serve_rate rate;
		int ret = -EAGAIN;

		(void)unused;
		for (int i = 0; i < 400; i++) {
			now.counter += 250000000;
			now.ns += SEC / 4;
			ret = serve_rate_add(&readings, &now, DRIFT_PPB, &rate);
		}
		assert_int_equal(ret, 0);
		now.counter += 250000000;
		now.ns += SEC / 4 + sign * 62500;
		assert_int_equal(serve_rate_add(&readings, &now, DRIFT_PPB,
						&rate),
				 -ESTALE);
		/* A quarter of a second is the least, by either clock. */
		for (int i = 0; i < 2; i++) {
			now.counter += 250000000;
			now.ns += SEC / 4 + sign * 62500;
			ret = serve_rate_add(&readings, &now, DRIFT_PPB, &rate);
		}
		assert_int_equal(ret, 0);
		assert_true(off_by(&rate, 1e9 / (1 + sign * 250e-6)) <= 2);
	}
}

/* What --drift-ppm allows, with pairs that are as wrong as they may be. */
static void a_wander_is_none(void **unused)
{
	struct serve_readings readings = { 0 };
	struct serve_reading now = { .error_ns = 1000000, .pair_ns = 20000 };
	int64_t ns = 0;

	(void)unused;
	for (int i = 0; i < 4000; i++) {
		struct serve_rate rate;
		int ppm = i / 40 % 2 ? 50 : -50;

		now.counter += 250000000;
		ns += SEC / 4 + ppm * 250;
		now.ns = ns + (i % 2 ? 20000 : -20000);
		assert_int_not_equal(serve_rate_add(&readings, &now, DRIFT_PPB,
						    &rate),
				     -ESTALE);
	}
}

static void time_that_goes_back(void **unused)
{
	struct serve_readings readings = { 0 };
	struct serve_reading now = { 5000000000, 5 * SEC, 10, 10 };
	struct serve_rate rate;

	(void)unused;
	assert_int_equal(serve_rate_add(&readings, &now, DRIFT_PPB, &rate),
			 -EAGAIN);
	now = (struct serve_reading){ 1000000000, 6 * SEC, 10, 10 };
	assert_int_equal(serve_rate_add(&readings, &now, DRIFT_PPB, &rate),
			 -EAGAIN);
	assert_int_equal(readings.count, 1);
	now = (struct serve_reading){ 2000000000, 7 * SEC, 10, 10 };
	assert_int_equal(serve_rate_add(&readings, &now, DRIFT_PPB, &rate), 0);
	assert_true(off_by(&rate, 1e9) < 22);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("two errors are spread over the time between",
		     two_errors_are_spread),
		TEST("by a slower clock the counter is faster", slower_clock),
		TEST("the longer, the surer", longer_is_surer),
		TEST("another rate is noticed", another_rate_is_noticed),
		TEST("a wander is none", a_wander_is_none),
		TEST("time that goes back begins anew", time_that_goes_back),
	};

	ADD_ROWS(spans, check_span);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
