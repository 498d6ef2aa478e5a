/* SPDX-License-Identifier: MIT */
/**
 * @file sim.h
 * A simulated host: hosts, the VMs on them, and what may happen to them.
 *
 * For tests of programs that read a host clock. A world has hosts, each with a
 * TSC and a clock. A host has VMs, each with the pages, MSRs, hypercalls and
 * devices of a real one, and with an env: with that the unchanged library runs
 * inside of the VM:
 *
 *     options.env = paraclock_sim_env(vm, PARACLOCK_SIM_USER);
 *     paraclock_open(&clk, &options);
 *
 * Then things happen (a migration, a step of the host's clock, a writer that
 * dies), and paraclock_sim_truth() says what a reading should have been.
 *
 * Time is virtual or live. Virtual time passes only in paraclock_sim_run(), and
 * in acts that also take time on a real machine (options.clock_ns and exit_ns):
 * the same calls give the same bytes. Live time is that of a counter which the
 * caller provides: threads read while another one acts on the world.
 *
 * Link with libparaclock-sim. paraclock.h does not include this header.
 *
 * @par Errors of page writers
 * What happens may write pages. If that fails, the error is one of the errors
 * of writers, which host.h lists at its top, or:
 *
 * @retval -EPROTO Something has overwritten a vmclock page. Do not write to
 *         what paraclock_sim_page() returns, unless the VM has NO_WRITER.
 */
#ifndef PARACLOCK_SIM_H
#define PARACLOCK_SIM_H

#include <paraclock/backend.h>
#include <paraclock/host.h>
#include <paraclock/sim_act.h>
#include <paraclock/sim_vm.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup sim
 * @{ */

/* --- the world ------------------------------------------------------------ */

/** How to make a world. Zero every member that is not used. */
struct paraclock_sim_options {
	/** sizeof(struct paraclock_sim_options). */
	size_t size;
	/** The seed of paraclock_sim_random() and of vmclock's markers. */
	uint64_t seed;
	/** True TAI at the start, ns, up to 2^62 (2116); 0: 2026-01-15
	 * 12:00:37 TAI, which is 12:00:00 UTC. */
	int64_t start_tai_ns;
	/**
	 * NULL: time is virtual. Otherwise time is live, and passes by this
	 * counter from its present value on. Any thread may call it at any
	 * time. It must never go back.
	 */
	uint64_t (*counter)(void *arg);
	/** Passed to @c counter. */
	void *arg;
	/** Frequency of @c counter, Hz, up to 2^40; needed with it. */
	uint64_t counter_hz;
	/** Virtual time that reading a system clock takes, ns; 0: 20. */
	uint32_t clock_ns;
	/** Virtual time that a hypercall, an ioctl or a PTP clock takes, ns; 0:
	 * 1000. The host reads its clocks in the middle of it. */
	uint32_t exit_ns;
	/** TAI - UTC, s, up to 100; 0: 37. */
	int16_t tai_offset_sec;
	/** enum paraclock_leap: NONE, or PRE_POS or PRE_NEG for the end of the
	 * UTC month of the start. Hosts know it, until paraclock_sim_leap()
	 * says otherwise. */
	uint8_t leap;
	/** Zero. */
	uint8_t reserved[5];
};

/**
 * Make a world. It has no hosts yet.
 *
 * @param[out] ret_sim Free it with paraclock_sim_free().
 * @param opts NULL: the defaults, and virtual time.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, a size that is too small, a frequency that is missing
 *         or too high, a time or an offset out of range, or a leap state other
 *         than NONE, PRE_POS and PRE_NEG.
 * @retval -ENOMEM No memory.
 *
 * Threads: any thread. Not async-signal-safe.
 * Ownership: the caller owns *ret_sim.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_new(struct paraclock_sim **ret_sim,
				    const struct paraclock_sim_options *opts);

/**
 * Free a world, with its hosts and VMs.
 *
 * @param sim The world, or NULL. Close every clock that was opened on an env of
 *        it first. No thread may be using it.
 *
 * Threads: any thread, one object each. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API void paraclock_sim_free(struct paraclock_sim *sim);

/**
 * Let virtual time pass, and do what falls due in it: renew pages, show late
 * updates, insert a leap second.
 *
 * In a live world time passes by itself: @p ns must be 0, and the call does
 * what is due by now. Call it often.
 *
 * @param sim The world.
 * @param ns How long, ns; up to 2^62.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, or too long; or the world is live, and @p ns is not 0.
 * @retval -ERANGE That is more than 2^62 ns (146 years) from the start. No time
 *         has passed.
 * @return Else one of the errors of page writers; time has passed all the same.
 *
 * Threads: one at a time for each world, as for all acts. Not
 * async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_run(struct paraclock_sim *sim, uint64_t ns);

/**
 * The true time, from which hosts may differ.
 *
 * @param sim The world.
 * @param timescale enum paraclock_timescale: MONOTONIC (since the start), TAI
 *        or UTC.
 * @param[out] ret_ns The time, ns.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, or another timescale.
 *
 * Threads: any thread, any object. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_now(struct paraclock_sim *sim,
				    unsigned int timescale, int64_t *ret_ns);

/**
 * The next random number of the world's seed.
 *
 * @param sim The world.
 * @param sides The number is 0 to @p sides - 1; 0: any 64 bits.
 * @return The number; 0 if @p sim is NULL.
 *
 * Threads: any thread, any object. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API uint64_t paraclock_sim_random(struct paraclock_sim *sim,
					    uint64_t sides);

/* --- hosts ---------------------------------------------------------------- */

/** How to make a host. Zero every member that is not used. */
struct paraclock_sim_host_options {
	/** sizeof(struct paraclock_sim_host_options). */
	size_t size;
	/** Frequency of its TSC, in 2^-tsc_hz_bits Hz; 0: 2.6 GHz, or in a live
	 * world that of the counter. From 2^16 to 2^40 Hz. */
	uint64_t tsc_hz;
	/** Its TSC now, ticks; 0 in a live world: the counter's value. */
	uint64_t tsc_start;
	/** How far its clock is ahead of true time now, ns. */
	int64_t clock_ahead_ns;
	/** How much faster than true time its clock runs, ppb; within 10^8. */
	int64_t clock_ppb;
	/** The bound that it publishes, ns; see error_flags. */
	uint64_t maxerror_ns;
	/** Growth of the bound, ppb; at most 10^8. */
	uint64_t maxerror_ppb;
	/** The estimate that it publishes, ns; see error_flags. */
	uint64_t esterror_ns;
	/** Growth of the estimate, ppb; at most 10^8. */
	uint64_t esterror_ppb;
	/**
	 * Which of the four it publishes: PARACLOCK_TIMELINE_MAXERROR,
	 * MAXERROR_RATE, ESTERROR, ESTERROR_RATE. Samples have a bound only
	 * with both MAXERROR and MAXERROR_RATE, whose values may be 0.
	 */
	uint32_t error_flags;
	/** Fraction bits of tsc_hz, 0 to 32. */
	uint8_t tsc_hz_bits;
	/** enum paraclock_status; 0: SYNCHRONIZED. */
	uint8_t status;
	/** Zero. */
	uint8_t reserved[2];
};

/**
 * Make a host. Its clocksource is its TSC, which is stable.
 *
 * @param[out] ret_host The host. paraclock_sim_free() frees it.
 * @param sim The world.
 * @param opts NULL: the defaults, and a clock that is right.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, a size that is too small, or a value out of range.
 * @retval -ENOMEM No memory.
 *
 * Threads: one at a time for each world. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_sim_host_new(struct paraclock_sim_host **ret_host,
		       struct paraclock_sim *sim,
		       const struct paraclock_sim_host_options *opts);

/**
 * Make a VM a host: nested virtualisation.
 *
 * The new host's TSC is the VM's counter, whatever happens to that. Its clock
 * is the one that the VM's own host shows the VM. A VM on the new host shows
 * this VM's MONOTONIC time, not a time since its own start, until it is paused
 * or moved. While this VM is paused, no VM on the new host runs.
 *
 * @param[out] ret_host The host. paraclock_sim_free() frees it.
 * @param vm The VM: L1; the VMs on the new host are L2.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL.
 * @retval -ENOMEM No memory.
 *
 * Threads: one at a time for each world. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_sim_host_nested(struct paraclock_sim_host **ret_host,
			  struct paraclock_sim_vm *vm);

/**
 * A host's TSC now.
 *
 * @param host The host.
 * @return Ticks; 0 if @p host is NULL.
 *
 * Threads: any thread, any object. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API uint64_t
paraclock_sim_host_counter(const struct paraclock_sim_host *host);

/* --- what happens to hosts ------------------------------------------------ */

/*
 * What happens to a host's clock. vmclock pages show it at once; a hypercall or
 * a PTP clock, which asks the host, sees it.
 *
 * If the promise of a page (MONOTONIC, or the error bound) forbids the change,
 * the host omits the promise for one update. If that is not enough, it changes
 * the page's disruption marker, which voids the bound.
 */

/**
 * Step a host's clock.
 *
 * @param host The host. Not a VM: its clock is that of its own host.
 * @param ns How far ahead, ns; negative: back.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, or a VM.
 * @retval -ERANGE The time would be before 1970, or not fit. Nothing has
 *         happened.
 * @return Else one of the errors of page writers; it has happened all the same.
 *
 * Threads: one at a time for each world. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_step(struct paraclock_sim_host *host,
				     int64_t ns);

/**
 * Let a host's clock run faster or slower than true time from now on.
 *
 * @param host The host. Not a VM.
 * @param ppb How much faster, ppb, within 10^8; negative: slower.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, a VM, or a value out of range.
 * @return Else one of the errors of page writers; it has happened all the same.
 *
 * Threads: one at a time for each world. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_slew(struct paraclock_sim_host *host,
				     int64_t ppb);

/**
 * Let a host publish another status of its clock.
 *
 * @param host The host. Not a VM.
 * @param status enum paraclock_status.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, a VM, or no such status.
 * @return Else one of the errors of page writers; it has happened all the same.
 *
 * Threads: one at a time for each world. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_status(struct paraclock_sim_host *host,
				       unsigned int status);

/**
 * Tell a host of a leap second in its present UTC month.
 *
 * @param host The host. Not a VM.
 * @param leap enum paraclock_leap, not POS and not UNKNOWN. PRE_POS and PRE_NEG
 *        happen at the end of the month.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, a VM, or another leap state.
 * @return Else one of the errors of page writers; it has happened all the same.
 *
 * Threads: one at a time for each world. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_leap(struct paraclock_sim_host *host,
				     unsigned int leap);

/**
 * Let a host assume another TAI offset: its UTC stays, and its TAI moves.
 *
 * @param host The host. Not a VM.
 * @param sec TAI - UTC, s, up to 100; 0: the host does not know it, and its
 *        pages and their UTC stay as they were.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, a VM, or a value out of range.
 * @retval -ERANGE The time would be before 1970, or not fit. Nothing has
 *         happened.
 * @return Else one of the errors of page writers; it has happened all the same.
 *
 * Threads: one at a time for each world. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_tai(struct paraclock_sim_host *host, int sec);

/**
 * Let a host publish other bounds and estimates from now on.
 *
 * @param host The host. Not a VM.
 * @param opts The bounds, the estimates and their error_flags; its other
 *        members are ignored.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, a VM, a size that is too small, or a value out of
 *         range.
 * @return Else one of the errors of page writers; it has happened all the same.
 *
 * Threads: one at a time for each world. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_sim_errors(struct paraclock_sim_host *host,
		     const struct paraclock_sim_host_options *opts);

/**
 * Make a host's clocksource its TSC (1, as at the start) or another (0).
 *
 * With another clocksource the host gives no pairs: it refuses the pairing
 * hypercall, and TSC_STABLE is clear in the pvclock pages.
 *
 * @param host The host.
 * @param is_tsc 1 or 0.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL.
 * @return Else one of the errors of page writers; it has happened all the same.
 *
 * Threads: one at a time for each world. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_clocksource(struct paraclock_sim_host *host,
					    int is_tsc);

/**
 * Change a host's TSC: its rate, its value, or both.
 *
 * The pages of its VMs follow, each at its own time. Until then they are wrong,
 * as on a real machine. If the host notices (@p noticed), TSC_STABLE is clear
 * from then on and its clocksource is not its TSC, until
 * paraclock_sim_clocksource() changes that.
 *
 * @param host The host. Not a VM.
 * @param tsc_hz Frequency, in 2^-tsc_hz_bits Hz, from 2^16 to 2^40 Hz; 0:
 *        unchanged.
 * @param tsc_hz_bits 0 to 32.
 * @param ticks The value jumps ahead by this (modulo 2^64, so also back).
 * @param noticed 1: the host notices, and renews pages. 0: it does not; pages
 *        keep their contents until they are next renewed, and
 *        paraclock_sim_truth() has the right time.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, a VM, or a value out of range.
 * @return Else one of the errors of page writers; it has happened all the same.
 *
 * Threads: one at a time for each world. Threads that have entered stop
 * meanwhile. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_sim_tsc(struct paraclock_sim_host *host,
				    uint64_t tsc_hz, unsigned int tsc_hz_bits,
				    uint64_t ticks, int noticed);

/* --- the truth, as a clock ------------------------------------------------ */

/**
 * A backend named "sim" whose time is the truth, for
 * paraclock_open_backend() with an env of paraclock_sim_env().
 *
 * It gives TAI, or the only timescale that options.timescales names: UTC, TAI
 * or MONOTONIC. Its marker changes with each migration, restore or clone of the
 * VM or of a VM around it, and when the latter acknowledges a new rate. It
 * takes no arg: pass NULL.
 *
 * @return The backend, constant.
 *
 * Threads: any thread; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API const struct paraclock_backend *paraclock_sim_backend(void);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
