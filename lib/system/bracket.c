// SPDX-License-Identifier: MIT
/* One reading of the system clocks, each between two readings of the
 * counter. */

#include <errno.h>

#include "base/env_call.h"
#include "system.h"

/* Sums are in 2^-8 ns, relative to the first reading of a clock. */
#define SUB_BITS 8
/* A clock that moves by more (3 days) within one bracket was set. */
#define SPAN_MAX (INT64_C(1) << 48)

void pclk_bracket_plan(struct bracket *bracket,
		       const struct system_state *state, unsigned int brackets)
{
	/* CLOCK_TAI serves as the second reading of CLOCK_REALTIME: they are
	 * whole seconds apart. Clocks that may be slewed are near the middle.
	 */
	static const uint8_t first[READINGS_USUAL] = {
		PARACLOCK_CLOCK_REALTIME,
		PARACLOCK_CLOCK_MONOTONIC,
		PARACLOCK_CLOCK_MONOTONIC_RAW,
		PARACLOCK_CLOCK_TAI,
	};
	/* Further readings, in turn. */
	static const uint8_t more[] = {
		PARACLOCK_CLOCK_MONOTONIC_RAW,
		PARACLOCK_CLOCK_MONOTONIC,
		PARACLOCK_CLOCK_REALTIME,
	};

	bracket->n = brackets + 2;
	for (unsigned int i = 0; i < bracket->n; i++)
		bracket->clock[i] = i < READINGS_USUAL
					    ? first[i]
					    : more[(i - READINGS_USUAL) % 3];
	if (state->missing >> PARACLOCK_CLOCK_TAI & 1 && bracket->n > 3)
		bracket->clock[3] = PARACLOCK_CLOCK_REALTIME;
}

int pclk_bracket_read(const struct paraclock_env *env, enum counter_how how,
		      struct bracket *bracket)
{
	bool back = false;

	bracket->tsc[0] = counter_read(env, how);
	for (unsigned int i = 0; i < bracket->n; i++) {
		int ret = env->read_clock(env->ctx,
					  pclk_clock_id[bracket->clock[i]],
					  &bracket->ns[i]);

		if (ret)
			return pclk_env_error(ret);
		bracket->tsc[i + 1] = counter_read(env, how);
	}
	/* The counter of another CPU, or of another machine. Checked here, so
	 * that it costs nothing between the readings. */
	for (unsigned int i = 0; i < bracket->n; i++)
		back |= is_before(bracket->tsc[i + 1], bracket->tsc[i]);
	bracket->at = bracket->tsc[bracket->n / 2];
	return back ? -EAGAIN : 0;
}

/* The first one was wide, or failed. */
static __attribute__((noinline)) int
read_again(const struct paraclock_env *env, const struct system_state *state,
	   unsigned int tries, bool found, struct bracket *ret_bracket)
{
	struct bracket bracket = *ret_bracket;

	for (unsigned int i = 1; i < tries; i++) {
		int ret = pclk_bracket_read(env, (enum counter_how)state->how,
					    &bracket);

		if (ret && ret != -EAGAIN)
			return ret;
		if (ret || (found && bracket_width(&bracket) >=
					     bracket_width(ret_bracket)))
			continue;
		*ret_bracket = bracket;
		found = true;
		if (!bracket_is_wide(&bracket, state))
			break;
	}
	return found ? 0 : -EAGAIN;
}

int pclk_bracket_read_narrow(const struct paraclock_env *env,
			     const struct system_state *state,
			     unsigned int tries, struct bracket *bracket)
{
	int ret = pclk_bracket_read(env, (enum counter_how)state->how, bracket);

	if (ret && ret != -EAGAIN)
		return ret;
	if (ret || bracket_is_wide(bracket, state))
		return read_again(env, state, tries, !ret, bracket);
	return 0;
}

/* A clock at bracket->at, in 2^-SUB_BITS ns from its first reading: the limits,
 * and the best guess by this reading alone. */
struct bounds {
	int64_t low, high, middle;
};

/* Bounded to 6 days, so that no sum of READINGS_MAX overflows. */
static int64_t sub_ns(const struct system_state *state, uint64_t ticks)
{
	u128 ns = (u128)ticks * state->mult >> (MULT_BITS - SUB_BITS);

	return ns > (u128)INT64_MAX / 64 ? INT64_MAX / 64 : (int64_t)ns;
}

void pclk_bracket_scale(struct bracket *bracket,
			const struct system_state *state)
{
	const unsigned int middle = bracket->n / 2;

	bracket->grain = sub_ns(state, state->step);
	bracket->grain += (bracket->grain >> state->rate_shift) +
			  (int64_t)(state->stairs_ns << SUB_BITS) + 1;
	for (unsigned int i = 0; i <= bracket->n; i++) {
		bool is_later = i >= middle;
		int64_t ns =
			sub_ns(state, is_later ? bracket->tsc[i] - bracket->at
					       : bracket->at - bracket->tsc[i]);

		bracket->until[i] = is_later ? -ns : ns;
		bracket->slack[0][i] = ns >> state->rate_shift;
		/* Slewed by up to 0.1 %; see paraclock/system.h for more. */
		bracket->slack[1][i] = bracket->slack[0][i] + (ns >> 10);
	}
}

/*
 * The clock showed ns, rounded down to a whole one, at some counter value
 * between the two around it, or up to a step after: a counter may have come to
 * show a value at any time since it showed the one before. The result must hold
 * for all the time for which the counter shows bracket->at. So both ends get a
 * step. false: too far from the first reading.
 */
static bool reading_bounds(const struct bracket *bracket, unsigned int i,
			   int64_t base, struct bounds *ret_bounds)
{
	const int64_t *slack = bracket->slack[bracket->clock[i] !=
					      PARACLOCK_CLOCK_MONOTONIC_RAW];
	int64_t ns;

	if (__builtin_sub_overflow(bracket->ns[i], base, &ns) ||
	    ns > SPAN_MAX || ns < -SPAN_MAX)
		return false;
	ns *= 1 << SUB_BITS;
	ret_bounds->middle = ns + (1 << SUB_BITS) / 2 + bracket->until[i] / 2 +
			     bracket->until[i + 1] / 2;
	ret_bounds->low =
		ns + bracket->until[i + 1] - slack[i + 1] - bracket->grain;
	ret_bounds->high = ns + (1 << SUB_BITS) + bracket->until[i] + slack[i] +
			   bracket->grain;
	return true;
}

/* Is this a reading of that clock? */
static bool is_reading_of(const struct bracket *bracket, unsigned int i,
			  enum paraclock_clock clock)
{
	return bracket->clock[i] == clock ||
	       (clock == PARACLOCK_CLOCK_REALTIME &&
		bracket->clock[i] == PARACLOCK_CLOCK_TAI);
}

/*
 * What all readings have in common is certain. The best guess in it is the mean
 * of the middles of the narrow ones: a counter that moves in steps of 10 ns (26
 * ticks on AMD) puts each middle up to half a step off, evenly to both sides.
 */
static bool combine(const struct bounds *bounds, unsigned int n,
		    struct bounds *ret_common, int64_t *ret_best)
{
	int64_t narrow = INT64_MAX, sum = 0, used = 0, best;
	struct bounds common = { .low = INT64_MIN, .high = INT64_MAX };

	for (unsigned int i = 0; i < n; i++) {
		int64_t width = bounds[i].high - bounds[i].low;

		common.low =
			bounds[i].low > common.low ? bounds[i].low : common.low;
		common.high = bounds[i].high < common.high ? bounds[i].high
							   : common.high;
		narrow = width < narrow ? width : narrow;
	}
	if (common.low > common.high)
		return false;
	for (unsigned int i = 0; i < n; i++) {
		if (bounds[i].high - bounds[i].low > narrow + narrow / 2)
			continue;
		sum += bounds[i].middle;
		used++;
	}
	/* used is at least 1, for the narrowest one. A division costs as much
	 * as half a clock reading. */
	best = used < 2 ? sum : used == 2 ? sum / 2 : sum / used;
	best = best < common.low ? common.low : best;
	*ret_best = best > common.high ? common.high : best;
	*ret_common = common;
	return true;
}

/* The kernel rounds its clocks down, and so does this guess. */
static bool conclude(int64_t base, int64_t best, const struct bounds *certain,
		     struct estimate *ret_value)
{
	int64_t above = certain->high - best, below = best - certain->low;

	/* Rounded up, which covers both roundings down to a whole ns. */
	ret_value->error_ns =
		1 + (uint64_t)((above > below ? above : below) >> SUB_BITS);
	return !__builtin_add_overflow(base, best >> SUB_BITS, &ret_value->ns);
}

bool pclk_bracket_estimate_one(const struct bracket *bracket, unsigned int i,
			       struct estimate *ret_value)
{
	struct bounds bounds;

	return reading_bounds(bracket, i, bracket->ns[i], &bounds) &&
	       conclude(bracket->ns[i], bounds.middle, &bounds, ret_value);
}

bool pclk_bracket_estimate(const struct bracket *bracket,
			   const struct system_state *state,
			   enum paraclock_clock clock,
			   struct estimate *ret_value)
{
	struct bounds bounds[READINGS_MAX], common;
	unsigned int n = 0;
	int64_t base = 0, best;

	for (unsigned int i = 0; i < bracket->n; i++) {
		int64_t from;

		if (!is_reading_of(bracket, i, clock))
			continue;
		if (!n)
			base = bracket->ns[i];
		from = base;
		if (bracket->clock[i] != clock &&
		    __builtin_add_overflow(
			    base, state->tai_sec * (int64_t)NSEC_PER_SEC,
			    &from))
			return false;
		if (!reading_bounds(bracket, i, from, &bounds[n++]))
			return false;
	}
	if (!n || !combine(bounds, n, &common, &best))
		return false;
	return conclude(base, best, &common, ret_value);
}
