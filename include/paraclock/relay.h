/* SPDX-License-Identifier: MIT */
/**
 * @file relay.h
 * Relays: a host clock handed on to the guests of a guest.
 *
 * For nested hypervisors. L1 is the machine this runs on, L0 its host, and L2
 * a guest of L1's. A relay takes what an open clock says, as the page above
 * says it, and puts it onto the pages and timekeepers below, in ticks of each
 * guest's own counter. When the clock above is disrupted, it freezes what is
 * below, and lets it go on only with what is right. See paraclock-relay(7).
 */
#ifndef PARACLOCK_RELAY_H
#define PARACLOCK_RELAY_H

#include <paraclock/crosststamp.h>
#include <paraclock/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How a page is written: paraclock_pvclock_write() and its like. */
typedef int paraclock_target_write_fn(void *page,
				      struct paraclock_page_writer *writer,
				      const struct paraclock_env *env,
				      const struct paraclock_timeline *tl);

/** How a page is frozen: paraclock_hyperv_freeze() and its like. */
typedef int paraclock_target_freeze_fn(void *page,
				       struct paraclock_page_writer *writer,
				       const struct paraclock_env *env);

/**
 * Stop a guest's CPUs, or let them run again.
 *
 * Called for each target that has it, so the calls for a guest with several
 * targets nest: let it run when the last of them says so.
 *
 * @param arg target.arg.
 * @param stop 1: return when none of its CPUs runs, and keep it so until 0.
 *
 * @return 0; or a negative errno: it could not be stopped, or let go. It is
 * called again by the next update.
 */
typedef int paraclock_target_pause_fn(void *arg, int stop);

/**
 * target.flags: readers below shall never see time step back.
 *
 * What they have seen is noted by each update and freeze. After a move that
 * nobody announces, to where L1's counter is less than it was, nothing says
 * what they saw since the last of these: the clock above being behind, time
 * may step back by as much as passed from there to the move.
 */
#define PARACLOCK_TARGET_MONOTONIC 0x1U
/** target.flags: @c generation is kept, and told of by the page. */
#define PARACLOCK_TARGET_GENERATION 0x2U
/**
 * target.flags: this guest is being moved, saved or set up: keep it frozen.
 * Taking the flag away again counts as a disruption of this guest.
 */
#define PARACLOCK_TARGET_HELD 0x4U

/** What becomes of an target. */
enum paraclock_target_state {
	/** Not written yet. Its guest should not run. */
	PARACLOCK_TARGET_NEW = 0,
	/** It says what the clock above says. */
	PARACLOCK_TARGET_RUNNING = 1,
	/** It says nothing: frozen, and its guest paused if it can be. */
	PARACLOCK_TARGET_FROZEN = 2,
	/** It is written, and its guest could not be let go yet. */
	PARACLOCK_TARGET_WRITTEN = 3,
};

/** See timekeeper.h. */
struct paraclock_timekeeper;

/** A page or timekeeper below. Zero every member that is not used. */
struct paraclock_target {
	/** sizeof(struct paraclock_target); the same in all of an array. */
	size_t size;
	/** A timekeeper, taken by this process; NULL: a page. */
	struct paraclock_timekeeper *timekeeper;
	/** The page, as @c write takes it. */
	void *page;
	/** The page's writer; taken by this process. */
	struct paraclock_page_writer *writer;
	/** How it is written. */
	paraclock_target_write_fn *write;
	/** How it is frozen. NULL: it cannot be (pvclock), so it is written
	 * only while its guest is paused, and @c pause is needed. */
	paraclock_target_freeze_fn *freeze;
	/** Stops its guest; NULL: there is no need. */
	paraclock_target_pause_fn *pause;
	/** For @c pause. */
	void *arg;
	/**
	 * The counter below (the device's) by the counter of L1 (the
	 * system's), as a hypervisor makes it: FIXED and TO_DEVICE. Size 0: it
	 * is L1's counter. May be changed while the target is frozen.
	 */
	struct paraclock_coupling coupling;
	/** What is added to the time above, s, for a guest whose clock begins
	 * with itself; see paraclock_relay_align(). 0 for UTC and TAI. */
	int64_t offset_sec;
	/** The same, fraction, always forward, 2^-64 s. */
	uint64_t offset_frac;
	/**
	 * The marker that the guest sees: timeline.marker, with INFERRED
	 * while the clock above is not AUTHORITATIVE. Given with the first
	 * write; 1 is added by each disruption, and when it becomes INFERRED.
	 * For a guest that comes from elsewhere begin with the last one there
	 * plus 1.
	 */
	uint64_t marker;
	/** The generation that the guest sees; as @c marker, by each
	 * restore or clone of L1 that the clock's marker shows. */
	uint64_t generation;
	/**
	 * MONOTONIC: readers have seen no later time than this, s. Raised by
	 * each update, and when the target is frozen; begins anew with a write
	 * without MONOTONIC. For a guest that comes from elsewhere given with
	 * the first write.
	 */
	uint64_t seen_sec;
	/** The same, fraction, 2^-64 s. */
	uint64_t seen_frac;
	/** PARACLOCK_TARGET_x. */
	uint32_t flags;
	/** Set by the library: what went wrong with this one in the last call,
	 * 0 or a negative errno. */
	int32_t error;
	/** Set by the library: enum paraclock_target_state. */
	uint8_t state;
	/** Zero. */
	uint8_t reserved[7];
	/** Set by the library: what was written last, in the guest's ticks. */
	struct paraclock_timeline timeline;
	/** The library's own. */
	uint64_t opaque[4];
};

/** A clock above, and what is below. Zero every member that is not used. */
struct paraclock_relay {
	/** sizeof(struct paraclock_relay). */
	size_t size;
	/** The clock above. Its env's counter is L1's. */
	const struct paraclock *clk;
	/**
	 * NULL: the page behind @c clk says how its time goes on. Else this
	 * timekeeper does, and @c clk is paraclock_timekeeper_open()'s of it:
	 * for a source that is no page, let a timekeeper follow it. A change
	 * of it that is still to come is in the bound of what is below.
	 */
	const struct paraclock_timekeeper *timekeeper;
	/** What is below. */
	struct paraclock_target *targets;
	/** How many. */
	size_t n_targets;
	/** A page is written anew after so long although nothing has changed,
	 * ns; 0: 300 s. What rounding its rate adds up to ends there. */
	uint64_t refresh_ns;
	/** Timekeepers have a time for so long without an update, ns; 0:
	 * 4 s. */
	uint64_t lease_ns;
	/** Set by the library: disruptions of the clock above so far. */
	uint64_t disruptions;
	/** The library's own. */
	uint64_t opaque[40];
};

/**
 * Hand on what the clock above says now.
 *
 * Called now and then (each second, and when paraclock_event_fd() of the clock
 * wakes), and soon again after -EAGAIN, for guests may be paused. Pages are
 * written when what is above has changed, and when they are older than
 * refresh_ns; timekeepers each time.
 *
 * If the clock above was disrupted, or is not valid, all that is below is
 * frozen first; and when the clock is valid again, written and let go. A move
 * that nothing announces is noticed here and not before: until then guests run
 * on with the old page.
 *
 * An target that fails is frozen, or stays as it was, and keeps no other from
 * going on.
 *
 * @param[in,out] relay The relay. Outlets may be added or taken away between
 *        calls; one that was taken away frozen stays so.
 *
 * @retval 0 All targets that are not HELD say what the clock says; a timekeeper
 *         that was not frozen says so within 20 us.
 * @retval -EINVAL NULL, or a size that is too small; or an target that is
 *         incomplete, or whose page or coupling cannot say this clock's time.
 * @retval -EAGAIN The clock above is not valid now, and all is frozen; or
 *         paraclock_relay_freeze() has frozen it; or the clock has no straight
 *         line (a leap second, until the page above is from after it), and all
 *         is as it was, or frozen if that page was rewritten meanwhile. Call
 *         again.
 * @retval -EOPNOTSUPP The clock gives single samples only. Let a timekeeper
 *         follow it, and relay that.
 * @retval -ESTALE MONOTONIC, and what is above is more than 50 us behind what
 *         readers below have seen: that target stays frozen until it is not,
 *         or the flag is taken away for one call.
 * @return Else the clock's error, with all frozen, or the first target's: see
 * target.error.
 *
 * Threads: one at a time for each relay. Async-signal-safe if the env and the
 * callbacks are.
 * @since 0.1
 */
PARACLOCK_API int paraclock_relay_update(struct paraclock_relay *relay);

/**
 * Freeze all that is below: a move is announced.
 *
 * Readers of timekeepers get -EAGAIN, those of vmclock and Hyper-V pages no
 * valid time; guests with a page that cannot say so are paused. It stays like
 * that until paraclock_relay_resume(), whatever is called in between.
 *
 * @param[in,out] relay The relay.
 *
 * @retval 0 All is frozen. Tell the host.
 * @retval -EINVAL As paraclock_relay_update().
 * @return Else the first target's error: that one is not frozen. Call again.
 *
 * Threads: as paraclock_relay_update().
 * @since 0.1
 */
PARACLOCK_API int paraclock_relay_freeze(struct paraclock_relay *relay);

/**
 * The move is over: go on as soon as the clock above is known to be new.
 *
 * Counts as a disruption, whether or not the clock shows one.
 *
 * @param[in,out] relay The relay.
 * @return As paraclock_relay_update(), which goes on with it after -EAGAIN.
 *
 * Threads: as paraclock_relay_update().
 * @since 0.1
 */
PARACLOCK_API int paraclock_relay_resume(struct paraclock_relay *relay);

/**
 * Set an target's offset: what it is to show at a value of L1's counter.
 *
 * For a new guest, or one that comes from elsewhere: its monotonic clock goes
 * on from what it was there, plus the time that has passed since.
 *
 * @param[in,out] relay The relay.
 * @param[in,out] target NEW or frozen.
 * @param counter L1's counter, ticks.
 * @param sec What it is to show there, s;
 * @param frac and the fraction, 2^-64 s.
 *
 * @retval 0 offset_sec and offset_frac are set.
 * @retval -EINVAL As paraclock_relay_update().
 * @retval -EBUSY Its readers would see a step. Hold it first.
 * @return Else as paraclock_relay_update(), with nothing frozen.
 *
 * Threads: as paraclock_relay_update().
 * @since 0.1
 */
PARACLOCK_API int paraclock_relay_align(struct paraclock_relay *relay,
					struct paraclock_target *target,
					uint64_t counter, uint64_t sec,
					uint64_t frac);

/*
 * Reenlightenment: Hyper-V's announcement of a move, for a guest of its that has guests.
 *
 * In ring 0 of a Hyper-V guest (L1). After a move to a host whose TSC has
 * another frequency, Hyper-V traps the TSC and goes on with the old one, raises
 * a vector, and waits. L1 blocks its own guests, tells Hyper-V to let go, takes
 * the new frequency and page, and lets its guests go on. No time is wrong
 * meanwhile, and the move is known for sure.
 */

/** Who is told of moves, and what is done then. Zero what is not used. */
struct paraclock_reenlightenment {
	/** sizeof(struct paraclock_reenlightenment). */
	size_t size;
	/** The outside world: rdmsr, wrmsr and cpuid. */
	const struct paraclock_env *env;
	/**
	 * What is frozen during a move; NULL: nothing. Its clock is
	 * paraclock_reenlightenment_open()'s.
	 */
	struct paraclock_relay *relay;
	/** The virtual processor that gets the interrupt: its VP index. */
	uint32_t target_vp;
	/** The vector, 16 to 255. */
	uint8_t vector;
	/** Zero. */
	uint8_t reserved[3];
	/** Set by the library: the TSC's frequency as Hyper-V says, Hz. */
	uint64_t hz;
	/** Set by the library: notifications so far, beginning with 1. */
	uint64_t notifications;
	/** The library's own. */
	uint64_t opaque[4];
};

/**
 * Ask Hyper-V to announce moves.
 *
 * From now on the vector may come at any time; let its handler call
 * paraclock_reenlightenment_notify(), and something that may wait
 * paraclock_reenlightenment_run() thereafter.
 *
 * @param[in,out] re Its options are set, the rest is zero.
 *
 * @retval 0 It does.
 * @retval -EINVAL NULL, a size or an env that is too small, or a vector below
 *         16.
 * @retval -ENODEV This is no Hyper-V guest.
 * @retval -EOPNOTSUPP The env has no MSRs or no CPUID; or this partition may
 *         not use reenlightenment, or the frequency's MSR (CPUID: EAX bits 11
 *         and 13, EDX bit 8).
 * @retval -EPROTO Hyper-V says that the frequency is 0. Report it there.
 * @return Else what the env returned; nothing is announced.
 *
 * Threads: one at a time. Not async-signal-safe.
 * Source: Hyper-V TLFS, "Timers" and "Feature Discovery"; Linux
 * arch/x86/hyperv/hv_init.c.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_reenlightenment_start(struct paraclock_reenlightenment *re);

/**
 * Ask for no more announcements.
 *
 * @param[in,out] re Started.
 *
 * @retval 0 There will be none. A later move changes the TSC at once.
 * @retval -EINVAL NULL, a size or an env that is too small, or not started.
 * @retval -EBUSY A move is under way. Run it first.
 * @return Else what the env returned.
 *
 * Threads: one at a time. Not async-signal-safe.
 * Source: as paraclock_reenlightenment_start().
 * @since 0.1
 */
PARACLOCK_API int
paraclock_reenlightenment_stop(struct paraclock_reenlightenment *re);

/**
 * The vector has come: for its handler.
 *
 * Clocks of paraclock_reenlightenment_open() say DISRUPTED from now on, until
 * the move was run. Nothing is called, and nothing waited for.
 *
 * @param[in,out] re Started; NULL: nothing is done.
 *
 * Threads: any thread, any object; async-signal-safe, and fit for an interrupt
 * handler, also while paraclock_reenlightenment_run() runs.
 * @since 0.1
 */
PARACLOCK_API void
paraclock_reenlightenment_notify(struct paraclock_reenlightenment *re);

/**
 * Go through with a move: freeze what is below, end the emulation of the TSC,
 * take the new frequency and page, and let go.
 *
 * May be called at any time, and as often as one likes: without a move there
 * is nothing to do. One that Hyper-V has announced meanwhile, or whose
 * interrupt was lost, is gone through with as well.
 *
 * Until the emulation is ended no time is wrong; a failure before that may
 * leave some, or all, of what is below frozen, one after it leaves all of it
 * frozen. Call again.
 *
 * @param[in,out] re Started.
 *
 * @retval 0 All moves are done with, and what is below goes on. With no relay
 *         the page was not looked at: it may still be the old one, and the
 *         clock's samples are not valid until it is not.
 * @retval -EINVAL NULL, a size or an env that is too small, or not started.
 * @retval -EAGAIN The page above is not the new one yet (with a relay), or
 *         there was another move each time. Call again soon; until then all is
 *         frozen.
 * @retval -EPROTO Hyper-V says that the frequency is 0.
 * @return Else what the env or the relay returned; call again.
 *
 * Threads: one at a time, and not beside other calls on its relay. Not
 * async-signal-safe.
 * Source: as paraclock_reenlightenment_start().
 * @since 0.1
 */
PARACLOCK_API int
paraclock_reenlightenment_run(struct paraclock_reenlightenment *re);

/**
 * Open Hyper-V's reference TSC page with these notifications as its marker.
 *
 * As paraclock_open() with the backend hyperv, but its samples say
 * AUTHORITATIVE: no notification, no move. A page whose rate is not, to 500
 * ppm, the frequency that Hyper-V says is not believed to be the new one.
 *
 * @param[out] ret_clk The clock. Close it with paraclock_close().
 * @param re Started; must outlive the clock.
 *
 * @retval -EINVAL NULL, a size or an env that is too small, or not started.
 * @return Else as paraclock_open_backend().
 *
 * Threads: any thread. Not async-signal-safe.
 * Ownership: the caller owns *ret_clk, and keeps @p re.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_reenlightenment_open(struct paraclock **ret_clk,
			       struct paraclock_reenlightenment *re);

#ifdef __cplusplus
}
#endif

#endif
