// SPDX-License-Identifier: MIT
/* A timekeeper as a clock. */

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "clock/clock.h"
#include "timekeeper.h"

struct source {
	const struct paraclock_env *env;
	const struct tk *tk;
	uint64_t migrations; /* the count when confirm_fresh() last looked */
};

static int source_open(const struct paraclock_env *env,
		       const struct paraclock_options *opts, void *arg,
		       void **ret_state)
{
	struct source *source = env->alloc(env->ctx, sizeof(*source));

	(void)opts;
	if (!source)
		return -ENOMEM;
	*source = (struct source){
		.env = env,
		.tk = arg,
	};
	*ret_state = source;
	return 0;
}

static void source_close(void *state)
{
	struct source *source = state;

	source->env->free(source->env->ctx, source);
}

static int source_get_time(void *state, struct paraclock_sample *ret_sample)
{
	struct source *source = state;

	return pclk_timekeeper_at(source->tk, source->env, NULL, ret_sample);
}

static int source_get_time_at(void *state, uint64_t counter,
			      struct paraclock_sample *ret_sample)
{
	struct source *source = state;

	return pclk_timekeeper_at(source->tk, source->env, &counter,
				  ret_sample);
}

static int describe(const struct source *source,
		    struct paraclock_timekeeper_info *ret_info)
{
	ret_info->size = sizeof(*ret_info);
	return paraclock_timekeeper_describe((const void *)source->tk,
					     source->env, ret_info);
}

static int source_get_marker(void *state, struct paraclock_marker *ret_marker)
{
	struct paraclock_timekeeper_info info;
	int ret = describe(state, &info);

	if (!ret)
		*ret_marker = (struct paraclock_marker){ info.migrations, 0 };
	return ret;
}

/*
 * Another marker may move before the writer has frozen the timekeeper, which
 * shows what held before until it is reconfigured. So wait for another
 * migration count than at the last question. At the first one there is nothing
 * to compare with.
 */
static int source_confirm_fresh(void *state, int noticed)
{
	struct paraclock_timekeeper_info info;
	struct source *source = state;
	uint64_t before = source->migrations;

	(void)noticed;
	if (describe(source, &info))
		return -EAGAIN;
	source->migrations = info.migrations;
	return before && before != info.migrations ? 0 : -EAGAIN;
}

static void source_explain(void *state, int error,
			   const struct paraclock_sample *sample, char *buf,
			   size_t size)
{
	struct paraclock_timekeeper_info info;

	(void)sample;
	if (error != -EAGAIN)
		return;
	if (describe(state, &info) || info.state == PARACLOCK_TIMEKEEPER_EMPTY)
		TEXT(buf, size, "the timekeeper's writer has not set it yet");
	else if (info.state == PARACLOCK_TIMEKEEPER_FROZEN)
		TEXT(buf, size,
		     "the timekeeper is frozen, as for a migration; try again "
		     "later");
	else if (info.state == PARACLOCK_TIMEKEEPER_EXPIRED)
		TEXT(buf, size,
		     "the timekeeper's lease has expired: its writer is dead "
		     "or late; check that it runs");
}

/* The quality does not matter: this backend is in no list. The migration count
 * promises no more than what the writer has noticed. */
static const struct paraclock_backend backend = {
	.size = sizeof(struct paraclock_backend),
	.name = "timekeeper",
	.quality = 0,
	.marker_class = PARACLOCK_MARKER_HEURISTIC,
	.open = source_open,
	.get_time = source_get_time,
	.get_time_at = source_get_time_at,
	.get_marker = source_get_marker,
	.confirm_fresh = source_confirm_fresh,
	.explain = source_explain,
	.close = source_close,
};

int paraclock_timekeeper_open(struct paraclock **ret_clk,
			      const struct paraclock_timekeeper *timekeeper,
			      const struct paraclock_env *env)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.env = env,
	};
	int ret;

	if (!tk_is_aligned(timekeeper))
		return -EINVAL;
	ret = paraclock_open_backend(ret_clk, &backend,
				     (void *)(uintptr_t)timekeeper, &opts);
	/* Whatever other markers promise: a count that has moved does not say
	 * that it moved for the disruption that they show. */
	if (!ret)
		(*ret_clk)->marker_class = PARACLOCK_MARKER_HEURISTIC;
	return ret;
}
