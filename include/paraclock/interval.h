/* SPDX-License-Identifier: MIT */
/**
 * @file interval.h
 * Between which two times is it now? What a sample and its bound say of true
 * UTC and true TAI, or a refusal.
 *
 * An interval is host_ns less and plus (clock_error_ns + pair_error_ns), on the
 * scale that is asked for. True time, rounded down to a ns, lies in it, both
 * ends included. An end that does not fit is the least or the greatest number
 * that does: INT64_MIN or INT64_MAX ns since 1970.
 *
 * To compare instants, use TAI: UTC repeats a second's numbers when a leap
 * second is inserted. So a UTC interval is refused if it may touch a leap
 * second, or the second before one. The sample's own leap second state decides:
 *
 * - PRE_POS, PRE_NEG: from this UTC month's first second up to its last one,
 *   exclusive.
 * - POS: refused.
 * - POST_POS, POST_NEG: from this month's first second up to its last one,
 *   exclusive.
 * - NONE: the same, and the whole month before.
 * - UNKNOWN: without this month's first second and its last.
 *
 * On the last day of a month, NONE, POST_POS and POST_NEG also say that no leap
 * second ends it: then the interval may reach into the next month, up to that
 * month's last second.
 *
 * @par Errors of intervals
 * Every function here:
 *
 * @retval -EINVAL The sample is not valid, or NULL.
 * @retval -EOPNOTSUPP The sample has no bound; or it is not on UTC or TAI, or
 *         may be smeared; or it has no plausible TAI offset and the other scale
 *         is asked for; or a leap second is too close. paraclock_explain()
 *         says which of these it is.
 * @retval -ERANGE UTC is before 1972 or after mid-2261. Not for a sample on TAI
 *         if TAI is asked for.
 */
#ifndef PARACLOCK_INTERVAL_H
#define PARACLOCK_INTERVAL_H

#include <stdint.h>

#include <paraclock/sample.h>

#if __STDC_HOSTED__
#include <time.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup interval
 * @{ */

/**
 * True UTC lies between these two times, ns.
 *
 * @param sample A valid sample with a bound, on UTC, or on TAI with its offset.
 * @param[out] ret_earliest_ns POSIX count, ns since 1970.
 * @param[out] ret_latest_ns The same, not before the other.
 *
 * @retval 0 Success.
 * @return One of the errors of intervals, which are listed at the top.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_interval_ns(const struct paraclock_sample *sample,
					int64_t *ret_earliest_ns,
					int64_t *ret_latest_ns);

/**
 * True TAI lies between these two times, ns.
 *
 * No leap second disturbs a sample on TAI. A sample on UTC is converted by its
 * own TAI offset; it is refused in an inserted second, and if it does not know
 * its leap second state also in the first and the last second of a month.
 *
 * @param sample A valid sample with a bound, on TAI, or on UTC with its offset.
 * @param[out] ret_earliest_ns ns since 1970-01-01 TAI.
 * @param[out] ret_latest_ns The same, not before the other.
 *
 * @retval 0 Success.
 * @return One of the errors of intervals, which are listed at the top.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_interval_tai_ns(const struct paraclock_sample *sample,
			  int64_t *ret_earliest_ns, int64_t *ret_latest_ns);

#if __STDC_HOSTED__
/**
 * True UTC lies between these two times: paraclock_interval_ns() in struct
 * timespec, which ring 0 does not have.
 *
 * @param sample A valid sample with a bound, on UTC, or on TAI with its offset.
 * @param[out] ret_earliest POSIX count; tv_nsec is 0 to 999999999.
 * @param[out] ret_latest The same, not before the other.
 *
 * @retval 0 Success.
 * @retval -ERANGE Also: this system's time_t is too small.
 * @return Else one of the errors of intervals, which are listed at the top.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_interval(const struct paraclock_sample *sample,
				     struct timespec *ret_earliest,
				     struct timespec *ret_latest);

/**
 * True TAI lies between these two times: paraclock_interval_tai_ns() in struct
 * timespec. This is what a commit-wait compares.
 *
 * @param sample A valid sample with a bound, on TAI, or on UTC with its offset.
 * @param[out] ret_earliest Since 1970-01-01 TAI; tv_nsec is 0 to 999999999.
 * @param[out] ret_latest The same, not before the other.
 *
 * @retval 0 Success.
 * @retval -ERANGE Also: this system's time_t is too small.
 * @return Else one of the errors of intervals, which are listed at the top.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int paraclock_interval_tai(const struct paraclock_sample *sample,
					 struct timespec *ret_earliest,
					 struct timespec *ret_latest);
#endif

/** @} */

#ifdef __cplusplus
}
#endif

#endif
