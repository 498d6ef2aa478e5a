// SPDX-License-Identifier: MIT
/* The event descriptor, and the next event: one from the log, or one that
 * memory does not show. */

#include <errno.h>
#include <string.h>

#include <paraclock/system.h>

#include "base/env_call.h"
#include "base/fixed.h"
#include "base/seqword.h"
#include "clock.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* A source with transient failures is lost when they have lasted for so long:
 * 5000 times as long as a read waits for a writer. A source is asked no more
 * often than that, because it may be a device. */
#define FAILING_NS (NSEC_PER_SEC / 2)

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

/* --- is the source there? ------------------------------------------------- */

static bool is_transient(int error)
{
	return error == -EAGAIN || error == -ETIMEDOUT || error == -ENOMEM;
}

/* By a clock that may return anything: if it went back, it has. */
static bool has_lasted(int64_t since_ns, int64_t now_ns)
{
	return (uint64_t)now_ns - (uint64_t)since_ns >= FAILING_NS;
}

/* Is the source still there? A look does not tell: it only shows whether a page
 * has changed, it does not read a source without a page, and a file that was
 * removed or replaced can still be read. */
static int ask(struct paraclock *clk, int64_t now_ns)
{
	struct event_loss *loss = &clk->loss;
	struct observation obs;
	int ret = clk->be->is_there ? clk->be->is_there(clk->state) : 0;

	for (unsigned int i = 0; !ret && i < clk->n_markers; i++) {
		const struct marker_source *source = &clk->marker[i];

		if (source->be->is_there)
			ret = source->be->is_there(source->state);
	}
	if (ret)
		return pclk_env_error(ret);
	if (!loss->asked_ns || has_lasted(loss->asked_ns, now_ns)) {
		loss->asked_ns = now_ns;
		loss->asked = pclk_observe(clk, &obs);
	}
	return loss->asked;
}

/* Without a clock, the second failure in a row counts as lasting, and the
 * source is asked each time. */
static int64_t mono_ns(struct paraclock *clk)
{
	const struct paraclock_env *env = clk->env;
	int64_t ns;

	if (env->read_clock &&
	    !env->read_clock(env->ctx, pclk_clock_id[PARACLOCK_CLOCK_MONOTONIC],
			     &ns))
		return ns;
	clk->loss.asked_ns = 0;
	return (int64_t)((uint64_t)clk->loss.failing_ns + FAILING_NS);
}

/* The error of a look, or of a source that is gone although the look succeeded.
 * *ret_undecided: it fails, but that may be transient. */
static int error_now(struct paraclock *clk, int error, bool *ret_undecided)
{
	struct event_loss *loss = &clk->loss;
	int64_t now = mono_ns(clk);
	struct observation obs;

	/* Another thread may have been changing the handle, which is not a
	 * fault of the source. */
	if (error == -EAGAIN)
		error = pclk_observe(clk, &obs);
	if (!error)
		error = ask(clk, now);
	if (!is_transient(error))
		loss->failing_ns = 0;
	else if (!loss->failing_ns)
		loss->failing_ns = now;
	*ret_undecided =
		is_transient(error) && !has_lasted(loss->failing_ns, now);
	return error;
}

/* The first source that fails. */
static const char *failing_source(const struct paraclock *clk)
{
	struct paraclock_marker marker;

	for (unsigned int i = 0; i < clk->n_markers; i++) {
		const struct marker_source *source = &clk->marker[i];

		if (source->be->get_marker(source->state, &marker))
			return source->be->name;
	}
	return clk->be->name;
}

/* 1: the source is as the last event said. */
static int source_event(struct paraclock *clk, int error,
			struct paraclock_event *ret_ev)
{
	struct event_loss *loss = &clk->loss;
	bool undecided;

	error = error_now(clk, error, &undecided);
	if (undecided || !error == !loss->told)
		return 1;
	*ret_ev = (struct paraclock_event){
		.size = ret_ev->size,
		.kind = error ? PARACLOCK_EVENT_SOURCE_LOST
			      : PARACLOCK_EVENT_SOURCE_FOUND,
		.marker_class = PARACLOCK_MARKER_AUTHORITATIVE,
		.counter = clk->env->counter_id,
		.source = error ? failing_source(clk) : clk->be->name,
		.epoch = __atomic_load_n(&clk->now.epoch, __ATOMIC_RELAXED),
		.counter_before =
			__atomic_load_n(&clk->log.looked_tsc, __ATOMIC_RELAXED),
		.counter_after = counter_read(clk->env, clk->how),
		.error = error,
	};
	loss->told = error;
	return 0;
}

/* --- the next event --------------------------------------------------- */

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
	error = pclk_look(clk);
	if (events && events->restored &&
	    !pclk_commit_restore(clk, events->restored & 1 ? CAUSE_RESTORE
							   : CAUSE_LOST))
		events->restored = 0;
	if (!source_event(clk, error, ret_ev))
		return 0;
	ret = logged_event(clk, error ? 0 : looked, ret_ev);
	if (ret <= 0)
		return ret;
	if (events && !system_event(clk, events, ret_ev))
		return 0;
	return error ? error : -EAGAIN;
}
