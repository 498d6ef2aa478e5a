/* SPDX-License-Identifier: MIT */
/* The rate of the counter, and how well it is known. Pure. */
#ifndef SERVE_RATE_H
#define SERVE_RATE_H

#include "serve_interval.h"

struct serve_rate {
	uint64_t hz_frac; /* 2^-SERVE_HZ_BITS Hz */
	/* The true rate, over the time that was measured, differs by no more. */
	uint64_t error_ppb;
};

/* A clock at a counter value. */
struct serve_reading {
	uint64_t counter;  /* ticks */
	int64_t ns;	   /* the clock; its rate is asked for */
	uint64_t error_ns; /* it is within this of ns */
	/* What of it is the pair's own: the rest is the same for readings that
	 * are close. */
	uint64_t pair_ns;
};

/* From two readings: two errors, spread over the time between. 0, or -ERANGE: it
 * is too short, too long, or not the later one. */
int serve_rate_between(const struct serve_reading *from,
		       const struct serve_reading *to,
		       struct serve_rate *ret_rate);

/* The rate of the counter by a clock that is slower (negative: faster) by this
 * much than the one that @p rate is of. */
int serve_rate_slower(const struct serve_rate *rate, int64_t slower_ppb,
		      struct serve_rate *ret_rate);

/* Readings of the past, the older the rarer. Zero it to begin. */
#define SERVE_READINGS 16
struct serve_readings {
	struct serve_reading at[SERVE_READINGS];
	unsigned int count;
	int64_t spacing_ns;
	struct serve_reading last; /* if there is any */
};

/*
 * Add a reading, the newest, and find the rate that is known best, of a counter
 * that wanders by @p drift_ppb. 0; -EAGAIN: there is none yet; -ESTALE: since
 * the last reading the rate has been another one, and all of them are forgotten.
 */
int serve_rate_add(struct serve_readings *readings,
		   const struct serve_reading *now, uint64_t drift_ppb,
		   struct serve_rate *ret_rate);

#endif
