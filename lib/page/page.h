/* SPDX-License-Identifier: MIT */
/* A page that another party writes: live memory, or a published file. */
#ifndef PAGE_H
#define PAGE_H

#include <errno.h>
#include <stdbool.h>

#include <paraclock/backend.h>

#include "base/counter.h"
#include "base/shared.h"

/* The longest structure on any page, bytes; a multiple of 8. */
#define PAGE_COPY_MAX 112

/* How a page says that it is being written. */
enum page_sequence {
	PAGE_ODD,  /* an odd sequence */
	PAGE_ZERO, /* 0, or 0xffffffff from old hosts */
};

/* What copying one kind of page needs to know. */
struct page_shape {
	const char *name;   /* for env->map_page */
	uint8_t seq_offset; /* bytes */
	uint8_t size;	    /* bytes to copy, a multiple of 8 */
	uint8_t min_size;   /* a page shorter than this is malformed */
	uint8_t sequence;   /* enum page_sequence */
};

struct page_kind;

struct page {
	const struct paraclock_env *env;
	const struct page_shape *shape;
	enum counter_how how;
	struct paraclock_mapping map;
	bool absent; /* pclk_page_open() failed: the page does not exist */
	/* The wrong field of the last malformed copy; for explain. */
	const char *bad_field;
	/* A source's, see page_kind.h. */
	const struct page_kind *kind;
	uint32_t msr; /* by which the page was switched on; 0: none */
};

/* A private copy, and a counter value at which the page was like it. */
struct page_copy {
	uint64_t word[PAGE_COPY_MAX / sizeof(uint64_t)];
	uint64_t ticks;
	size_t size;  /* bytes that the page had, at most shape->size */
	uint32_t seq; /* set on -EAGAIN too: the last one seen */
};

/* Errors as paraclock_open(), with a sentence in options.detail. */
int pclk_page_open(struct page *page, const struct paraclock_env *env,
		   const struct page_shape *shape,
		   const struct paraclock_options *opts);
void pclk_page_close(struct page *page);
/* One state of the page. -EAGAIN: an update was under way through the whole
 * bound; -EPROTO: the page is too short; else env->pread's error. */
int pclk_page_read(struct page *page, struct page_copy *ret_copy);
/* One copy of a page that is not in memory; its words may belong to different
 * updates. ticks is not set. */
int pclk_page_peek(const struct page *page, struct page_copy *ret_copy);
/* One 64-bit word of the page. -ENODEV: the page ends before it. */
int pclk_page_word(struct page *page, size_t offset, uint64_t *ret_word);

/* Remember which field is wrong; any thread. */
static inline int page_malformed(struct page *page, const char *field)
{
	__atomic_store_n(&page->bad_field, field, __ATOMIC_RELAXED);
	return -EPROTO;
}

/* Does this sequence say that the page is being written, or off? */
PCLK_SHARED bool pclk_page_busy(const struct page_shape *shape, uint32_t seq);

#endif
