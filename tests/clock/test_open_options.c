// SPDX-License-Identifier: MIT
/* The options of an open, of this and other versions; and the detail. */

#include <sys/mman.h>
#include <unistd.h>

#include "fake.h"

static struct fake fake;

/* The value of ret_clk before; a failed open leaves it. */
#define UNTOUCHED ((struct paraclock *)(uintptr_t)0x5a5a5a50)

/*
 * The allowed values of each known member but size, at each size of the struct.
 */
struct size_case {
	const char *name;
	size_t size;
	int ret;
	const char *detail; /* The detail afterwards; NULL: unchanged. */
	unsigned char more; /* The bytes after the known members. */
};

#define END(member) offsetof(struct paraclock_options, member)
#define KNOWN	    sizeof(struct paraclock_options)

static struct size_case size_cases[] = {
	/* clang-format off */
	{ "options up to env", END(env), 0, NULL, 0 },
	{ "options up to device", END(device), 0, NULL, 0 },
	{ "options up to max_age_ns", END(max_age_ns), 0, NULL, 0 },
	{ "options up to max_pair_error_ns", END(max_pair_error_ns), 0, NULL,
	  0 },
	{ "options up to detail", END(detail), 0, NULL, 0 },
	{ "options up to detail_size", END(detail_size), 0, NULL, 0 },
	{ "options up to flags", END(flags), 0, "", 0 },
	{ "options as they are", KNOWN, 0, "", 0 },
	{ "options of a newer caller that asks for nothing more",
	  KNOWN + 64, 0, "", 0 },
	{ "options of a newer caller that asks for more",
	  KNOWN + 64, -EINVAL, "options", 1 },
	{ "options of a newer caller by a byte", KNOWN + 1, -EINVAL,
	  "options", 1 },
	{ "options as large as any will be", 4096, 0, "", 0 },
	{ "options that are larger", 4097, -EINVAL, NULL, 0 },
	{ "options whose size nobody set", SIZE_MAX, -EINVAL, NULL, 0 },
	/* clang-format on */
};

static union {
	struct paraclock_options opts;
	unsigned char bytes[4096 + 64];
} u;

static void fill(size_t size, unsigned char more, char *detail)
{
	const struct paraclock_options known = {
		.size = size,
		.backend = "kvmclock",
		.env = size > END(env) ? &fake.env : NULL,
		.detail = detail,
		.detail_size = 8,
	};

	memset(&u, more, sizeof(u));
	memcpy(&u, &known, sizeof(known));
	/* Bytes beyond the size do not belong to the struct. */
	if (size < sizeof(u))
		memset(u.bytes + size, 0xa5, sizeof(u) - size);
}

static void check_size(void **state)
{
	const struct size_case *c = *state;
	struct paraclock *clk = UNTOUCHED;
	char detail[16] = "before";
	int ret;

	fake_init(&fake);
	fill(c->size, c->more, detail);
	ret = paraclock_open(&clk, &u.opts);
	if (c->size > END(env))
		assert_int_equal(ret, c->ret);
	else /* This machine's env, which may have no kvmclock. */
		assert_int_not_equal(ret, -EINVAL);
	if (ret)
		assert_ptr_equal(clk, UNTOUCHED);
	else
		paraclock_close(clk);
	assert_string_equal(detail, !c->detail	 ? "before"
				    : *c->detail ? "options"
						 : "");
	assert_int_equal(fake.allocs, fake.frees);
}

static bool is_end(size_t size)
{
	for (size_t i = 0; i < ARRAY_LEN(size_cases); i++) {
		if (size_cases[i].size == size)
			return true;
	}
	return false;
}

static void options_that_end_within_a_member_are_refused(void **state)
{
	char detail[16] = "before";
	unsigned int refused = 0;

	(void)state;
	fake_init(&fake);
	for (size_t size = 0; size < KNOWN; size++) {
		struct paraclock *clk = UNTOUCHED;

		if (is_end(size))
			continue;
		fill(size, 0, detail);
		u.opts.size = size;
		assert_int_equal(paraclock_open(&clk, &u.opts), -EINVAL);
		assert_ptr_equal(clk, UNTOUCHED);
		assert_string_equal(detail, "before");
		refused++;
	}
	assert_int_equal(refused, KNOWN - 7);
	assert_int_equal(fake.allocs, 0);
}

static void the_detail_is_cut_to_its_size(void **state)
{
	static const size_t sizes[] = { 0, 1, 2, 5, 40, 255, 256, 257 };
	char whole[512] = "";
	char cut[512];
	struct paraclock *clk = UNTOUCHED;
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = &fake.env,
		.detail = whole,
		.detail_size = sizeof(whole),
	};

	(void)state;
	fake_init(&fake);
	fake.pvclock_error = -ENODEV;
	assert_int_equal(paraclock_open(&clk, &opts), -ENODEV);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		size_t size = sizes[i];

		memset(cut, 'x', sizeof(cut));
		opts.detail = cut;
		opts.detail_size = size;
		assert_int_equal(paraclock_open(&clk, &opts), -ENODEV);
		assert_int_equal(cut[size], 'x');
		if (!size)
			continue;
		assert_true(strlen(cut) < size);
		if (size <= 40)
			assert_memory_equal(cut, whole, size - 1);
	}
	assert_ptr_equal(clk, UNTOUCHED);
}

/*
 * A buffer of size 0 need not hold text: here it is the last byte before memory
 * that faults.
 */
static void a_detail_of_size_0_is_not_looked_at(void **state)
{
	const size_t size = (size_t)sysconf(_SC_PAGESIZE);
	char *pages = mmap(NULL, 2 * size, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct paraclock *clk = UNTOUCHED;
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = &fake.env,
		.detail = pages + size - 1,
	};

	(void)state;
	assert_ptr_not_equal((void *)pages, MAP_FAILED);
	assert_int_equal(mprotect(pages + size, size, PROT_NONE), 0);
	*opts.detail = 'x';
	fake_init(&fake);
	fake.pvclock_error = -ENODEV;
	assert_int_equal(paraclock_open(&clk, &opts), -ENODEV);
	assert_ptr_equal(clk, UNTOUCHED);
	assert_int_equal(*opts.detail, 'x');
	/* An older caller has no member for the buffer's size. */
	opts.size = offsetof(struct paraclock_options, detail_size);
	opts.detail_size = 2;
	assert_int_equal(paraclock_open(&clk, &opts), -ENODEV);
	assert_int_equal(*opts.detail, 'x');
	munmap(pages, 2 * size);
}

static const struct CMUnitTest others[] = {
	TEST("options that end within a member are refused",
	     options_that_end_within_a_member_are_refused),
	TEST("the detail is cut to its size", the_detail_is_cut_to_its_size),
	TEST("a detail of size 0 is not looked at",
	     a_detail_of_size_0_is_not_looked_at),
};

int main(void)
{
	ADD_TESTS(others);
	ADD_ROWS(size_cases, check_size);
	return run_suite(NULL, NULL);
}
