/* SPDX-License-Identifier: MIT */
/* Looking back: the clocks at a counter value between two snapshots. */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdint.h>

#include <paraclock/crosststamp.h>

/*
 * The two neighbouring entries around a counter value: before->counter <=
 * counter <= after->counter, modulo 2^64. Both are the same one if the value is
 * an entry's own. Takes no lock; bounded whatever a writer does.
 *
 * That the entries are of the clocks and of the counter that the caller means
 * is the caller's to check: their clocksource_changed_seq against that of a
 * snapshot of its own, and that the value lies before that.
 *
 * 0: both are written. 1: every entry is older than the value; only
 * *ret_before is written, the newest. -EINVAL: the history does not reach back
 * to it. -EAGAIN: the ring turned over under us, time and again.
 */
int pclk_history_find(const struct paraclock_history *hist, uint64_t counter,
		      struct paraclock_snapshot *ret_before,
		      struct paraclock_snapshot *ret_after);

/*
 * Every clock known in both a and b, at a counter value between them; the rest
 * is b's. REALTIME and TAI are not known if one of them was set in between.
 *
 * -EINVAL: the value is not between them, the clocksource changed in between,
 * they are of two counters, or one does not know MONOTONIC_RAW. -ENODEV: one
 * is not valid for correlation.
 */
int pclk_interpolate_snapshots(const struct paraclock_snapshot *a,
			       const struct paraclock_snapshot *b,
			       uint64_t counter,
			       struct paraclock_snapshot *ret_at);

#endif
