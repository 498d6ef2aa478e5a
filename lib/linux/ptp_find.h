/* SPDX-License-Identifier: MIT */
/* Which PTP clock is opened, and which one it is: ptp_find.c. */
#ifndef PTP_FIND_H
#define PTP_FIND_H

#include "ptp.h"

/* As pclk_ptp_open(), with what is wrong in words. */
int pclk_ptp_find(struct ptp *ptp, const struct paraclock_options *opts,
		  ptp_wanted_fn *wanted);

#endif
