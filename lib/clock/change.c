// SPDX-License-Identifier: MIT
/* Noticing that something changed, and what it means. */

#include <errno.h>
#include <string.h>

#include <paraclock/events.h>

#include "base/fixed.h"
#include "base/seqword.h"
#include "clock.h"
#include "page/conversion.h"

/* Two lines are a jump as well if their rates differ by more than one part in
 * this. */
#define REBASE_RATE 1000000

/* How long another thread is waited for: it takes in a change in less than a
 * microsecond, unless it is preempted. */
#define OWN_TRIES 4096

/* How often a machine may be disrupted while one disruption is taken in. */
#define NOTICE_TRIES 3

/* The line's time at a counter value that is not before its base. */
static __attribute__((noinline)) s128
conv_ns(const struct paraclock_conversion *conv, uint64_t counter)
{
	uint64_t ticks = (counter - conv->base_tsc) & conv->mask;

	return (s128)conv->base_ns + (s128)((u128)ticks * conv->mult_hi) +
	       (s128)(((u128)ticks * conv->mult_lo + conv->frac) >> 64);
}

bool pclk_conversion_gap(const struct paraclock_conversion *from,
			 const struct paraclock_conversion *to,
			 uint64_t counter, int64_t *ret_ns)
{
	uint64_t at = pclk_lines_meet(from, to, counter);
	s128 gap;

	if (!from->usable || !to->usable)
		return false;
	/* No overflow: mult_hi of a usable line has 32 bits (line.c). */
	gap = conv_ns(to, at) - conv_ns(from, at);
	if (gap > INT64_MAX || gap < -INT64_MAX)
		return false;
	*ret_ns = (int64_t)gap;
	return true;
}

/*
 * Is the step from one line to the next more than an update of the same
 * clock? A host that let its tuple drift for long and then corrects it has
 * disrupted whoever trusted it.
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
 * After another source's marker moved, or an open, is the time source's page
 * known to be from after it? If it is, it must be read again: obs may be from
 * before. A page that may be from before an open is no reason to wait.
 */
static int confirm_fresh(const struct paraclock *clk, struct remembered *next,
			 struct observation *obs, bool *moved)
{
	bool noticed = *moved;
	int ret;

	next->pending |= noticed;
	for (unsigned int i = 0; i < NOTICE_TRIES; i++) {
		if (clk->be->confirm_fresh(clk->state, noticed))
			return 0;
		next->pending = 0;
		next->unconfirmed = 0;
		memcpy(next->seen, obs->marker, sizeof(next->seen));
		ret = pclk_observe(clk, obs);
		if (ret)
			return ret;
		/* Another disruption, while the first was taken in. */
		noticed = marker_moved(clk, next, obs);
		if (!noticed)
			return 0;
		next->pending = 1;
		*moved = true;
	}
	/* The source must hear of the last one, too: what it counted as new
	 * after the one before may be old after this. */
	(void)clk->be->confirm_fresh(clk->state, 1);
	return 0;
}

/* Before the last disruption; or, on a page that has no reference point to say
 * so itself, before what it says now was first seen there. */
static uint64_t since_of(const struct remembered *next)
{
	bool has_base = !next->conv.usable || next->conv.base_tsc;

	return has_base || next->noticed_tsc > next->conv_tsc
		       ? next->noticed_tsc
		       : next->conv_tsc;
}

int64_t pclk_announced_leap(const struct observation *obs)
{
	const struct paraclock_sample *sample = &obs->sample;
	const s128 half = NSEC_PER_SEC / 2;
	s128 ahead;

	if (sample->timescale != PARACLOCK_TIMESCALE_UTC || !obs->conv.usable)
		return 0;
	if (sample->leap == PARACLOCK_LEAP_PRE_POS ||
	    sample->leap == PARACLOCK_LEAP_PRE_NEG)
		return sample->leap == PARACLOCK_LEAP_PRE_POS ? 1 : -1;
	if (pclk_conversion_reaches(&obs->conv, sample->host_tsc))
		return 0;
	/* Beyond the line it may have been. */
	ahead = conv_ns(&obs->conv, sample->host_tsc) - sample->host_ns;
	return (ahead > half) - (-ahead > half);
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
	/* Beyond the line's end other qualifiers may hold than on it: after a
	 * leap second, say. A counter can go back to where it is right. */
	next->off_conversion =
		!pclk_conversion_reaches(&obs->conv, sample.host_tsc);
	next->plain = clk->how == COUNTER_FENCED &&
		      !(obs->conv.mult_hi | obs->conv.frac | obs->conv.guard |
			obs->conv.error_mult);
	/* Where the hot read may not answer, it is given a page that never
	 * has the key. */
	if (!obs->conv.page || next->off_conversion || next->pending ||
	    next->implausible || !clk->markers_in_memory || !sample.valid ||
	    sample.pair_error_ns > 0) {
		next->conv.page = clk->nothing;
		next->conv.max_ticks = 0;
	}
}

/* With owner held. obs is looked at anew: the caller's may be older than what
 * another thread has taken in since. */
static int notice_owned(struct paraclock *clk, enum event_cause cause,
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
		/* A process that forked while this was written: what it knew
		 * is lost, so there may have been any disruption. */
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
	/* What a page says after a disruption is no second one. */
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

int pclk_notice(struct paraclock *clk, struct observation *obs,
		struct remembered *ret_now)
{
	int ret;

	if (!try_lock(&clk->owner, clk->env))
		return 1;
	ret = notice_owned(clk, CAUSE_MEMORY, obs, ret_now);
	unlock(&clk->owner);
	return ret;
}

bool pclk_own(struct paraclock *clk)
{
	bool taken = false;

	for (unsigned int i = 0; !taken && i < OWN_TRIES; i++) {
		taken = try_lock(&clk->owner, clk->env);
		cpu_relax();
	}
	return taken;
}

int pclk_notice_restore(struct paraclock *clk, enum event_cause cause)
{
	struct observation obs;
	struct remembered next;
	int ret = 0;

	if (!pclk_own(clk))
		return 1;
	if (!pclk_event_has_restore(clk, cause))
		ret = notice_owned(clk, cause, &obs, &next);
	unlock(&clk->owner);
	return ret;
}

int pclk_set_implausible(struct paraclock *clk, bool implausible)
{
	struct remembered next;
	int ret = -EAGAIN;

	if (!pclk_own(clk))
		return -EAGAIN;
	/* What a fork has lost, the next read mends. */
	if (pclk_recall(clk, &next)) {
		next.implausible = implausible;
		/* The hot read stays out until a slow one has been here. */
		next.conv.page = clk->nothing;
		next.conv.max_ticks = 0;
		/* And this makes that one take in what there is. */
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

uint64_t paraclock_epoch(const struct paraclock *clk)
{
	if (!clk)
		return 0;
	/* An error is the next read's to report. */
	(void)pclk_look(clk);
	return __atomic_load_n(&clk->now.epoch, __ATOMIC_ACQUIRE);
}

int paraclock_disrupted(const struct paraclock *clk, uint64_t token)
{
	int ret;

	if (!clk)
		return -EINVAL;
	ret = pclk_look(clk);
	if (ret < 0)
		return ret;
	return __atomic_load_n(&clk->now.epoch, __ATOMIC_ACQUIRE) != token;
}

int paraclock_marker(const struct paraclock *clk,
		     struct paraclock_marker *ret_marker)
{
	struct paraclock_marker marker;
	int ret;

	if (!clk || !ret_marker)
		return -EINVAL;
	if (!clk->n_markers)
		return -EOPNOTSUPP;
	ret = clk->marker[0].be->get_marker(clk->marker[0].state, &marker);
	if (ret)
		return ret;
	*ret_marker = marker;
	return 0;
}
