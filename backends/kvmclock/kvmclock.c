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
#include "page/page_kind.h"
#include "pvclock.h"

/*
 * Below a source that gives wall time with a bound (vmclock). Above one that
 * stops with the partition (hyperv), but no machine has both pages.
 */
#define QUALITY 300

/* In CPUID, see [2]. */
#define MSR_KVM_SYSTEM_TIME_NEW 0x4b564d01U
#define MSR_ENABLE		1U
/* By the old MSRs (0x11 and 0x12), which this library does not use: for a guest
 * that does, KVM gives up its stable clock. */
#define KVM_FEATURE_CLOCKSOURCE (1U << 0)
/* By the new ones. */
#define KVM_FEATURE_CLOCKSOURCE2       (1U << 3)
#define KVM_FEATURE_CLOCKSOURCE_STABLE (1U << 24)

struct kvmclock {
	struct page page;
	struct pvclock_limits limits;
	uint32_t stale_version; /* of a page that may be the old host's */
	uint8_t live;		/* this machine's page, not an image */
};

_Static_assert(offsetof(struct kvmclock, page) == 0, "a page is its source");

static struct kvmclock *kvmclock_of(struct page *page)
{
	return (void *)page;
}

static void kvmclock_init(struct page *page,
			  const struct paraclock_options *opts)
{
	struct kvmclock *kc = kvmclock_of(page);

	kc->limits.max_age_ns =
		opts->max_age_ns ? opts->max_age_ns : UINT64_MAX;
	kc->limits.stable_mask = PVCLOCK_TSC_STABLE;
	kc->live = !opts->device;
}

static int kvm_features(const struct paraclock_env *env, uint32_t *ret_eax)
{
	uint32_t regs[4];
	int ret = pclk_hypervisor_leaf(env, KVM_SIGNATURE, 1, regs);

	if (!ret)
		*ret_eax = regs[0];
	return ret;
}

/* Without this feature bit KVM's stable flag is undefined, see [2]. */
static uint8_t stable_mask(const struct paraclock_env *env)
{
	uint32_t features;

	if (kvm_features(env, &features))
		return PVCLOCK_TSC_STABLE;
	return features & KVM_FEATURE_CLOCKSOURCE_STABLE ? PVCLOCK_TSC_STABLE
							 : 0;
}

/* CPUID may show the layer below this machine's hypervisor (PVM), so it is
 * named beside the kernel's own reason. */
static void explain_absence(const struct page *page,
			    const struct paraclock_options *opts)
{
	uint32_t features;
	int ret = kvm_features(page->env, &features);

	/* arm64 has no CPUID, and so nothing to add. */
	if (ret == -EOPNOTSUPP)
		return;
	if (ret)
		pclk_hypervisors_say(page->env, "; ", opts->detail,
				     opts->detail_size);
	else if (!(features &
		   (KVM_FEATURE_CLOCKSOURCE | KVM_FEATURE_CLOCKSOURCE2)))
		TEXT(opts->detail, opts->detail_size,
		     "the host offers this guest no kvmclock; ask for it "
		     "(QEMU: -cpu ...,kvmclock=on)");
}

/* An absent MSR is a fault, so only what CPUID shows is written. */
static int enable_page(struct page *page, const struct paraclock_options *opts)
{
	uint32_t features;
	int ret = kvm_features(page->env, &features);

	if (ret) {
		TEXT(opts->detail, opts->detail_size,
		     "MSR 0x4b564d01 is KVM's, and KVM is not seen: ");
		pclk_hypervisors_say(page->env, "", opts->detail,
				     opts->detail_size);
		return ret;
	}
	if (!(features & KVM_FEATURE_CLOCKSOURCE2)) {
		TEXT(opts->detail, opts->detail_size,
		     "this host's KVM does not have MSR 0x4b564d01 (CPUID "
		     "feature CLOCKSOURCE2 is clear); ask for it (QEMU: -cpu "
		     "...,kvmclock=on)");
		return -ENODEV;
	}
	ret = pclk_page_switch_on(page, MSR_KVM_SYSTEM_TIME_NEW,
				  page->map.phys | MSR_ENABLE);
	if (ret)
		TEXT(opts->detail, opts->detail_size,
		     "MSR 0x4b564d01 cannot be written");
	return ret;
}

static int kvmclock_start(struct page *page,
			  const struct paraclock_options *opts)
{
	struct page_copy copy;
	struct pvclock pv;
	int ret;

	kvmclock_of(page)->limits.stable_mask = stable_mask(page->env);
	if (page->env->wrmsr && page->map.phys) {
		ret = enable_page(page, opts);
		if (ret)
			return ret;
	}
	ret = pclk_page_read(page, &copy);
	/* An update is under way: the next read will see its result. */
	if (ret == -EAGAIN)
		return 0;
	if (!ret)
		memcpy(&pv, copy.word, sizeof(pv));
	if (ret || !pclk_pvclock_is_sane(&pv)) {
		TEXT(opts->detail, opts->detail_size,
		     "the page where this kernel should show kvmclock holds "
		     "something else; nothing of it can be trusted");
		return ret ? ret : -EPROTO;
	}
	return 0;
}

PAGE_INLINE int convert(struct page *page, const struct page_copy *copy,
			uint64_t counter, struct paraclock_sample *ret_sample,
			struct paraclock_conversion *ret_conv)
{
	const struct pvclock_limits *limits = &kvmclock_of(page)->limits;
	bool ours = page_is_tsc_ours(page);
	const char *bad = NULL;
	struct pvclock pv;
	int ret;

	memcpy(&pv, copy->word, sizeof(pv));
	/* Of a foreign counter only the reference point has a meaning. */
	ret = pclk_pvclock_convert(&pv, limits,
				   ours ? counter : pv.tsc_timestamp,
				   ret_sample, &bad);
	if (bad)
		return page_malformed(page, bad);
	if (ret)
		return ret;
	if (!ours) {
		pclk_page_foreign(ret_sample);
		ret_sample->host_tsc = counter;
	}
	if (ret_conv) {
		page_begin_conversion(page, 0, ret_conv);
		pclk_pvclock_conversion(&pv, limits, ret_sample, ret_conv);
	}
	return 0;
}

static const struct page_reason reasons[] = {
	{ PARACLOCK_REASON_UNSTABLE,
	  "the host does not promise that the TSCs of all vCPUs agree "
	  "(TSC_STABLE is clear), and only vCPU 0's page is visible here; use "
	  "another source" },
	{ PARACLOCK_REASON_DISRUPTED,
	  "the machine was just moved, restored or paused, and vCPU 0 has not "
	  "run since, so its page may be old; read again in a moment" },
	{ 0, NULL },
};

static const struct page_kind kind = {
	.shape = &pclk_pvclock_shape,
	.state_size = sizeof(struct kvmclock),
	.init = kvmclock_init,
	.start = kvmclock_start,
	.explain_absence = explain_absence,
	.read = pclk_page_read,
	.convert = convert,
	.reasons = reasons,
};

static int kvmclock_open(const struct paraclock_env *env,
			 const struct paraclock_options *opts, void *arg,
			 void **ret_state)
{
	(void)arg;
	return pclk_page_source_open(&kind, env, opts, ret_state);
}

static int kvmclock_get_conversion(void *state,
				   struct paraclock_sample *ret_sample,
				   struct paraclock_conversion *ret_conv)
{
	return page_get_conversion(&kind, state, ret_sample, ret_conv);
}

static int kvmclock_get_time(void *state, struct paraclock_sample *ret_sample)
{
	return page_get_time(&kind, state, ret_sample);
}

static int kvmclock_get_time_at(void *state, uint64_t counter,
				struct paraclock_sample *ret_sample)
{
	return page_get_time_at(&kind, state, counter, ret_sample);
}

/*
 * KVM rewrites a vCPU's page when that vCPU next enters the guest. The page
 * that is visible here is vCPU 0's: after a migration it is the old host's
 * until then, and nothing on it shows that. It is the new host's once its
 * version has moved or code has run on CPU 0.
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
		/* An update under way may have begun before the change. */
		kc->stale_version = version + (version & 1);
	} else if (!(version & 1) && version != kc->stale_version) {
		return 0;
	}
	if (env->run_on_cpu && !env->run_on_cpu(env->ctx, 0, noticed))
		return 0;
	return -EAGAIN;
}

const struct paraclock_backend pclk_backend_kvmclock = {
	.size = sizeof(struct paraclock_backend),
	.name = "kvmclock",
	.quality = QUALITY,
	/* A move shows only if the tuple jumps. */
	.marker_class = PARACLOCK_MARKER_HEURISTIC,
	.takes_image = 1,
	.open = kvmclock_open,
	.get_time = kvmclock_get_time,
	.get_time_at = kvmclock_get_time_at,
	.get_conversion = kvmclock_get_conversion,
	.confirm_fresh = kvmclock_confirm_fresh,
	.explain = pclk_page_source_explain,
	.close = pclk_page_source_close,
	.is_there = pclk_page_source_is_there,
};
