// SPDX-License-Identifier: MIT
/* Smears, and windows in which every clock is a straight line. */

#include <errno.h>

#include <paraclock/timescale.h>

#include "base/fixed.h"
#include "leap_table.h"

/* How a smear lies around the second after the leap second. */
struct smear_kind {
	int64_t len_sec;   /* length, s of TAI ... */
	int64_t per_leap;  /* ... and what a leap second adds to it */
	int64_t after_sec; /* how much of it comes after the leap second */
};

/* By enum paraclock_smear. */
static const struct smear_kind kinds[] = {
	[PARACLOCK_SMEAR_NONE] = { 0, 0, 0 },
	[PARACLOCK_SMEAR_NOON_LINEAR] = { 86400, 1, 43200 },
	[PARACLOCK_SMEAR_UTC_SLS] = { 1000, 0, 0 },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))

/* The smear of one leap second: in len_sec of TAI the clock advances by len_sec
 * - leap. */
struct smear {
	int leap; /* 1 or -1; 0: no smear */
	int64_t tai_sec;
	int64_t clock_sec;
	int64_t len_sec;
};

/* utc_sec is the first second after the leap second, offset_sec holds before
 * it. */
static struct smear smear_of(const struct smear_kind *kind, int64_t utc_sec,
			     int64_t offset_sec, int leap)
{
	int64_t len = kind->len_sec + kind->per_leap * leap;
	int64_t tai_end = utc_sec + offset_sec + leap + kind->after_sec;

	return (struct smear){
		.leap = kind->len_sec ? leap : 0,
		.tai_sec = tai_end - len,
		.clock_sec = tai_end - len - offset_sec,
		.len_sec = len,
	};
}

/* The smear of the leap second at the month's end, or before its beginning. */
static struct smear smear_ahead(const struct smear_kind *kind,
				const struct leap_month *month)
{
	return smear_of(kind, month->utc.end_sec, month->offset_sec,
			month->after);
}

static struct smear smear_behind(const struct smear_kind *kind,
				 const struct leap_month *month)
{
	return smear_of(kind, month->utc.start_sec,
			month->offset_sec - month->before, month->before);
}

/* The earliest second, UTC by number, at which a smear can begin if it is not
 * known whether the month ends with a leap second. */
static int64_t smear_at_earliest(const struct smear_kind *kind,
				 const struct leap_month *month)
{
	if (!kind->len_sec)
		return month->utc.end_sec;
	return month->utc.end_sec - (kind->len_sec - kind->after_sec) -
	       (1 - kind->per_leap);
}

/* -ESTALE, -ERANGE: it is not known whether sec (UTC, smeared or not) is in a
 * smear. */
static int check_known(const struct smear_kind *kind,
		       const struct leap_month *month, int64_t sec)
{
	if (!month->after_known && sec >= smear_at_earliest(kind, month))
		return -ESTALE;
	if (!month->before_known &&
	    sec < month->utc.start_sec + kind->after_sec)
		return -ERANGE;
	return 0;
}

/* A stretch of TAI around sec, s: [start, end). */
struct stretch {
	int64_t sec, start, end;
};

static void cut(struct stretch *s, int64_t at)
{
	if (at <= s->sec && at > s->start)
		s->start = at;
	else if (at > s->sec && at < s->end)
		s->end = at;
}

/*
 * The stretch around tai_sec in which no clock bends. It ends where any clock
 * bends, and where it is not known whether one does.
 */
static struct stretch straight(const struct smear_kind *kind,
			       const struct leap_month *month, int64_t tai_sec)
{
	int64_t start = month->utc.start_sec + month->offset_sec;
	int64_t end = month->utc.end_sec + month->offset_sec;
	struct stretch s = { tai_sec, start, end + month->after };
	struct smear ahead = smear_ahead(kind, month);

	cut(&s, month->known_sec + month->offset_sec);
	if (month->before || !month->before_known)
		cut(&s, start + kind->after_sec);
	if (ahead.leap)
		cut(&s, ahead.tai_sec);
	if (!month->after_known)
		cut(&s, smear_at_earliest(kind, month) + month->offset_sec);
	if (month->after > 0)
		cut(&s, end);
	return s;
}

static int64_t to_ns(int64_t sec)
{
	return sec * (int64_t)NSEC_PER_SEC;
}

/* A clock that runs like TAI, offset_sec behind it. */
static struct paraclock_wall_map even_map(const struct stretch *s,
					  int64_t offset_sec)
{
	return (struct paraclock_wall_map){
		.origin_tai_ns = to_ns(s->start),
		.base_ns = to_ns(s->start - offset_sec),
		.mult_hi = 1,
	};
}

/*
 * (len - leap) / len, rounded up to 2^-64. The rounding makes it too large by
 * less than len * 2^-64 / len. Times a delta below len * 10^9 < 2^47, the
 * product is too large by less than 1 / len as long as len * len * 10^9 < 2^64,
 * which holds up to 135818 s. The exact product is at least 1 / len below the
 * next whole ns, so rounding the product down gives its floor.
 */
static struct paraclock_wall_map smear_map(const struct smear *smear)
{
	/* floor(2^64 / len), because no len is a power of two. */
	uint64_t part = UINT64_MAX / (uint64_t)smear->len_sec;
	bool slow = smear->leap > 0;

	return (struct paraclock_wall_map){
		.origin_tai_ns = to_ns(smear->tai_sec),
		.base_ns = to_ns(smear->clock_sec),
		.mult_hi = slow ? 0 : 1,
		.mult_lo = slow ? -part : part + 1,
	};
}

/* The smear that a second of a month is in; sec is UTC, as the month's
 * bounds. */
static struct smear active_smear(const struct smear_kind *kind,
				 const struct leap_month *month, int64_t sec)
{
	struct smear ahead = smear_ahead(kind, month);

	if (month->before && sec < month->utc.start_sec + kind->after_sec)
		return smear_behind(kind, month);
	if (ahead.leap && sec >= ahead.clock_sec)
		return ahead;
	return (struct smear){ 0 };
}

static void fill_window(struct paraclock_wall_window *w,
			const struct smear_kind *kind,
			const struct leap_month *month, int64_t tai_sec)
{
	struct stretch s = straight(kind, month, tai_sec);
	int64_t sec = tai_sec - month->offset_sec;
	bool inserted = sec == month->utc.end_sec;
	int64_t offset_sec = month->offset_sec + inserted;
	struct smear smear = active_smear(kind, month, sec);

	w->start_tai_ns = to_ns(s.start);
	w->max_delta_ns = (uint64_t)to_ns(s.end - s.start) - 1;
	w->tai_offset_sec = (int16_t)offset_sec;
	w->leap = inserted ? PARACLOCK_LEAP_POS : pclk_leap_month_state(month);
	w->map[PARACLOCK_WALL_TAI] = even_map(&s, 0);
	w->map[PARACLOCK_WALL_UTC] = even_map(&s, offset_sec);
	w->map[PARACLOCK_WALL_SMEARED] =
		smear.leap ? smear_map(&smear) : w->map[PARACLOCK_WALL_UTC];
}

int paraclock_wall_window_at(const struct paraclock_leap_table *table,
			     unsigned int smear, int64_t tai_ns,
			     struct paraclock_wall_window *ret_window)
{
	struct paraclock_wall_window window = { .smear = (uint8_t)smear };
	struct leap_month month = { 0 };
	int64_t rest, sec = pclk_floor_sec(tai_ns, &rest);
	int ret;

	if (!ret_window || smear >= KINDS)
		return -EINVAL;
	ret = pclk_leap_month_of_tai(table, sec, &month);
	if (!ret)
		ret = check_known(&kinds[smear], &month,
				  sec - month.offset_sec);
	if (ret)
		return ret;
	fill_window(&window, &kinds[smear], &month, sec);
	*ret_window = window;
	return 0;
}

int paraclock_wall_read(const struct paraclock_wall_window *window,
			unsigned int wall, int64_t tai_ns, int64_t *ret_ns)
{
	const struct paraclock_wall_map *map;
	uint64_t delta;

	if (!window || !ret_ns || wall >= PARACLOCK_WALLS)
		return -EINVAL;
	/* Unsigned: a time before the start is a very large delta. */
	delta = (uint64_t)tai_ns - (uint64_t)window->start_tai_ns;
	if (delta > window->max_delta_ns)
		return -ERANGE;
	map = &window->map[wall];
	delta = (uint64_t)tai_ns - (uint64_t)map->origin_tai_ns;
	*ret_ns = (int64_t)((uint64_t)map->base_ns + delta * map->mult_hi +
			    mul_high(delta, map->mult_lo));
	return 0;
}

int paraclock_tai_to_smeared(const struct paraclock_leap_table *table,
			     unsigned int smear, int64_t tai_ns,
			     int64_t *ret_smeared_ns)
{
	struct paraclock_wall_window window = { 0 };
	int ret;

	if (smear == PARACLOCK_SMEAR_NONE)
		return -EINVAL;
	ret = paraclock_wall_window_at(table, smear, tai_ns, &window);
	if (ret)
		return ret;
	return paraclock_wall_read(&window, PARACLOCK_WALL_SMEARED, tai_ns,
				   ret_smeared_ns);
}

/*
 * The smallest delta of TAI with floor(delta * (len - leap) / len) >= x. That
 * is ceil(x * len / (len - leap)), written so that nothing exceeds 64 bits.
 */
static int64_t unsmear(const struct smear *smear, int64_t x)
{
	int64_t len = smear->len_sec - smear->leap;

	return smear->leap > 0 ? x + (x + len - 1) / len : x - x / len;
}

int paraclock_smeared_to_tai(const struct paraclock_leap_table *table,
			     unsigned int smear, int64_t smeared_ns,
			     int64_t *ret_tai_ns)
{
	struct leap_month month = { 0 };
	struct smear active;
	int64_t rest, sec = pclk_floor_sec(smeared_ns, &rest);
	int ret;

	if (!ret_tai_ns || smear == PARACLOCK_SMEAR_NONE || smear >= KINDS)
		return -EINVAL;
	/* A smeared clock shows every number once, so the number alone tells
	 * the month. */
	ret = pclk_leap_month_of_utc(table, sec, &month);
	if (!ret)
		ret = check_known(&kinds[smear], &month, sec);
	if (ret)
		return ret;
	active = active_smear(&kinds[smear], &month, sec);
	if (active.leap)
		*ret_tai_ns =
			to_ns(active.tai_sec) +
			unsmear(&active, smeared_ns - to_ns(active.clock_sec));
	else
		*ret_tai_ns = smeared_ns + to_ns(month.offset_sec);
	return 0;
}
