// SPDX-License-Identifier: MIT
/*
 * Setting a timekeeper.
 *
 * A change first cuts t_end, in the copy that is in use, to just before
 * t_change. It is judged once no reader is left that has seen the old t_end:
 * from then on nobody gets a time past t_change, however long it takes until
 * the publication says what is shown there. Without the cut, a writer that is
 * preempted just before it publishes would let readers follow the old timeline
 * past t_change, and then see the new one behind it.
 */

#include <errno.h>

#include "base/relaxed.h"
#include "timekeeper_writer.h"

/* How far ahead a change as soon as possible is put: it is published by then,
 * unless the writer is preempted. */
#define LEAD_NS	   10000
#define LEAD_TRIES 3

/* t_change passed before the publication. */
#define LATE 1

struct change {
	struct paraclock_timeline tl;
	uint64_t t_change; /* 0: soon */
	aim_fn *aim;	   /* NULL: show what tl says */
	void *arg;
	uint64_t lead;	/* ticks of LEAD_NS */
	uint64_t judge; /* ticks of TK_JUDGE_NS */
};

/* Can readers have a time at that counter value? */
static bool is_in_force(const struct tk_slot *slot, uint64_t counter)
{
	return slot->mode == TK_RUNNING && counter >= slot->tl[0].base_tsc &&
	       counter <= slot->t_lease;
}

/* No reader has a time now: the change begins at once, or when its timeline
 * does. */
static int start(struct tk_slot *slot, const struct change *change,
		 uint64_t now)
{
	struct paraclock_timeline *tl = &slot->tl[0];
	u128 seen = pclk_tk_seen_by(slot, now);
	int ret = 0;

	*tl = change->tl;
	if (now > tl->t_end)
		return -ESTALE;
	if (change->t_change > tl->base_tsc)
		ret = paraclock_timeline_rebase(tl, change->t_change);
	/* Readers read counters later than now. */
	if (!ret)
		ret = pclk_tk_keep_promise(
			tl, now > tl->base_tsc ? now : tl->base_tsc, seen);
	if (ret == -ESTALE && change->aim) {
		ret = paraclock_timeline_rebase(tl, now);
		if (!ret)
			ret = change->aim(tl, seen, change->arg);
	}
	if (ret)
		return ret;
	slot->t_change = TK_NEVER;
	slot->t_written = now;
	tk_set_seen(slot, seen);
	ret = pclk_tk_install(slot, 0, &change->tl);
	/* The end of the month may have passed, too. */
	return !ret && now > slot->t_end ? -ESTALE : ret;
}

/* The change follows, from t_change on, what is in force at counter value
 * now. */
static int succeed(struct tk_slot *slot, const struct change *change,
		   uint64_t t_change, uint64_t now)
{
	struct paraclock_timeline *tl = &slot->tl[1];
	u128 shown;
	int ret;

	if (t_change > change->tl.t_end)
		return -ESTALE;
	if (now >= t_change)
		return LATE;
	if (now >= slot->t_change) {
		slot->tl[0] = *tl;
		slot->conv[0] = slot->conv[1];
	}
	/* The old timeline says nothing beyond its own end. */
	if (t_change - 1 > slot->tl[0].t_end)
		return -EINVAL;
	*tl = change->tl;
	slot->t_change = t_change;
	slot->t_written = now;
	ret = pclk_timeline_time(&slot->tl[0], t_change, &shown);
	if (!ret)
		ret = paraclock_timeline_rebase(tl, t_change);
	if (ret)
		return ret;
	ret = change->aim ? change->aim(tl, shown, change->arg)
			  : pclk_tk_keep_promise(tl, t_change, shown);
	return ret ? ret : pclk_tk_install(slot, 1, &change->tl);
}

/* Readers look at t_end with every read, so this needs no publication. */
static void cut(const struct tk_job *job, uint64_t t_end)
{
	struct tk *tk = job->tk;

	STORE(tk->slot[tk->state & 1].t_end, t_end);
}

/* Cut t_end to before the change, or before a change that is still ahead and
 * may be replaced. Returns a counter value that no reader with a later t_end is
 * past. */
static uint64_t close_before(const struct tk_job *job, uint64_t t_change,
			     uint64_t judge)
{
	const struct tk_slot *slot = &job->slot;
	uint64_t now = tk_counter_now(job);

	if (slot->mode != TK_RUNNING)
		return now;
	if (now < slot->tl[0].base_tsc && t_change > slot->tl[0].base_tsc)
		t_change = slot->tl[0].base_tsc;
	else if (now < slot->t_change && t_change > slot->t_change)
		t_change = slot->t_change;
	if (slot->t_lease >= t_change)
		cut(job, t_change - 1);
	return pclk_tk_after_readers(job, judge);
}

static int change_once(struct tk_job *job, const struct change *change,
		       uint64_t t_change)
{
	uint64_t now = close_before(job, t_change, change->judge);
	int ret = is_in_force(&job->slot, now)
			  ? succeed(&job->slot, change, t_change, now)
			  : start(&job->slot, change, now);

	/* After a failure the old lease holds. */
	if (ret)
		cut(job, job->slot.t_lease);
	return ret;
}

/* As soon as possible, but not before the timeline begins. */
static uint64_t soon(const struct tk_job *job, const struct change *change)
{
	const struct tk_slot *slot = &job->slot;
	uint64_t now = tk_counter_now(job);
	uint64_t at = timeline_after(now, change->lead + 2);

	/* Do not put off a change that is ahead: a caller that sets the
	 * timekeeper all the time would do so for ever. */
	if (at > slot->t_change && slot->t_change > now + 4 * change->judge)
		at = slot->t_change;
	/* The timeline before it must reach up to it. */
	if (now < slot->t_change && at - 1 > slot->tl[0].t_end)
		at = slot->t_change;
	if (at > slot->t_lease)
		at = slot->t_lease + 1;
	return at > change->tl.base_tsc ? at : change->tl.base_tsc;
}

static int apply(struct paraclock_timekeeper *timekeeper,
		 const struct paraclock_env *env, struct change *change)
{
	struct tk_job job;
	int ret = pclk_tk_begin(&job, timekeeper, env);

	if (ret)
		return ret;
	change->lead = pclk_timeline_ticks(&change->tl, LEAD_NS);
	/* Derived, because a division of 128 bits takes long. */
	change->judge = change->lead / (LEAD_NS / TK_JUDGE_NS);
	ret = LATE;
	if (!job.is_sane)
		ret = -EPROTO;
	else if (job.slot.mode == TK_FROZEN)
		ret = -EAGAIN;
	else if (!tk_has_scale_of(&job.slot, &change->tl))
		ret = -EINVAL;
	for (unsigned int i = 0; ret == LATE && i < LEAD_TRIES; i++)
		ret = change_once(&job, change,
				  change->t_change ? change->t_change
						   : soon(&job, change));
	return pclk_tk_end(&job, ret == LATE ? -ESTALE : ret);
}

int paraclock_timekeeper_set(struct paraclock_timekeeper *timekeeper,
			     const struct paraclock_env *env,
			     const struct paraclock_timeline *tl,
			     uint64_t t_change)
{
	struct change change = { .t_change = t_change };
	int ret = pclk_tk_prepare(tl, &change.tl);

	if (ret)
		return ret;
	if (t_change &&
	    (t_change < change.tl.base_tsc || t_change > change.tl.t_end))
		return -EINVAL;
	return apply(timekeeper, env, &change);
}

int pclk_timekeeper_aim(struct paraclock_timekeeper *timekeeper,
			const struct paraclock_env *env,
			const struct paraclock_timeline *tl, aim_fn *aim,
			void *arg)
{
	struct change change = { .aim = aim, .arg = arg };
	int ret = pclk_tk_prepare(tl, &change.tl);

	return ret ? ret : apply(timekeeper, env, &change);
}
