// SPDX-License-Identifier: MIT
#include <errno.h>

#include "duration.h"
#include "judge.h"

/* The largest step of a clock that was synchronised, if no restore is known: a
 * migration to a host whose clock is wrong must not take the guest with it. */
#define MAX_STEP_NS (3600 * NSEC_PER_SEC)

static struct judgement say(enum keep_verdict verdict, enum keep_why why)
{
	return (struct judgement){ .verdict = verdict, .why = why };
}

/* Why nobody may correct a clock by this source; KEEP_WHY_NONE: it is fit. */
static struct judgement judge_source(const struct measurement *m)
{
	const struct paraclock_sample *sample = &m->sample;

	if (m->error)
		return say(KEEP_WAIT, KEEP_WHY_NO_ANSWER);
	if (sample->flags & PARACLOCK_FLAG_OWN_KERNEL)
		return say(KEEP_LEAVE, KEEP_WHY_OWN_KERNEL);
	if (sample->flags & PARACLOCK_FLAG_UNVOUCHED)
		return say(KEEP_LEAVE, KEEP_WHY_UNVOUCHED);
	if (!sample->valid)
		return say(KEEP_WAIT, KEEP_WHY_NOT_VALID);
	if (sample->timescale != PARACLOCK_TIMESCALE_UTC &&
	    sample->timescale != PARACLOCK_TIMESCALE_TAI &&
	    sample->timescale != PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED)
		return say(KEEP_LEAVE, KEEP_WHY_NO_UTC);
	if (m->utc_error)
		return say(KEEP_WAIT, m->utc_error == -EAGAIN
					      ? KEEP_WHY_LEAP
					      : KEEP_WHY_NO_TAI_OFFSET);
	return say(KEEP_IS_RIGHT, KEEP_WHY_NONE);
}

/* A source that states no bound counts as within rules->assume_error_ns; after
 * a restore the clock has no better claim than that. */
static bool is_within_assumed(const struct keep_rules *rules,
			      const struct situation *situation,
			      const struct measurement *m)
{
	return !m->has_bound && !situation->restored &&
	       duration_of(m->offset_ns) <= (uint64_t)rules->assume_error_ns;
}

/* In the inserted second two instants have the same UTC. */
static bool is_leap_in_the_way(const struct situation *situation,
			       const struct measurement *m)
{
	return m->sample.leap == PARACLOCK_LEAP_POS ||
	       (situation->leap_is_near &&
		m->sample.timescale == PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED);
}

/* Is this what our own step overshot by? Whoever stepped at the same time has a
 * source of his own, which differs from ours by what both are trusted to. */
static bool is_overshoot(const struct keep_rules *rules,
			 const struct situation *situation,
			 const struct measurement *m)
{
	int64_t stepped = situation->stepped_ns;
	uint64_t most = add_bounds(duration_of(stepped), m->bound_ns);

	most = add_bounds(most, (uint64_t)rules->step_above_ns);
	if (!m->has_bound)
		most = add_bounds(most, (uint64_t)rules->assume_error_ns);
	return stepped && (stepped < 0) != (m->offset_ns < 0) &&
	       duration_of(m->offset_ns) <= most;
}

static bool may_go_back(const struct keep_rules *rules,
			const struct situation *situation)
{
	return rules->backwards || (rules->boot && !situation->synchronized);
}

static uint64_t max_step(const struct keep_rules *rules,
			 const struct situation *situation)
{
	if (rules->max_step_ns >= 0)
		return (uint64_t)rules->max_step_ns;
	return situation->synchronized && !situation->restored ? MAX_STEP_NS
							       : UINT64_MAX;
}

static struct judgement judge_step(const struct keep_rules *rules,
				   const struct situation *situation,
				   const struct measurement *m)
{
	if (is_overshoot(rules, situation, m))
		return say(KEEP_DO_STEP, KEEP_WHY_NONE);
	if (m->offset_ns < 0 && !may_go_back(rules, situation))
		return say(KEEP_LEAVE, KEEP_WHY_BACKWARDS);
	if (duration_of(m->offset_ns) > max_step(rules, situation))
		return say(KEEP_LEAVE, KEEP_WHY_MAX_STEP);
	return say(KEEP_DO_STEP, KEEP_WHY_NONE);
}

static struct judgement judge_offset(const struct keep_rules *rules,
				     const struct situation *situation,
				     const struct measurement *m)
{
	enum keep_policy policy = rules->otherwise;

	if (situation->disrupted || is_overshoot(rules, situation, m))
		policy = rules->on_disruption;
	if (policy == KEEP_REPORT)
		return say(KEEP_LEAVE, KEEP_WHY_POLICY);
	if (is_within_assumed(rules, situation, m))
		return say(KEEP_LEAVE, KEEP_WHY_ASSUMED);
	if (is_leap_in_the_way(situation, m))
		return say(KEEP_WAIT, KEEP_WHY_LEAP);
	if (policy == KEEP_STEP)
		return judge_step(rules, situation, m);
	/* Whoever synchronises the clock corrects what is no disruption. */
	if (!situation->disrupted && situation->synchronized)
		return say(KEEP_LEAVE, KEEP_WHY_SYNCHRONIZED);
	if (duration_of(m->offset_ns) > max_step(rules, situation))
		return say(KEEP_LEAVE, KEEP_WHY_MAX_STEP);
	return say(KEEP_DO_SLEW, KEEP_WHY_NONE);
}

struct judgement judge(const struct keep_rules *rules,
		       const struct situation *situation,
		       const struct measurement *m)
{
	struct judgement source = judge_source(m);

	if (source.why)
		return source;
	/* Also a clock that agrees with it is wrong. */
	if (m->utc_ns < rules->earliest_ns)
		return say(KEEP_LEAVE, KEEP_WHY_EARLIEST);
	if (duration_of(m->offset_ns) <= (uint64_t)rules->step_above_ns)
		return say(KEEP_IS_RIGHT, KEEP_WHY_NONE);
	if (duration_of(m->offset_ns) <= m->bound_ns)
		return say(KEEP_WAIT, KEEP_WHY_TOO_WIDE);
	return judge_offset(rules, situation, m);
}

bool keep_is_unfit(enum keep_why why)
{
	return why == KEEP_WHY_OWN_KERNEL || why == KEEP_WHY_UNVOUCHED ||
	       why == KEEP_WHY_NO_UTC;
}

/* --- names ---------------------------------------------------------------- */

static const struct {
	const char *name;
	const char *text;
} whys[KEEP_WHYS] = {
	[KEEP_WHY_NONE] = { "none", "" },
	[KEEP_WHY_NO_ANSWER] = { "no-answer",
				 "the host clock cannot be read now" },
	[KEEP_WHY_NOT_VALID] = { "not-valid",
				 "the reading of the host clock is not valid" },
	[KEEP_WHY_OWN_KERNEL] = { "own-kernel",
				  "the source repeats this kernel's own clock; "
				  "name another one with -b" },
	[KEEP_WHY_UNVOUCHED] = { "unvouched",
				 "the driver hides whether the host still "
				 "vouches for this clock; name another source "
				 "with -b" },
	[KEEP_WHY_NO_UTC] = { "no-utc",
			      "the source does not say what time it is, only "
			      "how much has passed; name one on UTC or TAI "
			      "with "
			      "-b" },
	[KEEP_WHY_NO_TAI_OFFSET] = { "no-tai-offset",
				     "the source gives TAI without its offset "
				     "from UTC, and no leap second list that "
				     "is "
				     "still valid is installed (Debian: "
				     "package "
				     "tzdata)" },
	[KEEP_WHY_TOO_WIDE] = { "too-wide",
				"the source's own error may be larger than the "
				"clock is off" },
	[KEEP_WHY_ASSUMED] = { "assumed-error",
			       "the source states no bound, and the clock is "
			       "off by no more than --assume-error" },
	[KEEP_WHY_LEAP] = { "leap",
			    "a leap second is under way, or is near and the "
			    "source may smear it" },
	[KEEP_WHY_BACKWARDS] = { "backwards",
				 "the clock is ahead, and is not set back "
				 "without --backwards" },
	[KEEP_WHY_EARLIEST] = { "before-build",
				"the source says a time before this program "
				"was built" },
	[KEEP_WHY_MAX_STEP] = { "max-step",
				"the correction is larger than --max-step "
				"allows" },
	[KEEP_WHY_POLICY] = { "policy",
			      "the options say to report this, not to correct "
			      "it" },
	[KEEP_WHY_SYNCHRONIZED] = { "synchronized",
				    "another program keeps this clock "
				    "synchronised" },
	[KEEP_WHY_SET_BY_OTHERS] = { "set-by-others", "another program set the "
						      "clock during each "
						      "measurement" },
	[KEEP_WHY_LOCKED] = { "locked",
			      "another paraclock is correcting the clock" },
	[KEEP_WHY_FAILED] = { "failed", "the kernel refused to set the clock" },
	[KEEP_WHY_DRY_RUN] = { "dry-run",
			       "--dry-run: it would have been corrected" },
};

const char *keep_why_name(enum keep_why why)
{
	return whys[why].name;
}

const char *keep_why_text(enum keep_why why)
{
	return whys[why].text;
}
