/* SPDX-License-Identifier: MIT */
/* What is measured against, and what is measured with. */
#ifndef MEASURE_H
#define MEASURE_H

#include <stdint.h>
#include <time.h>

/* The bare counter: what a read cannot be faster than. */
static inline __attribute__((always_inline)) uint64_t bare(void)
{
#if defined(__x86_64__)
	uint32_t low, high;

	__asm__ __volatile__("lfence\n\trdtsc"
			     : "=a"(low), "=d"(high)
			     :
			     : "memory");
	return (uint64_t)high << 32 | low;
#elif defined(__aarch64__)
	uint64_t ticks;

	__asm__ __volatile__("isb\n\tmrs %0, cntvct_el0"
			     : "=r"(ticks)
			     :
			     : "memory");
	return ticks;
#else
#error "the counter of this architecture is not known"
#endif
}

/*
 * CLOCK_MONOTONIC_RAW, not the counter: the kernel vouches for its rate, while
 * counter_hz may be known to some ppm only, or not at all. Unlike
 * CLOCK_MONOTONIC it is not slewed. Each block contains one call of it, which
 * adds 0.01 ns to a read, or 0.1 ns where it is a real system call: the same
 * for all subjects.
 */
static inline uint64_t raw_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_RAW, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

#endif
