/* SPDX-License-Identifier: MIT */
/* The events that a handle has noticed and its consumer has not yet asked
 * for. */
#ifndef CLOCK_EVENTS_H
#define CLOCK_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include <paraclock/events.h>

struct observation;
struct remembered;

/* Disruptions kept. If a machine is disrupted more often before its owner asks,
 * the oldest are dropped. */
#define EVENTS_MAX 8U

/* A ring, which only the holder of the handle's owner changes. end moves only
 * after the event is whole; see try_lock() on forks. */
struct event_log {
	struct paraclock_event event[EVENTS_MAX];
	uint32_t first; /* the oldest one in the log */
	uint32_t end;
	/* Counter at which all was last known to be as before. */
	uint64_t looked_tsc;
	/* The same for the sources that only paraclock_next_event() looks
	 * at. */
	uint64_t memory_tsc;
	uint64_t generations; /* a bit for each marker source that has one */
	/* 1: the times of the last event will come with the new page, or with
	 * one that can be used. */
	uint8_t unfinished;
};

/* Can the source be read? Only the consumer of events uses it. */
struct event_loss {
	int told;	    /* the error of the last SOURCE_LOST; or 0 */
	int asked;	    /* the source's last answer */
	int64_t asked_ns;   /* CLOCK_MONOTONIC then */
	int64_t failing_ns; /* transient failures since then; 0: it works */
};

/* Only the consumer reads it without the lock, and needs no order. */
static inline void pclk_event_set_looked(struct event_log *log,
					 uint64_t counter)
{
	__atomic_store_n(&log->looked_tsc, counter, __ATOMIC_RELAXED);
}

/* How a change is known, other than by what memory shows. */
enum event_cause {
	CAUSE_MEMORY = 0,
	/* A fork lost what was remembered, or the env may have lost a
	 * message. */
	CAUSE_LOST,
	CAUSE_RESTORE, /* the env says that the machine's generation changed */
};

struct event_sources;

/* --- events.c: the caller holds owner --------------------------------- */

/* The epoch has advanced. was and now are what is remembered before and
 * after. */
void pclk_event_add(struct paraclock *clk, enum event_cause cause,
		    const struct remembered *was, const struct remembered *now,
		    const struct observation *obs);
/* The page after the last disruption may have come. */
void pclk_event_finish(struct paraclock *clk, const struct remembered *was,
		       const struct observation *obs);
/* Is this restore, or possible restore, already an event? If the last event in
 * the log is of the same cause, it becomes one. */
bool pclk_event_has_restore(struct paraclock *clk, enum event_cause cause);
/* These markers, one for each source, are what later ones are compared with:
 * a source without a page commits nothing before the first disruption. */
void pclk_event_primed(struct paraclock *clk,
		       const struct paraclock_marker *marker);
/* When obs was made, all was as it is now. */
void pclk_event_looked(struct paraclock *clk, const struct observation *obs);

/* --- loss.c: for the consumer ----------------------------------------- */

/* SOURCE_LOST or SOURCE_FOUND, by the error of a look. 1: the source is as the
 * last event said. */
int pclk_event_source(struct paraclock *clk, int error,
		      struct paraclock_event *ret_ev);

/* --- next_event.c ----------------------------------------------------- */

void pclk_event_close(struct paraclock *clk);

#endif
