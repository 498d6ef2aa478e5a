// SPDX-License-Identifier: MIT
/* A uevent, in a buffer that ends where it does: a generation is one of its
 * strings, whole. */

#include <string.h>

#include "fuzz_page.h"
#include "linux/generation.h"

static const char wanted[] = "\0NEW_VMGENID=1";

/* With a NUL before it each string stands between two. */
static bool is_there(const char *message, size_t size)
{
	char *text = calloc(1, size + 1);
	bool found;

	CHECK(text);
	if (size)
		memcpy(text + 1, message, size);
	found = memmem(text, size + 1, wanted, sizeof(wanted)) != NULL;
	free(text);
	return found;
}

static void check_both(const void *first, size_t size, const void *second,
		       size_t more)
{
	char *text = calloc(1, size + more);

	CHECK(text);
	if (size)
		memcpy(text, first, size);
	if (more)
		memcpy(text + size, second, more);
	CHECK(pclk_uevent_is_generation(text, size + more));
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *message = malloc(size ? size : 1);

	CHECK(message);
	if (size)
		memcpy(message, data, size);
	CHECK(pclk_uevent_is_generation(message, size) ==
	      is_there(message, size));
	/* No string before or after it spoils it. */
	check_both(message, size, wanted, sizeof(wanted));
	check_both(wanted + 1, sizeof(wanted) - 1, message, size);
	free(message);
	return 0;
}
