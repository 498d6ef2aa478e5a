// SPDX-License-Identifier: MIT
/* Snapshots: rounds that agree with what is remembered, or change it. */

#include <errno.h>
#include <string.h>

#include <paraclock/system.h>

#include "base/env.h"
#include "base/env_call.h"
#include "base/interpolate.h"
#include "base/seqword.h"
#include "system.h"

#define WORDS (sizeof(struct system_state) / sizeof(uint64_t))

/* Rounds to wait for another thread, which may be calibrating: that takes 50
 * us, a round 0.2 us. */
#define SNAPSHOT_TRIES 1024
/* Taking in a change counts as so many: a machine that is set or moved eight
 * times meanwhile is not one to take a snapshot of. */
#define CHANGE_TRIES (SNAPSHOT_TRIES / 8)

/* Rounds until one is narrow; each costs 200 ns. */
#define NARROW_TRIES 4

/* CPUs whose counters differ by this much are still used by Linux, ns. */
#define SKEW_NS 100

/* A counter that is of no use may be off the rate that was measured by this
 * part of it, before that is measured anew. */
#define LOOSE_PART 16

/* A clock that was set so often in one call was not set: what it is held
 * against is wrong. */
#define SETS_MAX 3

/* How often a clocksource that is of no use is looked at, ns. */
#define NAME_NS NSEC_PER_SEC

/* How often BOOTTIME's offset is measured anew, ns. */
#define BOOT_NS NSEC_PER_SEC

/* What try_snapshot() says if it is no error. */
enum outcome {
	AGAIN,	 /* somebody else is at it */
	CHANGED, /* something was taken in: look again */
	DONE,
};

enum verdict {
	FITS,
	BETTER,		/* it fits, and more can be learnt from it */
	WAS_SET,	/* CLOCK_REALTIME or its distance to TAI is another */
	SOURCE_CHANGED, /* RAW no longer fits the counter */
};

/* One call's; round is what the last one read. */
struct attempts {
	struct bracket bracket;
	unsigned int used; /* of SNAPSHOT_TRIES */
	unsigned int sets; /* how often CLOCK_REALTIME seemed to be set */
};

/* What a round says. */
struct values {
	struct estimate real, mono, raw;
};

/*
 * RAW must be where the line from fit_tsc says, within what all ends of that
 * are known to. A counter that the kernel does not keep its time by need not
 * run at one rate; but one that stood still, or is no longer what it was, does
 * not even bring the readings of one round together.
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

/* Is it time to look whether the kernel has got a better clocksource? One
 * that gets worse shows by its width. */
static bool is_name_due(const struct system_state *state,
			const struct estimate *raw)
{
	/* By the clock: a counter of no use may stand still, or jump. */
	return !system_is_coupled(state) &&
	       (uint64_t)raw->ns - state->name_ns > NAME_NS;
}

/* Much, and not by the counter's step only? */
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
	       /* Measured in a wide round, it may get much narrower. */
	       (uint64_t)state->real_high - (uint64_t)state->real_low >
		       8 * error ||
	       is_name_due(state, &values->raw);
}

/* Of a clock that is usually read once, at place i. */
static bool estimate(const struct bracket *bracket,
		     const struct system_state *state, unsigned int i,
		     struct estimate *ret_value)
{
	if (bracket->n <= ROUND_USUAL)
		return pclk_bracket_estimate_one(bracket, i, ret_value);
	return pclk_bracket_estimate(bracket, state,
				     (enum paraclock_clock)bracket->clock[i],
				     ret_value);
}

static enum verdict judge(const struct system_state *state,
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

/* Has the clocksource another name? A slow one is wide, as is a bad moment. */
static bool has_other_source(const struct paraclock_env *env,
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

/* REALTIME - MONOTONIC is in what is known of it and in what this says. */
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
	    has_other_source(env, state))
		return change_source(env, state);
	if (bracket_is_wide(bracket, state) || is_narrower(state, bracket))
		local_set_narrow(state, bracket_width(bracket) / bracket->n);
	state->name_ns = (uint64_t)values->raw.ns;
	improve_real(state, values);
	/* A counter that the kernel does not keep its time by may do anything
	 * between one look and the next. */
	if (system_is_coupled(state))
		pclk_system_improve_rate(state, bracket, &values->raw);
	return 0;
}

/* 1: BOOTTIME is no longer where it was. Looked at once in a while only:
 * nothing moves it that does not move REALTIME - MONOTONIC or RAW as well. */
static int has_slept(const struct paraclock_env *env, struct local *local,
		     const struct system_state *state,
		     const struct bracket *bracket)
{
	uint64_t checked = __atomic_load_n(&local->boot_tsc, __ATOMIC_RELAXED);
	struct estimate boot;
	int ret;

	if (!is_before(bracket->at, checked) &&
	    system_ns(state, bracket->at - checked) <= BOOT_NS)
		return 0;
	ret = pclk_system_measure_boot(env, state, &boot);
	if (ret)
		return ret == -EOPNOTSUPP ? 0 : ret;
	if (!pclk_system_agree(&boot, &state->boot))
		return 1;
	__atomic_store_n(&local->boot_tsc, bracket->at, __ATOMIC_RELAXED);
	return 0;
}

static void fill(const struct paraclock_env *env,
		 const struct system_state *state,
		 const struct bracket *bracket, const struct values *values,
		 struct paraclock_snapshot *snap)
{
	const int64_t tai_ns = state->tai_sec * (int64_t)NSEC_PER_SEC;
	uint64_t mono_error = values->mono.error_ns + state->boot.error_ns;

	*snap = (struct paraclock_snapshot){
		.size = sizeof(*snap),
		.brackets = snap->brackets,
		.counter_id = env->counter_id,
	};
	snap->counter = bracket->at;
	snap->counter_step = (uint32_t)state->step;
	snap->clocksource_kind = (uint8_t)state->kind;
	snap->valid_for_correlation = system_is_coupled(state);
	snap->known = 1 << PARACLOCK_CLOCK_REALTIME |
		      1 << PARACLOCK_CLOCK_MONOTONIC |
		      1 << PARACLOCK_CLOCK_MONOTONIC_RAW;
	snap->ns[PARACLOCK_CLOCK_REALTIME] = values->real.ns;
	snap->ns[PARACLOCK_CLOCK_MONOTONIC] = values->mono.ns;
	snap->ns[PARACLOCK_CLOCK_MONOTONIC_RAW] = values->raw.ns;
	if (!(state->missing >> PARACLOCK_CLOCK_BOOTTIME & 1) &&
	    !__builtin_add_overflow(values->mono.ns, state->boot.ns,
				    &snap->ns[PARACLOCK_CLOCK_BOOTTIME]))
		snap->known |= 1 << PARACLOCK_CLOCK_BOOTTIME;
	/* The kernel says 0 until somebody has told it. */
	if (state->tai_sec &&
	    !__builtin_add_overflow(values->real.ns, tai_ns,
				    &snap->ns[PARACLOCK_CLOCK_TAI])) {
		snap->known |= 1 << PARACLOCK_CLOCK_TAI;
		snap->tai_offset_sec = (int16_t)state->tai_sec;
	}
	snap->uncertainty_ns = values->real.error_ns;
	if (snap->uncertainty_ns < mono_error)
		snap->uncertainty_ns = mono_error;
	if (snap->uncertainty_ns < values->raw.error_ns)
		snap->uncertainty_ns = values->raw.error_ns;
	snap->clock_was_set_seq = (uint32_t)state->set_seq;
	snap->clocksource_changed_seq = (uint32_t)state->source_seq;
	memcpy(snap->clocksource, state->clocksource,
	       sizeof(snap->clocksource));
}

/* With the flag held. */
static int change(const struct paraclock_env *env, struct system_state *state,
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

/* Take the flag and see to it: enum outcome, or an error. */
static int take_in(const struct paraclock_env *env, struct local *local,
		   uint32_t gen, const struct bracket *bracket,
		   enum verdict verdict, const struct values *values)
{
	struct system_state next;
	int ret = AGAIN;

	if (!try_lock(&local->owner, env)) {
		cpu_relax();
		return AGAIN;
	}
	/* gen as it was: nobody has taken it in meanwhile. */
	if (__atomic_load_n(&local->gen, __ATOMIC_RELAXED) == gen) {
		memcpy(&next, &local->now, sizeof(next));
		if (gen & 1) {
			/* Its writer forked and this is the child: what it
			 * knew is lost, but the seqs go on. */
			next.set_seq++;
			verdict = SOURCE_CHANGED;
		}
		ret = change(env, &next, bracket, verdict, values);
		if (!ret)
			seqwords_publish(&local->gen, &local->now, &next,
					 WORDS);
		if (!ret || ret == -EAGAIN)
			ret = CHANGED;
	}
	unlock(&local->owner);
	return ret;
}

/* Read and judge: enum verdict, or an error. */
static int look(const struct paraclock_env *env, struct local *local,
		struct system_state *state, struct bracket *bracket,
		struct values *ret_values)
{
	enum verdict verdict;
	int ret;

	if (!pclk_system_is_of(state, env))
		return -EINVAL;
	ret = pclk_bracket_read_narrow(env, state, NARROW_TRIES, bracket);
	if (ret)
		return ret;
	pclk_bracket_scale(bracket, state);
	verdict = judge(state, bracket, ret_values);
	if (verdict != FITS && verdict != BETTER)
		return (int)verdict;
	ret = has_slept(env, local, state, bracket);
	if (ret < 0)
		return ret;
	return ret ? (int)WAS_SET : (int)verdict;
}

/* enum outcome, or an error; in the end, what could be learnt is left. */
static int try_snapshot(const struct paraclock_env *env, struct local *local,
			struct attempts *attempts,
			struct paraclock_snapshot *ret_snap)
{
	const bool last = attempts->used >= SNAPSHOT_TRIES / 2;
	struct bracket *bracket = &attempts->bracket;
	uint32_t gen = __atomic_load_n(&local->gen, __ATOMIC_ACQUIRE);
	struct system_state state;
	struct values values;
	int ret = SOURCE_CHANGED;

	if (seqwords_copy(&local->gen, &state, &local->now, WORDS) &&
	    state.ready) {
		pclk_bracket_plan(bracket, &state,
				  ret_snap->brackets ? ret_snap->brackets : 2);
		ret = look(env, local, &state, bracket, &values);
		if (ret < 0)
			return ret == -EAGAIN ? (int)AGAIN : ret;
		/* What cannot be taken in must at least not be the end of the
		 * clocksource. */
		if (ret == BETTER && last && bracket_is_wide(bracket, &state) &&
		    has_other_source(env, &state))
			return AGAIN;
		if (ret == FITS || (ret == BETTER && last)) {
			fill(env, &state, bracket, &values, ret_snap);
			return DONE;
		}
	} else if (env->check_counter && env->check_counter(env->ctx)) {
		return -EACCES;
	}
	if (ret == WAS_SET && ++attempts->sets > SETS_MAX)
		ret = SOURCE_CHANGED;
	return take_in(env, local, gen, bracket, (enum verdict)ret, &values);
}

int pclk_system_snapshot(const struct paraclock_env *env, struct local *local,
			 struct paraclock_snapshot *ret_snap)
{
	struct attempts attempts;

	attempts.used = attempts.sets = 0;
	while (attempts.used < SNAPSHOT_TRIES) {
		int ret = try_snapshot(env, local, &attempts, ret_snap);

		if (ret < 0 || ret == DONE)
			return ret < 0 ? ret : 0;
		attempts.used += ret == CHANGED ? CHANGE_TRIES : 1;
	}
	return -EAGAIN;
}

/* An env without a memory: this call's own. Apart, so that the others need
 * not clear one. */
static __attribute__((noinline)) int
snapshot_once(const struct paraclock_env *env,
	      struct paraclock_snapshot *ret_snap)
{
	struct local once = { 0 };

	return pclk_system_snapshot(env, &once, ret_snap);
}

int paraclock_snapshot(const struct paraclock_env *env,
		       struct paraclock_snapshot *ret_snap)
{
	int ret;

	if (!ret_snap || ret_snap->size < sizeof(*ret_snap) ||
	    ret_snap->brackets > PARACLOCK_BRACKETS_MAX)
		return -EINVAL;
	ret = pclk_env_with_clocks(&env);
	if (ret)
		return ret;
	if (!env->system_clocks)
		return snapshot_once(env, ret_snap);
	return pclk_system_snapshot(env, (struct local *)env->system_clocks,
				    ret_snap);
}
