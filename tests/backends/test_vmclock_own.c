// SPDX-License-Identifier: MIT
/* A vmclock page that repeats a kernel's own clock: whose, and who is told. */

#include <stdio.h>

#include <paraclock/host.h>

#include "fake.h"
#include "vmclock/boot_id.h"
#include "vmclock/vmclock_page.h"

#define OURS   "01234567-89ab-cdef-0123-456789abcdef"
#define OTHERS "01234567-89ab-cdef-0123-456789abcdee"

static struct fake fake;
static struct paraclock *clk;
static const char *boot; /* what the env says; NULL: it fails */

static int fake_read_text(void *ctx, const char *path, char *buf, size_t size)
{
	(void)ctx;
	if (!boot || strcmp(path, "/proc/sys/kernel/random/boot_id") != 0)
		return -ENODEV;
	snprintf(buf, size, "%s", boot);
	return (int)strlen(buf);
}

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	fake.env.read_text = fake_read_text;
	fake.pvclock_error = -ENODEV;
	fake.vmclock_error = 0;
	boot = OURS;
	clk = NULL;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	paraclock_close(clk);
	return 0;
}

/* --- reading ---------------------------------------------------------------- */

struct own_case {
	const char *name;
	const char *boot; /* NULL: the env does not know it */
	bool has_flag;
	uint8_t id[16]; /* on the page */
	bool own;
};

#define ID(last)                                                            \
	{                                                                   \
		0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, \
			0x45, 0x67, 0x89, 0xab, 0xcd, (last)                \
	}
#define NO_ID     \
	{         \
		0 \
	}

static struct own_case cases[] = {
	/* clang-format off */
	{ "this boot's kernel is our own", OURS, true, ID(0xef), true },
	{ "another boot's is not", OTHERS, true, ID(0xef), false },
	{ "without the flag the id says nothing", OURS, false, ID(0xef),
	  false },
	{ "a page without an id is our own", OURS, true, NO_ID, true },
	{ "if this boot is not known, it is our own", NULL, true, ID(0xef),
	  true },
	{ "a boot without an id", "", true, ID(0xef), true },
	{ "an id that is too short", "01234567-89ab-cdef-0123-456789abcde",
	  true, ID(0xee), true },
	{ "an id that is too long", OTHERS "0", true, ID(0xef), true },
	{ "an id in capitals is none", "01234567-89AB-CDEF-0123-456789ABCDEE",
	  true, ID(0xef), true },
	{ "an id with a hyphen elsewhere",
	  "012345678-9ab-cdef-0123-456789abcdee", true, ID(0xef), true },
	{ "an id without hyphens", "01234567890abcdef001234567890abcdef0",
	  true, ID(0xef), true },
	{ "an id of zeros is none", "00000000-0000-0000-0000-000000000000",
	  true, ID(0xef), true },
	/* clang-format on */
};

static void mark(const struct own_case *c)
{
	fake_set_vmclock(&fake, 2, 7, fake.counter - 1000, 1700000000);
	put64(fake.vmclock, 24, c->has_flag ? VMCLOCK_FLAG_OWN_KERNEL | 1 : 1);
	memcpy(fake.vmclock + BOOT_ID_OFFSET, c->id, sizeof(c->id));
}

static void check_reads(bool own)
{
	struct paraclock_sample sample;

	/* Slowly, by the conversion, and at a counter value. */
	for (unsigned int i = 0; i < 3; i++) {
		assert_int_equal(paraclock_read(clk, &sample), 0);
		assert_true(sample.valid);
		assert_int_equal(!!(sample.flags & PARACLOCK_FLAG_OWN_KERNEL),
				 own);
	}
	assert_int_equal(paraclock_read_at(clk, fake.counter - 1, &sample), 0);
	assert_int_equal(!!(sample.flags & PARACLOCK_FLAG_OWN_KERNEL), own);
}

static void check_own(void **state)
{
	const struct own_case *c = *state;
	char detail[256];

	boot = c->boot;
	mark(c);
	/* By itself, it is chosen only if it is the host's. */
	assert_int_equal(fake_try_open(&clk, &fake, NULL, NULL, detail),
			 c->own ? -ENODEV : 0);
	if (c->own)
		assert_non_null(strstr(detail, "this kernel's own clock"));
	else
		assert_string_equal(paraclock_backend_name(clk), "vmclock");
	paraclock_close(clk);
	clk = fake_open(&fake, "vmclock");
	check_reads(c->own);
}

static int on_listing(void *arg, const struct paraclock_listing *listing)
{
	if (strcmp(listing->name, "vmclock") == 0)
		*(int *)arg = listing->own_kernel;
	return 0;
}

static void the_list_says_so(void **state)
{
	int own = -1;

	(void)state;
	mark(&cases[0]);
	assert_int_equal(paraclock_list(&fake.env, on_listing, &own), 0);
	assert_int_equal(own, 1);
	mark(&cases[1]);
	boot = OTHERS;
	assert_int_equal(paraclock_list(&fake.env, on_listing, &own), 0);
	assert_int_equal(own, 0);
}

static void an_update_may_change_it(void **state)
{
	(void)state;
	mark(&cases[2]);
	clk = fake_open(&fake, "vmclock");
	check_reads(false);
	put64(fake.vmclock, 24, VMCLOCK_FLAG_OWN_KERNEL | 1);
	put32(fake.vmclock, 12, 4);
	check_reads(true);
	fake.vmclock[BOOT_ID_OFFSET] ^= 1;
	put32(fake.vmclock, 12, 6);
	check_reads(false);
}

static int map_short(void *ctx, const char *name, const char *path,
		     struct paraclock_mapping *ret_map)
{
	(void)ctx;
	(void)path;
	if (strcmp(name, "vmclock") != 0)
		return -ENODEV;
	*ret_map = (struct paraclock_mapping){
		.addr = fake.vmclock,
		.size = BOOT_ID_OFFSET + 15,
		.fd = -1,
	};
	return 0;
}

static void a_page_that_ends_before_the_id_is_our_own(void **state)
{
	(void)state;
	boot = OTHERS;
	mark(&cases[1]);
	fake.env.map_page = map_short;
	clk = fake_open(&fake, "vmclock");
	check_reads(true);
}

/* --- writing ---------------------------------------------------------------- */

static struct paraclock_page_writer writer;

static struct paraclock_timeline timeline(uint32_t flags)
{
	struct paraclock_timeline tl = {
		.size = sizeof(tl),
		.base_tsc = fake.counter - 1000,
		.base_sec = 1700000000,
		.flags = flags | PARACLOCK_TIMELINE_TAI_OFFSET,
		.tai_offset_sec = 37,
		.timescale = PARACLOCK_TIMESCALE_TAI,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.status = PARACLOCK_STATUS_SYNCHRONIZED,
	};

	assert_int_equal(paraclock_timeline_set_hz(&tl, 1000000000, 0), 0);
	return tl;
}

static void write_page(uint32_t flags)
{
	const struct paraclock_timeline tl = timeline(flags);

	assert_int_equal(paraclock_vmclock_write(fake.vmclock, &writer,
						 &fake.env, &tl),
			 0);
}

static void begin_to_write(void)
{
	memset(&writer, 0, sizeof(writer));
	assert_int_equal(paraclock_page_writer_acquire(&writer, &fake.env), 0);
}

static void assert_page(bool has_flag, const uint8_t id[16])
{
	uint64_t flags;

	memcpy(&flags, fake.vmclock + 24, sizeof(flags));
	assert_int_equal(!!(flags & VMCLOCK_FLAG_OWN_KERNEL), has_flag);
	assert_memory_equal(fake.vmclock + BOOT_ID_OFFSET, id, 16);
	/* Nothing else stands there, and others see an ordinary page. */
	for (size_t i = sizeof(struct vmclock_page); i < 4096; i++) {
		if (i < BOOT_ID_OFFSET || i >= BOOT_ID_OFFSET + 16)
			assert_int_equal(fake.vmclock[i], 0);
	}
	assert_int_equal(fake.vmclock[5], 4096 >> 8);
	assert_int_equal(fake.vmclock[8], 1);
}

static void a_written_page_names_this_boot(void **state)
{
	static const uint8_t id[16] = ID(0xef), other[16] = ID(0xee);

	(void)state;
	begin_to_write();
	write_page(PARACLOCK_TIMELINE_OWN_KERNEL);
	assert_page(true, id);
	clk = fake_open(&fake, "vmclock");
	check_reads(true);
	/* A freeze leaves the mark where it is. */
	assert_int_equal(
		paraclock_vmclock_freeze(fake.vmclock, &writer, &fake.env), 0);
	assert_page(true, id);
	/* The page outlives this boot: the next one's writer marks it anew. */
	boot = OTHERS;
	write_page(PARACLOCK_TIMELINE_OWN_KERNEL | PARACLOCK_TIMELINE_INFERRED);
	assert_page(true, other);
	/* Without the mark, its id stays and says nothing. */
	write_page(0);
	assert_page(false, other);
	check_reads(false);
}

static void without_a_boot_id_the_page_is_everybodys_own(void **state)
{
	static const uint8_t zero[16];

	(void)state;
	boot = NULL;
	begin_to_write();
	write_page(PARACLOCK_TIMELINE_OWN_KERNEL);
	assert_page(true, zero);
	boot = OURS;
	clk = fake_open(&fake, "vmclock");
	check_reads(true);
}

static void a_page_of_the_host_has_no_mark(void **state)
{
	static const uint8_t zero[16];

	(void)state;
	begin_to_write();
	write_page(0);
	assert_page(false, zero);
}

static void a_write_that_fails_leaves_no_id(void **state)
{
	struct paraclock_timeline tl = timeline(PARACLOCK_TIMELINE_OWN_KERNEL);
	static const uint8_t zero[16];

	(void)state;
	begin_to_write();
	write_page(0);
	tl.base_tsc = fake.counter + 1000000;
	assert_int_equal(paraclock_vmclock_write(fake.vmclock, &writer,
						 &fake.env, &tl),
			 -ESTALE);
	assert_page(false, zero);
	/* Nor does one by another process. */
	fake.process_id++;
	tl.base_tsc = fake.counter - 10;
	assert_int_equal(paraclock_vmclock_write(fake.vmclock, &writer,
						 &fake.env, &tl),
			 -EPERM);
	assert_page(false, zero);
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_list_says_so),
		cmocka_unit_test(an_update_may_change_it),
		cmocka_unit_test(a_page_that_ends_before_the_id_is_our_own),
		cmocka_unit_test(a_written_page_names_this_boot),
		cmocka_unit_test(without_a_boot_id_the_page_is_everybodys_own),
		cmocka_unit_test(a_page_of_the_host_has_no_mark),
		cmocka_unit_test(a_write_that_fails_leaves_no_id),
	};

	each_test(setup, teardown);
	ADD_ROWS(cases, check_own);
	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
