// SPDX-License-Identifier: MIT
/*
 * A chronyc that asks the world: what `tracking` prints with -c, and the two
 * commands that a service gives. Signs as in chrony's own: a correction that is
 * positive is added to the system clock, and a frequency that is positive is
 * that of a clock that gains.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "world.h"

#define HANG_SEC 600

static void pause_for_ms(unsigned int ms)
{
	const struct timespec ts = { .tv_sec = ms / 1000,
				     .tv_nsec = ms % 1000 * 1000000L };

	nanosleep(&ts, NULL);
}

/* As it is now: what is still to come has not been measured yet. */
static struct chronyd look(const struct world *world)
{
	struct chronyd chronyd;
	uint32_t seq;

	for (;; pause_for_ms(1)) {
		/* Pairs with the release store in end_change(). */
		seq = __atomic_load_n(&world->chronyd.seq, __ATOMIC_ACQUIRE);
		chronyd = world->chronyd;
		/* Pairs with the fence in begin_change(). */
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (seq & 1 || seq != world->chronyd.seq ||
		    counter_now() < chronyd.reference)
			continue;
		return chronyd;
	}
}

static double to_sec(int64_t ns)
{
	return (double)ns / (double)NS_PER_SEC;
}

static void print_tracking(const struct world *world, const struct chronyd *c)
{
	const bool known = c->state == CHRONYD_SYNCHRONIZED;
	const uint64_t now = counter_now();
	const double age_sec = to_sec(ns_of(world, now - c->reference));
	int64_t remaining_ns;

	if (!world_wait(world, now))
		exit(1);
	remaining_ns =
		line_at(&world->estimate, now) - line_at(&world->real, now);
	printf("%s,%s,%d,%" PRId64 ".%09" PRId64
	       ",%.9f,0.000000123,0.000004567,%.3f,-0.001,0.010,%.9f,%.9f,"
	       "1.0,%s\n",
	       known ? "C0A8007B" : "7F7F0101", known ? "192.168.0.123" : "",
	       known ? 2 : 0, known ? c->reference_ns / NS_PER_SEC : 0,
	       known ? c->reference_ns % NS_PER_SEC : 0, to_sec(remaining_ns),
	       c->frequency_ppm, to_sec(c->bound_ns),
	       /* It lets its dispersion grow by 1 ppm. */
	       to_sec(c->bound_ns / 2) + age_sec * 1e-6,
	       known ? "Normal" : "Not synchronised");
}

static int track(struct world *world)
{
	const struct chronyd chronyd = look(world);

	__atomic_add_fetch(&world->chronyd.answers, 1, __ATOMIC_RELAXED);
	switch (chronyd.state) {
	case CHRONYD_DEAD:
		printf("506 Cannot talk to daemon\n");
		return 1;
	case CHRONYD_SILENT:
		pause_for_ms(HANG_SEC * 1000);
		return 1;
	case CHRONYD_GARBAGE:
		printf("C0A8007B,192.168.0.123,2,nan,1e400,-,,0x1p3,"
		       "\n\377\n,Normal\n");
		return 0;
	default:
		print_tracking(world, &chronyd);
		fflush(stdout);
		/* What it said is older when it arrives. */
		pause_for_ms(chronyd.answers_late_ms);
		return 0;
	}
}

int main(int argc, char **argv)
{
	const char *path = getenv("PARACLOCK_WORLD");
	struct world *world = path ? world_map(path) : NULL;

	if (!world)
		return 2;
	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "tracking"))
			return track(world);
		if (world->chronyd.state == CHRONYD_DEAD) {
			printf("506 Cannot talk to daemon\n");
			return 1;
		}
		if (world->chronyd.state == CHRONYD_SILENT)
			pause_for_ms(HANG_SEC * 1000);
		if (!strcmp(argv[i], "reset")) {
			__atomic_add_fetch(&world->chronyd.resets, 1,
					   __ATOMIC_RELAXED);
			return 0;
		}
		if (!strcmp(argv[i], "burst")) {
			__atomic_add_fetch(&world->chronyd.bursts, 1,
					   __ATOMIC_RELAXED);
			return 0;
		}
	}
	return 2;
}
