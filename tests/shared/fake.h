/* SPDX-License-Identifier: MIT */
/*
 * A fake outside world: pages in memory, a counter that the test sets, and
 * errors where the test wants them.
 */
#ifndef FAKE_H
#define FAKE_H

#include <paraclock/backend.h>
#include <paraclock/paraclock.h>

#include "rows.h"

/* One page of each kind; an error is 0 or what map_page() returns for it. */
struct fake {
	struct paraclock_env env; /* env.ctx is this struct */
	_Alignas(4096) uint8_t pvclock[4096];
	_Alignas(4096) uint8_t hyperv[4096];
	_Alignas(4096) uint8_t vmclock[4096];
	_Alignas(4096) uint8_t served[4096];
	int pvclock_error;
	int hyperv_error;
	int vmclock_error;
	int served_error;
	uint64_t counter;      /* what env.counter returns, if fixed */
	uint64_t counter_step; /* added by each read of it */
	unsigned int cpu;      /* the CPU that run_on_cpu() is on */
	int affinity_error;    /* what run_on_cpu(go) returns elsewhere */
	void (*on_visit)(struct fake *fake); /* called when it goes to CPU 0 */
	unsigned int visits;
	uint32_t process_id;
	unsigned int allocs, frees;
	int64_t realtime_ns;
	struct paraclock_machine machine;
};

/*
 * A world with a good kvmclock page and no other: counter fixed at 10^9 and
 * 1 ns a tick. fake_no_*() and the members change it.
 */
void fake_init(struct fake *fake);

/* Well-formed pages, at a reference counter and time; 1 tick is 1 ns. */
void fake_set_pvclock(struct fake *fake, uint32_t version, uint64_t tsc,
		      uint64_t ns);
void fake_set_hyperv(struct fake *fake, uint32_t sequence, int64_t offset);
/* With time (TAI, offset 37, no error terms), marker as given. */
void fake_set_vmclock(struct fake *fake, uint32_t seq, uint64_t marker,
		      uint64_t tsc, uint64_t sec);
/* The same page, as `paraclock serve` keeps it. */
void fake_set_served(struct fake *fake, uint32_t seq, uint64_t marker,
		     uint64_t tsc, uint64_t sec);
/* Without time, as QEMU's: marker only. */
void fake_set_vmclock_marker(struct fake *fake, uint64_t marker);

/* Little-endian fields of a page. */
void put16(uint8_t *page, size_t offset, uint16_t value);
void put32(uint8_t *page, size_t offset, uint32_t value);
void put64(uint8_t *page, size_t offset, uint64_t value);

/* Open a backend in this world; fails the test if it does not open. */
struct paraclock *fake_open(struct fake *fake, const char *backend);

/* paraclock_open() in this world; device and detail may be NULL. */
int fake_try_open(struct paraclock **ret_clk, struct fake *fake,
		  const char *backend, const char *device, char detail[256]);

#endif
