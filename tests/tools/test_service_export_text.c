// SPDX-License-Identifier: MIT
/* The text of metrics, and what a client and a user write. */

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "export_address.h"
#include "export_text.h"

/* --- samples -------------------------------------------------------------- */

static const struct metric gauge = { "x_seconds", METRIC_GAUGE, "seconds",
				     "A gauge." };
static const struct metric counter = { "x", METRIC_COUNTER, NULL,
				       "A counter." };
static const struct metric info = { "x", METRIC_INFO, NULL, "Texts." };
static const struct metric stateset = { "x", METRIC_STATESET, NULL, "States." };
static const struct metric histogram = { "x_seconds", METRIC_HISTOGRAM,
					 "seconds", "A histogram." };

typedef void put_fn(struct text *text);

static void check_text(enum text_format format, put_fn *put, const char *want)
{
	char *got = NULL;
	size_t size;
	struct text text = { .to = open_memstream(&got, &size),
			     .format = format };

	put(&text);
	fclose(text.to);
	assert_string_equal(got, want);
	free(got);
}

static void put_gauge(struct text *text)
{
	text_begin(text, &gauge);
	text_put(text, NULL, 0, number_ns(-1500000001));
	text_end(text);
}

static void a_gauge_has_a_unit_in_openmetrics_only(void **state)
{
	(void)state;
	check_text(TEXT_OPENMETRICS, put_gauge,
		   "# TYPE x_seconds gauge\n"
		   "# UNIT x_seconds seconds\n"
		   "# HELP x_seconds A gauge.\n"
		   "x_seconds -1.500000001\n"
		   "# EOF\n");
	check_text(TEXT_PROMETHEUS, put_gauge,
		   "# TYPE x_seconds gauge\n"
		   "# HELP x_seconds A gauge.\n"
		   "x_seconds -1.500000001\n");
}

static void put_counter(struct text *text)
{
	text_begin(text, &counter);
	text_put(text, NULL, 0, number_count(UINT64_MAX));
}

static void put_info(struct text *text)
{
	const struct label labels[] = {
		{ "a", "1" }, { "b", NULL }, { "c", "" }, { "d", "2" }
	};

	text_begin(text, &info);
	text_put(text, labels, 4, number_count(1));
}

static void the_older_format_describes_samples(void **state)
{
	(void)state;
	check_text(TEXT_OPENMETRICS, put_counter,
		   "# TYPE x counter\n"
		   "# HELP x A counter.\n"
		   "x_total 18446744073709551615\n");
	check_text(TEXT_PROMETHEUS, put_counter,
		   "# TYPE x_total counter\n"
		   "# HELP x_total A counter.\n"
		   "x_total 18446744073709551615\n");
	check_text(TEXT_OPENMETRICS, put_info,
		   "# TYPE x info\n"
		   "# HELP x Texts.\n"
		   "x_info{a=\"1\",d=\"2\"} 1\n");
	check_text(TEXT_PROMETHEUS, put_info,
		   "# TYPE x_info gauge\n"
		   "# HELP x_info Texts.\n"
		   "x_info{a=\"1\",d=\"2\"} 1\n");
}

static void put_states(struct text *text)
{
	static const char *const names[] = { "on", "off" };
	const struct label label = { "b", "c" };
	const struct states states = { names, 2, 1 };

	text_begin(text, &stateset);
	text_put_states(text, &label, 1, &states);
}

static void one_state_is_true(void **state)
{
	(void)state;
	check_text(TEXT_OPENMETRICS, put_states,
		   "# TYPE x stateset\n"
		   "# HELP x States.\n"
		   "x{b=\"c\",x=\"on\"} 0\n"
		   "x{b=\"c\",x=\"off\"} 1\n");
	check_text(TEXT_PROMETHEUS, put_states,
		   "# TYPE x gauge\n"
		   "# HELP x States.\n"
		   "x{b=\"c\",x=\"on\"} 0\n"
		   "x{b=\"c\",x=\"off\"} 1\n");
}

static void put_hostile(struct text *text)
{
	const struct label label = { "a",
				     "q\" b\\ n\n r\r t\t \x01\x7f \xc3\xa9" };

	text->metric = &counter;
	text_put(text, &label, 1, number_count(0));
}

static void values_of_labels_are_escaped(void **state)
{
	(void)state;
	check_text(TEXT_OPENMETRICS, put_hostile,
		   "x_total{a=\"q\\\" b\\\\ n\\n r? t? ?? \xc3\xa9\"} 0\n");
}

static void put_numbers(struct text *text)
{
	text->metric = &gauge;
	text_put(text, NULL, 0, number_ns(INT64_MIN));
	text_put(text, NULL, 0, number_ns(INT64_MAX));
	text_put(text, NULL, 0, number_ns(0));
	text_put(text, NULL, 0, number_ns(-1));
	text_put(text, NULL, 0, number_unsigned_ns(UINT64_MAX));
	text_put(text, NULL, 0, number_ratio(-1.5e-9));
	text_put(text, NULL, 0, number_ratio(0));
}

static void no_digit_of_a_number_is_lost(void **state)
{
	(void)state;
	check_text(TEXT_PROMETHEUS, put_numbers,
		   "x_seconds -9223372036.854775808\n"
		   "x_seconds 9223372036.854775807\n"
		   "x_seconds 0.000000000\n"
		   "x_seconds -0.000000001\n"
		   "x_seconds 18446744073.709551615\n"
		   "x_seconds -1.500000000e-09\n"
		   "x_seconds 0.000000000e+00\n");
}

static void put_histogram(struct text *text)
{
	const struct label label = { "b", "c" };
	struct histogram h = { 0 };

	histogram_add(&h, 0);
	histogram_add(&h, 50);
	histogram_add(&h, 51);
	histogram_add(&h, 1000000);
	histogram_add(&h, 10000000);
	histogram_add(&h, 10000001);
	histogram_add(&h, 4000000000);
	text_begin(text, &histogram);
	text_put_histogram(text, &label, 1, &h);
}

static void buckets_are_cumulated(void **state)
{
	(void)state;
	check_text(TEXT_OPENMETRICS, put_histogram,
		   "# TYPE x_seconds histogram\n"
		   "# UNIT x_seconds seconds\n"
		   "# HELP x_seconds A histogram.\n"
		   "x_seconds_bucket{b=\"c\",le=\"5e-08\"} 2\n"
		   "x_seconds_bucket{b=\"c\",le=\"1e-07\"} 3\n"
		   "x_seconds_bucket{b=\"c\",le=\"2e-07\"} 3\n"
		   "x_seconds_bucket{b=\"c\",le=\"5e-07\"} 3\n"
		   "x_seconds_bucket{b=\"c\",le=\"1e-06\"} 3\n"
		   "x_seconds_bucket{b=\"c\",le=\"1e-05\"} 3\n"
		   "x_seconds_bucket{b=\"c\",le=\"0.0001\"} 3\n"
		   "x_seconds_bucket{b=\"c\",le=\"0.001\"} 4\n"
		   "x_seconds_bucket{b=\"c\",le=\"0.01\"} 5\n"
		   "x_seconds_bucket{b=\"c\",le=\"+Inf\"} 7\n"
		   "x_seconds_sum{b=\"c\"} 4.021000102\n"
		   "x_seconds_count{b=\"c\"} 7\n");
}

/* --- addresses ------------------------------------------------------------ */

struct address_case {
	const char *name;
	const char *text;
	const char *want; /* NULL: refused */
};

static struct address_case address_cases[] = {
	/* clang-format off */
	{ "an address and a port", "192.0.2.1:80", "192.0.2.1:80" },
	{ "an address has the default port", "192.0.2.1", "192.0.2.1:10319" },
	{ "all addresses, if that is said", "0.0.0.0:1", "0.0.0.0:1" },
	{ "a port is on the loopback address", "9999", "127.0.0.1:9999" },
	{ "a port after a colon too", ":9999", "127.0.0.1:9999" },
	{ "localhost is the loopback address", "localhost:1", "127.0.0.1:1" },
	{ "localhost without a port", "localhost", "127.0.0.1:10319" },
	{ "any port that is free", "0", "127.0.0.1:0" },
	{ "IPv6 in brackets, with a port", "[::1]:65535", "[::1]:65535" },
	{ "IPv6 in brackets", "[2001:db8::1]", "[2001:db8::1]:10319" },
	{ "IPv6 without brackets", "::1", "[::1]:10319" },
	{ "all IPv6 addresses", "[::]:1", "[::]:1" },
	{ "nothing", "", NULL },
	{ "only a colon", ":", NULL },
	{ "an empty port", "127.0.0.1:", NULL },
	{ "a port that is too large", "127.0.0.1:65536", NULL },
	{ "a port of six digits", "127.0.0.1:000001", NULL },
	{ "a port with a sign", "127.0.0.1:+80", NULL },
	{ "a port with a space", "127.0.0.1: 80", NULL },
	{ "a port by name", "127.0.0.1:http", NULL },
	{ "a name of the network", "example.org:80", NULL },
	{ "an address that is too short", "127.1:80", NULL },
	{ "an address with too large a part", "256.0.0.1", NULL },
	{ "brackets that do not close", "[::1", NULL },
	{ "brackets with nothing in them", "[]:80", NULL },
	{ "text after brackets", "[::1]80", NULL },
	{ "an empty port after brackets", "[::1]:", NULL },
	{ "IPv4 in brackets", "[127.0.0.1]:80", NULL },
	{ "IPv6 with a port and no brackets is ambiguous", "g::1:80", NULL },
	{ "an address with a zone", "[fe80::1%lo]:80", NULL },
	{ "a text that is too long",
	  "[0000000000000000000000000000000000000000000000000000000000000000000"
	  "00000000000000000000000000000000000000001]:80", NULL },
	/* clang-format on */
};

static void check_address(void **state)
{
	const struct address_case *c = *state;
	struct export_address address, untouched;
	char got[80];

	memset(&address, 0x5a, sizeof(address));
	untouched = address;
	assert_int_equal(address_parse(c->text, &address),
			 c->want ? 0 : -EINVAL);
	if (!c->want) {
		assert_memory_equal(&address, &untouched, sizeof(address));
		return;
	}
	address_format(&address, got, sizeof(got));
	assert_string_equal(got, c->want);
}

/* --- Accept --------------------------------------------------------------- */

struct accept_case {
	const char *name;
	const char *accept;
	enum text_format want;
};

static struct accept_case accept_cases[] = {
	/* clang-format off */
	{ "no header", NULL, TEXT_PROMETHEUS },
	{ "an empty header", "", TEXT_PROMETHEUS },
	{ "anything", "*/*", TEXT_PROMETHEUS },
	{ "a browser's", "text/html,application/xml;q=0.9,*/*;q=0.8",
	  TEXT_PROMETHEUS },
	{ "Prometheus'",
	  "application/openmetrics-text;version=1.0.0,application/"
	  "openmetrics-text;version=0.0.1;q=0.75,text/plain;version=0.0.4;q=0.5,"
	  "*/*;q=0.1", TEXT_OPENMETRICS },
	{ "it comes last", "text/plain;q=0.5, application/openmetrics-text",
	  TEXT_OPENMETRICS },
	{ "in capitals", "Application/OpenMetrics-Text; Q=0.1",
	  TEXT_OPENMETRICS },
	{ "not wanted", "application/openmetrics-text;q=0", TEXT_PROMETHEUS },
	{ "not wanted, with decimals",
	  "application/openmetrics-text; version=1.0.0; q=0.000, */*",
	  TEXT_PROMETHEUS },
	{ "hardly wanted", "application/openmetrics-text;q=0.001",
	  TEXT_OPENMETRICS },
	{ "an empty quality", "application/openmetrics-text;q=",
	  TEXT_OPENMETRICS },
	{ "a longer name", "application/openmetrics-text-2", TEXT_PROMETHEUS },
	{ "a shorter name", "application/openmetrics", TEXT_PROMETHEUS },
	{ "commas alone", ",,, ,", TEXT_PROMETHEUS },
	/* clang-format on */
};

static void check_accept(void **state)
{
	const struct accept_case *c = *state;

	assert_int_equal(accept_format(c->accept), c->want);
}

#define CASES(cases) (sizeof(cases) / sizeof((cases)[0]))

int main(void)
{
	const struct CMUnitTest plain[] = {
		cmocka_unit_test(a_gauge_has_a_unit_in_openmetrics_only),
		cmocka_unit_test(the_older_format_describes_samples),
		cmocka_unit_test(one_state_is_true),
		cmocka_unit_test(values_of_labels_are_escaped),
		cmocka_unit_test(no_digit_of_a_number_is_lost),
		cmocka_unit_test(buckets_are_cumulated),
	};
	struct CMUnitTest tests[CASES(plain) + CASES(address_cases) +
				CASES(accept_cases)] = { 0 };
	size_t n = 0;

	for (size_t i = 0; i < CASES(plain); i++)
		tests[n++] = plain[i];
	for (size_t i = 0; i < CASES(address_cases); i++)
		tests[n++] = (struct CMUnitTest){
			.name = address_cases[i].name,
			.test_func = check_address,
			.initial_state = &address_cases[i],
		};
	for (size_t i = 0; i < CASES(accept_cases); i++)
		tests[n++] = (struct CMUnitTest){
			.name = accept_cases[i].name,
			.test_func = check_accept,
			.initial_state = &accept_cases[i],
		};
	return cmocka_run_group_tests_name("export's text", tests, NULL, NULL);
}
