/* SPDX-License-Identifier: MIT */
/* Lines of JSON, for everyone else. */
#ifndef FEED_LINES_H
#define FEED_LINES_H

#include "feed_output.h"
#include "keeper.h"

/* A whole line, with its newline. 0; -EAGAIN: there is no room now; -EPIPE, ... */
int feed_lines_write(struct feed_output *output, const char *line, size_t size);

/* A line that tells of a disruption: no sample before it is true any more. */
void feed_lines_disruption(struct feed_output *output,
			   const struct keeper *keeper);

#endif
