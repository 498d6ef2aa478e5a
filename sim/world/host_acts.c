// SPDX-License-Identifier: MIT
/* Acts on a host's clock and on its TSC. */

#include <errno.h>

#include "world.h"

/* An inserted leap second is over after this; a removed one at once. */
#define INSERTED_NS NSEC_PER_SEC

/* --- leap seconds --------------------------------------------------------- */

/* Pages are renewed when the leap second is over, not during an inserted
 * one. */
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
	/* At least 1 ns later, so that the leap second is over by then. */
	since = since / rate + 1;
	return host->wall_from + pclk_sim_ticks(sim, (uint64_t)since);
}

void pclk_sim_leap_apply(struct paraclock_sim_host *host)
{
	u128 tai = pclk_sim_host_tai(host, pclk_sim_instant(host->sim));

	host->utc = pclk_sim_utc_at(&host->utc, tai);
	pclk_sim_changed(host, SIM_WALL);
}

/* --- the clock ------------------------------------------------------------ */

/* Start a new straight piece of the clock, so that its rate may change. */
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
	ret = pclk_sim_host_move_wall(host, ns);
	if (ret) {
		pclk_sim_unlock(host->sim);
		return ret;
	}
	return end_wall(host);
}

int paraclock_sim_slew(struct paraclock_sim_host *host, int64_t ppb)
{
	int ret = pclk_sim_ppb_is_good(ppb) ? begin(host) : -EINVAL;

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
	ret = pclk_sim_host_move_wall(host, (s128)by * NSEC_PER_SEC);
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
	int ret = opts && opts->size >= sizeof(*opts) &&
				  pclk_sim_errors_are_good(opts)
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

/* --- the TSC -------------------------------------------------------------- */

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
		pclk_sim_host_set_rate(host, tsc_hz, tsc_hz_bits);
	if (noticed)
		host->is_tsc = false;
	pclk_sim_changed(host, noticed ? SIM_ALL : SIM_TSC_UNNOTICED);
	pclk_sim_go_on(host->sim);
	return end(host);
}
