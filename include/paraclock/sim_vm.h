/* SPDX-License-Identifier: MIT */
/**
 * @file sim_vm.h
 * Simulated VMs: what they are made of, what is seen inside, and the truth.
 *
 * sim.h includes this header.
 */
#ifndef PARACLOCK_SIM_VM_H
#define PARACLOCK_SIM_VM_H

#include <paraclock/crosststamp.h>
#include <paraclock/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup sim_vm
 * @{ */

/** A world: time, hosts, VMs. Opaque. */
struct paraclock_sim;
/** A host in it, or a VM that hosts further VMs. Opaque. */
struct paraclock_sim_host;
/** A VM on a host. Opaque. */
struct paraclock_sim_vm;

/* --- VMs ------------------------------------------------------------------ */

/** vm_options.parts: a pvclock page for each vCPU. */
#define PARACLOCK_SIM_HAS_PVCLOCK 0x1U
/** vm_options.parts: Hyper-V's reference TSC page and MSRs. */
#define PARACLOCK_SIM_HAS_HYPERV 0x2U
/** vm_options.parts: a vmclock page, /dev/vmclock0. */
#define PARACLOCK_SIM_HAS_VMCLOCK 0x4U
/** vm_options.parts: a vmclock with markers and no time, like QEMU's; with
 * GENERATION and a timeline_flags of NOTIFIES it is like Firecracker's. */
#define PARACLOCK_SIM_HAS_VMCLOCK_MARKERS 0x8U
/** vm_options.parts: a VM generation id, which shows restores and clones. */
#define PARACLOCK_SIM_HAS_GENERATION 0x10U
/** vm_options.parts: the PTP clock "KVM virtual PTP", and in ring 0 the pairing
 * hypercall. */
#define PARACLOCK_SIM_HAS_PAIRING 0x20U
/** vm_options.parts: the PTP clock "hyperv". */
#define PARACLOCK_SIM_HAS_PTP_HYPERV 0x40U
/** vm_options.parts: the PTP clock "vmclock0"; with VMCLOCK. */
#define PARACLOCK_SIM_HAS_PTP_VMCLOCK 0x80U
/** vm_options.parts: with HYPERV, the reenlightenment MSRs. */
#define PARACLOCK_SIM_HAS_REENLIGHTENMENT 0x100U
/** vm_options.parts: the simulation writes none of the VM's pages. They begin
 * zeroed, for the test of a writer (a relay) to write. */
#define PARACLOCK_SIM_HAS_NO_WRITER 0x200U

/** How a VM is notified of acts on it. */
enum paraclock_sim_notice {
	/** It stops when the call returns; with ANNOUNCED only. */
	PARACLOCK_SIM_NOTICE_ANNOUNCED = 1,
	/** It runs again. */
	PARACLOCK_SIM_NOTICE_RESUMED = 2,
	/** The reenlightenment interrupt: it was moved, restored or cloned, and
	 * its TSC is emulated until it acknowledges. */
	PARACLOCK_SIM_NOTICE_REENLIGHTENMENT = 3,
};

/**
 * Called during the act, by the thread that makes it.
 *
 * @param arg The caller's own.
 * @param vm The VM. Read it and write its MSRs, but make no further act.
 * @param notice enum paraclock_sim_notice.
 */
typedef void paraclock_sim_notify_fn(void *arg, struct paraclock_sim_vm *vm,
				     unsigned int notice);

/** The most vCPUs of a VM. */
#define PARACLOCK_SIM_VCPUS_MAX 64

/** How to make a VM. Zero every member that is not used. */
struct paraclock_sim_vm_options {
	/** sizeof(struct paraclock_sim_vm_options). */
	size_t size;
	/** PARACLOCK_SIM_HAS_x; 0: PVCLOCK, which has no marker: a move to a
	 * host with the same frequency is then not noticed. */
	uint32_t parts;
	/** 1 to PARACLOCK_SIM_VCPUS_MAX; 0: 1. */
	uint32_t vcpus;
	/** Frequency of its TSC, in 2^-tsc_hz_bits Hz, which the host scales
	 * to; 0: the host's own. */
	uint64_t tsc_hz;
	/** Its TSC now, ticks. */
	uint64_t tsc_start;
	/** Further PARACLOCK_TIMELINE_x of the pages: MONOTONIC, NOTIFIES,
	 * DISRUPTION_SOON, DISRUPTION_IMMINENT. */
	uint32_t timeline_flags;
	/** enum paraclock_timescale of the vmclock: UTC, TAI or MONOTONIC; 0:
	 * TAI. */
	uint8_t vmclock_timescale;
	/** Fraction bits of tsc_hz, 0 to 32. */
	uint8_t tsc_hz_bits;
	/** The vCPU whose pvclock page user space sees; Linux: 0. */
	uint8_t user_vcpu;
	/** Zero. */
	uint8_t reserved;
	/** The guest kernel's clocksource; NULL: "tsc". */
	const char *clocksource;
	/** Called with each notice; NULL: not called. */
	paraclock_sim_notify_fn *notify;
	/** Passed to @c notify. */
	void *notify_arg;
	/** A pvclock page is rewritten after this, ns, up to 2^62; 0: 300 s,
	 * like KVM. */
	uint64_t pvclock_period_ns;
	/** A vmclock page is renewed after this, ns, up to 2^62; 0: 60 s. */
	uint64_t vmclock_period_ns;
};

/**
 * Make a VM. It runs, and its pages are written.
 *
 * Its MONOTONIC time starts at 0 (on a nested host: see
 * paraclock_sim_host_nested()). Its kernel's clocks are right, and start now.
 *
 * @param[out] ret_vm The VM. paraclock_sim_free() frees it.
 * @param host The host.
 * @param opts NULL: the defaults: one vCPU, a pvclock page.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, a size that is too small, a value out of range, both
 *         kinds of vmclock, or a part without another that it needs.
 * @retval -ENOMEM No memory.
 * @retval -ERANGE tsc_hz is more than 2^15 times the host's, or less than
 *         2^-15.
 * @return Else one of the errors of page writers: the VM is in the world, but
 * @p ret_vm is not written.
 *
 * Threads: one at a time for each world. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_sim_vm_new(struct paraclock_sim_vm **ret_vm,
		     struct paraclock_sim_host *host,
		     const struct paraclock_sim_vm_options *opts);

/** Where in the VM the user of the env is. */
enum paraclock_sim_ring {
	/** A process under Linux: no MSRs, no hypercalls; the pages that the
	 * kernel shows. */
	PARACLOCK_SIM_USER = 0,
	/** Ring 0: MSRs, hypercalls, the page of its own vCPU; no devices. */
	PARACLOCK_SIM_KERNEL = 1,
};

/**
 * The outside world, as seen from inside a VM.
 *
 * Its event descriptors are numbers that cannot be polled: after
 * paraclock_event_fd() just call paraclock_next_event().
 *
 * @param vm The VM.
 * @param ring enum paraclock_sim_ring.
 * @return The env, valid as long as the world; NULL if @p vm is NULL or there
 * is no such ring.
 *
 * Threads: any thread, any object. Its functions: any thread. Of those that a
 * read calls, only those that read a system clock or a device acquire a lock.
 * Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API const struct paraclock_env *
paraclock_sim_env(struct paraclock_sim_vm *vm, unsigned int ring);

/**
 * A vCPU's TSC now, also while the VM is paused.
 *
 * @param vm The VM.
 * @param vcpu The vCPU, from 0.
 * @return Ticks; 0 if there is no such vCPU.
 *
 * Threads: any thread, any object. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API uint64_t paraclock_sim_counter(const struct paraclock_sim_vm *vm,
					     unsigned int vcpu);

/**
 * The host clock at a value of a VM's TSC: the result of a perfect reading,
 * rounded down to a ns.
 *
 * For past values this is what held then. If a value came up twice (a restore),
 * the last time counts; a value that the TSC jumped over belongs to the time
 * before the jump. Only the last 65536 changes are known.
 *
 * @param vm The VM; if its vCPUs do not agree, the value is of vCPU 0.
 * @param counter Ticks. For a later value than now: if nothing happens until
 *        then.
 * @param timescale enum paraclock_timescale: MONOTONIC is the time of kvmclock
 *        and Hyper-V; UTC (or UTC_MAYBE_SMEARED) and TAI are the host's clock.
 * @param[out] ret_ns The time, ns.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, or another timescale.
 * @retval -ESTALE The value is from before the VM, or of a change that is no
 *         longer known.
 * @retval -ERANGE Before the start of the timescale, or beyond 2^63 ns.
 *
 * Threads: any thread, any object. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_truth(const struct paraclock_sim_vm *vm,
				      uint64_t counter, unsigned int timescale,
				      int64_t *ret_ns);

/**
 * The true timeline of a VM's TSC, based at its value now: the right contents
 * of a page.
 *
 * @param vm The VM.
 * @param timescale enum paraclock_timescale: MONOTONIC is the time of kvmclock
 *        and Hyper-V; UTC (or UTC_MAYBE_SMEARED) and TAI are the host's clock.
 * @param[out] ret_tl The timeline, its @c size included.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, or another timescale.
 * @retval -ERANGE Before the start of the timescale, or beyond 2^63 ns.
 *
 * Threads: any thread, any object. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_timeline(const struct paraclock_sim_vm *vm,
					 unsigned int timescale,
					 struct paraclock_timeline *ret_tl);

/**
 * How the TSCs of a VM (device) and of its host (system) are coupled now.
 *
 * @param vm The VM.
 * @param[out] ret_coupling The coupling, its @c size included; exact to a tick
 *        of either. Not FIXED while the TSC is emulated.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL.
 *
 * Threads: any thread, any object. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_sim_coupling(const struct paraclock_sim_vm *vm,
		       struct paraclock_coupling *ret_coupling);

/** Kinds of pages. */
enum paraclock_sim_page_kind {
	/** What kvmclock reads, one for each vCPU. */
	PARACLOCK_SIM_PVCLOCK = 0,
	/** Hyper-V's reference TSC page. */
	PARACLOCK_SIM_HYPERV = 1,
	/** A vmclock page. */
	PARACLOCK_SIM_VMCLOCK = 2,
};

/**
 * A page of a VM's memory, to show elsewhere or to let another writer write.
 *
 * @param vm The VM.
 * @param kind enum paraclock_sim_page_kind.
 * @param vcpu The vCPU of a PVCLOCK page; 0 for other kinds.
 * @param[out] ret_size Its size, bytes; may be NULL.
 * @return The page, valid as long as the world; NULL: no such page.
 *
 * Threads: any thread, any object. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API void *paraclock_sim_page(const struct paraclock_sim_vm *vm,
				       unsigned int kind, unsigned int vcpu,
				       size_t *ret_size);

/* --- live threads --------------------------------------------------------- */

/**
 * The calling thread is code of a VM, on a vCPU, until paraclock_sim_leave().
 *
 * A VM's TSC and memory change between two instructions of its code, never
 * during one. So an act that changes the TSC stops the threads that have
 * entered where they next read it, or waits until they leave. In a live world a
 * thread need not enter if no such act happens meanwhile. A thread that is
 * going to wait for anything else must leave first. In a world of virtual time
 * a thread may enter as well, while another one calls paraclock_sim_run().
 *
 * @param vm The VM.
 * @param vcpu The vCPU, from 0.
 *
 * @retval 0 Success. It has waited while the VM was stopped.
 * @retval -EINVAL NULL, there is no such vCPU, or the thread has already
 *         entered.
 *
 * Threads: any thread. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_enter(struct paraclock_sim_vm *vm,
				      unsigned int vcpu);

/**
 * The calling thread is no longer code of the VM.
 *
 * @param vm The VM.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, or the thread has not entered this VM.
 *
 * Threads: any thread. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_leave(struct paraclock_sim_vm *vm);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
