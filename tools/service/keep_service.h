/* SPDX-License-Identifier: MIT */
/* keep, in a loop: a keeper, its source, and whoever is told. */
#ifndef KEEP_SERVICE_H
#define KEEP_SERVICE_H

#include "chrony.h"
#include "keep_options.h"
#include "observer.h"
#include "steer.h"

/* Events that wait for --exec: a hook that hangs is killed after 10 s. */
#define KEEP_EXEC_MAX 8

struct keep {
	struct steer steer; /* first: both are the ctx of the keeper's ops */
	struct observer observer;
	const struct keep_options *options;
	struct chrony chrony;
	struct keep_ops ops;
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

/* Is the keeper's state one that stays without further looks? */
bool keep_is_settled(const struct keep *keep);
/* Is the clock right now: no further off than @p within_ns, or, if that is
 * negative, as the rules say? */
bool keep_is_right(const struct keep *keep, int64_t within_ns);

#endif
