// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "duration.h"
#include "keep_tell.h"
#include "qga_clock.h"

/* How often a step is tried if somebody else sets the clock meanwhile. */
#define TRIES 3

static int get_time(void *ctx, int64_t *ret_ns)
{
	struct timespec ts;

	(void)ctx;
	if (clock_gettime(CLOCK_REALTIME, &ts))
		return -errno;
	*ret_ns = ts.tv_sec * NSEC_PER_SEC + ts.tv_nsec;
	return 0;
}

/* --- a time that the host names ------------------------------------------- */

static void format_offset(int64_t ns, char *buf, size_t size)
{
	char text[48];

	format_duration(duration_of(ns), text, sizeof(text));
	snprintf(buf, size, "%s %s", text, ns < 0 ? "back" : "ahead");
}

/* The offset may be any: neither time is negative. 1: set meanwhile. */
static int step_to(struct keep *keep, int64_t ns, char *why, size_t size)
{
	const struct keep_rules *rules = &keep->options->rules;
	int64_t now_ns = -1, offset_ns;
	char offset[64], most[48];
	int ret = steer_arm(&keep->steer);

	if (!ret)
		ret = get_time(keep, &now_ns);
	if (ret || now_ns < 0) {
		snprintf(why, size, "CLOCK_REALTIME cannot be read");
		return ret ? ret : -ERANGE;
	}
	offset_ns = ns - now_ns;
	format_offset(offset_ns, offset, sizeof(offset));
	if (rules->max_step_ns >= 0 &&
	    duration_of(offset_ns) > (uint64_t)rules->max_step_ns) {
		format_duration((uint64_t)rules->max_step_ns, most,
				sizeof(most));
		snprintf(why, size,
			 "a step of %s is beyond --max-step, which is %s",
			 offset, most);
		return -ERANGE;
	}
	if (rules->dry_run) {
		snprintf(why, size, "dry run: not stepped %s", offset);
		return 0;
	}
	if (steer_was_set(&keep->steer))
		return 1;
	ret = steer_step(&keep->steer, offset_ns);
	if (ret) {
		snprintf(why, size, "the kernel refused to set the clock: %s",
			 strerror(-ret));
		return ret;
	}
	snprintf(why, size, "stepped %s", offset);
	chrony_forget(&keep->chrony);
	return 0;
}

static int set_time(void *ctx, int64_t ns, char *why, size_t size)
{
	struct keep *keep = ctx;
	int ret = steer_acquire(&keep->steer);

	if (ret) {
		snprintf(why, size,
			 "another paraclock is correcting the clock");
		return ret;
	}
	ret = 1;
	for (int i = 0; i < TRIES && ret == 1; i++)
		ret = step_to(keep, ns, why, size);
	steer_release(&keep->steer);
	if (ret != 1)
		return ret;
	snprintf(why, size, "%s", keep_why_text(KEEP_WHY_SET_BY_OTHERS));
	return -EBUSY;
}

/* --- the host clock's time ------------------------------------------------ */

static int set_from_host(void *ctx, char *why, size_t size)
{
	struct keep *keep = ctx;
	uint64_t corrections = keep->observer.keeper.corrections;

	/* Open a source first: the look that does it would not know that
	 * somebody has asked. */
	if (observer_find(&keep->observer))
		keeper_ask(&keep->observer.keeper, "guest-set-time");
	if (observer_look(&keep->observer) != KEEP_RIGHT &&
	    keep->observer.keeper.why != KEEP_WHY_DRY_RUN) {
		snprintf(why, size, "%s", keep_reason(keep));
		return keep->observer.keeper.clk ? -EAGAIN : -EOPNOTSUPP;
	}
	if (keep->observer.keeper.state != KEEP_RIGHT)
		snprintf(why, size, "dry run: not stepped");
	else
		snprintf(why, size, "%s",
			 keep->observer.keeper.corrections == corrections
				 ? "the clock was right"
				 : "stepped to the host clock's time");
	return 0;
}

/* --- guest-paraclock-status ----------------------------------------------- */

static json_t *integer_or_null(bool is_known, uint64_t value)
{
	/* jansson's integers are signed. */
	return is_known && value <= INT64_MAX ? json_integer((json_int_t)value)
					      : json_null();
}

static json_t *marker(bool is_known, uint64_t value)
{
	char text[24];

	if (!is_known)
		return json_null();
	snprintf(text, sizeof(text), "0x%016llx", (unsigned long long)value);
	return json_string(text);
}

static json_t *last_disruption(const struct keeper *keeper)
{
	const struct keep_cause *cause =
		keeper->cause.kind ? &keeper->cause : &keeper->last_cause;

	if (!cause->kind)
		return json_null();
	return json_pack("{s:s, s:s, s:s, s:o, s:o}", "kind", cause->kind,
			 "source", cause->source, "marker-class",
			 paraclock_marker_class_name(cause->marker_class),
			 "marker",
			 marker(cause->has_markers, cause->after.value),
			 "generation",
			 marker(cause->has_markers, cause->after.generation));
}

/* What a measurement means; nothing is corrected for it. */
static enum keep_state state_of(const struct judgement *judgement)
{
	if (judgement->verdict == KEEP_IS_RIGHT)
		return KEEP_RIGHT;
	return judgement->verdict == KEEP_WAIT ? KEEP_WAITING : KEEP_OFF;
}

static json_t *get_status(void *ctx)
{
	struct keep *keep = ctx;
	const struct keeper *keeper = &keep->observer.keeper;
	struct measurement m = { .error = -ENODEV };
	const struct situation none = { 0 };
	struct judgement judgement;
	bool known;

	if (!keeper->clk)
		(void)observer_find(&keep->observer);
	if (keeper->clk)
		keeper_measure(&keep->observer.keeper, &m);
	judgement = judge(keeper->rules, &none, &m);
	known = !m.error && m.sample.valid && !m.utc_error;
	return json_pack(
		"{s:s?, s:b, s:s?, s:s, s:s, s:o, s:o, s:b, s:I, s:o}",
		"source",
		keeper->clk ? paraclock_backend_name(keeper->clk) : NULL,
		"valid", !m.error && m.sample.valid, "reason",
		m.error ? NULL : paraclock_reason_name(m.sample.reason),
		"state", keep_state_name(state_of(&judgement)), "text",
		keeper->clk ? keep_why_text(judgement.why)
			    : keep->observer.detail,
		"offset-ns", known ? json_integer(m.offset_ns) : json_null(),
		"bound-ns", integer_or_null(known, m.bound_ns), "has-bound",
		known && m.has_bound, "corrections",
		(json_int_t)keeper->corrections, "last-disruption",
		last_disruption(keeper));
}

struct agent_clock qga_clock(struct keep *keep)
{
	return (struct agent_clock){
		.ctx = keep,
		.get_time = get_time,
		.set_time = set_time,
		.set_from_host = set_from_host,
		.status = get_status,
	};
}
