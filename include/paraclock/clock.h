/* SPDX-License-Identifier: MIT */
/**
 * @file clock.h
 * Open a host clock, read it, and ask why it cannot be trusted.
 *
 * This header includes machine.h, which lists the clocks that this machine has.
 *
 * A function that can fail returns 0 or a negative errno value, unless it says
 * otherwise; errno itself is never changed. Outputs (ret_x) are written only on
 * success. A NULL argument is -EINVAL unless a function says otherwise.
 *
 * @par Errors of opening
 * paraclock_open(), and every function that opens a clock:
 *
 * @retval -EINVAL A bad option, or this build has no such backend. Correct the
 *         call.
 * @retval -ENODEV The source is not here, or it gives another timescale;
 *         without a backend's name: no source here is valid. options.detail
 *         says why, and what to do.
 * @retval -EACCES The source is here but may not be used, or the CPU counter is
 *         forbidden to this thread (PR_SET_TSC). detail has the remedy.
 * @retval -EPROTO The mapped memory is not a valid clock page: a fault of the
 *         host or the kernel. Report it there.
 * @retval -EOPNOTSUPP This env or backend cannot give time.
 * @retval -ENOMEM No memory, or no file descriptor left.
 *
 * and, if options name both a backend and timescales, one of the errors of
 * reads, from the first read. Without timescales the caller's first read
 * returns that error.
 *
 * @par Errors of reads
 * paraclock_read(), and every function that reads a clock:
 *
 * @retval -EAGAIN The page stayed mid-update for about 100 us or kept changing,
 *         or (tsc) the counter ran backwards. Try again.
 * @retval -EPROTO The page of the time source, or of a source of markers, is
 *         malformed; paraclock_explain() names the field.
 * @retval -ERANGE The result does not fit into 64 bits of ns.
 * @retval -EINVAL A NULL argument, or a hypercall refused its argument.
 * @retval -ENODEV The source has gone. Close the clock.
 * @retval -EOPNOTSUPP The host gives no pair at all; paraclock_explain() says
 *         why.
 * @retval -EACCES The host refuses the hypercall: it is for ring 0 only.
 * @retval -ETIMEDOUT A device did not answer. Try again later.
 * @retval -EIO The env returned a number that is not an errno value. Correct
 *         the env.
 *
 * and any other error that the env returned.
 */
#ifndef PARACLOCK_CLOCK_H
#define PARACLOCK_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include <paraclock/machine.h>
#include <paraclock/sample.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup clock
 * @{ */

/** An open host clock; opaque. */
struct paraclock;
/** What the library takes from the outside world; see backend.h. */
struct paraclock_env;
/** One kind of source; see backend.h. */
struct paraclock_backend;

/**
 * options.flags: the file at @c device never gets shorter while it is open. It
 * is then mapped, and reading it costs as much as reading a device. If it is
 * truncated all the same, reads raise SIGBUS. A sealed file (F_SEAL_SHRINK)
 * does not need this flag.
 */
#define PARACLOCK_DEVICE_FIXED_SIZE 0x1U

/**
 * options.flags: look at the marker of this machine's vmclock in physical
 * memory (Linux: /dev/mem, on x86, as root) if no driver shows its page. Only
 * paraclock_next_event() looks there, and only the event's marker_class vouches
 * for it. No other function makes a system call for it: they know what the last
 * paraclock_next_event() saw, and samples promise nothing because of it. No
 * event descriptor wakes for it: call paraclock_next_event() every 100 ms, say.
 * If the page cannot be had, the open fails, and options.detail says why. By
 * the name "vmclock" a clock opens that has these markers and no time. -EINVAL
 * with a @c device whose page may be another machine's.
 */
#define PARACLOCK_DEVICE_MEMORY 0x2U

/** How to open a clock. Zero every member that is not used. */
struct paraclock_options {
	/**
	 * sizeof(struct paraclock_options). A smaller size, of an older caller,
	 * must end where a member does. With a larger one, of a newer caller,
	 * the bytes that this library does not know must be zero.
	 */
	size_t size;
	/**
	 * Name of a backend; NULL: the best of "vmclock", "kvmclock", "hyperv",
	 * "kvm-pairing" and "phc". By name only: "served", "kvm-host", "tsc".
	 */
	const char *backend;
	/**
	 * Acceptable timescales, a mask of 1 << enum value; 0: any. The first
	 * read decides, and must then succeed.
	 */
	uint32_t timescales;
	/**
	 * For kvm-host: file descriptor of the caller's KVM VM. The caller owns
	 * it. It must outlive the clock. 0: kvm-host makes a VM of its own, and
	 * gives this kernel's own clock. Other backends ignore it.
	 */
	int vm_fd;
	/** The outside world; NULL: this machine's. Must outlive the clock. */
	const struct paraclock_env *env;
	/**
	 * Device node, or a regular file that holds a page image; NULL: where
	 * this machine has it. Needs @c backend. A file that cannot shrink
	 * (sealed, or PARACLOCK_DEVICE_FIXED_SIZE is set) is mapped; any other
	 * is read with pread(2). The page may be another machine's, so no other
	 * source of markers is opened with it. A PTP clock may also be named by
	 * its device number, "MAJOR:MINOR".
	 */
	const char *device;
	/**
	 * A page whose reference point is older than this is not valid, ns.
	 * 0: the backend's own limit. For a vmclock with error terms: until its
	 * bound passes 1 s. For one without, or whose bound does not grow: an
	 * hour. For kvmclock: no limit. The Hyper-V page has no reference
	 * point and therefore no age.
	 */
	uint64_t max_age_ns;
	/** A pair wider than this is not valid, ns; 0: 1000. */
	uint64_t max_pair_error_ns;
	/** Buffer that on failure receives what failed, where, and what to do,
	 * and a NUL; or NULL. */
	char *detail;
	/** Bytes at @c detail; 1536 are enough. The text is cut to fit. */
	size_t detail_size;
	/** PARACLOCK_DEVICE_x; others are -EINVAL. */
	uint64_t flags;
};

/**
 * Open a host clock.
 *
 * With a backend's name, opens that source, whether or not it is valid. Without
 * one, opens the source of the highest quality whose first read is valid and
 * whose timescale is acceptable, never an own-kernel one. Opens every source of
 * disruption markers of this machine as well, unless a device is named.
 *
 * Not for real-time code: reads /proc and /sys, allocates, and (kvmclock) may
 * move the calling thread to CPU 0 for an instant; see
 * paraclock-kvmclock(7). If it cannot move there, samples promise HEURISTIC at
 * most until the page is known to be newer than the open.
 *
 * @param[out] ret_clk The clock. Close it with paraclock_close().
 * @param opts Options, or NULL for the best source of this machine.
 *
 * @retval 0 Success.
 * @return One of the errors of opening, which are listed at the top.
 *
 * Threads: any thread. Not async-signal-safe.
 * Ownership: the caller owns *ret_clk. The env must outlive the clock; the rest
 * of @p opts need not outlive the call.
 * @since 0.1
 */
PARACLOCK_API int paraclock_open(struct paraclock **ret_clk,
				 const struct paraclock_options *opts);

/**
 * Open a clock on a backend of the caller's own.
 *
 * The same as paraclock_open() with a backend's name.
 *
 * @param[out] ret_clk The clock. Close it with paraclock_close().
 * @param be The backend; must outlive the clock.
 * @param arg Passed to the backend's open() unchanged: the object that it is to
 *        open, or NULL. The library does not look at it. The caller owns it,
 *        and keeps it for as long as the backend requires.
 * @param opts Options, or NULL. Their @c backend must be NULL.
 *
 * @retval 0 Success.
 * @retval -EOPNOTSUPP @p be gives no time.
 * @return Else one of the errors of opening, which are listed at the top.
 *
 * Threads: any thread. Not async-signal-safe.
 * Ownership: the caller owns *ret_clk, and keeps @p be and @p arg.
 * @since 0.1
 */
PARACLOCK_API int paraclock_open_backend(struct paraclock **ret_clk,
					 const struct paraclock_backend *be,
					 void *arg,
					 const struct paraclock_options *opts);

/**
 * Read the host clock now.
 *
 * Returns 0 also when the sample is not valid: look at sample.valid before
 * correlating with it. An error means that there is no answer at all.
 *
 * In the steady state a read of a mapped page is one ordered counter read: no
 * system call, no lock, no allocation, no store to shared memory. A page in a
 * file that is not mapped costs two calls of pread(2), tsc a few clock
 * readings, kvm-host an ioctl(2), and phc and kvm-pairing, under Linux, up to
 * some tens of system calls. The counter is read after every load that the
 * calling thread made before.
 *
 * When the host's page or marker has changed, one read commits the change. The
 * others say DISRUPTED meanwhile: for less than a microsecond, unless that one
 * is preempted. The read that commits may call getpid(2), and for kvmclock
 * sched_getscheduler(2), sched_getaffinity(2) and sched_setaffinity(2).
 *
 * Let it return. A read that is left by longjmp(3) out of a signal handler, by
 * a C++ exception or by asynchronous cancellation while it commits a change
 * blocks that change for good: all later reads of this process are DISRUPTED.
 * It is not a cancellation point, so a deferred pthread_cancel(3) is harmless.
 *
 * After a fork() the child may go on reading the parent's clock, except
 * kvm-host, which is bound to the process that opened it.
 *
 * @param clk The clock.
 * @param[out] ret_sample The answer.
 *
 * @retval 0 There is an answer.
 * @return One of the errors of reads, which are listed at the top.
 *
 * Threads: any thread, any object; async-signal-safe.
 * Source: design of the kernels' seqcount readers; the page's own protocol is
 * named in the backend's man page.
 * @since 0.1
 */
PARACLOCK_API int paraclock_read(const struct paraclock *clk,
				 struct paraclock_sample *ret_sample);

/**
 * Report what the host clock said at a counter value taken earlier.
 *
 * For traces and for decoding pages. A value from before the moment at which
 * the handle last noticed a disruption is not valid (WINDOW, with the page's
 * reference time): the page no longer knows it. On the Hyper-V page, which has
 * no reference point, a value from before the handle first saw the page's
 * present parameters is not valid either.
 *
 * A restore may turn the counter back. A value from before the restore is then
 * later than now, and refused; but once the counter has passed it again, it
 * looks like one taken since. Keep the epoch (paraclock_epoch()) with each
 * value, and use the answer only if its @c epoch is the same.
 *
 * Let it return, for the reason given at paraclock_read().
 *
 * @param clk The clock.
 * @param counter The counter value, ticks.
 * @param[out] ret_sample The answer; its host_tsc is @p counter.
 *
 * @retval 0 There is an answer; look at its @c valid.
 * @retval -EINVAL @p counter is later than now, or a NULL argument. If the
 *         value was read from this counter, a restore has turned the counter
 *         back: drop the value.
 * @retval -EOPNOTSUPP This source can only say what time it is now.
 * @retval -EAGAIN Another thread is committing a change. Try again.
 * @return Else one of the errors of reads, which are listed at the top.
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
 * Read after every load that the calling thread made before, as in
 * paraclock_read(); the thread's next act may begin a few ns before it. Costs
 * no more than the counter itself. The first call asks CPUID how to read the
 * counter; if the env has no @c system_clocks, each call does.
 *
 * @param env Whose counter, or NULL for this machine's.
 * @return Ticks; 0 if @p env is incomplete. If the counter is forbidden to this
 * thread (paraclock_open() returns -EACCES), raises SIGSEGV, as the instruction
 * does.
 *
 * Threads: any thread; async-signal-safe if the env's @c counter and @c cpuid
 * are, as those of this machine's env are.
 * @since 0.1
 */
PARACLOCK_API uint64_t paraclock_counter(const struct paraclock_env *env);

/**
 * Say what an error or a reason means here, and what to do about it.
 *
 * @param clk The clock, or NULL for the general meaning.
 * @param error What a function returned: 0 or a negative errno.
 * @param sample The sample if @p error is 0; if it is -EOPNOTSUPP, the one that
 *        paraclock_interval() or paraclock_interval_tai() refused; else it may
 *        be NULL.
 * @param[out] buf The sentence, cut to fit, with a NUL at its end.
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
 * @return The backend's name, valid as long as the clock; NULL if @p clk is
 * NULL.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API const char *paraclock_backend_name(const struct paraclock *clk);

/**
 * The library's version, "MAJOR.MINOR.PATCH".
 *
 * @return A constant string.
 *
 * Threads: any thread; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API const char *paraclock_version(void);

/**
 * The name of an error that this library returns: "EAGAIN".
 *
 * @param error 0 or a negative errno.
 * @return A constant string; "unknown" if this library never returns @p error.
 *
 * Threads: any thread; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API const char *paraclock_error_name(int error);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
