// SPDX-License-Identifier: MIT
/*
 * One writer of a page at a time.
 *
 * A page stays odd if its writer dies in the middle, and somebody has to
 * repair it; but a writer that was only preempted there goes on later, and
 * two at once make what no reader can tell from a good page. So the owner is a
 * whole process: its id, when it started, and the namespace of both, all of it
 * compared each time. It is taken for dead only where the env knows that it is
 * gone, or that its id is another process's now.
 */

#include <errno.h>

#include "base/env.h"
#include "base/env_call.h"
#include "page_writer.h"

/*
 * The word that is exchanged: process id, 28 bits of where that is, 11 of when
 * it started, and TAKING: it has the page, and the whole of it is not there yet.
 * Until then only that it is gone can be known.
 */
#define ID_SHIFT    40
#define ID_BITS	    24
#define WHERE_SHIFT 12
#define WHERE_MASK  ((uint64_t)0xfffffff << WHERE_SHIFT)
#define START_SHIFT 1
#define START_MASK  0x7ffU
#define TAKING	    1U
/* 2^64 by the golden ratio: every bit of a number is in the upper ones. */
#define SPREAD 0x9e3779b97f4a7c15U

#define LOAD(x)	      __atomic_load_n(&(x), __ATOMIC_RELAXED)
#define STORE(x, val) __atomic_store_n(&(x), val, __ATOMIC_RELAXED)

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

/* Which process env is in. */
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
	/* Acquire pairs with take(). */
	uint64_t owner = __atomic_load_n(&state->owner, __ATOMIC_ACQUIRE);

	return owner == word_of(who) && LOAD(state->start) == who->start &&
	       is_where(state, who);
}

/* Does nothing of the owner's run any more? What cannot be known does. */
static bool is_dead(const struct paraclock_env *env,
		    const struct page_writer_state *state, uint64_t owner,
		    const struct paraclock_process *self)
{
	struct paraclock_process who = { 0 };
	int ret;

	if (!env->identify || !self->space ||
	    (owner & WHERE_MASK) != (word_of(self) & WHERE_MASK) ||
	    !(owner & TAKING || is_where(state, self)))
		return false;
	ret = env->identify(env->ctx, (uint32_t)(owner >> ID_SHIFT), &who);
	if (ret)
		return ret == -ESRCH;
	return who.has_ended ||
	       (!(owner & TAKING) && who.start != LOAD(state->start));
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
	/* Acquire pairs with the release below: the rest is of the same. */
	owner = __atomic_load_n(&state->owner, __ATOMIC_ACQUIRE);
	if (owner &&
	    (is_owner(state, &self) || !is_dead(env, state, owner, &self)))
		return -EBUSY;
	/* Acquire pairs with give()'s release, and sees what a dead one left:
	 * a kernel that lets its death be seen has ordered that. */
	if (!__atomic_compare_exchange_n(&state->owner, &owner, mine | TAKING,
					 false, __ATOMIC_ACQUIRE,
					 __ATOMIC_RELAXED))
		return -EBUSY;
	STORE(state->start, self.start);
	STORE(state->space, self.space);
	STORE(state->machine, self.machine);
	state->how = pclk_counter_choose(env);
	STORE(state->busy, 0);
	/* Release pairs with enter(): all this is set for who may write. */
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
	/* busy stays taken: only who owns the page lets go of it. */
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
	/* Acquire pairs with leave(). */
	if (!__atomic_compare_exchange_n(&state->busy, &busy, 1, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return -EBUSY;
	/* Another thread may have given it back, and another process taken it
	 * since, whose flag this is now. */
	if (is_owner(state, &self))
		return 0;
	pclk_page_leave(state);
	return -EPERM;
}

void pclk_page_leave(struct page_writer_state *state)
{
	__atomic_store_n(&state->busy, 0, __ATOMIC_RELEASE);
}
