/* SPDX-License-Identifier: MIT */
/* A history in a fake world, and snapshots to put into it. */
#ifndef HISTORIES_H
#define HISTORIES_H

#include "fake.h"

static struct fake fake;

/* RAW is the counter, unless a test changes it. */
static inline struct paraclock_snapshot snapshot_at(uint64_t counter)
{
	struct paraclock_snapshot snap = {
		.size = sizeof(snap),
		.counter_id = PARACLOCK_COUNTER_X86_TSC,
		.clocksource_kind = PARACLOCK_CLOCKSOURCE_COUNTER,
		.valid_for_correlation = 1,
		.known = (1U << PARACLOCK_CLOCKS) - 1,
		.counter = counter,
		.uncertainty_ns = 20,
		.clocksource = "tsc",
	};

	for (unsigned int i = 0; i < PARACLOCK_CLOCKS; i++)
		snap.ns[i] = (int64_t)counter;
	return snap;
}

static inline struct paraclock_history *new_history(unsigned int entries)
{
	struct paraclock_history *hist = NULL;

	fake_init(&fake);
	assert_int_equal(paraclock_history_new(&hist, &fake.env, entries), 0);
	assert_non_null(hist);
	return hist;
}

static inline void free_history(struct paraclock_history *hist)
{
	paraclock_history_free(hist);
	assert_int_equal(fake.allocs, fake.frees);
}

#endif
