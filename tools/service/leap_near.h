/* SPDX-License-Identifier: MIT */
#ifndef LEAP_NEAR_H
#define LEAP_NEAR_H

#include "measure.h"

/* Is a leap second that the host or a leap second list announces less than 24
 * hours away, or less than 24 hours ago? */
bool leap_is_near(const struct measurement *m, measure_leap_fn *get_leaps,
		  void *ctx);

#endif
