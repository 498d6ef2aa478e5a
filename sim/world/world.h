/* SPDX-License-Identifier: MIT */
/*
 * The simulated host, inside.
 *
 * An instant is a count of base ticks since the start of the world: of ns, or
 * in a live world of the caller's counter. Each TSC is a function of it, in
 * 2^-64 ticks, each clock another, in 2^-64 ns. What a VM should read is a
 * history of pieces, each affine in its TSC. All of that is rounded up by some
 * 2^-64 ns, so that what is a whole number of ns by the rules is that number.
 *
 * The lock of the world guards everything but what a read of a TSC looks at.
 * That changes only while no thread is in a VM (pclk_sim_stop_world()).
 */
#ifndef SIM_H
#define SIM_H

#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <paraclock/sim.h>

#include "base/fixed.h"

#define PAGE_BYTES  4096
#define NEVER	    UINT64_MAX
#define RATIO_BITS  48
#define RATIO_ONE   (1ULL << RATIO_BITS)
#define HISTORY_MAX 65536U
/* How long a world lasts, ns: 146 years. */
#define RUN_MAX (1ULL << 62)
/* Slews beyond are no clock's. */
#define PPB	100000000
#define PPB_ONE 1000000000

#define LOAD(x)	      __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define STORE(x, val) __atomic_store_n(&(x), val, __ATOMIC_RELAXED)

/* A frequency, 2^-bits Hz. */
struct sim_hz {
	uint64_t hz;
	int bits;
};

/* A clock over a TSC of hz: at the piece's first tick, 2^-64 ns, and by so much
 * faster than true time. */
struct sim_line {
	u128 at;
	struct sim_hz hz;
	int64_t ppb;
};

/* TAI - UTC, as a host believes, with one leap second at most. */
struct sim_utc {
	int64_t leap_ns;    /* TAI; from here on the offset is another */
	int16_t offset_sec; /* before */
	uint8_t leap;	    /* enum paraclock_leap, before */
	bool known;
};

/* What holds from a value of a VM's TSC on. */
struct sim_piece {
	uint64_t first, last; /* last: up to there, once it is over */
	struct sim_line mono;
	struct sim_line tai; /* the host's wall clock */
	struct sim_utc utc;
};

struct sim_page {
	uint8_t *live;	 /* guest memory */
	uint8_t *shadow; /* while something is wrong: what live should be */
	struct paraclock_page_writer writer;
	uint8_t kind; /* enum paraclock_sim_page_kind */
	uint8_t vcpu;
	uint8_t fault; /* enum paraclock_sim_fault */
	bool pending;  /* KVM: when the vCPU next enters */
	uint64_t delay_ns;
	uint64_t due;  /* when shadow shows */
	uint64_t next; /* when it is renewed */
	uint64_t period_ns;
};

/* The guest kernel's own clocks: RAW is a line, the others beside it. */
struct sim_kernel {
	char source[32];
	uint8_t kind; /* enum paraclock_clocksource_kind */
	struct sim_line raw;
	uint64_t from;	 /* the TSC, or the instant, that it begins with */
	s128 over_mono;	 /* RAW - MONOTONIC time of the VM, for an image */
	int64_t real_ns; /* REALTIME - RAW */
	uint64_t sets;
};

/* Registers that the guest writes. */
struct sim_msrs {
	uint64_t reenlightenment, emulation;
};

/* Beside the rings of users: where the writers of its pages look from. */
#define SIM_WRITER 2
#define SIM_VIEWS  3

/* Watchers that may be open at a time. */
#define SIM_WATCHES 32

struct sim_view {
	struct paraclock_sim_vm *vm;
	struct paraclock_env env;
	struct paraclock_system_clocks local;
	/* Who watches for what, by descriptor, and what it has seen. */
	struct {
		uint8_t what;
		uint64_t seen;
	} watch[SIM_WATCHES];
};

struct paraclock_sim_vm {
	struct sim_view view[SIM_VIEWS]; /* by ring */
	s128 over_host;			 /* MONOTONIC - the host's, 2^-64 ns */
	u128 stopped_tsc, stopped_mono;	 /* when it was paused */
	struct sim_kernel kernel;
	struct sim_msrs msrs;
	struct paraclock_sim_vm_options opts;
	struct paraclock_sim *sim;
	struct paraclock_sim_vm *next;
	struct paraclock_sim_host *host;

	/* TSC = host TSC * ratio / 2^48 + offset */
	uint64_t ratio, offset;
	uint64_t own_ratio; /* without emulation */
	uint64_t skew[PARACLOCK_SIM_VCPUS_MAX];
	uint64_t halted; /* a mask of vCPUs */
	uint64_t disruption, generation, restores, moves;

	struct sim_page *page;	 /* n_pages of them */
	struct sim_piece *piece; /* a ring, once it is full */
	uint8_t *pairing;	 /* the page that the hypercall writes to */
	unsigned int n_pages, writer_vcpu;
	unsigned int n_pieces, room, newest;
	bool emulated, paused;
};

struct paraclock_sim_host {
	struct paraclock_sim *sim;
	struct paraclock_sim_host *next;
	struct paraclock_sim_vm *inside; /* nested: the VM that it is */
	bool is_tsc;

	/* TSC = tsc0 + (instant - from) * hz / base hz */
	struct sim_hz hz;
	u128 tsc0; /* 2^-64 ticks */
	uint64_t tsc_from;
	bool same_rate;

	/* wall clock: tai0 + elapsed since wall_from, and ppb of it */
	u128 tai0;
	uint64_t wall_from;
	int64_t ppb;
	struct sim_utc utc;
	struct paraclock_sim_host_options opts; /* errors and status */
	uint64_t free_from;			/* errors grow since */
};

struct paraclock_sim {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct paraclock_sim_options opts;
	uint64_t hz;
	uint64_t start; /* live: the counter's */
	uint64_t now;	/* virtual: ns; atomic */
	u128 tai0;
	struct sim_utc utc;
	uint64_t random;
	uint64_t marker; /* the last that was used */
	struct paraclock_sim_host *hosts;
	struct paraclock_sim_vm *vms;

	uint32_t gate; /* acts and paused VMs: a TSC's reader looks closer */
	uint32_t acting;
	uint32_t running; /* threads that are in a VM and not stopped */
	int error;	  /* of the first page that could not be written */
};

/* --- world.c -------------------------------------------------------------- */

uint64_t pclk_sim_instant(const struct paraclock_sim *sim);
/* ns as base ticks, rounded up. */
uint64_t pclk_sim_ticks(const struct paraclock_sim *sim, uint64_t ns);
/* Base ticks as 2^-64 ns. */
u128 pclk_sim_span(const struct paraclock_sim *sim, uint64_t ticks);
/* Let time pass; the lock is held. Does what is due. */
void pclk_sim_pass(struct paraclock_sim *sim, uint64_t ns);
/* A marker that was never used. */
uint64_t pclk_sim_marker(struct paraclock_sim *sim);
/* Take the first error that was met since, and forget it. */
int pclk_sim_take_error(struct paraclock_sim *sim);

/* --- utc.c ---------------------------------------------------------------- */

/* The leap second at the end of the UTC month of tai, if there is one. */
void pclk_sim_utc_arm(struct sim_utc *utc, uint8_t leap, u128 tai);
/* As it is at tai: offset and leap. */
struct sim_utc pclk_sim_utc_at(const struct sim_utc *utc, u128 tai);
static inline u128 sim_to_utc(const struct sim_utc *utc, u128 tai)
{
	return tai - ((u128)pclk_sim_utc_at(utc, tai).offset_sec * NSEC_PER_SEC
		      << 64);
}

/* --- host.c --------------------------------------------------------------- */

/* Its TSC, 2^-64 ticks; modulo 2^128. */
u128 pclk_sim_host_tsc(const struct paraclock_sim_host *host, uint64_t instant);
struct sim_hz pclk_sim_host_hz(const struct paraclock_sim_host *host);
/* The MONOTONIC time that its VMs' is measured against. */
u128 pclk_sim_host_mono(const struct paraclock_sim_host *host,
			uint64_t instant);
u128 pclk_sim_host_tai(const struct paraclock_sim_host *host, uint64_t instant);
/* The one that is no VM. */
const struct paraclock_sim_host *
pclk_sim_real_host(const struct paraclock_sim_host *host);
bool pclk_sim_is_paired(const struct paraclock_sim_host *host);
/* When its leap second has to be taken in; NEVER. */
uint64_t pclk_sim_leap_due(const struct paraclock_sim_host *host);
void pclk_sim_leap_take_in(struct paraclock_sim_host *host);

/* --- rate.c --------------------------------------------------------------- */

bool pclk_sim_hz_is_good(uint64_t hz, unsigned int bits);
struct sim_hz pclk_sim_hz_scale(struct sim_hz hz, uint64_t ratio);
/* a / b in 2^-48; -ERANGE. */
int pclk_sim_ratio(struct sim_hz a, struct sim_hz b, uint64_t *ret_ratio);
/* A clock that is ppb fast, over ticks of hz. */
void pclk_sim_timeline_set_rate(struct paraclock_timeline *tl, struct sim_hz hz,
				int64_t ppb);
/* So many ticks after the first. */
u128 pclk_sim_line_at(const struct sim_line *line, uint64_t ticks);
/* What 2^-64 ticks take. */
u128 pclk_sim_part_of_tick(const struct sim_line *line, uint64_t frac);
/* Base ticks as 2^-64 ticks of hz. */
u128 pclk_sim_ticks_of(const struct paraclock_sim *sim, struct sim_hz hz,
		       uint64_t base_ticks);
/* ppb of a time. */
s128 pclk_sim_ppb_of(u128 time, int64_t ppb);

/* --- vm.c, truth.c -------------------------------------------------------- */

u128 pclk_sim_vm_tsc(const struct paraclock_sim_vm *vm, uint64_t instant);
struct sim_hz pclk_sim_vm_hz(const struct paraclock_sim_vm *vm);
u128 pclk_sim_vm_mono(const struct paraclock_sim_vm *vm, uint64_t instant);
/* Is vm on host, or on a VM that is? */
bool pclk_sim_is_within(const struct paraclock_sim_vm *vm,
			const struct paraclock_sim_host *host);
/* Does it run, and all that it runs on? */
bool pclk_sim_vm_runs(const struct paraclock_sim_vm *vm);
/* Makes its TSC say that, to a tick. */
void pclk_sim_vm_set_tsc(struct paraclock_sim_vm *vm, uint64_t instant,
			 u128 tsc);
/* Do the TSCs of its vCPUs agree, and are they a clock? */
bool pclk_sim_is_stable(const struct paraclock_sim_vm *vm);
int pclk_sim_new_piece(struct paraclock_sim_vm *vm);
int pclk_sim_truth(const struct paraclock_sim_vm *vm, uint64_t counter,
		   unsigned int timescale, int64_t *ret_ns);
int pclk_sim_timeline(const struct paraclock_sim_vm *vm, unsigned int timescale,
		      struct paraclock_timeline *ret_tl);
/* Before TSCs change: the pieces end here. And after it: those of the VMs that
 * have not changed go on. */
void pclk_sim_end_pieces(struct paraclock_sim *sim);
void pclk_sim_go_on_with_pieces(struct paraclock_sim *sim);
/* What has changed for all VMs on a host. */
enum sim_change {
	SIM_TSC_UNNOTICED, /* no page is renewed */
	SIM_WALL,	   /* vmclock's are */
	SIM_ALL,
};
void pclk_sim_changed(const struct paraclock_sim_host *host,
		      enum sim_change what);
/* All has, for a VM and all VMs within. */
void pclk_sim_vm_changed(struct paraclock_sim_vm *vm);
int pclk_sim_vm_make(struct paraclock_sim_vm **ret_vm,
		     struct paraclock_sim_host *host,
		     const struct paraclock_sim_vm_options *opts);

/* --- memory.c, page.c ----------------------------------------------------------- */

int pclk_sim_pages_make(struct paraclock_sim_vm *vm);
void pclk_sim_pages_free(struct paraclock_sim_vm *vm);
struct sim_page *pclk_sim_page_of(const struct paraclock_sim_vm *vm,
				  unsigned int kind, unsigned int vcpu);
/* By each page's habits: a pvclock page of a halted vCPU later. */
void pclk_sim_page_renew(struct paraclock_sim_vm *vm, struct sim_page *page);
void pclk_sim_pages_renew(struct paraclock_sim_vm *vm);
void pclk_sim_page_enter_vcpu(struct paraclock_sim_vm *vm, unsigned int vcpu);
/* What is due by now. */
void pclk_sim_pages_due(struct paraclock_sim_vm *vm);
uint64_t pclk_sim_pages_next(const struct paraclock_sim_vm *vm);
/* GUEST_STOPPED, for the guest to see. */
void pclk_sim_pages_tell_stop(struct paraclock_sim_vm *vm);
/* Other contents, but for the sequence. */
void pclk_sim_page_put_back(struct sim_page *page, const uint8_t *from);
/* Its memory was replaced: what was written is no longer known. */
int pclk_sim_page_forget(struct paraclock_sim_vm *vm, struct sim_page *page);

/* --- kernel.c ------------------------------------------------------------- */

void pclk_sim_kernel_start(struct paraclock_sim_vm *vm, const char *source);
/* enum paraclock_clock, now; no time passes. -EINVAL: there is none. */
int pclk_sim_kernel_ns(const struct paraclock_sim_vm *vm, unsigned int clock,
		       int64_t *ret_ns);

/* --- guest.c, registers.c, devices.c, watches.c: the env --------------- */

void pclk_sim_views_init(struct paraclock_sim_vm *vm);
/* NULL: it is another env. */
struct sim_view *pclk_sim_view_of(const struct paraclock_env *env);
/* Virtual time that the guest waits; the lock is held. */
void pclk_sim_spend(struct paraclock_sim *sim, uint64_t ns);
int pclk_sim_rdmsr(void *ctx, uint32_t msr, uint64_t *ret_value);
int pclk_sim_wrmsr(void *ctx, uint32_t msr, uint64_t value);
int pclk_sim_hypercall(void *ctx, uint64_t number, const uint64_t args[4],
		       uint64_t ret_regs[4]);
int pclk_sim_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf,
		   uint32_t ret_regs[4]);
int pclk_sim_read_text(void *ctx, const char *path, char *buf, size_t size);
int pclk_sim_open_device(void *ctx, const char *path, int *ret_fd);
int pclk_sim_device_number(void *ctx, int fd, uint32_t *ret_major,
			   uint32_t *ret_minor);
int pclk_sim_ioctl(void *ctx, int fd, unsigned long request, void *arg);
int pclk_sim_read_clock(void *ctx, int clock_id, int64_t *ret_ns);
int pclk_sim_watch_clock(void *ctx, int *fd);
int pclk_sim_watch_generation(void *ctx, int *fd);
int pclk_sim_poll_group(void *ctx, int *group, int fd);
void pclk_sim_close_device(void *ctx, int fd);
/* Guest physical addresses. */
uint64_t pclk_sim_phys_of(const struct sim_page *page);
#define SIM_PHYS_PAIRING 0x400000U

/* Descriptors: PTP clocks, a vmclock, watchers; a group of these. */
#define SIM_FD_PTP     200
#define SIM_FD_VMCLOCK 300
#define SIM_FD_WATCH   400
#define SIM_FD_GROUP   500

/* --- move.c --------------------------------------------------------------- */

/* The guest has taken the new rate. With the lock. */
void pclk_sim_end_emulation(struct paraclock_sim_vm *vm);
bool pclk_sim_is_reenlightened(const struct paraclock_sim_vm *vm);

/* --- thread.c ------------------------------------------------------------- */

void pclk_sim_lock(const struct paraclock_sim *sim);
void pclk_sim_unlock(const struct paraclock_sim *sim);
/* With the lock: until pclk_sim_go_on() no thread is in a VM, but for this one. */
void pclk_sim_stop_world(struct paraclock_sim *sim);
void pclk_sim_go_on(struct paraclock_sim *sim);
void pclk_sim_set_paused(struct paraclock_sim_vm *vm, bool paused);
/* If this thread is in it, wait until it may go on. */
void pclk_sim_stop_here(struct paraclock_sim_vm *vm);
/* The vCPU that this thread is on; -1: none can be. */
int pclk_sim_this_vcpu(const struct paraclock_sim_vm *vm);
/* It goes, and another may come to be where its VMs were. */
void pclk_sim_forget_here(const struct paraclock_sim *sim);
void pclk_sim_set_this_vcpu(const struct paraclock_sim_vm *vm,
			    unsigned int vcpu);

#endif
