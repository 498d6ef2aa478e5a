/* SPDX-License-Identifier: MIT */
/* The real world of a keeper: this kernel's clock, and a lock between
 * processes. */
#ifndef STEER_H
#define STEER_H

#include "keeper.h"

struct steer {
	int watch_fd; /* a timer that is cancelled when the clock is set */
	int lock_fd;
};

/*
 * @p lock: the file of the lock, which is made if its folder is there. Without
 * a folder nobody else can be correcting this clock by it either. 0, or -errno
 * and a sentence in @p why.
 */
int steer_open(struct steer *steer, const char *lock, char *why, size_t size);
void steer_close(struct steer *steer);

/* These take a struct steer, and fit struct keep_ops. */
int steer_arm(void *steer);
bool steer_was_set(void *steer);
int steer_acquire(void *steer);
void steer_release(void *steer);
int steer_step(void *steer, int64_t by_ns);
int steer_slew(void *steer, int64_t by_ns);
unsigned int steer_kernel(void *steer);
int steer_suspended(void *steer, int64_t *ret_ns);
int steer_leap_table(void *steer, struct paraclock_leap_table *ret_table);

#endif
