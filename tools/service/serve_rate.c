// SPDX-License-Identifier: MIT
#include <errno.h>

#include "duration.h"
#include "serve_rate.h"

__extension__ typedef unsigned __int128 u128;

/* Products of 128 bits hold so many ticks: an hour of 4 GHz. */
#define TICKS_MAX ((uint64_t)1 << 44)

/* Readings of less are too close: a bracket has some 100 ns. */
#define SHORTEST_NS (NSEC_PER_SEC / 4)

/* Readings begin so close, and end so far apart: the counter may wander, and
 * --drift-ppm is about a span that somebody can judge. All of them reach back
 * 17 minutes at most. */
#define FIRST_SPACING_NS (NSEC_PER_SEC / 4)
#define LAST_SPACING_NS	 (64 * NSEC_PER_SEC)

/* Readings are whole ns. */
#define ROUNDED_NS 4

/* Worse is of no use: half of the time that passes. */
#define ERROR_MAX_PPB (NSEC_PER_SEC / 2)

/*
 * The clock has advanced by ns +- error in this many ticks. As a share of the
 * period that is used, ns / ticks, that is error / ns.
 */
int serve_rate_between(const struct serve_reading *from,
		       const struct serve_reading *to,
		       struct serve_rate *ret_rate)
{
	uint64_t ticks = to->counter - from->counter;
	u128 error = (u128)from->error_ns + to->error_ns;
	u128 hz, ppb;
	int64_t ns;

	if (to->counter <= from->counter || ticks > TICKS_MAX ||
	    __builtin_sub_overflow(to->ns, from->ns, &ns) || ns <= 0)
		return -ERANGE;
	hz = (((u128)ticks * NSEC_PER_SEC) << SERVE_HZ_BITS) / (uint64_t)ns;
	/* 1: hz is rounded down, and so is this. */
	ppb = error * NSEC_PER_SEC / (uint64_t)ns + 2;
	if (!hz || hz > UINT64_MAX || ppb > ERROR_MAX_PPB)
		return -ERANGE;
	ret_rate->hz_frac = (uint64_t)hz;
	ret_rate->error_ppb = (uint64_t)ppb;
	return 0;
}

int serve_rate_slower(const struct serve_rate *rate, int64_t slower_ppb,
		      struct serve_rate *ret_rate)
{
	u128 hz;

	if (slower_ppb > ERROR_MAX_PPB || slower_ppb < -ERROR_MAX_PPB)
		return -ERANGE;
	/* A slower clock shows less in the same ticks. */
	hz = (u128)rate->hz_frac * NSEC_PER_SEC /
	     (uint64_t)(NSEC_PER_SEC - slower_ppb);
	if (hz > UINT64_MAX)
		return -ERANGE;
	/* An error of the one is up to 1.5 times as large in the other. */
	*ret_rate = (struct serve_rate){
		.hz_frac = (uint64_t)hz,
		.error_ppb = rate->error_ppb * 2 + 1,
	};
	return 0;
}

static void drop_every_second(struct serve_readings *readings)
{
	for (size_t i = 0; i < SERVE_READINGS / 2; i++)
		readings->at[i] = readings->at[2 * i];
	readings->count = SERVE_READINGS / 2;
	readings->spacing_ns *= 2;
}

static void drop_oldest(struct serve_readings *readings)
{
	for (unsigned int i = 1; i < readings->count; i++)
		readings->at[i - 1] = readings->at[i];
	readings->count--;
}

static void keep(struct serve_readings *readings,
		 const struct serve_reading *now)
{
	const struct serve_reading *last;

	if (!readings->spacing_ns)
		readings->spacing_ns = FIRST_SPACING_NS;
	if (readings->count) {
		last = &readings->at[readings->count - 1];
		if (now->ns - last->ns < readings->spacing_ns)
			return;
	}
	if (readings->count == SERVE_READINGS) {
		if (readings->spacing_ns < LAST_SPACING_NS)
			drop_every_second(readings);
		else
			drop_oldest(readings);
	}
	readings->at[readings->count++] = *now;
}

/*
 * An average over the past knows nothing of a rate that has just changed: a
 * virtual machine may have been moved, and nothing told of it. Two spans of one
 * counter differ by what their ends are sure to, and by what it wanders.
 */
static bool has_changed(const struct serve_readings *readings,
			const struct serve_reading *now, uint64_t drift_ppb)
{
	const struct serve_reading *first = &readings->at[0];
	const struct serve_reading *last = &readings->last;
	uint64_t ticks = now->counter - last->counter;
	uint64_t past_ticks = last->counter - first->counter;
	uint64_t span_ns = (uint64_t)(now->ns - last->ns);
	uint64_t past_ns = (uint64_t)(last->ns - first->ns);
	u128 expected, allowed;

	if (past_ns < SHORTEST_NS || ticks > TICKS_MAX)
		return false;
	expected = (u128)ticks * past_ns / past_ticks;
	allowed = (u128)span_ns * 2 * drift_ppb / NSEC_PER_SEC + ROUNDED_NS;
	allowed += (u128)now->pair_ns + last->pair_ns;
	allowed += ((u128)last->pair_ns + first->pair_ns) * ticks / past_ticks;
	return (expected > span_ns ? expected - span_ns : span_ns - expected) >
	       allowed;
}

int serve_rate_add(struct serve_readings *readings,
		   const struct serve_reading *now, uint64_t drift_ppb,
		   struct serve_rate *ret_rate)
{
	struct serve_rate best = { .error_ppb = UINT64_MAX }, rate;
	bool is_other;

	/* Time that goes back belongs to no reading before. */
	if (readings->count && (now->counter <= readings->last.counter ||
				now->ns <= readings->last.ns))
		readings->count = 0;
	is_other = readings->count && has_changed(readings, now, drift_ppb);
	if (is_other)
		*readings = (struct serve_readings){ 0 };
	for (unsigned int i = 0; i < readings->count; i++) {
		if (now->ns - readings->at[i].ns < SHORTEST_NS ||
		    serve_rate_between(&readings->at[i], now, &rate))
			continue;
		if (rate.error_ppb < best.error_ppb)
			best = rate;
	}
	keep(readings, now);
	readings->last = *now;
	if (is_other)
		return -ESTALE;
	if (best.error_ppb == UINT64_MAX)
		return -EAGAIN;
	*ret_rate = best;
	return 0;
}
