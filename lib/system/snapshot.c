// SPDX-License-Identifier: MIT
/* Snapshots: readings that fit what is remembered, or change it. */

#include <errno.h>
#include <string.h>

#include <paraclock/system.h>

#include "base/env.h"
#include "base/env_call.h"
#include "base/interpolate.h"
#include "base/seqword.h"
#include "system.h"

#define WORDS (sizeof(struct system_state) / sizeof(uint64_t))

/* How often to try while another thread changes what is remembered: it may be
 * calibrating, which takes 50 us, and a try takes 0.2 us. */
#define SNAPSHOT_TRIES 1024
/* A change counts as so many tries: no snapshot comes of a machine that is set
 * or moved eight times meanwhile. */
#define CHANGE_TRIES (SNAPSHOT_TRIES / 8)

/* Tries until a bracket is narrow; each costs 200 ns. */
#define NARROW_TRIES 4

/* If a clock seems to be set more often in one call, it was not set: what it is
 * compared with is wrong. */
#define SETS_MAX 3

/* How often BOOTTIME's offset is measured anew, ns. */
#define BOOT_NS NSEC_PER_SEC

/* What try_snapshot() returns, unless it is an error. */
enum outcome {
	AGAIN,	 /* another thread changes what is remembered */
	CHANGED, /* a change was committed: read again */
	DONE,
};

/* The tries of one call, and what the last one read. */
struct attempts {
	struct bracket bracket;
	unsigned int used; /* of SNAPSHOT_TRIES */
	unsigned int sets; /* how often CLOCK_REALTIME seemed to be set */
};

/* 1: BOOTTIME is no longer where it was. It is read only once in a while, since
 * all that moves it also moves REALTIME - MONOTONIC or RAW. */
static int has_slept(const struct paraclock_env *env,
		     struct system_memory *memory,
		     const struct system_state *state,
		     const struct bracket *bracket)
{
	uint64_t checked = __atomic_load_n(&memory->boot_tsc, __ATOMIC_RELAXED);
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
	__atomic_store_n(&memory->boot_tsc, bracket->at, __ATOMIC_RELAXED);
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
	/* The kernel says 0 until it is told the offset. */
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

/* Commit what the verdict says: enum outcome, or an error. */
static int commit(const struct paraclock_env *env, struct system_memory *memory,
		  uint32_t gen, const struct bracket *bracket,
		  enum verdict verdict, const struct values *values)
{
	struct system_state next;
	int ret = AGAIN;

	if (!try_lock(&memory->owner, env)) {
		cpu_relax();
		return AGAIN;
	}
	/* gen is unchanged: no other thread has committed it meanwhile. */
	if (__atomic_load_n(&memory->gen, __ATOMIC_RELAXED) == gen) {
		memcpy(&next, &memory->now, sizeof(next));
		if (gen & 1) {
			/* Its writer forked, and this is the child: what it
			 * knew is lost, but the seqs go on. */
			next.set_seq++;
			verdict = SOURCE_CHANGED;
		}
		ret = pclk_system_change(env, &next, bracket, verdict, values);
		if (!ret)
			seqwords_publish(&memory->gen, &memory->now, &next,
					 WORDS);
		if (!ret || ret == -EAGAIN)
			ret = CHANGED;
	}
	unlock(&memory->owner);
	return ret;
}

/* Read and judge: enum verdict, or an error. */
static int look(const struct paraclock_env *env, struct system_memory *memory,
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
	verdict = pclk_system_judge(state, bracket, ret_values);
	if (verdict != FITS && verdict != BETTER)
		return (int)verdict;
	ret = has_slept(env, memory, state, bracket);
	if (ret < 0)
		return ret;
	return ret ? (int)WAS_SET : (int)verdict;
}

/* enum outcome, or an error. The last tries no longer learn. */
static int try_snapshot(const struct paraclock_env *env,
			struct system_memory *memory, struct attempts *attempts,
			struct paraclock_snapshot *ret_snap)
{
	const bool last = attempts->used >= SNAPSHOT_TRIES / 2;
	struct bracket *bracket = &attempts->bracket;
	uint32_t gen = __atomic_load_n(&memory->gen, __ATOMIC_ACQUIRE);
	struct system_state state;
	struct values values = { 0 };
	int ret = SOURCE_CHANGED;

	if (seqwords_copy(&memory->gen, &state, &memory->now, WORDS) &&
	    state.ready) {
		pclk_bracket_plan(bracket, &state,
				  ret_snap->brackets ? ret_snap->brackets : 2);
		ret = look(env, memory, &state, bracket, &values);
		if (ret < 0)
			return ret == -EAGAIN ? (int)AGAIN : ret;
		/* Even if it cannot be committed, it must not hide a change of
		 * the clocksource. */
		if (ret == BETTER && last && bracket_is_wide(bracket, &state) &&
		    pclk_system_source_is_other(env, &state))
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
	return commit(env, memory, gen, bracket, (enum verdict)ret, &values);
}

int pclk_system_snapshot(const struct paraclock_env *env,
			 struct system_memory *memory,
			 struct paraclock_snapshot *ret_snap)
{
	struct attempts attempts;

	attempts.used = attempts.sets = 0;
	while (attempts.used < SNAPSHOT_TRIES) {
		int ret = try_snapshot(env, memory, &attempts, ret_snap);

		if (ret < 0 || ret == DONE)
			return ret < 0 ? ret : 0;
		attempts.used += ret == CHANGED ? CHANGE_TRIES : 1;
	}
	return -EAGAIN;
}

/* An env without a memory gets one for this call. It is a function of its own
 * so that the others need not clear one. */
static __attribute__((noinline)) int
snapshot_once(const struct paraclock_env *env,
	      struct paraclock_snapshot *ret_snap)
{
	struct system_memory once = { 0 };

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
	return pclk_system_snapshot(
		env, (struct system_memory *)env->system_clocks, ret_snap);
}
