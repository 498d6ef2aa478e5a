// SPDX-License-Identifier: MIT
#include <errno.h>
#include <string.h>

#include "hypervisor.h"

#define LEAF_FEATURES	   1U
#define FEATURE_HYPERVISOR (1U << 31) /* ECX */
#define LEAF_FIRST	   0x40000000U
#define LEAF_STEP	   0x100U
/* Linux scans as far; each further leaf is an exit to the hypervisor. */
#define BASES 256U

static int signature_at(const struct paraclock_env *env, unsigned int n,
			char ret_signature[13])
{
	uint32_t base = LEAF_FIRST + n * LEAF_STEP;
	uint32_t regs[4];
	int ret;

	if (!env->cpuid || n >= BASES)
		return -ENODEV;
	ret = env->cpuid(env->ctx, base, 0, regs);
	if (ret)
		return ret;
	/* A base that is not there answers with the last basic leaf or zeros;
	 * a real one names a leaf of its own. Very old KVM says 0. */
	if (n && (regs[0] < base || regs[0] >= base + LEAF_STEP))
		return -ENODEV;
	memcpy(ret_signature, &regs[1], 12);
	ret_signature[12] = '\0';
	return 0;
}

int paraclock_hypervisor_find(const struct paraclock_env *env,
			      const char *signature, uint32_t *ret_base)
{
	char found[13];
	uint32_t regs[4];
	int ret;

	if (!env->cpuid)
		return -EOPNOTSUPP;
	ret = env->cpuid(env->ctx, LEAF_FEATURES, 0, regs);
	if (ret)
		return ret;
	if (!(regs[2] & FEATURE_HYPERVISOR))
		return -ENODEV;
	for (unsigned int n = 0; n < BASES; n++) {
		if (signature_at(env, n, found))
			continue;
		if (memcmp(found, signature, 12) == 0) {
			*ret_base = LEAF_FIRST + n * LEAF_STEP;
			return 0;
		}
	}
	return -ENODEV;
}
