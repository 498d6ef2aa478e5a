// SPDX-License-Identifier: MIT
/*
 * How a timekeeper's writer changes it.
 *
 * A publication fills the copy that nobody reads and then moves the sequence
 * on, once: a writer that dies before that has changed nothing, and after it
 * everything. So there is never anything to repair.
 */

#include <errno.h>
#include <string.h>

#include "base/counter.h"
#include "base/relaxed.h"
#include "timekeeper_writer.h"

/* How often the counter is read at most, for one that stands still. */
#define JUDGE_TRIES 256

/* From base_tsc to period_frac a conversion is a piece of a timeline. */
_Static_assert(offsetof(struct paraclock_timeline, period_frac) -
			       offsetof(struct paraclock_timeline, base_tsc) ==
		       offsetof(struct tk_conversion, period_frac),
	       "copied as it is");
_Static_assert(offsetof(struct tk_conversion, shift) == 4 * sizeof(uint64_t),
	       "and no more");

/* --- publishing ----------------------------------------------------------- */

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
	/* A dead writer may have cut t_end: readers have seen no more than they
	 * could without that cut. */
	job->slot.t_end = job->slot.t_lease;
	job->is_sane = pclk_tk_is_sane(&job->slot);
	return 0;
}

void pclk_tk_publish(struct tk *tk, const struct tk_slot *slot)
{
	uint64_t state = LOAD(tk->state) + 1;
	uint64_t *to = (void *)&tk->slot[state & 1];
	const uint64_t *from = (const void *)slot;

	/* Pairs with the readers' acquire fence: a reader that sees a word
	 * stored below also sees the state that took this copy out of use. */
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

uint64_t pclk_tk_after_readers(const struct tk_job *job, uint64_t margin)
{
	uint64_t start, now;

	/* Everybody sees the change before the counter is read. */
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

u128 pclk_tk_seen_by(const struct tk_slot *slot, uint64_t counter)
{
	uint64_t base = slot->tl[0].base_tsc;
	uint64_t at = slot->t_lease;
	u128 time;

	if (slot->mode != TK_RUNNING ||
	    (counter < base && counter >= slot->t_written))
		return (u128)slot->seen_sec << 64 | slot->seen_frac;
	/* A counter that has gone back does not limit what was seen before:
	 * that may be all of the lease. */
	if (counter >= base && counter < at)
		at = counter;
	if (pclk_timeline_time(&slot->tl[at >= slot->t_change], at, &time))
		time = (u128)TIMELINE_SEC_MAX << 64;
	return time;
}

/* --- a new timeline ------------------------------------------------------- */

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

static int cut_at_month_end(struct paraclock_timeline *tl,
			    const struct paraclock_timeline *from)
{
	uint64_t sec = pclk_timeline_month_end(from);
	uint64_t begin = tl->base_sec * NSEC_PER_SEC +
			 mul_high(tl->base_frac, NSEC_PER_SEC);
	/* 2: the base is rounded down, and may be lifted by a ns when it is
	 * unfrozen. */
	uint64_t end = sec * NSEC_PER_SEC - 2;
	uint64_t ticks;

	if (sec == UINT64_MAX)
		return 0;
	if (begin >= end)
		return -ESTALE;
	ticks = pclk_timeline_ticks(tl, end - begin);
	if (tl->t_end - tl->base_tsc > ticks)
		tl->t_end = tl->base_tsc + ticks;
	return 0;
}

int pclk_tk_prepare(const struct paraclock_timeline *tl,
		    struct paraclock_timeline *ret_tl)
{
	int ret = pclk_timeline_from_start(tl, ret_tl);

	if (ret)
		return ret;
	ret_tl->size = sizeof(*ret_tl);
	if (!pclk_timeline_has_time(tl) || !tl->t_end ||
	    tl->t_end == TK_NEVER || tl->t_end < ret_tl->base_tsc ||
	    !tl->timescale || !tl->counter ||
	    tl->timescale > PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED ||
	    leap_of(tl) == PARACLOCK_LEAP_POS)
		return -EINVAL;
	return 0;
}

int pclk_tk_keep_promise(struct paraclock_timeline *tl, uint64_t counter,
			 u128 shown)
{
	u128 time, base;
	int ret = pclk_timeline_time(tl, counter, &time);

	if (ret || !(tl->flags & PARACLOCK_TIMELINE_MONOTONIC) || time >= shown)
		return ret;
	if (shown - time > TIMELINE_NSEC)
		return -ESTALE;
	base = ((u128)tl->base_sec << 64 | tl->base_frac) + (shown - time);
	tl->base_sec = (uint64_t)(base >> 64);
	tl->base_frac = (uint64_t)base;
	/* Now it is off by that, a ns at most. */
	if (tl->maxerror_ns < UINT64_MAX)
		tl->maxerror_ns++;
	return 0;
}

/* The part that readers copy. */
static void make_conversion(const struct paraclock_timeline *tl,
			    struct tk_conversion *conv)
{
	const uint32_t bound =
		PARACLOCK_TIMELINE_MAXERROR | PARACLOCK_TIMELINE_MAXERROR_RATE;
	struct paraclock_sample sample = {
		.timescale = tl->timescale,
		.counter = tl->counter,
		.leap = leap_of(tl),
		.marker_class = PARACLOCK_MARKER_HEURISTIC,
	};

	sample.valid = (tl->flags & PARACLOCK_TIMELINE_STABLE) != 0;
	if (!sample.valid)
		sample.reason = PARACLOCK_REASON_UNSTABLE;
	if (tl->flags & PARACLOCK_TIMELINE_MONOTONIC)
		sample.flags |= PARACLOCK_FLAG_MONOTONIC;
	if (tl->flags & PARACLOCK_TIMELINE_OWN_KERNEL)
		sample.flags |= PARACLOCK_FLAG_OWN_KERNEL;
	if (tl->flags & PARACLOCK_TIMELINE_TAI_OFFSET) {
		sample.flags |= PARACLOCK_FLAG_TAI_OFFSET;
		sample.tai_offset_sec = tl->tai_offset_sec;
	}
	memcpy(conv, &tl->base_tsc, offsetof(struct tk_conversion, shift));
	conv->shift = tl->period_shift;
	conv->error_ns = PARACLOCK_ERROR_UNKNOWN;
	conv->error_rate_frac = 0;
	if ((tl->flags & bound) == bound) {
		conv->error_ns = tl->maxerror_ns;
		conv->error_rate_frac = tl->maxerror_rate_frac;
	}
	memcpy(&conv->qualifiers, &sample.valid, sizeof(conv->qualifiers));
	memcpy(&conv->flags, &sample.flags, sizeof(conv->flags));
}

int pclk_tk_install(struct tk_slot *slot, unsigned int i,
		    const struct paraclock_timeline *from)
{
	struct paraclock_timeline *tl = &slot->tl[i];
	int ret = cut_at_month_end(tl, from);

	if (ret)
		return ret;
	make_conversion(tl, &slot->conv[i]);
	slot->mode = TK_RUNNING;
	slot->t_lease = tl->t_end;
	slot->t_end = tl->t_end;
	return 0;
}
