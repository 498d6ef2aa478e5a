// SPDX-License-Identifier: MIT
/* TAI - UTC around a leap second. */

#include "base/calendar.h"
#include "world.h"

void pclk_sim_utc_arm(struct sim_utc *utc, uint8_t leap, u128 tai)
{
	int64_t tai_sec = (int64_t)(tai >> 64) / NSEC_PER_SEC;
	int64_t end = pclk_calendar_month_of(tai_sec - utc->offset_sec).end_sec;

	utc->leap = leap;
	utc->leap_ns = INT64_MAX;
	if (leap == PARACLOCK_LEAP_PRE_POS)
		utc->leap_ns = (end + utc->offset_sec) * NSEC_PER_SEC;
	else if (leap == PARACLOCK_LEAP_PRE_NEG)
		utc->leap_ns = (end + utc->offset_sec - 1) * NSEC_PER_SEC;
}

struct sim_utc pclk_sim_utc_at(const struct sim_utc *utc, u128 tai)
{
	bool inserted = utc->leap == PARACLOCK_LEAP_PRE_POS;
	int64_t ns = (int64_t)(tai >> 64);
	struct sim_utc now = *utc;

	if (ns < utc->leap_ns)
		return now;
	now.offset_sec = (int16_t)(now.offset_sec + (inserted ? 1 : -1));
	now.leap_ns = INT64_MAX;
	if (!inserted)
		now.leap = PARACLOCK_LEAP_POST_NEG;
	else if (ns - utc->leap_ns < NSEC_PER_SEC)
		now.leap = PARACLOCK_LEAP_POS;
	else
		now.leap = PARACLOCK_LEAP_POST_POS;
	return now;
}
