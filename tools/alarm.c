// SPDX-License-Identifier: MIT
/* paraclock alarm: one line and an exit status, as monitoring plug-ins have
 * them. */

#include <inttypes.h>
#include <string.h>

#include "alarm.h"
#include "json.h"
#include "service/service.h"

static const char *const names[CHECKS] = {
	[WARN_OFFSET] = "warn-offset",
	[MAX_OFFSET] = "max-offset",
	[MAX_BOUND] = "max-bound",
	[SINCE_DISRUPTION] = "since-disruption",
};

/* Not characters: these options have no short form. */
#define FIRST_CHECK 0x200
#define FOLDER	    0x210

static const char doc[] =
	"Check how far CLOCK_REALTIME is from the host's clock, and print one "
	"line for a monitoring system: the state, a sentence, and after '|' "
	"the numbers.\n"
	"\v"
	"Without a limit the state is OK if the offset is known. If anything "
	"that you asked for cannot be known, the state is UNKNOWN, never OK: "
	"whether the offset is beyond a limit, if the limit lies within the "
	"error of the measurement; a bound that the host does not state; "
	"disruptions, if "
	"no 'paraclock keep' watches for them.\n"
	"\n"
	"Exit status: 0 OK; 1 WARNING; 2 CRITICAL; 3 UNKNOWN, or wrong usage.\n"
	"\n"
	"Examples:\n"
	"  paraclock alarm --warn-offset 0.001 --max-offset 0.1\n"
	"  paraclock alarm -b vmclock --max-bound 0.0001\n"
	"  paraclock alarm --since-disruption 600";

static const struct argp_option options[] = {
	{ "warn-offset", FIRST_CHECK + WARN_OFFSET, "SECONDS", 0,
	  "WARNING if the clock is off by more than this", 0 },
	{ "max-offset", FIRST_CHECK + MAX_OFFSET, "SECONDS", 0,
	  "CRITICAL if the clock is off by more than this", 0 },
	{ "max-bound", FIRST_CHECK + MAX_BOUND, "SECONDS", 0,
	  "CRITICAL if true UTC is not known to within this", 0 },
	{ "since-disruption", FIRST_CHECK + SINCE_DISRUPTION, "S", 0,
	  "WARNING if the last disruption is less than S seconds ago", 0 },
	{ "dir", FOLDER, "DIR", 0,
	  "Where 'paraclock keep' has its state (default /run/paraclock/keep)",
	  0 },
	{ "json", 'j', NULL, 0, "Print one JSON object on one line", 0 },
	{ 0 },
};

static error_t check_limits(const struct alarm *alarm,
			    const struct argp_state *state)
{
	const struct check *warn = &alarm->check[WARN_OFFSET];
	const struct check *most = &alarm->check[MAX_OFFSET];

	if (warn->is_asked && most->is_asked && warn->limit_ns > most->limit_ns)
		return args_error(state, "--warn-offset is larger than "
					 "--max-offset: it would never warn");
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct alarm *alarm = state->input;
	struct check *check;
	char option[32];

	switch (key) {
	case ARGP_KEY_INIT:
		args_init(state);
		state->child_inputs[0] = &alarm->source;
		return 0;
	case FIRST_CHECK + WARN_OFFSET:
	case FIRST_CHECK + MAX_OFFSET:
	case FIRST_CHECK + MAX_BOUND:
	case FIRST_CHECK + SINCE_DISRUPTION:
		check = &alarm->check[key - FIRST_CHECK];
		check->is_asked = true;
		snprintf(option, sizeof(option), "--%s",
			 names[key - FIRST_CHECK]);
		return parse_span(state, option, arg, &check->limit_ns);
	case FOLDER:
		alarm->folder = arg;
		return 0;
	case 'j':
		alarm->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_error(state, "%s: unexpected argument", arg);
	case ARGP_KEY_END:
		return check_limits(alarm, state);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- printing ------------------------------------------------------------- */

static const char *level_name(enum level level, bool upper)
{
	static const char *const is[][2] = {
		[LEVEL_OK] = { "ok", "OK" },
		[LEVEL_WARNING] = { "warning", "WARNING" },
		[LEVEL_CRITICAL] = { "critical", "CRITICAL" },
		[LEVEL_UNKNOWN] = { "unknown", "UNKNOWN" },
	};

	return is[level][upper];
}

static void append(struct alarm *alarm, const char *between, const char *text)
{
	size_t n = strlen(alarm->text);

	snprintf(alarm->text + n, sizeof(alarm->text) - n, "%s%s",
		 n ? between : "", text);
}

/* Whoever asks for disruptions alone need not hear of a missing offset. */
static void make_text(struct alarm *alarm)
{
	const struct check *check = alarm->check;
	bool only_disruption = check[SINCE_DISRUPTION].is_asked &&
			       !check[WARN_OFFSET].is_asked &&
			       !check[MAX_OFFSET].is_asked &&
			       !check[MAX_BOUND].is_asked;
	char text[2048];

	if (alarm->far.is_known || !only_disruption) {
		how_far_describe(&alarm->far, text, sizeof(text));
		append(alarm, "", text);
	}
	for (unsigned int i = 0; i < CHECKS; i++) {
		if (check[i].level && check[i].why[0])
			append(alarm, "; ", check[i].why);
	}
	history_describe(&alarm->history, text, sizeof(text));
	if (text[0] && !check[SINCE_DISRUPTION].level)
		append(alarm, "; ", text);
	/* The bar begins the numbers. */
	for (char *c = alarm->text; *c; c++) {
		if (*c == '|' || *c == '\n')
			*c = '/';
	}
}

struct seconds {
	char text[40];
};

static struct seconds seconds_of(int64_t ns)
{
	const uint64_t size = duration_of(ns);
	struct seconds s;

	snprintf(s.text, sizeof(s.text), "%s%" PRIu64 ".%09" PRIu64,
		 ns < 0 ? "-" : "", size / NSEC_PER_SEC, size % NSEC_PER_SEC);
	return s;
}

/* A range from -limit to limit; empty: no limit. */
static void print_range(const struct check *check)
{
	putchar(';');
	if (check->is_asked)
		printf("-%s:%s", seconds_of(check->limit_ns).text,
		       seconds_of(check->limit_ns).text);
}

static void print_numbers(const struct alarm *alarm)
{
	const struct paraclock_offset *off = &alarm->far.off;
	const struct check *bound = &alarm->check[MAX_BOUND];

	if (!alarm->far.is_known)
		return;
	printf(" | offset=%ss", seconds_of(off->offset_ns).text);
	print_range(&alarm->check[WARN_OFFSET]);
	print_range(&alarm->check[MAX_OFFSET]);
	if (off->error_ns <= INT64_MAX)
		printf(" error=%ss", seconds_of((int64_t)off->error_ns).text);
	if (off->bound_ns > INT64_MAX)
		return;
	printf(" bound=%ss", seconds_of((int64_t)off->bound_ns).text);
	if (bound->is_asked)
		printf(";;%s", seconds_of(bound->limit_ns).text);
}

static int print_line(const struct alarm *alarm)
{
	printf("PARACLOCK %s - %s", level_name(alarm->level, true),
	       alarm->text);
	print_numbers(alarm);
	putchar('\n');
	return output_flush();
}

static int print_json(const struct alarm *alarm)
{
	struct json json = { 0 };

	json_begin(&json, NULL, '{');
	json_put_now(&json);
	json_put_text(&json, "state", level_name(alarm->level, false));
	json_put_text(&json, "text", alarm->text);
	how_far_put(&alarm->far, &json);
	json_begin(&json, "checks", '[');
	for (unsigned int i = 0; i < CHECKS; i++) {
		if (!alarm->check[i].is_asked)
			continue;
		json_begin(&json, NULL, '{');
		json_put_text(&json, "name", names[i]);
		json_put_text(&json, "state",
			      level_name(alarm->check[i].level, false));
		json_put_s64(&json, "limit_ns", alarm->check[i].limit_ns);
		json_end(&json, '}');
	}
	json_end(&json, ']');
	json_put_bool(&json, "keep_runs", alarm->history.is_running);
	if (alarm->history.last_ns)
		json_put_s64(&json, "disrupted_ago_ns",
			     loop_now_ns() - alarm->history.last_ns);
	else
		json_put_null(&json, "disrupted_ago_ns");
	json_end(&json, '}');
	return json_finish(&json);
}

int cmd_alarm(int argc, char **argv)
{
	static const struct argp_child children[] = {
		{ .argp = &source_argp },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = doc,
		.children = children,
	};
	struct alarm alarm = { .source.prefers_utc = true };

	/* For a monitoring system 2 would be CRITICAL. */
	if (args_parse(&argp, argc, argv, &alarm)) {
		puts("PARACLOCK UNKNOWN - wrong usage: run the command in a "
		     "shell to see why");
		/* Now: a failure at the end of the program would be WARNING. */
		(void)output_flush();
		return LEVEL_UNKNOWN;
	}
	how_far_look(&alarm.source, NULL, &alarm.far);
	keep_history_load(alarm.folder, &alarm.history);
	alarm_judge(&alarm);
	make_text(&alarm);
	if (alarm.json ? print_json(&alarm) : print_line(&alarm))
		return LEVEL_UNKNOWN;
	return (int)alarm.level;
}
