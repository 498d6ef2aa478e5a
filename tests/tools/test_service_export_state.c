// SPDX-License-Identifier: MIT
/* What an exporter makes of state files, and of a row of measurements. */

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "duration.h"
#include "export_source.h"
#include "export_state.h"
#include "writer.h"

/* --- files ---------------------------------------------------------------- */

/* The first members of a state of the process that is there. */
static const char *own(void)
{
	static char text[80];

	snprintf(text, sizeof(text),
		 "{\"pid\":%d,\"started_ticks\":%" PRIu64 ",", (int)getpid(),
		 writer_started_ticks());
	return text;
}

/* These members follow. */
static struct export_service parse(const char *members)
{
	struct export_service service;
	char text[4096];

	snprintf(text, sizeof(text), "%s%s", own(), members);
	memset(&service, 0x5a, sizeof(service));
	export_state_parse(text, strlen(text), &service);
	return service;
}

static void a_keep(void **state)
{
	const struct export_service s = parse(
		"\"realtime_ns\":1795969543467279185,"
		"\"state\":\"off\",\"why\":\"max-step\",\"backend\":\"phc\","
		"\"offset_ns\":-5,\"bound_ns\":7,\"has_bound\":true,"
		"\"corrections\":3,\"unheard\":[{}]}");

	(void)state;
	assert_int_equal(s.state, EXPORT_OFF);
	assert_true(export_is_up(&s));
	assert_string_equal(s.why, "max-step");
	assert_string_equal(s.backend, "phc");
	assert_string_equal(s.timescale, "");
	assert_true(s.offset_ns.is_known && s.offset_ns.value == -5);
	assert_true(s.bound_ns.is_known && s.bound_ns.value == 7);
	assert_true(s.updated_ns.value == 1795969543467279185);
	assert_true(s.corrections.is_known && s.corrections.value == 3);
	assert_false(s.disruptions.is_known);
	assert_false(s.samples.is_known);
	assert_int_equal(s.status, EXPORT_STATUSES);
	assert_int_equal(s.output_count, 0);
}

static void a_feed(void **state)
{
	const struct export_service s = parse(
		"\"state\":\"feeding\",\"why\":null,"
		"\"offset_ns\":null,\"bound_ns\":9,\"has_bound\":false,"
		"\"disruptions\":2,\"samples\":11,\"printed_bound_ns\":500,"
		"\"outputs\":[{\"kind\":\"chrony-sock\",\"target\":\"/a\","
		"\"connected\":true,\"delivered\":9,\"failed\":2},"
		"{\"kind\":\"ntp-shm\",\"target\":\"2\",\"connected\":false}]"
		"}");

	(void)state;
	assert_int_equal(s.state, EXPORT_FEEDING);
	assert_string_equal(s.why, "");
	assert_false(s.offset_ns.is_known);
	/* The host's own error is not in it. */
	assert_false(s.bound_ns.is_known);
	assert_int_equal(s.disruptions.value, 2);
	assert_int_equal(s.samples.value, 11);
	assert_int_equal(s.printed_bound_ns.value, 500);
	assert_int_equal(s.output_count, 2);
	assert_string_equal(s.outputs[0].kind, "chrony-sock");
	assert_string_equal(s.outputs[0].target, "/a");
	assert_true(s.outputs[0].is_connected);
	assert_int_equal(s.outputs[0].delivered.value, 9);
	assert_int_equal(s.outputs[0].failed.value, 2);
	assert_false(s.outputs[1].is_connected);
	assert_false(s.outputs[1].delivered.is_known);
}

static void a_serve(void **state)
{
	const struct export_service s =
		parse("\"state\":\"serving\",\"status\":"
		      "\"freerunning\",\"publications\":5,\"page\":\"/p\","
		      "\"clockbound\":null,\"timescale\":\"tai\"}");

	(void)state;
	assert_int_equal(s.state, EXPORT_SERVING);
	assert_string_equal(export_status_names[s.status], "freerunning");
	assert_int_equal(s.publications.value, 5);
	assert_string_equal(s.page, "/p");
	assert_string_equal(s.clockbound, "");
	assert_string_equal(s.timescale, "tai");
}

static void a_state_of_a_later_version(void **state)
{
	(void)state;
	assert_int_equal(parse("\"state\":\"dancing\"}").state, EXPORT_OTHER);
	/* No service calls itself absent. */
	assert_int_equal(parse("\"state\":\"absent\"}").state, EXPORT_OTHER);
	assert_int_equal(parse("\"state\":\"off\",\"status\":\"x\"}").status,
			 EXPORT_STATUSES);
}

static void a_process_that_is_gone_says_nothing(void **state)
{
	const pid_t pid = fork();
	struct export_service s;
	char text[128];

	(void)state;
	if (pid == 0)
		_exit(0);
	assert_true(pid > 0);
	waitpid(pid, NULL, 0);
	snprintf(text, sizeof(text),
		 "{\"pid\":%d,\"state\":\"right\",\"offset_ns\":1}", (int)pid);
	export_state_parse(text, strlen(text), &s);
	assert_int_equal(s.state, EXPORT_GONE);
	assert_false(export_is_up(&s));
	assert_false(s.offset_ns.is_known);
}

/* It was started at another time, or nobody knows when. */
static void another_process_with_its_number_says_nothing(void **state)
{
	struct export_service s;
	char text[160];

	(void)state;
	snprintf(text, sizeof(text),
		 "{\"pid\":%d,\"started_ticks\":%" PRIu64
		 ",\"state\":\"right\",\"offset_ns\":1}",
		 (int)getpid(), writer_started_ticks() - 1);
	export_state_parse(text, strlen(text), &s);
	assert_int_equal(s.state, EXPORT_GONE);
	assert_false(s.offset_ns.is_known);
	snprintf(text, sizeof(text),
		 "{\"pid\":%d,\"state\":\"right\",\"offset_ns\":1}",
		 (int)getpid());
	export_state_parse(text, strlen(text), &s);
	assert_int_equal(s.state, EXPORT_GONE);
	assert_false(s.offset_ns.is_known);
}

struct hostile_case {
	const char *name;
	const char *text;
	enum export_service_state want;
};

static struct hostile_case hostile_cases[] = {
	/* clang-format off */
	{ "no JSON", "right", EXPORT_MALFORMED },
	{ "nothing", "", EXPORT_MALFORMED },
	{ "half an object", "{\"pid\":1,\"state\":\"right\"", EXPORT_MALFORMED },
	{ "two objects", "{\"pid\":1,\"state\":\"off\"}{}", EXPORT_MALFORMED },
	{ "an array", "[1]", EXPORT_MALFORMED },
	{ "no process", "{\"state\":\"right\"}", EXPORT_MALFORMED },
	{ "a process by name", "{\"pid\":\"1\",\"state\":\"right\"}",
	  EXPORT_MALFORMED },
	{ "no state", "{\"pid\":1}", EXPORT_MALFORMED },
	{ "a state that is a number", "{\"pid\":1,\"state\":2}",
	  EXPORT_MALFORMED },
	{ "all processes", "{\"pid\":-1,\"state\":\"right\"}", EXPORT_GONE },
	{ "its own group", "{\"pid\":0,\"state\":\"right\"}", EXPORT_GONE },
	{ "a process number that is cut to 1",
	  "{\"pid\":4294967297,\"state\":\"right\"}", EXPORT_GONE },
	{ "a number beyond 64 bits",
	  "{\"pid\":1,\"state\":\"right\",\"offset_ns\":99999999999999999999}",
	  EXPORT_MALFORMED },
	{ "bytes that are not UTF-8", "{\"pid\":1,\"state\":\"\xff\"}",
	  EXPORT_MALFORMED },
	/* clang-format on */
};

static void check_hostile(void **state)
{
	const struct hostile_case *c = *state;
	struct export_service s;

	export_state_parse(c->text, strlen(c->text), &s);
	assert_int_equal(s.state, c->want);
	assert_false(export_is_up(&s));
	assert_string_equal(s.why, "");
	assert_int_equal(s.output_count, 0);
}

static void members_that_are_not_what_they_should_be(void **state)
{
	const struct export_service s =
		parse("\"state\":\"right\",\"why\":7,"
		      "\"offset_ns\":\"1\",\"bound_ns\":-1,\"has_bound\":true,"
		      "\"disruptions\":-2,\"corrections\":1.5,\"samples\":true,"
		      "\"realtime_ns\":-5,\"status\":3,\"outputs\":{\"a\":1}}");

	(void)state;
	assert_int_equal(s.state, EXPORT_RIGHT);
	assert_string_equal(s.why, "");
	assert_false(s.offset_ns.is_known);
	assert_false(s.bound_ns.is_known);
	assert_false(s.disruptions.is_known);
	assert_false(s.corrections.is_known);
	assert_false(s.samples.is_known);
	assert_false(s.updated_ns.is_known);
	assert_int_equal(s.status, EXPORT_STATUSES);
	assert_int_equal(s.output_count, 0);
}

/* Cut inside no character; and what is then the same is there once. */
static void long_texts_and_many_outputs(void **state)
{
	struct export_service s;
	char *text = NULL;
	size_t size;
	FILE *to = open_memstream(&text, &size);

	(void)state;
	fprintf(to, "%s\"state\":\"off\",\"why\":\"", own());
	for (int i = 0; i < 100; i++)
		fputs("\xe2\x82\xac", to);
	fputs("\",\"outputs\":[1,null,[],{},{\"kind\":\"\"}", to);
	for (int i = 0; i < 100; i++)
		fprintf(to, ",{\"kind\":\"k\",\"target\":\"%0300d\"}", i);
	for (int i = 0; i < 100; i++)
		fprintf(to, ",{\"kind\":\"k%d\"}", i);
	fputs("]}", to);
	fclose(to);
	export_state_parse(text, size, &s);
	free(text);
	assert_int_equal(s.state, EXPORT_OFF);
	assert_int_equal(strlen(s.why), 63);
	assert_int_equal(s.output_count, EXPORT_OUTPUTS);
	assert_int_equal(strlen(s.outputs[0].target), 255);
	assert_string_equal(s.outputs[1].kind, "k0");
	assert_string_equal(s.outputs[1].target, "");
}

/* --- what is in the place of a file ---------------------------------------- */

struct folder {
	char name[64];
	char folder[80];
	char path[96];
};

static int setup(void **state)
{
	static struct folder f;

	strcpy(f.name, "/tmp/paraclock-export-XXXXXX");
	if (!mkdtemp(f.name))
		return -1;
	snprintf(f.folder, sizeof(f.folder), "%s/feed", f.name);
	snprintf(f.path, sizeof(f.path), "%s/feed.json", f.folder);
	*state = &f;
	return mkdir(f.folder, 0700);
}

static int teardown(void **state)
{
	const struct folder *f = *state;

	unlink(f->path);
	rmdir(f->path);
	rmdir(f->folder);
	return rmdir(f->name);
}

static enum export_service_state load(const struct folder *f)
{
	struct export_service s;

	export_state_load(f->name, EXPORT_FEED, &s);
	return s.state;
}

static void write_file(const char *path, size_t spaces)
{
	FILE *to = fopen(path, "w");

	fprintf(to, "%s\"state\":\"right\"}%*s", own(), (int)spaces, "");
	fclose(to);
}

static void only_a_file_of_some_size_is_read(void **state)
{
	const struct folder *f = *state;
	struct export_service s;

	assert_int_equal(load(f), EXPORT_ABSENT);
	write_file(f->path, 0);
	assert_int_equal(load(f), EXPORT_RIGHT);
	write_file(f->path, 1 << 20);
	assert_int_equal(load(f), EXPORT_MALFORMED);
	assert_int_equal(truncate(f->path, 0), 0);
	assert_int_equal(load(f), EXPORT_MALFORMED);
	unlink(f->path);
	/* Nobody ever writes to this one. */
	assert_int_equal(mkfifo(f->path, 0600), 0);
	assert_int_equal(load(f), EXPORT_MALFORMED);
	unlink(f->path);
	assert_int_equal(symlink("/dev/zero", f->path), 0);
	assert_int_equal(load(f), EXPORT_MALFORMED);
	unlink(f->path);
	assert_int_equal(mkdir(f->path, 0700), 0);
	assert_int_equal(load(f), EXPORT_MALFORMED);
	export_state_load("/dev/null", EXPORT_KEEP, &s);
	assert_int_equal(s.state, EXPORT_ABSENT);
}

/* --- the rate ------------------------------------------------------------- */

#define SECOND NSEC_PER_SEC

struct rate_step {
	int64_t raw_ns, host_ns;
	uint64_t epoch;
	uint8_t timescale;
	uint32_t flags;
	int16_t tai_offset_sec;
	bool want; /* a rate */
	double rate;
};

struct rate_case {
	const char *name;
	struct rate_step steps[4];
};

#define UTC	PARACLOCK_TIMESCALE_UTC
#define SMEARED PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED
#define MONO	PARACLOCK_TIMESCALE_MONOTONIC
#define TAI	PARACLOCK_FLAG_TAI_OFFSET

static struct rate_case rate_cases[] = {
	/* clang-format off */
	{ "the host runs 1 ppm faster", {
		{ 0, 5, 1, MONO, 0, 0, false, 0 },
		{ 10 * SECOND, 10 * SECOND + 10005, 1, MONO, 0, 0, true, 1e-6 },
	} },
	{ "the host runs slower, over less than a second", {
		{ 0, 0, 1, MONO, 0, 0, false, 0 },
		{ SECOND - 1, 0, 1, MONO, 0, 0, false, 0 },
		{ 2 * SECOND, SECOND, 1, MONO, 0, 0, true, -0.5 },
	} },
	{ "a disruption begins anew", {
		{ 0, 0, 1, MONO, 0, 0, false, 0 },
		{ 10 * SECOND, 99 * SECOND, 2, MONO, 0, 0, false, 0 },
		{ 20 * SECOND, 109 * SECOND, 2, MONO, 0, 0, true, 0 },
	} },
	{ "another timescale begins anew", {
		{ 0, 0, 1, MONO, 0, 0, false, 0 },
		{ 10 * SECOND, 99 * SECOND, 1, UTC, 0, 0, false, 0 },
	} },
	{ "the kernel's clock went back", {
		{ 10 * SECOND, 0, 1, MONO, 0, 0, false, 0 },
		{ 0, 10 * SECOND, 1, MONO, 0, 0, false, 0 },
		{ 2 * SECOND, 12 * SECOND, 1, MONO, 0, 0, true, 0 },
	} },
	{ "a leap second with its offset is no change of rate", {
		{ 0, 0, 1, UTC, TAI, 37, false, 0 },
		{ 10 * SECOND, 9 * SECOND, 1, UTC, TAI, 38, true, 0 },
	} },
	{ "a second without an offset may be a leap second", {
		{ 0, 0, 1, UTC, 0, 0, false, 0 },
		{ 10 * SECOND, 9 * SECOND + 100, 1, UTC, 0, 0, false, 0 },
		{ 20 * SECOND, 19 * SECOND + 100, 1, UTC, 0, 0, true, 0 },
	} },
	{ "a second of what may be smeared, too", {
		{ 0, 0, 1, SMEARED, 0, 0, false, 0 },
		{ 10 * SECOND, 11 * SECOND, 1, SMEARED, 0, 0, false, 0 },
	} },
	{ "a second of a clock that has no leap seconds is a rate", {
		{ 0, 0, 1, MONO, 0, 0, false, 0 },
		{ 10 * SECOND, 11 * SECOND, 1, MONO, 0, 0, true, 0.1 },
	} },
	{ "after a while the rate is measured from a later point", {
		{ 0, 0, 1, MONO, 0, 0, false, 0 },
		{ 30 * SECOND, 30 * SECOND, 1, MONO, 0, 0, true, 0 },
		{ 60 * SECOND, 60 * SECOND, 1, MONO, 0, 0, true, 0 },
		{ 70 * SECOND, 74 * SECOND, 1, MONO, 0, 0, true, 0.1 },
	} },
	{ "times that differ by more than 64 bits", {
		{ INT64_MIN, INT64_MAX, 1, MONO, 0, 0, false, 0 },
		{ INT64_MAX, INT64_MIN, 1, MONO, 0, 0, false, 0 },
	} },
	{ "an offset that does not fit", {
		{ 0, INT64_MAX, 1, UTC, TAI, 37, false, 0 },
		{ 10 * SECOND, INT64_MAX, 1, UTC, TAI, 37, false, 0 },
	} },
	/* clang-format on */
};

static void check_rate(void **state)
{
	const struct rate_case *c = *state;
	struct export_source data = { 0 };
	struct export_follower follower = { .data = &data };

	for (size_t i = 0; i < 4 && c->steps[i].timescale; i++) {
		const struct rate_step *step = &c->steps[i];
		const struct measurement m = {
			.sample = {
				.host_ns = step->host_ns,
				.epoch = step->epoch,
				.timescale = step->timescale,
				.flags = step->flags,
				.tai_offset_sec = step->tai_offset_sec,
				.clock_error_ns = 1000,
			},
			.raw_ns = step->raw_ns,
			.bound_ns = 1010,
			.has_bound = true,
		};

		assert_int_equal(rate_update(&follower, &m), step->want);
		if (!step->want)
			continue;
		assert_true(fabs(data.rate - step->rate) < 1e-12);
		/* The host's own error, which both have, is not in it. */
		assert_true(data.rate_bound > 0 && data.rate_bound <= 20e-9);
	}
}

#define CASES(cases) (sizeof(cases) / sizeof((cases)[0]))

int main(void)
{
	const struct CMUnitTest plain[] = {
		cmocka_unit_test(a_keep),
		cmocka_unit_test(a_feed),
		cmocka_unit_test(a_serve),
		cmocka_unit_test(a_state_of_a_later_version),
		cmocka_unit_test(a_process_that_is_gone_says_nothing),
		cmocka_unit_test(another_process_with_its_number_says_nothing),
		cmocka_unit_test(members_that_are_not_what_they_should_be),
		cmocka_unit_test(long_texts_and_many_outputs),
		cmocka_unit_test_setup_teardown(
			only_a_file_of_some_size_is_read, setup, teardown),
	};
	struct CMUnitTest tests[CASES(plain) + CASES(hostile_cases) +
				CASES(rate_cases)] = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < CASES(plain); i++)
		tests[n++] = plain[i];
	for (size_t i = 0; i < CASES(hostile_cases); i++)
		tests[n++] = (struct CMUnitTest){
			.name = hostile_cases[i].name,
			.test_func = check_hostile,
			.initial_state = &hostile_cases[i],
		};
	for (size_t i = 0; i < CASES(rate_cases); i++)
		tests[n++] = (struct CMUnitTest){
			.name = rate_cases[i].name,
			.test_func = check_rate,
			.initial_state = &rate_cases[i],
		};
	return cmocka_run_group_tests_name("export's state", tests, NULL, NULL);
}
