/* SPDX-License-Identifier: MIT */
/* The results of 'paraclock cross', and how they are printed. */
#ifndef CROSS_RESULT_H
#define CROSS_RESULT_H

#include "tools.h"

/* Computed from a cross timestamp. */
struct cross_result {
	bool has_offset, has_rate;
	int64_t offset_ns; /* host - CLOCK_REALTIME */
	double rate_ppm;   /* of the host, against CLOCK_MONOTONIC_RAW */
	double bound_ppm;
};

static inline bool cross_knows(const struct paraclock_crosststamp *xt,
			       enum paraclock_clock clock)
{
	return xt->known >> clock & 1;
}

/* Each prints one reading: 0, or -EIO and stderr says why. */
int cross_print_json(const char *backend,
		     const struct paraclock_crosststamp *xt,
		     const struct cross_result *result);
int cross_print_line(struct series *series, const struct paraclock *clk,
		     const struct paraclock_crosststamp *xt,
		     const struct cross_result *result);
void cross_print_header(void);

#endif
