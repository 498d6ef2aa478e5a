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

/* Below kvmclock: its unit is 100 ns, and it stops while the partition is
 * saved or paused. See kvmclock.c. */
#define QUALITY 250

/* In CPUID, see [2]. */
#define MSR_REFERENCE_TSC 0x40000021U
#define MSR_ENABLE	  1ULL
/* EAX of leaf base + 3: what this partition may use, see [2]. */
#define ACCESS_REFERENCE_TSC (1U << 9)
/* Bits 11:1 are to be preserved, see [1]. */
#define MSR_PRESERVE 0xffeULL

struct hyperv {
	struct page page;
	uint8_t wrote_msr;
};

/* 0: this partition may use the page; -ENODEV: it may not, or no Hyper-V is
 * seen; else CPUID cannot be asked. */
static int check_access(const struct paraclock_env *env, bool *ret_is_hyperv)
{
	uint32_t regs[4];
	int ret = pclk_hypervisor_leaf(env, HYPERV_SIGNATURE, 3, regs);

	*ret_is_hyperv = !ret;
	if (!ret && !(regs[0] & ACCESS_REFERENCE_TSC))
		ret = -ENODEV;
	return ret;
}

/* Behind what stands in the detail. */
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

/* In ring 0 the page is wherever the guest tells the hypervisor. An MSR that
 * is not there is a fault, so only what CPUID shows is touched. */
static int enable_page(struct hyperv *hv, const struct paraclock_options *opts)
{
	const struct paraclock_env *env = hv->page.env;
	uint64_t value;
	bool is_hyperv;
	int ret;

	if (!env->wrmsr || !env->rdmsr || !hv->page.map.phys)
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
		ret = env->wrmsr(env->ctx, MSR_REFERENCE_TSC,
				 hv->page.map.phys | (value & MSR_PRESERVE) |
					 MSR_ENABLE);
	if (ret) {
		TEXT(opts->detail, opts->detail_size,
		     "MSR 0x40000021 cannot be written");
		return ret;
	}
	hv->wrote_msr = 1;
	return 0;
}

static void hyperv_close(void *state)
{
	struct hyperv *hv = state;
	const struct paraclock_env *env = hv->page.env;

	if (hv->wrote_msr)
		(void)env->wrmsr(env->ctx, MSR_REFERENCE_TSC, 0);
	pclk_page_close(&hv->page);
	env->free(env->ctx, hv);
}

/* What CPUID knows about why there is no page, beside the kernel's reason. */
static void explain_absence(const struct paraclock_env *env,
			    const struct paraclock_options *opts)
{
	bool is_hyperv;
	int ret = check_access(env, &is_hyperv);

	/* arm64 has no CPUID, and nothing to say of it. */
	if (ret && ret != -EOPNOTSUPP)
		explain_access(is_hyperv, "; ", env, opts);
}

static int hyperv_open(const struct paraclock_env *env,
		       const struct paraclock_options *opts, void *arg,
		       void **ret_state)
{
	struct hyperv *hv = env->alloc(env->ctx, sizeof(*hv));
	int ret;

	(void)arg;

	if (!hv)
		return -ENOMEM;
	memset(hv, 0, sizeof(*hv));
	ret = pclk_page_open(&hv->page, env, &pclk_hyperv_shape, opts);
	if (ret) {
		if (ret == -ENODEV && !opts->device)
			explain_absence(env, opts);
		env->free(env->ctx, hv);
		return ret;
	}
	ret = opts->device ? 0 : enable_page(hv, opts);
	if (ret) {
		hyperv_close(hv);
		return ret;
	}
	*ret_state = hv;
	return 0;
}

/* A page that was off through the whole bound is off: that is an answer. */
static int read_page(struct hyperv *hv, struct hyperv_page *ret_page,
		     uint64_t *ret_ticks)
{
	struct page_copy copy = { 0 };
	int ret = pclk_page_read(&hv->page, &copy);

	if (ret == -EAGAIN && pclk_page_busy(&pclk_hyperv_shape, copy.seq)) {
		memset(ret_page, 0, sizeof(*ret_page));
		*ret_ticks = counter_read(hv->page.env, hv->page.how);
		return 0;
	}
	if (ret)
		return ret;
	memcpy(ret_page, copy.word, sizeof(*ret_page));
	*ret_ticks = copy.ticks;
	return 0;
}

static int convert(struct hyperv *hv, const struct hyperv_page *page,
		   uint64_t counter, struct paraclock_sample *ret_sample)
{
	const char *bad = NULL;
	int ret = pclk_hyperv_convert(page, counter, ret_sample, &bad);

	if (bad)
		return page_malformed(&hv->page, bad);
	/* The page has no reference point whose time it could show. */
	if (!ret && !ret_sample->reason && !pclk_page_is_tsc_ours(&hv->page)) {
		pclk_page_foreign(ret_sample);
		ret_sample->host_ns = 0;
	}
	return ret;
}

static int hyperv_get_conversion(void *state,
				 struct paraclock_sample *ret_sample,
				 struct paraclock_conversion *ret_conv)
{
	struct hyperv *hv = state;
	struct hyperv_page page;
	uint64_t ticks;
	int ret = read_page(hv, &page, &ticks);

	if (!ret)
		ret = convert(hv, &page, ticks, ret_sample);
	if (ret)
		return ret;
	memset(ret_conv, 0, sizeof(*ret_conv));
	/* The four words are watched, and an image may hold only three. */
	if (hv->page.map.size >= sizeof(struct hyperv_page))
		ret_conv->page = hv->page.map.addr;
	pclk_hyperv_conversion(&page, ret_sample, ret_conv);
	return 0;
}

static int hyperv_get_time(void *state, struct paraclock_sample *ret_sample)
{
	struct paraclock_conversion conv;

	return hyperv_get_conversion(state, ret_sample, &conv);
}

static int hyperv_get_time_at(void *state, uint64_t counter,
			      struct paraclock_sample *ret_sample)
{
	struct hyperv *hv = state;
	struct hyperv_page page;
	uint64_t ticks;
	int ret = read_page(hv, &page, &ticks);

	return ret ? ret : convert(hv, &page, counter, ret_sample);
}

static int hyperv_is_there(void *state)
{
	return pclk_page_is_there(&((struct hyperv *)state)->page);
}

static void hyperv_explain(void *state, int error,
			   const struct paraclock_sample *sample, char *buf,
			   size_t size)
{
	struct hyperv *hv = state;

	if (error)
		pclk_page_explain(&hv->page, error, buf, size);
	else if (sample && sample->reason == PARACLOCK_REASON_SEQUENCE)
		TEXT(buf, size,
		     "the hypervisor has switched the reference TSC page off "
		     "(sequence 0), as while a machine is moved; if it stays "
		     "off, only the kernel can read its clock");
}

const struct paraclock_backend pclk_backend_hyperv = {
	.size = sizeof(struct paraclock_backend),
	.name = "hyperv",
	.quality = QUALITY,
	/* A jump of the parameters shows, a move that leaves none does not. */
	.marker_class = PARACLOCK_MARKER_HEURISTIC,
	.takes_image = 1,
	.open = hyperv_open,
	.get_time = hyperv_get_time,
	.get_time_at = hyperv_get_time_at,
	.get_conversion = hyperv_get_conversion,
	.explain = hyperv_explain,
	.close = hyperv_close,
	.is_there = hyperv_is_there,
};
