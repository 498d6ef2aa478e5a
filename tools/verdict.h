/* SPDX-License-Identifier: MIT */
/* The last line of 'paraclock status': how far the clock is off, or what is
 * missing to say so, and what would give it. */
#ifndef VERDICT_H
#define VERDICT_H

#include "how_far.h"

struct verdict {
	struct how_far far;
	struct keep_history history;
	char text[2048]; /* one line */
};

/* env NULL: this machine's. machine: as paraclock_describe_machine() says.
 * timescales: the acceptable ones, as in struct source. */
void verdict_make(const struct paraclock_env *env,
		  const struct paraclock_machine *machine, uint32_t timescales,
		  struct verdict *ret_verdict);
/* "verdict", and the numbers that it is made of. */
void verdict_put(const struct verdict *verdict, struct json *json);

#endif
