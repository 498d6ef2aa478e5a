/* SPDX-License-Identifier: MIT */
/**
 * @file system.h
 * The system clocks: this machine's own.
 *
 * A snapshot holds the system clocks and the counter, captured together. A
 * history keeps snapshots for later. A watch sees the clocks being set. A check
 * compares a host clock with other clocks. crosststamp.h, which this header
 * includes, has cross timestamps and couplings of counters.
 *
 * The library keeps what it learns of the system clocks (the counter's rate,
 * offsets between clocks) in env->system_clocks. In the steady state nothing
 * here makes a system call, if the kernel's clocks are read in user space
 * (vDSO).
 *
 * @par Errors of snapshots
 * paraclock_snapshot(), and every function that makes one:
 *
 * @retval -EINVAL NULL, a size that is too small, too many brackets, or an env
 *         whose system_clocks belong to another env.
 * @retval -ENODEV The env is NULL and this build has no env of its own; or the
 *         kernel's clocksource is so coarse that its clocks stand still.
 * @retval -EOPNOTSUPP The env cannot read REALTIME, MONOTONIC or MONOTONIC_RAW,
 *         or its counter stands still.
 * @retval -EACCES The counter is forbidden to this thread (PR_SET_TSC). Only an
 *         env's first call asks: a thread that forbids it later is killed by
 *         the counter's instruction.
 * @retval -EAGAIN The clocks kept being set, or another thread is committing a
 *         change. Try again.
 *
 * and any other error of the env's clocks.
 */
#ifndef PARACLOCK_SYSTEM_H
#define PARACLOCK_SYSTEM_H

#include <paraclock/clock.h>
#include <paraclock/crosststamp.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup system
 * @{ */

/** The system clocks at one value of the counter. */
struct paraclock_snapshot {
	/** Set by the caller to sizeof(struct paraclock_snapshot). */
	size_t size;
	/**
	 * Set by the caller: how many brackets to take besides one of MONOTONIC
	 * and one of MONOTONIC_RAW, 1 to PARACLOCK_BRACKETS_MAX; 0: two. The
	 * first two are of REALTIME, the next of MONOTONIC_RAW, MONOTONIC and
	 * REALTIME in turn: five read each clock at least twice. See
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
	/** Which clocks are known, a mask of 1 << enum paraclock_clock. */
	uint8_t known;
	/** The counter, ticks. */
	uint64_t counter;
	/** Each clock at @c counter, ns, indexed by enum paraclock_clock; 0 if
	 * not known. */
	int64_t ns[PARACLOCK_CLOCKS];
	/** Each known clock is within this of what the kernel would have said
	 * at @c counter, ns. */
	uint64_t uncertainty_ns;
	/** Changes after CLOCK_REALTIME (or the TAI offset) was set. */
	uint32_t clock_was_set_seq;
	/** Changes after the kernel's clocksource changed, or the counter
	 * jumped under it. */
	uint32_t clocksource_changed_seq;
	/** TAI - UTC, s; meaningful if TAI is known. */
	int16_t tai_offset_sec;
	/** Zero. */
	uint8_t reserved[2];
	/** The step of the counter, ticks; @c uncertainty_ns includes it. 0:
	 * not known. */
	uint32_t counter_step;
	/** The kernel's clocksource, as sysfs names it; empty: unknown. */
	char clocksource[32];
};

/** The most that snapshot.brackets may be. */
#define PARACLOCK_BRACKETS_MAX 16

/**
 * Capture the system clocks and the counter together.
 *
 * Each clock is read between two readings of the counter (a bracket), as often
 * as @c brackets says. Its value at @c counter is the mean of the midpoints of
 * the narrow brackets. @c uncertainty_ns bounds the error of the worst clock at
 * any instant at which the counter shows that value, the counter's step
 * included. The bound holds while the counters of the CPUs agree and the clocks
 * run within 0.1 % of their rate, which is the most that the kernel slews. A
 * daemon that slews by the kernel's tick (chrony, up to 8 %) may add that share
 * of some 50 ns. Two brackets, the default, are the cheapest way to an error of
 * CLOCK_REALTIME that nearly always stays within 5 ns: they average out a
 * counter of some 10 ns granularity (AMD); see docs/decisions/0013.
 *
 * CLOCK_REALTIME counts as set when its distance to MONOTONIC has changed. The
 * counter counts as having jumped, or the clocksource as changed, when
 * MONOTONIC_RAW no longer fits the counter. A snapshot does not see a step of
 * less than some 100 ns, unless a watch is open (paraclock_watch_open()); nor a
 * jump of the counter by less than the uncertainty of its rate over the time
 * since the snapshot before: 0.2 % at first, some ppb after a minute.
 *
 * If the kernel leaves the counter for another clocksource and comes back to
 * it, snapshots show that within a second, whatever the counter does meanwhile.
 * While the counter stands still, snapshots fail.
 *
 * The first call for an env takes some 50 us and reads the clocksource's name
 * from sysfs. Later calls do so only when something does not fit, or once a
 * second while the clocksource is of no use.
 *
 * @param env The outside world, NULL: this machine's. It remembers by its
 *        @c system_clocks; without them each call is a first one, and both seqs
 *        stay 0.
 * @param[in,out] ret_snap The caller sets its @c size and @c brackets.
 *
 * @retval 0 Success; look at @c valid_for_correlation before using a counter
 *         value with it.
 * @return One of the errors of snapshots, which are listed at the top.
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
 * If you have just changed the clocksource, call this. Otherwise snapshots
 * notice a change by themselves.
 *
 * @param env The same env as for paraclock_snapshot().
 *
 * @retval 0 Read. If it is another clocksource, clocksource_changed_seq changes
 *         with the next snapshot.
 * @retval -EINVAL The env is incomplete, or its @c system_clocks belong to
 *         another env.
 * @retval -ENODEV @p env is NULL and this build has no env of its own.
 * @retval -EOPNOTSUPP The env cannot name it, or has no @c system_clocks.
 * @retval -EAGAIN Another thread is committing a change. Try again.
 * @return Any other error that the env returned.
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
 * Optional: a snapshot notices most of that by itself. A watch sees every set,
 * however small, in the order of the file descriptor's events.
 *
 * @param[out] ret_watch Close it with paraclock_watch_close().
 * @param env The outside world, NULL: this machine's. Must outlive the watch,
 *        and have @c system_clocks: the watch reports to them.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL @p ret_watch, or an incomplete env.
 * @retval -ENODEV @p env is NULL and this build has no env of its own.
 * @retval -EOPNOTSUPP The env cannot watch, or has no @c system_clocks.
 * @retval -ENOMEM No memory, or no file descriptor left.
 * @return Any other error that the env returned.
 *
 * Threads: any thread. Not async-signal-safe.
 * Source: timerfd_create(2), TFD_TIMER_CANCEL_ON_SET.
 * @since 0.1
 */
PARACLOCK_API int paraclock_watch_open(struct paraclock_watch **ret_watch,
				       const struct paraclock_env *env);

/**
 * A file descriptor that polls readable when something may have been set or
 * changed, and at least once a second. Call paraclock_watch_update() then.
 *
 * @param watch The watch.
 * @return The descriptor, owned by @p watch; -EINVAL if that is NULL.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_watch_fd(const struct paraclock_watch *watch);

/**
 * Commit what the watch has seen: the two seqs of later snapshots change.
 *
 * @param watch The watch.
 *
 * @retval 0 Nothing was set or changed since the last call.
 * @retval 1 Something was set or changed.
 * @retval -EINVAL NULL argument, or the env's @c system_clocks belong to
 *         another env.
 * @retval -EAGAIN Another thread is committing a change. Call again; nothing is
 *         lost.
 * @return Any other error that the env returned.
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
 * @param entries How many snapshots it holds, 2 to PARACLOCK_HISTORY_MAX. A new
 *        one replaces the oldest.
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
 * Add a snapshot, the newest.
 *
 * One thread adds. Readers (paraclock_correlate() and paraclock_crosststamp()
 * in any thread) do not wait for it and take no lock. The caller chooses how
 * often: between two entries the clocks are interpolated, with an error of up
 * to 1/4 of what slewing can change in that time (10 %, as chrony may slew): 25
 * ms for entries one second apart, 250 us for 10 ms. uncertainty_ns includes
 * it. A clock that is set and set back between two entries leaves no trace,
 * unless a watch saw it.
 *
 * All older snapshots are void, and dropped, when the counter and
 * CLOCK_MONOTONIC_RAW contradict each other on which of the two newest is the
 * later, or when clocksource_changed_seq has changed. Take the snapshots from
 * the env that later correlations use. It needs @c system_clocks, or a jump of
 * the counter may go unseen.
 *
 * @param hist The history.
 * @param snap The snapshot; copied.
 *
 * @retval 0 Added.
 * @retval -EINVAL NULL, a size that is too small, or a snapshot that is not
 *         later than the newest.
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
/** check.compared and check.contradicted: the rate, against the other clock. */
#define PARACLOCK_CHECK_OTHER_RATE 0x2U
/** check.compared and check.contradicted: the offset to the other clock, if
 * both are on one timescale. */
#define PARACLOCK_CHECK_OTHER_OFFSET 0x4U

/** A second opinion on a clock: what to compare, and what was found. */
struct paraclock_check {
	/** Set by the caller to sizeof(struct paraclock_check). */
	size_t size;
	/** Set by the caller: a clock to compare with, or NULL. Keep it open
	 * between two calls. */
	const struct paraclock *other;
	/**
	 * Set by the caller: a larger difference of rates is a contradiction,
	 * ppb; 0: 10^6, which is 0.1 %. NTP slews a clock by up to 0.05 %, and
	 * kernels measure their counter about as well.
	 */
	uint64_t max_rate_ppb;
	/**
	 * Set by the caller: a larger difference between two clocks of one
	 * timescale, beyond their own error bounds, is a contradiction, ns; 0:
	 * 10^9, since one of them may be smearing a leap second.
	 */
	uint64_t max_offset_ns;
	/** What was compared: a mask of PARACLOCK_CHECK_x. */
	uint32_t compared;
	/** Which of it contradicts, in the same way. */
	uint32_t contradicted;
	/** Time since the call before, by CLOCK_MONOTONIC_RAW, ns. */
	uint64_t interval_ns;
	/** Rate of the clock against CLOCK_MONOTONIC_RAW over the interval,
	 * positive if it runs faster, ppb. */
	int64_t rate_ppb;
	/** Rate of the clock against the other clock, in the same way, ppb. */
	int64_t other_rate_ppb;
	/** The clock minus the other one, ns; with OTHER_OFFSET only. */
	int64_t other_offset_ns;
	/** The possible error of reading the clocks, ns: all of it is allowed
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
 * frequency. Call this now and then, say every 10 s, with the same @p check:
 * each call compares what passed since the call before. After a contradiction
 * the clock's samples are IMPLAUSIBLE, in every thread, until
 * paraclock_check_clear() or until the clock is opened anew.
 *
 * After a disruption, a change of the clocksource or a sample that is not
 * valid, the comparison begins anew. A difference of one second on a UTC clock
 * that gives no TAI offset may be a leap second and is not counted as a
 * contradiction. A host whose clock is set contradicts itself: clear the
 * contradiction then.
 *
 * @param clk The clock.
 * @param[in,out] check What to compare; receives what was found.
 *
 * @retval 0 No contradiction. The first call has nothing to compare with yet,
 *         and @c compared is 0.
 * @retval 1 Contradicted, by this call or by an earlier one.
 * @retval -EINVAL NULL, a size that is too small, or @c other is @p clk.
 * @retval -ESTALE A disruption or a clock set came in between: call again.
 * @return Else one of the errors of cross timestamps, which crosststamp.h lists
 * at its top, for either clock. The next call compares with the last one that
 * succeeded.
 *
 * Threads: any thread, one check each. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_check(struct paraclock *clk,
				  struct paraclock_check *check);

/**
 * Trust a clock again that a check has contradicted.
 *
 * @param clk The clock.
 *
 * @retval 0 Its samples are no longer IMPLAUSIBLE.
 * @retval -EINVAL @p clk is NULL.
 * @retval -EAGAIN Another thread is committing a change. Try again.
 *
 * Threads: any thread, any object. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_check_clear(struct paraclock *clk);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
