/* SPDX-License-Identifier: MIT */
/* What the files of a timekeeper's writer share. */
#ifndef TIMEKEEPER_WRITER_H
#define TIMEKEEPER_WRITER_H

#include "timekeeper.h"

/*
 * A reader's counter is read up to some tens of cycles after it looked at the
 * state for the last time (see look() in timekeeper_read.c): so long after a
 * publication there is no reader of the one before, ns.
 */
#define TK_JUDGE_NS ((uint64_t)100)

/* Who has begun to write. */
struct tk_job {
	struct tk *tk;
	const struct paraclock_env *env;
	struct tk_slot slot; /* what is there, up to its lease */
	bool is_sane;	     /* else somebody has written over it */
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

/* What was written over is not believed: nothing of it is left. */
static inline void tk_forget(struct tk_slot *slot)
{
	*slot = (struct tk_slot){
		.mode = TK_EMPTY,
		.t_change = TK_NEVER,
		.migrations = slot->migrations,
	};
}

/* --- publishing ----------------------------------------------------------- */

/* -EPERM, -EBUSY: not ours to change. */
int pclk_tk_begin(struct tk_job *job, struct paraclock_timekeeper *timekeeper,
		  const struct paraclock_env *env);
void pclk_tk_publish(struct tk *tk, const struct tk_slot *slot);
/* What has become of job.slot is published if ret is 0. Returns ret. */
int pclk_tk_end(struct tk_job *job, int ret);
/* A counter value that no reader of what was there before is past, and more
 * than margin ticks from now: those of TK_JUDGE_NS. */
uint64_t pclk_tk_after_readers(const struct tk_job *job, uint64_t margin);
/* Nothing later can have been seen by counter value, 2^-64 s. */
u128 pclk_tk_seen_by(const struct tk_slot *slot, uint64_t counter);

/* --- a new timeline ------------------------------------------------------- */

/* What does not depend on when; base_tsc is where it begins. */
int pclk_tk_prepare(const struct paraclock_timeline *tl,
		    struct paraclock_timeline *ret_tl);
/* From counter on, where at least shown must be seen if it is MONOTONIC. */
int pclk_tk_keep_promise(struct paraclock_timeline *tl, uint64_t counter,
			 u128 shown);
/*
 * slot->tl[i] is there, and where it begins is known: base_tsc. What it was
 * made from says which month it is in: a base that was moved may have left it.
 */
int pclk_tk_install(struct tk_slot *slot, unsigned int i,
		    const struct paraclock_timeline *from);

#endif
