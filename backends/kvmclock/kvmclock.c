// SPDX-License-Identifier: MIT
/*
 * kvmclock: vCPU 0's pvclock page, as the kernel shows it to every process.
 *
 * References: [1] Linux Documentation/virt/kvm/x86/msr.rst, MSR 0x4b564d01;
 * [2] Documentation/virt/kvm/x86/cpuid.rst, CLOCKSOURCE_STABLE.
 */

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "kvm_cpuid.h"
#include "pvclock.h"

/*
 * Below a source that gives wall time with a bound (vmclock) and above one
 * that stops with the partition (hyperv) only because nothing decides between
 * them: no machine has both pages.
 */
#define QUALITY 300

/* In CPUID, see [2]. */
#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01U
#define MSR_ENABLE		1U
/* By the old MSRs (0x11 and 0x12), which this library leaves alone: KVM gives
 * up its stable clock for a guest that uses them. */
#define KVM_FEATURE_CLOCKSOURCE (1U << 0)
/* By the new ones. */
#define KVM_FEATURE_CLOCKSOURCE2       (1U << 3)
#define KVM_FEATURE_CLOCKSOURCE_STABLE (1U << 24)

struct kvmclock {
	struct page page;
	struct pvclock_limits limits;
	uint32_t stale_version; /* settle(): not this one */
	uint8_t live;		/* this machine's page, not an image */
	uint8_t wrote_msr;
};

static int kvm_features(const struct paraclock_env *env, uint32_t *ret_eax)
{
	uint32_t regs[4];
	int ret = pclk_hypervisor_leaf(env, KVM_SIGNATURE, 1, regs);

	if (!ret)
		*ret_eax = regs[0];
	return ret;
}

/* KVM without this feature bit gives the stable flag no meaning, see [2]. */
static uint8_t stable_mask(const struct paraclock_env *env)
{
	uint32_t features;

	if (kvm_features(env, &features))
		return PVCLOCK_TSC_STABLE;
	return features & KVM_FEATURE_CLOCKSOURCE_STABLE ? PVCLOCK_TSC_STABLE
							 : 0;
}

/* What CPUID knows about why there is no page: beside the kernel's own reason,
 * for it may show the layer below this machine's hypervisor (PVM). */
static void explain_absence(const struct paraclock_env *env,
			    const struct paraclock_options *opts)
{
	uint32_t features;
	int ret = kvm_features(env, &features);

	/* arm64 has no CPUID, and nothing to say of it. */
	if (ret == -EOPNOTSUPP)
		return;
	if (ret)
		pclk_hypervisors_say(env, "; ", opts->detail,
				     opts->detail_size);
	else if (!(features &
		   (KVM_FEATURE_CLOCKSOURCE | KVM_FEATURE_CLOCKSOURCE2)))
		TEXT(opts->detail, opts->detail_size,
		     "the host offers this guest no kvmclock; ask for it "
		     "(QEMU: -cpu ...,kvmclock=on)");
}

/* An MSR that is not there is a fault, so only what CPUID shows is touched. */
static int enable_page(struct kvmclock *kc,
		       const struct paraclock_options *opts)
{
	const struct paraclock_env *env = kc->page.env;
	uint32_t features;
	int ret = kvm_features(env, &features);

	if (ret) {
		TEXT(opts->detail, opts->detail_size,
		     "MSR 0x4b564d01 is KVM's, and KVM is not seen: ");
		pclk_hypervisors_say(env, "", opts->detail, opts->detail_size);
		return ret;
	}
	if (!(features & KVM_FEATURE_CLOCKSOURCE2)) {
		TEXT(opts->detail, opts->detail_size,
		     "this host's KVM does not have MSR 0x4b564d01 (CPUID "
		     "feature CLOCKSOURCE2 is clear); ask for it (QEMU: -cpu "
		     "...,kvmclock=on)");
		return -ENODEV;
	}
	ret = env->wrmsr(env->ctx, MSR_KVM_SYSTEM_TIME_NEW,
			 kc->page.map.phys | MSR_ENABLE);
	if (ret)
		TEXT(opts->detail, opts->detail_size,
		     "MSR 0x4b564d01 cannot be written");
	else
		kc->wrote_msr = 1;
	return ret;
}

static int read_page(struct kvmclock *kc, struct pvclock *ret_pv,
		     uint64_t *ret_ticks)
{
	struct page_copy copy;
	int ret = pclk_page_read(&kc->page, &copy);

	if (ret)
		return ret;
	memcpy(ret_pv, copy.word, sizeof(*ret_pv));
	*ret_ticks = copy.ticks;
	return 0;
}

/* The machine's own page, not an image: make sure of what it is. */
static int check_live(struct kvmclock *kc, const struct paraclock_options *opts)
{
	const struct paraclock_env *env = kc->page.env;
	struct pvclock pv;
	uint64_t ticks;
	int ret;

	kc->limits.stable_mask = stable_mask(env);
	if (env->wrmsr && kc->page.map.phys) {
		ret = enable_page(kc, opts);
		if (ret)
			return ret;
	}
	ret = read_page(kc, &pv, &ticks);
	/* Mid-update is the next read's business. */
	if (ret == -EAGAIN)
		return 0;
	if (ret || !pclk_pvclock_is_sane(&pv)) {
		TEXT(opts->detail, opts->detail_size,
		     "the page where this kernel should show kvmclock holds "
		     "something else; nothing of it can be trusted");
		return ret ? ret : -EPROTO;
	}
	return 0;
}

static void kvmclock_close(void *state)
{
	struct kvmclock *kc = state;
	const struct paraclock_env *env = kc->page.env;

	if (kc->wrote_msr)
		(void)env->wrmsr(env->ctx, MSR_KVM_SYSTEM_TIME_NEW, 0);
	pclk_page_close(&kc->page);
	env->free(env->ctx, kc);
}

static int kvmclock_open(const struct paraclock_env *env,
			 const struct paraclock_options *opts, void *arg,
			 void **ret_state)
{
	struct kvmclock *kc = env->alloc(env->ctx, sizeof(*kc));
	int ret;

	(void)arg;

	if (!kc)
		return -ENOMEM;
	memset(kc, 0, sizeof(*kc));
	kc->limits.max_age_ns =
		opts->max_age_ns ? opts->max_age_ns : UINT64_MAX;
	kc->limits.stable_mask = PVCLOCK_TSC_STABLE;
	ret = pclk_page_open(&kc->page, env, &pclk_pvclock_shape, opts);
	if (ret) {
		if (ret == -ENODEV && !opts->device)
			explain_absence(env, opts);
		env->free(env->ctx, kc);
		return ret;
	}
	kc->live = !opts->device;
	ret = kc->live ? check_live(kc, opts) : 0;
	if (ret) {
		kvmclock_close(kc);
		return ret;
	}
	*ret_state = kc;
	return 0;
}

static int convert(struct kvmclock *kc, const struct pvclock *pv,
		   uint64_t counter, struct paraclock_sample *ret_sample)
{
	bool ours = pclk_page_is_tsc_ours(&kc->page);
	const char *bad = NULL;
	int ret;

	/* Of a foreign counter only the reference point means anything. */
	ret = pclk_pvclock_convert(pv, &kc->limits,
				   ours ? counter : pv->tsc_timestamp,
				   ret_sample, &bad);
	if (bad)
		return page_malformed(&kc->page, bad);
	if (!ret && !ours) {
		pclk_page_foreign(ret_sample);
		ret_sample->host_tsc = counter;
	}
	return ret;
}

static int kvmclock_get_conversion(void *state,
				   struct paraclock_sample *ret_sample,
				   struct paraclock_conversion *ret_conv)
{
	struct kvmclock *kc = state;
	struct pvclock pv;
	uint64_t ticks;
	int ret = read_page(kc, &pv, &ticks);

	if (!ret)
		ret = convert(kc, &pv, ticks, ret_sample);
	if (ret)
		return ret;
	memset(ret_conv, 0, sizeof(*ret_conv));
	ret_conv->page = kc->page.map.addr;
	pclk_pvclock_conversion(&pv, &kc->limits, ret_sample, ret_conv);
	return 0;
}

static int kvmclock_get_time(void *state, struct paraclock_sample *ret_sample)
{
	struct paraclock_conversion conv;

	return kvmclock_get_conversion(state, ret_sample, &conv);
}

static int kvmclock_get_time_at(void *state, uint64_t counter,
				struct paraclock_sample *ret_sample)
{
	struct kvmclock *kc = state;
	struct pvclock pv;
	uint64_t ticks;
	int ret = read_page(kc, &pv, &ticks);

	return ret ? ret : convert(kc, &pv, counter, ret_sample);
}

/*
 * KVM rewrites a vCPU's page when that vCPU next enters the guest, and the
 * page that is visible here is vCPU 0's: after a migration it is the old
 * host's until then, and nothing on it shows that. It is the new one when its
 * version has moved since, or when code has run on CPU 0 since.
 */
static int kvmclock_confirm_fresh(void *state, int noticed)
{
	struct kvmclock *kc = state;
	const struct paraclock_env *env = kc->page.env;
	uint64_t word;
	uint32_t version;

	if (!kc->live)
		return 0;
	if (pclk_page_word(&kc->page, 0, &word))
		return -EAGAIN;
	version = (uint32_t)word;
	if (noticed) {
		/* An update under way may be one from before. */
		kc->stale_version = version + (version & 1);
	} else if (!(version & 1) && version != kc->stale_version) {
		return 0;
	}
	if (env->run_on_cpu && !env->run_on_cpu(env->ctx, 0, noticed))
		return 0;
	return -EAGAIN;
}

static int kvmclock_is_there(void *state)
{
	return pclk_page_is_there(&((struct kvmclock *)state)->page);
}

static void kvmclock_explain(void *state, int error,
			     const struct paraclock_sample *sample, char *buf,
			     size_t size)
{
	struct kvmclock *kc = state;

	if (error)
		pclk_page_explain(&kc->page, error, buf, size);
	else if (sample && sample->reason == PARACLOCK_REASON_UNSTABLE)
		TEXT(buf, size,
		     "the host does not promise that the TSCs of all vCPUs "
		     "agree (TSC_STABLE is clear), and only vCPU 0's page is "
		     "visible here; use another source");
	else if (sample && sample->reason == PARACLOCK_REASON_DISRUPTED)
		TEXT(buf, size,
		     "the machine was just moved, restored or paused, and "
		     "vCPU 0 has not run since to have its page renewed; read "
		     "again in a moment");
}

const struct paraclock_backend pclk_backend_kvmclock = {
	.size = sizeof(struct paraclock_backend),
	.name = "kvmclock",
	.quality = QUALITY,
	/* A jump of the tuple shows, a move that leaves none does not. */
	.marker_class = PARACLOCK_MARKER_HEURISTIC,
	.takes_image = 1,
	.open = kvmclock_open,
	.get_time = kvmclock_get_time,
	.get_time_at = kvmclock_get_time_at,
	.get_conversion = kvmclock_get_conversion,
	.confirm_fresh = kvmclock_confirm_fresh,
	.explain = kvmclock_explain,
	.close = kvmclock_close,
	.is_there = kvmclock_is_there,
};
