/* SPDX-License-Identifier: MIT */
/* Which process this is, and whether another one still is. */
#ifndef LINUX_PROCESS_H
#define LINUX_PROCESS_H

#include <paraclock/backend.h>

uint32_t pclk_linux_process_id(void *ctx);
uint32_t pclk_linux_fork_id(void *ctx);
int pclk_linux_identify(void *ctx, uint32_t id,
			struct paraclock_process *ret_who);

/* What /proc/PID/stat says; -EIO: it is cut, or something else. */
int pclk_parse_stat(const char *text, struct paraclock_process *ret_who);

/*
 * What /proc/self/status says of this process: 0: that /proc is of its own PID
 * namespace; -EXDEV: it is of another one, or that cannot be told.
 */
int pclk_parse_status(const char *text, uint32_t self);

#endif
