/* SPDX-License-Identifier: MIT */
/* Every leap second since 1972, and an imagined negative one. */
#ifndef LEAPS_H
#define LEAPS_H

#include "fake.h"

#define SEC 1000000000LL
#define DAY 86400LL

/* Seconds of UTC, POSIX count, worked out by date(1). */
#define T1972_01 63072000LL
#define T2016_12 1480550400LL
#define T2017_01 1483228800LL
#define T2017_02 1485907200LL
#define T2035_01 2051222400LL
#define T2035_02 2053900800LL
/* 2035-12-28: not the end of a month. */
#define EXPIRY 2082412800LL

/* A leap second: the first second after it, TAI - UTC before and after. */
struct leap_row {
	const char *name;
	int64_t after_sec;
	int before, after;
};

static struct leap_row leaps[] = {
	/* clang-format off */
	{ "around the inserted second of 1972-06-30", 78796800, 10, 11 },
	{ "around the inserted second of 1972-12-31", 94694400, 11, 12 },
	{ "around the inserted second of 1973-12-31", 126230400, 12, 13 },
	{ "around the inserted second of 1974-12-31", 157766400, 13, 14 },
	{ "around the inserted second of 1975-12-31", 189302400, 14, 15 },
	{ "around the inserted second of 1976-12-31", 220924800, 15, 16 },
	{ "around the inserted second of 1977-12-31", 252460800, 16, 17 },
	{ "around the inserted second of 1978-12-31", 283996800, 17, 18 },
	{ "around the inserted second of 1979-12-31", 315532800, 18, 19 },
	{ "around the inserted second of 1981-06-30", 362793600, 19, 20 },
	{ "around the inserted second of 1982-06-30", 394329600, 20, 21 },
	{ "around the inserted second of 1983-06-30", 425865600, 21, 22 },
	{ "around the inserted second of 1985-06-30", 489024000, 22, 23 },
	{ "around the inserted second of 1987-12-31", 567993600, 23, 24 },
	{ "around the inserted second of 1989-12-31", 631152000, 24, 25 },
	{ "around the inserted second of 1990-12-31", 662688000, 25, 26 },
	{ "around the inserted second of 1992-06-30", 709948800, 26, 27 },
	{ "around the inserted second of 1993-06-30", 741484800, 27, 28 },
	{ "around the inserted second of 1994-06-30", 773020800, 28, 29 },
	{ "around the inserted second of 1995-12-31", 820454400, 29, 30 },
	{ "around the inserted second of 1997-06-30", 867715200, 30, 31 },
	{ "around the inserted second of 1998-12-31", 915148800, 31, 32 },
	{ "around the inserted second of 2005-12-31", 1136073600, 32, 33 },
	{ "around the inserted second of 2008-12-31", 1230768000, 33, 34 },
	{ "around the inserted second of 2012-06-30", 1341100800, 34, 35 },
	{ "around the inserted second of 2015-06-30", 1435708800, 35, 36 },
	{ "around the inserted second of 2016-12-31", 1483228800, 36, 37 },
	{ "around a removed second of 2034-12-31", T2035_01, 37, 36 },
	/* clang-format on */
};

static inline void leaps_table(struct paraclock_leap_table *table)
{
	*table = (struct paraclock_leap_table){ .expires_sec = EXPIRY };
	table->entry[0].utc_sec = T1972_01;
	table->entry[0].tai_offset_sec = 10;
	for (size_t i = 0; i < ARRAY_LEN(leaps); i++) {
		table->entry[i + 1].utc_sec = leaps[i].after_sec;
		table->entry[i + 1].tai_offset_sec = (int16_t)leaps[i].after;
	}
	table->count = ARRAY_LEN(leaps) + 1;
}

#endif
