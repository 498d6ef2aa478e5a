/* SPDX-License-Identifier: MIT */
/*
 * The simulated world: hosts, VMs, their pages, and virtual time.
 *
 * An instant counts base ticks since the world's start: ns, or in a live world
 * ticks of the caller's counter. Each TSC is a function of the instant, in
 * 2^-64 ticks; each clock is another, in 2^-64 ns. What a VM should read is a
 * history of pieces, each affine in its TSC. All of these round up by a few
 * 2^-64 ns, so that a time that is a whole number of ns by the rules comes out
 * as that number and not as 1 ns less.
 *
 * The world's lock guards everything except what a read of a TSC looks at. That
 * changes only while no thread runs in a VM: see pclk_sim_stop_world().
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include <pthread.h>
#include <stdlib.h>

#include "base/relaxed.h"
#include "rate.h"

#define PAGE_BYTES  4096
#define NEVER	    UINT64_MAX
#define HISTORY_MAX 65536U
/* How long a world lasts, ns: 146 years. */
#define RUN_MAX (1ULL << 62)

/* The process that owns the pages, to the library's writers. */
#define SIM_PROCESS_ID 4711

#define SIM_ANY_VMCLOCK \
	(PARACLOCK_SIM_HAS_VMCLOCK | PARACLOCK_SIM_HAS_VMCLOCK_MARKERS)

/* The clocks of a VM from a value of its TSC on. */
struct sim_piece {
	uint64_t first, last; /* last: NEVER while the piece still holds */
	struct sim_clock mono;
	struct sim_clock tai; /* the host's wall clock */
	struct sim_utc utc;
};

struct sim_page {
	uint8_t *live;	 /* guest memory */
	uint8_t *shadow; /* with a fault: what live should say */
	struct paraclock_page_writer writer;
	uint8_t kind; /* enum paraclock_sim_page_kind */
	uint8_t vcpu;
	uint8_t fault; /* enum paraclock_sim_fault */
	bool pending;  /* KVM renews it when the vCPU next enters */
	uint64_t delay_ns;
	uint64_t due;  /* when the shadow is copied to live */
	uint64_t next; /* when it is renewed */
	uint64_t period_ns;
};

/* The guest kernel's clocks: RAW runs, the others are offsets to it. */
struct sim_kernel {
	char source[32];
	uint8_t kind; /* enum paraclock_clocksource_kind */
	struct sim_clock raw;
	uint64_t from;	 /* the TSC, or the instant, that raw starts at */
	s128 over_mono;	 /* RAW - the VM's MONOTONIC, for kind IMAGE */
	int64_t real_ns; /* REALTIME - RAW */
	uint64_t sets;
};

/* Registers that the guest writes. */
struct sim_msrs {
	uint64_t reenlightenment, emulation;
};

/* Watchers that one env may have open. */
#define SIM_WATCHES 32

/* The env of one ring, and what is open in it. sim/guest fills it in. */
struct sim_view {
	struct paraclock_sim_vm *vm; /* NULL: nobody has asked for it yet */
	struct paraclock_env env;
	struct paraclock_system_clocks system;
	/* By descriptor: what is watched, and the count that was last seen. */
	struct {
		uint8_t what;
		uint64_t seen;
	} watch[SIM_WATCHES];
};

struct paraclock_sim_vm {
	struct sim_view view[PARACLOCK_SIM_KERNEL + 1]; /* by ring */
	struct paraclock_env writer_env;		/* of the pages */
	s128 over_host;			/* MONOTONIC - the host's, 2^-64 ns */
	u128 stopped_tsc, stopped_mono; /* when it was paused */
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
	struct sim_piece *piece; /* a ring once it is full */
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

	/* TSC = tsc0 + (instant - tsc_from) * hz / base hz */
	struct sim_hz hz;
	u128 tsc0; /* 2^-64 ticks */
	uint64_t tsc_from;
	bool same_rate;

	/* Wall clock: tai0 + the time since wall_from, and ppb of that time. */
	u128 tai0;
	uint64_t wall_from;
	int64_t ppb;
	struct sim_utc utc;
	struct paraclock_sim_host_options opts; /* errors and status */
	uint64_t free_from;			/* errors have grown since */
};

struct paraclock_sim {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct paraclock_sim_options opts;
	uint64_t hz;
	uint64_t start; /* live: what the counter said */
	uint64_t now;	/* virtual: ns; atomic */
	u128 tai0;
	struct sim_utc utc;
	uint64_t random;
	uint64_t marker; /* the last one used */
	struct paraclock_sim_host *hosts;
	struct paraclock_sim_vm *vms;

	uint32_t gate; /* acts and paused VMs: nonzero stops TSC readers */
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
/* Let time pass and do what falls due. The caller holds the lock. */
void pclk_sim_pass(struct paraclock_sim *sim, uint64_t ns);
/* The same for virtual time only: in a live world the guest really waits. */
void pclk_sim_spend(struct paraclock_sim *sim, uint64_t ns);
/* A marker that was never used before. */
uint64_t pclk_sim_marker(struct paraclock_sim *sim);
/* Return the first error of a page since the last call, and clear it. */
int pclk_sim_take_error(struct paraclock_sim *sim);

/* --- host.c, host_acts.c -------------------------------------------------- */

/* The host's TSC, 2^-64 ticks, modulo 2^128. */
u128 pclk_sim_host_tsc(const struct paraclock_sim_host *host, uint64_t instant);
struct sim_hz pclk_sim_host_hz(const struct paraclock_sim_host *host);
/* The MONOTONIC time that its VMs' own is measured against. */
u128 pclk_sim_host_mono(const struct paraclock_sim_host *host,
			uint64_t instant);
u128 pclk_sim_host_tai(const struct paraclock_sim_host *host, uint64_t instant);
/* The physical host below a nested one. */
const struct paraclock_sim_host *
pclk_sim_real_host(const struct paraclock_sim_host *host);
/* Do this host and all hosts below keep time by the TSC? */
bool pclk_sim_is_paired(const struct paraclock_sim_host *host);
void pclk_sim_host_set_rate(struct paraclock_sim_host *host, uint64_t hz,
			    unsigned int bits);
/* Set the clock ahead; -ERANGE: it would leave the range of a simulation. */
int pclk_sim_host_move_wall(struct paraclock_sim_host *host, s128 ns);
bool pclk_sim_ppb_is_good(int64_t ppb);
bool pclk_sim_errors_are_good(const struct paraclock_sim_host_options *opts);
/* When its leap second is over and has to be applied; or NEVER. */
uint64_t pclk_sim_leap_due(const struct paraclock_sim_host *host);
void pclk_sim_leap_apply(struct paraclock_sim_host *host);

/* --- vm.c ----------------------------------------------------------------- */

u128 pclk_sim_vm_tsc(const struct paraclock_sim_vm *vm, uint64_t instant);
struct sim_hz pclk_sim_vm_hz(const struct paraclock_sim_vm *vm);
u128 pclk_sim_vm_mono(const struct paraclock_sim_vm *vm, uint64_t instant);
/* Is vm on host, or on a VM that is? */
bool pclk_sim_is_within(const struct paraclock_sim_vm *vm,
			const struct paraclock_sim_host *host);
/* Do the VM and all VMs that it runs in run? */
bool pclk_sim_vm_runs(const struct paraclock_sim_vm *vm);
/* Make its TSC say tsc, to a tick. */
void pclk_sim_vm_set_tsc(struct paraclock_sim_vm *vm, uint64_t instant,
			 u128 tsc);
int pclk_sim_vm_make(struct paraclock_sim_vm **ret_vm,
		     struct paraclock_sim_host *host,
		     const struct paraclock_sim_vm_options *opts);

/* A change for all VMs on a host, by the pages that it renews. */
enum sim_change {
	SIM_TSC_UNNOTICED, /* renews no page */
	SIM_WALL,	   /* renews vmclock pages */
	SIM_ALL,
};
void pclk_sim_changed(const struct paraclock_sim_host *host,
		      enum sim_change what);
/* SIM_ALL, for a VM and all VMs within. */
void pclk_sim_vm_changed(struct paraclock_sim_vm *vm);

/* --- truth.c: what readings should have been ------------------------------ */

int pclk_sim_new_piece(struct paraclock_sim_vm *vm);
/* Call before TSCs change: all pieces end here. Afterwards, the pieces of VMs
 * that have not changed go on. */
void pclk_sim_end_pieces(struct paraclock_sim *sim);
void pclk_sim_go_on_with_pieces(struct paraclock_sim *sim);
int pclk_sim_timeline(const struct paraclock_sim_vm *vm, unsigned int timescale,
		      struct paraclock_timeline *ret_tl);

/* --- memory.c: the pages' memory ------------------------------------------ */

int pclk_sim_pages_make(struct paraclock_sim_vm *vm);
void pclk_sim_pages_free(struct paraclock_sim_vm *vm);
struct sim_page *pclk_sim_page_of(const struct paraclock_sim_vm *vm,
				  unsigned int kind, unsigned int vcpu);
/* The guest physical address. */
uint64_t pclk_sim_phys_of(const struct sim_page *page);
#define SIM_PHYS_PAIRING 0x400000U
/* Memory was replaced: acquire the page anew, knowing nothing of it. */
int pclk_sim_page_forget(struct paraclock_sim_vm *vm, struct sim_page *page);

/* --- page_timeline.c: what a page should say ------------------------------ */

/* Do the TSCs of its vCPUs agree, and are they a clock? */
bool pclk_sim_is_stable(const struct paraclock_sim_vm *vm);
int pclk_sim_page_timeline(const struct paraclock_sim_vm *vm,
			   const struct sim_page *page,
			   struct paraclock_timeline *tl);

/* --- page.c: when and how it is written ----------------------------------- */

/* Renew a page as the hypervisor does: a halted vCPU's pvclock page later. */
void pclk_sim_page_renew(struct paraclock_sim_vm *vm, struct sim_page *page);
void pclk_sim_pages_renew(struct paraclock_sim_vm *vm);
void pclk_sim_page_enter_vcpu(struct paraclock_sim_vm *vm, unsigned int vcpu);
/* Do what is due by now; and when is the next thing due? */
void pclk_sim_pages_due(struct paraclock_sim_vm *vm);
uint64_t pclk_sim_pages_next(const struct paraclock_sim_vm *vm);
/* Set GUEST_STOPPED for the guest to see. */
void pclk_sim_pages_tell_stop(struct paraclock_sim_vm *vm);
/* Replace the contents, except for the sequence. */
void pclk_sim_page_put_back(struct sim_page *page, const uint8_t *from);

/* --- kernel.c: the guest kernel's clocks ---------------------------------- */

void pclk_sim_kernel_start(struct paraclock_sim_vm *vm, const char *source);
/* Read clock (enum paraclock_clock) now. No time passes. -EINVAL: the kernel
 * has no such clock. */
int pclk_sim_kernel_ns(const struct paraclock_sim_vm *vm, unsigned int clock,
		       int64_t *ret_ns);

/* --- move.c: emulation of the old TSC rate -------------------------------- */

/* The guest knows the new rate. The caller holds the lock. */
void pclk_sim_end_emulation(struct paraclock_sim_vm *vm);

/* --- thread.c ------------------------------------------------------------- */

void pclk_sim_lock(const struct paraclock_sim *sim);
void pclk_sim_unlock(const struct paraclock_sim *sim);
/* The caller holds the lock. Until pclk_sim_go_on(), no thread but this one is
 * in a VM. */
void pclk_sim_stop_world(struct paraclock_sim *sim);
void pclk_sim_go_on(struct paraclock_sim *sim);
void pclk_sim_set_paused(struct paraclock_sim_vm *vm, bool paused);
/* If this thread is in the VM, wait until it may go on. */
void pclk_sim_stop_here(struct paraclock_sim_vm *vm);
/* The vCPU that this thread is on; -1: all vCPUs are halted. */
int pclk_sim_this_vcpu(const struct paraclock_sim_vm *vm);
/* The world goes away, and another may later lie at the same addresses. */
void pclk_sim_forget_here(const struct paraclock_sim *sim);
void pclk_sim_set_this_vcpu(const struct paraclock_sim_vm *vm,
			    unsigned int vcpu);

#endif
