/* SPDX-License-Identifier: MIT */
/* What the kernel says of a restore or clone, in two places. */
#ifndef GENERATION_H
#define GENERATION_H

#include <stdbool.h>
#include <stddef.h>

/* Results of reading a message, as watch_generation() returns them. */
#define GENERATION_CHANGED 1
#define GENERATION_LOST	   2 /* messages, one of which may have said so */

/* Open one of the two, for messages from now on. Errors as those of
 * paraclock_open(). */
int pclk_uevent_open(int *ret_fd);
int pclk_kernel_log_open(int *ret_fd);

/* Read one message: GENERATION_x; 0: another message; -EAGAIN: no message. */
int pclk_uevent_read(int fd);
int pclk_kernel_log_read(int fd);

/* Does this message of size bytes say that the VM generation ID changed? The
 * message may hold anything. */
bool pclk_uevent_is_generation(const char *message, size_t size);
bool pclk_kernel_log_is_generation(const char *record, size_t size);

#endif
