/* SPDX-License-Identifier: MIT */
/* The CPUID leaves of hypervisors, which libcpuid does not know. */
#ifndef HYPERVISOR_H
#define HYPERVISOR_H

#include <paraclock/backend.h>

/* EBX, ECX, EDX of a hypervisor's first leaf, 12 characters. */
#define PARACLOCK_SIGNATURE_KVM	   "KVMKVMKVM\0\0\0"
#define PARACLOCK_SIGNATURE_HYPERV "Microsoft Hv"

/*
 * Where a hypervisor's leaves begin: 0x40000000 + n * 0x100. QEMU puts KVM's
 * at 0x40000100 when it shows Hyper-V's as well. -ENODEV: nowhere; else CPUID
 * cannot be asked.
 */
int paraclock_hypervisor_find(const struct paraclock_env *env,
			      const char *signature, uint32_t *ret_base);

/* The same for the n-th hypervisor; its signature with a NUL at the end. */
int paraclock_hypervisor_at(const struct paraclock_env *env, unsigned int n,
			    char ret_signature[13]);

#endif
