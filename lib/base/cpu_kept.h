/* SPDX-License-Identifier: MIT */
/* What CPUID said, and how fast the counter is: kept at the end of env->local.
 */
#ifndef CPU_KEPT_H
#define CPU_KEPT_H

#include "cpuid.h"
#include "frequency.h"

enum cpu_slot_state {
	CPU_SLOT_EMPTY = 0,
	CPU_SLOT_BEING_FILLED = 1,
	CPU_SLOT_FILLED = 2
};

/* Whose CPUID it was: a copy of an env may have one of its own. */
struct cpu_slot {
	uint64_t state;
	uint64_t ctx, cpuid;
};

struct __attribute__((may_alias)) cpu_kept {
	struct cpu_slot how_slot;
	uint64_t how; /* enum counter_how */
	struct cpu_slot seen_slot;
	struct pclk_hypervisors seen;
	struct cpu_slot hz_slot;
	/* The frequency as first measured, and from where on. */
	uint64_t hz, error_hz;
	struct point from;
};
_Static_assert(sizeof(struct cpu_kept) % sizeof(uint64_t) == 0,
	       "the last words of struct paraclock_system_clocks");

#define CPU_KEPT_WORDS (sizeof(struct cpu_kept) / sizeof(uint64_t))

/* NULL: the env keeps nothing. */
static inline struct cpu_kept *cpu_kept_of(const struct paraclock_env *env)
{
	const size_t words =
		sizeof(env->system_clocks->opaque) / sizeof(uint64_t);

	return env->system_clocks ? (void *)&env->system_clocks
					    ->opaque[words - CPU_KEPT_WORDS]
				  : NULL;
}

static inline bool cpu_is_kept(const struct paraclock_env *env,
			       const struct cpu_slot *slot)
{
	/* Acquire pairs with cpu_kept_whole(). */
	return __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) ==
		       CPU_SLOT_FILLED &&
	       slot->ctx == (uint64_t)(uintptr_t)env->ctx &&
	       slot->cpuid == (uint64_t)(uintptr_t)env->cpuid;
}

/* May the caller fill the slot? It is filled once and never changed. A thread
 * that finds it being filled does without; a child that was forked meanwhile
 * does so for good. */
static inline bool cpu_keep(const struct paraclock_env *env,
			    struct cpu_slot *slot)
{
	uint64_t was = CPU_SLOT_EMPTY;

	if (!__atomic_compare_exchange_n(&slot->state, &was,
					 CPU_SLOT_BEING_FILLED, false,
					 __ATOMIC_RELAXED, __ATOMIC_RELAXED))
		return false;
	slot->ctx = (uint64_t)(uintptr_t)env->ctx;
	slot->cpuid = (uint64_t)(uintptr_t)env->cpuid;
	return true;
}

static inline void cpu_kept_whole(struct cpu_slot *slot)
{
	/* Release pairs with cpu_is_kept(). */
	__atomic_store_n(&slot->state, CPU_SLOT_FILLED, __ATOMIC_RELEASE);
}

#endif
