// SPDX-License-Identifier: MIT
/*
 * Loaded before serve: CLOCK_REALTIME and what is made of it are the world's.
 * Nothing sets the machine's own clock.
 */
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>

#include "world.h"

typedef int clock_gettime_fn(clockid_t id, struct timespec *ts);

static struct world *world;
static clock_gettime_fn *other;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("PARACLOCK_WORLD");

	if (path)
		world = world_map(path);
	*(void **)&other = dlsym(RTLD_NEXT, "clock_gettime");
	if (!world || !other)
		abort();
}

static int64_t real_ns(void)
{
	uint64_t now = counter_now();

	/* The value is one of the time of this call, not of before a wait. */
	while (now >= __atomic_load_n(&world->horizon, __ATOMIC_ACQUIRE)) {
		if (!world_wait(world, now))
			abort();
		now = counter_now();
	}
	return line_at(&world->real, now);
}

int clock_gettime(clockid_t id, struct timespec *ts)
{
	int64_t ns;

	if (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE &&
	    id != CLOCK_TAI)
		return other(id, ts);
	ns = real_ns() + (id == CLOCK_TAI ? TAI_SEC * NS_PER_SEC : 0);
	ts->tv_sec = ns / NS_PER_SEC;
	ts->tv_nsec = ns % NS_PER_SEC;
	return 0;
}

time_t time(time_t *ret)
{
	const time_t sec = real_ns() / NS_PER_SEC;

	if (ret)
		*ret = sec;
	return sec;
}

int gettimeofday(struct timeval *tv, void *zone)
{
	const int64_t ns = real_ns();

	(void)zone;
	tv->tv_sec = ns / NS_PER_SEC;
	tv->tv_usec = ns % NS_PER_SEC / 1000;
	return 0;
}

/* A claim without worth, as after a restore: it says that all is well. */
int adjtimex(struct timex *tx)
{
	const unsigned int modes = tx->modes;

	if (modes) {
		errno = EPERM;
		return -1;
	}
	memset(tx, 0, sizeof(*tx));
	tx->status = STA_PLL | STA_NANO;
	tx->tick = 10000;
	tx->maxerror = 1;
	tx->tai = TAI_SEC;
	return TIME_OK;
}

int clock_adjtime(clockid_t id, struct timex *tx)
{
	(void)id;
	return adjtimex(tx);
}

int ntp_adjtime(struct timex *tx)
{
	return adjtimex(tx);
}
