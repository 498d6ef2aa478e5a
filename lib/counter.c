// SPDX-License-Identifier: MIT
#include "counter.h"
#include "clock_private.h"
#include "local.h"

#define LEAF_AMD_FEATURES	   0x80000001U
#define FEATURE_RDTSCP		   (1U << 27) /* EDX */
#define LEAF_AMD_FEATURES_2	   0x80000021U
#define FEATURE_LFENCE_SERIALISING (1U << 2) /* EAX */

/*
 * lfence waits for earlier loads on every Intel CPU, and on an AMD one where
 * it is dispatch serialising, which newer ones say in CPUID; on the others
 * rdtscp is sure to, and a few ns slower.
 */
enum counter_how paraclock_counter_choose(const struct paraclock_env *env)
{
	uint32_t regs[4];

	if (env->counter)
		return COUNTER_ENV;
	if (!env->cpuid || env->cpuid(env->ctx, 0, 0, regs) ||
	    (regs[2] != 0x444d4163 /* AuthenticAMD */ &&
	     regs[2] != 0x656e6975 /* HygonGenuine */))
		return COUNTER_FENCED;
	if (!env->cpuid(env->ctx, 0x80000000U, 0, regs) &&
	    regs[0] >= LEAF_AMD_FEATURES_2 &&
	    !env->cpuid(env->ctx, LEAF_AMD_FEATURES_2, 0, regs) &&
	    regs[0] & FEATURE_LFENCE_SERIALISING)
		return COUNTER_FENCED;
	if (!env->cpuid(env->ctx, LEAF_AMD_FEATURES, 0, regs) &&
	    regs[3] & FEATURE_RDTSCP)
		return COUNTER_RDTSCP;
	return COUNTER_FENCED;
}

/* Chosen once: a CPUID may leave the machine, which takes longer than all that
 * is stamped with the counter. Threads that choose at once choose alike. */
static enum counter_how chosen(const struct paraclock_env *env)
{
	struct local *local = (struct local *)env->local;
	uint32_t known = 0;

	if (env->counter)
		return COUNTER_ENV;
	if (local)
		known = __atomic_load_n(&local->counter, __ATOMIC_RELAXED);
	if (!known) {
		known = 1 + (uint32_t)paraclock_counter_choose(env);
		if (local)
			__atomic_store_n(&local->counter, known,
					 __ATOMIC_RELAXED);
	}
	return (enum counter_how)(known - 1);
}

uint64_t paraclock_counter(const struct paraclock_env *env)
{
	if (!env)
		env = paraclock_builtin_env;
	/* In ring 0 there may be none, and there is a counter. */
	if (!env)
		return counter_fenced();
	return env->size >= sizeof(*env) ? counter_read(env, chosen(env)) : 0;
}
