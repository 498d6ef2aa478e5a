// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include <paraclock/backend.h>

#include "duration.h"
#include "keeper.h"
#include "leap_near.h"
#include "measure.h"
#include "notice.h"
#include "service.h"

/* If somebody else sets the clock, or another disruption comes, measure anew so
 * often before the next look. */
#define TRIES 3

/* An overshoot shows within this time after a step. */
#define STEPPED_NS (10 * NSEC_PER_SEC)

/* The looks that a step and its undoing take, and one that finds no more. */
#define LOOKS 3

void keeper_init(struct keeper *keeper, const struct keep_rules *rules,
		 const struct keep_ops *ops, const struct paraclock_env *env)
{
	*keeper = (struct keeper){
		.rules = rules,
		.ops = ops,
		.env = env ? env : paraclock_default_env(),
		.situation.synchronized =
			ops->kernel(ops->ctx) & KEEP_KERNEL_SYNCHRONIZED,
	};
}

void keeper_set_clock(struct keeper *keeper, struct paraclock *clk)
{
	/* The new handle knows nothing of what came before it was opened. */
	if (keeper->clk)
		take_events(keeper);
	keeper->clk = clk;
	keeper->watching_ns = loop_now_ns();
	keeper->is_lost = keeper->is_unfit = false;
}

void keeper_ask(struct keeper *keeper, const char *kind)
{
	const struct keep_cause cause = { .kind = kind, .source = "user" };

	disrupt(keeper, &cause, false);
}

/* --- what is told --------------------------------------------------------- */

static void tell(struct keeper *keeper, struct keep_news *news)
{
	news->state = keeper->state;
	news->why = keeper->why;
	news->backend = paraclock_backend_name(keeper->clk);
	news->cause = keeper->cause;
	keeper->told = true;
	keeper->ops->tell(keeper->ops->ctx, news);
}

static void enter(struct keeper *keeper, enum keep_state state,
		  enum keep_why why, const struct measurement *m, int error)
{
	struct keep_news news = { .before = *m, .error = error };
	bool is_new = !keeper->told || keeper->state != state ||
		      (state != KEEP_OFF && keeper->why != why);

	keeper->state = state;
	keeper->why = why;
	keeper->last = *m;
	if (is_new || (keeper->situation.disrupted && state != KEEP_WAITING &&
		       state != KEEP_SLEWING))
		tell(keeper, &news);
}

/* The disruption is dealt with. */
static void conclude(struct keeper *keeper)
{
	keeper->situation.disrupted = false;
	keeper->situation.restored = false;
	/* Somebody who asked is no disruption. */
	if (keeper->cause.marker_class != PARACLOCK_MARKER_NONE)
		keeper->last_cause = keeper->cause;
	keeper->cause = (struct keep_cause){ 0 };
}

/* --- acts ----------------------------------------------------------------- */

static void take_measure(struct keeper *keeper, struct measurement *m)
{
	const struct utc_help help = {
		.leap_table = keeper->ops->leap_table,
		.tai_offset = keeper->ops->tai_offset,
		.ctx = keeper->ops->ctx,
		.has_start = keeper->rules->has_start,
		.start_utc_ns = keeper->rules->start_utc_ns,
	};

	measure(keeper->clk, &help, m);
}

static void set_leap_is_near(struct keeper *keeper, const struct measurement *m)
{
	struct situation *situation = &keeper->situation;

	situation->leap_is_near = false;
	if (m->error || m->utc_error ||
	    m->sample.timescale != PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED)
		return;
	/* Nothing is corrected, so the list need not be read. */
	if (m->offset_ns <= keeper->rules->step_above_ns &&
	    m->offset_ns >= -keeper->rules->step_above_ns)
		return;
	/* After a restore, the kernel's announcement is as old as the saved
	 * state. */
	situation->leap_is_near =
		leap_is_near(m, keeper->ops->leap_table, keeper->ops->ctx) ||
		(!situation->restored &&
		 keeper->ops->kernel(keeper->ops->ctx) & KEEP_KERNEL_LEAP);
}

/* Measure once more what a step has done: it may have hit a reading. */
static void measure_after(struct keeper *keeper, struct measurement *m)
{
	for (int i = 0; i < TRIES; i++) {
		take_measure(keeper, m);
		if (!m->error)
			return;
	}
}

/* Anything that makes a measured offset void before it is applied. */
static bool is_void(struct keeper *keeper, const struct measurement *m)
{
	return keeper->ops->was_set(keeper->ops->ctx) ||
	       paraclock_disrupted(keeper->clk, m->sample.epoch) != 0;
}

static void step(struct keeper *keeper, const struct measurement *m)
{
	struct keep_news news = { .before = *m, .stepped_ns = m->offset_ns };
	bool was_overshoot = keeper->situation.stepped_ns != 0;
	int ret = keeper->rules->dry_run
			  ? 0
			  : keeper->ops->step(keeper->ops->ctx, m->offset_ns);

	if (ret) {
		enter(keeper, KEEP_OFF, KEEP_WHY_FAILED, m, ret);
		conclude(keeper);
		return;
	}
	news.dry_run = keeper->rules->dry_run;
	news.corrected = !news.dry_run;
	if (news.dry_run) {
		keeper->state = KEEP_OFF;
		keeper->why = KEEP_WHY_DRY_RUN;
		keeper->last = *m;
	} else {
		keeper->corrections++;
		measure_after(keeper, &news.after);
		keeper->last = news.after;
		keeper->state = KEEP_RIGHT;
		keeper->why = KEEP_WHY_NONE;
		/* An overshoot is undone once, and never what undid it. */
		keeper->situation.stepped_ns = was_overshoot ? 0 : m->offset_ns;
	}
	tell(keeper, &news);
	conclude(keeper);
	if (news.corrected)
		keeper->ops->forget(keeper->ops->ctx);
}

static void slew(struct keeper *keeper, const struct measurement *m)
{
	struct keep_news news = { .before = *m, .dry_run = true };
	int ret;

	if (keeper->rules->dry_run) {
		keeper->state = KEEP_OFF;
		keeper->why = KEEP_WHY_DRY_RUN;
		keeper->last = *m;
		tell(keeper, &news);
		conclude(keeper);
		return;
	}
	ret = keeper->ops->slew(keeper->ops->ctx, m->offset_ns);
	if (ret) {
		enter(keeper, KEEP_OFF, KEEP_WHY_FAILED, m, ret);
		conclude(keeper);
		return;
	}
	/* Still disrupted: the next look measures what is left. */
	enter(keeper, KEEP_SLEWING, KEEP_WHY_NONE, m, 0);
}

/* Still off by what was refused before? */
static bool is_as_refused(const struct keeper *keeper,
			  const struct measurement *m)
{
	int64_t change, allowed = keeper->rules->step_above_ns;

	return keeper->state == KEEP_OFF && !keeper->situation.disrupted &&
	       !__builtin_sub_overflow(m->offset_ns, keeper->last.offset_ns,
				       &change) &&
	       change <= allowed && change >= -allowed;
}

static void settle(struct keeper *keeper, const struct judgement *judgement,
		   const struct measurement *m)
{
	bool is_sure =
		keeper->cause.marker_class == PARACLOCK_MARKER_AUTHORITATIVE &&
		keeper->situation.disrupted;
	enum keep_why why = judgement->why;

	switch (judgement->verdict) {
	case KEEP_IS_RIGHT:
		enter(keeper, KEEP_RIGHT, KEEP_WHY_NONE, m, 0);
		conclude(keeper);
		keeper->situation.stepped_ns = 0;
		if (is_sure)
			keeper->ops->forget(keeper->ops->ctx);
		break;
	case KEEP_LEAVE:
		if (keep_is_unfit(why)) {
			/* Another source may deal with the disruption. */
			enter(keeper, KEEP_OFF, why, m, 0);
			keeper->is_unfit = true;
			break;
		}
		/* The policy for clocks that are not disrupted does not say why
		 * this one was left off. */
		if (why == KEEP_WHY_POLICY && is_as_refused(keeper, m))
			why = keeper->why;
		enter(keeper, KEEP_OFF, why, m, 0);
		conclude(keeper);
		keeper->situation.stepped_ns = 0;
		if (is_sure)
			keeper->ops->forget(keeper->ops->ctx);
		break;
	default:
		enter(keeper, KEEP_WAITING, judgement->why, m, m->error);
		break;
	}
}

/* With the lock held. true: done; false: measure anew. */
static bool try_to_correct(struct keeper *keeper)
{
	struct judgement judgement;
	struct measurement m;
	int ret = keeper->ops->arm(keeper->ops->ctx);

	take_measure(keeper, &m);
	if (ret) {
		enter(keeper, KEEP_OFF, KEEP_WHY_FAILED, &m, ret);
		conclude(keeper);
		return true;
	}
	set_leap_is_near(keeper, &m);
	judgement = judge(keeper->rules, &keeper->situation, &m);
	if (judgement.verdict != KEEP_DO_STEP &&
	    judgement.verdict != KEEP_DO_SLEW) {
		settle(keeper, &judgement, &m);
		return true;
	}
	if (is_void(keeper, &m)) {
		take_events(keeper);
		return false;
	}
	if (judgement.verdict == KEEP_DO_SLEW)
		slew(keeper, &m);
	else
		step(keeper, &m);
	return true;
}

static void correct(struct keeper *keeper, const struct measurement *m)
{
	int ret = keeper->ops->acquire(keeper->ops->ctx);
	bool done = false;

	if (ret == -EBUSY) {
		enter(keeper, KEEP_WAITING, KEEP_WHY_LOCKED, m, ret);
		return;
	}
	if (ret) {
		enter(keeper, KEEP_OFF, KEEP_WHY_FAILED, m, ret);
		conclude(keeper);
		return;
	}
	for (int i = 0; i < TRIES && !done; i++)
		done = try_to_correct(keeper);
	keeper->ops->release(keeper->ops->ctx);
	if (!done)
		enter(keeper, KEEP_WAITING, KEEP_WHY_SET_BY_OTHERS, m, 0);
}

/* --- the look ------------------------------------------------------------- */

/* Only what was known before a disruption says whether the clock was
 * synchronised: after a restore the kernel repeats what it was told. */
static void set_synchronized(struct keeper *keeper)
{
	bool is = keeper->ops->kernel(keeper->ops->ctx) &
		  KEEP_KERNEL_SYNCHRONIZED;

	/* Somebody vouches for the clock again: what comes from now on is no
	 * part of the restore. */
	if (is && !keeper->situation.synchronized)
		keeper->is_fresh = false;
	keeper->situation.synchronized = is;
}

/* What somebody did long after our step is no overshoot of it. */
static void forget_step(struct keeper *keeper, const struct measurement *m)
{
	if (!m->error && m->sample.valid &&
	    (uint64_t)m->raw_ns - (uint64_t)keeper->stepped_raw_ns > STEPPED_NS)
		keeper->situation.stepped_ns = 0;
}

static void look_once(struct keeper *keeper)
{
	struct judgement judgement;
	struct measurement m;
	uint64_t epoch = paraclock_epoch(keeper->clk);

	take_events(keeper);
	look_for_suspend(keeper);
	take_measure(keeper, &m);
	/* The measurement itself may have noticed a disruption: its event says
	 * whether it was a restore. */
	if (paraclock_disrupted(keeper->clk, epoch))
		take_events(keeper);
	look_for_jump(keeper, &m);
	look_for_restore(keeper, &m);
	forget_step(keeper, &m);
	/* Nor does it while a disruption may still show. */
	if (!keeper->situation.disrupted && !keeper->situation.stepped_ns &&
	    !m.error && m.sample.valid)
		set_synchronized(keeper);
	/* A list is read for that, so only a correction looks. */
	keeper->situation.leap_is_near = false;
	judgement = judge(keeper->rules, &keeper->situation, &m);
	if (judgement.verdict == KEEP_DO_STEP ||
	    judgement.verdict == KEEP_DO_SLEW)
		correct(keeper, &m);
	else
		settle(keeper, &judgement, &m);
}

enum keep_state keeper_look(struct keeper *keeper)
{
	uint64_t before = keeper->corrections - 1;

	/* What a step has done is looked at at once: somebody else may have
	 * stepped too, and the overshoot is undone. The last look has made no
	 * step, so the state is what was measured. */
	for (int i = 0; i < LOOKS && keeper->corrections != before; i++) {
		before = keeper->corrections;
		look_once(keeper);
	}
	return keeper->state;
}

void keeper_measure(struct keeper *keeper, struct measurement *ret_measurement)
{
	take_events(keeper);
	take_measure(keeper, ret_measurement);
}

bool keeper_has_news(struct keeper *keeper)
{
	take_events(keeper);
	return keeper->situation.disrupted || keeper->is_lost;
}

const char *keep_state_name(enum keep_state state)
{
	static const char *const names[] = {
		[KEEP_STARTING] = "starting", [KEEP_RIGHT] = "right",
		[KEEP_WAITING] = "waiting",   [KEEP_SLEWING] = "slewing",
		[KEEP_OFF] = "off",
	};

	return names[state];
}
