// SPDX-License-Identifier: MIT
/* VMs: their TSCs, and making them. */

#include <errno.h>

#include "world.h"

#define PVCLOCK_PERIOD_NS 300000000000U
#define VMCLOCK_PERIOD_NS 60000000000U

#define PARTS_ALL 0x3ffU
#define BOTH_VMCLOCKS \
	(PARACLOCK_SIM_HAS_VMCLOCK | PARACLOCK_SIM_HAS_VMCLOCK_MARKERS)
#define FLAGS_ALL                                                     \
	(PARACLOCK_TIMELINE_MONOTONIC | PARACLOCK_TIMELINE_NOTIFIES | \
	 PARACLOCK_TIMELINE_DISRUPTION_SOON |                         \
	 PARACLOCK_TIMELINE_DISRUPTION_IMMINENT)

/* KVM's scaling, but with the fractions of ticks that KVM drops. */
static u128 scaled(const struct paraclock_sim_vm *vm, u128 host_tsc)
{
	u128 whole = (host_tsc >> 64) * vm->ratio;
	u128 part = (u128)(uint64_t)host_tsc * vm->ratio;

	return (whole << (64 - RATIO_BITS)) + (part >> RATIO_BITS);
}

u128 pclk_sim_vm_tsc(const struct paraclock_sim_vm *vm, uint64_t instant)
{
	return scaled(vm, pclk_sim_host_tsc(vm->host, instant)) +
	       ((u128)vm->offset << 64);
}

void pclk_sim_vm_set_tsc(struct paraclock_sim_vm *vm, uint64_t instant,
			 u128 tsc)
{
	u128 host_tsc = pclk_sim_host_tsc(vm->host, instant);

	/* A VMM can set whole ticks only: round up, so that it never goes
	 * back. */
	vm->offset =
		(uint64_t)((tsc - scaled(vm, host_tsc) + UINT64_MAX) >> 64);
}

struct sim_hz pclk_sim_vm_hz(const struct paraclock_sim_vm *vm)
{
	return pclk_sim_hz_scale(pclk_sim_host_hz(vm->host), vm->ratio);
}

u128 pclk_sim_vm_mono(const struct paraclock_sim_vm *vm, uint64_t instant)
{
	return pclk_sim_host_mono(vm->host, instant) + (u128)vm->over_host;
}

bool pclk_sim_is_within(const struct paraclock_sim_vm *vm,
			const struct paraclock_sim_host *host)
{
	const struct paraclock_sim_host *at = vm->host;

	while (at != host && at->inside)
		at = at->inside->host;
	return at == host;
}

bool pclk_sim_vm_runs(const struct paraclock_sim_vm *vm)
{
	while (!vm->paused && vm->host->inside)
		vm = vm->host->inside;
	return !vm->paused;
}

uint64_t paraclock_sim_counter(const struct paraclock_sim_vm *vm,
			       unsigned int vcpu)
{
	uint64_t tsc;

	if (!vm || vcpu >= vm->opts.vcpus)
		return 0;
	pclk_sim_lock(vm->sim);
	tsc = (uint64_t)(pclk_sim_vm_tsc(vm, pclk_sim_instant(vm->sim)) >> 64);
	tsc += vm->skew[vcpu];
	pclk_sim_unlock(vm->sim);
	return tsc;
}

int paraclock_sim_coupling(const struct paraclock_sim_vm *vm,
			   struct paraclock_coupling *ret_coupling)
{
	if (!vm || !ret_coupling)
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	*ret_coupling = (struct paraclock_coupling){
		.size = sizeof(*ret_coupling),
		.mult = vm->ratio,
		.offset = vm->offset,
		.shift = RATIO_BITS,
		.device_counter = PARACLOCK_COUNTER_X86_TSC,
		.system_counter = PARACLOCK_COUNTER_X86_TSC,
		.flags =
			PARACLOCK_COUPLING_FIXED | PARACLOCK_COUPLING_TO_DEVICE,
	};
	if (vm->emulated)
		ret_coupling->flags &= (uint8_t)~PARACLOCK_COUPLING_FIXED;
	pclk_sim_unlock(vm->sim);
	return 0;
}

/* --- what has changed ----------------------------------------------------- */

static void renew_vmclock(struct paraclock_sim_vm *vm)
{
	struct sim_page *page = pclk_sim_page_of(vm, PARACLOCK_SIM_VMCLOCK, 0);

	if (page)
		pclk_sim_page_renew(vm, page);
}

static void vm_has_changed(struct paraclock_sim_vm *vm, enum sim_change what)
{
	if (pclk_sim_new_piece(vm) && !vm->sim->error)
		vm->sim->error = -ENOMEM;
	if (what == SIM_ALL)
		pclk_sim_pages_renew(vm);
	else if (what == SIM_WALL)
		renew_vmclock(vm);
}

void pclk_sim_changed(const struct paraclock_sim_host *host,
		      enum sim_change what)
{
	struct paraclock_sim_vm *vm;

	for (vm = host->sim->vms; vm; vm = vm->next) {
		if (pclk_sim_is_within(vm, host))
			vm_has_changed(vm, what);
	}
}

/* The VMs inside count with this one's TSC, so theirs have changed as well. */
void pclk_sim_vm_changed(struct paraclock_sim_vm *vm)
{
	const struct paraclock_sim_host *host;

	vm_has_changed(vm, SIM_ALL);
	for (host = vm->sim->hosts; host; host = host->next) {
		if (host->inside == vm)
			pclk_sim_changed(host, SIM_ALL);
	}
}

/* --- making one ----------------------------------------------------------- */

static bool parts_are_good(uint32_t parts)
{
	const uint32_t ptp = PARACLOCK_SIM_HAS_PTP_VMCLOCK;
	const uint32_t again = PARACLOCK_SIM_HAS_REENLIGHTENMENT;

	return !(parts & ~PARTS_ALL) &&
	       (parts & BOTH_VMCLOCKS) != BOTH_VMCLOCKS &&
	       (!(parts & ptp) || parts & PARACLOCK_SIM_HAS_VMCLOCK) &&
	       (!(parts & again) || parts & PARACLOCK_SIM_HAS_HYPERV);
}

static bool options_are_good(const struct paraclock_sim_vm_options *opts)
{
	return parts_are_good(opts->parts) &&
	       opts->vcpus <= PARACLOCK_SIM_VCPUS_MAX &&
	       opts->user_vcpu < opts->vcpus &&
	       (!opts->tsc_hz ||
		pclk_sim_hz_is_good(opts->tsc_hz, opts->tsc_hz_bits)) &&
	       !(opts->timeline_flags & ~FLAGS_ALL) &&
	       opts->vmclock_timescale <= PARACLOCK_TIMESCALE_TAI &&
	       opts->pvclock_period_ns <= RUN_MAX &&
	       opts->vmclock_period_ns <= RUN_MAX &&
	       (!opts->clocksource || strlen(opts->clocksource) < 32);
}

static int complete(struct paraclock_sim_vm_options *full,
		    const struct paraclock_sim_vm_options *opts)
{
	*full = (struct paraclock_sim_vm_options){ .size = sizeof(*full) };
	if (opts && opts->size < sizeof(*opts))
		return -EINVAL;
	if (opts)
		*full = *opts;
	if (!full->parts)
		full->parts = PARACLOCK_SIM_HAS_PVCLOCK;
	if (!full->vcpus)
		full->vcpus = 1;
	if (!full->vmclock_timescale)
		full->vmclock_timescale = PARACLOCK_TIMESCALE_TAI;
	if (!full->pvclock_period_ns)
		full->pvclock_period_ns = PVCLOCK_PERIOD_NS;
	if (!full->vmclock_period_ns)
		full->vmclock_period_ns = VMCLOCK_PERIOD_NS;
	return options_are_good(full) ? 0 : -EINVAL;
}

static void start_counting(struct paraclock_sim_vm *vm)
{
	uint64_t now = pclk_sim_instant(vm->sim);
	struct sim_clock clock = { .hz = pclk_sim_vm_hz(vm) };
	u128 tsc;

	pclk_sim_vm_set_tsc(vm, now, (u128)vm->opts.tsc_start << 64);
	if (vm->host->inside)
		return;
	/* MONOTONIC is 0 at the beginning of the tick. */
	tsc = pclk_sim_vm_tsc(vm, now);
	vm->over_host = (s128)(pclk_sim_part_of_tick(&clock, (uint64_t)tsc) -
			       pclk_sim_host_mono(vm->host, now));
}

static void add_vm(struct paraclock_sim_vm *vm)
{
	struct paraclock_sim_vm **last = &vm->sim->vms;

	while (*last)
		last = &(*last)->next;
	*last = vm;
}

int pclk_sim_vm_make(struct paraclock_sim_vm **ret_vm,
		     struct paraclock_sim_host *host,
		     const struct paraclock_sim_vm_options *opts)
{
	struct paraclock_sim_vm *vm = calloc(1, sizeof(*vm));
	int ret;

	if (!vm)
		return -ENOMEM;
	vm->sim = host->sim;
	vm->host = host;
	vm->opts = *opts;
	/* The caller's string need not outlive this call. */
	vm->opts.clocksource = NULL;
	vm->ratio = RATIO_ONE;
	vm->disruption = pclk_sim_marker(vm->sim);
	vm->generation = pclk_sim_marker(vm->sim);
	ret = opts->tsc_hz
		      ? pclk_sim_ratio((struct sim_hz){ opts->tsc_hz,
							opts->tsc_hz_bits },
				       pclk_sim_host_hz(host), &vm->ratio)
		      : 0;
	if (!ret)
		ret = pclk_sim_pages_make(vm);
	if (ret) {
		free(vm);
		return ret;
	}
	vm->own_ratio = vm->ratio;
	start_counting(vm);
	pclk_sim_kernel_start(vm,
			      opts->clocksource ? opts->clocksource : "tsc");
	ret = pclk_sim_new_piece(vm);
	if (ret) {
		pclk_sim_pages_free(vm);
		free(vm);
		return ret;
	}
	add_vm(vm);
	*ret_vm = vm;
	return 0;
}

int paraclock_sim_vm_new(struct paraclock_sim_vm **ret_vm,
			 struct paraclock_sim_host *host,
			 const struct paraclock_sim_vm_options *opts)
{
	struct paraclock_sim_vm_options full;
	struct paraclock_sim_vm *vm;
	int ret;

	if (!ret_vm || !host || complete(&full, opts))
		return -EINVAL;
	pclk_sim_lock(host->sim);
	ret = pclk_sim_vm_make(&vm, host, &full);
	if (!ret) {
		pclk_sim_vm_changed(vm);
		ret = pclk_sim_take_error(host->sim);
	}
	pclk_sim_unlock(host->sim);
	if (!ret)
		*ret_vm = vm;
	return ret;
}
