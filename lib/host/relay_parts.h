/* SPDX-License-Identifier: MIT */
/* A relay from inside: the clock above, and the targets below. */
#ifndef RELAY_PARTS_H
#define RELAY_PARTS_H

#include <paraclock/relay.h>

#include "clock/clock.h"
#include "timeline.h"

/* What a relay remembers from call to call: relay.opaque. */
struct __attribute__((may_alias)) relay_private {
	uint64_t epoch;		/* of the clock; 0: unknown */
	uint64_t generations;	/* the sum of the markers' */
	uint64_t version;	/* counts changes above; 0: nothing is known */
	uint64_t qualifiers[2]; /* of the sample, bytes 40 to 55 */
	struct paraclock_conversion conv;
	uint8_t held;	     /* frozen by the caller */
	uint8_t unconfirmed; /* the page above may be from before a move */
	uint8_t noticed;     /* and the clock's source was told so */
	uint8_t counted;     /* a disruption, with nothing written since */
	uint8_t inferred;    /* see relay_source */
};
_Static_assert(sizeof(struct relay_private) <=
		       sizeof(((struct paraclock_relay *)0)->opaque),
	       "the public struct has room for it");

/* What a relay remembers of one target: target.opaque. */
struct __attribute__((may_alias)) target_private {
	uint64_t version;     /* relay_private's, when written; 0: never */
	uint64_t written_tsc; /* this machine's counter then */
	uint64_t marks;	      /* what the next write reports: */
};
#define MARK_DISRUPTED 1U
#define MARK_RESTORED  2U
_Static_assert(sizeof(struct target_private) <=
		       sizeof(((struct paraclock_target *)0)->opaque),
	       "the public struct has room for it");

/* What a clock says, from one look at its page and its markers. */
struct relay_source {
	struct paraclock_timeline tl; /* from now on, in this machine's ticks */
	uint64_t epoch;		      /* 0: not known */
	uint64_t generations;	      /* the sum of the markers' */
	bool inferred; /* the source cannot vouch for every disruption */
	uint64_t qualifiers[2];
	/* Of a timekeeper: only what tells one publication from another. */
	struct paraclock_conversion conv;
};

/* The page has no usable conversion now, but may be unchanged. */
#define RELAY_NO_CONVERSION 1

/* relay_source.c: look at the clock above. src->epoch is set on failure,
 * too. */
int pclk_relay_look(struct paraclock_relay *relay,
		    struct relay_source *ret_source);

/* relay_timekeeper.c: the timekeeper above, at the observation's counter value.
 * src is zeroed. */
int pclk_relay_from_timekeeper(const struct paraclock_relay *relay,
			       const struct observation *obs,
			       struct relay_source *src);

/* relay_couple.c: from the system's ticks to the device's. */
int pclk_relay_couple(const struct paraclock_coupling *coupling,
		      struct paraclock_timeline *tl);

/* relay_target.c: what is done with every target of a relay; each keeps its own
 * error. Returns the first one. */
int pclk_targets_freeze(struct paraclock_relay *relay);
int pclk_targets_serve(struct paraclock_relay *relay,
		       const struct relay_source *src);
int pclk_targets_unfreeze(struct paraclock_relay *relay);
/* Note what the readers of running targets may have seen by now. */
void pclk_targets_note(struct paraclock_relay *relay);

static inline u128 relay_base(const struct paraclock_timeline *tl)
{
	return (u128)tl->base_sec << 64 | tl->base_frac;
}

static inline void relay_set_base(struct paraclock_timeline *tl, u128 time)
{
	tl->base_sec = (uint64_t)(time >> 64);
	tl->base_frac = (uint64_t)time;
}

static inline u128 relay_seen(const struct paraclock_target *target)
{
	return (u128)target->seen_sec << 64 | target->seen_frac;
}

static inline void relay_set_seen(struct paraclock_target *target, u128 time)
{
	target->seen_sec = (uint64_t)(time >> 64);
	target->seen_frac = (uint64_t)time;
}

static inline void relay_raise_seen(struct paraclock_target *target, u128 time)
{
	if (time > relay_seen(target))
		relay_set_seen(target, time);
}

static inline struct relay_private *relay_private(struct paraclock_relay *relay)
{
	return (void *)relay->opaque;
}

#endif
