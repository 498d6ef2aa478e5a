// SPDX-License-Identifier: MIT
/* Cross timestamps: a device's time and the system clocks at one instant. */

#include <errno.h>
#include <string.h>

#include <paraclock/system.h>

#include "base/env.h"
#include "clock/clock.h"
#include "system/history.h"
#include "system/system.h"

/* How often to retry when CLOCK_REALTIME is set in the window. */
#define SET_RETRIES 3

/* What a cross timestamp is made of, the same for each try. */
struct question {
	const struct paraclock_env *env;
	struct system_memory *memory;
	paraclock_get_time_fn *get_time;
	void *ctx;
	const struct paraclock_coupling *coupling;
	const struct paraclock_history *hist;
};

/* The system clocks before and after the device was read. */
struct window {
	struct paraclock_snapshot begin, end;
};

/* The system counter's value for the sample's counter value. */
static int to_system(const struct question *q,
		     const struct paraclock_sample *sample,
		     uint64_t *ret_counter)
{
	const struct paraclock_coupling *coupling = q->coupling;

	if (!coupling) {
		if (sample->counter == PARACLOCK_COUNTER_NONE ||
		    sample->counter != q->env->counter_id)
			return -ENODEV;
		*ret_counter = sample->host_tsc;
		return 0;
	}
	if (coupling->size < sizeof(*coupling))
		return -EINVAL;
	if (sample->counter != coupling->device_counter ||
	    coupling->system_counter != q->env->counter_id)
		return -ENODEV;
	return paraclock_coupling_to_system(coupling, sample->host_tsc,
					    ret_counter);
}

/*
 * A counter value before the window: interpolate between the two entries of the
 * history around it. The window's first snapshot serves as the last entry.
 */
static int look_back(const struct question *q, const struct window *window,
		     uint64_t counter, struct paraclock_snapshot *ret_at)
{
	struct paraclock_snapshot before, after;
	int ret;

	/* Without a memory, no sequence number says whether entries still
	 * hold. */
	if (!q->hist || !q->env->system_clocks)
		return -EINVAL;
	ret = pclk_history_find(q->hist, counter, &before, &after);
	if (ret < 0)
		return ret;
	if (ret == 1)
		after = window->begin;
	/* If the clocksource has changed since, the entries are not of this
	 * counter. */
	if (before.clocksource_changed_seq !=
		    window->begin.clocksource_changed_seq ||
	    before.counter_id != window->begin.counter_id)
		return -EINVAL;
	return pclk_interpolate_snapshots(&before, &after, counter, ret_at);
}

static void fill(struct paraclock_crosststamp *xt,
		 const struct paraclock_snapshot *at)
{
	xt->counter = at->counter;
	xt->clocksource_kind = at->clocksource_kind;
	xt->known = at->known;
	xt->realtime_valid = at->known >> PARACLOCK_CLOCK_REALTIME & 1;
	memcpy(xt->ns, at->ns, sizeof(xt->ns));
	xt->uncertainty_ns = at->uncertainty_ns;
	xt->tai_offset_sec = at->tai_offset_sec;
}

/* 1: CLOCK_REALTIME was set in the window; retry. */
static int interpolate_to(const struct question *q, const struct window *window,
			  uint64_t counter, struct paraclock_crosststamp *xt)
{
	const struct paraclock_snapshot *begin = &window->begin;
	const struct paraclock_snapshot *end = &window->end;
	struct paraclock_snapshot at;
	int ret;

	if (begin->clocksource_changed_seq != end->clocksource_changed_seq)
		return -EINVAL;
	if (counter != end->counter && !is_before(counter, end->counter))
		return -EINVAL;
	if (is_before(counter, begin->counter)) {
		ret = look_back(q, window, counter, &at);
		xt->interpolated_from_history = 1;
	} else if (begin->clock_was_set_seq != end->clock_was_set_seq) {
		return 1;
	} else {
		ret = pclk_interpolate_snapshots(begin, end, counter, &at);
	}
	if (!ret)
		fill(xt, &at);
	return ret;
}

static int try_correlate(const struct question *q,
			 struct paraclock_crosststamp *xt)
{
	struct paraclock_sample *sample = &xt->sample;
	struct window window;
	uint64_t counter = 0;
	int ret;

	window.begin.size = window.end.size = sizeof(window.begin);
	window.begin.brackets = window.end.brackets = xt->brackets;
	ret = pclk_system_snapshot(q->env, q->memory, &window.begin);
	if (ret)
		return ret;
	if (!window.begin.valid_for_correlation)
		return -ENODEV;
	memset(sample, 0, sizeof(*sample));
	sample->clock_error_ns = PARACLOCK_ERROR_UNKNOWN;
	sample->leap = PARACLOCK_LEAP_UNKNOWN;
	ret = q->get_time(q->ctx, sample);
	if (ret > 0)
		return -EINVAL;
	if (!ret && sample->valid)
		ret = to_system(q, sample, &counter);
	if (!ret)
		ret = pclk_system_snapshot(q->env, q->memory, &window.end);
	if (ret)
		return ret;
	xt->clock_was_set_seq = window.end.clock_was_set_seq;
	xt->clocksource_changed_seq = window.end.clocksource_changed_seq;
	memcpy(xt->clocksource, window.end.clocksource,
	       sizeof(xt->clocksource));
	xt->clocksource_kind = window.end.clocksource_kind;
	if (!window.end.valid_for_correlation)
		return -ENODEV;
	return sample->valid ? interpolate_to(q, &window, counter, xt) : 0;
}

static int correlate_in(const struct question *q,
			struct paraclock_crosststamp *ret_xt)
{
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };
	int ret = 1;

	for (unsigned int i = 0; ret == 1 && i <= SET_RETRIES; i++) {
		xt.brackets = ret_xt->brackets;
		ret = try_correlate(q, &xt);
	}
	if (ret)
		return ret == 1 ? -ESTALE : ret;
	*ret_xt = xt;
	return 0;
}

/* For an env without a memory: one for this call alone, so that changes during
 * it show. Not inlined, so that other calls need not clear one. */
static __attribute__((noinline)) int
correlate_once(const struct question *q, struct paraclock_crosststamp *ret_xt)
{
	struct question own = *q;
	struct system_memory once = { 0 };

	own.memory = &once;
	return correlate_in(&own, ret_xt);
}

static int correlate(const struct question *q,
		     struct paraclock_crosststamp *ret_xt)
{
	return q->memory ? correlate_in(q, ret_xt) : correlate_once(q, ret_xt);
}

static bool is_usable(const struct paraclock_crosststamp *xt)
{
	return xt && xt->size >= sizeof(*xt) &&
	       xt->brackets <= PARACLOCK_BRACKETS_MAX;
}

int paraclock_correlate(const struct paraclock_env *env,
			paraclock_get_time_fn *get_time, void *ctx,
			const struct paraclock_coupling *coupling,
			const struct paraclock_history *hist,
			struct paraclock_crosststamp *ret_xt)
{
	struct question q = {
		.get_time = get_time,
		.ctx = ctx,
		.coupling = coupling,
		.hist = hist,
	};
	int ret;

	if (!get_time || !is_usable(ret_xt))
		return -EINVAL;
	ret = pclk_env_with_clocks(&env);
	if (ret)
		return ret;
	q.env = env;
	q.memory = (struct system_memory *)env->system_clocks;
	return correlate(&q, ret_xt);
}

static int read_clock(void *ctx, struct paraclock_sample *ret_sample)
{
	return paraclock_read(ctx, ret_sample);
}

int paraclock_crosststamp(const struct paraclock *clk,
			  const struct paraclock_history *hist,
			  struct paraclock_crosststamp *ret_xt)
{
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };
	struct question q = {
		.get_time = read_clock,
		.ctx = (struct paraclock *)(uintptr_t)clk,
		.hist = hist,
	};
	uint64_t epoch;
	int ret;

	if (!clk || !is_usable(ret_xt))
		return -EINVAL;
	q.env = clk->env;
	ret = pclk_env_with_clocks(&q.env);
	if (ret)
		return ret;
	q.memory = (struct system_memory *)q.env->system_clocks;
	xt.brackets = ret_xt->brackets;
	epoch = paraclock_epoch(clk);
	ret = correlate(&q, &xt);
	if (ret)
		return ret;
	/* After a disruption the counter may be another machine's. */
	ret = paraclock_disrupted(clk, epoch);
	if (ret < 0)
		return ret;
	if (ret || xt.sample.epoch != epoch)
		return -ESTALE;
	*ret_xt = xt;
	return 0;
}
