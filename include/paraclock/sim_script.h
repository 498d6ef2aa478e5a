/* SPDX-License-Identifier: MIT */
/**
 * @file sim_script.h
 * A simulated host from a script: its hosts and VMs, what happens to them, and
 * what a reader should see.
 *
 * A script is text, one statement per line; paraclock-script(5) has the
 * grammar:
 *
 *     host a
 *     host b ahead 3ms
 *     vm vm1 on a with vmclock
 *     open vm1
 *     run 10s
 *     migrate vm1 to b downtime 300ms
 *     expect vm1 valid disrupted error < 10ns
 *
 * Link with libparaclock-sim.
 */
#ifndef PARACLOCK_SIM_SCRIPT_H
#define PARACLOCK_SIM_SCRIPT_H

#include <paraclock/sim.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup sim_script
 * @{ */

/** A parsed script. Opaque. */
struct paraclock_sim_script;
/** A script that is being played. Opaque. */
struct paraclock_sim_play;

/** The longest script, bytes. */
#define PARACLOCK_SIM_SCRIPT_MAX 65536

/**
 * Parse a script. Nothing happens yet.
 *
 * @param[out] ret_script Free it with paraclock_sim_script_free().
 * @param text The script; need not outlive the call.
 * @param size Bytes at @p text.
 * @param[out] detail On -EPROTO: "LINE:COLUMN: what is wrong; what was
 *        expected", both from 1, the column in bytes. A second line holds that
 *        line of the script, and a third one a caret below the column; if the
 *        script is too long or has no statement, there is only the first. Cut
 *        to fit, with a NUL at its end; or NULL.
 * @param detail_size Bytes at @p detail; 1024 are enough.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL @p ret_script or @p text.
 * @retval -EPROTO The script is wrong, or has no statement; @p detail says
 *         where and what. Correct it.
 * @retval -ENOMEM No memory.
 *
 * Threads: any thread. Not async-signal-safe.
 * Ownership: the caller owns *ret_script.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_sim_script_parse(struct paraclock_sim_script **ret_script,
			   const char *text, size_t size, char *detail,
			   size_t detail_size);

/**
 * Free a script.
 *
 * @param script The script, or NULL. It must not be playing.
 *
 * Threads: any thread, one object each. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API void
paraclock_sim_script_free(struct paraclock_sim_script *script);

/** One statement of a script that was played. */
struct paraclock_sim_event {
	/** sizeof(struct paraclock_sim_event). */
	size_t size;
	/** When it began: time since the start, ns. */
	int64_t time_ns;
	/** The statement, its words separated by one blank. */
	const char *text;
	/** Its outcome; empty: nothing to report. */
	const char *detail;
	/** The sample of 'read'; NULL for other statements. */
	const struct paraclock_sample *sample;
	/** The name of the time source of that sample. */
	const char *backend;
	/** With a valid @c sample: host_ns minus the truth, ns. */
	int64_t error_ns;
	/** Line of the script, from 1. */
	uint32_t line;
	/** 1: an expectation that failed. */
	uint8_t failed;
	/** 1: only time passes ('run', 'at'); reported when it begins. */
	uint8_t passes;
	/** Column of that line, from 1, bytes: where the statement begins, or
	 * the condition of 'expect' that does not hold. */
	uint8_t column;
	/** Zero. */
	uint8_t reserved;
};

/** How to play a script. Zero every member that is not used. */
struct paraclock_sim_play_options {
	/** sizeof(struct paraclock_sim_play_options). */
	size_t size;
	/** Passed to each function. */
	void *arg;
	/** Called for each statement; a result other than 0 ends the play.
	 * NULL: not called. */
	int (*on_event)(void *arg, const struct paraclock_sim_event *event);
	/** Called when pages may have changed: with each statement, and in a
	 * live world some ten times a second. A result other than 0 ends the
	 * play. NULL: not called. */
	int (*on_pages)(void *arg, const struct paraclock_sim_play *play);
	/** NULL: time is virtual. Otherwise time is live and passes by this
	 * counter, which never goes back and may be called by any thread. Each
	 * host's counter is this one, and each VM's is this one plus its
	 * 'offset', whatever frequencies the script has. */
	uint64_t (*counter)(void *arg);
	/** Frequency of @c counter, Hz; needed with it. */
	uint64_t counter_hz;
	/** Wait for @p ns or less. A result other than 0 ends the play. Needed
	 * with @c counter. */
	int (*wait)(void *arg, uint64_t ns);
	/** True TAI at the start, ns; 0: that of the script. */
	int64_t start_tai_ns;
};

/**
 * Play a script: make its world, and let everything happen.
 *
 * A failed expectation does not end the play. In a live world its hosts end
 * with status UNRELIABLE and a clocksource other than the TSC, so that no
 * reader mistakes a page that is left behind for the time. A Hyper-V page
 * cannot express that: if you have shown one elsewhere, set its sequence to 0
 * there.
 *
 * @param script The script.
 * @param opts NULL: virtual time, and no function is called.
 * @param[out] ret_failed The number of failed expectations, on success; or
 *        NULL.
 * @param[out] detail On failure: "LINE:COLUMN: the statement: what could not be
 *        done"; or NULL.
 * @param detail_size Bytes at @p detail.
 *
 * @retval 0 It was played to its end.
 * @retval -EINVAL NULL, a size that is too small, a counter without its
 *         frequency or wait; or the script does what a live world cannot.
 * @retval -ENOMEM No memory.
 * @retval -ERANGE A time of the script does not fit; @p detail says where.
 * @return Else what a function of the options returned, or, where the script
 * opens a clock, one of the errors of opening, which clock.h lists at its top;
 * or one of the errors of page writers, which sim.h lists at its top.
 *
 * Threads: any thread, any object: one script may be played by several. Not
 * async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_sim_script_play(const struct paraclock_sim_script *script,
			  const struct paraclock_sim_play_options *opts,
			  unsigned int *ret_failed, char *detail,
			  size_t detail_size);

/**
 * A VM of a script that is being played; for on_pages() to call.
 *
 * @param play The play.
 * @param index 0: the script's first VM. Clones count as well.
 * @param[out] ret_vm The VM; or NULL.
 * @return Its name, valid as long as the script; NULL: there is no such VM, and
 * nothing is written.
 *
 * Threads: the one that runs on_pages(). Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API const char *
paraclock_sim_play_vm(const struct paraclock_sim_play *play, unsigned int index,
		      struct paraclock_sim_vm **ret_vm);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
