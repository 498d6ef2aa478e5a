/* SPDX-License-Identifier: MIT */
/* A page that somebody else writes: live memory, or a published file. */
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
	PAGE_ZERO, /* 0, and 0xffffffff as of old */
};

/* What the reader of one kind of page must know. */
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
	bool absent; /* pclk_page_open(): -ENODEV, and nothing is there */
	/* The field that the last malformed copy had wrong; for explain. */
	const char *bad_field;
	/* Of a source: see page_kind.h. */
	const struct page_kind *kind;
	uint32_t msr; /* by which the page was switched on; 0: none */
};

/* A private copy, and a counter value at which it was the page. */
struct page_copy {
	uint64_t word[PAGE_COPY_MAX / sizeof(uint64_t)];
	uint64_t ticks;
	size_t size;  /* bytes that the page had, at most shape->size */
	uint32_t seq; /* set on -EAGAIN too: the last one seen */
};

int pclk_page_open(struct page *page, const struct paraclock_env *env,
		   const struct page_shape *shape,
		   const struct paraclock_options *opts);
void pclk_page_close(struct page *page);
int pclk_page_read(struct page *page, struct page_copy *ret_copy);
/* One look at a page that is not in memory: words that belong to different
 * updates, perhaps, but each as it was. ticks is not set. */
int pclk_page_peek(const struct page *page, struct page_copy *ret_copy);
/* One 64-bit word of the page, by itself. */
int pclk_page_word(struct page *page, size_t offset, uint64_t *ret_word);

/* Remember which field is wrong; any thread. */
static inline int page_malformed(struct page *page, const char *field)
{
	__atomic_store_n(&page->bad_field, field, __ATOMIC_RELAXED);
	return -EPROTO;
}

/* Is this sequence one at which the body may be looked at? */
PCLK_SHARED bool pclk_page_busy(const struct page_shape *shape, uint32_t seq);

#endif
