/* SPDX-License-Identifier: MIT */
/*
 * An env that lies: lengths beyond the request, numbers that are no errno,
 * texts without an end, clocks with any value.
 */
#ifndef HOSTILE_ENV_H
#define HOSTILE_ENV_H

#include <stdio.h>

#include "fake.h"
#include "random.h"

#define PAGE_FD 9

struct world {
	struct fake fake; /* first: its env.ctx is this struct */
	uint64_t lies;	  /* one of this many answers is a lie; 0: none */
	int64_t length;	  /* a row's: what pread() and read_text() return */
	bool as_it_says;  /* whether they return that */
	unsigned int preads;
	struct paraclock_system_clocks system_clocks;
};

static struct world world;

static inline bool lie(void)
{
	return world.lies && random_word() % world.lies == 0;
}

/* Any value, and often one that looks plausible. */
static inline int64_t nonsense(void)
{
	static const int64_t favourites[] = {
		INT64_MIN, -(INT64_C(1) << 32),
		-4096,	   -4095,
		-1,	   1,
		4095,	   4096,
		INT32_MAX, INT64_C(1) << 32,
		INT64_MAX,
	};
	uint64_t word = random_word();

	if (word % 2)
		return favourites[word / 2 % ARRAY_LEN(favourites)];
	return (int64_t)random_length() * (word % 4 ? 1 : -1);
}

/* 0, or an error that may be undefined. */
static inline int answer(void)
{
	return lie() ? (int)nonsense() : 0;
}

static inline void fill(void *buf, size_t size, int byte)
{
	if (lie()) {
		for (size_t i = 0; i < size; i++)
			((uint8_t *)buf)[i] = (uint8_t)random_word();
	} else {
		memset(buf, byte, size);
	}
}

static inline uint64_t counter(void *ctx)
{
	(void)ctx;
	world.fake.counter += lie() ? random_length() : 100;
	return world.fake.counter;
}

static inline int check_counter(void *ctx)
{
	(void)ctx;
	return answer();
}

static inline int cpuid(void *ctx, uint32_t leaf, uint32_t subleaf,
			uint32_t ret_regs[4])
{
	static const char kvm[] = "KVMKVMKVM\0\0";

	(void)ctx;
	(void)subleaf;
	fill(ret_regs, 16, leaf >> 28 ? 0 : 0xff);
	if (leaf == 0x40000000 && !lie())
		memcpy(&ret_regs[1], kvm, 12);
	return answer();
}

static inline int map_page(void *ctx, const char *name, const char *path,
			   struct paraclock_mapping *ret_map)
{
	uint8_t *page = strcmp(name, "pvclock") == 0  ? world.fake.pvclock
			: strcmp(name, "hyperv") == 0 ? world.fake.hyperv
						      : world.fake.vmclock;
	int ret = answer();

	(void)ctx;
	if (ret) {
		memset(ret_map->why, 'w', sizeof(ret_map->why));
		return ret;
	}
	/* An address is used unchecked; a descriptor's bytes are checked. */
	ret_map->addr = path ? NULL : page;
	ret_map->size = path ? random_length() : 4096;
	ret_map->fd = PAGE_FD;
	return 0;
}

static inline void unmap_page(void *ctx, struct paraclock_mapping *map)
{
	(void)ctx;
	map->addr = NULL;
}

static inline int64_t read_page(void *ctx, int fd, void *buf, size_t n,
				uint64_t offset)
{
	(void)ctx;
	(void)fd;
	world.preads++;
	assert_true(offset <= 4096);
	if (n > 4096 - offset)
		n = 4096 - offset;
	memcpy(buf, world.fake.vmclock + offset, n);
	if (world.as_it_says)
		return world.length;
	return lie() ? nonsense() : (int64_t)n;
}

static inline int find_device(void *ctx, const char *hid,
			      const char *compatible)
{
	(void)ctx;
	(void)hid;
	(void)compatible;
	return lie() ? (int)nonsense() : PARACLOCK_FIRMWARE_ACPI;
}

static inline int describe(void *ctx, struct paraclock_machine *ret_machine)
{
	(void)ctx;
	*ret_machine = world.fake.machine;
	if (lie())
		memset(ret_machine, 'm', sizeof(*ret_machine));
	return answer();
}

static inline int read_clock(void *ctx, int clock_id, int64_t *ret_ns)
{
	(void)ctx;
	*ret_ns = clock_id == 11 ? 37000000000 : 0;
	*ret_ns += (int64_t)world.fake.counter;
	world.fake.counter += 40;
	if (lie())
		*ret_ns = nonsense();
	return answer();
}

static inline int run_on_cpu(void *ctx, unsigned int cpu, int go)
{
	(void)ctx;
	(void)cpu;
	(void)go;
	return answer();
}

static inline uint32_t process_id(void *ctx)
{
	(void)ctx;
	return lie() ? (uint32_t)nonsense() : 4711;
}

static inline int clocksource(void *ctx, char ret_name[32], uint8_t *ret_kind)
{
	(void)ctx;
	memset(ret_name, 0, 32);
	memcpy(ret_name, "tsc", 4);
	*ret_kind = PARACLOCK_CLOCKSOURCE_COUNTER;
	if (lie())
		memset(ret_name, 'c', 32);
	if (lie())
		*ret_kind = (uint8_t)random_word();
	return answer();
}

static inline int read_text(void *ctx, const char *path, char *buf, size_t size)
{
	static const char *const names[] = { "hyperv", "KVM virtual PTP",
					     "vmclock0",
					     "1 (a) S 1 2 3 4 5 6 7 8 9" };
	const char *name = names[random_word() % ARRAY_LEN(names)];

	(void)ctx;
	(void)path;
	memset(buf, 't', size);
	if (world.as_it_says)
		return (int)world.length;
	if (lie())
		return (int)nonsense();
	return snprintf(buf, size, "%s", name);
}

static inline int open_device(void *ctx, const char *path, int *ret_fd)
{
	(void)ctx;
	(void)path;
	*ret_fd = lie() ? (int)nonsense() : 5;
	return answer();
}

static inline int any_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	(void)ctx;
	(void)fd;
	if (arg && request >> 30)
		fill(arg, request >> 16 & 0x3fff, 1);
	return answer();
}

static inline void close_device(void *ctx, int fd)
{
	(void)ctx;
	(void)fd;
}

static inline int hypercall(void *ctx, uint64_t number, const uint64_t args[4],
			    uint64_t ret_regs[4])
{
	(void)ctx;
	(void)number;
	(void)args;
	fill(ret_regs, 32, 0);
	return answer();
}

static inline int msr(void *ctx, uint32_t number, uint64_t *ret_value)
{
	(void)ctx;
	(void)number;
	*ret_value = random_word();
	return answer();
}

static inline int watch(void *ctx, int *fd)
{
	(void)ctx;
	if (*fd < 0)
		*fd = lie() ? (int)nonsense() : 6;
	return answer();
}

static inline int poll_group(void *ctx, int *group, int fd)
{
	(void)fd;
	return watch(ctx, group);
}

static inline int identify(void *ctx, uint32_t id,
			   struct paraclock_process *ret_who)
{
	(void)ctx;
	(void)id;
	fill(ret_who, sizeof(*ret_who), 1);
	return answer();
}

static inline int is_there(void *ctx, const struct paraclock_mapping *map)
{
	(void)ctx;
	(void)map;
	return answer();
}

static inline int device_number(void *ctx, int fd, uint32_t *ret_major,
				uint32_t *ret_minor)
{
	(void)ctx;
	(void)fd;
	*ret_major = (uint32_t)random_word();
	*ret_minor = (uint32_t)random_word();
	return answer();
}

static inline int next_number(void *ctx, const char *prefix, uint32_t from,
			      uint32_t *ret_number)
{
	(void)ctx;
	(void)prefix;
	*ret_number = lie() ? (uint32_t)nonsense() : from;
	return answer();
}

/* A world in which one of this many answers is a lie; 0: none. */
static inline void init(uint64_t lies)
{
	struct paraclock_env *env = &world.fake.env;

	memset(&world, 0, sizeof(world));
	fake_init(&world.fake);
	fake_set_vmclock(&world.fake, 2, 1, 1000, 5000);
	fake_set_hyperv(&world.fake, 2, 0);
	world.lies = lies;
	*env = (struct paraclock_env){
		.size = sizeof(*env),
		.ctx = &world,
		.counter_id = PARACLOCK_COUNTER_X86_TSC,
		.counter = counter,
		.check_counter = check_counter,
		.cpuid = cpuid,
		.map_page = map_page,
		.unmap_page = unmap_page,
		.pread = read_page,
		.find_device = find_device,
		.describe = describe,
		.read_clock = read_clock,
		.run_on_cpu = run_on_cpu,
		.process_id = process_id,
		.alloc = env->alloc,
		.free = env->free,
		.system_clocks = &world.system_clocks,
		.clocksource = clocksource,
		.read_text = read_text,
		.open_device = open_device,
		.ioctl = any_ioctl,
		.close_device = close_device,
		.watch_clock = watch,
		.watch_generation = watch,
		.poll_group = poll_group,
		.identify = identify,
		.fork_id = process_id,
		.is_there = is_there,
		.device_number = device_number,
		.next_number = next_number,
	};
}

#endif
