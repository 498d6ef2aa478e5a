// SPDX-License-Identifier: MIT
/* One consistent look at the sources of a handle, and its memory of them. */

#include <errno.h>
#include <string.h>

#include "base/env_call.h"
#include "base/fixed.h"
#include "base/seqword.h"
#include "clock.h"
#include "page/conversion.h"

/* Nobody can read on a machine that is disrupted during each try. */
#define OBSERVE_TRIES 8

#define REMEMBERED_WORDS (sizeof(struct remembered) / sizeof(uint64_t))

int pclk_look_at_markers(const struct paraclock *clk,
			 struct paraclock_marker ret_marker[MARKERS_MAX],
			 uint64_t ret_watched[2])
{
	for (unsigned int i = 0; i < 2; i++)
		ret_watched[i] =
			__atomic_load_n(clk->watch[i], __ATOMIC_ACQUIRE);
	for (unsigned int i = 0; i < clk->n_markers; i++) {
		const struct marker_source *source = &clk->marker[i];
		int ret = source->be->get_marker(source->state, &ret_marker[i]);

		if (ret)
			return pclk_env_error(ret);
	}
	return 0;
}

static bool same_markers(const struct paraclock *clk,
			 const struct paraclock_marker *a,
			 const struct paraclock_marker *b)
{
	for (unsigned int i = 0; i < clk->n_markers; i++) {
		if (a[i].value != b[i].value ||
		    a[i].generation != b[i].generation)
			return false;
	}
	return true;
}

int pclk_markers_moved(const struct paraclock *clk,
		       const struct remembered *now)
{
	struct paraclock_marker marker[MARKERS_MAX];
	uint64_t watched[2];
	int ret = pclk_look_at_markers(clk, marker, watched);

	if (ret)
		return ret;
	return !same_markers(clk, now->seen, marker) ||
	       watched[0] != now->watched[0] || watched[1] != now->watched[1];
}

/* Is one page, which is not in memory, all that is known of the host? */
static bool is_one_copy(const struct paraclock *clk)
{
	return clk->be->get_conversion_marker && clk->n_markers == 1 &&
	       clk->marker[0].state == clk->state && !clk->markers_in_memory;
}

static int observe_copy(const struct paraclock *clk,
			struct observation *ret_obs)
{
	int ret;

	for (unsigned int i = 0; i < 2; i++)
		ret_obs->watched[i] =
			__atomic_load_n(clk->watch[i], __ATOMIC_ACQUIRE);
	ret = clk->be->get_conversion_marker(clk->state, &ret_obs->sample,
					     &ret_obs->conv,
					     &ret_obs->marker[0]);
	if (!ret)
		pclk_conversion_confine(&ret_obs->conv);
	return pclk_env_error(ret);
}

int pclk_observe(const struct paraclock *clk, struct observation *ret_obs)
{
	struct paraclock_marker after[MARKERS_MAX];
	uint64_t watched[2];
	int ret;

	memset(ret_obs, 0, sizeof(*ret_obs));
	if (is_one_copy(clk))
		return observe_copy(clk, ret_obs);
	for (unsigned int i = 0; i < OBSERVE_TRIES; i++) {
		ret = pclk_look_at_markers(clk, ret_obs->marker,
					   ret_obs->watched);
		/* Before the page is copied, so that a copy of the marker that
		 * is new enough belongs to a page that is. */
		if (!ret && clk->checks_copy)
			ret = pclk_env_error(clk->be->get_marker(
				clk->state, &ret_obs->copy));
		if (ret)
			return ret;
		if (clk->be->get_conversion)
			ret = clk->be->get_conversion(
				clk->state, &ret_obs->sample, &ret_obs->conv);
		else
			ret = clk->be->get_time(clk->state, &ret_obs->sample);
		/* A backend may be the caller's, or pass on an error of its
		 * env. */
		if (ret)
			return pclk_env_error(ret);
		pclk_conversion_confine(&ret_obs->conv);
		ret = pclk_look_at_markers(clk, after, watched);
		if (ret)
			return ret;
		if (same_markers(clk, ret_obs->marker, after) &&
		    ret_obs->watched[0] == watched[0] &&
		    ret_obs->watched[1] == watched[1])
			return 0;
	}
	return -EAGAIN;
}

bool pclk_recall(const struct paraclock *clk, struct remembered *ret_now)
{
	return seqwords_copy(&clk->gen, ret_now, &clk->now, REMEMBERED_WORDS);
}

void pclk_publish(struct paraclock *clk, const struct remembered *next)
{
	seqwords_publish(&clk->gen, &clk->now, next, REMEMBERED_WORDS);
}

bool pclk_unchanged(const struct paraclock *clk, const struct remembered *now,
		    const struct observation *obs)
{
	return now->primed && !now->pending &&
	       same_markers(clk, now->seen, obs->marker) &&
	       now->watched[0] == obs->watched[0] &&
	       now->watched[1] == obs->watched[1] &&
	       now->conv.usable == obs->conv.usable &&
	       !(now->off_conversion &&
		 pclk_conversion_reaches(&obs->conv, obs->sample.host_tsc)) &&
	       memcmp(now->conv.key, obs->conv.key, sizeof(obs->conv.key)) == 0;
}

int64_t pclk_announced_leap(const struct observation *obs)
{
	const struct paraclock_sample *sample = &obs->sample;
	const s128 half = NSEC_PER_SEC / 2;
	s128 ahead;

	if (sample->timescale != PARACLOCK_TIMESCALE_UTC || !obs->conv.usable)
		return 0;
	if (sample->leap == PARACLOCK_LEAP_PRE_POS ||
	    sample->leap == PARACLOCK_LEAP_PRE_NEG)
		return sample->leap == PARACLOCK_LEAP_PRE_POS ? 1 : -1;
	if (pclk_conversion_reaches(&obs->conv, sample->host_tsc))
		return 0;
	/* Beyond the conversion it may be over: the sample shows it. */
	ahead = pclk_conversion_ns(&obs->conv, sample->host_tsc) -
		sample->host_ns;
	return (ahead > half) - (-ahead > half);
}
