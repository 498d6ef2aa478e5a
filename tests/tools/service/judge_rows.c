// SPDX-License-Identifier: MIT
#include "judge_rows.h"

static int64_t or_else(int64_t value, int64_t otherwise)
{
	return value ? value : otherwise;
}

static struct keep_rules rules_of(const struct row *row)
{
	struct keep_rules rules = {
		.on_disruption = KEEP_STEP,
		.otherwise = KEEP_REPORT,
		.step_above_ns = or_else(row->step_above_ns, 100 * MS),
		.assume_error_ns = or_else(row->assume_error_ns, SEC),
		.max_step_ns = or_else(row->max_step_ns, -1),
		.earliest_ns = BUILT,
		.backwards = row->facts & GO_BACK,
		.boot = row->facts & AT_BOOT,
	};

	if (row->facts & ON_SLEW)
		rules.on_disruption = KEEP_SLEW;
	if (row->facts & ON_REPORT)
		rules.on_disruption = KEEP_REPORT;
	if (row->facts & ELSE_SLEW)
		rules.otherwise = KEEP_SLEW;
	if (row->facts & NO_ASSUMPTION)
		rules.assume_error_ns = 0;
	if (row->facts & NO_TOLERANCE)
		rules.step_above_ns = 0;
	if (row->facts & NO_STEPS)
		rules.max_step_ns = 0;
	return rules;
}

static struct situation situation_of(const struct row *row)
{
	return (struct situation){
		.disrupted = row->facts & DISRUPTED,
		.restored = row->facts & RESTORED,
		.synchronized = row->facts & SYNCED,
		.leap_is_near = row->facts & LEAP_NEAR,
		.stepped_ns = row->stepped_ns,
	};
}

static struct measurement measurement_of(const struct row *row)
{
	struct measurement m = {
		.error = row->error,
		.utc_error = row->utc_error,
		.offset_ns = row->offset_ns,
		.bound_ns = row->bound_ns ? row->bound_ns : (uint64_t)US,
		.has_bound = !(row->facts & NO_BOUND),
		.utc_ns = or_else(row->utc_ns, NOW),
		.sample = {
			.valid = !row->reason,
			.reason = row->reason,
			.timescale = PARACLOCK_TIMESCALE_UTC,
			.leap = row->leap,
			.flags = row->flags,
		},
	};

	if (row->timescale)
		m.sample.timescale = row->timescale;
	if (row->facts & EXACT)
		m.bound_ns = 0;
	return m;
}

void check_row(void **state)
{
	const struct row *row = *state;
	struct keep_rules rules = rules_of(row);
	struct situation situation = situation_of(row);
	struct measurement m = measurement_of(row);
	struct judgement got = judge(&rules, &situation, &m);

	if (got.verdict != row->verdict || got.why != row->why)
		fail_msg("verdict %d because of %s; expected %d, %s",
			 got.verdict, keep_why_name(got.why), row->verdict,
			 keep_why_name(row->why));
}
