/* SPDX-License-Identifier: MIT */
/**
 * @file sim_act.h
 * What may happen to simulated VMs.
 *
 * sim.h includes this header, and has what may happen to hosts.
 */
#ifndef PARACLOCK_SIM_ACT_H
#define PARACLOCK_SIM_ACT_H

#include <paraclock/sim_vm.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup sim_act
 * @{ */

/** The saved state of a VM. Opaque. */
struct paraclock_sim_state;

/** act flags: the host scales the TSC, so that its rate stays. Otherwise it has
 * the new host's rate from then on. */
#define PARACLOCK_SIM_SCALED 0x1U
/** act flags: the TSC continues from where it stopped. Otherwise it has run on
 * meanwhile. */
#define PARACLOCK_SIM_COUNTER_STOPS 0x2U
/** act flags: MONOTONIC time continues from where it stopped. Otherwise it has
 * run on meanwhile. */
#define PARACLOCK_SIM_CLOCK_STOPS 0x4U
/** act flags: the VM is notified before it stops (NOTICE_ANNOUNCED). */
#define PARACLOCK_SIM_ANNOUNCED 0x8U
/** act flags: the pvclock pages say that the VM was stopped (GUEST_STOPPED). */
#define PARACLOCK_SIM_TELLS_STOP 0x10U
/** act flags: no marker and no generation id changes, in this VM or in VMs
 * inside of it. */
#define PARACLOCK_SIM_SILENT 0x20U

/**
 * Stop a VM. Its threads stop where they next read the TSC.
 *
 * @param vm The VM.
 *
 * @retval 0 It is stopped; perhaps it already was.
 * @retval -EINVAL NULL.
 *
 * Threads: one at a time for each world. Waits for threads that have entered.
 * Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_pause(struct paraclock_sim_vm *vm);

/**
 * Let a VM run again, on the same host.
 *
 * Each vCPU that is not halted enters at once; if its pvclock page is out of
 * date, the page is rewritten. No marker changes: hosts do not report a pause.
 *
 * @param vm The VM.
 * @param flags COUNTER_STOPS, CLOCK_STOPS, TELLS_STOP.
 *
 * @retval 0 It runs; perhaps it already did.
 * @retval -EINVAL NULL, or another flag.
 * @return Else one of the errors of page writers; it runs all the same.
 *
 * Threads: one at a time for each world. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_resume(struct paraclock_sim_vm *vm,
				       uint32_t flags);

/**
 * Move a VM to another host.
 *
 * It stops, @p downtime_ns pass (in a live world the call takes that long), and
 * it continues there as after a resume. Unless SILENT, the disruption markers
 * of its vmclock, and of the vmclocks of VMs inside of it, change before it
 * runs.
 *
 * If the VM has set up reenlightenment and is not SCALED, its TSC is emulated
 * at the old rate until it acknowledges; see NOTICE_REENLIGHTENMENT. Until then
 * its page is valid for the old rate. A move to its present host leaves the
 * emulation as it is, SCALED or not, and interrupts the VM again. The
 * acknowledgement changes the rate of VMs inside, and therefore the markers of
 * their vmclocks, but not that of its own.
 *
 * @param vm The VM; everything inside moves with it. Must not be paused.
 * @param to The host; may be its present one.
 * @param downtime_ns How long it stands still, ns.
 * @param flags Any act flags.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, an unknown flag, a host of another world or inside of
 *         the VM, or the VM is paused.
 * @retval -ERANGE SCALED by more than 2^15 or less than 2^-15, or beyond the
 *         end of the world; see paraclock_sim_run(). Nothing has happened.
 * @return Else one of the errors of page writers; it has happened all the same.
 *
 * Threads: one at a time for each world. Waits for threads that have entered.
 * Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_migrate(struct paraclock_sim_vm *vm,
					struct paraclock_sim_host *to,
					uint64_t downtime_ns, uint32_t flags);

/**
 * Save the present state of a VM. The VM continues.
 *
 * @param[out] ret_state Free it with paraclock_sim_state_free().
 * @param vm The VM.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL.
 * @retval -ENOMEM No memory.
 *
 * Threads: one at a time for each world. Waits for threads that have entered.
 * Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_save(struct paraclock_sim_state **ret_state,
				     struct paraclock_sim_vm *vm);

/**
 * Restore a VM to a saved state: its memory, TSC and time.
 *
 * Unless SILENT, marker and generation get values that were never used before
 * it runs. The sequences of its pages continue: their reader here is not a
 * program of the VM, which would be restored as well. For VMs inside, this is a
 * migration; their own state is not restored.
 *
 * Reenlightenment is restored as it was saved. So is an emulated TSC on the
 * host of the save; on another host it is as after a migration there.
 *
 * @param vm The VM that was saved.
 * @param state The saved state; may be used again.
 * @param to The host that it then runs on; NULL: its present one.
 * @param flags Any act flags but ANNOUNCED. Without COUNTER_STOPS and
 *        CLOCK_STOPS, TSC and time have run on since the save.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, an unknown flag, another VM's state, a host of another
 *         world or inside of the VM, or the VM is paused.
 * @retval -ERANGE SCALED by more than 2^15 or less than 2^-15, or beyond the
 *         end of the world; see paraclock_sim_run(). Nothing has happened.
 * @return Else one of the errors of page writers; it has happened all the same.
 *
 * Threads: one at a time for each world. Waits for threads that have entered.
 * Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_restore(struct paraclock_sim_vm *vm,
					const struct paraclock_sim_state *state,
					struct paraclock_sim_host *to,
					uint32_t flags);

/**
 * Free a saved state.
 *
 * @param state The state, or NULL.
 *
 * Threads: any thread, one object each. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API void paraclock_sim_state_free(struct paraclock_sim_state *state);

/**
 * Make another VM with the present state of this one.
 *
 * The clone is restored from a state that is saved now, and is notified like a
 * restored VM. There is no program in these VMs, so a clock that is open in one
 * is not open in the other: open one there, and compare the markers.
 *
 * @param[out] ret_vm The clone; it has the options of @p vm. Written before the
 *        clone is notified.
 * @param vm The VM.
 * @param to The host of the clone; NULL: the same host.
 * @param flags Any act flags but ANNOUNCED. Without COUNTER_STOPS and
 *        CLOCK_STOPS, TSC and time have run on since the save.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, an unknown flag, a host of another world or inside of
 *         the VM, or the VM is paused.
 * @retval -ERANGE SCALED by more than 2^15 or less than 2^-15, or beyond the
 *         end of the world; see paraclock_sim_run(). Nothing has happened.
 * @retval -ENOMEM No memory.
 * @return Else one of the errors of page writers: the clone is in the world,
 * but @p ret_vm is not written.
 *
 * Threads: one at a time for each world. Waits for threads that have entered.
 * Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_clone(struct paraclock_sim_vm **ret_vm,
				      struct paraclock_sim_vm *vm,
				      struct paraclock_sim_host *to,
				      uint32_t flags);

/**
 * Halt a vCPU.
 *
 * KVM rewrites a vCPU's pvclock page only when the vCPU next enters the guest:
 * while it is halted, its page is not updated. A running vCPU's page is updated
 * immediately.
 *
 * @param vm The VM.
 * @param vcpu The vCPU, from 0.
 *
 * @retval 0 It is halted; perhaps it already was.
 * @retval -EINVAL There is no such vCPU.
 *
 * Threads: one at a time for each world. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_vcpu_halt(struct paraclock_sim_vm *vm,
					  unsigned int vcpu);

/**
 * Let a vCPU enter the guest, by the calling thread.
 *
 * The thread is on that vCPU from then on, for env->run_on_cpu and for the page
 * of its own vCPU.
 *
 * @param vm The VM.
 * @param vcpu The vCPU, from 0.
 *
 * @retval 0 It runs; perhaps it already did.
 * @retval -EINVAL There is no such vCPU.
 * @return Else one of the errors of page writers; it runs all the same.
 *
 * Threads: any thread. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_vcpu_run(struct paraclock_sim_vm *vm,
					 unsigned int vcpu);

/**
 * Make a vCPU's TSC jump, so that it does not agree with the others.
 *
 * KVM notices, and TSC_STABLE is clear in all their pages while any differs.
 *
 * @param vm The VM.
 * @param vcpu The vCPU; not 0.
 * @param ticks Its lead over vCPU 0's TSC from now on (modulo 2^64); 0: they
 *        agree.
 *
 * @retval 0 Success.
 * @retval -EINVAL There is no such vCPU, or it is 0.
 * @return Else one of the errors of page writers; it has happened all the same.
 *
 * Threads: one at a time for each world. Waits for threads that have entered.
 * Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_vcpu_skew(struct paraclock_sim_vm *vm,
					  unsigned int vcpu, uint64_t ticks);

/** Faults of a page. */
enum paraclock_sim_fault {
	/** No fault: from now on the page has the right contents. */
	PARACLOCK_SIM_FAULT_NONE = 0,
	/** It is not written: its contents age. */
	PARACLOCK_SIM_FAULT_STALE = 1,
	/** Its sequence is odd (Hyper-V: 0), for ever. */
	PARACLOCK_SIM_FAULT_TORN = 2,
	/** Its writer dies in the middle of the next update. */
	PARACLOCK_SIM_FAULT_DIES = 3,
	/** Updates become visible late: a store buffer, or a publisher that is
	 * preempted before it writes. */
	PARACLOCK_SIM_FAULT_SLOW = 4,
};

/**
 * Give a page a fault, or end the fault.
 *
 * @param vm The VM.
 * @param kind enum paraclock_sim_page_kind.
 * @param vcpu The vCPU of a PVCLOCK page; 0 for other kinds.
 * @param fault enum paraclock_sim_fault.
 * @param delay_ns SLOW: how late, ns; else 0. An update that is not visible
 *        when the next one is made never becomes visible.
 *
 * @retval 0 Success.
 * @retval -EINVAL No such page or fault, or a page that the simulation does not
 *         write.
 * @return Else one of the errors of page writers.
 *
 * Threads: one at a time for each world. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_fault(struct paraclock_sim_vm *vm,
				      unsigned int kind, unsigned int vcpu,
				      unsigned int fault, uint64_t delay_ns);

/**
 * Rewrite a page now, with the right contents.
 *
 * For a host thread that writes at full speed while others read.
 *
 * @param vm The VM.
 * @param kind enum paraclock_sim_page_kind.
 * @param vcpu The vCPU of a PVCLOCK page; 0 for other kinds.
 *
 * @retval 0 Success.
 * @retval -EINVAL No such page, or a page that the simulation does not write.
 * @return Else one of the errors of page writers.
 *
 * Threads: one at a time for each world. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_update(struct paraclock_sim_vm *vm,
				       unsigned int kind, unsigned int vcpu);

/**
 * Set the guest's CLOCK_REALTIME.
 *
 * @param vm The VM.
 * @param ns How far ahead, ns; negative: back.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL.
 * @retval -ERANGE The clock would be 146 years off or more.
 *
 * Threads: one at a time for each world. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_guest_step(struct paraclock_sim_vm *vm,
					   int64_t ns);

/**
 * Switch the guest's kernel to another clocksource.
 *
 * "tsc" runs on the counter, at its rate at the time of the switch;
 * "kvm-clock", "xen" and "hyperv_clocksource_tsc_page" on MONOTONIC time;
 * others, such as "hpet", on true time.
 *
 * @param vm The VM.
 * @param name The clocksource, at most 31 bytes.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, or a name that is too long.
 *
 * Threads: one at a time for each world. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_guest_clocksource(struct paraclock_sim_vm *vm,
						  const char *name);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
