/* SPDX-License-Identifier: MIT */
/**
 * @file machine.h
 * What machine this is, as far as clocks go, and which clocks are here.
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
	/** It cannot be known: firmware's tables are hidden, as in a container
	 * that masks /sys/firmware. */
	PARACLOCK_FIRMWARE_UNKNOWN = 3,
};

/** Of paraclock_machine.evidence. */
#define PARACLOCK_EVIDENCE_MAX 16

/** What machine this is, as far as clocks go. */
struct paraclock_machine {
	/** Set by the caller to sizeof(struct paraclock_machine). */
	size_t size;
	/**
	 * Whose clocks are here: "kvm", "pvm", "hyper-v", "xen", ...;
	 * "unknown": a hypervisor is here, and what is seen of it does not say
	 * which; "none": there is no hypervisor; empty: whether there is one
	 * cannot be known.
	 */
	char hypervisor[32];
	/** The kernel's clocksource; empty: unknown. */
	char clocksource[32];
	/** enum paraclock_counter. */
	uint8_t counter;
	/** 1: the counter runs at one rate in every power state. */
	uint8_t invariant;
	/** 1: counter_hz was measured; 0: firmware states it, and the clock
	 * does not contradict. */
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
	 * What CPUID, CNTFRQ_EL0 or the env states, Hz; 0: nothing. If
	 * @c measured is 1 and this is not 0, the clock contradicts it: as
	 * where the frequency of the host shows through in a guest whose
	 * counter is scaled.
	 */
	uint64_t stated_hz;
	/** The frequency by CLOCK_MONOTONIC_RAW, Hz; 0: it could not be
	 * measured, as where the kernel's clocks move once in a jiffy. */
	uint64_t measured_hz;
	/** measured_hz is within this of the frequency, Hz. */
	uint64_t measured_error_hz;
	/**
	 * What was seen of a hypervisor, a short text each, the rest empty. A
	 * signature of CPUID stands in quotes, with \0 and \xNN for what does
	 * not print; it may be that of the layer below (PVM, Xen PV).
	 */
	char evidence[PARACLOCK_EVIDENCE_MAX][64];
};

/**
 * Describe this machine.
 *
 * A frequency that firmware states is a claim until the kernel's clock agrees:
 * it is held against CLOCK_MONOTONIC_RAW, which takes 1 ms, and if the two are
 * more than 500 ppm and the error of the measurement apart, counter_hz is the
 * measured one. A frequency that nobody states is measured for 10 ms. Where the
 * clock is too coarse for either, what is stated is kept, or else the frequency
 * is unknown.
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

/** What paraclock_list() says of one backend. */
struct paraclock_listing {
	/** sizeof(struct paraclock_listing) as the library knows it. */
	size_t size;
	/** The backend's name. */
	const char *name;
	/** Higher is tried first; below 0 it is taken only by name. */
	int quality;
	/** 0: it is here; else the negative errno of the failed open or read.
	 */
	int error;
	/** 1: it gives time; 0: it is a source of markers only. */
	uint8_t gives_time;
	/** 1: it is a LOCAL source. */
	uint8_t own_kernel;
	/** What was read; zeroed if @c error is not 0. */
	struct paraclock_sample sample;
	/** A sentence: what it is or why not, and what to do; never NULL. */
	const char *detail;
};

/**
 * Called for each backend by paraclock_list().
 *
 * @param arg The caller's own.
 * @param listing What is known; gone when the function returns.
 * @return 0 to go on; anything else ends the list and is returned by it.
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
 * @param arg Handed to @p fn.
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

#ifdef __cplusplus
}
#endif

#endif
