// SPDX-License-Identifier: MIT
/* Tables of leap seconds: whether one is sound, and what it says about a
 * month. */

#include <errno.h>

#include "base/fixed.h"
#include "leap_table.h"

int64_t pclk_floor_sec(int64_t ns, int64_t *ret_rest_ns)
{
	int64_t sec = ns / (int64_t)NSEC_PER_SEC;
	int64_t rest = ns % (int64_t)NSEC_PER_SEC;

	*ret_rest_ns = rest < 0 ? rest + (int64_t)NSEC_PER_SEC : rest;
	return rest < 0 ? sec - 1 : sec;
}

static bool in_range(int64_t sec)
{
	return sec >= LEAP_FIRST_SEC && sec < LEAP_LAST_SEC;
}

/* The leap second between entry i - 1 and i. */
static int step(const struct paraclock_leap_table *table, uint32_t i)
{
	return table->entry[i].tai_offset_sec -
	       table->entry[i - 1].tai_offset_sec;
}

static bool is_sound_step(const struct paraclock_leap_table *table, uint32_t i)
{
	int by = step(table, i);

	return (by == 1 || by == -1) &&
	       table->entry[i].utc_sec > table->entry[i - 1].utc_sec;
}

static bool is_usable(const struct paraclock_leap_table *table)
{
	return table && table->count > 0 &&
	       table->count <= PARACLOCK_LEAP_TABLE_MAX;
}

int paraclock_leap_table_check(const struct paraclock_leap_table *table)
{
	if (!is_usable(table))
		return -EINVAL;
	for (uint32_t i = 0; i < table->count; i++) {
		int64_t sec = table->entry[i].utc_sec;

		if (!in_range(sec) || table->entry[i].tai_offset_sec < 0 ||
		    pclk_calendar_month_of(sec).start_sec != sec ||
		    (i && !is_sound_step(table, i)))
			return -EINVAL;
	}
	return 0;
}

static int see_before(const struct paraclock_leap_table *table, uint32_t i,
		      struct leap_month *month)
{
	int64_t sec = table->entry[i].utc_sec;

	if (sec > month->utc.start_sec || (i && !is_sound_step(table, i)))
		return -EINVAL;
	month->before_known = i || sec < month->utc.start_sec;
	if (i && sec == month->utc.start_sec)
		month->before = step(table, i);
	return 0;
}

static int see_after(const struct paraclock_leap_table *table, uint32_t i,
		     struct leap_month *month)
{
	int64_t sec;

	month->after_known = table->expires_sec >= month->utc.end_sec;
	if (i + 1 >= table->count)
		return 0;
	sec = table->entry[i + 1].utc_sec;
	if (sec < month->utc.end_sec || !is_sound_step(table, i + 1))
		return -EINVAL;
	/* An announced leap second is known, even if the list expires some
	 * days before it. */
	if (sec == month->utc.end_sec) {
		month->after = step(table, i + 1);
		month->after_known = true;
	}
	return 0;
}

/* The month of a second that entry i holds for. The entries around it are
 * checked again: an unsound table must not produce a time. */
static int see_month(const struct paraclock_leap_table *table, uint32_t i,
		     int64_t utc_sec, struct leap_month *ret_month)
{
	struct leap_month month = {
		.utc = pclk_calendar_month_of(utc_sec),
		.offset_sec = table->entry[i].tai_offset_sec,
		.known_sec = table->expires_sec < LEAP_LAST_SEC
				     ? table->expires_sec
				     : LEAP_LAST_SEC,
	};
	int ret = month.offset_sec < 0 ? -EINVAL : see_before(table, i, &month);

	if (!ret)
		ret = see_after(table, i, &month);
	if (ret)
		return ret;
	if (utc_sec >= table->expires_sec)
		return -ESTALE;
	*ret_month = month;
	return 0;
}

/* The last entry that begins at or before sec, which is TAI or UTC. */
static int find(const struct paraclock_leap_table *table, int64_t sec, bool tai,
		uint32_t *ret_i)
{
	if (!is_usable(table))
		return -EINVAL;
	if (!in_range(sec))
		return -ERANGE;
	/* From the end, for most questions are about the present. */
	for (uint32_t i = table->count; i-- > 0;) {
		const struct paraclock_leap_entry *e = &table->entry[i];

		if (!in_range(e->utc_sec))
			return -EINVAL;
		if (e->utc_sec + (tai ? e->tai_offset_sec : 0) <= sec) {
			*ret_i = i;
			return 0;
		}
	}
	return -ERANGE;
}

int pclk_leap_month_of_tai(const struct paraclock_leap_table *table,
			   int64_t tai_sec, struct leap_month *ret_month)
{
	int64_t utc_sec;
	uint32_t i = 0;
	int ret = find(table, tai_sec, true, &i);

	if (ret)
		return ret;
	utc_sec = tai_sec - table->entry[i].tai_offset_sec;
	/* The inserted second belongs to the month that it ends. */
	if (i + 1 < table->count && utc_sec == table->entry[i + 1].utc_sec)
		utc_sec--;
	return see_month(table, i, utc_sec, ret_month);
}

int pclk_leap_month_of_utc(const struct paraclock_leap_table *table,
			   int64_t utc_sec, struct leap_month *ret_month)
{
	uint32_t i = 0;
	int ret = find(table, utc_sec, false, &i);

	return ret ? ret : see_month(table, i, utc_sec, ret_month);
}

uint8_t pclk_leap_month_state(const struct leap_month *month)
{
	if (month->after)
		return month->after > 0 ? PARACLOCK_LEAP_PRE_POS
					: PARACLOCK_LEAP_PRE_NEG;
	if (!month->after_known || !month->before_known)
		return PARACLOCK_LEAP_UNKNOWN;
	if (month->before)
		return month->before > 0 ? PARACLOCK_LEAP_POST_POS
					 : PARACLOCK_LEAP_POST_NEG;
	return PARACLOCK_LEAP_NONE;
}
