/* SPDX-License-Identifier: MIT */
/*
 * The pvclock page of KVM and Xen, and its meaning.
 *
 * Source: Linux arch/x86/include/asm/pvclock-abi.h and
 * Documentation/virt/kvm/x86/msr.rst (whose flag masks are bit numbers).
 */
#ifndef PVCLOCK_H
#define PVCLOCK_H

#include <stddef.h>

#include "base/shared.h"
#include "page/page.h"

/* One vCPU's record. */
struct pvclock {
	uint32_t version; /* odd: being written */
	uint32_t pad0;
	uint64_t tsc_timestamp;	    /* ticks, at the reference point */
	uint64_t system_time;	    /* ns, at the reference point */
	uint32_t tsc_to_system_mul; /* 2^-32 ns per shifted tick */
	int8_t tsc_shift;	    /* ticks << tsc_shift; < 0: to the right */
	uint8_t flags;
	uint8_t pad[2];
};
_Static_assert(offsetof(struct pvclock, tsc_timestamp) == 8, "ABI");
_Static_assert(offsetof(struct pvclock, system_time) == 16, "ABI");
_Static_assert(offsetof(struct pvclock, tsc_to_system_mul) == 24, "ABI");
_Static_assert(offsetof(struct pvclock, tsc_shift) == 28, "ABI");
_Static_assert(offsetof(struct pvclock, flags) == 29, "ABI");
_Static_assert(sizeof(struct pvclock) == 32, "ABI");

/* The records of all vCPUs agree. */
#define PVCLOCK_TSC_STABLE 0x01U
/* The host stopped the guest; set by the host, cleared by the guest. */
#define PVCLOCK_GUEST_STOPPED 0x02U
/* The flags that known hosts set. */
#define PVCLOCK_FLAGS_KNOWN 0x07U

/* What the reader knows besides the page. */
struct pvclock_limits {
	uint64_t max_age_ns;
	uint8_t stable_mask; /* PVCLOCK_TSC_STABLE, or 0: never stable */
};

PCLK_SHARED extern const struct page_shape pclk_pvclock_shape;

/* What the record says at a counter value. -EPROTO: *ret_bad names the wrong
 * field; -ERANGE: the time does not fit. */
int pclk_pvclock_convert(const struct pvclock *pv,
			 const struct pvclock_limits *limits, uint64_t counter,
			 struct paraclock_sample *ret_sample,
			 const char **ret_bad);

/* What it says until it changes; sample is what it says at some counter. */
void pclk_pvclock_conversion(const struct pvclock *pv,
			     const struct pvclock_limits *limits,
			     const struct paraclock_sample *sample,
			     struct paraclock_conversion *ret_conv);

/* Is this a pvclock record, and not some other page? */
int pclk_pvclock_is_sane(const struct pvclock *pv);

#endif
