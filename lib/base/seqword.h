/* SPDX-License-Identifier: MIT */
/*
 * Words that one writer at a time changes and readers copy without a lock,
 * and the flag that makes it one at a time.
 */
#ifndef SEQWORD_H
#define SEQWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <paraclock/backend.h>

typedef uint64_t __attribute__((may_alias)) seqword;

/* false: they are being written. */
static inline bool seqwords_copy(const uint32_t *gen, void *to,
				 const void *from, size_t words)
{
	const seqword *source = from;
	seqword *target = to;
	/* Pairs with the release store of seqwords_publish(). */
	uint32_t before = __atomic_load_n(gen, __ATOMIC_ACQUIRE);

	if (before & 1)
		return false;
	for (size_t i = 0; i < words; i++)
		target[i] = __atomic_load_n(&source[i], __ATOMIC_RELAXED);
	/* Pairs with the release fence there: words, then gen. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(gen, __ATOMIC_RELAXED) == before;
}

/* By who holds the flag only. Repairs a gen that a dead writer left odd. */
static inline void seqwords_publish(uint32_t *gen, void *to, const void *from,
				    size_t words)
{
	const seqword *source = from;
	seqword *target = to;
	uint32_t odd = __atomic_load_n(gen, __ATOMIC_RELAXED) | 1;

	__atomic_store_n(gen, odd, __ATOMIC_RELAXED);
	/* Pairs with the readers' acquire fence: who sees a new word sees gen
	 * odd or later. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	for (size_t i = 0; i < words; i++)
		__atomic_store_n(&target[i], source[i], __ATOMIC_RELAXED);
	/* Pairs with their acquire load: who sees gen even sees the words. */
	__atomic_store_n(gen, odd + 1, __ATOMIC_RELEASE);
}

/* Which of a line of forks this process is. */
static inline uint32_t flag_self(const struct paraclock_env *env)
{
	if (env->fork_id)
		return env->fork_id(env->ctx);
	return env->process_id ? env->process_id(env->ctx) : 1;
}

/*
 * A try-flag that says which of a line of forks its owner is: not by its process
 * id, which may be the same where parent and child are the first of a container
 * each. One of another process was inherited by a fork while it was taken:
 * nobody here will ever let go of it, so it is taken over.
 */
static inline bool try_lock(uint32_t *flag, const struct paraclock_env *env)
{
	uint32_t self = flag_self(env);
	uint32_t owner = 0;

	/* Acquire pairs with flag_give(): what the last owner wrote. */
	if (__atomic_compare_exchange_n(flag, &owner, self, false,
					__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return true;
	return owner != self &&
	       __atomic_compare_exchange_n(flag, &owner, self, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void unlock(uint32_t *flag)
{
	__atomic_store_n(flag, 0, __ATOMIC_RELEASE);
}

#endif
