/* SPDX-License-Identifier: MIT */
/*
 * Shared by the fuzz targets of the host's side: a world that an input makes.
 */
#ifndef FUZZ_HOST_H
#define FUZZ_HOST_H

#include <errno.h>
#include <string.h>

#include <paraclock/host.h>
#include <paraclock/paraclock.h>

#include "fuzz_page.h"

__extension__ typedef unsigned __int128 wide;
__extension__ typedef __int128 swide;

/* The input sets the world's next answers; at its end the world is calm. */
struct fuzz_world {
	struct paraclock_env env;
	const uint8_t *data;
	size_t size;
	uint64_t counter;
	uint64_t step;	    /* ticks from one look at it to the next */
	unsigned int looks; /* at the counter, since fuzz_begin_call() */
	uint32_t process;
	/*
	 * Called at each look, to make something happen meanwhile; may be NULL.
	 */
	void (*meanwhile)(void *arg);
	void *arg;
};

/*
 * More looks at the counter than any call may make: a relay looks four times at
 * a page that stays odd, which is tried 2^16 times while the counter stands
 * still.
 */
#define FUZZ_LOOKS_MAX (1U << 20)

void fuzz_world_init(struct fuzz_world *world, const uint8_t *data,
		     size_t size);
/* n bytes, little-endian; 0 when none are left. */
uint64_t fuzz_take(struct fuzz_world *world, size_t n);
static inline void fuzz_begin_call(struct fuzz_world *world)
{
	world->looks = 0;
}

/* A timeline of the world's counter: mostly a good one. */
struct paraclock_timeline fuzz_timeline(struct fuzz_world *world);

/* ret must be 0, or one of the documented errors, 0-terminated. */
void fuzz_check_error(int ret, const int *documented);

/* Whatever memory a valid sample was made from, its members are in range. */
void fuzz_check_sample(const struct fuzz_world *world,
		       const struct paraclock_sample *sample);

/* Nothing was written over 0xa5. */
void fuzz_check_untouched(const void *memory, size_t size);

#endif
