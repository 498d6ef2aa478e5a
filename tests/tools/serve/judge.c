// SPDX-License-Identifier: MIT
#include "reader.h"

/* Documented: until then an unmarked restore may go unseen. */
#define FIRST_NS (NS_PER_SEC / 10)

static const struct span *disruption_before(const struct world *world,
					    const struct span *span)
{
	while (span > world->truth.span && !(span->flags & SPAN_DISRUPTION))
		span--;
	return span->flags & SPAN_DISRUPTION ? span : NULL;
}

/* Since the reference point of what was read. *ret_first: the first of them. */
static enum disrupted disrupted_since(const struct world *world, uint64_t from,
				      uint64_t counter, bool sees_marker,
				      const struct span **ret_first)
{
	const struct span *span = line_find(&world->truth, counter);
	enum disrupted found = DISRUPTED_NOT;

	while ((span = disruption_before(world, span)) && span->from > from) {
		if (span->flags & SPAN_MARKED && sees_marker)
			return DISRUPTED_SEEN;
		found = DISRUPTED_UNSEEN;
		*ret_first = span--;
	}
	return found;
}

bool judge_is_disrupted(const struct world *world, uint64_t from, uint64_t to)
{
	const struct span *span =
		disruption_before(world, line_find(&world->truth, to));

	return span && span->from > from;
}

static void excuse(const struct world *world, struct excused *excused,
		   const struct span *disruption, uint64_t counter)
{
	const int kind = disruption->flags & SPAN_MARKED ? 1 : 0;
	const int64_t late_ns = ns_of(world, counter - disruption->from);

	excused->count[kind]++;
	if (late_ns > FIRST_NS)
		excused->late[kind]++;
	if (late_ns > excused->longest_ns[kind])
		excused->longest_ns[kind] = late_ns;
}

void judge_fault(const struct world *world, struct findings *findings,
		 const struct fault *fault)
{
	unsigned int like = 0;

	for (uint32_t i = 0; i < findings->faults_kept; i++)
		like += findings->fault[i].what == fault->what;
	/* A few of each kind. */
	if (findings->faults_kept < FAULTS_KEPT && like < 2) {
		struct fault *kept = &findings->fault[findings->faults_kept++];
		const struct span *span =
			line_find(&world->truth, fault->counter);
		const struct span *disruption = disruption_before(world, span);

		*kept = *fault;
		kept->phase = __atomic_load_n(&world->phase, __ATOMIC_RELAXED);
		kept->since_disruption_ns = -1;
		if (disruption)
			kept->since_disruption_ns =
				ns_of(world, fault->counter - disruption->from);
	}
	findings->faults++;
}

void judge_read(const struct world *world, struct findings *findings,
		const struct interval *read, uint64_t page)
{
	const int64_t truth_ns = line_at(&world->truth, read->counter);
	const int64_t width_ns = read->latest_ns - read->earliest_ns;
	const struct span *first = NULL;

	if (!findings->valid || width_ns < findings->narrowest_ns)
		findings->narrowest_ns = width_ns;
	if (width_ns > findings->widest_ns)
		findings->widest_ns = width_ns;
	findings->valid++;
	if (truth_ns >= read->earliest_ns && truth_ns <= read->latest_ns)
		return;
	if (disrupted_since(world, page, read->counter,
			    world->device_is_visible,
			    &first) != DISRUPTED_UNSEEN) {
		const struct fault fault = {
			.what = "the truth is outside of a valid read",
			.counter = read->counter,
			.earliest_ns = read->earliest_ns,
			.latest_ns = read->latest_ns,
			.truth_ns = truth_ns,
			.page = page,
		};

		judge_fault(world, findings, &fault);
		return;
	}
	excuse(world, &findings->excused, first, read->counter);
}

void judge_clockbound(const struct world *world, struct findings *findings,
		      const struct interval *read, uint64_t from,
		      bool sees_marker)
{
	const int64_t truth_ns =
		line_at(&world->truth, read->counter) - TAI_SEC * NS_PER_SEC;
	const uint64_t width_ns =
		(uint64_t)(read->latest_ns - read->earliest_ns);
	const struct span *first = NULL;

	if (width_ns > findings->clockbound.widest_ns)
		findings->clockbound.widest_ns = width_ns;
	if (truth_ns >= read->earliest_ns && truth_ns <= read->latest_ns)
		return;
	if (disrupted_since(world, from, read->counter, sees_marker, &first) !=
	    DISRUPTED_UNSEEN) {
		const struct fault fault = {
			.what = "the truth is outside of ClockBound's bound",
			.counter = read->counter,
			.earliest_ns = read->earliest_ns,
			.latest_ns = read->latest_ns,
			.truth_ns = truth_ns,
			.page = from,
		};

		judge_fault(world, findings, &fault);
		return;
	}
	excuse(world, &findings->clockbound.excused, first, read->counter);
}
