/* SPDX-License-Identifier: MIT */
/* Finding the PTP clock to open: ptp_find.c. */
#ifndef PTP_FIND_H
#define PTP_FIND_H

#include "ptp.h"

/* As pclk_ptp_open(), once the env is known to be fit. */
int pclk_ptp_find(struct ptp *ptp, const struct paraclock_options *opts,
		  ptp_wanted_fn *wanted);

#endif
