/* SPDX-License-Identifier: MIT */
/**
 * @file backend.h
 * For authors of backends, and for programs that give the library an outside
 * world (env) of their own, as in ring 0 or in tests.
 *
 * A backend answers one question as one atomic act: what did the host clock
 * say, at which counter value, and is that a pair to correlate with? The
 * library does everything else (markers, epochs, limits), and does it the same
 * way for every backend.
 */
#ifndef PARACLOCK_BACKEND_H
#define PARACLOCK_BACKEND_H

#include <paraclock/clock.h>
#include <paraclock/events.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup backend
 * @{ */

/** Where Linux's env finds the page named "served", which `paraclock serve`
 * keeps. */
#define PARACLOCK_SERVED_PATH "/run/paraclock/serve/utc.vmclock"

/** A page that an env has mapped, or opened. */
struct paraclock_mapping {
	/** The page's memory; NULL: read the page with env->pread on @c fd, or
	 * with env->read_memory. */
	const void *addr;
	/** Readable bytes. */
	size_t size;
	/** Guest physical address, for MSRs; 0: unknown or not needed. */
	uint64_t phys;
	/** Descriptor that the env keeps for the mapping, or -1. */
	int fd;
	/** The env's own. */
	uint32_t cookie;
	/** Set on failure only: a sentence that says what failed, and why. */
	char why[256];
	/** Set before the call: options.flags, the promises of the caller. */
	uint64_t flags;
};

/**
 * What the library knows of an env's system clocks: the counter's rate, offsets
 * between clocks, how often they were set. Zero it before first use; the
 * contents are the library's. Threads may share it, processes may not.
 */
struct paraclock_system_clocks {
	/** The library's own. */
	uint64_t opaque[64];
};

/** Identifies a process: equal in all members means the same process. */
struct paraclock_process {
	/** When it started. A later process with the same @c id differs. */
	uint64_t start;
	/**
	 * The namespace of @c id and @c start; two that exist at the same time
	 * never have the same number. 0: not known; then nothing can prove that
	 * the process is gone.
	 */
	uint64_t space;
	/** The boot of the machine that it runs on. */
	uint64_t machine;
	/** Its process id there, below 2^24. */
	uint32_t id;
	/** 1: it has ended, but is still listed (a zombie). */
	uint32_t has_ended;
};

/**
 * The outside world.
 *
 * Each function gets @c ctx first, returns 0 or a negative errno and writes its
 * outputs only on success. A NULL member means "not available here"; a function
 * that needs it fails with -EOPNOTSUPP or -ENODEV. Everything that a read calls
 * (counter, pread, ioctl, read_clock, run_on_cpu, fork_id, is_there) must be
 * async-signal-safe if paraclock_read() is to be; so must clocksource for
 * paraclock_snapshot().
 */
struct paraclock_env {
	/** sizeof(struct paraclock_env). */
	size_t size;
	/** Passed to each function. */
	void *ctx;
	/** enum paraclock_counter: which counter @c counter reads. */
	uint8_t counter_id;
	/** Read the counter, ordered after every earlier load; NULL: the CPU's
	 * own instruction, inlined. */
	uint64_t (*counter)(void *ctx);
	/** May this thread read the counter? -EACCES: no. NULL: yes. */
	int (*check_counter)(void *ctx);
	/** CPUID: eax, ebx, ecx, edx. -EACCES: it is forbidden. */
	int (*cpuid)(void *ctx, uint32_t leaf, uint32_t subleaf,
		     uint32_t ret_regs[4]);
	/** Read an MSR, in ring 0. */
	int (*rdmsr)(void *ctx, uint32_t msr, uint64_t *ret_value);
	/** Write an MSR, in ring 0. */
	int (*wrmsr)(void *ctx, uint32_t msr, uint64_t value);
	/**
	 * Make a page readable: "pvclock", "hyperv", "vmclock" or "served",
	 * where this machine has it (@p path is NULL) or at @p path. Maps a
	 * device, and a regular file that cannot shrink (of "served" also one
	 * that its owner vouches for); leaves others to @c pread. A load
	 * from the mapping must never fault. With PARACLOCK_DEVICE_MEMORY in
	 * ret_map->flags: find it in physical memory and map nothing, for @c
	 * read_memory. On failure only ret_map->why is written; -ENODEV: there
	 * is no such page; -ENXIO: the page exists but cannot be used.
	 */
	int (*map_page)(void *ctx, const char *name, const char *path,
			struct paraclock_mapping *ret_map);
	/** Unmap what map_page mapped. */
	void (*unmap_page)(void *ctx, struct paraclock_mapping *map);
	/** Read from @p fd at @p offset. Returns the number of bytes read,
	 * perhaps fewer than @p n; or a negative errno. */
	int64_t (*pread)(void *ctx, int fd, void *buf, size_t n,
			 uint64_t offset);
	/** Does firmware announce a device? Returns enum paraclock_firmware. */
	int (*find_device)(void *ctx, const char *acpi_hid,
			   const char *compatible);
	/** See paraclock_describe_machine(). */
	int (*describe)(void *ctx, struct paraclock_machine *ret_machine);
	/**
	 * Read a clock of this kernel, ns. @p clock_id is as for
	 * clock_gettime(2), and may be that of a device, whose time is passed
	 * through.
	 */
	int (*read_clock)(void *ctx, int clock_id, int64_t *ret_ns);
	/**
	 * Does the calling thread run on CPU @p cpu? 0: it does; or, with
	 * @p go, it has run there since the call began, and its affinity is as
	 * before. -EAGAIN: neither.
	 */
	int (*run_on_cpu)(void *ctx, unsigned int cpu, int go);
	/** This process's id in its PID namespace; not 0. */
	uint32_t (*process_id)(void *ctx);
	/** Memory, not initialised, aligned for any type; NULL: none left. */
	void *(*alloc)(void *ctx, size_t size);
	/** Free what alloc returned. */
	void (*free)(void *ctx, void *ptr);
	/**
	 * What the library knows of the system clocks; NULL: it keeps nothing
	 * between calls. An env that reads other clocks needs its own, also if
	 * it is a copy: the library refuses that of another env.
	 */
	struct paraclock_system_clocks *system_clocks;
	/** The kernel's clocksource, NUL-terminated, and how it relates to the
	 * counter: enum paraclock_clocksource_kind. */
	int (*clocksource)(void *ctx, char ret_name[32], uint8_t *ret_kind);
	/** The first @p size - 1 bytes of a small text file, without the
	 * newline at its end; returns the length. Below /dev and /proc/self/ns:
	 * the target of the symbolic link. */
	int (*read_text)(void *ctx, const char *path, char *buf, size_t size);
	/**
	 * Open a device, read-write if that is allowed. Return the exact errno,
	 * as each has its remedy: -EACCES if the device's mode forbids it,
	 * -EPERM if it is forbidden to everybody (a sandbox's device policy).
	 */
	int (*open_device)(void *ctx, const char *path, int *ret_fd);
	/** ioctl(2) on a device: its result, or the negative errno. */
	int (*ioctl)(void *ctx, int fd, unsigned long request, void *arg);
	/** Close what open_device, ioctl, watch_x or poll_group opened. */
	void (*close_device)(void *ctx, int fd);
	/**
	 * A hypercall, in ring 0. On x86 @p number is RAX, @p args RBX, RCX,
	 * RDX and RSI, and ret_regs[0] receives RAX. On arm64 it is an SMCCC
	 * call by the machine's conduit: @p number is W0, @p args X1 to X4, and
	 * @p ret_regs receives X0 to X3.
	 */
	int (*hypercall)(void *ctx, uint64_t number, const uint64_t args[4],
			 uint64_t ret_regs[4]);
	/**
	 * Was CLOCK_REALTIME set? If @p *fd is -1, start to watch: *fd becomes
	 * a descriptor that polls readable after a set, and every second.
	 * Otherwise 1: it was set since the last call; 0: it was not.
	 */
	int (*watch_clock)(void *ctx, int *fd);
	/**
	 * Was this machine restored or cloned? If @p *fd is -1, start to watch:
	 * *fd becomes a descriptor that polls readable when that may have
	 * happened. Otherwise 1: it was, since the last call; 0: not as far as
	 * is known; 2: perhaps, since messages were lost; 3: both 1 and 2.
	 */
	int (*watch_generation)(void *ctx, int *fd);
	/**
	 * Poll several descriptors as one. Adds @p fd to *group, and creates
	 * the group if it is -1. The group polls readable each time that @p fd
	 * becomes ready, not while it is; -EOPNOTSUPP: @p fd never becomes
	 * ready. With @p fd -1: the caller has seen everything until now.
	 */
	int (*poll_group)(void *ctx, int *group, int fd);
	/**
	 * Identify the process @p id in this process's PID namespace; 0: this
	 * process. -ESRCH: the kernel confirms that no such process exists (use
	 * another error for a process that is merely hidden). Any other error:
	 * not known. NULL: process_id's process is the only one.
	 */
	int (*identify)(void *ctx, uint32_t id,
			struct paraclock_process *ret_who);
	/** A number that is not 0, and differs in a forked child from those of
	 * all its ancestors. NULL: process_id is used instead. */
	uint32_t (*fork_id)(void *ctx);
	/**
	 * Is what map_page opened still there? -ENODEV: it was removed, or
	 * something else of the same name has replaced it. NULL: it is there.
	 */
	int (*is_there)(void *ctx, const struct paraclock_mapping *map);
	/**
	 * The step of @c counter, ticks: 1 if it shows each tick, 64 if a
	 * counter of 24 MHz is shown as 1536 MHz. Two readings that far apart
	 * may lie twice as far apart in time, so the step is part of every
	 * error bound that is a difference of readings. 0, or a step that no
	 * counter has (2^31 or more): the library measures it.
	 */
	uint64_t counter_step;
	/**
	 * The number of the device that open_device() opened, by fstat(2). It
	 * identifies the device; a path does not. -ENODEV: not a character
	 * device. NULL, or any other error: not known; then the library makes
	 * no assumption about the timescale of the device.
	 */
	int (*device_number)(void *ctx, int fd, uint32_t *ret_major,
			     uint32_t *ret_minor);
	/**
	 * The lowest number, @p from or above, that makes @p prefix the name of
	 * an existing file: for "/dev/ptp" and 1 it is 4 if /dev/ptp4 exists,
	 * but not ptp1 to ptp3. -ENODEV: no such file exists. NULL: the library
	 * tries 0 to 31.
	 */
	int (*next_number)(void *ctx, const char *prefix, uint32_t from,
			   uint32_t *ret_number);
	/**
	 * Read from a page in physical memory, which map_page found with
	 * PARACLOCK_DEVICE_MEMORY, as pread reads from a file. -ENODEV: it can
	 * no longer be read, for instance because a driver has claimed it;
	 * -ENOMEM: not now. NULL: physical memory cannot be read here.
	 */
	int64_t (*read_memory)(void *ctx, const struct paraclock_mapping *map,
			       void *buf, size_t n, uint64_t offset);
};

/**
 * This machine's env, which is used for NULL. To make an env of your own, copy
 * it and replace some members.
 *
 * @return The env, constant; NULL if this build has none (ring 0).
 *
 * Threads: any thread; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API const struct paraclock_env *paraclock_default_env(void);

/** conversion.flags: a jump from one conversion to the next is a disruption
 * (HEURISTIC). */
#define PARACLOCK_CONVERSION_REBASE 0x1U

/** conversion.flags: the page says that the host stopped this machine. When it
 * newly says so, that is a disruption (HEURISTIC: the page may withdraw it
 * before anybody reads it). */
#define PARACLOCK_CONVERSION_STOPPED 0x2U

/** Words at conversion.page that identify the state of the page. */
#define PARACLOCK_CONVERSION_WORDS 4

/**
 * What a page says until it changes: host_ns as an affine function of the
 * counter.
 *
 * While the PARACLOCK_CONVERSION_WORDS words at @c page equal @c key, and for
 * base_tsc <= counter <= base_tsc + max_ticks:
 *
 *     host_ns = base_ns + floor((ticks * mult + frac) / 2^64)
 *     clock_error_ns = error_ns +
 *                      ceil((counter - base_tsc) * error_mult / 2^64)
 *
 * with ticks = (counter - base_tsc) & mask. If mult or error_mult is rounded,
 * @c guard and @c error_guard bound the accumulated error, in 2^-64 ns: if a
 * result is that close to a whole ns, get_conversion() computes it instead, so
 * that both ways give the same number.
 */
struct paraclock_conversion {
	/** The live words, 8-byte aligned; NULL: none, so every read calls
	 * get_conversion. */
	const uint64_t *page;
	/** Their values; set also if page is NULL. key[0] holds the page's
	 * sequence. */
	uint64_t key[PARACLOCK_CONVERSION_WORDS];
	/** Counter at the reference point, ticks. */
	uint64_t base_tsc;
	/** The bits of ticks that count. */
	uint64_t mask;
	/** ns per tick, whole part; below 2^32. */
	uint64_t mult_hi;
	/** ns per tick, fraction, 2^-64 ns. */
	uint64_t mult_lo;
	/** Host clock at the reference point, ns. */
	int64_t base_ns;
	/** Its fraction, 2^-64 ns. */
	uint64_t frac;
	/** Error bound of the product, 2^-64 ns; at most 2^62. */
	uint64_t guard;
	/** clock_error_ns at the reference point. */
	uint64_t error_ns;
	/** Growth of clock_error_ns, 2^-64 ns per tick. */
	uint64_t error_mult;
	/** Error bound of clock_error_ns's product, 2^-64 ns; 0: exact. */
	uint64_t error_guard;
	/** Ticks for which all this holds; 0 with @c usable 0. */
	uint64_t max_ticks;
	/** 1: the conversion may be used; 0: only key is set. */
	uint8_t usable;
	/** PARACLOCK_CONVERSION_x. */
	uint8_t flags;
};

/** A kind of source. Constant; must outlive what is opened with it. */
struct paraclock_backend {
	/** sizeof(struct paraclock_backend). */
	size_t size;
	/** [a-z0-9-]+, unique, never reused. */
	const char *name;
	/** Higher is tried first; below 0 (own kernel) it is opened by name
	 * only. */
	int quality;
	/** enum paraclock_marker_class: what it promises if neither its marker
	 * nor its conversion has jumped. */
	uint8_t marker_class;
	/**
	 * 1: options.device may be a page image, of any machine. This machine's
	 * other markers say nothing about it, so they are not opened.
	 */
	uint8_t takes_image;
	/**
	 * Open the source, with the errors of opening that clock.h lists at its
	 * top. On failure write a sentence to @p opts's detail, if it has one.
	 * @p arg is that of paraclock_open_backend(), and the caller's; NULL if
	 * the library opens the backend by its name or for its markers.
	 */
	int (*open)(const struct paraclock_env *env,
		    const struct paraclock_options *opts, void *arg,
		    void **ret_state);
	/**
	 * The pair, now. Sets every member of the sample but epoch and
	 * marker_class; the library judges WIDE. NULL: a source of markers
	 * only.
	 */
	int (*get_time)(void *state, struct paraclock_sample *ret_sample);
	/** The pair at a past counter value; may be NULL. */
	int (*get_time_at)(void *state, uint64_t counter,
			   struct paraclock_sample *ret_sample);
	/**
	 * get_time's pair, and what the same copy of the page says until it
	 * changes; may be NULL. With it, a read need not call the backend.
	 */
	int (*get_conversion)(void *state, struct paraclock_sample *ret_sample,
			      struct paraclock_conversion *ret_conv);
	/** The marker now; NULL: a source of time only. */
	int (*get_marker)(void *state, struct paraclock_marker *ret_marker);
	/**
	 * The live words behind get_marker; NULL for a word that the page does
	 * not have. -EOPNOTSUPP: it has no live words. May be NULL.
	 */
	int (*watch_marker)(void *state, const uint64_t *ret_words[2]);
	/**
	 * A marker changed: just now if @p noticed is 1, at some earlier time
	 * if it is 0. Is what the page says now known to be from after the
	 * change? 0: yes; -EAGAIN: not known yet. NULL: always known. Called
	 * once at open, as if a marker had just changed, and with 0 by later
	 * reads until it is known. Calls never overlap.
	 */
	int (*confirm_fresh)(void *state, int noticed);
	/** Write the sentence of paraclock_explain(), or nothing to leave it to
	 * the library; may be NULL. */
	void (*explain)(void *state, int error,
			const struct paraclock_sample *sample, char *buf,
			size_t size);
	/** Close; never NULL. */
	void (*close)(void *state);
	/** enum paraclock_event_kind that a change of this source's marker
	 * means; 0: only that the marker changed. */
	uint8_t marker_kind;
	/** 1: a generation of 0 is meaningful; otherwise, or NULL, 0 means "not
	 * provided". */
	int (*has_generation)(void *state);
	/**
	 * A descriptor that polls readable (POLLIN) when the marker may have
	 * changed. Called before the first poll, and again after each wakeup to
	 * re-arm the notification. -EOPNOTSUPP, or NULL: it has no descriptor.
	 */
	int (*poll_fd)(void *state);
	/**
	 * Is what was opened still there? 0: yes. -ENODEV: the file can still
	 * be read, but was removed or replaced. Called for events only. NULL:
	 * get_time reports it.
	 */
	int (*is_there)(void *state);
	/**
	 * 1: its writer, such as a relay, inferred what the marker says: then
	 * it promises HEURISTIC whatever marker_class says. 0, or NULL:
	 * marker_class applies. Called after get_marker.
	 */
	int (*is_inferred)(void *state);
	/**
	 * get_conversion and get_marker of one copy of the page: for sources
	 * outside of memory, which are expensive to read. May be NULL.
	 */
	int (*get_conversion_marker)(void *state,
				     struct paraclock_sample *ret_sample,
				     struct paraclock_conversion *ret_conv,
				     struct paraclock_marker *ret_marker);
	/**
	 * Look at a source of markers that is too expensive for reads, and
	 * remember the marker for get_marker and watch_marker, which make no
	 * system call. 1: it is another marker than before; 0: the same; or an
	 * error, which is_there returns until the next look. Called by
	 * paraclock_next_event() only, so calls never overlap. The marker
	 * counts for events, but no sample promises anything because of it.
	 * NULL: get_marker itself looks.
	 */
	int (*look)(void *state);
	/**
	 * 1: get_marker is a copy of this machine's marker that the page's
	 * writer made. If another source of markers is open, that one counts,
	 * and samples are DISRUPTED while the copy differs from it: the page is
	 * from before the disruption. Otherwise the copy is this clock's only
	 * marker, and promises marker_class. No other clock opens this source
	 * for its marker.
	 */
	uint8_t copies_marker;
};

/** @} */

#ifdef __cplusplus
}
#endif

#endif
