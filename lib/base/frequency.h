/* SPDX-License-Identifier: MIT */
/* How fast the counter is, measured by a clock of the kernel. */
#ifndef FREQUENCY_H
#define FREQUENCY_H

#include <stdbool.h>

#include <paraclock/backend.h>
#include <paraclock/crosststamp.h>

#include "counter.h"

/* A clock and the counter at one instant: the narrowest of some brackets. */
struct point {
	uint64_t tsc; /* in the middle of the bracket */
	uint64_t width;
	int64_t ns;
};

/* How a clock moves, as consecutive readings show it. Zero it first. */
struct stairs {
	uint64_t tsc;  /* after the last reading */
	int64_t ns;    /* the last reading; meaningful if tsc is not 0 */
	uint64_t rise; /* the smallest move, ns; 0: none was seen */
	bool stood;    /* it stood still while the counter moved */
};

/* From one point to another. */
struct span {
	uint64_t ticks, ns;
	uint64_t error_ns; /* what ns may be off for these ticks */
};

/* How far the clock may be behind true time, ns, beyond rounding; UINT64_MAX:
 * it was never seen to move. */
static inline uint64_t pclk_stairs_ns(const struct stairs *stairs)
{
	if (!stairs->stood)
		return 0;
	return stairs->rise ? stairs->rise : UINT64_MAX;
}

/* @p step is the counter's. -EAGAIN: the counter went back each time; otherwise
 * the error of env->read_clock. */
int pclk_read_point(const struct paraclock_env *env, enum counter_how how,
		    enum paraclock_clock clock, uint64_t step,
		    struct stairs *stairs, struct point *ret_point);

/* false: the clock or the counter has not moved or has gone back, or the error
 * is as large as the span. */
bool pclk_span(const struct point *from, const struct point *to, uint64_t step,
	       const struct stairs *stairs, struct span *ret_span);

/* A measurement of the frequency that is under way. */
struct frequency {
	const struct paraclock_env *env;
	enum counter_how how;
	uint64_t step;
	struct stairs stairs;
	struct point from;
};

/* Errors as for pclk_read_point(). */
int pclk_frequency_begin(struct frequency *frequency,
			 const struct paraclock_env *env);
/* Enter what was measured so far, if it is usable, into machine: measured_hz
 * and its error, and counter_hz, the frequency to go by. */
void pclk_frequency_end(struct frequency *frequency,
			struct paraclock_machine *machine);

/* As paraclock_describe_machine(), for a complete env. A frequency that the env
 * states is compared with the clock. */
int pclk_describe(const struct paraclock_env *env,
		  struct paraclock_machine *ret_machine);

#endif
