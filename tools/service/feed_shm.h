/* SPDX-License-Identifier: MIT */
/*
 * The segment that NTP's SHM refclock reads: System V shared memory.
 *
 * Source: chrony refclock_shm.c; ntpd(8), driver 28.
 */
#ifndef FEED_SHM_H
#define FEED_SHM_H

#include <stddef.h>

#include "feed_sample.h"

#define FEED_SHM_KEY 0x4e545030 /* "NTP0"; and the unit */

/* A reader in this mode looks whether count was the same before and after. */
#define FEED_SHM_MODE 1

struct feed_shm {
	int32_t mode;
	int32_t count;
	int64_t clock_sec; /* the true time */
	int32_t clock_us;
	int32_t pad;
	int64_t receive_sec; /* the system's at that instant */
	int32_t receive_us;
	int32_t leap;
	int32_t precision; /* log2 s */
	int32_t nsamples;  /* of the reader */
	int32_t valid;
	uint32_t clock_ns; /* the whole fraction, clock_us included */
	uint32_t receive_ns;
	int32_t dummy[8];
};
_Static_assert(offsetof(struct feed_shm, clock_sec) == 8 &&
		       offsetof(struct feed_shm, receive_sec) == 24 &&
		       offsetof(struct feed_shm, leap) == 36 &&
		       offsetof(struct feed_shm, valid) == 48 &&
		       offsetof(struct feed_shm, receive_ns) == 56 &&
		       offsetof(struct feed_shm, dummy) == 60 &&
		       sizeof(struct feed_shm) == 96,
	       "struct shmTime on LP64");

/* Its leap indicator when nothing is known. */
#define FEED_SHM_LEAP_UNKNOWN 3

/* The one writer: a reader sees the whole sample, or that it does not. */
void feed_shm_write(struct feed_shm *shm, const struct feed_sample *sample);
/* What a reader has not read yet is no longer there. */
void feed_shm_clear(struct feed_shm *shm);

#endif
