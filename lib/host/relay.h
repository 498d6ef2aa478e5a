/* SPDX-License-Identifier: MIT */
/* A relay from inside: what the clock above says, and for whom. */
#ifndef RELAY_H
#define RELAY_H

#include <paraclock/relay.h>

#include "clock/clock.h"
#include "timeline.h"

/* What a relay keeps from call to call. */
struct __attribute__((may_alias)) relay_kept {
	uint64_t epoch; /* of the clock; 0: none is known */
	uint64_t generations;
	uint64_t version; /* counts what changed above; 0: nothing known */
	uint64_t qualifiers[2]; /* of the sample, bytes 40 to 55 */
	struct paraclock_conversion conv;
	uint8_t held;	     /* frozen by who uses it */
	uint8_t unconfirmed; /* the page above may be from before a move */
	uint8_t noticed;     /* and the clock's source has heard of that */
	uint8_t counted;     /* a disruption that nothing was written after */
	uint8_t inferred;    /* see relay_source */
};
_Static_assert(sizeof(struct relay_kept) <=
		       sizeof(((struct paraclock_relay *)0)->opaque),
	       "the public struct has room for it");

/* target.opaque, from inside. */
struct __attribute__((may_alias)) target_kept {
	uint64_t version;     /* of what is written, see relay_kept; 0: none */
	uint64_t written_tsc; /* L1's counter then */
	uint64_t marks;	      /* what the next write is to tell */
};
#define MARK_DISRUPTED 1U
#define MARK_RESTORED  2U
_Static_assert(sizeof(struct target_kept) <=
		       sizeof(((struct paraclock_target *)0)->opaque),
	       "the public struct has room for it");

/* What a clock says, from one look at its page and its markers. */
struct relay_source {
	struct paraclock_timeline tl; /* from now on, in L1's ticks */
	uint64_t epoch;		      /* 0: not known */
	uint64_t generations;	      /* the sum of the markers' */
	bool inferred; /* whoever knows of disruptions is not above */
	uint64_t qualifiers[2];
	struct paraclock_conversion
		conv; /* of a timekeeper: what tells it apart */
};

/* There is no straight line now, but the page is as it was. */
#define RELAY_AS_IT_WAS 1

/* relay.c: is it one that can be walked through? */
int pclk_relay_check(const struct paraclock_relay *relay);

/* relay_source.c: epoch is set on failure, too. */
int pclk_relay_look(struct paraclock_relay *relay,
		    struct relay_source *ret_source);

/* A timeline in the system's ticks as one in the device's. */
int pclk_relay_couple(const struct paraclock_coupling *coupling,
		      struct paraclock_timeline *tl);

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

static inline struct relay_kept *relay_kept(struct paraclock_relay *relay)
{
	return (void *)relay->opaque;
}

#endif
