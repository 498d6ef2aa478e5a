// SPDX-License-Identifier: MIT
#include "counter.h"
#include "cpu_cache.h"
#include "env_call.h"

#define LEAF_AMD_FEATURES	   0x80000001U
#define FEATURE_RDTSCP		   (1U << 27) /* EDX */
#define LEAF_AMD_FEATURES_2	   0x80000021U
#define FEATURE_LFENCE_SERIALISING (1U << 2) /* EAX */

/*
 * lfence waits for earlier loads on every Intel CPU, and on those AMD CPUs
 * where it is dispatch serialising, which newer ones say in CPUID. On other AMD
 * CPUs rdtscp is sure to wait, and takes a few ns more.
 */
static enum counter_how look_at_fences(const struct paraclock_env *env)
{
	uint32_t regs[4];

	if (env->cpuid(env->ctx, 0, 0, regs) ||
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

enum counter_how pclk_counter_choose(const struct paraclock_env *env)
{
	struct cpu_cache *cache = cpu_cache_of(env);
	enum counter_how how;

	if (env->counter)
		return COUNTER_ENV;
	if (!env->cpuid)
		return COUNTER_FENCED;
	if (cache && cpu_slot_is_filled(env, &cache->how_slot))
		return (enum counter_how)cache->how;
	how = look_at_fences(env);
	/* Also where CPUID is forbidden: asking again is a system call. */
	if (cache && cpu_slot_claim(env, &cache->how_slot)) {
		cache->how = how;
		cpu_slot_publish(&cache->how_slot);
	}
	return how;
}

/* How many moves of the counter are collected, and in how many readings at
 * most: 80 us, in which a counter of 1 MHz moves 80 times. */
#define STEP_MOVES 64
#define STEP_READS 4096

/* No counter moves by more at a time, whatever an env states; and no sum
 * overflows. */
#define STEP_MAX (1U << 31)

/* Where a step is not a whole number of ticks (1 GHz made of 19.2 MHz: 52 and
 * 53), two moves of the same number of steps differ by up to this. */
#define STEP_ROUNDING 1

/* Vary the time between readings: otherwise a fine counter could look coarse
 * because every reading takes equally long. */
static inline void dawdle(unsigned int cycles)
{
	while (cycles--)
		__asm__ __volatile__("" : "+r"(cycles));
}

static void insert(uint64_t *sorted, unsigned int n, uint64_t value)
{
	for (; n && sorted[n - 1] > value; n--)
		sorted[n] = sorted[n - 1];
	sorted[n] = value;
}

/* Collect how far the counter moves from one reading to the next, sorted;
 * return how many moves. */
static unsigned int watch_moves(const struct paraclock_env *env,
				enum counter_how how,
				uint64_t ret_sorted[STEP_MOVES])
{
	uint64_t last = counter_read(env, how);
	unsigned int n = 0;

	for (unsigned int i = 0; i < STEP_READS && n < STEP_MOVES; i++) {
		uint64_t now, moved;
		int64_t ns;

		dawdle(i % STEP_MOVES);
		/* Only for the time that it takes, which is another one than
		 * dawdle()'s. */
		if (i & 1 && i < 2 * STEP_MOVES && env->read_clock)
			(void)env->read_clock(
				env->ctx,
				pclk_clock_id[PARACLOCK_CLOCK_MONOTONIC_RAW],
				&ns);
		now = counter_read(env, how);
		moved = now - last;
		/* Ignore a step back: the thread moved to another CPU. */
		if (moved && moved <= UINT64_MAX / 2)
			insert(ret_sorted, n++, moved);
		last = now;
	}
	return n;
}

static uint64_t common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;

		a = b;
		b = rest;
	}
	return a;
}

/*
 * The moves of a coarse counter are all close to multiples of one step: they
 * form heaps that are narrow and far apart. Those of a fine counter lie
 * anywhere.
 */
static uint64_t uneven_step(const uint64_t *sorted, unsigned int n)
{
	uint64_t heap = 0, last = 0, least = UINT64_MAX;

	/* A move of 2 may really be 2.5, and leaves no room between heaps. */
	if (!n || sorted[0] <= 2)
		return !n || sorted[0] == 1 ? 1 : 3;
	for (unsigned int i = 0; i < n; i++) {
		uint64_t gap = sorted[i] - last;

		if (gap > STEP_ROUNDING) {
			least = gap < least ? gap : least;
			heap = sorted[i];
		}
		if (sorted[i] - heap > STEP_ROUNDING)
			return 1;
		last = sorted[i];
	}
	/* Add the width of this heap, and how late the next one may begin. */
	return least + 2ULL * STEP_ROUNDING;
}

uint64_t pclk_counter_step(const struct paraclock_env *env,
			   enum counter_how how)
{
	uint64_t sorted[STEP_MOVES], step = 0;
	unsigned int n;

	if (env->counter_step && env->counter_step < STEP_MAX)
		return env->counter_step;
	n = watch_moves(env, how, sorted);
	for (unsigned int i = 0; i < n; i++)
		step = common_divisor(step, sorted[i]);
	step = step > 1 ? step : uneven_step(sorted, n);
	return step < STEP_MAX ? step : STEP_MAX;
}
