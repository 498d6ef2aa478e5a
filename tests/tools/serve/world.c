// SPDX-License-Identifier: MIT
#include <fcntl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "world.h"

#define CALIBRATE_NS (NS_PER_SEC / 5)
/* For as long as nobody extends the horizon. */
#define WAIT_NS	 (60 * NS_PER_SEC)
#define PAUSE_NS 200000

static int64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * NS_PER_SEC + ts.tv_nsec;
}

static void pause_for(int64_t ns)
{
	struct timespec ts = { .tv_sec = ns / NS_PER_SEC,
			       .tv_nsec = ns % NS_PER_SEC };

	nanosleep(&ts, NULL);
}

static struct world *map(const char *path, int flags)
{
	int fd = open(path, O_RDWR | O_CLOEXEC | flags, 0600);
	void *world = MAP_FAILED;

	if (fd < 0)
		return NULL;
	if (!(flags & O_CREAT) || !ftruncate(fd, sizeof(struct world)))
		world = mmap(NULL, sizeof(struct world), PROT_READ | PROT_WRITE,
			     MAP_SHARED, fd, 0);
	close(fd);
	return world == MAP_FAILED ? NULL : world;
}

struct world *world_map(const char *path)
{
	return map(path, 0);
}

/* Of several brackets the narrowest: the rate need not be exact, for it is the
 * true one by decree, but it must be near CLOCK_MONOTONIC_RAW's. */
static void read_pair(uint64_t *ret_counter, int64_t *ret_ns)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < 32; i++) {
		const uint64_t before = counter_now();
		const int64_t ns = now_ns(CLOCK_MONOTONIC_RAW);
		const uint64_t width = counter_now() - before;

		if (width >= best)
			continue;
		best = width;
		*ret_counter = before + width / 2;
		*ret_ns = ns;
	}
}

struct world *world_make(const char *path)
{
	struct world *world = map(path, O_CREAT | O_EXCL);
	uint64_t from, to;
	int64_t from_ns, to_ns, utc_ns;
	uint64_t rate;

	if (!world)
		return NULL;
	read_pair(&from, &from_ns);
	pause_for(CALIBRATE_NS);
	read_pair(&to, &to_ns);
	world->ticks_per_ns = (double)(to - from) / (double)(to_ns - from_ns);
	rate = (uint64_t)((long double)(to_ns - from_ns) /
			  (long double)(to - from) *
			  (long double)(1ULL << RATE_BITS));
	world->raw_rate = rate;
	utc_ns = now_ns(CLOCK_REALTIME);
	world->horizon = counter_now();
	for (int i = 0; i < 3; i++) {
		struct clock_line *line = i == 0   ? &world->truth
					  : i == 1 ? &world->real
						   : &world->estimate;

		line->span[0] = (struct span){
			.from = world->horizon,
			.ns = utc_ns + (i == 0 ? TAI_SEC * NS_PER_SEC : 0),
			.rate = rate,
		};
		line->spans = 1;
	}
	return world;
}

/* --- lines ---------------------------------------------------------------- */

const struct span *line_find(const struct clock_line *line, uint64_t counter)
{
	/* Pairs with the release store in line_add(). */
	uint32_t low = 0,
		 high = __atomic_load_n(&line->spans, __ATOMIC_ACQUIRE);

	while (high - low > 1) {
		const uint32_t middle = low + (high - low) / 2;

		if (line->span[middle].from <= counter)
			low = middle;
		else
			high = middle;
	}
	return &line->span[low];
}

static int64_t span_at(const struct span *span, uint64_t counter)
{
	const s128 ticks = (s128)counter - span->from;

	return span->ns + (int64_t)((ticks * span->rate) >> RATE_BITS);
}

int64_t line_at(const struct clock_line *line, uint64_t counter)
{
	return span_at(line_find(line, counter), counter);
}

uint64_t rate_faster(uint64_t rate, double ppm)
{
	return (uint64_t)((int64_t)rate +
			  (int64_t)((double)rate * (ppm / 1e6)));
}

uint64_t ticks_of(const struct world *world, int64_t ns)
{
	return (uint64_t)((double)ns * world->ticks_per_ns);
}

int64_t ns_of(const struct world *world, uint64_t ticks)
{
	return (int64_t)((double)ticks / world->ticks_per_ns);
}

void line_add(struct world *world, struct clock_line *line, uint64_t rate,
	      int64_t jump_ns, uint32_t flags)
{
	struct span *last = &line->span[line->spans - 1];
	const struct span span = {
		.from = world->horizon,
		.ns = span_at(last, world->horizon) + jump_ns,
		.rate = rate,
		.flags = flags,
		.phase = world->phase,
	};

	/* Nobody has asked for a value at the horizon yet. */
	if (last->from == world->horizon) {
		const uint32_t flags_before = last->flags;

		*last = span;
		last->flags |= flags_before;
		return;
	}
	if (line->spans == SPANS_MAX)
		__builtin_trap();
	line->span[line->spans] = span;
	/* Pairs with the acquire load in line_find(). */
	__atomic_store_n(&line->spans, line->spans + 1, __ATOMIC_RELEASE);
}

void world_settle(struct world *world, int64_t ns)
{
	const uint64_t to = counter_now() + ticks_of(world, ns);

	/* Pairs with the acquire load in world_wait(). */
	if (to > world->horizon)
		__atomic_store_n(&world->horizon, to, __ATOMIC_RELEASE);
}

bool world_wait(const struct world *world, uint64_t counter)
{
	for (int64_t ns = 0; ns < WAIT_NS; ns += PAUSE_NS) {
		/* Pairs with the release store in world_settle(). */
		if (__atomic_load_n(&world->horizon, __ATOMIC_ACQUIRE) >
		    counter)
			return true;
		pause_for(PAUSE_NS);
	}
	return false;
}
