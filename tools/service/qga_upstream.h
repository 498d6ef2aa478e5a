/* SPDX-License-Identifier: MIT */
/* The connection to the agent behind, made again whenever it ends. */
#ifndef QGA_UPSTREAM_H
#define QGA_UPSTREAM_H

#include <stdbool.h>

#include "service.h"

struct qga_upstream {
	struct loop *loop;
	const char *path;
	int fd; /* -1: away */
	int64_t retry_ns;
	loop_fn *changed; /* connected, or there is something to read */
	void *arg;
};

/* Connect now, or later. */
void qga_upstream_open(struct qga_upstream *upstream);
void qga_upstream_close(struct qga_upstream *upstream);
/* It is away: connect again later. */
void qga_upstream_lost(struct qga_upstream *upstream);
/* It answers: the next connection is tried soon after this one ends. */
void qga_upstream_works(struct qga_upstream *upstream);
/* The number of bytes; 0: nothing now; -errno (-EPIPE: it hung up). */
int qga_upstream_read(struct qga_upstream *upstream, char *at, size_t size);
void qga_upstream_want(struct qga_upstream *upstream, bool input, bool output);

#endif
