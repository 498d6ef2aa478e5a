// SPDX-License-Identifier: MIT
/* /proc/iomem: the same in pieces as in one, and a range that a line gives. */

#include <string.h>

#include "fuzz_page.h"
#include "linux/iomem.h"

/* How often the sizes of the pieces change. */
#define PIECES 8

static void parse_in_pieces(struct iomem_parser *parser, const uint8_t *sizes,
			    const char *text, size_t size)
{
	for (unsigned int i = 0; size; i++) {
		size_t n = sizes[i % PIECES];

		/* Empty pieces are pieces, too; but not for ever. */
		if (i % PIECES == 0 && n == 0)
			n = 1;
		if (n > size)
			n = size;
		pclk_iomem_parse(parser, text, n);
		text += n;
		size -= n;
	}
}

/* The range stands there as the kernel prints it, perhaps with more zeros. */
static void check_range(const struct iomem_found *found, const char *text,
			size_t size)
{
	char first[24], last[48];

	CHECK(found->is_named);
	CHECK(found->start && found->start + found->size - 1 >= found->start);
	snprintf(first, sizeof(first), "%llx-",
		 (unsigned long long)found->start);
	snprintf(last, sizeof(last), "%llx : NAME:",
		 (unsigned long long)(found->start + found->size - 1));
	CHECK(memmem(text, size, first, strlen(first)));
	CHECK(memmem(text, size, last, strlen(last)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct iomem_parser whole = { .name = "NAME" };
	struct iomem_parser pieces = { .name = "NAME" };
	const char *text = (const char *)data + PIECES;

	if (size < PIECES)
		return 0;
	size -= PIECES;
	pclk_iomem_parse(&whole, text, size);
	parse_in_pieces(&pieces, data, text, size);
	CHECK(whole.found.start == pieces.found.start);
	CHECK(whole.found.size == pieces.found.size);
	CHECK(whole.found.is_named == pieces.found.is_named);
	CHECK(whole.found.is_hidden == pieces.found.is_hidden);
	CHECK(whole.used == pieces.used);
	CHECK(whole.overlong == pieces.overlong);
	if (whole.found.size)
		check_range(&whole.found, text, size);
	if (whole.found.is_named || whole.found.is_hidden)
		CHECK(memmem(text, size, " : NAME:", 8));
	return 0;
}
