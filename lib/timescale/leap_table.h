/* SPDX-License-Identifier: MIT */
/* What a table of leap seconds says of one UTC month. */
#ifndef LEAP_TABLE_H
#define LEAP_TABLE_H

#include <stdbool.h>
#include <stdint.h>

#include <paraclock/timescale.h>

#include "base/calendar.h"

/*
 * On TAI a month is [start + offset, end + offset + after): an inserted second
 * is its last.
 */
struct leap_month {
	struct calendar_month utc;
	int64_t offset_sec; /* TAI - UTC until the leap second at its end */
	int64_t known_sec;  /* UTC, s: the table ends here */
	int before;	    /* leap second that ended the month before: -1..1 */
	int after;	    /* leap second at this one's end: -1..1 */
	bool before_known;
	bool after_known;
};

/* Whole seconds, rounded down; *ret_rest_ns is the rest. */
int64_t pclk_floor_sec(int64_t ns, int64_t *ret_rest_ns);

/*
 * The month of a second of TAI, or of UTC (or smeared UTC) by its number.
 * -EINVAL: an unsound table; -ERANGE: out of range; -ESTALE: expired.
 */
int pclk_leap_month_of_tai(const struct paraclock_leap_table *table,
			   int64_t tai_sec, struct leap_month *ret_month);
int pclk_leap_month_of_utc(const struct paraclock_leap_table *table,
			   int64_t utc_sec, struct leap_month *ret_month);

/* enum paraclock_leap, except for the inserted second. */
uint8_t pclk_leap_month_state(const struct leap_month *month);

#endif
