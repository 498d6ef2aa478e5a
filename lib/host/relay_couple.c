// SPDX-License-Identifier: MIT
/* A timeline of this machine's counter as one of a guest's. */

#include <errno.h>

#include "base/interpolate.h"
#include "relay_parts.h"

/* A tick of the device takes 2^shift / mult times as long as one of the system.
 * Every bit of period_frac is used. */
static int couple_rates(const struct paraclock_coupling *coupling,
			struct paraclock_timeline *tl)
{
	unsigned int spare = (unsigned int)__builtin_clzll(tl->period_frac);
	unsigned int up = (unsigned int)__builtin_clzll(coupling->mult);
	uint64_t period = tl->period_frac << spare;
	uint64_t rate = tl->maxerror_rate_frac;
	uint64_t mult = coupling->mult << up;
	uint64_t scaled;
	int shift =
		tl->period_shift - coupling->shift + 64 + (int)spare - (int)up;
	u128 grown;

	if (period < mult) {
		scaled = pclk_divide_128(period, 0, mult);
	} else {
		scaled = pclk_divide_128(period >> 1, period << 63, mult);
		shift--;
	}
	if (shift < 0 || shift > 63)
		return -ERANGE;
	/* The rate keeps its proportion to a tick. */
	grown = (u128)rate * scaled;
	if (grown >> 64 < tl->period_frac)
		tl->maxerror_rate_frac =
			pclk_divide_128((uint64_t)(grown >> 64),
					(uint64_t)grown, tl->period_frac) +
			(rate != 0);
	else
		tl->flags &= ~(uint32_t)PARACLOCK_TIMELINE_MAXERROR_RATE;
	tl->period_frac = scaled;
	tl->period_shift = (uint8_t)shift;
	return 0;
}

int pclk_relay_couple(const struct paraclock_coupling *coupling,
		      struct paraclock_timeline *tl)
{
	uint64_t above = tl->base_tsc;
	uint64_t rest;
	int ret;

	if (!coupling->size)
		return 0;
	if (!(coupling->flags & PARACLOCK_COUPLING_TO_DEVICE) ||
	    coupling->system_counter != tl->counter)
		return -EINVAL;
	ret = paraclock_coupling_to_device(coupling, above, &tl->base_tsc);
	if (!ret && tl->t_end) {
		ret = paraclock_coupling_to_device(coupling, tl->t_end,
						   &tl->t_end);
		/* The guest's counter wraps on the way: end before that. */
		if (!ret && tl->t_end < tl->base_tsc)
			tl->t_end = UINT64_MAX - 1;
	}
	if (!ret)
		ret = couple_rates(coupling, tl);
	if (ret)
		return ret;
	tl->counter = coupling->device_counter;
	/* The device's counter reached that value this part of a tick ago. */
	rest = above * coupling->mult & (((uint64_t)1 << coupling->shift) - 1);
	relay_set_base(tl,
		       relay_base(tl) - ((u128)rest * tl->period_frac >>
					 (coupling->shift + tl->period_shift)));
	return 0;
}
