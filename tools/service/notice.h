/* SPDX-License-Identifier: MIT */
/* How a keeper notices a disruption: by events, by the clocks, by the host clock
 * itself. */
#ifndef NOTICE_H
#define NOTICE_H

#include "keeper.h"

/* From now on there was one. @p restored: the host or the kernel says that it
 * was a restore. */
void disrupt(struct keeper *keeper, const struct keep_cause *cause,
	     bool restored);

void take_events(struct keeper *keeper);
void look_for_suspend(struct keeper *keeper);
/* By a measurement, which may be of no use. */
void look_for_jump(struct keeper *keeper, const struct measurement *m);
void look_for_restore(struct keeper *keeper, const struct measurement *m);

#endif
