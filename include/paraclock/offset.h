/* SPDX-License-Identifier: MIT */
/**
 * @file offset.h
 * How far is this machine's CLOCK_REALTIME from the host's UTC?
 *
 * An offset is the host's UTC less CLOCK_REALTIME at one instant, ns, by POSIX
 * count. Positive: this machine is behind. Adding it to a reading of
 * CLOCK_REALTIME gives the host's UTC. Only a source that says what time it is
 * has one: MONOTONIC counts from an unspecified start and is refused.
 *
 * @par Errors of offsets
 * Every function here:
 *
 * @retval -EOPNOTSUPP The source does not say what UTC is: its timescale is
 *         MONOTONIC or UNKNOWN, or it is TAI and neither the sample nor the
 *         caller gives a plausible TAI offset. Open a source on another
 *         timescale (options.timescales), or give leap_table. Also: the host
 *         gives no pair at all, or the env cannot read CLOCK_REALTIME.
 *         paraclock_explain() says which of them it is.
 * @retval -EINVAL NULL, a size that is too small, or a leap_table that is not
 *         fit for use. Correct the call. Or the clocksource changed during the
 *         call. Try again.
 * @retval -ESTALE A disruption came in between, or CLOCK_REALTIME was set in
 *         each attempt. Measure again.
 * @retval -ERANGE The offset does not fit into 64 bits of ns.
 */
#ifndef PARACLOCK_OFFSET_H
#define PARACLOCK_OFFSET_H

#include <paraclock/crosststamp.h>
#include <paraclock/timescale.h>

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup offset
 * @{ */

/**
 * offset.flags: the host may smear leap seconds over hours, and nothing shows
 * that none is within a day. The offset is to whatever the host's clock shows,
 * which may be up to a second from UTC then; so @c bound_ns is unknown. Set
 * for the timescale UTC_MAYBE_SMEARED and with @c start_utc_ns. A leap_table
 * without a leap second in the day before and the day after removes it.
 */
#define PARACLOCK_OFFSET_MAYBE_SMEARED 0x1U
/**
 * offset.flags: measured by reading CLOCK_REALTIME between two reads of the
 * host clock, because the kernel's clocksource is not an image of the counter.
 * @c error_ns is larger for it.
 */
#define PARACLOCK_OFFSET_BRACKETED 0x2U
/**
 * offset.flags: a leap second is too close. If one may lie within @c error_ns
 * of the sample, a number of UTC may mean two instants, and the offset is not
 * valid (WINDOW); if only within the host's own bound, @c bound_ns is unknown.
 * It is over in a second or two: measure again then.
 */
#define PARACLOCK_OFFSET_NEAR_LEAP 0x4U

/** How far CLOCK_REALTIME is off. Zero it before the first use. */
struct paraclock_offset {
	/** Set by the caller to sizeof(struct paraclock_offset). */
	size_t size;
	/**
	 * Set by the caller: what is known of leap seconds, or NULL. It gives
	 * the offset of a TAI clock that does not tell its own. The caller
	 * owns it; it is not used after the call.
	 */
	const struct paraclock_leap_table *leap_table;
	/**
	 * Set by the caller: UTC of the start that a MONOTONIC source counts
	 * from, ns since 1970; 0: not known. Then the flag MAYBE_SMEARED is
	 * set, and no bound is known.
	 */
	int64_t start_utc_ns;
	/**
	 * Set by the caller: TAI - UTC now, s, for a TAI clock if neither it
	 * nor @c leap_table says so; 0: not known. Whoever takes it from the
	 * kernel has what was true before a restore.
	 */
	int16_t assume_tai_offset_sec;
	/** 1: the offset is known. 0: it is not; @c reason says why. */
	uint8_t valid;
	/** enum paraclock_reason: that of the sample, or WINDOW with the flag
	 * NEAR_LEAP. */
	uint8_t reason;
	/** PARACLOCK_OFFSET_x. */
	uint32_t flags;
	/**
	 * The host's UTC less CLOCK_REALTIME, ns. If not valid: 0, but with
	 * NEAR_LEAP the difference of the two counts.
	 */
	int64_t offset_ns;
	/**
	 * @c offset_ns is the host clock's to within this, ns: what reading
	 * both clocks may have cost. PARACLOCK_ERROR_UNKNOWN if the sample is
	 * not valid.
	 */
	uint64_t error_ns;
	/**
	 * True UTC less CLOCK_REALTIME is @c offset_ns to within this, ns:
	 * @c error_ns and the host's own bound. PARACLOCK_ERROR_UNKNOWN: the
	 * host states no bound, or none that holds for UTC, or not valid.
	 */
	uint64_t bound_ns;
	/** The host's UTC at @c counter, POSIX count, ns; 0 as offset_ns. */
	int64_t utc_ns;
	/** CLOCK_REALTIME at @c counter, ns; 0 if the sample is not valid. */
	int64_t realtime_ns;
	/** CLOCK_MONOTONIC_RAW at @c counter, ns; 0 if the sample is not
	 * valid. */
	int64_t monotonic_raw_ns;
	/** This machine's counter at that instant, ticks. */
	uint64_t counter;
	/**
	 * The sample. If @c leap_table or @c assume_tai_offset_sec gave the TAI
	 * offset, it shows that, and the table's leap second state. Its flag
	 * OWN_KERNEL says that the offset is of no use: this kernel's clock
	 * against itself.
	 */
	struct paraclock_sample sample;
	/** Zero. */
	uint64_t reserved[4];
};

/**
 * Measure how far CLOCK_REALTIME is off.
 *
 * Makes one cross timestamp; if the kernel's clocksource is not an image of the
 * counter, by paraclock_bracket(). One call may be wide, because an
 * interrupt came in between; error_ns says so. Whoever wants a narrow one calls
 * a few times and keeps the one with the least error_ns.
 *
 * CLOCK_REALTIME is the same in every time namespace.
 *
 * @param clk The clock.
 * @param[in,out] ret_offset The caller sets @c size, and may set @c leap_table,
 *        @c start_utc_ns and @c assume_tai_offset_sec; the rest is written.
 *
 * @retval 0 Look at ret_offset->valid. If it is 0, paraclock_explain() with
 *         ret_offset->sample says why.
 * @return One of the errors of offsets, which are listed at the top, or else
 * one of the errors of cross timestamps (crosststamp.h).
 *
 * Threads: any thread, any object; async-signal-safe if the env is.
 * @since 0.1
 */
PARACLOCK_API int paraclock_offset(const struct paraclock *clk,
				   struct paraclock_offset *ret_offset);

/**
 * The offset that a cross timestamp shows.
 *
 * For a caller that has made one anyway, perhaps with a history or of a device
 * of its own. Computes only.
 *
 * @param xt The cross timestamp.
 * @param[in,out] ret_offset As in paraclock_offset().
 *
 * @retval 0 Look at ret_offset->valid.
 * @retval -ESTALE CLOCK_REALTIME is not known: it was set around the counter
 *         value. Make another cross timestamp.
 * @return Else one of the errors of offsets, which are listed at the top.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_offset_of(const struct paraclock_crosststamp *xt,
				      struct paraclock_offset *ret_offset);

/** @} */

#ifdef __cplusplus
}
#endif

#endif
