// SPDX-License-Identifier: MIT
/* The timeline for a page's writer: what the page should say now. */

#include "world.h"

bool pclk_sim_is_stable(const struct paraclock_sim_vm *vm)
{
	for (unsigned int i = 0; i < vm->opts.vcpus; i++) {
		if (vm->skew[i])
			return false;
	}
	return pclk_sim_is_paired(vm->host);
}

/* ppb as the timeline's unit of error rates, rounded up. */
static uint64_t rate_of(const struct paraclock_timeline *tl, uint64_t ppb)
{
	return (uint64_t)(((u128)tl->period_frac * ppb + PPB_ONE - 1) /
			  PPB_ONE);
}

/* The error of a free-running clock grows by ppb. */
static uint64_t grown(const struct paraclock_sim_host *host, uint64_t ns,
		      uint64_t ppb)
{
	uint64_t since = pclk_sim_instant(host->sim) - host->free_from;
	uint64_t by;

	if (host->opts.status != PARACLOCK_STATUS_FREERUNNING)
		return ns;
	by = 1 +
	     (uint64_t)((u128)pclk_sim_ppb_of(pclk_sim_span(host->sim, since),
					      (int64_t)ppb) >>
			64);
	return by < UINT64_MAX - ns ? ns + by : UINT64_MAX;
}

static void add_errors(const struct paraclock_sim_host *host,
		       struct paraclock_timeline *tl)
{
	const struct paraclock_sim_host_options *opts = &host->opts;

	tl->flags |= opts->error_flags;
	tl->maxerror_ns = grown(host, opts->maxerror_ns, opts->maxerror_ppb);
	tl->esterror_ns = grown(host, opts->esterror_ns, opts->esterror_ppb);
	tl->maxerror_rate_frac = rate_of(tl, opts->maxerror_ppb);
	tl->esterror_rate_frac = rate_of(tl, opts->esterror_ppb);
}

/* Like QEMU's and Firecracker's page: every field of the time is 0, and a
 * time_type of 0 is UTC. */
static struct paraclock_timeline markers_only(const struct paraclock_sim_vm *vm)
{
	return (struct paraclock_timeline){
		.size = sizeof(struct paraclock_timeline),
		.marker = vm->disruption,
		.generation = vm->generation,
		.timescale = PARACLOCK_TIMESCALE_UTC,
		.counter = PARACLOCK_COUNTER_NONE,
		.status = PARACLOCK_STATUS_UNKNOWN,
		.leap = PARACLOCK_LEAP_NONE,
	};
}

static int vmclock_timeline(const struct paraclock_sim_vm *vm,
			    struct paraclock_timeline *tl)
{
	const struct paraclock_sim_host *real = pclk_sim_real_host(vm->host);
	int ret = 0;

	if (vm->opts.parts & PARACLOCK_SIM_HAS_VMCLOCK_MARKERS) {
		*tl = markers_only(vm);
	} else {
		ret = pclk_sim_timeline(vm, vm->opts.vmclock_timescale, tl);
		tl->status = real->opts.status;
		add_errors(real, tl);
	}
	if (ret)
		return ret;
	if (vm->opts.parts & PARACLOCK_SIM_HAS_GENERATION)
		tl->flags |= PARACLOCK_TIMELINE_GENERATION;
	return 0;
}

int pclk_sim_page_timeline(const struct paraclock_sim_vm *vm,
			   const struct sim_page *page,
			   struct paraclock_timeline *tl)
{
	int ret;

	if (page->kind == PARACLOCK_SIM_VMCLOCK)
		ret = vmclock_timeline(vm, tl);
	else
		ret = pclk_sim_timeline(vm, PARACLOCK_TIMESCALE_MONOTONIC, tl);
	if (ret)
		return ret;
	tl->flags |= vm->opts.timeline_flags;
	tl->flags |= pclk_sim_is_stable(vm) ? PARACLOCK_TIMELINE_STABLE : 0;
	tl->base_tsc += vm->skew[page->vcpu];
	return 0;
}
