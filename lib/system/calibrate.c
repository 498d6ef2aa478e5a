// SPDX-License-Identifier: MIT
/* Measuring what a snapshot relies on: the counter's rate, and the offsets
 * between the clocks. */

#include <errno.h>
#include <string.h>

#include "base/env.h"
#include "base/env_call.h"
#include "base/frequency.h"
#include "base/interpolate.h"
#include "system.h"

/* A first rate is measured over this, ns, in two halves that must agree: to
 * 0.2 %, which brings readings that are 200 ns apart to within half a ns. */
#define CALIBRATE_NS 25000
/* Where the clock or the counter is coarse, the rate is measured for longer, so
 * that it is known to 2^-6 at least; but with at most CALIBRATE_POINTS points,
 * of 0.4 us each, or STILL_POINTS if the clock or the counter has not moved. */
#define CALIBRATE_SHIFT	 6
#define CALIBRATE_POINTS 2048
#define STILL_POINTS	 512

/* One of so many brackets has no interrupt in it. */
#define TRIES 8

/* The largest plausible offset of TAI; it is 37 s in 2026. */
#define TAI_MAX_SEC 1000

/* What tells the clocks of one env from those of another. The built-in
 * functions ignore ctx: a copy of the built-in env with another ctx reads the
 * same clocks. */
static void world_of(const struct paraclock_env *env, uint64_t ret_world[4])
{
	const struct paraclock_env *own = pclk_builtin_env;
	bool is_own = own && env->read_clock == own->read_clock &&
		      env->clocksource == own->clocksource && !env->counter;

	ret_world[0] = is_own ? 0 : (uint64_t)(uintptr_t)env->ctx;
	ret_world[1] = (uint64_t)(uintptr_t)env->counter;
	ret_world[2] = (uint64_t)(uintptr_t)env->read_clock;
	ret_world[3] = (uint64_t)(uintptr_t)env->clocksource;
}

bool pclk_system_is_of(const struct system_state *state,
		       const struct paraclock_env *env)
{
	uint64_t world[4], differ = 0;

	world_of(env, world);
	for (unsigned int i = 0; i < 4; i++)
		differ |= world[i] ^ state->world[i];
	return !state->ready || !differ;
}

/* ns per ticks, as a rate in 2^-MULT_BITS. false: it does not fit. */
static bool rate_of(uint64_t ns, uint64_t ticks, uint64_t *ret_rate)
{
	/* 2^15 ns a tick: no counter is so slow. */
	if (!ticks || ns >> (63 - MULT_BITS) >= ticks)
		return false;
	*ret_rate =
		pclk_divide_128(ns >> (64 - MULT_BITS), ns << MULT_BITS, ticks);
	return true;
}

static bool set_rate(struct system_state *state, uint64_t ns, uint64_t ticks,
		     uint64_t error_ns)
{
	struct system_state next = *state;

	if (!rate_of(ns, ticks, &next.mult) || !next.mult ||
	    !rate_of(error_ns, ticks, &next.mult_error))
		return false;
	next.mult_error++;
	next.baseline = ticks;
	/* By their lengths in bits: mult / mult_error is above 2^rate_shift. */
	next.rate_shift = 0;
	if (next.mult_error < next.mult)
		next.rate_shift = (uint64_t)(__builtin_clzll(next.mult_error) -
					     __builtin_clzll(next.mult));
	next.rate_shift -= next.rate_shift > 0;
	*state = next;
	return true;
}

void pclk_system_improve_rate(struct system_state *state,
			      const struct bracket *bracket,
			      const struct estimate *raw)
{
	uint64_t ticks = bracket->at - state->fit_tsc;
	uint64_t ns = (uint64_t)raw->ns - (uint64_t)state->fit_raw.ns;
	struct system_state next = *state;

	/* A wide bracket makes it no better, however late it comes. */
	if (ticks / 2 > state->baseline && raw->ns > state->fit_raw.ns &&
	    set_rate(&next, ns, ticks,
		     raw->error_ns + state->fit_raw.error_ns) &&
	    next.mult_error < state->mult_error)
		*state = next;
}

/* Readings of RAW, while the rate is being measured. */
struct calibration {
	struct stairs stairs;
	struct point from, to;
	struct span span; /* between them */
};

static int read_raw(const struct paraclock_env *env,
		    const struct system_state *state, struct stairs *stairs,
		    struct point *ret_point)
{
	return pclk_read_point(env, (enum counter_how)state->how,
			       PARACLOCK_CLOCK_MONOTONIC_RAW, state->step,
			       stairs, ret_point);
}

/* Read points until the span is long enough, and known well enough. */
static int extend(const struct paraclock_env *env,
		  const struct system_state *state, struct calibration *cal,
		  uint64_t least_ns)
{
	for (unsigned int i = 0; i < CALIBRATE_POINTS; i++) {
		int ret = read_raw(env, state, &cal->stairs, &cal->to);

		if (ret)
			return ret;
		if (i >= STILL_POINTS &&
		    (!cal->stairs.rise || cal->to.tsc == cal->from.tsc))
			break;
		if (pclk_span(&cal->from, &cal->to, state->step, &cal->stairs,
			      &cal->span) &&
		    cal->span.ns >= least_ns &&
		    cal->span.error_ns <= cal->span.ns >> CALIBRATE_SHIFT)
			return 0;
	}
	/* The clock or the counter stands still or goes back. */
	return -EOPNOTSUPP;
}

/* Does the first half fit the whole? A counter that jumped in between shows no
 * rate. */
static bool is_straight(const struct system_state *state,
			const struct span *half, const struct span *whole)
{
	uint64_t ns = system_ns(state, half->ticks);
	uint64_t off = ns > half->ns ? ns - half->ns : half->ns - ns;

	return off <= half->error_ns + whole->error_ns;
}

static int measure_rate(const struct paraclock_env *env,
			struct system_state *state, struct calibration *cal)
{
	struct span half;
	int ret = read_raw(env, state, &cal->stairs, &cal->from);

	if (!ret)
		ret = extend(env, state, cal, CALIBRATE_NS / 2);
	half = cal->span;
	if (!ret)
		ret = extend(env, state, cal, CALIBRATE_NS);
	if (ret)
		return ret;
	if (!set_rate(state, cal->span.ns, cal->span.ticks, cal->span.error_ns))
		return -EOPNOTSUPP;
	return is_straight(state, &half, &cal->span) ? 0 : -EAGAIN;
}

static int calibrate_rate(const struct paraclock_env *env,
			  struct system_state *state)
{
	struct calibration cal = { 0 };
	const struct point *from = &cal.from, *to = &cal.to;
	int ret;

	state->step = pclk_counter_step(env, (enum counter_how)state->how);
	ret = measure_rate(env, state, &cal);
	if (ret)
		return ret;
	state->stairs_ns = pclk_stairs_ns(&cal.stairs);
	system_set_narrow(state,
			  from->width < to->width ? from->width : to->width);
	state->fit_tsc = to->tsc;
	state->fit_raw.ns = to->ns;
	state->fit_raw.error_ns =
		system_ns(state, to->width / 2 + state->step) +
		state->stairs_ns + 1;
	state->name_ns = (uint64_t)to->ns;
	return 0;
}

/*
 * BOOTTIME differs from MONOTONIC by the time spent suspended, and no machine
 * is suspended for only 100 ns. So an offset within its error is 0, exactly;
 * any other has the error of its measurement.
 */
int pclk_system_measure_boot(const struct paraclock_env *env,
			     const struct system_state *state,
			     struct estimate *ret_boot)
{
	struct bracket bracket = {
		.n = 3,
		.clock = { PARACLOCK_CLOCK_MONOTONIC, PARACLOCK_CLOCK_BOOTTIME,
			   PARACLOCK_CLOCK_MONOTONIC },
	};
	struct estimate mono, boot;
	int64_t offset, error;
	int ret;

	if (state->missing >> PARACLOCK_CLOCK_BOOTTIME & 1)
		return -EOPNOTSUPP;
	ret = pclk_bracket_read_narrow(env, state, TRIES, &bracket);
	if (ret)
		return ret == -EAGAIN ? ret : -EOPNOTSUPP;
	pclk_bracket_scale(&bracket, state);
	if (!pclk_bracket_estimate(&bracket, state, PARACLOCK_CLOCK_MONOTONIC,
				   &mono) ||
	    !pclk_bracket_estimate(&bracket, state, PARACLOCK_CLOCK_BOOTTIME,
				   &boot))
		return -EAGAIN;
	error = (int64_t)(mono.error_ns + boot.error_ns);
	if (__builtin_sub_overflow(boot.ns, mono.ns, &offset))
		return -ERANGE;
	if (offset >= -error && offset <= error)
		offset = error = 0;
	*ret_boot = (struct estimate){ offset, (uint64_t)error };
	return 0;
}

/* TAI - REALTIME, a whole number of seconds. */
static int measure_tai(const struct paraclock_env *env,
		       struct system_state *state)
{
	const int64_t sec = NSEC_PER_SEC, most = TAI_MAX_SEC * sec;
	enum counter_how how = (enum counter_how)state->how;
	struct stairs stairs[2] = { { 0 } };
	struct point real, tai;
	int64_t offset;
	int ret;

	ret = pclk_read_point(env, how, PARACLOCK_CLOCK_REALTIME, state->step,
			      &stairs[0], &real);
	if (ret)
		return ret;
	ret = pclk_read_point(env, how, PARACLOCK_CLOCK_TAI, state->step,
			      &stairs[1], &tai);
	if (ret && ret != -EAGAIN) {
		/* The env does not have this clock. */
		state->missing |= 1U << PARACLOCK_CLOCK_TAI;
		state->tai_sec = 0;
		return 0;
	}
	if (ret)
		return ret;
	/* Both must be read within a quarter of a second. */
	if (is_before(tai.tsc, real.tsc) ||
	    system_ns(state, tai.tsc - real.tsc) > NSEC_PER_SEC / 4 ||
	    __builtin_sub_overflow(tai.ns, real.ns, &offset) || offset > most ||
	    offset < -most)
		return -EAGAIN;
	offset -= (int64_t)system_ns(state, tai.tsc - real.tsc);
	/* Rounded to the nearest second, also below 0. */
	state->tai_sec = (offset + most + sec / 2) / sec - TAI_MAX_SEC;
	state->missing &= ~(1UL << PARACLOCK_CLOCK_TAI);
	return 0;
}

static int measure_real(const struct paraclock_env *env,
			struct system_state *state)
{
	struct estimate real, mono;
	struct bracket bracket;
	int64_t offset, error;
	int ret;

	ret = measure_tai(env, state);
	pclk_bracket_plan(&bracket, state, 2);
	if (!ret)
		ret = pclk_bracket_read_narrow(env, state, TRIES, &bracket);
	if (ret)
		return ret;
	pclk_bracket_scale(&bracket, state);
	if (!pclk_bracket_estimate(&bracket, state, PARACLOCK_CLOCK_REALTIME,
				   &real) ||
	    !pclk_bracket_estimate(&bracket, state, PARACLOCK_CLOCK_MONOTONIC,
				   &mono))
		return -EAGAIN;
	error = (int64_t)(real.error_ns + mono.error_ns);
	if (__builtin_sub_overflow(real.ns, mono.ns, &offset) ||
	    __builtin_sub_overflow(offset, error, &state->real_low) ||
	    __builtin_add_overflow(offset, error, &state->real_high))
		return -ERANGE;
	return 0;
}

bool pclk_system_agree(const struct estimate *a, const struct estimate *b)
{
	s128 off = (s128)a->ns - b->ns;
	s128 error = (s128)a->error_ns + b->error_ns;

	return off <= error && -off <= error;
}

int pclk_system_measure_offsets(const struct paraclock_env *env,
				struct system_state *state)
{
	struct system_state next = *state;
	int ret = -EAGAIN;

	for (unsigned int i = 0; ret == -EAGAIN && i < TRIES; i++)
		ret = measure_real(env, &next);
	if (ret)
		return ret;
	ret = -EAGAIN;
	for (unsigned int i = 0; ret == -EAGAIN && i < TRIES; i++)
		ret = pclk_system_measure_boot(env, &next, &next.boot);
	if (ret == -EOPNOTSUPP) {
		next.missing |= 1U << PARACLOCK_CLOCK_BOOTTIME;
		next.boot = state->boot;
	} else if (ret) {
		return ret;
	}
	if (pclk_system_agree(&next.boot, &state->boot))
		next.boot = state->boot;
	/* What looked like a set may have been a glitch: did they change? */
	if (next.tai_sec != state->tai_sec ||
	    next.real_low > state->real_high ||
	    next.real_high < state->real_low || next.boot.ns != state->boot.ns)
		next.set_seq++;
	*state = next;
	return 0;
}

static void read_clocksource(const struct paraclock_env *env,
			     struct system_state *state)
{
	uint8_t kind = PARACLOCK_CLOCKSOURCE_UNKNOWN;

	memset(state->clocksource, 0, sizeof(state->clocksource));
	(void)pclk_env_clocksource(env, state->clocksource, &kind);
	state->kind = kind;
}

int pclk_system_calibrate(const struct paraclock_env *env,
			  struct system_state *state)
{
	struct system_state next = *state;
	int ret;

	next.how = pclk_counter_choose(env);
	next.missing = 0;
	world_of(env, next.world);
	read_clocksource(env, &next);
	ret = calibrate_rate(env, &next);
	/* Jiffies stand still for longer than a snapshot may take. */
	if (ret == -EOPNOTSUPP && next.kind == PARACLOCK_CLOCKSOURCE_OTHER)
		ret = -ENODEV;
	if (!ret)
		ret = pclk_system_measure_offsets(env, &next);
	if (ret)
		return ret;
	/* The first measurement has nothing to differ from. */
	if (!state->ready)
		next.set_seq = state->set_seq;
	next.ready = 1;
	*state = next;
	return 0;
}
