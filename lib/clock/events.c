// SPDX-License-Identifier: MIT
/* The log of disruptions: what each one was, as far as is known, kept until the
 * consumer asks for it. */

#include <string.h>

#include "base/calendar.h"
#include "base/fixed.h"
#include "clock.h"
#include "page/conversion.h"

static bool conv_at(const struct paraclock_conversion *conv, uint64_t counter,
		    int64_t *ret_ns)
{
	struct paraclock_conversion zero = { .usable = 1, .base_tsc = counter };

	return pclk_conversion_reaches(conv, counter) &&
	       pclk_conversion_gap(&zero, conv, counter, ret_ns);
}

/* How far the page's own time is behind its conversion at a counter value, ns:
 * beyond a leap second that the page announced, and that is not a gap. */
static int64_t leapt_ns(const struct paraclock_conversion *conv, int64_t leap,
			uint64_t counter)
{
	struct paraclock_conversion start = { .usable = 1,
					      .base_tsc = counter };
	int64_t sec = conv->base_ns / NSEC_PER_SEC;
	int64_t ns;

	if (!leap)
		return 0;
	/* A second that is removed is the last one of its month. */
	sec = pclk_calendar_month_of(sec).end_sec - (leap < 0);
	if (pclk_conversion_gap(&start, conv, counter, &ns) &&
	    ns / NSEC_PER_SEC < sec)
		return 0;
	return leap * NSEC_PER_SEC;
}

static bool gap_between(const struct remembered *was,
			const struct observation *obs, uint64_t counter,
			int64_t *ret_ns)
{
	const struct paraclock_conversion *from = &was->last, *to = &obs->conv;
	uint64_t at = pclk_conversions_meet(from, to, counter);
	int64_t leap;

	if (!pclk_conversion_gap(from, to, counter, ret_ns))
		return false;
	leap = leapt_ns(from, was->last_leap, at) -
	       leapt_ns(to, pclk_announced_leap(obs), at);
	return !__builtin_add_overflow(*ret_ns, leap, ret_ns);
}

/* Fill in the times before and after, and the gap, from the page after the
 * disruption. It is compared with the last usable conversion, however long no
 * page could be used in between. */
static void set_times(struct paraclock_event *event,
		      const struct remembered *was,
		      const struct observation *obs)
{
	const struct paraclock_conversion *from = &was->last, *to = &obs->conv;

	event->timescale = obs->sample.timescale;
	if (obs->sample.valid && obs->sample.host_tsc == event->counter_after) {
		event->host_ns_after = obs->sample.host_ns;
		event->flags |= PARACLOCK_EVENT_AFTER;
	} else if (conv_at(to, event->counter_after, &event->host_ns_after)) {
		event->flags |= PARACLOCK_EVENT_AFTER;
	}
	if (was->last_scale != event->timescale)
		return;
	if (conv_at(from, event->counter_before, &event->host_ns_before))
		event->flags |= PARACLOCK_EVENT_BEFORE;
	if (gap_between(was, obs, event->counter_after, &event->gap_ns))
		event->flags |= PARACLOCK_EVENT_GAP;
	else
		event->gap_ns = 0;
	if (event->kind == PARACLOCK_EVENT_UPDATED &&
	    ((event->flags & PARACLOCK_EVENT_GAP && is_jump(event->gap_ns)) ||
	     (to->usable && to->flags & PARACLOCK_CONVERSION_REBASE &&
	      to->base_tsc < from->base_tsc)))
		event->kind = PARACLOCK_EVENT_JUMPED;
}

/* Does the source have a page, but no usable conversion now? */
static bool lacks_conversion(const struct paraclock *clk,
			     const struct observation *obs)
{
	return clk->be->get_conversion && !obs->conv.usable;
}

/* The index of the first marker that moved; n_markers: none did. */
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

/* A bit for each source whose marker has a generation. A generation of 0 says
 * nothing by itself: the source says whether it is meaningful. */
static uint64_t generations(const struct paraclock *clk,
			    const struct paraclock_marker *marker)
{
	uint64_t given = 0;

	for (unsigned int i = 0; i < clk->n_markers; i++) {
		const struct marker_source *source = &clk->marker[i];

		if (marker[i].generation ||
		    (source->be->has_generation &&
		     source->be->has_generation(source->state)))
			given |= 1ULL << i;
	}
	return given;
}

/* The marker itself says more than a comparison of pages. */
static void set_by_marker(struct paraclock *clk, unsigned int i,
			  const struct observation *obs,
			  struct paraclock_event *event)
{
	const struct paraclock_backend *be = clk->marker[i].be;
	uint64_t given = clk->log.generations & generations(clk, obs->marker);

	event->source = be->name;
	event->marker_class = class_of(be, clk->marker[i].state);
	if (be->look)
		event->counter_before =
			__atomic_load_n(&clk->log.memory_tsc, __ATOMIC_RELAXED);
	if (given >> i & 1 &&
	    event->marker_before.generation != event->marker_after.generation)
		event->kind = PARACLOCK_EVENT_RESTORED;
	else if (be->marker_kind)
		event->kind = be->marker_kind;
}

static void set_restored(struct paraclock_event *event)
{
	event->kind = PARACLOCK_EVENT_RESTORED;
	event->marker_class = PARACLOCK_MARKER_AUTHORITATIVE;
	event->source = "vmgenid";
}

/* Room for one more; a full log drops its oldest event. */
static struct paraclock_event *make_room(struct event_log *log)
{
	if (log->end - log->first == EVENTS_MAX) {
		log->first++;
		log->event[log->first % EVENTS_MAX].flags |=
			PARACLOCK_EVENT_LOST;
	}
	return &log->event[log->end % EVENTS_MAX];
}

void pclk_event_add(struct paraclock *clk, enum event_cause cause,
		    const struct remembered *was, const struct remembered *now,
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
		.epoch = now->epoch,
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
		set_restored(event);
	else if (i < clk->n_markers && cause == CAUSE_MEMORY)
		set_by_marker(clk, i, obs, event);
	else if (was->last.usable && obs->conv.usable &&
		 obs->conv.flags & ~was->last.flags &
			 PARACLOCK_CONVERSION_STOPPED)
		event->kind = PARACLOCK_EVENT_PAUSED;
	log->unfinished = now->pending || lacks_conversion(clk, obs);
	if (!now->pending)
		set_times(event, was, obs);
	/* After the event: a forked child sees it whole or not at all. */
	__atomic_store_n(&log->end, log->end + 1, __ATOMIC_RELEASE);
}

void pclk_event_finish(struct paraclock *clk, const struct remembered *was,
		       const struct observation *obs)
{
	struct event_log *log = &clk->log;

	if (!log->unfinished)
		return;
	if (log->first != log->end)
		set_times(&log->event[(log->end - 1) % EVENTS_MAX], was, obs);
	log->unfinished = lacks_conversion(clk, obs);
}

/* Does a marker with a generation show the same restores? One that is looked at
 * may be lost, and still be remembered. */
static bool shows_restores(const struct paraclock *clk)
{
	for (unsigned int i = 0; i < clk->n_markers; i++) {
		const struct marker_source *source = &clk->marker[i];

		if (clk->log.generations >> i & 1 && !look_error(source))
			return true;
	}
	return false;
}

bool pclk_event_has_restore(struct paraclock *clk, enum event_cause cause)
{
	struct event_log *log = &clk->log;
	struct paraclock_event *event;

	if (shows_restores(clk))
		return true;
	if (log->first == log->end)
		return false;
	/* The log was empty just before, so this event has the same cause. */
	event = &log->event[(log->end - 1) % EVENTS_MAX];
	if (cause == CAUSE_RESTORE)
		set_restored(event);
	else
		event->flags |= PARACLOCK_EVENT_LOST;
	return true;
}

void pclk_event_primed(struct paraclock *clk,
		       const struct paraclock_marker *marker)
{
	clk->log.generations = generations(clk, marker);
}

void pclk_event_looked(struct paraclock *clk, const struct observation *obs)
{
	pclk_event_primed(clk, obs->marker);
	if (obs->sample.counter != PARACLOCK_COUNTER_NONE)
		pclk_event_set_looked(&clk->log, obs->sample.host_tsc);
}
