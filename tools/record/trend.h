/* SPDX-License-Identifier: MIT */
/* What the readings of a trace say together: its rate and its stability. */
#ifndef RECORD_TREND_H
#define RECORD_TREND_H

#include "trace.h"

/* The rate of the host clock against CLOCK_MONOTONIC_RAW in a part of a run. */
struct trend_rate {
	int64_t raw_ns; /* its middle */
	double rate;	/* of 1 */
	double bound;	/* of 1: what errors of reading can do; NAN: unknown */
	bool begins_run;
};

/* The overlapping Allan deviation of one tau. */
struct trend_tau {
	double tau_ns;
	double deviation; /* of 1 */
	double error;	  /* about one sigma of it */
};

#define TREND_TAUS_MAX	64
#define TREND_RATES_MAX 512

struct trend {
	double rate;	    /* of all runs in common, of 1; 0: not known */
	int64_t window_ns;  /* that rates were measured over */
	double interval_ns; /* the usual distance of two readings; 0: unknown */
	struct trend_rate rates[TREND_RATES_MAX];
	size_t rate_count;
	struct trend_tau taus[TREND_TAUS_MAX];
	size_t tau_count;
};

/* 0, or -ENOMEM. */
int trend_find(struct trend *trend, const struct trace *trace);

#endif
