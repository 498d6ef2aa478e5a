/* SPDX-License-Identifier: MIT */
/* The one way to read the CPU's counter. */
#ifndef COUNTER_H
#define COUNTER_H

#include <stdbool.h>
#include <stdint.h>

#include <paraclock/backend.h>

#include "shared.h"

/* How a handle reads its counter; chosen once, when the handle is opened. */
enum counter_how {
	COUNTER_FENCED = 0, /* lfence; rdtsc - or isb; mrs */
	COUNTER_RDTSCP = 1, /* where lfence may not wait for loads */
	COUNTER_ENV = 2,    /* env->counter */
};

#if defined(__x86_64__)

#define COUNTER_NATIVE PARACLOCK_COUNTER_X86_TSC

/*
 * Ordered after every earlier load: lfence (Intel, and AMD where it is
 * dispatch serialising) lets nothing later start before they are done. A
 * later load may still run before rdtsc; lib/clock/read.c says why that does no
 * harm.
 */
static inline uint64_t counter_fenced(void)
{
	uint32_t low, high;

	__asm__ __volatile__("lfence\n\trdtsc"
			     : "=a"(low), "=d"(high)
			     :
			     : "memory");
	return (uint64_t)high << 32 | low;
}

static inline uint64_t counter_rdtscp(void)
{
	uint32_t low, high, aux;

	__asm__ __volatile__("rdtscp"
			     : "=a"(low), "=d"(high), "=c"(aux)
			     :
			     : "memory");
	return (uint64_t)high << 32 | low;
}

static inline void cpu_relax(void)
{
	__asm__ __volatile__("pause" ::: "memory");
}

#elif defined(__aarch64__)

#define COUNTER_NATIVE PARACLOCK_COUNTER_ARM_VCNT

static inline uint64_t counter_fenced(void)
{
	uint64_t ticks;

	__asm__ __volatile__("isb\n\tmrs %0, cntvct_el0"
			     : "=r"(ticks)
			     :
			     : "memory");
	return ticks;
}

static inline uint64_t counter_rdtscp(void)
{
	return counter_fenced();
}

static inline void cpu_relax(void)
{
	__asm__ __volatile__("yield" ::: "memory");
}

#else
#error "paraclock knows no counter of this architecture"
#endif

/* Counter values are compared modulo 2^64: is a before b? */
static inline bool is_before(uint64_t a, uint64_t b)
{
	return a - b > UINT64_MAX / 2;
}

/* Choose for an env. Takes a few CPUIDs, so call it once for each handle. */
PCLK_SHARED enum counter_how
pclk_counter_choose(const struct paraclock_env *env);

/*
 * How many ticks the counter moves by at a time, at least 1: a reading may be
 * that much older than it looks. Measured in some 3 us, unless the env states
 * it.
 */
uint64_t pclk_counter_step(const struct paraclock_env *env,
			   enum counter_how how);

static inline uint64_t counter_read(const struct paraclock_env *env,
				    enum counter_how how)
{
	if (how == COUNTER_FENCED)
		return counter_fenced();
	return how == COUNTER_RDTSCP ? counter_rdtscp()
				     : env->counter(env->ctx);
}

#endif
