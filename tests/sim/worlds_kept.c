// SPDX-License-Identifier: MIT
/* Random worlds: timekeepers that follow the readings, and their readers. */

#include <paraclock/timekeeper.h>

#include "worlds.h"

#define USER PARACLOCK_SIM_USER

struct tally kept, guest_kept;

static const struct paraclock_env *env_of(const struct keeper *k)
{
	return paraclock_sim_env(k->of->vm, USER);
}

void look_kept(struct world *w, struct keeper *k, bool by_handle)
{
	struct paraclock_sample sample;
	int ret = by_handle ? paraclock_read(k->clk, &sample)
			    : paraclock_timekeeper_read(&k->tk, env_of(k),
							&sample);

	kept.reads++;
	if (ret) {
		kept.broken += ret != -EAGAIN;
		return;
	}
	if (!sample.valid)
		return;
	kept.valid++;
	if (k->of->source != SOURCE_NESTED || w->lasting)
		judge_bound(w, &kept, "timekeeper", k->of->vm, &sample);
	/*
	 * The time that readers saw before the counter was turned back does not
	 * count.
	 */
	if (!by_handle) {
		if (k->seen_in != sample.epoch)
			k->seen_ns = INT64_MIN;
		k->seen_in = sample.epoch;
		judge_promise(w, &kept, "timekeeper", &k->seen_ns, &sample);
	}
	/* A follower of a clock without a bound, or without a drift. */
	if (sample.clock_error_ns != PARACLOCK_ERROR_UNKNOWN &&
	    (!k->follow.drift_ppb || k->of->source == SOURCE_KVMCLOCK)) {
		kept.broken++;
		complain(w, "timekeeper", "a bound made of nothing", 0, 0);
	}
}

/* What a caller that announces a move does after it: it begins anew. */
static void keeper_reset(struct keeper *k)
{
	const struct paraclock_timekeeper_options opts = {
		.size = sizeof(opts),
		.migrations = ++k->migrations,
	};

	k->seen_ns = INT64_MIN;
	memset(&k->tk, 0, sizeof(k->tk));
	memset(k->follow.opaque, 0, sizeof(k->follow.opaque));
	assert_int_equal(paraclock_timekeeper_acquire(&k->tk, env_of(k), &opts),
			 0);
}

static void follow(struct world *w, struct keeper *k)
{
	int ret = paraclock_timekeeper_follow(&k->tk, env_of(k), k->of->clk,
					      &k->follow);

	if (ret == -ESTALE && !(k->follow.flags & PARACLOCK_FOLLOW_RESTART))
		keeper_reset(k);
	else if (ret && ret != -EAGAIN && ret != -ESTALE)
		fail_msg("seed %llu: follow: %d", (unsigned long long)w->seed,
			 ret);
	/* Now and then it is late. */
	k->next_ns = mono_now(w) + w->least_ns +
		     (int64_t)(k->period_ns << (dice(w, 16) ? 0 : 5)) +
		     (int64_t)dice(w, k->period_ns);
}

int64_t next_follow(const struct world *w)
{
	int64_t next = INT64_MAX;

	for (unsigned int i = 0; i < KEEPERS; i++) {
		if (w->keeper[i].next_ns < next)
			next = w->keeper[i].next_ns;
	}
	return next;
}

void follow_due(struct world *w, bool all)
{
	for (unsigned int i = 0; i < KEEPERS; i++) {
		if (all || w->keeper[i].next_ns <= mono_now(w))
			follow(w, &w->keeper[i]);
	}
}

void keepers_freeze(struct world *w)
{
	for (unsigned int i = 0; i < KEEPERS; i++)
		assert_int_equal(
			paraclock_timekeeper_freeze(&w->keeper[i].tk,
						    env_of(&w->keeper[i])),
			0);
}

void keepers_reset(struct world *w, bool all)
{
	for (unsigned int i = 0; i < KEEPERS; i++) {
		/*
		 * A page that the relay has not written anew is no source to
		 * follow yet.
		 */
		if (all || w->keeper[i].of->source == SOURCE_NESTED)
			keeper_reset(&w->keeper[i]);
	}
}

void keeper_open(struct world *w, struct keeper *k, enum source of)
{
	static const uint64_t drifts[] = { 0, 1, 10, 1000, 50000, 1000000 };
	uint64_t interval = (uint64_t)SEC >> dice(w, 8);

	k->of = &w->reader[of];
	k->follow = (struct paraclock_follow){
		.size = sizeof(k->follow),
		.max_slew_ppb = dice(w, 2) ? any_size(w, 26) : 0,
		.step_ns = dice(w, 2) ? 0 : 1000 + any_size(w, 30),
		.lease_ns = (interval + any_size(w, 33)) << dice(w, 3),
		.rate_interval_ns = interval,
		.drift_ppb = drifts[dice(w, ARRAY_LEN(drifts))],
		.flags = (uint32_t)dice(w, 0) & (PARACLOCK_FOLLOW_MONOTONIC |
						 PARACLOCK_FOLLOW_RESTART),
	};
	if (k->follow.lease_ns < MS)
		k->follow.lease_ns = MS;
	k->period_ns = k->follow.lease_ns / (2 + dice(w, 8));
	if (k->period_ns < interval / 2)
		k->period_ns = interval / 2;
	/* The part of a correction that falls into each of its intervals. */
	if (w->beat_ns && dice(w, 2)) {
		k->follow.rate_interval_ns = w->beat_ns;
		k->period_ns = w->beat_ns;
	}
	keeper_reset(k);
	k->next_ns = mono_now(w) + 1;
	assert_int_equal(paraclock_timekeeper_open(&k->clk, &k->tk, env_of(k)),
			 0);
}

void look_guest_kept(struct world *w)
{
	struct paraclock_sample sample;
	int ret = paraclock_timekeeper_read(
		&w->guest_tk, paraclock_sim_env(w->guest, USER), &sample);

	guest_kept.reads++;
	if (ret) {
		guest_kept.broken += ret != -EAGAIN;
		return;
	}
	if (!sample.valid)
		return;
	guest_kept.valid++;
	if (w->lasting)
		judge_bound(w, &guest_kept, "guest's timekeeper", w->guest,
			    &sample);
}
