// SPDX-License-Identifier: MIT
/*
 * A ring of snapshots, one writer and any number of readers.
 *
 * The ring has one slot more than it shows. The writer fills the spare one,
 * which no reader looks for, so a writer that stops in the middle of it stops
 * no reader. A reader fails only if the writer laps it, and sees that by the
 * sequence and the index of the entry.
 */

#include <errno.h>
#include <string.h>

#include <paraclock/backend.h>
#include <paraclock/system.h>

#include "base/env.h"
#include "base/fixed.h"
#include "base/interpolate.h"
#include "base/seqword.h"
#include "history.h"
#include "system.h"

/* Enough for a reader that is preempted once. With the 17 looks that a search
 * of the largest ring takes, all tries take less than 10 us. */
#define TRIES 16

/* Two snapshots of one cross timestamp are closer than this, unless a device is
 * slow. */
#define ONE_CALL_NS 10000

/* The errors of RAW at two counter values add up to less than so many steps,
 * apart from what an interrupt adds. */
#define CLOSE_STEPS 4

#define MASK(clock) (1U << (clock))
#define ALL_CLOCKS  (MASK(PARACLOCK_CLOCKS) - 1)
#define SET_CLOCKS  (MASK(PARACLOCK_CLOCK_REALTIME) | MASK(PARACLOCK_CLOCK_TAI))

/* It has only whole 64-bit words, because it is copied by words. */
struct added {
	uint64_t index;	  /* how many were added before it */
	uint64_t first;	  /* oldest that it follows on from */
	uint64_t counter; /* as in snap; a search copies no more than this */
	struct paraclock_snapshot snap;
};
_Static_assert(sizeof(struct added) % sizeof(uint64_t) == 0, "whole words");

#define ADDED_WORDS (sizeof(struct added) / sizeof(uint64_t))
#define LOOK_WORDS  (offsetof(struct added, snap) / sizeof(uint64_t))

struct entry {
	uint32_t gen; /* odd: being written */
	uint32_t reserved;
	struct added added;
};

struct paraclock_history {
	const struct paraclock_env *env;
	uint64_t entries; /* that readers see; one less than the slots */
	uint64_t count;	  /* of all snapshots that were ever added */
	struct entry slot[];
};

int paraclock_history_new(struct paraclock_history **ret_hist,
			  const struct paraclock_env *env, unsigned int entries)
{
	struct paraclock_history *hist;
	size_t size;

	if (!ret_hist || entries < 2 || entries > PARACLOCK_HISTORY_MAX)
		return -EINVAL;
	if (!env)
		env = pclk_builtin_env;
	if (!env)
		return -ENODEV;
	if (env->size < sizeof(*env) || !env->alloc || !env->free)
		return -EINVAL;
	size = sizeof(*hist) + (entries + 1) * sizeof(hist->slot[0]);
	hist = env->alloc(env->ctx, size);
	if (!hist)
		return -ENOMEM;
	memset(hist, 0, size);
	hist->env = env;
	hist->entries = entries;
	*ret_hist = hist;
	return 0;
}

void paraclock_history_free(struct paraclock_history *hist)
{
	if (hist)
		hist->env->free(hist->env->ctx, hist);
}

static size_t slot_of(const struct paraclock_history *hist, uint64_t index)
{
	return (size_t)(index % (hist->entries + 1));
}

/* --- writing -------------------------------------------------------------- */

/* No counter runs faster than this, ticks per ns. RAW may stand still for up to
 * RAW_STEP_NS, on a kernel whose clocks are coarse. */
#define TICKS_PER_NS_MAX 64
#define RAW_STEP_NS	 NSEC_PER_SEC

/* Modulo 2^64, a counter that was turned back from far up seems to have
 * advanced. */
static bool is_too_fast(uint64_t ticks, s128 went)
{
	return ticks > (went + RAW_STEP_NS) * TICKS_PER_NS_MAX;
}

/* Are they so few counter steps apart that neither the counter nor RAW says
 * which is the later one? */
static bool is_close(const struct paraclock_snapshot *newest,
		     const struct paraclock_snapshot *snap)
{
	return snap->counter - newest->counter <=
	       CLOSE_STEPS * (uint64_t)snap->counter_step;
}

/*
 * Does snap follow on from the newest one? 1: yes. 0: the counter and RAW,
 * which both only ever rise, disagree, so that nothing can be said about the
 * time in between. -EINVAL: it is no later.
 */
static int follows(const struct paraclock_snapshot *newest,
		   const struct paraclock_snapshot *snap)
{
	s128 went = (s128)snap->ns[PARACLOCK_CLOCK_MONOTONIC_RAW] -
		    newest->ns[PARACLOCK_CLOCK_MONOTONIC_RAW];
	s128 error = (s128)snap->uncertainty_ns + newest->uncertainty_ns;

	if (snap->clocksource_changed_seq != newest->clocksource_changed_seq)
		return 0;
	if (is_before(newest->counter, snap->counter)) {
		if (went >= 0)
			return !is_too_fast(snap->counter - newest->counter,
					    went);
		return is_close(newest, snap) && went >= -error ? -EINVAL : 0;
	}
	/* Within one step of the counter RAW may rise by its error. */
	return went > error ? 0 : -EINVAL;
}

int paraclock_history_add(struct paraclock_history *hist,
			  const struct paraclock_snapshot *snap)
{
	struct added next = { .index = 0 };
	struct entry *entry;

	if (!hist || !snap || snap->size < sizeof(*snap))
		return -EINVAL;
	if (!snap->valid_for_correlation ||
	    !(snap->known & MASK(PARACLOCK_CLOCK_MONOTONIC_RAW)))
		return -ENODEV;
	next.index = hist->count;
	next.first = next.index;
	if (next.index) {
		const struct added *newest =
			&hist->slot[slot_of(hist, next.index - 1)].added;
		int ret;

		if (newest->snap.counter_id != snap->counter_id)
			return -ENODEV;
		ret = follows(&newest->snap, snap);
		if (ret < 0)
			return ret;
		if (ret)
			next.first = newest->first;
	}
	next.counter = snap->counter;
	next.snap = *snap;
	next.snap.size = sizeof(*snap);
	entry = &hist->slot[slot_of(hist, next.index)];
	seqwords_publish(&entry->gen, &entry->added, &next, ADDED_WORDS);
	/* Pairs with the acquire in try_find(): a reader that sees the count
	 * sees the entry. */
	__atomic_store_n(&hist->count, next.index + 1, __ATOMIC_RELEASE);
	return 0;
}

/* --- reading -------------------------------------------------------------- */

/* false: that entry is overwritten, or being overwritten. */
static bool look(const struct paraclock_history *hist, uint64_t index,
		 struct added *ret_added, size_t words)
{
	const struct entry *entry = &hist->slot[slot_of(hist, index)];

	return seqwords_copy(&entry->gen, ret_added, &entry->added, words) &&
	       ret_added->index == index;
}

static uint64_t oldest(const struct paraclock_history *hist,
		       const struct added *newest)
{
	uint64_t count = newest->index + 1;
	uint64_t kept = count > hist->entries ? count - hist->entries : 0;

	return newest->first > kept ? newest->first : kept;
}

/* Find the first entry from low on that is not before a counter value; the
 * newest one never is. */
static int search(const struct paraclock_history *hist, uint64_t low,
		  const struct added *newest, uint64_t counter,
		  uint64_t *ret_index)
{
	uint64_t high = newest->index;

	while (low < high) {
		uint64_t middle = low + (high - low) / 2;
		struct added at;

		if (!look(hist, middle, &at, LOOK_WORDS))
			return -EAGAIN;
		/* By age, which does not wrap where the counter does. */
		if (newest->counter - at.counter <= newest->counter - counter)
			high = middle;
		else
			low = middle + 1;
	}
	*ret_index = high;
	return 0;
}

/* As pclk_history_find(). -EAGAIN: the writer was faster; try again. */
static int try_find(const struct paraclock_history *hist, uint64_t counter,
		    struct added *ret_before, struct added *ret_after)
{
	/* Pairs with the release in paraclock_history_add(). */
	uint64_t count = __atomic_load_n(&hist->count, __ATOMIC_ACQUIRE);
	uint64_t first, index;

	if (!count)
		return -EINVAL;
	if (!look(hist, count - 1, ret_after, ADDED_WORDS))
		return -EAGAIN;
	*ret_before = *ret_after;
	if (is_before(ret_after->counter, counter))
		return 1;
	first = oldest(hist, ret_after);
	if (search(hist, first, ret_after, counter, &index) ||
	    !look(hist, index, ret_after, ADDED_WORDS))
		return -EAGAIN;
	if (ret_after->counter == counter) {
		*ret_before = *ret_after;
		return 0;
	}
	if (index == first)
		return -EINVAL;
	return look(hist, index - 1, ret_before, ADDED_WORDS) ? 0 : -EAGAIN;
}

int pclk_history_find(const struct paraclock_history *hist, uint64_t counter,
		      struct paraclock_snapshot *ret_before,
		      struct paraclock_snapshot *ret_after)
{
	struct added before, after;
	int ret = -EAGAIN;

	for (unsigned int i = 0; i < TRIES && ret == -EAGAIN; i++) {
		if (i)
			cpu_relax();
		ret = try_find(hist, counter, &before, &after);
	}
	if (ret < 0)
		return ret;
	*ret_before = before.snap;
	if (!ret)
		*ret_after = after.snap;
	return ret;
}

/* --- interpolating --------------------------------------------------------- */

static bool are_continuous(const struct paraclock_snapshot *a,
			   const struct paraclock_snapshot *b)
{
	return a->clocksource_changed_seq == b->clocksource_changed_seq &&
	       a->counter_id == b->counter_id &&
	       a->known & b->known & MASK(PARACLOCK_CLOCK_MONOTONIC_RAW);
}

/* Did BOOTTIME gain on MONOTONIC in between? Then the machine slept somewhere
 * there, and BOOTTIME cannot be interpolated. */
static bool has_slept(const struct paraclock_snapshot *a,
		      const struct paraclock_snapshot *b)
{
	s128 gain = ((s128)b->ns[PARACLOCK_CLOCK_BOOTTIME] -
		     b->ns[PARACLOCK_CLOCK_MONOTONIC]) -
		    ((s128)a->ns[PARACLOCK_CLOCK_BOOTTIME] -
		     a->ns[PARACLOCK_CLOCK_MONOTONIC]);
	s128 error = (s128)a->uncertainty_ns + b->uncertainty_ns;

	return gain > error || -gain > error;
}

/* The clocks that can be interpolated. A clock that was set in between cannot,
 * and no value is made up for it. */
static uint8_t known_between(const struct paraclock_snapshot *a,
			     const struct paraclock_snapshot *b)
{
	unsigned int known = a->known & b->known & ALL_CLOCKS;

	if (a->clock_was_set_seq != b->clock_was_set_seq)
		known &= ~SET_CLOCKS;
	if (a->tai_offset_sec != b->tai_offset_sec)
		known &= ~MASK(PARACLOCK_CLOCK_TAI);
	if (has_slept(a, b))
		known &= ~MASK(PARACLOCK_CLOCK_BOOTTIME);
	return (uint8_t)known;
}

/*
 * Between the ends the rates of the clocks may change by up to 10 % (chrony's
 * slew, with the kernel's tick), and back. In the middle a clock can then be
 * off by a quarter of 10 %, 1/40, of the time between the ends. This also
 * covers a counter that jumped by less than the error of its rate.
 *
 * Within one call they change by 0.1 % (the kernel's own slew), hence 1/4000: a
 * larger change comes once a second at most, and makes 250 ns in 10 us. One
 * more ns for rounding.
 */
static uint64_t uncertainty(const struct paraclock_snapshot *a,
			    const struct paraclock_snapshot *b)
{
	int64_t a_raw = a->ns[PARACLOCK_CLOCK_MONOTONIC_RAW];
	int64_t b_raw = b->ns[PARACLOCK_CLOCK_MONOTONIC_RAW];
	/* As unsigned: the difference of two int64_t may need 64 bits. */
	uint64_t between = b_raw >= a_raw ? (uint64_t)b_raw - (uint64_t)a_raw
					  : (uint64_t)a_raw - (uint64_t)b_raw;
	uint64_t ends = a->uncertainty_ns > b->uncertainty_ns
				? a->uncertainty_ns
				: b->uncertainty_ns;
	uint64_t part = between <= ONE_CALL_NS ? 4000 : 40;
	uint64_t slew = between / part + (between % part != 0) + 1;

	return ends > UINT64_MAX - slew ? UINT64_MAX : ends + slew;
}

int pclk_interpolate_snapshots(const struct paraclock_snapshot *a,
			       const struct paraclock_snapshot *b,
			       uint64_t counter,
			       struct paraclock_snapshot *ret_at)
{
	uint64_t total = b->counter - a->counter;
	uint64_t since = counter - a->counter;
	/* From the nearer end, so that f is a half at most. */
	bool forward = since < total - since;
	uint64_t part = forward ? since : total - since;
	struct paraclock_snapshot at = *b;
	uint64_t f;

	if (!a->valid_for_correlation || !b->valid_for_correlation)
		return -ENODEV;
	if (since > total || total > INT64_MAX || !are_continuous(a, b))
		return -EINVAL;
	f = part ? fraction(part, total) : 0;
	at.counter = counter;
	at.known = known_between(a, b);
	at.uncertainty_ns = uncertainty(a, b);
	for (unsigned int i = 0; i < PARACLOCK_CLOCKS; i++) {
		if (!(at.known & MASK(i)))
			at.ns[i] = 0;
		else if (forward)
			at.ns[i] = pclk_interpolate(a->ns[i], b->ns[i], f);
		else
			at.ns[i] = pclk_interpolate(b->ns[i], a->ns[i], f);
	}
	if (!(at.known & MASK(PARACLOCK_CLOCK_TAI)))
		at.tai_offset_sec = 0;
	*ret_at = at;
	return 0;
}
