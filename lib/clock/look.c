// SPDX-License-Identifier: MIT
/* Looking at the sources: what a read does when the hot one cannot answer. */

#include <errno.h>

#include "base/env_call.h"
#include "base/relaxed.h"
#include "clock.h"

/* How often a look is repeated while another thread commits a change, which
 * takes less than a microsecond unless that thread is preempted. */
#define BUSY_TRIES 64

/* How often pclk_read_at_slow() tries before it gives up on a page that keeps
 * changing. */
#define READ_AT_TRIES 8

/* Does memory show that nothing has changed? false: it has, or memory does not
 * show it. */
static bool is_as_remembered(const struct paraclock *clk)
{
	const struct remembered *now = &clk->now;
	/* Pairs with the release store in seqwords_publish(). */
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
	/* Pairs with the release fence in seqwords_publish(). */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return !differ && LOAD(clk->gen) == gen;
}

/* 0: nothing has changed since the last commit; 1: something may have. */
static int has_changed(const struct paraclock *clk)
{
	struct observation obs;
	struct remembered now;
	int ret;

	if (clk->markers_in_memory && is_as_remembered(clk))
		return 0;
	if (!pclk_recall(clk, &now))
		return 1;
	/* A source without conversions shows no change but by its markers: not
	 * worth a read of the device. */
	if (!clk->be->get_conversion && now.primed && !now.pending)
		return pclk_markers_moved(clk, &now);
	ret = pclk_observe(clk, &obs);
	if (ret)
		return ret;
	return !pclk_unchanged(clk, &now, &obs);
}

/*
 * Look at everything, and commit what is not as remembered. 1: it cannot be
 * committed now, because another thread (or the code that this signal handler
 * interrupted) is changing what is remembered.
 */
static int look_and_commit(struct paraclock *clk, struct observation *obs,
			   struct remembered *now)
{
	int ret = 1;

	for (unsigned int i = 0; ret > 0 && i < BUSY_TRIES; i++) {
		ret = pclk_observe(clk, obs);
		if (ret)
			return ret;
		if (pclk_recall(clk, now) && pclk_unchanged(clk, now, obs))
			return 0;
		ret = pclk_commit(clk, obs, now);
		cpu_relax();
	}
	return ret;
}

int pclk_look(const struct paraclock *clk)
{
	struct observation obs;
	struct remembered now;
	int ret = has_changed(clk);

	if (ret <= 0)
		return ret;
	/* Every handle is allocated writable; const is the caller's view. */
	ret = look_and_commit((struct paraclock *)(uintptr_t)clk, &obs, &now);
	return ret > 0 ? -EAGAIN : ret;
}

/* Of several reasons the first one counts, in the order that the text of enum
 * paraclock_reason gives. */
static bool comes_after_disrupted(unsigned int reason)
{
	return reason == PARACLOCK_REASON_OK ||
	       reason == PARACLOCK_REASON_WINDOW ||
	       reason == PARACLOCK_REASON_WIDE ||
	       reason == PARACLOCK_REASON_IMPLAUSIBLE;
}

static void make_invalid(struct paraclock_sample *sample, uint8_t reason)
{
	sample->valid = 0;
	sample->reason = reason;
	sample->pair_error_ns = PARACLOCK_ERROR_UNKNOWN;
	sample->clock_error_ns = PARACLOCK_ERROR_UNKNOWN;
}

static void finish(const struct paraclock *clk, const struct remembered *now,
		   struct paraclock_sample *sample)
{
	sample->epoch = now->epoch;
	sample->marker_class = best_marker_class(clk, now);
	if (now->pending && comes_after_disrupted(sample->reason)) {
		make_invalid(sample, PARACLOCK_REASON_DISRUPTED);
	} else if (sample->valid &&
		   sample->pair_error_ns > clk->max_pair_error_ns) {
		/* Its pair_error_ns stays, to say how wide it is. */
		sample->valid = 0;
		sample->reason = PARACLOCK_REASON_WIDE;
		sample->clock_error_ns = PARACLOCK_ERROR_UNKNOWN;
	} else if (sample->valid && now->implausible) {
		make_invalid(sample, PARACLOCK_REASON_IMPLAUSIBLE);
	}
}

int pclk_read_slow(struct paraclock *clk, struct paraclock_sample *ret_sample)
{
	struct observation obs;
	struct remembered now;
	int ret = look_and_commit(clk, &obs, &now);

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

int pclk_read_at_slow(const struct paraclock *clk, uint64_t counter,
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
		ret = has_changed(clk);
		if (ret < 0)
			return ret;
		/* Last of all: a disruption that another thread committed since
		 * the page was read must show. */
		if (!pclk_recall(clk, &now) || (ret && !now.pending))
			continue;
		/* Again: a restore that was committed since may have turned the
		 * counter back, and then this value is not in the past. */
		tsc = counter_read(clk->env, clk->how);
		if (counter > tsc)
			return -EINVAL;
		finish(clk, &now, &sample);
		/* What holds now is known, wherever the counter went back
		 * to. */
		if (sample.valid && counter < now.since_tsc && counter < tsc) {
			make_invalid(&sample, PARACLOCK_REASON_WINDOW);
			sample.host_ns = now.last.base_ns;
		}
		*ret_sample = sample;
		return 0;
	}
	return -EAGAIN;
}
