// SPDX-License-Identifier: MIT
/* Between which two times is it now, by a sample and its bound? */

#include <errno.h>

#include <paraclock/interval.h>
#include <paraclock/timescale.h>

#include "base/fixed.h"
#include "leap_table.h"

struct interval {
	int64_t earliest_ns;
	int64_t latest_ns;
};

/* Whole seconds of UTC, [from, to). */
struct seconds {
	int64_t from;
	int64_t to;
};

static int check(const struct paraclock_sample *sample)
{
	if (!sample || !sample->valid)
		return -EINVAL;
	if (sample->pair_error_ns == PARACLOCK_ERROR_UNKNOWN ||
	    sample->clock_error_ns == PARACLOCK_ERROR_UNKNOWN ||
	    (sample->timescale != PARACLOCK_TIMESCALE_UTC &&
	     sample->timescale != PARACLOCK_TIMESCALE_TAI))
		return -EOPNOTSUPP;
	return 0;
}

static int64_t saturate(s128 ns)
{
	if (ns < INT64_MIN)
		return INT64_MIN;
	return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

static struct interval around(const struct paraclock_sample *sample, s128 ns)
{
	const s128 width =
		(s128)sample->clock_error_ns + (s128)sample->pair_error_ns;

	return (struct interval){ saturate(ns - width), saturate(ns + width) };
}

/* TAI - UTC at the sample's instant, ns. */
static int offset_of(const struct paraclock_sample *sample, s128 *ret_ns)
{
	if (!(sample->flags & PARACLOCK_FLAG_TAI_OFFSET) ||
	    !pclk_leap_offset_is_plausible(sample->tai_offset_sec))
		return -EOPNOTSUPP;
	*ret_ns = (s128)sample->tai_offset_sec * NSEC_PER_SEC;
	return 0;
}

/* The month of a time on UTC, and its second. */
static int month_of(s128 utc_ns, struct calendar_month *ret_month,
		    int64_t *ret_sec)
{
	int64_t rest;

	if (utc_ns < (s128)LEAP_FIRST_SEC * NSEC_PER_SEC ||
	    utc_ns >= (s128)LEAP_LAST_SEC * NSEC_PER_SEC)
		return -ERANGE;
	*ret_sec = pclk_floor_sec((int64_t)utc_ns, &rest);
	*ret_month = pclk_calendar_month_of(*ret_sec);
	return 0;
}

/*
 * The seconds around a sample that no leap second can touch. The inserted
 * second repeats the number of the last second before it, so both are out; a
 * last second that may be removed is out as well. If the state is not known,
 * so is the first second of a month, for not all clocks number an inserted
 * second alike.
 */
static struct seconds free_of_leaps(uint8_t leap, int64_t sec,
				    const struct calendar_month *month)
{
	struct seconds free = { month->start_sec, month->end_sec - 1 };

	if (leap == PARACLOCK_LEAP_POS) {
		free.to = free.from;
		return free;
	}
	if (leap > PARACLOCK_LEAP_POST_NEG) {
		free.from++;
		return free;
	}
	if (leap == PARACLOCK_LEAP_NONE)
		free.from = pclk_calendar_month_of(free.from - 1).start_sec;
	if (leap != PARACLOCK_LEAP_PRE_POS && leap != PARACLOCK_LEAP_PRE_NEG &&
	    pclk_leap_tells_end(leap, sec, month))
		free.to = pclk_calendar_month_of(month->end_sec).end_sec - 1;
	return free;
}

static int utc_interval(const struct paraclock_sample *sample,
			struct interval *ret_interval)
{
	struct calendar_month month;
	struct seconds free;
	s128 utc_ns, offset_ns = 0;
	int64_t sec;
	int ret = check(sample);

	if (!ret && sample->timescale == PARACLOCK_TIMESCALE_TAI)
		ret = offset_of(sample, &offset_ns);
	if (ret)
		return ret;
	utc_ns = sample->host_ns - offset_ns;
	ret = month_of(utc_ns, &month, &sec);
	if (ret)
		return ret;
	*ret_interval = around(sample, utc_ns);
	free = free_of_leaps(sample->leap, sec, &month);
	return ret_interval->earliest_ns >= (s128)free.from * NSEC_PER_SEC &&
			       ret_interval->latest_ns <
				       (s128)free.to * NSEC_PER_SEC
		       ? 0
		       : -EOPNOTSUPP;
}

bool pclk_leap_is_near(uint8_t leap, int64_t utc_ns, uint64_t error_ns)
{
	const struct paraclock_sample sample = {
		.host_ns = utc_ns,
		.pair_error_ns = error_ns,
		.valid = 1,
		.timescale = PARACLOCK_TIMESCALE_UTC,
		.leap = leap,
	};
	struct interval interval;

	return utc_interval(&sample, &interval) == -EOPNOTSUPP;
}

/* Is this the sample's UTC without a doubt? An inserted second shows a number
 * twice, and clocks disagree on the offset in it. */
static int check_second(const struct paraclock_sample *sample)
{
	struct calendar_month month;
	struct seconds free;
	int64_t sec;
	int ret = month_of(sample->host_ns, &month, &sec);

	if (ret)
		return ret;
	if (sample->leap == PARACLOCK_LEAP_POS)
		return -EOPNOTSUPP;
	if (sample->leap <= PARACLOCK_LEAP_POST_NEG)
		return 0;
	free = free_of_leaps(sample->leap, sec, &month);
	return sec >= free.from && sec < free.to ? 0 : -EOPNOTSUPP;
}

static int tai_interval(const struct paraclock_sample *sample,
			struct interval *ret_interval)
{
	s128 offset_ns = 0;
	int ret = check(sample);

	if (!ret && sample->timescale == PARACLOCK_TIMESCALE_UTC) {
		ret = offset_of(sample, &offset_ns);
		if (!ret)
			ret = check_second(sample);
	}
	if (!ret)
		*ret_interval = around(sample, sample->host_ns + offset_ns);
	return ret;
}

static int write_ns(int ret, const struct interval *interval,
		    int64_t *ret_earliest_ns, int64_t *ret_latest_ns)
{
	if (!ret_earliest_ns || !ret_latest_ns)
		return -EINVAL;
	if (ret)
		return ret;
	*ret_earliest_ns = interval->earliest_ns;
	*ret_latest_ns = interval->latest_ns;
	return 0;
}

int paraclock_interval_ns(const struct paraclock_sample *sample,
			  int64_t *ret_earliest_ns, int64_t *ret_latest_ns)
{
	struct interval interval = { 0 };
	int ret = utc_interval(sample, &interval);

	return write_ns(ret, &interval, ret_earliest_ns, ret_latest_ns);
}

int paraclock_interval_tai_ns(const struct paraclock_sample *sample,
			      int64_t *ret_earliest_ns, int64_t *ret_latest_ns)
{
	struct interval interval = { 0 };
	int ret = tai_interval(sample, &interval);

	return write_ns(ret, &interval, ret_earliest_ns, ret_latest_ns);
}

#if __STDC_HOSTED__
static int write_timespec(int ret, const struct interval *interval,
			  struct timespec *ret_earliest,
			  struct timespec *ret_latest)
{
	struct timespec earliest, latest;

	if (!ret_earliest || !ret_latest)
		return -EINVAL;
	if (!ret)
		ret = paraclock_ns_to_timespec(interval->earliest_ns,
					       &earliest);
	if (!ret)
		ret = paraclock_ns_to_timespec(interval->latest_ns, &latest);
	if (ret)
		return ret;
	*ret_earliest = earliest;
	*ret_latest = latest;
	return 0;
}

int paraclock_interval(const struct paraclock_sample *sample,
		       struct timespec *ret_earliest,
		       struct timespec *ret_latest)
{
	struct interval interval = { 0 };
	int ret = utc_interval(sample, &interval);

	return write_timespec(ret, &interval, ret_earliest, ret_latest);
}

int paraclock_interval_tai(const struct paraclock_sample *sample,
			   struct timespec *ret_earliest,
			   struct timespec *ret_latest)
{
	struct interval interval = { 0 };
	int ret = tai_interval(sample, &interval);

	return write_timespec(ret, &interval, ret_earliest, ret_latest);
}
#endif
