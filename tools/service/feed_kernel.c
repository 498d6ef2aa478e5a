// SPDX-License-Identifier: MIT
#include <errno.h>
#include <sys/timex.h>

#include "feed_kernel.h"

/* TAI - UTC was 10 s in 1972, and has been 37 s since 2017. */
#define TAI_MIN_SEC 10
#define TAI_MAX_SEC 100

int feed_kernel_tai(struct feed_kernel *kernel, uint64_t disruptions,
		    int tai_sec, int16_t *ret_sec)
{
	if (disruptions != kernel->tai_seen) {
		kernel->tai_seen = disruptions;
		kernel->tai_is_void = true;
		kernel->tai_void_sec = tai_sec;
	}
	if (!tai_sec)
		return -ENODATA;
	if (kernel->tai_is_void && tai_sec == kernel->tai_void_sec)
		return -ESTALE;
	if (tai_sec < TAI_MIN_SEC || tai_sec > TAI_MAX_SEC)
		return -ERANGE;
	kernel->tai_is_void = false;
	*ret_sec = (int16_t)tai_sec;
	return 0;
}

bool feed_kernel_leap(struct feed_kernel *kernel, uint64_t disruptions,
		      bool is_announced)
{
	if (disruptions != kernel->leap_seen) {
		kernel->leap_seen = disruptions;
		kernel->leap_is_void = true;
	}
	if (!is_announced)
		kernel->leap_is_void = false;
	return is_announced && !kernel->leap_is_void;
}

int feed_kernel_read_tai(void)
{
	struct timex now = { 0 };

	return adjtimex(&now) < 0 ? 0 : now.tai;
}
