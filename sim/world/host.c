// SPDX-License-Identifier: MIT
/* Hosts: each has a TSC and a clock. */

#include <errno.h>

#include "base/calendar.h"
#include "world.h"

#define TSC_HZ 2600000000U

#define ERROR_FLAGS                                                       \
	(PARACLOCK_TIMELINE_MAXERROR | PARACLOCK_TIMELINE_MAXERROR_RATE | \
	 PARACLOCK_TIMELINE_ESTERROR | PARACLOCK_TIMELINE_ESTERROR_RATE)

/* --- what it shows -------------------------------------------------------- */

const struct paraclock_sim_host *
pclk_sim_real_host(const struct paraclock_sim_host *host)
{
	while (host->inside)
		host = host->inside->host;
	return host;
}

u128 pclk_sim_host_tsc(const struct paraclock_sim_host *host, uint64_t instant)
{
	if (host->inside)
		return pclk_sim_vm_tsc(host->inside, instant);
	instant -= host->tsc_from;
	return host->tsc0 +
	       (host->same_rate
			? (u128)instant << 64
			: pclk_sim_ticks_of(host->sim, host->hz, instant));
}

struct sim_hz pclk_sim_host_hz(const struct paraclock_sim_host *host)
{
	return host->inside ? pclk_sim_vm_hz(host->inside) : host->hz;
}

u128 pclk_sim_host_mono(const struct paraclock_sim_host *host, uint64_t instant)
{
	if (host->inside)
		return pclk_sim_vm_mono(host->inside, instant);
	return pclk_sim_span(host->sim, instant);
}

u128 pclk_sim_host_tai(const struct paraclock_sim_host *host, uint64_t instant)
{
	u128 since;

	host = pclk_sim_real_host(host);
	since = pclk_sim_span(host->sim, instant - host->wall_from);
	return host->tai0 + since + (u128)pclk_sim_ppb_of(since, host->ppb);
}

bool pclk_sim_is_paired(const struct paraclock_sim_host *host)
{
	while (host->is_tsc && host->inside)
		host = host->inside->host;
	return host->is_tsc;
}

uint64_t paraclock_sim_host_counter(const struct paraclock_sim_host *host)
{
	uint64_t tsc;

	if (!host)
		return 0;
	pclk_sim_lock(host->sim);
	tsc = (uint64_t)(pclk_sim_host_tsc(host, pclk_sim_instant(host->sim)) >>
			 64);
	pclk_sim_unlock(host->sim);
	return tsc;
}

/* --- making one ----------------------------------------------------------- */

bool pclk_sim_ppb_is_good(int64_t ppb)
{
	return ppb >= -PPB && ppb <= PPB;
}

bool pclk_sim_errors_are_good(const struct paraclock_sim_host_options *opts)
{
	return !(opts->error_flags & ~ERROR_FLAGS) &&
	       opts->maxerror_ppb <= PPB && opts->esterror_ppb <= PPB;
}

static int complete(struct paraclock_sim_host_options *full,
		    const struct paraclock_sim *sim,
		    const struct paraclock_sim_host_options *opts)
{
	*full = (struct paraclock_sim_host_options){ .size = sizeof(*full) };
	if (opts && opts->size < sizeof(*opts))
		return -EINVAL;
	if (opts)
		*full = *opts;
	if (!full->tsc_hz) {
		full->tsc_hz = sim->opts.counter ? sim->hz : TSC_HZ;
		full->tsc_hz_bits = 0;
	}
	if (!full->status)
		full->status = PARACLOCK_STATUS_SYNCHRONIZED;
	return pclk_sim_hz_is_good(full->tsc_hz, full->tsc_hz_bits) &&
			       pclk_sim_ppb_is_good(full->clock_ppb) &&
			       pclk_sim_errors_are_good(full) &&
			       full->status <= PARACLOCK_STATUS_UNRELIABLE
		       ? 0
		       : -EINVAL;
}

void pclk_sim_host_set_rate(struct paraclock_sim_host *host, uint64_t hz,
			    unsigned int bits)
{
	host->hz = (struct sim_hz){ hz, (int)bits };
	host->same_rate = (u128)host->sim->hz << bits == hz;
}

static void add_host(struct paraclock_sim_host *host)
{
	struct paraclock_sim_host **last = &host->sim->hosts;

	/* In the order of their making: a world must be reproducible. */
	while (*last)
		last = &(*last)->next;
	*last = host;
}

/* The range: not before 1970 in UTC, for any TAI offset, and not so late that
 * the end of a month overflows 64 bits of ns. */
int pclk_sim_host_move_wall(struct paraclock_sim_host *host, s128 ns)
{
	s128 tai = (s128)(host->tai0 >> 64) + ns;

	if (tai < 100 * (s128)NSEC_PER_SEC ||
	    tai > (s128)LEAP_LAST_SEC * NSEC_PER_SEC)
		return -ERANGE;
	host->tai0 = (u128)tai << 64 | (uint64_t)host->tai0;
	return 0;
}

static int start_wall(struct paraclock_sim_host *host, uint64_t now)
{
	struct paraclock_sim *sim = host->sim;

	host->tai0 = sim->tai0 + pclk_sim_span(sim, now);
	if (pclk_sim_host_move_wall(host, host->opts.clock_ahead_ns))
		return -EINVAL;
	host->wall_from = now;
	host->ppb = host->opts.clock_ppb;
	host->utc = pclk_sim_utc_at(&sim->utc, host->tai0);
	return 0;
}

int paraclock_sim_host_new(struct paraclock_sim_host **ret_host,
			   struct paraclock_sim *sim,
			   const struct paraclock_sim_host_options *opts)
{
	struct paraclock_sim_host_options full;
	struct paraclock_sim_host *host;
	uint64_t now;

	if (!ret_host || !sim || complete(&full, sim, opts))
		return -EINVAL;
	host = calloc(1, sizeof(*host));
	if (!host)
		return -ENOMEM;
	now = pclk_sim_instant(sim);
	host->sim = sim;
	host->opts = full;
	host->is_tsc = true;
	pclk_sim_host_set_rate(host, full.tsc_hz, full.tsc_hz_bits);
	host->tsc_from = now;
	host->tsc0 = (u128)full.tsc_start << 64;
	if (sim->opts.counter && !full.tsc_start)
		host->tsc0 = (u128)(sim->start + now) << 64;
	host->free_from = now;
	if (start_wall(host, now)) {
		free(host);
		return -EINVAL;
	}
	pclk_sim_lock(sim);
	add_host(host);
	pclk_sim_unlock(sim);
	*ret_host = host;
	return 0;
}

int paraclock_sim_host_nested(struct paraclock_sim_host **ret_host,
			      struct paraclock_sim_vm *vm)
{
	struct paraclock_sim_host *host;

	if (!ret_host || !vm)
		return -EINVAL;
	host = calloc(1, sizeof(*host));
	if (!host)
		return -ENOMEM;
	host->sim = vm->sim;
	host->inside = vm;
	host->is_tsc = true;
	pclk_sim_lock(vm->sim);
	add_host(host);
	pclk_sim_unlock(vm->sim);
	*ret_host = host;
	return 0;
}
