/* SPDX-License-Identifier: MIT */
/* Which process this is, and whether another one still runs. */
#ifndef LINUX_PROCESS_H
#define LINUX_PROCESS_H

#include <paraclock/backend.h>

uint32_t pclk_linux_process_id(void *ctx);
uint32_t pclk_linux_fork_id(void *ctx);
int pclk_linux_identify(void *ctx, uint32_t id,
			struct paraclock_process *ret_who);

/* Parse /proc/PID/stat. -EIO: the text is cut, or is something else. */
int pclk_parse_stat(const char *text, struct paraclock_process *ret_who);

/*
 * Parse /proc/self/status. 0: this /proc belongs to the PID namespace of the
 * process; -EXDEV: it belongs to another one, or that cannot be known.
 */
int pclk_parse_status(const char *text, uint32_t self);

#endif
