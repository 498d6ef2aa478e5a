// SPDX-License-Identifier: MIT
#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "duration.h"
#include "feed_time.h"

/* Two or four digits. */
static bool take_number(const char **text, int digits, int *ret_number)
{
	int number = 0;

	for (; digits; digits--, (*text)++) {
		if (!isdigit((unsigned char)**text))
			return false;
		number = number * 10 + (**text - '0');
	}
	*ret_number = number;
	return true;
}

static bool take_char(const char **text, const char *any)
{
	if (!**text || !strchr(any, **text))
		return false;
	(*text)++;
	return true;
}

static bool take_decimals(const char **text, int64_t *ret_ns)
{
	int64_t unit = NSEC_PER_SEC, ns = 0;

	if (!take_char(text, "."))
		return true;
	if (!isdigit((unsigned char)**text))
		return false;
	for (; isdigit((unsigned char)**text); (*text)++) {
		unit /= 10;
		if (!unit)
			return false;
		ns += (**text - '0') * unit;
	}
	*ret_ns = ns;
	return true;
}

static bool take_date(const char **text, struct tm *tm)
{
	return take_number(text, 4, &tm->tm_year) && take_char(text, "-") &&
	       take_number(text, 2, &tm->tm_mon) && take_char(text, "-") &&
	       take_number(text, 2, &tm->tm_mday) && take_char(text, "Tt ") &&
	       take_number(text, 2, &tm->tm_hour) && take_char(text, ":") &&
	       take_number(text, 2, &tm->tm_min) && take_char(text, ":") &&
	       take_number(text, 2, &tm->tm_sec);
}

static int parse_date(const char *text, int64_t *ret_ns)
{
	struct tm tm = { 0 }, again;
	int64_t ns = 0;
	time_t sec;

	if (!take_date(&text, &tm) || !take_decimals(&text, &ns) ||
	    !take_char(&text, "Zz") || *text)
		return -EINVAL;
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	again = tm;
	sec = timegm(&again);
	/* timegm() makes 1 March of 30 February. No second 60: what counts
	 * from there is not known to a second. */
	if (again.tm_mon != tm.tm_mon || again.tm_mday != tm.tm_mday ||
	    again.tm_hour != tm.tm_hour || again.tm_min != tm.tm_min ||
	    again.tm_sec != tm.tm_sec)
		return -EINVAL;
	if (__builtin_mul_overflow((int64_t)sec, NSEC_PER_SEC, ret_ns) ||
	    *ret_ns > INT64_MAX - ns)
		return -EINVAL;
	*ret_ns += ns;
	return 0;
}

static int parse_ns(const char *text, int64_t *ret_ns)
{
	int64_t ns = 0;

	for (; *text; text++) {
		if (!isdigit((unsigned char)*text) ||
		    __builtin_mul_overflow(ns, 10, &ns) ||
		    __builtin_add_overflow(ns, *text - '0', &ns))
			return -EINVAL;
	}
	*ret_ns = ns;
	return 0;
}

int feed_parse_time(const char *text, int64_t *ret_ns)
{
	int64_t ns = 0;
	int ret;

	if (!text[0])
		return -EINVAL;
	ret = strchr(text, '-') ? parse_date(text, &ns) : parse_ns(text, &ns);
	if (!ret)
		*ret_ns = ns;
	return ret;
}
