// SPDX-License-Identifier: MIT
/*
 * Envs whose pages are memory of this process, filled as a host would.
 *
 * Reading a page in memory costs as much as reading a host's: both are plain
 * loads that hit the first-level cache until somebody writes.
 */

#include <errno.h>
#include <string.h>
#include <time.h>

#include <paraclock/backend.h>

#include "bench.h"
#include "measure.h"

#define PAGE_SIZE    4096
#define NSEC_PER_SEC 1000000000ULL
/* A served page is believed for 60 s. */
#define RENEW_SEC 20

__extension__ typedef unsigned __int128 u128;

enum page_kind {
	PAGE_PVCLOCK,
	PAGE_HYPERV,
	PAGE_VMCLOCK,
	PAGE_SERVED,
	PAGE_KINDS,
};

static const char *const names[PAGE_KINDS] = { "pvclock", "hyperv", "vmclock",
					       "served" };

/* One of each suffices, so map_page needs no context of ours and ctx can stay
 * the default env's, whose functions need it. */
static _Alignas(PAGE_SIZE) uint8_t pages[PAGE_KINDS][PAGE_SIZE];
static struct paraclock_env images, real_kvmclock;
static uint64_t served_hz, served_ticks;

/* For little-endian machines: these pages are little-endian. */
static void put(uint8_t *page, size_t offset, uint64_t value, size_t bytes)
{
	memcpy(page + offset, &value, bytes);
}

/* asm/pvclock-abi.h: ns = ((ticks << shift) * mul) >> 32. The top bit of mul is
 * set, so that it is as exact as possible. */
static void fill_pvclock(uint8_t *page, uint64_t hz, uint64_t ticks)
{
	u128 mul = ((u128)NSEC_PER_SEC << 32) / hz;
	int shift = 0;

	for (; mul >> 32; shift++)
		mul = ((u128)NSEC_PER_SEC << (31 - shift)) / hz;
	for (; !(mul >> 31); shift--)
		mul = ((u128)NSEC_PER_SEC << (33 - shift)) / hz;
	put(page, 0, 2, 4); /* version: even */
	put(page, 8, ticks, 8);
	put(page, 16, NSEC_PER_SEC, 8); /* system_time: any */
	put(page, 24, (uint64_t)mul, 4);
	put(page, 28, (uint64_t)(int64_t)shift, 1);
	put(page, 29, 1, 1); /* flags: TSC_STABLE */
}

/* TLFS: 100 ns = (ticks * scale) >> 64, and an offset: 0. */
static void fill_hyperv(uint8_t *page, uint64_t hz)
{
	u128 scale = ((u128)(NSEC_PER_SEC / 100) << 64) / hz;

	put(page, 0, 1, 4); /* sequence: in use */
	put(page, 8, (uint64_t)scale, 8);
}

/*
 * vmclock-abi.h. The rate of the error is about 1 ppm of the period: this
 * page's bound passes 1 s, and the page its use, after 11 days.
 */
static void fill_vmclock(uint8_t *page, uint64_t hz, uint64_t ticks)
{
	unsigned int shift = 0;
	struct timespec now;
	uint64_t period;

	/* The largest that leaves the period below 1 in 2^-64 units. */
	while (shift < 63 && 2ULL << shift < hz)
		shift++;
	period = (uint64_t)(((u128)1 << (64 + shift)) / hz);
	clock_gettime(CLOCK_TAI, &now);
	put(page, 0, 0x4b4c4356U, 4);
	put(page, 4, PAGE_SIZE, 4);
	put(page, 8, 1, 2); /* version */
#if defined(__aarch64__)
	put(page, 10, 0, 1); /* counter: ARM_VCNT */
#else
	put(page, 10, 1, 1); /* counter: X86_TSC */
#endif
	put(page, 11, 1, 1);		 /* time type: TAI */
	put(page, 12, 2, 4);		 /* seq_count: even */
	put(page, 16, 1, 8);		 /* disruption_marker */
	put(page, 24, 0x51, 8);		 /* TAI offset, both error terms */
	put(page, 34, 2, 1);		 /* status: SYNCHRONIZED */
	put(page, 36, (uint16_t)-37, 2); /* UTC - TAI, s */
	put(page, 39, shift, 1);
	put(page, 40, ticks, 8);
	put(page, 48, period, 8);
	put(page, 64, period >> 20, 8);
	put(page, 72, (uint64_t)now.tv_sec, 8);
	put(page, 80, (uint64_t)now.tv_nsec * (UINT64_MAX / NSEC_PER_SEC), 8);
	put(page, 96, 1000, 8); /* maxerror at the reference point, ns */
}

static int map_image(void *ctx, const char *name, const char *path,
		     struct paraclock_mapping *ret_map)
{
	(void)ctx;
	for (unsigned int i = 0; i < PAGE_KINDS && !path; i++) {
		if (strcmp(name, names[i]) != 0)
			continue;
		*ret_map = (struct paraclock_mapping){
			.addr = pages[i],
			.size = PAGE_SIZE,
			.fd = -1,
		};
		return 0;
	}
	strcpy(ret_map->why, "bench has no such page");
	return -ENODEV;
}

static int map_real_kvmclock(void *ctx, const char *name, const char *path,
			     struct paraclock_mapping *ret_map)
{
	if (strcmp(name, names[PAGE_PVCLOCK]) == 0)
		return paraclock_default_env()->map_page(ctx, name, path,
							 ret_map);
	return map_image(ctx, name, path, ret_map);
}

static void unmap(void *ctx, struct paraclock_mapping *map)
{
	for (unsigned int i = 0; i < PAGE_KINDS; i++) {
		if (map->addr == pages[i])
			return;
	}
	paraclock_default_env()->unmap_page(ctx, map);
}

int pages_init(uint64_t counter_hz)
{
	uint64_t ticks;

	if (!paraclock_default_env())
		return -ENODEV;
	/* Hyper-V's scale needs a tick of less than 100 ns; no counter is
	 * faster than 2^40 Hz. */
	if (counter_hz <= NSEC_PER_SEC / 100 || counter_hz >> 40)
		return -ERANGE;
	/* A second ago, so that no CPU's counter is before it. */
	ticks = bare() - counter_hz;
	fill_pvclock(pages[PAGE_PVCLOCK], counter_hz, ticks);
	fill_hyperv(pages[PAGE_HYPERV], counter_hz);
	fill_vmclock(pages[PAGE_VMCLOCK], counter_hz, ticks);
	/* With the marker of the page above, as of this machine's device. */
	fill_vmclock(pages[PAGE_SERVED], counter_hz, ticks);
	served_hz = counter_hz;
	served_ticks = ticks;
	images = *paraclock_default_env();
	images.map_page = map_image;
	images.unmap_page = unmap;
	real_kvmclock = images;
	real_kvmclock.map_page = map_real_kvmclock;
	return 0;
}

void pages_renew(void)
{
	uint64_t ticks = bare() - served_hz;
	uint32_t sequence;

	if (ticks - served_ticks < RENEW_SEC * served_hz)
		return;
	memcpy(&sequence, pages[PAGE_SERVED] + 12, sizeof(sequence));
	fill_vmclock(pages[PAGE_SERVED], served_hz, ticks);
	put(pages[PAGE_SERVED], 12, sequence + 2, sizeof(sequence));
	served_ticks = ticks;
}

const struct paraclock_env *pages_images(void)
{
	return &images;
}

const struct paraclock_env *pages_real_kvmclock(void)
{
	return &real_kvmclock;
}
