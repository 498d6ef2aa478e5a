// SPDX-License-Identifier: MIT
#include <stdlib.h>
#include <time.h>

#include "duration.h"
#include "notice.h"
#include "service.h"

/* A change of the time suspended by more than this is a suspend: reading it is
 * surer than that. */
#define SUSPENDED_NS (NSEC_PER_SEC / 100)

/*
 * The host clock may gain on CLOCK_MONOTONIC_RAW by a tenth of the time between
 * two looks before that counts as a jump: somebody who corrects the host's
 * clock may let it run up to 8.3 % faster (chrony's maxslewrate).
 */
#define SLEWED(ns) ((ns) / 10)

/* The page may follow a restore this much later, by itself without a marker. */
#define FRESH_NS (60 * NSEC_PER_SEC)

/* One look takes so many events at most, and leaves the rest to the next. */
#define EVENTS_MAX 64

void disrupt(struct keeper *keeper, const struct keep_cause *cause,
	     bool restored)
{
	keeper->situation.disrupted = true;
	/* Whatever our last step did, the clock is another one now. */
	keeper->situation.stepped_ns = 0;
	/* Several causes of one disruption: the most certain is told. */
	if (!keeper->cause.kind ||
	    cause->marker_class >= keeper->cause.marker_class)
		keeper->cause = *cause;
	keeper->situation.restored = keeper->situation.restored || restored;
}

static void count(struct keeper *keeper)
{
	keeper->disruptions++;
	keeper->disrupted_ns = loop_now_ns();
}

static void take_disruption(struct keeper *keeper,
			    const struct paraclock_event *event)
{
	const struct keep_cause cause = {
		.kind = paraclock_event_kind_name(event->kind),
		.source = event->source,
		.marker_class = event->marker_class,
		.has_markers = event->flags & PARACLOCK_EVENT_MARKERS,
		.before = event->marker_before,
		.after = event->marker_after,
	};

	count(keeper);
	disrupt(keeper, &cause,
		event->kind == PARACLOCK_EVENT_RESTORED &&
			event->marker_class == PARACLOCK_MARKER_AUTHORITATIVE);
}

static void take_event(struct keeper *keeper,
		       const struct paraclock_event *event)
{
	switch (event->kind) {
	case PARACLOCK_EVENT_CLOCK_SET:
		/* Somebody's act, and never a reason to act. */
	case PARACLOCK_EVENT_CLOCKSOURCE_CHANGED:
		break;
	case PARACLOCK_EVENT_SOURCE_LOST:
		keeper->is_lost = true;
		break;
	case PARACLOCK_EVENT_SOURCE_FOUND:
		keeper->is_lost = false;
		break;
	default:
		take_disruption(keeper, event);
		break;
	}
}

void take_events(struct keeper *keeper)
{
	struct paraclock_event event = { .size = sizeof(event) };

	for (int i = 0; i < EVENTS_MAX; i++) {
		if (paraclock_next_event(keeper->clk, &event))
			return;
		take_event(keeper, &event);
	}
}

/* MONOTONIC stood still meanwhile; the kernel has set REALTIME by the RTC, to a
 * second. */
void look_for_suspend(struct keeper *keeper)
{
	static const struct keep_cause cause = {
		.kind = "suspended",
		.source = "clock",
		.marker_class = PARACLOCK_MARKER_HEURISTIC,
	};
	int64_t now_ns, was_ns = keeper->suspended_ns;

	if (keeper->ops->suspended(keeper->ops->ctx, &now_ns))
		return;
	if (keeper->knows_suspended && (now_ns - was_ns > SUSPENDED_NS ||
					was_ns - now_ns > SUSPENDED_NS)) {
		count(keeper);
		disrupt(keeper, &cause, false);
	}
	keeper->knows_suspended = true;
	keeper->suspended_ns = now_ns;
}

static uint64_t assumed(const struct keeper *keeper, bool has_bound)
{
	return has_bound ? 0 : (uint64_t)keeper->rules->assume_error_ns;
}

static int16_t tai_offset_of(const struct measurement *m)
{
	if (!(m->sample.flags & PARACLOCK_FLAG_TAI_OFFSET))
		return 0;
	return m->sample.tai_offset_sec;
}

static int month_of(int64_t utc_ns)
{
	const time_t sec = (time_t)(utc_ns / NSEC_PER_SEC);
	struct tm tm;

	return gmtime_r(&sec, &tm) ? tm.tm_mon : -1;
}

/* What jumps in a leap second is UTC, at a month's end: TAI goes on. A host that
 * changes its mind about TAI - UTC at any other time has jumped. */
static bool is_leap(const struct keeper *keeper, const struct measurement *m,
		    int64_t gap_ns, uint64_t allowed)
{
	const int now_sec = tai_offset_of(m);
	const int was_sec = keeper->reference.tai_offset_sec;

	return now_sec && was_sec && abs(now_sec - was_sec) == 1 &&
	       keeper->reference.backend ==
		       paraclock_backend_name(keeper->clk) &&
	       month_of(m->utc_ns) != month_of(keeper->reference.utc_ns) &&
	       !__builtin_add_overflow(
		       gap_ns, (now_sec - was_sec) * NSEC_PER_SEC, &gap_ns) &&
	       duration_of(gap_ns) <= allowed;
}

static bool has_jumped(const struct keeper *keeper, const struct measurement *m)
{
	uint64_t allowed = (uint64_t)keeper->rules->jump_above_ns;
	int64_t host_ns, raw_ns, gap_ns;

	/* Two sources without a bound may differ. */
	if (keeper->reference.backend != paraclock_backend_name(keeper->clk))
		allowed += assumed(keeper, m->has_bound) +
			   assumed(keeper, keeper->reference.has_bound);
	if (__builtin_sub_overflow(m->utc_ns, keeper->reference.utc_ns,
				   &host_ns) ||
	    __builtin_sub_overflow(m->raw_ns, keeper->reference.raw_ns,
				   &raw_ns) ||
	    raw_ns < 0 || __builtin_sub_overflow(host_ns, raw_ns, &gap_ns) ||
	    __builtin_add_overflow(allowed, (uint64_t)SLEWED(raw_ns),
				   &allowed) ||
	    __builtin_add_overflow(allowed, m->bound_ns, &allowed) ||
	    __builtin_add_overflow(allowed, keeper->reference.bound_ns,
				   &allowed))
		return true;
	return duration_of(gap_ns) > allowed &&
	       !is_leap(keeper, m, gap_ns, allowed);
}

/*
 * A disruption that no marker tells: the host clock against CLOCK_MONOTONIC_RAW,
 * which nobody sets. CLOCK_REALTIME jumps whenever somebody sets it.
 */
void look_for_jump(struct keeper *keeper, const struct measurement *m)
{
	const struct keep_cause cause = {
		.kind = "host-jumped",
		.source = paraclock_backend_name(keeper->clk),
		.marker_class = PARACLOCK_MARKER_HEURISTIC,
	};

	if (m->error || m->utc_error || !m->sample.valid)
		return;
	if (keeper->reference.known && has_jumped(keeper, m)) {
		/* What the clock shows of a disruption that was told is the
		 * same one. */
		if (!keeper->situation.disrupted)
			count(keeper);
		disrupt(keeper, &cause, false);
	}
	keeper->reference.known = true;
	keeper->reference.utc_ns = m->utc_ns;
	keeper->reference.raw_ns = m->raw_ns;
	keeper->reference.bound_ns = m->bound_ns;
	keeper->reference.has_bound = m->has_bound;
	keeper->reference.tai_offset_sec = tai_offset_of(m);
	keeper->reference.backend = paraclock_backend_name(keeper->clk);
}

/* A page that follows a restore late is part of it, although nothing on the page
 * says so. */
void look_for_restore(struct keeper *keeper, const struct measurement *m)
{
	struct situation *situation = &keeper->situation;

	if (m->error || !m->sample.valid)
		return;
	if (situation->restored && !keeper->is_fresh) {
		keeper->is_fresh = true;
		keeper->restored_raw_ns = m->raw_ns;
	}
	if (keeper->is_fresh &&
	    (uint64_t)m->raw_ns - (uint64_t)keeper->restored_raw_ns > FRESH_NS)
		keeper->is_fresh = false;
	if (situation->disrupted && keeper->is_fresh)
		situation->restored = true;
}
