/* SPDX-License-Identifier: MIT */
/* How a VM stops and goes on: what pause, migrate and restore share. */
#ifndef SIM_MOVE_H
#define SIM_MOVE_H

#include "world.h"

#define FLAGS_ALL 0x3fU

/* Where a VM comes from, and how its TSC ran there. */
struct sim_origin {
	const struct paraclock_sim_host *host;
	struct sim_hz hz;
	uint64_t own_ratio, ratio;
	bool reenlightened;
};

/* Where and how it goes on. */
struct sim_landing {
	struct paraclock_sim_host *host;
	uint64_t now;	    /* when */
	u128 tsc, mono;	    /* what they say there then */
	uint64_t own_ratio; /* of its TSC without emulation */
	uint64_t ratio;	    /* and with it */
};

/* Call the VM's notify(), without the lock: it may act on the world. */
void pclk_sim_notify(struct paraclock_sim_vm *vm, unsigned int notice);
void pclk_sim_notify_landing(struct paraclock_sim_vm *vm, bool interrupted);
/* Will the landing interrupt the guest to tell it of the new TSC rate? */
bool pclk_sim_is_interrupted(const struct paraclock_sim_vm *vm);

/* Is host in the same world, and not inside of the VM itself? */
bool pclk_sim_may_land(const struct paraclock_sim_vm *vm,
		       const struct paraclock_sim_host *host);
struct sim_origin pclk_sim_origin_of(const struct paraclock_sim_vm *vm);
/* Choose how its TSC runs at at->host; -ERANGE: it cannot be scaled so far. */
int pclk_sim_choose_ratio(const struct sim_origin *from, uint32_t flags,
			  struct sim_landing *at);
/* Put the VM there. The world is stopped, and pieces are ended. */
void pclk_sim_land(struct paraclock_sim_vm *vm, const struct sim_landing *at,
		   uint32_t flags);
/* Make the VM's MONOTONIC say mono now. */
void pclk_sim_set_mono(struct paraclock_sim_vm *vm, uint64_t now, u128 mono);
/* The VMs inside have moved as well: their TSCs are not what they were. */
void pclk_sim_mark_inside(const struct paraclock_sim_vm *vm, bool silent);

#endif
