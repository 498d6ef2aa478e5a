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

#include <paraclock/sample.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An open host clock; opaque. */
struct paraclock;
/** What the library takes from the outside world; see backend.h. */
struct paraclock_env;
/** One kind of source; see backend.h. */
struct paraclock_backend;

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
 * @param arg Handed to the backend's open(), as it is: what there is to open,
 *        if that is an object of the caller's; or NULL. It stays the caller's,
 *        and must live as long as the backend says.
 * @param opts Options, or NULL. Their @c backend must be NULL.
 * @return As paraclock_open(); -EOPNOTSUPP if @p be gives no time.
 *
 * Threads: any thread. Not async-signal-safe.
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

/** What the kernel's clocksource is to the counter. */
enum paraclock_clocksource_kind {
	PARACLOCK_CLOCKSOURCE_UNKNOWN = 0,
	/** The counter itself: "tsc", "arch_sys_counter". */
	PARACLOCK_CLOCKSOURCE_COUNTER = 1,
	/** A page that maps the counter to ns: "kvm-clock", "xen",
	 * "hyperv_clocksource_tsc_page". */
	PARACLOCK_CLOCKSOURCE_IMAGE = 2,
	/** Neither: "hpet", "acpi_pm", "jiffies". */
	PARACLOCK_CLOCKSOURCE_OTHER = 3,
};

/** Where firmware announces a device. */
enum paraclock_firmware {
	PARACLOCK_FIRMWARE_NONE = 0,
	PARACLOCK_FIRMWARE_ACPI = 1,
	PARACLOCK_FIRMWARE_DEVICE_TREE = 2,
	/** It cannot be known: firmware's tables are hidden, as in a container
	 * that masks /sys/firmware. */
	PARACLOCK_FIRMWARE_UNKNOWN = 3,
};

/** Of paraclock_machine.evidence. */
#define PARACLOCK_EVIDENCE_MAX 16

/** What machine this is, as far as clocks go. */
struct paraclock_machine {
	/** Set by the caller to sizeof(struct paraclock_machine). */
	size_t size;
	/**
	 * Whose clocks are here: "kvm", "pvm", "hyper-v", "xen", ...;
	 * "unknown": a hypervisor is here, and what is seen of it does not say
	 * which; "none": there is no hypervisor; empty: whether there is one
	 * cannot be known.
	 */
	char hypervisor[32];
	/** The kernel's clocksource; empty: unknown. */
	char clocksource[32];
	/** enum paraclock_counter. */
	uint8_t counter;
	/** 1: the counter runs at one rate in every power state. */
	uint8_t invariant;
	/** 1: counter_hz was measured; 0: firmware states it, and the clock
	 * does not contradict. */
	uint8_t measured;
	/** enum paraclock_firmware: is a vmclock announced? */
	uint8_t vmclock;
	/** enum paraclock_firmware: is a VM generation id announced? */
	uint8_t vmgenid;
	/** Zero. */
	uint8_t reserved[3];
	/** Frequency of the counter, Hz; 0: unknown. */
	uint64_t counter_hz;
	/**
	 * What CPUID, CNTFRQ_EL0 or the env states, Hz; 0: nothing. If
	 * @c measured is 1 and this is not 0, the clock contradicts it: as
	 * where the frequency of the host shows through in a guest whose
	 * counter is scaled.
	 */
	uint64_t stated_hz;
	/** The frequency by CLOCK_MONOTONIC_RAW, Hz; 0: it could not be
	 * measured, as where the kernel's clocks move once in a jiffy. */
	uint64_t measured_hz;
	/** measured_hz is within this of the frequency, Hz. */
	uint64_t measured_error_hz;
	/**
	 * What was seen of a hypervisor, a short text each, the rest empty. A
	 * signature of CPUID stands in quotes, with \0 and \xNN for what does
	 * not print; it may be that of the layer below (PVM, Xen PV).
	 */
	char evidence[PARACLOCK_EVIDENCE_MAX][64];
};

/**
 * Describe this machine.
 *
 * A frequency that firmware states is a claim until the kernel's clock agrees:
 * it is held against CLOCK_MONOTONIC_RAW, which takes 1 ms, and if the two are
 * more than 500 ppm and the error of the measurement apart, counter_hz is the
 * measured one. A frequency that nobody states is measured for 10 ms. Where the
 * clock is too coarse for either, what is stated is kept, or else the frequency
 * is unknown.
 *
 * @param env The outside world; NULL: this machine's.
 * @param[in,out] ret_machine Its @c size is set by the caller.
 *
 * @retval 0 Success; what is unknown is empty or 0.
 * @retval -EINVAL NULL, or a size that is too small.
 * @retval -EOPNOTSUPP The env does not say.
 * @retval -ENODEV @p env is NULL and this build has no env of its own.
 * @return Any other error of the env's.
 *
 * Threads: any thread. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_describe_machine(const struct paraclock_env *env,
			   struct paraclock_machine *ret_machine);

/** What paraclock_list() says of one backend. */
struct paraclock_listing {
	/** sizeof(struct paraclock_listing) as the library knows it. */
	size_t size;
	/** The backend's name. */
	const char *name;
	/** Higher is tried first; below 0 it is taken only by name. */
	int quality;
	/** 0: it is here; else the negative errno of the failed open or read.
	 */
	int error;
	/** 1: it gives time; 0: it is a source of markers only. */
	uint8_t gives_time;
	/** 1: it is a LOCAL source. */
	uint8_t own_kernel;
	/** What was read; zeroed if @c error is not 0. */
	struct paraclock_sample sample;
	/** A sentence: what it is or why not, and what to do; never NULL. */
	const char *detail;
};

/**
 * Called for each backend by paraclock_list().
 *
 * @param arg The caller's own.
 * @param listing What is known; gone when the function returns.
 * @return 0 to go on; anything else ends the list and is returned by it.
 */
typedef int paraclock_list_fn(void *arg,
			      const struct paraclock_listing *listing);

/**
 * Try each backend of this build: is it there, and if not, why?
 *
 * Opens, reads and closes each, in order of quality.
 *
 * @param env The outside world; NULL: this machine's.
 * @param fn Called once for each backend.
 * @param arg Handed to @p fn.
 *
 * @retval 0 Success, also when no backend is there.
 * @retval -EINVAL @p fn is NULL.
 * @retval -ENODEV @p env is NULL and this build has no env of its own.
 * @return Else what @p fn returned.
 *
 * Threads: any thread. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_list(const struct paraclock_env *env,
				 paraclock_list_fn *fn, void *arg);

#ifdef __cplusplus
}
#endif

#endif
