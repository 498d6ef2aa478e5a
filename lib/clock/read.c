// SPDX-License-Identifier: MIT
/* The hot read. What it cannot answer is left to look.c. */

#include <errno.h>
#include <string.h>

#include "base/fixed.h"
#include "base/relaxed.h"
#include "clock.h"

#define LIKELY(x)   __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define DIFFER(live, known) \
	UNLIKELY(__atomic_load_n(&(live), __ATOMIC_ACQUIRE) != LOAD(known))

/* Bytes 40 to 55 of a sample travel as two words. */
_Static_assert(offsetof(struct paraclock_sample, valid) == 40, "one word");
_Static_assert(offsetof(struct paraclock_sample, flags) == 48, "one word");

/* All of backend.h's formula, for conversions with rounding, an error that
 * grows, or a slow counter. false: too close to a whole ns to decide. */
static inline bool full_formula(const struct remembered *now, uint64_t ticks,
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
 * The hot read. true: *ret_sample is written with what get_time() would have
 * returned, to the bit.
 *
 * It does not look at the page before it reads the counter, as a seqlock's
 * reader does. The handle knows the page's sequence and the host's markers from
 * an earlier look, by this thread or another, and neither ever returns to an
 * old value. So if they are the same after the counter was read, they were the
 * same when it was read. gen is read first, so that the earlier look was
 * complete by then.
 *
 * The CPU may execute the loads that follow the counter before it: rdtsc does
 * not hold back later instructions, and an lfence that does costs 6 ns. They
 * may then miss a change of the last few ns, which makes this a read of a few
 * ns ago. A migration cannot hide there: it stops the guest at an instruction
 * boundary, and what the CPU had executed ahead is executed again.
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
	 * if it is unchanged here, the page had not begun to change. One branch
	 * for each word, so that no register is held for long. */
	if (DIFFER(page[0], now->conv.key[0]) ||
	    DIFFER(page[1], now->conv.key[1]) ||
	    DIFFER(page[2], now->conv.key[2]) ||
	    DIFFER(page[3], now->conv.key[3]) ||
	    DIFFER(*clk->watch[0], now->watched[0]) ||
	    DIFFER(*clk->watch[1], now->watched[1]))
		return false;

	/* A counter before the base gives a very large number of ticks. */
	ticks = tsc - LOAD(now->conv.base_tsc);
	if (UNLIKELY(ticks > LOAD(now->conv.max_ticks)))
		return false;
	error_ns = LOAD(now->conv.error_ns);
	ns = (uint64_t)LOAD(now->conv.base_ns);
	if (plain)
		ns += mul_high(ticks & LOAD(now->conv.mask),
			       LOAD(now->conv.mult_lo));
	else if (!full_formula(now, ticks, &ns, &error_ns))
		return false;
	epoch = LOAD(now->epoch);
	qualifiers = LOAD(now->qualifiers);
	flags = LOAD(now->flags);
	/* Pairs with the release fence in seqwords_publish(). */
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

/* paraclock_read() for the conversions and counters that need more registers.
 * It is a function of its own so that the others save none. */
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
	/* Pairs with the release store in seqwords_publish(). */
	gen = __atomic_load_n(&clk->gen, __ATOMIC_ACQUIRE);
	if (UNLIKELY(!LOAD(clk->now.plain)))
		return read_full(clk, gen, ret_sample);
	if (conv_read(clk, gen, counter_fenced(), true, ret_sample))
		return 0;
	return pclk_read_slow((struct paraclock *)(uintptr_t)clk, ret_sample);
}

/*
 * The hot read at a given counter value. The counter as it is now dates the
 * look at the page: if nothing was disrupted by now, nothing was at that value
 * either, back to since_tsc. Every counter value within the conversion has its
 * qualifiers. One path serves all conversions and counters, because saving a
 * few ns is not worth a second one here.
 */
int paraclock_read_at(const struct paraclock *clk, uint64_t counter,
		      struct paraclock_sample *ret_sample)
{
	uint32_t gen;

	if (!clk || !ret_sample)
		return -EINVAL;
	if (UNLIKELY(!clk->be->get_time_at))
		return -EOPNOTSUPP;
	/* Pairs with the release store in seqwords_publish(). */
	gen = __atomic_load_n(&clk->gen, __ATOMIC_ACQUIRE);
	if (counter > counter_read(clk->env, clk->how))
		return -EINVAL;
	if (LIKELY(counter >= LOAD(clk->now.since_tsc)) &&
	    conv_read(clk, gen, counter, false, ret_sample))
		return 0;
	return pclk_read_at_slow(clk, counter, ret_sample);
}
