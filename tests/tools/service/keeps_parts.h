/* SPDX-License-Identifier: MIT */
/* What the files of keeps.h share. */
#ifndef KEEPS_PARTS_H
#define KEEPS_PARTS_H

#include "keeps.h"

/* The acts so far end the sentence. */
#define FAULT(w, text, ...)                       \
	fail_msg("seed %llu: " text ", after %s", \
		 (unsigned long long)(w)->seed, __VA_ARGS__, (w)->acts)

int64_t raw_ns(const struct keep_world *w);
/* What the present slew has done to CLOCK_REALTIME and MONOTONIC by now. */
int64_t slewed_ns(const struct keep_world *w, int64_t raw);
/* Somebody else sets the clock, if that is his moment. */
void act_of_somebody(struct keep_world *w, enum moment moment);
void set_ops(struct keep_world *w);

#endif
