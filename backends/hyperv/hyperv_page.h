/* SPDX-License-Identifier: MIT */
/*
 * Hyper-V's reference TSC page, and what it means.
 *
 * Source: Hyper-V TLFS, "Timers", partition reference TSC mechanism; Linux
 * include/hyperv/hvgdk_mini.h.
 */
#ifndef HYPERV_PAGE_H
#define HYPERV_PAGE_H

#include <stddef.h>

#include "base/shared.h"
#include "page/page.h"

/* In CPUID, 12 bytes. */
#define HYPERV_SIGNATURE "Microsoft Hv"

struct hyperv_page {
	uint32_t tsc_sequence; /* 0 (old hosts: 0xffffffff): the page is off */
	uint32_t reserved1;
	uint64_t tsc_scale; /* 2^-64 units of 100 ns per tick */
	int64_t tsc_offset; /* 100 ns */
	uint64_t reserved2;
};
_Static_assert(offsetof(struct hyperv_page, tsc_scale) == 8, "ABI");
_Static_assert(offsetof(struct hyperv_page, tsc_offset) == 16, "ABI");
_Static_assert(sizeof(struct hyperv_page) == 32, "four words to watch");

/* The clock that reenlightenment reads. */
PCLK_SHARED extern const struct paraclock_backend pclk_backend_hyperv;

PCLK_SHARED extern const struct page_shape pclk_hyperv_shape;

/* What the page says at a counter value. -EPROTO: *ret_bad names the wrong
 * field; -ERANGE: the time does not fit. */
int pclk_hyperv_convert(const struct hyperv_page *hv, uint64_t counter,
			struct paraclock_sample *ret_sample,
			const char **ret_bad);

/* What it says until it changes; sample is what it says at some counter. */
void pclk_hyperv_conversion(const struct hyperv_page *hv,
			    const struct paraclock_sample *sample,
			    struct paraclock_conversion *ret_conv);

#endif
