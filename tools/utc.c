// SPDX-License-Identifier: MIT
#include <stdio.h>
#include <time.h>

#include "duration.h"
#include "utc.h"

#define DAY_SEC 86400

/* Every int64_t of ns lies in a year of four digits, 1677 to 2262. */
const char *format_utc(int64_t utc_ns, bool is_inserted,
		       char ret_text[UTC_TEXT])
{
	time_t sec = (time_t)(utc_ns / NSEC_PER_SEC);
	int64_t rest = utc_ns % NSEC_PER_SEC;
	struct tm tm;
	size_t used;

	if (rest < 0) {
		rest += NSEC_PER_SEC;
		sec--;
	}
	/* Some hosts number an inserted second as the one after it. */
	if (is_inserted && sec % DAY_SEC == 0)
		sec--;
	gmtime_r(&sec, &tm);
	if (is_inserted && tm.tm_sec == 59)
		tm.tm_sec = 60;
	used = strftime(ret_text, UTC_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
	snprintf(ret_text + used, UTC_TEXT - used, ".%09dZ", (int)rest);
	return ret_text;
}

int64_t realtime_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return (int64_t)now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}
