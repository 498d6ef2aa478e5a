// SPDX-License-Identifier: MIT
/*
 * The pairing call of x86: the host writes its result into a page of ours.
 *
 * Reference: [1] Linux Documentation/virt/kvm/x86/hypercalls.rst,
 * KVM_HC_CLOCK_PAIRING.
 */

#include <errno.h>
#include <string.h>

#include "base/cpuid.h"
#include "base/fixed.h"
#include "base/text.h"
#include "kvm_call.h"
#include "kvm_cpuid.h"

/* RAX; RBX is the result's address, RCX the clock: 0 is CLOCK_REALTIME, and
 * KVM defines no other. See [1]. */
#define HC_CLOCK_PAIRING 9U
/* What it returns, see [1] and include/uapi/linux/kvm_para.h. */
#define KVM_EPERM      (-1)
#define KVM_EFAULT     (-14)
#define KVM_EOPNOTSUPP (-95)
#define KVM_ENOSYS     (-1000)

/* OpenBSD vmm(4) shows KVM's leaves, too: see kvm_find(). */
#define OPENBSD_SIGNATURE "OpenBSDVMM58"

/* What the host writes, see [1]; it leaves flags and pad 0. */
struct result {
	int64_t sec;
	int64_t nsec;
	uint64_t tsc;
	uint64_t flags_and_pad[5];
};
_Static_assert(sizeof(struct result) == 64, "as the host's");
_Static_assert(offsetof(struct result, tsc) == 16, "as the host's");

/* --- the call ------------------------------------------------------------- */

/* None of these errors goes away if the call is repeated. */
static int vmcall_error(int64_t code)
{
	switch (code) {
	case 0:
		return 0;
	case KVM_EOPNOTSUPP:
		/* The host's clocksource is not the TSC now: no pair. */
	case KVM_ENOSYS:
		/* A KVM from before Linux 4.11, or of 32 bits. */
		return -EOPNOTSUPP;
	case KVM_EPERM:
		/* Not in ring 0. */
		return -EACCES;
	case KVM_EFAULT:
		/* The env gave a wrong physical address. */
		return -EINVAL;
	default:
		return -EPROTO;
	}
}

static int acquire_slot(struct kvm_call *kc, unsigned int *ret_slot)
{
	uint64_t taken = __atomic_load_n(&kc->taken, __ATOMIC_RELAXED);

	while (~taken & kc->slots) {
		unsigned int slot =
			(unsigned int)__builtin_ctzll(~taken & kc->slots);

		/* Acquire pairs with release_slot() by the last owner. */
		if (__atomic_compare_exchange_n(
			    &kc->taken, &taken, taken | 1ULL << slot, true,
			    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			*ret_slot = slot;
			return 0;
		}
	}
	return -EAGAIN;
}

static void release_slot(struct kvm_call *kc, unsigned int slot)
{
	/* Release pairs with acquire_slot(). */
	__atomic_fetch_and(&kc->taken, ~(1ULL << slot), __ATOMIC_RELEASE);
}

static int to_ns(int64_t sec, int64_t nsec, int64_t *ret_ns)
{
	s128 ns = (s128)sec * NSEC_PER_SEC + nsec;

	if (nsec < 0 || nsec >= (int64_t)NSEC_PER_SEC)
		return -EPROTO;
	if (!fits_s64(ns))
		return -ERANGE;
	*ret_ns = (int64_t)ns;
	return 0;
}

/*
 * flags and pad are ignored: KVM defines none, and would announce another
 * meaning of the time by another clock type. Atomics, because the compiler
 * does not know that the host writes here.
 */
static int vmcall_into(const struct kvm_call *kc, unsigned int slot,
		       struct kvm_pair *ret_pair)
{
	const uint64_t offset = slot * sizeof(struct result);
	struct result *result =
		(void *)((uintptr_t)kc->map.addr + (uintptr_t)offset);
	const uint64_t args[4] = { kc->map.phys + offset };
	uint64_t regs[4] = { 0 };
	int64_t sec, nsec;
	int ret;

	/* This exposes a host that returns 0 and writes nothing. */
	__atomic_store_n(&result->nsec, -1, __ATOMIC_SEQ_CST);
	ret = kc->env->hypercall(kc->env->ctx, HC_CLOCK_PAIRING, args, regs);
	if (ret)
		return ret;
	/* Outside of 64-bit mode KVM cuts the code to 32 bits. */
	ret = vmcall_error(regs[0] >> 32 ? (int64_t)regs[0]
					 : (int32_t)(uint32_t)regs[0]);
	if (ret)
		return ret;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	sec = __atomic_load_n(&result->sec, __ATOMIC_RELAXED);
	nsec = __atomic_load_n(&result->nsec, __ATOMIC_RELAXED);
	ret = to_ns(sec, nsec, &ret_pair->ns);
	if (!ret)
		ret_pair->tsc = __atomic_load_n(&result->tsc, __ATOMIC_RELAXED);
	return ret;
}

int pclk_kvm_vmcall_ask(struct kvm_call *kc, struct kvm_pair *ret_pair)
{
	unsigned int slot;
	int ret = acquire_slot(kc, &slot);

	if (ret)
		return ret;
	ret = vmcall_into(kc, slot, ret_pair);
	release_slot(kc, slot);
	return ret;
}

/* --- opening -------------------------------------------------------------- */

/*
 * On another hypervisor a vmcall may be an invalid instruction, also on
 * OpenBSD's, which shows KVM's leaves for the sake of its clock alone. KVM
 * always has its leaf of features.
 */
static int kvm_find(const struct paraclock_env *env,
		    const struct paraclock_options *opts)
{
	const char *why = "the hypercall is KVM's, and KVM is not seen: ";
	uint32_t base, regs[4];
	int ret = pclk_hypervisor_leaf(env, KVM_SIGNATURE, 1, regs);

	if (!ret && !pclk_hypervisor_find(env, OPENBSD_SIGNATURE, &base)) {
		why = "the hypercall is KVM's, and this is OpenBSD's vmm: ";
		ret = -ENODEV;
	}
	if (ret)
		pclk_hypervisors_say(env, why, opts->detail, opts->detail_size);
	return ret;
}

static int map_results(struct kvm_call *kc,
		       const struct paraclock_options *opts)
{
	const struct paraclock_env *env = kc->env;
	uint64_t slots;
	int ret;

	if (!env->map_page) {
		TEXT(opts->detail, opts->detail_size,
		     "this env cannot map the kvm-pairing page");
		return -EOPNOTSUPP;
	}
	ret = env->map_page(env->ctx, "kvm-pairing", NULL, &kc->map);
	if (ret) {
		/* An env may not have ended it. */
		kc->map.why[sizeof(kc->map.why) - 1] = '\0';
		TEXT(opts->detail, opts->detail_size, kc->map.why);
		return ret;
	}
	slots = kc->map.size / sizeof(struct result);
	if (!kc->map.addr || !slots || !kc->map.phys ||
	    (uintptr_t)kc->map.addr % sizeof(uint64_t)) {
		TEXT(opts->detail, opts->detail_size,
		     "the env maps the kvm-pairing page without 64 aligned "
		     "bytes at a physical address");
		if (env->unmap_page)
			env->unmap_page(env->ctx, &kc->map);
		return -EINVAL;
	}
	kc->slots = slots < 64 ? (1ULL << slots) - 1 : UINT64_MAX;
	return 0;
}

int pclk_kvm_vmcall_open(struct kvm_call *kc,
			 const struct paraclock_options *opts)
{
	int ret = kvm_find(kc->env, opts);

	return ret ? ret : map_results(kc, opts);
}

void pclk_kvm_vmcall_close(struct kvm_call *kc)
{
	if (kc->map.addr && kc->env->unmap_page)
		kc->env->unmap_page(kc->env->ctx, &kc->map);
}
