/* SPDX-License-Identifier: MIT */
/* The loop's timers: which is due. */
#ifndef SERVICE_TIMERS_H
#define SERVICE_TIMERS_H

#include "service.h"

#define TIMER_NEVER INT64_MAX

struct timer {
	int64_t due_ns;
	loop_fn *fn;
	void *arg;
};

/* Zero it to begin. */
struct timers {
	struct timer *all;
	size_t count;
};

/* One timer for each pair of fn and arg. 0, or -ENOMEM. */
int timers_set(struct timers *timers, const struct timer *timer);
void timers_cancel(struct timers *timers, loop_fn *fn, const void *arg);
/* TIMER_NEVER if none is set. */
int64_t timers_first_due(const struct timers *timers);
size_t timers_count_due(const struct timers *timers, int64_t now_ns);
/* Remove the earliest timer if it is due, and return it. */
bool timers_take_due(struct timers *timers, int64_t now_ns,
		     struct timer *ret_timer);
void timers_free(struct timers *timers);

#endif
