// SPDX-License-Identifier: MIT
/* Hosts: a TSC and a clock. */

#include <errno.h>

#include "base/calendar.h"
#include "world.h"

#define TSC_HZ 2600000000U
/* A leap second is over after this; a removed one at once. */
#define INSERTED_NS NSEC_PER_SEC

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

static bool ppb_is_good(int64_t ppb)
{
	return ppb >= -PPB && ppb <= PPB;
}

static bool errors_are_good(const struct paraclock_sim_host_options *opts)
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
			       ppb_is_good(full->clock_ppb) &&
			       errors_are_good(full) &&
			       full->status <= PARACLOCK_STATUS_UNRELIABLE
		       ? 0
		       : -EINVAL;
}

static void set_rate(struct paraclock_sim_host *host, uint64_t hz,
		     unsigned int bits)
{
	host->hz = (struct sim_hz){ hz, (int)bits };
	host->same_rate = (u128)host->sim->hz << bits == hz;
}

static void add_host(struct paraclock_sim_host *host)
{
	struct paraclock_sim_host **last = &host->sim->hosts;

	/* In the order in which they were made, so that all is reproducible. */
	while (*last)
		last = &(*last)->next;
	*last = host;
}

/* Set the clock ahead; -ERANGE: it would be before the epoch of UTC, or where
 * a month may not end in 64 bits of ns. */
static int move_wall(struct paraclock_sim_host *host, s128 ns)
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
	if (move_wall(host, host->opts.clock_ahead_ns))
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
	set_rate(host, full.tsc_hz, full.tsc_hz_bits);
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

/* --- leap seconds --------------------------------------------------------- */

/* Once it is over; pages are not written within an inserted one. */
uint64_t pclk_sim_leap_due(const struct paraclock_sim_host *host)
{
	struct paraclock_sim *sim = host->sim;
	uint64_t rate = (uint64_t)(PPB_ONE + host->ppb);
	uint64_t over;
	u128 since;

	if (host->inside || host->utc.leap_ns == INT64_MAX)
		return NEVER;
	over = (uint64_t)host->utc.leap_ns;
	if (host->utc.leap == PARACLOCK_LEAP_PRE_POS)
		over += INSERTED_NS;
	if (over <= host->tai0 >> 64)
		return host->wall_from;
	since = (u128)(over - (uint64_t)(host->tai0 >> 64)) * PPB_ONE;
	since = since / rate + 1;
	return host->wall_from + pclk_sim_ticks(sim, (uint64_t)since);
}

void pclk_sim_leap_take_in(struct paraclock_sim_host *host)
{
	u128 tai = pclk_sim_host_tai(host, pclk_sim_instant(host->sim));

	host->utc = pclk_sim_utc_at(&host->utc, tai);
	pclk_sim_changed(host, SIM_WALL);
}

/* --- what happens to its clock -------------------------------------------- */

/* From here on the clock is a new line. */
static void rebase_wall(struct paraclock_sim_host *host)
{
	uint64_t now = pclk_sim_instant(host->sim);

	host->tai0 = pclk_sim_host_tai(host, now);
	host->wall_from = now;
}

static int begin(struct paraclock_sim_host *host)
{
	if (!host || host->inside)
		return -EINVAL;
	pclk_sim_lock(host->sim);
	rebase_wall(host);
	return 0;
}

static int end(struct paraclock_sim_host *host)
{
	int ret = pclk_sim_take_error(host->sim);

	pclk_sim_unlock(host->sim);
	return ret;
}

static int end_wall(struct paraclock_sim_host *host)
{
	pclk_sim_changed(host, SIM_WALL);
	return end(host);
}

int paraclock_sim_step(struct paraclock_sim_host *host, int64_t ns)
{
	int ret = begin(host);

	if (ret)
		return ret;
	ret = move_wall(host, ns);
	if (ret) {
		pclk_sim_unlock(host->sim);
		return ret;
	}
	return end_wall(host);
}

int paraclock_sim_slew(struct paraclock_sim_host *host, int64_t ppb)
{
	int ret = ppb_is_good(ppb) ? begin(host) : -EINVAL;

	if (ret)
		return ret;
	host->ppb = ppb;
	return end_wall(host);
}

int paraclock_sim_status(struct paraclock_sim_host *host, unsigned int status)
{
	int ret = status <= PARACLOCK_STATUS_UNRELIABLE ? begin(host) : -EINVAL;

	if (ret)
		return ret;
	host->opts.status = (uint8_t)status;
	host->free_from = pclk_sim_instant(host->sim);
	return end_wall(host);
}

int paraclock_sim_leap(struct paraclock_sim_host *host, unsigned int leap)
{
	int ret = leap <= PARACLOCK_LEAP_POST_NEG && leap != PARACLOCK_LEAP_POS
			  ? begin(host)
			  : -EINVAL;

	if (ret)
		return ret;
	pclk_sim_utc_arm(&host->utc, (uint8_t)leap, host->tai0);
	return end_wall(host);
}

int paraclock_sim_tai(struct paraclock_sim_host *host, int sec)
{
	int ret = sec >= 0 && sec <= 100 ? begin(host) : -EINVAL;
	int by;

	if (ret)
		return ret;
	by = sec ? sec - host->utc.offset_sec : 0;
	ret = move_wall(host, (s128)by * NSEC_PER_SEC);
	if (ret) {
		pclk_sim_unlock(host->sim);
		return ret;
	}
	host->utc.known = sec != 0;
	host->utc.offset_sec = (int16_t)(host->utc.offset_sec + by);
	pclk_sim_utc_arm(&host->utc, host->utc.leap, host->tai0);
	return end_wall(host);
}

int paraclock_sim_errors(struct paraclock_sim_host *host,
			 const struct paraclock_sim_host_options *opts)
{
	int ret = opts && opts->size >= sizeof(*opts) && errors_are_good(opts)
			  ? begin(host)
			  : -EINVAL;

	if (ret)
		return ret;
	host->opts.maxerror_ns = opts->maxerror_ns;
	host->opts.maxerror_ppb = opts->maxerror_ppb;
	host->opts.esterror_ns = opts->esterror_ns;
	host->opts.esterror_ppb = opts->esterror_ppb;
	host->opts.error_flags = opts->error_flags;
	host->free_from = pclk_sim_instant(host->sim);
	return end_wall(host);
}

/* --- and to its TSC ------------------------------------------------------- */

int paraclock_sim_clocksource(struct paraclock_sim_host *host, int is_tsc)
{
	if (!host)
		return -EINVAL;
	pclk_sim_lock(host->sim);
	host->is_tsc = is_tsc != 0;
	pclk_sim_changed(host, SIM_ALL);
	return end(host);
}

int paraclock_sim_tsc(struct paraclock_sim_host *host, uint64_t tsc_hz,
		      unsigned int tsc_hz_bits, uint64_t ticks, int noticed)
{
	uint64_t now;

	if (!host || host->inside ||
	    (tsc_hz && !pclk_sim_hz_is_good(tsc_hz, tsc_hz_bits)))
		return -EINVAL;
	pclk_sim_lock(host->sim);
	pclk_sim_stop_world(host->sim);
	pclk_sim_end_pieces(host->sim);
	now = pclk_sim_instant(host->sim);
	host->tsc0 = pclk_sim_host_tsc(host, now) + ((u128)ticks << 64);
	host->tsc_from = now;
	if (tsc_hz)
		set_rate(host, tsc_hz, tsc_hz_bits);
	if (noticed)
		host->is_tsc = false;
	pclk_sim_changed(host, noticed ? SIM_ALL : SIM_TSC_UNNOTICED);
	pclk_sim_go_on(host->sim);
	return end(host);
}
