/* SPDX-License-Identifier: MIT */
/* UTC months: leap seconds end them. */
#ifndef CALENDAR_H
#define CALENDAR_H

#include <stdint.h>

#include "shared.h"

#define DAY_SEC INT64_C(86400)

/*
 * The range in which this library knows leap seconds: from 1972-01-01, when TAI
 * - UTC became a whole number of seconds, to 2261-07-15, nine months before 64
 * bits of ns end, so that the end of a month and a smear beyond it still fit.
 */
#define LEAP_FIRST_SEC INT64_C(63072000)
#define LEAP_LAST_SEC  INT64_C(9200000000)

/* A UTC month, POSIX count, s: [start, end). */
struct calendar_month {
	int64_t start_sec;
	int64_t end_sec;
};

/* The month that a second between 1970 and LEAP_LAST_SEC is in. */
PCLK_SHARED struct calendar_month pclk_calendar_month_of(int64_t sec);

#endif
