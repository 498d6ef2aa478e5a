// SPDX-License-Identifier: MIT
/* Reading a script: its errors, and their places. */

#include <stdio.h>

#include <paraclock/sim_script.h>

#include "../shared/rows.h"

/* Two hosts and two VMs, in four lines. */
#define WORLD                                             \
	"host a\nhost b\n"                                \
	"vm v on a with pvclock,vmclock,hyperv vcpus 2\n" \
	"vm w on a with vmclock,no-writer\n"
/* And one within v, in two more. */
#define NESTED WORLD "nested-host n in v\nvm x on n\n"
/* A name of 15 bytes, and a line of 255. */
#define NAME15 "abcdefghijklmno"
#define TEN    "##########"
#define FIFTY  TEN TEN TEN TEN TEN
#define LINE   FIFTY FIFTY FIFTY FIFTY FIFTY "#####"

struct row {
	const char *name;
	const char *text;
	const char *want; /* begins with this; NULL: it is good */
	const char *has;  /* and contains this; or NULL */
};

static struct row rows[] = {
	/* clang-format off */
	{ "an empty script", "",
	  "1:1: the script has no statement;", "'vm v on a'" },
	{ "a script of comments and blanks", "# host a\n\n \t\r\n",
	  "1:1: the script has no statement, only blanks and comments;",
	  "paraclock-script(5)" },
	{ "comments, blanks and carriage returns",
	  "# x\n\n \t# y\nhost a # z\r\n\thost  b\t\r\n", NULL, NULL },
	{ "no newline at the end", "host a", NULL, NULL },
	{ "a comment right after a word", "run 1s#x y\nhost a# b", NULL, NULL },
	{ "a line of 255 bytes", "host a\n" LINE "\n", NULL, NULL },
	{ "a column after tabs and blanks", "host a\n \t slew \t a  5",
	  "2:14: '5' has no unit;", "ppb" },
	{ "the last column of a line", "host a\nstep a 5s" "# x\nslew a",
	  "3:7: the line ends too early;", "a rate" },
	{ "a byte that is no text", "run \x1b[2J",
	  "1:5: byte 0x1b is not printable ASCII;", "comments only" },
	/* what was meant */
	{ "a statement with a letter too many", "hosts a",
	  "1:1: 'hosts' is not a statement (did you mean 'host'?);", NULL },
	{ "a statement in capitals", "HOST a",
	  "1:1: 'HOST' is not a statement (did you mean 'host'?);", NULL },
	{ "a statement that is like no other", "frobnicate a",
	  "1:1: 'frobnicate' is not a statement;", NULL },
	{ "a short word is like no other", "xx a",
	  "1:1: 'xx' is not a statement;", NULL },
	{ "a part with a letter missing",
	  "host a\nvm v on a with pvclock,vmclok",
	  "2:24: 'vmclok' is not a part (did you mean 'vmclock'?);", NULL },
	{ "a status in another spelling", "host a\nstatus a synchronised",
	  "2:10: 'synchronised' is not a status "
	  "(did you mean 'synchronized'?);", NULL },
	{ "a host with a letter too many", "host alpha\nvm v on alphaa",
	  "2:9: no host is named 'alphaa' (did you mean 'alpha'?);",
	  ": alpha" },
	{ "a word with a letter missing", WORLD "migrate v to b dowtime 1s",
	  "5:16: 'dowtime' does not belong here "
	  "(did you mean 'downtime'?);", "[downtime TIME]" },
	{ "a line of 256 bytes", "host a\n" LINE "#",
	  "2:256: the line is too long;", "255 bytes" },
	{ "a byte that is no ASCII", "host \xc3\xa4\n",
	  "1:6: byte 0xc3 is not printable ASCII;", "ASCII" },
	{ "such a byte in a comment", "host a # \xc3\xa4\n", NULL, NULL },
	{ "an unknown statement", "host a\n\nhoost b\n",
	  "3:1: 'hoost' is not a statement (did you mean 'host'?);", " watch" },
	/* names */
	{ "a name of 15 letters", "host " NAME15, NULL, NULL },
	{ "a name of 16 letters", "host " NAME15 "p",
	  "1:6: 'abcdefghijklmnop' is not a name;", "at most 15" },
	{ "a name with a capital", "host A",
	  "1:6: 'A' is not a name;", "a-z" },
	{ "a name twice", "host a\nhost a",
	  "2:6: 'a' is already the name of a host;", NULL },
	{ "a name of a host for a VM", "host a\nvm a on a",
	  "2:4: 'a' is already the name of a host;", NULL },
	{ "a host that is not there", "vm v on a",
	  "1:9: no host is named 'a';", NULL },
	{ "a VM for a host", WORLD "slew v 1ppb",
	  "5:6: 'v' is a VM, not a host;", "the name of a host" },
	{ "a VM on itself", "vm v on v",
	  "1:9: 'v' is a VM, not a host;", NULL },
	{ "a clone with a name that is there", WORLD "clone v as w",
	  "5:12: 'w' is already the name of a VM;", NULL },
	/* words */
	{ "a missing word", WORLD "migrate v b",
	  "5:11: 'b' stands where 'to' belongs;", "expected: migrate "
	  "VM to HOST [downtime TIME] [counter-stops]" },
	{ "a missing value", WORLD "migrate v to",
	  "5:13: the line ends too early;", "the name of a host" },
	{ "a missing value at the end", WORLD "migrate v to b downtime",
	  "5:24: the line ends too early;", "a time" },
	{ "a word that does not belong", WORLD "pause v now",
	  "5:9: 'now' does not belong here;", NULL },
	{ "a word twice", WORLD "migrate v to b silent silent",
	  "5:23: 'silent' is given twice;", NULL },
	{ "an expectation of nothing", WORLD "open v\nexpect v",
	  "6:9: the line ends before any of the words in brackets, of "
	  "which it needs one;", NULL },
	{ "two faults at once", WORLD "fault v vmclock torn stale",
	  "5:22: only one of the words in brackets is allowed;", NULL },
	{ "no fault", WORLD "fault v vmclock",
	  "5:16: the line ends before any of the words in brackets, of "
	  "which it needs one;", NULL },
	{ "a bound without its sign", WORLD "open v\nexpect v error 10ns",
	  "6:16: '10ns' is not '<';", NULL },
	{ "a bound", WORLD "open v\nexpect v error < 10ns valid", NULL, NULL },
	/* numbers */
	{ "times", "run 1ns\nrun 1.5us\nrun 0.000000001s\nrun 2min\nrun 1d\n",
	  NULL, NULL },
	{ "a time without a unit", "run 10",
	  "1:5: '10' has no unit;", NULL },
	{ "a time with a unit of no time", "run 10sec",
	  "1:5: '10sec' has an unknown unit;", "500ms" },
	{ "a vCPU of a page that is no number", WORLD "update v pvclock.x",
	  "5:10: 'pvclock.x' has no number of a vCPU after its point;",
	  NULL },
	{ "a page of no kind", WORLD "update v x",
	  "5:10: 'x' is not a page;", "pvclock.N" },
	{ "a bound that ends early", WORLD "open v\nexpect v error",
	  "6:15: the line ends too early;", "'<' and a time" },
	{ "a bound without its time", WORLD "open v\nexpect v error <",
	  "6:17: the line ends too early;", "'<' and a time" },
	{ "a saved state that is not there", WORLD "restore v from s",
	  "5:16: no saved state is named 's';", "a line before this one" },
	{ "a VM that is not there", WORLD "pause z",
	  "5:7: no VM is named 'z';", ": v w" },
	{ "a time of half a ns", "run 0.5ns",
	  "1:5: '0.5ns' has too many digits after its point;", NULL },
	{ "a time finer than a ns", "run 0.0000000001s",
	  "1:5: '0.0000000001s' has too many digits after its point;", NULL },
	{ "a fraction of zeros is accepted", "run 1.0ns", NULL, NULL },
	{ "two points", "run 1.0.0s",
	  "1:5: '1.0.0s' is not a time;", NULL },
	{ "no digits before the point", "run .5s",
	  "1:5: '.5s' is not a time;", NULL },
	{ "no digits after it", "run 5.s",
	  "1:5: '5.s' is not a time;", NULL },
	{ "a sign where none belongs", "run +1s",
	  "1:5: '+1s' has a sign;", NULL },
	{ "a time that does not fit", "run 99999999999999999999999s",
	  "1:5: '99999999999999999999999s' is out of range;", NULL },
	{ "a time of more than a year", "run 367d",
	  "1:5: '367d' is out of range;", "366d" },
	{ "a step back", "host a\nstep a -5s", NULL, NULL },
	{ "a step of 11 years", "host a\nstep a 4000d",
	  "2:8: '4000d' is out of range;", "3660d" },
	{ "rates", "host a fast -100000ppm\nslew a 1.5ppm", NULL, NULL },
	{ "a rate out of range", "host a fast 100001ppm",
	  "1:13: '100001ppm' is out of range;", "ppm" },
	{ "a bound that shrinks", "host a maxerror-rate -1ppb",
	  "1:22: '-1ppb' has a sign;", NULL },
	{ "frequencies", "host a tsc 2.893202GHz\nhost b tsc 1MHz", NULL,
	  NULL },
	{ "a frequency out of range", "host a tsc 999999Hz",
	  "1:12: '999999Hz' is out of range;", "1MHz" },
	{ "ticks", WORLD "skew v vcpu 1 by -9223372036854775807", NULL, NULL },
	{ "a seed that is no number", "world seed x",
	  "1:12: 'x' is not a number;", "65535" },
	{ "a leap day", "world start 2028-02-29T00:00:00Z", NULL, NULL },
	{ "an impossible day", "world start 2027-02-29T00:00:00Z",
	  "1:13: '2027-02-29T00:00:00Z' is not a date;", "UTC such as" },
	{ "an impossible hour", "world start 2027-01-01T24:00:00Z",
	  "1:13: '2027-01-01T24:00:00Z' is not a date;", NULL },
	{ "the last second", "world start 2115-12-31T23:59:59Z", NULL, NULL },
	{ "a date that is too late", "world start 2116-01-01T00:00:00Z",
	  "1:13: '2116-01-01T00:00:00Z' is not a date;", "2115" },
	{ "TAI offsets", "world tai-offset 100\nhost a\ntai a 100", NULL,
	  NULL },
	{ "an impossible TAI offset", "world tai-offset 101",
	  "1:18: tai-offset is out of range;", "1 to 100" },
	{ "an impossible TAI offset of a host", "host a\ntai a 101",
	  "2:7: the TAI offset is out of range;", "0 to 100" },
	{ "a date that is too early", "world start 1971-12-31T23:59:59Z",
	  "1:13: '1971-12-31T23:59:59Z' is not a date;", "1972" },
	/* lists */
	{ "parts", WORLD "vm x on a with generation,pairing", NULL, NULL },
	{ "an unknown part", "host a\nvm v on a with pvclock,x",
	  "2:24: 'x' is not a part;", "no-writer" },
	{ "a part twice", "host a\nvm v on a with pvclock,pvclock",
	  "2:24: 'pvclock' is given twice;", NULL },
	{ "parts that end in a comma", "host a\nvm v on a with pvclock,",
	  "2:24: '' is not a part;", NULL },
	{ "an undefined status", "host a\nstatus a good",
	  "2:10: 'good' is not a status;", "synchronized" },
	/* what was said before */
	{ "world is first", "host a\nworld seed 1",
	  "2:1: 'world' comes after another statement;", NULL },
	{ "a world of nothing", "world",
	  "1:6: the line ends before any of the words in brackets, of "
	  "which it needs one;", NULL },
	{ "vCPUs out of range", "host a\nvm v on a vcpus 65",
	  "2:17: vcpus is out of range;", "64" },
	{ "no vCPU", "host a\nvm v on a vcpus 0",
	  "2:17: vcpus is out of range;", "64" },
	{ "a vCPU that is there", WORLD "halt v vcpu 1", NULL, NULL },
	{ "a vCPU that is not", WORLD "halt v vcpu 2",
	  "5:13: v has no vCPU 2;", NULL },
	{ "a page that is there", WORLD "update v pvclock.1", NULL, NULL },
	{ "a page of a vCPU that is not", WORLD "update v pvclock.2",
	  "5:10: v has no vCPU 2;", NULL },
	{ "a vmclock of a vCPU", WORLD "update v vmclock.0",
	  "5:10: 'vmclock.0' has a vCPU, as only pvclock pages have;", NULL },
	{ "a page that is not",
	  WORLD "clone v as x\nupdate x hyperv\n"
	  "vm y on a\nupdate y hyperv",
	  "8:10: y has no such page;", NULL },
	{ "a page that nobody writes", WORLD "update w vmclock",
	  "5:8: w was made with no-writer;", NULL },
	{ "publish without no-writer", WORLD "publish v",
	  "5:9: v has a writer;", "no-writer" },
	{ "publish without a vmclock",
	  "host a\nvm v on a with pvclock,no-writer\npublish v",
	  "3:9: v has no vmclock;", NULL },
	{ "a clock that is not open", WORLD "read v",
	  "5:6: no clock is open in v;", NULL },
	{ "a clock that was closed", WORLD "open v\nclose v\nexpect v valid",
	  "7:8: no clock is open in v;", NULL },
	{ "a clone's clock is not open", WORLD "open v\nclone v as x\nread x",
	  "7:6: no clock is open in x;", NULL },
	{ "a nested host's clock", WORLD "nested-host n in v\nstep n +1s",
	  "6:6: n is a VM, and its clock is its host's;", NULL },
	{ "a state of another VM", WORLD "save v as s\nrestore w from s",
	  "6:16: s is a state of another VM;", NULL },
	{ "a time that is past", "run 10s\nat 5s",
	  "2:4: 5s after the start is in the past: here 10s have "
	  "passed already;", NULL },
	{ "a downtime counts", WORLD "migrate v to b downtime 10s\nat 9s",
	  "6:4: 9s after the start is in the past: here 10s have "
	  "passed already;", NULL },
	{ "a year and a day", "run 366d\nrun 1ns",
	  "2:5: the script takes too long;", "366 days" },
	{ "a VM that is paused", WORLD "pause v\nmigrate v to b",
	  "6:9: v is paused;", NULL },
	{ "a VM that runs again", WORLD "pause v\nresume v\nmigrate v to b",
	  NULL, NULL },
	{ "a VM that was put back runs",
	  WORLD "save v as s\npause v\nrestore v from s\nmigrate v to b",
	  NULL, NULL },
	{ "a read in a VM that is paused", WORLD "open v\npause v\nread v",
	  "7:6: v is paused;", NULL },
	{ "an expectation of a VM that is paused",
	  WORLD "open v\npause v\nexpect v valid",
	  "7:8: v is paused;", NULL },
	{ "an open in a VM that is paused", WORLD "pause v\nopen v",
	  "6:6: v is paused;", NULL },
	{ "a VM on one that is paused", NESTED "open x\npause v\nread x",
	  "9:6: v is paused;", NULL },
	{ "a VM that was moved away from it",
	  NESTED "open x\nmigrate x to b\npause v\nread x", NULL, NULL },
	{ "a read in a VM that runs again",
	  NESTED "open x\npause v\nresume v\nread x", NULL, NULL },
	/* a host is not inside of what it is to run */
	{ "a migration into the VM itself", NESTED "migrate v to n",
	  "7:14: n is inside of v;", NULL },
	{ "a migration into a VM on it",
	  NESTED "nested-host m in x\nmigrate v to m",
	  "8:14: m is inside of v;", NULL },
	{ "a restore into the VM itself",
	  NESTED "save v as s\nrestore v from s to n",
	  "8:21: n is inside of v;", NULL },
	{ "a clone in the VM itself", NESTED "clone v as y to n",
	  "7:17: n is inside of v;", NULL },
	{ "a migration onto a VM that is on it no more",
	  NESTED "nested-host m in x\nmigrate x to b\nmigrate v to m", NULL,
	  NULL },
	{ "a migration into what a clone is",
	  NESTED "clone x as y\nnested-host m in y\nmigrate v to m",
	  "9:14: m is inside of v;", NULL },
	{ "a migration onto a VM that was cloned elsewhere",
	  NESTED "clone x as y to b\nnested-host m in y\nmigrate v to m", NULL,
	  NULL },
	/* bounds of the work */
	{ "a page that is renewed too often",
	  "host a\nvm v on a with vmclock vmclock-every 999us",
	  "2:38: the period is too short;", "1ms" },
	{ "too often for too long",
	  "host a\nvm v on a with vmclock vmclock-every 1ms\nrun 1d",
	  "3:5: too much work;", "10000000" },
	{ "a watch that is too close",
	  WORLD "open v\nwatch v every 999ns within 1us",
	  "6:15: the period is too short;", "1us" },
	{ "a watch for too long",
	  WORLD "open v\nwatch v every 1us within 1us\nrun 11s",
	  "7:5: too much work;", NULL },
	{ "a watch on a torn page",
	  WORLD "open v\nfault v vmclock torn\n"
	  "watch v every 1ms within 1us\nrun 9s", NULL, NULL },
	{ "a watch on a torn page for too long",
	  WORLD "open v\nfault v vmclock torn\n"
	  "watch v every 1ms within 1us\nrun 11s",
	  "8:5: too much work;", "thousand" },
	{ "a watch on a page that will be torn",
	  WORLD "open v\nwatch v every 1ms within 1us\n"
	  "fault v hyperv dies\nrun 11s",
	  "8:5: too much work;", NULL },
	{ "a watch on a page that was mended",
	  WORLD "open v\nfault v vmclock torn\nfault v vmclock none\n"
	  "watch v every 1ms within 1us\nrun 11s", NULL, NULL },
	{ "a watch on a page of which another was mended",
	  WORLD "open v\nfault v pvclock.1 torn\nfault v pvclock none\n"
	  "watch v every 1ms within 1us\nrun 11s",
	  "9:5: too much work;", NULL },
	/* clang-format on */
};

/* The line is shown as it is, with a caret below the column. */
static void check_caret(const char *detail, const char *text)
{
	unsigned int line, column;
	const char *shown = strchr(detail, '\n');

	assert_int_equal(sscanf(detail, "%u:%u:", &line, &column), 2);
	if (strstr(detail, "the script has no statement")) {
		assert_null(shown);
		return;
	}
	assert_non_null(shown);
	assert_memory_equal(shown, "\n    ", 5);
	while (--line)
		text = strchr(text, '\n') + 1;
	if (column > 60) {
		text += column - 1 - 60;
		column = 61;
	}
	for (shown += 5; *shown != '\n'; shown++, text++) {
		if (*text < ' ' || *text > '~')
			assert_int_equal(*shown, *text == '\t' ? ' ' : '?');
		else
			assert_int_equal(*shown, *text);
	}
	assert_int_equal(strlen(shown), 5 + column);
	assert_int_equal(strspn(shown + 1, " "), 4 + column - 1);
	assert_string_equal(shown + strlen(shown) - 1, "^");
}

static void check_row(void **state)
{
	const struct row *r = *state;
	struct paraclock_sim_script *const none = (void *)(uintptr_t)16;
	struct paraclock_sim_script *script = none;
	char detail[1024] = "";
	int ret = paraclock_sim_script_parse(&script, r->text, strlen(r->text),
					     detail, sizeof(detail));

	if (!r->want) {
		assert_string_equal(detail, "");
		assert_int_equal(ret, 0);
		paraclock_sim_script_free(script);
		return;
	}
	assert_int_equal(ret, -EPROTO);
	assert_ptr_equal(script, none);
	if (strncmp(detail, r->want, strlen(r->want)) != 0)
		fail_msg("'%s'", detail);
	if (r->has && !strstr(detail, r->has))
		fail_msg("'%s'", detail);
	assert_non_null(strstr(detail, "expected"));
	check_caret(detail, r->text);
}

static void a_nul_is_no_text(void **state)
{
	struct paraclock_sim_script *script;
	char detail[64];

	(void)state;
	assert_int_equal(paraclock_sim_script_parse(&script, "host a\n\0", 8,
						    detail, sizeof(detail)),
			 -EPROTO);
	assert_string_equal(detail,
			    "2:1: a NUL byte; expected text\n    ?\n    ^");
}

static int parse_repeated(const char *line, unsigned int n, char *detail,
			  size_t detail_size)
{
	struct paraclock_sim_script *script = NULL;
	size_t length = strlen(line);
	char *text = malloc(n * length);
	int ret;

	assert_non_null(text);
	for (unsigned int i = 0; i < n; i++)
		memcpy(text + i * length, line, length);
	ret = paraclock_sim_script_parse(&script, text, n * length, detail,
					 detail_size);
	free(text);
	paraclock_sim_script_free(script);
	return ret;
}

static void statements_and_bytes_are_limited(void **state)
{
	char detail[128];

	(void)state;
	assert_int_equal(parse_repeated("run 1ns\n", 4096, detail, 128), 0);
	assert_int_equal(parse_repeated("run 1ns\n", 4097, detail, 128),
			 -EPROTO);
	assert_string_equal(detail, "4097:1: too many statements; expected at "
				    "most 4096\n    run 1ns\n    ^");
	assert_int_equal(parse_repeated("run 1ns#23456789", 4096, detail, 128),
			 -EPROTO);
	assert_memory_equal(detail, "1:256: the line is too long", 27);
	assert_int_equal(parse_repeated("run 1ns#2345678\n", 4096, detail, 128),
			 0);
	assert_int_equal(parse_repeated("run 1ns#23456789\n", 4096, detail,
					128),
			 -EPROTO);
	assert_string_equal(detail, "1:1: the script is too long; expected at "
				    "most 65536 bytes");
}

static void names_are_limited(void **state)
{
	struct paraclock_sim_script *script = NULL;
	char text[2048] = "", detail[128];

	(void)state;
	for (unsigned int i = 0; i < 65; i++)
		snprintf(text + strlen(text), 16, "host h%u\n", i);
	assert_int_equal(paraclock_sim_script_parse(&script, text, strlen(text),
						    detail, sizeof(detail)),
			 -EPROTO);
	assert_string_equal(detail, "65:6: too many names; expected at most "
				    "64\n    host h64\n         ^");
}

static void a_small_detail_is_cut(void **state)
{
	struct paraclock_sim_script *script;
	char detail[8] = "1234567";

	(void)state;
	assert_int_equal(paraclock_sim_script_parse(&script, "x", 1, detail, 6),
			 -EPROTO);
	assert_string_equal(detail, "1:1: ");
	assert_int_equal(detail[6], '7');
	assert_int_equal(paraclock_sim_script_parse(&script, "x", 1, NULL, 0),
			 -EPROTO);
}

static void null_is_refused(void **state)
{
	struct paraclock_sim_script *script;

	(void)state;
	assert_int_equal(paraclock_sim_script_parse(NULL, "", 0, NULL, 0),
			 -EINVAL);
	assert_int_equal(paraclock_sim_script_parse(&script, NULL, 0, NULL, 0),
			 -EINVAL);
	assert_int_equal(paraclock_sim_script_play(NULL, NULL, NULL, NULL, 0),
			 -EINVAL);
	assert_null(paraclock_sim_play_vm(NULL, 0, NULL));
	paraclock_sim_script_free(NULL);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(a_nul_is_no_text),
		cmocka_unit_test(statements_and_bytes_are_limited),
		cmocka_unit_test(names_are_limited),
		cmocka_unit_test(a_small_detail_is_cut),
		cmocka_unit_test(null_is_refused),
	};

	ADD_TESTS(others);
	ADD_ROWS(rows, check_row);
	return run_suite(NULL, NULL);
}
