/* SPDX-License-Identifier: MIT */
/**
 * @file crosststamp.h
 * The host's time and the system clocks at one instant.
 *
 * A cross timestamp holds a sample of a host clock, or of a device of the
 * caller's, and the system clocks at the same counter value. A coupling says
 * how a device's counter relates to this machine's. system.h includes this
 * header.
 *
 * @par Errors of cross timestamps
 * paraclock_crosststamp(), and every function that makes one:
 *
 * @retval -ENODEV The sample's counter is not this machine's, or the kernel's
 *         clocksource is not an image of it. Correlation is impossible here.
 * @retval -EINVAL NULL or a bad size; the counter value is later than now, or
 *         earlier than the window and the history; or the clocksource changed
 *         in between. Feed a history, or try again.
 * @retval -ESTALE A disruption came in between, or CLOCK_REALTIME was set in
 *         each attempt. Measure again.
 * @retval -ERANGE A clock does not fit into 64 bits of ns.
 *
 * and the errors of reads (clock.h) and of snapshots (system.h).
 */
#ifndef PARACLOCK_CROSSTSTAMP_H
#define PARACLOCK_CROSSTSTAMP_H

#include <paraclock/clock.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup crosststamp
 * @{ */

/** Snapshots of earlier times; opaque, see system.h. */
struct paraclock_history;

/** A system clock; index of the arrays below. */
enum paraclock_clock {
	/** CLOCK_REALTIME: UTC as this machine knows it; may be set. */
	PARACLOCK_CLOCK_REALTIME = 0,
	/** CLOCK_MONOTONIC: slewed with REALTIME, never set. */
	PARACLOCK_CLOCK_MONOTONIC = 1,
	/** CLOCK_MONOTONIC_RAW: the counter at a constant rate. */
	PARACLOCK_CLOCK_MONOTONIC_RAW = 2,
	/** CLOCK_BOOTTIME: MONOTONIC and the time spent suspended. */
	PARACLOCK_CLOCK_BOOTTIME = 3,
	/** CLOCK_TAI: REALTIME + TAI offset; unknown while the kernel has no
	 * offset. */
	PARACLOCK_CLOCK_TAI = 4,
};

/** Number of system clocks. */
#define PARACLOCK_CLOCKS 5

/** coupling.flags: the ratio and the offset are constant. Without it the
 * counters are not coupled. */
#define PARACLOCK_COUPLING_FIXED 0x1U
/**
 * coupling.flags: the formula computes the device's counter from the system's,
 * as KVM's does for a guest's TSC from its host's. Without the flag it computes
 * the system's from the device's.
 */
#define PARACLOCK_COUPLING_TO_DEVICE 0x2U

/**
 * How a device's counter and the system's are coupled:
 *
 *     to = floor(from * mult / 2^shift) + offset
 *
 * PARACLOCK_COUPLING_TO_DEVICE says which of the two counters is from. The sum
 * is modulo 2^64; the product must fit into 64 bits. Example: a guest's TSC as
 * KVM makes it; mult / 2^shift is its ratio.
 */
struct paraclock_coupling {
	/** sizeof(struct paraclock_coupling). */
	size_t size;
	/** The ratio, in 2^-shift ticks per tick; 0: not coupled. */
	uint64_t mult;
	/** Ticks of @c to, modulo 2^64. */
	uint64_t offset;
	/** 0 to 63. */
	uint8_t shift;
	/**
	 * The device's counter: enum paraclock_counter, or a number of the
	 * caller's from PARACLOCK_COUNTER_USER on.
	 */
	uint8_t device_counter;
	/** The system's counter: enum paraclock_counter. */
	uint8_t system_counter;
	/** PARACLOCK_COUPLING_x. */
	uint8_t flags;
	/** Zero. */
	uint8_t reserved[4];
};

/**
 * The system's counter at a value of the device's.
 *
 * Exact to one tick. If the formula computes the other direction, the result is
 * the smallest value that it maps to @p device or, if it skips @p device, to
 * just beyond.
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
 * The device's counter at a value of the system's.
 *
 * Exact to one tick. If the formula computes the other direction, the result is
 * the smallest value that it maps to @p system or, if it skips @p system, to
 * just beyond.
 *
 * @param coupling The coupling.
 * @param system The system's counter, its ticks.
 * @param[out] ret_device The device's counter, its ticks.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, a size that is too small, a shift above 63, or a flag
 *         that this version does not know.
 * @retval -ENODEV Not coupled: not FIXED, or mult is 0.
 * @retval -ERANGE No value of 64 bits belongs to @p system.
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
 * KVM reports the offset of a vCPU (KVM_VCPU_TSC_OFFSET), but not the ratio of
 * a guest whose TSC it scales: the caller gives that. The coupling holds until
 * the guest or the VMM sets that vCPU's TSC; ask again after a restore.
 *
 * KVM makes the call wait while another thread runs the vCPU: call it from the
 * thread that runs the vCPU, or while the guest is stopped. Without a ratio it
 * may take 10 ms, to find the frequency of this machine's counter.
 *
 * @param[out] ret_coupling The coupling, its @c size included.
 * @param env The outside world, NULL: this machine's; it makes the ioctls.
 * @param vcpu_fd File descriptor of one of the guest's vCPUs.
 * @param ratio Guest ticks per host tick in 2^-frac_bits; 0: not scaled.
 * @param frac_bits 0 to 63: 48 on Intel, 32 on AMD.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, too many fraction bits, or an env that is too small.
 * @retval -ENODEV @p vcpu_fd is not a vCPU; or @p ratio is 0 and the guest's
 *         TSC runs at another frequency than the host's, or at one that is
 *         unknown: give the ratio. Or @p env is NULL and this build has no env
 *         of its own.
 * @retval -EOPNOTSUPP This kernel does not report the offset, or the env makes
 *         no ioctls, or its counter is not a TSC.
 * @retval -EIO The VM belongs to another process.
 * @return Any other error that the env returned.
 *
 * Threads: any thread. Not async-signal-safe.
 * Source: Linux Documentation/virt/kvm/devices/vcpu.rst, KVM_VCPU_TSC_CTRL.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_coupling_kvm(struct paraclock_coupling *ret_coupling,
		       const struct paraclock_env *env, int vcpu_fd,
		       uint64_t ratio, unsigned int frac_bits);

/** A sample and the system clocks at the same instant. */
struct paraclock_crosststamp {
	/** Set by the caller to sizeof(struct paraclock_crosststamp). */
	size_t size;
	/** Set by the caller; see snapshot.brackets in system.h. */
	uint32_t brackets;
	/** enum paraclock_clocksource_kind. */
	uint8_t clocksource_kind;
	/**
	 * Which clocks are known at @c counter, a mask of
	 * 1 << enum paraclock_clock; 0 if the sample is not valid.
	 */
	uint8_t known;
	/** 1: CLOCK_REALTIME is known; 0: it was set around @c counter, or the
	 * sample is not valid. */
	uint8_t realtime_valid;
	/** 1: interpolated in a history; 0: in the window of the call. */
	uint8_t interpolated_from_history;
	/** From the host clock, or the device; its host_tsc is a value of the
	 * host clock's or device's own counter. */
	struct paraclock_sample sample;
	/** This machine's counter at the sample's instant, ticks. */
	uint64_t counter;
	/** Each clock at @c counter, ns, indexed by enum paraclock_clock; 0 if
	 * not known. */
	int64_t ns[PARACLOCK_CLOCKS];
	/**
	 * Each known clock is within this of what the kernel would have said at
	 * @c counter, ns. The error of the sample itself is
	 * sample.pair_error_ns.
	 */
	uint64_t uncertainty_ns;
	/** snapshot.clock_was_set_seq at the end of the window. */
	uint32_t clock_was_set_seq;
	/** snapshot.clocksource_changed_seq at the end of the window. */
	uint32_t clocksource_changed_seq;
	/** TAI - UTC by this kernel, s; meaningful if TAI is known. */
	int16_t tai_offset_sec;
	/** Zero. */
	uint8_t reserved[6];
	/** The kernel's clocksource, as sysfs names it. */
	char clocksource[32];
};

/**
 * Read a host clock together with the system clocks.
 *
 * Takes a snapshot, reads the clock, and takes another snapshot. If the
 * sample's counter lies between the two, the system clocks are interpolated
 * between them; if it lies before, between the two entries of @p hist around
 * it. If CLOCK_REALTIME was set in the window, measures again, up to 3 times.
 * If it was set between the two entries of the history, @c realtime_valid is 0
 * and the other clocks are given.
 *
 * @param clk The clock.
 * @param hist A history that the caller feeds, or NULL.
 * @param[in,out] ret_xt The caller sets its @c size and @c brackets.
 *
 * @retval 0 Look at ret_xt->sample.valid; if it is 0, no clock is known.
 * @return One of the errors of cross timestamps, which are listed at the top.
 *
 * Threads: any thread, any object; async-signal-safe if the env is.
 * Source: Linux get_device_system_crosststamp(), kernel/time/timekeeping.c.
 * @since 0.1
 */
PARACLOCK_API int paraclock_crosststamp(const struct paraclock *clk,
					const struct paraclock_history *hist,
					struct paraclock_crosststamp *ret_xt);

/**
 * Read CLOCK_REALTIME and CLOCK_MONOTONIC_RAW between two reads of a host
 * clock.
 *
 * For a machine on which paraclock_crosststamp() returns -ENODEV, because the
 * kernel's clocksource is not an image of the counter: wider, and with no other
 * condition than that both can be read. The narrowest of five counts. The
 * sample is the middle of its two ends, and ret_xt->uncertainty_ns half of
 * their distance.
 *
 * @param clk The clock.
 * @param[in,out] ret_xt The caller sets its @c size; @c brackets is ignored.
 *
 * @retval 0 Look at ret_xt->sample.valid; if it is 0, no clock is known.
 * @retval -EINVAL NULL, or a size that is too small.
 * @retval -EOPNOTSUPP The env cannot read clocks, or the host gives no pair.
 * @retval -ESTALE A disruption came in between. Measure again.
 * @return Else one of the errors of reads, which clock.h lists at its top.
 *
 * Threads: any thread, any object; async-signal-safe if the env is.
 * @since 0.1
 */
PARACLOCK_API int paraclock_bracket(const struct paraclock *clk,
				    struct paraclock_crosststamp *ret_xt);

/**
 * Reads a device of the caller's: its time, and its counter at that time.
 *
 * Called between two snapshots, and again if they have to be repeated. It must
 * set in the sample: host_ns; host_tsc and counter; pair_error_ns (0 if
 * captured atomically); valid, either 1, or 0 with a reason. The other members
 * are passed through.
 *
 * @param ctx The caller's own.
 * @param[in,out] ret_sample Zeroed, with clock_error_ns and leap unknown.
 * @return 0, or a negative errno, which paraclock_correlate() then returns;
 * a positive number makes it return -EINVAL.
 */
typedef int paraclock_get_time_fn(void *ctx,
				  struct paraclock_sample *ret_sample);

/**
 * Read a device of the caller's together with the system clocks.
 *
 * Works like paraclock_crosststamp(), for a network card, an audio device, an
 * FPGA.
 *
 * @param env The outside world, NULL: this machine's.
 * @param get_time Reads the device.
 * @param ctx Passed to @p get_time.
 * @param coupling How the sample's counter and this machine's are coupled;
 *        NULL: they are the same counter.
 * @param hist A history that the caller feeds, or NULL.
 * @param[in,out] ret_xt The caller sets its @c size and @c brackets.
 *
 * @retval 0 Look at ret_xt->sample.valid; if it is 0, no clock is known.
 * @retval -ENODEV Also: the sample's counter is not coupling's device_counter,
 *         or the two counters are not coupled.
 * @retval -ERANGE Also: no value of this machine's counter corresponds to the
 *         device's.
 * @return Else what @p get_time returned, or one of the errors of cross
 * timestamps, which are listed at the top.
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

/** @} */

#ifdef __cplusplus
}
#endif

#endif
