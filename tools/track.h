/* SPDX-License-Identifier: MIT */
/* All that 'paraclock watch' has learnt of a clock. */
#ifndef TRACK_H
#define TRACK_H

#include "tools.h"

/* How many disruptions are kept with their time. */
#define TRACK_TIMES 4
/* How many events are kept. */
#define TRACK_EVENTS 4U
/* How many points are kept for the recent rate, and their least distance. */
#define TRACK_POINTS	 64U
#define TRACK_SPACING_NS (NSEC_PER_SEC / 4)
/* What "recent" is, of a rate. */
#define TRACK_RECENT_NS (10 * NSEC_PER_SEC)

/* The host clock and CLOCK_MONOTONIC_RAW at about the same moment. */
struct track_point {
	int64_t host_ns;
	int64_t raw_ns;
	int64_t width_ns; /* of the bracket: half of it is the error */
};

/* An event, and when it was noticed. */
struct track_event {
	int64_t realtime_sec;
	struct paraclock_event event;
};

struct track {
	struct paraclock *clk;
	int error;			/* of the last reading */
	struct paraclock_sample sample; /* if error is 0 */
	uint64_t readings;
	uint64_t not_valid; /* of these, including the ones that failed */
	uint64_t epoch;	    /* of the last reading; 0: nothing was read */
	uint64_t disruptions;
	int64_t disrupted_sec[TRACK_TIMES]; /* CLOCK_REALTIME, last first */
	int64_t worst_gap_ns;
	bool has_last;
	struct track_point last; /* the last valid reading */
	/* Since the last disruption, which voids older points. */
	unsigned int points;
	struct track_point first;
	struct track_point recent[TRACK_POINTS]; /* a ring */
	unsigned int events;
	struct track_event event[TRACK_EVENTS]; /* a ring */
};

/* How much faster the host clock runs than CLOCK_MONOTONIC_RAW. */
struct track_rate {
	double ppm;
	double bound_ppm;
	double span_sec; /* 0: not known */
};

/* Read the clock, and update the track. */
void track_refresh(struct track *track);
/* true: *ret_event is the next event, which is kept as well. */
bool track_event(struct track *track, struct paraclock_event *ret_event);
/* Over the last @p window_ns or a little more; 0: since the start. */
struct track_rate track_rate(const struct track *track, int64_t window_ns);

#endif
