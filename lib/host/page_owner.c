// SPDX-License-Identifier: MIT
/*
 * One writer of a page at a time.
 *
 * If a writer dies in the middle of an update, the page stays odd until
 * somebody repairs it. But a writer that was only preempted there goes on
 * later, and two writers at once make a mixture that no reader can tell from a
 * good page. So the owner is a process: its id, when it started, and the
 * namespace of both, all of which is compared each time. An owner counts as
 * dead only if the env knows that it is gone, or that its id now belongs to
 * another process.
 */

#include <errno.h>

#include "base/env.h"
#include "base/env_call.h"
#include "base/relaxed.h"
#include "page_writer.h"

/*
 * The word that is exchanged: the process id, 28 bits of where that process is,
 * 11 bits of when it started, and ACQUIRING: it has the page, but has not yet
 * written down the rest. Until then only its absence can be recognised.
 */
#define ID_SHIFT    40
#define ID_BITS	    24
#define WHERE_SHIFT 12
#define WHERE_MASK  ((uint64_t)0xfffffff << WHERE_SHIFT)
#define START_SHIFT 1
#define START_MASK  0x7ffU
#define ACQUIRING   1U
/* 2^64 divided by the golden ratio: in a product with it, every bit of a number
 * reaches the upper bits. */
#define SPREAD 0x9e3779b97f4a7c15U

uint32_t pclk_page_process(const struct paraclock_env *env)
{
	return env->process_id ? env->process_id(env->ctx) : 1;
}

int pclk_page_env(const struct paraclock_env **env)
{
	if (!*env)
		*env = pclk_builtin_env;
	if (!*env)
		return -ENODEV;
	return (*env)->size < sizeof(**env) ? -EINVAL : 0;
}

/* The process that env is in. */
static int identify(const struct paraclock_env *env,
		    struct paraclock_process *ret_self)
{
	struct paraclock_process self = { .id = pclk_page_process(env) };
	int ret = env->identify
			  ? pclk_env_error(env->identify(env->ctx, 0, &self))
			  : 0;

	if (!ret && (!self.id || self.id >> ID_BITS))
		ret = -EOPNOTSUPP;
	if (!ret)
		*ret_self = self;
	return ret;
}

static uint64_t word_of(const struct paraclock_process *who)
{
	uint64_t where = ((who->space * SPREAD) ^ who->machine) * SPREAD;

	return (uint64_t)who->id << ID_SHIFT |
	       (where >> (ID_BITS + 1) & WHERE_MASK) |
	       (who->start & START_MASK) << START_SHIFT;
}

static bool is_where(const struct page_writer_state *state,
		     const struct paraclock_process *who)
{
	return LOAD(state->space) == who->space &&
	       LOAD(state->machine) == who->machine;
}

static bool is_owner(const struct page_writer_state *state,
		     const struct paraclock_process *who)
{
	/* Acquire pairs with the release of paraclock_page_writer_acquire(). */
	uint64_t owner = __atomic_load_n(&state->owner, __ATOMIC_ACQUIRE);

	return owner == word_of(who) && LOAD(state->start) == who->start &&
	       is_where(state, who);
}

/* Has the owner ended? If that cannot be known, it has not. */
static bool is_dead(const struct paraclock_env *env,
		    const struct page_writer_state *state, uint64_t owner,
		    const struct paraclock_process *self)
{
	struct paraclock_process who = { 0 };
	int ret;

	if (!env->identify || !self->space ||
	    (owner & WHERE_MASK) != (word_of(self) & WHERE_MASK) ||
	    !(owner & ACQUIRING || is_where(state, self)))
		return false;
	ret = env->identify(env->ctx, (uint32_t)(owner >> ID_SHIFT), &who);
	if (ret)
		return ret == -ESRCH;
	return who.has_ended ||
	       (!(owner & ACQUIRING) && who.start != LOAD(state->start));
}

int paraclock_page_writer_acquire(struct paraclock_page_writer *writer,
				  const struct paraclock_env *env)
{
	struct page_writer_state *state = (void *)writer;
	struct paraclock_process self;
	uint64_t owner, mine;
	int ret;

	if (!writer)
		return -EINVAL;
	ret = pclk_page_env(&env);
	if (!ret && env->check_counter)
		ret = pclk_env_error(env->check_counter(env->ctx));
	if (!ret)
		ret = identify(env, &self);
	if (ret)
		return ret;
	mine = word_of(&self);
	/* Acquire pairs with the release below: the other words belong to this
	 * one. */
	owner = __atomic_load_n(&state->owner, __ATOMIC_ACQUIRE);
	if (owner &&
	    (is_owner(state, &self) || !is_dead(env, state, owner, &self)))
		return -EBUSY;
	/* Acquire pairs with the release of paraclock_page_writer_release().
	 * It also sees what a dead owner left: the kernel orders that before
	 * it shows the owner's death. */
	if (!__atomic_compare_exchange_n(&state->owner, &owner,
					 mine | ACQUIRING, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return -EBUSY;
	STORE(state->start, self.start);
	STORE(state->space, self.space);
	STORE(state->machine, self.machine);
	state->how = pclk_counter_choose(env);
	STORE(state->busy, 0);
	/* Release pairs with is_owner(): the owner sees all of this. */
	__atomic_store_n(&state->owner, mine, __ATOMIC_RELEASE);
	return 0;
}

int paraclock_page_writer_release(struct paraclock_page_writer *writer,
				  const struct paraclock_env *env)
{
	struct page_writer_state *state = (void *)writer;
	int ret;

	if (!writer)
		return -EINVAL;
	ret = pclk_page_env(&env);
	if (!ret)
		ret = pclk_page_enter(state, env);
	if (ret)
		return ret;
	/* busy stays set: only the owner clears it. */
	__atomic_store_n(&state->owner, 0, __ATOMIC_RELEASE);
	return 0;
}

int pclk_page_enter(struct page_writer_state *state,
		    const struct paraclock_env *env)
{
	struct paraclock_process self;
	uint32_t busy = 0;

	if (identify(env, &self) || !is_owner(state, &self))
		return -EPERM;
	/* Acquire pairs with pclk_page_leave(). */
	if (!__atomic_compare_exchange_n(&state->busy, &busy, 1, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return -EBUSY;
	/* Another thread may have released the page, and another process
	 * acquired it since: then the flag is that process's. */
	if (is_owner(state, &self))
		return 0;
	pclk_page_leave(state);
	return -EPERM;
}

void pclk_page_leave(struct page_writer_state *state)
{
	__atomic_store_n(&state->busy, 0, __ATOMIC_RELEASE);
}
