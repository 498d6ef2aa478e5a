// SPDX-License-Identifier: MIT
/*
 * The leap-seconds list. A line is "SECONDS OFFSET" with a comment, or begins
 * with "#$" (updated), "#@" (expires), "#h" (hash) or any other "#" (comment).
 * Seconds count from 1900. The hash is that of the digits of all lines but
 * "#h".
 */

#include <errno.h>
#include <stdbool.h>

#include <paraclock/timescale.h>

#include "base/calendar.h"
#include "base/text.h"
#include "sha1.h"

/* From 1900-01-01 to 1970-01-01, s. */
#define NTP_TO_POSIX_SEC INT64_C(2208988800)

/* More than any date needs, and too few to overflow. */
#define DIGITS_MAX 18

/* The rest of a line. */
struct cursor {
	const char *at, *end;
};

struct parser {
	struct paraclock_leap_table table;
	struct sha1 sha;
	uint32_t hash[SHA1_WORDS];
	bool has_updated, has_expiry, has_hash;
	const char *why; /* of a failure */
};

static int fail(struct parser *p, int error, const char *why)
{
	p->why = why;
	return error;
}

static void skip_blanks(struct cursor *c)
{
	while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
		c->at++;
}

/* Has the line ended, but for a comment? */
static bool is_over(struct cursor *c)
{
	skip_blanks(c);
	return c->at == c->end || *c->at == '#';
}

/* A decimal number, whose digits also go into the hash. */
static bool parse_number(struct parser *p, struct cursor *c, int64_t *ret_value)
{
	unsigned int digits = 0;
	int64_t value = 0;

	skip_blanks(c);
	for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++) {
		if (++digits > DIGITS_MAX)
			return false;
		value = value * 10 + (*c->at - '0');
		pclk_sha1_add(&p->sha, (uint8_t)*c->at);
	}
	*ret_value = value;
	return digits > 0;
}

static int parse_date(struct parser *p, struct cursor *c, int64_t *ret_sec)
{
	int64_t ntp_sec = 0;

	if (!parse_number(p, c, &ntp_sec))
		return fail(p, -EPROTO, "no number of seconds since 1900");
	if (ntp_sec < LEAP_FIRST_SEC + NTP_TO_POSIX_SEC)
		return fail(p, -EPROTO, "a date before 1972");
	if (ntp_sec >= LEAP_LAST_SEC + NTP_TO_POSIX_SEC)
		return fail(p, -ERANGE, "a date after mid-2261");
	*ret_sec = ntp_sec - NTP_TO_POSIX_SEC;
	return 0;
}

/* "#$" and "#@": each once, with nothing after the number. */
static int parse_header(struct parser *p, struct cursor *c, bool *has,
			int64_t *ret_sec)
{
	int ret;

	if (*has)
		return fail(p, -EPROTO, "given twice");
	ret = parse_date(p, c, ret_sec);
	if (ret)
		return ret;
	if (!is_over(c))
		return fail(p, -EPROTO, "something after the number");
	*has = true;
	return 0;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* Published lists have left out leading zeros of a word. */
static bool parse_hash_word(struct cursor *c, uint32_t *ret_word)
{
	unsigned int digits = 0;
	uint32_t word = 0;

	skip_blanks(c);
	for (; c->at < c->end && hex_digit(*c->at) >= 0; c->at++) {
		if (++digits > 8)
			return false;
		word = word << 4 | (uint32_t)hex_digit(*c->at);
	}
	*ret_word = word;
	return digits > 0;
}

static int parse_hash(struct parser *p, struct cursor *c)
{
	if (p->has_hash)
		return fail(p, -EPROTO, "given twice");
	for (unsigned int i = 0; i < SHA1_WORDS; i++) {
		if (!parse_hash_word(c, &p->hash[i]))
			return fail(p, -EPROTO, "no hash of five words");
	}
	if (!is_over(c))
		return fail(p, -EPROTO, "something after the hash");
	p->has_hash = true;
	return 0;
}

static int parse_comment(struct parser *p, struct cursor *c)
{
	char kind;

	c->at++;
	if (c->at == c->end)
		return 0;
	kind = *c->at++;
	if (kind == '$')
		return parse_header(p, c, &p->has_updated,
				    &p->table.updated_sec);
	if (kind == '@')
		return parse_header(p, c, &p->has_expiry,
				    &p->table.expires_sec);
	/* "#https://..." is not a hash. */
	if (kind == 'h' && c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
		return parse_hash(p, c);
	return 0;
}

static int add_entry(struct parser *p, int64_t sec, int64_t offset_sec)
{
	struct paraclock_leap_table *t = &p->table;
	const struct paraclock_leap_entry *last;

	if (pclk_calendar_month_of(sec).start_sec != sec)
		return fail(p, -EPROTO, "not the first second of a month");
	if (offset_sec > INT16_MAX)
		return fail(p, -EPROTO, "no such TAI - UTC");
	if (t->count) {
		last = &t->entry[t->count - 1];
		if (sec <= last->utc_sec)
			return fail(p, -EPROTO,
				    "not later than the one before");
		if (offset_sec != last->tai_offset_sec + 1 &&
		    offset_sec != last->tai_offset_sec - 1)
			return fail(p, -EPROTO,
				    "TAI - UTC does not change by one");
	}
	if (t->count == PARACLOCK_LEAP_TABLE_MAX)
		return fail(p, -ERANGE, "too many leap seconds");
	t->entry[t->count].utc_sec = sec;
	t->entry[t->count++].tai_offset_sec = (int16_t)offset_sec;
	return 0;
}

static int parse_entry(struct parser *p, struct cursor *c)
{
	int64_t sec = 0, offset_sec = 0;
	const char *blank;
	int ret = parse_date(p, c, &sec);

	if (ret)
		return ret;
	blank = c->at;
	skip_blanks(c);
	if (c->at == blank || !parse_number(p, c, &offset_sec))
		return fail(p, -EPROTO, "no TAI - UTC");
	if (!is_over(c))
		return fail(p, -EPROTO, "something after TAI - UTC");
	return add_entry(p, sec, offset_sec);
}

static int parse_line(struct parser *p, struct cursor *c)
{
	if (c->end > c->at && c->end[-1] == '\r')
		c->end--;
	/* "#$", "#@" and "#h" count only at the beginning of a line. */
	if (c->at < c->end && *c->at == '#')
		return parse_comment(p, c);
	return is_over(c) ? 0 : parse_entry(p, c);
}

static int check_whole(struct parser *p)
{
	if (!p->table.count)
		return fail(p, -EPROTO, "no leap seconds");
	if (!p->has_expiry)
		return fail(p, -EPROTO, "no date of expiry (#@)");
	/* The hash is the last line: a file that was cut off has none. */
	if (!p->has_hash)
		return fail(p, -EPROTO, "no hash (#h)");
	pclk_sha1_end(&p->sha);
	for (unsigned int i = 0; i < SHA1_WORDS; i++) {
		if (p->hash[i] != p->sha.hash[i])
			return fail(p, -EPROTO, "the hash does not match");
	}
	return 0;
}

/* The text up to the next newline, or to the end. */
static struct cursor next_line(const char **at, const char *end)
{
	struct cursor c = { *at, *at };

	while (c.end < end && *c.end != '\n')
		c.end++;
	*at = c.end < end ? c.end + 1 : end;
	return c;
}

int paraclock_leap_list_parse(const char *text, size_t size, char *detail,
			      size_t detail_size,
			      struct paraclock_leap_table *ret_table)
{
	struct parser p = { 0 };
	const char *at = text;
	uint64_t line = 0;
	char number[24];
	int ret = 0;

	if (!text || !ret_table)
		return -EINVAL;
	pclk_sha1_start(&p.sha);
	while (!ret && at < text + size) {
		struct cursor c = next_line(&at, text + size);

		line++;
		ret = parse_line(&p, &c);
	}
	if (!ret)
		ret = check_whole(&p);
	if (ret) {
		TEXT(detail, detail_size, "line ", pclk_decimal(line, number),
		     ": ", p.why);
		return ret;
	}
	*ret_table = p.table;
	return 0;
}
