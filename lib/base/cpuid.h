/* SPDX-License-Identifier: MIT */
/*
 * The CPUID leaves of hypervisors, whoever they are: this header knows none by
 * name.
 */
#ifndef CPUID_H
#define CPUID_H

#include <paraclock/backend.h>

#include "shared.h"

/* The most sets of leaves that are looked at. A hypervisor may show the leaves
 * of up to two others before its own. */
#define PCLK_HYPERVISORS 5

/* One set of leaves. */
struct pclk_hypervisor {
	uint16_t n;		 /* its first leaf is 0x40000000 + n * 0x100 */
	uint16_t leaves;	 /* the number of leaves after the first, or: */
#define PCLK_LEAVES_NONE 0xffffU /* not stated; read none of them */
	char signature[12];
};

/* All sets that CPUID shows. */
struct pclk_hypervisors {
	uint8_t is_guest; /* CPUID's own bit: a hypervisor is present */
	uint8_t count;
	uint8_t reserved[6];
	struct pclk_hypervisor found[PCLK_HYPERVISORS];
};

static inline uint32_t pclk_hypervisor_base(const struct pclk_hypervisor *hv)
{
	return 0x40000000U + hv->n * 0x100U;
}

/*
 * Scan every base, once for each env: the result is cached, see cpu_cache.h.
 * -EOPNOTSUPP: this env has no CPUID; otherwise CPUID's own error.
 */
int pclk_hypervisors_look(const struct paraclock_env *env,
			  struct pclk_hypervisors *ret_seen);

/*
 * Read leaf @p n of the hypervisor with this signature of 12 bytes. -ENODEV: no
 * such hypervisor, or it has no such leaf; otherwise the errors of
 * pclk_hypervisors_look().
 */
PCLK_SHARED int pclk_hypervisor_leaf(const struct paraclock_env *env,
				     const char *signature, uint32_t n,
				     uint32_t ret_regs[4]);

/* Where that hypervisor's leaves begin. -ENODEV: no such hypervisor; otherwise
 * the errors of pclk_hypervisors_look(). */
int pclk_hypervisor_find(const struct paraclock_env *env, const char *signature,
			 uint32_t *ret_base);

/*
 * Append to the text in @p buf (which may be NULL) first @p text and then what
 * CPUID shows: every signature in quotes. "CPUID shows no hypervisor" and
 * "CPUID cannot be asked" are different answers.
 */
void pclk_hypervisors_say(const struct paraclock_env *env, const char *text,
			  char *buf, size_t size);

/* A signature in quotes, each byte that does not print as \0 or \xNN. */
#define PCLK_QUOTED_MAX (2 + 4 * 12 + 1)
void pclk_signature_quote(const char signature[12],
			  char ret_text[PCLK_QUOTED_MAX]);

#endif
