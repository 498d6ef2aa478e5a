// SPDX-License-Identifier: MIT
/* Reading a timekeeper: lock-free, bounded, from read-only memory. */

#include <errno.h>
#include <string.h>

#include "base/relaxed.h"
#include "timekeeper.h"

#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define INLINE	    static inline __attribute__((always_inline))

/*
 * A reader retries while the writer is busy. That takes less than a
 * microsecond, but the writer may be preempted: so retry for about 100 us at
 * 2.6 GHz. A limit in ticks, and one of tries for a counter that is slow or
 * stands still.
 */
#define TRY_TICKS (1U << 18)
#define TRIES	  (1U << 12)

#define SHIFT_MAX 63

/* The verdict in a conversion's qualifiers: valid, reason and marker_class. */
#define VERDICT_MASK ((uint64_t)0xff << 40 | 0xffff)
#define VERDICT_GOOD ((uint64_t)PARACLOCK_MARKER_HEURISTIC << 40 | 1)
#define VERDICT_UNSTABLE                              \
	((uint64_t)PARACLOCK_MARKER_HEURISTIC << 40 | \
	 PARACLOCK_REASON_UNSTABLE << 8)
#define CONVERSION_FLAGS                                         \
	(PARACLOCK_FLAG_OWN_KERNEL | PARACLOCK_FLAG_TAI_OFFSET | \
	 PARACLOCK_FLAG_MONOTONIC)

/* Retry: the copy was changed meanwhile, or is about to be. */
#define AGAIN 1

_Static_assert(offsetof(struct paraclock_sample, valid) == 40, "one word");
_Static_assert(offsetof(struct paraclock_sample, flags) == 48, "one word");

/* A private copy of what is in force at a counter value. */
struct view {
	struct tk_conversion conv;
	uint64_t tsc, mode, t_end, migrations;
};

/* Not what make_conversion() leaves there: others may write this memory. */
INLINE bool is_malformed(const struct tk_conversion *conv)
{
	uint64_t verdict = conv->qualifiers & VERDICT_MASK;
	uint8_t timescale = (uint8_t)(conv->qualifiers >> 16);
	/* UNKNOWN becomes 0, every other value one more. */
	uint8_t leap = (uint8_t)((conv->qualifiers >> 32) + 1);

	return conv->shift > SHIFT_MAX || !conv->period_frac ||
	       (verdict != VERDICT_GOOD && verdict != VERDICT_UNSTABLE) ||
	       timescale - 1U >= PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED ||
	       leap > PARACLOCK_LEAP_POST_NEG + 1 ||
	       leap == PARACLOCK_LEAP_POS + 1 ||
	       conv->flags & ~(uint64_t)CONVERSION_FLAGS;
}

/*
 * Copy what is in force. If the state is the same after the counter was read,
 * this copy was in use when the counter was read. Loads after the counter may
 * run ahead of it by some ns; that does no harm, for the writer waits longer
 * than that before it decides what readers can have seen.
 */
INLINE int look(const struct tk *tk, const struct paraclock_env *env,
		const uint64_t *counter, struct view *view)
{
	/* Pairs with the release store of pclk_tk_publish(). */
	uint64_t state = __atomic_load_n(&tk->state, __ATOMIC_ACQUIRE);
	const struct tk_slot *slot = &tk->slot[state & 1];
	const struct tk_conversion *conv;

	view->tsc = counter ? *counter : tk_counter(tk, env);
	conv = &slot->conv[view->tsc >= LOAD(slot->t_change)];
	/* Not memcpy(): the compiler may load a word twice for it. */
	view->conv.base_tsc = LOAD(conv->base_tsc);
	view->conv.base_sec = LOAD(conv->base_sec);
	view->conv.base_frac = LOAD(conv->base_frac);
	view->conv.period_frac = LOAD(conv->period_frac);
	view->conv.shift = LOAD(conv->shift);
	view->conv.error_ns = LOAD(conv->error_ns);
	view->conv.error_rate_frac = LOAD(conv->error_rate_frac);
	view->conv.qualifiers = LOAD(conv->qualifiers);
	view->conv.flags = LOAD(conv->flags);
	view->mode = LOAD(slot->mode);
	view->t_end = LOAD(slot->t_end);
	view->migrations = LOAD(slot->migrations);
	/* Pairs with the release fence of pclk_tk_publish(): a reader that has
	 * seen a word of a later publication sees a later state. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (UNLIKELY(LOAD(tk->state) != state))
		return AGAIN;
	if (UNLIKELY(view->mode != TK_RUNNING))
		return -EAGAIN;
	if (UNLIKELY(view->tsc > view->t_end))
		return view->tsc > LOAD(slot->t_lease) ? -EAGAIN : AGAIN;
	return UNLIKELY(is_malformed(&view->conv)) ? -EPROTO : 0;
}

INLINE int time_after(const struct tk_conversion *conv, uint64_t ticks,
		      int64_t *ret_ns)
{
	const u128 max = (u128)TIMELINE_SEC_MAX << 64;
	u128 time = (u128)conv->base_sec << 64 | conv->base_frac;
	u128 took = (u128)ticks * conv->period_frac >> conv->shift;

	if (UNLIKELY(time > max || took > max - time))
		return -ERANGE;
	time += took;
	*ret_ns = (int64_t)((uint64_t)(time >> 64) * NSEC_PER_SEC +
			    mul_high((uint64_t)time, NSEC_PER_SEC));
	return 0;
}

/* error_ns + ceil(ticks * rate * 10^9 / 2^(64 + shift)), and at most 2 more. */
static uint64_t error_after(const struct tk_conversion *conv, uint64_t ticks,
			    uint64_t error_ns)
{
	u128 grown = (u128)ticks * conv->error_rate_frac >> conv->shift;
	u128 sum = (u128)(uint64_t)(grown >> 64) * NSEC_PER_SEC +
		   mul_high((uint64_t)grown, NSEC_PER_SEC) + 2;

	sum += error_ns;
	return sum < PARACLOCK_ERROR_UNKNOWN ? (uint64_t)sum
					     : PARACLOCK_ERROR_UNKNOWN;
}

INLINE bool is_counter_ours(const struct paraclock_env *env, uint8_t counter)
{
	uint8_t ours = env ? env->counter_id : COUNTER_NATIVE;

	return counter == ours || ours == PARACLOCK_COUNTER_ANY;
}

/* The qualifiers of a sample that is not fit for correlation. */
static __attribute__((noinline)) uint64_t
why_not(const struct tk_conversion *conv, bool ours)
{
	uint64_t reason = conv->qualifiers >> 8 & 0xff;

	if (!ours)
		reason = PARACLOCK_REASON_COUNTER;
	else if (reason == PARACLOCK_REASON_OK)
		reason = PARACLOCK_REASON_WINDOW;
	return (conv->qualifiers & ~(uint64_t)0xffff) | reason << 8;
}

/* Writes straight into the caller's sample, the qualifiers as one word: a copy
 * of a sample that was written byte by byte would stall. */
INLINE int answer(const struct view *view, const struct paraclock_env *env,
		  struct paraclock_sample *ret_sample)
{
	const struct tk_conversion *conv = &view->conv;
	uint64_t qualifiers = conv->qualifiers;
	uint64_t ticks = view->tsc - conv->base_tsc;
	uint64_t pair_error_ns = 0, error_ns = conv->error_ns;
	bool ours = is_counter_ours(env, (uint8_t)(qualifiers >> 24));
	bool before = view->tsc < conv->base_tsc;
	int64_t ns;

	/* valid is the first byte of the word, reason the second. */
	if (UNLIKELY(!ours || before || (uint16_t)qualifiers != 1)) {
		qualifiers = why_not(conv, ours);
		pair_error_ns = error_ns = PARACLOCK_ERROR_UNKNOWN;
		/* Show the reference time where the formula does not hold. */
		if (!ours || before)
			ticks = 0;
	}
	if (UNLIKELY(time_after(conv, ticks, &ns)))
		return -ERANGE;
	if (conv->error_rate_frac)
		error_ns = error_after(conv, ticks, error_ns);
	ret_sample->host_ns = ns;
	ret_sample->host_tsc = view->tsc;
	ret_sample->pair_error_ns = pair_error_ns;
	ret_sample->clock_error_ns = error_ns;
	ret_sample->epoch = view->migrations;
	memcpy(&ret_sample->valid, &qualifiers, sizeof(qualifiers));
	memcpy(&ret_sample->flags, &conv->flags, sizeof(conv->flags));
	memset(&ret_sample->reserved[4], 0, 8);
	return 0;
}

/* May the reader retry? */
static __attribute__((noinline)) bool may_wait(const struct tk *tk,
					       const struct paraclock_env *env,
					       unsigned int tries,
					       uint64_t *start)
{
	uint64_t now = pclk_tk_counter(tk, env);

	if (!tries)
		*start = now;
	cpu_relax();
	return tries < TRIES && now - *start <= TRY_TICKS;
}

int pclk_timekeeper_at(const struct tk *tk, const struct paraclock_env *env,
		       const uint64_t *counter,
		       struct paraclock_sample *ret_sample)
{
	unsigned int tries = 0;
	uint64_t start = 0;
	struct view view;
	int ret = tk_check(tk);

	if (UNLIKELY(ret))
		return ret;
	do {
		ret = look(tk, env, counter, &view);
		if (!UNLIKELY(ret))
			return answer(&view, env, ret_sample);
	} while (ret == AGAIN && may_wait(tk, env, tries++, &start));
	return ret == AGAIN ? -EAGAIN : ret;
}

int paraclock_timekeeper_read(const struct paraclock_timekeeper *timekeeper,
			      const struct paraclock_env *env,
			      struct paraclock_sample *ret_sample)
{
	if (UNLIKELY(!tk_is_aligned(timekeeper) || !ret_sample ||
		     (env && env->size < sizeof(*env))))
		return -EINVAL;
	return pclk_timekeeper_at((const void *)timekeeper, env, NULL,
				  ret_sample);
}
