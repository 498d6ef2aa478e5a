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

int serve_utc_to_tai(struct serve *serve, struct serve_claim *claim,
		     int16_t *ret_sec)
{
	const struct paraclock_utc utc = {
		.ns = claim->tai_ns,
		.leap = PARACLOCK_LEAP_NONE,
	};
	struct paraclock_leap_table table;
	int64_t tai_ns;
	int ret = serve_leap_table(serve, &table);

	if (!ret)
		ret = paraclock_utc_to_tai(&table, &utc, &tai_ns);
	if (!ret) {
		*ret_sec = (int16_t)((tai_ns - utc.ns) / NSEC_PER_SEC);
		claim->tai_ns = tai_ns;
		return 0;
	}
	if (serve_kernel_tai(serve, ret_sec))
		return ret;
	return __builtin_add_overflow(claim->tai_ns, *ret_sec * NSEC_PER_SEC,
				      &claim->tai_ns)
		       ? -ERANGE
		       : 0;
}
