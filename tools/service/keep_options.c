// SPDX-License-Identifier: MIT
#include <string.h>
#include <time.h>

#include "keep_options.h"

enum rule_option {
	ON_DISRUPTION = 0x100,
	OTHERWISE,
	STEP_ABOVE,
	ASSUME_ERROR,
	MAX_STEP,
	BACKWARDS,
	DRY_RUN,
	CONTAINER,
	FOLDER,
};

static const struct argp_option options[] = {
	{ 0, 0, NULL, 0, "What is corrected, and how:", 1 },
	{ "on-disruption", ON_DISRUPTION, "step|slew|report", 0,
	  "After a restore, pause or migration: set the clock (default), let "
	  "it run faster or slower, or only report how far it is off",
	  1 },
	{ "otherwise", OTHERWISE, "report|slew", 0,
	  "If the clock is off without a disruption (default: report)", 1 },
	{ "step-above", STEP_ABOVE, "SECONDS", 0,
	  "The clock is right if it is off by no more than this (default 0.1)",
	  1 },
	{ "assume-error", ASSUME_ERROR, "SECONDS", 0,
	  "Assume that a source that states no bound is right to within this "
	  "(default 1), and correct only what is off by more, except after a "
	  "restore that the host or the kernel reports",
	  1 },
	{ "max-step", MAX_STEP, "SECONDS", 0,
	  "Report a larger correction instead of making it. Default: 3600 for "
	  "a clock that was synchronised, unless a restore is reported; else "
	  "no limit",
	  1 },
	{ "backwards", BACKWARDS, NULL, 0, "The clock may be set back", 1 },
	{ "dry-run", DRY_RUN, NULL, 0,
	  "Say what would be done, and change nothing", 1 },
	{ 0, 0, NULL, 0, "Where it runs:", 2 },
	{ "container", CONTAINER, NULL, 0,
	  "Run in a container, although its clock is the whole machine's", 2 },
	{ "dir", FOLDER, "DIR", 0,
	  "Where the state, the socket and the lock are (default " KEEP_FOLDER
	  ")",
	  2 },
	{ 0 },
};

static error_t parse_policy(const struct argp_state *state, const char *option,
			    const char *text, enum keep_policy *ret_policy)
{
	static const char *const names[] = {
		[KEEP_STEP] = "step",
		[KEEP_SLEW] = "slew",
		[KEEP_REPORT] = "report",
	};

	for (unsigned int i = 0; i < 3; i++) {
		if (strcmp(text, names[i]) == 0) {
			*ret_policy = (enum keep_policy)i;
			return 0;
		}
	}
	return args_error(state, "%s %s: neither step, slew nor report", option,
			  text);
}

static error_t parse_otherwise(const struct argp_state *state, const char *text,
			       struct keep_rules *rules)
{
	enum keep_policy policy = KEEP_REPORT;
	error_t ret = parse_policy(state, "--otherwise", text, &policy);

	if (ret)
		return ret;
	if (policy == KEEP_STEP)
		return args_error(state, "--otherwise step: a clock is stepped "
					 "after a disruption only; say report "
					 "or slew");
	rules->otherwise = policy;
	return 0;
}

/* Whoever wants less corrected wants less noticed. */
static error_t parse_step_above(const struct argp_state *state,
				const char *text, struct keep_rules *rules)
{
	error_t ret =
		parse_span(state, "--step-above", text, &rules->step_above_ns);

	rules->jump_above_ns = rules->step_above_ns;
	return ret;
}

static void set_defaults(struct keep_options *keep)
{
	keep->rules = (struct keep_rules){
		.on_disruption = KEEP_STEP,
		.otherwise = KEEP_REPORT,
		.step_above_ns = NSEC_PER_SEC / 10,
		.jump_above_ns = NSEC_PER_SEC / 10,
		.assume_error_ns = NSEC_PER_SEC,
		.max_step_ns = -1,
		.earliest_ns = KEEP_EARLIEST_NS,
	};
	keep->observer.interval_ns = NSEC_PER_SEC;
	keep->folder = KEEP_FOLDER;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct keep_options *keep = state->input;
	struct keep_rules *rules = &keep->rules;

	switch (key) {
	case ARGP_KEY_INIT:
		set_defaults(keep);
		state->child_inputs[0] = &keep->observer.source;
		return 0;
	case ON_DISRUPTION:
		return parse_policy(state, "--on-disruption", arg,
				    &rules->on_disruption);
	case OTHERWISE:
		return parse_otherwise(state, arg, rules);
	case STEP_ABOVE:
		return parse_step_above(state, arg, rules);
	case ASSUME_ERROR:
		return parse_span(state, "--assume-error", arg,
				  &rules->assume_error_ns);
	case MAX_STEP:
		return parse_span(state, "--max-step", arg,
				  &rules->max_step_ns);
	case BACKWARDS:
		rules->backwards = true;
		return 0;
	case DRY_RUN:
		rules->dry_run = true;
		return 0;
	case CONTAINER:
		keep->in_container = true;
		return 0;
	case FOLDER:
		if (!arg[0])
			return args_error(state, "--dir: the name is empty");
		keep->folder = arg;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = {
	{ .argp = &source_memory_argp },
	{ 0 },
};

const struct argp keep_argp = {
	.options = options,
	.parser = parse,
	.children = children,
};
