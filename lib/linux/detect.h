/* SPDX-License-Identifier: MIT */
/* What machine this is, from CPUID, ACPI, the device tree and sysfs. */
#ifndef DETECT_H
#define DETECT_H

#include <stddef.h>
#include <stdint.h>

#include <paraclock/backend.h>

#include "firmware.h"

/* CPUID, if this process may run it. -EACCES: it would fault. */
int pclk_detect_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t ret_regs[4]);

void pclk_detect_machine(const struct paraclock_env *env,
			 struct paraclock_machine *ret_machine);

#endif
