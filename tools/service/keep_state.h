/* SPDX-License-Identifier: MIT */
/* What a running keep says of itself, in its file. */
#ifndef KEEP_STATE_H
#define KEEP_STATE_H

#include "json.h"

/* What a keep knows of disruptions. */
struct keep_history {
	bool is_running; /* the rest is of it */
	/* It has dealt with everything that it noticed. */
	bool is_settled;
	/* The host's own marker: without, some disruptions do not show. */
	bool is_authoritative;
	/* CLOCK_BOOTTIME, ns; 0: it does not watch, or there was none. */
	int64_t watching_since_ns, last_ns;
	uint64_t disruptions;
	char last[32]; /* its kind */
};
/* folder NULL: keep's own. */
void keep_history_load(const char *folder, struct keep_history *ret_history);

/* One line for people, if a keep runs. */
void keep_state_print(void);
/* The member "keep", if a keep runs. */
void keep_state_put(struct json *json);

#endif
