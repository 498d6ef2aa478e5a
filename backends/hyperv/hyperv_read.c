// SPDX-License-Identifier: MIT
/* What a reference TSC page means. See hyperv_page.h for the source. */

#include <errno.h>
#include <string.h>

#include "base/fixed.h"
#include "hyperv_page.h"
#include "page/conversion.h"

/* ns in a unit of the page. */
#define UNIT_NS 100

const struct page_shape pclk_hyperv_shape = {
	.name = "hyperv",
	.seq_offset = offsetof(struct hyperv_page, tsc_sequence),
	.size = sizeof(struct hyperv_page),
	/* reserved2 is watched, but not needed. */
	.min_size = offsetof(struct hyperv_page, reserved2),
	.sequence = PAGE_ZERO,
};

static struct paraclock_sample blank(uint64_t counter)
{
	return (struct paraclock_sample){
		.host_tsc = counter,
		.pair_error_ns = PARACLOCK_ERROR_UNKNOWN,
		.clock_error_ns = PARACLOCK_ERROR_UNKNOWN,
		.timescale = PARACLOCK_TIMESCALE_MONOTONIC,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.leap = PARACLOCK_LEAP_UNKNOWN,
	};
}

int pclk_hyperv_convert(const struct hyperv_page *hv, uint64_t counter,
			struct paraclock_sample *ret_sample,
			const char **ret_bad)
{
	struct paraclock_sample sample = blank(counter);
	u128 scale = (u128)hv->tsc_scale * UNIT_NS;
	s128 ns;

	if (pclk_page_busy(&pclk_hyperv_shape, hv->tsc_sequence)) {
		sample.reason = PARACLOCK_REASON_SEQUENCE;
		*ret_sample = sample;
		return 0;
	}
	if (!hv->tsc_scale) {
		*ret_bad = "tsc_scale is 0";
		return -EPROTO;
	}
	/* The scale applies to the counter, not to its distance from a base. */
	ns = (s128)((u128)counter * (uint64_t)(scale >> 64)) +
	     (s128)mul_high(counter, (uint64_t)scale) +
	     (s128)hv->tsc_offset * UNIT_NS;
	if (!fits_s64(ns))
		return -ERANGE;
	sample.host_ns = (int64_t)ns;
	sample.pair_error_ns = 0;
	sample.valid = 1;
	*ret_sample = sample;
	return 0;
}

void pclk_hyperv_conversion(const struct hyperv_page *hv,
			    const struct paraclock_sample *sample,
			    struct paraclock_conversion *ret_conv)
{
	u128 scale = (u128)hv->tsc_scale * UNIT_NS;
	s128 base = (s128)hv->tsc_offset * UNIT_NS;

	memcpy(ret_conv->key, hv, sizeof(*hv));
	ret_conv->flags = PARACLOCK_CONVERSION_REBASE;
	ret_conv->usable = sample->valid && fits_s64(base);
	if (!ret_conv->usable)
		return;

	ret_conv->mask = ~0ULL;
	ret_conv->mult_hi = (uint64_t)(scale >> 64);
	ret_conv->mult_lo = (uint64_t)scale;
	ret_conv->base_ns = (int64_t)base;
	ret_conv->error_ns = PARACLOCK_ERROR_UNKNOWN;
	ret_conv->max_ticks = UINT64_MAX;
	pclk_conversion_limit(ret_conv, UINT64_MAX);
}
