/* SPDX-License-Identifier: MIT */
/**
 * @file relay.h
 * Relays: a host clock passed on to the guests of a guest.
 *
 * For VMMs and nested hypervisors. L1 is the machine that this runs on, L0 its
 * host if it has one, and L2 a guest of L1's. A relay puts what an open clock
 * (the clock above) says onto the pages and timekeepers below, its targets, in
 * ticks of each guest's own counter. When the clock above is disrupted, the
 * relay freezes the targets and lets them continue only with the right time.
 * See paraclock-relay(7).
 *
 * @par Errors of relays
 * Every function that takes a relay:
 *
 * @retval -EINVAL NULL, or a size that is too small; or a target that is
 *         incomplete, or whose page or coupling cannot express this clock's
 *         time: no page can say UTC_MAYBE_SMEARED.
 * @retval -EAGAIN The clock above is not valid now, or paraclock_relay_freeze()
 *         froze the relay: all targets are frozen. Or the clock has no
 *         conversion (around a leap second, until the page above is from after
 *         it): all targets are unchanged, or frozen if that page was rewritten
 *         meanwhile. Call again.
 * @retval -EOPNOTSUPP The clock gives single samples only. Let a timekeeper
 *         follow it, and relay the timekeeper.
 * @retval -ESTALE With MONOTONIC: the clock above is more than 50 us behind
 *         what readers below have seen. That target stays frozen until the
 *         clock has caught up, or the flag is omitted for one call.
 *
 * and, with all targets frozen, one of the errors of reads (clock.h), from the
 * clock above; or, from the first target that failed (see target.error), one of
 * the errors of writers (host.h) or of an update of a timekeeper:
 *
 * @retval -EPROTO Something has overwritten the page or timekeeper below. Zero
 *         the page; freeze and reconfigure the timekeeper.
 */
#ifndef PARACLOCK_RELAY_H
#define PARACLOCK_RELAY_H

#include <paraclock/crosststamp.h>
#include <paraclock/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup relay
 * @{ */

/** Writes a page: paraclock_pvclock_write() or a similar function. */
typedef int paraclock_target_write_fn(void *page,
				      struct paraclock_page_writer *writer,
				      const struct paraclock_env *env,
				      const struct paraclock_timeline *tl);

/** Freezes a page: paraclock_hyperv_freeze() or a similar function. */
typedef int paraclock_target_freeze_fn(void *page,
				       struct paraclock_page_writer *writer,
				       const struct paraclock_env *env);

/**
 * Stop a guest's CPUs, or let them run again.
 *
 * Called for each target that has it, so the calls for a guest with several
 * targets nest: let it run when its last target says so.
 *
 * @param arg target.arg.
 * @param stop 1: return when none of its CPUs runs, and keep them stopped until
 *        the call with 0.
 *
 * @return 0; or a negative errno: the guest could not be stopped, or resumed.
 * The next update calls it again.
 */
typedef int paraclock_target_pause_fn(void *arg, int stop);

/**
 * target.flags: readers below shall never see time step back.
 *
 * Each update and freeze records what they have seen. An unannounced move to a
 * host on which L1's counter is lower leaves no record of what they saw after
 * the last of these. If the clock above is then behind, time may step back by
 * as much as passed between that record and the move.
 */
#define PARACLOCK_TARGET_MONOTONIC 0x1U
/** target.flags: @c generation is meaningful, and the page shows it. */
#define PARACLOCK_TARGET_GENERATION 0x2U
/**
 * target.flags: this guest is being moved, saved or set up: keep it frozen.
 * Clearing the flag again counts as a disruption of this guest.
 */
#define PARACLOCK_TARGET_HELD 0x4U

/** What a target is doing. */
enum paraclock_target_state {
	/** Not written: its guest should not run yet. */
	PARACLOCK_TARGET_NEW = 0,
	/** It says what the clock above says. */
	PARACLOCK_TARGET_RUNNING = 1,
	/** It has no time: frozen, and its guest paused if possible. */
	PARACLOCK_TARGET_FROZEN = 2,
	/** It is written, but its guest could not be resumed yet. */
	PARACLOCK_TARGET_WRITTEN = 3,
};

/** See timekeeper.h. */
struct paraclock_timekeeper;

/** A page or timekeeper below. Zero every member that is not used. */
struct paraclock_target {
	/** sizeof(struct paraclock_target); the same in all of an array. */
	size_t size;
	/** A timekeeper that this process has acquired; NULL: a page. */
	struct paraclock_timekeeper *timekeeper;
	/** The page, for @c write. */
	void *page;
	/** The page's writer; acquired by this process. */
	struct paraclock_page_writer *writer;
	/** Writes the page. */
	paraclock_target_write_fn *write;
	/** Freezes the page. NULL: the page cannot be frozen (pvclock); it is
	 * then written only while its guest is paused, and needs @c pause. */
	paraclock_target_freeze_fn *freeze;
	/** Pauses its guest; NULL: not needed. */
	paraclock_target_pause_fn *pause;
	/** For @c pause. */
	void *arg;
	/**
	 * How the counter below (the device's) is computed from L1's counter
	 * (the system's), as hypervisors do it: FIXED and TO_DEVICE. Size 0:
	 * the two are the same counter. May be changed while the target is
	 * frozen.
	 */
	struct paraclock_coupling coupling;
	/** Added to the time above, s, for a guest whose clock starts with the
	 * guest; see paraclock_relay_align(). 0 for UTC and TAI. */
	int64_t offset_sec;
	/** Added as well: fraction, always forward, 2^-64 s. */
	uint64_t offset_frac;
	/**
	 * The marker that the guest sees: timeline.marker, with INFERRED while
	 * the clock above is not AUTHORITATIVE. Set it before the first write;
	 * each disruption, and becoming INFERRED, adds 1. For a guest that
	 * arrives from elsewhere, begin with its last marker there plus 1.
	 */
	uint64_t marker;
	/** The generation that the guest sees. Set it before the first write;
	 * each restore or clone of L1 that the clock's marker shows adds 1. */
	uint64_t generation;
	/**
	 * MONOTONIC: readers have seen no later time than this, s. Each update
	 * raises it, and so does freezing the target; a write without MONOTONIC
	 * starts it anew. For a guest that arrives from elsewhere, set it
	 * before the first write.
	 */
	uint64_t seen_sec;
	/** Its fraction, 2^-64 s. */
	uint64_t seen_frac;
	/** PARACLOCK_TARGET_x. */
	uint32_t flags;
	/** Set by the library: the error of this target in the last call, 0 or
	 * a negative errno. */
	int32_t error;
	/** Set by the library: enum paraclock_target_state. */
	uint8_t state;
	/** Zero. */
	uint8_t reserved[7];
	/** Set by the library: the last write, in the guest's ticks. */
	struct paraclock_timeline timeline;
	/** The library's own. */
	uint64_t opaque[4];
};

/** A clock above and the targets. Zero every member that is not used. */
struct paraclock_relay {
	/** sizeof(struct paraclock_relay). */
	size_t size;
	/** The clock above. Its env's counter is L1's. */
	const struct paraclock *clk;
	/**
	 * NULL: the page behind @c clk says how its time continues. Otherwise
	 * this timekeeper says so, and @c clk is the clock that
	 * paraclock_timekeeper_open() made of it. If a source is not a page,
	 * let a timekeeper follow it, and pass that here. The bound below
	 * includes a change of the timekeeper that is still to come.
	 */
	const struct paraclock_timekeeper *timekeeper;
	/** The targets below. */
	struct paraclock_target *targets;
	/** Number of targets. */
	size_t n_targets;
	/** A page that has not changed is rewritten after this, ns; 0: 300 s.
	 * That ends the accumulated error of its rounded rate. */
	uint64_t refresh_ns;
	/** How long timekeepers have a time without an update, ns; 0: 4 s. */
	uint64_t lease_ns;
	/** Set by the library: disruptions of the clock above so far. */
	uint64_t disruptions;
	/** The library's own. */
	uint64_t opaque[40];
};

/**
 * Pass on what the clock above says now.
 *
 * Call it regularly (each second, and when the clock's paraclock_event_fd()
 * wakes), and soon again after -EAGAIN, since guests may be paused. Writes
 * pages when the clock above has changed or they are older than refresh_ns, and
 * timekeepers each time.
 *
 * If the clock above was disrupted or is not valid, freezes all targets first.
 * When the clock is valid again, writes them and lets them run. An unannounced
 * move is noticed here and not before: until then guests run on with the old
 * page.
 *
 * A target that fails is frozen or stays as it was; the others continue.
 *
 * @param[in,out] relay The relay. Targets may be added or removed between
 *        calls; one that is removed while frozen stays frozen.
 *
 * @retval 0 All targets that are not HELD say what the clock says; a timekeeper
 *         that was not frozen does so within 20 us.
 * @return One of the errors of relays, which are listed at the top.
 *
 * Threads: one at a time for each relay. Async-signal-safe if the env and the
 * callbacks are.
 * @since 0.1
 */
PARACLOCK_API int paraclock_relay_update(struct paraclock_relay *relay);

/**
 * Freeze all targets: a move is announced.
 *
 * Readers of timekeepers get -EAGAIN, those of vmclock and Hyper-V pages no
 * valid time; guests whose page cannot express that are paused. The targets
 * stay frozen until paraclock_relay_resume(), whatever is called in between.
 *
 * @param[in,out] relay The relay.
 *
 * @retval 0 All are frozen. Tell the host that the move may begin.
 * @retval -EINVAL NULL, or a size that is too small; or an incomplete target.
 * @return Else the error of the first target that is not frozen. Call again.
 *
 * Threads: one at a time for each relay. Async-signal-safe if the env and the
 * callbacks are.
 * @since 0.1
 */
PARACLOCK_API int paraclock_relay_freeze(struct paraclock_relay *relay);

/**
 * The move is over: continue as soon as the clock above is known to be new.
 *
 * Counts as a disruption, whether or not the clock shows one.
 *
 * @param[in,out] relay The relay.
 *
 * @retval 0 All targets that are not HELD say what the clock says.
 * @return One of the errors of relays, which are listed at the top. After
 * -EAGAIN call paraclock_relay_update(), which continues the resume.
 *
 * Threads: one at a time for each relay. Async-signal-safe if the env and the
 * callbacks are.
 * @since 0.1
 */
PARACLOCK_API int paraclock_relay_resume(struct paraclock_relay *relay);

/**
 * Set a target's offset so that it shows a given time at a value of L1's
 * counter.
 *
 * For a new guest, or one that arrives from elsewhere: its monotonic clock
 * continues from its value there, plus the time that has passed since.
 *
 * @param[in,out] relay The relay.
 * @param[in,out] target A target that is NEW or frozen.
 * @param counter L1's counter, ticks.
 * @param sec The time to show there, s.
 * @param frac Its fraction, 2^-64 s.
 *
 * @retval 0 offset_sec and offset_frac are set.
 * @retval -EBUSY Readers of the target would see a step. Hold it first.
 * @return Else one of the errors of relays, which are listed at the top; this
 * function freezes nothing.
 *
 * Threads: one at a time for each relay. Async-signal-safe if the env and the
 * callbacks are.
 * @since 0.1
 */
PARACLOCK_API int paraclock_relay_align(struct paraclock_relay *relay,
					struct paraclock_target *target,
					uint64_t counter, uint64_t sec,
					uint64_t frac);

/*
 * Reenlightenment: how Hyper-V announces a move to a guest that has guests.
 *
 * For ring 0 of a Hyper-V guest (L1). After a move to a host whose TSC has
 * another frequency, Hyper-V emulates the TSC at the old frequency, raises a
 * vector, and waits. L1 stops its own guests, ends the emulation, adopts the
 * new frequency and page, and lets its guests continue. No time is wrong
 * meanwhile, and the move is known for certain.
 */

/** Receives announcements of moves. Zero every member that is not used. */
struct paraclock_reenlightenment {
	/** sizeof(struct paraclock_reenlightenment). */
	size_t size;
	/** The outside world: rdmsr, wrmsr and cpuid. */
	const struct paraclock_env *env;
	/**
	 * The relay that is frozen during a move; NULL: none. Its clock comes
	 * from paraclock_reenlightenment_open().
	 */
	struct paraclock_relay *relay;
	/** The virtual processor that gets the interrupt: its VP index. */
	uint32_t target_vp;
	/** The vector, 16 to 255. */
	uint8_t vector;
	/** Zero. */
	uint8_t reserved[3];
	/** Set by the library: the TSC's frequency by Hyper-V, Hz. */
	uint64_t hz;
	/** Set by the library: notifications so far; starts at 1. */
	uint64_t notifications;
	/** The library's own. */
	uint64_t opaque[4];
};

/**
 * Ask Hyper-V to announce moves.
 *
 * From now on the vector may arrive at any time. Its handler calls
 * paraclock_reenlightenment_notify(); code that may wait then calls
 * paraclock_reenlightenment_run().
 *
 * @param[in,out] re The receiver. The caller sets its options; the rest is
 *        zero.
 *
 * @retval 0 Hyper-V announces moves.
 * @retval -EINVAL NULL, a size or an env that is too small, or a vector below
 *         16.
 * @retval -ENODEV This is not a Hyper-V guest.
 * @retval -EOPNOTSUPP The env has no MSRs or no CPUID; or this partition may
 *         not use reenlightenment, or the frequency's MSR (CPUID: EAX bits 11
 *         and 13, EDX bit 8).
 * @retval -EPROTO Hyper-V reports a frequency of 0: a fault of the host. Report
 *         it there.
 * @return Any other error that the env returned; no move is announced.
 *
 * Threads: one at a time. Not async-signal-safe.
 * Source: Hyper-V TLFS, "Timers" and "Feature Discovery"; Linux
 * arch/x86/hyperv/hv_init.c.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_reenlightenment_start(struct paraclock_reenlightenment *re);

/**
 * End the announcements.
 *
 * @param[in,out] re The receiver; started.
 *
 * @retval 0 Moves are no longer announced: a later one changes the TSC at once.
 * @retval -EINVAL NULL, a size or an env that is too small, or not started.
 * @retval -EBUSY A move is under way. Call paraclock_reenlightenment_run()
 *         first.
 * @return Any other error that the env returned.
 *
 * Threads: one at a time. Not async-signal-safe.
 * Source: Hyper-V TLFS, "Timers".
 * @since 0.1
 */
PARACLOCK_API int
paraclock_reenlightenment_stop(struct paraclock_reenlightenment *re);

/**
 * The vector's handler calls this.
 *
 * Clocks of paraclock_reenlightenment_open() say DISRUPTED from now on, until
 * paraclock_reenlightenment_run() has handled the move. Calls nothing and waits
 * for nothing.
 *
 * @param[in,out] re The receiver, started; NULL: does nothing.
 *
 * Threads: any thread, any object; async-signal-safe, and fit for an interrupt
 * handler, also while paraclock_reenlightenment_run() runs.
 * @since 0.1
 */
PARACLOCK_API void
paraclock_reenlightenment_notify(struct paraclock_reenlightenment *re);

/**
 * Handle a move: freeze the relay, end the emulation of the TSC, adopt the new
 * frequency and page, and resume the relay.
 *
 * May be called at any time and any number of times: without a move it does
 * nothing. It also handles moves that Hyper-V announces meanwhile, and one
 * whose interrupt was lost.
 *
 * No time is wrong until the emulation ends. A failure before that may leave
 * some or all targets frozen; one after it leaves all of them frozen. Call
 * again.
 *
 * @param[in,out] re The receiver; started.
 *
 * @retval 0 All moves are handled, and the relay continues. Without a relay the
 *         page was not read: it may still be the old one, and the clock's
 *         samples are not valid until it is the new one.
 * @retval -EINVAL NULL, a size or an env that is too small, or not started.
 * @retval -EAGAIN The page above is not the new one yet (with a relay), or
 *         another move came each time. All is frozen. Call again soon.
 * @retval -EPROTO Hyper-V reports a frequency of 0: a fault of the host. Report
 *         it there.
 * @return Any other error of the env, or one of the errors of relays, which are
 * listed at the top. Call again.
 *
 * Threads: one at a time, and not beside other calls on its relay. Not
 * async-signal-safe.
 * Source: Hyper-V TLFS, "Timers".
 * @since 0.1
 */
PARACLOCK_API int
paraclock_reenlightenment_run(struct paraclock_reenlightenment *re);

/**
 * Open Hyper-V's reference TSC page with these notifications as its marker.
 *
 * The same as paraclock_open() with the backend hyperv, but its samples promise
 * AUTHORITATIVE: without a notification there was no move. After a move a page
 * counts as new only if its rate is within 500 ppm of the frequency that
 * Hyper-V reports.
 *
 * @param[out] ret_clk The clock. Close it with paraclock_close().
 * @param re The receiver, started; must outlive the clock.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, a size or an env that is too small, or not started.
 * @return Else one of the errors of opening, which clock.h lists at its top.
 *
 * Threads: any thread. Not async-signal-safe.
 * Ownership: the caller owns *ret_clk, and keeps @p re.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_reenlightenment_open(struct paraclock **ret_clk,
			       struct paraclock_reenlightenment *re);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
