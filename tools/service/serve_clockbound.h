/* SPDX-License-Identifier: MIT */
/* ClockBound's shared memory segment, protocol 2: a bound of CLOCK_REALTIME. */
#ifndef SERVE_CLOCKBOUND_H
#define SERVE_CLOCKBOUND_H

#include <stdint.h>

#include <paraclock/host.h>

#include "serve_file.h"

enum serve_bound_status {
	SERVE_BOUND_UNKNOWN = 0,
	SERVE_BOUND_SYNCHRONIZED = 1,
	SERVE_BOUND_FREERUNNING = 2,
	SERVE_BOUND_DISRUPTED = 3,
};

/* Stands for an unknown bound: 73 years, which no client's sum overflows. */
#define SERVE_NO_BOUND_NS (INT64_MAX / 4)

/* What the segment says. */
struct serve_bound {
	int64_t as_of_ns;      /* CLOCK_MONOTONIC_COARSE, before measuring */
	int64_t void_after_ns; /* the same clock */
	int64_t bound_ns;
	uint64_t marker;
	uint32_t max_drift_ppb;
	int32_t status;	 /* enum serve_bound_status */
	bool has_marker; /* clients compare it with /dev/vmclock0's */
};

/* CLOCK_REALTIME at a counter value, and what it is compared with. */
struct serve_realtime {
	int64_t as_of_ns; /* CLOCK_MONOTONIC_COARSE, before it was read */
	int64_t mono_ns;  /* CLOCK_MONOTONIC at the counter value */
	uint64_t counter;
	int64_t real_ns;
	uint64_t error_ns; /* of both readings */
	uint64_t slew_ppb; /* the most that anybody slews the clock by */
};

/* UTC by the timeline less CLOCK_REALTIME, and what that is right to. 0, or
 * -ERANGE. */
int serve_offset_of(const struct paraclock_timeline *tl,
		    const struct serve_realtime *real, int64_t *ret_offset_ns,
		    uint64_t *ret_bound_ns);

/* How far may CLOCK_REALTIME be off by what the timeline says? Fills in all but
 * marker and status. 0, or -ERANGE. */
int serve_bound_of(const struct paraclock_timeline *tl,
		   const struct serve_realtime *real,
		   struct serve_bound *ret_bound);

struct serve_segment {
	struct serve_file file;
	struct serve_lock lock;
};

/* Become the one writer of the segment at @p path, which must outlive it. 0, or
 * -errno and a sentence in @p why: -EBUSY names the process that writes it. */
int serve_segment_open(struct serve_segment *segment, const char *path,
		       char *why, size_t size);
/* 0, or -errno. */
int serve_segment_write(struct serve_segment *segment,
			const struct serve_bound *bound);
/* Says UNKNOWN for good, until it is written again. */
void serve_segment_close(struct serve_segment *segment);

#endif
