// SPDX-License-Identifier: MIT
/*
 * hyperv: the reference TSC page, as the kernel shows it to every process.
 *
 * References: Hyper-V TLFS, [1] "Timers", HV_X64_MSR_REFERENCE_TSC; [2]
 * "Feature Discovery", HV_PARTITION_PRIVILEGE_MASK.
 */

#include <errno.h>
#include <string.h>

#include "base/cpuid.h"
#include "base/text.h"
#include "hyperv_page.h"
#include "page/page_kind.h"

/* Below kvmclock (300): its unit is 100 ns, and it stops while the partition is
 * saved or paused. */
#define QUALITY 250

/* In CPUID, see [2]. */
#define MSR_REFERENCE_TSC 0x40000021U
#define MSR_ENABLE	  1ULL
/* EAX of leaf base + 3: what this partition may use, see [2]. */
#define ACCESS_REFERENCE_TSC (1U << 9)
/* Writers must preserve bits 11:1, see [1]. */
#define MSR_PRESERVE 0xffeULL

/* 0: this partition may use the page; -ENODEV: it may not, or Hyper-V is not
 * seen; any other error: CPUID cannot be asked. */
static int check_access(const struct paraclock_env *env, bool *ret_is_hyperv)
{
	uint32_t regs[4];
	int ret = pclk_hypervisor_leaf(env, HYPERV_SIGNATURE, 3, regs);

	*ret_is_hyperv = !ret;
	if (!ret && !(regs[0] & ACCESS_REFERENCE_TSC))
		ret = -ENODEV;
	return ret;
}

/* Append to the detail. */
static void explain_access(bool is_hyperv, const char *text,
			   const struct paraclock_env *env,
			   const struct paraclock_options *opts)
{
	if (is_hyperv)
		TEXT(opts->detail, opts->detail_size,
		     "the hypervisor gives this partition no reference TSC "
		     "page (AccessPartitionReferenceTsc is clear); ask for it "
		     "(QEMU: -cpu ...,hv-time)");
	else
		pclk_hypervisors_say(env, text, opts->detail,
				     opts->detail_size);
}

/* What CPUID knows of why there is no page, beside the kernel's reason. */
static void explain_absence(const struct page *page,
			    const struct paraclock_options *opts)
{
	bool is_hyperv;
	int ret = check_access(page->env, &is_hyperv);

	/* arm64 has no CPUID, and so nothing to add. */
	if (ret && ret != -EOPNOTSUPP)
		explain_access(is_hyperv, "; ", page->env, opts);
}

/* In ring 0 the guest chooses where the page is. An absent MSR is a fault, so
 * only what CPUID shows is touched. */
static int hyperv_start(struct page *page, const struct paraclock_options *opts)
{
	const struct paraclock_env *env = page->env;
	uint64_t value;
	bool is_hyperv;
	int ret;

	if (!env->wrmsr || !env->rdmsr || !page->map.phys)
		return 0;
	ret = check_access(env, &is_hyperv);
	if (ret) {
		explain_access(is_hyperv,
			       "MSR 0x40000021 is Hyper-V's, and Hyper-V is "
			       "not seen: ",
			       env, opts);
		return ret;
	}
	ret = env->rdmsr(env->ctx, MSR_REFERENCE_TSC, &value);
	if (!ret)
		ret = pclk_page_switch_on(
			page, MSR_REFERENCE_TSC,
			page->map.phys | (value & MSR_PRESERVE) | MSR_ENABLE);
	if (ret)
		TEXT(opts->detail, opts->detail_size,
		     "MSR 0x40000021 cannot be written");
	return ret;
}

/* A page that was off through the whole bound is off. That is an answer: an
 * empty page, whose sequence is 0. */
static int read_or_off(struct page *page, struct page_copy *ret_copy)
{
	int ret = pclk_page_read(page, ret_copy);

	if (ret != -EAGAIN ||
	    !pclk_page_busy(&pclk_hyperv_shape, ret_copy->seq))
		return ret;
	memset(ret_copy, 0, sizeof(*ret_copy));
	ret_copy->ticks = counter_read(page->env, page->how);
	return 0;
}

PAGE_INLINE int convert(struct page *page, const struct page_copy *copy,
			uint64_t counter, struct paraclock_sample *ret_sample,
			struct paraclock_conversion *ret_conv)
{
	const char *bad = NULL;
	struct hyperv_page hv;
	int ret;

	memcpy(&hv, copy->word, sizeof(hv));
	ret = pclk_hyperv_convert(&hv, counter, ret_sample, &bad);
	if (bad)
		return page_malformed(page, bad);
	if (ret)
		return ret;
	/* The page has no reference point whose time it could show. */
	if (!ret_sample->reason && !page_is_tsc_ours(page)) {
		pclk_page_foreign(ret_sample);
		ret_sample->host_ns = 0;
	}
	if (ret_conv) {
		page_begin_conversion(page, 0, ret_conv);
		pclk_hyperv_conversion(&hv, ret_sample, ret_conv);
	}
	return 0;
}

static const struct page_reason reasons[] = {
	{ PARACLOCK_REASON_SEQUENCE,
	  "the hypervisor has switched the reference TSC page off (sequence "
	  "0), as while a machine is moved; if it stays off, only the kernel "
	  "can read its clock" },
	{ 0, NULL },
};

static const struct page_kind kind = {
	.shape = &pclk_hyperv_shape,
	.state_size = sizeof(struct page),
	.start = hyperv_start,
	.explain_absence = explain_absence,
	.read = read_or_off,
	.convert = convert,
	.reasons = reasons,
};

static int hyperv_open(const struct paraclock_env *env,
		       const struct paraclock_options *opts, void *arg,
		       void **ret_state)
{
	(void)arg;
	return pclk_page_source_open(&kind, env, opts, ret_state);
}

static int hyperv_get_conversion(void *state,
				 struct paraclock_sample *ret_sample,
				 struct paraclock_conversion *ret_conv)
{
	return page_get_conversion(&kind, state, ret_sample, ret_conv);
}

static int hyperv_get_time(void *state, struct paraclock_sample *ret_sample)
{
	return page_get_time(&kind, state, ret_sample);
}

static int hyperv_get_time_at(void *state, uint64_t counter,
			      struct paraclock_sample *ret_sample)
{
	return page_get_time_at(&kind, state, counter, ret_sample);
}

const struct paraclock_backend pclk_backend_hyperv = {
	.size = sizeof(struct paraclock_backend),
	.name = "hyperv",
	.quality = QUALITY,
	/* A move shows only if the parameters jump. */
	.marker_class = PARACLOCK_MARKER_HEURISTIC,
	.takes_image = 1,
	.open = hyperv_open,
	.get_time = hyperv_get_time,
	.get_time_at = hyperv_get_time_at,
	.get_conversion = hyperv_get_conversion,
	.explain = pclk_page_source_explain,
	.close = pclk_page_source_close,
	.is_there = pclk_page_source_is_there,
};
