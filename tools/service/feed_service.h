/* SPDX-License-Identifier: MIT */
/* feed, in a loop: an observer, and what becomes of each look. */
#ifndef FEED_SERVICE_H
#define FEED_SERVICE_H

#include "chrony.h"
#include "feed_kernel.h"
#include "feed_options.h"
#include "feed_output.h"
#include "leap_list.h"

enum feed_state {
	FEED_STARTING,
	FEED_FEEDING,
	FEED_WAITING,
	FEED_ENDED, /* for good: --start-utc is void */
};

enum feed_why {
	FEED_WHY_NONE,
	FEED_WHY_SOURCE, /* the keeper's why */
	FEED_WHY_DISRUPTED,
	FEED_WHY_WIDE,
	FEED_WHY_LEAP,
	FEED_WHY_CLOCK_SET,
	FEED_WHY_RANGE,
};

#define FEED_OUTPUTS 3

struct feed {
	struct observer observer;
	const struct feed_options *options;
	struct keep_ops ops;
	struct chrony chrony;
	struct feed_kernel kernel;
	struct feed_output output[FEED_OUTPUTS];
	unsigned int outputs;
	/* Lines on stdout: of --stdout, or of --json alone. */
	struct feed_output *lines, only_events;

	enum feed_state state;
	enum feed_why why;
	enum keep_why keep_why; /* FEED_WHY_SOURCE */
	enum keep_why keep_why_told;
	uint64_t disruptions; /* that were dealt with */
	/* The handle that --start-utc was said for. */
	const struct paraclock *clk;
	uint64_t samples;	   /* delivered to one output at least */
	struct feed_sample sample; /* the last that was taken */
	uint64_t largest_bound_ns; /* of all that were */
	int64_t delay_ns;	   /* of chrony's configuration; -1: not yet */
	int64_t hold_until_ns;	   /* no sample while chronyd forgets */
	struct leap_list leaps;
	int64_t started_raw_ns; /* --start-utc: then, CLOCK_MONOTONIC_RAW */
	bool has_started;
	bool has_sample;
	uint8_t leap; /* that was logged */
	/* feed.json: */
	bool is_changed;    /* the state, since it was written */
	int64_t written_ns; /* CLOCK_BOOTTIME; 0: never */
	int state_error;    /* that was logged */
};

/* Ready to look. enum status; else stderr says why. The loop and the options
 * must outlive it. */
int feed_open(struct feed *feed, const struct feed_options *options,
	      struct loop *loop);
void feed_close(struct feed *feed);

/* From now on, deliver. */
void feed_start(struct feed *feed);

#endif
