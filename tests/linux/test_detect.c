// SPDX-License-Identifier: MIT
/* Looking for a device in a flattened tree that may be anything. */

#include <libfdt.h>

#include "fake.h"
#include "linux/detect.h"

#define VMCLOCK "amazon,vmclock"
#define VMGENID "microsoft,vmgenid"

/* A machine's tree, with a vmclock deep in it, or none. */
static int make_tree(char *fdt, int size, bool with_vmclock)
{
	/* A list of two; the second counts as much as the first. */
	static const char two[] = "acme,clock\0" VMCLOCK;

	assert_int_equal(fdt_create(fdt, size), 0);
	assert_int_equal(fdt_finish_reservemap(fdt), 0);
	assert_int_equal(fdt_begin_node(fdt, ""), 0);
	assert_int_equal(fdt_property_string(fdt, "compatible", "acme,board"),
			 0);
	assert_int_equal(fdt_property_u32(fdt, "#address-cells", 2), 0);
	assert_int_equal(fdt_begin_node(fdt, "soc"), 0);
	if (with_vmclock) {
		assert_int_equal(fdt_begin_node(fdt, "ptp@80000000"), 0);
		assert_int_equal(
			fdt_property(fdt, "compatible", two, sizeof(two)), 0);
		assert_int_equal(fdt_property_u64(fdt, "reg", 0x80000000), 0);
		assert_int_equal(fdt_end_node(fdt), 0);
	}
	/* A name is not what a node is compatible with. */
	assert_int_equal(fdt_begin_node(fdt, VMGENID), 0);
	assert_int_equal(fdt_property_string(fdt, "model", VMGENID), 0);
	assert_int_equal(fdt_end_node(fdt), 0);
	assert_int_equal(fdt_end_node(fdt), 0);
	assert_int_equal(fdt_end_node(fdt), 0);
	assert_int_equal(fdt_finish(fdt), 0);
	return (int)fdt_totalsize(fdt);
}

/* In memory of exactly its size, where a sanitizer sees a step too far. */
static int detect_exactly(const char *fdt, size_t size, const char *compatible)
{
	char *copy = malloc(size ? size : 1);
	int ret;

	assert_non_null(copy);
	memcpy(copy, fdt, size);
	ret = pclk_detect_in_fdt(copy, size, compatible);
	free(copy);
	return ret;
}

static void an_announced_device_is_found(void **state)
{
	char fdt[1024];
	size_t size = (size_t)make_tree(fdt, sizeof(fdt), true);

	(void)state;
	assert_int_equal(detect_exactly(fdt, size, VMCLOCK), 1);
	assert_int_equal(detect_exactly(fdt, size, "acme,clock"), 1);
	assert_int_equal(detect_exactly(fdt, size, "acme,board"), 1);
	/* A file may be longer than its tree. */
	assert_int_equal(detect_exactly(fdt, sizeof(fdt), VMCLOCK), 1);
}

static void an_absent_device_is_not_found(void **state)
{
	char fdt[1024];
	size_t size = (size_t)make_tree(fdt, sizeof(fdt), false);

	(void)state;
	assert_int_equal(detect_exactly(fdt, size, VMCLOCK), 0);
	assert_int_equal(detect_exactly(fdt, size, VMGENID), 0);
	assert_int_equal(detect_exactly(fdt, size, "amazon,vm"), 0);
}

static void a_tree_that_is_cut_holds_nothing(void **state)
{
	char fdt[1024];
	size_t size = (size_t)make_tree(fdt, sizeof(fdt), true);

	(void)state;
	for (size_t cut = 0; cut < size; cut++)
		assert_int_equal(detect_exactly(fdt, cut, VMCLOCK), 0);
}

static uint32_t next(uint32_t *rng)
{
	*rng = *rng * 1664525 + 1013904223;
	return *rng >> 8;
}

static void a_tree_with_flipped_bytes_does_no_harm(void **state)
{
	char fdt[1024], bad[1024];
	size_t size = (size_t)make_tree(fdt, sizeof(fdt), true);
	uint32_t rng = 1, found = 0;

	(void)state;
	/* Each byte alone, then a few at once. */
	for (size_t i = 0; i < 256 * size; i++) {
		memcpy(bad, fdt, size);
		bad[i / 256] = (char)(i % 256);
		found += (uint32_t)detect_exactly(bad, size, VMCLOCK);
	}
	for (unsigned int i = 0; i < 100000; i++) {
		memcpy(bad, fdt, size);
		for (unsigned int k = 0; k < 1 + i % 4; k++)
			bad[next(&rng) % size] = (char)next(&rng);
		found += (uint32_t)detect_exactly(bad, size, VMCLOCK);
	}
	/* Some flips hit bytes that matter, and some hit bytes that do not. */
	assert_in_range(found, 1, 256 * size + 100000 - 1);
}

static void noise_is_no_tree(void **state)
{
	char noise[512];
	uint32_t rng = 2;

	(void)state;
	for (unsigned int i = 0; i < 100000; i++) {
		size_t size = next(&rng) % sizeof(noise);

		for (size_t k = 0; k < size; k++)
			noise[k] = (char)next(&rng);
		/* Half of them with the right magic. */
		if (i & 1 && size >= 4)
			memcpy(noise, "\xd0\x0d\xfe\xed", 4);
		assert_int_equal(detect_exactly(noise, size, VMCLOCK), 0);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		TEST("an announced device is found",
		     an_announced_device_is_found),
		TEST("an absent device is not found",
		     an_absent_device_is_not_found),
		TEST("a tree that is cut holds nothing",
		     a_tree_that_is_cut_holds_nothing),
		TEST("a tree with flipped bytes does no harm",
		     a_tree_with_flipped_bytes_does_no_harm),
		TEST("noise is no tree", noise_is_no_tree),
	};

	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
