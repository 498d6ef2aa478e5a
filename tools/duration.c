// SPDX-License-Identifier: MIT
#include <inttypes.h>
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
