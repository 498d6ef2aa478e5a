// SPDX-License-Identifier: MIT
/*
 * kvm-pairing on Linux: the host's CLOCK_REALTIME at a value of the guest's
 * counter, by the PTP clock into which Linux turns KVM's hypercall. User space
 * may not make the call itself; an env that can is handed to kvm_call.c.
 *
 * Reference: Linux drivers/ptp/ptp_kvm_common.c, ptp_kvm_x86.c.
 */

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "kvm_call.h"
#include "kvm_cpuid.h"
#include "linux/ptp.h"

#define PTP_NAME "KVM virtual PTP"

struct pairing {
	const struct paraclock_env *env;
	void *call; /* pclk_backend_kvm_call's state; NULL: by PTP */
	struct ptp ptp;
	uint8_t timescale;
};

static int is_wanted(const char *name)
{
	return pclk_text_equal(name, PTP_NAME);
}

/* CPUID may show the layer below this machine's hypervisor (PVM); the kernel
 * knows which clock it keeps its time by. */
static bool may_be_kvm(const struct paraclock_env *env)
{
	char name[32] = "";
	uint8_t kind;
	uint32_t base;
	int ret = pclk_hypervisor_find(env, KVM_SIGNATURE, &base);

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
	/* arm64 has no CPUID, and so nothing to add. */
	if (pclk_hypervisors_look(env, &seen) != -EOPNOTSUPP)
		pclk_hypervisors_say(env, "; ", opts->detail,
				     opts->detail_size);
}

static int open_ptp(struct pairing *kp, const struct paraclock_options *opts)
{
	int ret = pclk_ptp_open(&kp->ptp, kp->env, opts, is_wanted);

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
			const struct paraclock_options *opts, void *arg,
			void **ret_state)
{
	struct pairing *kp = env->alloc(env->ctx, sizeof(*kp));
	int ret;

	(void)arg;

	if (!kp)
		return -ENOMEM;
	memset(kp, 0, sizeof(*kp));
	kp->env = env;
	if (env->hypercall && !opts->device)
		ret = pclk_backend_kvm_call.open(env, opts, NULL, &kp->call);
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

	if (kp->call)
		pclk_backend_kvm_call.close(kp->call);
	else
		pclk_ptp_close(&kp->ptp);
	kp->env->free(kp->env->ctx, kp);
}

static int pairing_get_time(void *state, struct paraclock_sample *ret_sample)
{
	struct pairing *kp = state;
	struct ptp_pair pair;
	int ret;

	if (kp->call)
		return pclk_backend_kvm_call.get_time(kp->call, ret_sample);
	ret = pclk_ptp_read(&kp->ptp, &pair);
	if (!ret)
		pclk_ptp_sample(&kp->ptp, &pair, kp->timescale, ret_sample);
	return ret;
}

/* Each read asks the host; only what the driver refused is remembered. */
static int pairing_confirm_fresh(void *state, int noticed)
{
	struct pairing *kp = state;

	if (noticed && !kp->call)
		pclk_ptp_forget(&kp->ptp);
	return 0;
}

static void pairing_explain(void *state, int error,
			    const struct paraclock_sample *sample, char *buf,
			    size_t size)
{
	struct pairing *kp = state;

	if (kp->call)
		pclk_backend_kvm_call.explain(kp->call, error, sample, buf,
					      size);
	else if (!error && sample && sample->reason == PARACLOCK_REASON_WIDE)
		TEXT(buf, size, kp->ptp.path,
		     ": half the time that a read takes is more than "
		     "max_pair_error_ns; allow more, or on x86 let the kernel "
		     "keep its time by kvm-clock, as only then does it give "
		     "narrow pairs");
	else
		pclk_ptp_explain(&kp->ptp, error, sample, buf, size);
}

const struct paraclock_backend pclk_backend_kvm_pairing = {
	.size = sizeof(struct paraclock_backend),
	.name = "kvm-pairing",
	.quality = KVM_PAIRING_QUALITY,
	.open = pairing_open,
	.get_time = pairing_get_time,
	.confirm_fresh = pairing_confirm_fresh,
	.explain = pairing_explain,
	.close = pairing_close,
};
