// SPDX-License-Identifier: MIT
#include "calendar.h"

/* Days from 0000-03-01 to 1970-01-01, proleptic Gregorian. */
#define EPOCH_DAYS 719468

/* Years begin in March here, so that the leap day is the last day of a year. */
static int64_t days_before_year(int64_t year)
{
	return year * 365 + year / 4 - year / 100 + year / 400;
}

/* The months have 31, 30, 31, 30, 31 days again and again: 153 in five
 * months. */
static int64_t days_before_month(int64_t month)
{
	return (month * 153 + 2) / 5;
}

struct calendar_month pclk_calendar_month_of(int64_t sec)
{
	int64_t days = sec / DAY_SEC + EPOCH_DAYS;
	/* 146097 days are 400 years: the result is off by a year at most. */
	int64_t year = days * 400 / 146097;
	int64_t first, end, month;

	while (days_before_year(year) > days)
		year--;
	while (days_before_year(year + 1) <= days)
		year++;
	first = days_before_year(year);
	month = ((days - first) * 5 + 2) / 153;
	/* The twelfth month, February, ends with the year. */
	end = month == 11 ? days_before_year(year + 1)
			  : first + days_before_month(month + 1);
	return (struct calendar_month){
		.start_sec = (first + days_before_month(month) - EPOCH_DAYS) *
			     DAY_SEC,
		.end_sec = (end - EPOCH_DAYS) * DAY_SEC,
	};
}
