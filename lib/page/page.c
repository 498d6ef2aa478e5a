// SPDX-License-Identifier: MIT
/*
 * Copying a page under its sequence, in one loop for every kind of page: copy,
 * check the sequence, and only then look. Nothing is computed from the live
 * page, not even a branch on a field: until the sequence is seen again, the
 * copy may be half of one update and half of the next.
 */

#include <errno.h>
#include <string.h>

#include "base/env_call.h"
#include "base/relaxed.h"
#include "base/text.h"
#include "page.h"

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the pages are little-endian, so the machine must be too"
#endif

/*
 * A host that dies mid-update must not hang its guests; one that is merely
 * preempted gets about 100 us (2^18 ticks of a 2.6 GHz counter). The caps on
 * tries are for a counter that stands still; a try at a file costs two system
 * calls.
 */
#define TRY_TICKS    (1U << 18)
#define TRIES_A_SEC  10000
#define TRIES_MEMORY (1U << 16)
#define TRIES_FILE   (1U << 8)

bool pclk_page_busy(const struct page_shape *shape, uint32_t seq)
{
	if (shape->sequence == PAGE_ODD)
		return seq & 1;
	return seq == 0 || seq == UINT32_MAX;
}

/* A page that is not in this process's memory: by which function? */
static bool is_physical(const struct page *page)
{
	return page->map.flags & PARACLOCK_DEVICE_MEMORY;
}

static bool can_be_copied(const struct page *page)
{
	return is_physical(page) ? page->env->read_memory != NULL
				 : page->env->pread != NULL;
}

int pclk_page_open(struct page *page, const struct paraclock_env *env,
		   const struct page_shape *shape,
		   const struct paraclock_options *opts)
{
	int ret = -EOPNOTSUPP;

	memset(page, 0, sizeof(*page));
	page->env = env;
	page->shape = shape;
	page->how = pclk_counter_choose(env);
	page->map.fd = -1;
	page->map.flags = opts->flags;
	if (!env->map_page) {
		TEXT(opts->detail, opts->detail_size,
		     "this env cannot map the ", shape->name, " page");
		return ret;
	}
	ret = pclk_env_error(
		env->map_page(env->ctx, shape->name, opts->device, &page->map));
	if (ret) {
		/* An env may not have ended it. */
		page->map.why[sizeof(page->map.why) - 1] = '\0';
		TEXT(opts->detail, opts->detail_size, page->map.why);
		page->absent = ret == -ENODEV;
		return ret == -ENXIO || ret == -EIO ? -ENODEV : ret;
	}
	if ((uintptr_t)page->map.addr % sizeof(uint64_t) ||
	    (page->map.addr && page->map.size < shape->min_size) ||
	    (!page->map.addr && !can_be_copied(page))) {
		TEXT(opts->detail, opts->detail_size, "the env maps the ",
		     shape->name, " page where it cannot be read in words");
		pclk_page_close(page);
		return -EINVAL;
	}
	return 0;
}

void pclk_page_close(struct page *page)
{
	const struct paraclock_env *env = page->env;

	if (env->unmap_page)
		env->unmap_page(env->ctx, &page->map);
}

/* The bytes that could be read from offset on; a file may have shrunk. */
static int64_t file_read(const struct page *page, void *buf, size_t n,
			 uint64_t offset)
{
	const struct paraclock_env *env = page->env;

	if (is_physical(page))
		return pclk_env_length(env->read_memory(env->ctx, &page->map,
							buf, n, offset),
				       n);
	return pclk_env_pread(env, page->map.fd, buf, n, offset);
}

static void copy_memory(const struct page *page, struct page_copy *copy)
{
	const uint64_t *live = page->map.addr;
	size_t words = page->map.size / sizeof(uint64_t);

	if (words > page->shape->size / sizeof(uint64_t))
		words = page->shape->size / sizeof(uint64_t);
	/* Not memcpy(): for that, the compiler may load a word twice. */
	for (size_t i = 0; i < words; i++)
		copy->word[i] = LOAD(live[i]);
	copy->size = words * sizeof(uint64_t);
}

static uint32_t load_sequence(const struct page *page)
{
	const char *live = page->map.addr;
	const uint32_t *seq = (const void *)(live + page->shape->seq_offset);

	/* Acquire: the body is not read before it. */
	return __atomic_load_n(seq, __ATOMIC_ACQUIRE);
}

/* 0: *copy is one state of the page; -EAGAIN: try again. */
static int try_memory(const struct page *page, struct page_copy *copy)
{
	copy->seq = load_sequence(page);
	if (pclk_page_busy(page->shape, copy->seq))
		return -EAGAIN;
	memset(copy->word, 0, sizeof(copy->word));
	copy_memory(page, copy);
	copy->ticks = counter_read(page->env, page->how);
	/* Pairs with the writer's barrier after it made the sequence odd (or
	 * 0): if any word of its update was read above, the sequence shows it
	 * here. The counter may have been read a few ns late, which does no
	 * harm: see conv_read(). */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return load_sequence(page) == copy->seq ? 0 : -EAGAIN;
}

int pclk_page_peek(const struct page *page, struct page_copy *ret_copy)
{
	int64_t got;

	memset(ret_copy->word, 0, sizeof(ret_copy->word));
	got = file_read(page, ret_copy->word, page->shape->size, 0);
	if (got < 0)
		return (int)got;
	ret_copy->size = (size_t)got;
	memcpy(&ret_copy->seq,
	       (const char *)ret_copy->word + page->shape->seq_offset,
	       sizeof(ret_copy->seq));
	return 0;
}

/*
 * A file: two equal copies, with a sequence that shows no update under way.
 *
 * In whatever order the kernel copies, the sequence of the first copy was there
 * before the second copy began. So the second copy has each word that belongs
 * to that sequence. A word in the first copy that does not belong to it is
 * either older, and then differs; or newer, and then the writer stored it after
 * it made the sequence odd (or 0), so the second copy has that sequence or a
 * later one.
 */
static int try_file(const struct page *page, struct page_copy *copy)
{
	struct page_copy again;
	int ret = pclk_page_peek(page, copy);

	if (ret)
		return ret;
	if (copy->size < page->shape->min_size)
		return -EPROTO;
	if (pclk_page_busy(page->shape, copy->seq))
		return -EAGAIN;
	copy->ticks = counter_read(page->env, page->how);
	/* The loads of one copy, which the kernel makes on this CPU, are not
	 * delayed past those of the next. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	ret = pclk_page_peek(page, &again);
	if (ret)
		return ret;
	return again.size == copy->size && !memcmp(again.word, copy->word,
						   sizeof(again.word))
		       ? 0
		       : -EAGAIN;
}

/* How long to try, ticks. */
static uint64_t try_ticks(const struct page *page)
{
#if defined(__aarch64__)
	/* Counters run at 1 MHz to 1 GHz; firmware may leave the rate 0. */
	if (page->how != COUNTER_ENV) {
		uint64_t hz;

		__asm__("mrs %0, cntfrq_el0" : "=r"(hz));
		if (hz)
			return hz / TRIES_A_SEC;
	}
#endif
	(void)page;
	return TRY_TICKS;
}

int pclk_page_read(struct page *page, struct page_copy *ret_copy)
{
	const uint64_t start = counter_read(page->env, page->how);
	const uint64_t limit = try_ticks(page);
	const unsigned int tries = page->map.addr ? TRIES_MEMORY : TRIES_FILE;
	int ret = -EAGAIN;

	for (unsigned int i = 0; i < tries; i++) {
		ret = page->map.addr ? try_memory(page, ret_copy)
				     : try_file(page, ret_copy);
		if (ret != -EAGAIN)
			break;
		cpu_relax();
		/* Two tries at least: during the first one the thread may have
		 * been preempted, or the vCPU stopped. */
		if (i && counter_read(page->env, page->how) - start > limit)
			break;
	}
	if (ret == -EPROTO || (!ret && ret_copy->size < page->shape->min_size))
		return page_malformed(
			page, "size: it ends before its fixed fields do");
	return ret;
}

int pclk_page_word(struct page *page, size_t offset, uint64_t *ret_word)
{
	const char *live = page->map.addr;
	int64_t got;

	if (live) {
		const uint64_t *word = (const void *)(live + offset);

		if (page->map.size < offset + sizeof(*word))
			return -ENODEV;
		/* Acquire: what is read next is not older. */
		*ret_word = __atomic_load_n(word, __ATOMIC_ACQUIRE);
		return 0;
	}
	got = file_read(page, ret_word, sizeof(*ret_word), offset);
	if (got < 0)
		return (int)got;
	return got == sizeof(*ret_word) ? 0 : -ENODEV;
}
