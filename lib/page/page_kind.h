/* SPDX-License-Identifier: MIT */
/*
 * What the readers of pages share. A backend describes its kind of page by one
 * constant struct page_kind; its state is a struct that begins with a struct
 * page.
 *
 * The functions that read are inline and take the kind as a constant, so that
 * the compiler calls directly what the kind names. All others find it in
 * page->kind.
 */
#ifndef PAGE_KIND_H
#define PAGE_KIND_H

#include <string.h>

#include "page.h"

/* What a reason means on this kind of page, and what to do. */
struct page_reason {
	uint8_t reason;	  /* enum paraclock_reason */
	const char *text; /* NULL: the list ends here */
};

/* For the functions that read, and for each kind's convert: inlining saves a
 * call, and drops the conversion where none is asked for. */
#define PAGE_INLINE static inline __attribute__((always_inline))

struct page_kind {
	const struct page_shape *shape;
	size_t state_size; /* of the backend's state, bytes */
	/* Set what depends on the options; the state is zeroed. May be NULL. */
	void (*init)(struct page *page, const struct paraclock_options *opts);
	/* This machine's own page, not an image: switch it on, check it. Errors
	 * as paraclock_open(), with a sentence in the detail. May be NULL. */
	int (*start)(struct page *page, const struct paraclock_options *opts);
	/* This machine has no such page: append to the detail what is known of
	 * the cause. */
	void (*explain_absence)(const struct page *page,
				const struct paraclock_options *opts);
	/* pclk_page_read(), or one that calls it. */
	int (*read)(struct page *page, struct page_copy *ret_copy);
	/*
	 * What a copy says at a counter value, as paraclock_backend.get_time_at
	 * and, if ret_conv is not NULL, as get_conversion. The outputs are
	 * written on success only.
	 */
	int (*convert)(struct page *page, const struct page_copy *copy,
		       uint64_t counter, struct paraclock_sample *ret_sample,
		       struct paraclock_conversion *ret_conv);
	const struct page_reason *reasons;
};

/* --- reading, as the members of struct paraclock_backend ------------------ */

PAGE_INLINE int page_get_conversion(const struct page_kind *kind, void *state,
				    struct paraclock_sample *ret_sample,
				    struct paraclock_conversion *ret_conv)
{
	struct page_copy copy;
	int ret = kind->read(state, &copy);

	return ret ? ret
		   : kind->convert(state, &copy, copy.ticks, ret_sample,
				   ret_conv);
}

PAGE_INLINE int page_get_time(const struct page_kind *kind, void *state,
			      struct paraclock_sample *ret_sample)
{
	return page_get_conversion(kind, state, ret_sample, NULL);
}

PAGE_INLINE int page_get_time_at(const struct page_kind *kind, void *state,
				 uint64_t counter,
				 struct paraclock_sample *ret_sample)
{
	struct page_copy copy;
	int ret = kind->read(state, &copy);

	return ret ? ret
		   : kind->convert(state, &copy, counter, ret_sample, NULL);
}

/* --- for convert ---------------------------------------------------------- */

/* Begin a conversion: zeroed, but for the live words at offset, where all of
 * the page is in memory. */
static inline void page_begin_conversion(const struct page *page, size_t offset,
					 struct paraclock_conversion *ret_conv)
{
	const char *live = page->map.addr;

	memset(ret_conv, 0, sizeof(*ret_conv));
	if (live && page->map.size >= page->shape->size)
		ret_conv->page = (const void *)(live + offset);
}

/* Of a page that counts with the TSC: is that the env's counter? */
static inline bool page_is_tsc_ours(const struct page *page)
{
	return page->env->counter_id == PARACLOCK_COUNTER_X86_TSC ||
	       page->env->counter_id == PARACLOCK_COUNTER_ANY;
}

/* It is not: say so in a sample of that page. */
void pclk_page_foreign(struct paraclock_sample *sample);

/* --- the rest of a backend ------------------------------------------------ */

int pclk_page_source_open(const struct page_kind *kind,
			  const struct paraclock_env *env,
			  const struct paraclock_options *opts,
			  void **ret_state);
/* Switch the page on by an MSR; closing it writes 0 there. */
int pclk_page_switch_on(struct page *page, uint32_t msr, uint64_t value);

/* close, is_there and explain of every kind of page. */
void pclk_page_source_close(void *state);
int pclk_page_source_is_there(void *state);
void pclk_page_source_explain(void *state, int error,
			      const struct paraclock_sample *sample, char *buf,
			      size_t size);

#endif
