// SPDX-License-Identifier: MIT
/* Committing a change: what it means for the epoch, and what is remembered. */

#include <errno.h>
#include <string.h>

#include "base/fixed.h"
#include "base/seqword.h"
#include "clock.h"
#include "page/conversion.h"

/* Two conversions are also a jump if their rates differ by more than one part
 * in this. */
#define REBASE_RATE 1000000

/* How often the try-lock is tried: another thread commits a change in less than
 * a microsecond, unless it is preempted. */
#define LOCK_TRIES 4096

/* How often a machine may be disrupted while one disruption is committed. */
#define COMMIT_TRIES 3

/*
 * Is the step from one conversion to the next more than an update of the same
 * clock? A host that lets its tuple drift for long and then corrects it
 * disrupts every guest that trusted it.
 */
static bool is_rebase(const struct paraclock_conversion *from,
		      const struct paraclock_conversion *to, uint64_t counter)
{
	u128 old_rate = (u128)from->mult_hi << 64 | from->mult_lo;
	u128 new_rate = (u128)to->mult_hi << 64 | to->mult_lo;
	u128 change =
		old_rate > new_rate ? old_rate - new_rate : new_rate - old_rate;
	int64_t gap;

	if (!from->usable || !to->usable)
		return false;
	if (to->flags & ~from->flags & PARACLOCK_CONVERSION_STOPPED)
		return true;
	if (!(to->flags & PARACLOCK_CONVERSION_REBASE))
		return false;
	if (to->base_tsc < from->base_tsc)
		return true;
	if (change * REBASE_RATE > old_rate)
		return true;
	return !pclk_conversion_gap(from, to, counter, &gap) || is_jump(gap);
}

static bool marker_moved(const struct paraclock *clk,
			 const struct remembered *now,
			 const struct observation *obs)
{
	return memcmp(now->seen, obs->marker,
		      clk->n_markers * sizeof(obs->marker[0])) != 0;
}

/*
 * Ask the time source whether its page is from after an open, or after another
 * source's marker moved. If it is, read it again, for obs may be from before.
 * A page that may be from before an open is not waited for.
 */
static int confirm_fresh(const struct paraclock *clk, struct remembered *next,
			 struct observation *obs, bool *moved)
{
	bool noticed = *moved;
	int ret;

	next->pending |= noticed;
	for (unsigned int i = 0; i < COMMIT_TRIES; i++) {
		if (clk->be->confirm_fresh(clk->state, noticed))
			return 0;
		next->pending = 0;
		next->unconfirmed = 0;
		memcpy(next->seen, obs->marker, sizeof(next->seen));
		ret = pclk_observe(clk, obs);
		if (ret)
			return ret;
		/* Another disruption, while the first was committed. */
		noticed = marker_moved(clk, next, obs);
		if (!noticed)
			return 0;
		next->pending = 1;
		*moved = true;
	}
	/* The source must hear of the last one, too: a page that was new after
	 * the one before may be old after this. */
	(void)clk->be->confirm_fresh(clk->state, 1);
	return 0;
}

/*
 * Of a clock whose page has a copy of the machine's marker: is the page from
 * before a disruption? A copy without a generation does not say anything about
 * the machine's.
 */
static bool is_outdated(const struct observation *obs)
{
	const struct paraclock_marker *copy = &obs->copy;
	const struct paraclock_marker *real = &obs->marker[0];

	return copy->value != real->value ||
	       (copy->generation && copy->generation != real->generation);
}

/* The counter value before which nothing is known: that of the last disruption;
 * or, for a page without a reference point, of the first look that showed what
 * it says now, if that is later. */
static uint64_t since_of(const struct remembered *next)
{
	bool has_base = !next->conv.usable || next->conv.base_tsc;

	return has_base || next->noticed_tsc > next->conv_tsc
		       ? next->noticed_tsc
		       : next->conv_tsc;
}

static void remember(const struct paraclock *clk, struct remembered *next,
		     const struct observation *obs)
{
	struct paraclock_sample sample = obs->sample;

	sample.marker_class = best_marker_class(clk, next);
	memcpy(&next->qualifiers, &sample.valid, sizeof(next->qualifiers));
	memcpy(&next->flags, &sample.flags, sizeof(next->flags));
	memcpy(next->seen, obs->marker, sizeof(next->seen));
	memcpy(next->watched, obs->watched, sizeof(next->watched));
	next->primed = 1;
	if (memcmp(next->conv.key, obs->conv.key, sizeof(obs->conv.key)) != 0 ||
	    next->conv.usable != obs->conv.usable)
		next->conv_tsc = obs->sample.host_tsc;
	next->conv = obs->conv;
	if (obs->conv.usable) {
		next->last = obs->conv;
		next->last_scale = sample.timescale;
		next->last_leap = pclk_announced_leap(obs);
	}
	next->since_tsc = since_of(next);
	/* Beyond the end of the conversion other qualifiers may hold than
	 * within it, after a leap second, say; and the counter can go back. */
	next->off_conversion =
		!pclk_conversion_reaches(&obs->conv, sample.host_tsc);
	next->plain = clk->how == COUNTER_FENCED &&
		      !(obs->conv.mult_hi | obs->conv.frac | obs->conv.guard |
			obs->conv.error_mult);
	/* Where the hot read may not answer, give it a page that never has
	 * the key. */
	if (!obs->conv.page || next->off_conversion || next->pending ||
	    next->implausible || !clk->markers_in_memory || !sample.valid ||
	    sample.pair_error_ns > 0) {
		next->conv.page = clk->nothing;
		next->conv.max_ticks = 0;
	}
}

/* With the lock held. Observe anew: the caller's obs may be older than what
 * another thread has committed since. */
static int commit_locked(struct paraclock *clk, enum event_cause cause,
			 struct observation *obs, struct remembered *next)
{
	struct remembered was;
	bool lost = !pclk_recall(clk, next);
	bool moved;
	int ret;

	ret = pclk_observe(clk, obs);
	if (ret)
		return ret;
	if (lost) {
		/* The process forked while this was written: what it knew is
		 * lost, so there may have been any disruption. */
		uint64_t implausible = __atomic_load_n(&clk->now.implausible,
						       __ATOMIC_RELAXED);

		memset(next, 0, sizeof(*next));
		next->implausible = implausible;
		next->epoch =
			__atomic_load_n(&clk->now.epoch, __ATOMIC_RELAXED);
		cause = cause ? cause : CAUSE_LOST;
	} else if (!cause && pclk_unchanged(clk, next, obs)) {
		return 0;
	}

	was = *next;
	moved = cause || (next->primed && marker_moved(clk, next, obs));
	if ((moved || was.pending || next->unconfirmed) &&
	    clk->be->confirm_fresh) {
		ret = confirm_fresh(clk, next, obs, &moved);
		if (ret)
			return ret;
	}
	if (clk->checks_copy)
		next->pending = is_outdated(obs);
	/* A new page after a disruption is not a second disruption. */
	if (moved ||
	    (next->primed && !was.pending &&
	     is_rebase(&next->last, &obs->conv, obs->sample.host_tsc))) {
		next->epoch++;
		next->noticed_tsc = counter_read(clk->env, clk->how);
		pclk_event_add(clk, cause, &was, next, obs);
	} else if (!next->pending) {
		pclk_event_finish(clk, &was, obs);
	}
	pclk_event_looked(clk, obs);
	remember(clk, next, obs);
	pclk_publish(clk, next);
	return 0;
}

int pclk_commit(struct paraclock *clk, struct observation *obs,
		struct remembered *ret_now)
{
	int ret;

	if (!try_lock(&clk->owner, clk->env))
		return 1;
	ret = commit_locked(clk, CAUSE_MEMORY, obs, ret_now);
	unlock(&clk->owner);
	return ret;
}

bool pclk_clock_lock(struct paraclock *clk)
{
	bool locked = false;

	for (unsigned int i = 0; !locked && i < LOCK_TRIES; i++) {
		locked = try_lock(&clk->owner, clk->env);
		cpu_relax();
	}
	return locked;
}

int pclk_commit_restore(struct paraclock *clk, enum event_cause cause)
{
	struct observation obs;
	struct remembered next;
	int ret = 0;

	if (!pclk_clock_lock(clk))
		return 1;
	if (!pclk_event_has_restore(clk, cause))
		ret = commit_locked(clk, cause, &obs, &next);
	unlock(&clk->owner);
	return ret;
}

int pclk_set_implausible(struct paraclock *clk, bool implausible)
{
	struct remembered next;
	int ret = -EAGAIN;

	if (!pclk_clock_lock(clk))
		return -EAGAIN;
	/* If a fork has lost it, the next read repairs that. */
	if (pclk_recall(clk, &next)) {
		next.implausible = implausible;
		/* The hot read stays out until a slow one has been here. */
		next.conv.page = clk->nothing;
		next.conv.max_ticks = 0;
		/* Makes that slow read see a change, and commit all. */
		if (!implausible)
			next.conv.usable = !next.conv.usable;
		pclk_publish(clk, &next);
		ret = 0;
	}
	unlock(&clk->owner);
	return ret;
}

bool pclk_is_implausible(const struct paraclock *clk)
{
	return __atomic_load_n(&clk->now.implausible, __ATOMIC_RELAXED);
}
