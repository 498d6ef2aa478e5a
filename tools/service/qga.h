/* SPDX-License-Identifier: MIT */
/*
 * QEMU's guest agent protocol, in front of another agent (the upstream) or
 * without one: what is answered here, what is passed on, and in which order.
 * Nothing here reads or writes a descriptor.
 */
#ifndef QGA_H
#define QGA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "qga_buffer.h"
#include "qga_scan.h"

/* Longer messages are passed on as they come, and are never ours. */
#define QGA_MESSAGE_MAX 65536
/* Of a message of ours. Only "id" may nest at all. */
#define QGA_DEPTH_MAX 32
/* Requests that the upstream has not answered; then the host has to wait. */
#define QGA_UNANSWERED_MAX 64
/* The id of a request that is no longer than this is kept until it is answered,
 * for an error if it never is; but no array or object, which may take much more
 * memory than text. */
#define QGA_ID_MESSAGE_MAX 4096
/* An output that holds this much is not added to: its input has to wait. */
#define QGA_OUTPUT_FULL 65536
/* A reply to guest-info is held until it is whole; qemu-ga's has some 3 kB. */
#define QGA_INFO_MAX 65536
/* How often guest-set-time and guest-paraclock-status are answered: so many at
 * once, and so many a second. */
#define QGA_RATE 10

/* What the commands act on; each function is called from qga_run(). */
struct agent_clock {
	void *ctx;
	/* CLOCK_REALTIME, ns: 0, or -errno. */
	int (*get_time)(void *ctx, int64_t *ret_ns);
	/* Step CLOCK_REALTIME to ns, which is not negative. 0, or -errno; @p why
	 * says what was done, or why not. */
	int (*set_time)(void *ctx, int64_t ns, char *why, size_t size);
	/* Put CLOCK_REALTIME right by the host clock: as set_time(). */
	int (*set_from_host)(void *ctx, char *why, size_t size);
	/* What guest-paraclock-status returns: a new reference, or NULL. */
	json_t *(*status)(void *ctx);
};

enum qga_event {
	QGA_TIME_SET,	  /* the text says to what */
	QGA_TIME_REFUSED, /* the text says why */
	/* Told by the service. */
	QGA_HOST_HERE,
	QGA_HOST_GONE,
	QGA_UPSTREAM_HERE,
	QGA_UPSTREAM_GONE, /* the text says why */
};

struct qga_options {
	struct agent_clock clock;
	/* There is an upstream, which may be away; see qga_upstream_up(). */
	bool upstream;
	/* What guest-info says without an upstream. */
	const char *version;
	/* CLOCK_BOOTTIME, ns. */
	int64_t (*now)(void *ctx);
	/* A number that the host cannot guess, not negative. */
	int64_t (*nonce)(void *ctx);
	/* What is worth a line of the log. May be NULL. */
	void (*tell)(void *ctx, enum qga_event event, const char *text);
	void *ctx;
};

/* What becomes of the message that is being scanned. */
enum qga_mode {
	QGA_HOLD,    /* kept in message: it may be ours */
	QGA_PASS,    /* longer than QGA_MESSAGE_MAX: passed on as it comes */
	QGA_DISCARD, /* answered with an error once it ends */
	QGA_SKIP,    /* answered already: the rest is dropped */
};

/* Private to qga*.c, but for the outputs. */
struct qga {
	struct qga_options options;

	/* From the host: what was read and not yet looked at. */
	char in[16384];
	size_t in_at, in_len;
	struct qga_scan scan;
	enum qga_mode mode;
	char message[QGA_MESSAGE_MAX];
	size_t message_len;
	/* NULL, or the error that is the answer. */
	const char *refusal;
	/* message is whole; its answer waits until the upstream has answered
	 * everything before it. */
	bool waits;
	/* A syntax error: drop everything up to the end of the line. */
	bool broken;
	/* The last message was passed on: so is the space after it. */
	bool passed;

	/* The upstream. */
	bool is_up;
	/* Requests that it owes a reply, and the ids of these, from the oldest
	 * on: NULL if it has none. A sentinel may still follow the last. */
	unsigned int unanswered, oldest;
	json_t *ids[QGA_UNANSWERED_MAX + 1];
	/* Not 0: a guest-sync with this id was sent to learn when everything
	 * before it has been answered. */
	int64_t barrier;
	/* Replies up to the barrier's are not for this host. */
	bool stale;
	/* The barrier is the first of a connection. */
	bool greeting;
	/* The next reply is guest-info's: held, to add our commands. */
	bool info;
	/* Some of this reply has been passed on; the rest follows. */
	bool in_reply;
	/* A reply's first bytes, held while they may be the barrier's or are
	 * guest-info's. */
	char reply[QGA_INFO_MAX];
	size_t reply_len;

	/* The allowance of QGA_RATE. */
	int64_t refilled_ns;
	unsigned int allowance;

	struct qga_buffer to_host, to_upstream;
};

/* 0, or -ENOMEM. */
int qga_new(struct qga **ret_qga, const struct qga_options *options);
void qga_free(struct qga *qga);

/* Where bytes of the host may be read into; 0: none now. */
size_t qga_host_space(const struct qga *qga, char **ret_at);
/* So many were read there. */
void qga_host_fill(struct qga *qga, size_t count);
/* The host hung up: forget half a message, and replies that nobody awaits. */
void qga_host_gone(struct qga *qga);

/* May bytes of the upstream be read now? */
bool qga_upstream_ready(const struct qga *qga);
void qga_upstream_fill(struct qga *qga, const char *data, size_t count);
/* A new connection. It is asked to forget what others have said to it, and
 * the host waits until it answers: qga_is_greeting(). */
void qga_upstream_up(struct qga *qga);
bool qga_is_greeting(const struct qga *qga);
/* It is away: requests in flight are answered with an error. */
void qga_upstream_down(struct qga *qga);

/* Go on as far as the inputs and the outputs allow; call it after each of the
 * above, and after an output was emptied. */
void qga_run(struct qga *qga);
/* Would qga_run() do something now? */
bool qga_can_run(const struct qga *qga);

#endif
