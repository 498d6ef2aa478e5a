// SPDX-License-Identifier: MIT
/* Does a reading of the system clocks fit what is remembered of them? If not,
 * what has changed? */

#include <string.h>

#include "base/env_call.h"
#include "base/interpolate.h"
#include "system.h"

/* CPUs whose counters differ by this much are still used by Linux, ns. */
#define SKEW_NS 100

/* A counter that the kernel does not keep its time by may be off its measured
 * rate by this part of it, before the rate is measured anew. */
#define LOOSE_PART 16

/* How often the name of such a clocksource is read, ns. */
#define NAME_NS NSEC_PER_SEC

/*
 * RAW must be where the rate puts it from fit_tsc, within the error of both
 * ends. A counter that the kernel does not keep its time by need not run at one
 * rate, so it has more room. One that stood still, or is no longer the same
 * counter, does not even bring the readings of one bracket together.
 */
static bool raw_fits(const struct system_state *state,
		     const struct bracket *bracket, const struct estimate *raw)
{
	uint64_t ticks = bracket->at - state->fit_tsc;
	u128 drift = (u128)ticks * state->mult_error >> MULT_BITS;
	s128 off = (s128)raw->ns - state->fit_raw.ns - system_ns(state, ticks);
	s128 slack = (s128)raw->error_ns + state->fit_raw.error_ns + SKEW_NS;

	if (!system_is_coupled(state))
		drift += system_ns(state, ticks) / LOOSE_PART;
	slack += (s128)drift;
	return !is_before(bracket->at, state->fit_tsc) && off <= slack &&
	       off >= -slack;
}

static bool real_fits(const struct system_state *state,
		      const struct values *values)
{
	s128 offset = (s128)values->real.ns - values->mono.ns;
	s128 error = (s128)values->real.error_ns + values->mono.error_ns;

	return offset + error >= state->real_low &&
	       offset - error <= state->real_high;
}

/* Is it time to ask whether the kernel has a better clocksource now? A worse
 * one shows in the width of a bracket. */
static bool is_name_due(const struct system_state *state,
			const struct estimate *raw)
{
	/* By the clock: such a counter may stand still, or jump. */
	return !system_is_coupled(state) &&
	       (uint64_t)raw->ns - state->name_ns > NAME_NS;
}

/* Much narrower, and not only by the counter's step? */
static bool is_narrower(const struct system_state *state,
			const struct bracket *bracket)
{
	return bracket_width(bracket) < state->narrow * bracket->n / 2 &&
	       state->narrow > state->step;
}

static bool is_better(const struct system_state *state,
		      const struct bracket *bracket,
		      const struct values *values)
{
	uint64_t error = values->real.error_ns + values->mono.error_ns;

	return (system_is_coupled(state) &&
		(bracket->at - state->fit_tsc) / 2 > state->baseline) ||
	       bracket_is_wide(bracket, state) || is_narrower(state, bracket) ||
	       /* After a wide bracket the offset may get much narrower. */
	       (uint64_t)state->real_high - (uint64_t)state->real_low >
		       8 * error ||
	       is_name_due(state, &values->raw);
}

/* Estimate a clock that is usually read once, at place i. */
static bool estimate(const struct bracket *bracket,
		     const struct system_state *state, unsigned int i,
		     struct estimate *ret_value)
{
	if (bracket->n <= READINGS_USUAL)
		return pclk_bracket_estimate_one(bracket, i, ret_value);
	return pclk_bracket_estimate(bracket, state,
				     (enum paraclock_clock)bracket->clock[i],
				     ret_value);
}

enum verdict pclk_system_judge(const struct system_state *state,
			       const struct bracket *bracket,
			       struct values *ret_values)
{
	if (!estimate(bracket, state, BRACKET_RAW, &ret_values->raw) ||
	    !estimate(bracket, state, BRACKET_MONOTONIC, &ret_values->mono))
		return SOURCE_CHANGED;
	if (!raw_fits(state, bracket, &ret_values->raw))
		return SOURCE_CHANGED;
	if (!pclk_bracket_estimate(bracket, state, PARACLOCK_CLOCK_REALTIME,
				   &ret_values->real) ||
	    !real_fits(state, ret_values))
		return WAS_SET;
	return is_better(state, bracket, ret_values) ? BETTER : FITS;
}

bool pclk_system_source_is_other(const struct paraclock_env *env,
				 const struct system_state *state)
{
	char name[sizeof(state->clocksource)] = "";
	uint8_t kind;

	return !pclk_env_clocksource(env, name, &kind) &&
	       memcmp(name, state->clocksource, sizeof(name)) != 0;
}

static int change_source(const struct paraclock_env *env,
			 struct system_state *state)
{
	bool first = !state->ready;
	int ret = pclk_system_calibrate(env, state);

	if (!ret && !first)
		state->source_seq++;
	return ret;
}

/* REALTIME - MONOTONIC lies both in the old interval and in that of values. */
static void improve_real(struct system_state *state,
			 const struct values *values)
{
	int64_t error =
		(int64_t)(values->real.error_ns + values->mono.error_ns);
	int64_t offset = values->real.ns - values->mono.ns;

	if (offset - error > state->real_low)
		state->real_low = offset - error;
	if (offset + error < state->real_high)
		state->real_high = offset + error;
}

static int learn(const struct paraclock_env *env, struct system_state *state,
		 const struct bracket *bracket, const struct values *values)
{
	if ((bracket_is_wide(bracket, state) ||
	     is_name_due(state, &values->raw)) &&
	    pclk_system_source_is_other(env, state))
		return change_source(env, state);
	if (bracket_is_wide(bracket, state) || is_narrower(state, bracket))
		system_set_narrow(state, bracket_width(bracket) / bracket->n);
	state->name_ns = (uint64_t)values->raw.ns;
	improve_real(state, values);
	/* A counter that the kernel does not keep its time by may do anything
	 * between two looks. */
	if (system_is_coupled(state))
		pclk_system_improve_rate(state, bracket, &values->raw);
	return 0;
}

int pclk_system_change(const struct paraclock_env *env,
		       struct system_state *state,
		       const struct bracket *bracket, enum verdict verdict,
		       const struct values *values)
{
	switch (verdict) {
	case SOURCE_CHANGED:
		return change_source(env, state);
	case WAS_SET:
		return pclk_system_measure_offsets(env, state);
	case BETTER:
		return learn(env, state, bracket, values);
	default:
		return 0;
	}
}
