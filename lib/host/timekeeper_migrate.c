// SPDX-License-Identifier: MIT
/* A migration: freeze, reconfigure, unfreeze. */

#include <errno.h>

#include "timekeeper_writer.h"

int paraclock_timekeeper_freeze(struct paraclock_timekeeper *timekeeper,
				const struct paraclock_env *env)
{
	struct tk_job job;
	struct tk_slot was;
	int ret = pclk_tk_begin(&job, timekeeper, env);

	if (ret)
		return ret;
	if (!job.is_sane)
		tk_forget(&job.slot);
	was = job.slot;
	if (was.mode != TK_FROZEN) {
		/* In case the writer dies here: readers can have seen no more
		 * than all of the lease. */
		tk_set_seen(&job.slot, pclk_tk_seen_by(&was, TK_NEVER));
		job.slot.mode = TK_FROZEN;
		job.slot.t_written = 0;
		pclk_tk_publish(job.tk, &job.slot);
		job.slot.t_written = pclk_tk_after_readers(
			&job, pclk_timeline_ticks(&was.tl[0], TK_JUDGE_NS));
		tk_set_seen(&job.slot,
			    pclk_tk_seen_by(&was, job.slot.t_written));
	}
	return pclk_tk_end(&job, 0);
}

int paraclock_timekeeper_reconfigure(struct paraclock_timekeeper *timekeeper,
				     const struct paraclock_env *env,
				     const struct paraclock_timeline *tl)
{
	struct paraclock_timeline next;
	struct tk_job job;
	int ret = pclk_tk_prepare(tl, &next);

	if (!ret)
		ret = pclk_tk_begin(&job, timekeeper, env);
	if (ret)
		return ret;
	ret = -EINVAL;
	if (!job.is_sane) {
		ret = -EPROTO;
	} else if (job.slot.mode == TK_FROZEN &&
		   tk_has_scale_of(&job.slot, &next)) {
		job.slot.tl[0] = next;
		ret = pclk_tk_install(&job.slot, 0, &next);
		if (ret == -ESTALE)
			ret = -EINVAL;
		job.slot.mode = TK_FROZEN;
		job.slot.t_change = TK_NEVER;
		job.slot.migrations++;
	}
	return pclk_tk_end(&job, ret);
}

static int unfreeze(struct tk_slot *slot, uint64_t now)
{
	unsigned int i = now >= slot->t_change;
	struct paraclock_timeline *tl = &slot->tl[i];
	uint64_t begins = now > tl->base_tsc ? now : tl->base_tsc;
	int ret;

	slot->mode = TK_EMPTY;
	if (!slot->tl[0].size)
		return 0;
	if (now > slot->t_lease)
		return -ESTALE;
	ret = pclk_tk_keep_promise(
		tl, begins, (u128)slot->seen_sec << 64 | slot->seen_frac);
	/* The timeline may have been lifted by up to a ns. */
	slot->conv[i].base_sec = tl->base_sec;
	slot->conv[i].base_frac = tl->base_frac;
	if (slot->conv[i].error_ns < PARACLOCK_ERROR_UNKNOWN)
		slot->conv[i].error_ns = tl->maxerror_ns;
	slot->mode = TK_RUNNING;
	slot->t_written = now;
	return ret;
}

int paraclock_timekeeper_unfreeze(struct paraclock_timekeeper *timekeeper,
				  const struct paraclock_env *env)
{
	struct tk_job job;
	int ret = pclk_tk_begin(&job, timekeeper, env);

	if (ret)
		return ret;
	if (!job.is_sane)
		ret = -EPROTO;
	else if (job.slot.mode == TK_FROZEN)
		ret = unfreeze(&job.slot, tk_counter_now(&job));
	return pclk_tk_end(&job, ret);
}
