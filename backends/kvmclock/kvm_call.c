// SPDX-License-Identifier: MIT
/*
 * The host's CLOCK_REALTIME and the guest's counter, by hypercall: for ring 0.
 *
 * References: Linux [1] Documentation/virt/kvm/x86/hypercalls.rst,
 * KVM_HC_CLOCK_PAIRING; [2] Documentation/virt/kvm/arm/ptp_kvm.rst;
 * [3] Arm DEN0028 (SMCCC), vendor specific hypervisor services.
 */

#include <errno.h>
#include <string.h>

#include "base/cpuid.h"
#include "base/fixed.h"
#include "base/text.h"
#include "kvm_call.h"

/* RAX; RBX is the result's address, RCX the clock: 0 is CLOCK_REALTIME, and
 * there is no other. See [1]. */
#define HC_CLOCK_PAIRING 9U
/* What it returns, see [1] and include/uapi/linux/kvm_para.h. */
#define KVM_EPERM      (-1)
#define KVM_EFAULT     (-14)
#define KVM_EOPNOTSUPP (-95)
#define KVM_ENOSYS     (-1000)

/* See [3]; the two of KVM's own are in [2]. */
#define SMCCC_VENDOR_UID 0x8600ff01U
#define SMCCC_FEATURES	 0x86000000U
#define SMCCC_PTP	 0x86000001U
#define FEATURE_PTP	 (1U << 1)
#define NOT_SUPPORTED	 UINT32_MAX

/* A thread may be moved between two CPUs whose counters disagree; one that
 * always is reads another counter than the host gives. */
#define TRIES 3

/* What the host writes, see [1]; flags and pad it leaves 0. */
struct result {
	int64_t sec;
	int64_t nsec;
	uint64_t tsc;
	uint64_t flags_and_pad[5];
};
_Static_assert(sizeof(struct result) == 64, "as the host's");
_Static_assert(offsetof(struct result, tsc) == 16, "as the host's");

/* The host's time at a counter value, from one call. */
struct pair {
	int64_t ns;
	uint64_t tsc;
};

/* --- x86 ------------------------------------------------------------------ */

/* Each of them means the same however often one asks. */
static int vmcall_error(int64_t code)
{
	switch (code) {
	case 0:
		return 0;
	case KVM_EOPNOTSUPP:
		/* The host's clocksource is no TSC, now: there is no pair. */
	case KVM_ENOSYS:
		/* A KVM from before Linux 4.11, or of 32 bits. */
		return -EOPNOTSUPP;
	case KVM_EPERM:
		/* Not in ring 0. */
		return -EACCES;
	case KVM_EFAULT:
		/* The env's idea of where its page is, is wrong. */
		return -EINVAL;
	default:
		return -EPROTO;
	}
}

static int take_slot(struct kvm_call *kc, unsigned int *ret_slot)
{
	uint64_t taken = __atomic_load_n(&kc->taken, __ATOMIC_RELAXED);

	while (~taken & kc->slots) {
		unsigned int slot =
			(unsigned int)__builtin_ctzll(~taken & kc->slots);

		/* Acquire pairs with the release of who had it last. */
		if (__atomic_compare_exchange_n(
			    &kc->taken, &taken, taken | 1ULL << slot, true,
			    __ATOMIC_ACQUIRE, __ATOMIC_RELAXED)) {
			*ret_slot = slot;
			return 0;
		}
	}
	return -EAGAIN;
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
 * flags and pad are not looked at: none is defined, and a time that meant
 * something else would be another clock type. Atomics, because the compiler
 * does not know that the host writes here.
 */
static int vmcall_into(const struct kvm_call *kc, unsigned int slot,
		       struct pair *ret_pair)
{
	const uint64_t offset = slot * sizeof(struct result);
	struct result *result =
		(void *)((uintptr_t)kc->map.addr + (uintptr_t)offset);
	const uint64_t args[4] = { kc->map.phys + offset };
	uint64_t regs[4] = { 0 };
	int64_t sec, nsec;
	int ret;

	/* So that a host that says 0 and writes nothing is found out. */
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

static int ask_vmcall(struct kvm_call *kc, struct pair *ret_pair)
{
	unsigned int slot;
	int ret = take_slot(kc, &slot);

	if (ret)
		return ret;
	ret = vmcall_into(kc, slot, ret_pair);
	/* Pairs with the acquire in take_slot(). */
	__atomic_fetch_and(&kc->taken, ~(1ULL << slot), __ATOMIC_RELEASE);
	return ret;
}

/* --- arm64 ---------------------------------------------------------------- */

/* SMC32 calls: 32 bits count of each register, and the rest is anything. */
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

/* The argument is 0 for the virtual counter, which is the env's. */
static int ask_smccc(const struct kvm_call *kc, struct pair *ret_pair)
{
	uint32_t regs[4];
	int ret = smccc(kc->env, SMCCC_PTP, regs);

	if (ret)
		return ret;
	/* Negative, as 32 bits: the host's clocksource is another counter. */
	if (regs[0] > INT32_MAX)
		return -EOPNOTSUPP;
	ret_pair->ns = (int64_t)((uint64_t)regs[0] << 32 | regs[1]);
	ret_pair->tsc = (uint64_t)regs[2] << 32 | regs[3];
	return 0;
}

/* Is it KVM, and can it? Another hypervisor may mean anything by the call. */
static int find_smccc(const struct paraclock_env *env,
		      const struct paraclock_options *opts)
{
	/* UUID 28b46fb6-2ec5-11e9-a9ca-4b564d003a74, see [2]. */
	static const uint32_t kvm[4] = {
		0xb66fb428,
		0xe911c52e,
		0x564bcaa9,
		0x743a004d,
	};
	uint32_t regs[4];
	int ret = smccc(env, SMCCC_VENDOR_UID, regs);

	if (ret || memcmp(regs, kvm, sizeof(kvm)) != 0) {
		TEXT(opts->detail, opts->detail_size,
		     "the call is KVM's, and the SMCCC vendor UID (0x8600ff01) "
		     "is not");
		return ret ? ret : -ENODEV;
	}
	ret = smccc(env, SMCCC_FEATURES, regs);
	if (ret || regs[0] == NOT_SUPPORTED || !(regs[0] & FEATURE_PTP)) {
		TEXT(opts->detail, opts->detail_size,
		     "this host's KVM has no PTP call (bit 1 of 0x86000000 is "
		     "clear)");
		return ret ? ret : -EOPNOTSUPP;
	}
	return 0;
}

/* --- both ----------------------------------------------------------------- */

static int ask(struct kvm_call *kc, struct pair *ret_pair)
{
	return kc->smccc ? ask_smccc(kc, ret_pair) : ask_vmcall(kc, ret_pair);
}

/*
 * The host read its counter while we waited, so what it gives as ours lies
 * between two readings of ours. If it never does it is not our counter, and
 * only the time means something.
 */
int pclk_kvm_call_read(struct kvm_call *kc, struct paraclock_sample *ret_sample)
{
	struct paraclock_sample sample = {
		.clock_error_ns = PARACLOCK_ERROR_UNKNOWN,
		.valid = 1,
		.timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED,
		.counter = kc->env->counter_id,
		.leap = PARACLOCK_LEAP_UNKNOWN,
	};
	uint64_t before, after = 0;
	struct pair pair = { 0 };

	for (unsigned int i = 0; i < TRIES; i++) {
		int ret;

		before = counter_read(kc->env, kc->how);
		ret = ask(kc, &pair);
		after = counter_read(kc->env, kc->how);
		if (ret)
			return ret;
		sample.host_ns = pair.ns;
		sample.host_tsc = pair.tsc;
		if (before <= pair.tsc && pair.tsc <= after) {
			*ret_sample = sample;
			return 0;
		}
	}
	sample.host_tsc = after;
	sample.pair_error_ns = PARACLOCK_ERROR_UNKNOWN;
	sample.valid = 0;
	sample.reason = PARACLOCK_REASON_COUNTER;
	*ret_sample = sample;
	return 0;
}

/* --- opening -------------------------------------------------------------- */

/*
 * A vmcall on another hypervisor may be an invalid instruction; so it may be on
 * OpenBSD's, which shows KVM's leaves for the sake of its clock alone. And KVM
 * has a leaf of features, whatever else it has.
 */
static int kvm_find(const struct paraclock_env *env,
		    const struct paraclock_options *opts)
{
	const char *why = "the hypercall is KVM's, and KVM is not seen: ";
	uint32_t base, regs[4];
	int ret = pclk_hypervisor_leaf(env, PCLK_SIGNATURE_KVM, 1, regs);

	if (!ret && !pclk_hypervisor_find(env, PCLK_SIGNATURE_OPENBSD, &base)) {
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
		/* Whatever an env wrote, it ends. */
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

void pclk_kvm_call_explain(int error, char *buf, size_t size)
{
	switch (error) {
	case -EOPNOTSUPP:
		TEXT(buf, size,
		     "the host gives no pair: its own clocksource is no "
		     "counter that it shares with guests, or its KVM is older "
		     "than Linux 4.11; set the host's clocksource to tsc");
		break;
	case -EACCES:
		TEXT(buf, size,
		     "the hypercall is for ring 0 only; in user space give an "
		     "env without hypercall");
		break;
	case -EINVAL:
		TEXT(buf, size,
		     "the host cannot write to the address that the env gives "
		     "for the kvm-pairing page (map.phys)");
		break;
	case -EPROTO:
		TEXT(buf, size,
		     "the host answered what is none of its answers, or a "
		     "time that cannot be; report it there");
		break;
	case -EAGAIN:
		TEXT(buf, size,
		     "too many calls are under way at once; try again");
		break;
	default:
		break;
	}
}

/* No feature bit tells of the hypercall: it is made, once. */
static int try_call(struct kvm_call *kc, const struct paraclock_options *opts)
{
	struct pair pair;
	int ret = ask(kc, &pair);

	if (ret && opts->detail)
		pclk_kvm_call_explain(ret, opts->detail, opts->detail_size);
	return ret;
}

void pclk_kvm_call_close(struct kvm_call *kc)
{
	if (kc->map.addr && kc->env->unmap_page)
		kc->env->unmap_page(kc->env->ctx, &kc->map);
}

int pclk_kvm_call_open(struct kvm_call *kc, const struct paraclock_env *env,
		       const struct paraclock_options *opts)
{
	int ret = -EOPNOTSUPP;

	memset(kc, 0, sizeof(*kc));
	kc->env = env;
	kc->how = pclk_counter_choose(env);
	if (kc->env->counter_id == PARACLOCK_COUNTER_ARM_VCNT) {
		kc->smccc = true;
		ret = find_smccc(kc->env, opts);
		return ret ? ret : try_call(kc, opts);
	}
	if (kc->env->counter_id != PARACLOCK_COUNTER_X86_TSC) {
		TEXT(opts->detail, opts->detail_size,
		     "KVM pairs with the TSC or the arm64 virtual counter "
		     "only");
		return ret;
	}
	ret = kvm_find(kc->env, opts);
	if (!ret)
		ret = map_results(kc, opts);
	if (ret)
		return ret;
	ret = try_call(kc, opts);
	if (ret)
		pclk_kvm_call_close(kc);
	return ret;
}
