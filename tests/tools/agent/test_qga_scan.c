// SPDX-License-Identifier: MIT
/* Where requests end, and which they are. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "qga_scan.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
/* A text may hold a NUL. */
#define T(text) text, sizeof(text) - 1

/* The answers: '.' more, '}' end, ' ' space, '^' sentinel, '!' bad; only what is
 * not '.' is written down, with the command after an end. */
struct scan_case {
	const char *name;
	const char *text;
	size_t size;
	const char *want;
};

static struct scan_case cases[] = {
	/* clang-format off */
	{ "an object is a request", T("{\"execute\":\"guest-ping\"}"), "}1" },
	{ "no newline has to stand between two",
	  T("{\"execute\":\"guest-ping\"}{\"execute\":\"guest-get-time\"}"),
	  "}1}5" },
	{ "newlines may stand within",
	  T("{\n\"execute\"\n:\n\"guest-info\"\n}\n"), "}4 " },
	{ "space between requests is told", T(" \t{}\r\n"), "  }0  " },
	{ "an unknown command is another's", T("{\"execute\":\"guest-exec\"}"),
	  "}0" },
	{ "a name that only begins like ours is another's",
	  T("{\"execute\":\"guest-set-time2\"}{\"execute\":\"guest-set-tim\"}"),
	  "}0}0" },
	{ "a long name is another's",
	  T("{\"execute\":\"guest-set-timeguest-set-timeguest-set-time\"}"),
	  "}0" },
	{ "arguments may come first",
	  T("{\"arguments\":{\"time\":1},\"execute\":\"guest-set-time\"}"),
	  "}6" },
	{ "only the outermost object names a command",
	  T("{\"arguments\":{\"execute\":\"guest-set-time\"}}"), "}0" },
	{ "a command in an array is none",
	  T("{\"execute\":[\"guest-set-time\"]}"), "}0" },
	{ "a value that is called execute is no key",
	  T("{\"id\":\"execute\",\"x\":\"guest-set-time\"}"), "}0" },
	{ "of two names ours counts, if it is first",
	  T("{\"execute\":\"guest-set-time\",\"execute\":\"guest-ping\"}"),
	  "}6" },
	{ "of two names ours counts, if it is last",
	  T("{\"execute\":\"guest-ping\",\"execute\":\"guest-set-time\"}"),
	  "}6" },
	{ "a name may be spelled with escapes",
	  T("{\"execut\\u0065\":\"\\u0067uest\\u002Dset-time\"}"), "}6" },
	{ "a name with a character beyond ASCII is another's",
	  T("{\"execute\":\"guest-set-tim\\u0165\"}"), "}0" },
	{ "single quotes are qemu-ga's extension",
	  T("{'execute':'guest-set-time'}"), "}6" },
	{ "a quote within the other quotes is a character",
	  T("{\"a\":\"'\",'b':'\"}','execute':'guest-ping'}"), "}1" },
	{ "an escaped quote does not end a string",
	  T("{\"a\":\"\\\"}\",\"b\":'\\'}'}"), "}0" },
	{ "a backslash before the end is escaped itself",
	  T("{\"a\":\"\\\\\"}"), "}0" },
	{ "every kind of value is stepped over",
	  T("{\"a\":[1,-0,0.5,-12.25e+3,1E-9,2e5,true,false,null,\"\",[],{}],"
	    "\"b\":{\"c\":[{}]}}"), "}0" },
	{ "0xFF is a sentinel", T("\xff{}\xff"), "^}0^" },
	{ "0xFF is a sentinel within a string", T("{\"a\":\"b\xff"), "^" },
	{ "an array is no request", T("["), "!" },
	{ "a string is no request", T("\""), "!" },
	{ "a number is no request", T("1"), "!" },
	{ "a brace closes a brace", T("{\"a\":[}"), "!" },
	{ "a bracket closes a bracket", T("{]"), "!" },
	{ "a key is a string", T("{1"), "!" },
	{ "a comma is followed by a key", T("{\"a\":1,}"), "!" },
	{ "a comma is followed by a value", T("{\"a\":[1,]"), "!" },
	{ "a key is followed by a colon", T("{\"a\",") , "!" },
	{ "two values have a comma between them", T("{\"a\":1 2"), "!" },
	{ "two members have a comma between them", T("{\"a\":1 \""), "!" },
	{ "a control character is not in a string", T("{\"a\n"), "!" },
	{ "NUL is not in a string", T("{\"a\0"), "!" },
	{ "NUL is not between tokens", T("{\0"), "!" },
	{ "0xFE is nowhere", T("{\"a\xfe"), "!" },
	{ "an unknown escape is refused", T("{\"\\x"), "!" },
	{ "an escape has four digits", T("{\"\\u00g"), "!" },
	{ "a number does not begin with 0", T("{\"a\":01"), "!" },
	{ "a number does not begin with a plus", T("{\"a\":+"), "!" },
	{ "a number has a digit after the minus", T("{\"a\":-}"), "!" },
	{ "a number has a digit after the point", T("{\"a\":1.}"), "!" },
	{ "a number has a digit before the point", T("{\"a\":."), "!" },
	{ "a number has a digit in the exponent", T("{\"a\":1e}"), "!" },
	{ "a number has a digit after the exponent's sign", T("{\"a\":1e+}"),
	  "!" },
	{ "a number has no letters", T("{\"a\":1x"), "!" },
	{ "a number has one point", T("{\"a\":1.5."), "!" },
	{ "hexadecimal is no number", T("{\"a\":0x"), "!" },
	{ "an unknown word is refused", T("{\"a\":ni"), "!" },
	{ "a word that goes on is refused", T("{\"a\":truee"), "!" },
	{ "interpolation is refused", T("{\"a\":%"), "!" },
	{ "a comment is refused", T("{/"), "!" },
	/* clang-format on */
};

static void check_scan(void **state)
{
	const struct scan_case *c = *state;
	static const char letters[] = ".} ^!";
	struct qga_scan scan = { 0 };
	char got[64] = "";
	size_t len = 0;

	for (size_t i = 0; i < c->size; i++) {
		enum qga_token token =
			qga_scan_byte(&scan, (uint8_t)c->text[i]);

		if (token == QGA_MORE)
			continue;
		assert_true(len + 2 < sizeof(got));
		got[len++] = letters[token];
		if (token == QGA_END)
			got[len++] = (char)('0' + scan.command);
		if (token == QGA_SENTINEL || token == QGA_BAD)
			qga_scan_reset(&scan);
		/* A fault is found at the last byte of a row, no sooner. */
		if (token == QGA_BAD)
			assert_int_equal(i, c->size - 1);
	}
	assert_string_equal(got, c->want);
}

/* As deep as qemu-ga, and not one deeper. */
static void check_depth(void **state)
{
	struct qga_scan scan = { 0 };

	(void)state;
	qga_scan_byte(&scan, '{');
	qga_scan_byte(&scan, '"');
	qga_scan_byte(&scan, '"');
	qga_scan_byte(&scan, ':');
	for (size_t i = 1; i < QGA_SCAN_DEPTH; i++)
		assert_int_equal(qga_scan_byte(&scan, '['), QGA_MORE);
	assert_int_equal(scan.deepest, QGA_SCAN_DEPTH);
	assert_int_equal(qga_scan_byte(&scan, '['), QGA_BAD);
	for (size_t i = 1; i < QGA_SCAN_DEPTH; i++)
		assert_int_equal(qga_scan_byte(&scan, ']'), QGA_MORE);
	assert_int_equal(qga_scan_byte(&scan, '}'), QGA_END);
}

static void check_names(void **state)
{
	(void)state;
	assert_null(qga_command_name(QGA_OTHER));
	assert_string_equal(qga_command_name(QGA_STATUS),
			    "guest-paraclock-status");
	assert_null(qga_command_name(QGA_STATUS + 1));
}

int main(void)
{
	struct CMUnitTest tests[ARRAY_LEN(cases) + 2] = {
		cmocka_unit_test(check_depth),
		cmocka_unit_test(check_names),
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		tests[i + 2].name = cases[i].name;
		tests[i + 2].test_func = check_scan;
		tests[i + 2].initial_state = &cases[i];
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
