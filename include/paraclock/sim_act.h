/* SPDX-License-Identifier: MIT */
/**
 * @file sim_act.h
 * What may happen to simulated hosts and VMs. Included by sim.h.
 */
#ifndef PARACLOCK_SIM_ACT_H
#define PARACLOCK_SIM_ACT_H

#include <paraclock/sim_vm.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How to make a host; see sim.h. */
struct paraclock_sim_host_options;
/** What was saved of a VM. Opaque. */
struct paraclock_sim_state;

/**
 * Something happens to a host's clock. VMs that have a vmclock are told at
 * once; whoever asks the host (a hypercall, a PTP clock) sees it.
 *
 * Where a page's promise (MONOTONIC, or the error bound) stands against it, the
 * host lets the promise go for one update, and if that is not enough bumps the
 * page's disruption marker, which voids the bound.
 *
 * @param host The host; none that is a VM, whose clock is its own host's.
 *
 * step: set it ahead by @p ns (negative: back).
 * slew: from now on it runs by @p ppb faster than true time; within 10^8.
 * status: @p status, enum paraclock_status, is what it publishes.
 * leap: @p leap, enum paraclock_leap, is what it believes of the UTC month that
 *       it is in. PRE_POS and PRE_NEG happen at its end.
 * tai: it believes @p sec for TAI - UTC; 0: it does not know, and its pages and
 *      their UTC are as before. What it says of UTC stays, TAI moves.
 * errors: the bounds and estimates of @p opts from now on, and their flags; the
 *         other members are not looked at.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, a VM, or a value out of range.
 * @retval -ERANGE The time would be before the epoch, or not fit.
 * @return Else what a page writer returned; it has happened all the same.
 *
 * Threads: as paraclock_sim_run().
 * @since 0.1
 * @{
 */
PARACLOCK_API int paraclock_sim_step(struct paraclock_sim_host *host,
				     int64_t ns);
PARACLOCK_API int paraclock_sim_slew(struct paraclock_sim_host *host,
				     int64_t ppb);
PARACLOCK_API int paraclock_sim_status(struct paraclock_sim_host *host,
				       unsigned int status);
PARACLOCK_API int paraclock_sim_leap(struct paraclock_sim_host *host,
				     unsigned int leap);
PARACLOCK_API int paraclock_sim_tai(struct paraclock_sim_host *host, int sec);
PARACLOCK_API int
paraclock_sim_errors(struct paraclock_sim_host *host,
		     const struct paraclock_sim_host_options *opts);
/** @} */

/**
 * A host's clocksource is its TSC (1, as at the start) or not (0).
 *
 * If not, it gives no pairs: the pairing hypercall is refused and TSC_STABLE is
 * clear in the pvclock pages.
 *
 * @param host The host.
 * @param is_tsc 1 or 0.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL.
 * @return Else what a page writer returned; it has happened all the same.
 *
 * Threads: as paraclock_sim_run().
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_clocksource(struct paraclock_sim_host *host,
					    int is_tsc);

/**
 * A host's TSC is not what it was: another rate, or another value.
 *
 * All that its VMs are told follows, by each page's own habits. In the moment
 * before that they are wrong, as on a real machine; with a host that has
 * noticed (@p noticed) TSC_STABLE is clear from then on and its clocksource is
 * no TSC, until paraclock_sim_clocksource() says otherwise.
 *
 * @param host The host; none that is a VM.
 * @param tsc_hz As in its options; 0: as it was.
 * @param tsc_hz_bits As there.
 * @param ticks It jumps ahead by this (modulo 2^64: also back).
 * @param noticed 1: the host notices, and renews pages; 0: not, they go on
 *        saying what they said until they are next renewed, and
 *        paraclock_sim_truth() says what they should.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, a VM, or a value out of range.
 * @return Else what a page writer returned; it has happened all the same.
 *
 * Threads: as paraclock_sim_run(). Threads that have entered stop meanwhile.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_tsc(struct paraclock_sim_host *host,
				    uint64_t tsc_hz, unsigned int tsc_hz_bits,
				    uint64_t ticks, int noticed);

/* --- what happens to VMs -------------------------------------------------- */

/** act flags: the host scales the TSC, so that its rate stays. Without this it
 * is the new host's rate from then on. */
#define PARACLOCK_SIM_SCALED 0x1U
/** act flags: the TSC goes on from where it stopped. Without this it has run
 * on meanwhile. */
#define PARACLOCK_SIM_COUNTER_STOPS 0x2U
/** act flags: MONOTONIC time goes on from where it stopped; else it has run on.
 */
#define PARACLOCK_SIM_CLOCK_STOPS 0x4U
/** act flags: the VM is told before it is stopped (NOTICE_ANNOUNCED). */
#define PARACLOCK_SIM_ANNOUNCED 0x8U
/** act flags: the pvclock pages say that the VM was stopped (GUEST_STOPPED). */
#define PARACLOCK_SIM_TELLS_STOP 0x10U
/** act flags: no marker changes, and no generation id; nor does one of a VM
 * within. */
#define PARACLOCK_SIM_SILENT 0x20U

/**
 * Stop a VM. Its threads stop where they next read the TSC.
 *
 * @param vm The VM.
 *
 * @retval 0 It is stopped; also if it was.
 * @retval -EINVAL NULL.
 *
 * Threads: as paraclock_sim_run(). Waits for threads that have entered.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_pause(struct paraclock_sim_vm *vm);

/**
 * Let a VM run again, on the same host.
 *
 * Each vCPU that is not halted enters at once, and then its pvclock page is
 * rewritten if it needs to be. No marker changes: no host tells of a pause.
 *
 * @param vm The VM.
 * @param flags COUNTER_STOPS, CLOCK_STOPS, TELLS_STOP.
 *
 * @retval 0 It runs; also if it did.
 * @retval -EINVAL NULL, or another flag.
 * @return Else what a page writer returned; it runs all the same.
 *
 * Threads: as paraclock_sim_run().
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_resume(struct paraclock_sim_vm *vm,
				       uint32_t flags);

/**
 * Move a VM to another host.
 *
 * It stops, @p downtime_ns pass, and it goes on there as after a resume. Its
 * vmclock, and that of each VM within, has another disruption marker before it
 * runs, unless SILENT. (In a live world this call takes as long.)
 *
 * A VM that has reenlightenment set up and is not SCALED has its TSC emulated
 * at the old rate until it acknowledges; see NOTICE_REENLIGHTENMENT. Its page
 * is valid, for the old rate, until then. A move to the host that it is on
 * leaves that as it is, SCALED or not, and interrupts it again. With the
 * acknowledgement the vmclocks of VMs within have other markers again, for
 * their rate is another; its own has not.
 *
 * @param vm The VM; all that runs inside goes with it. Not one that is paused.
 * @param to The host; may be the one that it is on.
 * @param downtime_ns How long it stands still, ns.
 * @param flags Any.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, an unknown flag, another world's host, one within
 *         the VM, or the VM is paused.
 * @retval -ERANGE SCALED by more than 2^15 or less than 2^-15, or beyond the
 *         end of the world; see paraclock_sim_run(). Nothing has happened.
 * @return Else what a page writer returned; it has happened all the same.
 *
 * Threads: as paraclock_sim_run(). Waits for threads that have entered.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_migrate(struct paraclock_sim_vm *vm,
					struct paraclock_sim_host *to,
					uint64_t downtime_ns, uint32_t flags);

/**
 * Save a VM, as it is now. It goes on.
 *
 * @param[out] ret_state Free it with paraclock_sim_state_free().
 * @param vm The VM.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL.
 * @retval -ENOMEM No memory.
 *
 * Threads: as paraclock_sim_run(). Waits for threads that have entered.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_save(struct paraclock_sim_state **ret_state,
				     struct paraclock_sim_vm *vm);

/**
 * Put a VM back to what was saved: its memory, TSC and time.
 *
 * Marker and generation become such that were never used, before it runs,
 * unless SILENT. The sequences of its pages go on: what reads them here is no
 * program of the VM, which would have been put back as well. VMs within have
 * moved, as in a migration; what they are is not put back.
 *
 * Reenlightenment is as it was saved, and so is an emulated TSC on the host
 * that it was saved on; on another host it is as after a migration to that.
 *
 * @param vm The VM of which it was saved.
 * @param state What was saved; may be used again.
 * @param to The host that it then runs on; NULL: the one that it is on.
 * @param flags Any but ANNOUNCED: without COUNTER_STOPS and CLOCK_STOPS, TSC
 *        and time have run on since the save.
 * @return As paraclock_sim_migrate(); -EINVAL also if it is not this VM's.
 *
 * Threads: as paraclock_sim_migrate().
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_restore(struct paraclock_sim_vm *vm,
					const struct paraclock_sim_state *state,
					struct paraclock_sim_host *to,
					uint32_t flags);

/**
 * Free a saved state.
 *
 * @param state It, or NULL.
 *
 * Threads: any thread, one object each.
 * @since 0.1
 */
PARACLOCK_API void paraclock_sim_state_free(struct paraclock_sim_state *state);

/**
 * Make another VM that is what this one is now.
 *
 * As a restore of what is saved now, in a VM of its own, which is told as one
 * that is restored. A clock that is open in the one is not in the other: there
 * is no program in these VMs. Open one there, and compare the markers.
 *
 * @param[out] ret_vm The other one; its options are this one's. Written before
 *        that one is told.
 * @param vm The VM.
 * @param to Where the other one runs; NULL: on the same host.
 * @param flags As paraclock_sim_restore().
 * @return As there; or -ENOMEM. After what a page writer returned the other VM
 *         is in the world, but @p ret_vm is not written.
 *
 * Threads: as paraclock_sim_migrate().
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_clone(struct paraclock_sim_vm **ret_vm,
				      struct paraclock_sim_vm *vm,
				      struct paraclock_sim_host *to,
				      uint32_t flags);

/**
 * A vCPU halts, or enters the guest.
 *
 * KVM rewrites a vCPU's pvclock page only when it next enters: while it is
 * halted, what should be there does not get there. A vCPU that is not halted
 * has what it should at once. Who calls run() is on that vCPU from then on, as
 * far as env->run_on_cpu and the own vCPU's page are concerned.
 *
 * @param vm The VM.
 * @param vcpu The vCPU, from 0.
 *
 * @retval 0 Success.
 * @retval -EINVAL There is no such vCPU.
 * @return Else what the page writer returned.
 *
 * Threads: halt as paraclock_sim_run(); run: any thread.
 * @since 0.1
 * @{
 */
PARACLOCK_API int paraclock_sim_vcpu_halt(struct paraclock_sim_vm *vm,
					  unsigned int vcpu);
PARACLOCK_API int paraclock_sim_vcpu_run(struct paraclock_sim_vm *vm,
					 unsigned int vcpu);
/** @} */

/**
 * A vCPU's TSC jumps, so that it does not agree with the others.
 *
 * KVM notices, and TSC_STABLE is clear in all their pages while any differs.
 *
 * @param vm The VM.
 * @param vcpu The vCPU; not 0.
 * @param ticks How far it is ahead of vCPU 0's from now on (modulo 2^64); 0:
 *        they agree.
 *
 * @retval 0 Success.
 * @retval -EINVAL There is no such vCPU, or it is 0.
 * @return Else what the page writer returned; it has happened all the same.
 *
 * Threads: as paraclock_sim_migrate().
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_vcpu_skew(struct paraclock_sim_vm *vm,
					  unsigned int vcpu, uint64_t ticks);

/** What may be wrong with a page. */
enum paraclock_sim_fault {
	/** Nothing; what it should say it says from now on. */
	PARACLOCK_SIM_FAULT_NONE = 0,
	/** It is not written: what it says gets old. */
	PARACLOCK_SIM_FAULT_STALE = 1,
	/** Its sequence is odd (Hyper-V: 0), for ever. */
	PARACLOCK_SIM_FAULT_TORN = 2,
	/** Its writer dies in the middle of the next update. */
	PARACLOCK_SIM_FAULT_DIES = 3,
	/** Updates show some time after they were made: a store buffer, or a
	 * publisher that is preempted before it writes. */
	PARACLOCK_SIM_FAULT_SLOW = 4,
};

/**
 * Something is wrong with a page, or no longer.
 *
 * @param vm The VM.
 * @param kind enum paraclock_sim_page_kind.
 * @param vcpu Whose; 0 for other kinds than PVCLOCK.
 * @param fault enum paraclock_sim_fault.
 * @param delay_ns SLOW: how long, ns; else 0. What has not shown when the next
 *        update is made never does.
 *
 * @retval 0 Success.
 * @retval -EINVAL No such page, or fault, or none of the simulation's.
 * @return Else what the page writer returned.
 *
 * Threads: as paraclock_sim_run().
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_fault(struct paraclock_sim_vm *vm,
				      unsigned int kind, unsigned int vcpu,
				      unsigned int fault, uint64_t delay_ns);

/**
 * Write a page anew, now, with what it should say.
 *
 * For a host thread that writes at full speed while others read.
 *
 * @param vm The VM.
 * @param kind enum paraclock_sim_page_kind.
 * @param vcpu Whose; 0 for other kinds than PVCLOCK.
 *
 * @retval 0 Success.
 * @retval -EINVAL No such page, or none of the simulation's.
 * @return Else what the page writer returned.
 *
 * Threads: as paraclock_sim_run().
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_update(struct paraclock_sim_vm *vm,
				       unsigned int kind, unsigned int vcpu);

/**
 * Somebody sets the guest's CLOCK_REALTIME ahead by @p ns, or its kernel takes
 * another clocksource.
 *
 * "tsc" runs on the counter, at the rate that it had when it was taken; "kvm-
 * clock", "xen" and "hyperv_clocksource_tsc_page" on MONOTONIC time; others, as
 * "hpet", on true time.
 *
 * @param vm The VM.
 * @param ns How far, ns; negative: back.
 * @param name The clocksource, at most 31 bytes.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, or a name that is too long.
 * @retval -ERANGE The clock would be 146 years off.
 *
 * Threads: as paraclock_sim_run().
 * @since 0.1
 * @{
 */
PARACLOCK_API int paraclock_sim_guest_step(struct paraclock_sim_vm *vm,
					   int64_t ns);
PARACLOCK_API int paraclock_sim_guest_clocksource(struct paraclock_sim_vm *vm,
						  const char *name);
/** @} */

#ifdef __cplusplus
}
#endif

#endif
