// SPDX-License-Identifier: MIT
/* serve -b vmclock: a host that is right within its bound, and all that can
 * happen to it. */
#include "bed.h"

#define USEC 1000
#define MSEC 1000000

/* Somebody slews CLOCK_REALTIME about; chronyd's fastest. */
static void slew_about(void *ctx, int64_t ns)
{
	struct steering *steering = ctx;
	const struct world *world = steering->world;

	if (ns_of(world, world->horizon - world->chronyd.reference) >
	    NS_PER_SEC)
		steering_update(steering,
				steering_remaining(steering) > 0 ? -8 * MSEC
								 : 8 * MSEC,
				10 * MSEC);
	steering_plan(steering, ns);
}

static void play_corrections(struct bed *bed)
{
	struct source *source = &bed->source;

	bed->must_be_served = true;
	bed_phase(bed, "the host steps within its bound");
	source->bound_ns = 200 * USEC;
	source->error = SOURCE_STEPS;
	bed_run(bed, NS_PER_SEC * 3 / 2);
	bed_phase(bed, "the host slews within its bound");
	source->bound_ns = 20 * USEC;
	source->error = SOURCE_SLEWS;
	bed_run(bed, NS_PER_SEC * 3 / 2);
	bed_phase(bed, "the host's rate is wrong, and it says so");
	source->rate_ppm = 120;
	bed_run(bed, NS_PER_SEC * 3 / 2);
	source->rate_ppm = -120;
	bed_run(bed, NS_PER_SEC * 3 / 2);
	source->rate_ppm = 0;
	bed->must_be_served = false;
}

/* Within --drift-ppm, and away from where the host errs: only the growth of the
 * bound covers it. */
static void play_wander(struct bed *bed)
{
	struct source *source = &bed->source;

	bed_phase(bed, "the counter wanders by 45 ppm, and back");
	/* Narrow: serve looks again within 50 ms, 2 us later. */
	source->bound_ns = 20 * USEC;
	source->error = SOURCE_AHEAD;
	bed_run(bed, NS_PER_SEC / 2);
	bed_disrupt(bed, &(struct disruption){ .ppm = -45 });
	bed_run(bed, NS_PER_SEC * 3 / 2);
	source->error = SOURCE_BEHIND;
	bed_run(bed, NS_PER_SEC / 2);
	bed_disrupt(bed, &(struct disruption){ .ppm = 45 });
	bed_run(bed, NS_PER_SEC * 3 / 2);
	source->bound_ns = 200 * USEC;
}

static void play_migrations(struct bed *bed)
{
	struct source *source = &bed->source;
	struct disruption d = { .is_disruption = true };

	bed_phase(bed, "a marked migration, 250 ppm faster");
	source->error = SOURCE_STEPS;
	d.is_marked = true;
	d.ppm = 250;
	d.jump_ns = 1 * MSEC;
	bed_disrupt(bed, &d);
	bed_run_until_served(bed);
	bed_run(bed, NS_PER_SEC);

	bed_phase(bed, "an unmarked migration, 250 ppm slower");
	source->error = SOURCE_AHEAD;
	bed_run(bed, NS_PER_SEC);
	d = (struct disruption){ .is_disruption = true, .ppm = -250 };
	bed_disrupt(bed, &d);
	bed_run(bed, 3 * NS_PER_SEC);
	bed_run_until_served(bed);

	bed_phase(bed, "the same within a wide bound, 250 ppm faster");
	source->bound_ns = 1 * MSEC;
	source->error = SOURCE_BEHIND;
	bed_run(bed, 2 * NS_PER_SEC);
	d.ppm = 250;
	bed_disrupt(bed, &d);
	bed_run(bed, 3 * NS_PER_SEC);
	bed_run_until_served(bed);
	source->bound_ns = 50 * USEC;

	bed_phase(bed, "an unmarked migration, half a second back");
	d = (struct disruption){ .is_disruption = true,
				 .jump_ns = -500 * MSEC };
	source->error = SOURCE_STEPS;
	bed_disrupt(bed, &d);
	bed_run_until_served(bed);
}

static void play_deaths(struct bed *bed)
{
	struct source *source = &bed->source;

	bed_phase(bed, "the host's publisher dies");
	source->rate_ppm = 20;
	bed_run(bed, NS_PER_SEC / 2);
	source->is_dead = true;
	bed_run(bed, 3 * NS_PER_SEC);
	bed_phase(bed, "it comes back");
	source->is_dead = false;
	source->rate_ppm = 0;
	bed_run_until_served(bed);
	bed_phase(bed, "the host vouches for nothing");
	if (source_freeze(source))
		bed_fail(bed, "the host's page could not be frozen");
	bed_run(bed, 2 * NS_PER_SEC);
	bed_phase(bed, "it vouches again");
	source->is_dead = false;
	bed_run_until_served(bed);
}

static void play_restores(struct bed *bed)
{
	struct disruption d = {
		.is_disruption = true,
		.is_marked = true,
		.is_restored = true,
		.jump_ns = 3600 * NS_PER_SEC,
		.ppm = 30,
	};

	bed_phase(bed, "a marked restore an hour later");
	bed_disrupt(bed, &d);
	bed_run_until_served(bed);
	bed_phase(bed, "an unmarked restore an hour later");
	d.is_marked = d.is_restored = false;
	d.ppm = -30;
	bed_disrupt(bed, &d);
	bed_run_until_served(bed);
}

static void play_kills(struct bed *bed)
{
	bed_phase(bed, "serve is killed, and started again");
	for (int i = 0; i < 3; i++) {
		bed_kill_serve(bed);
		bed_run(bed, NS_PER_SEC / 20);
		bed_start_serve(bed);
		bed_run_until_served(bed);
	}
	/* Where readers do not see the device, nothing tells them. */
	if (!bed->options.is_installed)
		return;
	bed_phase(bed, "serve is dead during a migration");
	bed_kill_serve(bed);
	bed_disrupt(bed, &(struct disruption){ .is_disruption = true,
					       .is_marked = true,
					       .ppm = -100,
					       .jump_ns = 5 * MSEC });
	bed_run(bed, NS_PER_SEC / 2);
	bed_start_serve(bed);
	bed_run_until_served(bed);
}

static const struct play plays[] = {
	{ "corrections", play_corrections },
	{ "wander", play_wander },
	{ "migrations", play_migrations },
	{ "deaths", play_deaths },
	{ "restores", play_restores },
	{ "kills", play_kills },
	{ "steps", play_steps },
	{ 0 },
};

void play_host(struct bed *bed)
{
	if (!bed->plan) {
		steering_start(&bed->steering, bed->world, 12.5);
		bed->plan = slew_about;
		steering_set_state(&bed->steering, CHRONYD_SYNCHRONIZED);
	}
	bed->source.bound_ns = 200 * USEC;
	if (!bed->serve)
		bed_start_serve(bed);
	bed_run_until_served(bed);
	bed_play(bed, plays);
}
