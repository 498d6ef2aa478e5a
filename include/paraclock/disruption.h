/* SPDX-License-Identifier: MIT */
/**
 * @file disruption.h
 * Has this machine been moved, cloned, restored or paused?
 *
 * A disruption voids every calibration of the CPU counter. Each open clock
 * counts those that it notices: the count is its epoch, and the token below.
 */
#ifndef PARACLOCK_DISRUPTION_H
#define PARACLOCK_DISRUPTION_H

#include <paraclock/clock.h>

#ifdef __cplusplus
extern "C" {
#endif

/** What the host shows of disruptions; see paraclock_marker(). */
struct paraclock_marker {
	/** Another value after every disruption. */
	uint64_t disruption;
	/** Another value after a restore or clone; 0 where not given. */
	uint64_t generation;
};

/**
 * The clock's epoch now.
 *
 * Looks at the markers and the page first, so what is visible now is counted;
 * but if they cannot be looked at, or another thread is taking in a change,
 * this is the epoch as it was. Equal to sample.disruption of a read made now.
 * Never 0, so 0 can mean "no token yet".
 *
 * @param clk The clock.
 * @return The epoch; 0 if @p clk is NULL.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API uint64_t paraclock_token(const struct paraclock *clk);

/**
 * Was there a disruption since a token was taken?
 *
 * What 0 promises is the marker_class of the clock's samples: NONE promises
 * nothing, HEURISTIC that the page's parameters did not jump.
 *
 * @param clk The clock.
 * @param token From paraclock_token() or sample.disruption, of this clock.
 *
 * @retval 1 Yes: recalibrate, and take a new token.
 * @retval 0 No.
 * @retval -EINVAL @p clk is NULL.
 * @retval -EAGAIN Another thread is taking in a change, or as
 *         paraclock_read(): treat it as 1.
 * @return Any other error of paraclock_read(): it cannot be known now. Treat
 * it as 1.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_disrupted(const struct paraclock *clk,
				      uint64_t token);

/**
 * The host's own marker, as its page shows it.
 *
 * Unlike the epoch it means the same in every process of this machine, so it
 * can be stored beside a calibration. Two clones of one machine may show the
 * same marker: it tells a machine from its own past, not from its twin.
 *
 * @param clk The clock.
 * @param[out] ret_marker The first marker source's.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL argument.
 * @retval -EOPNOTSUPP This clock has no source of markers.
 * @return Else as paraclock_read().
 *
 * Threads: any thread, any object; async-signal-safe.
 * Source: Linux uapi vmclock-abi.h, disruption_marker and
 * vm_generation_counter.
 * @since 0.1
 */
PARACLOCK_API int paraclock_marker(const struct paraclock *clk,
				   struct paraclock_marker *ret_marker);

#ifdef __cplusplus
}
#endif

#endif
