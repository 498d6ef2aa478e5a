// SPDX-License-Identifier: MIT
#include <string.h>

#include "fuzz_page.h"
#include "vmclock/vmclock_page.h"

static int malformed(const char *field, const char **ret_bad)
{
	*ret_bad = field;
	return -EPROTO;
}

static int convert(const uint8_t *page, size_t size,
		   const struct paraclock_env *env, uint64_t max_age_ns,
		   uint64_t counter, struct paraclock_sample *ret_sample,
		   const char **ret_bad)
{
	const struct vmclock_limits limits = {
		.max_age_ns = max_age_ns,
		.counter_id = env->counter_id,
	};
	struct page_copy copy = { .size = size };
	struct vmclock_page vc;

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
	return pclk_vmclock_convert(&vc, &limits, counter, ret_sample, ret_bad);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_kind kind = { "vmclock", &pclk_vmclock_shape,
					       convert };

	fuzz_page(&kind, data, size);
	return 0;
}
