/* SPDX-License-Identifier: MIT */
/* A relay with a page of each kind below. */
#ifndef RELAY_OF_THREE_H
#define RELAY_OF_THREE_H

#include "relays.h"

static struct above above;
static struct below below[3];
static struct paraclock_target targets[3];
static struct paraclock_relay relay;

/* The vmclock page says MONOTONIC like the others. */
static inline void start(const struct writer_kind *kind, uint64_t hz,
			 uint64_t tsc)
{
	above_start(&above, kind, hz, tsc, 1000);
	for (size_t i = 0; i < 3; i++)
		below_init(&below[i], &targets[i], &kinds[i], &above.fake.env);
	relay = relay_of(&above, targets, 3);
}

static inline int update(void)
{
	return paraclock_relay_update(&relay);
}

#endif
