/* SPDX-License-Identifier: MIT */
/*
 * The rows of the keeper's tests: what is so before, what happens, and how it
 * ends.
 */
#ifndef KEEPER_ROWS_H
#define KEEPER_ROWS_H

#include "keeps.h"

/* Markers and no time, like the vmclock of QEMU: what a restore changes. */
#define MARKERS \
	(PARACLOCK_SIM_HAS_VMCLOCK_MARKERS | PARACLOCK_SIM_HAS_GENERATION)

/* How long a row goes on after what has happened, and how often it looks. */
#define AFTERWARDS (3 * SEC)
#define OFTEN	   (100 * MS)

/* For off_ns: it is not looked at. */
#define ANY_OFF INT64_MIN

struct row {
	const char *name;
	/* Before the keeper starts, and then. */
	void (*prepare)(struct keep_world *w);
	void (*happens)(struct keep_world *w);
	/* How it ends. */
	enum keep_state state;
	enum keep_why why;
	unsigned int steps, forgets;
	int64_t off_ns;	     /* the host's UTC less CLOCK_REALTIME */
	const char *acts;    /* how the acts begin; NULL: not looked at */
	int64_t max_step_ns; /* for the truth; 0: any */
};

/* How a row ends. */
#define ENDS(x, y) .state = KEEP_##x, .why = KEEP_WHY_##y
#define RIGHT	   ENDS(RIGHT, NONE)
#define OFF(y)	   ENDS(OFF, y)
#define WAITS(y)   ENDS(WAITING, y)
/* After each step the others' measurements are void. */
#define STEPPED .steps = 1, .forgets = 1

/* The test of a row. */
void check_row(void **state);

/* --- what happens --------------------------------------------------------- */

void is_restored(struct keep_world *w);
void is_restored_silently(struct keep_world *w);
void is_paused(struct keep_world *w);
void is_set_ahead_and_asked(struct keep_world *w);
void is_suspended_briefly(struct keep_world *w);

/* --- what is so before ---------------------------------------------------- */

void synchronized(struct keep_world *w);
void with_a_bound(struct keep_world *w);
void without_a_bound(struct keep_world *w);
void limited(struct keep_world *w);

#endif
