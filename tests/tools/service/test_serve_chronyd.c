// SPDX-License-Identifier: MIT
/* chronyd's words: read strictly, and what follows from them in worlds whose
 * truth the test knows. */

#include <stdio.h>

#include "service/serve_chronyd.h"

#include "../../shared/rows.h"

#define SEC	 1000000000LL
#define START_NS (1800000000LL * SEC)
#define SLEW_PPB 83333334
#define DRIFT	 50000

/* --- the line ------------------------------------------------------------- */

#define GOOD                                                            \
	"A29FC87B,162.159.200.123,4,1800000000.123456789,-0.000001234," \
	"0.000000100,0.000002000,-12.345,0.001,0.042,0.001000002,"      \
	"0.000500001,64.5,Normal\n"

static void good_line(void **unused)
{
	struct serve_tracking got;
	char why[100];

	(void)unused;
	assert_int_equal(serve_tracking_parse(GOOD, &got, why, sizeof(why)), 0);
	assert_int_equal(got.reference_ns, 1800000000123456789);
	assert_int_equal(got.correction_ns, -1234);
	assert_int_equal(got.frequency_ppb, -12345);
	assert_int_equal(got.residual_ppb, 1);
	assert_int_equal(got.skew_ppb, 42);
	assert_int_equal(got.delay_ns, 1000002);
	assert_int_equal(got.dispersion_ns, 500001);
	assert_true(got.is_synchronised);
	assert_false(got.has_leap);
}

/* GOOD with one field replaced, counted from 0; a negative one: the whole. */
static struct bad_line {
	const char *name;
	int field;
	const char *text;
	const char *why; /* named in the sentence */
} bad_lines[] = {
	{ "an empty line", -1, "", "one line" },
	{ "no newline", -1, "A,B,3", "one line" },
	{ "too few fields", -1, "A,B,3\n", "14 fields" },
	{ "two lines", -1, GOOD GOOD, "one line" },
	{ "a field too many", 13, "Normal,x", "14 fields" },
	{ "a stratum in words", 2, "four", "stratum" },
	{ "a stratum of 17", 2, "17", "stratum" },
	{ "a reference time before 1970", 3, "-1.0", "reference time" },
	{ "a reference time in hex", 3, "0x12", "reference time" },
	{ "a reference time of ages", 3, "99999999999", "reference time" },
	{ "no correction", 4, "", "remaining correction" },
	{ "a correction of nan", 4, "nan", "remaining correction" },
	{ "a correction with an exponent", 4, "1e-9", "remaining correction" },
	{ "a correction with a blank", 4, " 0.1", "remaining correction" },
	{ "a correction with two points", 4, "0.1.2", "remaining correction" },
	{ "a correction of weeks", 4, "1000001.0", "remaining correction" },
	{ "a correction of picoseconds", 4, "0.0000000001",
	  "remaining correction" },
	{ "a frequency of a whole", 7, "1000000.000", "frequency" },
	{ "a skew below 0", 9, "-0.001", "skew" },
	{ "a root delay below 0", 10, "-0.000000001", "root delay" },
	{ "a root dispersion below 0", 11, "-1.0", "root dispersion" },
	{ "an infinite root dispersion", 11, "inf", "root dispersion" },
	{ "an unknown leap status", 13, "Perhaps", "leap status" },
	{ "a leap status that goes on", 13, "Normal ", "leap status" },
};

static void replace(int field, const char *text, char *line, size_t size)
{
	const char *begin = GOOD, *end;

	for (int i = 0; i < field; i++)
		begin = strchr(begin, ',') + 1;
	end = begin + strcspn(begin, ",\n");
	snprintf(line, size, "%.*s%s%s", (int)(begin - GOOD), GOOD, text, end);
}

static void bad_line_is_refused(void **row)
{
	const struct bad_line *c = *row;
	struct serve_tracking got = { .delay_ns = 77 };
	char line[1024], why[100] = "";

	if (c->field < 0)
		snprintf(line, sizeof(line), "%s", c->text);
	else
		replace(c->field, c->text, line, sizeof(line));
	assert_int_equal(serve_tracking_parse(line, &got, why, sizeof(why)),
			 -EPROTO);
	if (!strstr(why, c->why))
		fail_msg("\"%s\" does not name \"%s\"", why, c->why);
	assert_int_equal(got.delay_ns, 77);
}

static struct {
	const char *name;
	int field;
	const char *text;
	bool synchronised, leap;
} states[] = {
	{ "a leap second to come", 13, "Insert second", true, true },
	{ "one to be left out", 13, "Delete second", true, true },
	{ "not synchronised", 13, "Not synchronised", false, false },
	{ "stratum 0", 2, "0", false, false },
	{ "stratum 16", 2, "16", false, false },
	{ "its own clock: local", 0, "7F7F0101", false, false },
	{ "somebody's watch: manual", 0, "4D414E55", false, false },
};

static void state_is_seen(void **row)
{
	const __typeof__(states[0]) *c = *row;
	struct serve_tracking got;
	char line[1024], why[100];

	replace(c->field, c->text, line, sizeof(line));
	assert_int_equal(serve_tracking_parse(line, &got, why, sizeof(why)), 0);
	assert_int_equal(got.is_synchronised, c->synchronised);
	assert_int_equal(got.has_leap, c->leap);
}

/* --- worlds --------------------------------------------------------------- */

static uint64_t seed = 88172645463325252U;

static uint64_t chance(uint64_t most)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % (most + 1);
}

/*
 * CLOCK_REALTIME less chronyd's time, over a window of steps: each is slewed
 * as far as may be, one way, the other or not at all. chronyd is asked after
 * one of them.
 */
struct window {
	int64_t took_ns;
	int64_t before_ns, asked_ns, after_ns;
};

static struct window slew(int64_t most_ns)
{
	const int steps = 10;
	struct window w = { .took_ns = 1000 + (int64_t)chance(50000000) };
	int64_t off = (int64_t)chance((uint64_t)most_ns * 2) - most_ns;
	int64_t most = w.took_ns / steps * SLEW_PPB / SEC;
	int asked = (int)chance((uint64_t)steps), turn = (int)chance(10);
	int64_t way = (int64_t)chance(2) - 1;

	w.before_ns = off;
	for (int i = 0; i <= steps; i++) {
		if (i == asked)
			w.asked_ns = off;
		if (i == turn)
			way = -way;
		if (i < steps)
			off += way * most;
	}
	w.after_ns = off;
	return w;
}

static void chronyds_time_is_inside(void **unused)
{
	(void)unused;
	for (int i = 0; i < 200000; i++) {
		const struct window w = slew(1000000);
		/* chronyd's own time is right to half the delay and the
		 * dispersion. */
		const uint64_t delay = chance(2000), dispersion = chance(1000);
		const int64_t wrong = (int64_t)chance(delay / 2 + dispersion);
		const int64_t cooked = START_NS + (int64_t)chance(1000);
		const int64_t truth = cooked + (i % 2 ? wrong : -wrong);
		const struct serve_asked asked = {
			.tracking = {
				.reference_ns = cooked - 1000,
				.correction_ns = -w.asked_ns,
				.delay_ns = delay,
				.dispersion_ns = dispersion,
			},
			.counter = 1,
			.real_ns = cooked + w.after_ns,
			.real_took_ns = w.took_ns + w.after_ns - w.before_ns,
			.raw_took_ns = w.took_ns,
			.raw = { 1ULL << 60, 10 },
			.drift_ppb = DRIFT,
			.slew_ppb = SLEW_PPB,
		};
		struct serve_claim claim;
		int64_t off;

		assert_int_equal(serve_claim_by_chronyd(&asked, &claim), 0);
		off = claim.tai_ns - truth;
		assert_true((uint64_t)(off < 0 ? -off : off) <= claim.bound_ns);
		/* |correction| is a part of the bound that the design asks
		 * for; what is left must hold as well. */
		off = off < 0 ? -off : off;
		assert_true((uint64_t)off + (uint64_t)(w.asked_ns < 0
							       ? -w.asked_ns
							       : w.asked_ns) <=
			    claim.bound_ns);
	}
}

static struct serve_asked quiet(void)
{
	return (struct serve_asked){
		.tracking = {
			.reference_ns = START_NS - 10 * SEC,
			.delay_ns = 1000,
			.dispersion_ns = 500,
		},
		.counter = 1,
		.real_ns = START_NS,
		.real_took_ns = 1000000,
		.raw_took_ns = 1000000,
		.raw = { (uint64_t)SEC << SERVE_HZ_BITS, 10 },
		.drift_ppb = DRIFT,
		.slew_ppb = 0,
	};
}

static void bound_is_summed_up(void **unused)
{
	struct serve_asked asked = quiet();
	struct serve_claim claim;

	(void)unused;
	assert_int_equal(serve_claim_by_chronyd(&asked, &claim), 0);
	/* Half the delay, the dispersion, and 10 s at 50 ppm. */
	assert_in_range(claim.bound_ns, 500 + 500 + 500000,
			500 + 500 + 500000 + 50);
	assert_in_range(claim.growth_ppb, DRIFT + 10, DRIFT + 50);
	asked.tracking.skew_ppb = 3000;
	asked.tracking.residual_ppb = -200;
	assert_int_equal(serve_claim_by_chronyd(&asked, &claim), 0);
	assert_in_range(claim.growth_ppb, DRIFT + 3210, DRIFT + 3250);
}

static void fast_counter(void **unused)
{
	struct serve_asked asked = quiet();
	struct serve_claim claim;

	(void)unused;
	/* The kernel takes 1 GHz for what is 1.00001 GHz: fast by 10 ppm. */
	asked.tracking.frequency_ppb = 10000;
	asked.real_took_ns = 1000000 - 10;
	assert_int_equal(serve_claim_by_chronyd(&asked, &claim), 0);
	assert_in_range(claim.hz_frac >> SERVE_HZ_BITS, 1000009999, 1000010001);
}

static void clock_that_was_set(void **unused)
{
	struct serve_asked asked = quiet();
	struct serve_claim claim = { .counter = 99 };

	(void)unused;
	asked.slew_ppb = SLEW_PPB;
	asked.real_took_ns += 84000;
	assert_int_equal(serve_claim_by_chronyd(&asked, &claim), -ESTALE);
	assert_int_equal(claim.counter, 99);
	asked.real_took_ns -= 1000;
	assert_int_equal(serve_claim_by_chronyd(&asked, &claim), 0);
}

static void future_update(void **unused)
{
	struct serve_asked asked = quiet();
	struct serve_claim claim;

	(void)unused;
	asked.tracking.reference_ns = START_NS + 2 * SEC;
	assert_int_equal(serve_claim_by_chronyd(&asked, &claim), -ERANGE);
	asked.tracking.reference_ns = INT64_MAX;
	assert_int_equal(serve_claim_by_chronyd(&asked, &claim), -ERANGE);
}

static void update_from_before(void **unused)
{
	struct serve_asked asked = quiet();

	(void)unused;
	/* It was 10 s ago. */
	assert_false(serve_tracking_is_after(&asked, 0));
	assert_false(serve_tracking_is_after(&asked, 9 * SEC));
	assert_false(serve_tracking_is_after(&asked, 10 * SEC + SEC / 2));
	assert_true(serve_tracking_is_after(&asked, 12 * SEC));
	/* In the future, by a clock that was set back. */
	asked.tracking.reference_ns = START_NS + SEC;
	assert_false(serve_tracking_is_after(&asked, 3600 * SEC));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("a line that chronyc writes", good_line),
		TEST("chronyd's time is inside, however it slews",
		     chronyds_time_is_inside),
		TEST("the bound is the sum of its parts", bound_is_summed_up),
		TEST("a fast counter has more ticks a second", fast_counter),
		TEST("a clock that somebody else has set", clock_that_was_set),
		TEST("an update in the future", future_update),
		TEST("an update from before the event does not count",
		     update_from_before),
	};

	ADD_TESTS(tests);
	ADD_ROWS(bad_lines, bad_line_is_refused);
	ADD_ROWS(states, state_is_seen);
	return run_suite(NULL, NULL);
}
