/* SPDX-License-Identifier: MIT */
/**
 * @file timekeeper.h
 * Timekeepers: clocks in shared memory, with one writer and any readers.
 *
 * A timekeeper holds a timeline and, if a change is announced ahead, the next
 * one. Its writer may freeze it, reconfigure it after a migration, and unfreeze
 * it; or let it follow an open clock, by slewing rather than stepping.
 *
 * @par Errors of timekeepers' writers
 * Every function that changes a timekeeper:
 *
 * @retval -EINVAL NULL, memory that is not aligned, or an env that is too
 *         small.
 * @retval -ENODEV The env is NULL and this build has no env of its own.
 * @retval -EPERM This process is not the writer. Acquire the timekeeper.
 * @retval -EBUSY Another thread is changing it, or this signal handler
 *         interrupted a change. Nothing was changed.
 */
#ifndef PARACLOCK_TIMEKEEPER_H
#define PARACLOCK_TIMEKEEPER_H

#include <paraclock/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup timekeeper
 * @{ */

/**
 * A timekeeper. The caller provides the memory: zeroed before its first use,
 * 8-byte aligned (64 is faster), mapped at any address by any number of
 * processes; readers need no write access. The contents are the library's.
 *
 * A process with write access can forge the time. It cannot make a reader hang
 * or read elsewhere: readers check this memory as they check a page.
 */
struct paraclock_timekeeper {
	/** The library's own. */
	uint64_t opaque[256];
};

/** timekeeper_options.flags: see paraclock_timekeeper_acquire(). */
#define PARACLOCK_TIMEKEEPER_ORPHAN 0x1U

/** How to acquire a timekeeper. Zero every member that is not used. */
struct paraclock_timekeeper_options {
	/** sizeof(struct paraclock_timekeeper_options). */
	size_t size;
	/** The first migration count, for zeroed memory; 0 means 1. */
	uint64_t migrations;
	/** PARACLOCK_TIMEKEEPER_x. */
	uint32_t flags;
	/** Zero. */
	uint32_t reserved;
};

/**
 * Become the writer of a timekeeper.
 *
 * In zeroed memory this creates a timekeeper: readers get -EAGAIN until a
 * timeline is set. An existing timekeeper continues unchanged. If its last
 * writer died in the middle of a change, that does not harm readers, and the
 * next change repairs it. One process at a time is the writer, and it is
 * identified as in paraclock_page_writer_acquire().
 *
 * If the last writer was on another machine, as after a migration that brought
 * the memory along, this machine cannot know that it is gone: -EBUSY. A caller
 * that knows the old writer is gone passes PARACLOCK_TIMEKEEPER_ORPHAN once.
 * That freezes the timekeeper and counts a migration, because its timeline
 * belongs to another counter. A new host that creates the memory anew continues
 * the migration count instead: @c migrations is the old count plus 1. Readers
 * compare the count as well as the sequence: otherwise a new sequence that
 * happens to equal the old one would look unchanged.
 *
 * @param tk The timekeeper.
 * @param env The outside world, NULL: this machine's.
 * @param opts Options; NULL: none.
 *
 * @retval 0 This process is the writer, until it releases the timekeeper or
 *         dies.
 * @retval -EINVAL NULL @p tk, memory that is not aligned, an env or options
 *         that are too small, an unknown flag, or a count of 2^62 or more.
 * @retval -EBUSY Another process is or may be the writer, or this one already
 *         is.
 * @retval -EPROTO The memory is not a timekeeper of this version of the
 *         library. Pass zeroed memory.
 * @retval -EACCES The counter is forbidden to this thread (PR_SET_TSC).
 * @retval -ENODEV @p env is NULL and this build has no env of its own.
 * @retval -ENOMEM No memory or file descriptor left to identify this process.
 *         Try again.
 * @retval -EOPNOTSUPP This process has an id of 2^24 or more, or cannot be
 *         identified.
 * @return Any other error that the env returned.
 *
 * Threads: any thread, any object. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_timekeeper_acquire(struct paraclock_timekeeper *tk,
			     const struct paraclock_env *env,
			     const struct paraclock_timekeeper_options *opts);

/**
 * Release a timekeeper. It continues until its lease is over.
 *
 * @param tk The timekeeper.
 * @param env The outside world, NULL: this machine's.
 *
 * @retval 0 It has no writer now.
 * @return One of the errors of timekeepers' writers, which are listed at the
 * top.
 *
 * Threads: any thread, any object. Async-signal-safe if the env is.
 * @since 0.1
 */
PARACLOCK_API int paraclock_timekeeper_release(struct paraclock_timekeeper *tk,
					       const struct paraclock_env *env);

/**
 * Set the timeline that applies from a counter value on.
 *
 * Before @p t_change readers see the old timeline, from there on @p tl. They
 * can read throughout. The change is published before @p t_change and never
 * after: a reader that has not seen it yet gets no time from there on. It
 * replaces a change that is still to come.
 *
 * The timeline's t_end is its lease: past it readers get -EAGAIN, so that they
 * do not follow a dead writer for ever. Set the next timeline before that.
 *
 * With MONOTONIC in its flags, a timeline that is behind the one before at
 * @p t_change is refused; but one that is up to 1 ns behind is raised by that
 * much. If the lease is already over, it is compared with what readers can have
 * seen; if the counter has been reset, they can have seen all of the lease.
 *
 * If the timeline says how the UTC month ends (on TAI: the TAI offset is known;
 * on UTC: that, or leap is not UNKNOWN), its lease ends with the UTC month of
 * base_tsc at the latest, wherever @p t_change or t_start is.
 *
 * @param tk The timekeeper; acquired by this process.
 * @param env The outside world, NULL: this machine's. Its counter is the one
 *        that readers use.
 * @param tl SYNCHRONIZED or FREERUNNING, with a t_end. Its timescale and
 *        counter are those of the first timeline. Without STABLE its samples
 *        are not valid.
 * @param t_change Ticks; not beyond the present lease; 0: as soon as possible,
 *        within 20 us. It may be in the past if readers have no time now.
 *
 * @retval 0 It is set.
 * @retval -EINVAL Also: a timeline that is malformed, has no time or t_end, is
 *         on another timescale or counter, or lies inside a leap second; a
 *         t_start in another UTC month than base_tsc; or a @p t_change after a
 *         t_end or before the timeline begins.
 * @retval -EAGAIN It is frozen. Unfreeze it first.
 * @retval -EPROTO Something has overwritten it: its contents are malformed.
 *         Freeze and reconfigure it.
 * @retval -ESTALE @p t_change is now or in the past; the timeline's t_end or
 *         month is over, now or at @p t_change; or, with MONOTONIC, it is
 *         behind. Nothing was changed. Make a newer timeline.
 * @retval -ERANGE The timeline's time does not fit.
 * @return Else one of the errors of timekeepers' writers, which are listed at
 * the top.
 *
 * Threads: any thread, any object; async-signal-safe if the env is.
 * @since 0.1
 */
PARACLOCK_API int paraclock_timekeeper_set(struct paraclock_timekeeper *tk,
					   const struct paraclock_env *env,
					   const struct paraclock_timeline *tl,
					   uint64_t t_change);

/**
 * Freeze: from now on readers get -EAGAIN.
 *
 * The first step around a migration: freeze, move, reconfigure, unfreeze. While
 * it is frozen no reader gets a time and none hangs, and a read that began
 * before never returns a time from after.
 *
 * If something has overwritten the timekeeper, it forgets its timeline and what
 * readers can have seen: MONOTONIC does not compare the next one with that.
 *
 * @param tk The timekeeper; acquired by this process.
 * @param env The outside world, NULL: this machine's.
 *
 * @retval 0 It is frozen; perhaps it already was.
 * @return One of the errors of timekeepers' writers, which are listed at the
 * top.
 *
 * Threads: any thread, any object; async-signal-safe if the env is.
 * @since 0.1
 */
PARACLOCK_API int paraclock_timekeeper_freeze(struct paraclock_timekeeper *tk,
					      const struct paraclock_env *env);

/**
 * Set the timeline of a frozen timekeeper, and count a migration.
 *
 * The timekeeper stays frozen. If the guest moves again before it has run, call
 * this again: each call counts a migration.
 *
 * @param tk The timekeeper; acquired by this process, and frozen.
 * @param env The outside world, NULL: this machine's. Its counter is the one
 *        that readers use.
 * @param tl SYNCHRONIZED or FREERUNNING, with a t_end, in ticks of the counter
 *        as it is now. Its timescale and counter are those of the first
 *        timeline. Unfreezing checks the promise of MONOTONIC.
 *
 * @retval 0 Once unfrozen, it shows that timeline.
 * @retval -EINVAL Also: it is not frozen; a timeline that is malformed, has no
 *         time or t_end, is on another timescale or counter, or lies inside a
 *         leap second; or a t_start in another UTC month than base_tsc.
 * @retval -EPROTO Something has overwritten it: its contents are malformed.
 *         Freeze it again.
 * @retval -ERANGE The timeline's time does not fit.
 * @return Else one of the errors of timekeepers' writers, which are listed at
 * the top.
 *
 * Threads: any thread, any object; async-signal-safe if the env is.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_timekeeper_reconfigure(struct paraclock_timekeeper *tk,
				 const struct paraclock_env *env,
				 const struct paraclock_timeline *tl);

/**
 * Let readers have the time again.
 *
 * Without a reconfigure in between, the old timeline continues as if nothing
 * had happened. That is right only if nothing has happened to the counter.
 *
 * @param tk The timekeeper; acquired by this process.
 * @param env The outside world, NULL: this machine's.
 *
 * @retval 0 It is not frozen; perhaps it was not before.
 * @retval -ESTALE Its t_end is over; or, with MONOTONIC, it is behind what
 *         readers can have seen before the freeze. It stays frozen. Reconfigure
 *         it.
 * @retval -EPROTO Something has overwritten it: its contents are malformed.
 *         Freeze and reconfigure it.
 * @retval -ERANGE The timeline's time does not fit.
 * @return Else one of the errors of timekeepers' writers, which are listed at
 * the top.
 *
 * Threads: any thread, any object; async-signal-safe if the env is.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_timekeeper_unfreeze(struct paraclock_timekeeper *tk,
			      const struct paraclock_env *env);

/**
 * Read a timekeeper.
 *
 * One ordered counter read; no system call, no lock, no allocation, no store
 * to shared memory. sample.epoch is the migration count: if it has changed,
 * calibrations are void. It is not a handle's epoch, and means the same in
 * every process. It promises HEURISTIC at most, because the writer counts only
 * what it has noticed.
 *
 * @param tk The timekeeper; may be read-only memory.
 * @param env For its counter; NULL: this CPU's. The caller makes sure that the
 *        counter may be read (PR_SET_TSC); paraclock_timekeeper_open() checks
 *        that itself.
 * @param[out] ret_sample The answer. Reasons if it is not valid: UNSTABLE,
 *        COUNTER (the timeline is in another counter) or WINDOW (it begins
 *        later).
 *
 * @retval 0 There is an answer; look at its @c valid.
 * @retval -EINVAL NULL, or an env that is too small.
 * @retval -EAGAIN There is no time now: it is frozen, past its lease or not set
 *         yet, or its writer stayed in the middle of a change for 2^18 ticks
 *         (0.1 ms at 2.6 GHz, 11 ms at 24 MHz) or 4096 tries, whichever came
 *         first. paraclock_timekeeper_describe() says which.
 * @retval -EPROTO The memory is not a timekeeper of this version of the
 *         library, or something has overwritten it: its contents are malformed.
 * @retval -ERANGE The time does not fit into 64 bits of ns.
 *
 * Threads: any thread, any object; async-signal-safe if the env's counter is.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_timekeeper_read(const struct paraclock_timekeeper *tk,
			  const struct paraclock_env *env,
			  struct paraclock_sample *ret_sample);

/** What a timekeeper is doing. */
enum paraclock_timekeeper_state {
	/** No timeline was set yet. */
	PARACLOCK_TIMEKEEPER_EMPTY = 0,
	/** It gives time. */
	PARACLOCK_TIMEKEEPER_RUNNING = 1,
	/** Its writer has frozen it, and is expected to unfreeze it. */
	PARACLOCK_TIMEKEEPER_FROZEN = 2,
	/** Its lease is over: its writer has died or is late. */
	PARACLOCK_TIMEKEEPER_EXPIRED = 3,
};

/** The state of a timekeeper, beyond what a sample says. */
struct paraclock_timekeeper_info {
	/** Set by the caller to sizeof(struct paraclock_timekeeper_info). */
	size_t size;
	/** The migration count: sample.epoch. */
	uint64_t migrations;
	/** Publications so far, modulo 2^40; a freeze may count twice. */
	uint64_t updates;
	/** The counter now, ticks. */
	uint64_t now_tsc;
	/** Last counter value with a time, ticks. */
	uint64_t t_end;
	/** Counter when it was frozen, ticks; 0: it is not frozen, its writer
	 * died just then, or it was acquired with ORPHAN. */
	uint64_t t_frozen;
	/** Counter at which @c next takes effect, ticks; UINT64_MAX: there is
	 * no next timeline. */
	uint64_t t_change;
	/** The timeline in effect now; zeroed if EMPTY. */
	struct paraclock_timeline timeline;
	/** The timeline after it; zeroed if no change is announced. */
	struct paraclock_timeline next;
	/** If frozen: readers have seen no later time than this, s. */
	uint64_t seen_sec;
	/** Its fraction, 2^-64 s. */
	uint64_t seen_frac;
	/** enum paraclock_timekeeper_state. */
	uint8_t state;
	/** Zero. */
	uint8_t reserved[7];
};

/**
 * What is a timekeeper doing, and what does it say?
 *
 * FROZEN is a state that the writer announced: ask again later, for as long as
 * you will wait for a migration (t_frozen says since when). EXPIRED is not
 * announced: its writer has not renewed it.
 *
 * @param tk The timekeeper; may be read-only memory.
 * @param env For its counter; NULL: this CPU's.
 * @param[in,out] ret_info The caller sets its @c size.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, or a size or an env that is too small.
 * @retval -EAGAIN It is not created yet, or kept changing. Try again.
 * @retval -EPROTO The memory is not a timekeeper of this version of the
 *         library, or something has overwritten it: its contents are malformed.
 *
 * Threads: any thread, any object; async-signal-safe if the env's counter is.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_timekeeper_describe(const struct paraclock_timekeeper *tk,
			      const struct paraclock_env *env,
			      struct paraclock_timekeeper_info *ret_info);

/**
 * Open a timekeeper as a clock, for everything that other clocks offer:
 * paraclock_read_at(), cross timestamps, events, checks.
 *
 * Its reads are slower than paraclock_timekeeper_read(). They also read this
 * machine's other markers: after a disruption that one of them shows, the clock
 * is DISRUPTED until the timekeeper has counted a migration. A migration that
 * it has counted since the last read is assumed to be this disruption, although
 * it may have been another: so its samples never promise more than HEURISTIC.
 *
 * @param[out] ret_clk The clock. Close it with paraclock_close().
 * @param tk The timekeeper; must outlive the clock.
 * @param env The outside world, NULL: this machine's.
 *
 * @retval 0 Success.
 * @return One of the errors of opening, which clock.h lists at its top; -EINVAL
 * also if @p tk is not aligned.
 *
 * Threads: any thread. Not async-signal-safe.
 * Ownership: the caller owns *ret_clk, and keeps @p tk.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_timekeeper_open(struct paraclock **ret_clk,
			  const struct paraclock_timekeeper *tk,
			  const struct paraclock_env *env);

/** follow.flags: accept an own-kernel clock, which repeats this kernel's. */
#define PARACLOCK_FOLLOW_OWN_KERNEL 0x1U
/** follow.flags: readers shall never see time step back. */
#define PARACLOCK_FOLLOW_MONOTONIC 0x2U
/** follow.flags: after a disruption of the clock, restart once the clock's
 * rate is known again. */
#define PARACLOCK_FOLLOW_RESTART 0x4U

/** How to follow a clock, and how far that has come. Keep one for each
 * timekeeper, from call to call. Zero every member that is not used. */
struct paraclock_follow {
	/** sizeof(struct paraclock_follow). */
	size_t size;
	/** The fastest slew, ppb of the clock's rate, up to 10^8; 0: 500000. */
	uint64_t max_slew_ppb;
	/** An offset of this or more is stepped, ns; 0: no offset is. A step
	 * counts as a migration. */
	uint64_t step_ns;
	/**
	 * How long readers have a time without a call, ns; 0: 4 s; 1 ms to
	 * 10^6 s. Slewing away an offset takes at least as long, so that it
	 * never overshoots. Call several times as often.
	 */
	uint64_t lease_ns;
	/**
	 * The least time over which the clock's rate is measured, ns; 0: 1 s;
	 * 1 ms to 10^6 s. Following begins when two successive rates agree
	 * within 500 ppm, the second one's pair errors included. The longer the
	 * interval, the better the rate is known, and the slower the bound
	 * grows.
	 */
	uint64_t rate_interval_ns;
	/**
	 * How far the counter's true rate may drift from the one last measured,
	 * ppb; 0: not known, so no reading has a bound. At most 10^8.
	 *
	 * If the clock gives a bound, readings then have one that holds until
	 * the lease is over. It is the sum of the clock's own bound, the pair's
	 * error, the rest of the offset, and the growth of these. The growth is
	 * the larger of two rates. The first is this drift and the uncertainty
	 * of the rate: the errors of the clock and of the pair at both ends of
	 * the interval, divided by it, and at least the difference of two
	 * rates. The second is the growth of the clock's own bound and the
	 * difference of the rate from the clock's own conversion; if the clock
	 * cannot be asked for later times, the growth of its bound since the
	 * rate was measured.
	 */
	uint64_t drift_ppb;
	/** PARACLOCK_FOLLOW_x. */
	uint32_t flags;
	/** Set by the library: steps so far. */
	uint32_t steps;
	/** Set by the library: the clock minus the timekeeper before the last
	 * change, ns. */
	int64_t offset_ns;
	/** Set by the library: how much faster than the clock the timekeeper
	 * runs, ppb. */
	int64_t slew_ppb;
	/** The library's own. */
	uint64_t opaque[16];
};

/**
 * Let a timekeeper follow a clock.
 *
 * The timekeeper's writer calls this regularly. The timekeeper runs at the
 * clock's rate, and a little faster or slower while there is an offset: readers
 * see no step unless @p follow asks for one, and with MONOTONIC never a step
 * back, whatever the clock does.
 *
 * A disruption of the clock freezes the timekeeper, and the call returns
 * -ESTALE. With RESTART later calls unfreeze it when the clock's rate is known
 * again. Without it, or if the timekeeper was frozen already, the caller
 * unfreezes it.
 *
 * A leap second is not slewed: while the clock is in another UTC month than the
 * timekeeper, the timekeeper continues to the end of its own month, and follows
 * again from there. At the end of each month readers may get no time meanwhile.
 *
 * If this fails, the timekeeper continues as it was until its lease is over,
 * unless it was frozen: by a disruption, or by a step that failed, which the
 * next call completes.
 *
 * @param tk The timekeeper; acquired by this process.
 * @param env The outside world, NULL: this machine's.
 * @param clk The clock; it uses the same counter as @p env.
 * @param[in,out] follow Options and state.
 *
 * @retval 0 The timekeeper follows the clock.
 * @retval -EINVAL NULL, a size or a value out of range, an unknown flag; or the
 *         clock is on another timescale or counter than the timekeeper.
 * @retval -EAGAIN The clock is not valid now, is inside a leap second or in
 *         another UTC month than the timekeeper, or its rate is not known yet.
 *         Call again.
 * @retval -EOPNOTSUPP The clock repeats this kernel's own. Set OWN_KERNEL if
 *         that is intended.
 * @retval -ESTALE The clock was disrupted, or the timekeeper is frozen: with
 *         RESTART call again; otherwise reconfigure and unfreeze it.
 * @return Else one of the errors of reads (clock.h), one of the errors of
 * timekeepers' writers, or an error of paraclock_timekeeper_set().
 *
 * Threads: any thread, one object each; async-signal-safe if the env is.
 * @since 0.1
 */
PARACLOCK_API int paraclock_timekeeper_follow(struct paraclock_timekeeper *tk,
					      const struct paraclock_env *env,
					      const struct paraclock *clk,
					      struct paraclock_follow *follow);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
