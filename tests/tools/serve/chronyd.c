// SPDX-License-Identifier: MIT
#include "bed.h"

/* Slewed so fast, and back at the counter's rate, in this much time at least:
 * else every tick is a span. */
#define SHORTEST_TICKS 1000

static const struct span *last_of(const struct clock_line *line)
{
	return &line->span[line->spans - 1];
}

static int64_t at_horizon(const struct world *world,
			  const struct clock_line *line)
{
	return line_at(line, world->horizon);
}

int64_t steering_remaining(const struct steering *steering)
{
	const struct world *world = steering->world;

	return at_horizon(world, &world->estimate) -
	       at_horizon(world, &world->real);
}

/* --- what chronyc is told ----------------------------------------------------- */

static void begin_change(struct chronyd *chronyd)
{
	__atomic_store_n(&chronyd->seq, chronyd->seq + 1, __ATOMIC_RELAXED);
	/* Pairs with the acquire fence in chronyc. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static void end_change(struct chronyd *chronyd)
{
	/* Pairs with the acquire load in chronyc. */
	__atomic_store_n(&chronyd->seq, chronyd->seq + 1, __ATOMIC_RELEASE);
}

void steering_set_state(struct steering *steering, enum chronyd_state state)
{
	struct chronyd *chronyd = &steering->world->chronyd;

	begin_change(chronyd);
	chronyd->state = state;
	end_change(chronyd);
}

void steering_update(struct steering *steering, int64_t error_ns,
		     int64_t bound_ns)
{
	struct world *world = steering->world;
	struct chronyd *chronyd = &world->chronyd;
	const int64_t utc_ns =
		at_horizon(world, &world->truth) - TAI_SEC * NS_PER_SEC;
	const int64_t jump_ns =
		utc_ns + error_ns - at_horizon(world, &world->estimate);

	begin_change(chronyd);
	line_add(world, &world->estimate, last_of(&world->estimate)->rate,
		 jump_ns, 0);
	chronyd->reference = world->horizon;
	chronyd->reference_ns = utc_ns + error_ns;
	chronyd->bound_ns = bound_ns;
	end_change(chronyd);
}

void steering_set_frequency(struct steering *steering, double frequency_ppm)
{
	struct world *world = steering->world;
	struct chronyd *chronyd = &world->chronyd;

	begin_change(chronyd);
	chronyd->frequency_ppm = frequency_ppm;
	line_add(world, &world->estimate,
		 rate_faster(world->raw_rate, -frequency_ppm), 0, 0);
	end_change(chronyd);
}

void steering_start(struct steering *steering, struct world *world,
		    double frequency_ppm)
{
	*steering = (struct steering){
		.world = world,
		.slew_ppm = 83333,
		.frequency_ppm = frequency_ppm,
		.bound_ns = 200000,
	};
	line_add(world, &world->truth,
		 rate_faster(world->raw_rate, -frequency_ppm), 0, 0);
	steering_set_frequency(steering, frequency_ppm);
}

void steering_step(struct steering *steering)
{
	struct world *world = steering->world;

	line_add(world, &world->real, last_of(&world->estimate)->rate,
		 steering_remaining(steering), 0);
}

/* --- beginning anew ----------------------------------------------------------- */

/* Until a few replies of servers are in. */
#define ANEW_NS (NS_PER_SEC * 7 / 10)
/* What is not slewed any more. */
#define STEP_NS NS_PER_SEC

void steering_begin_anew(struct steering *steering)
{
	struct world *world = steering->world;

	steering_set_state(steering, CHRONYD_NOT_SYNCHRONIZED);
	steering->forgot =
		__atomic_load_n(&world->chronyd.resets, __ATOMIC_RELAXED);
	steering->back = world->horizon + ticks_of(world, ANEW_NS);
}

static void measure_anew(struct steering *steering)
{
	int64_t remaining_ns;

	steering->back = 0;
	steering_set_frequency(steering, steering->frequency_ppm);
	steering_update(steering, steering->bound_ns * 9 / 10,
			steering->bound_ns);
	remaining_ns = steering_remaining(steering);
	if (remaining_ns > STEP_NS || remaining_ns < -STEP_NS)
		steering_step(steering);
	steering_set_state(steering, CHRONYD_SYNCHRONIZED);
}

static void obey(struct steering *steering)
{
	struct chronyd *chronyd = &steering->world->chronyd;

	if (chronyd->state == CHRONYD_SYNCHRONIZED &&
	    steering->forgot !=
		    __atomic_load_n(&chronyd->resets, __ATOMIC_RELAXED))
		steering_begin_anew(steering);
	if (chronyd->state == CHRONYD_NOT_SYNCHRONIZED &&
	    steering->world->horizon >= steering->back)
		measure_anew(steering);
}

/* --- the system clock --------------------------------------------------------- */

static void set_rate(struct world *world, uint64_t rate)
{
	if (last_of(&world->real)->rate != rate)
		line_add(world, &world->real, rate, 0, 0);
}

static void move_horizon(struct world *world, uint64_t to)
{
	/* Pairs with the acquire load in world_wait(). */
	if (to > world->horizon)
		__atomic_store_n(&world->horizon, to, __ATOMIC_RELEASE);
}

/* Ticks until nothing remains. */
static uint64_t ticks_to_slew(const struct steering *steering,
			      int64_t remaining_ns)
{
	const double ns =
		remaining_ns < 0 ? -(double)remaining_ns : (double)remaining_ns;

	return ticks_of(steering->world,
			(int64_t)(ns / (steering->slew_ppm / 1e6)));
}

static void slew(struct steering *steering, uint64_t to)
{
	struct world *world = steering->world;
	const int64_t remaining_ns = steering_remaining(steering);
	const uint64_t rate = last_of(&world->estimate)->rate;
	const uint64_t ticks = ticks_to_slew(steering, remaining_ns);
	const uint64_t end = world->horizon + ticks;

	if (ticks < SHORTEST_TICKS) {
		set_rate(world, rate);
		return;
	}
	set_rate(world,
		 rate_faster(rate, remaining_ns > 0 ? steering->slew_ppm
						    : -steering->slew_ppm));
	if (end >= to)
		return;
	move_horizon(world, end);
	set_rate(world, rate);
}

void steering_plan(void *ctx, int64_t ns)
{
	struct steering *steering = ctx;
	struct world *world = steering->world;
	const uint64_t to = counter_now() + ticks_of(world, ns);

	if (to <= world->horizon)
		return;
	obey(steering);
	/* If nobody steers any more, what it was doing goes on. */
	if (world->chronyd.state != CHRONYD_DEAD)
		slew(steering, to);
	move_horizon(world, to);
}
