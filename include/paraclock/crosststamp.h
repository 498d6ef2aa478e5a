/* SPDX-License-Identifier: MIT */
/**
 * @file crosststamp.h
 * The host's time and this machine's own clocks at one instant.
 *
 * A snapshot is this machine's clocks and its counter, captured together. A
 * cross timestamp is a sample of a host clock, or of a device of the caller's,
 * and what the local clocks said at the same counter value.
 *
 * What the library learns of the local clocks (the counter's rate, offsets
 * between clocks) it keeps in env->local. Nothing here makes a system call in
 * the steady state, when the kernel's clocks are read in user space (vDSO).
 */
#ifndef PARACLOCK_CROSSTSTAMP_H
#define PARACLOCK_CROSSTSTAMP_H

#include <paraclock/clock.h>
#include <paraclock/coupling.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A clock of the local kernel; index of the arrays below. */
enum paraclock_clock {
	/** CLOCK_REALTIME: UTC as this machine knows it; may be set. */
	PARACLOCK_CLOCK_REALTIME = 0,
	/** CLOCK_MONOTONIC: slewed with REALTIME, never set. */
	PARACLOCK_CLOCK_MONOTONIC = 1,
	/** CLOCK_MONOTONIC_RAW: the counter at a constant rate. */
	PARACLOCK_CLOCK_MONOTONIC_RAW = 2,
	/** CLOCK_BOOTTIME: MONOTONIC and the time spent suspended. */
	PARACLOCK_CLOCK_BOOTTIME = 3,
	/** CLOCK_TAI: REALTIME + TAI offset; unknown while the kernel has none.
	 */
	PARACLOCK_CLOCK_TAI = 4,
};

/** How many there are. */
#define PARACLOCK_CLOCKS 5

/** What the kernel's clocksource is to the counter. */
enum paraclock_clocksource_kind {
	PARACLOCK_CLOCKSOURCE_UNKNOWN = 0,
	/** The counter itself: "tsc", "arch_sys_counter". */
	PARACLOCK_CLOCKSOURCE_COUNTER = 1,
	/** A page that maps the counter to ns: "kvm-clock", "xen",
	 * "hyperv_clocksource_tsc_page". */
	PARACLOCK_CLOCKSOURCE_IMAGE = 2,
	/** Neither: "hpet", "acpi_pm", "jiffies". */
	PARACLOCK_CLOCKSOURCE_OTHER = 3,
};

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

/** A bounded ring of snapshots; opaque. */
struct paraclock_history;

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

/** A sample and this machine's clocks at the same instant. */
struct paraclock_crosststamp {
	/** Set by the caller to sizeof(struct paraclock_crosststamp). */
	size_t size;
	/** Set by the caller: as snapshot.brackets. */
	uint32_t brackets;
	/** enum paraclock_clocksource_kind. */
	uint8_t clocksource_kind;
	/**
	 * The clocks that are known at @c counter, a mask of
	 * 1 << enum paraclock_clock; 0 if the sample is not valid.
	 */
	uint8_t known;
	/** 1: CLOCK_REALTIME is known; 0: it was set around @c counter, or the
	 * sample is not valid. */
	uint8_t realtime_valid;
	/** 1: from a history; 0: from the window of the call. */
	uint8_t interpolated_from_history;
	/** The host clock, or the device. Its host_tsc is in its own counter.
	 */
	struct paraclock_sample sample;
	/** This machine's counter at the sample's instant, ticks. */
	uint64_t counter;
	/** Each clock at @c counter, ns; 0 if not known. By enum
	 * paraclock_clock. */
	int64_t ns[PARACLOCK_CLOCKS];
	/**
	 * Each known clock is within this of what the kernel would have said at
	 * @c counter, ns. What the sample itself may be off is
	 * sample.pair_error_ns.
	 */
	uint64_t uncertainty_ns;
	/** As snapshot.clock_was_set_seq, at the end of the window. */
	uint32_t clock_was_set_seq;
	/** As snapshot.clocksource_changed_seq. */
	uint32_t clocksource_changed_seq;
	/** TAI - UTC by this kernel, s; meaningful if TAI is known. */
	int16_t tai_offset_sec;
	/** Zero. */
	uint8_t reserved[6];
	/** The kernel's clocksource, as sysfs names it. */
	char clocksource[32];
};

/**
 * Read a host clock together with this machine's clocks.
 *
 * A snapshot, a read, a snapshot. If the sample's counter lies between the
 * two, the clocks are interpolated to it; if it lies before, between the two
 * entries of @p hist around it. If CLOCK_REALTIME was set in the window it is
 * tried again, 3 times; if it was set between the two entries of the history,
 * @c realtime_valid is 0 and the other clocks are given.
 *
 * @param clk The clock.
 * @param hist A history that the caller feeds, or NULL.
 * @param[in,out] ret_xt Its @c size and @c brackets are set by the caller.
 *
 * @retval 0 Look at ret_xt->sample.valid; if 0, no clock is known.
 * @retval -ENODEV The sample's counter is not this machine's, or the kernel's
 *         clocksource is no image of it. Correlation cannot be had here.
 * @retval -EINVAL NULL or a bad size; the counter value is later than now, or
 *         earlier than the window and the history; or the clocksource changed
 *         in between. Feed a history, or try again.
 * @retval -ESTALE A disruption came in between, or CLOCK_REALTIME was set each
 *         time. Measure again.
 * @retval -ERANGE A clock does not fit into 64 bits of ns.
 * @return Else as paraclock_read() and paraclock_snapshot().
 *
 * Threads: any thread, any object; async-signal-safe if the env is.
 * Source: Linux get_device_system_crosststamp(), kernel/time/timekeeping.c.
 * @since 0.1
 */
PARACLOCK_API int paraclock_crosststamp(const struct paraclock *clk,
					const struct paraclock_history *hist,
					struct paraclock_crosststamp *ret_xt);

/**
 * Reads a device of the caller's: its time, and its counter at that time.
 *
 * Called between two snapshots, and again if they have to be repeated. What it
 * must set is in its sample: host_ns; host_tsc and counter; pair_error_ns (0
 * if captured atomically); valid 1, or 0 with a reason. The rest is handed
 * through.
 *
 * @param ctx The caller's own.
 * @param[in,out] ret_sample Zeroed, with clock_error_ns and leap unknown.
 * @return 0, or a negative errno, which paraclock_correlate() then returns;
 * a positive number is -EINVAL.
 */
typedef int paraclock_get_time_fn(void *ctx,
				  struct paraclock_sample *ret_sample);

/**
 * Read a device of the caller's together with this machine's clocks.
 *
 * As paraclock_crosststamp(), for a network card, an audio device, an FPGA.
 *
 * @param env The outside world, NULL: this machine's.
 * @param get_time Reads the device.
 * @param ctx Handed to @p get_time.
 * @param coupling How the sample's counter and this machine's are coupled;
 *        NULL: they are the same one.
 * @param hist A history that the caller feeds, or NULL.
 * @param[in,out] ret_xt Its @c size and @c brackets are set by the caller.
 *
 * @return As paraclock_crosststamp(), and what @p get_time returned. Also
 *         -ENODEV if the sample's counter is not coupling's device_counter, and
 *         -ERANGE as paraclock_coupling_to_system().
 *
 * Threads: any thread, any object; async-signal-safe if env and @p get_time
 * are.
 * Source: Linux get_device_system_crosststamp(), kernel/time/timekeeping.c.
 * @since 0.1
 */
PARACLOCK_API int paraclock_correlate(const struct paraclock_env *env,
				      paraclock_get_time_fn *get_time,
				      void *ctx,
				      const struct paraclock_coupling *coupling,
				      const struct paraclock_history *hist,
				      struct paraclock_crosststamp *ret_xt);

#ifdef __cplusplus
}
#endif

#endif
