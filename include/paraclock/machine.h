/* SPDX-License-Identifier: MIT */
/**
 * @file machine.h
 * Describe the machine, and list the clocks that it has.
 *
 * clock.h includes this header. Errors are as there: 0 or a negative errno
 * value, and a NULL argument is -EINVAL unless a function says otherwise.
 */
#ifndef PARACLOCK_MACHINE_H
#define PARACLOCK_MACHINE_H

#include <stddef.h>
#include <stdint.h>

#include <paraclock/sample.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup machine
 * @{ */

/** What the library takes from the outside world; see backend.h. */
struct paraclock_env;

/** How the kernel's clocksource relates to the counter. */
enum paraclock_clocksource_kind {
	/** Not known. */
	PARACLOCK_CLOCKSOURCE_UNKNOWN = 0,
	/** The counter itself: "tsc", "arch_sys_counter". */
	PARACLOCK_CLOCKSOURCE_COUNTER = 1,
	/** A page that converts the counter to ns: "kvm-clock", "xen",
	 * "hyperv_clocksource_tsc_page". */
	PARACLOCK_CLOCKSOURCE_IMAGE = 2,
	/** Neither: "hpet", "acpi_pm", "jiffies". */
	PARACLOCK_CLOCKSOURCE_OTHER = 3,
};

/** Where firmware announces a device. */
enum paraclock_firmware {
	/** Nowhere: there is no such device. */
	PARACLOCK_FIRMWARE_NONE = 0,
	/** In an ACPI table. */
	PARACLOCK_FIRMWARE_ACPI = 1,
	/** In the device tree. */
	PARACLOCK_FIRMWARE_DEVICE_TREE = 2,
	/** Unknown: firmware's tables are hidden, as in a container that masks
	 * /sys/firmware. */
	PARACLOCK_FIRMWARE_UNKNOWN = 3,
};

/** Texts in paraclock_machine.evidence. */
#define PARACLOCK_EVIDENCE_MAX 16

/** What machine this is, as far as clocks go. */
struct paraclock_machine {
	/** Set by the caller to sizeof(struct paraclock_machine). */
	size_t size;
	/**
	 * The hypervisor whose clocks are here: "kvm", "pvm", "hyper-v", "xen",
	 * ...; "unknown": a hypervisor is here, but nothing shows which;
	 * "none": no hypervisor is here; empty: not known whether one is here.
	 */
	char hypervisor[32];
	/** The kernel's clocksource; empty: unknown. */
	char clocksource[32];
	/** enum paraclock_counter. */
	uint8_t counter;
	/** 1: the counter runs at one rate in every power state. */
	uint8_t invariant;
	/** 1: counter_hz was measured; 0: firmware states it, and the clock
	 * does not contradict it. */
	uint8_t measured;
	/** enum paraclock_firmware: is a vmclock announced? */
	uint8_t vmclock;
	/** enum paraclock_firmware: is a VM generation id announced? */
	uint8_t vmgenid;
	/** Zero. */
	uint8_t reserved[3];
	/** Frequency of the counter, Hz; 0: unknown. */
	uint64_t counter_hz;
	/**
	 * What CPUID, CNTFRQ_EL0 or the env states, Hz; 0: nothing states it.
	 * If @c measured is 1 and this is not 0, the clock contradicts it: some
	 * guests whose counter is scaled see the frequency of the host.
	 */
	uint64_t stated_hz;
	/**
	 * The frequency by CLOCK_MONOTONIC_RAW, Hz; 0: it could not be
	 * measured, for instance because the kernel's clocks only move once per
	 * jiffy.
	 */
	uint64_t measured_hz;
	/** measured_hz is within this of the frequency, Hz. */
	uint64_t measured_error_hz;
	/**
	 * The signs of a hypervisor, one short text each; unused entries are
	 * empty. A CPUID signature stands in quotes, its bytes that do not
	 * print escaped as in C; it may be that of the layer below (PVM, Xen
	 * PV).
	 */
	char evidence[PARACLOCK_EVIDENCE_MAX][64];
};

/**
 * Describe this machine.
 *
 * A frequency that firmware states is a claim until the kernel's clock agrees.
 * It is compared with CLOCK_MONOTONIC_RAW, which takes 1 ms; if the two differ
 * by more than 500 ppm and the error of the measurement, counter_hz is the
 * measured one. If nothing states a frequency, it is measured for 10 ms. If the
 * clock is too coarse for either, counter_hz is the stated one, or unknown.
 *
 * @param env The outside world; NULL: this machine's.
 * @param[in,out] ret_machine The caller sets its @c size.
 *
 * @retval 0 Success; unknown members are empty or 0.
 * @retval -EINVAL NULL, or a size that is too small.
 * @retval -EOPNOTSUPP The env cannot describe its machine.
 * @retval -ENODEV @p env is NULL and this build has no env of its own.
 * @return Any other error that the env returned.
 *
 * Threads: any thread. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_describe_machine(const struct paraclock_env *env,
			   struct paraclock_machine *ret_machine);

/** What paraclock_list() says of one backend. */
struct paraclock_listing {
	/** sizeof(struct paraclock_listing) as the library knows it. */
	size_t size;
	/** The backend's name. */
	const char *name;
	/** Higher is tried first; below 0 it is opened by name only. */
	int quality;
	/** 0: it is here; else the error of the open or read that failed. */
	int error;
	/** 1: it gives time; 0: it is a source of markers only. */
	uint8_t gives_time;
	/** 1: it repeats this kernel's own clock. */
	uint8_t own_kernel;
	/** The reading; zeroed if @c error is not 0. */
	struct paraclock_sample sample;
	/** A sentence: what it is, or why not and what to do; never NULL. */
	const char *detail;
};

/**
 * Called for each backend by paraclock_list().
 *
 * @param arg The caller's own.
 * @param listing What is known; valid until the function returns.
 * @return 0 to go on. Anything else ends the list, and paraclock_list() returns
 * it.
 */
typedef int paraclock_list_fn(void *arg,
			      const struct paraclock_listing *listing);

/**
 * Try each backend of this build: is it there, and if not, why?
 *
 * Opens, reads and closes each, in order of quality.
 *
 * @param env The outside world; NULL: this machine's.
 * @param fn Called once for each backend.
 * @param arg Passed to @p fn.
 *
 * @retval 0 Success, also when no backend is there.
 * @retval -EINVAL @p fn is NULL.
 * @retval -ENODEV @p env is NULL and this build has no env of its own.
 * @return Else what @p fn returned.
 *
 * Threads: any thread. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_list(const struct paraclock_env *env,
				 paraclock_list_fn *fn, void *arg);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
