// SPDX-License-Identifier: MIT
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "bed.h"

#define PHASES_MAX 64

static const char *phases[PHASES_MAX] = { "start" };

uint32_t bed_phase_number(const char *name)
{
	uint32_t i;

	for (i = 0; i < PHASES_MAX - 1 && phases[i]; i++)
		if (!strcmp(phases[i], name))
			return i;
	phases[i] = name;
	return i;
}

const char *bed_phase_name(uint32_t phase)
{
	return phase < PHASES_MAX && phases[phase] ? phases[phase] : "?";
}

static void add_excused(struct excused *sum, const struct excused *more)
{
	for (int i = 0; i < 2; i++) {
		sum->count[i] += more->count[i];
		sum->late[i] += more->late[i];
		if (more->longest_ns[i] > sum->longest_ns[i])
			sum->longest_ns[i] = more->longest_ns[i];
	}
}

static void add_all(const struct world *world, struct findings *ret_sum)
{
	struct findings sum = { .narrowest_ns = INT64_MAX };

	for (int i = 0; i < BED_READERS; i++) {
		const struct findings *f = &world->findings[i];

		sum.reads += f->reads;
		sum.valid += f->valid;
		for (int k = 0; k < 16; k++)
			sum.reason[k] += f->reason[k];
		for (int k = 0; k < 3; k++)
			sum.error[k] += f->error[k];
		sum.reopened += f->reopened;
		sum.pages += f->pages;
		sum.unlike += f->unlike;
		add_excused(&sum.excused, &f->excused);
		add_excused(&sum.clockbound.excused, &f->clockbound.excused);
		sum.faults += f->faults;
		sum.clockbound.reads += f->clockbound.reads;
		sum.clockbound.none += f->clockbound.none;
		for (int k = 0; k < 4; k++)
			sum.clockbound.status[k] += f->clockbound.status[k];
		if (f->valid && f->narrowest_ns < sum.narrowest_ns)
			sum.narrowest_ns = f->narrowest_ns;
		if (f->widest_ns > sum.widest_ns)
			sum.widest_ns = f->widest_ns;
		if (f->clockbound.widest_ns > sum.clockbound.widest_ns)
			sum.clockbound.widest_ns = f->clockbound.widest_ns;
	}
	*ret_sum = sum;
}

static void tell_excused(const char *who, const struct excused *excused)
{
	static const char *const told[] = { "no marker told",
					    "only serve could see" };

	for (int i = 0; i < 2; i++)
		printf("%swrong until serve acted on what %s: %" PRIu64
		       " reads, for %.1f ms at most; %" PRIu64
		       " after the first 100 ms\n",
		       who, told[i], excused->count[i],
		       (double)excused->longest_ns[i] / 1e6, excused->late[i]);
}

static void tell_reads(const struct findings *sum)
{
	printf("reads: %" PRIu64 ", valid %" PRIu64, sum->reads, sum->valid);
	for (unsigned int i = 1; i < 16; i++)
		if (sum->reason[i])
			printf(", %s %" PRIu64, paraclock_reason_name(i),
			       sum->reason[i]);
	printf(", EAGAIN %" PRIu64 ", ENODEV %" PRIu64 ", other errors %" PRIu64
	       "\n",
	       sum->error[0], sum->error[1], sum->error[2]);
	if (sum->valid)
		printf("latest - earliest: %" PRId64 " ns to %" PRId64 " ns\n",
		       sum->narrowest_ns, sum->widest_ns);
	tell_excused("", &sum->excused);
	printf("handles were opened %" PRIu64 " times; pages followed each "
	       "other %" PRIu64 " times, %" PRIu64
	       " of them after an unmarked disruption without the promise\n",
	       sum->reopened, sum->pages, sum->unlike);
}

static void tell_clockbound(const struct findings *sum)
{
	printf("ClockBound: reads %" PRIu64 ", synchronized %" PRIu64
	       ", free running %" PRIu64 ", disrupted %" PRIu64
	       ", unknown %" PRIu64 ", no segment %" PRIu64 "; widest %" PRIu64
	       " ns\n",
	       sum->clockbound.reads,
	       sum->clockbound.status[SEGMENT_SYNCHRONIZED],
	       sum->clockbound.status[SEGMENT_FREERUNNING],
	       sum->clockbound.status[SEGMENT_DISRUPTED],
	       sum->clockbound.status[SEGMENT_UNKNOWN], sum->clockbound.none,
	       sum->clockbound.widest_ns);
	tell_excused("ClockBound: ", &sum->clockbound.excused);
}

static void tell_fault(const struct world *world, const struct fault *fault)
{
	printf("FAULT (%s): %s; at %" PRIu64 ", %.3f ms after the last "
	       "disruption, page %.3f ms old",
	       bed_phase_name(fault->phase), fault->what, fault->counter,
	       (double)fault->since_disruption_ns / 1e6,
	       (double)ns_of(world, fault->counter - fault->page) / 1e6);
	if (fault->truth_ns)
		printf("; truth - earliest %" PRId64
		       " ns, latest - truth %" PRId64 " ns",
		       fault->truth_ns - fault->earliest_ns,
		       fault->latest_ns - fault->truth_ns);
	printf("\n");
}

uint64_t bed_tell(const struct bed *bed)
{
	const struct world *world = bed->world;
	struct findings sum;

	add_all(world, &sum);
	tell_reads(&sum);
	tell_clockbound(&sum);
	printf("serve was started %" PRIu64 " times; %" PRIu64
	       " of its pages were looked at\n",
	       bed->started, bed->pages);
	if (bed->source.updates)
		printf("the host wrote its page %" PRIu64 " times, and was "
		       "refused %" PRIu64 " times\n",
		       bed->source.updates, bed->source.refused);
	for (int i = 0; i < BED_READERS; i++) {
		const struct findings *f = &world->findings[i];

		for (uint32_t k = 0; k < f->faults_kept; k++)
			tell_fault(world, &f->fault[k]);
	}
	if (bed->unlike_source)
		printf("FAULT: %" PRIu64 " pages do not cover what the host "
		       "said\n",
		       bed->unlike_source);
	if (!sum.valid)
		printf("FAULT: no read was valid\n");
	printf("faults: %" PRIu64 "\n", sum.faults + bed->unlike_source);
	return sum.faults + bed->unlike_source + !sum.valid;
}
