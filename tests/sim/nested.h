/* SPDX-License-Identifier: MIT */
/*
 * Shared by the tests of nested guests: hosts, L1s on them with a relay each,
 * an L2 on one of these, and readers everywhere, judged by the truth.
 */
#ifndef NESTED_H
#define NESTED_H

#include <paraclock/relay.h>
#include <paraclock/timekeeper.h>

#include "sims.h"

/*
 * For this long L2 can be wrong and valid after a move that nothing announces,
 * if paraclock_relay_update() is called every period_ns and the page above is
 * the old one for late_ns: by paraclock-relay(7), UNANNOUNCED MOVES.
 */
#define WINDOW_NS(period_ns, late_ns) ((period_ns) + (late_ns))
/*
 * This much longer at most with a timekeeper below, if nothing above shows that
 * the move was a disruption: see paraclock_timekeeper_set().
 */
#define WINDOW_NOT_SHOWN_NS 20000

/* --- the pages above and below -------------------------------------------- */

/* What an L1 gets from its host. */
struct above_kind {
	const char *name;
	const char *backend;
	uint32_t parts;
	int64_t within_ns; /* of the truth */
	uint8_t timescale;
	bool announces; /* reenlightenment */
};

enum above {
	ABOVE_KVMCLOCK,
	ABOVE_KVMCLOCK_MARKERS,
	ABOVE_HYPERV,
	ABOVE_REENLIGHTENMENT,
	ABOVE_VMCLOCK_MONO,
	ABOVE_VMCLOCK, /* TAI */
	ABOVES,
};

extern const struct above_kind above_kinds[ABOVES];

/* What a relay writes. */
struct below_kind {
	const char *name;
	const char *backend;
	uint32_t part;
	unsigned int page; /* enum paraclock_sim_page_kind */
	paraclock_target_write_fn *write;
	paraclock_target_freeze_fn *freeze;
	int64_t within_ns; /* of the timeline */
	int64_t lifted_ns; /* the same, with MONOTONIC */
};

enum below {
	BELOW_PVCLOCK,
	BELOW_HYPERV,
	BELOW_VMCLOCK,
	BELOW_TIMEKEEPER,
	BELOWS,
};

extern const struct below_kind below_kinds[BELOWS];

#define BELOW(b)  (1U << (b))
#define BELOW_ALL 0xfU
/* The pages that can express TAI. */
#define BELOW_TAI (BELOW(BELOW_VMCLOCK) | BELOW(BELOW_TIMEKEEPER))

/* --- a world -------------------------------------------------------------- */

/* Of the readers of one level. */
struct counts {
	uint64_t reads, valid;
	uint64_t wrong;	    /* those that were valid */
	int64_t worst_ns;   /* the largest error of those that are right */
	int64_t wrong_ns;   /* the largest error of all */
	int64_t last_wrong; /* true time */
};

/* An L1; or a physical host, as whose kernel a VM runs that has all of it. */
struct machine {
	const struct above_kind *kind;
	struct paraclock_sim_vm *vm;
	struct paraclock_sim_host *on;
	struct paraclock_sim_host *guests; /* the machine that L2 is on */
	struct paraclock *clk;		   /* the relay's */
	struct paraclock *reader;	   /* another one; NULL: none */
	struct paraclock_relay relay;
	struct paraclock_target target[BELOWS];
	struct paraclock_page_writer writer[BELOWS];
	struct paraclock_reenlightenment re;
	struct paraclock_timekeeper tk; /* the physical host's clock */
	bool held;			/* updates must say so */
	bool silent;			/* no updates come */
};

/* The L2. */
struct guest {
	struct paraclock_sim_vm *vm;
	struct machine *on;
	struct paraclock_target *target[BELOWS]; /* NULL: it has no relay */
	struct paraclock *clk[BELOWS];
	struct paraclock_timekeeper tk;
	bool paused; /* for readers of pvclock */
	int64_t seen_ns[BELOWS];
	/*
	 * When each was written, and since when the clock above is known; true
	 * time.
	 */
	struct paraclock_timeline written[BELOWS];
	int64_t written_at[BELOWS], above_base[BELOWS];
	int64_t align_ns; /* the time that set its clock was off by this */
};

struct world_options {
	uint64_t seed;
	uint64_t period_ns;		  /* of paraclock_relay_update() */
	enum above above[2];		  /* of the two L1s */
	uint32_t below;			  /* mask of BELOW() */
	bool monotonic;			  /* the promise, below */
	bool live;			  /* without a physical host */
	paraclock_target_pause_fn *pause; /* NULL: pvclock is not read */
};

#define HOSTS	 4
#define MACHINES 3
#define PHYSICAL 2 /* the machine that is a host; no L1 goes there */

struct world {
	struct world_options opts;
	struct paraclock_sim *sim;
	struct paraclock_sim_host *host[HOSTS];
	struct machine machine[MACHINES];
	struct guest guest;
	struct counts l1, l2;
	int64_t next_update; /* true time */
	int64_t resumed;     /* when an L1 last ran again, true time */
	bool blind;	     /* L1's own page is known to be late */
};

/* --- nested.c: time and readers ------------------------------------------- */

uint64_t dice(struct world *w, uint64_t sides);
int64_t true_ns(struct world *w);
/* ret is that of a relay's call: call again until it works. */
void finish_update(struct world *w, struct machine *m, int ret);
/* Time passes, and updates come when they are due. */
void pass(struct world *w, uint64_t ns);
/* Every reader reads once. */
void look(struct world *w);
/* At random, and often within about ns. */
void look_on(struct world *w, unsigned int times, uint64_t ns);
/* The error of the clock of a machine's relay now. */
int64_t above_error_ns(struct world *w, const struct machine *m);

/* --- nested_world.c: how it begins; nested_moves.c: how it moves ---------- */

/* L2 is on the first L1, and runs. */
void world_start(struct world *w, const struct world_options *opts);
void world_end(struct world *w);

/* How an L1 moves. */
enum how {
	ANNOUNCED,   /* freeze, move, resume */
	CARELESS,    /* move, resume: shows why the freeze is needed */
	UNANNOUNCED, /* an update notices */
	EMULATED,    /* Hyper-V waits until it is acknowledged */
};

/* Up to 64 periods, a ns as often as seconds. */
uint64_t random_ns(struct world *w);
/* To another host, with flags at random; all readers look at each step. */
void move_l1(struct world *w, struct machine *m, enum how how,
	     unsigned int looks);
/* To another machine, or the same, with flags at random. */
void move_l2(struct world *w, struct machine *to, unsigned int looks);
/* Only the host's part. */
void migrate_l1(struct world *w, struct machine *m, uint64_t downtime_ns,
		uint32_t flags);
/* PARACLOCK_SIM_x for such a move, at random. */
uint32_t random_flags(struct world *w, enum how how);
/* Any machine but its present one. */
struct paraclock_sim_host *another_host(struct world *w,
					const struct machine *m);

static inline void assert_no_read_wrong(const struct world *w)
{
	if (w->l1.wrong || w->l2.wrong)
		fail_msg("seed %llu: L1 %llu wrong (%lld ns), L2 %llu wrong "
			 "(%lld ns)",
			 (unsigned long long)w->opts.seed,
			 (unsigned long long)w->l1.wrong,
			 (long long)w->l1.wrong_ns,
			 (unsigned long long)w->l2.wrong,
			 (long long)w->l2.wrong_ns);
}

#endif
