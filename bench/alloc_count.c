// SPDX-License-Identifier: MIT
/*
 * Counts the calls of malloc() and its kin in the whole process: the program's
 * definitions come before libc's, for the libraries as well.
 */

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "bench.h"

/* A sanitizer has an allocator of its own, which must not be replaced. */
#if defined(__GLIBC__) && !BENCH_SANITIZED

/* The libraries must see these, whatever the program's visibility. */
#define INTERPOSE __attribute__((visibility("default")))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t n, size_t size);
void *__libc_realloc(void *ptr, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *ptr);

static uint64_t calls;

/* Relaxed: the thread that compares two counts made the calls in between. */
static void count(void)
{
	__atomic_fetch_add(&calls, 1, __ATOMIC_RELAXED);
}

INTERPOSE void *malloc(size_t size)
{
	count();
	return __libc_malloc(size);
}

INTERPOSE void *calloc(size_t n, size_t size)
{
	count();
	return __libc_calloc(n, size);
}

INTERPOSE void *realloc(void *ptr, size_t size)
{
	count();
	return __libc_realloc(ptr, size);
}

INTERPOSE void free(void *ptr)
{
	count();
	__libc_free(ptr);
}

/* Other libcs lack the <malloc.h> that declares it. */
void *memalign(size_t alignment, size_t size);

INTERPOSE void *memalign(size_t alignment, size_t size)
{
	count();
	return __libc_memalign(alignment, size);
}

INTERPOSE void *aligned_alloc(size_t alignment, size_t size)
{
	count();
	return __libc_memalign(alignment, size);
}

INTERPOSE int posix_memalign(void **ret_ptr, size_t alignment, size_t size)
{
	int saved = errno;
	void *ptr;

	if (alignment % sizeof(void *) || !alignment ||
	    alignment & (alignment - 1))
		return EINVAL;
	count();
	ptr = __libc_memalign(alignment, size);
	errno = saved;
	if (!ptr)
		return ENOMEM;
	*ret_ptr = ptr;
	return 0;
}

bool alloc_count(uint64_t *ret_calls)
{
	*ret_calls = __atomic_load_n(&calls, __ATOMIC_RELAXED);
	return true;
}

#else

bool alloc_count(uint64_t *ret_calls)
{
	(void)ret_calls;
	return false;
}

#endif
