// SPDX-License-Identifier: MIT
/* Who may change a timekeeper: one process at a time, as with a page. */

#include <errno.h>

#include "base/relaxed.h"
#include "timekeeper_writer.h"

#define MIGRATIONS_MAX ((uint64_t)1 << 62)

static void create(struct tk *tk, uint64_t migrations)
{
	struct tk_slot empty = {
		.mode = TK_EMPTY,
		.t_change = TK_NEVER,
		.migrations = migrations ? migrations : 1,
	};

	pclk_tk_publish(tk, &empty);
	/* Release pairs with the acquire in tk_check(): the rest is there. */
	__atomic_store_n(&tk->head, TK_HEAD, __ATOMIC_RELEASE);
}

/* What the old owner wrote is in ticks of a counter that is not this
 * machine's. */
static int orphan(struct paraclock_timekeeper *timekeeper,
		  const struct paraclock_env *env)
{
	struct tk_job job;
	int ret = pclk_tk_begin(&job, timekeeper, env);

	if (ret)
		return ret;
	if (!job.is_sane)
		tk_forget(&job.slot);
	if (job.slot.mode == TK_RUNNING) {
		tk_set_seen(&job.slot, pclk_tk_seen_by(&job.slot, TK_NEVER));
		job.slot.mode = TK_FROZEN;
		job.slot.t_written = 0;
	}
	/* It cannot be unfrozen as it is. */
	job.slot.t_lease = 0;
	job.slot.t_end = 0;
	job.slot.t_change = TK_NEVER;
	job.slot.migrations++;
	return pclk_tk_end(&job, 0);
}

int paraclock_timekeeper_acquire(
	struct paraclock_timekeeper *timekeeper,
	const struct paraclock_env *env,
	const struct paraclock_timekeeper_options *opts)
{
	const struct paraclock_timekeeper_options none = {
		.size = sizeof(none),
	};
	struct tk *tk = (void *)timekeeper;
	struct page_writer_state *owner;
	uint64_t head;
	int ret;

	opts = opts ? opts : &none;
	if (!tk_is_aligned(tk) || opts->size < sizeof(*opts) ||
	    opts->flags & ~PARACLOCK_TIMEKEEPER_ORPHAN ||
	    opts->migrations >= MIGRATIONS_MAX)
		return -EINVAL;
	head = LOAD(tk->head);
	if (head && head != TK_HEAD)
		return -EPROTO;
	owner = (void *)&tk->writer;
	if (opts->flags) {
		struct paraclock_page_writer trial = { { 0 } };

		/* A caller that may not write anyway must not take the
		 * timekeeper away from its owner. */
		ret = paraclock_page_writer_acquire(&trial, env);
		if (ret)
			return ret;
		STORE(owner->owner, 0);
	}
	ret = paraclock_page_writer_acquire(&tk->writer, env);
	if (ret)
		return ret;
	STORE(tk->how, owner->how);
	/* Look again: the last owner may have created it meanwhile. */
	if (!LOAD(tk->head))
		create(tk, opts->migrations);
	else if (opts->flags)
		ret = orphan(timekeeper, env);
	return ret;
}

int paraclock_timekeeper_release(struct paraclock_timekeeper *timekeeper,
				 const struct paraclock_env *env)
{
	struct tk *tk = (void *)timekeeper;

	if (!tk_is_aligned(tk))
		return -EINVAL;
	return paraclock_page_writer_release(&tk->writer, env);
}
