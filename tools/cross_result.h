/* SPDX-License-Identifier: MIT */
/* The results of 'paraclock cross', and how they are printed. */
#ifndef CROSS_RESULT_H
#define CROSS_RESULT_H

#include "tools.h"

/* Computed from a cross timestamp. */
struct cross_result {
	bool has_offset, has_rate;
	int64_t offset_ns; /* host - CLOCK_REALTIME */
	/* Of the offset, as paraclock_offset() has them. */
	uint64_t error_ns, bound_ns;
	double rate_ppm; /* of the host, against CLOCK_MONOTONIC_RAW */
	double bound_ppm;
};

static inline bool cross_knows(const struct paraclock_crosststamp *xt,
			       enum paraclock_clock clock)
{
	return xt->known >> clock & 1;
}

/* --- cross.c: also what 'paraclock record' measures ------------------------ */

/* The narrowest of three readings, retried for a tenth of a second: an error of
 * paraclock_crosststamp(). */
int cross_narrow(const struct paraclock *clk,
		 struct paraclock_crosststamp *ret_xt);
/* The host's UTC less CLOCK_REALTIME, if both are known. */
bool cross_utc_offset(const struct paraclock_crosststamp *xt,
		      struct paraclock_offset *ret_off);
/* Why cross_narrow() failed, and what to do. */
void cross_explain(const struct paraclock *clk, int error, char *buf,
		   size_t size);

/* --- cross_print.c -------------------------------------------------------- */

/* Each prints one reading: 0, or -EIO and stderr says why. */
int cross_print_json(const char *backend,
		     const struct paraclock_crosststamp *xt,
		     const struct cross_result *result);
int cross_print_line(struct series *series, const struct paraclock *clk,
		     const struct paraclock_crosststamp *xt,
		     const struct cross_result *result);
void cross_print_header(void);

#endif
