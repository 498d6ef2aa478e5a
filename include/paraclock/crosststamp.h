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
	/** A page that maps the counter to ns: "kvm-clock",
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
	 * Set by the caller: readings of CLOCK_REALTIME between two of the
	 * counter, 1 to PARACLOCK_SANDWICHES_MAX; 0: two. See
	 * paraclock_snapshot().
	 */
	uint32_t sandwiches;
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
	uint8_t reserved[6];
	/** The kernel's clocksource, as sysfs names it; empty: unknown. */
	char clocksource[32];
};

/** The most readings that one snapshot takes of CLOCK_REALTIME. */
#define PARACLOCK_SANDWICHES_MAX 16

/**
 * Capture this machine's clocks and its counter together.
 *
 * Each clock is read between two readings of the counter, REALTIME as often as
 * @c sandwiches says. Its value at @c counter is the mean of the narrow ones'
 * midpoints; @c uncertainty_ns is how far off the worst clock can be. That is
 * certain while the counters of the CPUs agree and the clocks run at their
 * rate, to within 0.1 %, which is what the kernel slews by; a daemon that slews
 * by the kernel's tick (chrony, up to 8 %) may add that part of some 50 ns. The
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
 * The first call for an env takes some 50 us and reads the clocksource's name
 * from sysfs; a later one does that only when something does not fit, or once
 * a second while the clocksource is of no use.
 *
 * @param env The outside world, NULL: this machine's. Its @c local remembers;
 *        with local NULL each call is a first one, and both seqs stay 0.
 * @param[in,out] ret_snap Its @c size and @c sandwiches are set by the caller.
 *
 * @retval 0 Success; look at @c valid_for_correlation before using a counter
 *         value with it.
 * @retval -EINVAL NULL, a size that is too small, too many sandwiches, or an
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

/** coupling.flags: the ratio and the offset are constant. Without it the
 * counters are not coupled. */
#define PARACLOCK_COUPLING_FIXED 0x1U
/**
 * coupling.flags: the formula gives the device's counter from the system's,
 * as KVM's does for a guest's TSC from its host's; without the flag, the
 * system's from the device's.
 */
#define PARACLOCK_COUPLING_TO_DEVICE 0x2U

/**
 * How a device's counter and the system's are coupled:
 *
 *   to = floor(from * mult / 2^shift) + offset
 *
 * where, by PARACLOCK_COUPLING_TO_DEVICE, from is the one and to the other.
 * The sum is modulo 2^64; the product must fit into 64 bits.
 * Example: a guest's TSC as KVM makes it, mult / 2^shift being its ratio.
 */
struct paraclock_coupling {
	/** sizeof(struct paraclock_coupling). */
	size_t size;
	/** The ratio, in 2^-shift ticks per tick; 0 is no coupling. */
	uint64_t mult;
	/** Ticks of @c to, modulo 2^64. */
	uint64_t offset;
	/** 0 to 63. */
	uint8_t shift;
	/**
	 * What the device counts with: enum paraclock_counter, or a number of
	 * the caller's from PARACLOCK_COUNTER_USER on.
	 */
	uint8_t device_counter;
	/** What the system counts with: enum paraclock_counter. */
	uint8_t system_counter;
	/** PARACLOCK_COUPLING_x. */
	uint8_t flags;
	/** Zero. */
	uint8_t reserved[4];
};

/**
 * The system's counter at a value of the device's.
 *
 * Exact to one tick: where the formula runs the other way, the smallest value
 * that the formula takes to @p device or, where it skips that, just beyond.
 *
 * @param coupling The coupling.
 * @param device The device's counter, its ticks.
 * @param[out] ret_system The system's counter, its ticks.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, a size that is too small, a shift above 63, or a flag
 *         that this version does not know.
 * @retval -ENODEV Not coupled: not FIXED, or mult is 0.
 * @retval -ERANGE No value of 64 bits belongs to @p device.
 *
 * Threads: any thread, any object; async-signal-safe.
 * Source: KVM, TSC offset and scaling, Linux
 * Documentation/virt/kvm/devices/vcpu.rst.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_coupling_to_system(const struct paraclock_coupling *coupling,
			     uint64_t device, uint64_t *ret_system);

/**
 * The device's counter at a value of the system's; as
 * paraclock_coupling_to_system(), the other way.
 *
 * @param coupling The coupling.
 * @param system The system's counter, its ticks.
 * @param[out] ret_device The device's counter, its ticks.
 * @return As paraclock_coupling_to_system().
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_coupling_to_device(const struct paraclock_coupling *coupling,
			     uint64_t system, uint64_t *ret_device);

/**
 * The coupling of this host's TSC (system) and a KVM guest's (device), for a
 * VMM.
 *
 * KVM tells the offset of a vCPU (KVM_VCPU_TSC_OFFSET), but not the ratio of
 * a guest whose TSC it scales: that is the caller's to give. It holds until the
 * guest or the VMM sets that vCPU's TSC; ask again after a restore.
 *
 * KVM makes the call wait while another thread runs the vCPU: call it from the
 * thread that does, or while the guest is stopped. Without a ratio it may take
 * 10 ms, as paraclock_describe_machine().
 *
 * @param[out] ret_coupling The coupling, its @c size included.
 * @param env The outside world, NULL: this machine's; it makes the ioctls.
 * @param vcpu_fd A vCPU of the guest's.
 * @param ratio Guest ticks per host tick in 2^-frac_bits; 0: it is not scaled.
 * @param frac_bits 0 to 63: 48 on Intel, 32 on AMD.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, too many fraction bits, or an env that is too small.
 * @retval -ENODEV @p vcpu_fd is no vCPU; or @p ratio is 0 and the guest's TSC
 *         runs at another frequency than the host's, or that cannot be known:
 *         give the ratio. Or @p env is NULL and this build has none of its own.
 * @retval -EOPNOTSUPP This kernel does not tell the offset, or the env makes no
 *         ioctls, or its counter is no TSC.
 * @return Any other error of the env's.
 *
 * Threads: any thread. Not async-signal-safe.
 * Source: Linux Documentation/virt/kvm/devices/vcpu.rst, KVM_VCPU_TSC_CTRL.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_coupling_kvm(struct paraclock_coupling *ret_coupling,
		       const struct paraclock_env *env, int vcpu_fd,
		       uint64_t ratio, unsigned int frac_bits);

/** A sample and this machine's clocks at the same instant. */
struct paraclock_crosststamp {
	/** Set by the caller to sizeof(struct paraclock_crosststamp). */
	size_t size;
	/** Set by the caller: as snapshot.sandwiches. */
	uint32_t sandwiches;
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
 * @param[in,out] ret_xt Its @c size and @c sandwiches are set by the caller.
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
 * @param[in,out] ret_xt Its @c size and @c sandwiches are set by the caller.
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
