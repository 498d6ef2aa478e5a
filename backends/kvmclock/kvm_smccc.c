// SPDX-License-Identifier: MIT
/*
 * The pairing call of arm64.
 *
 * References: [1] Linux Documentation/virt/kvm/arm/ptp_kvm.rst; [2] Arm DEN0028
 * (SMCCC), vendor specific hypervisor services.
 */

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "kvm_call.h"

/* See [2]; the last two are KVM's own, see [1]. */
#define SMCCC_VENDOR_UID 0x8600ff01U
#define SMCCC_FEATURES	 0x86000000U
#define SMCCC_PTP	 0x86000001U
#define FEATURE_PTP	 (1U << 1)
#define NOT_SUPPORTED	 UINT32_MAX

/* In an SMC32 call 32 bits of each register count; the rest is undefined. */
static int smccc(const struct paraclock_env *env, uint32_t number,
		 uint32_t ret_regs[4])
{
	const uint64_t args[4] = { 0 };
	uint64_t regs[4] = { 0 };
	int ret = env->hypercall(env->ctx, number, args, regs);

	for (unsigned int i = 0; i < 4 && !ret; i++)
		ret_regs[i] = (uint32_t)regs[i];
	return ret;
}

/* The argument 0 asks for the virtual counter, which is the env's. */
int pclk_kvm_smccc_ask(const struct kvm_call *kc, struct kvm_pair *ret_pair)
{
	uint32_t regs[4];
	int ret = smccc(kc->env, SMCCC_PTP, regs);

	if (ret)
		return ret;
	/* Negative in 32 bits: the host's clocksource is another counter. */
	if (regs[0] > INT32_MAX)
		return -EOPNOTSUPP;
	ret_pair->ns = (int64_t)((uint64_t)regs[0] << 32 | regs[1]);
	ret_pair->tsc = (uint64_t)regs[2] << 32 | regs[3];
	return 0;
}

/* Another hypervisor may give the call's number any meaning. */
int pclk_kvm_smccc_open(struct kvm_call *kc,
			const struct paraclock_options *opts)
{
	/* UUID 28b46fb6-2ec5-11e9-a9ca-4b564d003a74, see [1]. */
	static const uint32_t kvm[4] = {
		0xb66fb428,
		0xe911c52e,
		0x564bcaa9,
		0x743a004d,
	};
	uint32_t regs[4];
	int ret = smccc(kc->env, SMCCC_VENDOR_UID, regs);

	if (ret || memcmp(regs, kvm, sizeof(kvm)) != 0) {
		TEXT(opts->detail, opts->detail_size,
		     "the call is KVM's, and the SMCCC vendor UID (0x8600ff01) "
		     "is not");
		return ret ? ret : -ENODEV;
	}
	ret = smccc(kc->env, SMCCC_FEATURES, regs);
	if (ret || regs[0] == NOT_SUPPORTED || !(regs[0] & FEATURE_PTP)) {
		TEXT(opts->detail, opts->detail_size,
		     "this host's KVM has no PTP call (bit 1 of 0x86000000 is "
		     "clear)");
		return ret ? ret : -EOPNOTSUPP;
	}
	return 0;
}
