/* SPDX-License-Identifier: MIT */
/*
 * The bed: a real `paraclock serve`, four readers, and the world that they are
 * in. One process makes the world, starts the others, and stops them all when
 * the machine is to stand still.
 */
#ifndef BED_H
#define BED_H

#include <sys/types.h>

#include "reader.h"
#include "source.h"

#define BED_READERS 4

struct bed_options {
	const char *tool;    /* paraclock */
	const char *preload; /* shows serve the world's CLOCK_REALTIME */
	const char *fakes;   /* where chronyc is */
	/* The host's page is the machine's /dev/vmclock0, and everything is
	 * where it is when installed; else all has a folder of its own. */
	bool is_installed;
	bool from_kernel;
	const char *only; /* one part of the round; NULL: all */
	uint64_t reads;	  /* of all readers */
	uint32_t seed;
	bool is_long;
};

/* --- chronyd.c --------------------------------------------------------------- */

/*
 * Whoever steers CLOCK_REALTIME: its estimate of UTC is within a bound of the
 * truth, and it slews the clock to the estimate.
 */
struct steering {
	struct world *world;
	double slew_ppm;
	/* What it finds when it begins anew. */
	double frequency_ppm;
	int64_t bound_ns;

	/* Private. */
	uint32_t forgot; /* resets that it has obeyed */
	uint64_t back;	 /* when it will have measured, ticks; 0: it has */
};

/* The counter's rate is wrong by this; chronyd knows it. */
void steering_start(struct steering *steering, struct world *world,
		    double frequency_ppm);
/* It measures: from the horizon on, the estimate is this far ahead of true UTC,
 * and known to the bound. */
void steering_update(struct steering *steering, int64_t error_ns,
		     int64_t bound_ns);
/* It believes that the counter's rate is wrong by this. */
void steering_set_frequency(struct steering *steering, double frequency_ppm);
/* It steps CLOCK_REALTIME to its estimate. */
void steering_step(struct steering *steering);
void steering_set_state(struct steering *steering, enum chronyd_state state);
/* It knows nothing, and measures anew. */
void steering_begin_anew(struct steering *steering);
/* What is still to be slewed at the horizon, ns. */
int64_t steering_remaining(const struct steering *steering);
/* Extend the horizon; slew until then. For bed.plan. */
void steering_plan(void *steering, int64_t ns);

/* --- bed.c -------------------------------------------------------------------- */

struct bed {
	struct bed_options options;
	struct world *world;
	struct source source;
	char dir[256], page[300], clockbound[300], vmclock[300], log[300];
	char world_path[300];
	pid_t serve;	 /* 0: it does not run */
	bool is_stopped; /* serve alone */
	/* Nothing happens that serve could not follow. */
	bool must_be_served;
	pid_t reader[BED_READERS];
	const void *served; /* mapped; NULL: not there yet */
	struct page last;   /* as served last */
	uint64_t pages, unlike_source;
	uint64_t started; /* how often serve was */
	uint32_t random;
	const char *wrong; /* what failed first */
	/* Plans the system clocks until the horizon; NULL: they go on. */
	void (*plan)(void *ctx, int64_t ns);
	struct steering steering;
};

/* 0; 77: this machine lacks something, and stdout says what; else stderr says
 * what failed. */
int bed_open(struct bed *bed, const struct bed_options *options);
/* Ends all, prints what was found, and returns the status to exit with. */
int bed_close(struct bed *bed);

int bed_start_serve(struct bed *bed);
void bed_kill_serve(struct bed *bed);
int bed_start_readers(struct bed *bed);

/* Let the world go on. */
void bed_run(struct bed *bed, int64_t ns);
/* Until readers have had a valid time of a page that is newer than now. */
void bed_run_until_served(struct bed *bed);
/* A name for what follows. */
void bed_phase(struct bed *bed, const char *name);
/* Something is wrong: the run goes on, and fails. */
void bed_fail(struct bed *bed, const char *what);

/*
 * Let serve go on for so many steps, and then stop or die; a step is one of its
 * calls into a clock or into the library. false: it does not get there.
 */
bool bed_run_to_step(struct bed *bed, uint32_t steps, bool dies);

/* The machine stands still, and goes on. */
void bed_stop(struct bed *bed);
void bed_continue(struct bed *bed);

/* While it stands still: true time jumps, and its rate changes. */
struct disruption {
	int64_t jump_ns;
	double ppm;
	bool is_disruption; /* else the counter's rate wanders */
	bool is_marked, is_restored;
};
void bed_disrupt(struct bed *bed, const struct disruption *disruption);

/* --- play_*.c: what happens in a round ---------------------- */

struct play {
	const char *name;
	void (*play)(struct bed *bed);
};
/* Those that were asked for; the last one has no name. */
void bed_play(struct bed *bed, const struct play *plays);

/* A disruption between any two of serve's steps, and its death. */
void play_steps(struct bed *bed);

void play_host(struct bed *bed);
void play_kernel(struct bed *bed);

/* serve is killed, and stays dead: what would be read from its page later. The
 * end of a run. */
void play_death(struct bed *bed);

/* --- bed_place.c ------------------------------------------------------------ */

/* A /dev and a /run of this process's own, where /dev/vmclock0 is the file
 * behind @p fd. 0; 77; or 1. */
int place_install(const char *dir, int fd);

/* --- bed_tell.c ------------------------------------------------------------- */

/* Print the findings; returns how many faults there were. */
uint64_t bed_tell(const struct bed *bed);
const char *bed_phase_name(uint32_t phase);
uint32_t bed_phase_number(const char *name);

#endif
