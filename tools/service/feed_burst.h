/* SPDX-License-Identifier: MIT */
/* Takes a sample: a burst of measurements that are all fit. */
#ifndef FEED_BURST_H
#define FEED_BURST_H

#include "feed_service.h"

/* keep_ops; they take a struct feed. */
int feed_leap_table(void *feed, struct paraclock_leap_table *ret_table);
int feed_tai_offset(void *feed, int16_t *ret_sec);

/* One burst now. 0, or -errno and *ret_why. */
int feed_take(struct feed *feed, struct feed_sample *ret_sample,
	      enum feed_why *ret_why);

#endif
