// SPDX-License-Identifier: MIT
/*
 * Setting a timekeeper.
 *
 * A change takes two publications. The first cuts t_end to before t_change, and
 * is judged when no reader of what was there before is left: from then on
 * nobody has a time past t_change, however long it takes until the second one
 * says what is to be seen there. Without it a writer that is preempted just
 * before it publishes would have readers follow the old timeline past t_change,
 * and then see the new one behind it.
 */

#include <errno.h>
#include <string.h>

#include "calendar.h"
#include "timekeeper_writer.h"

/* How far ahead a change is put that is to be as soon as possible: so that it
 * is published by then, if the writer is not preempted. */
#define LEAD_NS	   10000
#define LEAD_TRIES 3

/* t_change was over before it was published. */
#define LATE 1

struct change {
	struct paraclock_timeline tl;
	uint64_t t_change; /* 0: soon */
	aim_fn *aim;	   /* NULL: tl says what is to be shown */
	void *arg;
};

/* --- a new timeline -------------------------------------------------------
 */

static uint8_t leap_of(const struct paraclock_timeline *tl)
{
	/* TAI without the offset does not say when the month ends. */
	if (tl->timescale == PARACLOCK_TIMESCALE_MONOTONIC ||
	    tl->leap > PARACLOCK_LEAP_POST_NEG ||
	    (tl->timescale == PARACLOCK_TIMESCALE_TAI &&
	     !(tl->flags & PARACLOCK_TIMELINE_TAI_OFFSET)))
		return PARACLOCK_LEAP_UNKNOWN;
	return tl->leap;
}

/*
 * From there on the number of seconds, the offset or what leap says is another
 * one. To read a straight line across it would be to be wrong by a second.
 */
static int cut_at_month_end(struct paraclock_timeline *tl)
{
	bool tai = tl->timescale == PARACLOCK_TIMESCALE_TAI;
	bool known = tl->flags & PARACLOCK_TIMELINE_TAI_OFFSET;
	int64_t sec = (int64_t)tl->base_sec;
	int64_t at;
	uint64_t ticks;

	if (tl->timescale == PARACLOCK_TIMESCALE_MONOTONIC || (tai && !known) ||
	    (!known && leap_of(tl) == PARACLOCK_LEAP_UNKNOWN))
		return 0;
	at = tai ? tl->tai_offset_sec : 0;
	if (sec < at || sec - at > LEAP_LAST_SEC)
		return -ERANGE;
	at += calendar_month_of(sec - at).end_sec;
	/* The last second is not there. */
	if (tl->leap == PARACLOCK_LEAP_PRE_NEG)
		at--;
	if (sec >= at)
		return -ESTALE;
	/* 1: for what the base is rounded down by. */
	ticks = paraclock_timekeeper_ticks(
		tl, (uint64_t)(at - sec) * NSEC_PER_SEC -
			    mul_high(tl->base_frac, NSEC_PER_SEC) - 1);
	if (tl->t_end - tl->base_tsc > ticks)
		tl->t_end = tl->base_tsc + ticks;
	return 0;
}

int paraclock_tk_prepare(const struct paraclock_timeline *tl,
			 struct paraclock_timeline *ret_tl)
{
	int ret = paraclock_timeline_from_start(tl, ret_tl);

	if (ret)
		return ret;
	ret_tl->size = sizeof(*ret_tl);
	if (!paraclock_timeline_has_time(tl) || !tl->t_end ||
	    tl->t_end == TK_NEVER || tl->t_end < ret_tl->base_tsc ||
	    !tl->timescale || !tl->counter ||
	    tl->timescale > PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED ||
	    leap_of(tl) == PARACLOCK_LEAP_POS)
		return -EINVAL;
	return 0;
}

int paraclock_tk_keep_promise(struct paraclock_timeline *tl, uint64_t counter,
			      u128 shown)
{
	u128 time, base;
	int ret = paraclock_timeline_time(tl, counter, &time);

	if (ret || !(tl->flags & PARACLOCK_TIMELINE_MONOTONIC) || time >= shown)
		return ret;
	if (shown - time > TIMELINE_NSEC)
		return -ESTALE;
	base = ((u128)tl->base_sec << 64 | tl->base_frac) + (shown - time);
	tl->base_sec = (uint64_t)(base >> 64);
	tl->base_frac = (uint64_t)base;
	return 0;
}

int paraclock_tk_install(struct tk_slot *slot, unsigned int i,
			 const struct paraclock_timeline *tl)
{
	const uint32_t bound =
		PARACLOCK_TIMELINE_MAXERROR | PARACLOCK_TIMELINE_MAXERROR_RATE;
	struct tk_line *line = &slot->line[i];
	struct paraclock_sample sample = {
		.timescale = tl->timescale,
		.counter = tl->counter,
		.leap = leap_of(tl),
		.marker_class = PARACLOCK_MARKER_HEURISTIC,
	};
	int ret;

	slot->tl[i] = *tl;
	ret = cut_at_month_end(&slot->tl[i]);
	if (ret)
		return ret;
	sample.valid = (tl->flags & PARACLOCK_TIMELINE_STABLE) != 0;
	if (!sample.valid)
		sample.reason = PARACLOCK_REASON_UNSTABLE;
	if (tl->flags & PARACLOCK_TIMELINE_MONOTONIC)
		sample.flags |= PARACLOCK_FLAG_MONOTONIC;
	if (tl->flags & PARACLOCK_TIMELINE_LOCAL)
		sample.flags |= PARACLOCK_FLAG_LOCAL;
	if (tl->flags & PARACLOCK_TIMELINE_TAI_OFFSET) {
		sample.flags |= PARACLOCK_FLAG_TAI_OFFSET;
		sample.tai_offset_sec = tl->tai_offset_sec;
	}
	line->base_tsc = tl->base_tsc;
	line->base_sec = tl->base_sec;
	line->base_frac = tl->base_frac;
	line->period_frac = tl->period_frac;
	line->shift = tl->period_shift;
	line->error_ns = PARACLOCK_ERROR_UNKNOWN;
	line->error_rate_frac = 0;
	if ((tl->flags & bound) == bound) {
		line->error_ns = tl->maxerror_ns;
		line->error_rate_frac = tl->maxerror_rate_frac;
	}
	memcpy(&line->qualifiers, &sample.valid, sizeof(line->qualifiers));
	memcpy(&line->flags, &sample.flags, sizeof(line->flags));
	slot->mode = TK_RUNNING;
	slot->t_lease = slot->tl[i].t_end;
	slot->t_end = slot->t_lease;
	return 0;
}

/* --- a change -------------------------------------------------------------
 */

/* Can readers have a time at that counter value? */
static bool is_in_force(const struct tk_slot *slot, uint64_t counter)
{
	return slot->mode == TK_RUNNING && counter >= slot->tl[0].base_tsc &&
	       counter <= slot->t_lease;
}

/* Nobody reads: it begins at once, or when it says. */
static int start(const struct tk_job *job, const struct change *change,
		 uint64_t now, struct tk_slot *next)
{
	struct paraclock_timeline tl = change->tl;
	u128 seen = paraclock_tk_seen_by(&job->slot, now);
	int ret;

	if (now > tl.t_end)
		return -ESTALE;
	ret = change->t_change > tl.base_tsc
		      ? paraclock_timeline_rebase(&tl, change->t_change)
		      : 0;
	/* Readers come after now, in the order of their counters. */
	if (!ret)
		ret = paraclock_tk_keep_promise(
			&tl, now > tl.base_tsc ? now : tl.base_tsc, seen);
	if (ret == -ESTALE && change->aim) {
		ret = paraclock_timeline_rebase(&tl, now);
		if (!ret)
			ret = change->aim(&tl, seen, change->arg);
	}
	if (ret)
		return ret;
	memset(next, 0, sizeof(*next));
	next->migrations = job->slot.migrations;
	next->t_change = TK_NEVER;
	tk_set_seen(next, seen);
	return paraclock_tk_install(next, 0, &tl);
}

/* From t_change on it comes after what is in force at counter value now. */
static int succeed(const struct tk_job *job, const struct change *change,
		   uint64_t t_change, uint64_t now, struct tk_slot *next)
{
	const struct tk_slot *old = &job->slot;
	struct paraclock_timeline tl = change->tl;
	bool second = now >= old->t_change;
	u128 shown;
	int ret;

	if (t_change > tl.t_end)
		return -ESTALE;
	if (now >= t_change)
		return LATE;
	/* The old one is not vouched for beyond its own end. */
	if (t_change - 1 > old->tl[second].t_end)
		return -EINVAL;
	ret = paraclock_timeline_time(&old->tl[second], t_change, &shown);
	if (!ret)
		ret = paraclock_timeline_rebase(&tl, t_change);
	if (ret)
		return ret;
	ret = change->aim ? change->aim(&tl, shown, change->arg)
			  : paraclock_tk_keep_promise(&tl, t_change, shown);
	if (ret)
		return ret;
	*next = *old;
	next->tl[0] = old->tl[second];
	next->line[0] = old->line[second];
	next->t_change = t_change;
	return paraclock_tk_install(next, 1, &tl);
}

/* From here on readers have no time at which another than what is there could
 * be seen. */
static uint64_t close_before(struct tk_job *job, uint64_t t_change)
{
	const struct tk_slot *old = &job->slot;
	struct tk_slot closing = *old;
	uint64_t now = tk_counter_now(job);

	if (old->mode != TK_RUNNING)
		return now;
	closing.mode = TK_CLOSING;
	/* What is still to come may be replaced. */
	if (now < old->tl[0].base_tsc && t_change > old->tl[0].base_tsc)
		t_change = old->tl[0].base_tsc;
	else if (now < old->t_change && t_change > old->t_change)
		t_change = old->t_change;
	if (closing.t_end >= t_change)
		closing.t_end = t_change - 1;
	paraclock_tk_publish(job->tk, &closing);
	return paraclock_tk_after_readers(job, &old->tl[0]);
}

static int change_once(struct tk_job *job, const struct change *change,
		       uint64_t t_change)
{
	uint64_t now = close_before(job, t_change);
	struct tk_slot next;
	int ret;

	if (is_in_force(&job->slot, now))
		ret = succeed(job, change, t_change, now, &next);
	else
		ret = start(job, change, now, &next);
	paraclock_tk_publish(job->tk, ret ? &job->slot : &next);
	return ret;
}

/* As soon as can be, but not before it begins. */
static uint64_t soon(const struct tk_job *job,
		     const struct paraclock_timeline *tl)
{
	const struct tk_slot *slot = &job->slot;
	uint64_t now = tk_counter_now(job);
	uint64_t at = now + paraclock_timekeeper_ticks(tl, LEAD_NS) + 2;

	/* Else who changes it all the time would put it off for ever. */
	if (at > slot->t_change &&
	    slot->t_change >
		    now + paraclock_timekeeper_ticks(tl, 4 * TK_JUDGE_NS))
		at = slot->t_change;
	if (at > slot->t_lease)
		at = slot->t_lease + 1;
	return at > tl->base_tsc ? at : tl->base_tsc;
}

static int apply(struct paraclock_timekeeper *timekeeper,
		 const struct paraclock_env *env, const struct change *change)
{
	struct tk_job job;
	int ret = paraclock_tk_begin(&job, timekeeper, env);

	if (ret)
		return ret;
	if (job.slot.mode == TK_FROZEN)
		return tk_end(&job, -EAGAIN);
	if (!tk_has_scale_of(&job.slot, &change->tl))
		return tk_end(&job, -EINVAL);
	ret = LATE;
	for (unsigned int i = 0; ret == LATE && i < LEAD_TRIES; i++)
		ret = change_once(&job, change,
				  change->t_change ? change->t_change
						   : soon(&job, &change->tl));
	return tk_end(&job, ret == LATE ? -ESTALE : ret);
}

int paraclock_timekeeper_set(struct paraclock_timekeeper *timekeeper,
			     const struct paraclock_env *env,
			     const struct paraclock_timeline *tl,
			     uint64_t t_change)
{
	struct change change = { .t_change = t_change };
	int ret = paraclock_tk_prepare(tl, &change.tl);

	if (ret)
		return ret;
	if (t_change &&
	    (t_change < change.tl.base_tsc || t_change > change.tl.t_end))
		return -EINVAL;
	return apply(timekeeper, env, &change);
}

int paraclock_timekeeper_aim(struct paraclock_timekeeper *timekeeper,
			     const struct paraclock_env *env,
			     const struct paraclock_timeline *tl, aim_fn *aim,
			     void *arg)
{
	struct change change = { .aim = aim, .arg = arg };
	int ret = paraclock_tk_prepare(tl, &change.tl);

	return ret ? ret : apply(timekeeper, env, &change);
}
