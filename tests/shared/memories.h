/* SPDX-License-Identifier: MIT */
/* A fake world whose vmclock no driver shows: its page is in physical
 * memory. */
#ifndef MEMORIES_H
#define MEMORIES_H

#include "events.h"

#define SEC 1000000000LL

/* The page in memory is the fake's vmclock, which no driver shows. */
static struct {
	int error; /* of finding it */
	size_t size;
	int read_error;
	unsigned int looks; /* calls of read_memory() */
	bool mapped;
	bool tears; /* each copy differs from the one before */
	int64_t mono_ns;
} memory;

static int (*map_page)(void *ctx, const char *name, const char *path,
		       struct paraclock_mapping *ret_map);

static inline int map_memory(void *ctx, const char *name, const char *path,
			     struct paraclock_mapping *ret_map)
{
	if (!(ret_map->flags & PARACLOCK_DEVICE_MEMORY))
		return map_page(ctx, name, path, ret_map);
	assert_string_equal(name, "vmclock");
	assert_null(path);
	if (memory.error) {
		strcpy(ret_map->why, "the memory is hidden");
		return memory.error;
	}
	assert_false(memory.mapped);
	memory.mapped = true;
	*ret_map = (struct paraclock_mapping){
		.size = memory.size,
		.phys = 0xfeffb000,
		.fd = -1,
		.flags = PARACLOCK_DEVICE_MEMORY,
	};
	return 0;
}

static inline void unmap_page(void *ctx, struct paraclock_mapping *map)
{
	(void)ctx;
	if (map->phys)
		memory.mapped = false;
}

static inline int64_t read_memory(void *ctx,
				  const struct paraclock_mapping *map,
				  void *buf, size_t n, uint64_t offset)
{
	(void)ctx;
	assert_int_equal(map->phys, 0xfeffb000);
	memory.looks++;
	if (memory.read_error)
		return memory.read_error;
	if (memory.tears)
		put64(fake->vmclock, 16, memory.looks);
	if (offset >= memory.size)
		return 0;
	if (n > memory.size - offset)
		n = memory.size - offset;
	memcpy(buf, fake->vmclock + offset, n);
	return (int64_t)n;
}

static inline int read_mono(void *ctx, int clock_id, int64_t *ret_ns)
{
	(void)ctx;
	(void)clock_id;
	*ret_ns = memory.mono_ns;
	return 0;
}

static inline int make_memory(void **state)
{
	(void)state;
	world_init(&world);
	memset(&memory, 0, sizeof(memory));
	memory.size = 4096;
	memory.mono_ns = 100 * SEC;
	map_page = fake->env.map_page;
	fake->env.map_page = map_memory;
	fake->env.unmap_page = unmap_page;
	fake->env.read_memory = read_memory;
	fake->env.read_clock = read_mono;
	fake->counter_step = 1;
	fake_set_vmclock_marker(fake, 7);
	return 0;
}

static inline int try_open(struct paraclock **ret_clk, const char *backend,
			   const char *device, char detail[256])
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = backend,
		.device = device,
		.env = &fake->env,
		.flags = PARACLOCK_DEVICE_MEMORY,
		.detail = detail,
		.detail_size = 256,
	};

	return paraclock_open(ret_clk, &opts);
}

static inline struct paraclock *open_clock(const char *backend)
{
	struct paraclock *clk = NULL;
	char detail[256];

	if (try_open(&clk, backend, NULL, detail))
		fail_msg("%s", detail);
	return clk;
}

static inline void close_clock(struct paraclock *clk)
{
	close_all(clk);
	assert_false(memory.mapped);
}

static inline void set_generation(uint64_t value)
{
	world_set_generation(&world, value);
}

/* --- ways to spoil the page ------------------------------------------------- */

static inline void vanish(void)
{
	memory.read_error = -ENODEV;
}

static inline void lose_magic(void)
{
	put32(fake->vmclock, 0, 0);
}

static inline void lose_version(void)
{
	put16(fake->vmclock, 8, 2);
}

static inline void lose_size(void)
{
	put32(fake->vmclock, 4, 16);
}

static inline void shrink(void)
{
	memory.size = 24;
}

static inline void read_all_ones(void)
{
	memset(fake->vmclock, 0xff, sizeof(fake->vmclock));
}

#endif
