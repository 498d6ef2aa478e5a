// SPDX-License-Identifier: MIT
/* The counter's frequency: measured, and compared with what others state. */

#include <errno.h>

#include "env_call.h"
#include "fixed.h"
#include "frequency.h"
#include "interpolate.h"

/* Among this many brackets at least one has no interrupt in it. */
#define TRIES 8

/* A stated frequency is compared with one that is measured to 2^-13 (122 ppm),
 * which takes 0.3 ms; after this many points, or SPAN_NS, with what was
 * measured by then. */
#define KNOWN_SHIFT 13
#define POINTS	    8192

/* Within this many points, of 0.4 us each, a usable clock has moved. */
#define BEGIN_POINTS 512
#define SPAN_NS	     4000000

/* A frequency that is not known to 2^-6 (1.6 %) is of no use. */
#define USABLE_SHIFT 6

/* A crystal is within 100 ppm of its data sheet, and the kernel's NTP code
 * corrects a clock by 500 ppm at most. */
#define TOLERANCE(hz) ((hz) / 2000)

static void climb(struct stairs *stairs, uint64_t before, uint64_t after,
		  uint64_t step, int64_t ns)
{
	uint64_t rise = (uint64_t)ns - (uint64_t)stairs->ns;
	bool first = !stairs->tsc || is_before(before, stairs->tsc);

	if (!rise && !first) {
		/* Only if the counter moved by a step: while it stands still,
		 * so does a clock that is computed from it. */
		stairs->stood |= before - stairs->tsc >= step;
		return;
	}
	if (!first && rise <= INT64_MAX &&
	    (!stairs->rise || rise < stairs->rise))
		stairs->rise = rise;
	stairs->tsc = after;
	stairs->ns = ns;
}

int pclk_read_point(const struct paraclock_env *env, enum counter_how how,
		    enum paraclock_clock clock, uint64_t step,
		    struct stairs *stairs, struct point *ret_point)
{
	struct point best = { .width = UINT64_MAX };

	for (unsigned int i = 0; i < TRIES; i++) {
		uint64_t before = counter_read(env, how), after;
		int64_t ns;
		int ret = env->read_clock(env->ctx, pclk_clock_id[clock], &ns);

		after = counter_read(env, how);
		if (ret)
			return pclk_env_error(ret);
		if (is_before(after, before))
			continue;
		climb(stairs, before, after, step, ns);
		if (after - before >= best.width)
			continue;
		best = (struct point){
			.tsc = before + (after - before) / 2,
			.width = after - before,
			.ns = ns,
		};
	}
	if (best.width == UINT64_MAX)
		return -EAGAIN;
	*ret_point = best;
	return 0;
}

/* floor(a * b / c); b < c, and a below 2^63. */
static uint64_t scale(uint64_t a, uint64_t b, uint64_t c)
{
	u128 product = (u128)a * b;

	return pclk_divide_128((uint64_t)(product >> 64), (uint64_t)product, c);
}

bool pclk_span(const struct point *from, const struct point *to, uint64_t step,
	       const struct stairs *stairs, struct span *ret_span)
{
	uint64_t half = from->width / 2 + to->width / 2 + 1;
	struct span span = {
		.ticks = to->tsc - from->tsc,
		.ns = (uint64_t)to->ns - (uint64_t)from->ns,
	};
	uint64_t stairs_ns = pclk_stairs_ns(stairs);

	if (to->ns <= from->ns || is_before(to->tsc, from->tsc) ||
	    step >= span.ticks || half >= span.ticks - step ||
	    stairs_ns >= span.ns || span.ns > INT64_MAX)
		return false;
	/* The clock was read within its bracket, or up to a step of the
	 * counter after it; and each end is rounded by 1. */
	span.error_ns = scale(span.ns, half + step, span.ticks) + 2 + stairs_ns;
	*ret_span = span;
	return true;
}

int pclk_frequency_begin(struct frequency *frequency,
			 const struct paraclock_env *env)
{
	enum counter_how how = pclk_counter_choose(env);
	uint64_t first = 0;
	int ret = 0;

	*frequency = (struct frequency){
		.env = env,
		.how = how,
		.step = pclk_counter_step(env, how),
	};
	/* For two steps at least, to see whether the clock stands still
	 * meanwhile, and until it has moved, to see by how much it does. */
	for (unsigned int i = 0; !ret && i < BEGIN_POINTS; i++) {
		ret = pclk_read_point(env, how, PARACLOCK_CLOCK_MONOTONIC_RAW,
				      frequency->step, &frequency->stairs,
				      &frequency->from);
		first = i ? first : frequency->from.tsc;
		if (frequency->stairs.rise &&
		    frequency->from.tsc - first >= 2 * frequency->step)
			break;
	}
	return ret;
}

/* The span until now; false: it is of no use. */
static bool look(struct frequency *frequency, struct span *ret_span)
{
	struct point to;

	return !pclk_read_point(frequency->env, frequency->how,
				PARACLOCK_CLOCK_MONOTONIC_RAW, frequency->step,
				&frequency->stairs, &to) &&
	       pclk_span(&frequency->from, &to, frequency->step,
			 &frequency->stairs, ret_span);
}

static void enter(const struct span *span, struct paraclock_machine *machine)
{
	u128 ticks = (u128)span->ticks * NSEC_PER_SEC;
	uint64_t hz;

	/* No counter has 2^62 Hz or more. */
	if (span->error_ns > span->ns >> USABLE_SHIFT ||
	    ticks >> 62 >= span->ns)
		return;
	hz = pclk_divide_128((uint64_t)(ticks >> 64), (uint64_t)ticks,
			     span->ns);
	machine->measured_hz = hz;
	machine->measured_error_hz =
		scale(hz, span->error_ns, span->ns - span->error_ns) + 1;
}

static bool contradicts(const struct paraclock_machine *machine, uint64_t hz)
{
	uint64_t measured = machine->measured_hz;
	uint64_t apart = hz > measured ? hz - measured : measured - hz;

	return apart > TOLERANCE(measured) + machine->measured_error_hz;
}

/* Choose counter_hz, which so far is what somebody states or has measured in
 * another way. */
static void choose_hz(struct paraclock_machine *machine)
{
	uint64_t claim = machine->counter_hz;

	if (!machine->measured_hz)
		return;
	if (!machine->measured)
		machine->stated_hz = claim;
	if (claim && !contradicts(machine, claim))
		return;
	machine->counter_hz = machine->measured_hz;
	machine->measured = 1;
}

void pclk_frequency_end(struct frequency *frequency,
			struct paraclock_machine *machine)
{
	struct span span;

	if (look(frequency, &span))
		enter(&span, machine);
	choose_hz(machine);
}

/* Is it useless to go on? */
static bool is_hopeless(const struct stairs *stairs, unsigned int points)
{
	if (!stairs->rise)
		return points >= BEGIN_POINTS;
	return pclk_stairs_ns(stairs) > SPAN_NS >> USABLE_SHIFT;
}

static void measure(const struct paraclock_env *env,
		    struct paraclock_machine *machine)
{
	struct frequency frequency;
	struct span span = { .ns = 0 };

	if (pclk_frequency_begin(&frequency, env))
		return;
	for (unsigned int i = 0; i < POINTS; i++) {
		if (is_hopeless(&frequency.stairs, i))
			return;
		if (look(&frequency, &span) &&
		    (span.ns >= SPAN_NS ||
		     span.error_ns <= span.ns >> KNOWN_SHIFT))
			break;
	}
	if (span.ns)
		enter(&span, machine);
	choose_hz(machine);
}

int pclk_describe(const struct paraclock_env *env,
		  struct paraclock_machine *ret_machine)
{
	struct paraclock_machine machine = { .size = sizeof(machine) };
	int ret = pclk_env_describe(env, &machine);

	if (ret)
		return ret;
	/* Twice the error that enter() refuses: an env may state anything. */
	if (machine.measured_error_hz > machine.measured_hz >>
	    (USABLE_SHIFT - 1))
		machine.measured_hz = machine.measured_error_hz = 0;
	if (!machine.measured_hz && env->read_clock &&
	    !(env->check_counter && env->check_counter(env->ctx)))
		measure(env, &machine);
	*ret_machine = machine;
	return 0;
}
