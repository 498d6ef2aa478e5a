/* SPDX-License-Identifier: MIT */
/**
 * @file coupling.h
 * Counters with a fixed ratio and a fixed offset to each other.
 *
 * Included by crosststamp.h, which takes a coupling for a device whose counter
 * is not this machine's.
 */
#ifndef PARACLOCK_COUPLING_H
#define PARACLOCK_COUPLING_H

#include <paraclock/clock.h>

#ifdef __cplusplus
extern "C" {
#endif

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

#ifdef __cplusplus
}
#endif

#endif
