// SPDX-License-Identifier: MIT
/*
 * adjtimex(2) and what surrounds it.
 *
 * Source: Linux kernel/time/timekeeping.c, ADJ_SETOFFSET; adjtimex(2);
 * timerfd_create(2), TFD_TIMER_CANCEL_ON_SET.
 */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/timerfd.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "duration.h"
#include "steer.h"

/* A leap second list has 5 KiB today. */
#define LIST_MAX 65536

/* How far in the future the timer is set that never fires, s. */
#define NEVER_SEC 1000000000

/* Readings of the two clocks whose difference is the time suspended. */
#define READINGS 5

int steer_open(struct steer *steer, const char *lock, char *why, size_t size)
{
	int error;

	*steer = (struct steer){ .watch_fd = -1, .lock_fd = -1 };
	steer->watch_fd =
		timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (steer->watch_fd < 0) {
		error = errno;
		snprintf(why, size, "timerfd_create: %s", strerror(error));
		return -error;
	}
	steer->lock_fd =
		open(lock, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (steer->lock_fd >= 0 || errno == ENOENT || errno == EROFS)
		return 0;
	error = errno;
	snprintf(why, size,
		 "%s: %s; it keeps two programs from correcting the "
		 "clock at once: run both as one user",
		 lock, strerror(error));
	close(steer->watch_fd);
	return -error;
}

void steer_close(struct steer *steer)
{
	if (steer->watch_fd >= 0)
		close(steer->watch_fd);
	if (steer->lock_fd >= 0)
		close(steer->lock_fd);
}

/* --- others who set the clock --------------------------------------------- */

int steer_arm(void *arg)
{
	struct steer *steer = arg;
	struct itimerspec never = { 0 };
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	never.it_value.tv_sec = now.tv_sec + NEVER_SEC;
	/* ECANCELED: it is armed, and the clock was set before. */
	if (timerfd_settime(steer->watch_fd,
			    TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never,
			    NULL) &&
	    errno != ECANCELED)
		return -errno;
	/* What came before no longer counts. */
	(void)steer_was_set(steer);
	return 0;
}

bool steer_was_set(void *arg)
{
	struct steer *steer = arg;
	uint64_t fired;

	/* ECANCELED: it was set. EAGAIN: it was not. */
	return read(steer->watch_fd, &fired, sizeof(fired)) >= 0 ||
	       errno != EAGAIN;
}

int steer_acquire(void *arg)
{
	const struct steer *steer = arg;

	if (steer->lock_fd < 0 || !flock(steer->lock_fd, LOCK_EX | LOCK_NB))
		return 0;
	return errno == EWOULDBLOCK ? -EBUSY : -errno;
}

void steer_release(void *arg)
{
	const struct steer *steer = arg;

	if (steer->lock_fd >= 0)
		(void)flock(steer->lock_fd, LOCK_UN);
}

/* --- the kernel's clock --------------------------------------------------- */

int steer_step(void *arg, int64_t by_ns)
{
	struct timex now = { 0 };
	struct timex set = { .modes = ADJ_SETOFFSET | ADJ_NANO };
	struct timex unit = { .modes = ADJ_MICRO };
	int64_t sec = by_ns / NSEC_PER_SEC, ns = by_ns % NSEC_PER_SEC;
	int error;

	(void)arg;
	if (ns < 0) {
		ns += NSEC_PER_SEC;
		sec--;
	}
	set.time.tv_sec = (time_t)sec;
	set.time.tv_usec = (suseconds_t)ns;
	if (adjtimex(&now) < 0)
		return -errno;
	/* It returns the clock's state, of which TIME_ERROR is no failure. */
	if (adjtimex(&set) < 0) {
		error = errno;
		/* EINVAL also for a result before 1970 or past 2232. */
		return -error;
	}
	/* Other daemons count in the unit that was set before. */
	if (!(now.status & STA_NANO))
		(void)adjtimex(&unit);
	return 0;
}

int steer_slew(void *arg, int64_t by_ns)
{
	struct timex slew = { .modes = ADJ_OFFSET_SINGLESHOT };
	int64_t us = by_ns / 1000;

	(void)arg;
	if (us > LONG_MAX / 2 || us < LONG_MIN / 2)
		return -ERANGE;
	slew.offset = (long)us;
	return adjtimex(&slew) < 0 ? -errno : 0;
}

unsigned int steer_kernel(void *arg)
{
	struct timex now = { 0 };
	unsigned int said = 0;
	int state = adjtimex(&now);

	(void)arg;
	if (state < 0)
		return 0;
	if (!(now.status & STA_UNSYNC))
		said |= KEEP_KERNEL_SYNCHRONIZED;
	if (now.status & (STA_INS | STA_DEL) || state == TIME_INS ||
	    state == TIME_DEL || state == TIME_OOP)
		said |= KEEP_KERNEL_LEAP;
	return said;
}

static int64_t read_ns(clockid_t id)
{
	struct timespec now;

	if (clock_gettime(id, &now))
		return 0;
	return (int64_t)now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

int steer_suspended(void *arg, int64_t *ret_ns)
{
	int64_t least = INT64_MAX;

	(void)arg;
	/* BOOTTIME is read later, so that the difference is never too small:
	 * the least is the best. */
	for (int i = 0; i < READINGS; i++) {
		int64_t mono = read_ns(CLOCK_MONOTONIC);
		int64_t ns = read_ns(CLOCK_BOOTTIME) - mono;

		if (ns < least)
			least = ns;
	}
	*ret_ns = least;
	return 0;
}

/* --- leap seconds --------------------------------------------------------- */

int steer_leap_table(void *arg, struct paraclock_leap_table *ret_table)
{
	int fd = open(PARACLOCK_LEAP_LIST_PATH, O_RDONLY | O_CLOEXEC);
	char *text = fd < 0 ? NULL : malloc(LIST_MAX);
	size_t size = 0;
	ssize_t got = -1;
	int ret;

	(void)arg;
	if (!text) {
		ret = fd < 0 ? -errno : -ENOMEM;
		if (fd >= 0)
			close(fd);
		return ret;
	}
	while (size < LIST_MAX &&
	       (got = read(fd, text + size, LIST_MAX - size)) > 0)
		size += (size_t)got;
	ret = got < 0 ? -errno
		      : paraclock_leap_list_parse(text, size, NULL, 0,
						  ret_table);
	free(text);
	close(fd);
	return ret;
}
