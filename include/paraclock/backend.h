/* SPDX-License-Identifier: MIT */
/**
 * @file backend.h
 * For people who write a backend, bring their own outside world, or test.
 *
 * A backend answers one question as one atomic act: what did the host clock
 * say, at which counter value, and is that a pair to correlate with? All else
 * (markers, epochs, limits) the library does, the same for every backend.
 */
#ifndef PARACLOCK_BACKEND_H
#define PARACLOCK_BACKEND_H

#include <paraclock/clock.h>
#include <paraclock/events.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A page that an env has mapped, or opened. */
struct paraclock_mapping {
	/** Where it can be read; NULL: only through env->pread on @c fd. */
	const void *addr;
	/** Bytes that may be read. */
	size_t size;
	/** Guest physical address, for MSRs; 0: unknown or not needed. */
	uint64_t phys;
	/** Descriptor that the env keeps for the mapping; -1: none. */
	int fd;
	/** The env's own. */
	uint32_t cookie;
	/** Set on failure only: a sentence that names what and why. */
	char why[256];
	/** Set before the call: options.flags, what the caller vouches for. */
	uint64_t flags;
};

/**
 * What the library knows of an env's local clocks: the counter's rate, offsets
 * between clocks, how often they were set. Zeroed before first use; the rest
 * is the library's. May be shared by threads, not by processes.
 */
struct paraclock_system_clocks {
	/** The library's own. */
	uint64_t opaque[64];
};

/** A process: the same one only if all of it is the same. */
struct paraclock_process {
	/** When it started; of one that has the same @c id later, another. */
	uint64_t start;
	/** The namespace that @c id and @c start are of: no two that live have
	 * the same. 0: not known, and then nobody can say that it is gone. */
	uint64_t space;
	/** The machine that it runs on, since its last boot. */
	uint64_t machine;
	/** Its process id there, below 2^24. */
	uint32_t id;
	/** 1: it has ended, and is only listed still (a zombie). */
	uint32_t has_ended;
};

/**
 * The outside world.
 *
 * Each function gets @c ctx first, returns 0 or a negative errno and writes
 * its outputs only on success. A NULL member means "cannot be had here"; what
 * needs it then fails with -EOPNOTSUPP or -ENODEV. Everything that a read
 * calls (counter, pread, ioctl, read_clock, run_on_cpu, fork_id) must be
 * async-signal-safe if paraclock_read() is to be; so must clocksource for
 * paraclock_snapshot().
 */
struct paraclock_env {
	/** sizeof(struct paraclock_env). */
	size_t size;
	/** Handed to each function. */
	void *ctx;
	/** enum paraclock_counter: which counter @c counter reads. */
	uint8_t counter_id;
	/** Read the counter, ordered after every earlier load; NULL: the CPU's
	 * own instruction, inlined. */
	uint64_t (*counter)(void *ctx);
	/** May this thread read the counter? -EACCES: no. NULL: yes. */
	int (*check_counter)(void *ctx);
	/** CPUID; eax, ebx, ecx, edx. -EACCES: it is forbidden. */
	int (*cpuid)(void *ctx, uint32_t leaf, uint32_t subleaf,
		     uint32_t ret_regs[4]);
	/** Read an MSR, in ring 0. */
	int (*rdmsr)(void *ctx, uint32_t msr, uint64_t *ret_value);
	/** Write an MSR, in ring 0. */
	int (*wrmsr)(void *ctx, uint32_t msr, uint64_t value);
	/**
	 * Make a page readable: "pvclock", "hyperv" or "vmclock", where this
	 * machine has it (@p path NULL) or at @p path: a device is mapped, a
	 * regular file left to @c pread if it may shrink. A load from what is
	 * handed out must never fault. On failure only ret_map->why is written;
	 * -ENODEV: there is no such page; -ENXIO: there is one, and it cannot
	 * be used.
	 */
	int (*map_page)(void *ctx, const char *name, const char *path,
			struct paraclock_mapping *ret_map);
	/** Give back what map_page gave. */
	void (*unmap_page)(void *ctx, struct paraclock_mapping *map);
	/** Bytes read at @p offset, which may be fewer than @p n; or -errno. */
	int64_t (*pread)(void *ctx, int fd, void *buf, size_t n,
			 uint64_t offset);
	/** Does firmware announce a device? enum paraclock_firmware. */
	int (*find_device)(void *ctx, const char *acpi_hid,
			   const char *compatible);
	/** See paraclock_describe_machine(). */
	int (*describe)(void *ctx, struct paraclock_machine *ret_machine);
	/** A clock of the local kernel, ns; @p clock_id as clock_gettime(2),
	 * those of devices included: what these say is handed through. */
	int (*read_clock)(void *ctx, int clock_id, int64_t *ret_ns);
	/**
	 * 0: the calling thread runs on that CPU, or (with @p go) ran there
	 * since the call; its affinity is as before. -EAGAIN: it does not.
	 */
	int (*run_on_cpu)(void *ctx, unsigned int cpu, int go);
	/** This process's id in its PID namespace; not 0. */
	uint32_t (*process_id)(void *ctx);
	/** Memory, not initialised, aligned for any type. */
	void *(*alloc)(void *ctx, size_t size);
	/** Give back what alloc gave. */
	void (*free)(void *ctx, void *ptr);
	/**
	 * What the library knows of the local clocks; NULL: nothing is kept
	 * between calls. A copy of an env that reads other clocks needs one of
	 * its own: with another's it is refused.
	 */
	struct paraclock_system_clocks *system_clocks;
	/** The kernel's clocksource, NUL-terminated, and what it is to the
	 * counter: enum paraclock_clocksource_kind. */
	int (*clocksource)(void *ctx, char ret_name[32], uint8_t *ret_kind);
	/** The first @p size - 1 bytes of a small text file, without the
	 * newline at its end; its length. Below /dev and
	 * /proc/self/ns: where a symbolic link leads. */
	int (*read_text)(void *ctx, const char *path, char *buf, size_t size);
	/**
	 * Open a device, read-write where that is allowed. Any negative errno,
	 * for each has its remedy; -EACCES is what its mode forbids, -EPERM
	 * what is forbidden whoever asks (a sandbox's device policy).
	 */
	int (*open_device)(void *ctx, const char *path, int *ret_fd);
	/** ioctl(2) on a device: what it returns, or the negative errno, any.
	 */
	int (*ioctl)(void *ctx, int fd, unsigned long request, void *arg);
	/** Close what open_device, ioctl, watch_x or poll_group opened. */
	void (*close_device)(void *ctx, int fd);
	/**
	 * A hypercall, in ring 0. On x86 @p number is RAX and @p args RBX,
	 * RCX, RDX and RSI, and ret_regs[0] gets RAX; on arm64 it is an SMCCC
	 * call by the machine's conduit: @p number is W0, @p args X1 to X4, and
	 * @p ret_regs gets X0 to X3.
	 */
	int (*hypercall)(void *ctx, uint64_t number, const uint64_t args[4],
			 uint64_t ret_regs[4]);
	/**
	 * Was CLOCK_REALTIME set? With @p *fd -1 start to watch: *fd becomes a
	 * descriptor that polls readable after a set, and every second. Else
	 * 1: it was since the last call; 0: not.
	 */
	int (*watch_clock)(void *ctx, int *fd);
	/**
	 * Was this machine restored or cloned? With @p *fd -1 start to watch:
	 * *fd becomes a descriptor that polls readable when it may have been.
	 * Else 1: it was since the last call; 0: not, as far as is known; 2: it
	 * may have been, for what would tell was lost; 3: both.
	 */
	int (*watch_generation)(void *ctx, int *fd);
	/**
	 * Descriptors that are polled as one. Put @p fd into *group, which is
	 * made if it is -1, and then polls readable each time that something
	 * happens to @p fd (not: while it is readable); -EOPNOTSUPP: nothing
	 * ever does. With @p fd -1: what has happened until now was seen.
	 */
	int (*poll_group)(void *ctx, int *group, int fd);
	/**
	 * Identify the process @p id of this one's PID namespace; 0: this
	 * process. -ESRCH: the kernel confirms that no such process exists; a
	 * process that is merely hidden is another error. Any other error: it
	 * cannot be known. NULL: the only process is process_id's.
	 */
	int (*identify)(void *ctx, uint32_t id,
			struct paraclock_process *ret_who);
	/** Not 0; in a forked child another one than in all it comes from. NULL:
	 * process_id is that. */
	uint32_t (*fork_id)(void *ctx);
	/**
	 * Is what map_page opened still there? -ENODEV: it was removed, or
	 * replaced by something else of the same name. NULL: it is.
	 */
	int (*is_there)(void *ctx, const struct paraclock_mapping *map);
	/**
	 * How many ticks @c counter moves by at a time: 1 where it shows each
	 * tick, 64 where a counter of 24 MHz is shown as 1536 MHz. Two readings
	 * that far apart may lie twice as far apart in time, and so it is part
	 * of every error bound that is a distance of readings. 0, and what no
	 * counter does (2^31 and more): the library measures it.
	 */
	uint64_t counter_step;
	/**
	 * The number of the device that open_device() opened, as fstat(2) has
	 * it: that says which device it is, and no path does. -ENODEV: it is
	 * no character device. NULL, or any error: not known; then nobody
	 * guesses what its time means.
	 */
	int (*device_number)(void *ctx, int fd, uint32_t *ret_major,
			     uint32_t *ret_minor);
	/**
	 * The lowest number, from @p from on, with which @p prefix makes the
	 * name of a folder's entry: for "/dev/ptp" and 1 it is 4 if there is
	 * /dev/ptp4, but no ptp1 to 3. -ENODEV: none. NULL: 0 to 31 are tried.
	 */
	int (*next_number)(void *ctx, const char *prefix, uint32_t from,
			   uint32_t *ret_number);
};

/**
 * This machine's env: the one behind a NULL. A copy of it with some members
 * replaced is the usual way to make one's own.
 *
 * @return The env, constant; NULL if this build has none (ring 0).
 *
 * Threads: any thread; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API const struct paraclock_env *paraclock_default_env(void);

/** line.flags: a jump between two lines is a disruption (HEURISTIC). */
#define PARACLOCK_CONVERSION_REBASE 0x1U

/** line.flags: the page says that the host stopped this machine; when this is
 * new, it is a disruption (HEURISTIC: it may be withdrawn before it is seen).
 */
#define PARACLOCK_CONVERSION_STOPPED 0x2U

/** Words at line.page that identify the state of the page. */
#define PARACLOCK_CONVERSION_WORDS 4

/**
 * What a page says until it changes: host_ns as an affine map of the counter.
 *
 * While the PARACLOCK_CONVERSION_WORDS words at @c page equal @c key, and for
 * base_tsc <= counter <= base_tsc + max_ticks:
 *
 *   host_ns = base_ns + floor((ticks * mult + frac) / 2^64)
 *   clock_error_ns = error_ns +
 *                    ceil((counter - base_tsc) * error_mult / 2^64)
 *
 * with ticks = (counter - base_tsc) & mask. Where mult or error_mult is
 * rounded, @c guard and @c error_guard bound what that can add up to, in
 * 2^-64 ns: a result that close to a whole ns is computed by get_conversion()
 * instead, so that both ways give the same number.
 */
struct paraclock_conversion {
	/** The live words, 8-byte aligned; NULL: none, always use get_conversion. */
	const uint64_t *page;
	/** What was there; set also when page is NULL. word[0] holds the
	 * page's sequence. */
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
	/** The same, fraction, 2^-64 ns. */
	uint64_t frac;
	/** Error bound of the product, 2^-64 ns; at most 2^62. */
	uint64_t guard;
	/** clock_error_ns at the reference point. */
	uint64_t error_ns;
	/** Growth of clock_error_ns, 2^-64 ns per tick. */
	uint64_t error_mult;
	/** As guard, for the error; 0 if error_mult is exact. */
	uint64_t error_guard;
	/** Ticks for which all this holds; 0 with @c usable 0. */
	uint64_t max_ticks;
	/** 1: the map may be used; 0: only key is set. */
	uint8_t usable;
	/** PARACLOCK_LINE_x. */
	uint8_t flags;
};

/** A kind of source. Constant; must outlive what is opened with it. */
struct paraclock_backend {
	/** sizeof(struct paraclock_backend). */
	size_t size;
	/** [a-z0-9-]+, unique, never reused. */
	const char *name;
	/** Higher is tried first, below 0 (LOCAL) only by name. */
	int quality;
	/** enum paraclock_marker_class: what it promises that neither its
	 * marker nor its line has jumped. */
	uint8_t marker_class;
	/**
	 * 1: options.device may be the image of a page, of any machine; then
	 * this machine's other markers say nothing about it and stay out.
	 */
	uint8_t takes_image;
	/**
	 * Open the source; errors as paraclock_open(). On failure write a
	 * sentence to @p opts's detail, if it has one. @p arg is what
	 * paraclock_open_backend() was given, the caller's: NULL where the
	 * library opens the backend by its name or for its markers.
	 */
	int (*open)(const struct paraclock_env *env,
		    const struct paraclock_options *opts, void *arg,
		    void **ret_state);
	/**
	 * The pair, now. Sets every member but disruption and marker_class;
	 * WIDE is the caller's to judge. NULL: a source of markers only.
	 */
	int (*get_time)(void *state, struct paraclock_sample *ret_sample);
	/** The pair at a counter value of the past; may be NULL. */
	int (*get_time_at)(void *state, uint64_t counter,
			   struct paraclock_sample *ret_sample);
	/**
	 * As get_time, and what the same copy of the page says until it
	 * changes; may be NULL. With it, reads need not come here at all.
	 */
	int (*get_conversion)(void *state, struct paraclock_sample *ret_sample,
			      struct paraclock_conversion *ret_conv);
	/** The marker now; NULL: a source of time only. */
	int (*get_marker)(void *state, struct paraclock_marker *ret_marker);
	/**
	 * The live words behind get_marker, NULL for one that is not there;
	 * -EOPNOTSUPP: none. May be NULL.
	 */
	int (*watch_marker)(void *state, const uint64_t *ret_words[2]);
	/**
	 * A marker changed (@p noticed is 1: just now; 0: at some time
	 * before). 0: what the page says now is known to be from after it;
	 * -EAGAIN: not known yet. NULL: always known. Asked once at open as
	 * well, as if one had just changed, and again with 0 by later reads if
	 * it was not known then. Calls never overlap.
	 */
	int (*confirm_fresh)(void *state, int noticed);
	/** More on an error or reason, as paraclock_explain(); may be NULL. */
	void (*explain)(void *state, int error,
			const struct paraclock_sample *sample, char *buf,
			size_t size);
	/** Close; never NULL. */
	void (*close)(void *state);
	/** enum paraclock_event_kind: what this source says with another
	 * marker; 0: only that. */
	uint8_t marker_kind;
	/** 1: marker.generation is one, even if it is 0; 0, or NULL: 0 is
	 * none. */
	int (*has_generation)(void *state);
	/**
	 * A descriptor to which something happens (POLLIN) when the marker may
	 * have changed; called before it is polled for the first time, and
	 * again each time after it was: let it be heard of once more.
	 * -EOPNOTSUPP, or NULL: none.
	 */
	int (*poll_fd)(void *state);
	/**
	 * Is what was opened still there? 0; or -ENODEV, although it can be
	 * read: a file that was removed or replaced. Asked for events only.
	 * NULL: get_time says so.
	 */
	int (*is_there)(void *state);
	/**
	 * 1: what its marker says was inferred by whoever writes it, as by a
	 * relay: then it promises HEURISTIC, whatever marker_class says. 0, or
	 * NULL: what that says. Asked after get_marker.
	 */
	int (*is_inferred)(void *state);
	/**
	 * As get_conversion, and get_marker, of one copy of the page: for sources
	 * that are not in memory, where each look is dear. May be NULL.
	 */
	int (*get_conversion_marker)(void *state,
				     struct paraclock_sample *ret_sample,
				     struct paraclock_conversion *ret_conv,
				     struct paraclock_marker *ret_marker);
};

#ifdef __cplusplus
}
#endif

#endif
