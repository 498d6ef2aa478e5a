/* SPDX-License-Identifier: MIT */
/*
 * One clock that a writer publishes in ever different words, so that a mix of
 * two updates is another clock, by far: half a ns a tick, and up to 20 ppm more
 * or less, now ahead and now behind.
 */
#ifndef TIMEKEEPER_MODEL_H
#define TIMEKEEPER_MODEL_H

#include "base/counter.h"
#include "fake.h"
#include "host/timekeeper.h"

/* 20 ppm for a quarter of a second. Two updates that are mixed differ by more
 * than 10 us. If the writer was preempted for longer, it is 20 ppm of that. */
#define MODEL_TOLERANCE_NS 5000

/* The writer's progress, in ticks; in the memory of all who write and read. */
struct model_pace {
	uint64_t last;	  /* an update had ended, */
	uint64_t longest; /* and another one this much later. */
};

/* Its lease, 50 ms at 2 ticks a ns. */
#define MODEL_LEASE 100000000U

struct model {
	uint64_t first; /* counter at 5 s */
	uint64_t seed;
	uint32_t flags;
	struct model_pace *pace;
};

static inline uint64_t model_dice(struct model *model)
{
	model->seed ^= model->seed << 13;
	model->seed ^= model->seed >> 7;
	model->seed ^= model->seed << 17;
	return model->seed;
}

static inline int64_t model_ns(const struct model *model, uint64_t counter)
{
	return 5000000000LL + (int64_t)((counter - model->first) / 2);
}

/* A mark in one member, and its consequence in another. */
static inline uint64_t model_bound(int16_t tag)
{
	return (uint64_t)((int64_t)tag + 40000) * 1000003;
}

static inline struct paraclock_timeline model_conversion(struct model *model)
{
	struct paraclock_timeline tl = {
		.size = sizeof(tl),
		.base_tsc = model->first,
		.base_sec = 5,
		.flags = PARACLOCK_TIMELINE_STABLE | model->flags |
			 PARACLOCK_TIMELINE_TAI_OFFSET |
			 PARACLOCK_TIMELINE_MAXERROR |
			 PARACLOCK_TIMELINE_MAXERROR_RATE,
		.tai_offset_sec = (int16_t)model_dice(model),
		.timescale = PARACLOCK_TIMESCALE_MONOTONIC,
		.counter = COUNTER_NATIVE,
		.status = PARACLOCK_STATUS_SYNCHRONIZED,
		.t_end = counter_fenced() + MODEL_LEASE,
	};

	tl.maxerror_ns = model_bound(tl.tai_offset_sec);
	(void)paraclock_timeline_set_hz(&tl, 2000000000, 0);
	return tl;
}

/* From the shown time towards the clock, at a rate up to 20 ppm off. */
static inline int model_aim(struct paraclock_timeline *tl, u128 shown,
			    void *arg)
{
	struct model *model = arg;
	u128 base = (u128)tl->base_sec << 64 | tl->base_frac;
	uint64_t part = tl->period_frac / 50000;

	part = mul_high(part, model_dice(model));
	tl->period_frac += shown < base ? part : 0 - part;
	tl->base_sec = (uint64_t)(shown >> 64);
	tl->base_frac = (uint64_t)shown;
	return 0;
}

/*
 * An update has ended, or was late. A reader that has seen a word of it sees
 * here how long the one before was in force: in longest, if last is of this
 * one, else from last on.
 */
static inline void model_note(struct model_pace *pace)
{
	uint64_t now = counter_fenced();

	if (now - pace->last > pace->longest)
		__atomic_store_n(&pace->longest, now - pace->last,
				 __ATOMIC_RELAXED);
	__atomic_store_n(&pace->last, now, __ATOMIC_RELEASE);
}

/*
 * The writer was preempted until its lease had ended, and did not look: that is
 * late, too.
 */
static inline int model_done(struct model *model,
			     const struct paraclock_timeline *tl, int ret)
{
	model_note(model->pace);
	return ret == -EINVAL && counter_fenced() > tl->t_end ? -ESTALE : ret;
}

static inline int model_update(struct model *model,
			       struct paraclock_timekeeper *tk)
{
	struct paraclock_timeline tl = model_conversion(model);
	int ret = pclk_timekeeper_aim(tk, NULL, &tl, model_aim, model);

	return model_done(model, &tl, ret);
}

static inline bool model_is_before(const struct paraclock_timeline *tl,
				   const struct paraclock_timekeeper_info *info)
{
	return tl->base_sec < info->seen_sec ||
	       (tl->base_sec == info->seen_sec &&
		tl->base_frac < info->seen_frac);
}

/*
 * Frozen, and then from the clock's time on, or from the time that readers saw
 * if that is later: the clock is far behind where the lease ended before.
 */
static inline int model_migrate(struct model *model,
				struct paraclock_timekeeper *tk)
{
	struct paraclock_timekeeper_info info = { .size = sizeof(info) };
	struct paraclock_timeline tl;
	int ret = paraclock_timekeeper_freeze(tk, NULL);

	if (!ret)
		ret = paraclock_timekeeper_describe(tk, NULL, &info);
	if (ret)
		return ret;
	tl = model_conversion(model);
	ret = paraclock_timeline_rebase(&tl, info.now_tsc);
	if (model->flags & PARACLOCK_TIMELINE_MONOTONIC &&
	    model_is_before(&tl, &info)) {
		tl.base_sec = info.seen_sec;
		tl.base_frac = info.seen_frac;
	}
	if (!ret)
		ret = paraclock_timekeeper_reconfigure(tk, NULL, &tl);
	if (!ret)
		ret = paraclock_timekeeper_unfreeze(tk, NULL);
	return model_done(model, &tl, ret);
}

/* A reader's findings. */
struct model_counts {
	uint64_t reads, valid, again, torn, wrong, back, other, not_valid;
	uint64_t slowest; /* ticks */
	int64_t last_ns;
	uint64_t last_tsc, last_disruption;
};

/* Half a ns a tick, 20 ppm. last: from before the sample was read. From one
 * conversion's begin to the next it is at most twice the longest. */
static inline int64_t model_tolerance(const struct model *model,
				      const struct paraclock_sample *s,
				      uint64_t last)
{
	uint64_t ticks =
		2 * __atomic_load_n(&model->pace->longest, __ATOMIC_RELAXED);

	if (s->host_tsc > last)
		ticks += s->host_tsc - last;
	return ticks / 100000 > MODEL_TOLERANCE_NS ? (int64_t)(ticks / 100000)
						   : MODEL_TOLERANCE_NS;
}

static inline void model_count(const struct model *model,
			       struct model_counts *n,
			       const struct paraclock_sample *s, uint64_t last)
{
	int64_t off = s->host_ns - model_ns(model, s->host_tsc);
	int64_t within = model_tolerance(model, s, last);

	n->torn += s->clock_error_ns != model_bound(s->tai_offset_sec);
	n->torn += s->epoch < n->last_disruption;
	n->wrong += off > within || off < -within;
	n->back += s->flags & PARACLOCK_FLAG_MONOTONIC &&
		   s->host_tsc >= n->last_tsc && s->host_ns < n->last_ns;
	n->last_ns = s->host_ns;
	n->last_tsc = s->host_tsc;
	n->last_disruption = s->epoch;
}

static inline void model_read(const struct model *model, struct model_counts *n,
			      const struct paraclock_timekeeper *tk)
{
	struct paraclock_sample s;
	uint64_t last = __atomic_load_n(&model->pace->last, __ATOMIC_ACQUIRE);
	uint64_t before = counter_fenced();
	int ret = paraclock_timekeeper_read(tk, NULL, &s);
	uint64_t took = counter_fenced() - before;

	if (took > n->slowest)
		n->slowest = took;
	n->reads++;
	n->again += ret == -EAGAIN;
	n->other += ret && ret != -EAGAIN;
	n->valid += !ret && s.valid;
	/* No conversion begins after the counter that it is read at. */
	n->not_valid += !ret && !s.valid;
	if (!ret && s.valid)
		model_count(model, n, &s, last);
}

static inline void model_report(const char *who, const struct model_counts *n)
{
	print_message(
		"%s: %llu reads, %llu valid, %llu EAGAIN, %llu not "
		"valid, %llu torn, %llu wrong, %llu back; slowest %llu "
		"ticks\n",
		who, (unsigned long long)n->reads, (unsigned long long)n->valid,
		(unsigned long long)n->again, (unsigned long long)n->not_valid,
		(unsigned long long)n->torn, (unsigned long long)n->wrong,
		(unsigned long long)n->back, (unsigned long long)n->slowest);
}

static inline void model_assert(const struct model_counts *n)
{
	assert_int_equal(n->torn, 0);
	assert_int_equal(n->wrong, 0);
	assert_int_equal(n->back, 0);
	assert_int_equal(n->other, 0);
	assert_int_equal(n->not_valid, 0);
	assert_true(n->valid > 0);
}

#endif
