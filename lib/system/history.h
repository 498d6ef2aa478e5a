/* SPDX-License-Identifier: MIT */
/* Looking back: the system clocks at a counter value between two snapshots. */
#ifndef HISTORY_H
#define HISTORY_H

#include <stdint.h>

#include <paraclock/crosststamp.h>

/*
 * Find the two neighbouring entries around a counter value: before->counter <=
 * counter <= after->counter, modulo 2^64. If the value is that of an entry,
 * both are this entry. Lock-free, and bounded whatever a writer does.
 *
 * The caller must check that the entries belong to its clocks and its counter:
 * compare their clocksource_changed_seq with that of a snapshot of its own, and
 * check that the value lies before that snapshot.
 *
 * 0: both are written. 1: every entry is older than the value; only *ret_before
 * is written, with the newest entry. -EINVAL: the history does not reach back
 * to it. -EAGAIN: the writer overwrote the entries, in each try.
 */
int pclk_history_find(const struct paraclock_history *hist, uint64_t counter,
		      struct paraclock_snapshot *ret_before,
		      struct paraclock_snapshot *ret_after);

/*
 * Interpolate every clock that both a and b know, at a counter value between
 * them; all else is copied from b. REALTIME and TAI are not known if one of
 * them was set in between.
 *
 * -EINVAL: the value is not between them, the clocksource changed in between,
 * they have different counters, or one does not know MONOTONIC_RAW. -ENODEV:
 * one is not valid for correlation.
 */
int pclk_interpolate_snapshots(const struct paraclock_snapshot *a,
			       const struct paraclock_snapshot *b,
			       uint64_t counter,
			       struct paraclock_snapshot *ret_at);

#endif
