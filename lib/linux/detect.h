/* SPDX-License-Identifier: MIT */
/* What machine this is, from CPUID, ACPI, the device tree and sysfs. */
#ifndef DETECT_H
#define DETECT_H

#include <stddef.h>
#include <stdint.h>

#include <paraclock/backend.h>

/* CPUID as this process may run it; -EACCES: the kernel lets it fault. */
int detect_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t ret_regs[4]);

/* enum paraclock_firmware. */
int detect_device(const char *acpi_hid, const char *compatible);

/* Does a flattened device tree hold a node with this compatible? 1, 0. */
int detect_in_fdt(const void *fdt, size_t size, const char *compatible);

void detect_machine(const struct paraclock_env *env,
		    struct paraclock_machine *ret_machine);

#endif
