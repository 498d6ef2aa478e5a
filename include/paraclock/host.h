/* SPDX-License-Identifier: MIT */
/**
 * @file host.h
 * The host's side: timelines, and the pages that guests read them from.
 *
 * For VMMs, nested hypervisors and tests. A timeline says what a clock shows
 * at which counter value; a writer puts it onto a guest's page, in that page's
 * own words and by that page's own protocol. What is written here, the
 * backends kvmclock, hyperv and vmclock read, and so do the guests' kernels.
 */
#ifndef PARACLOCK_HOST_H
#define PARACLOCK_HOST_H

#include <paraclock/clock.h>

#ifdef __cplusplus
extern "C" {
#endif

/** How far a timeline may be relied on. The numbers are vmclock's. */
enum paraclock_status {
	/** Nothing is known; the page may still show disruptions. */
	PARACLOCK_STATUS_UNKNOWN = 0,
	/** Not yet. */
	PARACLOCK_STATUS_INITIALIZING = 1,
	/** The clock is kept right. */
	PARACLOCK_STATUS_SYNCHRONIZED = 2,
	/** It was right once; its error grows as the error terms say. */
	PARACLOCK_STATUS_FREERUNNING = 3,
	/** Not to be used now: frozen, or out of order. */
	PARACLOCK_STATUS_UNRELIABLE = 4,
};

/**
 * timeline.flags: readers of the page shall never see time step back, from
 * what they saw before this update on. The writer keeps that, or refuses with
 * -ESTALE. On UTC a leap second is not counted as a step.
 *
 * Old and new are compared at one value of the counter. After a disruption of
 * the counter that says nothing: if it jumped ahead, a right timeline is
 * refused; if it was turned back, one that is behind what readers saw is taken.
 * Let the promise go for that one update, and see to it by other means that
 * time does not step back. A relay compares with what its readers have seen,
 * waits for that, writes once without this flag and then with it.
 */
#define PARACLOCK_TIMELINE_MONOTONIC 0x1U
/** timeline.flags: the counters of all the guest's CPUs agree. */
#define PARACLOCK_TIMELINE_STABLE 0x2U
/** timeline.flags: tai_offset_sec is known. */
#define PARACLOCK_TIMELINE_TAI_OFFSET 0x4U
/** timeline.flags: maxerror_ns is a bound. */
#define PARACLOCK_TIMELINE_MAXERROR 0x8U
/** timeline.flags: maxerror_rate_frac is a bound. */
#define PARACLOCK_TIMELINE_MAXERROR_RATE 0x10U
/** timeline.flags: esterror_ns is an estimate. */
#define PARACLOCK_TIMELINE_ESTERROR 0x20U
/** timeline.flags: esterror_rate_frac is an estimate. */
#define PARACLOCK_TIMELINE_ESTERROR_RATE 0x40U
/** timeline.flags: @c generation is kept. */
#define PARACLOCK_TIMELINE_GENERATION 0x80U
/** timeline.flags: the guest is notified of every update. */
#define PARACLOCK_TIMELINE_NOTIFIES 0x100U
/** timeline.flags: a disruption is expected within about a day. */
#define PARACLOCK_TIMELINE_DISRUPTION_SOON 0x200U
/** timeline.flags: a disruption is expected within about an hour. */
#define PARACLOCK_TIMELINE_DISRUPTION_IMMINENT 0x400U
/** timeline.flags: @c marker and @c generation count what was inferred, and
 * not what somebody knows: who reads them may not promise more than HEURISTIC.
 */
#define PARACLOCK_TIMELINE_INFERRED 0x1000U

/**
 * What a clock shows at a counter value: an affine map, and where it holds.
 *
 *   time = base + (counter - base_tsc) * period_frac / 2^(64 + period_shift) s
 *
 * Exact enough for every page, and for being handed on: a step along it loses
 * less than 2^-64 s.
 */
struct paraclock_timeline {
	/** sizeof(struct paraclock_timeline). */
	size_t size;
	/** Counter at the reference point, ticks. */
	uint64_t base_tsc;
	/** Time at the reference point, s since the epoch of @c timescale. */
	uint64_t base_sec;
	/** The same, fraction, 2^-64 s. */
	uint64_t base_frac;
	/** A tick, in 2^-(64 + period_shift) s. */
	uint64_t period_frac;
	/** First counter value for which it may be used, ticks. */
	uint64_t t_start;
	/** Last one, ticks; 0: no end is known. */
	uint64_t t_end;
	/** The clock is within this of its timescale at base_tsc, ns. */
	uint64_t maxerror_ns;
	/** As maxerror_ns, but an estimate, ns. */
	uint64_t esterror_ns;
	/** Growth of maxerror_ns, 2^-(64 + period_shift) s per tick. */
	uint64_t maxerror_rate_frac;
	/** Growth of esterror_ns, 2^-(64 + period_shift) s per tick. */
	uint64_t esterror_rate_frac;
	/** Marker: another value after every disruption of the counter, one
	 * that was never used; the same otherwise. */
	uint64_t marker;
	/** Another value after every restore or clone. */
	uint64_t generation;
	/** PARACLOCK_TIMELINE_x. */
	uint32_t flags;
	/** TAI - UTC at base_tsc, s: 37 since 2017. */
	int16_t tai_offset_sec;
	/** 0 to 63. */
	uint8_t period_shift;
	/** enum paraclock_timescale. */
	uint8_t timescale;
	/** enum paraclock_counter: what it counts with, in the guest. */
	uint8_t counter;
	/** enum paraclock_status. Without SYNCHRONIZED or FREERUNNING there is
	 * no time, and neither base nor period is looked at. */
	uint8_t status;
	/** enum paraclock_leap, at base_tsc. */
	uint8_t leap;
	/** enum paraclock_smear: how the host would smear a leap second. The
	 * time here is never smeared. */
	uint8_t smear;
	/** Zero. */
	uint8_t reserved[12];
};

/**
 * Set the rate from a frequency: the best period_frac and period_shift.
 *
 * They are within 2^-64 (5.4e-11 ppb) of it.
 *
 * @param[in,out] tl Its @c size is set; only the two members are written.
 * @param hz The frequency in 2^-frac_bits Hz; not 0.
 * @param frac_bits 0 to 63; 0: @p hz is in Hz.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, a size that is too small, 0, or too many bits.
 * @retval -ERANGE A tick would be a second or longer, or below 2^-64 s.
 *
 * Threads: any thread, one object each; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_timeline_set_hz(struct paraclock_timeline *tl,
					    uint64_t hz,
					    unsigned int frac_bits);

/**
 * The time at a counter value, rounded down to a ns.
 *
 * Leap seconds are not applied, and the status is not looked at.
 *
 * @param tl The timeline.
 * @param counter Ticks; also before base_tsc.
 * @param[out] ret_ns ns since the epoch of its timescale.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, or a malformed timeline.
 * @retval -ESTALE @p counter is outside of [t_start, t_end]. Get a newer one.
 * @retval -ERANGE Before the epoch, or beyond 2^63 ns.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_timeline_ns(const struct paraclock_timeline *tl,
					uint64_t counter, int64_t *ret_ns);

/**
 * Move the reference point along the timeline.
 *
 * Says the same as before, rounded down to 2^-64 s. Error terms move with it;
 * leap and tai_offset_sec do not: not across the end of a month.
 *
 * @param[in,out] tl The timeline; unchanged on failure.
 * @param counter The new base_tsc.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, or a malformed timeline.
 * @retval -ERANGE There it would be before the epoch or beyond 2^63 ns; or
 *         error terms are moved back.
 *
 * Threads: any thread, one object each; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_timeline_rebase(struct paraclock_timeline *tl,
					    uint64_t counter);

/**
 * Who writes a page, and what was written last. Zeroed before first use; the
 * rest is the library's.
 *
 * One for each page, for as long as the page lives. Where several processes
 * may write a page in turn, it belongs into the memory that they share, never
 * where the guest can write. Memory of another machine's (after a migration) or
 * of before a reboot begins with a zeroed one: what the page says is taken from
 * the page.
 */
struct paraclock_page_writer {
	/** The library's own. */
	uint64_t opaque[64];
};

/**
 * Become the writer of a page.
 *
 * There is one at a time: a process. If the one before has died, its half
 * written update is repaired by the next write; that it merely was preempted,
 * stopped or is slow is no reason. It is known by its process id, its start
 * time, its PID and time namespace and this boot, and all of them are compared
 * by each write, too. It is taken for dead only if the kernel says so (there is
 * no such process in this namespace, or the one that has its id now started at
 * another time). A process of which that cannot be known (another namespace,
 * hidepid, no /proc, ring 0) counts as alive; a caller that knows it is gone
 * zeroes the struct. After exec(), zero the struct, too.
 *
 * @param writer The page's.
 * @param env The outside world, NULL: this machine's.
 *
 * @retval 0 This process is the writer, until it gives the page back or dies.
 * @retval -EINVAL NULL @p writer, or an env that is too small.
 * @retval -EBUSY Another process is, or may be; or this one is already.
 * @retval -EACCES The counter is forbidden to this thread (PR_SET_TSC).
 * @retval -ENODEV @p env is NULL and this build has no env of its own.
 * @retval -ENOMEM No memory, or no file descriptor left, to know who this
 *         process is. Try again.
 * @retval -EOPNOTSUPP A process id of 2^24 or more; or it cannot be known who
 *         this process is.
 *
 * Threads: any thread, any object. Not async-signal-safe.
 * Source: Linux Documentation/filesystems/proc.rst, /proc/PID/stat; kill(2),
 * ESRCH.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_page_writer_acquire(struct paraclock_page_writer *writer,
			      const struct paraclock_env *env);

/**
 * Give a page back. What is on it stays.
 *
 * @param writer The page's.
 * @param env The outside world, NULL: this machine's.
 *
 * @retval 0 Nobody writes it now.
 * @retval -EINVAL NULL @p writer, or an env that is too small.
 * @retval -ENODEV @p env is NULL and this build has no env of its own.
 * @retval -EPERM This process was not the writer.
 * @retval -EBUSY Another thread is writing it.
 *
 * Threads: any thread, any object. Async-signal-safe if the env is.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_page_writer_release(struct paraclock_page_writer *writer,
			      const struct paraclock_env *env);

/**
 * Write a timeline onto a pvclock page, which kvmclock reads.
 *
 * On the page are base, rate and STABLE; the rest is dropped. There must be no
 * counter value before the base of the page: guests' kernels take one for 2^64
 * ticks after it. So before t_start it is refused, and a base_tsc that is still
 * to come is moved to the write.
 *
 * A reading is less than 3 ns below the timeline and never above, apart from
 * the rate: the multiplier of 32 bits is within 0.233 ppb of it. What that adds
 * up to counts from base_tsc or, if that is more than 2 s ago, from the write.
 *
 * With MONOTONIC the multiplier is rounded down (0.466 ppb), and where readers
 * may have seen more than the timeline says (by rounding, or because the rate
 * changed while it was written) the page goes on from that, up to 0.7 ppb
 * slower. It is then ahead by 3 ns or less: what would take more is refused, if
 * the writer was preempted or the rate changes a great deal and very often. A
 * timeline that is itself more than 3 ns behind the last one is refused. So may
 * be the first one with MONOTONIC, as a page that was written without may run
 * ahead: then write once more without.
 *
 * @param page 32 bytes of memory, 8-byte aligned. Its GUEST_STOPPED bit is the
 *        guest's and stays.
 * @param writer The page's; taken by this process.
 * @param env The outside world, NULL: this machine's. Its counter is the one
 *        that the guest reads: give an env that converts, if this machine's is
 *        another one.
 * @param tl The timeline: MONOTONIC, X86_TSC, SYNCHRONIZED or FREERUNNING.
 *
 * @retval 0 It is on the page.
 * @retval -EINVAL NULL, a page that is not aligned, an env that is too small, a
 *         malformed timeline, one that this page cannot say; or @p writer is
 *         that of another kind of page.
 * @retval -ENODEV @p env is NULL and this build has no env of its own.
 * @retval -EPERM This process is not the writer. Take it.
 * @retval -EBUSY Another thread is writing, or what this signal handler
 *         interrupted. Nothing was changed.
 * @retval -ERANGE Its rate or its time does not fit on the page.
 * @retval -ESTALE Its t_end is over, or its t_start to come; or MONOTONIC, and
 *         it is behind what is on the page, or what is there says no time that
 *         fits. The page says what it said. Make a newer one, or let the
 *         promise go for one update.
 *
 * Threads: any thread, any object; async-signal-safe if the env is.
 * Source: Linux Documentation/virt/kvm/x86/msr.rst, MSR 0x4b564d01.
 * @since 0.1
 */
PARACLOCK_API int paraclock_pvclock_write(void *page,
					  struct paraclock_page_writer *writer,
					  const struct paraclock_env *env,
					  const struct paraclock_timeline *tl);

/**
 * Write a timeline onto a Hyper-V reference TSC page.
 *
 * As paraclock_pvclock_write(). The page has no reference point, so what is
 * before t_start cannot be told: until then it is refused, too.
 *
 * Its offset counts 100 ns: a reading is within 51 ns of the timeline at the
 * base; the rate is exact (within 2^-65 units of 100 ns per tick).
 *
 * With MONOTONIC the page may be 101 ns ahead, 401 ns if the guest's counter
 * has run for less than 15 minutes, 301 ns until 22 and 201 ns until 29; what
 * would take more is refused. It then runs up to 0.466 ppb slower. A counter
 * that has run for less than 8 minutes, and a rate that changes often, may cost
 * 100 ns per time that the counter has run. A timeline that is itself more than
 * 100 ns behind the last one is refused, and one more than 50 ns behind may be.
 *
 * @param page 32 bytes of memory, 8-byte aligned.
 * @param writer As there.
 * @param env As there.
 * @param tl As there.
 * @return As there.
 *
 * Threads: any thread, any object; async-signal-safe if the env is.
 * Source: Hyper-V TLFS, "Timers", partition reference TSC mechanism.
 * @since 0.1
 */
PARACLOCK_API int paraclock_hyperv_write(void *page,
					 struct paraclock_page_writer *writer,
					 const struct paraclock_env *env,
					 const struct paraclock_timeline *tl);

/**
 * Switch a Hyper-V page off: its sequence becomes 0, until the next write.
 *
 * For a freeze. Readers say SEQUENCE: no time is valid, and nobody hangs. (A
 * pvclock page has no such state: keep its guest's CPUs paused.)
 *
 * @param page As paraclock_hyperv_write().
 * @param writer As there.
 * @param env As there.
 * @return As there, without -ERANGE and -ESTALE.
 *
 * Threads: any thread, any object; async-signal-safe if the env is.
 * Source: Hyper-V TLFS, "Timers", partition reference TSC mechanism.
 * @since 0.1
 */
PARACLOCK_API int paraclock_hyperv_freeze(void *page,
					  struct paraclock_page_writer *writer,
					  const struct paraclock_env *env);

/** Bytes of a vmclock page, all of which it says it has. */
#define PARACLOCK_VMCLOCK_PAGE_SIZE 4096

/**
 * Write a timeline onto a vmclock page.
 *
 * As paraclock_pvclock_write(). Everything that a timeline says is on the page
 * but t_end, and exact; so t_start must be in the UTC month of base_tsc. A
 * zeroed page is made one, with the timescale and the counter of the first
 * timeline: they are constant ever after. A base_tsc that is still to come is
 * refused, as a t_start: to Linux's driver a counter before it is one of 2^64
 * ticks after it. A timeline that has no time leaves the time on the page as it
 * was; only status, markers and what is beside the time change. Readers believe
 * a page whose error does not grow for an hour from base_tsc on: rebase and
 * write more often than that.
 *
 * While the disruption marker stays, a time outside of the error bound that
 * the page gave before is refused. With MONOTONIC, the page may be ahead as
 * there, by 1 ns or less, and what would take more is refused; it then runs
 * 0.233 ppb slower, and its error bound says so. A timeline that is itself more
 * than 1 ns behind the last one is refused.
 *
 * @param page PARACLOCK_VMCLOCK_PAGE_SIZE bytes of memory, 8-byte aligned;
 *        zeroed before its first use.
 * @param writer As there.
 * @param env As there.
 * @param tl UTC, TAI or MONOTONIC; any counter and status, but a time needs a
 *        counter.
 * @return As there; -EINVAL also for another timescale or counter than the
 *         page has, an unknown leap second state of UTC or TAI, and a TAI
 *         offset that is not the positive one of today; -ESTALE also for a
 *         time outside of the bound; and
 * @retval -EPROTO What is on the page is no vmclock of version 1 with all
 *         fields. Zero it.
 *
 * Threads: any thread, any object; async-signal-safe if the env is.
 * Source: Linux include/uapi/linux/vmclock-abi.h.
 * @since 0.1
 */
PARACLOCK_API int paraclock_vmclock_write(void *page,
					  struct paraclock_page_writer *writer,
					  const struct paraclock_env *env,
					  const struct paraclock_timeline *tl);

/**
 * Freeze a vmclock page: its status becomes UNRELIABLE, until the next write.
 *
 * Readers say STATUS: no time is valid, and nobody hangs.
 *
 * @param page As paraclock_vmclock_write().
 * @param writer As there.
 * @param env As there.
 * @return As there, without -ERANGE and -ESTALE; -EPROTO also if nothing was
 *         written yet.
 *
 * Threads: any thread, any object; async-signal-safe if the env is.
 * Source: Linux include/uapi/linux/vmclock-abi.h.
 * @since 0.1
 */
PARACLOCK_API int paraclock_vmclock_freeze(void *page,
					   struct paraclock_page_writer *writer,
					   const struct paraclock_env *env);

#ifdef __cplusplus
}
#endif

#endif
