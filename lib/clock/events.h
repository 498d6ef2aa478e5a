/* SPDX-License-Identifier: MIT */
/* What a handle has noticed and nobody has been told of yet. */
#ifndef EVENT_H
#define EVENT_H

#include <stdbool.h>
#include <stdint.h>

#include <paraclock/events.h>

struct observation;
struct remembered;

/* Disruptions kept; of a machine that is disrupted more often than its owner
 * looks, the last ones. */
#define EVENTS_MAX 8U

/* A ring: the holder of the handle's owner flag writes and takes. first is
 * moved only after the event is whole, see flag_take() on forks. */
struct event_log {
	struct paraclock_event event[EVENTS_MAX];
	uint32_t first; /* the oldest that was not taken */
	uint32_t end;
	/* Counter when all was last known to be as before. */
	uint64_t looked_tsc;
	uint64_t generations; /* a bit for each marker source that has one */
	/* 1: the last event's times are still to come, with the page, or with
	 * one that can be used. */
	uint8_t unfinished;
};

/* Can the source be read? The consumer's alone. */
struct event_loss {
	int told;	    /* the error that it was told to be lost by; or 0 */
	int asked;	    /* what it said when it was last asked */
	int64_t asked_ns;   /* MONOTONIC, then */
	int64_t failing_ns; /* since when it fails as may pass; 0: not now */
};

/* Only the consumer reads it without owner, and needs no order. */
static inline void pclk_event_set_looked(struct event_log *log,
					 uint64_t counter)
{
	__atomic_store_n(&log->looked_tsc, counter, __ATOMIC_RELAXED);
}

/* What a change is told by, beside what memory shows. */
enum event_cause {
	CAUSE_MEMORY = 0,
	CAUSE_LOST,    /* what was remembered, in a fork; or the env's word */
	CAUSE_RESTORE, /* the machine's generation, says the env */
};

struct event_sources;

/* All with owner held. The epoch has advanced; what was remembered before, and
 * what is remembered now. */
void pclk_event_add(struct paraclock *clk, enum event_cause cause,
		    const struct remembered *was, const struct remembered *now,
		    const struct observation *obs);
/* The page after the last disruption may have come. */
void pclk_event_finish(struct paraclock *clk, const struct remembered *was,
		       const struct observation *obs);
/* Is the restore, or that one may have been lost, told of already, or now by
 * an event that nobody took? */
bool pclk_event_has_restore(struct paraclock *clk, enum event_cause cause);
/* All was as it is now when obs was made. */
void pclk_event_looked(struct paraclock *clk, const struct observation *obs);

void pclk_event_close(struct paraclock *clk);

#endif
