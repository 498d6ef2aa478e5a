// SPDX-License-Identifier: MIT
/* serve --from kernel: chronyd, and all that can happen to it. */
#include "bed.h"

#define USEC 1000
#define MSEC 1000000

#define BOUND_NS (200 * USEC)

/* Measures as often as it likes. */
static void measure_for(struct bed *bed, int64_t ns, int64_t bound_ns)
{
	struct steering *steering = &bed->steering;

	for (int64_t done_ns = 0; done_ns < ns; done_ns += NS_PER_SEC / 2) {
		const int64_t error_ns =
			done_ns / (NS_PER_SEC / 2) % 2 ? bound_ns : -bound_ns;

		steering_update(steering, error_ns * 95 / 100, bound_ns);
		bed_run(bed, NS_PER_SEC / 2);
	}
}

/* It learns how wrong it was: by this, and slews. */
static void find_error(struct bed *bed, int64_t error_ns)
{
	const int64_t size_ns = error_ns < 0 ? -error_ns : error_ns;

	steering_update(&bed->steering, error_ns, size_ns + BOUND_NS);
	bed_run(bed, 2 * NS_PER_SEC);
	steering_update(&bed->steering, BOUND_NS * 9 / 10, BOUND_NS);
}

static void play_steady(struct bed *bed)
{
	bed_phase(bed, "chronyd measures, and corrects");
	measure_for(bed, 2 * NS_PER_SEC, BOUND_NS);
	bed_phase(bed, "chronyd measures, and corrects a lot");
	measure_for(bed, 2 * NS_PER_SEC, 5 * MSEC);
	bed_phase(bed, "chronyc is slow");
	bed->world->chronyd.answers_late_ms = 150;
	measure_for(bed, 3 * NS_PER_SEC, 2 * MSEC);
	bed->world->chronyd.answers_late_ms = 0;
	bed_phase(bed, "chronyd slews at 83333 ppm");
	find_error(bed, 60 * MSEC);
	bed_run(bed, NS_PER_SEC);
	bed->world->chronyd.answers_late_ms = 300;
	find_error(bed, -60 * MSEC);
	bed_run(bed, NS_PER_SEC);
	bed->world->chronyd.answers_late_ms = 0;
}

static void play_wander(struct bed *bed)
{
	bed_phase(bed, "the counter wanders by 45 ppm; chronyd hears no "
		       "server");
	steering_update(&bed->steering, BOUND_NS * 98 / 100, BOUND_NS);
	bed_run(bed, NS_PER_SEC);
	bed_disrupt(bed, &(struct disruption){ .ppm = -45 });
	bed_run(bed, 4 * NS_PER_SEC);
	bed_disrupt(bed, &(struct disruption){ .ppm = 45 });
	measure_for(bed, NS_PER_SEC, BOUND_NS);
}

static void come_back(struct bed *bed)
{
	steering_begin_anew(&bed->steering);
	bed_run_until_served(bed);
}

static void play_faults(struct bed *bed)
{
	bed_phase(bed, "chronyd is killed in a slew");
	steering_update(&bed->steering, 0, BOUND_NS + 100 * MSEC);
	bed_run(bed, NS_PER_SEC);
	steering_update(&bed->steering, 95 * MSEC, BOUND_NS + 100 * MSEC);
	bed_run(bed, 2 * NS_PER_SEC);
	steering_update(&bed->steering, 0, BOUND_NS);
	bed_run(bed, NS_PER_SEC / 4);
	steering_set_state(&bed->steering, CHRONYD_DEAD);
	bed_run(bed, 3 * NS_PER_SEC);
	bed_phase(bed, "chronyd comes back");
	come_back(bed);
	bed_phase(bed, "chronyd does not answer");
	steering_set_state(&bed->steering, CHRONYD_SILENT);
	bed_run(bed, 4 * NS_PER_SEC);
	bed_phase(bed, "chronyd answers again");
	come_back(bed);
	bed_phase(bed, "chronyc prints garbage");
	steering_set_state(&bed->steering, CHRONYD_GARBAGE);
	bed_run(bed, 2 * NS_PER_SEC);
	come_back(bed);
}

/* The same process goes on with what it knew, until it is told to forget. */
static void disrupt(struct bed *bed, const struct disruption *disruption,
		    double frequency_ppm)
{
	struct chronyd *chronyd = &bed->world->chronyd;
	const uint32_t resets = chronyd->resets;

	bed_disrupt(bed, disruption);
	bed->steering.frequency_ppm = frequency_ppm;
	bed_run_until_served(bed);
	if (chronyd->resets == resets)
		bed_fail(bed, "chronyd was not told to forget");
}

static void play_disruptions(struct bed *bed)
{
	const double frequency_ppm = bed->world->chronyd.frequency_ppm;
	struct disruption d = {
		.is_disruption = true,
		.is_marked = true,
		.ppm = 250,
		.jump_ns = 3 * MSEC,
	};

	bed_phase(bed, "a migration, 250 ppm faster");
	disrupt(bed, &d, frequency_ppm - 250);
	measure_for(bed, NS_PER_SEC, BOUND_NS);
	bed_phase(bed, "a restore an hour later, 250 ppm slower");
	d.ppm = -250;
	d.is_restored = true;
	d.jump_ns = 3600 * NS_PER_SEC;
	disrupt(bed, &d, frequency_ppm);
	measure_for(bed, NS_PER_SEC, BOUND_NS);
}

static void play_kills(struct bed *bed)
{
	bed_phase(bed, "serve is killed, and started again");
	for (int i = 0; i < 2; i++) {
		bed_kill_serve(bed);
		bed_run(bed, NS_PER_SEC / 20);
		bed_start_serve(bed);
		bed_run_until_served(bed);
	}
}

static const struct play plays[] = {
	{ "steady", play_steady },
	{ "wander", play_wander },
	{ "faults", play_faults },
	{ "disruptions", play_disruptions },
	{ "kills", play_kills },
	{ "steps", play_steps },
	{ 0 },
};

void play_kernel(struct bed *bed)
{
	if (!bed->plan) {
		steering_start(&bed->steering, bed->world, 33.25);
		steering_update(&bed->steering, 0, BOUND_NS);
		steering_set_state(&bed->steering, CHRONYD_SYNCHRONIZED);
		bed->plan = steering_plan;
	}
	if (!bed->serve)
		bed_start_serve(bed);
	bed_run_until_served(bed);
	bed_play(bed, plays);
}
