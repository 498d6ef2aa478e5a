/* SPDX-License-Identifier: MIT */
/* What child.c needs of the loop besides service.h. */
#ifndef SERVICE_LOOP_H
#define SERVICE_LOOP_H

#include <signal.h>
#include <sys/types.h>

#include "service.h"

/*
 * Call fn(arg) when any child process has changed state, until
 * loop_forget_child(). loop_free() calls cleanup(arg) instead. 0, or -ENOMEM.
 */
struct loop_child {
	pid_t pid;
	loop_fn *fn;
	loop_fn *cleanup;
	void *arg;
};
int loop_watch_child(struct loop *loop, const struct loop_child *child);
void loop_forget_child(struct loop *loop, pid_t pid);

/* The signals that were blocked before the loop: a child inherits them. */
const sigset_t *loop_signals_before(const struct loop *loop);

#endif
