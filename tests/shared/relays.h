/* SPDX-License-Identifier: MIT */
/*
 * Shared by the tests of relays: a clock above, guests below, and the exact
 * time of each page. Times are compared in 2^-16 ns.
 */
#ifndef RELAYS_H
#define RELAYS_H

#include <paraclock/relay.h>

#include "writers.h"

#include "base/fixed.h"
#include "random.h"

#define NS_BITS	  16
#define TICK_BITS 8
#define NS(n)	  ((s128)(n) * (1 << NS_BITS))

/* L1 as L0 made it, and L1's clock. */
struct above {
	struct fake fake;
	struct paraclock_page_writer writer;
	struct paraclock_timeline conv;
	const struct writer_kind *kind;
	struct paraclock *clk;
};

/* A guest of L1's with one page. */
struct below {
	struct fake fake;
	struct paraclock_page_writer writer;
	struct paraclock_target *target;
	const struct writer_kind *kind;
	const struct paraclock_env *env; /* of the writer */
	int paused;			 /* calls that stop, less the others */
	int pause_error;
	int64_t seen;
};

static inline u128 time_of(const struct paraclock_timeline *tl)
{
	return (u128)tl->base_sec << 64 | tl->base_frac;
}

static inline void add_ns(struct paraclock_timeline *tl, int64_t ns)
{
	u128 by = ((u128)(uint64_t)llabs(ns) << 64) / NSEC_PER_SEC;
	u128 time = ns < 0 ? time_of(tl) - by : time_of(tl) + by;

	tl->base_sec = (uint64_t)(time >> 64);
	tl->base_frac = (uint64_t)time;
}

/* --- above ---------------------------------------------------------------- */

static inline void above_write(struct above *above)
{
	assert_int_equal(above->kind->write(page_of(&above->fake, above->kind),
					    &above->writer, &above->fake.env,
					    &above->conv),
			 0);
}

/* L1's counter stands at tsc, where its clock says sec. */
static inline void above_start(struct above *above,
			       const struct writer_kind *kind, uint64_t hz,
			       uint64_t tsc, uint64_t sec)
{
	memset(above, 0, sizeof(*above));
	above->kind = kind;
	only_page(&above->fake, kind);
	above->fake.cpu = 0;
	above->fake.counter = tsc;
	above->fake.counter_step = 10;
	above->conv = timeline_of(kind, hz);
	above->conv.base_tsc = tsc;
	above->conv.base_sec = sec;
	assert_int_equal(paraclock_page_writer_acquire(&above->writer,
						       &above->fake.env),
			 0);
	above_write(above);
	above->clk = fake_open(&above->fake, kind->backend);
}

/* By another writer, which does not know the page's former time. */
static inline void above_rewrite(struct above *above)
{
	memset(&above->writer, 0, sizeof(above->writer));
	memset(page_of(&above->fake, above->kind), 0, 4096);
	assert_int_equal(paraclock_page_writer_acquire(&above->writer,
						       &above->fake.env),
			 0);
	above_write(above);
}

/* The same, before anybody read it: on another timescale, too. */
static inline void above_renew(struct above *above)
{
	paraclock_close(above->clk);
	above_rewrite(above);
	above->clk = fake_open(&above->fake, above->kind->backend);
}

static inline void above_end(struct above *above)
{
	paraclock_close(above->clk);
	assert_int_equal(above->fake.allocs, above->fake.frees);
}

static inline struct paraclock_relay
relay_of(const struct above *above, struct paraclock_target *targets, size_t n)
{
	return (struct paraclock_relay){
		.size = sizeof(struct paraclock_relay),
		.clk = above->clk,
		.targets = targets,
		.n_targets = n,
	};
}

/* --- below ---------------------------------------------------------------- */

static inline int below_pause(void *arg, int stop)
{
	struct below *below = arg;

	if (below->pause_error)
		return below->pause_error;
	below->paused += stop ? 1 : -1;
	assert_in_range(below->paused, 0, 1);
	return 0;
}

static inline paraclock_target_freeze_fn *
freeze_of(const struct writer_kind *kind)
{
	if (kind->write == paraclock_pvclock_write)
		return NULL;
	return kind->write == paraclock_hyperv_write ? paraclock_hyperv_freeze
						     : paraclock_vmclock_freeze;
}

/* Its page is new, and this process is its writer. */
static inline void below_init(struct below *below,
			      struct paraclock_target *target,
			      const struct writer_kind *kind,
			      const struct paraclock_env *env)
{
	memset(below, 0, sizeof(*below));
	memset(target, 0, sizeof(*target));
	below->kind = kind;
	below->target = target;
	below->env = env;
	only_page(&below->fake, kind);
	assert_int_equal(paraclock_page_writer_acquire(&below->writer, env), 0);
	target->size = sizeof(*target);
	target->page = page_of(&below->fake, kind);
	target->writer = &below->writer;
	target->write = kind->write;
	target->freeze = freeze_of(kind);
	target->pause = target->freeze ? NULL : below_pause;
	target->arg = below;
	target->marker = 1;
}

static inline void couple(struct paraclock_target *target, uint64_t mult,
			  uint8_t shift, uint64_t offset)
{
	target->coupling = (struct paraclock_coupling){
		.size = sizeof(target->coupling),
		.mult = mult,
		.offset = offset,
		.shift = shift,
		.device_counter = PARACLOCK_COUNTER_X86_TSC,
		.system_counter = PARACLOCK_COUNTER_X86_TSC,
		.flags =
			PARACLOCK_COUPLING_FIXED | PARACLOCK_COUPLING_TO_DEVICE,
	};
}

/* A guest's counter at a value of L1's. */
static inline uint64_t counter_below(const struct paraclock_target *target,
				     uint64_t above)
{
	const struct paraclock_coupling *c = &target->coupling;

	if (!c->size)
		return above;
	return (uint64_t)((u128)above * c->mult >> c->shift) + c->offset;
}

/*
 * The value of L1's counter then: a tick of the guest's stands for the moment
 * at which it began. In 2^-8 ticks.
 */
static inline u128 counter_above(const struct paraclock_target *target,
				 uint64_t below)
{
	const struct paraclock_coupling *c = &target->coupling;

	if (!c->size)
		return (u128)below << TICK_BITS;
	return ((u128)(below - c->offset) << (c->shift + TICK_BITS)) / c->mult;
}

/* --- the truth: a page's formula, without its rounding -------------------- */

static inline uint64_t get64(const uint8_t *page, size_t offset)
{
	uint64_t value;

	memcpy(&value, page + offset, sizeof(value));
	return value;
}

static inline s128 pvclock_says(const uint8_t *page, u128 counter)
{
	int shift = (int8_t)page[28] - 32 - TICK_BITS + NS_BITS;
	u128 delta = counter - ((u128)get64(page, 8) << TICK_BITS);

	delta *= (uint32_t)get64(page, 24);
	delta = shift < 0 ? delta >> -shift : delta << shift;
	return NS(get64(page, 16)) + (s128)delta;
}

static inline s128 hyperv_says(const uint8_t *page, u128 counter)
{
	u128 units = counter * get64(page, 8);

	return (s128)(units * 25 >> (64 + TICK_BITS - NS_BITS - 2)) +
	       NS((int64_t)get64(page, 16)) * 100;
}

static inline s128 vmclock_says(const uint8_t *page, u128 counter)
{
	u128 time = (u128)get64(page, 72) << 64 | get64(page, 80);
	u128 delta = counter - ((u128)get64(page, 40) << TICK_BITS);

	time += delta * get64(page, 48) >> (page[39] + TICK_BITS);
	return (s128)(time * NSEC_PER_SEC >> (64 - NS_BITS));
}

static inline s128 page_says(const struct writer_kind *kind,
			     const uint8_t *page, u128 counter)
{
	if (kind->write == paraclock_pvclock_write)
		return pvclock_says(page, counter);
	return kind->write == paraclock_hyperv_write
		       ? hyperv_says(page, counter)
		       : vmclock_says(page, counter);
}

/*
 * The clock above at a value of the guest's counter, plus the offset of this
 * guest's clock.
 */
static inline s128 truth(const struct above *above, const struct below *below,
			 uint64_t counter)
{
	const struct paraclock_target *target = below->target;
	const uint8_t *page =
		page_of((struct fake *)(uintptr_t)&above->fake, above->kind);
	s128 offset = (s128)((u128)(uint64_t)target->offset_sec << 64 |
			     target->offset_frac);

	/* In parts, so that nothing is lost. */
	offset =
		(offset >> 64) * NS(NSEC_PER_SEC) +
		(s128)((u128)(uint64_t)offset * NSEC_PER_SEC >> (64 - NS_BITS));
	return page_says(above->kind, page, counter_above(target, counter)) +
	       offset;
}

/* --- what readers below see ----------------------------------------------- */

static inline int below_sample(struct below *below, uint64_t counter,
			       struct paraclock_sample *ret_sample)
{
	struct paraclock *clk;
	int ret;

	below->fake.counter = counter;
	below->fake.counter_step = 1 << 10;
	clk = fake_open(&below->fake, below->kind->backend);
	below->fake.counter = counter;
	below->fake.counter_step = 0;
	ret = paraclock_read(clk, ret_sample);
	paraclock_close(clk);
	return ret;
}

/*
 * Within the page's resolution and 0.25 ppb of its age; and within the steps,
 * below 1 ns, of a pvclock page above.
 */
static inline void assert_right(const struct above *above, struct below *below,
				uint64_t counter)
{
	const struct writer_kind *kind = below->kind;
	const struct paraclock_target *target = below->target;
	bool lifts = target->flags & PARACLOCK_TARGET_MONOTONIC;
	struct paraclock_sample sample;
	s128 age, off;
	s128 slack = NS(1) / 256;

	if (above->kind->write == paraclock_pvclock_write)
		slack += NS(1);
	assert_int_equal(below_sample(below, counter, &sample), 0);
	assert_int_equal(sample.valid, 1);
	assert_int_equal(sample.host_tsc, counter);
	age = truth(above, below, counter) -
	      truth(above, below, target->timeline.base_tsc);
	/* With the promise a rate is rounded down, or slower. */
	age = (age >> 32) * (lifts ? 3 : 1) + (age >> 34);
	off = NS(sample.host_ns) - truth(above, below, counter);
	if (off > NS(lifts ? kind->lifted : kind->above) + slack + age ||
	    off < -NS(kind->below) - slack - age)
		fail_msg("%s on %s: off by %lld / 65536 ns at an age of %lld",
			 above->kind->name, kind->name, (long long)off,
			 (long long)(age >> NS_BITS));
	if (lifts)
		assert_true(sample.host_ns >= below->seen);
	below->seen = sample.host_ns;
}

/* No reader runs there: paused; or it reads nothing valid. */
static inline void assert_frozen(struct below *below, uint64_t counter)
{
	struct paraclock_sample sample;

	if (below->target->pause) {
		assert_int_equal(below->paused, 1);
		return;
	}
	assert_int_equal(below_sample(below, counter, &sample), 0);
	assert_int_equal(sample.valid, 0);
}

static inline void assert_running(const struct below *below)
{
	assert_int_equal(below->target->state, PARACLOCK_TARGET_RUNNING);
	assert_int_equal(below->target->error, 0);
	assert_int_equal(below->paused, 0);
}

#endif
