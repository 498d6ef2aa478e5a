/* SPDX-License-Identifier: MIT */
/**
 * @file check.h
 * A second opinion on a host clock.
 */
#ifndef PARACLOCK_CHECK_H
#define PARACLOCK_CHECK_H

#include <paraclock/clock.h>

#ifdef __cplusplus
extern "C" {
#endif

/** check.compared and check.contradicted: the rate, against
 * CLOCK_MONOTONIC_RAW. */
#define PARACLOCK_CHECK_RATE 0x1U
/** The same: the rate, against the other clock. */
#define PARACLOCK_CHECK_OTHER_RATE 0x2U
/** The same: the offset to the other clock, on one timescale. */
#define PARACLOCK_CHECK_OTHER_OFFSET 0x4U

/** A second opinion on a clock: what to compare, and what was found. */
struct paraclock_check {
	/** Set by the caller to sizeof(struct paraclock_check). */
	size_t size;
	/** Set by the caller: a clock to compare with, or NULL. Keep it open
	 * between two calls. */
	const struct paraclock *other;
	/**
	 * Set by the caller: rates that differ by more are a contradiction,
	 * 10^-9; 0: 10^6, which is 0.1 %. NTP slews a clock by up to 0.05 %,
	 * and kernels measure their counter about as well.
	 */
	uint64_t max_rate_ppb;
	/**
	 * Set by the caller: two clocks of one timescale that are further
	 * apart, beyond their own error bounds, are a contradiction, ns; 0:
	 * 10^9, since one of them may be smearing a leap second.
	 */
	uint64_t max_offset_ns;
	/** What was compared, and what of it contradicts: a mask of
	 * PARACLOCK_CHECK_x. */
	uint32_t compared, contradicted;
	/** Time since the call before, by CLOCK_MONOTONIC_RAW, ns. */
	uint64_t interval_ns;
	/** Rate of the clock against CLOCK_MONOTONIC_RAW over the interval,
	 * positive if it runs faster, 10^-9. */
	int64_t rate_ppb;
	/** The same against the other clock. */
	int64_t other_rate_ppb;
	/** The clock minus the other one, ns; by OTHER_OFFSET only. */
	int64_t other_offset_ns;
	/** What reading the clocks may have got wrong, ns: all of it is allowed
	 * before anything counts as a contradiction. */
	uint64_t error_ns;
	/** The library's own; zero before the first call. */
	uint64_t opaque[16];
};

/**
 * Ask for a second opinion on a clock: does it run as other clocks do?
 *
 * A page that is whole and valid can still be wrong: hypervisors have left one
 * in place, with a plausible sequence, after a move to a host of another
 * frequency. Call this now and then, say once in 10 s, with the same @p check:
 * each call compares what passed since the call before. On a contradiction the
 * clock's samples are IMPLAUSIBLE from then on, in every thread, until
 * paraclock_check_clear() or until it is opened anew.
 *
 * After a disruption, a change of the clocksource or a sample that is not
 * valid, comparing begins anew. A step of one second of a UTC clock that does
 * not tell its TAI offset may be a leap second, and is none. A host whose clock
 * is set contradicts itself: that is for the caller to clear.
 *
 * @param clk The clock.
 * @param[in,out] check What to compare; gets what was found.
 *
 * @retval 0 No contradiction; the first call has nothing to compare yet, as
 *         @c compared says.
 * @retval 1 Contradicted, by this call or by an earlier one.
 * @retval -EINVAL NULL, a size that is too small, or @c other is @p clk.
 * @retval -ESTALE A disruption or a clock set came in between: call again.
 * @return Else as paraclock_crosststamp(), for either clock; the next call
 * compares with the last one that succeeded.
 *
 * Threads: any thread, one check each. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_check(struct paraclock *clk,
				  struct paraclock_check *check);

/**
 * Believe a clock again that a check has contradicted.
 *
 * @param clk The clock.
 *
 * @retval 0 Its samples are no longer IMPLAUSIBLE.
 * @retval -EINVAL @p clk is NULL.
 * @retval -EAGAIN Another thread is taking in a change. Try again.
 *
 * Threads: any thread, any object. Not async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_check_clear(struct paraclock *clk);

#ifdef __cplusplus
}
#endif

#endif
