// SPDX-License-Identifier: MIT
/* Reading: the hot path, and the walk behind it. */

#include <errno.h>
#include <string.h>

#include "base/env_call.h"
#include "base/fixed.h"
#include "clock.h"

#define LOAD(x)	    __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define DIFFER(live, known) \
	UNLIKELY(__atomic_load_n(&(live), __ATOMIC_ACQUIRE) != LOAD(known))

/* How often a read waits for another thread that is taking in a change:
 * that takes less than a microsecond, unless it is preempted. */
#define BUSY_TRIES 64

/* Rounds of read_at() before it gives up on a page that keeps changing. */
#define READ_AT_TRIES 8

/* Bytes 40 to 55 of a sample travel as two words. */
_Static_assert(offsetof(struct paraclock_sample, valid) == 40, "one word");
_Static_assert(offsetof(struct paraclock_sample, flags) == 48, "one word");

/* A line with rounding, an error that grows, or a slow counter: all of
 * backend.h's formula. false: too close to a whole ns to say. */
static inline bool full_line(const struct remembered *now, uint64_t ticks,
			     uint64_t *ns, uint64_t *error_ns)
{
	u128 error = (u128)ticks * LOAD(now->conv.error_mult) + UINT64_MAX;
	uint64_t error_guard = LOAD(now->conv.error_guard);
	uint64_t guard = LOAD(now->conv.guard);
	u128 grown;

	ticks &= LOAD(now->conv.mask);
	grown = (u128)ticks * LOAD(now->conv.mult_lo) + LOAD(now->conv.frac);
	*ns += ticks * LOAD(now->conv.mult_hi) + (uint64_t)(grown >> 64);
	*error_ns += (uint64_t)(error >> 64);
	/* Within guard of a whole ns, on either side; never for guard 0. */
	return LIKELY((uint64_t)grown + guard >= 2 * guard) &&
	       LIKELY((uint64_t)error + error_guard >= 2 * error_guard);
}

/*
 * The hot read. true: *ret_sample is written, and it is what get_time() would
 * have said, to the bit.
 *
 * A seqlock's first look at the page is missing on purpose. The handle knows
 * the page's sequence and its host's markers from an earlier look, by this or
 * another thread, and neither ever returns to an old value; so if they are
 * the same after the counter was read, they were the same when it was read.
 * gen is looked at first, so that this earlier look was earlier indeed.
 *
 * The loads after the counter may be executed before it (rdtsc does not hold
 * back what follows; an lfence that does costs 6 ns). What they miss is then
 * a change of the last few ns, and this read is one that came a few ns
 * earlier. A migration cannot hide there: it leaves the guest at an
 * instruction boundary, and whatever had run ahead of that is run again.
 */
static inline __attribute__((always_inline)) bool
conv_read(const struct paraclock *clk, uint32_t gen, uint64_t tsc, bool plain,
	  struct paraclock_sample *ret_sample)
{
	const struct remembered *now = &clk->now;
	uint64_t ticks, ns, error_ns, epoch, qualifiers, flags;
	const uint64_t *page;

	page = LOAD(now->conv.page);
	/* Pairs with the host's barrier after it made the sequence odd (or 0):
	 * unchanged here, the page had not begun to change. One branch each,
	 * so that no register is held for long. */
	if (DIFFER(page[0], now->conv.key[0]) ||
	    DIFFER(page[1], now->conv.key[1]) ||
	    DIFFER(page[2], now->conv.key[2]) ||
	    DIFFER(page[3], now->conv.key[3]) ||
	    DIFFER(*clk->watch[0], now->watched[0]) ||
	    DIFFER(*clk->watch[1], now->watched[1]))
		return false;

	/* A counter before the base is a very large number of ticks. */
	ticks = tsc - LOAD(now->conv.base_tsc);
	if (UNLIKELY(ticks > LOAD(now->conv.max_ticks)))
		return false;
	error_ns = LOAD(now->conv.error_ns);
	ns = (uint64_t)LOAD(now->conv.base_ns);
	if (plain)
		ns += mul_high(ticks & LOAD(now->conv.mask),
			       LOAD(now->conv.mult_lo));
	else if (!full_line(now, ticks, &ns, &error_ns))
		return false;
	epoch = LOAD(now->epoch);
	qualifiers = LOAD(now->qualifiers);
	flags = LOAD(now->flags);
	/* Pairs with the release fence in publish(). */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (UNLIKELY(gen & 1) || UNLIKELY(LOAD(clk->gen) != gen))
		return false;

	ret_sample->host_ns = (int64_t)ns;
	ret_sample->host_tsc = tsc;
	ret_sample->pair_error_ns = 0;
	ret_sample->clock_error_ns = error_ns;
	ret_sample->epoch = epoch;
	memcpy(&ret_sample->valid, &qualifiers, sizeof(qualifiers));
	memcpy(&ret_sample->flags, &flags, sizeof(flags));
	memset(&ret_sample->reserved[4], 0, 8);
	return true;
}

/* Of several reasons the first in the order of enum paraclock_reason's text. */
static bool comes_after_disrupted(unsigned int reason)
{
	return reason == PARACLOCK_REASON_OK ||
	       reason == PARACLOCK_REASON_WINDOW ||
	       reason == PARACLOCK_REASON_WIDE ||
	       reason == PARACLOCK_REASON_IMPLAUSIBLE;
}

static void finish(const struct paraclock *clk, const struct remembered *now,
		   struct paraclock_sample *sample)
{
	sample->epoch = now->epoch;
	sample->marker_class = best_marker_class(clk, now);
	if (now->pending && comes_after_disrupted(sample->reason)) {
		sample->valid = 0;
		sample->reason = PARACLOCK_REASON_DISRUPTED;
		sample->pair_error_ns = PARACLOCK_ERROR_UNKNOWN;
		sample->clock_error_ns = PARACLOCK_ERROR_UNKNOWN;
	} else if (sample->valid &&
		   sample->pair_error_ns > clk->max_pair_error_ns) {
		/* Its pair_error_ns stays: it says how wide. */
		sample->valid = 0;
		sample->reason = PARACLOCK_REASON_WIDE;
		sample->clock_error_ns = PARACLOCK_ERROR_UNKNOWN;
	} else if (sample->valid && now->implausible) {
		sample->valid = 0;
		sample->reason = PARACLOCK_REASON_IMPLAUSIBLE;
		sample->pair_error_ns = PARACLOCK_ERROR_UNKNOWN;
		sample->clock_error_ns = PARACLOCK_ERROR_UNKNOWN;
	}
}

/*
 * Look at everything, and if anything is not as remembered take it in.
 * 1: it cannot be taken in now, because another thread (or the code that this
 * signal handler interrupted) is at it.
 */
static int take_in(struct paraclock *clk, struct observation *obs,
		   struct remembered *now)
{
	int ret = 1;

	for (unsigned int i = 0; ret > 0 && i < BUSY_TRIES; i++) {
		ret = pclk_observe(clk, obs);
		if (ret)
			return ret;
		if (pclk_recall(clk, now) && pclk_unchanged(clk, now, obs))
			return 0;
		ret = pclk_notice(clk, obs, now);
		cpu_relax();
	}
	return ret;
}

int pclk_read_slow(struct paraclock *clk, struct paraclock_sample *ret_sample)
{
	struct observation obs;
	struct remembered now;
	int ret = take_in(clk, &obs, &now);

	if (ret < 0)
		return ret;
	if (ret > 0) {
		/* Whatever the change is, it is pending. */
		now.epoch = LOAD(clk->now.epoch);
		now.unconfirmed = LOAD(clk->now.unconfirmed);
		now.implausible = LOAD(clk->now.implausible);
		now.pending = 1;
	}
	finish(clk, &now, &obs.sample);
	*ret_sample = obs.sample;
	return 0;
}

/* Does memory show that nothing has changed? false: it cannot be seen there. */
static bool is_as_remembered(const struct paraclock *clk)
{
	const struct remembered *now = &clk->now;
	/* Pairs with the release store in publish(). */
	uint32_t gen = __atomic_load_n(&clk->gen, __ATOMIC_ACQUIRE);
	const uint64_t *page = LOAD(now->conv.page);
	uint64_t differ = LOAD(now->pending) | (gen & 1);

	if (!page || page == clk->nothing)
		return false;
	for (unsigned int i = 0; i < PARACLOCK_CONVERSION_WORDS; i++)
		differ |= __atomic_load_n(&page[i], __ATOMIC_ACQUIRE) ^
			  LOAD(now->conv.key[i]);
	for (unsigned int i = 0; i < 2; i++)
		differ |= __atomic_load_n(clk->watch[i], __ATOMIC_ACQUIRE) ^
			  LOAD(now->watched[i]);
	/* Pairs with the release fence in publish(). */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return !differ && LOAD(clk->gen) == gen;
}

/* 0: nothing has changed since it was last taken in; 1: something may have. */
static int look(const struct paraclock *clk)
{
	struct observation obs;
	struct remembered now;
	int ret;

	if (clk->markers_in_memory && is_as_remembered(clk))
		return 0;
	if (!pclk_recall(clk, &now))
		return 1;
	/* What has no line shows nothing but its markers: not worth a read of
	 * the device. */
	if (!clk->be->get_conversion && now.primed && !now.pending)
		return pclk_markers_moved(clk, &now);
	ret = pclk_observe(clk, &obs);
	if (ret)
		return ret;
	return !pclk_unchanged(clk, &now, &obs);
}

int pclk_look(const struct paraclock *clk)
{
	struct observation obs;
	struct remembered now;
	int ret = look(clk);

	if (ret <= 0)
		return ret;
	/* Every handle is allocated writable; const is the caller's view. */
	ret = take_in((struct paraclock *)(uintptr_t)clk, &obs, &now);
	return ret > 0 ? -EAGAIN : ret;
}

/* What paraclock_read() does for the lines and counters that need more
 * registers: apart, so that it saves none for the ones that do not. */
static __attribute__((noinline)) int
read_full(const struct paraclock *clk, uint32_t gen,
	  struct paraclock_sample *ret_sample)
{
	uint64_t tsc = counter_read(clk->env, clk->how);

	if (conv_read(clk, gen, tsc, false, ret_sample))
		return 0;
	return pclk_read_slow((struct paraclock *)(uintptr_t)clk, ret_sample);
}

int paraclock_read(const struct paraclock *clk,
		   struct paraclock_sample *ret_sample)
{
	uint32_t gen;

	if (!clk || !ret_sample)
		return -EINVAL;
	/* Pairs with the release store in publish(). */
	gen = __atomic_load_n(&clk->gen, __ATOMIC_ACQUIRE);
	if (UNLIKELY(!LOAD(clk->now.plain)))
		return read_full(clk, gen, ret_sample);
	if (conv_read(clk, gen, counter_fenced(), true, ret_sample))
		return 0;
	return pclk_read_slow((struct paraclock *)(uintptr_t)clk, ret_sample);
}

static __attribute__((noinline)) int
read_at_slow(const struct paraclock *clk, uint64_t counter,
	     struct paraclock_sample *ret_sample)
{
	struct paraclock_sample sample;
	struct remembered now;
	uint64_t tsc;
	int ret;

	for (unsigned int i = 0; i < READ_AT_TRIES; i++) {
		ret = pclk_look(clk);
		if (ret < 0)
			return ret;
		ret = clk->be->get_time_at(clk->state, counter, &sample);
		if (ret)
			return pclk_env_error(ret);
		ret = look(clk);
		if (ret < 0)
			return ret;
		/* Last of all: a disruption that another thread took in since
		 * the page was read must show. */
		if (!pclk_recall(clk, &now) || (ret && !now.pending))
			continue;
		/* Again: a restore that was taken in since may have turned the
		 * counter back, and then this value is none of the past. */
		tsc = counter_read(clk->env, clk->how);
		if (counter > tsc)
			return -EINVAL;
		finish(clk, &now, &sample);
		/* What is now is known, wherever the counter went back to. */
		if (sample.valid && counter < now.since_tsc && counter < tsc) {
			sample.valid = 0;
			sample.reason = PARACLOCK_REASON_WINDOW;
			sample.host_ns = now.last.base_ns;
			sample.pair_error_ns = PARACLOCK_ERROR_UNKNOWN;
			sample.clock_error_ns = PARACLOCK_ERROR_UNKNOWN;
		}
		*ret_sample = sample;
		return 0;
	}
	return -EAGAIN;
}

/*
 * By the line, with the counter in two parts: what it is now says when it is,
 * and what was not disrupted by then was not before. The past begins with
 * since_tsc, and every counter value on the line has its qualifiers. One way
 * for all lines and counters: a few ns are not worth a second one here.
 */
int paraclock_read_at(const struct paraclock *clk, uint64_t counter,
		      struct paraclock_sample *ret_sample)
{
	uint32_t gen;

	if (!clk || !ret_sample)
		return -EINVAL;
	if (UNLIKELY(!clk->be->get_time_at))
		return -EOPNOTSUPP;
	/* Pairs with the release store in publish(). */
	gen = __atomic_load_n(&clk->gen, __ATOMIC_ACQUIRE);
	if (counter > counter_read(clk->env, clk->how))
		return -EINVAL;
	if (LIKELY(counter >= LOAD(clk->now.since_tsc)) &&
	    conv_read(clk, gen, counter, false, ret_sample))
		return 0;
	return read_at_slow(clk, counter, ret_sample);
}
