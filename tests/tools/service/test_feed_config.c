// SPDX-License-Identifier: MIT
/* The lines for chrony.conf, and the times that users write. */

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service/feed_config.h"
#include "service/feed_start.h"
#include "service/feed_time.h"
#include "utc.h"

#include "../../shared/rows.h"

#define SEC 1000000000LL

/* --- delay ---------------------------------------------------------------- */

struct delay_case {
	const char *name;
	uint64_t bound_ns;
	int64_t assumed_ns; /* -1: the host states a bound */
	int64_t delay_ns;
};

static const struct delay_case delays[] = {
	/* 2 x 1.25 x the bound, and up to two digits. */
	{ "delay: 1 ms", 1000000, -1, 2500000 },
	{ "delay: a little more than 1 ms", 1000001, -1, 2600000 },
	/* A us to spare at least. */
	{ "delay: 20 ns", 20, -1, 2100 },
	{ "delay: 4 us", 4000, -1, 10000 },
	{ "delay: exact", 0, -1, 2000 },
	{ "delay: 39 s", 39 * SEC, -1, 98 * SEC },
	/* What is assumed does not grow. */
	{ "delay: 1 s is assumed, and 20 ns measured", SEC + 20, SEC,
	  2100000000 },
	{ "delay: 1 s is assumed, and nothing measured", SEC, SEC, 2100000000 },
	{ "delay: more than fits", UINT64_MAX, -1, INT64_MAX },
	{ "delay: more than fits, and assumed", UINT64_MAX, SEC, INT64_MAX },
	{ "delay: almost more than fits", INT64_MAX / 4, -1,
	  5800000000000000000 },
};

static void check_delay(void **state)
{
	const struct delay_case *c = *state;
	const struct feed_sample sample = {
		.bound_ns = c->bound_ns,
		.has_bound = c->assumed_ns < 0,
	};
	int64_t got = feed_config_delay(
		&sample, c->assumed_ns < 0 ? SEC : c->assumed_ns);

	assert_int_equal(got, c->delay_ns);
	/* chronyd's bound holds the host's. */
	if (got != INT64_MAX)
		assert_true(feed_config_limit(got) >= c->bound_ns);
}

struct seconds_case {
	const char *name;
	uint64_t ns;
	const char *want;
};

static const struct seconds_case seconds[] = {
	{ "seconds: none", 0, "0" },
	{ "seconds: a ns", 1, "0.000000001" },
	{ "seconds: 2.6 ms", 2600000, "0.0026" },
	{ "seconds: ten", 10 * SEC, "10" },
	{ "seconds: the most", UINT64_MAX, "18446744073.709551615" },
};

static void check_seconds(void **state)
{
	const struct seconds_case *c = *state;
	char buf[32];

	assert_string_equal(feed_format_seconds(c->ns, buf, sizeof(buf)),
			    c->want);
}

/* --- the lines ------------------------------------------------------------ */

struct print_case {
	const char *name;
	const char *sock;
	int unit, poll;
	int64_t interval_ns, delay_ns;
	bool has_bound;
	const char *want; /* without the comments */
};

static const struct print_case prints[] = {
	{ "config: a socket", "/run/x.sock", -1, 2, SEC, -1, true,
	  "refclock SOCK /run/x.sock refid HOST poll 2 delay 0.0026 precision "
	  "0.000000031\n" },
	{ "config: no output is named", NULL, -1, 4, 4 * SEC, -1, true,
	  "refclock SOCK /run/chrony/paraclock.sock refid HOST poll 4 delay "
	  "0.0026 precision 0.000000031\n" },
	{ "config: shared memory", NULL, 3, 2, SEC, -1, true,
	  "refclock SHM 3 refid HSHM poll 2 dpoll 0 delay 0.0026 precision "
	  "0.000000031\n" },
	{ "config: shared memory, twice as often", NULL, 3, 1, SEC / 2, -1,
	  true,
	  "refclock SHM 3 refid HSHM poll 1 dpoll -1 delay 0.0026 precision "
	  "0.000000031\n" },
	{ "config: shared memory, seldom", NULL, 3, 5, 8 * SEC, -1, true,
	  "refclock SHM 3 refid HSHM poll 5 dpoll 3 delay 0.0026 precision "
	  "0.000000031\n" },
	{ "config: both", "/a", 0, 2, SEC, -1, true,
	  "refclock SOCK /a refid HOST poll 2 delay 0.0026 precision "
	  "0.000000031\n"
	  "refclock SHM 0 refid HSHM poll 2 dpoll 0 delay 0.0026 precision "
	  "0.000000031\n" },
	{ "config: a larger delay is stated", "/a", -1, 2, SEC, SEC / 2, true,
	  "refclock SOCK /a refid HOST poll 2 delay 0.5 precision "
	  "0.000000031\n" },
	{ "config: a delay that is too small is not printed", "/a", -1, 2, SEC,
	  5, true,
	  "refclock SOCK /a refid HOST poll 2 delay 0.0026 precision "
	  "0.000000031\n" },
};

static void check_print(void **state)
{
	const struct print_case *c = *state;
	const struct feed_options options = {
		.observer = { .source = { .backend = "vmclock" },
			      .interval_ns = c->interval_ns },
		.rules = { .assume_error_ns = SEC },
		.sock = c->sock,
		.unit = c->unit,
		.poll = c->poll,
		.delay_ns = c->delay_ns,
		.folder = FEED_FOLDER,
	};
	const struct feed_sample sample = {
		.bound_ns = 1000020,
		.precision_ns = 20,
		.spread_ns = 31,
		.has_bound = c->has_bound,
		.backend = "vmclock",
	};
	char *text = NULL, got[1024] = "";
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);

	assert_non_null(to);
	feed_config_print(to, &options, &sample);
	fclose(to);
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		assert_true(strlen(line) < 1000);
		if (line[0] != '#')
			strcat(strcat(got, line), "\n");
	}
	assert_string_equal(got, c->want);
	free(text);
}

/* --- the command ---------------------------------------------------------- */

static const char *printed(const struct feed_options *options)
{
	static char text[2048];
	const struct feed_sample sample = {
		.bound_ns = 1000020,
		.precision_ns = 20,
		.has_bound = true,
		.backend = "vmclock",
	};
	FILE *to = fmemopen(text, sizeof(text), "w");

	assert_non_null(to);
	feed_config_print(to, options, &sample);
	fclose(to);
	return text;
}

/* Whoever copies it gets the samples that the configuration is for. */
static void command_is_whole(void **unused)
{
	struct feed_options options = {
		.observer = { .source = { .backend = "kvmclock",
					  .device = "/tmp/a b'c\nd",
					  .flags =
						  PARACLOCK_DEVICE_FIXED_SIZE },
			      .interval_ns = 3 * SEC },
		.rules = { .has_start = true, .start_utc_ns = -5 },
		.sock = "/x",
		.unit = -1,
		.poll = 2,
		.delay_ns = -1,
		.chronyc_socket = "/run/c.sock",
		.no_reset = true,
		.folder = "/x y",
	};
	const char *text = printed(&options);

	(void)unused;
	assert_non_null(strstr(
		text, "# With it: paraclock feed -b kvmclock "
		      "-d '/tmp/a b'\\''c'$'\\012''d' --fixed-size "
		      "--start-utc 1969-12-31T23:59:59.999999995Z "
		      "--chrony-sock /x --poll 2 --interval 3 --delay 0.0026 "
		      "--chronyc-socket /run/c.sock --no-reset "
		      "--dir '/x y'\n"));
	assert_non_null(strstr(text, "every 3 s, 1 in a poll; chronyd before "
				     "4.7 needs 4:\n#   state a shorter"));
	options.observer.interval_ns = SEC;
	text = printed(&options);
	assert_non_null(strstr(text, " --poll 2 --delay "));
	assert_non_null(strstr(text, "every 1 s, 4 in a poll; chronyd before "
				     "4.7 needs 4.\n"));
}

/* --- times ---------------------------------------------------------------- */

struct time_case {
	const char *name;
	const char *text;
	int ret;
	int64_t ns;
};

static const struct time_case times[] = {
	{ "time: ns", "1790000000000000001", 0, 1790000000000000001 },
	{ "time: 1970", "0", 0, 0 },
	{ "time: the latest", "9223372036854775807", 0, INT64_MAX },
	{ "time: beyond it", "9223372036854775808", -EINVAL, 0 },
	{ "time: nothing", "", -EINVAL, 0 },
	{ "time: a sign", "-1", -EINVAL, 0 },
	{ "time: a space", " 1", -EINVAL, 0 },
	{ "time: seconds", "1.5", -EINVAL, 0 },
	{ "time: a date", "2026-09-21T14:13:20Z", 0, 1790000000 * SEC },
	{ "time: a date with decimals", "2026-09-21T14:13:20.25Z", 0,
	  1790000000 * SEC + SEC / 4 },
	{ "time: a date to the ns", "2026-09-21T14:13:20.000000001Z", 0,
	  1790000000 * SEC + 1 },
	{ "time: small letters", "2026-09-21t14:13:20z", 0, 1790000000 * SEC },
	{ "time: ten decimals", "2026-09-21T14:13:20.0000000001Z", -EINVAL, 0 },
	{ "time: a point alone", "2026-09-21T14:13:20.Z", -EINVAL, 0 },
	{ "time: not in UTC", "2026-09-21T14:13:20+02:00", -EINVAL, 0 },
	{ "time: no zone", "2026-09-21T14:13:20", -EINVAL, 0 },
	{ "time: 30 February", "2026-02-30T00:00:00Z", -EINVAL, 0 },
	{ "time: month 13", "2026-13-01T00:00:00Z", -EINVAL, 0 },
	{ "time: month 0", "2026-00-01T00:00:00Z", -EINVAL, 0 },
	{ "time: second 60", "2016-12-31T23:59:60Z", -EINVAL, 0 },
	{ "time: what follows", "2026-09-21T14:13:20Zx", -EINVAL, 0 },
	{ "time: one digit", "2026-9-21T14:13:20Z", -EINVAL, 0 },
	{ "time: the year 9999", "9999-01-01T00:00:00Z", -EINVAL, 0 },
	{ "time: the year 1000", "1000-01-01T00:00:00Z", -EINVAL, 0 },
	{ "time: before 1970", "1969-12-31T23:59:59.5Z", 0, -SEC / 2 },
};

static void check_time(void **state)
{
	const struct time_case *c = *state;
	int64_t got = 42, again = 42;
	char buf[UTC_TEXT];

	assert_int_equal(feed_parse_time(c->text, &got), c->ret);
	assert_int_equal(got, c->ret ? 42 : c->ns);
	if (c->ret)
		return;
	assert_int_equal(feed_parse_time(format_utc(got, false, buf), &again),
			 0);
	assert_int_equal(again, got);
}

/* --- a start that is void ------------------------------------------------- */

static void a_start_is_void_for_the_next_feed(void **state)
{
	char folder[] = "/tmp/feed-test-XXXXXX", path[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/start.void", folder);
	assert_false(feed_start_is_void(folder, 5));
	assert_int_equal(feed_start_set_void(folder, 5), 0);
	assert_true(feed_start_is_void(folder, 5));
	assert_false(feed_start_is_void(folder, 55));
	assert_false(feed_start_is_void(folder, -5));
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(folder), 0);
	assert_int_equal(feed_start_set_void(folder, 5), -ENOENT);
	assert_false(feed_start_is_void(folder, 5));
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("a start that is void is void for the next feed as well",
		     a_start_is_void_for_the_next_feed),
		TEST("config: the command that goes with it is whole",
		     command_is_whole),
	};

	ADD_ROWS(delays, check_delay);
	ADD_ROWS(seconds, check_seconds);
	ADD_ROWS(prints, check_print);
	ADD_ROWS(times, check_time);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
