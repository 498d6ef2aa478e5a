// SPDX-License-Identifier: MIT
/* Finding the hypervisor's pages in /proc/self/maps, of any kernel. */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "fake.h"
#include "linux/vvar.h"

#define KERNEL(major, minor) ((uint32_t)(major) << 16 | (minor))

/* A program's other lines, before and after. */
#define HEAD                                                                  \
	"55d5f7a3c000-55d5f7a3e000 r--p 00000000 fe:00 1835037              " \
	"      /usr/bin/cat\n"                                                \
	"7f2c7b000000-7f2c7b021000 rw-p 00000000 00:00 0 \n"                  \
	"7ffd5a1d6000-7ffd5a1f7000 rw-p 00000000 00:00 0                    " \
	"      [stack]\n"
#define LINE(range, name) \
	range " r--p 00000000 00:00 0                          " name "\n"
#define TAIL                                                                  \
	"7ffd5a1ff000-7ffd5a201000 r-xp 00000000 00:00 0                    " \
	"      [vdso]\n"                                                      \
	"ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0            " \
	"      [vsyscall]\n"

/* One, two, three and four pages, and where they are. */
#define AT     0x7ffd5a1f8000U
#define PAGES1 "7ffd5a1f8000-7ffd5a1f9000"
#define PAGES2 "7ffd5a1f8000-7ffd5a1fa000"
#define PAGES3 "7ffd5a1f8000-7ffd5a1fb000"
#define PAGES4 "7ffd5a1f8000-7ffd5a1fc000"
#define PAGES5 "7ffd5a1f8000-7ffd5a1fd000"
#define VCLOCK 0x7ffd5a1fc000U
#define VPAGE1 "7ffd5a1fc000-7ffd5a1fd000"
#define VPAGE2 "7ffd5a1fc000-7ffd5a1fe000"

struct layout_case {
	const char *name;
	const char *maps;
	uint32_t kernel;
	uint64_t pvclock, hyperv; /* 0: not shown. */
};

static struct layout_case layouts[] = {
	/* clang-format off */
	{ "two pages: the second is kvmclock's",
	  HEAD LINE(PAGES2, "[vvar]") TAIL,
	  KERNEL(4, 9), AT + 0x1000, 0 },
	{ "two pages are kvmclock's, whatever the release",
	  HEAD LINE(PAGES2, "[vvar]") TAIL, 0, AT + 0x1000, 0 },
	{ "three pages on 4.12 hold both",
	  HEAD LINE(PAGES3, "[vvar]") TAIL,
	  KERNEL(4, 12), AT + 0x1000, AT + 0x2000 },
	{ "three pages on 5.5 hold both",
	  HEAD LINE(PAGES3, "[vvar]") TAIL,
	  KERNEL(5, 5), AT + 0x1000, AT + 0x2000 },
	{ "three pages on 4.11 may be device registers",
	  HEAD LINE(PAGES3, "[vvar]") TAIL, KERNEL(4, 11), 0, 0 },
	{ "three pages on 3.16 may be device registers",
	  HEAD LINE(PAGES3, "[vvar]") TAIL, KERNEL(3, 16), 0, 0 },
	{ "three pages on an unknown release are left alone",
	  HEAD LINE(PAGES3, "[vvar]") TAIL, 0, 0, 0 },
	{ "four pages hold both",
	  HEAD LINE(PAGES4, "[vvar]") TAIL,
	  KERNEL(6, 1), AT + 0x1000, AT + 0x2000 },
	{ "vvar_vclock of 6.13 holds both, from its start",
	  HEAD LINE(PAGES2, "[vvar]") LINE(VPAGE2, "[vvar_vclock]") TAIL,
	  KERNEL(6, 13), VCLOCK, VCLOCK + 0x1000 },
	{ "vvar_vclock of 6.18 holds both, from its start",
	  HEAD LINE(PAGES4, "[vvar]") LINE(VPAGE2, "[vvar_vclock]") TAIL,
	  KERNEL(6, 18), VCLOCK, VCLOCK + 0x1000 },
	{ "vvar_vclock needs no vvar",
	  HEAD LINE(VPAGE2, "[vvar_vclock]") TAIL,
	  KERNEL(6, 18), VCLOCK, VCLOCK + 0x1000 },
	{ "vvar_vclock of one page has no second",
	  HEAD LINE(PAGES4, "[vvar]") LINE(VPAGE1, "[vvar_vclock]") TAIL,
	  KERNEL(6, 18), VCLOCK, 0 },
	{ "without vvar there is no page", HEAD TAIL, KERNEL(6, 1), 0, 0 },
	{ "without maps there is no page", "", KERNEL(6, 1), 0, 0 },
	{ "a vvar that may not be read is skipped",
	  HEAD PAGES4 " ---p 00000000 00:00 0    [vvar]\n" TAIL,
	  KERNEL(6, 1), 0, 0 },
	{ "one page is not a known layout",
	  HEAD LINE(PAGES1, "[vvar]") TAIL, KERNEL(6, 1), 0, 0 },
	{ "five pages are not a known layout",
	  HEAD LINE(PAGES5, "[vvar]") TAIL, KERNEL(6, 1), 0, 0 },
	{ "a file of that name is not vvar",
	  HEAD LINE(PAGES4, "/tmp/[vvar]") TAIL, KERNEL(6, 1), 0, 0 },
	{ "a file whose name ends in it is not vvar",
	  HEAD LINE(PAGES4, "/tmp/a [vvar]") TAIL, KERNEL(6, 1), 0, 0 },
	{ "a longer name is not vvar",
	  HEAD LINE(PAGES4, "[vvar] (deleted)") TAIL, KERNEL(6, 1), 0, 0 },
	{ "a named anonymous mapping is not vvar",
	  HEAD LINE(PAGES4, "[anon:[vvar]]") TAIL, KERNEL(6, 1), 0, 0 },
	{ "end before start is not a mapping",
	  HEAD LINE("7ffd5a1fc000-7ffd5a1f8000", "[vvar]") TAIL,
	  KERNEL(6, 1), 0, 0 },
	{ "end at start is not a mapping",
	  HEAD LINE("7ffd5a1f8000-7ffd5a1f8000", "[vvar]") TAIL,
	  KERNEL(6, 1), 0, 0 },
	{ "half a page is not a mapping",
	  HEAD LINE("7ffd5a1f8800-7ffd5a1fc800", "[vvar]") TAIL,
	  KERNEL(6, 1), 0, 0 },
	{ "all of memory is not vvar",
	  HEAD LINE("0-fffffffffffff000", "[vvar]") TAIL,
	  KERNEL(6, 1), 0, 0 },
	{ "more digits than 64 bits have are not a number",
	  HEAD LINE("00007ffd5a1f80000-7ffd5a1fc000", "[vvar]") TAIL,
	  KERNEL(6, 1), 0, 0 },
	{ "a line of other words is skipped",
	  "zz-yy r--p 0 0 0 [vvar]\n- r [vvar]\n[vvar]\n \n\n" TAIL,
	  KERNEL(6, 1), 0, 0 },
	{ "a range alone is skipped",
	  PAGES4 "\n" PAGES4 " \n" PAGES4 " r\n" PAGES4 " r--p\n",
	  KERNEL(6, 1), 0, 0 },
	{ "a last line without an end is ignored",
	  HEAD PAGES4 " r--p 00000000 00:00 0    [vvar]",
	  KERNEL(6, 1), 0, 0 },
	/* clang-format on */
};

static void check_page(const struct vvar_map *map, enum vvar_page page,
		       uint32_t kernel, uint64_t want)
{
	static const char untouched[] = "untouched";
	uint64_t address = 0xdead;
	const char *why = untouched;
	int ret = pclk_vvar_choose(map, page, kernel, &address, &why);

	assert_int_equal(ret, want ? 0 : -ENODEV);
	assert_int_equal(address, want ? want : 0xdead);
	if (!want) {
		assert_ptr_not_equal(why, untouched);
		assert_string_not_equal(why, "");
	}
}

static void check_layout(void **state)
{
	const struct layout_case *c = *state;
	struct vvar_parser whole = { 0 }, pieces = { 0 };
	size_t size = strlen(c->maps);

	pclk_vvar_parse(&whole, c->maps, size);
	check_page(&whole.map, VVAR_PVCLOCK, c->kernel, c->pvclock);
	check_page(&whole.map, VVAR_HYPERV, c->kernel, c->hyperv);
	for (size_t i = 0; i < size; i++)
		pclk_vvar_parse(&pieces, &c->maps[i], 1);
	assert_memory_equal(&pieces.map, &whole.map, sizeof(whole.map));
	for (size_t step = 2; step < 40; step++) {
		pieces = (struct vvar_parser){ 0 };
		for (size_t i = 0; i < size; i += step)
			pclk_vvar_parse(&pieces, &c->maps[i],
					i + step < size ? step : size - i);
		assert_memory_equal(&pieces.map, &whole.map, sizeof(whole.map));
	}
}

/* Parse text of a size; the line behind it is still found. */
static struct vvar_map parse_then_vvar(const char *text, size_t size)
{
	static const char good[] = "\n" LINE(PAGES4, "[vvar]");
	struct vvar_parser parser = { 0 };

	pclk_vvar_parse(&parser, text, size);
	pclk_vvar_parse(&parser, good, strlen(good));
	return parser.map;
}

static void an_overlong_line_is_dropped_whole(void **state)
{
	static const char end[] =
		"\n7ffd00000000-7ffd00002000 r--p 0 0 0 [vvar_vclock]";
	char line[4096];

	(void)state;
	memset(line, 'a', sizeof(line));
	for (size_t size = 0; size < 400; size++) {
		struct vvar_map map = parse_then_vvar(line, size);

		assert_int_equal(map.vvar, AT);
		assert_int_equal(map.vvar_pages, 4);
	}
	/* The end of a long line does not pass for a line. */
	for (size_t size = 100; size < 400; size++) {
		memset(line, ' ', sizeof(line));
		memcpy(line + size, end + 1, strlen(end + 1));
		assert_int_equal(
			parse_then_vvar(line, size + strlen(end + 1)).vclock,
			0);
	}
}

static void a_nul_spoils_its_line_and_no_other(void **state)
{
	static const char line[] = LINE(VPAGE2, "[vvar_vclock]");
	char text[sizeof(line)];

	(void)state;
	for (size_t at = 0; at + 1 < strlen(line); at++) {
		struct vvar_map map;

		memcpy(text, line, sizeof(line));
		text[at] = '\0';
		map = parse_then_vvar(text, strlen(line));
		assert_int_equal(map.vclock, 0);
		assert_int_equal(map.vvar, AT);
	}
}

static void noise_does_no_harm(void **state)
{
	static const char alphabet[] =
		"0123456789abcdef- rwxp[]var_clok\n\n\0\xff";
	char text[64];
	uint32_t rng = 1;

	(void)state;
	for (unsigned int i = 0; i < 100000; i++) {
		struct vvar_map map;

		for (size_t k = 0; k < sizeof(text); k++) {
			rng = rng * 1664525 + 1013904223;
			text[k] = alphabet[(rng >> 16) % sizeof(alphabet)];
		}
		map = parse_then_vvar(text, sizeof(text));
		assert_int_equal(map.vvar_pages, 4);
		assert_int_equal(map.vclock_pages, 0);
	}
}

static void releases_are_read(void **state)
{
	static const struct {
		const char *text;
		uint32_t want;
	} releases[] = {
		{ "6.18.44-x", KERNEL(6, 18) },
		{ "4.12.0", KERNEL(4, 12) },
		{ "4.11", KERNEL(4, 11) },
		{ "5.10.0-30-amd64", KERNEL(5, 10) },
		{ "65535.65535", 0xffffffff },
		{ "", 0 },
		{ "6", 0 },
		{ "6.", 0 },
		{ ".6", 0 },
		{ "-6.1", 0 },
		{ " 6.1", 0 },
		{ "six", 0 },
		{ "6-1", 0 },
		{ "65536.1", 0 },
		{ "6.65536", 0 },
		{ "6.99999999999999999999", 0 },
		{ "4294967300.1", 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(releases); i++)
		assert_int_equal(pclk_vvar_release(releases[i].text),
				 releases[i].want);
}

/* --- may it be loaded? ---------------------------------------------------- */

static void memory_that_is_there_may_be_loaded(void **state)
{
	static const char here[4096];

	(void)state;
	assert_int_equal(pclk_vvar_probe(here, 1), 0);
	assert_int_equal(pclk_vvar_probe(here, 32), 0);
	assert_int_equal(pclk_vvar_probe(here, sizeof(here)), 0);
}

static void memory_without_permission_may_not(void **state)
{
	void *page = mmap(NULL, VVAR_PAGE_SIZE, PROT_NONE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(pclk_vvar_probe(page, 32), -EFAULT);
	munmap(page, VVAR_PAGE_SIZE);
	assert_int_equal(pclk_vvar_probe(page, 32), -EFAULT);
}

/* A load of it would be a SIGBUS; the kernel is asked instead. */
static void a_file_that_shrank_may_not(void **state)
{
	char path[] = "/tmp/paraclock-vvar-XXXXXX";
	int fd = mkstemp(path);
	void *page;

	(void)state;
	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, VVAR_PAGE_SIZE), 0);
	page = mmap(NULL, VVAR_PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
	assert_ptr_not_equal(page, MAP_FAILED);
	assert_int_equal(pclk_vvar_probe(page, 32), 0);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pclk_vvar_probe(page, 32), -EFAULT);
	munmap(page, VVAR_PAGE_SIZE);
	close(fd);
}

static void a_page_that_is_there_in_part_may_not(void **state)
{
	char *page = mmap(NULL, 2 * VVAR_PAGE_SIZE, PROT_READ,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal((void *)page, MAP_FAILED);
	munmap(page + VVAR_PAGE_SIZE, VVAR_PAGE_SIZE);
	assert_int_equal(pclk_vvar_probe(page + VVAR_PAGE_SIZE - 32, 32), 0);
	assert_int_equal(pclk_vvar_probe(page + VVAR_PAGE_SIZE - 16, 32),
			 -EFAULT);
	munmap(page, VVAR_PAGE_SIZE);
}

static const struct CMUnitTest others[] = {
	TEST("an overlong line is dropped whole",
	     an_overlong_line_is_dropped_whole),
	TEST("a NUL spoils its line and no other",
	     a_nul_spoils_its_line_and_no_other),
	TEST("noise does no harm", noise_does_no_harm),
	TEST("releases are read", releases_are_read),
	TEST("memory that is there may be loaded",
	     memory_that_is_there_may_be_loaded),
	TEST("memory without permission may not",
	     memory_without_permission_may_not),
	TEST("a file that shrank may not", a_file_that_shrank_may_not),
	TEST("a page that is there in part may not",
	     a_page_that_is_there_in_part_may_not),
};

int main(void)
{
	ADD_TESTS(others);
	ADD_ROWS(layouts, check_layout);
	return run_suite(NULL, NULL);
}
