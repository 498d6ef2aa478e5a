/* SPDX-License-Identifier: MIT */
/*
 * The CPUID leaves of hypervisors. What was found is kept in env->local: on
 * some machines each CPUID is an exit of 10 us.
 */
#ifndef HYPERVISOR_H
#define HYPERVISOR_H

#include <paraclock/backend.h>

#include "counter.h"
#include "shared.h"

/* Signatures, 12 bytes. */
#define PCLK_SIGNATURE_KVM     "KVMKVMKVM\0\0\0"
#define PCLK_SIGNATURE_HYPERV  "Microsoft Hv"
#define PCLK_SIGNATURE_XEN     "XenVMMXenVMM"
#define PCLK_SIGNATURE_OPENBSD "OpenBSDVMM58"

/* One may show others' leaves before its own: QEMU shows up to three sets. */
#define PCLK_HYPERVISORS 5

/* One set of leaves. */
struct pclk_hypervisor {
	uint16_t n;		 /* its first leaf is 0x40000000 + n * 0x100 */
	uint16_t leaves;	 /* how many follow the first one, or: */
#define PCLK_LEAVES_NONE 0xffffU /* it does not say, and none is to be read */
	char signature[12];
};

/* What CPUID tells of hypervisors. */
struct pclk_hypervisors {
	uint8_t is_guest; /* CPUID's own bit for "there is one" */
	uint8_t count;
	uint8_t reserved[6];
	struct pclk_hypervisor found[PCLK_HYPERVISORS];
};

static inline uint32_t pclk_hypervisor_base(const struct pclk_hypervisor *hv)
{
	return 0x40000000U + hv->n * 0x100U;
}

/*
 * Look at every base once for each env: what was found is kept in env->local.
 * -EOPNOTSUPP: this env has no CPUID; else CPUID's own error.
 */
int pclk_hypervisors_look(const struct paraclock_env *env,
			  struct pclk_hypervisors *ret_seen);

/*
 * The leaf @p n of the hypervisor that says who it is with these 12
 * characters. -ENODEV: no such hypervisor, or it has no such leaf; else as
 * pclk_hypervisors_look().
 */
PCLK_SHARED int pclk_hypervisor_leaf(const struct paraclock_env *env,
				     const char *signature, uint32_t n,
				     uint32_t ret_regs[4]);

/* Where those leaves begin; -ENODEV: nowhere; else as above. */
int pclk_hypervisor_find(const struct paraclock_env *env, const char *signature,
			 uint32_t *ret_base);

/*
 * Append to what is in @p buf (which may be NULL) @p text, and what CPUID
 * shows: every signature in quotes. "No hypervisor" and "it cannot be asked"
 * are two answers.
 */
void pclk_hypervisors_say(const struct paraclock_env *env, const char *text,
			  char *buf, size_t size);

/* A signature in quotes, each byte that does not print as \0 or \xNN. */
#define PCLK_QUOTED_MAX (2 + 4 * 12 + 1)
void pclk_signature_quote(const char signature[12],
			  char ret_text[PCLK_QUOTED_MAX]);

#endif
