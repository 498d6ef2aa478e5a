// SPDX-License-Identifier: MIT
/* Names of values: what scripts and manual pages spell. */

#include <limits.h>

#include "fake.h"

struct name_case {
	const char *name;
	const char *(*of)(unsigned int value);
	const char *want[12]; /* From 0 on; NULL at the end. */
};

static struct name_case cases[] = {
	{ "timescales have names",
	  paraclock_timescale_name,
	  { "unknown", "monotonic", "utc", "tai", "utc-maybe-smeared" } },
	{ "counters have names",
	  paraclock_counter_name,
	  { "none", "x86-tsc", "arm-vcnt" } },
	{ "reasons have names",
	  paraclock_reason_name,
	  { "ok", "host-clock", "unstable", "sequence", "status", "counter",
	    "window", "wide", "disrupted", "implausible" } },
	{ "marker classes have names",
	  paraclock_marker_class_name,
	  { "none", "heuristic", "authoritative" } },
	{ "leap states have names",
	  paraclock_leap_name,
	  { "none", "pre-pos", "pre-neg", "pos", "post-pos", "post-neg" } },
};

static void check_names(void **state)
{
	static const unsigned int beyond[] = {
		64, 254, 255, 256, 65536, 0x7fffffff, 0x80000000, 0xffffffff,
	};
	const struct name_case *c = *state;
	unsigned int value = 0;

	for (; c->want[value]; value++)
		assert_string_equal(c->of(value), c->want[value]);
	assert_string_equal(c->of(value), "unknown");
	for (size_t i = 0; i < ARRAY_LEN(beyond); i++)
		assert_string_equal(c->of(beyond[i]), "unknown");
}

static const struct {
	int error;
	const char *name;
} errors[] = {
	{ 0, "OK" },
	{ -EACCES, "EACCES" },
	{ -EAGAIN, "EAGAIN" },
	{ -EINVAL, "EINVAL" },
	{ -EIO, "EIO" },
	{ -ENODEV, "ENODEV" },
	{ -ENOMEM, "ENOMEM" },
	{ -EOPNOTSUPP, "EOPNOTSUPP" },
	{ -EPROTO, "EPROTO" },
	{ -ERANGE, "ERANGE" },
	{ -ESTALE, "ESTALE" },
	{ -ETIMEDOUT, "ETIMEDOUT" },
	{ EINVAL, "unknown" },
	{ 1, "unknown" },
	{ -ENOENT, "unknown" },
	{ -4095, "unknown" },
	{ INT_MAX, "unknown" },
	{ INT_MIN, "unknown" },
};

static void errors_have_names(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(errors); i++)
		assert_string_equal(paraclock_error_name(errors[i].error),
				    errors[i].name);
}

static void the_version_is_three_numbers(void **state)
{
	const char *at = paraclock_version();
	unsigned int parts = 0;

	(void)state;
	for (; parts < 3; parts++) {
		size_t digits = strspn(at, "0123456789");

		assert_in_range(digits, 1, 5);
		at += digits;
		if (*at != '.')
			break;
		at++;
	}
	assert_int_equal(parts, 2);
	assert_string_equal(at, "");
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		TEST("errors have names", errors_have_names),
		TEST("the version is three numbers",
		     the_version_is_three_numbers),
	};

	ADD_TESTS(others);
	ADD_ROWS(cases, check_names);
	return run_suite(NULL, NULL);
}
