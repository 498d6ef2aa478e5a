/* SPDX-License-Identifier: MIT */
/* What 'paraclock watch' knows of a clock after a while. */
#ifndef TRACK_H
#define TRACK_H

#include "tools.h"

/* Disruptions whose time is kept. */
#define TRACK_TIMES 4
/* Events that are kept. */
#define TRACK_EVENTS 4U
/* Points kept for the rate of late, and the least time between two. */
#define TRACK_POINTS	 64U
#define TRACK_SPACING_NS (NSEC_PER_SEC / 4)

/* The host clock and CLOCK_MONOTONIC_RAW at about the same moment. */
struct track_point {
	int64_t host_ns;
	int64_t raw_ns;
	int64_t width_ns; /* the moment is known to within half of it */
};

/* What happened, and when it was told. */
struct track_event {
	int64_t realtime_sec;
	struct paraclock_event event;
};

struct track {
	struct paraclock *clk;
	int error;			/* of the last reading */
	struct paraclock_sample sample; /* if error is 0 */
	uint64_t readings;
	uint64_t not_valid; /* of these, failed ones included */
	uint64_t epoch;	    /* of the last reading; 0: none yet */
	uint64_t disruptions;
	int64_t disrupted_sec[TRACK_TIMES]; /* CLOCK_REALTIME, last first */
	int64_t worst_gap_ns;
	bool has_last;
	struct track_point last; /* the last valid reading */
	/* Since the last disruption, which voids what was before. */
	unsigned int points;
	struct track_point first;
	struct track_point recent[TRACK_POINTS]; /* a ring */
	unsigned int events;
	struct track_event event[TRACK_EVENTS]; /* a ring */
};

/* How fast the host clock runs, less how fast CLOCK_MONOTONIC_RAW does. */
struct track_rate {
	double ppm;
	double bound_ppm;
	double span_sec; /* 0: not known */
};

/* Read the clock, and take the reading in. */
void track_refresh(struct track *track);
/* The next event: true, and it is kept. */
bool track_event(struct track *track, struct paraclock_event *ret_event);
/* Over the last @p window_ns or a little more; 0: over all. */
struct track_rate track_rate(const struct track *track, int64_t window_ns);

#endif
