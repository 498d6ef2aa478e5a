// SPDX-License-Identifier: MIT
/*
 * Leap-seconds lists: which are accepted, which are refused, and at which line.
 */

#include <stdio.h>

#include "leaps.h"
#include "timescale/sha1.h"

#define UPDATED "#$ 3960835200\n"
#define EXPIRES "#@ 3991593600\n"
#define FIRST	"2272060800 10 # 1 Jan 1972\n"
#define LAST	"3692217600\t37\t# 1 Jan 2017\n"
#define BEGIN	UPDATED EXPIRES FIRST
/* The SHA-1 of "3960835200" "3991593600" "2272060800" "10". */
#define HASH "#h 94412c28 b53f835f e248e332 52e7b0a2 5e5a52a2\n"

#define T2025_07_07 1751846400
#define T2026_06_28 1782604800

struct list_case {
	const char *name, *text;
	int ret;
	const char *detail; /* NULL: success, and the two below hold */
	uint32_t count;
	int64_t updated_sec;
};

static struct list_case cases[] = {
	/* clang-format off */
	{ "a list of one entry", BEGIN HASH, 0, NULL, 1, T2025_07_07 },
	{ "lines that end as on other systems",
	  "#$ 3960835200\r\n#@ 3991593600\r\n\r\n2272060800 10\r\n"
	  "#h 94412c28 b53f835f e248e332 52e7b0a2 5e5a52a2\r\n",
	  0, NULL, 1, T2025_07_07 },
	{ "blanks and comments wherever they may be",
	  "#\n#comment\n \t\n  # indented\n#$\t 3960835200 \t\n#@3991593600#x\n"
	  "  2272060800  10#\n#https://example.org\n" HASH,
	  0, NULL, 1, T2025_07_07 },
	{ "a last line without an end",
	  BEGIN "#h 94412c28 b53f835f e248e332 52e7b0a2 5e5a52a2",
	  0, NULL, 1, T2025_07_07 },
	{ "a hash in capitals",
	  BEGIN "#h 94412C28 B53F835F E248E332 52E7B0A2 5E5A52A2\n",
	  0, NULL, 1, T2025_07_07 },
	{ "a hash that leaves out leading zeros",
	  "#@ 3991593609\n2272060800 10\n"
	  "#h ef51cae5 c1fe1824 fb185a64 baaf88c 8f670678\n",
	  0, NULL, 1, 0 },
	{ "the hash before the rest", HASH BEGIN, 0, NULL, 1, T2025_07_07 },
	{ "no date of update",
	  EXPIRES FIRST "#h 1dfc2d50 956fe8a0 3b16e226 17526b99 689719ca\n",
	  0, NULL, 1, 0 },
	{ "a removed second",
	  UPDATED EXPIRES LAST "4260211200 36\n"
	  "#h 11d91348 867c1b69 592d6aa2 77056899 0e7c984e\n",
	  0, NULL, 2, T2025_07_07 },

	{ "nothing", "", -EPROTO, "line 0: no leap seconds", 0, 0 },
	{ "no leap seconds", UPDATED EXPIRES HASH, -EPROTO,
	  "line 3: no leap seconds", 0, 0 },
	{ "no expiry", UPDATED FIRST HASH, -EPROTO,
	  "line 3: no date of expiry (#@)", 0, 0 },
	{ "no hash: perhaps an entry was cut off, too", BEGIN, -EPROTO,
	  "line 3: no hash (#h)", 0, 0 },
	{ "an entry that is missing", UPDATED EXPIRES LAST HASH, -EPROTO,
	  "line 4: the hash does not match", 0, 0 },
	{ "a digit that is another one",
	  UPDATED "#@ 3991593601\n" FIRST HASH, -EPROTO,
	  "line 4: the hash does not match", 0, 0 },
	{ "a hash that is another one",
	  BEGIN "#h 94412c28 b53f835f e248e332 52e7b0a2 5e5a52a3\n", -EPROTO,
	  "line 4: the hash does not match", 0, 0 },
	{ "a hash of four words",
	  BEGIN "#h 94412c28 b53f835f e248e332 52e7b0a2\n", -EPROTO,
	  "line 4: no hash of five words", 0, 0 },
	{ "a word of nine digits",
	  BEGIN "#h 094412c28 b53f835f e248e332 52e7b0a2 5e5a52a2\n",
	  -EPROTO, "line 4: no hash of five words", 0, 0 },
	{ "a hash of six words",
	  BEGIN "#h 94412c28 b53f835f e248e332 52e7b0a2 5e5a52a2 0\n",
	  -EPROTO, "line 4: something after the hash", 0, 0 },
	{ "two hashes", BEGIN HASH HASH, -EPROTO, "line 5: given twice", 0, 0 },
	{ "two expiries", EXPIRES BEGIN HASH, -EPROTO, "line 3: given twice",
	  0, 0 },
	{ "two updates", UPDATED BEGIN HASH, -EPROTO, "line 2: given twice",
	  0, 0 },
	{ "an expiry without a number", "#@\n" BEGIN HASH, -EPROTO,
	  "line 1: no number of seconds since 1900", 0, 0 },
	{ "an expiry in words", "#@ 28 June 2026\n" BEGIN HASH, -EPROTO,
	  "line 1: a date before 1972", 0, 0 },
	{ "an expiry with more behind it", "#@ 3991593600 s\n" BEGIN HASH,
	  -EPROTO, "line 1: something after the number", 0, 0 },
	{ "an expiry counted from 1970", "#@ 1782604800\n" FIRST, -EPROTO,
	  "line 1: a date before 1972", 0, 0 },
	{ "an expiry after all dates", "#@ 11408988800\n" FIRST, -ERANGE,
	  "line 1: a date after mid-2261", 0, 0 },
	{ "a number of 18 digits", "#@ 999999999999999999\n" FIRST, -ERANGE,
	  "line 1: a date after mid-2261", 0, 0 },
	{ "a number without end", "#@ 00000000003991593600\n" FIRST, -EPROTO,
	  "line 1: no number of seconds since 1900", 0, 0 },
	{ "a negative number", BEGIN "-2287785600 11\n", -EPROTO,
	  "line 4: no number of seconds since 1900", 0, 0 },
	{ "a word", BEGIN "leap\n", -EPROTO,
	  "line 4: no number of seconds since 1900", 0, 0 },
	{ "an entry without an offset", BEGIN "2287785600\n", -EPROTO,
	  "line 4: no TAI - UTC", 0, 0 },
	{ "an entry with an offset in the comment",
	  BEGIN "2287785600 # 11\n", -EPROTO, "line 4: no TAI - UTC", 0, 0 },
	{ "a negative offset", BEGIN "2287785600 -11\n", -EPROTO,
	  "line 4: no TAI - UTC", 0, 0 },
	{ "an offset with a fraction", BEGIN "2287785600 11.0\n", -EPROTO,
	  "line 4: something after TAI - UTC", 0, 0 },
	{ "a third number", BEGIN "2287785600 11 12\n", -EPROTO,
	  "line 4: something after TAI - UTC", 0, 0 },
	{ "an offset that fits nothing",
	  EXPIRES "2272060800 32768\n" HASH, -EPROTO,
	  "line 2: no such TAI - UTC", 0, 0 },
	{ "an offset that would be right by its lowest 16 bits",
	  BEGIN "2287785600 65547\n", -EPROTO, "line 4: no such TAI - UTC",
	  0, 0 },
	{ "the middle of a month", BEGIN "2287785601 11\n", -EPROTO,
	  "line 4: not the first second of a month", 0, 0 },
	{ "the same month again", BEGIN "2272060800 11\n", -EPROTO,
	  "line 4: not later than the one before", 0, 0 },
	{ "an earlier month", UPDATED EXPIRES LAST "2287785600 36\n", -EPROTO,
	  "line 4: not later than the one before", 0, 0 },
	{ "two seconds at once", BEGIN "2287785600 12\n", -EPROTO,
	  "line 4: TAI - UTC does not change by one", 0, 0 },
	{ "no change at all", BEGIN "2287785600 10\n", -EPROTO,
	  "line 4: TAI - UTC does not change by one", 0, 0 },
	{ "before 1972", EXPIRES "2269382400 9\n", -EPROTO,
	  "line 2: a date before 1972", 0, 0 },
	{ "a carriage return alone", BEGIN "\r2287785600 11\n", -EPROTO,
	  "line 4: no number of seconds since 1900", 0, 0 },
	/* clang-format on */
};

static void check_list(void **state)
{
	const struct list_case *c = *state;
	struct paraclock_leap_table table = { .count = 77 };
	char detail[128] = "untouched";

	assert_int_equal(paraclock_leap_list_parse(c->text, strlen(c->text),
						   detail, sizeof(detail),
						   &table),
			 c->ret);
	assert_string_equal(detail, c->ret ? c->detail : "untouched");
	if (c->ret) {
		assert_int_equal(table.count, 77);
		assert_int_equal(table.expires_sec, 0);
		return;
	}
	assert_int_equal(table.count, c->count);
	assert_int_equal(table.updated_sec, c->updated_sec);
	assert_in_range(table.expires_sec, T2026_06_28, T2026_06_28 + 9);
	assert_int_equal(paraclock_leap_table_check(&table), 0);
}

/* However a good list is cut, it does not pass for another. */
static void check_cut(void **state)
{
	static const char text[] = BEGIN HASH;
	struct paraclock_leap_table table;
	char copy[sizeof(text)];

	(void)state;
	/* Without its newline it is whole. */
	for (size_t size = 0; size < sizeof(text) - 2; size++)
		assert_int_equal(paraclock_leap_list_parse(text, size, NULL, 0,
							   &table),
				 -EPROTO);
	/* Nor is it accepted with any byte that is not text. */
	for (size_t at = strlen(UPDATED EXPIRES); text[at] != '#'; at++) {
		memcpy(copy, text, sizeof(copy));
		copy[at] = '\0';
		assert_int_equal(paraclock_leap_list_parse(copy,
							   sizeof(copy) - 1,
							   NULL, 0, &table),
				 -EPROTO);
	}
}

/* Every month of some years, the offset now 10 and now 11. */
static size_t write_months(char *text, size_t size, unsigned int months)
{
	int64_t sec = T1972_01;
	size_t n = (size_t)snprintf(text, size, EXPIRES);

	for (unsigned int i = 0; i < months; i++) {
		n += (size_t)snprintf(text + n, size - n, "%lld %u\n",
				      (long long)sec + 2208988800LL,
				      10 + i % 2);
		/* The next month begins within 31 days, and not within 27. */
		sec += 27 * DAY;
		do {
			struct tm tm;
			time_t t = (time_t)(sec += DAY);

			gmtime_r(&t, &tm);
			if (tm.tm_mday == 1)
				break;
		} while (true);
	}
	return n;
}

static void check_many(void **state)
{
	static const char hash[] =
		"#h 3e36689e 80665ba4 3f5f4aff b5123353 02b2ddfa\n";
	struct paraclock_leap_table table = { 0 };
	char text[4096], detail[64];
	size_t n;

	(void)state;
	n = write_months(text, sizeof(text), PARACLOCK_LEAP_TABLE_MAX);
	memcpy(text + n, hash, sizeof(hash));
	assert_int_equal(paraclock_leap_list_parse(text, strlen(text), NULL, 0,
						   &table),
			 0);
	assert_int_equal(table.count, PARACLOCK_LEAP_TABLE_MAX);
	assert_int_equal(table.entry[63].utc_sec, 2437689600 - 2208988800);
	assert_int_equal(table.entry[63].tai_offset_sec, 11);

	table.count = 77;
	n = write_months(text, sizeof(text), PARACLOCK_LEAP_TABLE_MAX + 1);
	assert_int_equal(paraclock_leap_list_parse(text, n, detail,
						   sizeof(detail), &table),
			 -ERANGE);
	assert_string_equal(detail, "line 66: too many leap seconds");
	assert_int_equal(table.count, 77);
}

static void check_arguments(void **state)
{
	struct paraclock_leap_table table;
	char detail[8] = "";

	(void)state;
	assert_int_equal(paraclock_leap_list_parse(NULL, 1, detail, 8, &table),
			 -EINVAL);
	assert_int_equal(paraclock_leap_list_parse("", 0, detail, 8, NULL),
			 -EINVAL);
	assert_string_equal(detail, "");
	/* Cut to fit. */
	assert_int_equal(paraclock_leap_list_parse("x", 1, detail, 8, &table),
			 -EPROTO);
	assert_string_equal(detail, "line 1:");
	assert_int_equal(paraclock_leap_list_parse("x", 1, detail, 0, &table),
			 -EPROTO);
}

/* The list that tzdata has installed agrees with the rows of leaps.h. */
static void check_installed(void **state)
{
	struct paraclock_leap_table table, want;
	static char text[65536];
	FILE *file = fopen(PARACLOCK_LEAP_LIST_PATH, "r");
	char detail[128] = "";
	size_t n;

	(void)state;
	if (!file) {
		print_message("skipped: no " PARACLOCK_LEAP_LIST_PATH "\n");
		skip();
	}
	n = fread(text, 1, sizeof(text), file);
	fclose(file);
	assert_int_equal(paraclock_leap_list_parse(text, n, detail,
						   sizeof(detail), &table),
			 0);
	leaps_table(&want);
	/* All but the imagined one; a later list may have more. */
	want.count--;
	assert_in_range(table.count, want.count, PARACLOCK_LEAP_TABLE_MAX);
	assert_memory_equal(table.entry, want.entry,
			    want.count * sizeof(want.entry[0]));
	assert_true(table.expires_sec > table.updated_sec);
}

/* FIPS 180-4's examples, and the lengths around a block. */
struct sha_case {
	const char *name, *text;
	uint32_t want[SHA1_WORDS];
};

#define A55 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct sha_case shas[] = {
	/* clang-format off */
	{ "SHA-1 of nothing", "",
	  { 0xda39a3ee, 0x5e6b4b0d, 0x3255bfef, 0x95601890, 0xafd80709 } },
	{ "SHA-1 of three letters", "abc",
	  { 0xa9993e36, 0x4706816a, 0xba3e2571, 0x7850c26c, 0x9cd0d89d } },
	{ "SHA-1 of 56 bytes, two blocks",
	  "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
	  { 0x84983e44, 0x1c3bd26e, 0xbaae4aa1, 0xf95129e5, 0xe54670f1 } },
	{ "SHA-1 of 55 bytes, the most in one block", A55,
	  { 0xc1c8bbdc, 0x22796e28, 0xc0e15163, 0xd20899b6, 0x5621d65a } },
	{ "SHA-1 of a block", A55 "aaaaaaaaa",
	  { 0x0098ba82, 0x4b5c1642, 0x7bd7a112, 0x2a5a442a, 0x25ec644d } },
	/* clang-format on */
};

static void check_sha(void **state)
{
	const struct sha_case *c = *state;
	struct sha1 sha;

	pclk_sha1_start(&sha);
	for (const char *at = c->text; *at; at++)
		pclk_sha1_add(&sha, (uint8_t)*at);
	pclk_sha1_end(&sha);
	assert_memory_equal(sha.hash, c->want, sizeof(c->want));
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(check_cut),
		cmocka_unit_test(check_many),
		cmocka_unit_test(check_arguments),
		cmocka_unit_test(check_installed),
	};

	ADD_TESTS(others);
	ADD_ROWS(cases, check_list);
	ADD_ROWS(shas, check_sha);
	return run_suite(NULL, NULL);
}
