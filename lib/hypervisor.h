/* SPDX-License-Identifier: MIT */
/* The CPUID leaves of hypervisors, which libcpuid does not know. */
#ifndef HYPERVISOR_H
#define HYPERVISOR_H

#include <paraclock/backend.h>

/*
 * Where the leaves of a hypervisor begin that says who it is with these 12
 * characters (EBX, ECX, EDX of the first one): 0x40000000 + n * 0x100, for
 * one may show another's before its own. -ENODEV: nowhere; else CPUID cannot
 * be asked.
 */
int paraclock_hypervisor_find(const struct paraclock_env *env,
			      const char *signature, uint32_t *ret_base);

#endif
