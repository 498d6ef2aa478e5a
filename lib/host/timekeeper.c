// SPDX-License-Identifier: MIT
/* What a timekeeper holds: checked, and described. */

#include <errno.h>

#include "base/relaxed.h"
#include "timekeeper.h"

/* As often as a read retries. */
#define TRIES (1U << 12)

static int copy_slot(const struct tk *tk, struct tk_slot *ret_slot,
		     uint64_t *ret_state)
{
	uint64_t *to = (void *)ret_slot;

	for (unsigned int tries = 0; tries < TRIES; tries++) {
		/* Pairs as in look(), timekeeper_read.c. */
		uint64_t state = __atomic_load_n(&tk->state, __ATOMIC_ACQUIRE);
		const uint64_t *from = (const void *)&tk->slot[state & 1];

		for (size_t i = 0; i < TK_SLOT_WORDS; i++)
			to[i] = LOAD(from[i]);
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		*ret_state = state;
		if (LOAD(tk->state) == state)
			return 0;
		cpu_relax();
	}
	return -EAGAIN;
}

uint64_t pclk_tk_counter(const struct tk *tk, const struct paraclock_env *env)
{
	return tk_counter(tk, env);
}

static bool is_sane_timeline(const struct paraclock_timeline *tl)
{
	return !pclk_timeline_check(tl) && pclk_timeline_has_time(tl) &&
	       tl->timescale &&
	       tl->timescale <= PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED &&
	       tl->counter;
}

bool pclk_tk_is_sane(const struct tk_slot *slot)
{
	if (slot->mode > TK_FROZEN)
		return false;
	/* Never set. */
	if (slot->mode != TK_RUNNING && !slot->tl[0].size)
		return slot->t_change == TK_NEVER;
	return is_sane_timeline(&slot->tl[0]) &&
	       (slot->t_change == TK_NEVER || is_sane_timeline(&slot->tl[1]));
}

static uint8_t state_of(const struct tk_slot *slot, uint64_t now)
{
	if (slot->mode == TK_FROZEN)
		return PARACLOCK_TIMEKEEPER_FROZEN;
	if (slot->mode != TK_RUNNING)
		return PARACLOCK_TIMEKEEPER_EMPTY;
	return now > slot->t_end ? PARACLOCK_TIMEKEEPER_EXPIRED
				 : PARACLOCK_TIMEKEEPER_RUNNING;
}

int paraclock_timekeeper_describe(const struct paraclock_timekeeper *timekeeper,
				  const struct paraclock_env *env,
				  struct paraclock_timekeeper_info *ret_info)
{
	struct paraclock_timekeeper_info *const info = ret_info;
	const struct tk *tk = (const void *)timekeeper;
	struct tk_slot slot;
	uint64_t state;
	bool changed;
	int ret;

	if (!tk_is_aligned(timekeeper) || !info || info->size < sizeof(*info) ||
	    (env && env->size < sizeof(*env)))
		return -EINVAL;
	ret = tk_check(tk);
	if (!ret)
		ret = copy_slot(tk, &slot, &state);
	if (!ret && !pclk_tk_is_sane(&slot))
		ret = -EPROTO;
	if (ret)
		return ret;
	*info = (struct paraclock_timekeeper_info){
		.size = sizeof(*info),
		.migrations = slot.migrations,
		.updates = state & TK_SEQ_MASK,
		.now_tsc = pclk_tk_counter(tk, env),
		.t_end = slot.t_lease,
		.t_change = slot.t_change,
	};
	info->state = state_of(&slot, info->now_tsc);
	if (slot.mode == TK_FROZEN) {
		info->t_frozen = slot.t_written;
		info->seen_sec = slot.seen_sec;
		info->seen_frac = slot.seen_frac;
	}
	changed = info->now_tsc >= slot.t_change;
	info->timeline = slot.tl[changed];
	if (changed)
		info->t_change = TK_NEVER;
	else if (slot.t_change != TK_NEVER)
		info->next = slot.tl[1];
	return 0;
}
