// SPDX-License-Identifier: MIT
/* /proc/self/maps: the same in pieces as in one, and a page within it. */

#include <errno.h>
#include <string.h>

#include "fuzz_page.h"
#include "linux/vvar.h"

/* How often the sizes of the pieces change. */
#define PIECES 8

static void parse_in_pieces(struct vvar_parser *parser, const uint8_t *sizes,
			    const char *text, size_t size)
{
	for (unsigned int i = 0; size; i++) {
		size_t n = sizes[i % PIECES];

		/* Empty pieces are pieces, too; but not for ever. */
		if (i % PIECES == 0 && n == 0)
			n = 1;
		if (n > size)
			n = size;
		pclk_vvar_parse(parser, text, n);
		text += n;
		size -= n;
	}
}

static void check_choice(const struct vvar_map *map, enum vvar_page page,
			 uint32_t kernel)
{
	uint64_t address = 1;
	const char *why = NULL;
	int ret = pclk_vvar_choose(map, page, kernel, &address, &why);
	uint64_t start = map->vclock_pages ? map->vclock : map->vvar;
	uint64_t pages =
		map->vclock_pages ? map->vclock_pages : map->vvar_pages;

	if (ret) {
		CHECK(ret == -ENODEV);
		CHECK(why && address == 1);
		return;
	}
	CHECK(!why);
	CHECK(address % VVAR_PAGE_SIZE == 0);
	CHECK(address >= start);
	CHECK(address - start < pages * VVAR_PAGE_SIZE);
	/* The first page of [vvar] is the kernel's time, never a clock's. */
	CHECK(map->vclock_pages || address > start);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct vvar_parser whole = { 0 }, pieces = { 0 };
	char release[16] = "";
	uint32_t kernel;

	if (size < PIECES + sizeof(release) - 1)
		return 0;
	memcpy(release, data + PIECES, sizeof(release) - 1);
	kernel = pclk_vvar_release(release);
	size -= PIECES + sizeof(release) - 1;
	pclk_vvar_parse(&whole,
			(const char *)data + PIECES + sizeof(release) - 1,
			size);
	parse_in_pieces(&pieces, data,
			(const char *)data + PIECES + sizeof(release) - 1,
			size);
	CHECK(memcmp(&whole.map, &pieces.map, sizeof(whole.map)) == 0);
	CHECK(whole.used == pieces.used);
	CHECK(whole.overlong == pieces.overlong);
	check_choice(&whole.map, VVAR_PVCLOCK, kernel);
	check_choice(&whole.map, VVAR_HYPERV, kernel);
	return 0;
}
