/* SPDX-License-Identifier: MIT */
/* How a timekeeper's writer changes it: timekeeper_writer.c. */
#ifndef TIMEKEEPER_WRITER_H
#define TIMEKEEPER_WRITER_H

#include "timekeeper.h"

/*
 * A reader reads its counter up to some tens of cycles after its last look at
 * the state (see look() in timekeeper_read.c). This long after a publication no
 * reader of the one before is left, ns.
 */
#define TK_JUDGE_NS ((uint64_t)100)

/* A change under way. */
struct tk_job {
	struct tk *tk;
	const struct paraclock_env *env;
	struct tk_slot slot; /* a copy of what is in use, up to its lease */
	bool is_sane;	     /* false: somebody has overwritten it */
};

static inline uint64_t tk_counter_now(const struct tk_job *job)
{
	return pclk_tk_counter(job->tk, job->env);
}

static inline bool tk_has_scale_of(const struct tk_slot *slot,
				   const struct paraclock_timeline *tl)
{
	return !slot->tl[0].size || (slot->tl[0].timescale == tl->timescale &&
				     slot->tl[0].counter == tl->counter);
}

static inline void tk_set_seen(struct tk_slot *slot, u128 time)
{
	slot->seen_sec = (uint64_t)(time >> 64);
	slot->seen_frac = (uint64_t)time;
}

/* Nothing is kept of what somebody has overwritten. */
static inline void tk_forget(struct tk_slot *slot)
{
	*slot = (struct tk_slot){
		.mode = TK_EMPTY,
		.t_change = TK_NEVER,
		.migrations = slot->migrations,
	};
}

/* --- publishing ----------------------------------------------------------- */

/* -EPERM: this process does not own the timekeeper; -EBUSY: another thread is
 * changing it. */
int pclk_tk_begin(struct tk_job *job, struct paraclock_timekeeper *timekeeper,
		  const struct paraclock_env *env);
void pclk_tk_publish(struct tk *tk, const struct tk_slot *slot);
/* Publish job->slot if ret is 0, and let others change it. Returns ret. */
int pclk_tk_end(struct tk_job *job, int ret);
/* Wait for more than margin ticks, which are those of TK_JUDGE_NS. Returns a
 * counter value that no reader of what was there before is past. */
uint64_t pclk_tk_after_readers(const struct tk_job *job, uint64_t margin);
/* The latest time that readers can have seen by that counter value, 2^-64 s. */
u128 pclk_tk_seen_by(const struct tk_slot *slot, uint64_t counter);

/* --- a new timeline ------------------------------------------------------- */

/* The checks that do not depend on when; *ret_tl begins at its base_tsc. */
int pclk_tk_prepare(const struct paraclock_timeline *tl,
		    struct paraclock_timeline *ret_tl);
/* Lift a MONOTONIC timeline so that it shows at least shown at that counter
 * value. -ESTALE: it would have to be lifted by more than a ns. */
int pclk_tk_keep_promise(struct paraclock_timeline *tl, uint64_t counter,
			 u128 shown);
/*
 * Put slot->tl[i], which begins at its base_tsc, in force. from is the timeline
 * that it was made of, and says which month it belongs to: a base that was
 * moved may have left that month.
 */
int pclk_tk_install(struct tk_slot *slot, unsigned int i,
		    const struct paraclock_timeline *from);

#endif
