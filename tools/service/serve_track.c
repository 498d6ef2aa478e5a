// SPDX-License-Identifier: MIT
#include <string.h>

#include "duration.h"
#include "serve_track.h"

/* Measurements that agree within less show the same reading of the host's. */
#define AGREE_APART_NS (NSEC_PER_SEC / 50)

void serve_track_init(struct serve_track *track)
{
	*track = (struct serve_track){
		.tl = {
			.size = sizeof(track->tl),
			.timescale = PARACLOCK_TIMESCALE_TAI,
			.status = PARACLOCK_STATUS_INITIALIZING,
		},
	};
}

bool serve_track_has_time(const struct serve_track *track)
{
	return track->tl.status == PARACLOCK_STATUS_SYNCHRONIZED ||
	       track->tl.status == PARACLOCK_STATUS_FREERUNNING;
}

void serve_track_disrupt(struct serve_track *track)
{
	track->tl.status = PARACLOCK_STATUS_UNRELIABLE;
	track->has_promise = false;
	track->is_contradicted = false;
	track->agreed = 0;
}

bool serve_track_doubt(struct serve_track *track)
{
	bool had_time = serve_track_has_time(track);

	if (had_time)
		track->tl.status = PARACLOCK_STATUS_UNRELIABLE;
	return had_time;
}

void serve_track_contradict(struct serve_track *track)
{
	track->tl.status = PARACLOCK_STATUS_UNRELIABLE;
	track->has_promise = false;
	track->is_contradicted = true;
	track->agreed = 0;
}

/* The newest of them first: an older one that leaves nothing is not kept to. */
static struct serve_limits limits_at(const struct serve_track *track,
				     uint64_t counter)
{
	struct serve_limits limits = { INT64_MIN, INT64_MAX }, narrower;

	for (unsigned int i = 0; i < track->past_count; i++) {
		narrower = limits;
		serve_limit(&narrower, &track->past[i], counter);
		if (narrower.least_ns <= narrower.most_ns)
			limits = narrower;
	}
	return limits;
}

static void remember(struct serve_track *track, bool is_first)
{
	if (is_first)
		track->past_count = 0;
	memmove(track->past + 1, track->past,
		sizeof(track->past) - sizeof(track->past[0]));
	track->past[0] = track->tl;
	if (track->past_count < SERVE_PAST)
		track->past_count++;
}

static bool publish(struct serve_track *track,
		    const struct paraclock_timeline *old,
		    const struct serve_claim *claim, int64_t now_ns)
{
	const struct serve_limits limits = limits_at(track, claim->counter);

	if (serve_next(old, old ? &limits : NULL, claim, &track->tl))
		return false;
	remember(track, !old);
	track->tl.status = PARACLOCK_STATUS_SYNCHRONIZED;
	track->measured_ns = track->reference_ns = now_ns;
	track->has_promise = true;
	track->is_contradicted = false;
	return true;
}

/* Do they agree with each other, whatever was published? */
static enum serve_outcome count_agreeing(struct serve_track *track,
					 const struct serve_claim *claim,
					 int64_t now_ns)
{
	struct paraclock_timeline candidate = track->tl;
	bool agrees =
		track->agreed && serve_is_consistent(&track->candidate, claim);

	if (agrees && now_ns - track->agreed_ns < AGREE_APART_NS)
		return SERVE_WAIT;
	track->agreed = agrees ? track->agreed + 1 : 1;
	track->agreed_ns = now_ns;
	if (track->agreed >= SERVE_AGREE)
		/* Under another marker: nobody compares it with the old one. */
		return publish(track, NULL, claim, now_ns) ? SERVE_PUBLISH
							   : SERVE_UNUSABLE;
	if (serve_next(NULL, NULL, claim, &candidate)) {
		track->agreed = 0;
		return SERVE_UNUSABLE;
	}
	track->candidate = candidate;
	return SERVE_WAIT;
}

enum serve_outcome serve_track_measured(struct serve_track *track,
					const struct serve_claim *claim,
					int64_t now_ns)
{
	struct paraclock_timeline old = track->tl;

	if (track->is_contradicted)
		return count_agreeing(track, claim, now_ns);
	if (publish(track, track->has_promise ? &old : NULL, claim, now_ns))
		return SERVE_PUBLISH;
	if (!track->has_promise || serve_is_consistent(&old, claim))
		return SERVE_UNUSABLE;
	serve_track_contradict(track);
	(void)count_agreeing(track, claim, now_ns);
	return SERVE_CONTRADICTED;
}

bool serve_track_age(struct serve_track *track, const struct serve_rules *rules,
		     bool has_marker, int64_t now_ns)
{
	bool is_old =
		now_ns - track->measured_ns > rules->fresh_ns ||
		(!has_marker && now_ns - track->reference_ns > rules->alone_ns);

	if (!is_old || track->tl.status != PARACLOCK_STATUS_SYNCHRONIZED)
		return false;
	track->tl.status = PARACLOCK_STATUS_FREERUNNING;
	return true;
}
