/* SPDX-License-Identifier: MIT */
/* A time of day as text. */
#ifndef UTC_H
#define UTC_H

#include <stdbool.h>
#include <stdint.h>

/* "2026-11-29T03:51:00.123456789Z" and a NUL. */
#define UTC_TEXT 32

/* @p is_inserted: hosts number an inserted second as the one before it or the
 * one after it, and this is the inserted one, 23:59:60. */
const char *format_utc(int64_t utc_ns, bool is_inserted,
		       char ret_text[UTC_TEXT]);
/* What CLOCK_REALTIME says now, ns. */
int64_t realtime_ns(void);

#endif
