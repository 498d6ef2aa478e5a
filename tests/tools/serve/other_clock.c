// SPDX-License-Identifier: MIT
/*
 * Loaded before serve: CLOCK_REALTIME and what is made of it are the world's.
 * Nothing sets the machine's own clock. And serve stops, or dies, between two
 * steps of the world's choice.
 */
#include <dlfcn.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include <paraclock/host.h>
#include <paraclock/paraclock.h>

#include "world.h"

static struct world *world;

/* The function that this library stands before. */
#define NEXT(name) ((__typeof__(&name))(uintptr_t)next_of(#name))

static void *next_of(const char *name)
{
	void *fn = dlsym(RTLD_NEXT, name);

	if (!fn)
		abort();
	return fn;
}

static __typeof__(&clock_gettime) other;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("PARACLOCK_WORLD");

	if (path)
		world = world_map(path);
	other = NEXT(clock_gettime);
	if (!world)
		abort();
}

/* --- serve's steps ---------------------------------------------------------- */

static void step(void)
{
	/* Not chronyc, which has the same environment. */
	if (world->serve != getpid())
		return;
	world->steps++;
	if (!__atomic_load_n(&world->stops_in, __ATOMIC_RELAXED) ||
	    __atomic_sub_fetch(&world->stops_in, 1, __ATOMIC_RELAXED))
		return;
	/* Before this returns, it has happened. */
	kill(getpid(), world->dies ? SIGKILL : SIGSTOP);
}

int paraclock_read(const struct paraclock *clk, struct paraclock_sample *ret)
{
	step();
	return NEXT(paraclock_read)(clk, ret);
}

int paraclock_read_at(const struct paraclock *clk, uint64_t counter,
		      struct paraclock_sample *ret)
{
	step();
	return NEXT(paraclock_read_at)(clk, counter, ret);
}

int paraclock_marker(const struct paraclock *clk, struct paraclock_marker *ret)
{
	step();
	return NEXT(paraclock_marker)(clk, ret);
}

int paraclock_next_event(struct paraclock *clk, struct paraclock_event *ret)
{
	step();
	return NEXT(paraclock_next_event)(clk, ret);
}

int paraclock_snapshot(const struct paraclock_env *env,
		       struct paraclock_snapshot *ret)
{
	step();
	return NEXT(paraclock_snapshot)(env, ret);
}

int paraclock_crosststamp(const struct paraclock *clk,
			  const struct paraclock_history *hist,
			  struct paraclock_crosststamp *ret)
{
	step();
	return NEXT(paraclock_crosststamp)(clk, hist, ret);
}

int paraclock_vmclock_write(void *page, struct paraclock_page_writer *writer,
			    const struct paraclock_env *env,
			    const struct paraclock_timeline *tl)
{
	int ret;

	step();
	ret = NEXT(paraclock_vmclock_write)(page, writer, env, tl);
	step();
	return ret;
}

/* --- the clock ---------------------------------------------------------------- */

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

	step();
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
