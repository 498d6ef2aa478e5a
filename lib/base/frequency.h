/* SPDX-License-Identifier: MIT */
/* How fast the counter is, by a clock of the kernel's. */
#ifndef FREQUENCY_H
#define FREQUENCY_H

#include <stdbool.h>

#include <paraclock/backend.h>
#include <paraclock/crosststamp.h>

#include "counter.h"

/* One clock and the counter: the narrowest of some brackets. */
struct point {
	uint64_t tsc; /* in the middle */
	uint64_t width;
	int64_t ns;
};

/* What consecutive readings of one clock show of how it moves; zeroed. */
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

/* How far behind a clock may be of the time that it tells, ns, more than by
 * rounding; UINT64_MAX: it was never seen to move. */
static inline uint64_t pclk_stairs_ns(const struct stairs *stairs)
{
	if (!stairs->stood)
		return 0;
	return stairs->rise ? stairs->rise : UINT64_MAX;
}

/* @p step is the counter's. -EAGAIN: it went back each time; else as
 * env->read_clock. */
int pclk_read_point(const struct paraclock_env *env, enum counter_how how,
		    enum paraclock_clock clock, uint64_t step,
		    struct stairs *stairs, struct point *ret_point);

/* false: the clock or the counter has not moved or has gone back, or nothing
 * is known of the span. */
bool pclk_span(const struct point *from, const struct point *to, uint64_t step,
	       const struct stairs *stairs, struct span *ret_span);

/* A measurement of the frequency, while it is being made. */
struct frequency {
	const struct paraclock_env *env;
	enum counter_how how;
	uint64_t step;
	struct stairs stairs;
	struct point from;
};

/* Errors as pclk_read_point(). */
int pclk_frequency_begin(struct frequency *frequency,
			 const struct paraclock_env *env);
/* Enter into machine what has been measured until now, if that is anything:
 * measured_hz and its error, and the frequency to go by. */
void pclk_frequency_end(struct frequency *frequency,
			struct paraclock_machine *machine);

#endif
