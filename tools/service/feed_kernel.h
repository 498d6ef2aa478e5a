/* SPDX-License-Identifier: MIT */
/*
 * What this kernel was told of leap seconds, and whether it still counts: after
 * a restore it is as old as the saved state.
 */
#ifndef FEED_KERNEL_H
#define FEED_KERNEL_H

#include <stdbool.h>
#include <stdint.h>

/* Zero it to begin. */
struct feed_kernel {
	uint64_t tai_seen, leap_seen; /* disruptions */
	int tai_void_sec;
	bool tai_is_void, leap_is_void;
};

/*
 * TAI - UTC by the kernel's value, s, after so many disruptions. 0; -ENODATA:
 * nobody has set it; -ESTALE: it was set before a disruption and has not changed
 * since; -ERANGE: it is no offset that TAI has ever had.
 */
int feed_kernel_tai(struct feed_kernel *kernel, uint64_t disruptions,
		    int tai_sec, int16_t *ret_sec);

/* Is a leap second to come, or just coming? What was announced before a
 * disruption counts no longer, until the kernel has said that none is. */
bool feed_kernel_leap(struct feed_kernel *kernel, uint64_t disruptions,
		      bool is_announced);

/* adjtimex(2): the kernel's value, 0 if nobody has set it. */
int feed_kernel_read_tai(void);

#endif
