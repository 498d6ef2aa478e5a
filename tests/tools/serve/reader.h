/* SPDX-License-Identifier: MIT */
/* A process that reads what serve publishes, and holds it against the truth. */
#ifndef READER_H
#define READER_H

#include "world.h"

struct reader_options {
	unsigned int number;
	/* NULL: served finds its page by itself. */
	const char *device;
	const char *page;	/* the same, or where served finds it */
	const char *clockbound; /* NULL: none is published */
	const char *vmclock;	/* the host's page; NULL: readers see none */
};

/* Read until the world ends. Returns the status to exit with. */
int reader_run(struct world *world, const struct reader_options *options);

/* --- judge.c --------------------------------------------------------------- */

/* What lies between a page's reference point and a read. */
enum disrupted {
	DISRUPTED_NOT,
	/* By nothing that a reader can see. */
	DISRUPTED_UNSEEN,
	/* And the host's marker, which readers see, says so. */
	DISRUPTED_SEEN,
};

struct interval {
	uint64_t counter;
	int64_t earliest_ns, latest_ns;
};

/* Judge a valid read, TAI. @p page: the reference counter of the page. */
void judge_read(const struct world *world, struct findings *findings,
		const struct interval *read, uint64_t page);
/* Judge an answer of ClockBound's client, UTC. @p from: the counter value that
 * the answer is made of. */
void judge_clockbound(const struct world *world, struct findings *findings,
		      const struct interval *read, uint64_t from,
		      bool sees_marker);
/* Did anything happen to the machine in between? */
bool judge_is_disrupted(const struct world *world, uint64_t from, uint64_t to);
void judge_fault(const struct world *world, struct findings *findings,
		 const struct fault *fault);

#endif
