/* SPDX-License-Identifier: MIT */
/* One source, as an exporter follows it: its events, its reads, its rate. */
#ifndef EXPORT_SOURCE_H
#define EXPORT_SOURCE_H

#include "export_data.h"
#include "tools.h"

/* The host clock and CLOCK_MONOTONIC_RAW at one instant. */
struct export_point {
	bool is_known;
	uint64_t epoch;
	uint8_t timescale; /* with a TAI offset, UTC becomes TAI */
	int64_t host_ns, raw_ns;
	uint64_t error_ns; /* of the pair */
};

struct export_follower {
	char name[32];
	struct source source;  /* what is opened */
	struct paraclock *clk; /* NULL: it is not there */
	/* Why not: the sentence of the last attempt. */
	char detail[1536];
	bool is_lost;	      /* the handle is of no use any more */
	uint64_t epoch;	      /* up to which disruptions are counted */
	int64_t disrupted_ns; /* CLOCK_BOOTTIME */
	/* The rate is measured from the first to now; the second follows. */
	struct export_point from, next;
	/* Its counters grow as long as the process lives. */
	struct export_source *data;
};

/* Open it, or open it anew: 0, or -errno and a sentence in detail. Another
 * handle that is open stays so if that fails. */
int follower_open(struct export_follower *follower);
void follower_close(struct export_follower *follower);

/* Count the events since the last call. */
void follower_take_events(struct export_follower *follower);

/* All that is known now, into follower->data. */
void follower_collect(struct export_follower *follower);

/* --- export_rate.c -------------------------------------------------------- */

/*
 * Rate of the host clock against CLOCK_MONOTONIC_RAW, less 1, since a point some
 * 30 s or more ago. false: no such point has the same epoch, or less than a
 * second has passed.
 */
bool rate_update(struct export_follower *follower,
		 const struct measurement *measurement);

#endif
