// SPDX-License-Identifier: MIT
/* How a VM goes on elsewhere, or as it once was: its TSC and its clocks. */

#include "move.h"

void pclk_sim_notify(struct paraclock_sim_vm *vm, unsigned int notice)
{
	if (vm->opts.notify)
		vm->opts.notify(vm->opts.notify_arg, vm, notice);
}

void pclk_sim_notify_landing(struct paraclock_sim_vm *vm, bool interrupted)
{
	pclk_sim_notify(vm, PARACLOCK_SIM_NOTICE_RESUMED);
	if (interrupted)
		pclk_sim_notify(vm, PARACLOCK_SIM_NOTICE_REENLIGHTENMENT);
}

/* Has the guest asked to be told of a migration? Bit 16 of the one MSR enables
 * the interrupt, bit 0 of the other one emulation (TLFS, "Reenlightenment"). */
static bool is_reenlightened(const struct paraclock_sim_vm *vm)
{
	return vm->msrs.reenlightenment >> 16 & 1 && vm->msrs.emulation & 1;
}

bool pclk_sim_is_interrupted(const struct paraclock_sim_vm *vm)
{
	return vm->emulated && is_reenlightened(vm);
}

static bool is_inside(const struct paraclock_sim_host *host,
		      const struct paraclock_sim_vm *vm)
{
	while (host->inside && host->inside != vm)
		host = host->inside->host;
	return host->inside;
}

bool pclk_sim_may_land(const struct paraclock_sim_vm *vm,
		       const struct paraclock_sim_host *host)
{
	return host->sim == vm->sim && !is_inside(host, vm);
}

void pclk_sim_mark_inside(const struct paraclock_sim_vm *vm, bool silent)
{
	for (struct paraclock_sim_vm *at = vm->sim->vms; at; at = at->next) {
		if (!is_inside(at->host, vm))
			continue;
		at->moves++;
		if (!silent)
			at->disruption = pclk_sim_marker(vm->sim);
	}
}

struct sim_origin pclk_sim_origin_of(const struct paraclock_sim_vm *vm)
{
	return (struct sim_origin){
		.host = vm->host,
		.hz = pclk_sim_vm_hz(vm),
		.own_ratio = vm->own_ratio,
		.ratio = vm->ratio,
		.reenlightened = is_reenlightened(vm),
	};
}

int pclk_sim_choose_ratio(const struct sim_origin *from, uint32_t flags,
			  struct sim_landing *at)
{
	int ret = 0;

	if (at->host == from->host) {
		/* Emulation goes on as well: only the guest ends it. */
		at->own_ratio = from->own_ratio;
		at->ratio = from->ratio;
		return 0;
	}
	at->own_ratio = RATIO_ONE;
	at->ratio = RATIO_ONE;
	/* Emulated until the guest says that it knows the new rate. */
	if (flags & PARACLOCK_SIM_SCALED || from->reenlightened)
		ret = pclk_sim_ratio(from->hz, pclk_sim_host_hz(at->host),
				     &at->ratio);
	if (flags & PARACLOCK_SIM_SCALED)
		at->own_ratio = at->ratio;
	return ret;
}

/* MONOTONIC must not be before its start, not even at the start of the current
 * tick: the piece begins there, and its time is unsigned. */
void pclk_sim_set_mono(struct paraclock_sim_vm *vm, uint64_t now, u128 mono)
{
	struct sim_clock clock = { .hz = pclk_sim_vm_hz(vm) };
	u128 least = pclk_sim_part_of_tick(&clock,
					   (uint64_t)pclk_sim_vm_tsc(vm, now));

	if (!vm->host->inside && mono < least)
		mono = least;
	vm->over_host = (s128)(mono - pclk_sim_host_mono(vm->host, now));
}

void pclk_sim_land(struct paraclock_sim_vm *vm, const struct sim_landing *at,
		   uint32_t flags)
{
	vm->host = at->host;
	vm->ratio = at->ratio;
	vm->own_ratio = at->own_ratio;
	vm->emulated = at->ratio != at->own_ratio;
	pclk_sim_vm_set_tsc(vm, at->now, at->tsc);
	pclk_sim_set_mono(vm, at->now, at->mono);
	if (flags & PARACLOCK_SIM_TELLS_STOP)
		pclk_sim_pages_tell_stop(vm);
}
