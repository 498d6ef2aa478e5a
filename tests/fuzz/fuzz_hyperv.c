// SPDX-License-Identifier: MIT
#include <string.h>

#include "fuzz_page.h"
#include "hyperv/hyperv_page.h"

static int convert(const uint8_t *page, size_t size,
		   const struct paraclock_env *env, uint64_t max_age_ns,
		   uint64_t counter, struct paraclock_sample *ret_sample,
		   const char **ret_bad)
{
	struct hyperv_page hv;
	int ret;

	(void)max_age_ns;
	if (size < pclk_hyperv_shape.min_size) {
		*ret_bad = "size";
		return -EPROTO;
	}
	memcpy(&hv, page, sizeof(hv));
	ret = pclk_hyperv_convert(&hv, counter, ret_sample, ret_bad);
	if (!ret && !ret_sample->reason && !fuzz_has_tsc(env)) {
		fuzz_foreign(ret_sample, counter);
		ret_sample->host_ns = 0;
	}
	return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct fuzz_kind kind = { "hyperv", &pclk_hyperv_shape,
					       convert };

	fuzz_page(&kind, data, size);
	return 0;
}
