/* SPDX-License-Identifier: MIT */
/*
 * A sample as chrony's SOCK refclock receives it: one datagram, in the byte
 * order of this machine.
 *
 * Source: chrony refclock_sock.c, chrony.conf(5).
 */
#ifndef FEED_SOCK_H
#define FEED_SOCK_H

#include <stddef.h>

#include "feed_sample.h"

#define FEED_SOCK_MAGIC 0x534f434b /* "SOCK" */

struct feed_sock {
	int64_t tv_sec; /* struct timeval: the system time */
	int64_t tv_usec;
	double offset; /* true time less the system's, s */
	int32_t pulse; /* 0: a full time, not a pulse of unknown second */
	int32_t leap;
	int32_t pad;
	int32_t magic;
};
_Static_assert(offsetof(struct feed_sock, offset) == 16 &&
		       offsetof(struct feed_sock, pulse) == 24 &&
		       offsetof(struct feed_sock, leap) == 28 &&
		       offsetof(struct feed_sock, magic) == 36 &&
		       sizeof(struct feed_sock) == 40,
	       "chrony's struct sock_sample on LP64");

/* 0; -ERANGE: chronyd drops an offset of 2^32 s or more. */
int feed_sock_encode(const struct feed_sample *sample,
		     struct feed_sock *ret_datagram);

#endif
