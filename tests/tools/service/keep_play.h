/* SPDX-License-Identifier: MIT */
/* The worlds of test_keep_worlds.c: thrown by dice, from one seed each. */
#ifndef KEEP_PLAY_H
#define KEEP_PLAY_H

#include "keeps.h"

/* --- sources -------------------------------------------------------------- */

#define VMCLOCK	   PARACLOCK_SIM_HAS_VMCLOCK
#define MARKERS	   PARACLOCK_SIM_HAS_VMCLOCK_MARKERS
#define GENERATION PARACLOCK_SIM_HAS_GENERATION

enum fitness {
	UNFIT,
	FIT,	 /* with a bound */
	GUESSED, /* without one */
};

struct kind {
	const char *name;
	const char *backend; /* NULL: the test's own source */
	const char *device;
	uint32_t parts;
	uint8_t timescale; /* of the vmclock, or of the test's own source */
	uint32_t flags;	   /* of that */
	enum fitness fitness;
	bool no_offset; /* TAI without its offset */
	bool no_list;
};

#define KINDS 23
extern const struct kind kinds[KINDS];

/* --- events --------------------------------------------------------------- */

enum event {
	RESTORE,
	CLONE, /* at once, on the other host */
	PAUSE,
	MIGRATE,
	SUSPEND,
	DATE, /* somebody sets the clock: no disruption */
	EVENTS,
};

/* What a disruption is, as the keeper can know it. */
struct seen {
	enum event event;
	bool noticed, may_be_noticed;
	bool told; /* that it was a restore or a clone */
};

struct play {
	struct keep_world w;
	const struct kind *kind;
	uint64_t random;
	int64_t bound_ns; /* of the hosts, if they state one */
	bool synchronized;
	bool day_ahead; /* the other host lies */
	/* After an event. */
	struct seen seen;
	int64_t off_ns; /* the host's UTC less CLOCK_REALTIME, at once */
	int64_t down_ns, locked_ns, acts_at_ns; /* for so long, and then */
	int64_t again_at_ns;			/* another event; or never */
	bool asked;
	bool fails; /* the kernel refuses */
};

/* --- dice ----------------------------------------------------------------- */

uint64_t dice(struct play *p, uint64_t sides);
int64_t between(struct play *p, int64_t low, int64_t high);

/* A world, its rules, and a keeper that has looked at it. */
void make_world(struct play *p, uint64_t seed);

#endif
