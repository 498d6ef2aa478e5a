/* SPDX-License-Identifier: MIT */
/* Tells chronyd that its measurements of this clock are void. */
#ifndef CHRONY_H
#define CHRONY_H

#include "service.h"

struct chrony {
	struct loop *loop;
	const char
		*socket; /* where chronyd listens; NULL: at its usual place */
	int64_t wait_ns; /* until the next try */
	bool is_running; /* a chronyc */
	bool is_asked;	 /* once more, when that one has ended */
	bool is_told;	 /* that it could not be told */
};

/*
 * "reset sources", tried until it succeeds, then "burst", if chronyd runs. A
 * correction by chronyd that is under way would go on after a full correction,
 * and it notices by itself only steps of more than 10 s.
 */
void chrony_forget(struct chrony *chrony);
/* Is something still to be told? */
bool chrony_is_busy(const struct chrony *chrony);

#endif
