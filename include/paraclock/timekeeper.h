/* SPDX-License-Identifier: MIT */
/**
 * @file timekeeper.h
 * Timekeepers: a clock in shared memory that one process changes and any
 * process reads.
 *
 * A timekeeper holds a timeline and, for a change that is announced ahead, the
 * one that comes after it. Its writer may freeze it, put it right after a
 * migration, and go on; or let it follow an open clock, slewed and not stepped.
 */
#ifndef PARACLOCK_TIMEKEEPER_H
#define PARACLOCK_TIMEKEEPER_H

#include <paraclock/host.h>

#ifdef __cplusplus
extern "C" {
#endif

/**
 * A timekeeper. The caller gives the memory: zeroed before its first use,
 * 8-byte aligned (64 is faster), mapped at any address by any number of
 * processes; readers need no write access. The rest is the library's.
 *
 * A process with write access can forge the time. It cannot make a reader hang
 * or read elsewhere: readers check this memory as they check a page.
 */
struct paraclock_timekeeper {
	/** The library's own. */
	uint64_t opaque[256];
};

/** timeline.flags: it repeats what this kernel's clock says. Samples of a
 * timekeeper then say PARACLOCK_FLAG_OWN_KERNEL. */
#define PARACLOCK_TIMELINE_OWN_KERNEL 0x800U

/** timekeeper_options.flags: see paraclock_timekeeper_acquire(). */
#define PARACLOCK_TIMEKEEPER_ORPHAN 0x1U

/** How to take a timekeeper. Zero every member that is not used. */
struct paraclock_timekeeper_options {
	/** sizeof(struct paraclock_timekeeper_options). */
	size_t size;
	/** What the count of migrations begins with in memory that is zeroed;
	 * 0: 1. */
	uint64_t migrations;
	/** PARACLOCK_TIMEKEEPER_x. */
	uint32_t flags;
	/** Zero. */
	uint32_t reserved;
};

/**
 * Become the writer of a timekeeper.
 *
 * Zeroed memory is made one: readers get -EAGAIN until a timeline is set. One
 * that is already there goes on as it was; that its last writer died in the
 * middle of a change does no harm to readers, and the next change mends it.
 * There is one writer at a time, a process, as in paraclock_page_writer_acquire().
 *
 * Where the writer before was on another machine, as after a migration that
 * brought the memory along, nobody here can know that it is gone, and this is
 * -EBUSY. Who does know says PARACLOCK_TIMEKEEPER_ORPHAN, once: the timekeeper
 * is frozen and the migration counted, for what it says belongs to another
 * counter. A new host that makes the memory anew goes on with the count
 * instead: @c migrations is the old one plus 1. It is part of what readers
 * compare, and a sequence that is the same by chance would look unchanged.
 *
 * @param tk The timekeeper.
 * @param env The outside world, NULL: this machine's.
 * @param opts Options; NULL: none.
 *
 * @retval 0 This process is the writer, until it gives it back or dies.
 * @retval -EINVAL NULL @p tk, memory that is not aligned, an env or options
 *         that are too small, an unknown flag, or a count of 2^62 or more.
 * @retval -EBUSY Another process is the writer, or may be; or this one already.
 * @retval -EPROTO What is there is no timekeeper of this version of the
 *         library. Give zeroed memory.
 * @retval -EACCES The counter is forbidden to this thread (PR_SET_TSC).
 * @retval -ENODEV @p env is NULL and this build has no env of its own.
 * @retval -ENOMEM As paraclock_page_writer_acquire().
 * @retval -EOPNOTSUPP As paraclock_page_writer_acquire().
 *
 * Threads: any thread, any object. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_timekeeper_acquire(struct paraclock_timekeeper *tk,
			     const struct paraclock_env *env,
			     const struct paraclock_timekeeper_options *opts);

/**
 * Give a timekeeper back. It goes on until its lease is over.
 *
 * @param tk The timekeeper.
 * @param env The outside world, NULL: this machine's.
 *
 * @retval 0 Nobody writes it now.
 * @retval -EINVAL NULL @p tk, or an env that is too small.
 * @retval -ENODEV @p env is NULL and this build has no env of its own.
 * @retval -EPERM This process was not the writer.
 * @retval -EBUSY Another thread is changing it.
 *
 * Threads: any thread, any object. Async-signal-safe if the env is.
 * @since 0.1
 */
PARACLOCK_API int paraclock_timekeeper_release(struct paraclock_timekeeper *tk,
					       const struct paraclock_env *env);

/**
 * Set a timeline, from a counter value on.
 *
 * What readers see before @p t_change stays as it was; from there on it is
 * @p tl. Readers go on meanwhile. It is published before @p t_change and never
 * after: a reader that has not seen it yet has no time from there on. A change
 * that is still to come is replaced by this one.
 *
 * The timeline's t_end is its lease: past it readers get -EAGAIN, so a writer
 * that has died is not followed for ever. Set the next one before that.
 *
 * With MONOTONIC in its flags a timeline that is behind the one before at
 * @p t_change (by more than 1 ns, by which it is lifted) is refused. Where the
 * lease is over already it is compared with what readers can have seen; where
 * the counter has been reset, they can have seen all of the lease.
 *
 * Where the timeline says how the UTC month ends (on TAI: the TAI offset is
 * known; on UTC: that, or leap is not UNKNOWN), its lease does not reach
 * beyond the end of the UTC month that base_tsc is in, wherever @p t_change or
 * t_start is.
 *
 * @param tk The timekeeper; taken by this process.
 * @param env The outside world, NULL: this machine's. Its counter is the one
 *        that readers use.
 * @param tl SYNCHRONIZED or FREERUNNING, with a t_end. Its timescale and
 *        counter are those of the first one. Valid only with STABLE.
 * @param t_change Ticks; not beyond the lease of what is there; 0: as soon as
 *        can be, which is within 20 us. Where nothing is read now it may be
 *        past already.
 *
 * @retval 0 It is set.
 * @retval -EINVAL NULL, an env that is too small, a malformed timeline, one
 *         without a time or t_end, on another timescale or counter, in the
 *         middle of a leap second; a t_start in another UTC month than
 *         base_tsc; or a @p t_change that is after a t_end or before the
 *         timeline begins.
 * @retval -ENODEV @p env is NULL and this build has no env of its own.
 * @retval -EPERM This process is not the writer. Take it.
 * @retval -EBUSY Another thread is changing it, or what this signal handler
 *         interrupted. Nothing was changed.
 * @retval -EAGAIN It is frozen. Unfreeze it first.
 * @retval -EPROTO Somebody has written over it: what is there is malformed.
 *         Freeze it and reconfigure it.
 * @retval -ESTALE @p t_change is now, or past; its t_end or its month is over
 *         now or at @p t_change; or MONOTONIC, and it is behind. All is as it
 *         was. Make a newer one.
 * @retval -ERANGE Its time does not fit.
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
 * The first step around a migration: freeze, move, reconfigure, unfreeze. No
 * reader gets a time, none hangs, and none that began before gets one of after.
 *
 * One that somebody has written over forgets what it said, and what readers can
 * have seen: with MONOTONIC that is then not held against what comes next.
 *
 * @param tk The timekeeper; taken by this process.
 * @param env The outside world, NULL: this machine's.
 *
 * @retval 0 It is frozen; also if it was.
 * @return Else as paraclock_timekeeper_set(): -EINVAL, -ENODEV, -EPERM, -EBUSY.
 *
 * Threads: any thread, any object; async-signal-safe if the env is.
 * @since 0.1
 */
PARACLOCK_API int paraclock_timekeeper_freeze(struct paraclock_timekeeper *tk,
					      const struct paraclock_env *env);

/**
 * Say what a frozen timekeeper will show, and count a migration.
 *
 * It stays frozen. May be called again, as when the guest moves on before it
 * ran: each call counts.
 *
 * @param tk The timekeeper; taken by this process, and frozen.
 * @param env The outside world, NULL: this machine's.
 * @param tl As paraclock_timekeeper_set(), in ticks of the counter as it is
 *        now. Whether it keeps the promise of MONOTONIC is judged when it is
 *        unfrozen.
 *
 * @retval 0 It will show that.
 * @retval -EINVAL As paraclock_timekeeper_set(); or it is not frozen.
 * @return Else as there, without -EAGAIN and -ESTALE.
 *
 * Threads: any thread, any object; async-signal-safe if the env is.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_timekeeper_reconfigure(struct paraclock_timekeeper *tk,
				 const struct paraclock_env *env,
				 const struct paraclock_timeline *tl);

/**
 * Let readers in again.
 *
 * Without a reconfigure in between the old timeline goes on as if nothing had
 * been; right only if nothing has happened to the counter.
 *
 * @param tk The timekeeper; taken by this process.
 * @param env The outside world, NULL: this machine's.
 *
 * @retval 0 It is not frozen now; also if it was not.
 * @retval -ESTALE Its t_end is over; or MONOTONIC, and it is behind what
 *         readers can have seen before the freeze. It stays frozen.
 *         Reconfigure it.
 * @return Else as paraclock_timekeeper_set(): -EINVAL, -ENODEV, -EPERM,
 * -EBUSY, -ERANGE.
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
 * to shared memory. sample.epoch is the count of migrations: if it is
 * another one, what was calibrated is void. It is no epoch of a handle, and
 * means the same in every process. It promises HEURISTIC at most: what the
 * writer has not noticed it has not counted.
 *
 * @param tk The timekeeper; read-only memory will do.
 * @param env For its counter; NULL: this CPU's. The caller has made sure that
 *        the counter may be read (PR_SET_TSC), as paraclock_timekeeper_open()
 *        does.
 * @param[out] ret_sample The answer. Not valid: UNSTABLE, COUNTER (it is
 *        another counter's) or WINDOW (it begins later).
 *
 * @retval 0 There is an answer; look at its @c valid.
 * @retval -EINVAL NULL, or an env that is too small.
 * @retval -EAGAIN There is no time now: frozen, past its lease, not set yet, or
 *         its writer stopped in the middle of a change for 2^18 ticks (0.1 ms
 *         at 2.6 GHz, 11 ms at 24 MHz) or 4096 tries, whichever is first.
 *         paraclock_timekeeper_describe() tells which.
 * @retval -EPROTO It is no timekeeper of this version of the library; or
 *         somebody has written over it, and what it says is malformed.
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
	/** Its writer has frozen it, and is expected to come back. */
	PARACLOCK_TIMEKEEPER_FROZEN = 2,
	/** Its lease is over: its writer has died, or is late. */
	PARACLOCK_TIMEKEEPER_EXPIRED = 3,
};

/** More on a timekeeper than one sample says. */
struct paraclock_timekeeper_info {
	/** Set by the caller to sizeof(struct paraclock_timekeeper_info). */
	size_t size;
	/** Migrations counted: sample.epoch. */
	uint64_t migrations;
	/** Publications so far, modulo 2^40: one for each change, up to two for
	 * a freeze. */
	uint64_t updates;
	/** The counter now, ticks. */
	uint64_t now_tsc;
	/** Last counter value with a time, ticks. */
	uint64_t t_end;
	/** Counter when it was frozen, ticks; 0: it is not, its writer died just
	 * then, or it was taken with ORPHAN. */
	uint64_t t_frozen;
	/** Counter at which @c next comes into force, ticks; UINT64_MAX: there
	 * is none. */
	uint64_t t_change;
	/** What is in force now; zeroed if EMPTY. */
	struct paraclock_timeline timeline;
	/** What comes after it; zeroed if there is none. */
	struct paraclock_timeline next;
	/** If frozen: readers have seen no later time than this, s; */
	uint64_t seen_sec;
	/** and the fraction, 2^-64 s. */
	uint64_t seen_frac;
	/** enum paraclock_timekeeper_state. */
	uint8_t state;
	/** Zero. */
	uint8_t reserved[7];
};

/**
 * What is a timekeeper doing, and what does it say?
 *
 * FROZEN is announced: ask again later, for as long as one is willing to wait
 * for a migration (t_frozen tells since when). EXPIRED is not: nobody has
 * renewed it.
 *
 * @param tk The timekeeper; read-only memory will do.
 * @param env For its counter; NULL: this CPU's.
 * @param[in,out] ret_info Its @c size is set by the caller.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, or a size or an env that is too small.
 * @retval -EAGAIN It is not made yet, or kept changing. Try again.
 * @retval -EPROTO As paraclock_timekeeper_read().
 *
 * Threads: any thread, any object; async-signal-safe if the env's counter is.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_timekeeper_describe(const struct paraclock_timekeeper *tk,
			      const struct paraclock_env *env,
			      struct paraclock_timekeeper_info *ret_info);

/**
 * Open a timekeeper as a clock, for all that is done with one: read_at, cross
 * timestamps, tokens, checks.
 *
 * Its reads are slower than paraclock_timekeeper_read(). This machine's other
 * markers are looked at as well: after a disruption that one of them shows, the
 * clock is DISRUPTED until the timekeeper has counted a migration. If it has
 * counted one since the last read already, that is taken for this one, also if
 * it was for another: so its samples promise HEURISTIC, and never more.
 *
 * @param[out] ret_clk The clock. Close it with paraclock_close().
 * @param tk The timekeeper; must outlive the clock.
 * @param env The outside world, NULL: this machine's.
 * @return As paraclock_open_backend().
 *
 * Threads: any thread. Not async-signal-safe.
 * Ownership: the caller owns *ret_clk, and keeps @p tk.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_timekeeper_open(struct paraclock **ret_clk,
			  const struct paraclock_timekeeper *tk,
			  const struct paraclock_env *env);

/** follow.flags: also a LOCAL clock, which repeats what this kernel says. */
#define PARACLOCK_FOLLOW_OWN_KERNEL 0x1U
/** follow.flags: readers shall never see time step back. */
#define PARACLOCK_FOLLOW_MONOTONIC 0x2U
/** follow.flags: after a disruption of the clock go on by itself, once the
 * clock's rate is known again. */
#define PARACLOCK_FOLLOW_RESTART 0x4U

/** How to follow a clock, and how it went. Zero every member that is not used;
 * one for each timekeeper, kept from call to call. */
struct paraclock_follow {
	/** sizeof(struct paraclock_follow). */
	size_t size;
	/** An offset is slewed away no faster, ppb of the clock's rate; 0:
	 * 500000; at most 10^8. */
	uint64_t max_slew_ppb;
	/** An offset of this or more is stepped over, ns; 0: none is. A step
	 * counts as a migration. */
	uint64_t step_ns;
	/**
	 * Without a call readers have a time for so long, ns; 0: 4 s; 1 ms to
	 * 10^6 s. An offset is slewed away in no less, so that it is never
	 * overdone. Call several times as often.
	 */
	uint64_t lease_ns;
	/** The clock's rate is taken over so long at least, ns; 0: 1 s; 1 ms to
	 * 10^6 s. Two agreeing rates are needed to begin: within 500 ppm, with
	 * what the pair errors may have added to the second. The longer it is,
	 * the better is the rate known, and the slower grows the bound. */
	uint64_t rate_interval_ns;
	/**
	 * The counter's true rate may come to differ from the one last taken
	 * by so much, ppb; 0: not known, so no reading has a bound. At most
	 * 10^8.
	 *
	 * Readings then have a bound that holds until the lease is over, if
	 * the clock gives one: the clock's own, the pair's error, what is left
	 * of the offset, and what these grow by. That is the larger of two. The
	 * one is this drift, and how well the rate is known: no better than to
	 * the errors of the clock and of the pair at both ends of the interval,
	 * divided by it, and to what two rates differ by. The other is what the
	 * clock's own bound grows by, with what the rate differs from the
	 * clock's own line; where it cannot be asked for later times, what its
	 * bound has grown by since the rate was taken.
	 */
	uint64_t drift_ppb;
	/** PARACLOCK_FOLLOW_x. */
	uint32_t flags;
	/** Set by the library: steps so far. */
	uint32_t steps;
	/** Set by the library: the clock less the timekeeper, ns, before the
	 * last change. */
	int64_t offset_ns;
	/** Set by the library: how much faster than the clock it runs, ppb. */
	int64_t slew_ppb;
	/** The library's own. */
	uint64_t opaque[16];
};

/**
 * Let a timekeeper follow a clock.
 *
 * Called now and then by the timekeeper's writer. The timekeeper runs at the
 * clock's rate, and a little faster or slower while there is an offset: readers
 * see no step, unless @p follow asks for one, and with MONOTONIC never a step
 * back, whatever the clock does.
 *
 * A disruption of the clock freezes the timekeeper and is -ESTALE. With RESTART
 * later calls unfreeze it, when the clock's rate is known again; else that is
 * the caller's to do, as it is if the timekeeper was frozen already.
 *
 * A leap second is not slewed: while the clock is in another UTC month than
 * what is shown, the timekeeper goes on to the end of its own, and follows
 * again from there. At the end of each month there may be no time for so long.
 *
 * If this fails, the timekeeper goes on as it was until its lease is over, or
 * is frozen: by a disruption, or by a step that failed, which the next call
 * goes on with.
 *
 * @param tk The timekeeper; taken by this process.
 * @param env The outside world, NULL: this machine's.
 * @param clk The clock; it counts with the same counter as @p env.
 * @param[in,out] follow Options and state.
 *
 * @retval 0 It follows.
 * @retval -EINVAL NULL, a size or a value out of range, an unknown flag; or the
 *         clock is on another timescale or counter than the timekeeper.
 * @retval -EAGAIN The clock is not valid now, is inside a leap second or in
 *         another UTC month than what is shown, or its rate is not known yet.
 *         Call again.
 * @retval -EOPNOTSUPP The clock is LOCAL. Say so, if that is meant.
 * @retval -ESTALE The clock was disrupted; or the timekeeper is frozen. See
 *         above.
 * @return Else as paraclock_read() and paraclock_timekeeper_set().
 *
 * Threads: any thread, one object each; async-signal-safe if the env is.
 * @since 0.1
 */
PARACLOCK_API int paraclock_timekeeper_follow(struct paraclock_timekeeper *tk,
					      const struct paraclock_env *env,
					      const struct paraclock *clk,
					      struct paraclock_follow *follow);

#ifdef __cplusplus
}
#endif

#endif
