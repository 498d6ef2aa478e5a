// SPDX-License-Identifier: MIT
#include <stdarg.h>

#include "alarm.h"
#include "duration.h"
#include "service/judge.h"
#include "service/service.h"

/* Known trouble goes before what is not known. */
static enum level worse(enum level a, enum level b)
{
	static const unsigned int rank[] = {
		[LEVEL_OK] = 0,
		[LEVEL_UNKNOWN] = 1,
		[LEVEL_WARNING] = 2,
		[LEVEL_CRITICAL] = 3,
	};

	return rank[a] > rank[b] ? a : b;
}

static void say(struct check *check, enum level level, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static void say(struct check *check, enum level level, const char *format, ...)
{
	va_list list;

	check->level = level;
	va_start(list, format);
	vsnprintf(check->why, sizeof(check->why), format, list);
	va_end(list);
}

/* Whatever the offset is within the error of the measurement, the state is
 * true: neither OK nor beyond is said of a limit that lies within it. */
static void judge_offset(struct alarm *alarm, enum check_id id,
			 enum level beyond)
{
	struct check *check = &alarm->check[id];
	const struct paraclock_offset *off = &alarm->far.off;
	uint64_t limit_ns = (uint64_t)check->limit_ns;
	uint64_t distance = duration_of(off->offset_ns);
	char limit[48];

	format_duration(limit_ns, limit, sizeof(limit));
	/* The sentence says why. */
	if (!alarm->far.is_known)
		say(check, LEVEL_UNKNOWN, "%s", "");
	else if (distance > add_bounds(limit_ns, off->error_ns))
		say(check, beyond, "that is more than %s", limit);
	else if (add_bounds(distance, off->error_ns) <= limit_ns)
		return;
	else if (off->error_ns > limit_ns)
		say(check, LEVEL_UNKNOWN,
		    "the measurement is too wide to compare with %s", limit);
	else
		say(check, LEVEL_UNKNOWN,
		    "that may or may not be more than %s, given the error of "
		    "the measurement",
		    limit);
}

/* What is surely beyond one limit is beyond the lower one too, and of two that
 * cannot be told one is enough. */
static void hide_what_follows(struct check *warn, const struct check *most)
{
	if (most->level == LEVEL_CRITICAL ||
	    (most->level == LEVEL_UNKNOWN && warn->level == LEVEL_UNKNOWN))
		warn->why[0] = '\0';
}

static void judge_bound(struct alarm *alarm)
{
	struct check *check = &alarm->check[MAX_BOUND];
	const struct paraclock_offset *off = &alarm->far.off;
	char limit[48];

	format_duration((uint64_t)check->limit_ns, limit, sizeof(limit));
	if (!alarm->far.is_known)
		say(check, LEVEL_UNKNOWN, "%s", "");
	else if (off->bound_ns == PARACLOCK_ERROR_UNKNOWN)
		say(check, LEVEL_UNKNOWN, "%s",
		    off->flags & PARACLOCK_OFFSET_MAYBE_SMEARED
			    ? "no bound on UTC is known: the host may smear a "
			      "leap second"
			    : "the host states no bound on UTC");
	else if (off->bound_ns > (uint64_t)check->limit_ns)
		say(check, LEVEL_CRITICAL, "the bound on UTC is over %s",
		    limit);
}

static void judge_disruption(struct alarm *alarm)
{
	struct check *check = &alarm->check[SINCE_DISRUPTION];
	const struct keep_history *history = &alarm->history;
	const int64_t now_ns = loop_now_ns();
	char ago[48];

	if (!history->is_running)
		say(check, LEVEL_UNKNOWN,
		    "nobody watches for disruptions; start 'paraclock keep'");
	else if (history->last_ns &&
		 now_ns - history->last_ns < check->limit_ns)
		say(check, LEVEL_WARNING, "a disruption (%s) %s ago",
		    history->last,
		    format_duration(duration_of(now_ns - history->last_ns), ago,
				    sizeof(ago)));
	else if (!history->is_settled || !history->watching_since_ns)
		say(check, LEVEL_UNKNOWN,
		    "keep is waiting for its host clock, and may not see a "
		    "disruption");
	else if (!history->is_authoritative)
		say(check, LEVEL_UNKNOWN,
		    "keep has no marker of the host, without which some "
		    "disruptions do not show");
	else if (now_ns - history->watching_since_ns < check->limit_ns)
		say(check, LEVEL_UNKNOWN,
		    "keep has watched for disruptions for only %s",
		    format_duration(
			    duration_of(now_ns - history->watching_since_ns),
			    ago, sizeof(ago)));
}

void alarm_judge(struct alarm *alarm)
{
	struct check *check = alarm->check;
	bool is_asked = false;

	if (check[WARN_OFFSET].is_asked)
		judge_offset(alarm, WARN_OFFSET, LEVEL_WARNING);
	if (check[MAX_OFFSET].is_asked)
		judge_offset(alarm, MAX_OFFSET, LEVEL_CRITICAL);
	hide_what_follows(&check[WARN_OFFSET], &check[MAX_OFFSET]);
	if (check[MAX_BOUND].is_asked)
		judge_bound(alarm);
	if (check[SINCE_DISRUPTION].is_asked)
		judge_disruption(alarm);
	for (unsigned int i = 0; i < CHECKS; i++) {
		is_asked = is_asked || check[i].is_asked;
		alarm->level = worse(alarm->level, check[i].level);
	}
	if (!is_asked && !alarm->far.is_known)
		alarm->level = LEVEL_UNKNOWN;
}
