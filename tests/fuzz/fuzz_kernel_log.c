// SPDX-License-Identifier: MIT
/* A record of the kernel's log, in a buffer that ends where it does: it counts
 * only if the kernel wrote it and its first line is the wanted one, whole. */

#include <stdio.h>
#include <string.h>

#include "fuzz_page.h"
#include "linux/generation.h"

#define WANTED "random: crng reseeded due to virtual machine fork\n"

/* As scanf(3) sees it. It skips blanks before a number and takes signs, which
 * the kernel never writes: then our answer may only be no. */
static bool may_be(const char *text)
{
	unsigned long long first, second, third;
	int used = 0;
	const char *at;

	if (sscanf(text, "%llu,%llu,%llu,%n", &first, &second, &third, &used) <
		    3 ||
	    !used)
		return false;
	at = strchr(text + used, ';');
	return first < 8 && at && !strncmp(at + 1, WANTED, strlen(WANTED));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char good[] = "5,1,2,-;" WANTED;
	char *record = malloc(size ? size : 1);
	char *text = calloc(1, size + sizeof(good));
	bool is;

	CHECK(record && text);
	if (size)
		memcpy(record, data, size);
	is = pclk_kernel_log_is_generation(record, size);
	if (size)
		memcpy(text, data, size);
	/* A NUL is in no record that the kernel writes. */
	if (is && !memchr(record, '\0', size))
		CHECK(may_be(text));
	/* What follows the line changes nothing. */
	memcpy(text, good, sizeof(good) - 1);
	if (size)
		memcpy(text + sizeof(good) - 1, data, size);
	CHECK(pclk_kernel_log_is_generation(text, size + sizeof(good) - 1));
	/* Neither does a process that wrote it become the kernel. */
	text[0] = '8';
	CHECK(!pclk_kernel_log_is_generation(text, size + sizeof(good) - 1));
	free(text);
	free(record);
	return 0;
}
