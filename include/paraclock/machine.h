/* SPDX-License-Identifier: MIT */
/**
 * @file machine.h
 * What machine this is, as far as clocks go.
 */
#ifndef PARACLOCK_MACHINE_H
#define PARACLOCK_MACHINE_H

#include <paraclock/clock.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Where firmware announces a device. */
enum paraclock_firmware {
	PARACLOCK_FIRMWARE_NONE = 0,
	PARACLOCK_FIRMWARE_ACPI = 1,
	PARACLOCK_FIRMWARE_DEVICE_TREE = 2,
};

/** What machine this is, as far as clocks go. */
struct paraclock_machine {
	/** Set by the caller to sizeof(struct paraclock_machine). */
	size_t size;
	/** "kvm", "hyper-v", "xen", ...; empty: no hypervisor is seen. */
	char hypervisor[32];
	/** The kernel's clocksource; empty: unknown. */
	char clocksource[32];
	/** enum paraclock_counter. */
	uint8_t counter;
	/** 1: the counter runs at one rate in every power state. */
	uint8_t invariant;
	/** 1: counter_hz was measured, to some ppm; 0: firmware states it. */
	uint8_t measured;
	/** enum paraclock_firmware: is a vmclock announced? */
	uint8_t vmclock;
	/** enum paraclock_firmware: is a VM generation id announced? */
	uint8_t vmgenid;
	/** Zero. */
	uint8_t reserved[3];
	/** Frequency of the counter, Hz; 0: unknown. */
	uint64_t counter_hz;
};

/**
 * Describe this machine.
 *
 * May take 10 ms: a frequency that nobody states is measured.
 *
 * @param env The outside world; NULL: this machine's.
 * @param[in,out] ret_machine Its @c size is set by the caller.
 *
 * @retval 0 Success; what is unknown is empty or 0.
 * @retval -EINVAL NULL, or a size that is too small.
 * @retval -EOPNOTSUPP The env does not say.
 * @retval -ENODEV @p env is NULL and this build has no env of its own.
 * @return Any other error of the env's.
 *
 * Threads: any thread. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_describe_machine(const struct paraclock_env *env,
			   struct paraclock_machine *ret_machine);

#ifdef __cplusplus
}
#endif

#endif
