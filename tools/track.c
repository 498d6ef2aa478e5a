// SPDX-License-Identifier: MIT
#include <string.h>
#include <time.h>

#include "track.h"

/* An interrupt makes a bracket wide: of eight, one is narrow. */
#define BRACKETS 8

static int64_t now_ns(clockid_t clock)
{
	struct timespec now;

	clock_gettime(clock, &now);
	return (int64_t)now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

static void count_disruptions(struct track *track, uint64_t epoch)
{
	uint64_t count = epoch - track->epoch;
	int64_t *when = track->disrupted_sec;

	/* Points before a disruption say nothing of the rate after it. */
	if (track->epoch && count) {
		track->disruptions += count;
		memmove(when + 1, when, (TRACK_TIMES - 1) * sizeof(*when));
		when[0] = now_ns(CLOCK_REALTIME) / NSEC_PER_SEC;
		track->points = 0;
	}
	track->epoch = epoch;
}

static int read_bracket(struct track *track, struct track_point *ret_point)
{
	int64_t before = now_ns(CLOCK_MONOTONIC_RAW), after;
	int ret = paraclock_read(track->clk, &track->sample);

	after = now_ns(CLOCK_MONOTONIC_RAW);
	track->error = ret;
	if (ret)
		return ret;
	count_disruptions(track, track->sample.epoch);
	*ret_point = (struct track_point){
		.host_ns = track->sample.host_ns,
		.raw_ns = before + (after - before) / 2,
		.width_ns = after - before,
	};
	return 0;
}

static void note_gap(struct track *track, const struct track_point *point)
{
	int64_t gap_ns = 0;

	if (track->has_last)
		gap_ns = difference_ns(point->host_ns, track->last.host_ns);
	if (gap_ns > track->worst_gap_ns)
		track->worst_gap_ns = gap_ns;
	track->last = *point;
	track->has_last = true;
}

static const struct track_point *point_back(const struct track *track,
					    unsigned int back)
{
	return &track->recent[(track->points - 1 - back) % TRACK_POINTS];
}

static void keep_point(struct track *track, const struct track_point *point)
{
	if (!track->points)
		track->first = *point;
	else if (point->raw_ns - point_back(track, 0)->raw_ns <
		 TRACK_SPACING_NS)
		return;
	track->recent[track->points % TRACK_POINTS] = *point;
	track->points++;
}

void track_refresh(struct track *track)
{
	struct track_point best, point;
	struct paraclock_sample sample;
	bool has_best = false;

	track->readings++;
	for (unsigned int i = 0; i < BRACKETS; i++) {
		if (read_bracket(track, &point) || !track->sample.valid) {
			track->not_valid++;
			return;
		}
		/* The best bracket of the newest epoch. */
		if (has_best && sample.epoch == track->epoch &&
		    point.width_ns >= best.width_ns)
			continue;
		best = point;
		sample = track->sample;
		has_best = true;
	}
	track->sample = sample;
	note_gap(track, &best);
	keep_point(track, &best);
}

bool track_event(struct track *track, struct paraclock_event *ret_event)
{
	struct paraclock_event event = { .size = sizeof(event) };

	if (paraclock_next_event(track->clk, &event))
		return false;
	track->event[track->events++ % TRACK_EVENTS] = (struct track_event){
		.realtime_sec = now_ns(CLOCK_REALTIME) / NSEC_PER_SEC,
		.event = event,
	};
	*ret_event = event;
	return true;
}

struct track_rate track_rate(const struct track *track, int64_t window_ns)
{
	const struct track_point *from = &track->first, *to = &track->last;
	struct track_rate rate = { 0 };
	int64_t raw_ns;

	if (!track->points)
		return rate;
	for (unsigned int back = 0;
	     window_ns && back < track->points && back < TRACK_POINTS; back++) {
		from = point_back(track, back);
		if (to->raw_ns - from->raw_ns >= window_ns)
			break;
	}
	raw_ns = to->raw_ns - from->raw_ns;
	if (raw_ns <= 0)
		return rate;
	rate.span_sec = (double)raw_ns / 1e9;
	rate.ppm = (double)difference_ns(
			   difference_ns(to->host_ns, from->host_ns), raw_ns) /
		   (double)raw_ns * 1e6;
	rate.bound_ppm = (double)(to->width_ns + from->width_ns) / 2 /
			 (double)raw_ns * 1e6;
	return rate;
}
