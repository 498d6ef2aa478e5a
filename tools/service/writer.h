/* SPDX-License-Identifier: MIT */
/* Which process has written a state file, and does it still run? The file
 * outlives a service that was killed. */
#ifndef WRITER_H
#define WRITER_H

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

/* "started_ticks": when this process started, ticks since boot, by which others
 * know it again; 0: not known. */
uint64_t writer_started_ticks(void);
/* Does the process that "pid" and "started_ticks" name still run, and is it not
 * stopped? Without one of them: no. */
bool writer_is_running(const json_t *state);

#endif
