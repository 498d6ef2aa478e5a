/* SPDX-License-Identifier: MIT */
/**
 * @file crosststamp.h
 * The host's time and this machine's own clocks at one instant.
 *
 * A cross timestamp is a sample of a host clock, or of a device of the caller's,
 * and what the system clocks said at the same counter value. A coupling says how
 * a device's counter goes with this machine's. Included by system.h.
 */
#ifndef PARACLOCK_CROSSTSTAMP_H
#define PARACLOCK_CROSSTSTAMP_H

#include <paraclock/clock.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Snapshots of earlier times; opaque, see system.h. */
struct paraclock_history;

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
