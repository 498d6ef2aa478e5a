/* SPDX-License-Identifier: MIT */
/* What is known of the local kernel's clocks, and one look at them. */
#ifndef LOCAL_H
#define LOCAL_H

#include <stdbool.h>

#include <paraclock/backend.h>
#include <paraclock/crosststamp.h>
#include <paraclock/system.h>

#include "base/counter.h"
#include "base/cpu_cache.h"
#include "base/fixed.h"

/* Fraction bits of local_state.mult: up to 65535 ns a tick, and a rounding
 * that adds up to 4 ns in 10^15 ticks. */
#define MULT_BITS 48

/* The most readings of one round, and those of the default: REALTIME,
 * MONOTONIC, RAW and TAI. */
#define ROUND_MAX   (PARACLOCK_BRACKETS_MAX + 2)
#define ROUND_USUAL 4

/* A clock's value, known to within error. */
struct estimate {
	int64_t ns;
	uint64_t error_ns;
};

/* Whole 64-bit words only: it is copied by words. */
struct system_state {
	/* Whose clocks these are: ctx, counter, read_clock and clocksource of
	 * the env. */
	uint64_t world[4];
	uint64_t ready;
	uint64_t how;	     /* enum counter_how */
	uint64_t step;	     /* what the counter moves by at a time, ticks */
	uint64_t stairs_ns;  /* what the clocks do, where that is more */
	uint64_t narrow;     /* ticks of a narrow sandwich, a step at least */
	uint64_t mult;	     /* MONOTONIC_RAW ns a tick, 2^-MULT_BITS */
	uint64_t mult_error; /* what mult may be off, the same */
	uint64_t rate_shift; /* mult is right to 2^-rate_shift of it */
	uint64_t baseline;   /* ticks that mult was measured over */
	/* RAW at a counter value: where the line starts that it must fit. */
	uint64_t fit_tsc;
	struct estimate fit_raw;
	/* REALTIME - MONOTONIC lies in between, ns. */
	int64_t real_low, real_high;
	struct estimate boot; /* BOOTTIME - MONOTONIC */
	int64_t tai_sec;      /* TAI - REALTIME */
	uint64_t set_seq;
	uint64_t source_seq;
	uint64_t kind;	  /* enum paraclock_clocksource_kind */
	uint64_t name_ns; /* RAW when the name of one of no use was read */
	uint64_t missing; /* clocks that the env has not, a mask */
	char clocksource[32];
};
_Static_assert(sizeof(struct system_state) % sizeof(uint64_t) == 0,
	       "copied by words");

/* What a struct paraclock_system_clocks holds. */
struct __attribute__((may_alias)) local {
	uint32_t gen;	/* odd: now is being written */
	uint32_t owner; /* who writes it; see flag_take() */
	struct system_state now;
	uint64_t boot_tsc; /* when now.boot was last found right */
};

_Static_assert(sizeof(struct local) <=
		       sizeof(struct paraclock_system_clocks) -
			       CPU_CACHE_WORDS * sizeof(uint64_t),
	       "the public struct has room for both");

/* Clocks read between readings of the counter: clock[i] was ns[i] at some
 * counter value from tsc[i] to tsc[i + 1]. */
struct bracket {
	unsigned int n;
	uint8_t clock[ROUND_MAX]; /* enum paraclock_clock */
	int64_t ns[ROUND_MAX];
	uint64_t tsc[ROUND_MAX + 1];
	uint64_t at; /* the counter value that the clocks are brought to */
	/* What the counter and the clocks are coarse by, 2^-8 ns. */
	int64_t grain;
	/* From tsc[i] to at, in 2^-8 ns, by pclk_bracket_scale(); and what that may
	 * be off, for RAW [0] and for a clock that may be slewed [1]. */
	int64_t until[ROUND_MAX + 1];
	int64_t slack[2][ROUND_MAX + 1];
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

static inline void local_set_narrow(struct system_state *state, uint64_t ticks)
{
	state->narrow = ticks > state->step ? ticks : state->step;
}

/* --- round.c -------------------------------------------------------------- */

/* The order of a snapshot's readings. */
void pclk_bracket_plan(struct bracket *bracket,
		       const struct system_state *state, unsigned int brackets);
static inline uint64_t bracket_width(const struct bracket *bracket)
{
	return bracket->tsc[bracket->n] - bracket->tsc[0];
}
/* Wider than its kind usually is? */
static inline bool bracket_is_wide(const struct bracket *bracket,
				   const struct system_state *state)
{
	return bracket_width(bracket) > 2 * state->narrow * bracket->n;
}
/* Read them. -EAGAIN: the counter went back; else as env->read_clock. */
int pclk_bracket_read(const struct paraclock_env *env, enum counter_how how,
		      struct bracket *bracket);
/* The first that is not wide, else the narrowest of so many; errors as
 * pclk_bracket_read(). */
int pclk_bracket_read_narrow(const struct paraclock_env *env,
			     const struct system_state *state,
			     unsigned int tries, struct bracket *bracket);
/* Measure the distances, before the estimates. */
void pclk_bracket_scale(struct bracket *bracket,
			const struct system_state *state);
/* Where pclk_bracket_plan() puts the clocks that are read once, unless more than
 * ROUND_USUAL readings were asked for. */
#define BRACKET_MONOTONIC 1
#define BRACKET_RAW	  2

/* Bring one reading to round->at. false: it does not fit. */
bool pclk_bracket_estimate_one(const struct bracket *bracket, unsigned int i,
			       struct estimate *ret_value);
/* Bring a clock to round->at; tai_sec: TAI counts as REALTIME that much later.
 * false: its readings contradict each other, so it was set in between. */
bool pclk_bracket_estimate(const struct bracket *bracket,
			   const struct system_state *state,
			   enum paraclock_clock clock,
			   struct estimate *ret_value);

/* --- local.c -------------------------------------------------------------- */

/* Measure everything anew; set_seq counts up if that shows a set. */
int pclk_system_calibrate(const struct paraclock_env *env,
			  struct system_state *state);
/* What depends on CLOCK_REALTIME and BOOTTIME, the same. */
int pclk_system_measure_offsets(const struct paraclock_env *env,
				struct system_state *state);
/* -EOPNOTSUPP: the env has no BOOTTIME. */
int pclk_system_measure_boot(const struct paraclock_env *env,
			     const struct system_state *state,
			     struct estimate *ret_boot);
/* Can both be the same offset? */
bool pclk_system_agree(const struct estimate *a, const struct estimate *b);
/* A longer baseline gives a better rate: if round is far enough, take it. */
void pclk_system_improve_rate(struct system_state *state,
			      const struct bracket *bracket,
			      const struct estimate *raw);
/* Is state of these clocks, or of none yet? */
bool pclk_system_is_of(const struct system_state *state,
		       const struct paraclock_env *env);

/* --- snapshot.c ----------------------------------------------------------- */

/* As paraclock_snapshot(), remembering in local; the caller has checked size
 * and brackets. */
int pclk_system_snapshot(const struct paraclock_env *env, struct local *local,
			 struct paraclock_snapshot *ret_snap);

#endif
