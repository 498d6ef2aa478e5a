/* SPDX-License-Identifier: MIT */
/*
 * Shared by the tests of random worlds: hosts that keep to their published
 * bound, a VM that moves between them, a guest of that VM, and readers, judged
 * by true time.
 */
#ifndef WORLDS_H
#define WORLDS_H

#include <paraclock/relay.h>
#include <paraclock/timekeeper.h>

#include "sims.h"

__extension__ typedef __int128 s128;

/* The rounding of the sample's ns and the simulation's, together. */
#define ROUNDED_NS 2

/* --- hosts ---------------------------------------------------------------- */

/*
 * A host whose clock stays within its published bound. Its distance to true
 * time is computed here, without the simulation: exact, in 10^-9 ns.
 */
struct honest {
	struct paraclock_sim_host *sim;
	int64_t bound_ns; /* published: never further off while synchronised */
	int64_t grow_ppb; /* published: growth of that */
	int64_t slew_ppb; /* it never runs faster or slower by more */
	s128 off;	  /* clock less true time at since */
	int64_t since_ns; /* true time */
	int64_t ppb;	  /* how much faster it runs now */
	s128 home;	  /* a sawtooth comes back to this */
	unsigned int status; /* its clocksource is not the TSC */
	bool jiffies;	     /* its clocksource is no TSC */
};

#define HOSTS 3

/* --- readers -------------------------------------------------------------- */

/* Of all readers of one kind, over all worlds. */
struct tally {
	uint64_t reads, valid, bounded;
	uint64_t wrong;	  /* those outside their bound */
	uint64_t broken;  /* another promise broken */
	int64_t worst_ns; /* the largest distance to true time with a bound */
};

enum source {
	SOURCE_KVMCLOCK,
	SOURCE_KVMCLOCK_RING0,
	SOURCE_HYPERV,
	SOURCE_VMCLOCK,
	SOURCE_PTP_HYPERV,
	SOURCE_PAIRING,
	SOURCE_NESTED, /* a vmclock that a relay writes */
	SOURCES,
};

struct reader {
	struct paraclock_sim_vm *vm;
	struct paraclock *clk;
	enum source source;
	uint64_t epoch;	  /* of the last valid sample; 0: none yet */
	uint64_t moves;	  /* of the world, then */
	int64_t seen_ns;  /* with the promise of MONOTONIC; or INT64_MIN */
	uint64_t noticed; /* counter after the last act, for read_at */
};

/* A timekeeper that follows a reader's clock, and its readers. */
struct keeper {
	struct paraclock_timekeeper tk;
	struct paraclock_follow follow;
	struct reader *of;
	struct paraclock *clk; /* the timekeeper, opened as a clock */
	int64_t next_ns;       /* true time of the next call */
	uint64_t period_ns;
	int64_t seen_ns;
	uint64_t seen_in; /* count of migrations, then */
	uint64_t migrations;
};

#define KEEPERS 5

/* --- a world -------------------------------------------------------------- */

struct world {
	uint64_t seed;
	struct paraclock_sim *sim;
	struct honest host[HOSTS];
	struct honest *on;
	struct paraclock_sim_vm *vm;
	struct paraclock_sim_state *saved;
	struct reader reader[SOURCES];
	struct keeper keeper[KEEPERS];
	/* The guest inside, and the relay that writes its clocks. */
	struct paraclock_sim_host *inside;
	struct paraclock_sim_vm *guest;
	struct paraclock_relay relay;
	struct paraclock_target target[2];
	struct paraclock_page_writer writer;
	struct paraclock_timekeeper guest_tk;
	int64_t next_relay_ns;
	uint64_t relay_period_ns;
	int64_t least_ns; /* calls are rarer while much time passes */
	bool frozen;	  /* the relay is frozen, for a move */
	/* Of this world. */
	uint64_t moves;	    /* and whatever else voids a calibration */
	bool lasting;	    /* a replaced page's time still holds */
	bool monotonic;	    /* the vmclock promises monotonic time */
	bool leaps;	    /* a leap second comes */
	int64_t leap_ns;    /* TAI at its end */
	uint64_t beat_ns;   /* each pass takes this long; 0: any */
	uint8_t scale;	    /* enum paraclock_timescale of the vmclock */
	bool late;	    /* the vmclock page is old, or unreadable */
	bool old[3];	    /* the page of that kind is not renewed */
	bool torn[3];	    /* or unreadable */
	uint8_t hyperv[32]; /* the page, after the last act */
	int64_t hyperv_ns;  /* and since when, true time */
	unsigned int pass;
};

/* Sums over all worlds. */
extern struct tally tallies[SOURCES], kept, guest_kept;
extern uint64_t steps_inside, slews_inside, marked, moved, torn_pages,
	late_pages, leaps_seen, crossed, cross_failed;

/* --- worlds.c ------------------------------------------------------------- */

uint64_t dice(struct world *w, uint64_t sides);
/* -size to size. */
int64_t around(struct world *w, int64_t size);
/* Of any magnitude up to 2^bits. */
uint64_t any_size(struct world *w, unsigned int bits);
int64_t mono_now(struct world *w);
int64_t tai_now(struct world *w);
/* True TAI when a VM's counter had a value, since the last move. */
int64_t tai_at(struct world *w, const struct paraclock_sim_vm *vm,
	       uint64_t counter);
void world_start(struct world *w, uint64_t seed);
void world_end(struct world *w);
/* Time passes; hosts keep within their bounds. */
void pass(struct world *w, uint64_t ns);

/* --- worlds_acts.c -------------------------------------------------------- */

/* Something happens, at random. */
void act(struct world *w);
/* Keep a host within its bound until ns from now. */
void stay_within(struct world *w, struct honest *h, uint64_t ns);
/* Is it within its bound? */
void assert_honest(struct world *w, const struct honest *h);

/* --- worlds_read.c -------------------------------------------------------- */

void readers_open(struct world *w);
void guest_readers_open(struct world *w);
void readers_close(struct world *w);
void forget_promises(struct world *w);
/* Each reader reads this often. */
void look(struct world *w, unsigned int times);
/* Count faults; the first of its sort in a world is shown. */
void complain(struct world *w, const char *who, const char *what, int64_t off,
	      uint64_t allowed);
/* The sample's bound, against true time. */
void judge_bound(struct world *w, struct tally *t, const char *who,
		 const struct paraclock_sim_vm *vm,
		 const struct paraclock_sample *sample);
/* With the promise of MONOTONIC no sample is below *seen_ns. */
void judge_promise(struct world *w, struct tally *t, const char *who,
		   int64_t *seen_ns, const struct paraclock_sample *sample);

/* --- worlds_kept.c -------------------------------------------------------- */

void keeper_open(struct world *w, struct keeper *k, enum source of);
void look_kept(struct world *w, struct keeper *k, bool by_handle);
void look_guest_kept(struct world *w);
/* Before a move that is announced, and after it. */
void keepers_freeze(struct world *w);
void keepers_reset(struct world *w, bool all);
/* The timekeepers follow, if they are due, or all of them. */
void follow_due(struct world *w, bool all);
int64_t next_follow(const struct world *w);

/* --- worlds_guest.c ------------------------------------------------------- */

void guest_start(struct world *w);
/* The relay is called, if it is due. */
void relay_due(struct world *w);
void relay_freeze(struct world *w);
void relay_resume(struct world *w);

#endif
