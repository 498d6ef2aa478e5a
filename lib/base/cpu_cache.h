/* SPDX-License-Identifier: MIT */
/*
 * What CPUID said and how fast the counter is, cached in the last words of
 * env->system_clocks: on some machines each CPUID is an exit of 10 us.
 */
#ifndef CPU_CACHE_H
#define CPU_CACHE_H

#include <stdbool.h>

#include "cpuid.h"
#include "frequency.h"

/* What struct paraclock_system_clocks reserves for the cache at its end. */
#define CPU_CACHE_WORDS 26

enum cpu_slot_state {
	CPU_SLOT_EMPTY = 0,
	CPU_SLOT_BEING_FILLED = 1,
	CPU_SLOT_FILLED = 2
};

/* Copies of an env share the cache but may have a CPUID of their own, so each
 * slot says whose answer it holds. */
struct cpu_slot {
	uint64_t state;
	uint64_t ctx, cpuid;
};

struct __attribute__((may_alias)) cpu_cache {
	struct cpu_slot how_slot;
	uint64_t how; /* enum counter_how */
	struct cpu_slot seen_slot;
	struct pclk_hypervisors seen;
	struct cpu_slot hz_slot;
	/* The frequency as first measured, and where that measurement began. */
	uint64_t hz, error_hz;
	struct point from;
};
_Static_assert(sizeof(struct cpu_cache) == CPU_CACHE_WORDS * sizeof(uint64_t),
	       "it fills the words that are reserved for it");

/* NULL: this env has no memory to cache anything in. */
static inline struct cpu_cache *cpu_cache_of(const struct paraclock_env *env)
{
	const size_t words =
		sizeof(env->system_clocks->opaque) / sizeof(uint64_t);

	return env->system_clocks ? (void *)&env->system_clocks
					    ->opaque[words - CPU_CACHE_WORDS]
				  : NULL;
}

static inline bool cpu_slot_is_filled(const struct paraclock_env *env,
				      const struct cpu_slot *slot)
{
	/* Acquire pairs with cpu_slot_publish(). */
	return __atomic_load_n(&slot->state, __ATOMIC_ACQUIRE) ==
		       CPU_SLOT_FILLED &&
	       slot->ctx == (uint64_t)(uintptr_t)env->ctx &&
	       slot->cpuid == (uint64_t)(uintptr_t)env->cpuid;
}

/* May the caller fill the slot? A slot is filled once and never changed. A
 * thread that finds another one filling it does without the cache; a child
 * that was forked at that moment does so for good. */
static inline bool cpu_slot_claim(const struct paraclock_env *env,
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

static inline void cpu_slot_publish(struct cpu_slot *slot)
{
	/* Release pairs with cpu_slot_is_filled(). */
	__atomic_store_n(&slot->state, CPU_SLOT_FILLED, __ATOMIC_RELEASE);
}

#endif
