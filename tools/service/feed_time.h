/* SPDX-License-Identifier: MIT */
/* An instant, as a user gives it and as others read it. */
#ifndef FEED_TIME_H
#define FEED_TIME_H

#include <stddef.h>
#include <stdint.h>

/* "1790000000000000000", ns since 1970, or RFC 3339 in UTC with up to nine
 * decimals, "2026-11-29T16:00:00.25Z". 0, or -EINVAL and nothing is written. */
int feed_parse_time(const char *text, int64_t *ret_ns);
/* "2026-11-29T16:00:00.250000000Z"; "" if the year has not four digits. */
const char *feed_format_time(int64_t ns, char *buf, size_t size);

#endif
