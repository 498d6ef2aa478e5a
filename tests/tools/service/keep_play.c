// SPDX-License-Identifier: MIT
#include "keep_play.h"

/* --- sources -------------------------------------------------------------- */

#define PTP                                                         \
	(PARACLOCK_SIM_HAS_PAIRING | PARACLOCK_SIM_HAS_PTP_HYPERV | \
	 PARACLOCK_SIM_HAS_PTP_VMCLOCK)

const struct kind kinds[KINDS] = {
	/* clang-format off */
	{ "vmclock, TAI, bound", "vmclock", .parts = VMCLOCK | GENERATION,
	  .timescale = TAI, .fitness = FIT },
	{ "vmclock, UTC, bound", "vmclock", .parts = VMCLOCK,
	  .timescale = UTC, .fitness = FIT },
	{ "vmclock, TAI, no bound", "vmclock", .parts = VMCLOCK | GENERATION,
	  .timescale = TAI, .fitness = GUESSED },
	{ "vmclock, UTC, no bound", "vmclock", .parts = VMCLOCK,
	  .timescale = UTC, .fitness = GUESSED },
	{ "vmclock, TAI, offset from a list", "vmclock",
	  .parts = VMCLOCK | GENERATION, .timescale = TAI, .fitness = FIT,
	  .no_offset = true },
	{ "vmclock, TAI, no offset", "vmclock", .parts = VMCLOCK | GENERATION,
	  .timescale = TAI, .no_offset = true, .no_list = true },
	{ "vmclock, MONOTONIC", "vmclock", .parts = VMCLOCK | GENERATION,
	  .timescale = MONO },
	{ "kvm-pairing, vmclock's markers", "kvm-pairing",
	  .parts = PARACLOCK_SIM_HAS_PAIRING | MARKERS | GENERATION,
	  .fitness = GUESSED },
	{ "kvm-pairing, markers without a generation", "kvm-pairing",
	  .parts = PARACLOCK_SIM_HAS_PAIRING | MARKERS, .fitness = GUESSED },
	{ "kvm-pairing, vmgenid", "kvm-pairing",
	  .parts = PARACLOCK_SIM_HAS_PAIRING | GENERATION,
	  .fitness = GUESSED },
	{ "kvm-pairing alone", "kvm-pairing",
	  .parts = PARACLOCK_SIM_HAS_PAIRING, .fitness = GUESSED },
	{ "Hyper-V's PTP clock", "phc", "/dev/ptp0",
	  PARACLOCK_SIM_HAS_PTP_HYPERV, .fitness = GUESSED },
	{ "Hyper-V's PTP clock, vmgenid", "phc", "/dev/ptp0",
	  PARACLOCK_SIM_HAS_PTP_HYPERV | GENERATION, .fitness = GUESSED },
	{ "vmclock's PTP clock, unvouched", "phc", "/dev/ptp0",
	  .parts = VMCLOCK | GENERATION | PARACLOCK_SIM_HAS_PTP_VMCLOCK },
	{ "kvmclock", "kvmclock",
	  .parts = PARACLOCK_SIM_HAS_PVCLOCK | MARKERS | GENERATION },
	{ "Hyper-V's page", "hyperv", .parts = PARACLOCK_SIM_HAS_HYPERV },
	{ "tsc, own kernel", "tsc",
	  .parts = PARACLOCK_SIM_HAS_PVCLOCK | MARKERS | GENERATION },
	{ "served, own kernel", .parts = MARKERS | GENERATION,
	  .timescale = UTC, .flags = PARACLOCK_FLAG_OWN_KERNEL },
	{ "unvouched", .parts = MARKERS | GENERATION, .timescale = UTC,
	  .flags = PARACLOCK_FLAG_UNVOUCHED },
	{ "MONOTONIC", .parts = MARKERS | GENERATION, .timescale = MONO },
	{ "UTC, bound", .parts = MARKERS | GENERATION, .timescale = UTC,
	  .fitness = FIT },
	{ "UTC, bound, no markers", .parts = PARACLOCK_SIM_HAS_PVCLOCK,
	  .timescale = UTC, .fitness = FIT },
	{ "UTC that may be smeared", .parts = MARKERS | GENERATION,
	  .timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED,
	  .fitness = GUESSED },
	/* clang-format on */
};

/* --- dice ----------------------------------------------------------------- */

static uint64_t roll(struct play *p)
{
	uint64_t z = p->random += 0x9e3779b97f4a7c15U;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return z ^ z >> 31;
}

uint64_t dice(struct play *p, uint64_t sides)
{
	return roll(p) % sides;
}

int64_t between(struct play *p, int64_t low, int64_t high)
{
	return low + (int64_t)dice(p, (uint64_t)(high - low) + 1);
}

/* --- a world -------------------------------------------------------------- */

static void plan_host(struct play *p, struct paraclock_sim_host_options *host)
{
	*host = (struct paraclock_sim_host_options){ .size = sizeof(*host) };
	host->clock_ahead_ns = between(p, -p->bound_ns, p->bound_ns);
	if (p->kind->fitness == FIT || p->kind->timescale == MONO) {
		host->maxerror_ns = (uint64_t)p->bound_ns;
		/* A page without both of them states no bound. */
		host->maxerror_ppb = 100;
		host->error_flags = PARACLOCK_TIMELINE_MAXERROR |
				    PARACLOCK_TIMELINE_MAXERROR_RATE;
	}
}

static void plan_rules(struct play *p)
{
	struct keep_rules *rules = &p->w.rules;

	if (!dice(p, 8))
		rules->max_step_ns = dice(p, 2) ? 10 * SEC : HOUR;
	rules->backwards = !dice(p, 8);
	rules->boot = !dice(p, 8);
	rules->dry_run = !dice(p, 16);
	if (!dice(p, 8))
		rules->on_disruption = dice(p, 2) ? KEEP_REPORT : KEEP_SLEW;
}

/* A PTP clock is not valid beside one that is no image of the counter. */
static const char *clocksource(struct play *p)
{
	if (dice(p, 3))
		return "tsc";
	return p->kind->parts & PTP ? "kvm-clock" : "hpet";
}

void make_world(struct play *p, uint64_t seed)
{
	struct paraclock_sim_host_options host[2];
	struct paraclock_sim_vm_options vm = {
		.size = sizeof(vm),
		.tsc_start = 1ULL << 40,
		.vmclock_period_ns = 600 * (uint64_t)SEC,
	};
	struct keep_world *w = &p->w;

	memset(p, 0, sizeof(*p));
	p->random = seed;
	p->kind = &kinds[dice(p, ARRAY_LEN(kinds))];
	p->bound_ns = dice(p, 4) ? between(p, US, 10 * MS)
				 : between(p, 10 * MS, 300 * MS);
	plan_host(p, &host[0]);
	plan_host(p, &host[1]);
	vm.parts = p->kind->parts;
	if (p->kind->parts & VMCLOCK)
		vm.vmclock_timescale = p->kind->timescale;
	vm.clocksource = clocksource(p);
	w->seed = seed;
	world_new_as(w, host, &vm);
	w->by_status = p->kind->backend && p->kind->parts & VMCLOCK;
	w->own.timescale = p->kind->timescale;
	w->own.flags = p->kind->flags;
	w->own.clock_error_ns = p->kind->fitness == FIT
					? (uint64_t)p->bound_ns
					: PARACLOCK_ERROR_UNKNOWN;
	w->leap_error = p->kind->no_list ? -ENOENT : 0;
	if (p->kind->no_offset) {
		assert_int_equal(paraclock_sim_tai(w->host, 0), 0);
		assert_int_equal(paraclock_sim_tai(w->other, 0), 0);
	}
	p->synchronized = dice(p, 2);
	w->kernel = p->synchronized ? KEEP_KERNEL_SYNCHRONIZED : 0;
	plan_rules(p);
	/* Until something happens. */
	w->may_step = false;
	if (p->kind->backend)
		keep_by(w, p->kind->backend, p->kind->device);
	else
		keep_own(w);
	p->day_ahead = !dice(p, 6);
	if (p->day_ahead)
		assert_int_equal(paraclock_sim_step(w->other, DAY), 0);
}
