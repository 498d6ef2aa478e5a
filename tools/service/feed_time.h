/* SPDX-License-Identifier: MIT */
/* An instant, as a user gives it. */
#ifndef FEED_TIME_H
#define FEED_TIME_H

#include <stdint.h>

/* "1790000000000000000", ns since 1970, or RFC 3339 in UTC with up to nine
 * decimals, "2026-11-29T16:00:00.25Z". 0, or -EINVAL and nothing is written. */
int feed_parse_time(const char *text, int64_t *ret_ns);

#endif
