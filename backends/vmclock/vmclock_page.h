/* SPDX-License-Identifier: MIT */
/*
 * The vmclock page, and what it means.
 *
 * Source: Linux include/uapi/linux/vmclock-abi.h. Where version 1.0 of the UAPI
 * group's text differs (flag 7 and up, generation at 104), Linux's numbers
 * count; version 1.1 has them too.
 */
#ifndef VMCLOCK_PAGE_H
#define VMCLOCK_PAGE_H

#include <stddef.h>

#include "base/shared.h"
#include "page/page.h"

/* Fields up to time_type are constant; the rest is under seq_count. */
struct vmclock_page {
	uint32_t magic;
	uint32_t size; /* bytes; which fields exist */
	uint16_t version;
	uint8_t counter_id;
	uint8_t time_type;
	uint32_t seq_count; /* odd: being written */
	uint64_t disruption_marker;
	uint64_t flags;
	uint8_t pad[2];
	uint8_t clock_status;
	uint8_t leap_second_smearing_hint; /* changes no other field */
	int16_t tai_offset_sec;		   /* see pclk_leap_tai() */
	uint8_t leap_indicator;
	uint8_t counter_period_shift;
	uint64_t counter_value; /* ticks, at the reference point */
	/* Per tick, in 2^-(64 + counter_period_shift) s: */
	uint64_t counter_period_frac_sec;
	uint64_t counter_period_esterror_rate_frac_sec;
	uint64_t counter_period_maxerror_rate_frac_sec;
	uint64_t time_sec;	/* at the reference point */
	uint64_t time_frac_sec; /* 2^-64 s */
	uint64_t time_esterror_nanosec;
	uint64_t time_maxerror_nanosec;
	uint64_t vm_generation_counter;
};
_Static_assert(offsetof(struct vmclock_page, magic) == 0, "ABI");
_Static_assert(offsetof(struct vmclock_page, size) == 4, "ABI");
_Static_assert(offsetof(struct vmclock_page, version) == 8, "ABI");
_Static_assert(offsetof(struct vmclock_page, counter_id) == 10, "ABI");
_Static_assert(offsetof(struct vmclock_page, time_type) == 11, "ABI");
_Static_assert(offsetof(struct vmclock_page, seq_count) == 12, "ABI");
_Static_assert(offsetof(struct vmclock_page, disruption_marker) == 16, "ABI");
_Static_assert(offsetof(struct vmclock_page, flags) == 24, "ABI");
_Static_assert(offsetof(struct vmclock_page, pad) == 32, "ABI");
_Static_assert(offsetof(struct vmclock_page, clock_status) == 34, "ABI");
_Static_assert(offsetof(struct vmclock_page, leap_second_smearing_hint) == 35,
	       "ABI");
_Static_assert(offsetof(struct vmclock_page, tai_offset_sec) == 36, "ABI");
_Static_assert(offsetof(struct vmclock_page, leap_indicator) == 38, "ABI");
_Static_assert(offsetof(struct vmclock_page, counter_period_shift) == 39,
	       "ABI");
_Static_assert(offsetof(struct vmclock_page, counter_value) == 40, "ABI");
_Static_assert(offsetof(struct vmclock_page, counter_period_frac_sec) == 48,
	       "ABI");
_Static_assert(offsetof(struct vmclock_page,
			counter_period_esterror_rate_frac_sec) == 56,
	       "ABI");
_Static_assert(offsetof(struct vmclock_page,
			counter_period_maxerror_rate_frac_sec) == 64,
	       "ABI");
_Static_assert(offsetof(struct vmclock_page, time_sec) == 72, "ABI");
_Static_assert(offsetof(struct vmclock_page, time_frac_sec) == 80, "ABI");
_Static_assert(offsetof(struct vmclock_page, time_esterror_nanosec) == 88,
	       "ABI");
_Static_assert(offsetof(struct vmclock_page, time_maxerror_nanosec) == 96,
	       "ABI");
_Static_assert(offsetof(struct vmclock_page, vm_generation_counter) == 104,
	       "ABI");
_Static_assert(sizeof(struct vmclock_page) == 112, "ABI");
_Static_assert(sizeof(struct vmclock_page) <= PAGE_COPY_MAX, "fits a copy");

#define VMCLOCK_MAGIC 0x4b4c4356U /* "VCLK" */

enum vmclock_counter_id {
	VMCLOCK_COUNTER_ARM_VCNT = 0,
	VMCLOCK_COUNTER_X86_TSC = 1,
};

enum vmclock_time_type {
	VMCLOCK_TIME_UTC = 0,
	VMCLOCK_TIME_TAI = 1,
	VMCLOCK_TIME_MONOTONIC = 2,
};

enum vmclock_status {
	VMCLOCK_STATUS_SYNCHRONIZED = 2,
	VMCLOCK_STATUS_FREERUNNING = 3,
};

#define VMCLOCK_FLAG_TAI_OFFSET_VALID	    (1U << 0)
#define VMCLOCK_FLAG_PERIOD_MAXERROR_VALID  (1U << 4)
#define VMCLOCK_FLAG_TIME_MAXERROR_VALID    (1U << 6)
#define VMCLOCK_FLAG_TIME_MONOTONIC	    (1U << 7)
#define VMCLOCK_FLAG_VM_GEN_COUNTER_PRESENT (1U << 8)
/* This library's own flags. The specification assigns its bits from below, and
 * readers ignore unknown ones. See docs/decisions/0023 and 0027. */
#define VMCLOCK_FLAG_INFERRED	((uint64_t)1 << 62)
#define VMCLOCK_FLAG_OWN_KERNEL ((uint64_t)1 << 63)

/* Where the words begin that a conversion watches: seq_count, the marker, the
 * flags, the status. */
#define VMCLOCK_WATCHED_OFFSET 8

/* What the reader knows besides the page. */
struct vmclock_limits {
	uint64_t max_age_ns; /* 0: the page's own limit */
	uint8_t counter_id;  /* enum paraclock_counter */
	/* Older than this it is never believed; 0: no such limit. */
	uint64_t age_cap_ns;
};

PCLK_SHARED extern const struct page_shape pclk_vmclock_shape;

/* Decode a copy: fields that its size does not cover become 0. NULL: it is a
 * vmclock page; else the field that shows that it is not. */
const char *pclk_vmclock_decode(const struct page_copy *copy,
				struct vmclock_page *ret_vc);

/* What the page says at a counter value. -EPROTO: *ret_bad names the wrong
 * field; -ERANGE: the time does not fit. */
int pclk_vmclock_convert(const struct vmclock_page *vc,
			 const struct vmclock_limits *limits, uint64_t counter,
			 struct paraclock_sample *ret_sample,
			 const char **ret_bad);

/* What it says until it changes; sample is what it says at some counter. */
void pclk_vmclock_conversion(const struct vmclock_page *vc,
			     const struct vmclock_limits *limits,
			     const struct paraclock_sample *sample,
			     struct paraclock_conversion *ret_conv);

#endif
