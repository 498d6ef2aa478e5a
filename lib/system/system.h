/* SPDX-License-Identifier: MIT */
/* The system clocks from inside: one reading of them, and what is
 * remembered. */
#ifndef SYSTEM_PRIVATE_H
#define SYSTEM_PRIVATE_H

#include <stdbool.h>

#include <paraclock/backend.h>
#include <paraclock/crosststamp.h>
#include <paraclock/system.h>

#include "base/counter.h"
#include "base/cpu_cache.h"
#include "base/fixed.h"

/* Fraction bits of system_state.mult: room for 65535 ns a tick, and a rounding
 * error of up to 4 ns in 10^15 ticks. */
#define MULT_BITS 48

/* The most readings in one go, and the usual number: REALTIME, MONOTONIC, RAW
 * and TAI. */
#define READINGS_MAX   (PARACLOCK_BRACKETS_MAX + 2)
#define READINGS_USUAL 4

/* A clock's value, known to within error. */
struct estimate {
	int64_t ns;
	uint64_t error_ns;
};

/* It has only whole 64-bit words, because it is copied by words. */
struct system_state {
	/* Which env's clocks these are: ctx, counter, read_clock and
	 * clocksource. */
	uint64_t world[4];
	uint64_t ready;
	uint64_t how;	     /* enum counter_how */
	uint64_t step;	     /* the step of the counter, ticks */
	uint64_t stairs_ns;  /* the step of the clocks, if it is larger */
	uint64_t narrow;     /* ticks of a narrow bracket, a step at least */
	uint64_t mult;	     /* MONOTONIC_RAW ns a tick, 2^-MULT_BITS */
	uint64_t mult_error; /* mult is right to within this, the same unit */
	uint64_t rate_shift; /* and to within 2^-rate_shift of itself */
	uint64_t baseline;   /* ticks that mult was measured over */
	/* RAW at a counter value: readings of RAW must fit mult from here. */
	uint64_t fit_tsc;
	struct estimate fit_raw;
	/* REALTIME - MONOTONIC lies between these, ns. */
	int64_t real_low, real_high;
	struct estimate boot; /* BOOTTIME - MONOTONIC */
	int64_t tai_sec;      /* TAI - REALTIME */
	uint64_t set_seq;
	uint64_t source_seq;
	uint64_t kind; /* enum paraclock_clocksource_kind */
	/* If it is not coupled: RAW when its name was read last. */
	uint64_t name_ns;
	uint64_t missing; /* clocks that the env does not have, a mask */
	char clocksource[32];
};
_Static_assert(sizeof(struct system_state) % sizeof(uint64_t) == 0,
	       "copied by words");

/* A struct paraclock_system_clocks from inside. */
struct __attribute__((may_alias)) system_memory {
	uint32_t gen;	/* odd: now is being written */
	uint32_t owner; /* the try-lock of the writer; see try_lock() */
	struct system_state now;
	uint64_t boot_tsc; /* when now.boot was last found right */
};
_Static_assert(sizeof(struct system_memory) <=
		       sizeof(struct paraclock_system_clocks) -
			       CPU_CACHE_WORDS * sizeof(uint64_t),
	       "the public struct has room for both");

/* Clocks read between readings of the counter: clock[i] was ns[i] at some
 * counter value from tsc[i] to tsc[i + 1]. */
struct bracket {
	unsigned int n;
	uint8_t clock[READINGS_MAX]; /* enum paraclock_clock */
	int64_t ns[READINGS_MAX];
	uint64_t tsc[READINGS_MAX + 1];
	uint64_t at; /* the counter value that the clocks are brought to */
	/* The steps of the counter and of the clocks, 2^-8 ns. */
	int64_t grain;
	/* From tsc[i] to at, in 2^-8 ns, by pclk_bracket_scale(); and the error
	 * of that, for RAW [0] and for a clock that may be slewed [1]. */
	int64_t until[READINGS_MAX + 1];
	int64_t slack[2][READINGS_MAX + 1];
};

/* What a bracket says, at its counter value. */
struct values {
	struct estimate real, mono, raw;
};

/* How that compares with what is remembered. */
enum verdict {
	FITS,
	BETTER,		/* it fits, and more can be learnt from it */
	WAS_SET,	/* CLOCK_REALTIME or its distance to TAI has changed */
	SOURCE_CHANGED, /* RAW no longer fits the counter */
};

/* Is the clocksource the counter, or an image of it? */
static inline bool system_is_coupled(const struct system_state *state)
{
	return state->kind == PARACLOCK_CLOCKSOURCE_COUNTER ||
	       state->kind == PARACLOCK_CLOCKSOURCE_IMAGE;
}

static inline uint64_t system_ns(const struct system_state *state,
				 uint64_t ticks)
{
	return (uint64_t)(((u128)ticks * state->mult) >> MULT_BITS);
}

static inline void system_set_narrow(struct system_state *state, uint64_t ticks)
{
	state->narrow = ticks > state->step ? ticks : state->step;
}

/* --- bracket.c --- */

/* Plan the readings of a snapshot, in their order. */
void pclk_bracket_plan(struct bracket *bracket,
		       const struct system_state *state, unsigned int brackets);
static inline uint64_t bracket_width(const struct bracket *bracket)
{
	return bracket->tsc[bracket->n] - bracket->tsc[0];
}
/* Wider than usual for its number of readings? */
static inline bool bracket_is_wide(const struct bracket *bracket,
				   const struct system_state *state)
{
	return bracket_width(bracket) > 2 * state->narrow * bracket->n;
}
/* Read it as planned. -EAGAIN: the counter went back; otherwise the errors of
 * env->read_clock. */
int pclk_bracket_read(const struct paraclock_env *env, enum counter_how how,
		      struct bracket *bracket);
/* Read until one is not wide; else keep the narrowest of so many tries. Errors
 * as pclk_bracket_read(). */
int pclk_bracket_read_narrow(const struct paraclock_env *env,
			     const struct system_state *state,
			     unsigned int tries, struct bracket *bracket);
/* Measure the distances; the estimates need them. */
void pclk_bracket_scale(struct bracket *bracket,
			const struct system_state *state);
/* Where pclk_bracket_plan() puts the clocks that it reads once, unless more
 * than READINGS_USUAL readings were asked for. */
#define BRACKET_MONOTONIC 1
#define BRACKET_RAW	  2

/* Bring one reading to bracket->at. false: the result does not fit. */
bool pclk_bracket_estimate_one(const struct bracket *bracket, unsigned int i,
			       struct estimate *ret_value);
/* Bring a clock to bracket->at from all its readings; TAI counts as REALTIME,
 * tai_sec ahead. false: they contradict each other, so the clock was set in
 * between. */
bool pclk_bracket_estimate(const struct bracket *bracket,
			   const struct system_state *state,
			   enum paraclock_clock clock,
			   struct estimate *ret_value);

/* --- calibrate.c --- */

/* Measure everything anew. set_seq counts up if that shows a set. */
int pclk_system_calibrate(const struct paraclock_env *env,
			  struct system_state *state);
/* The same for what depends on CLOCK_REALTIME and BOOTTIME. */
int pclk_system_measure_offsets(const struct paraclock_env *env,
				struct system_state *state);
/* -EOPNOTSUPP: the env has no BOOTTIME. */
int pclk_system_measure_boot(const struct paraclock_env *env,
			     const struct system_state *state,
			     struct estimate *ret_boot);
/* Can both be the same offset? */
bool pclk_system_agree(const struct estimate *a, const struct estimate *b);
/* A longer baseline gives a better rate: use it if the bracket is late
 * enough. */
void pclk_system_improve_rate(struct system_state *state,
			      const struct bracket *bracket,
			      const struct estimate *raw);
/* Does state belong to this env's clocks, or to none yet? */
bool pclk_system_is_of(const struct system_state *state,
		       const struct paraclock_env *env);

/* --- verdict.c --- */

enum verdict pclk_system_judge(const struct system_state *state,
			       const struct bracket *bracket,
			       struct values *ret_values);
/* Has the clocksource another name? A slow one makes wide brackets, as does a
 * bad moment. */
bool pclk_system_source_is_other(const struct paraclock_env *env,
				 const struct system_state *state);
/* Change state as the verdict says. The caller holds owner. */
int pclk_system_change(const struct paraclock_env *env,
		       struct system_state *state,
		       const struct bracket *bracket, enum verdict verdict,
		       const struct values *values);

/* --- snapshot.c --- */

/* As paraclock_snapshot(), with what is remembered in memory. The caller has
 * checked size and brackets. */
int pclk_system_snapshot(const struct paraclock_env *env,
			 struct system_memory *memory,
			 struct paraclock_snapshot *ret_snap);

#endif
