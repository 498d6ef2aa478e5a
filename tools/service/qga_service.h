/* SPDX-License-Identifier: MIT */
/* The guest agent as a service: the protocol, on descriptors. */
#ifndef QGA_SERVICE_H
#define QGA_SERVICE_H

#include "qga.h"
#include "qga_host.h"
#include "qga_upstream.h"

struct qga_service {
	struct qga *qga;
	struct qga_host host;
	struct qga_upstream upstream;
	/* What was told last. */
	enum qga_event host_told, upstream_told;
	void (*tell)(void *ctx, enum qga_event event, const char *text);
	void *ctx;
};

struct qga_service_options {
	struct qga_place place;
	const char *upstream; /* a Unix socket; NULL: none */
	struct agent_clock clock;
	/* What is worth a line of the log. */
	void (*tell)(void *ctx, enum qga_event event, const char *text);
	void *ctx;
};

/* Serve from the loop: 0, or -errno and a sentence in @p why. The strings of
 * the options have to stay. */
int qga_service_start(struct qga_service *service, struct loop *loop,
		      const struct qga_service_options *options, char *why,
		      size_t size);
void qga_service_stop(struct qga_service *service);

#endif
