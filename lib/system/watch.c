// SPDX-License-Identifier: MIT
/* Watching the system clocks: a change is committed before a snapshot has to
 * find it. */

#include <errno.h>
#include <string.h>

#include "base/env.h"
#include "base/env_call.h"
#include "base/seqword.h"
#include "system.h"

#define CLOCKSOURCE_MAX sizeof(((struct system_state *)0)->clocksource)
#define WORDS		(sizeof(struct system_state) / sizeof(uint64_t))

/* Another thread holds the try-lock for at most 50 us, unless it is
 * preempted. */
#define LOCK_TRIES 4096

struct paraclock_watch {
	const struct paraclock_env *env;
	int fd;
	bool was_set; /* seen, and not yet committed */
};

/* With the lock held. 1: publish next. */
static int change(const struct paraclock_env *env, struct system_state *next,
		  const char *name, bool was_set)
{
	int ret = 0;

	/* Before the first snapshot nothing is remembered. */
	if (!next->ready)
		return 0;
	if (!pclk_system_is_of(next, env))
		return -EINVAL;
	if (name &&
	    memcmp(name, next->clocksource, sizeof(next->clocksource)) != 0) {
		ret = pclk_system_calibrate(env, next);
		if (ret)
			return ret;
		next->source_seq++;
		ret = 1;
	}
	next->set_seq += was_set;
	return ret || was_set;
}

/* 1: something has changed. @p name, of the clocksource, is padded with zeros;
 * NULL: not known. */
static int update(const struct paraclock_env *env, const char *name,
		  bool was_set)
{
	struct system_memory *memory =
		(struct system_memory *)env->system_clocks;
	struct system_state next;
	int ret = -EAGAIN;

	for (unsigned int i = 0; !try_lock(&memory->owner, env); i++) {
		if (i >= LOCK_TRIES)
			return -EAGAIN;
		cpu_relax();
	}
	/* If its writer has forked, the next snapshot repairs the state. */
	if (!(__atomic_load_n(&memory->gen, __ATOMIC_RELAXED) & 1)) {
		memcpy(&next, &memory->now, sizeof(next));
		ret = change(env, &next, name, was_set);
		if (ret > 0)
			seqwords_publish(&memory->gen, &memory->now, &next,
					 WORDS);
	}
	unlock(&memory->owner);
	return ret;
}

/* As pclk_env_with_clocks(). -EOPNOTSUPP: the env also needs a memory. */
static int env_with_memory(const struct paraclock_env **env)
{
	int ret = pclk_env_with_clocks(env);

	if (ret)
		return ret;
	return (*env)->system_clocks ? 0 : -EOPNOTSUPP;
}

int paraclock_refresh(const struct paraclock_env *env)
{
	char name[CLOCKSOURCE_MAX] = "";
	uint8_t kind;
	int ret = env_with_memory(&env);

	if (!ret)
		ret = pclk_env_clocksource(env, name, &kind);
	if (!ret)
		ret = update(env, name, false);
	return ret < 0 ? ret : 0;
}

int paraclock_watch_open(struct paraclock_watch **ret_watch,
			 const struct paraclock_env *env)
{
	struct paraclock_watch *watch;
	int ret;

	if (!ret_watch)
		return -EINVAL;
	ret = env_with_memory(&env);
	if (ret)
		return ret;
	if (!env->watch_clock || !env->close_device || !env->alloc ||
	    !env->free)
		return -EOPNOTSUPP;
	watch = env->alloc(env->ctx, sizeof(*watch));
	if (!watch)
		return -ENOMEM;
	*watch = (struct paraclock_watch){ .env = env, .fd = -1 };
	ret = pclk_env_watch(env->watch_clock(env->ctx, &watch->fd),
			     &watch->fd);
	if (ret < 0) {
		env->free(env->ctx, watch);
		return ret;
	}
	*ret_watch = watch;
	return 0;
}

int paraclock_watch_fd(const struct paraclock_watch *watch)
{
	return watch ? watch->fd : -EINVAL;
}

int paraclock_watch_update(struct paraclock_watch *watch)
{
	const struct paraclock_env *env;
	char name[CLOCKSOURCE_MAX] = "";
	bool named;
	uint8_t kind;
	int ret;

	if (!watch)
		return -EINVAL;
	env = watch->env;
	ret = pclk_env_watch(env->watch_clock(env->ctx, &watch->fd),
			     &watch->fd);
	if (ret < 0)
		return ret;
	watch->was_set |= ret > 0;
	/* A set counts also where the name cannot be read. */
	named = !pclk_env_clocksource(env, name, &kind);
	ret = update(env, named ? name : NULL, watch->was_set);
	if (ret < 0)
		return ret;
	/* It was set, even if no snapshot has a seq to count it yet. */
	ret = ret || watch->was_set;
	watch->was_set = false;
	return ret;
}

void paraclock_watch_close(struct paraclock_watch *watch)
{
	if (!watch)
		return;
	watch->env->close_device(watch->env->ctx, watch->fd);
	watch->env->free(watch->env->ctx, watch);
}
