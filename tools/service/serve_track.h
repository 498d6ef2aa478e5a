/* SPDX-License-Identifier: MIT */
/* Whether the page may be believed: one measurement after the other. Pure. */
#ifndef SERVE_TRACK_H
#define SERVE_TRACK_H

#include "serve_interval.h"

/* So many measurements have to agree after a contradiction. */
#define SERVE_AGREE 3

/* A reader that sees each eighth page still sees centres inside the intervals
 * that it knows. */
#define SERVE_PAST 8

struct serve_rules {
	int64_t fresh_ns; /* SYNCHRONIZED for so long after a measurement */
	int64_t alone_ns; /* and no longer without an authoritative marker */
};

struct serve_track {
	/* What is published; its status says whether it is a time. */
	struct paraclock_timeline tl;
	/* Readers hold an interval under this marker: the next one continues
	 * it, whatever the status says meanwhile. */
	bool has_promise;
	struct paraclock_timeline past[SERVE_PAST]; /* the newest first */
	unsigned int past_count;
	/* By a clock that counts suspended time. */
	int64_t measured_ns;
	int64_t reference_ns; /* when the source itself last measured */

	/* Measurements that contradict what was published. */
	bool is_contradicted;
	struct paraclock_timeline candidate;
	unsigned int agreed;
	int64_t agreed_ns; /* when the last one did */
};

enum serve_outcome {
	SERVE_PUBLISH,	    /* tl is new */
	SERVE_CONTRADICTED, /* just now: tl has no time, and needs a marker */
	SERVE_WAIT,	    /* for measurements that agree */
	SERVE_UNUSABLE,	    /* the claim cannot be expressed */
};

void serve_track_init(struct serve_track *track);
bool serve_track_has_time(const struct serve_track *track);

/* A measurement, made at now_ns. Call serve_track_age() after it. */
enum serve_outcome serve_track_measured(struct serve_track *track,
					const struct serve_claim *claim,
					int64_t now_ns);
/* The source does not vouch for its time now. true: the status has changed. */
bool serve_track_doubt(struct serve_track *track);
/* A disruption: whatever was measured before is void. */
void serve_track_disrupt(struct serve_track *track);
/* The page and a measurement exclude each other, somebody else has found. */
void serve_track_contradict(struct serve_track *track);
/* Time passes. true: the status has changed. */
bool serve_track_age(struct serve_track *track, const struct serve_rules *rules,
		     bool has_marker, int64_t now_ns);

#endif
