/* SPDX-License-Identifier: MIT */
/* keep, in a loop: a keeper, its source, and whoever is told. */
#ifndef KEEP_SERVICE_H
#define KEEP_SERVICE_H

#include "chrony.h"
#include "keep_options.h"
#include "keeper.h"
#include "service.h"
#include "steer.h"

/* Events that wait for --exec: a hook that hangs is killed after 10 s. */
#define KEEP_EXEC_MAX 8

struct keep {
	struct steer steer; /* first: both are the ctx of the keeper's ops */
	const struct keep_options *options;
	struct loop *loop;
	struct chrony chrony;
	struct keep_ops ops;
	struct keeper keeper; /* keeper.clk NULL: no source is open */
	/* Called after each look, if not NULL. */
	void (*looked)(void *ctx);
	void *looked_ctx;
	/* Why no source is open, or is fit. */
	char detail[512];
	bool is_detail_logged;
	bool runs;	    /* looks by itself, and shows its state in files */
	int64_t waiting_ns; /* CLOCK_BOOTTIME, since when; 0: it does not */
	int64_t looked_ns;
	int64_t opened_ns; /* when a source was last looked for */
	/* The last correction, a line of JSON; or NULL. */
	char *correction;
	char *exec[KEEP_EXEC_MAX];
	unsigned int n_exec;
	bool is_executing;
};

/*
 * Ready to look, for one look or for a service. enum status; else stderr says
 * why. The loop and the options must outlive it.
 */
int keep_open(struct keep *keep, const struct keep_options *options,
	      struct loop *loop);
void keep_close(struct keep *keep);

/* From now on, look by itself, and show the state. */
void keep_start(struct keep *keep);

/* Open a source if none is open. false: none is; see keep->detail. */
bool keep_find(struct keep *keep);
/* One look now. WAITING also while no source is open; see keep->detail. */
enum keep_state keep_look(struct keep *keep);
/* Is the keeper's state one that stays without further looks? */
bool keep_is_settled(const struct keep *keep);
/* Is the clock right now: no further off than @p within_ns, or, if that is
 * negative, as the rules say? */
bool keep_is_right(const struct keep *keep, int64_t within_ns);

#endif
