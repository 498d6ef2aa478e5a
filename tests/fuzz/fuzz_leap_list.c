// SPDX-License-Identifier: MIT
/*
 * The leap-seconds list: an accepted list is sound and converts both ways; and
 * tables that no parser made: whatever they hold, nothing overflows.
 */

#include <errno.h>
#include <string.h>

#include <paraclock/timescale.h>

#include "fuzz_page.h"
#include "timescale/sha1.h"

/* The first bytes of an input; a list or a table follows. */
struct head {
	int64_t tai_ns;
	uint8_t smear;
	uint8_t leap;
	uint8_t is_table; /* odd: a table as it is in memory */
	uint8_t reserved[5];
};

static int64_t distance(int64_t a, int64_t b)
{
	return a > b ? a - b : b - a;
}

static void check_utc(const struct paraclock_leap_table *table, int64_t tai_ns,
		      int sound)
{
	struct paraclock_utc utc = { .ns = 1 };
	int64_t back = 1;
	int ret = paraclock_tai_to_utc(table, tai_ns, &utc);

	if (ret) {
		CHECK(ret == -EINVAL || ret == -ERANGE || ret == -ESTALE);
		CHECK(!sound || ret != -EINVAL);
		CHECK(utc.ns == 1);
		return;
	}
	CHECK(utc.ns == tai_ns - utc.tai_offset_sec * INT64_C(1000000000));
	ret = paraclock_utc_to_tai(table, &utc, &back);
	CHECK(sound ? !ret && back == tai_ns : !ret || back == 1);
}

static void check_smear(const struct paraclock_leap_table *table,
			const struct head *h, int sound)
{
	struct paraclock_wall_window w = { .leap = 77 };
	int64_t ns = 1, next = 1, back = 1;
	int ret = paraclock_tai_to_smeared(table, h->smear, h->tai_ns, &ns);

	if (ret) {
		CHECK(ns == 1);
	} else if (sound) {
		/* Up to a second ahead of UTC: it expires that much earlier. */
		ret = paraclock_smeared_to_tai(table, h->smear, ns, &back);
		CHECK(!ret || ret == -ESTALE);
		CHECK(ret || distance(back, h->tai_ns) <= 1);
		if (!paraclock_tai_to_smeared(table, h->smear, h->tai_ns + 1,
					      &next))
			CHECK(next >= ns && next <= ns + 2);
	}
	paraclock_smeared_to_tai(table, h->smear, h->tai_ns, &back);
	ret = paraclock_wall_window_at(table, h->smear, h->tai_ns, &w);
	if (ret) {
		CHECK(w.leap == 77);
		return;
	}
	CHECK(!paraclock_wall_read(&w, PARACLOCK_WALL_TAI, h->tai_ns, &ns));
	CHECK(ns == h->tai_ns);
}

static void check_table(const struct paraclock_leap_table *table,
			const struct head *h)
{
	const struct paraclock_utc utc = { .ns = h->tai_ns, .leap = h->leap };
	int sound = !paraclock_leap_table_check(table);
	int64_t ns = 1;

	check_utc(table, h->tai_ns, sound);
	check_smear(table, h, sound);
	if (paraclock_utc_to_tai(table, &utc, &ns))
		CHECK(ns == 1);
}

/* Digits up to a '#', as the hash of a list without one requires. */
static void hash_line(struct sha1 *sha, const char *line, size_t n)
{
	size_t i = 0;

	if (n > 1 && line[0] == '#' && (line[1] == '$' || line[1] == '@'))
		i = 2;
	for (; i < n && line[i] != '#'; i++) {
		if (line[i] >= '0' && line[i] <= '9')
			pclk_sha1_add(sha, (uint8_t)line[i]);
	}
}

/* The list with its hash, which a fuzzer would never find. */
static size_t add_hash(char *copy, const char *text, size_t size)
{
	struct sha1 sha;

	pclk_sha1_start(&sha);
	for (size_t at = 0; at < size;) {
		const char *end = memchr(text + at, '\n', size - at);
		size_t n = end ? (size_t)(end - text) - at : size - at;

		hash_line(&sha, text + at, n);
		at += n + 1;
	}
	pclk_sha1_end(&sha);
	memcpy(copy, text, size);
	return size + (size_t)sprintf(copy + size, "\n#h %x %x %x %x %x\n",
				      sha.hash[0], sha.hash[1], sha.hash[2],
				      sha.hash[3], sha.hash[4]);
}

static void check_list(const char *text, size_t size, const struct head *h)
{
	struct paraclock_leap_table table = { .count = 77 };
	char detail[128] = "";
	int ret = paraclock_leap_list_parse(text, size, detail, sizeof(detail),
					    &table);
	char *copy;

	if (ret) {
		CHECK(ret == -EPROTO || ret == -ERANGE);
		CHECK(!strncmp(detail, "line ", 5));
		CHECK(table.count == 77);
		if (!strstr(detail, "no hash (#h)"))
			return;
		copy = malloc(size + 64);
		CHECK(copy);
		size = add_hash(copy, text, size);
		CHECK(!paraclock_leap_list_parse(copy, size, NULL, 0, &table));
		free(copy);
	}
	CHECK(!paraclock_leap_table_check(&table));
	check_table(&table, h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct paraclock_leap_table table = { 0 };
	struct head h;

	if (size < sizeof(h))
		return 0;
	memcpy(&h, data, sizeof(h));
	data += sizeof(h);
	size -= sizeof(h);
	if (h.is_table & 1) {
		memcpy(&table, data,
		       size < sizeof(table) ? size : sizeof(table));
		check_table(&table, &h);
	} else {
		check_list((const char *)data, size, &h);
	}
	return 0;
}
