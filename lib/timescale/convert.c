// SPDX-License-Identifier: MIT
/* UTC and TAI, by a table or by a sample's own offset. */

#include <errno.h>

#include <paraclock/timescale.h>

#include "base/fixed.h"
#include "leap_table.h"

/* TAI - UTC has been in this range since 1972 and will not leave it soon. */
#define TAI_OFFSET_MIN 10
#define TAI_OFFSET_MAX 100

int paraclock_tai_to_utc(const struct paraclock_leap_table *table,
			 int64_t tai_ns, struct paraclock_utc *ret_utc)
{
	struct paraclock_utc utc = { 0 };
	struct leap_month month = { 0 };
	int64_t rest, sec = pclk_floor_sec(tai_ns, &rest);
	int64_t offset_sec;
	int ret;

	if (!ret_utc)
		return -EINVAL;
	ret = pclk_leap_month_of_tai(table, sec, &month);
	if (ret)
		return ret;
	offset_sec = month.offset_sec;
	utc.leap = pclk_leap_month_state(&month);
	if (sec - offset_sec == month.utc.end_sec) {
		offset_sec++;
		utc.leap = PARACLOCK_LEAP_POS;
	}
	utc.ns = tai_ns - offset_sec * (int64_t)NSEC_PER_SEC;
	utc.tai_offset_sec = (int16_t)offset_sec;
	*ret_utc = utc;
	return 0;
}

/* The month's last second exists twice, once, or not at all. */
static int in_last_second(const struct leap_month *month, uint8_t leap,
			  int64_t *offset_sec)
{
	if (month->after < 0)
		return -EINVAL;
	if (month->after == 0)
		return leap == PARACLOCK_LEAP_POS ? -EINVAL : 0;
	if (leap == PARACLOCK_LEAP_POS)
		(*offset_sec)++;
	else if (leap != PARACLOCK_LEAP_PRE_POS)
		return -EINVAL;
	return 0;
}

int paraclock_utc_to_tai(const struct paraclock_leap_table *table,
			 const struct paraclock_utc *utc, int64_t *ret_tai_ns)
{
	struct leap_month month = { 0 };
	int64_t rest, sec;
	int ret;

	if (!utc || !ret_tai_ns)
		return -EINVAL;
	sec = pclk_floor_sec(utc->ns, &rest);
	ret = pclk_leap_month_of_utc(table, sec, &month);
	if (ret)
		return ret;
	if (sec == month.utc.end_sec - 1)
		ret = in_last_second(&month, utc->leap, &month.offset_sec);
	else if (utc->leap == PARACLOCK_LEAP_POS)
		ret = -EINVAL;
	if (ret)
		return ret;
	*ret_tai_ns = utc->ns + month.offset_sec * (int64_t)NSEC_PER_SEC;
	return 0;
}

bool pclk_leap_offset_is_plausible(int16_t offset_sec)
{
	return offset_sec >= TAI_OFFSET_MIN && offset_sec <= TAI_OFFSET_MAX;
}

/* Does a sample on UTC carry the offset of TAI? In the inserted second it may
 * be either of two offsets. */
static bool has_offset(const struct paraclock_sample *sample)
{
	return (sample->flags & PARACLOCK_FLAG_TAI_OFFSET) &&
	       sample->leap != PARACLOCK_LEAP_POS &&
	       pclk_leap_offset_is_plausible(sample->tai_offset_sec);
}

static int by_offset(const struct paraclock_sample *sample, int64_t *ret_tai_ns)
{
	int64_t offset_ns = sample->tai_offset_sec * (int64_t)NSEC_PER_SEC;
	int64_t tai_ns;

	if (!has_offset(sample))
		return -EOPNOTSUPP;
	if (__builtin_add_overflow(sample->host_ns, offset_ns, &tai_ns))
		return -ERANGE;
	*ret_tai_ns = tai_ns;
	return 0;
}

static int by_table(const struct paraclock_sample *sample,
		    const struct paraclock_leap_table *table,
		    int64_t *ret_tai_ns)
{
	const struct paraclock_utc utc = { .ns = sample->host_ns,
					   .leap = sample->leap };
	int64_t tai_ns = 0, own_ns = 0;
	int ret = paraclock_utc_to_tai(table, &utc, &tai_ns);

	if (ret)
		return ret;
	if (!by_offset(sample, &own_ns) && own_ns != tai_ns)
		return -EINVAL;
	*ret_tai_ns = tai_ns;
	return 0;
}

int paraclock_sample_to_tai(const struct paraclock_sample *sample,
			    const struct paraclock_leap_table *table,
			    int64_t *ret_tai_ns)
{
	if (!sample || !ret_tai_ns || !sample->valid)
		return -EINVAL;
	if (sample->timescale == PARACLOCK_TIMESCALE_TAI) {
		*ret_tai_ns = sample->host_ns;
		return 0;
	}
	if (sample->timescale != PARACLOCK_TIMESCALE_UTC)
		return -EOPNOTSUPP;
	return table ? by_table(sample, table, ret_tai_ns)
		     : by_offset(sample, ret_tai_ns);
}

static void add_entry(struct paraclock_leap_table *table, int64_t utc_sec,
		      int offset_sec)
{
	struct paraclock_leap_entry *e = &table->entry[table->count++];

	e->utc_sec = utc_sec;
	e->tai_offset_sec = (int16_t)offset_sec;
}

bool pclk_leap_tells_end(uint8_t leap, int64_t sec,
			 const struct calendar_month *month)
{
	if (leap == PARACLOCK_LEAP_PRE_POS || leap == PARACLOCK_LEAP_PRE_NEG)
		return true;
	return leap <= PARACLOCK_LEAP_POST_NEG &&
	       month->end_sec - sec <= DAY_SEC;
}

static void fill_table(struct paraclock_leap_table *table, int64_t sec,
		       uint8_t leap, int offset_sec)
{
	struct calendar_month month = pclk_calendar_month_of(sec);
	int64_t last = pclk_calendar_month_of(month.start_sec - 1).start_sec;
	int64_t end = month.end_sec;

	if (leap == PARACLOCK_LEAP_NONE)
		add_entry(table, last, offset_sec);
	else if (leap == PARACLOCK_LEAP_POST_POS)
		add_entry(table, last, offset_sec - 1);
	else if (leap == PARACLOCK_LEAP_POST_NEG)
		add_entry(table, last, offset_sec + 1);
	if (leap != PARACLOCK_LEAP_NONE)
		add_entry(table, month.start_sec, offset_sec);
	if (leap == PARACLOCK_LEAP_PRE_POS)
		add_entry(table, end, offset_sec + 1);
	else if (leap == PARACLOCK_LEAP_PRE_NEG)
		add_entry(table, end, offset_sec - 1);
	if (pclk_leap_tells_end(leap, sec, &month))
		end = pclk_calendar_month_of(end).end_sec;
	/* If it is not known how the month ends, its last second may be
	 * missing. */
	table->expires_sec = end - 1;
}

/* UTC by the sample's own offset, s. */
static int sample_utc_sec(const struct paraclock_sample *sample,
			  int64_t *ret_sec)
{
	int64_t rest, sec = pclk_floor_sec(sample->host_ns, &rest);

	if (sample->timescale == PARACLOCK_TIMESCALE_TAI)
		sec -= sample->tai_offset_sec;
	else if (sample->timescale != PARACLOCK_TIMESCALE_UTC)
		return -EOPNOTSUPP;
	*ret_sec = sec;
	return 0;
}

int paraclock_leap_table_from_sample(const struct paraclock_sample *sample,
				     struct paraclock_leap_table *ret_table)
{
	struct paraclock_leap_table table = { 0 };
	int64_t sec = 0;
	int ret;

	if (!sample || !ret_table || !sample->valid)
		return -EINVAL;
	if (!(sample->flags & PARACLOCK_FLAG_TAI_OFFSET))
		return -EOPNOTSUPP;
	ret = sample_utc_sec(sample, &sec);
	if (ret)
		return ret;
	if (sample->leap == PARACLOCK_LEAP_POS)
		return -EAGAIN;
	if (!pclk_leap_offset_is_plausible(sample->tai_offset_sec))
		return -EPROTO;
	/* The month before and the two after must be in range. */
	if (sec < LEAP_FIRST_SEC + 31 * DAY_SEC ||
	    sec >= LEAP_LAST_SEC - 62 * DAY_SEC)
		return -ERANGE;
	fill_table(&table, sec, sample->leap, sample->tai_offset_sec);
	*ret_table = table;
	return 0;
}
