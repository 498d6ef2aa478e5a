/* SPDX-License-Identifier: MIT */
/**
 * @file system.h
 * This machine's own clocks: the system clocks.
 *
 * A snapshot is the system clocks and the counter, captured together; a history
 * keeps snapshots for later, a watch sees them being set. What is measured with
 * them is in crosststamp.h, which this header includes: cross timestamps, and
 * counters that are coupled. A check compares a host clock with others.
 *
 * What the library learns of the system clocks (the counter's rate, offsets
 * between clocks) it keeps in env->system_clocks. Nothing here makes a system
 * call in the steady state, when the kernel's clocks are read in user space
 * (vDSO).
 */
#ifndef PARACLOCK_SYSTEM_H
#define PARACLOCK_SYSTEM_H

#include <paraclock/clock.h>
#include <paraclock/crosststamp.h>

#ifdef __cplusplus
extern "C" {
#endif

/** This machine's clocks at one value of its counter. */
struct paraclock_snapshot {
	/** Set by the caller to sizeof(struct paraclock_snapshot). */
	size_t size;
	/**
	 * Set by the caller: readings of clocks, each between two of the
	 * counter, besides one of MONOTONIC and one of MONOTONIC_RAW; 1 to
	 * PARACLOCK_BRACKETS_MAX, 0: two. The first two are of REALTIME,
	 * the next of MONOTONIC_RAW, MONOTONIC and REALTIME in turn, so that
	 * with five each clock has been read twice at least. See
	 * paraclock_snapshot().
	 */
	uint32_t brackets;
	/** enum paraclock_counter. */
	uint8_t counter_id;
	/** enum paraclock_clocksource_kind. */
	uint8_t clocksource_kind;
	/** 1: the clocksource is the counter or an image of it; 0: a counter
	 * value says nothing about these clocks. */
	uint8_t valid_for_correlation;
	/** The clocks that are known, a mask of 1 << enum paraclock_clock. */
	uint8_t known;
	/** The counter, ticks. */
	uint64_t counter;
	/** Each clock at @c counter, ns; 0 if not known. By enum
	 * paraclock_clock. */
	int64_t ns[PARACLOCK_CLOCKS];
	/** Each known clock is within this of what the kernel would have said
	 * at @c counter, ns. */
	uint64_t uncertainty_ns;
	/** Another value after CLOCK_REALTIME (or the TAI offset) was set. */
	uint32_t clock_was_set_seq;
	/** Another value after the kernel's clocksource changed, or the
	 * counter jumped under it. */
	uint32_t clocksource_changed_seq;
	/** TAI - UTC, s; meaningful if TAI is known. */
	int16_t tai_offset_sec;
	/** Zero. */
	uint8_t reserved[2];
	/** What the counter moves by at a time, ticks; a part of
	 * @c uncertainty_ns. 0: not known. */
	uint32_t counter_step;
	/** The kernel's clocksource, as sysfs names it; empty: unknown. */
	char clocksource[32];
};

/** The most that snapshot.brackets may be. */
#define PARACLOCK_BRACKETS_MAX 16

/**
 * Capture this machine's clocks and its counter together.
 *
 * Each clock is read between two readings of the counter, as often as
 * @c brackets says. Its value at @c counter is the mean of the narrow ones'
 * midpoints; @c uncertainty_ns is how far off the worst clock can be, at any
 * instant at which the counter shows that value: what the counter moves by at a
 * time is part of it. That is certain while the counters of the CPUs agree and
 * the clocks run at their rate, to within 0.1 %, which is what the kernel slews
 * by; a daemon that slews by the kernel's tick (chrony, up to 8 %) may add that
 * part of some 50 ns. The
 * default of two costs least for an error of CLOCK_REALTIME that stays within
 * 5 ns nearly always, because a counter of some 10 ns granularity (AMD) then
 * averages out; see docs/decisions/0013.
 *
 * CLOCK_REALTIME is found to have been set when its distance to MONOTONIC is
 * another one, and the counter to have jumped, or the clocksource to have
 * changed, when MONOTONIC_RAW no longer fits the counter. A step of less than
 * some 100 ns is not seen, unless a watch is open: see paraclock_watch_open().
 * Nor is a jump of the counter by less than its rate is known to, for the time
 * since the snapshot before: 0.2 % at first, some ppb after a minute.
 *
 * A kernel that leaves the counter for another clocksource, and comes back to
 * it, is noticed within a second, whatever the counter does meanwhile. While it
 * stands still there are no snapshots.
 *
 * The first call for an env takes some 50 us and reads the clocksource's name
 * from sysfs; a later one does that only when something does not fit, or once
 * a second while the clocksource is of no use.
 *
 * @param env The outside world, NULL: this machine's. Its @c local remembers;
 *        with local NULL each call is a first one, and both seqs stay 0.
 * @param[in,out] ret_snap Its @c size and @c brackets are set by the caller.
 *
 * @retval 0 Success; look at @c valid_for_correlation before using a counter
 *         value with it.
 * @retval -EINVAL NULL, a size that is too small, too many brackets, or an
 *         env whose @c local belongs to another env.
 * @retval -ENODEV @p env is NULL and this build has no env of its own; or the
 *         kernel's clocksource is so coarse that its clocks stand still.
 * @retval -EOPNOTSUPP The env reads no REALTIME, MONOTONIC or MONOTONIC_RAW, or
 *         its counter stands still.
 * @retval -EACCES The counter is forbidden to this thread (PR_SET_TSC). Only
 *         an env's first call asks: a thread that forbids it later is killed
 *         by the counter's instruction.
 * @retval -EAGAIN The clocks kept being set, or another thread is taking in
 *         a change. Try again.
 * @return Any other error of the env's clocks.
 *
 * Threads: any thread, any object; async-signal-safe if the env is.
 * Source: Linux ktime_get_snapshot(), struct system_time_snapshot.
 * @since 0.1
 */
PARACLOCK_API int paraclock_snapshot(const struct paraclock_env *env,
				     struct paraclock_snapshot *ret_snap);

/**
 * Read the name of the kernel's clocksource anew.
 *
 * Not needed in general: see paraclock_snapshot(). For who has just changed it.
 *
 * @param env As for paraclock_snapshot().
 *
 * @retval 0 Read; if it is another one, clocksource_changed_seq says so from
 *         the next snapshot on.
 * @retval -EINVAL As paraclock_snapshot().
 * @retval -ENODEV @p env is NULL and this build has no env of its own.
 * @retval -EOPNOTSUPP The env cannot say, or has no @c local.
 * @retval -EAGAIN Another thread is taking in a change. Try again.
 * @return Any other error of the env's.
 *
 * Threads: any thread, any object. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_refresh(const struct paraclock_env *env);

/** Watches for the clock being set; opaque. */
struct paraclock_watch;

/**
 * Watch for CLOCK_REALTIME being set and for another clocksource.
 *
 * Opt-in: a snapshot sees most of that by itself. A watch sees every set,
 * however small, in the order of the file descriptor's events.
 *
 * @param[out] ret_watch Close it with paraclock_watch_close().
 * @param env The outside world, NULL: this machine's. Must have a @c local,
 *        which is what is told, and outlive the watch.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL argument.
 * @retval -ENODEV @p env is NULL and this build has no env of its own.
 * @retval -EOPNOTSUPP The env cannot watch, or has no @c local.
 * @retval -ENOMEM No memory, or no file descriptor left.
 *
 * Threads: any thread. Not async-signal-safe.
 * Source: timerfd_create(2), TFD_TIMER_CANCEL_ON_SET.
 * @since 0.1
 */
PARACLOCK_API int paraclock_watch_open(struct paraclock_watch **ret_watch,
				       const struct paraclock_env *env);

/**
 * A file descriptor that polls readable when there may be something to take
 * in, at least once a second; then call paraclock_watch_update().
 *
 * @param watch The watch.
 * @return The descriptor, owned by @p watch; -EINVAL if that is NULL.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_watch_fd(const struct paraclock_watch *watch);

/**
 * Take in what the watch has seen: the two seqs of later snapshots say so.
 *
 * @param watch The watch.
 *
 * @retval 0 Nothing was set or changed since the last call.
 * @retval 1 Something was.
 * @retval -EINVAL NULL argument.
 * @retval -EAGAIN Another thread is taking in a change. Call again; nothing is
 *         lost.
 * @return Any other error of the env's.
 *
 * Threads: any thread, one object each. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_watch_update(struct paraclock_watch *watch);

/**
 * Close a watch.
 *
 * @param watch The watch, or NULL. No other thread may be using it.
 *
 * Threads: any thread, one object each. Not async-signal-safe.
 * Ownership: frees @p watch and closes its descriptor.
 * @since 0.1
 */
PARACLOCK_API void paraclock_watch_close(struct paraclock_watch *watch);

/** The most snapshots that a history holds. */
#define PARACLOCK_HISTORY_MAX 65536

/**
 * Make a history, for counter values from before a call.
 *
 * @param[out] ret_hist Free it with paraclock_history_free().
 * @param env Where memory comes from, NULL: this machine's. Must outlive the
 *        history.
 * @param entries How many snapshots it holds, 2 to PARACLOCK_HISTORY_MAX; the
 *        oldest goes first.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, a number out of range, or an incomplete env.
 * @retval -ENODEV @p env is NULL and this build has no env of its own.
 * @retval -ENOMEM No memory.
 *
 * Threads: any thread. Not async-signal-safe.
 * Ownership: the caller owns *ret_hist.
 * @since 0.1
 */
PARACLOCK_API int paraclock_history_new(struct paraclock_history **ret_hist,
					const struct paraclock_env *env,
					unsigned int entries);

/**
 * Free a history.
 *
 * @param hist The history, or NULL. No other thread may be using it.
 *
 * Threads: any thread, one object each. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API void paraclock_history_free(struct paraclock_history *hist);

/**
 * Add a snapshot: the newest.
 *
 * One writer at a time; readers (paraclock_correlate() and
 * paraclock_crosststamp() in any thread) are not held up and take no lock.
 * How often is the caller's choice: between two entries the clocks are
 * interpolated, with an error of up to 1/4 of what slewing can change in that
 * time (10 %, as chrony may slew): 25 ms for entries one second apart, 250 us
 * for 10 ms. uncertainty_ns says so. A clock that is set and set back between
 * two entries leaves no trace, unless a watch saw it.
 *
 * A snapshot whose counter is below the newest one's although its
 * CLOCK_MONOTONIC_RAW is later, or the other way round, or whose
 * clocksource_changed_seq is another one, makes all older ones void: they are
 * dropped. The snapshots must be of an env whose @c local remembers, the one
 * that is later correlated with; without, a jump of the counter may go unseen.
 *
 * @param hist The history.
 * @param snap The snapshot; copied.
 *
 * @retval 0 Added.
 * @retval -EINVAL NULL, a size that is too small, or not later than the newest.
 * @retval -ENODEV The snapshot is not valid for correlation, does not know
 *         MONOTONIC_RAW, or is of another counter than the ones before.
 *
 * Threads: one writer, any number of readers. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_history_add(struct paraclock_history *hist,
					const struct paraclock_snapshot *snap);

/** check.compared and check.contradicted: the rate, against
 * CLOCK_MONOTONIC_RAW. */
#define PARACLOCK_CHECK_RATE 0x1U
/** The same: the rate, against the other clock. */
#define PARACLOCK_CHECK_OTHER_RATE 0x2U
/** The same: the offset to the other clock, on one timescale. */
#define PARACLOCK_CHECK_OTHER_OFFSET 0x4U

/** A second opinion on a clock: what to compare, and what was found. */
struct paraclock_check {
	/** Set by the caller to sizeof(struct paraclock_check). */
	size_t size;
	/** Set by the caller: a clock to compare with, or NULL. Keep it open
	 * between two calls. */
	const struct paraclock *other;
	/**
	 * Set by the caller: rates that differ by more are a contradiction,
	 * 10^-9; 0: 10^6, which is 0.1 %. NTP slews a clock by up to 0.05 %,
	 * and kernels measure their counter about as well.
	 */
	uint64_t max_rate_ppb;
	/**
	 * Set by the caller: two clocks of one timescale that are further
	 * apart, beyond their own error bounds, are a contradiction, ns; 0:
	 * 10^9, since one of them may be smearing a leap second.
	 */
	uint64_t max_offset_ns;
	/** What was compared, and what of it contradicts: a mask of
	 * PARACLOCK_CHECK_x. */
	uint32_t compared, contradicted;
	/** Time since the call before, by CLOCK_MONOTONIC_RAW, ns. */
	uint64_t interval_ns;
	/** Rate of the clock against CLOCK_MONOTONIC_RAW over the interval,
	 * positive if it runs faster, 10^-9. */
	int64_t rate_ppb;
	/** The same against the other clock. */
	int64_t other_rate_ppb;
	/** The clock minus the other one, ns; by OTHER_OFFSET only. */
	int64_t other_offset_ns;
	/** What reading the clocks may have got wrong, ns: all of it is allowed
	 * before anything counts as a contradiction. */
	uint64_t error_ns;
	/** The library's own; zero before the first call. */
	uint64_t opaque[16];
};

/**
 * Ask for a second opinion on a clock: does it run as other clocks do?
 *
 * A page that is whole and valid can still be wrong: hypervisors have left one
 * in place, with a plausible sequence, after a move to a host of another
 * frequency. Call this now and then, say once in 10 s, with the same @p check:
 * each call compares what passed since the call before. On a contradiction the
 * clock's samples are IMPLAUSIBLE from then on, in every thread, until
 * paraclock_check_clear() or until it is opened anew.
 *
 * After a disruption, a change of the clocksource or a sample that is not
 * valid, comparing begins anew. A step of one second of a UTC clock that does
 * not tell its TAI offset may be a leap second, and is none. A host whose clock
 * is set contradicts itself: that is for the caller to clear.
 *
 * @param clk The clock.
 * @param[in,out] check What to compare; gets what was found.
 *
 * @retval 0 No contradiction; the first call has nothing to compare yet, as
 *         @c compared says.
 * @retval 1 Contradicted, by this call or by an earlier one.
 * @retval -EINVAL NULL, a size that is too small, or @c other is @p clk.
 * @retval -ESTALE A disruption or a clock set came in between: call again.
 * @return Else as paraclock_crosststamp(), for either clock; the next call
 * compares with the last one that succeeded.
 *
 * Threads: any thread, one check each. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_check(struct paraclock *clk,
				  struct paraclock_check *check);

/**
 * Believe a clock again that a check has contradicted.
 *
 * @param clk The clock.
 *
 * @retval 0 Its samples are no longer IMPLAUSIBLE.
 * @retval -EINVAL @p clk is NULL.
 * @retval -EAGAIN Another thread is taking in a change. Try again.
 *
 * Threads: any thread, any object. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_check_clear(struct paraclock *clk);

#ifdef __cplusplus
}
#endif

#endif
