// SPDX-License-Identifier: MIT
/* What a pvclock record means. See pvclock.h for the source. */

#include <errno.h>
#include <string.h>

#include "base/fixed.h"
#include "page/conversion.h"
#include "pvclock.h"

#define SHIFT_MAX 63

const struct page_shape pclk_pvclock_shape = {
	.name = "pvclock",
	.seq_offset = offsetof(struct pvclock, version),
	.size = sizeof(struct pvclock),
	.min_size = sizeof(struct pvclock),
	.sequence = PAGE_ODD,
};

int pclk_pvclock_is_sane(const struct pvclock *pv)
{
	return !pv->pad0 && !pv->pad[0] && !pv->pad[1] &&
	       pv->tsc_to_system_mul && pv->tsc_shift <= SHIFT_MAX &&
	       pv->tsc_shift >= -SHIFT_MAX && pv->flags <= PVCLOCK_FLAGS_KNOWN;
}

/* ns since the reference point; -ERANGE: the shift loses bits. */
static int elapsed_ns(const struct pvclock *pv, uint64_t ticks, u128 *ret_ns)
{
	int shift = pv->tsc_shift;

	if (shift > 0) {
		if (ticks >> (64 - shift))
			return -ERANGE;
		ticks <<= shift;
	} else {
		ticks >>= -shift;
	}
	*ret_ns = ((u128)ticks * pv->tsc_to_system_mul) >> 32;
	return 0;
}

static uint8_t judge(const struct pvclock *pv,
		     const struct pvclock_limits *limits, uint64_t counter,
		     u128 age_ns)
{
	if (!(pv->flags & limits->stable_mask))
		return PARACLOCK_REASON_UNSTABLE;
	if (counter < pv->tsc_timestamp || age_ns > limits->max_age_ns)
		return PARACLOCK_REASON_WINDOW;
	return PARACLOCK_REASON_OK;
}

int pclk_pvclock_convert(const struct pvclock *pv,
			 const struct pvclock_limits *limits, uint64_t counter,
			 struct paraclock_sample *ret_sample,
			 const char **ret_bad)
{
	u128 elapsed = 0;
	u128 ns;
	uint8_t reason;

	if (!pv->tsc_to_system_mul) {
		*ret_bad = "tsc_to_system_mul is 0";
		return -EPROTO;
	}
	if (pv->tsc_shift > SHIFT_MAX || pv->tsc_shift < -SHIFT_MAX) {
		*ret_bad = "tsc_shift is beyond 63";
		return -EPROTO;
	}
	/* Before the reference point only its own time is known. */
	if (counter >= pv->tsc_timestamp) {
		int ret = elapsed_ns(pv, counter - pv->tsc_timestamp, &elapsed);

		if (ret)
			return ret;
	}
	reason = judge(pv, limits, counter, elapsed);
	ns = pv->system_time;
	if (reason != PARACLOCK_REASON_WINDOW)
		ns += elapsed;
	if (ns > INT64_MAX)
		return -ERANGE;

	*ret_sample = (struct paraclock_sample){
		.host_ns = (int64_t)ns,
		.host_tsc = counter,
		.pair_error_ns = reason ? PARACLOCK_ERROR_UNKNOWN : 0,
		.clock_error_ns = PARACLOCK_ERROR_UNKNOWN,
		.valid = !reason,
		.reason = reason,
		.timescale = PARACLOCK_TIMESCALE_MONOTONIC,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.leap = PARACLOCK_LEAP_UNKNOWN,
	};
	return 0;
}

void pclk_pvclock_conversion(const struct pvclock *pv,
			     const struct pvclock_limits *limits,
			     const struct paraclock_sample *sample,
			     struct paraclock_conversion *ret_conv)
{
	int shift = pv->tsc_shift;
	u128 mult;

	memcpy(ret_conv->key, pv, sizeof(*pv));
	ret_conv->flags = PARACLOCK_CONVERSION_REBASE;
	if (pv->flags & PVCLOCK_GUEST_STOPPED)
		ret_conv->flags |= PARACLOCK_CONVERSION_STOPPED;
	/* Shifted right by more than 32, the multiplier would lose bits. */
	ret_conv->usable = sample->valid && shift >= -32;
	if (!ret_conv->usable)
		return;

	/* A right shift drops these bits; here they must not count either. */
	ret_conv->mask = shift < 0 ? ~0ULL << -shift : ~0ULL;
	mult = (u128)pv->tsc_to_system_mul << (32 + shift);
	ret_conv->mult_hi = (uint64_t)(mult >> 64);
	ret_conv->mult_lo = (uint64_t)mult;
	ret_conv->base_tsc = pv->tsc_timestamp;
	ret_conv->base_ns = (int64_t)pv->system_time;
	ret_conv->error_ns = PARACLOCK_ERROR_UNKNOWN;
	ret_conv->max_ticks = shift > 0 ? UINT64_MAX >> shift : UINT64_MAX;
	pclk_conversion_limit(ret_conv, limits->max_age_ns);
}
