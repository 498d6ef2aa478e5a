/* SPDX-License-Identifier: MIT */
/* A timekeeper in memory: what readers copy, and what only its writer uses. */
#ifndef TIMEKEEPER_H
#define TIMEKEEPER_H

#include <errno.h>

#include <paraclock/timekeeper.h>

#include "base/counter.h"
#include "page_writer.h"
#include "timeline.h"

/* "PCTK", version, size in words. */
#define TK_MAGIC   0x4b544350U
#define TK_VERSION 1U
#define TK_HEAD                                  \
	(TK_MAGIC | (uint64_t)TK_VERSION << 32 | \
	 (uint64_t)(sizeof(struct tk) / sizeof(uint64_t)) << 48)

/*
 * The word that readers compare before and after a read: the migration count in
 * the upper bits, the sequence in the lower ones. In one word the two need no
 * order between them. At 2 * 10^6 updates a second the sequence wraps in 153
 * hours; a reader that is stopped for exactly that long is not considered.
 */
#define TK_SEQ_BITS 40
#define TK_SEQ_MASK (((uint64_t)1 << TK_SEQ_BITS) - 1)

/* No change is ahead: later than any t_end. */
#define TK_NEVER UINT64_MAX

enum tk_mode {
	TK_EMPTY,
	TK_RUNNING,
	TK_FROZEN,
};

/* The conversion that readers copy: a timeline in whole words, without what
 * only its writer uses. */
struct tk_conversion {
	uint64_t base_tsc;
	uint64_t base_sec;
	uint64_t base_frac;
	uint64_t period_frac;
	uint64_t shift;
	uint64_t error_ns; /* PARACLOCK_ERROR_UNKNOWN: no bound */
	uint64_t error_rate_frac;
	uint64_t qualifiers; /* sample bytes 40 to 47, within the window */
	uint64_t flags;	     /* sample bytes 48 to 55 */
};

/*
 * One of the two copies. Readers use the one that the sequence's lowest bit
 * names. A writer fills the other one. Of the copy in use it changes only
 * t_end: while a change is about to be published, t_end is lowered below
 * t_lease, to just before that change.
 */
struct __attribute__((may_alias)) tk_slot {
	uint64_t mode;	     /* enum tk_mode */
	uint64_t t_change;   /* conv[1] from here on; TK_NEVER: not used */
	uint64_t t_end;	     /* the last counter value with a time */
	uint64_t t_lease;    /* t_end, unless a change is under way */
	uint64_t migrations; /* the migration count, all of its bits */
	struct tk_conversion conv[2];
	/* The rest is for the writer. */
	uint64_t t_written; /* counter when it was set or frozen; 0: unknown */
	/* The latest time that readers can have seen before tl[0] began, or
	 * before the freeze. */
	uint64_t seen_sec, seen_frac;
	struct paraclock_timeline tl[2];
};

struct __attribute__((may_alias)) tk {
	uint64_t state; /* see TK_SEQ_BITS */
	uint64_t head;	/* TK_HEAD; 0: not created yet */
	uint64_t how;	/* enum counter_how, of this machine */
	uint64_t spare[5];
	struct tk_slot slot[2];
	struct paraclock_page_writer writer;
};
_Static_assert(sizeof(struct tk) <= sizeof(struct paraclock_timekeeper),
	       "it is made of it");
_Static_assert(sizeof(struct tk_slot) % sizeof(uint64_t) == 0,
	       "copied by words");
_Static_assert(sizeof(struct paraclock_timeline) == 128,
	       "in shared memory: another size is another version");

#define TK_SLOT_WORDS (sizeof(struct tk_slot) / sizeof(uint64_t))

static inline bool tk_is_aligned(const void *tk)
{
	return tk && (uintptr_t)tk % sizeof(uint64_t) == 0;
}

/* Readers use what the writer has learnt from CPUID (tk->how). */
static inline uint64_t tk_counter(const struct tk *tk,
				  const struct paraclock_env *env)
{
	if (env && env->counter)
		return env->counter(env->ctx);
	return __atomic_load_n(&tk->how, __ATOMIC_RELAXED) == COUNTER_RDTSCP
		       ? counter_rdtscp()
		       : counter_fenced();
}

/* -EAGAIN: not created yet; -EPROTO: this memory holds something else. */
static inline int tk_check(const struct tk *tk)
{
	/* Acquire pairs with the release in create(): the rest is there. */
	uint64_t head = __atomic_load_n(&tk->head, __ATOMIC_ACQUIRE);

	if (head == TK_HEAD)
		return 0;
	return head ? -EPROTO : -EAGAIN;
}

/* timekeeper.c: tk_counter() out of line, where speed does not matter. */
uint64_t pclk_tk_counter(const struct tk *tk, const struct paraclock_env *env);

/* timekeeper.c: could a writer have left this? For a private copy of memory
 * that others may write. */
bool pclk_tk_is_sane(const struct tk_slot *slot);

/* timekeeper_read.c: read at a counter value; NULL: now. Errors as for
 * paraclock_timekeeper_read(). */
int pclk_timekeeper_at(const struct tk *tk, const struct paraclock_env *env,
		       const uint64_t *counter,
		       struct paraclock_sample *ret_sample);

/*
 * Aim a timeline where it begins: make it start at the time that is shown
 * there, in 2^-64 s, and go from there to what it said itself.
 */
typedef int aim_fn(struct paraclock_timeline *tl, u128 shown, void *arg);

/* timekeeper_set.c: as paraclock_timekeeper_set() as soon as possible, with aim
 * called if the timekeeper shows a time at that moment, or if it showed a later
 * time before and tl is MONOTONIC. */
int pclk_timekeeper_aim(struct paraclock_timekeeper *timekeeper,
			const struct paraclock_env *env,
			const struct paraclock_timeline *tl, aim_fn *aim,
			void *arg);

#endif
