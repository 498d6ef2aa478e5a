/* SPDX-License-Identifier: MIT */
/**
 * @file timescale.h
 * UTC, TAI and smeared UTC: conversions that are exact or refused.
 *
 * A table holds what is known of leap seconds, from a leap-seconds list or from
 * one sample. It says from when to when it knows; outside of that every
 * function here refuses. All compute exactly, in integers; they allocate
 * nothing, keep nothing, and leave errno alone. An instant is a count of ns;
 * only TAI gives every instant a number of its own.
 *
 * A function returns 0 or a negative errno value. Outputs (ret_x) are written
 * only on success. A NULL argument is -EINVAL unless a function says otherwise.
 *
 * @par Errors of smears
 * Every function that takes a smear:
 *
 * @retval -EINVAL No such smear, a table that is not fit for use, or NULL.
 * @retval -ERANGE Before the table's first entry, or so soon after it that a
 *         leap second just before would still be smeared; or after mid-2261.
 * @retval -ESTALE The table has expired, or it does not say whether the month
 *         ends with a leap second that would be smeared by now.
 */
#ifndef PARACLOCK_TIMESCALE_H
#define PARACLOCK_TIMESCALE_H

#include <stddef.h>
#include <stdint.h>

#include <paraclock/sample.h>

#if __STDC_HOSTED__
#include <errno.h>
#include <time.h>
#endif

#ifdef __cplusplus
extern "C" {
#endif

/** @addtogroup timescale
 * @{ */

/** Where Debian's tzdata and many other systems keep the list. */
#define PARACLOCK_LEAP_LIST_PATH "/usr/share/zoneinfo/leap-seconds.list"

/** The most entries of a table; the list of 2026 has 28. */
#define PARACLOCK_LEAP_TABLE_MAX 64

/** TAI - UTC, from a given second on. 16 bytes. */
struct paraclock_leap_entry {
	/** The first second of a UTC month, POSIX count, s; 1972 or later. */
	int64_t utc_sec;
	/** TAI - UTC from then on, s; not negative, and one more or less than
	 * before. */
	int16_t tai_offset_sec;
	/** Zero. */
	uint8_t reserved[6];
};

/**
 * What is known of leap seconds. 1056 bytes; the caller's memory.
 *
 * paraclock_leap_list_parse() or paraclock_leap_table_from_sample() makes one.
 * A caller that fills one in itself passes it to paraclock_leap_table_check().
 */
struct paraclock_leap_table {
	/**
	 * Everything is known up to here, POSIX count of UTC, s. A caller that
	 * is certain that no leap second comes before a later time may move it
	 * there.
	 */
	int64_t expires_sec;
	/** When the list was updated, POSIX count, s; 0: not known. */
	int64_t updated_sec;
	/** Entries, 1 to PARACLOCK_LEAP_TABLE_MAX. */
	uint32_t count;
	/** Zero. */
	uint8_t reserved[12];
	/** In order of time. Before the first entry nothing is known. */
	struct paraclock_leap_entry entry[PARACLOCK_LEAP_TABLE_MAX];
};

/** One instant on UTC. 16 bytes. */
struct paraclock_utc {
	/**
	 * POSIX count, ns. The inserted second repeats the number of the one
	 * before it; @c leap tells them apart. Always TAI - tai_offset_sec.
	 */
	int64_t ns;
	/** TAI - UTC at this instant, s, also inside an inserted second. */
	int16_t tai_offset_sec;
	/**
	 * enum paraclock_leap, for this instant; UNKNOWN if the table does
	 * not reach to the end of the month or not to its beginning.
	 */
	uint8_t leap;
	/** Zero. */
	uint8_t reserved[5];
};

/**
 * Read a leap-seconds list, as IERS publishes it and tzdata ships it.
 *
 * The text is not trusted. A list is refused if a line has another format, if
 * it has no expiry (\#@) or no hash (\#h), if the hash does not match, if an
 * entry is not the first second of a month or not after the one before, or if
 * TAI - UTC changes by other than one second. The hash is the SHA-1 of all
 * digits: it shows that nothing was cut off or mistyped, not who wrote the
 * list.
 *
 * An expired list is read like any other: it is right about its own time.
 *
 * @param text The list; need not end with a NUL.
 * @param size Bytes at @p text.
 * @param[out] detail On failure: the line's number and what is wrong; or NULL.
 * @param detail_size Bytes at @p detail; the text is cut to fit, NUL at its
 *        end.
 * @param[out] ret_table The table.
 *
 * @retval 0 Success. Compare expires_sec with the present.
 * @retval -EINVAL NULL argument.
 * @retval -EPROTO Not a leap-seconds list, or a damaged one: get another.
 * @retval -ERANGE More entries than a table holds, or a date after mid-2261.
 *
 * Threads: any thread, any object; async-signal-safe.
 * Source: IERS, leap-seconds.list and its README; NTP era 0 timestamps.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_leap_list_parse(const char *text, size_t size, char *detail,
			  size_t detail_size,
			  struct paraclock_leap_table *ret_table);

/**
 * Is a table that the caller has filled in fit for use?
 *
 * @param table The table.
 *
 * @retval 0 Yes.
 * @retval -EINVAL No: a bad count, a second that is not the first of a month or
 *         before 1972, a wrong order, or an offset that is negative or does not
 *         change by one; or NULL.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_leap_table_check(const struct paraclock_leap_table *table);

/**
 * Make a table from a host's TAI offset and leap second state.
 *
 * The table covers the sample's month; the month before, if the sample says how
 * that ended; and the month after, if it is known how this month ends: either a
 * leap second is announced, or none is announced and the sample is from the
 * month's last day (some hosts announce no earlier). If the end of a month is
 * not known, the table ends one second before it. Make a new table from each
 * sample, or every hour.
 *
 * @param sample A valid sample, on UTC or TAI.
 * @param[out] ret_table The table.
 *
 * @retval 0 Success.
 * @retval -EINVAL The sample is not valid, or NULL.
 * @retval -EOPNOTSUPP The sample has no TAI offset, is not on UTC or TAI, or
 *         may be smeared. Use a list.
 * @retval -EAGAIN The sample is from the inserted second, in which sources
 *         disagree on the offset. Read another sample when it is over.
 * @retval -ERANGE Before February 1972 or after April 2261.
 * @retval -EPROTO The offset is below 10 s or above 100 s, which TAI - UTC has
 *         not been since 1972: perhaps its sign is wrong.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_leap_table_from_sample(const struct paraclock_sample *sample,
				 struct paraclock_leap_table *ret_table);

/**
 * UTC at an instant of TAI.
 *
 * @param table What is known of leap seconds.
 * @param tai_ns TAI, ns since 1970-01-01 TAI.
 * @param[out] ret_utc UTC, the offset and the leap second state.
 *
 * @retval 0 Success.
 * @retval -EINVAL The table is not fit for use, or NULL.
 * @retval -ERANGE Before the table's first entry, or after mid-2261.
 * @retval -ESTALE The table expired before @p tai_ns. Get a newer one.
 *
 * Threads: any thread, any object; async-signal-safe.
 * Source: ITU-R TF.460-6; docs/decisions/0008 for the inserted second.
 * @since 0.1
 */
PARACLOCK_API int paraclock_tai_to_utc(const struct paraclock_leap_table *table,
				       int64_t tai_ns,
				       struct paraclock_utc *ret_utc);

/**
 * TAI at an instant of UTC.
 *
 * @param table What is known of leap seconds.
 * @param utc UTC: its @c ns and, in an inserted second and the second before
 *        it, its @c leap, which is then POS or PRE_POS. At other times any
 *        @c leap but POS will do. tai_offset_sec is ignored.
 * @param[out] ret_tai_ns TAI, ns since 1970-01-01 TAI.
 *
 * @retval 0 Success.
 * @retval -EINVAL There is no such second (it is removed, or @c leap is POS and
 *         none is inserted), or there are two and @c leap does not say which;
 *         or the table is not fit for use, or NULL.
 * @retval -ERANGE Before the table's first entry, or after mid-2261.
 * @retval -ESTALE The table expired before @p utc. Get a newer one.
 *
 * Threads: any thread, any object; async-signal-safe.
 * Source: ITU-R TF.460-6; docs/decisions/0008 for the inserted second.
 * @since 0.1
 */
PARACLOCK_API int paraclock_utc_to_tai(const struct paraclock_leap_table *table,
				       const struct paraclock_utc *utc,
				       int64_t *ret_tai_ns);

/**
 * TAI at a sample's instant.
 *
 * A sample on TAI needs no conversion. One on UTC is converted by the table or,
 * without a table, by its own TAI offset; if both are there, they must agree.
 *
 * @param sample A valid sample.
 * @param table What is known of leap seconds, or NULL.
 * @param[out] ret_tai_ns TAI, ns since 1970-01-01 TAI.
 *
 * @retval 0 Success.
 * @retval -EINVAL The sample is not valid or contradicts the table; by the
 *         table its second does not exist, or exists twice; or the table is not
 *         fit for use, or NULL.
 * @retval -EOPNOTSUPP The sample is not on UTC or TAI, or may be smeared; or
 *         there is neither a table nor a plausible offset. In an inserted
 *         second a table is needed.
 * @retval -ERANGE Before the table's first entry, or after mid-2261.
 * @retval -ESTALE The table expired before the sample. Get a newer one.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_sample_to_tai(const struct paraclock_sample *sample,
			const struct paraclock_leap_table *table,
			int64_t *ret_tai_ns);

/**
 * How a leap second is spread. The numbers are those of a vmclock page's
 * smearing hint and of virtio-rtc's variants.
 */
enum paraclock_smear {
	/** No smear: strict UTC. */
	PARACLOCK_SMEAR_NONE = 0,
	/**
	 * Evenly from noon UTC before to noon UTC after, which are 86401 s or
	 * 86399 s apart: 11.6 ppm.
	 */
	PARACLOCK_SMEAR_NOON_LINEAR = 1,
	/** UTC-SLS: over the last 1000 s of the UTC day: 1000 ppm. */
	PARACLOCK_SMEAR_UTC_SLS = 2,
};

/**
 * Smeared UTC at an instant of TAI; rounded down to a ns.
 *
 * Outside of a smear this is UTC. It never runs backwards, and
 * paraclock_smeared_to_tai() returns @p tai_ns to within 1 ns. For an instant
 * on UTC, call paraclock_utc_to_tai() first.
 *
 * @param table What is known of leap seconds.
 * @param smear enum paraclock_smear, not NONE.
 * @param tai_ns TAI, ns since 1970-01-01 TAI.
 * @param[out] ret_smeared_ns Smeared UTC, POSIX count, ns.
 *
 * @retval 0 Success.
 * @return One of the errors of smears, which are listed at the top.
 *
 * Threads: any thread, any object; async-signal-safe.
 * Source: M. Kuhn, UTC-SLS; virtio specification, RTC device, smearing
 * variants.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_tai_to_smeared(const struct paraclock_leap_table *table,
			 unsigned int smear, int64_t tai_ns,
			 int64_t *ret_smeared_ns);

/**
 * TAI at a value of smeared UTC: the first ns at which the smeared clock shows
 * that value or more.
 *
 * @param table What is known of leap seconds.
 * @param smear enum paraclock_smear, not NONE: the smear that the clock
 *        follows. A time does not show which that is.
 * @param smeared_ns Smeared UTC, POSIX count, ns.
 * @param[out] ret_tai_ns TAI, ns since 1970-01-01 TAI.
 *
 * @retval 0 Success.
 * @return One of the errors of smears, which are listed at the top.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_smeared_to_tai(const struct paraclock_leap_table *table,
			 unsigned int smear, int64_t smeared_ns,
			 int64_t *ret_tai_ns);

/** The clocks of a wall window. */
enum paraclock_wall {
	/** UTC, POSIX count; an inserted second repeats numbers. */
	PARACLOCK_WALL_UTC = 0,
	/** UTC with the window's smear. */
	PARACLOCK_WALL_SMEARED = 1,
	/** TAI itself. */
	PARACLOCK_WALL_TAI = 2,
};

/** Number of clocks of a wall window. */
#define PARACLOCK_WALLS 3

/** One clock as an affine function of TAI. 32 bytes. */
struct paraclock_wall_map {
	/** Its reference point, TAI, ns. Not after the window's start. */
	int64_t origin_tai_ns;
	/** The clock there, ns. */
	int64_t base_ns;
	/** Its rate, ns per ns of TAI: whole part, 0 or 1. */
	uint64_t mult_hi;
	/** Its rate, fraction, 2^-64, rounded up. The accumulated rounding
	 * never reaches 1 ns. */
	uint64_t mult_lo;
};

/**
 * All clocks in an interval in which each of them is an affine function of TAI.
 * 128 bytes; a value that the caller may copy and publish.
 */
struct paraclock_wall_window {
	/** First instant, TAI, ns. */
	int64_t start_tai_ns;
	/** Last instant, ns after the first. */
	uint64_t max_delta_ns;
	/** TAI - UTC in the whole window, s. */
	int16_t tai_offset_sec;
	/** enum paraclock_leap in the whole window, see paraclock_utc.leap. */
	uint8_t leap;
	/** enum paraclock_smear of the clock SMEARED. */
	uint8_t smear;
	/** Zero. */
	uint8_t reserved[12];
	/** By enum paraclock_wall. */
	struct paraclock_wall_map map[PARACLOCK_WALLS];
};

/**
 * The window around an instant: from the last to the next change of an offset,
 * of a rate or of the leap second state. At most a month.
 *
 * @param table What is known of leap seconds.
 * @param smear enum paraclock_smear; with NONE, SMEARED is UTC.
 * @param tai_ns TAI, ns since 1970-01-01 TAI.
 * @param[out] ret_window The window; it contains @p tai_ns.
 *
 * @retval 0 Success.
 * @return One of the errors of smears, which are listed at the top. With NONE
 * nothing is smeared: -ERANGE then means before the table's first entry or
 * after mid-2261, and -ESTALE that the table expired before @p tai_ns.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_wall_window_at(const struct paraclock_leap_table *table,
			 unsigned int smear, int64_t tai_ns,
			 struct paraclock_wall_window *ret_window);

/**
 * Read a clock of a window: two multiplications, whatever the clock, and no
 * branch but for the bounds.
 *
 * @param window The window.
 * @param wall enum paraclock_wall.
 * @param tai_ns TAI, ns since 1970-01-01 TAI.
 * @param[out] ret_ns The clock, ns since 1970, rounded down.
 *
 * @retval 0 Success.
 * @retval -EINVAL No such clock, or NULL.
 * @retval -ERANGE Not within the window. Make one with
 *         paraclock_wall_window_at().
 *
 * Threads: any thread, any object; async-signal-safe. The window must not
 * change meanwhile.
 * @since 0.1
 */
PARACLOCK_API int
paraclock_wall_read(const struct paraclock_wall_window *window,
		    unsigned int wall, int64_t tai_ns, int64_t *ret_ns);

#if __STDC_HOSTED__
/**
 * A count of ns as struct timespec; tv_nsec is 0 to 999999999, also before
 * 1970. Inline, because ring 0 has no struct timespec.
 *
 * @param ns ns since 1970.
 * @param[out] ret_ts The same instant.
 *
 * @retval 0 Success.
 * @retval -EINVAL NULL argument.
 * @retval -ERANGE This system's time_t is too small.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
static inline int paraclock_ns_to_timespec(int64_t ns, struct timespec *ret_ts)
{
	int64_t rest = ns % 1000000000;
	int64_t sec = ns / 1000000000;

	if (!ret_ts)
		return -EINVAL;
	if (rest < 0) {
		rest += 1000000000;
		sec--;
	}
	if ((int64_t)(time_t)sec != sec)
		return -ERANGE;
	ret_ts->tv_sec = (time_t)sec;
	ret_ts->tv_nsec = (long)rest;
	return 0;
}

/**
 * A struct timespec as a count of ns.
 *
 * @param ts The time.
 * @param[out] ret_ns ns since 1970.
 *
 * @retval 0 Success.
 * @retval -EINVAL tv_nsec is not within 0 to 999999999, or NULL.
 * @retval -ERANGE It does not fit into 64 bits of ns: before 1677-09-21 or
 *         after 2262-04-11.
 *
 * Threads: any thread, any object; async-signal-safe.
 * @since 0.1
 */
static inline int paraclock_timespec_to_ns(const struct timespec *ts,
					   int64_t *ret_ns)
{
	int64_t sec, rest, ns;

	if (!ts || !ret_ns || ts->tv_nsec < 0 || ts->tv_nsec > 999999999)
		return -EINVAL;
	sec = (int64_t)ts->tv_sec;
	rest = (int64_t)ts->tv_nsec;
	/* Towards zero, so that the product fits whenever the sum does. */
	if (sec < 0) {
		sec++;
		rest -= 1000000000;
	}
	if (__builtin_mul_overflow(sec, (int64_t)1000000000, &ns) ||
	    __builtin_add_overflow(ns, rest, &ns))
		return -ERANGE;
	*ret_ns = ns;
	return 0;
}
#endif

/** @} */

#ifdef __cplusplus
static_assert(sizeof(struct paraclock_leap_table) == 1056, "fixed");
static_assert(sizeof(struct paraclock_utc) == 16, "fixed");
static_assert(sizeof(struct paraclock_wall_window) == 128, "fixed");
}
#else
_Static_assert(sizeof(struct paraclock_leap_table) == 1056, "fixed");
_Static_assert(sizeof(struct paraclock_utc) == 16, "fixed");
_Static_assert(sizeof(struct paraclock_wall_window) == 128, "fixed");
#endif

#endif
