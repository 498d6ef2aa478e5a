/* SPDX-License-Identifier: MIT */
/* --start-utc holds until the first disruption, also for the feed that is started
 * after the one that noticed it. */
#ifndef FEED_START_H
#define FEED_START_H

#include <stdbool.h>
#include <stdint.h>

/* 0, or -errno. */
int feed_start_set_void(const char *folder, int64_t start_utc_ns);
bool feed_start_is_void(const char *folder, int64_t start_utc_ns);

#endif
