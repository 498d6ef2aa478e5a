// SPDX-License-Identifier: MIT
#include <string.h>

#include "fuzz_page.h"
#include "vmclock/vmclock_page.h"

static int malformed(const char *field, const char **ret_bad)
{
	*ret_bad = field;
	return -EPROTO;
}

#define SERVED_NS 60000000000U

/* What the page says, read as the device's or as the served one. */
static int convert(const uint8_t *page, size_t size,
		   const struct vmclock_limits *limits, uint64_t counter,
		   struct paraclock_sample *ret_sample, const char **ret_bad)
{
	struct page_copy copy = { .size = size };
	struct vmclock_page vc;
	int ret;

	if (size > sizeof(vc))
		copy.size = sizeof(vc);
	memcpy(copy.word, page, copy.size);
	memcpy(&vc, copy.word, sizeof(vc));
	/* The marker is looked at first, whatever the sequence. */
	if (size < pclk_vmclock_shape.min_size)
		return malformed("size", ret_bad);
	if (vc.magic != VMCLOCK_MAGIC)
		return malformed("magic", ret_bad);
	if (vc.seq_count & 1)
		return -EAGAIN;
	*ret_bad = pclk_vmclock_decode(&copy, &vc);
	if (*ret_bad)
		return -EPROTO;
	ret = pclk_vmclock_convert(&vc, limits, counter, ret_sample, ret_bad);
	/* This env has no boot id, so any kernel may be its own. */
	if (!ret && (limits->age_cap_ns || vc.flags & VMCLOCK_FLAG_OWN_KERNEL))
		ret_sample->flags |= PARACLOCK_FLAG_OWN_KERNEL;
	return ret;
}

static int convert_vmclock(const uint8_t *page, size_t size,
			   const struct paraclock_env *env, uint64_t max_age_ns,
			   uint64_t counter,
			   struct paraclock_sample *ret_sample,
			   const char **ret_bad)
{
	const struct vmclock_limits limits = {
		.max_age_ns = max_age_ns,
		.counter_id = env->counter_id,
	};

	return convert(page, size, &limits, counter, ret_sample, ret_bad);
}

static int convert_served(const uint8_t *page, size_t size,
			  const struct paraclock_env *env, uint64_t max_age_ns,
			  uint64_t counter, struct paraclock_sample *ret_sample,
			  const char **ret_bad)
{
	const struct vmclock_limits limits = {
		.max_age_ns = max_age_ns,
		.counter_id = env->counter_id,
		.age_cap_ns = SERVED_NS,
	};

	return convert(page, size, &limits, counter, ret_sample, ret_bad);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct page_shape shape = pclk_vmclock_shape;
	const struct fuzz_kind vmclock = { "vmclock", &pclk_vmclock_shape,
					   convert_vmclock };
	const struct fuzz_kind served = { "served", &shape, convert_served };

	shape.name = "served";
	fuzz_page(&vmclock, data, size);
	fuzz_page(&served, data, size);
	return 0;
}
