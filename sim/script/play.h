/* SPDX-License-Identifier: MIT */
/*
 * A play: a script while it happens. Its files call downwards only: play.c,
 * then acts.c and publish.c, pass.c, readers.c, report.c.
 */
#ifndef SCRIPT_PLAY_H
#define SCRIPT_PLAY_H

#include "script.h"

/* A VM of the play, and the clock that is open in it. */
struct play_vm {
	const char *name;
	struct paraclock_sim_vm *vm;
	struct paraclock *clk;
	uint64_t epoch; /* when 'expect' last asked for disruptions */
	/* 'publish' */
	struct paraclock_page_writer writer;
	bool writes;
	uint8_t timescale;
	uint32_t timeline_flags;
	/* 'watch' */
	const struct statement *watch;
	int64_t due_ns;
	struct paraclock_sample last; /* the last valid one */
	uint64_t readings, valid, wrong;
};

struct paraclock_sim_play {
	const struct paraclock_sim_script *script;
	struct paraclock_sim_play_options opts;
	struct paraclock_sim *sim;
	struct paraclock_sim_host *host[NAMES_MAX];
	struct play_vm vm[NAMES_MAX];
	struct paraclock_sim_state *state[NAMES_MAX];
	unsigned int vms, states;
	const struct statement *now; /* the one being played */
	int64_t time_ns;	     /* since the start, as the script asked */
	unsigned int failed;
	uint64_t frozen; /* live: the counter stands at this; 0: it runs */
	char *detail;
	size_t detail_size;
	char remark[256]; /* the outcome of the statement */
};

/* --- report.c ------------------------------------------------------------- */

/* Report the outcome of s: 0, or what on_event() returned. */
int pclk_sim_play_tell(struct paraclock_sim_play *play,
		       const struct statement *s,
		       struct paraclock_sim_event *event);
/* Call on_pages(). */
int pclk_sim_play_show_pages(struct paraclock_sim_play *play);
/* True time since the start, ns. */
int64_t pclk_sim_play_now(const struct paraclock_sim_play *play);
/* The error ends the play: put what, with the statement, into detail. */
int pclk_sim_play_error(struct paraclock_sim_play *play, int error,
			const char *what);
/* The same for an error by which sim.h refuses the statement. */
int pclk_sim_play_refused(struct paraclock_sim_play *play, int error);

/* --- readers.c ------------------------------------------------------------ */

int pclk_sim_play_reader(struct paraclock_sim_play *play,
			 const struct statement *s);
/* The watched clock that is due first; NULL: no clock is watched. */
struct play_vm *pclk_sim_play_next_watch(struct paraclock_sim_play *play);
int pclk_sim_play_watch(struct paraclock_sim_play *play, struct play_vm *vm);
int pclk_sim_play_watch_end(struct paraclock_sim_play *play);

/* --- pass.c --------------------------------------------------------------- */

/* Let time pass, and read what is watched. */
int pclk_sim_play_pass(struct paraclock_sim_play *play, int64_t ns);
/* Let time pass in a live world, without reading. */
int pclk_sim_play_wait(struct paraclock_sim_play *play, int64_t ns);
/* Play 'run' or 'at'. */
int pclk_sim_play_run(struct paraclock_sim_play *play,
		      const struct statement *s);

/* --- publish.c ------------------------------------------------------------ */

int pclk_sim_play_publish(struct paraclock_sim_play *play,
			  const struct statement *s);
void pclk_sim_play_publish_end(struct play_vm *vm);

/* --- acts.c: every statement that is not about time or readers ------------ */

int pclk_sim_play_act(struct paraclock_sim_play *play,
		      const struct statement *s);

#endif
