/* SPDX-License-Identifier: MIT */
/*
 * A fake world in which things happen: restores, sets, changes of clocksource.
 */
#ifndef EVENTS_H
#define EVENTS_H

#include "fake.h"

struct world {
	struct fake fake;  /* first: its env.ctx is this struct */
	int set, restored; /* the next answers of the watches */
	int set_error, restored_error, group_error;
	char source[32];
	int64_t real_minus_mono;
	unsigned int opened, closed; /* descriptors */
	unsigned int grouped, seen;
	int last_grouped;
};

enum {
	CLOCK_FD = 90,
	GENERATION_FD = 91,
	GROUP_FD = 92
};

static inline int world_watch(struct world *world, int *fd, int *happened,
			      int number)
{
	int ret = *happened;

	if (*fd >= 0) {
		*happened = 0;
		return ret;
	}
	*fd = number;
	world->opened++;
	return 0;
}

static inline int world_watch_clock(void *ctx, int *fd)
{
	struct world *world = ctx;

	if (world->set_error)
		return world->set_error;
	return world_watch(world, fd, &world->set, CLOCK_FD);
}

static inline int world_watch_generation(void *ctx, int *fd)
{
	struct world *world = ctx;

	if (world->restored_error)
		return world->restored_error;
	return world_watch(world, fd, &world->restored, GENERATION_FD);
}

static inline int world_poll_group(void *ctx, int *group, int fd)
{
	struct world *world = ctx;

	if (fd < 0) {
		world->seen++;
		return 0;
	}
	if (world->group_error)
		return world->group_error;
	world->grouped++;
	world->last_grouped = fd;
	world->opened += *group < 0;
	*group = GROUP_FD;
	return 0;
}

static inline void world_close_device(void *ctx, int fd)
{
	assert_true(fd >= CLOCK_FD && fd <= GROUP_FD);
	((struct world *)ctx)->closed++;
}

static inline int world_clocksource(void *ctx, char ret_name[32],
				    uint8_t *ret_kind)
{
	memcpy(ret_name, ((struct world *)ctx)->source, 32);
	*ret_kind = PARACLOCK_CLOCKSOURCE_COUNTER;
	return 0;
}

static inline int world_read_clock(void *ctx, int clock_id, int64_t *ret_ns)
{
	struct world *world = ctx;

	*ret_ns = 5000000000;
	if (clock_id == 0)
		*ret_ns += world->real_minus_mono;
	return 0;
}

/* kvmclock, and whatever else the test adds. */
static inline void world_init(struct world *world)
{
	memset(world, 0, sizeof(*world));
	fake_init(&world->fake);
	world->fake.env.watch_clock = world_watch_clock;
	world->fake.env.watch_generation = world_watch_generation;
	world->fake.env.poll_group = world_poll_group;
	world->fake.env.close_device = world_close_device;
	world->fake.env.clocksource = world_clocksource;
	world->fake.env.read_clock = world_read_clock;
	world->fake.cpu = 0;
	world->real_minus_mono = 1000000000000;
	strcpy(world->source, "tsc");
}

/* The page of a vmclock whose generation counts. */
static inline void world_set_generation(struct world *world, uint64_t value)
{
	uint64_t flags;

	memcpy(&flags, world->fake.vmclock + 24, sizeof(flags));
	put64(world->fake.vmclock, 24, flags | 1 << 8);
	put64(world->fake.vmclock, 104, value);
}

static inline struct paraclock_event next_event(struct paraclock *clk)
{
	struct paraclock_event event = { .size = sizeof(event) };

	assert_int_equal(paraclock_next_event(clk, &event), 0);
	assert_int_equal(event.size, sizeof(event));
	return event;
}

static inline void no_event(struct paraclock *clk)
{
	struct paraclock_event event, before;

	memset(&event, 0x5a, sizeof(event));
	event.size = sizeof(event);
	before = event;
	assert_int_equal(paraclock_next_event(clk, &event), -EAGAIN);
	assert_memory_equal(&event, &before, sizeof(event));
}

/* After headers with a parameter of that name. */
static struct world world;
static struct fake *const fake = &world.fake;

static inline int make_world(void **state)
{
	(void)state;
	world_init(&world);
	return 0;
}

/* Fails the test if anything is left behind. */
static inline void close_all(struct paraclock *clk)
{
	paraclock_close(clk);
	assert_int_equal(fake->allocs, fake->frees);
	assert_int_equal(world.opened, world.closed);
}

static inline struct paraclock *open_with_vmclock(const char *backend)
{
	fake->vmclock_error = 0;
	return fake_open(fake, backend);
}

#endif
