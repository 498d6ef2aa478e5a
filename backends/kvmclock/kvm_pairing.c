// SPDX-License-Identifier: MIT
/*
 * kvm-pairing: the host's CLOCK_REALTIME at a value of the guest's counter.
 *
 * In ring 0 by hypercall, one atomic act; in user space, which may not make
 * one, by the PTP clock that Linux makes of it.
 *
 * Reference: Linux drivers/ptp/ptp_kvm_common.c, ptp_kvm_x86.c.
 */

#include <errno.h>
#include <string.h>

#include "base/cpuid.h"
#include "base/text.h"
#include "kvm_call.h"
#include "linux/ptp.h"

/*
 * Below the pages (hyperv's is the last, 250), which cost no exit to the host;
 * above phc (150), whose pairs are wider. Where a page is there but gives
 * another timescale than is wanted, this comes into its own.
 */
#define QUALITY 200

#define PTP_NAME "KVM virtual PTP"

struct pairing {
	const struct paraclock_env *env;
	bool by_ptp;
	uint8_t timescale;
	struct ptp ptp;
	struct kvm_call call;
};

static bool is_wanted(const char *name)
{
	return pclk_text_equal(name, PTP_NAME);
}

/* CPUID may show the layer below this machine's hypervisor (PVM); the kernel
 * knows by whose clock it keeps its time. */
static bool may_be_kvm(const struct paraclock_env *env)
{
	char name[32] = "";
	uint8_t kind;
	uint32_t base;
	int ret = pclk_hypervisor_find(env, PCLK_SIGNATURE_KVM, &base);

	if (ret != -ENODEV)
		return true;
	if (env->clocksource && env->clocksource(env->ctx, name, &kind))
		name[0] = '\0';
	name[sizeof(name) - 1] = '\0';
	return pclk_text_equal(name, "kvm-clock");
}

static void explain_absence(const struct paraclock_env *env,
			    const struct paraclock_options *opts)
{
	struct pclk_hypervisors seen;

	TEXT(opts->detail, opts->detail_size,
	     "no PTP clock is named " PTP_NAME " in /sys/class/ptp",
	     may_be_kvm(env) ? "; modprobe ptp_kvm (if it still is not there, "
			       "the host offers no clock pairing)"
			     : "");
	/* arm64 has no CPUID, and nothing to say of it. */
	if (pclk_hypervisors_look(env, &seen) != -EOPNOTSUPP)
		pclk_hypervisors_say(env, "; ", opts->detail,
				     opts->detail_size);
}

static int open_ptp(struct pairing *kp, const struct paraclock_options *opts)
{
	int ret = pclk_ptp_open(&kp->ptp, kp->env, opts, is_wanted);

	kp->by_ptp = true;
	if (ret == -ENODEV && !opts->device && opts->detail && !opts->detail[0])
		explain_absence(kp->env, opts);
	if (ret)
		return ret;
	/* Without sysfs it has no name to check. */
	kp->timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED;
	if (!kp->ptp.name[0]) {
		kp->timescale = PARACLOCK_TIMESCALE_UNKNOWN;
	} else if (!is_wanted(kp->ptp.name)) {
		TEXT(opts->detail, opts->detail_size, kp->ptp.path,
		     " is another PTP clock (", kp->ptp.name,
		     "); the backend phc reads it");
		pclk_ptp_close(&kp->ptp);
		return -ENODEV;
	}
	return 0;
}

static int pairing_open(const struct paraclock_env *env,
			const struct paraclock_options *opts, void **ret_state)
{
	struct pairing *kp = env->alloc(env->ctx, sizeof(*kp));
	int ret;

	if (!kp)
		return -ENOMEM;
	memset(kp, 0, sizeof(*kp));
	kp->env = env;
	if (env->hypercall && !opts->device)
		ret = pclk_kvm_call_open(&kp->call, env, opts);
	else
		ret = open_ptp(kp, opts);
	if (ret)
		env->free(env->ctx, kp);
	else
		*ret_state = kp;
	return ret;
}

static void pairing_close(void *state)
{
	struct pairing *kp = state;

	if (kp->by_ptp)
		pclk_ptp_close(&kp->ptp);
	else
		pclk_kvm_call_close(&kp->call);
	kp->env->free(kp->env->ctx, kp);
}

static int pairing_get_time(void *state, struct paraclock_sample *ret_sample)
{
	struct pairing *kp = state;
	struct ptp_pair pair;
	int ret;

	if (!kp->by_ptp)
		return pclk_kvm_call_read(&kp->call, ret_sample);
	ret = pclk_ptp_read(&kp->ptp, &pair);
	if (!ret)
		pclk_ptp_sample(&kp->ptp, &pair, kp->timescale, ret_sample);
	return ret;
}

/* Each read asks anew; only what the driver refused is remembered. */
static int pairing_confirm_fresh(void *state, int noticed)
{
	struct pairing *kp = state;

	if (noticed && kp->by_ptp)
		pclk_ptp_forget(&kp->ptp);
	return 0;
}

static void pairing_explain(void *state, int error,
			    const struct paraclock_sample *sample, char *buf,
			    size_t size)
{
	struct pairing *kp = state;

	if (!kp->by_ptp && error)
		pclk_kvm_call_explain(error, buf, size);
	else if (!error && sample && sample->reason == PARACLOCK_REASON_COUNTER)
		TEXT(buf, size,
		     "the counter value that the host gives was not that of "
		     "the CPU when it was asked; are the counters of the CPUs "
		     "in step?");
	else if (!error && sample && sample->reason == PARACLOCK_REASON_WIDE)
		TEXT(buf, size, kp->ptp.path,
		     ": half the time that a read takes is more than "
		     "max_pair_error_ns; allow more, or on x86 let the kernel "
		     "keep its time by kvm-clock, as only then does it give "
		     "narrow pairs");
	else if (kp->by_ptp)
		pclk_ptp_explain(&kp->ptp, error, sample, buf, size);
}

const struct paraclock_backend pclk_backend_kvm_pairing = {
	.size = sizeof(struct paraclock_backend),
	.name = "kvm-pairing",
	.quality = QUALITY,
	.open = pairing_open,
	.get_time = pairing_get_time,
	.confirm_fresh = pairing_confirm_fresh,
	.explain = pairing_explain,
	.close = pairing_close,
};
