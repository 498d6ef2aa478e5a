/* SPDX-License-Identifier: MIT */
/**
 * @file sim_script.h
 * A simulated host from a script: what is there, what happens, and what a
 * reader is expected to see.
 *
 * A script is text, a statement a line; paraclock-script(5) has the grammar:
 *
 *   host a
 *   host b ahead 3ms
 *   vm vm1 on a with vmclock
 *   open vm1
 *   run 10s
 *   migrate vm1 to b downtime 300ms
 *   expect vm1 valid disrupted error < 10ns
 *
 * Link with libparaclock-sim.
 */
#ifndef PARACLOCK_SIM_SCRIPT_H
#define PARACLOCK_SIM_SCRIPT_H

#include <paraclock/sim.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A script that was read and found good. Opaque. */
struct paraclock_sim_script;
/** A script that is being played. Opaque. */
struct paraclock_sim_play;

/** The longest script, bytes. */
#define PARACLOCK_SIM_SCRIPT_MAX 65536

/**
 * Read a script. Nothing happens yet.
 *
 * @param[out] ret_script Free it with paraclock_sim_script_free().
 * @param text The script; it may go when this returns.
 * @param size Bytes at @p text.
 * @param[out] detail On -EPROTO gets "LINE: what is wrong; what was expected",
 *        cut to fit, NUL at its end; or NULL.
 * @param detail_size Bytes at @p detail.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL @p ret_script or @p text.
 * @retval -EPROTO It is wrong, and @p detail says where. Mend it.
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
 * @param script The script, or NULL. It is not being played.
 *
 * Threads: any thread, one object each. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API void
paraclock_sim_script_free(struct paraclock_sim_script *script);

/** Something that a script did. */
struct paraclock_sim_event {
	/** sizeof(struct paraclock_sim_event). */
	size_t size;
	/** Time since the start at which it began, ns. */
	int64_t time_ns;
	/** The statement, its words with one blank between them. */
	const char *text;
	/** What came of it; empty: nothing to say. */
	const char *detail;
	/** 'read' only, else NULL: the sample. */
	const struct paraclock_sample *sample;
	/** Whose it is: the name of the time source. */
	const char *backend;
	/** With @c sample, if that is valid: host_ns less the truth, ns. */
	int64_t error_ns;
	/** Line of the script, from 1. */
	uint32_t line;
	/** 1: an expectation that did not hold. */
	uint8_t failed;
	/** 1: only time passes ('run', 'at'); told when it begins. */
	uint8_t passes;
	/** Zero. */
	uint8_t reserved[2];
};

/** How to play a script. Zero every member that is not used. */
struct paraclock_sim_play_options {
	/** sizeof(struct paraclock_sim_play_options). */
	size_t size;
	/** Handed to each function. */
	void *arg;
	/** Called for each statement; not 0 ends the play. NULL: nobody
	 * listens. */
	int (*on_event)(void *arg, const struct paraclock_sim_event *event);
	/** Called when pages may have changed, with each statement and in a
	 * live world some ten times a second; not 0 ends the play. NULL: not
	 * called. */
	int (*on_pages)(void *arg, const struct paraclock_sim_play *play);
	/** NULL: time is virtual. Else as paraclock_sim_options.counter: each
	 * host's counter is this one, and each VM's is this one plus its
	 * 'offset', whatever the script says of frequencies. */
	uint64_t (*counter)(void *arg);
	/** Its frequency, Hz; needed with it. */
	uint64_t counter_hz;
	/** Wait for @p ns or less; not 0 ends the play. Needed with counter. */
	int (*wait)(void *arg, uint64_t ns);
	/** True TAI at the start, ns; 0: what the script says. */
	int64_t start_tai_ns;
};

/**
 * Play a script: make its world, and let everything happen.
 *
 * An expectation that does not hold does not end it. In a live world its hosts
 * end with status UNRELIABLE and a clocksource that is no TSC, so that nobody
 * takes a page that is left behind for the time. A Hyper-V page cannot say so:
 * whoever has shown one elsewhere makes its sequence 0 there.
 *
 * @param script The script.
 * @param opts NULL: virtual time, and nobody listens.
 * @param[out] ret_failed How many expectations did not hold, if 0 is returned;
 *        or NULL.
 * @param[out] detail On failure "LINE: what could not be done"; or NULL.
 * @param detail_size Bytes at @p detail.
 *
 * @retval 0 It was played to its end.
 * @retval -EINVAL NULL, a size that is too small, a counter without its
 *         frequency or wait; or the script does what a live world cannot.
 * @retval -ENOMEM No memory.
 * @return Else what a function of the options' returned, or one of sim.h's.
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
 * A VM of a script that is being played, from on_pages().
 *
 * @param play The play.
 * @param index 0: the script's first VM; clones are counted, too.
 * @param[out] ret_vm The VM; or NULL.
 * @return Its name, for as long as the script lives; NULL: there are fewer, and
 * nothing is written.
 *
 * Threads: that of on_pages().
 * @since 0.1
 */
PARACLOCK_API const char *
paraclock_sim_play_vm(const struct paraclock_sim_play *play, unsigned int index,
		      struct paraclock_sim_vm **ret_vm);

#ifdef __cplusplus
}
#endif

#endif
