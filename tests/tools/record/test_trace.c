// SPDX-License-Identifier: MIT
/* Whole records: runs, marks, rates, stability, and the picture's program. */

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "record/picture.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define SEC	     INT64_C(1000000000)

#define HEAD                                                    \
	RECORD_TITLE "\n# backend: vmclock\n# timescale: tai\n" \
		     "# started: 2026-11-29T16:00:00Z\n"
#define COLUMNS                                                         \
	"kind,valid,reason,host_ns,pair_error_ns,clock_error_ns,epoch," \
	"monotonic_raw_ns,uncertainty_ns,offset_ns,gap_ns\n"

/* A record in memory, and what is made of it. */
struct fixture {
	char *text;
	size_t size;
	FILE *to;
	struct trace trace;
	struct trend trend;
	struct curve curve;
	char detail[512];
};

static int set_up(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	f->to = open_memstream(&f->text, &f->size);
	assert_non_null(f->to);
	fputs(HEAD COLUMNS, f->to);
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	trace_free(&f->trace);
	curve_free(&f->curve);
	free(f->text);
	free(f);
	return 0;
}

static int load(struct fixture *f)
{
	FILE *from;
	int ret;

	assert_int_equal(fclose(f->to), 0);
	from = fmemopen(f->text, f->size, "r");
	assert_non_null(from);
	ret = trace_load(&f->trace, from, f->detail, sizeof(f->detail));
	fclose(from);
	return ret;
}

static void evaluate(struct fixture *f)
{
	assert_int_equal(load(f), 0);
	assert_int_equal(trend_find(&f->trend, &f->trace), 0);
	assert_int_equal(curve_find(&f->curve, &f->trace, &f->trend), 0);
}

static char *draw(struct fixture *f, enum picture_format format)
{
	const struct picture picture = { &f->trace, &f->trend, &f->curve,
					 format };
	char *script = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&script, &size);

	assert_non_null(to);
	picture_write(&picture, to);
	assert_int_equal(fclose(to), 0);
	return script;
}

/* A valid reading at @p raw_ns, and its offset, if that is not NULL. */
static void put(struct fixture *f, int64_t raw_ns, int64_t ahead_ns,
		unsigned int epoch, const char *offset)
{
	fprintf(f->to, "reading,1,ok,%" PRId64 ",10,,%u,%" PRId64 ",30,%s,\n",
		raw_ns + ahead_ns, epoch, raw_ns, offset ? offset : "");
}

/* Noise that is the same each time, -8 to 7 ns. */
static int64_t noise(unsigned int i)
{
	uint32_t mixed = i * 0x9e3779b1U;

	mixed = (mixed ^ mixed >> 16) * 0x85ebca6bU;
	mixed = (mixed ^ mixed >> 13) * 0xc2b2ae35U;
	return (int64_t)(mixed >> 28) - 8;
}

/* --- what is refused ------------------------------------------------------ */

struct refused {
	const char *name;
	const char *rows;
	const char *want;
};

static struct refused refused[] = {
	/* clang-format off */
	{ "a valid reading without a time of the host",
	  "reading,1,ok,,,,1,5,,,\n",
	  "6: host_ns: empty, in a valid reading" },
	{ "a valid reading without an epoch", "reading,1,ok,7,,,,5,,,\n",
	  "6: epoch: empty, in a valid reading" },
	{ "a valid reading without the raw clock", "reading,1,ok,7,,,1,,,,\n",
	  "6: monotonic_raw_ns: empty, in a valid reading" },
	{ "a reading that is neither valid nor not", "reading,,,7,,,1,5,,,\n",
	  "6: valid: empty, in a reading" },
	{ "time that goes back",
	  "reading,1,ok,7,,,1,5,,,\nreading,1,ok,8,,,1,4,,,\n",
	  "7: monotonic_raw_ns: earlier than in a row before" },
	{ "a raw clock below 0", "reading,1,ok,7,,,1,-5,,,\n",
	  "6: monotonic_raw_ns: expected 0 or more" },
	{ "clocks that are too far apart",
	  "reading,1,ok,-9223372036854775808,,,1,5,,,\n",
	  "6: host_ns: too far from monotonic_raw_ns" },
	{ "a cell that is wrong, by line and name",
	  "reading,1,ok,7,,,1,5,,,\nreading,1,ok,x,,,1,5,,,\n",
	  "7: host_ns: x: expected an integer of 64 bits" },
	/* clang-format on */
};

static void check_refused(void **state)
{
	const struct refused *r = *state;
	struct fixture *f;
	void *fixture;

	set_up(&fixture);
	f = fixture;
	fputs(r->rows, f->to);
	assert_int_equal(load(f), -EPROTO);
	assert_string_equal(f->detail, r->want);
	tear_down(&fixture);
}

static void check_long_line(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < RECORD_LINE_MAX; i++)
		fputc('1', f->to);
	fputc('\n', f->to);
	/* As long as a line may be: it has another fault. */
	assert_int_equal(load(f), -EPROTO);
	assert_string_equal(
		f->detail, "6: kind: 1111111111111111111111111111111111111111: "
			   "expected a name of lower case letters, digits and "
			   "'-'");
}

static void check_longer_line(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i <= RECORD_LINE_MAX; i++)
		fputc(0, f->to);
	assert_int_equal(load(f), -EPROTO);
	assert_string_equal(f->detail, "6: longer than any line of a record");
}

/* The program that wrote it was killed. */
static void check_cut(void **state)
{
	struct fixture *f = *state;

	put(f, SEC, 0, 1, NULL);
	fputs("reading,1,ok,12", f->to);
	assert_int_equal(load(f), 0);
	assert_true(f->trace.is_cut);
	assert_int_equal(f->trace.count, 1);
}

static void check_empty(void **state)
{
	struct fixture *f = *state;

	evaluate(f);
	assert_int_equal(f->trace.count, 0);
	assert_int_equal(f->curve.count, 0);
	free(draw(f, PICTURE_SVG));
}

/* --- what is found -------------------------------------------------------- */

/* 20 ppm fast, with noise; late readings and holes do no harm. */
static void check_rate(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 1000; i++) {
		const int64_t late = i % 7 ? 0 : 40000000;
		const int64_t raw_ns = 5 * SEC + i * (SEC / 10) + late;

		if (i % 50 != 49)
			put(f, raw_ns, raw_ns / 50000 + noise(i), 1, NULL);
	}
	evaluate(f);
	assert_int_equal(f->trace.count, 980);
	assert_true(fabs(f->trend.rate - 20e-6) < 1e-9);
	assert_true(fabs(f->trend.interval_ns - 1e8) < 1);
	assert_int_equal(f->trend.window_ns, 2 * SEC);
	assert_true(f->trend.rate_count > 80);
	for (size_t i = 0; i < f->trend.rate_count; i++) {
		assert_true(fabs(f->trend.rates[i].rate - 20e-6) <=
			    f->trend.rates[i].bound);
		assert_true(f->trend.rates[i].bound < 200e-9);
	}
	assert_false(f->curve.is_offset);
	assert_true(f->curve.most - f->curve.least < 40);
	assert_true(f->curve.has_bound);
	assert_true(f->curve.bound_ns == 40);
	/* White noise of 4.6 ns: sqrt(3) * 4.6 ns / tau. */
	assert_true(f->trend.tau_count >= 7);
	for (size_t i = 0; i < 5; i++) {
		const struct trend_tau *tau = &f->trend.taus[i];

		assert_true(fabs(tau->tau_ns / 1e8 / (1U << i) - 1) < 0.01);
		assert_true(fabs(tau->deviation * tau->tau_ns / 8.0 - 1) < 0.3);
	}
}

/* A jump of 1 s at a disruption shows in the offset, and nowhere else. */
static void check_disruption(void **state)
{
	struct fixture *f = *state;
	char *script;

	for (unsigned int i = 0; i < 400; i++) {
		const int64_t raw_ns = i * (SEC / 10);

		if (i == 200)
			fprintf(f->to,
				"jumped,,,,,,2,%" PRId64 ",,,%" PRId64 "\n",
				raw_ns, SEC);
		put(f, raw_ns, (i < 200 ? 0 : SEC) + noise(i), i < 200 ? 1 : 2,
		    NULL);
	}
	evaluate(f);
	assert_int_equal(f->trace.kinds[TRACE_DISRUPTION], 1);
	assert_int_equal(f->trace.mark_count, 1);
	assert_true(f->trace.marks[0].has_gap);
	assert_true(fabs(f->trend.rate) < 1e-9);
	for (size_t i = 0; i < f->trend.rate_count; i++)
		assert_true(fabs(f->trend.rates[i].rate) < 50e-9);
	for (size_t i = 0; i < f->trend.tau_count; i++)
		assert_true(f->trend.taus[i].deviation < 100e-9);
	assert_true(f->curve.most - f->curve.least > 0.99e9);
	script = draw(f, PICTURE_SVG);
	assert_non_null(strstr(script, "jumped +1 s"));
	assert_non_null(strstr(script, "title \"disruption (1)\""));
	assert_non_null(strstr(script, "set arrow from 20, graph 0"));
	free(script);
}

/* The same without a row that tells of it: by the epoch. */
static void check_epoch(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 400; i++)
		put(f, i * (SEC / 10), (i < 200 ? 0 : SEC) + noise(i),
		    i < 200 ? 1 : 2, NULL);
	evaluate(f);
	assert_int_equal(f->trace.kinds[TRACE_DISRUPTION], 1);
	assert_string_equal(f->trace.marks[0].name, "disruption");
	for (size_t i = 0; i < f->trend.tau_count; i++)
		assert_true(f->trend.taus[i].deviation < 100e-9);
}

/* Nobody knows what a kind means that a later version has. */
static void check_unknown_kind(void **state)
{
	struct fixture *f = *state;
	size_t begin, end = 0, runs = 0;

	put(f, SEC, 0, 1, NULL);
	fputs("teleported,,,,,,1,2000000000,,,\n", f->to);
	put(f, 3 * SEC, 0, 1, NULL);
	fputs("clock-set,,,,,,1,3000000000,,,\n", f->to);
	put(f, 4 * SEC, 0, 1, NULL);
	evaluate(f);
	while (trace_next_run(&f->trace, &begin, &end))
		runs++;
	assert_int_equal(runs, 2);
	assert_int_equal(f->trace.kinds[TRACE_DISRUPTION], 1);
	assert_int_equal(f->trace.kinds[TRACE_CLOCK_SET], 1);
}

static void check_not_valid(void **state)
{
	struct fixture *f = *state;
	char *script;

	put(f, SEC, 0, 1, NULL);
	fputs("reading,0,status,5,,,1,2000000000,,,\n"
	      "failed,0,eagain,,,,,3000000000,,,\n"
	      "failed,0,eagain,,,,,,,,\n",
	      f->to);
	put(f, 4 * SEC, 0, 1, NULL);
	fputs("reading,0,status,5,,,1,5000000000,,,\n", f->to);
	evaluate(f);
	assert_int_equal(f->trace.not_valid, 4);
	assert_int_equal(f->trace.span_count, 2);
	assert_true(f->trace.spans[0].from_ns == 2 * SEC);
	assert_true(f->trace.spans[0].to_ns == 3 * SEC);
	assert_true(f->trace.points[1].begins_run);
	script = draw(f, PICTURE_PNG);
	assert_non_null(strstr(script, "title \"not valid (4)\""));
	free(script);
}

/* The band is the host's only if each offset has a bound. */
static void check_band(void **state)
{
	static const struct {
		const char *first, *second;
		bool is_utc;
		double bound_ns;
	} bands[] = {
		{ "5000", "6000", true, 6000 },
		{ "5000", "", false, 40 },
		{ "", "", false, 40 },
	};
	struct fixture *f = *state;
	char *script;

	for (unsigned int i = 0; i < ARRAY_LEN(bands); i++) {
		if (i) {
			tear_down(state);
			assert_int_equal(set_up(state), 0);
			f = *state;
		}
		rewind(f->to);
		fprintf(f->to,
			HEAD "kind,valid,reason,host_ns,pair_error_ns,"
			     "clock_error_ns,epoch,monotonic_raw_ns,"
			     "uncertainty_ns,offset_ns,bound_ns\n"
			     "reading,1,ok,1,10,4960,1,1,30,0,%s\n"
			     "reading,1,ok,9,10,4960,1,9,30,0,%s\n",
			bands[i].first, bands[i].second);
		evaluate(f);
		assert_true(f->curve.is_offset);
		assert_int_equal(f->curve.is_utc, bands[i].is_utc);
		assert_true(f->curve.bound_ns == bands[i].bound_ns);
		script = draw(f, PICTURE_PNG);
		assert_non_null(strstr(script, bands[i].is_utc
						       ? "host's bound"
						       : "reading's bound"));
		free(script);
	}
}

/* An offset that hardly varies is shown from a round base. */
static void check_base(void **state)
{
	struct fixture *f = *state;
	char *script;

	for (unsigned int i = 0; i < 100; i++) {
		char offset[32];

		snprintf(offset, sizeof(offset), "%" PRId64,
			 12345678 + noise(i));
		put(f, i * SEC, 0, 1, offset);
	}
	evaluate(f);
	assert_true(f->curve.is_offset);
	assert_true(f->curve.base_ns == 12345660 ||
		    f->curve.base_ns == 12345680);
	assert_true(fabs(f->curve.most) < 40 && fabs(f->curve.least) < 40);
	script = draw(f, PICTURE_PNG);
	assert_non_null(strstr(script, "host UTC - CLOCK_REALTIME"));
	assert_non_null(strstr(script, "less +12345.6"));
	assert_non_null(strstr(script, "(ns)"));
	free(script);
}

/* Many readings become few points, which keep the extremes. */
static void check_thinning(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 20000; i++)
		put(f, i * (SEC / 100), i == 12345 ? 500 : noise(i), 1, NULL);
	evaluate(f);
	assert_true(f->curve.count <= 2 * (CURVE_COLUMNS + 1));
	assert_true(f->curve.count > CURVE_COLUMNS);
	assert_true(f->curve.most > 490 && f->curve.most < 510);
	for (size_t i = 1; i < f->curve.count; i++)
		assert_true(f->curve.points[i].raw_ns >
			    f->curve.points[i - 1].raw_ns);
	assert_true(f->trend.rate_count <= 128);
}

/* Nothing here may hang, or overflow. */
static void check_extremes(void **state)
{
	struct fixture *f = *state;

	put(f, 0, INT64_MIN, 1, "-9223372036854775808");
	put(f, 0, INT64_MAX, 1, "9223372036854775807");
	put(f, 1, INT64_MIN, 1, NULL);
	put(f, INT64_MAX - 1, 0, 1, "0");
	put(f, INT64_MAX, 0, 2, "-1");
	evaluate(f);
	free(draw(f, PICTURE_PNG));
}

static void check_many_marks(void **state)
{
	struct fixture *f = *state;

	for (unsigned int i = 0; i < 3000; i++) {
		put(f, i * SEC, 0, i + 1, NULL);
		fprintf(f->to, "reading,0,status,5,,,1,%" PRId64 ",,,\n",
			i * SEC + 1);
	}
	evaluate(f);
	assert_int_equal(f->trace.kinds[TRACE_DISRUPTION], 2999);
	assert_int_equal(f->trace.mark_count, TRACE_MARKS_MAX);
	assert_int_equal(f->trace.span_count, TRACE_SPANS_MAX);
	assert_int_equal(f->trend.tau_count, 0);
	free(draw(f, PICTURE_SVG));
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, set_up, tear_down)
	static const struct CMUnitTest others[] = {
		TEST(check_long_line), TEST(check_longer_line),
		TEST(check_cut),       TEST(check_empty),
		TEST(check_rate),      TEST(check_disruption),
		TEST(check_epoch),     TEST(check_unknown_kind),
		TEST(check_not_valid), TEST(check_base),
		TEST(check_band),      TEST(check_thinning),
		TEST(check_extremes),  TEST(check_many_marks),
	};
	struct CMUnitTest tests[ARRAY_LEN(refused) + ARRAY_LEN(others)] = { 0 };

	for (size_t i = 0; i < ARRAY_LEN(refused); i++) {
		tests[i].name = refused[i].name;
		tests[i].test_func = check_refused;
		tests[i].initial_state = &refused[i];
	}
	for (size_t i = 0; i < ARRAY_LEN(others); i++)
		tests[ARRAY_LEN(refused) + i] = others[i];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
