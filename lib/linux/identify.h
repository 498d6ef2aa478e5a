/* SPDX-License-Identifier: MIT */
/* Which hypervisor's clocks are here, and what tells. */
#ifndef IDENTIFY_H
#define IDENTIFY_H

#include <paraclock/backend.h>

/* Sets hypervisor and evidence; clocksource, vmclock and vmgenid are set. All
 * that is asked is the env. */
void pclk_identify(const struct paraclock_env *env,
		   struct paraclock_machine *machine);

#endif
