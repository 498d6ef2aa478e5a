// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>
#include <time.h>

#include <paraclock/backend.h>

#include "export_source.h"
#include "measure.h"
#include "service.h"
#include "steer.h"

/* As for the other services: a slow PTP clock is still a clock, and its width
 * is exported. */
#define MAX_PAIR_ERROR_NS 10000000

/* Reads that are timed: so many at most, and none after this time. A PTP clock
 * takes some 100 us for each. */
#define READS	      16
#define READS_TIME_NS (NSEC_PER_SEC / 1000)

/* --- opening -------------------------------------------------------------- */

static int open_clock(struct export_follower *follower,
		      struct paraclock **ret_clk)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = follower->source.backend,
		.device = follower->source.device,
		.timescales = follower->source.timescales,
		.flags = follower->source.flags,
		.max_pair_error_ns = MAX_PAIR_ERROR_NS,
		.detail = follower->detail,
		.detail_size = sizeof(follower->detail),
	};
	int ret;

	follower->detail[0] = '\0';
	ret = paraclock_open(ret_clk, &opts);
	if (ret && !follower->detail[0])
		paraclock_explain(NULL, ret, NULL, follower->detail,
				  sizeof(follower->detail));
	return ret;
}

/* A source that opens but is not there gives no answer. */
static int read_first(struct export_follower *follower, struct paraclock *clk)
{
	struct paraclock_sample sample;
	int ret = paraclock_read(clk, &sample);

	if (ret)
		paraclock_explain(clk, ret, NULL, follower->detail,
				  sizeof(follower->detail));
	return ret;
}

int follower_open(struct export_follower *follower)
{
	struct paraclock *clk;
	int ret = open_clock(follower, &clk);

	if (ret)
		return ret;
	ret = read_first(follower, clk);
	/* -EAGAIN and such may pass. */
	if (ret == -ENODEV || (ret && follower->clk)) {
		paraclock_close(clk);
		return ret;
	}
	paraclock_close(follower->clk);
	follower->clk = clk;
	follower->is_lost = false;
	follower->epoch = paraclock_epoch(clk);
	follower->from.is_known = false;
	return 0;
}

void follower_close(struct export_follower *follower)
{
	paraclock_close(follower->clk);
	follower->clk = NULL;
}

/* --- events --------------------------------------------------------------- */

/* EXPORT_DISRUPTIONS: an event that is no disruption. */
static enum export_disruption disruption_of(unsigned int kind)
{
	switch (kind) {
	case PARACLOCK_EVENT_UPDATED:
		return EXPORT_UPDATED;
	case PARACLOCK_EVENT_PAUSED:
		return EXPORT_PAUSED;
	case PARACLOCK_EVENT_JUMPED:
		return EXPORT_JUMPED;
	case PARACLOCK_EVENT_MIGRATED:
		return EXPORT_MIGRATED;
	case PARACLOCK_EVENT_RESTORED:
		return EXPORT_RESTORED;
	default:
		return EXPORT_DISRUPTIONS;
	}
}

static void count_disruption(struct export_follower *follower,
			     enum export_disruption kind, uint64_t count)
{
	follower->data->disruptions[kind] += count;
	follower->data->was_disrupted = true;
	follower->disrupted_ns = loop_now_ns();
}

static void count_other(struct export_follower *follower, unsigned int kind)
{
	uint64_t *events = follower->data->events;

	switch (kind) {
	case PARACLOCK_EVENT_CLOCK_SET:
		events[EXPORT_CLOCK_SET]++;
		break;
	case PARACLOCK_EVENT_CLOCKSOURCE_CHANGED:
		events[EXPORT_CLOCKSOURCE_CHANGED]++;
		break;
	case PARACLOCK_EVENT_SOURCE_LOST:
		events[EXPORT_SOURCE_LOST]++;
		follower->is_lost = true;
		break;
	case PARACLOCK_EVENT_SOURCE_FOUND:
		events[EXPORT_SOURCE_FOUND]++;
		follower->is_lost = false;
		break;
	default:
		break;
	}
}

/* The handle keeps the last few events, but its epoch counts every
 * disruption. */
static void count_event(struct export_follower *follower,
			const struct paraclock_event *event)
{
	const enum export_disruption kind = disruption_of(event->kind);
	const uint64_t before =
		event->epoch - (kind < EXPORT_DISRUPTIONS ? 1 : 0);

	if (before > follower->epoch)
		count_disruption(follower, EXPORT_UNKNOWN_KIND,
				 before - follower->epoch);
	if (event->epoch > follower->epoch)
		follower->epoch = event->epoch;
	if (kind < EXPORT_DISRUPTIONS)
		count_disruption(follower, kind, 1);
	else
		count_other(follower, event->kind);
}

void follower_take_events(struct export_follower *follower)
{
	struct paraclock_event event = { .size = sizeof(event) };

	while (follower->clk && !paraclock_next_event(follower->clk, &event))
		count_event(follower, &event);
}

/* --- one collection ------------------------------------------------------- */

static int64_t raw_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
}

static void time_reads(struct export_follower *follower)
{
	const int64_t start_ns = raw_now_ns();
	struct paraclock_sample sample;
	int64_t before_ns, after_ns = start_ns;

	for (int i = 0; i < READS && after_ns - start_ns < READS_TIME_NS; i++) {
		before_ns = raw_now_ns();
		if (paraclock_read(follower->clk, &sample))
			return;
		after_ns = raw_now_ns();
		if (after_ns >= before_ns)
			histogram_add(&follower->data->reads,
				      (uint64_t)(after_ns - before_ns));
	}
}

static bool has_utc(const struct measurement *m)
{
	return !m->utc_error &&
	       (m->sample.timescale == PARACLOCK_TIMESCALE_UTC ||
		m->sample.timescale == PARACLOCK_TIMESCALE_TAI ||
		m->sample.timescale == PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED);
}

/* What repeats this kernel's clock says nothing about that clock. */
static void take_measure(struct export_follower *follower)
{
	static const struct utc_help help = { .leap_table = steer_leap_table,
					      .bounds_utc = true };
	struct export_source *data = follower->data;
	struct measurement *m = &data->measurement;

	if (!data->has_answered || !data->sample.valid ||
	    data->sample.flags & PARACLOCK_FLAG_OWN_KERNEL)
		return;
	measure(follower->clk, &help, m);
	if (m->error || !m->sample.valid)
		return;
	data->has_measurement = has_utc(m);
	data->has_rate = rate_update(follower, m);
}

static void forget(struct export_source *data)
{
	data->has_answered = false;
	data->has_measurement = false;
	data->has_rate = false;
}

void follower_collect(struct export_follower *follower)
{
	struct export_source *data = follower->data;
	int ret;

	forget(data);
	data->is_available = follower->clk;
	data->was_available |= data->is_available;
	if (!follower->clk)
		return;
	time_reads(follower);
	ret = paraclock_read(follower->clk, &data->sample);
	data->has_answered = !ret;
	if (ret == -ENODEV)
		follower->is_lost = true;
	take_measure(follower);
	/* Last: the reads may have noticed some. */
	follower_take_events(follower);
	data->disrupted_ago_ns = loop_now_ns() - follower->disrupted_ns;
}
