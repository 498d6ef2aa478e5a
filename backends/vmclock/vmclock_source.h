/* SPDX-License-Identifier: MIT */
/* A vmclock page as a source: what the device and the served page share. */
#ifndef VMCLOCK_SOURCE_H
#define VMCLOCK_SOURCE_H

#include "boot_id.h"
#include "page/page_kind.h"
#include "vmclock_page.h"

struct vmclock {
	struct page page;
	struct vmclock_limits limits;
	uint32_t is_inferred; /* by the flags at the last read of the marker */
	struct boot_id boot;  /* this boot's; zero: not known */
	/* 1: whatever the page says, it repeats this kernel's clock. */
	uint8_t always_own;
};

_Static_assert(offsetof(struct vmclock, page) == 0, "a page is its source");

/* Of a struct page_kind. */
void pclk_vmclock_init(struct page *page, const struct paraclock_options *opts);

/* Members of a struct paraclock_backend. */
int pclk_vmclock_get_conversion(void *state,
				struct paraclock_sample *ret_sample,
				struct paraclock_conversion *ret_conv);
int pclk_vmclock_get_time(void *state, struct paraclock_sample *ret_sample);
int pclk_vmclock_get_time_at(void *state, uint64_t counter,
			     struct paraclock_sample *ret_sample);
int pclk_vmclock_get_marker(void *state, struct paraclock_marker *ret_marker);
int pclk_vmclock_get_conversion_marker(void *state,
				       struct paraclock_sample *ret_sample,
				       struct paraclock_conversion *ret_conv,
				       struct paraclock_marker *ret_marker);
int pclk_vmclock_watch_marker(void *state, const uint64_t *ret_words[2]);
int pclk_vmclock_has_generation(void *state);
void pclk_vmclock_explain(void *state, int error,
			  const struct paraclock_sample *sample, char *buf,
			  size_t size);

#endif
