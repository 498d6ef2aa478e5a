/* SPDX-License-Identifier: MIT */
/* How far is CLOCK_REALTIME off, for people and for alarms? */
#ifndef HOW_FAR_H
#define HOW_FAR_H

#include "service/keep_state.h"
#include "tools.h"

struct how_far {
	char backend[32]; /* the source; empty: none could be opened */
	/* The offset is known, and of a clock other than this kernel's. */
	bool is_known;
	struct paraclock_offset off; /* if the source could be read */
	char why[1536];		     /* if it is not known: a sentence */
	/* Its timescale, if that is why it is not known; else NULL. */
	const char *timescale;
};

/* Open the source that opts and source choose, and measure: the narrowest of
 * some readings, retried for a tenth of a second. */
void how_far_look(const struct source *source, const struct paraclock_env *env,
		  struct how_far *ret_far);
/* "CLOCK_REALTIME is 12.3 us behind the host's clock, to within 340 ns (vmclock,
 * tai)", or why it is not known. */
void how_far_describe(const struct how_far *far, char *buf, size_t size);
/* "offset_source" to "maybe_smeared". */
void how_far_put(const struct how_far *far, struct json *json);
/* "keep has seen no disruption in the 12.340 s that it has watched"; empty:
 * no keep runs. */
void history_describe(const struct keep_history *history, char *buf,
		      size_t size);

#endif
