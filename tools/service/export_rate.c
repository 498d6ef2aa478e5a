// SPDX-License-Identifier: MIT
#include <stdlib.h>

#include "duration.h"
#include "export_source.h"

/* Over a longer time the rate is more certain, but a change shows later. */
#define WINDOW_NS (30 * NSEC_PER_SEC)
#define LEAST_NS  NSEC_PER_SEC

/* What a leap second on a UTC clock without a TAI offset may differ from a
 * second by: the drift of some minutes. */
#define LEAP_SLACK_NS (NSEC_PER_SEC / 20)

static struct export_point point_of(const struct measurement *m)
{
	const struct paraclock_sample *sample = &m->sample;
	struct export_point point = {
		.is_known = true,
		.epoch = sample->epoch,
		.timescale = sample->timescale,
		.host_ns = sample->host_ns,
		.raw_ns = m->raw_ns,
		.error_ns = m->bound_ns,
	};

	/* The host's own error does not change within the window, as far as
	 * anybody knows; what changes is its rate. */
	if (m->has_bound)
		point.error_ns -= sample->clock_error_ns;
	if (sample->timescale != PARACLOCK_TIMESCALE_UTC ||
	    !(sample->flags & PARACLOCK_FLAG_TAI_OFFSET))
		return point;
	point.timescale = PARACLOCK_TIMESCALE_TAI;
	if (__builtin_add_overflow(point.host_ns,
				   sample->tai_offset_sec * NSEC_PER_SEC,
				   &point.host_ns))
		point.is_known = false;
	return point;
}

static bool is_comparable(const struct export_point *from,
			  const struct export_point *to)
{
	return from->is_known && to->is_known && from->epoch == to->epoch &&
	       from->timescale == to->timescale && from->raw_ns <= to->raw_ns;
}

/* Nobody says whether it was one. */
static bool may_be_leap(const struct export_point *point, int64_t ahead_ns)
{
	return (point->timescale == PARACLOCK_TIMESCALE_UTC ||
		point->timescale == PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED) &&
	       llabs(llabs(ahead_ns) - NSEC_PER_SEC) < LEAP_SLACK_NS;
}

static void start_from(struct export_follower *follower,
		       const struct export_point *point)
{
	follower->from = follower->next = *point;
}

/* Neither point is older than two windows, unless nobody asks more often. */
static void advance(struct export_follower *follower,
		    const struct export_point *now)
{
	if (now->raw_ns - follower->next.raw_ns < WINDOW_NS)
		return;
	follower->from = follower->next;
	follower->next = *now;
}

bool rate_update(struct export_follower *follower,
		 const struct measurement *measurement)
{
	const struct export_point now = point_of(measurement);
	const struct export_point *from = &follower->from;
	struct export_source *data = follower->data;
	int64_t host_ns, raw_ns, ahead_ns;

	if (!is_comparable(from, &now) ||
	    __builtin_sub_overflow(now.raw_ns, from->raw_ns, &raw_ns) ||
	    __builtin_sub_overflow(now.host_ns, from->host_ns, &host_ns) ||
	    __builtin_sub_overflow(host_ns, raw_ns, &ahead_ns) ||
	    may_be_leap(&now, ahead_ns)) {
		start_from(follower, &now);
		return false;
	}
	if (raw_ns < LEAST_NS)
		return false;
	data->rate = (double)ahead_ns / (double)raw_ns;
	data->rate_bound = ((double)from->error_ns + (double)now.error_ns) /
			   (double)raw_ns;
	advance(follower, &now);
	return true;
}
