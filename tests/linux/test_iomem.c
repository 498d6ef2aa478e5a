// SPDX-License-Identifier: MIT
/* /proc/iomem, and copies of memory from which a load might raise a signal. */

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include <paraclock/backend.h>

#include "linux/iomem.h"
#include "linux/memory.h"
#include "rows.h"

#define RAM "00001000-0009fbff : System RAM\n"

/* --- the text --------------------------------------------------------------- */

struct text_case {
	const char *name;
	const char *text;
	struct iomem_found expected;
};

#define NOTHING                              \
	{                                    \
		.is_named = false, .size = 0 \
	}
#define NAMED                               \
	{                                   \
		.is_named = true, .size = 0 \
	}
#define HIDDEN                                      \
	{                                           \
		.is_named = true, .is_hidden = true \
	}
#define AT(first, bytes)                                        \
	{                                                       \
		.start = first, .size = bytes, .is_named = true \
	}

static const struct text_case texts[] = {
	{ "QEMU's", RAM "  feffb000-feffbfff : AMZNC10C:00\n",
	  AT(0xfeffb000, 4096) },
	{ "Firecracker's, below 1 MiB",
	  "000a0000-000fffff : Reserved\n"
	  "  000de000-000defff : AMZNC10C:00\n",
	  AT(0xde000, 4096) },
	{ "a later instance", "feffb000-feffbfff : AMZNC10C:0a\n",
	  AT(0xfeffb000, 4096) },
	{ "above 4 GiB", "380000000000-380000000fff : AMZNC10C:00\n",
	  AT(0x380000000000, 4096) },
	{ "a range with parts of its own",
	  "feffb000-feffbfff : AMZNC10C:00\n"
	  "  feffb000-feffbfff : AMZNC10C:00 AMZNC10C:00\n",
	  AT(0xfeffb000, 4096) },
	{ "the first of two, also if they overlap",
	  "feffb000-feffbfff : AMZNC10C:00\n"
	  "feffb800-feffc7ff : AMZNC10C:01\n",
	  AT(0xfeffb000, 4096) },
	{ "shorter than a page, within one",
	  "feffb010-feffb07f : AMZNC10C:00\n", AT(0xfeffb010, 112) },
	{ "a single byte", "feffb001-feffb001 : AMZNC10C:00\n",
	  AT(0xfeffb001, 1) },
	{ "the highest addresses",
	  "fffffffffffff000-ffffffffffffffff : AMZNC10C:00\n",
	  AT(0xfffffffffffff000, 4096) },
	{ "the first that can be used",
	  "feffbfff-feffb000 : AMZNC10C:00\n"
	  "feffc000-feffcfff : AMZNC10C:01\n",
	  AT(0xfeffc000, 4096) },
	{ "addresses that are hidden", "00000000-00000000 : AMZNC10C:00\n",
	  HIDDEN },
	{ "a range that is backwards", "feffbfff-feffb000 : AMZNC10C:00\n",
	  NAMED },
	{ "a range at 0", "00000000-00000fff : AMZNC10C:00\n", NAMED },
	{ "nothing", "", NOTHING },
	{ "another device", "feffb000-feffbfff : VMGENCTR:00\n", NOTHING },
	{ "a longer name", "feffb000-feffbfff : AMZNC10CX:00\n", NOTHING },
	{ "a name without an instance", "feffb000-feffbfff : AMZNC10C\n",
	  NOTHING },
	{ "an instance that is no number", "feffb000-feffbfff : AMZNC10C:zz\n",
	  NOTHING },
	{ "more after the instance",
	  "feffb000-feffbfff : AMZNC10C:00 (disabled)\n", NOTHING },
	{ "a name within another", "feffb000-feffbfff : a AMZNC10C:00\n",
	  NOTHING },
	{ "no range", "AMZNC10C:00\n : AMZNC10C:00\n- : AMZNC10C:00\n",
	  NOTHING },
	{ "half a range", "feffb000- : AMZNC10C:00\n", NOTHING },
	{ "numbers of more than 64 bits",
	  "100000000feffb000-100000000feffbfff : AMZNC10C:00\n", NOTHING },
	{ "numbers that are not the kernel's",
	  "0xfeffb000-0xfeffbfff : AMZNC10C:00\n", NOTHING },
	{ "other separators", "feffb000-feffbfff: AMZNC10C:00\n", NOTHING },
	{ "a line that does not end", "feffb000-feffbfff : AMZNC10C:00",
	  NOTHING },
};

static void a_text(void **state)
{
	const struct text_case *c = *state;
	size_t size = strlen(c->text);

	/* In one, and in pieces of every size. */
	for (size_t piece = 1; piece <= size + 1; piece++) {
		struct iomem_parser parser = { .name = "AMZNC10C" };

		for (size_t at = 0; at < size; at += piece)
			pclk_iomem_parse(&parser, c->text + at,
					 size - at < piece ? size - at : piece);
		assert_int_equal(parser.found.start, c->expected.start);
		assert_int_equal(parser.found.size, c->expected.size);
		assert_int_equal(parser.found.is_named, c->expected.is_named);
		assert_int_equal(parser.found.is_hidden, c->expected.is_hidden);
	}
}

static void a_line_that_is_too_long_is_skipped(void **state)
{
	struct iomem_parser parser = { .name = "AMZNC10C" };
	char text[400];

	(void)state;
	memset(text, ' ', sizeof(text));
	pclk_iomem_parse(&parser, text, sizeof(text));
	strcpy(text, "feffb000-feffbfff : AMZNC10C:00\n");
	pclk_iomem_parse(&parser, text, strlen(text));
	assert_false(parser.found.is_named);
	pclk_iomem_parse(&parser, text, strlen(text));
	assert_int_equal(parser.found.start, 0xfeffb000);
}

/* --- copies ------------------------------------------------------------------- */

#define PAGES 2
#define BYTES (PAGES * 4096)

/* A file of two pages, whose bytes tell where they are. */
static int make_file(uint8_t bytes[BYTES])
{
	int fd = memfd_create("memory", MFD_CLOEXEC);

	assert_true(fd >= 0);
	for (size_t i = 0; i < BYTES; i++)
		bytes[i] = (uint8_t)(i * 7 + i / 256);
	assert_int_equal(write(fd, bytes, BYTES), BYTES);
	return fd;
}

static unsigned int count_fds(void)
{
	unsigned int count = 0;

	for (int fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void any_part_is_copied(void **state)
{
	static const size_t offsets[] = { 0, 8, 16, 4000, 4088, 4096, 8080 };
	uint8_t bytes[BYTES], copy[112];
	int fd = make_file(bytes);
	unsigned int fds = count_fds();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
		memset(copy, 0, sizeof(copy));
		assert_int_equal(pclk_copy_by_mapping(fd, offsets[i], copy,
						      sizeof(copy)),
				 0);
		assert_memory_equal(copy, bytes + offsets[i], sizeof(copy));
	}
	assert_int_equal(count_fds(), fds);
	close(fd);
}

/* As a page is that a driver has claimed: a load would be a SIGBUS. */
static void what_cannot_be_loaded_is_an_error(void **state)
{
	uint8_t bytes[BYTES], copy[112];
	int fd = make_file(bytes);
	unsigned int fds = count_fds();
	void *none =
		mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(none, MAP_FAILED);
	assert_int_equal(pclk_copy_by_pipe(none, copy, sizeof(copy)), -EFAULT);
	assert_int_equal(pclk_copy_by_pipe(NULL, copy, sizeof(copy)), -EFAULT);
	assert_int_equal(pclk_copy_by_mapping(fd, BYTES, copy, sizeof(copy)),
			 -EFAULT);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(pclk_copy_by_mapping(fd, 0, copy, sizeof(copy)),
			 -EFAULT);
	assert_int_equal(count_fds(), fds);
	munmap(none, 4096);
	close(fd);
}

/* Where the mapping is refused. */
static void what_cannot_be_mapped_is_an_error(void **state)
{
	uint8_t copy[8];
	int ends[2];

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_true(pclk_copy_by_mapping(ends[0], 0, copy, sizeof(copy)) < 0);
	assert_int_equal(pclk_copy_by_mapping(-1, 0, copy, sizeof(copy)),
			 -EBADF);
	close(ends[0]);
	close(ends[1]);
}

/* --- as members of the env ------------------------------------------------------ */

static void the_page_ends_where_it_does(void **state)
{
	const struct paraclock_env *env = paraclock_default_env();
	uint8_t bytes[BYTES], copy[112];
	struct paraclock_mapping map = { .size = 100, .phys = 4000 };

	(void)state;
	map.fd = make_file(bytes);
	errno = 77;
	assert_int_equal(env->read_memory(env->ctx, &map, copy, 112, 0), 100);
	assert_memory_equal(copy, bytes + 4000, 100);
	assert_int_equal(env->read_memory(env->ctx, &map, copy, 8, 96), 4);
	assert_memory_equal(copy, bytes + 4096, 4);
	assert_int_equal(env->read_memory(env->ctx, &map, copy, 8, 100), 0);
	assert_int_equal(env->read_memory(env->ctx, &map, copy, 8, UINT64_MAX),
			 0);
	assert_int_equal(ftruncate(map.fd, 0), 0);
	assert_int_equal(env->read_memory(env->ctx, &map, copy, 8, 0), -ENODEV);
	assert_int_equal(errno, 77);
	close(map.fd);
}

/* Whatever this machine is: its page, or a sentence. */
static void this_machine_has_it_or_says_why(void **state)
{
	const struct paraclock_env *env = paraclock_default_env();
	struct paraclock_mapping map = { .flags = PARACLOCK_DEVICE_MEMORY };
	unsigned int fds = count_fds();
	int ret = env->map_page(env->ctx, "vmclock", NULL, &map);
	uint32_t magic;

	(void)state;
	if (!ret) {
		assert_null(map.addr);
		assert_int_equal(env->read_memory(env->ctx, &map, &magic,
						  sizeof(magic), 0),
				 sizeof(magic));
		assert_int_equal(magic, 0x4b4c4356);
		env->unmap_page(env->ctx, &map);
	} else {
		puts(map.why);
		assert_true(ret == -ENODEV || ret == -ENXIO || ret == -EACCES);
		assert_true(strlen(map.why) > 20);
		assert_true(strlen(map.why) < sizeof(map.why) - 1);
	}
	assert_int_equal(count_fds(), fds);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_that_is_too_long_is_skipped),
		cmocka_unit_test(any_part_is_copied),
		cmocka_unit_test(what_cannot_be_loaded_is_an_error),
		cmocka_unit_test(what_cannot_be_mapped_is_an_error),
		cmocka_unit_test(the_page_ends_where_it_does),
		cmocka_unit_test(this_machine_has_it_or_says_why),
	};

	ADD_ROWS(texts, a_text);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
