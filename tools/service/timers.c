// SPDX-License-Identifier: MIT
/* The loop's timers. A service has a handful: no search is worth a tree. */

#include <errno.h>
#include <stdlib.h>

#include "timers.h"

static struct timer *find(const struct timers *timers, loop_fn *fn,
			  const void *arg)
{
	for (size_t i = 0; i < timers->count; i++) {
		if (timers->all[i].fn == fn && timers->all[i].arg == arg)
			return &timers->all[i];
	}
	return NULL;
}

static struct timer *find_first(const struct timers *timers)
{
	struct timer *first = NULL;

	for (size_t i = 0; i < timers->count; i++) {
		if (!first || timers->all[i].due_ns < first->due_ns)
			first = &timers->all[i];
	}
	return first;
}

static void remove_timer(struct timers *timers, struct timer *timer)
{
	*timer = timers->all[--timers->count];
}

static struct timer *add(struct timers *timers)
{
	struct timer *all =
		reallocarray(timers->all, timers->count + 1, sizeof(*all));

	if (!all)
		return NULL;
	timers->all = all;
	return &all[timers->count++];
}

int timers_set(struct timers *timers, const struct timer *timer)
{
	struct timer *place = find(timers, timer->fn, timer->arg);

	if (!place)
		place = add(timers);
	if (!place)
		return -ENOMEM;
	*place = *timer;
	return 0;
}

void timers_cancel(struct timers *timers, loop_fn *fn, const void *arg)
{
	struct timer *timer = find(timers, fn, arg);

	if (timer)
		remove_timer(timers, timer);
}

int64_t timers_first_due(const struct timers *timers)
{
	const struct timer *first = find_first(timers);

	return first ? first->due_ns : TIMER_NEVER;
}

size_t timers_count_due(const struct timers *timers, int64_t now_ns)
{
	size_t due = 0;

	for (size_t i = 0; i < timers->count; i++)
		due += timers->all[i].due_ns <= now_ns;
	return due;
}

bool timers_take_due(struct timers *timers, int64_t now_ns,
		     struct timer *ret_timer)
{
	struct timer *first = find_first(timers);

	if (!first || first->due_ns > now_ns)
		return false;
	*ret_timer = *first;
	remove_timer(timers, first);
	return true;
}

void timers_free(struct timers *timers)
{
	free(timers->all);
}
