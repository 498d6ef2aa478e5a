/* SPDX-License-Identifier: MIT */
/* Where the host speaks to the agent. */
#ifndef QGA_HOST_H
#define QGA_HOST_H

#include <stdbool.h>

#include "service.h"

/* One of these. */
struct qga_place {
	const char *port; /* a character device; virtio-serial, a serial line */
	const char *listen; /* a Unix socket */
	bool vsock;	    /* this port; only the host may connect to it */
	unsigned int vsock_port;
};

struct qga_host {
	struct loop *loop;
	struct qga_place place;
	int listen_fd; /* -1: a port */
	int fd;	       /* the port, or the connection; -1: none */
	bool is_tty;
	/* Nothing is known of the host's end of a port until it is read. */
	bool connected;
	loop_fn *changed; /* fd can be used, or has said so before */
	void *arg;
};

/* Call changed(arg) when there is something to read: 0, or -errno and a
 * sentence in @p why. */
int qga_host_open(struct qga_host *host, char *why, size_t size);
void qga_host_close(struct qga_host *host);

/* Read: the number of bytes; 0: nothing now; -errno: the host hung up (-EPIPE)
 * or failed. It may come back, and then changed() is called. */
int qga_host_read(struct qga_host *host, char *at, size_t size);
/* The same as if a read had failed, for a write that has. */
void qga_host_lost(struct qga_host *host, int error);
/* What to wait for, while connected. */
void qga_host_want(struct qga_host *host, bool input, bool output);

#endif
