/* SPDX-License-Identifier: MIT */
/* A device of the caller's, and a history, on clocks that are exactly known. */
#ifndef CORRELATES_H
#define CORRELATES_H

#include "fake_clocks.h"

static struct fake_clocks clocks;
static struct fake_device device;

static struct paraclock_history *hist;

static inline int setup(void **state)
{
	(void)state;
	fake_clocks_init(&clocks);
	fake_device_init(&device, &clocks);
	return paraclock_history_new(&hist, &clocks.world.env, 8);
}

static inline int teardown(void **state)
{
	(void)state;
	paraclock_history_free(hist);
	return clocks.world.allocs != clocks.world.frees;
}

static inline struct paraclock_snapshot remember(void)
{
	struct paraclock_snapshot snap = { .size = sizeof(snap) };

	assert_int_equal(paraclock_snapshot(&clocks.world.env, &snap), 0);
	assert_int_equal(paraclock_history_add(hist, &snap), 0);
	fake_clocks_pass(&clocks, 2600000);
	return snap;
}

static inline int correlate(const struct paraclock_coupling *coupling,
			    struct paraclock_crosststamp *ret_xt)
{
	return paraclock_correlate(&clocks.world.env, fake_device_time, &device,
				   coupling, hist, ret_xt);
}

static inline struct paraclock_crosststamp check_given(void)
{
	struct paraclock_crosststamp xt = { .size = sizeof(xt) };

	assert_int_equal(correlate(NULL, &xt), 0);
	assert_int_equal(xt.sample.host_ns, device.ns);
	if (xt.sample.valid)
		assert_int_equal(xt.sample.host_tsc, xt.counter);
	return xt;
}

static inline void check_truth(const struct paraclock_crosststamp *xt)
{
	fake_check_truth(&clocks, xt->known, xt->ns, xt->counter,
			 xt->uncertainty_ns);
}

#endif
