/* SPDX-License-Identifier: MIT */
/* On which timescale a PTP clock of a paravirtual driver counts. */
#ifndef PHC_SCALE_H
#define PHC_SCALE_H

#include <stdbool.h>

#include "linux/ptp.h"

/* What a device's name says of it. */
struct phc_kind {
	bool paravirtual; /* may be opened without being named */
	bool measured;	  /* its timescale varies: measure it */
	uint8_t timescale;
};

/* An unknown name is not paravirtual, and its timescale is UNKNOWN. */
void pclk_phc_kind_of(const char *name, struct phc_kind *ret_kind);

/*
 * Measure the timescale of a device: UTC, TAI or UNKNOWN. memory is 0 at first,
 * then this function's own; threads may share it.
 */
uint8_t pclk_phc_measure(uint64_t *memory, const struct ptp_pair *pair);

#endif
