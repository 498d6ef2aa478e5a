/* SPDX-License-Identifier: MIT */
/*
 * A simulated guest whose CLOCK_REALTIME a keeper keeps: true time, hosts, and
 * ops that hold every step against the truth. The keeper's own words count for
 * nothing here.
 */
#ifndef KEEPS_H
#define KEEPS_H

#include <paraclock/backend.h>
#include <paraclock/sim.h>

#include "service/keeper.h"

#include "../../shared/rows.h"

#define US   1000LL
#define MS   (1000 * US)
#define SEC  (1000 * MS)
#define HOUR (3600 * SEC)
#define DAY  (24 * HOUR)

#define UTC  PARACLOCK_TIMESCALE_UTC
#define TAI  PARACLOCK_TIMESCALE_TAI
#define MONO PARACLOCK_TIMESCALE_MONOTONIC

/* 2026-01-01, before the simulation begins. */
#define BUILT (1767225600 * SEC)

/* What the test's own readings of clocks may take, and the pairs' errors. */
#define EXACT_NS (20 * US)

/* --- a source of the test's own ------------------------------------------- */

/* The truth of the simulated host, with the qualities that a test wants. */
struct own_source {
	uint8_t timescale; /* UTC, TAI, MONO, or smeared UTC */
	uint32_t flags;
	uint64_t clock_error_ns;
	uint64_t pair_error_ns;
	uint64_t wider_ns; /* with each reading, by so much */
	uint8_t leap;
	bool no_offset; /* TAI - UTC is not told */
	int16_t leaps;	/* so many seconds were inserted */
};

/* --- who else sets the clock ---------------------------------------------- */

/* When: at one of the keeper's acts. */
enum moment {
	NEVER,
	WHILE_LOOKED, /* after a reading or more, see reads_left */
	BEFORE_LOCK,
	BEFORE_ARM,
	BEFORE_MEASURE, /* armed, and nothing was read yet */
	WHILE_MEASURED, /* after a reading of the clock or two */
	BEFORE_CHECK,	/* measured, and was_set() has not answered yet */
	BEFORE_STEP,	/* it has answered: nobody can close this gap */
	AFTER_STEP,
	MOMENTS,
};

struct keep_world;
typedef void meddle_fn(struct keep_world *w);

/* --- the world ------------------------------------------------------------ */

struct keep_world {
	uint64_t seed; /* named if a step is wrong; 0: not random */
	struct paraclock_sim *sim;
	struct paraclock_sim_host *host, *other;
	struct paraclock_sim_vm *vm;
	struct paraclock_sim_state *saved;
	struct paraclock_env env;
	struct paraclock_system_clocks system;
	struct paraclock *clk;
	struct own_source own;
	bool is_down;	/* the source cannot be read, or is not valid */
	bool by_status; /* because its host says so on the page */

	/* What the kernel says. */
	unsigned int kernel; /* KEEP_KERNEL_x */
	int64_t suspended_ns;
	int leap_error;	    /* of leap_table() */
	unsigned int lists; /* how often it was asked for */
	int64_t expires_ns;
	int64_t leap_ns; /* UTC of a leap second in the list; 0: none */
	struct {
		int64_t left_ns, raw_ns; /* from here on */
	} slewing;

	struct keep_rules rules;
	struct keep_ops ops;
	struct keeper keeper;

	/* Somebody else. */
	enum moment moment;
	unsigned int times; /* how often he still acts */
	meddle_fn *meddle;  /* what he does then; NULL: sets by meddle_ns */
	int64_t meddle_ns;
	unsigned int reads_left; /* WHILE_LOOKED, WHILE_MEASURED */
	int64_t raced_ns;	 /* what he did since the check before a step */
	int64_t set_ns;		 /* what all have done, together */

	/* What the keeper did: one letter for each act, see the ops. */
	char acts[512];
	size_t n_acts;
	bool is_locked, is_armed, is_checked;
	unsigned int sets, sets_when_armed;
	int lock_error, arm_error, step_error;
	unsigned int steps, undone, slews, forgets, tells;
	int64_t stepped_ns; /* the last step */
	struct keep_news news;

	/* What it must not do, as the test works it out. */
	bool may_step, may_go_back;
	int64_t max_step_ns; /* -1: any */
};

/* A VM with these parts on a host that is right; no keeper yet. */
void world_new(struct keep_world *w, uint32_t parts);
/* The same, with hosts (the second is the other one) and a VM as wanted. */
void world_new_as(struct keep_world *w,
		  const struct paraclock_sim_host_options host[2],
		  const struct paraclock_sim_vm_options *vm);
void world_free(struct keep_world *w);

/* Open the test's own source, or a backend of the library's, and start a keeper
 * that has looked at it. */
void keep_own(struct keep_world *w);
/* The same source, by another handle. */
void keep_anew(struct keep_world *w);
void keep_by(struct keep_world *w, const char *backend, const char *device);

/* The source cannot be read or is not valid, from now on; or is again. */
void set_down(struct keep_world *w, bool is_down);
/* Let time pass, without looks. */
void pass(struct keep_world *w, int64_t ns);
/* The keeper looks: if it says that the clock is right, it is. */
void look(struct keep_world *w);
/* Let time pass, and look every so often. */
void pass_looking(struct keep_world *w, int64_t ns, int64_t every_ns);
/* Forget what was counted. */
void count_anew(struct keep_world *w);

/* --- the truth ------------------------------------------------------------ */

int64_t true_utc(const struct keep_world *w);
int64_t host_utc(const struct keep_world *w);
int64_t guest_realtime(const struct keep_world *w);
/* The host's UTC less CLOCK_REALTIME. */
int64_t true_offset(const struct keep_world *w);

/* --- what happens --------------------------------------------------------- */

/* Somebody sets CLOCK_REALTIME. */
void set_clock(struct keep_world *w, int64_t by_ns);
/* End a slew where it is. */
void end_slew(struct keep_world *w);
/* The VM stands still for a while, with its clocks. */
void pause_for(struct keep_world *w, int64_t ns);
/* It is saved, and restored later; silent: no marker changes. */
void restore_after(struct keep_world *w, int64_t ns, bool silent);
/* The same, on a host. */
void restore_on(struct keep_world *w, struct paraclock_sim_host *to, int64_t ns,
		bool silent);
void migrate(struct keep_world *w, struct paraclock_sim_host *to, int64_t ns);
/* The guest's kernel suspends, and sets the clock by an RTC that is off. */
void suspend_for(struct keep_world *w, int64_t ns, int64_t rtc_off_ns);

#endif
