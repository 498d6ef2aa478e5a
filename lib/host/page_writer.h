/* SPDX-License-Identifier: MIT */
/* Writing a page under its sequence, the same way for every kind of page. */
#ifndef PAGE_WRITER_H
#define PAGE_WRITER_H

#include <stdbool.h>

#include <paraclock/host.h>

#include "base/fixed.h"
#include "base/seqword.h"
#include "page/page.h"

#define PAGE_WORDS (PAGE_COPY_MAX / sizeof(uint64_t))

/* A whole page except for its sequence. The kind's own struct overlays the
 * words. */
struct page_image {
	seqword word[PAGE_WORDS];
};

/*
 * A page as its timeline would have it (asked), and as readers see it (shown).
 * If time must not go back for readers (MONOTONIC), the shown page may be ahead
 * of the asked one: by rounding, and by the time that writing took. lift()
 * bounds that. Whether a new timeline is behind the last one is judged by the
 * asked pages.
 */
struct page_pair {
	struct page_image asked;
	struct page_image shown;
};

/* What a page shows behind its image: the same in every update, or not shown at
 * all, so that no image of it is kept. */
struct page_tail {
	uint64_t word[2];
};

/* While the shown page is ahead it runs slower by one part in 2^32 (0.233
 * ppb). */
#define PAGE_SLOWER_SHIFT 32

/*
 * A page that must go on from what its readers have seen. Here and below, times
 * are in 2^-64 of the kind's own unit.
 */
struct page_lift {
	const struct paraclock_timeline *tl;
	uint64_t counter; /* where old and new are compared */
	s128 was;	  /* what the old page shows there */
	s128 is;	  /* what the new one asks for there, which is less */
};

/*
 * What differs between kinds of pages. Images are struct page_image. The
 * counter value is one that no reader of the old page is past, and that every
 * reader of the new page will be past.
 */
struct page_writer_kind {
	s128 rounded; /* how far rounding may put a page ahead of the next */
	const struct page_shape *shape;
	uint8_t id;	     /* not 0; a different one for each kind */
	uint8_t first;	     /* word at which the changing part begins */
	bool is_tsc;	     /* can express MONOTONIC and X86_TSC only */
	bool moves_base;     /* complete() moves a base that is still ahead */
	uint64_t guest_bits; /* of the last word: the guest writes them */
	/* Does the image show a time that another can be compared with? */
	bool (*is_usable)(const void *image);
	/* The image of a checked timeline; *image is zeroed. */
	int (*make)(const struct paraclock_timeline *tl, void *image);
	/* Complete *next, whose two images are copies of what make() made. old
	 * is NULL: the old page is unknown; tl is NULL: no timeline. May itself
	 * be NULL. */
	int (*complete)(const struct paraclock_timeline *tl,
			const struct page_pair *old, uint64_t counter,
			struct page_pair *next);
	/* What readers see; -ERANGE: nothing that can be expressed. */
	int (*reading)(const void *image, uint64_t counter, s128 *ret_time);
	/*
	 * Make *image show lift->was, and run slower until its timeline has
	 * caught up. -ESTALE: it would be further ahead than <paraclock/host.h>
	 * allows.
	 */
	int (*lift)(const struct page_lift *lift, void *image);
	/* The words before first, which are written once, and the tail; may be
	 * NULL. make_tail() may be slow, so it comes before the update; false:
	 * the tail stays as it is, and is NULL. */
	int (*check_head)(const void *page, const void *image);
	bool (*make_tail)(const struct paraclock_env *env, const void *image,
			  struct page_tail *ret_tail);
	void (*write_around)(void *page, const void *image,
			     const struct page_tail *tail);
};

/* Write what tl says; env may be NULL. Errors as the public function of the
 * kind lists them, see <paraclock/host.h>. */
int pclk_page_write(const struct page_writer_kind *kind, void *page,
		    struct paraclock_page_writer *writer,
		    const struct paraclock_env *env,
		    const struct paraclock_timeline *tl);

/* Switch the page off (PAGE_ZERO), or write what complete() makes of the last
 * image without a timeline. Errors as for pclk_page_write(). */
int pclk_page_freeze(const struct page_writer_kind *kind, void *page,
		     struct paraclock_page_writer *writer,
		     const struct paraclock_env *env);

/* page_owner.c: one writer at a time. */

/* The id of the process that env is in. */
uint32_t pclk_page_process(const struct paraclock_env *env);
/* Replace NULL by this machine's env. -EINVAL: an env of another size; -ENODEV:
 * this build has no env. */
int pclk_page_env(const struct paraclock_env **env);

/* struct paraclock_page_writer, from inside. */
struct __attribute__((may_alias)) page_writer_state {
	uint64_t owner;	   /* see page_owner.c; 0: none */
	uint32_t busy;	   /* 1: a thread of the owner is writing */
	uint32_t how;	   /* enum counter_how, the owner's */
	uint32_t kind;	   /* page_writer_kind.id; 0: none yet */
	uint32_t current;  /* pair[current - 1] was last written; 0: none */
	uint32_t sequence; /* the last that was shown (PAGE_ZERO) */
	uint32_t off;	   /* 1: switched off on purpose, not by an update */
	/* Of the owner, as its env identifies it. */
	uint64_t start;
	uint64_t space;
	uint64_t machine;
	struct page_pair pair[2];
};
_Static_assert(sizeof(struct page_writer_state) <=
		       sizeof(struct paraclock_page_writer),
	       "it is made of it");

/* Begin to write. -EPERM: this process does not own the page; -EBUSY: another
 * thread is writing. */
int pclk_page_enter(struct page_writer_state *state,
		    const struct paraclock_env *env);
void pclk_page_leave(struct page_writer_state *state);

#endif
