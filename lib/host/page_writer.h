/* SPDX-License-Identifier: MIT */
/* Writing a page under its sequence: the one way for every kind of page. */
#ifndef PAGE_WRITER_H
#define PAGE_WRITER_H

#include <stdbool.h>

#include <paraclock/host.h>

#include "base/fixed.h"
#include "base/seqword.h"
#include "page/page.h"

#define PAGE_WORDS (PAGE_COPY_MAX / sizeof(uint64_t))

/* A whole page, but for its sequence; its kind's struct lies on the words. */
struct page_image {
	seqword word[PAGE_WORDS];
};

/*
 * A page as its timeline would have it, and as readers see it. Where what they
 * have seen must be kept (MONOTONIC) the second may be ahead of the first, by
 * rounding and by what went on while it was written; lift() bounds that. That
 * a timeline is behind the last one is judged by the first.
 */
struct page_pair {
	struct page_image asked;
	struct page_image shown;
};

/* While it is ahead it runs slower by one part in 2^32 (0.233 ppb). */
#define PAGE_SLOWER_SHIFT 32

/*
 * A page that must go on from what its readers have seen. Times are 2^-64 of
 * the kind's own unit, in all that follows.
 */
struct page_lift {
	const struct paraclock_timeline *tl;
	uint64_t counter; /* at which it is judged */
	s128 was;	  /* what the old page shows there */
	s128 is;	  /* what the new one asks for, which is less */
};

/*
 * What the writer of one kind of page must know. Images are struct page_image;
 * the counter is a value that no reader of the old page is past, and every
 * reader of the new one will be.
 */
struct page_kind {
	s128 rounded; /* what a page may be ahead of the next of its timeline */
	const struct page_shape *shape;
	uint8_t id;	     /* not 0; another for each kind */
	uint8_t first;	     /* word at which the changing part begins */
	bool is_tsc;	     /* MONOTONIC and X86_TSC is all that it can say */
	bool moves_base;     /* settle() moves one that is still to come */
	uint64_t guest_bits; /* of the last word: the guest's own, kept */
	/* Does it say a time that another can be compared with? */
	bool (*is_usable)(const void *image);
	/* What a checked timeline says; *image is zeroed. */
	int (*make)(const struct paraclock_timeline *tl, void *image);
	/* Complete *next, two copies of that. old is NULL if nothing is known
	 * of it, tl if there is none. May be NULL. */
	int (*confirm_fresh)(const struct paraclock_timeline *tl,
			     const struct page_pair *old, uint64_t counter,
			     struct page_pair *next);
	/* What readers see; -ERANGE: nothing. */
	int (*reading)(const void *image, uint64_t counter, s128 *ret_time);
	/*
	 * Make *image show lift->was, and run slower until it is caught up.
	 * -ESTALE: it would be further ahead than <paraclock/host.h> says.
	 */
	int (*lift)(const struct page_lift *lift, void *image);
	/* What stands before first, which is written once; may be NULL. */
	int (*check_head)(const void *page, const void *image);
	void (*write_head)(void *page, const void *image);
};

/* Write what tl says; env may be NULL. As paraclock_pvclock_write(). */
int pclk_page_write(const struct page_kind *kind, void *page,
		    struct paraclock_page_writer *writer,
		    const struct paraclock_env *env,
		    const struct paraclock_timeline *tl);

/* Switch it off (PAGE_ZERO), or write what settle() makes of the last image
 * without a timeline. As paraclock_hyperv_freeze(). */
int pclk_page_freeze(const struct page_kind *kind, void *page,
		     struct paraclock_page_writer *writer,
		     const struct paraclock_env *env);

/* page_owner.c: one writer at a time. */

/* The process that env is in: its id, for whoever has taken a page. */
uint32_t pclk_page_process(const struct paraclock_env *env);
/* env, or this machine's; -EINVAL, -ENODEV. */
int pclk_page_env(const struct paraclock_env **env);

/* struct paraclock_page_writer, from inside. */
struct __attribute__((may_alias)) page_writer_state {
	uint64_t owner;	   /* see page_owner.c; 0: nobody */
	uint32_t busy;	   /* 1: a thread of the owner is writing */
	uint32_t how;	   /* enum counter_how, the owner's */
	uint32_t kind;	   /* page_kind.id; 0: none yet */
	uint32_t current;  /* pair[current - 1] was last; 0: none */
	uint32_t sequence; /* the last that was shown (PAGE_ZERO) */
	uint32_t off;	   /* 1: switched off, and not by an update */
	uint64_t start;	   /* the owner's, as it is said by its env */
	uint64_t space;	   /* the same */
	uint64_t machine;  /* the same */
	struct page_pair pair[2];
};
_Static_assert(sizeof(struct page_writer_state) <=
		       sizeof(struct paraclock_page_writer),
	       "it is made of it");

/* -EPERM, -EBUSY: not now. */
int pclk_page_enter(struct page_writer_state *state,
		    const struct paraclock_env *env);
void pclk_page_leave(struct page_writer_state *state);

#endif
