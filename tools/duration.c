// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>

#include "duration.h"

#define DAY_SEC 86400U

uint64_t duration_of(int64_t ns)
{
	return ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
}

const char *format_duration(uint64_t ns, char *buf, size_t size)
{
	uint64_t sec = ns / 1000000000;

	if (ns < 1000)
		snprintf(buf, size, "%" PRIu64 " ns", ns);
	else if (ns < 1000000)
		snprintf(buf, size, "%" PRIu64 ".%" PRIu64 " us", ns / 1000,
			 ns % 1000 / 100);
	else if (ns < 1000000000)
		snprintf(buf, size, "%" PRIu64 ".%02" PRIu64 " ms",
			 ns / 1000000, ns % 1000000 / 10000);
	else if (sec < DAY_SEC)
		snprintf(buf, size, "%" PRIu64 ".%03" PRIu64 " s", sec,
			 ns % 1000000000 / 1000000);
	else
		snprintf(buf, size,
			 "%" PRIu64 " d %02" PRIu64 ":%02" PRIu64 ":%02" PRIu64,
			 sec / DAY_SEC, sec % DAY_SEC / 3600, sec % 3600 / 60,
			 sec % 60);
	return buf;
}

/* The last digit that is shown, ns; from a minute or so on a short one shows
 * less. */
static uint64_t step_of(uint64_t ns, bool is_short)
{
	if (ns < 1000)
		return 1;
	if (ns < 1000000)
		return 100;
	if (ns < 1000000000)
		return 10000;
	if (ns < 100 * (uint64_t)NSEC_PER_SEC)
		return 1000000;
	if (ns < DAY_SEC * (uint64_t)NSEC_PER_SEC)
		return is_short ? 100000000 : 1000000;
	return is_short ? DAY_SEC * (uint64_t)NSEC_PER_SEC : NSEC_PER_SEC;
}

static uint64_t round_up(uint64_t ns, bool is_short)
{
	const uint64_t step = step_of(ns, is_short), rest = ns % step;

	return rest && ns <= UINT64_MAX - step ? ns - rest + step : ns;
}

uint64_t duration_rest(uint64_t ns)
{
	return ns % step_of(ns, false);
}

const char *format_duration_up(uint64_t ns, char *buf, size_t size)
{
	return format_duration(round_up(ns, false), buf, size);
}

const char *format_short_up(uint64_t ns, char ret_text[SHORT_TEXT])
{
	return format_short(round_up(ns, true), ret_text);
}

const char *format_short(uint64_t ns, char ret_text[SHORT_TEXT])
{
	uint64_t sec = ns / 1000000000, ms = ns / 1000000 % 1000;

	if (ns < 1000)
		snprintf(ret_text, SHORT_TEXT, "%" PRIu64 "ns", ns);
	else if (ns < 1000000)
		snprintf(ret_text, SHORT_TEXT, "%" PRIu64 ".%" PRIu64 "us",
			 ns / 1000, ns % 1000 / 100);
	else if (!sec)
		snprintf(ret_text, SHORT_TEXT, "%" PRIu64 ".%02" PRIu64 "ms",
			 ms, ns % 1000000 / 10000);
	else if (sec < 100)
		snprintf(ret_text, SHORT_TEXT, "%" PRIu64 ".%03" PRIu64 "s",
			 sec, ms);
	else if (sec < DAY_SEC)
		snprintf(ret_text, SHORT_TEXT, "%" PRIu64 ".%" PRIu64 "s", sec,
			 ms / 100);
	else
		snprintf(ret_text, SHORT_TEXT, "%" PRIu64 "d", sec / DAY_SEC);
	return ret_text;
}

const char *format_ppm(double ppm, const char *sign, char ret_text[32])
{
	if (ppm < 0)
		sign = "-";
	if (ppm < 0)
		ppm = -ppm;
	snprintf(ret_text, 32, ppm < 9999 ? "%s%.4f" : "%s%.2e", sign, ppm);
	return ret_text;
}

/* What the digits of a rate leave out. */
static double ppm_rest(double ppm)
{
	const double size = ppm < 0 ? -ppm : ppm;

	return size < 9999 ? 0.51e-4 : size * 0.0051;
}

const char *format_ppm_bound(double rate, double bound, char ret_text[32])
{
	bound += ppm_rest(rate);
	return format_ppm(bound + ppm_rest(bound), "", ret_text);
}
