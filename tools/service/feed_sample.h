/* SPDX-License-Identifier: MIT */
/*
 * What is delivered: how far this machine's CLOCK_REALTIME is from the host's
 * UTC, as the median of a burst of measurements. Pure: nothing is read here.
 */
#ifndef FEED_SAMPLE_H
#define FEED_SAMPLE_H

#include "judge.h"

/* The median of five is not moved by two readings that an interrupt hit. */
#define FEED_BURST 5

struct feed_sample {
	int64_t real_ns;   /* CLOCK_REALTIME at the measurement */
	int64_t offset_ns; /* host UTC less CLOCK_REALTIME at that instant */
	int64_t raw_ns;	   /* CLOCK_MONOTONIC_RAW at that instant */
	uint64_t bound_ns; /* UINT64_MAX: not known */
	/* What of the bound is this machine's: how sure the pair of the two
	 * clocks is. */
	uint64_t precision_ns;
	uint64_t spread_ns; /* largest offset of the burst less the least */
	unsigned int n;	    /* measurements in the burst */
	uint64_t epoch;	    /* of the handle */
	uint8_t leap;
	uint8_t timescale; /* of the source */
	bool has_bound;	   /* the host states its own error */
	const char *backend;
};

/* The bound that is told for a measurement: a source that states none counts as
 * right to within @p assume_error_ns. */
uint64_t feed_bound(const struct measurement *m, int64_t assume_error_ns);

/*
 * The sample of a burst of valid measurements, 1 to FEED_BURST, in the order of
 * time; they are sorted. The bound is the median's own. 0; -ESTALE: a disruption lies between
 * them, or a jump; -ERANGE: CLOCK_REALTIME is before 1970.
 */
int feed_sample_make(struct measurement *m, unsigned int n,
		     int64_t assume_error_ns, struct feed_sample *ret_sample);

/* CLOCK_REALTIME, read between two readings of CLOCK_MONOTONIC_RAW. */
struct feed_now {
	int64_t before_raw_ns, real_ns, after_raw_ns;
};

/*
 * Does the sample still belong to CLOCK_REALTIME? Not if that was set since:
 * then the sample may be dated in the future, or long ago.
 */
bool feed_is_current(const struct feed_sample *sample,
		     const struct feed_now *now);

/* The system time, floored to us: an instant that every receiver can express.
 * The offset is the same there, to less than a ns. */
struct feed_tv {
	int64_t sec;
	int32_t us; /* 0 to 999999 */
};
struct feed_tv feed_tv(int64_t ns);

/* 0 none, 1 a second is inserted, 2 one is deleted at the end of the month. */
int feed_leap(uint8_t leap);
/* log2 s, rounded up, of what a burst and its pairs are sure to: -30 to 0. */
int feed_log2_precision(const struct feed_sample *sample);

#endif
