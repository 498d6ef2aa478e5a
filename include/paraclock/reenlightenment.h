/* SPDX-License-Identifier: MIT */
/**
 * @file reenlightenment.h
 * Hyper-V's announcement of a move, for a guest of its that has guests.
 *
 * In ring 0 of a Hyper-V guest (L1). After a move to a host whose TSC has
 * another frequency, Hyper-V traps the TSC and goes on with the old one, raises
 * a vector, and waits. L1 blocks its own guests, tells Hyper-V to let go, takes
 * the new frequency and page, and lets its guests go on. No time is wrong
 * meanwhile, and the move is known for sure.
 */
#ifndef PARACLOCK_REENLIGHTENMENT_H
#define PARACLOCK_REENLIGHTENMENT_H

/* Included by host.h at its end; and needs what relay.h declares. */
#include <paraclock/relay.h>

#ifdef __cplusplus
extern "C" {
#endif

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
