// SPDX-License-Identifier: MIT
/*
 * The writer of a timekeeper.
 *
 * A publication fills the copy that nobody reads and then moves the sequence
 * on, once: a writer that dies before that has changed nothing, and after it
 * everything. So there is never anything to repair.
 */

#include <errno.h>
#include <string.h>

#include "base/counter.h"
#include "page/conversion.h"
#include "timekeeper_writer.h"

#define LOAD(x)	      __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define STORE(x, val) __atomic_store_n(&(x), val, __ATOMIC_RELAXED)

/* How often a counter is read that may stand still. */
#define JUDGE_TRIES 256

#define MIGRATIONS_MAX ((uint64_t)1 << 62)

/* --- publishing -----------------------------------------------------------
 */

void pclk_tk_publish(struct tk *tk, const struct tk_slot *slot)
{
	uint64_t state = LOAD(tk->state) + 1;
	uint64_t *to = (void *)&tk->slot[state & 1];
	const uint64_t *from = (const void *)slot;

	/* Pairs with the readers' acquire fence: who sees a word of what
	 * follows sees the state that took this copy out of use. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	for (size_t i = 0; i < TK_SLOT_WORDS; i++)
		STORE(to[i], from[i]);
	/* Release pairs with their acquire load: who sees it sees the copy. */
	__atomic_store_n(&tk->state,
			 slot->migrations << TK_SEQ_BITS |
				 (state & TK_SEQ_MASK),
			 __ATOMIC_RELEASE);
}

int pclk_tk_end(struct tk_job *job, int ret)
{
	if (!ret)
		pclk_tk_publish(job->tk, &job->slot);
	pclk_page_leave((void *)&job->tk->writer);
	return ret;
}

uint64_t pclk_tk_counter(const struct tk *tk, const struct paraclock_env *env)
{
	return tk_counter(tk, env);
}

uint64_t pclk_timekeeper_ticks(const struct paraclock_timeline *tl, uint64_t ns)
{
	/* 1: it is rounded down. */
	u128 tick = pclk_timeline_tick(tl) + 1;

	return pclk_ticks_within(ns, (uint64_t)(tick >> 64), (uint64_t)tick);
}

uint64_t pclk_tk_after_readers(const struct tk_job *job, uint64_t margin)
{
	uint64_t start, now;

	/* What was changed is seen by everyone before the counter is read. */
#if defined(__aarch64__)
	/* A dmb orders loads and stores, but not the counter. */
	__asm__ __volatile__("dsb ish" ::: "memory");
#else
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
	start = tk_counter_now(job);
	now = start;
	for (unsigned int i = 0; now - start <= margin && i < JUDGE_TRIES; i++)
		now = tk_counter_now(job);
	return now;
}

/* --- what is there --------------------------------------------------------
 */

static bool is_sane_timeline(const struct paraclock_timeline *tl)
{
	return !pclk_timeline_check(tl) && pclk_timeline_has_time(tl) &&
	       tl->timescale &&
	       tl->timescale <= PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED &&
	       tl->counter;
}

bool pclk_tk_is_sane(const struct tk_slot *slot)
{
	if (slot->mode > TK_FROZEN)
		return false;
	/* Nothing was set yet. */
	if (slot->mode != TK_RUNNING && !slot->tl[0].size)
		return slot->t_change == TK_NEVER;
	return is_sane_timeline(&slot->tl[0]) &&
	       (slot->t_change == TK_NEVER || is_sane_timeline(&slot->tl[1]));
}

int pclk_tk_begin(struct tk_job *job, struct paraclock_timekeeper *timekeeper,
		  const struct paraclock_env *env)
{
	struct page_writer_state *owner;
	int ret;

	if (!tk_is_aligned(timekeeper))
		return -EINVAL;
	ret = pclk_page_env(&env);
	if (ret)
		return ret;
	job->tk = (void *)timekeeper;
	job->env = env;
	owner = (void *)&job->tk->writer;
	ret = pclk_page_enter(owner, env);
	if (ret)
		return ret;
	if (LOAD(job->tk->head) != TK_HEAD) {
		pclk_page_leave(owner);
		return -EPERM;
	}
	job->slot = job->tk->slot[LOAD(job->tk->state) & 1];
	/* Where a dead writer had cut it: whoever read it has seen no more than
	 * what was there before. */
	job->slot.t_end = job->slot.t_lease;
	job->is_sane = pclk_tk_is_sane(&job->slot);
	return 0;
}

u128 pclk_tk_seen_by(const struct tk_slot *slot, uint64_t counter)
{
	uint64_t base = slot->tl[0].base_tsc;
	uint64_t at = slot->t_lease;
	u128 time;

	if (slot->mode != TK_RUNNING ||
	    (counter < base && counter >= slot->t_written))
		return (u128)slot->seen_sec << 64 | slot->seen_frac;
	/* One that is less than it has been is no measure of what was seen
	 * before that: all of the lease, perhaps. */
	if (counter >= base && counter < at)
		at = counter;
	if (pclk_timeline_time(&slot->tl[at >= slot->t_change], at, &time))
		time = (u128)TIMELINE_SEC_MAX << 64;
	return time;
}

/* --- a migration ----------------------------------------------------------
 */

/* What was written over is not believed: nothing of it is left. */
static void forget(struct tk_slot *slot)
{
	*slot = (struct tk_slot){
		.mode = TK_EMPTY,
		.t_change = TK_NEVER,
		.migrations = slot->migrations,
	};
}

int paraclock_timekeeper_freeze(struct paraclock_timekeeper *timekeeper,
				const struct paraclock_env *env)
{
	struct tk_job job;
	struct tk_slot was;
	int ret = pclk_tk_begin(&job, timekeeper, env);

	if (ret)
		return ret;
	if (!job.is_sane)
		forget(&job.slot);
	was = job.slot;
	if (was.mode != TK_FROZEN) {
		/* If this is as far as it gets: no more than all of the lease.
		 */
		tk_set_seen(&job.slot, pclk_tk_seen_by(&was, TK_NEVER));
		job.slot.mode = TK_FROZEN;
		job.slot.t_written = 0;
		pclk_tk_publish(job.tk, &job.slot);
		job.slot.t_written = pclk_tk_after_readers(
			&job, pclk_timekeeper_ticks(&was.tl[0], TK_JUDGE_NS));
		tk_set_seen(&job.slot,
			    pclk_tk_seen_by(&was, job.slot.t_written));
	}
	return pclk_tk_end(&job, 0);
}

int paraclock_timekeeper_reconfigure(struct paraclock_timekeeper *timekeeper,
				     const struct paraclock_env *env,
				     const struct paraclock_timeline *tl)
{
	struct paraclock_timeline next;
	struct tk_job job;
	int ret = pclk_tk_prepare(tl, &next);

	if (!ret)
		ret = pclk_tk_begin(&job, timekeeper, env);
	if (ret)
		return ret;
	ret = -EINVAL;
	if (!job.is_sane) {
		ret = -EPROTO;
	} else if (job.slot.mode == TK_FROZEN &&
		   tk_has_scale_of(&job.slot, &next)) {
		job.slot.tl[0] = next;
		ret = pclk_tk_install(&job.slot, 0, &next);
		if (ret == -ESTALE)
			ret = -EINVAL;
		job.slot.mode = TK_FROZEN;
		job.slot.t_change = TK_NEVER;
		job.slot.migrations++;
	}
	return pclk_tk_end(&job, ret);
}

static int unfreeze(struct tk_slot *slot, uint64_t now)
{
	unsigned int i = now >= slot->t_change;
	struct paraclock_timeline *tl = &slot->tl[i];
	uint64_t begins = now > tl->base_tsc ? now : tl->base_tsc;
	int ret;

	slot->mode = TK_EMPTY;
	if (!slot->tl[0].size)
		return 0;
	if (now > slot->t_lease)
		return -ESTALE;
	ret = pclk_tk_keep_promise(
		tl, begins, (u128)slot->seen_sec << 64 | slot->seen_frac);
	/* It may have been lifted by some of a ns. */
	slot->conv[i].base_sec = tl->base_sec;
	slot->conv[i].base_frac = tl->base_frac;
	if (slot->conv[i].error_ns < PARACLOCK_ERROR_UNKNOWN)
		slot->conv[i].error_ns = tl->maxerror_ns;
	slot->mode = TK_RUNNING;
	slot->t_written = now;
	return ret;
}

int paraclock_timekeeper_unfreeze(struct paraclock_timekeeper *timekeeper,
				  const struct paraclock_env *env)
{
	struct tk_job job;
	int ret = pclk_tk_begin(&job, timekeeper, env);

	if (ret)
		return ret;
	if (!job.is_sane)
		ret = -EPROTO;
	else if (job.slot.mode == TK_FROZEN)
		ret = unfreeze(&job.slot, tk_counter_now(&job));
	return pclk_tk_end(&job, ret);
}

/* --- its owner ------------------------------------------------------------
 */

static void create(struct tk *tk, uint64_t migrations)
{
	struct tk_slot empty = {
		.mode = TK_EMPTY,
		.t_change = TK_NEVER,
		.migrations = migrations ? migrations : 1,
	};

	pclk_tk_publish(tk, &empty);
	/* Release pairs with the acquire of readers: the rest is made. */
	__atomic_store_n(&tk->head, TK_HEAD, __ATOMIC_RELEASE);
}

/* What it says is in ticks of a counter that is not here. */
static int orphan(struct paraclock_timekeeper *timekeeper,
		  const struct paraclock_env *env)
{
	struct tk_job job;
	int ret = pclk_tk_begin(&job, timekeeper, env);

	if (ret)
		return ret;
	if (!job.is_sane)
		forget(&job.slot);
	if (job.slot.mode == TK_RUNNING) {
		tk_set_seen(&job.slot, pclk_tk_seen_by(&job.slot, TK_NEVER));
		job.slot.mode = TK_FROZEN;
		job.slot.t_written = 0;
	}
	/* Not to be unfrozen as it is. */
	job.slot.t_lease = 0;
	job.slot.t_end = 0;
	job.slot.t_change = TK_NEVER;
	job.slot.migrations++;
	return pclk_tk_end(&job, 0);
}

int paraclock_timekeeper_acquire(
	struct paraclock_timekeeper *timekeeper,
	const struct paraclock_env *env,
	const struct paraclock_timekeeper_options *opts)
{
	const struct paraclock_timekeeper_options none = {
		.size = sizeof(none),
	};
	struct tk *tk = (void *)timekeeper;
	struct page_writer_state *owner;
	uint64_t head;
	int ret;

	opts = opts ? opts : &none;
	if (!tk_is_aligned(tk) || opts->size < sizeof(*opts) ||
	    opts->flags & ~PARACLOCK_TIMEKEEPER_ORPHAN ||
	    opts->migrations >= MIGRATIONS_MAX)
		return -EINVAL;
	head = LOAD(tk->head);
	if (head && head != TK_HEAD)
		return -EPROTO;
	owner = (void *)&tk->writer;
	if (opts->flags) {
		struct paraclock_page_writer trial = { { 0 } };

		/* Who may not write takes nothing away from who may. */
		ret = paraclock_page_writer_acquire(&trial, env);
		if (ret)
			return ret;
		STORE(owner->owner, 0);
	}
	ret = paraclock_page_writer_acquire(&tk->writer, env);
	if (ret)
		return ret;
	STORE(tk->how, owner->how);
	/* Again: who had it until now may have made it. */
	if (!LOAD(tk->head))
		create(tk, opts->migrations);
	else if (opts->flags)
		ret = orphan(timekeeper, env);
	return ret;
}

int paraclock_timekeeper_release(struct paraclock_timekeeper *timekeeper,
				 const struct paraclock_env *env)
{
	struct tk *tk = (void *)timekeeper;

	if (!tk_is_aligned(tk))
		return -EINVAL;
	return paraclock_page_writer_release(&tk->writer, env);
}
