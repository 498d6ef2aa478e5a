/* SPDX-License-Identifier: MIT */
/**
 * @file clock.h
 * Open a host clock, read it, and ask why it cannot be trusted.
 *
 * A function that can fail returns 0 or a negative errno value, unless it says
 * otherwise; all leave errno alone.
 * Every output (ret_x) is written only on success. Unless a function says
 * otherwise, a NULL argument is -EINVAL.
 */
#ifndef PARACLOCK_CLOCK_H
#define PARACLOCK_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Marks what the shared library exports. */
#define PARACLOCK_API __attribute__((visibility("default")))

/** An open host clock; opaque. */
struct paraclock;
/** What the library takes from the outside world; see backend.h. */
struct paraclock_env;
/** One kind of source; see backend.h. */
struct paraclock_backend;

/** The scale that a time is counted on. */
enum paraclock_timescale {
	PARACLOCK_TIMESCALE_UNKNOWN = 0,
	/** Since an unspecified start; comparable only with itself. */
	PARACLOCK_TIMESCALE_MONOTONIC = 1,
	/** UTC since 1970-01-01, POSIX count: leap seconds take no number. */
	PARACLOCK_TIMESCALE_UTC = 2,
	/** TAI since 1970-01-01 TAI. */
	PARACLOCK_TIMESCALE_TAI = 3,
	/** UTC, but whoever keeps it may smear leap seconds over hours. */
	PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED = 4,
};

/** A CPU counter. */
enum paraclock_counter {
	PARACLOCK_COUNTER_NONE = 0,
	/** x86 time-stamp counter, as RDTSC gives it here. */
	PARACLOCK_COUNTER_X86_TSC = 1,
	/** arm64 virtual counter, CNTVCT_EL0. */
	PARACLOCK_COUNTER_ARM_VCNT = 2,
	/** From here to 254: counters of the caller's, for couplings. */
	PARACLOCK_COUNTER_USER = 128,
	/**
	 * In an env only: whatever counter a page declares is this env's. For
	 * decoding the pages of other machines; never in a sample.
	 */
	PARACLOCK_COUNTER_ANY = 255,
};

/**
 * Why a sample is not valid. The first that applies, in the order
 * SEQUENCE, STATUS, COUNTER, HOST_CLOCK, UNSTABLE, DISRUPTED, WINDOW, WIDE,
 * IMPLAUSIBLE.
 */
enum paraclock_reason {
	PARACLOCK_REASON_OK = 0,
	/** The host gave a time, but no counter value with it. */
	PARACLOCK_REASON_HOST_CLOCK = 1,
	/** The counters of the CPUs are not known to agree. */
	PARACLOCK_REASON_UNSTABLE = 2,
	/** The host has switched the page off (its sequence says so). */
	PARACLOCK_REASON_SEQUENCE = 3,
	/** The host does not vouch for the time on the page. */
	PARACLOCK_REASON_STATUS = 4,
	/** The page counts with a counter that is not this machine's. */
	PARACLOCK_REASON_COUNTER = 5,
	/**
	 * The counter is outside of the page's window or from before the last
	 * disruption, the page too old, or a leap second ambiguous.
	 */
	PARACLOCK_REASON_WINDOW = 6,
	/** The pair is wider than the caller's max_pair_error_ns. */
	PARACLOCK_REASON_WIDE = 7,
	/** A disruption is being taken in; the page may be the old one. */
	PARACLOCK_REASON_DISRUPTED = 8,
	/** A second clock contradicts this one. */
	PARACLOCK_REASON_IMPLAUSIBLE = 9,
};

/**
 * What equality of two epochs (sample.epoch) promises: the weakest of what
 * stands behind it. None promises that this machine was not paused: a host may
 * stop it and let it go on and show nothing; see paraclock-disruption(7).
 */
enum paraclock_marker_class {
	/** Nothing: no source of markers is open. */
	PARACLOCK_MARKER_NONE = 0,
	/** No disruption was seen in the page's parameters; some leave none. */
	PARACLOCK_MARKER_HEURISTIC = 1,
	/** The host's own marker is the same: nothing after which the host
	 * changes it, such as a migration, a restore or a clone. */
	PARACLOCK_MARKER_AUTHORITATIVE = 2,
};

/** Leap second state, for one instant. */
enum paraclock_leap {
	PARACLOCK_LEAP_NONE = 0,
	/** A positive leap second ends this UTC month. */
	PARACLOCK_LEAP_PRE_POS = 1,
	/** A negative leap second ends this UTC month. */
	PARACLOCK_LEAP_PRE_NEG = 2,
	/** Now inside the inserted second, 23:59:60. */
	PARACLOCK_LEAP_POS = 3,
	/** The last UTC month ended with a positive leap second; from the end
	 * of this month on, NONE. */
	PARACLOCK_LEAP_POST_POS = 4,
	/** As POST_POS, with a negative leap second. */
	PARACLOCK_LEAP_POST_NEG = 5,
	/** The source does not say. */
	PARACLOCK_LEAP_UNKNOWN = 255,
};

/** sample.flags: the source only repeats what this kernel's clock says. */
#define PARACLOCK_FLAG_OWN_KERNEL 0x1U
/** sample.flags: tai_offset_sec is meaningful. */
#define PARACLOCK_FLAG_TAI_OFFSET 0x2U
/** sample.flags: the host promises that its clock never steps back. */
#define PARACLOCK_FLAG_MONOTONIC 0x4U
/** sample.flags: whether the host still stands by this time cannot be seen: a
 * PTP clock whose driver hides its page's age and status. Such a source is
 * taken by name only. */
#define PARACLOCK_FLAG_UNVOUCHED 0x8U

/** No bound is known; in pair_error_ns and clock_error_ns. */
#define PARACLOCK_ERROR_UNKNOWN UINT64_MAX

/** One answer of a host clock. 64 bytes. */
struct paraclock_sample {
	/** Host clock, ns since the epoch of @c timescale. */
	int64_t host_ns;
	/** Value of @c counter that host_ns belongs to, ticks. */
	uint64_t host_tsc;
	/**
	 * host_ns is the host clock's reading at host_tsc to within this, ns;
	 * 0: captured atomically; PARACLOCK_ERROR_UNKNOWN if not valid,
	 * except with WIDE.
	 */
	uint64_t pair_error_ns;
	/**
	 * The host clock is within this of its timescale, ns: the host's own
	 * bound; PARACLOCK_ERROR_UNKNOWN: none known, or not valid.
	 */
	uint64_t clock_error_ns;
	/**
	 * Epoch of the handle, a count of the disruptions that it noticed:
	 * unequal in two samples of one handle, a disruption lies between them.
	 */
	uint64_t epoch;
	/** 1: fit for correlation; 0: not, and @c reason says why. */
	uint8_t valid;
	/** enum paraclock_reason. */
	uint8_t reason;
	/** enum paraclock_timescale. */
	uint8_t timescale;
	/** enum paraclock_counter. */
	uint8_t counter;
	/** enum paraclock_leap, for the sample's own instant. */
	uint8_t leap;
	/** enum paraclock_marker_class: what equality of epochs promises. */
	uint8_t marker_class;
	/** TAI - UTC at the sample's instant, s; see flag TAI_OFFSET. */
	int16_t tai_offset_sec;
	/** PARACLOCK_FLAG_x. */
	uint32_t flags;
	/** Zero. */
	uint8_t reserved[12];
};

/**
 * options.flags: the file at @c device never gets shorter while it is open, so
 * that it is mapped, and a read costs what one of a device does. If it is
 * truncated all the same, reads raise SIGBUS. A file that is sealed
 * (F_SEAL_SHRINK) needs no such word.
 */
#define PARACLOCK_DEVICE_FIXED_SIZE 0x1U

/** How to open a clock. Zero every member that is not used. */
struct paraclock_options {
	/**
	 * sizeof(struct paraclock_options). Smaller, of an older caller, it
	 * must end where a member does; larger, of a newer one, the bytes that
	 * this library does not know must be zero.
	 */
	size_t size;
	/** Name of a backend ("kvmclock", "vmclock", ...); NULL: the best. */
	const char *backend;
	/**
	 * Acceptable timescales, a mask of 1 << enum value; 0: any. Judged by
	 * the first read, which then must not fail.
	 */
	uint32_t timescales;
	/** A file descriptor of the caller's KVM VM, for kvm-host; 0: none. It
	 * stays the caller's, and must outlive the clock. */
	int vm_fd;
	/** The outside world; NULL: this machine's. Must outlive the clock. */
	const struct paraclock_env *env;
	/**
	 * Device node, or a regular file that holds a page image; NULL: where
	 * this machine has it. A file is mapped where it cannot shrink (it is
	 * sealed, or the caller says so: PARACLOCK_DEVICE_FIXED_SIZE), and else
	 * read by pread(2). Needs @c backend. A page there may be another
	 * machine's, so it is opened with no markers but its own. A PTP clock
	 * may be named by its device number, too: "MAJOR:MINOR".
	 */
	const char *device;
	/**
	 * A page whose reference point is older than this is not valid, ns;
	 * 0: the backend's own limit: for a vmclock with error terms until its
	 * bound passes 1 s, without them or if the bound does not grow an hour;
	 * for kvmclock none. The Hyper-V page has no reference point and
	 * therefore no age.
	 */
	uint64_t max_age_ns;
	/** A pair wider than this is not valid, ns; 0: 1000. */
	uint64_t max_pair_error_ns;
	/** On failure gets what failed, where, and what to do; or NULL. */
	char *detail;
	/** Bytes at @c detail; the text is cut to fit and ends with a NUL. */
	size_t detail_size;
	/** PARACLOCK_DEVICE_x; others are -EINVAL. */
	uint64_t flags;
};

/**
 * Open a host clock.
 *
 * Without a backend's name this takes the source of the highest quality whose
 * first read is valid and whose timescale is acceptable, never a LOCAL one.
 * With a name, it opens that one, valid or not. Every source of disruption
 * markers that is present is opened with it, unless a device is named.
 *
 * Not for real-time code: reads /proc and /sys, allocates, and (kvmclock) may
 * move the calling thread to CPU 0 for an instant; see
 * paraclock-kvmclock(7). Where it cannot, samples say marker_class HEURISTIC
 * at most, until the page is known to be newer than the open.
 *
 * @param[out] ret_clk The clock. Close it with paraclock_close().
 * @param opts Options, or NULL for the best source of this machine.
 *
 * @retval 0 Success.
 * @retval -EINVAL A bad option, or no such backend in this build. Mend it.
 * @retval -ENODEV The source is not here or gives another timescale, or with
 *         no name given none is here that is valid. options.detail says why
 *         and what to do.
 * @retval -EACCES It is here and may not be used, or the CPU counter is
 *         forbidden to this thread (PR_SET_TSC). detail names the remedy.
 * @retval -EPROTO What should be the page is none. The host's or the kernel's
 *         fault: report it there.
 * @retval -EOPNOTSUPP This env or backend cannot give time.
 * @retval -ENOMEM No memory, or no file descriptor left.
 * @return With a backend's name and timescales, also what the first read
 *         returned; without timescales that is for the next read to report.
 *
 * Threads: any thread. Not async-signal-safe.
 * Ownership: the caller owns *ret_clk; @p opts may go when this returns, but
 * not the env that it names.
 * @since 0.1
 */
PARACLOCK_API int paraclock_open(struct paraclock **ret_clk,
				 const struct paraclock_options *opts);

/**
 * Open a clock on a backend of the caller's own.
 *
 * As paraclock_open() with a backend's name.
 *
 * @param[out] ret_clk The clock.
 * @param be The backend; must outlive the clock.
 * @param opts Options, or NULL. Their @c backend must be NULL.
 * @return As paraclock_open(); -EOPNOTSUPP if @p be gives no time.
 *
 * Threads: any thread. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_open_backend(struct paraclock **ret_clk,
					 const struct paraclock_backend *be,
					 const struct paraclock_options *opts);

/**
 * Read the host clock now.
 *
 * Returns 0 also when the sample is not valid: look at sample.valid before
 * correlating with it. An error means that there is no answer at all.
 *
 * From a mapped page, in the steady state this is one ordered counter read: no
 * system call, no lock, no allocation, no store to shared memory. A page in a
 * file that is not mapped costs two calls of pread(2), tsc a
 * few clock readings, kvm-host an ioctl(2), and phc and kvm-pairing, under
 * Linux, up to some tens of system calls.
 * The counter is read after every load that the calling thread made before.
 *
 * When the host's page or marker has changed, one read takes that in (the
 * others say DISRUPTED for less than a microsecond, unless it is preempted);
 * it may call getpid(2), and kvmclock sched_getscheduler(2),
 * sched_getaffinity(2) and sched_setaffinity(2).
 *
 * It must be let return: left by longjmp(3) out of a signal handler, by a C++
 * exception or by asynchronous cancellation while it takes in a change, it
 * leaves that change to nobody, and the reads of this process stay DISRUPTED.
 * It is no cancellation point, so a deferred pthread_cancel(3) does no harm.
 *
 * After a fork() the child may go on reading the parent's clock, except
 * kvm-host, which is bound to the process that opened it.
 *
 * @param clk The clock.
 * @param[out] ret_sample The answer.
 *
 * @retval 0 There is an answer.
 * @retval -EAGAIN The page stayed mid-update for about 100 us, or kept
 *         changing; or (tsc) the counter ran backwards. Try again.
 * @retval -EPROTO The page, or that of a source of markers, is malformed;
 *         paraclock_explain() names the field.
 * @retval -ERANGE The result does not fit into 64 bits of ns.
 * @retval -EINVAL NULL argument; or a hypercall refused its argument.
 * @retval -ENODEV The source has gone. Close the clock.
 * @retval -EOPNOTSUPP The host gives no pair at all; paraclock_explain() says
 *         why.
 * @retval -EACCES The host refuses the hypercall: it is for ring 0 only.
 * @retval -ETIMEDOUT A device did not answer. Try again later.
 * @return Any other error of the env's; -EIO: the env returned a number that
 *         is no errno value. Mend the env.
 *
 * Threads: any thread, any object; async-signal-safe.
 * Source: design of the kernels' seqcount readers; the page's own protocol is
 * named in the backend's man page.
 * @since 0.1
 */
PARACLOCK_API int paraclock_read(const struct paraclock *clk,
				 struct paraclock_sample *ret_sample);

/**
 * What the host clock said at a counter value taken earlier.
 *
 * For traces and for decoding pages. A value from before the moment at which
 * the handle last noticed a disruption is not valid (WINDOW, with the page's
 * reference time): the page no longer knows it. On the Hyper-V page, which has
 * no reference point, neither is one from before the handle first saw what the
 * page says now.
 *
 * A restore may turn the counter back. A value from before it is then later
 * than now, and refused; but once the counter has passed it again, it cannot be
 * told from one taken since. Keep the token (paraclock_epoch()) with each value
 * and use the answer only if its @c epoch is the same.
 *
 * Must be let return, as paraclock_read().
 *
 * @param clk The clock.
 * @param counter The counter value, ticks.
 * @param[out] ret_sample The answer; its host_tsc is @p counter.
 *
 * @retval 0 There is an answer; look at its @c valid.
 * @retval -EINVAL @p counter is later than now, or a NULL argument. If it was
 *         taken from this counter, a restore has turned that back: drop it.
 * @retval -EOPNOTSUPP This source can only say what time it is now.
 * @retval -EAGAIN Another thread is taking in a change. Try again.
 * @return Else as paraclock_read().
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_read_at(const struct paraclock *clk,
				    uint64_t counter,
				    struct paraclock_sample *ret_sample);

/**
 * The CPU counter now: stamp with it, and convert by paraclock_read_at() later.
 *
 * Ordered as a read's: it is read after every load that the calling thread made
 * before. What the thread does next may begin before it, by a few ns. Costs no
 * more than the counter itself does; the first call asks CPUID how it is to be
 * read, and where the env has no @c local each call does.
 *
 * @param env Whose counter, or NULL for this machine's.
 * @return Ticks; 0 if @p env is incomplete. Where this thread may not read the
 * counter (paraclock_open() says -EACCES) it raises SIGSEGV, as the instruction
 * does.
 *
 * Threads: any thread; async-signal-safe if the env's @c counter and @c cpuid
 * are, as this machine's.
 * @since 0.1
 */
PARACLOCK_API uint64_t paraclock_counter(const struct paraclock_env *env);

/**
 * Say what an error or a reason means here, and the remedy.
 *
 * @param clk The clock, or NULL for the general meaning.
 * @param error What a function returned: 0 or a negative errno.
 * @param sample The sample, if @p error is 0; else it may be NULL.
 * @param[out] buf Gets the sentence, cut to fit, NUL at its end.
 * @param size Bytes at @p buf.
 *
 * @retval 0 Success.
 * @retval -EINVAL @p buf is NULL or @p size is 0.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_explain(const struct paraclock *clk, int error,
				    const struct paraclock_sample *sample,
				    char *buf, size_t size);

/**
 * Close a clock.
 *
 * @param clk The clock, or NULL. No other thread may be using it.
 *
 * Threads: any thread, one object each. Not async-signal-safe.
 * Ownership: frees @p clk and what it opened.
 * @since 0.1
 */
PARACLOCK_API void paraclock_close(struct paraclock *clk);

/**
 * The name of a clock's time source.
 *
 * @param clk The clock.
 * @return The backend's name; NULL if @p clk is NULL. Lives as long as the
 * clock.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API const char *paraclock_backend_name(const struct paraclock *clk);

/**
 * The library's version, "MAJOR.MINOR.PATCH".
 *
 * Threads: any thread; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API const char *paraclock_version(void);

/**
 * Names of enum values, lower case with hyphens: "utc-maybe-smeared".
 *
 * @param value The value.
 * @return A constant string; "unknown" for a value that has no name.
 *
 * Threads: any thread; async-signal-safe.
 * @since 0.1
 * @{
 */
PARACLOCK_API const char *paraclock_timescale_name(unsigned int value);
PARACLOCK_API const char *paraclock_counter_name(unsigned int value);
PARACLOCK_API const char *paraclock_reason_name(unsigned int value);
PARACLOCK_API const char *paraclock_marker_class_name(unsigned int value);
PARACLOCK_API const char *paraclock_leap_name(unsigned int value);
/** @} */

/**
 * The name of an error that this library returns: "EAGAIN".
 *
 * @param error 0 or a negative errno.
 * @return A constant string; "unknown" for one that this library never
 * returns.
 *
 * Threads: any thread; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API const char *paraclock_error_name(int error);

#ifdef __cplusplus
static_assert(sizeof(struct paraclock_sample) == 64, "the sample is fixed");
}
#else
_Static_assert(sizeof(struct paraclock_sample) == 64, "the sample is fixed");
#endif

#endif
