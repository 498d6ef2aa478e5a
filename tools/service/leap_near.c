// SPDX-License-Identifier: MIT
#include <time.h>

#include "duration.h"
#include "leap_near.h"

#define DAY_SEC INT64_C(86400)

static bool is_near(int64_t a_sec, int64_t b_sec)
{
	return a_sec - b_sec < DAY_SEC && b_sec - a_sec < DAY_SEC;
}

/* The end of the month, where leap seconds are. */
static int64_t month_end(int64_t sec)
{
	time_t now = (time_t)sec;
	struct tm tm;

	if (!gmtime_r(&now, &tm))
		return INT64_MAX;
	tm.tm_mon++;
	tm.tm_mday = 1;
	tm.tm_hour = tm.tm_min = tm.tm_sec = 0;
	return timegm(&tm);
}

bool leap_is_near(const struct measurement *m, measure_leap_fn *get_leaps,
		  void *ctx)
{
	int64_t sec = m->utc_ns / NSEC_PER_SEC;
	struct paraclock_leap_table table;

	if ((m->sample.leap == PARACLOCK_LEAP_PRE_POS ||
	     m->sample.leap == PARACLOCK_LEAP_PRE_NEG) &&
	    is_near(month_end(sec), sec))
		return true;
	if (!get_leaps || get_leaps(ctx, &table))
		return false;
	for (uint32_t i = 0; i < table.count; i++) {
		if (is_near(table.entry[i].utc_sec, sec))
			return true;
	}
	return false;
}
