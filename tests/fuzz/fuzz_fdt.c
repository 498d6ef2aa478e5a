// SPDX-License-Identifier: MIT
/* A flattened device tree, in a buffer that ends where it does. */

#include <string.h>

#include "fuzz_page.h"
#include "linux/detect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	/* libfdt wants 8-byte alignment, which malloc() gives. */
	void *fdt = malloc(size);
	int found;

	if (!fdt)
		return 0;
	if (size)
		memcpy(fdt, data, size);
	found = pclk_detect_in_fdt(fdt, size, "amazon,vmclock");
	CHECK(found == 0 || found == 1);
	/* Only a node that is present may be found. */
	CHECK(!found || memmem(fdt, size, "amazon,vmclock", 15));
	found = pclk_detect_in_fdt(fdt, size, "microsoft,vmgenid");
	CHECK(!found || memmem(fdt, size, "microsoft,vmgenid", 18));
	free(fdt);
	return 0;
}
