/* SPDX-License-Identifier: MIT */
/*
 * Words that one writer at a time changes and readers copy without a lock, and
 * the try-lock that keeps writers apart.
 */
#ifndef SEQWORD_H
#define SEQWORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <paraclock/backend.h>

typedef uint64_t __attribute__((may_alias)) seqword;

/* false: a writer is changing them. */
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
	/* Pairs with the release fence there: words first, then gen. */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return __atomic_load_n(gen, __ATOMIC_RELAXED) == before;
}

/* Only for the holder of the try-lock. Repairs a gen that a dead writer left
 * odd. */
static inline void seqwords_publish(uint32_t *gen, void *to, const void *from,
				    size_t words)
{
	const seqword *source = from;
	seqword *target = to;
	uint32_t odd = __atomic_load_n(gen, __ATOMIC_RELAXED) | 1;

	__atomic_store_n(gen, odd, __ATOMIC_RELAXED);
	/* Pairs with the readers' acquire fence: a reader that sees a new word
	 * sees gen odd or later. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	for (size_t i = 0; i < words; i++)
		__atomic_store_n(&target[i], source[i], __ATOMIC_RELAXED);
	/* Pairs with their acquire load: a reader that sees gen even sees the
	 * words. */
	__atomic_store_n(gen, odd + 1, __ATOMIC_RELEASE);
}

/* Which one this process is among a process and its forks. */
static inline uint32_t lock_self(const struct paraclock_env *env)
{
	if (env->fork_id)
		return env->fork_id(env->ctx);
	return env->process_id ? env->process_id(env->ctx) : 1;
}

/*
 * The word holds the owner's fork id. A process id would not do: parent and
 * child may have the same one, each as the first process of a container. If the
 * owner is another process, a fork inherited the word while it was locked:
 * nobody in this process will ever unlock it, so the caller takes it over.
 */
static inline bool try_lock(uint32_t *lock, const struct paraclock_env *env)
{
	uint32_t self = lock_self(env);
	uint32_t owner = 0;

	/* Acquire pairs with unlock(): what the last owner wrote. */
	if (__atomic_compare_exchange_n(lock, &owner, self, false,
					__ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return true;
	return owner != self &&
	       __atomic_compare_exchange_n(lock, &owner, self, false,
					   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void unlock(uint32_t *lock)
{
	__atomic_store_n(lock, 0, __ATOMIC_RELEASE);
}

#endif
