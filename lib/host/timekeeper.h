/* SPDX-License-Identifier: MIT */
/* A timekeeper in memory, and who may look at what. */
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
 * The word that readers compare before and after: the count of migrations
 * above, the sequence below. In one word, so that there is no order between
 * the two to get wrong. At 2 * 10^6 updates a second the sequence comes round
 * in 153 hours; a reader stopped for exactly that long is not thought of.
 */
#define TK_SEQ_BITS 40
#define TK_SEQ_MASK (((uint64_t)1 << TK_SEQ_BITS) - 1)

/* No change is to come: later than any t_end. */
#define TK_NEVER UINT64_MAX

enum tk_mode {
	TK_EMPTY,
	TK_RUNNING,
	TK_FROZEN,
};

/* What readers take of a timeline; whole words. */
struct tk_conversion {
	uint64_t base_tsc;
	uint64_t base_sec;
	uint64_t base_frac;
	uint64_t period_frac;
	uint64_t shift;
	uint64_t error_ns; /* PARACLOCK_ERROR_UNKNOWN: no bound */
	uint64_t error_rate_frac;
	uint64_t qualifiers; /* sample bytes 40 to 47, if in the window */
	uint64_t flags;	     /* sample bytes 48 to 55 */
};

/*
 * One of the two copies. Readers use the one that the sequence's lowest bit
 * names. A writer changes the other one, and of this one t_end only: below
 * t_lease while a change is about to be published, to just before it.
 */
struct __attribute__((may_alias)) tk_slot {
	uint64_t mode;	     /* enum tk_mode */
	uint64_t t_change;   /* line[1] from here on; TK_NEVER: no line[1] */
	uint64_t t_end;	     /* the last counter value with a time */
	uint64_t t_lease;    /* and when no change is under way */
	uint64_t migrations; /* all of its bits */
	struct tk_conversion conv[2];
	/* The rest is the writer's. */
	uint64_t t_written; /* counter when it was set, or frozen; 0: unknown */
	/* Before tl[0] began, or it was frozen, nothing later was seen. */
	uint64_t seen_sec, seen_frac;
	struct paraclock_timeline tl[2];
};

struct __attribute__((may_alias)) tk {
	uint64_t state; /* see TK_SEQ_BITS */
	uint64_t head;	/* TK_HEAD; 0: not made yet */
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
	       "in memory that is shared: another size is another version");

#define TK_SLOT_WORDS (sizeof(struct tk_slot) / sizeof(uint64_t))

static inline bool tk_is_aligned(const void *tk)
{
	return tk && (uintptr_t)tk % sizeof(uint64_t) == 0;
}

/* The writer has looked up in CPUID how to read this CPU's. */
static inline uint64_t tk_counter(const struct tk *tk,
				  const struct paraclock_env *env)
{
	if (env && env->counter)
		return env->counter(env->ctx);
	return __atomic_load_n(&tk->how, __ATOMIC_RELAXED) == COUNTER_RDTSCP
		       ? counter_rdtscp()
		       : counter_fenced();
}

/* -EAGAIN: it is not made yet; -EPROTO: it is something else. */
static inline int tk_check(const struct tk *tk)
{
	/* Acquire pairs with the release in create(): the rest is made. */
	uint64_t head = __atomic_load_n(&tk->head, __ATOMIC_ACQUIRE);

	if (head == TK_HEAD)
		return 0;
	return head ? -EPROTO : -EAGAIN;
}

/* timekeeper.c: the same, where it is not to be fast. */
uint64_t pclk_tk_counter(const struct tk *tk, const struct paraclock_env *env);

/* timekeeper.c: a private copy of what others may write: is it what a writer
 * leaves there? */
bool pclk_tk_is_sane(const struct tk_slot *slot);

/* timekeeper_read.c: at a counter value, NULL: now. */
int pclk_timekeeper_at(const struct tk *tk, const struct paraclock_env *env,
		       const uint64_t *counter,
		       struct paraclock_sample *ret_sample);

/*
 * Where a timeline begins: it is to go on from what is shown there, 2^-64 s,
 * by whatever way to what it says itself.
 */
typedef int aim_fn(struct paraclock_timeline *tl, u128 shown, void *arg);

/* timekeeper.c: as paraclock_timekeeper_set(), as soon as can be, but aimed
 * where something is shown; or, if MONOTONIC, has been and was later. */
int pclk_timekeeper_aim(struct paraclock_timekeeper *timekeeper,
			const struct paraclock_env *env,
			const struct paraclock_timeline *tl, aim_fn *aim,
			void *arg);

#endif
