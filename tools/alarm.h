/* SPDX-License-Identifier: MIT */
/* What 'paraclock alarm' was asked, what it found, and how bad that is. */
#ifndef ALARM_H
#define ALARM_H

#include "how_far.h"

/* The exit status. */
enum level {
	LEVEL_OK = 0,
	LEVEL_WARNING = 1,
	LEVEL_CRITICAL = 2,
	LEVEL_UNKNOWN = 3,
};

enum check_id {
	WARN_OFFSET,
	MAX_OFFSET,
	MAX_BOUND,
	SINCE_DISRUPTION,
	CHECKS,
};

struct check {
	bool is_asked;
	int64_t limit_ns;
	enum level level;
	char why[192]; /* if it is not ok, and if another does not say it */
};

struct alarm {
	struct source source;
	const char *folder; /* keep's; NULL: its own */
	bool json;
	struct check check[CHECKS];
	struct how_far far;
	struct keep_history history;
	enum level level;
	char text[4096];
};

/* Set the level of each check that was asked for, and of all. */
void alarm_judge(struct alarm *alarm);

#endif
