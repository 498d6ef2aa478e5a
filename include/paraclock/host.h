/* SPDX-License-Identifier: MIT */
/**
 * @file host.h
 * The host's side: timelines, and the pages that guests read them from.
 *
 * For VMMs, nested hypervisors and tests. A timeline says what a clock shows at
 * which counter value. A writer puts it onto a guest's page, in the format and
 * by the protocol of that page. The backends kvmclock, hyperv and vmclock read
 * what is written here, and so do the guests' kernels.
 *
 * @par Errors of writers
 * Every function that writes a page:
 *
 * @retval -EINVAL NULL, a page that is not aligned, an env that is too small, a
 *         malformed timeline or one that this page cannot express; or the
 *         writer is that of another kind of page.
 * @retval -ENODEV The env is NULL and this build has no env of its own.
 * @retval -EPERM This process is not the writer. Acquire the page.
 * @retval -EBUSY Another thread is writing the page, or this signal handler
 *         interrupted a write of it. Nothing was changed.
 *
 * and every function that writes a timeline onto a page also:
 *
 * @retval -ERANGE The timeline's rate or time does not fit on the page.
 * @retval -ESTALE The timeline's t_end is over, or its t_start still to come;
 *         or, with MONOTONIC, the timeline is behind the page, or the page
 *         holds no time that fits. The page is unchanged. Make a newer
 *         timeline, or omit MONOTONIC for one update.
 */
#ifndef PARACLOCK_HOST_H
#define PARACLOCK_HOST_H

#include <paraclock/clock.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup host
 * @{ */

/** How reliable a timeline is. The numbers are vmclock's. */
enum paraclock_status {
	/** Nothing is known; the page may still show disruptions. */
	PARACLOCK_STATUS_UNKNOWN = 0,
	/** It is being set up. */
	PARACLOCK_STATUS_INITIALIZING = 1,
	/** The clock is disciplined. */
	PARACLOCK_STATUS_SYNCHRONIZED = 2,
	/** It was right once; its error grows as the error terms say. */
	PARACLOCK_STATUS_FREERUNNING = 3,
	/** Not usable now: frozen, or faulty. */
	PARACLOCK_STATUS_UNRELIABLE = 4,
};

/**
 * timeline.flags: readers of the page shall never see time step back from what
 * they saw before this update. The writer ensures that, or refuses with
 * -ESTALE. On UTC a leap second is not counted as a step.
 *
 * The old and the new timeline are compared at one value of the counter. A
 * disruption of the counter defeats that: if it jumped ahead, a right timeline
 * is refused; if it was turned back, a timeline behind what readers saw is
 * accepted. Omit MONOTONIC for that one update, and ensure by other means that
 * time does not step back. A relay compares with what its readers have seen,
 * waits until that is past, writes once without this flag and then with it.
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
/** timeline.flags: @c generation is meaningful. */
#define PARACLOCK_TIMELINE_GENERATION 0x80U
/** timeline.flags: the guest is notified of every update. */
#define PARACLOCK_TIMELINE_NOTIFIES 0x100U
/** timeline.flags: a disruption is expected within about a day. */
#define PARACLOCK_TIMELINE_DISRUPTION_SOON 0x200U
/** timeline.flags: a disruption is expected within about an hour. */
#define PARACLOCK_TIMELINE_DISRUPTION_IMMINENT 0x400U
/**
 * timeline.flags: it repeats this kernel's own clock. Samples of a timekeeper,
 * and on this machine those of a vmclock page, then have
 * PARACLOCK_FLAG_OWN_KERNEL. A vmclock page says it by flag 63, and by the id
 * of this boot in the 16 bytes at 0x80.
 */
#define PARACLOCK_TIMELINE_OWN_KERNEL 0x800U
/** timeline.flags: @c marker and @c generation count inferred disruptions, not
 * known ones: their reader must not promise more than HEURISTIC. */
#define PARACLOCK_TIMELINE_INFERRED 0x1000U

/**
 * What a clock shows at a counter value: an affine function and its window.
 *
 *     time = base +
 *            (counter - base_tsc) * period_frac / 2^(64 + period_shift) s
 *
 * Precise enough for every page and for passing it on: moving the reference
 * point loses less than 2^-64 s.
 */
struct paraclock_timeline {
	/** sizeof(struct paraclock_timeline). */
	size_t size;
	/** Counter at the reference point, ticks. */
	uint64_t base_tsc;
	/** Time at the reference point, s since the start of @c timescale. */
	uint64_t base_sec;
	/** Its fraction, 2^-64 s. */
	uint64_t base_frac;
	/** Length of a tick, in 2^-(64 + period_shift) s. */
	uint64_t period_frac;
	/** First counter value for which it may be used, ticks. */
	uint64_t t_start;
	/** Last counter value for which it may be used, ticks; 0: no end. */
	uint64_t t_end;
	/** The clock is within this of its timescale at base_tsc, ns. */
	uint64_t maxerror_ns;
	/** Estimated error of the clock at base_tsc, ns. */
	uint64_t esterror_ns;
	/** Growth of maxerror_ns, 2^-(64 + period_shift) s per tick. */
	uint64_t maxerror_rate_frac;
	/** Growth of esterror_ns, 2^-(64 + period_shift) s per tick. */
	uint64_t esterror_rate_frac;
	/** The marker. After every disruption of the counter it gets a value
	 * that it never had before; otherwise it stays the same. */
	uint64_t marker;
	/** Changes after every restore or clone. */
	uint64_t generation;
	/** PARACLOCK_TIMELINE_x. */
	uint32_t flags;
	/** TAI - UTC at base_tsc, s: 37 since 2017. */
	int16_t tai_offset_sec;
	/** See @c period_frac; 0 to 63. */
	uint8_t period_shift;
	/** enum paraclock_timescale. */
	uint8_t timescale;
	/** enum paraclock_counter: the guest's counter that it is based on. */
	uint8_t counter;
	/** enum paraclock_status. With any but SYNCHRONIZED and FREERUNNING the
	 * timeline has no time, and base and period are ignored. */
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
 * The rate that they give is within 2^-64 (5.4e-11 ppb) of the frequency.
 *
 * @param[in,out] tl The caller sets its @c size; only the two members are
 *        written.
 * @param hz The frequency in 2^-frac_bits Hz; not 0.
 * @param frac_bits 0 to 63; 0: @p hz is in Hz.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, a size that is too small, a frequency of 0, or too many
 *         bits.
 * @retval -ERANGE A tick would be a second or longer, or shorter than 2^-64 s.
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
 * Ignores leap seconds and the status.
 *
 * @param tl The timeline.
 * @param counter Ticks; may be before base_tsc.
 * @param[out] ret_ns ns since the start of its timescale.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, or a malformed timeline.
 * @retval -ESTALE @p counter is outside of [t_start, t_end]. Get a newer one.
 * @retval -ERANGE Before the start of the timescale, or beyond 2^63 ns.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_timeline_ns(const struct paraclock_timeline *tl,
					uint64_t counter, int64_t *ret_ns);

/**
 * Move the reference point along the timeline.
 *
 * The timeline says the same as before, rounded down to 2^-64 s. Error terms
 * move with it; leap and tai_offset_sec do not, so do not move it across the
 * end of a month.
 *
 * @param[in,out] tl The timeline; unchanged on failure.
 * @param counter The new base_tsc.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL, or a malformed timeline.
 * @retval -ERANGE The time there is before the start of the timescale or beyond
 *         2^63 ns; or @p counter is before base_tsc and there are error terms.
 *
 * Threads: any thread, one object each; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_timeline_rebase(struct paraclock_timeline *tl,
					    uint64_t counter);

/**
 * The writer of a page, and what was written last. Zero it before first use;
 * the contents are the library's.
 *
 * One for each page, for as long as the page lives. If several processes may
 * write a page in turn, put it into memory that they share, never where the
 * guest can write. After a migration or a reboot begin with a zeroed one: the
 * library then reads from the page itself what it says.
 */
struct paraclock_page_writer {
	/** The library's own. */
	uint64_t opaque[64];
};

/**
 * Become the writer of a page.
 *
 * One process at a time is the writer. If it has died, the next write repairs
 * its half-written update; one that is preempted, stopped or slow stays the
 * writer. It is identified by its process id, its start time, its PID and time
 * namespace and this boot; each write compares all of them. It counts as dead
 * only if the kernel says so: this namespace has no such process, or the
 * process that has its id now started at another time. If that cannot be known
 * (another namespace, hidepid, no /proc, ring 0), it counts as alive; a caller
 * that knows it is gone zeroes the struct. After exec(), zero the struct.
 *
 * @param writer The page's writer.
 * @param env The outside world, NULL: this machine's.
 *
 * @retval 0 This process is the writer, until it releases the page or dies.
 * @retval -EINVAL NULL @p writer, or an env that is too small.
 * @retval -EBUSY Another process is or may be the writer, or this one already
 *         is.
 * @retval -EACCES The counter is forbidden to this thread (PR_SET_TSC).
 * @retval -ENODEV @p env is NULL and this build has no env of its own.
 * @retval -ENOMEM No memory or file descriptor left to identify this process.
 *         Try again.
 * @retval -EOPNOTSUPP This process has an id of 2^24 or more, or cannot be
 *         identified.
 * @return Any other error that the env returned.
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
 * Release a page. Its contents stay.
 *
 * @param writer The page's writer.
 * @param env The outside world, NULL: this machine's.
 *
 * @retval 0 The page has no writer now.
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
 * The page holds base, rate and STABLE; the rest of the timeline is dropped. No
 * counter value may lie before the base of the page, because guests' kernels
 * read one as 2^64 ticks after it. Before t_start the write is therefore
 * refused, and a base_tsc that is still to come is moved to the time of the
 * write.
 *
 * A reading is less than 3 ns below the timeline and never above, apart from
 * the error of the rate: the multiplier of 32 bits is within 0.233 ppb of the
 * rate. That error accumulates from base_tsc or, if that is more than 2 s ago,
 * from the write.
 *
 * With MONOTONIC the multiplier is rounded down (0.466 ppb). If readers may
 * have seen a later time than the timeline says (by rounding, or because the
 * rate changed during the write), the page continues from there, up to 0.7 ppb
 * slower. It is then ahead by at most 3 ns. An update that needs more is
 * refused; the writer was then preempted, or the rate changes a great deal and
 * very often. A timeline that is itself more than 3 ns behind the last one is
 * refused. The first one with MONOTONIC may be refused too, because a page that
 * was written without it may run ahead: write once more without it.
 *
 * @param page 32 bytes of memory, 8-byte aligned. Its GUEST_STOPPED bit belongs
 *        to the guest and stays.
 * @param writer The page's writer; acquired by this process.
 * @param env The outside world, NULL: this machine's. Its counter is the one
 *        that the guest reads: if this machine's differs, pass an env that
 *        converts.
 * @param tl The timeline: MONOTONIC, X86_TSC, SYNCHRONIZED or FREERUNNING.
 *
 * @retval 0 It is on the page.
 * @return One of the errors of writers, which are listed at the top.
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
 * The page has no reference point, so it cannot express t_start: a write before
 * t_start is refused.
 *
 * The page's offset counts 100 ns: a reading is within 51 ns of the timeline at
 * the base. The rate is exact (within 2^-65 units of 100 ns per tick).
 *
 * With MONOTONIC the page may be 101 ns ahead; but 401 ns if the guest's
 * counter has run for less than 15 minutes, 301 ns if for less than 22, and
 * 201 ns if for less than 29. An update that needs more is refused. The page
 * then runs up to 0.466 ppb slower. If the counter has run for less than 8
 * minutes, a rate that changes often may slow the page by 100 ns in the time
 * that the counter has run: by 10 ppb after 10 s. A timeline that is itself
 * more than 100 ns behind the last one is refused; one that is more than 50 ns
 * behind may be.
 *
 * @param page 32 bytes of memory, 8-byte aligned.
 * @param writer The page's writer; acquired by this process.
 * @param env The outside world, NULL: this machine's. Its counter is the one
 *        that the guest reads.
 * @param tl The timeline: MONOTONIC, X86_TSC, SYNCHRONIZED or FREERUNNING.
 *
 * @retval 0 It is on the page.
 * @return One of the errors of writers, which are listed at the top.
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
 * For a freeze. Readers say SEQUENCE: no time is valid, and no reader hangs. (A
 * pvclock page has no such state: keep its guest's CPUs paused.)
 *
 * @param page 32 bytes of memory, 8-byte aligned.
 * @param writer The page's writer; acquired by this process.
 * @param env The outside world, NULL: this machine's.
 *
 * @retval 0 The page is off.
 * @return One of the errors of writers, which are listed at the top: -EINVAL,
 * -ENODEV, -EPERM or -EBUSY.
 *
 * Threads: any thread, any object; async-signal-safe if the env is.
 * Source: Hyper-V TLFS, "Timers", partition reference TSC mechanism.
 * @since 0.1
 */
PARACLOCK_API int paraclock_hyperv_freeze(void *page,
					  struct paraclock_page_writer *writer,
					  const struct paraclock_env *env);

/** Size of a vmclock page, bytes; its size field says the same. */
#define PARACLOCK_VMCLOCK_PAGE_SIZE 4096

/**
 * Write a timeline onto a vmclock page.
 *
 * The page holds a timeline exactly, except t_end. Its reference point is moved
 * to t_start if that is later, so t_start must be in the UTC month of base_tsc.
 * The first write makes a zeroed page a vmclock, with the timescale and the
 * counter of that timeline: these never change again. Before t_start, and
 * before base_tsc, the write is refused: to Linux's driver a counter before
 * base_tsc is 2^64 ticks after it. A timeline without a time leaves the time on
 * the page unchanged, unless its marker is another one: then the page has no
 * time until the next write, and that may be any. The status, the markers and
 * the other members change. If its error does not grow, readers trust a page
 * for an hour from base_tsc on: rebase and write more often than that.
 *
 * While the disruption marker is unchanged, a time outside of the error bound
 * that the page gave before is refused. With MONOTONIC, the page may be ahead
 * by at most 1 ns; an update that needs more is refused. The page then runs
 * 0.233 ppb slower, and its error bound includes that. The slower rate counts
 * from the reference point, so the time there is later by what it takes away up
 * to the write: by 838 ns in an hour. If that would put the reference point
 * into the next UTC month, the update is refused. A timeline that is itself
 * more than 1 ns behind the last one is refused.
 *
 * @param page PARACLOCK_VMCLOCK_PAGE_SIZE bytes of memory, 8-byte aligned;
 *        zeroed before its first use.
 * @param writer The page's writer; acquired by this process.
 * @param env The outside world, NULL: this machine's. Its counter is the one
 *        that the guest reads.
 * @param tl UTC, TAI or MONOTONIC; any counter and status, but a time needs a
 *        counter.
 *
 * @retval 0 It is on the page.
 * @retval -EPROTO The page is not zeroed, and not a vmclock of version 1 with
 *         all fields. Zero it.
 * @retval -EINVAL Also: another timescale or counter than the page's, an
 *         unknown leap second state of UTC or TAI, or a TAI offset that is not
 *         within 10 s to 100 s.
 * @retval -ESTALE Also: a time outside of the bound.
 * @return Else one of the errors of writers, which are listed at the top.
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
 * Readers say STATUS: no time is valid, and no reader hangs.
 *
 * @param page PARACLOCK_VMCLOCK_PAGE_SIZE bytes of memory, 8-byte aligned.
 * @param writer The page's writer; acquired by this process.
 * @param env The outside world, NULL: this machine's.
 *
 * @retval 0 The page is frozen.
 * @retval -EPROTO The page is not a vmclock of version 1 with all fields, or
 *         nothing was written to it yet.
 * @return Else one of the errors of writers, which are listed at the top:
 * -EINVAL, -ENODEV, -EPERM or -EBUSY.
 *
 * Threads: any thread, any object; async-signal-safe if the env is.
 * Source: Linux include/uapi/linux/vmclock-abi.h.
 * @since 0.1
 */
PARACLOCK_API int paraclock_vmclock_freeze(void *page,
					   struct paraclock_page_writer *writer,
					   const struct paraclock_env *env);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
