// SPDX-License-Identifier: MIT
/* Leap seconds at the end of a UTC month. */

#include "leap.h"

#define DAY_SEC 86400

/* TAI - UTC has been in this range since 1972 and will not leave it soon. */
#define TAI_OFFSET_MIN 10
#define TAI_OFFSET_MAX 100

/* For ever, in whole seconds that still fit an int64_t of ns. */
#define HORIZON_MAX_SEC 9000000000U

bool pclk_leap_tai_is_plausible(int16_t offset_sec)
{
	return offset_sec >= TAI_OFFSET_MIN && offset_sec <= TAI_OFFSET_MAX;
}

int16_t pclk_leap_tai(int16_t stated_sec)
{
	/* Negated as an int: -32768 has no counterpart in 16 bits. */
	int offset = stated_sec < 0 ? -stated_sec : stated_sec;

	if (offset < TAI_OFFSET_MIN || offset > TAI_OFFSET_MAX)
		return 0;
	return (int16_t)offset;
}

/* Days from 1970-01-01 to the first of a month, proleptic Gregorian. Years are
 * counted from March, so that the leap day is the last one. */
static int64_t days_to_month(int64_t year, unsigned int month)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t era = (y >= 0 ? y : y - 399) / 400;
	int64_t in_era = y - era * 400;
	int64_t in_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5;

	return era * 146097 + in_era * 365 + in_era / 4 - in_era / 100 +
	       in_year - 719468;
}

int64_t pclk_leap_month_end(int64_t sec)
{
	int64_t days = sec / DAY_SEC - (sec % DAY_SEC < 0);
	/* A little under 400 years of 146097 days: never a year too late. */
	int64_t year = 1970 + days * 400 / 146097 - 1;
	unsigned int month = 1;

	while (days_to_month(year + 1, 1) <= days)
		year++;
	while (month < 12 && days_to_month(year, month + 1) <= days)
		month++;
	return (month == 12 ? days_to_month(year + 1, 1)
			    : days_to_month(year, month + 1)) *
	       DAY_SEC;
}

static bool is_announced(const struct leap_state *leap)
{
	return leap->leap == PARACLOCK_LEAP_PRE_POS ||
	       leap->leap == PARACLOCK_LEAP_PRE_NEG;
}

/*
 * The first second that the leap numbers differently, at the month's end on the
 * page's own scale. On TAI without the offset: the earliest that it can be.
 */
static int64_t leap_second_at(const struct leap_state *leap, int64_t ref_sec)
{
	int64_t offset = 0;
	int64_t end;

	if (leap->timescale == PARACLOCK_TIMESCALE_TAI)
		offset =
			leap->tai_known ? leap->tai_offset_sec : TAI_OFFSET_MAX;
	end = pclk_leap_month_end(ref_sec - offset);
	if (leap->timescale == PARACLOCK_TIMESCALE_TAI && leap->tai_known)
		end += offset;
	/* A negative leap removes the month's last second. */
	return leap->leap == PARACLOCK_LEAP_PRE_NEG ? end - 1 : end;
}

static bool is_first_of_month(int64_t sec)
{
	return pclk_leap_month_end(sec - 1) == sec;
}

/* The least and the most that a second of the page's scale can be in UTC; they
 * differ on TAI without the offset. */
static int64_t least_utc(const struct leap_state *leap, int64_t sec)
{
	if (leap->timescale == PARACLOCK_TIMESCALE_UTC)
		return sec;
	return sec - (leap->tai_known ? leap->tai_offset_sec : TAI_OFFSET_MAX);
}

static int64_t most_utc(const struct leap_state *leap, int64_t sec)
{
	if (leap->timescale == PARACLOCK_TIMESCALE_UTC)
		return sec;
	return sec - (leap->tai_known ? leap->tai_offset_sec : TAI_OFFSET_MIN);
}

/* A second was inserted or removed just before the month of after_sec. After
 * the end of that month, the leap is no longer the last month's. */
static void expire(struct leap_state *leap, int64_t after_sec, int64_t sec)
{
	if (most_utc(leap, sec) <
	    pclk_leap_month_end(least_utc(leap, after_sec)))
		return;
	if (least_utc(leap, sec) <
	    pclk_leap_month_end(most_utc(leap, after_sec)))
		leap->leap = PARACLOCK_LEAP_UNKNOWN;
	else
		leap->leap = PARACLOCK_LEAP_NONE;
}

/*
 * The page was written inside an inserted second. A writer that numbers it as
 * the second before goes on right after it; one that numbers it as the second
 * after has that number twice. The TAI offset may be from before or from after
 * the inserted second: on TAI the second's number shows which, on UTC nothing
 * does.
 */
static bool leave_inserted(struct leap_state *leap, int64_t ref_sec,
			   int64_t sec)
{
	bool utc = leap->timescale == PARACLOCK_TIMESCALE_UTC;

	if (sec == ref_sec)
		return true;
	if (utc && is_first_of_month(ref_sec))
		return false;
	leap->leap = PARACLOCK_LEAP_POST_POS;
	if (utc || is_first_of_month(least_utc(leap, ref_sec)))
		leap->tai_known = false;
	/* That many seconds later it is the next month, whatever the offset. */
	expire(leap, ref_sec + TAI_OFFSET_MAX, sec);
	return true;
}

static bool is_past(const struct leap_state *leap)
{
	return leap->leap == PARACLOCK_LEAP_POST_POS ||
	       leap->leap == PARACLOCK_LEAP_POST_NEG;
}

bool pclk_leap_apply(struct leap_state *leap, int64_t ref_sec, int64_t *sec)
{
	bool utc = leap->timescale == PARACLOCK_TIMESCALE_UTC;
	int64_t at;
	int step;

	if (leap->timescale == PARACLOCK_TIMESCALE_MONOTONIC)
		return true;
	if (leap->leap == PARACLOCK_LEAP_POS)
		return leave_inserted(leap, ref_sec, *sec);
	if (is_past(leap) && *sec != ref_sec)
		expire(leap, ref_sec, *sec);
	if (!is_announced(leap))
		return true;
	at = leap_second_at(leap, ref_sec);
	if (*sec < at)
		return true;
	if (!utc && !leap->tai_known)
		return false;

	step = leap->leap == PARACLOCK_LEAP_PRE_POS ? 1 : -1;
	if (step > 0)
		leap->leap = *sec == at ? PARACLOCK_LEAP_POS
					: PARACLOCK_LEAP_POST_POS;
	else
		leap->leap = PARACLOCK_LEAP_POST_NEG;
	leap->tai_offset_sec = (int16_t)(leap->tai_offset_sec + step);
	if (utc)
		*sec -= step;
	/* 1: the first second after the inserted one. */
	if (is_past(leap))
		expire(leap, at + 1, *sec);
	return true;
}

uint64_t pclk_leap_horizon_sec(const struct leap_state *leap, int64_t ref_sec)
{
	int64_t at;

	if (leap->timescale == PARACLOCK_TIMESCALE_MONOTONIC)
		return HORIZON_MAX_SEC;
	if (leap->leap == PARACLOCK_LEAP_POS)
		return 0;
	if (!is_announced(leap) && !is_past(leap))
		return HORIZON_MAX_SEC;
	at = is_past(leap) ? pclk_leap_month_end(least_utc(leap, ref_sec)) +
				     ref_sec - most_utc(leap, ref_sec)
			   : leap_second_at(leap, ref_sec);
	/* 1: the reference point may lie anywhere in its second. */
	at--;
	return at > ref_sec ? (uint64_t)(at - ref_sec) : 0;
}

uint8_t pclk_leap_for_sample(const struct leap_state *leap)
{
	if (leap->timescale == PARACLOCK_TIMESCALE_MONOTONIC ||
	    leap->leap > PARACLOCK_LEAP_POST_NEG)
		return PARACLOCK_LEAP_UNKNOWN;
	return leap->leap;
}
