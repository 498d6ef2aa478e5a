/* SPDX-License-Identifier: MIT */
/*
 * Where samples go. No output ever waits: what cannot be delivered now is lost,
 * for the next sample is worth more.
 */
#ifndef FEED_OUTPUT_H
#define FEED_OUTPUT_H

#include <stdio.h>

#include "feed_sample.h"

struct feed_output;

struct feed_output_kind {
	const char *name;
	/* 0: the receiver has it. -EAGAIN: its queue is full. Else another
	 * -errno: it is not there, and is looked for again with the next. */
	int (*send)(struct feed_output *output,
		    const struct feed_sample *sample);
	/* A disruption: what was sent and not yet received must not be. May be
	 * NULL: nothing can be taken back. */
	void (*withdraw)(struct feed_output *output);
	void (*close)(struct feed_output *output); /* may be NULL */
};

struct feed_output {
	const struct feed_output_kind *kind;
	char target[112]; /* for people: a path, a unit, "" */
	/* For the reports. */
	bool connected; /* the last sample was delivered */
	int error;	/* 0 or -errno: of the last sample */

	uint64_t delivered, failed;

	/* Of the kinds. */
	int fd;
	int id;	      /* of the segment; -1: none */
	void *memory; /* the segment, attached */
	int unit;
	bool is_torn; /* half a line was written */
};

/* chrony's SOCK refclock. -ENAMETOOLONG: @p path is no socket's. */
int feed_sock_open(struct feed_output *output, const char *path);

/* NTP SHM, read by chrony, ntpd and ntpsec. */
#define FEED_UNIT_MAX 255
void feed_shm_open(struct feed_output *output, int unit);

/* Lines of JSON. @p fd stays the caller's. */
void feed_lines_open(struct feed_output *output, int fd);

/* Send, count, and log each change once. true: delivered. */
bool feed_output_send(struct feed_output *output,
		      const struct feed_sample *sample);
void feed_output_withdraw(struct feed_output *output);
void feed_output_close(struct feed_output *output);

#endif
