/* SPDX-License-Identifier: MIT */
/**
 * @file events.h
 * Has this machine been moved, cloned, restored or paused?
 *
 * A disruption voids every calibration of the CPU counter. Each open clock
 * counts the disruptions that it notices; the count is its epoch.
 */
#ifndef PARACLOCK_EVENTS_H
#define PARACLOCK_EVENTS_H

#include <paraclock/clock.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup events
 * @{ */

/** What the host shows of disruptions; see paraclock_marker(). */
struct paraclock_marker {
	/** Changes after every disruption that its writer knows of. A pause
	 * need not change it: see paraclock-disruption(7). */
	uint64_t value;
	/** Changes after a restore or clone; 0: not provided. */
	uint64_t generation;
};

/**
 * The clock's epoch now.
 *
 * Looks at the markers and the page first, so it counts whatever is visible
 * now. If they cannot be read, or another thread is committing a change,
 * returns the epoch as it was last known. Equals sample.epoch of a read made
 * now. Never 0, so that 0 can mean "no epoch yet".
 *
 * @param clk The clock.
 * @return The epoch; 0 if @p clk is NULL.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API uint64_t paraclock_epoch(const struct paraclock *clk);

/**
 * Was there a disruption since an epoch?
 *
 * The marker_class of the clock's samples says what a 0 promises: NONE nothing;
 * HEURISTIC that the page's parameters did not visibly jump; AUTHORITATIVE that
 * the host's own marker is unchanged. No class promises that the machine was
 * not paused.
 *
 * @param clk The clock.
 * @param epoch From paraclock_epoch() or sample.epoch, of this clock.
 *
 * @retval 1 Yes: recalibrate, and keep the new epoch.
 * @retval 0 No.
 * @retval -EINVAL @p clk is NULL.
 * @retval -EAGAIN Another thread is committing a change, or the page stayed
 *         mid-update. Treat it as 1.
 * @return Any other error of reads (clock.h lists them at its top): not known
 * now. Treat it as 1.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_disrupted(const struct paraclock *clk,
				      uint64_t epoch);

/**
 * The host's own marker, as its page shows it.
 *
 * Unlike the epoch it means the same in every process of this machine, so it
 * can be stored beside a calibration. Two clones of one machine may show the
 * same marker: it tells a machine from its own past, not from its twin.
 *
 * With PARACLOCK_DEVICE_MEMORY: the marker that paraclock_next_event(), or the
 * open, has last seen in physical memory.
 *
 * @param clk The clock.
 * @param[out] ret_marker The marker of the first marker source.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL argument.
 * @retval -EOPNOTSUPP This clock has no source of markers.
 * @return Else one of the errors of reads, which clock.h lists at its top.
 *
 * Threads: any thread, any object; async-signal-safe.
 * Source: Linux uapi vmclock-abi.h, disruption_marker and
 * vm_generation_counter.
 * @since 0.1
 */
PARACLOCK_API int paraclock_marker(const struct paraclock *clk,
				   struct paraclock_marker *ret_marker);

/** What happened; paraclock-disruption(7) says which source can show which. */
enum paraclock_event_kind {
	/** The host's parameters of the counter, or its marker, changed; no
	 * more is known. Recalibrate. */
	PARACLOCK_EVENT_UPDATED = 1,
	/** The host says that it stopped this machine for a while. */
	PARACLOCK_EVENT_PAUSED = 2,
	/** The host clock jumped against the counter, by gap_ns if that is
	 * known, or went back to an earlier reference point. */
	PARACLOCK_EVENT_JUMPED = 3,
	/** A source says that the machine was moved. No source in user space
	 * does: there, a migration is UPDATED or JUMPED. */
	PARACLOCK_EVENT_MIGRATED = 4,
	/** The machine was restored from a saved state, or is a clone. */
	PARACLOCK_EVENT_RESTORED = 5,
	/** This machine's CLOCK_REALTIME was set: no disruption. */
	PARACLOCK_EVENT_CLOCK_SET = 6,
	/** The kernel has another clocksource: no disruption. */
	PARACLOCK_EVENT_CLOCKSOURCE_CHANGED = 7,
	/** The source can no longer be read, because of @c error. Not a
	 * disruption by itself, but from now on disruptions go unseen. */
	PARACLOCK_EVENT_SOURCE_LOST = 8,
	/** It can be read again. If it differs from what it said before, an
	 * event follows. */
	PARACLOCK_EVENT_SOURCE_FOUND = 9,
};

/** event.flags: events before this one were lost. */
#define PARACLOCK_EVENT_LOST 0x1U
/** event.flags: host_ns_before is known. */
#define PARACLOCK_EVENT_BEFORE 0x2U
/** event.flags: host_ns_after is known. */
#define PARACLOCK_EVENT_AFTER 0x4U
/** event.flags: gap_ns is known. */
#define PARACLOCK_EVENT_GAP 0x8U
/** event.flags: marker_before and marker_after are known. */
#define PARACLOCK_EVENT_MARKERS 0x10U

/** Something that happened to this machine or its clocks. */
struct paraclock_event {
	/** Set by the caller to sizeof(struct paraclock_event). */
	size_t size;
	/** enum paraclock_event_kind. */
	uint8_t kind;
	/** enum paraclock_marker_class. AUTHORITATIVE: the host or the kernel
	 * says so; HEURISTIC: inferred from a page. */
	uint8_t marker_class;
	/** enum paraclock_timescale, of host_ns_before and host_ns_after. */
	uint8_t timescale;
	/** enum paraclock_counter. */
	uint8_t counter;
	/** PARACLOCK_EVENT_x. */
	uint32_t flags;
	/** What showed it: a backend's name, "vmgenid", "clock" (set) or
	 * "clocksource". Constant; owned by the library or the backend. */
	const char *source;
	/** Epoch of the handle after it. */
	uint64_t epoch;
	/** The counter when this handle last recorded the state, ticks: it
	 * happened after that. */
	uint64_t counter_before;
	/** The counter when this handle noticed the change, ticks: it happened
	 * before that. Smaller than the other if the counter was turned back. */
	uint64_t counter_after;
	/** Host clock at counter_before, ns, by what its page said then.
	 * CLOCK_SET: CLOCK_REALTIME before the set. */
	int64_t host_ns_before;
	/** Host clock at counter_after, ns, by what its page says now.
	 * CLOCK_SET: CLOCK_REALTIME after the set. */
	int64_t host_ns_after;
	/**
	 * How far the host clock is ahead (negative: behind) of what its page
	 * said before, at the same counter value, ns. A pause that stopped the
	 * counter is as long as this. A pause does not show here if the counter
	 * ran through it, or jumped over it together with the clock; neither
	 * does a leap second that the page had announced.
	 * CLOCK_SET: by how much it was set, within some 100 ns.
	 */
	int64_t gap_ns;
	/** The host's marker before; see paraclock_marker(). */
	struct paraclock_marker marker_before;
	/** The host's marker after. */
	struct paraclock_marker marker_after;
	/**
	 * SOURCE_LOST: the error that reads return now, or -ENODEV if the
	 * opened file was removed or replaced; paraclock_explain() puts it in
	 * words. Else 0.
	 */
	int32_t error;
	/** Zero. */
	uint32_t reserved;
};

/**
 * A descriptor that says when to call paraclock_next_event().
 *
 * It polls readable when there may be an event, and at least once a second: a
 * jump of a page's parameters and another clocksource send no notification.
 * Only poll it, and do nothing else with it. Events that no memory shows (a
 * restore without a vmclock, the clock being set, another clocksource) are
 * noticed from the first call on.
 *
 * @param clk The clock.
 * @return The descriptor, the same each time; or a negative errno: any error
 * that the env returned, or one of these:
 * @retval -EINVAL @p clk is NULL.
 * @retval -EOPNOTSUPP The env cannot watch or poll. Call
 *         paraclock_next_event() now and then; it finds what memory shows.
 * @retval -ENOMEM No memory, or no descriptor left.
 *
 * Threads: any thread, any object. Not async-signal-safe.
 * Ownership: @p clk's; paraclock_close() closes it. A forked child shares it
 * with its parent, and each consumes the other's events: open the clock anew
 * there.
 * @since 0.1
 */
PARACLOCK_API int paraclock_event_fd(const struct paraclock *clk);

/**
 * The next event that this handle has noticed, the oldest first: by this call,
 * or by any read or paraclock_epoch() before. Call it until -EAGAIN. It does
 * not wait.
 *
 * A handle keeps the last 8 disruptions that it noticed; if older ones were
 * lost, the next event has PARACLOCK_EVENT_LOST.
 *
 * If a source cannot be read, SOURCE_LOST reports that once, and SOURCE_FOUND
 * reports once that it can be read again. Errors that may pass by themselves
 * (-EAGAIN, -ETIMEDOUT, -ENOMEM) are reported only when they have lasted for
 * half a second.
 *
 * With PARACLOCK_DEVICE_MEMORY it also looks at physical memory: some ten
 * system calls.
 *
 * @param clk The clock.
 * @param[in,out] ret_ev The caller sets its @c size.
 *
 * @retval 0 Success.
 * @retval -EAGAIN No event now, or another thread is committing a change: poll,
 *         then call again.
 * @retval -EINVAL NULL, or a size that is too small.
 * @return Any other error of reads (clock.h lists them at its top): no event,
 * and it is not known now whether the page has changed. Poll, then call again.
 *
 * Threads: one at a time for each clock, beside any readers. Not
 * async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_next_event(struct paraclock *clk,
				       struct paraclock_event *ret_ev);

/**
 * The name of a kind, lower case with hyphens: "clock-set".
 *
 * @param value enum paraclock_event_kind.
 * @return A constant string; "unknown" for a value that has no name.
 *
 * Threads: any thread; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API const char *paraclock_event_kind_name(unsigned int value);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
