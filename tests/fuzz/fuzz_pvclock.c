// SPDX-License-Identifier: MIT
#include <string.h>

#include "fuzz_page.h"
#include "kvmclock/pvclock.h"

static int convert(const uint8_t *page, size_t size,
		   const struct paraclock_env *env, uint64_t max_age_ns,
		   uint64_t counter, struct paraclock_sample *ret_sample,
		   const char **ret_bad)
{
	const struct pvclock_limits limits = {
		.max_age_ns = max_age_ns ? max_age_ns : UINT64_MAX,
		.stable_mask = PVCLOCK_TSC_STABLE,
	};
	struct pvclock pv;
	int ret;

	if (size < sizeof(pv)) {
		*ret_bad = "size";
		return -EPROTO;
	}
	memcpy(&pv, page, sizeof(pv));
	if (pv.version & 1)
		return -EAGAIN;
	ret = pclk_pvclock_convert(
		&pv, &limits, fuzz_has_tsc(env) ? counter : pv.tsc_timestamp,
		ret_sample, ret_bad);
	if (!ret && !fuzz_has_tsc(env))
		fuzz_foreign(ret_sample, counter);
	return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_kind kind = { "kvmclock", &pclk_pvclock_shape,
					       convert };

	fuzz_page(&kind, data, size);
	return 0;
}
