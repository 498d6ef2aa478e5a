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

/* --- hostile trees, by hand ----------------------------------------------- */

/* Words of the smallest tree that announces a vmclock. */
enum {
	TOTAL_SIZE = 1,
	STRUCT_AT,
	STRINGS_AT,
	RESERVED_AT,
	VERSION,
	COMPATIBLE_VERSION,
	STRINGS_SIZE = 8,
	STRUCT_SIZE,
	RESERVED,
	RESERVED_SIZE = RESERVED + 2,
	ROOT = RESERVED + 4,
	NODE = ROOT + 2,
	NODE_NAME,
	PROPERTY,
	LENGTH,
	NAME,
	VALUE,
	NODE_END = VALUE + 4,
	ROOT_END,
	TREE_END,
	STRINGS,
	WORDS = STRINGS + 3,
};

#define BYTES(words) ((uint32_t)(words)*4)

/* In the machine's byte order. */
static const uint32_t smallest[WORDS] = {
	[0] = FDT_MAGIC,
	[TOTAL_SIZE] = BYTES(WORDS),
	[STRUCT_AT] = BYTES(ROOT),
	[STRINGS_AT] = BYTES(STRINGS),
	[RESERVED_AT] = BYTES(RESERVED),
	[VERSION] = 17,
	[COMPATIBLE_VERSION] = 16,
	[STRINGS_SIZE] = BYTES(WORDS - STRINGS),
	[STRUCT_SIZE] = BYTES(STRINGS - ROOT),
	[ROOT] = FDT_BEGIN_NODE,
	[NODE] = FDT_BEGIN_NODE,
	[NODE_NAME] = 0x70747000, /* ptp */
	[PROPERTY] = FDT_PROP,
	[LENGTH] = sizeof(VMCLOCK),
	[VALUE] = 0x616d617a, /* amazon,vmclock */
	[VALUE + 1] = 0x6f6e2c76,
	[VALUE + 2] = 0x6d636c6f,
	[VALUE + 3] = 0x636b0000,
	[NODE_END] = FDT_END_NODE,
	[ROOT_END] = FDT_END_NODE,
	[TREE_END] = FDT_END,
	[STRINGS] = 0x636f6d70, /* compatible */
	[STRINGS + 1] = 0x61746962,
	[STRINGS + 2] = 0x6c650000,
};

/* Not const: cmocka hands the row to the test as a plain void pointer. */
static struct change {
	const char *name;
	struct {
		unsigned int at;
		uint32_t word;
	} change[2]; /* the magic, at 0, stays */
	bool found;
} changes[] = {
	/* clang-format off */
	{ "the smallest tree", { { 0 } }, true },
	{ "a later version that an older reader understands",
	  { { VERSION, 18 } }, true },
	{ "a version that does not state the structure's size",
	  { { VERSION, 16 } }, false },
	{ "a version that only a later reader understands",
	  { { VERSION, 18 }, { COMPATIBLE_VERSION, 18 } }, false },

	{ "a property that leads back to itself",
	  { { LENGTH, (uint32_t)-12 } }, false },
	{ "a property that leads back to its node",
	  { { LENGTH, (uint32_t)-20 } }, false },
	{ "a property that leads back to the root",
	  { { LENGTH, (uint32_t)-28 } }, false },
	{ "a property that leads back to its own name",
	  { { LENGTH, (uint32_t)-4 }, { NAME, FDT_NOP } }, false },
	{ "a property of length -1", { { LENGTH, UINT32_MAX } }, false },
	{ "a property of the largest length", { { LENGTH, INT32_MAX } }, false },
	{ "a property of the smallest length",
	  { { LENGTH, (uint32_t)INT32_MIN } }, false },
	{ "a property as long as the rest of its block",
	  { { LENGTH, BYTES(STRINGS - VALUE) } }, false },
	{ "a property one byte longer than that",
	  { { LENGTH, BYTES(STRINGS - VALUE) + 1 } }, false },
	{ "a property up to the end of the tree",
	  { { LENGTH, BYTES(WORDS - VALUE) } }, false },
	{ "a property whose padding is beyond its block",
	  { { LENGTH, 13 }, { STRUCT_SIZE, BYTES(VALUE - ROOT) + 13 } }, false },
	{ "a property that swallows the end of its node",
	  { { LENGTH, BYTES(ROOT_END - VALUE) } }, false },
	{ "a string with no end but the padding",
	  { { LENGTH, sizeof(VMCLOCK) - 1 } }, false },
	{ "a string and the padding behind it",
	  { { LENGTH, sizeof(VMCLOCK) + 1 } }, true },
	{ "a property without a value", { { LENGTH, 0 } }, false },

	{ "a property's name behind the strings",
	  { { NAME, BYTES(WORDS - STRINGS) } }, false },
	{ "a property's name far behind the strings",
	  { { NAME, UINT32_MAX } }, false },
	{ "a property's name before the strings",
	  { { NAME, (uint32_t)-4 } }, false },
	{ "a property's name without its end",
	  { { STRINGS_SIZE, 10 } }, false },
	{ "a property's name with the last byte as its end",
	  { { STRINGS_SIZE, 11 } }, true },
	{ "a node's name without its end",
	  { { NODE_NAME, 0x70747070 }, { STRUCT_SIZE, BYTES(PROPERTY - ROOT) } },
	  false },
	{ "a node's name with its end behind the block",
	  { { NODE_NAME, 0x70747070 },
	    { STRUCT_SIZE, BYTES(PROPERTY - ROOT) + 3 } }, false },

	{ "tag 0", { { PROPERTY, 0 } }, false },
	{ "an unknown tag", { { PROPERTY, 5 } }, false },
	{ "a tag in the other byte order", { { PROPERTY, 3U << 24 } }, false },
	{ "no end", { { TREE_END, FDT_NOP } }, false },
	{ "an end behind the block",
	  { { STRUCT_SIZE, BYTES(TREE_END - ROOT) } }, false },
	{ "an end inside of a node", { { ROOT_END, FDT_END } }, false },
	{ "a node's end too many",
	  { { NODE, FDT_END_NODE }, { NODE_NAME, FDT_NOP } }, false },

	{ "a tree that is longer than its file",
	  { { TOTAL_SIZE, BYTES(WORDS) + 1 } }, false },
	{ "a tree that is shorter than its header", { { TOTAL_SIZE, 39 } },
	  false },
	{ "a tree of the largest size", { { TOTAL_SIZE, UINT32_MAX } }, false },
	{ "a structure inside of the header", { { STRUCT_AT, 36 } }, false },
	{ "a structure that is not aligned",
	  { { STRUCT_AT, BYTES(ROOT) + 2 } }, false },
	{ "a structure behind the tree",
	  { { STRUCT_AT, BYTES(WORDS) + 4 } }, false },
	{ "a structure at the largest place",
	  { { STRUCT_AT, (uint32_t)-4 } }, false },
	{ "a structure whose size wraps round to the header",
	  { { STRUCT_SIZE, (uint32_t)-BYTES(ROOT - RESERVED) } }, false },
	{ "a structure of the largest size", { { STRUCT_SIZE, UINT32_MAX } },
	  false },
	{ "a structure of one byte", { { STRUCT_SIZE, 1 } }, false },
	{ "a structure without size", { { STRUCT_SIZE, 0 } }, false },
	{ "strings behind the tree",
	  { { STRINGS_AT, BYTES(WORDS) + 1 } }, false },
	{ "strings whose size wraps round",
	  { { STRINGS_SIZE, (uint32_t)-BYTES(STRINGS - RESERVED) } }, false },
	{ "strings longer than the rest of the tree",
	  { { STRINGS_SIZE, BYTES(WORDS - STRINGS) + 1 } }, false },
	{ "no strings", { { STRINGS_SIZE, 0 } }, false },
	{ "reservations behind the tree",
	  { { RESERVED_AT, BYTES(WORDS + 1) } }, false },
	{ "reservations that the end of the tree cuts off",
	  { { RESERVED_AT, BYTES(WORDS - 3) } }, false },
	{ "reservations at the largest place",
	  { { RESERVED_AT, (uint32_t)-8 } }, false },
	{ "reservations that are not aligned",
	  { { RESERVED_AT, BYTES(RESERVED) + 4 } }, false },
	{ "reservations inside of the header", { { RESERVED_AT, 32 } }, false },
	{ "reservations without end", { { RESERVED_SIZE, 1 } }, false },
	/* clang-format on */
};

static void check_change(void **state)
{
	const struct change *c = *state;
	fdt32_t fdt[WORDS];

	for (size_t i = 0; i < WORDS; i++)
		fdt[i] = cpu_to_fdt32(smallest[i]);
	for (size_t i = 0; i < ARRAY_LEN(c->change); i++)
		if (c->change[i].at)
			fdt[c->change[i].at] = cpu_to_fdt32(c->change[i].word);
	assert_int_equal(detect_exactly((char *)fdt, sizeof(fdt), VMCLOCK),
			 c->found);
}

#define TREE_MAX (2U << 20)

/* What repeats within the smallest tree. */
struct storm {
	unsigned int at; /* before this word */
	uint32_t group[3];
	unsigned int count;
	unsigned int letters; /* of one more string, behind "compatible" */
	bool without_end;
};

#define MORE_STRINGS BYTES(WORDS - STRINGS)

static size_t make_storm(fdt32_t *fdt, const struct storm *storm)
{
	size_t more = storm->count * ARRAY_LEN(storm->group), strings;

	for (size_t i = 0; i < WORDS; i++)
		fdt[i < storm->at ? i : i + more] = cpu_to_fdt32(smallest[i]);
	for (size_t i = 0; i < more; i++)
		fdt[storm->at + i] = cpu_to_fdt32(storm->group[i % 3]);
	strings = BYTES(WORDS + more);
	memset((char *)fdt + strings, 'x', storm->letters);
	((char *)fdt)[strings + storm->letters] = '\0';
	if (storm->without_end)
		fdt[TREE_END + more] = cpu_to_fdt32(FDT_NOP);
	fdt[STRINGS_SIZE] = cpu_to_fdt32(MORE_STRINGS + storm->letters + 1);
	fdt[STRINGS_AT] = cpu_to_fdt32(BYTES(STRINGS + more));
	fdt[STRUCT_SIZE] = cpu_to_fdt32(BYTES(STRINGS - ROOT + more));
	fdt[TOTAL_SIZE] = cpu_to_fdt32((uint32_t)strings + storm->letters + 1);
	return strings + storm->letters + 1;
}

static int detect_in_storm(const struct storm *storm)
{
	fdt32_t *fdt = malloc(TREE_MAX);
	size_t size;
	int ret;

	assert_non_null(fdt);
	size = make_storm(fdt, storm);
	assert_in_range(size, 1, TREE_MAX);
	ret = detect_exactly((char *)fdt, size, VMCLOCK);
	free(fdt);
	return ret;
}

static void a_storm_of_nops_is_passed(void **state)
{
	struct storm storm = { PROPERTY,
			       { FDT_NOP, FDT_NOP, FDT_NOP },
			       TREE_MAX / 12 - WORDS,
			       0,
			       false };

	(void)state;
	assert_int_equal(detect_in_storm(&storm), 1);
	storm.at = ROOT;
	assert_int_equal(detect_in_storm(&storm), 1);
	storm.at = ROOT_END;
	assert_int_equal(detect_in_storm(&storm), 1);
	/* To the end of the block, without the end of the tree. */
	storm.without_end = true;
	assert_int_equal(detect_in_storm(&storm), 0);
}

static void a_storm_of_properties_is_passed(void **state)
{
	struct storm storm = { PROPERTY,
			       { FDT_PROP, 0, MORE_STRINGS },
			       TREE_MAX / 16,
			       255,
			       false };

	(void)state;
	assert_int_equal(detect_in_storm(&storm), 1);
	/* The root's, too, but none outside of it. */
	storm.at = NODE;
	assert_int_equal(detect_in_storm(&storm), 1);
	storm.at = ROOT;
	assert_int_equal(detect_in_storm(&storm), 0);
	storm.at = TREE_END;
	assert_int_equal(detect_in_storm(&storm), 0);
}

/* Each property costs a search for the end of its name. */
static void a_property_with_too_long_a_name_is_refused(void **state)
{
	struct storm storm = { PROPERTY,
			       { FDT_PROP, 0, MORE_STRINGS },
			       TREE_MAX / 32,
			       256,
			       false };

	(void)state;
	assert_int_equal(detect_in_storm(&storm), 0);
	storm.letters = TREE_MAX / 2;
	assert_int_equal(detect_in_storm(&storm), 0);
}

static void a_storm_of_nodes_is_passed(void **state)
{
	struct storm storm = { NODE,
			       { FDT_BEGIN_NODE, 0, FDT_END_NODE },
			       TREE_MAX / 16,
			       0,
			       false };

	(void)state;
	assert_int_equal(detect_in_storm(&storm), 1);
	/* A second root and a node without end are another matter. */
	storm.at = TREE_END;
	assert_int_equal(detect_in_storm(&storm), 0);
	storm.at = NODE;
	storm.group[2] = FDT_NOP;
	assert_int_equal(detect_in_storm(&storm), 0);
}

static void the_depth_of_a_tree_is_limited(void **state)
{
	char fdt[4096];

	(void)state;
	for (int depth = 63; depth <= 66; depth++) {
		assert_int_equal(fdt_create(fdt, sizeof(fdt)), 0);
		assert_int_equal(fdt_finish_reservemap(fdt), 0);
		for (int i = 0; i < depth; i++)
			assert_int_equal(fdt_begin_node(fdt, i ? "n" : ""), 0);
		assert_int_equal(
			fdt_property_string(fdt, "compatible", VMCLOCK), 0);
		for (int i = 0; i < depth; i++)
			assert_int_equal(fdt_end_node(fdt), 0);
		assert_int_equal(fdt_finish(fdt), 0);
		assert_int_equal(detect_exactly(fdt, fdt_totalsize(fdt),
						VMCLOCK),
				 depth <= 64);
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
		TEST("a storm of NOPs is passed", a_storm_of_nops_is_passed),
		TEST("a storm of properties is passed",
		     a_storm_of_properties_is_passed),
		TEST("a property with too long a name is refused",
		     a_property_with_too_long_a_name_is_refused),
		TEST("a storm of nodes is passed", a_storm_of_nodes_is_passed),
		TEST("the depth of a tree is limited",
		     the_depth_of_a_tree_is_limited),
	};

	ADD_TESTS(tests);
	ADD_ROWS(changes, check_change);
	return run_suite(NULL, NULL);
}
