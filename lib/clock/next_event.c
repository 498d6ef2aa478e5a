// SPDX-License-Identifier: MIT
/* The event descriptor, and the next event: one from the log, or one that
 * memory does not show. */

#include <errno.h>
#include <string.h>

#include <paraclock/system.h>

#include "base/env_call.h"
#include "base/seqword.h"
#include "clock.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* What a handle watches beside memory. Only the consumer of events uses it. */
struct event_sources {
	int group; /* polls the descriptors below, and the markers' */
	int clock;
	int generation;
	bool was_set;	  /* seen, and not yet an event */
	uint8_t restored; /* watch_generation()'s answer, not yet an event */
	bool has_offset;
	int64_t offset_ns; /* REALTIME - MONOTONIC before that */
	char clocksource[32];
};

/* --- the event descriptor --------------------------------------------- */

static void close_sources(const struct paraclock_env *env,
			  struct event_sources *events)
{
	const int fds[] = { events->group, events->generation, events->clock };

	for (unsigned int i = 0; i < ARRAY_LEN(fds); i++) {
		if (fds[i] >= 0)
			env->close_device(env->ctx, fds[i]);
	}
	env->free(env->ctx, events);
}

void pclk_event_close(struct paraclock *clk)
{
	if (clk->events)
		close_sources(clk->env, clk->events);
}

static bool has_another_source(const struct paraclock_env *env,
			       struct event_sources *events)
{
	char name[sizeof(events->clocksource)] = "";
	bool known = events->clocksource[0];
	uint8_t kind;

	if (pclk_env_clocksource(env, name, &kind) ||
	    !memcmp(name, events->clocksource, sizeof(name)))
		return false;
	memcpy(events->clocksource, name, sizeof(name));
	/* Else a snapshot may use the old one for another second. */
	(void)paraclock_refresh(env);
	return known;
}

/* A source without a descriptor is looked at once a second, or as the man pages
 * say. */
static void add_optional(const struct paraclock *clk,
			 struct event_sources *events)
{
	const struct paraclock_env *env = clk->env;

	if (!clk->may_be_foreign && env->watch_generation &&
	    env->watch_generation(env->ctx, &events->generation) >= 0)
		(void)env->poll_group(env->ctx, &events->group,
				      events->generation);
	for (unsigned int i = 0; i < clk->n_markers; i++) {
		const struct marker_source *source = &clk->marker[i];
		int fd = source->be->poll_fd
				 ? source->be->poll_fd(source->state)
				 : -1;

		if (fd >= 0)
			(void)env->poll_group(env->ctx, &events->group, fd);
	}
}

static int open_sources(const struct paraclock *clk,
			struct event_sources **ret_events)
{
	const struct paraclock_env *env = clk->env;
	struct event_sources *events;
	int64_t real_ns;
	int ret;

	if (!env->watch_clock || !env->poll_group || !env->close_device)
		return -EOPNOTSUPP;
	events = env->alloc(env->ctx, sizeof(*events));
	if (!events)
		return -ENOMEM;
	*events = (struct event_sources){ .group = -1,
					  .clock = -1,
					  .generation = -1 };
	ret = pclk_env_watch(env->watch_clock(env->ctx, &events->clock),
			     &events->clock);
	if (ret >= 0)
		ret = pclk_env_watch(env->poll_group(env->ctx, &events->group,
						     events->clock),
				     &events->group);
	if (ret < 0) {
		close_sources(env, events);
		return ret;
	}
	add_optional(clk, events);
	events->has_offset = pclk_env_offset(env, &events->offset_ns, &real_ns);
	(void)has_another_source(env, events);
	*ret_events = events;
	return 0;
}

int paraclock_event_fd(const struct paraclock *clk)
{
	/* Every handle is allocated writable; const is the caller's view. */
	struct paraclock *own = (struct paraclock *)(uintptr_t)clk;
	struct event_sources *events, *first = NULL;
	int ret;

	if (!clk)
		return -EINVAL;
	/* Pairs with the exchange below, of this or another thread. */
	events = __atomic_load_n(&own->events, __ATOMIC_ACQUIRE);
	if (events)
		return events->group;
	ret = open_sources(clk, &events);
	if (ret)
		return ret;
	if (!__atomic_compare_exchange_n(&own->events, &first, events, false,
					 __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
		close_sources(clk->env, events);
		events = first;
	}
	return events->group;
}

/* Before any look, so that a change from here on wakes the caller again. */
static void drain(const struct paraclock *clk, struct event_sources *events)
{
	const struct paraclock_env *env = clk->env;
	int restored = 0;

	(void)env->poll_group(env->ctx, &events->group, -1);
	for (unsigned int i = 0; i < clk->n_markers; i++) {
		if (clk->marker[i].be->poll_fd)
			(void)clk->marker[i].be->poll_fd(clk->marker[i].state);
	}
	if (env->watch_clock(env->ctx, &events->clock) > 0)
		events->was_set = true;
	if (events->generation >= 0)
		restored = env->watch_generation(env->ctx, &events->generation);
	if (restored > 0)
		events->restored |= (uint8_t)(restored & 3);
}

static void set_clock_set(const struct paraclock_env *env,
			  struct event_sources *events,
			  struct paraclock_event *event)
{
	int64_t offset_ns, real_ns;

	events->was_set = false;
	event->kind = PARACLOCK_EVENT_CLOCK_SET;
	event->source = "clock";
	if (!pclk_env_offset(env, &offset_ns, &real_ns)) {
		events->has_offset = false;
		return;
	}
	event->timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED;
	event->host_ns_after = real_ns;
	event->flags |= PARACLOCK_EVENT_AFTER;
	if (events->has_offset &&
	    !__builtin_sub_overflow(offset_ns, events->offset_ns,
				    &event->gap_ns) &&
	    !__builtin_sub_overflow(real_ns, event->gap_ns,
				    &event->host_ns_before)) {
		event->flags |= PARACLOCK_EVENT_GAP | PARACLOCK_EVENT_BEFORE;
	}
	events->has_offset = true;
	events->offset_ns = offset_ns;
}

/* A change to the system clocks, which voids no calibration of the counter. 1:
 * none. */
static int system_event(struct paraclock *clk, struct event_sources *events,
			struct paraclock_event *ret_ev)
{
	if (!events->was_set && !has_another_source(clk->env, events))
		return 1;
	*ret_ev = (struct paraclock_event){
		.size = ret_ev->size,
		.kind = PARACLOCK_EVENT_CLOCKSOURCE_CHANGED,
		.marker_class = PARACLOCK_MARKER_AUTHORITATIVE,
		.counter = clk->env->counter_id,
		.source = "clocksource",
		.epoch = __atomic_load_n(&clk->now.epoch, __ATOMIC_RELAXED),
		.counter_before =
			__atomic_load_n(&clk->log.looked_tsc, __ATOMIC_RELAXED),
		.counter_after = counter_read(clk->env, clk->how),
	};
	if (events->was_set)
		set_clock_set(clk->env, events, ret_ev);
	return 0;
}

/* --- the next event --------------------------------------------------- */

/* Look at the sources of markers that reads do not look at. What they show is
 * committed by the look at memory that follows. */
static int look_at_memory(struct paraclock *clk)
{
	int ret = 0;

	for (unsigned int i = 0; i < clk->n_markers; i++) {
		const struct marker_source *source = &clk->marker[i];
		int one =
			source->be->look ? source->be->look(source->state) : 0;

		if (one < 0)
			ret = pclk_env_error(one);
	}
	return ret;
}

static int look_at_all(struct paraclock *clk)
{
	uint64_t looked = counter_read(clk->env, clk->how);
	int hidden = look_at_memory(clk);
	int error = pclk_look(clk);

	error = error ? error : hidden;
	if (!error)
		__atomic_store_n(&clk->log.memory_tsc, looked,
				 __ATOMIC_RELAXED);
	return error;
}

/* The oldest event in the log. 1: the log is empty, and up to the counter value
 * looked nothing has happened. */
static int logged_event(struct paraclock *clk, uint64_t looked,
			struct paraclock_event *ret_ev)
{
	struct event_log *log = &clk->log;
	size_t size = ret_ev->size;
	int ret = 1;

	if (!pclk_clock_lock(clk))
		return -EAGAIN;
	if (log->first != log->end) {
		*ret_ev = log->event[log->first++ % EVENTS_MAX];
		/* The size is the caller's: its struct may be a newer one. */
		ret_ev->size = size;
		ret = 0;
	} else if (looked > log->looked_tsc) {
		pclk_event_set_looked(log, looked);
	}
	unlock(&clk->owner);
	return ret;
}

int paraclock_next_event(struct paraclock *clk, struct paraclock_event *ret_ev)
{
	struct event_sources *events;
	uint64_t looked;
	int ret, error;

	if (!clk || !ret_ev || ret_ev->size < sizeof(*ret_ev))
		return -EINVAL;
	/* Pairs with the exchange in paraclock_event_fd(). */
	events = __atomic_load_n(&clk->events, __ATOMIC_ACQUIRE);
	/* First of all: if the descriptor stayed readable, a loop that polls it
	 * could keep the thread that holds the lock from running. */
	if (events)
		drain(clk, events);
	ret = logged_event(clk, 0, ret_ev);
	if (ret <= 0)
		return ret;
	looked = counter_read(clk->env, clk->how);
	error = look_at_all(clk);
	if (events && events->restored &&
	    !pclk_commit_restore(clk, events->restored & 1 ? CAUSE_RESTORE
							   : CAUSE_LOST))
		events->restored = 0;
	if (!pclk_event_source(clk, error, ret_ev))
		return 0;
	ret = logged_event(clk, error ? 0 : looked, ret_ev);
	if (ret <= 0)
		return ret;
	if (events && !system_event(clk, events, ret_ev))
		return 0;
	return error ? error : -EAGAIN;
}
