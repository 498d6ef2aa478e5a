// SPDX-License-Identifier: MIT
#include <paraclock/backend.h>

#include "fake.h"

/* 1 ns a tick: mul 2^31 after a shift of 1 to the left. */
#define NS_MUL	 0x80000000U
#define NS_SHIFT 1
/* 10^7 units of 100 ns a second at 10^9 ticks: 2^64 / 100, rounded down. */
#define NS_SCALE 184467440737095516U
/* 2^(64 + 29) / 10^9, rounded down: the finest that fits. */
#define NS_PERIOD	9903520314283042199U
#define NS_PERIOD_SHIFT 29

void put16(uint8_t *page, size_t offset, uint16_t value)
{
	__atomic_store_n((uint16_t *)(void *)(page + offset), value,
			 __ATOMIC_RELEASE);
}

void put32(uint8_t *page, size_t offset, uint32_t value)
{
	__atomic_store_n((uint32_t *)(void *)(page + offset), value,
			 __ATOMIC_RELEASE);
}

void put64(uint8_t *page, size_t offset, uint64_t value)
{
	__atomic_store_n((uint64_t *)(void *)(page + offset), value,
			 __ATOMIC_RELEASE);
}

void fake_set_pvclock(struct fake *fake, uint32_t version, uint64_t tsc,
		      uint64_t ns)
{
	put64(fake->pvclock, 8, tsc);
	put64(fake->pvclock, 16, ns);
	put32(fake->pvclock, 24, NS_MUL);
	fake->pvclock[28] = NS_SHIFT;
	fake->pvclock[29] = 1;
	put32(fake->pvclock, 0, version);
}

void fake_set_hyperv(struct fake *fake, uint32_t sequence, int64_t offset)
{
	put64(fake->hyperv, 8, NS_SCALE);
	put64(fake->hyperv, 16, (uint64_t)offset);
	put32(fake->hyperv, 0, sequence);
}

static void set_marker(uint8_t *page, uint64_t marker)
{
	put32(page, 0, 0x4b4c4356);
	put32(page, 4, 4096);
	put16(page, 8, 1);
	page[10] = 0xff;
	put64(page, 16, marker);
}

static void set_time(uint8_t *page, uint32_t seq, uint64_t marker, uint64_t tsc,
		     uint64_t sec)
{
	set_marker(page, marker);
	page[10] = 1;
	page[11] = 1;
	put64(page, 24, 1);
	page[34] = 2;
	put16(page, 36, 37);
	page[39] = NS_PERIOD_SHIFT;
	put64(page, 40, tsc);
	put64(page, 48, NS_PERIOD);
	put64(page, 72, sec);
	put32(page, 12, seq);
}

void fake_set_vmclock_marker(struct fake *fake, uint64_t marker)
{
	set_marker(fake->vmclock, marker);
}

void fake_set_vmclock(struct fake *fake, uint32_t seq, uint64_t marker,
		      uint64_t tsc, uint64_t sec)
{
	set_time(fake->vmclock, seq, marker, tsc, sec);
}

void fake_set_served(struct fake *fake, uint32_t seq, uint64_t marker,
		     uint64_t tsc, uint64_t sec)
{
	set_time(fake->served, seq, marker, tsc, sec);
}

static uint64_t fake_counter(void *ctx)
{
	struct fake *fake = ctx;

	return __atomic_fetch_add(&fake->counter, fake->counter_step,
				  __ATOMIC_RELAXED);
}

static int fake_map_page(void *ctx, const char *name, const char *path,
			 struct paraclock_mapping *ret_map)
{
	struct fake *fake = ctx;
	struct paraclock_mapping map = { .size = 4096, .fd = -1 };
	int error = -ENODEV;

	(void)path;
	if (strcmp(name, "pvclock") == 0) {
		map.addr = fake->pvclock;
		error = fake->pvclock_error;
	} else if (strcmp(name, "hyperv") == 0) {
		map.addr = fake->hyperv;
		error = fake->hyperv_error;
	} else if (strcmp(name, "vmclock") == 0) {
		map.addr = fake->vmclock;
		error = fake->vmclock_error;
	} else if (strcmp(name, "served") == 0) {
		map.addr = fake->served;
		error = fake->served_error;
	}
	if (error)
		strcpy(ret_map->why, "the fake has no such page");
	else
		*ret_map = map;
	return error;
}

static void fake_unmap_page(void *ctx, struct paraclock_mapping *map)
{
	(void)ctx;
	map->addr = NULL;
}

static int fake_run_on_cpu(void *ctx, unsigned int cpu, int go)
{
	struct fake *fake = ctx;

	if (fake->cpu == cpu)
		return 0;
	if (!go)
		return -EAGAIN;
	if (fake->affinity_error)
		return fake->affinity_error;
	fake->visits++;
	if (fake->on_visit)
		fake->on_visit(fake);
	return 0;
}

static uint32_t fake_process_id(void *ctx)
{
	return ((struct fake *)ctx)->process_id;
}

static int fake_read_clock(void *ctx, int clock_id, int64_t *ret_ns)
{
	(void)clock_id;
	*ret_ns = ((struct fake *)ctx)->realtime_ns;
	return 0;
}

static int fake_describe(void *ctx, struct paraclock_machine *ret_machine)
{
	*ret_machine = ((struct fake *)ctx)->machine;
	return 0;
}

static void *fake_alloc(void *ctx, size_t size)
{
	((struct fake *)ctx)->allocs++;
	return malloc(size);
}

static void fake_free(void *ctx, void *ptr)
{
	((struct fake *)ctx)->frees++;
	free(ptr);
}

void fake_init(struct fake *fake)
{
	memset(fake, 0, sizeof(*fake));
	fake->env = (struct paraclock_env){
		.size = sizeof(struct paraclock_env),
		.ctx = fake,
		.counter_id = PARACLOCK_COUNTER_X86_TSC,
		.counter = fake_counter,
		.map_page = fake_map_page,
		.unmap_page = fake_unmap_page,
		.read_clock = fake_read_clock,
		.describe = fake_describe,
		.run_on_cpu = fake_run_on_cpu,
		.process_id = fake_process_id,
		.alloc = fake_alloc,
		.free = fake_free,
	};
	fake->hyperv_error = -ENODEV;
	fake->vmclock_error = -ENODEV;
	fake->served_error = -ENODEV;
	fake->affinity_error = -EAGAIN;
	fake->counter = 1000000000;
	fake->cpu = 1;
	fake->process_id = 4711;
	fake->machine = (struct paraclock_machine){
		.size = sizeof(struct paraclock_machine),
		.hypervisor = "kvm",
		.clocksource = "tsc",
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.invariant = 1,
		.counter_hz = 1000000000,
	};
	fake_set_pvclock(fake, 2, 1000, 5000);
}

int fake_try_open(struct paraclock **ret_clk, struct fake *fake,
		  const char *backend, const char *device, char detail[256])
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = backend,
		.device = device,
		.env = &fake->env,
		.detail = detail,
		.detail_size = detail ? 256 : 0,
	};

	return paraclock_open(ret_clk, &opts);
}

struct paraclock *fake_open(struct fake *fake, const char *backend)
{
	struct paraclock *clk = NULL;

	assert_int_equal(fake_try_open(&clk, fake, backend, NULL, NULL), 0);
	assert_non_null(clk);
	return clk;
}
