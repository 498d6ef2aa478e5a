/* SPDX-License-Identifier: MIT */
/* What a table of leap seconds says about one UTC month. */
#ifndef LEAP_TABLE_H
#define LEAP_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include <paraclock/timescale.h>

#include "base/calendar.h"

/*
 * On TAI a month is [start + offset, end + offset + after): an inserted second
 * is the last one of its month.
 */
struct leap_month {
	struct calendar_month utc;
	int64_t offset_sec; /* TAI - UTC until the leap second at its end */
	int64_t known_sec;  /* UTC, s: where the table ends */
	int before;	    /* the leap second before this month: -1..1 */
	int after;	    /* the leap second at its end: -1..1 */
	bool before_known;
	bool after_known;
};

/* Whole seconds, rounded down; the rest in *ret_rest_ns. */
int64_t pclk_floor_sec(int64_t ns, int64_t *ret_rest_ns);

/*
 * The month of a second of TAI, or of a second of UTC (smeared or not) by its
 * number. -EINVAL: the table is unsound; -ERANGE: out of the table's range;
 * -ESTALE: the table has expired.
 */
int pclk_leap_month_of_tai(const struct paraclock_leap_table *table,
			   int64_t tai_sec, struct leap_month *ret_month);
int pclk_leap_month_of_utc(const struct paraclock_leap_table *table,
			   int64_t utc_sec, struct leap_month *ret_month);

/* enum paraclock_leap of a month; not for the inserted second itself. */
uint8_t pclk_leap_month_state(const struct leap_month *month);

/* Can a sample's offset be TAI - UTC? */
bool pclk_leap_offset_is_plausible(int16_t offset_sec);

/*
 * Does the leap second state of a second tell how its month ends? An
 * announcement does. The absence of an announcement does so on the last day
 * only: NTP's indicator, which many hosts pass on, is about the day by one
 * standard and about the month by another.
 */
bool pclk_leap_tells_end(uint8_t leap, int64_t sec,
			 const struct calendar_month *month);

/*
 * May a leap second, or the second before one, lie within error_ns of a UTC?
 * Its numbers mean two instants. leap: enum paraclock_leap at utc_ns. No to all
 * before 1972, where nobody counts leap seconds.
 */
bool pclk_leap_is_near(uint8_t leap, int64_t utc_ns, uint64_t error_ns);

#endif
