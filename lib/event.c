// SPDX-License-Identifier: MIT
/* Disruptions, told one by one: what each was, as far as is known. */

#include <errno.h>
#include <string.h>

#include "clock_private.h"
#include "line.h"
#include "local.h"
#include "seqword.h"

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/* CLOCK_REALTIME's distance is that of the narrowest of so many looks. */
#define OFFSET_TRIES 4

/* What a handle watches beside its memory; the consumer's alone. */
struct event_sources {
	int group; /* of the descriptors below, and of the markers' */
	int clock;
	int generation;
	bool was_set;	  /* seen, and not yet told */
	uint8_t restored; /* as watch_generation() said, and not yet told */
	bool has_offset;
	int64_t offset_ns; /* REALTIME - MONOTONIC before that */
	char clocksource[32];
};

const char *paraclock_event_kind_name(unsigned int value)
{
	/* In the order of the enum; no pointers, for each is a relocation. */
	static const char names[] =
		"unknown\0updated\0paused\0jumped\0migrated\0"
		"restored\0clock-set\0clocksource-changed";
	const char *name = names;

	if (value > PARACLOCK_EVENT_CLOCKSOURCE_CHANGED)
		value = 0;
	while (value--) {
		while (*name++)
			;
	}
	return name;
}

/* Its only reader without owner is the consumer, who has no use for order. */
static void set_looked(struct event_log *log, uint64_t counter)
{
	__atomic_store_n(&log->looked_tsc, counter, __ATOMIC_RELAXED);
}

/* --- what a disruption was ------------------------------------------------ */

static bool line_at(const struct paraclock_line *line, uint64_t counter,
		    int64_t *ret_ns)
{
	struct paraclock_line zero = { .usable = 1, .base_tsc = counter };

	return pclk_line_reaches(line, counter) &&
	       paraclock_line_gap(&zero, line, counter, ret_ns);
}

/* The last four members of time, from the page after the disruption. What it
 * is compared with is what was said last, however long no page could be used
 * in between. */
static void tell_times(struct paraclock_event *event,
		       const struct remembered *was,
		       const struct observation *obs)
{
	const struct paraclock_line *from = &was->last, *to = &obs->line;

	event->timescale = obs->sample.timescale;
	if (obs->sample.valid && obs->sample.host_tsc == event->counter_after) {
		event->host_ns_after = obs->sample.host_ns;
		event->flags |= PARACLOCK_EVENT_AFTER;
	} else if (line_at(to, event->counter_after, &event->host_ns_after)) {
		event->flags |= PARACLOCK_EVENT_AFTER;
	}
	if (was->last_scale != event->timescale)
		return;
	if (line_at(from, event->counter_before, &event->host_ns_before))
		event->flags |= PARACLOCK_EVENT_BEFORE;
	if (paraclock_line_gap(from, to, event->counter_after, &event->gap_ns))
		event->flags |= PARACLOCK_EVENT_GAP;
	if (event->kind == PARACLOCK_EVENT_UPDATED &&
	    ((event->flags & PARACLOCK_EVENT_GAP &&
	      paraclock_is_jump(event->gap_ns)) ||
	     (to->usable && to->flags & PARACLOCK_LINE_REBASE &&
	      to->base_tsc < from->base_tsc)))
		event->kind = PARACLOCK_EVENT_JUMPED;
}

/* Is there a page, with nothing on it that could be compared? */
static bool lacks_line(const struct paraclock *clk,
		       const struct observation *obs)
{
	return clk->be->get_line && !obs->line.usable;
}

/* The index of the marker source that shows something else. */
static unsigned int moved_marker(const struct paraclock *clk,
				 const struct remembered *was,
				 const struct observation *obs)
{
	unsigned int i = 0;

	while (i < clk->n_markers &&
	       !memcmp(&was->seen[i], &obs->marker[i], sizeof(was->seen[i])))
		i++;
	return i;
}

/* A bit for each source whose marker has a generation: 0 may be one like any
 * other, or none. */
static uint64_t generations(const struct paraclock *clk,
			    const struct observation *obs)
{
	uint64_t given = 0;

	for (unsigned int i = 0; i < clk->n_markers; i++) {
		const struct marker_source *source = &clk->marker[i];

		if (obs->marker[i].generation ||
		    (source->be->has_generation &&
		     source->be->has_generation(source->state)))
			given |= 1ULL << i;
	}
	return given;
}

/* The host's own word. */
static void tell_marker(struct paraclock *clk, unsigned int i,
			const struct observation *obs,
			struct paraclock_event *event)
{
	const struct paraclock_backend *be = clk->marker[i].be;
	uint64_t given = clk->log.generations & generations(clk, obs);

	event->source = be->name;
	event->marker_class = be->marker_class;
	if (given >> i & 1 &&
	    event->marker_before.generation != event->marker_after.generation)
		event->kind = PARACLOCK_EVENT_RESTORED;
	else if (be->marker_kind)
		event->kind = be->marker_kind;
}

static void tell_restore(struct paraclock_event *event)
{
	event->kind = PARACLOCK_EVENT_RESTORED;
	event->marker_class = PARACLOCK_MARKER_AUTHORITATIVE;
	event->source = "vmgenid";
}

/* Room for one more, at the cost of the oldest. */
static struct paraclock_event *make_room(struct event_log *log)
{
	if (log->end - log->first == EVENTS_MAX) {
		log->first++;
		log->event[log->first % EVENTS_MAX].flags |=
			PARACLOCK_EVENT_LOST;
	}
	return &log->event[log->end % EVENTS_MAX];
}

void paraclock_event_add(struct paraclock *clk, enum event_cause cause,
			 const struct remembered *was,
			 const struct remembered *now,
			 const struct observation *obs)
{
	struct event_log *log = &clk->log;
	struct paraclock_event *event = make_room(log);
	unsigned int i = moved_marker(clk, was, obs);

	*event = (struct paraclock_event){
		.kind = PARACLOCK_EVENT_UPDATED,
		.marker_class = PARACLOCK_MARKER_HEURISTIC,
		.counter = clk->env->counter_id,
		.source = clk->be->name,
		.disruption = now->epoch,
		.counter_before = log->looked_tsc,
		.counter_after = obs->sample.valid ? obs->sample.host_tsc
						   : now->noticed_tsc,
	};
	if (cause == CAUSE_LOST) {
		event->flags = PARACLOCK_EVENT_LOST;
	} else if (clk->n_markers) {
		unsigned int shown = i < clk->n_markers ? i : 0;

		event->marker_before = was->seen[shown];
		event->marker_after = obs->marker[shown];
		event->flags = PARACLOCK_EVENT_MARKERS;
	}
	if (cause == CAUSE_RESTORE)
		tell_restore(event);
	else if (i < clk->n_markers && cause == CAUSE_MEMORY)
		tell_marker(clk, i, obs, event);
	else if (was->last.usable && obs->line.usable &&
		 obs->line.flags & ~was->last.flags & PARACLOCK_LINE_STOPPED)
		event->kind = PARACLOCK_EVENT_PAUSED;
	log->unfinished = now->pending || lacks_line(clk, obs);
	if (!now->pending)
		tell_times(event, was, obs);
	/* After the event: a forked child sees it whole or not at all. */
	__atomic_store_n(&log->end, log->end + 1, __ATOMIC_RELEASE);
}

void paraclock_event_finish(struct paraclock *clk, const struct remembered *was,
			    const struct observation *obs)
{
	struct event_log *log = &clk->log;

	if (!log->unfinished)
		return;
	if (log->first != log->end)
		tell_times(&log->event[(log->end - 1) % EVENTS_MAX], was, obs);
	log->unfinished = lacks_line(clk, obs);
}

bool paraclock_event_has_restore(struct paraclock *clk, enum event_cause cause)
{
	struct event_log *log = &clk->log;
	struct paraclock_event *event;

	/* A marker that has a generation tells of the same restores. */
	if (log->generations)
		return true;
	if (log->first == log->end)
		return false;
	/* Until just now there was none: they are of one cause. */
	event = &log->event[(log->end - 1) % EVENTS_MAX];
	if (cause == CAUSE_RESTORE)
		tell_restore(event);
	else
		event->flags |= PARACLOCK_EVENT_LOST;
	return true;
}

void paraclock_event_looked(struct paraclock *clk,
			    const struct observation *obs)
{
	clk->log.generations = generations(clk, obs);
	if (obs->sample.counter != PARACLOCK_COUNTER_NONE)
		set_looked(&clk->log, obs->sample.host_tsc);
}

/* --- what no memory shows ------------------------------------------------- */

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

void paraclock_event_close(struct paraclock *clk)
{
	if (clk->events)
		close_sources(clk->env, clk->events);
}

static bool read_offset(const struct paraclock_env *env, int64_t *ret_offset_ns,
			int64_t *ret_realtime_ns)
{
	const int mono = local_clock_id[PARACLOCK_CLOCK_MONOTONIC];
	int64_t before, real, after, narrow = INT64_MAX;

	if (!env->read_clock)
		return false;
	for (unsigned int i = 0; i < OFFSET_TRIES; i++) {
		if (env->read_clock(env->ctx, mono, &before) ||
		    env->read_clock(env->ctx,
				    local_clock_id[PARACLOCK_CLOCK_REALTIME],
				    &real) ||
		    env->read_clock(env->ctx, mono, &after))
			return false;
		if (after - before >= narrow)
			continue;
		narrow = after - before;
		*ret_offset_ns = real - before - narrow / 2;
		*ret_realtime_ns = real;
	}
	return true;
}

static bool has_another_source(const struct paraclock_env *env,
			       struct event_sources *events)
{
	char name[sizeof(events->clocksource)] = "";
	bool known = events->clocksource[0];
	uint8_t kind;

	if (!env->clocksource || env->clocksource(env->ctx, name, &kind) ||
	    !memcmp(name, events->clocksource, sizeof(name)))
		return false;
	memcpy(events->clocksource, name, sizeof(name));
	/* Else a snapshot may go by the old one for a second more. */
	(void)paraclock_refresh(env);
	return known;
}

/* What is not to be had is found a second later, or as man pages say. */
static void add_optional(const struct paraclock *clk,
			 struct event_sources *events)
{
	const struct paraclock_env *env = clk->env;

	if (!clk->takes_other_machines && env->watch_generation &&
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
	ret = env->watch_clock(env->ctx, &events->clock);
	if (ret >= 0)
		ret = env->poll_group(env->ctx, &events->group, events->clock);
	if (ret < 0) {
		close_sources(env, events);
		return ret;
	}
	add_optional(clk, events);
	events->has_offset = read_offset(env, &events->offset_ns, &real_ns);
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

/* Before anything is looked at: what happens from here on wakes anew. */
static void collect(const struct paraclock *clk, struct event_sources *events)
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
		events->restored |= (uint8_t)restored;
}

static void tell_set(const struct paraclock_env *env,
		     struct event_sources *events,
		     struct paraclock_event *event)
{
	int64_t offset_ns, real_ns;

	events->was_set = false;
	event->kind = PARACLOCK_EVENT_CLOCK_SET;
	event->source = "clock";
	if (!read_offset(env, &offset_ns, &real_ns)) {
		events->has_offset = false;
		return;
	}
	event->timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED;
	event->host_ns_after = real_ns;
	event->flags |= PARACLOCK_EVENT_AFTER;
	if (events->has_offset) {
		event->gap_ns = offset_ns - events->offset_ns;
		event->host_ns_before = real_ns - event->gap_ns;
		event->flags |= PARACLOCK_EVENT_GAP | PARACLOCK_EVENT_BEFORE;
	}
	events->has_offset = true;
	events->offset_ns = offset_ns;
}

/* This kernel's own doings, which void no calibration of the counter; 1: there
 * is none. */
static int tell_local(struct paraclock *clk, struct event_sources *events,
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
		.disruption =
			__atomic_load_n(&clk->now.epoch, __ATOMIC_RELAXED),
		.counter_before =
			__atomic_load_n(&clk->log.looked_tsc, __ATOMIC_RELAXED),
		.counter_after = counter_read(clk->env, clk->how),
	};
	if (events->was_set)
		tell_set(clk->env, events, ret_ev);
	return 0;
}

/* --- telling -------------------------------------------------------------- */

/* 1: there is none, and up to that counter value nothing has happened. */
static int take(struct paraclock *clk, uint64_t looked,
		struct paraclock_event *ret_ev)
{
	struct event_log *log = &clk->log;
	size_t size = ret_ev->size;
	int ret = 1;

	if (!paraclock_own(clk))
		return -EAGAIN;
	if (log->first != log->end) {
		*ret_ev = log->event[log->first++ % EVENTS_MAX];
		/* The caller's, which may be a newer one's. */
		ret_ev->size = size;
		ret = 0;
	} else if (looked > log->looked_tsc) {
		set_looked(log, looked);
	}
	flag_give(&clk->owner);
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
	/* First of all: if the descriptor stayed readable, who polls it could
	 * keep a thread that holds the handle from running. */
	if (events)
		collect(clk, events);
	ret = take(clk, 0, ret_ev);
	if (ret <= 0)
		return ret;
	looked = counter_read(clk->env, clk->how);
	error = paraclock_look(clk);
	if (events && events->restored &&
	    !paraclock_notice_restore(clk, events->restored & 1 ? CAUSE_RESTORE
								: CAUSE_LOST))
		events->restored = 0;
	ret = take(clk, error ? 0 : looked, ret_ev);
	if (ret <= 0)
		return ret;
	if (events && !tell_local(clk, events, ret_ev))
		return 0;
	return error ? error : -EAGAIN;
}
