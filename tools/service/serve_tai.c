// SPDX-License-Identifier: MIT
/* TAI - UTC, where no host says it. */

#include <errno.h>
#include <sys/timex.h>

#include "serve_service.h"

/* TAI - UTC that a kernel could have been told, s. */
#define TAI_MIN 10
#define TAI_MAX 100

int serve_leap_table(void *arg, struct paraclock_leap_table *ret_table)
{
	struct serve *serve = arg;

	return leap_list_get(&serve->leaps, ret_table);
}

int serve_kernel_tai(void *arg, int16_t *ret_sec)
{
	const struct serve *serve = arg;
	struct timex now = { 0 };

	/* After a restore it is as old as the saved state. */
	if (serve->observer.keeper.disruptions || adjtimex(&now) < 0 ||
	    now.tai < TAI_MIN || now.tai > TAI_MAX)
		return -ENODATA;
	*ret_sec = (int16_t)now.tai;
	return 0;
}

/* Whoever made the claim may not know of a leap second: the list does. */
static int by_list(const struct paraclock_leap_table *table, int64_t since_ns,
		   struct serve_claim *claim, struct paraclock_timeline *tl)
{
	const struct paraclock_utc now = {
		.ns = claim->tai_ns,
		.leap = PARACLOCK_LEAP_NONE,
	};
	struct paraclock_utc since = now, told;
	int64_t tai_ns, since_tai_ns;
	int ret = paraclock_utc_to_tai(table, &now, &tai_ns);

	since.ns = since_ns;
	if (!ret)
		ret = paraclock_tai_to_utc(table, tai_ns, &told);
	if (ret)
		return ret;
	if (paraclock_utc_to_tai(table, &since, &since_tai_ns) ||
	    since_tai_ns - since_ns != tai_ns - now.ns)
		return -EDOM;
	tl->tai_offset_sec = told.tai_offset_sec;
	tl->leap = told.leap == PARACLOCK_LEAP_UNKNOWN ? PARACLOCK_LEAP_NONE
						       : told.leap;
	claim->tai_ns = tai_ns;
	return 0;
}

int serve_utc_to_tai(struct serve *serve, int64_t since_ns,
		     struct serve_claim *claim, struct paraclock_timeline *tl)
{
	struct paraclock_leap_table table;
	int16_t sec;
	int ret = serve_leap_table(serve, &table);

	if (!ret)
		ret = by_list(&table, since_ns, claim, tl);
	/* The second that is repeated or left out: the list knows. */
	if (ret == -EINVAL)
		ret = -EDOM;
	if (ret && ret != -EDOM && !serve_kernel_tai(serve, &sec)) {
		tl->tai_offset_sec = sec;
		tl->leap = PARACLOCK_LEAP_NONE;
		ret = __builtin_add_overflow(claim->tai_ns, sec * NSEC_PER_SEC,
					     &claim->tai_ns)
			      ? -ERANGE
			      : 0;
	}
	if (!ret)
		tl->flags |= PARACLOCK_TIMELINE_TAI_OFFSET;
	return ret;
}
