// SPDX-License-Identifier: MIT
/*
 * kvm-pairing in ring 0: the host's CLOCK_REALTIME at a value of the guest's
 * counter, by hypercall, as one atomic act. The calls themselves are in
 * kvm_vmcall.c and kvm_smccc.c.
 */

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "kvm_call.h"

/* The scheduler may move a thread between two CPUs whose counters disagree. If
 * no try brackets the host's value, the host reads another counter. */
#define TRIES 3

static int ask(struct kvm_call *kc, struct kvm_pair *ret_pair)
{
	return kc->smccc ? pclk_kvm_smccc_ask(kc, ret_pair)
			 : pclk_kvm_vmcall_ask(kc, ret_pair);
}

static const char *explain_error(int error)
{
	switch (error) {
	case -EOPNOTSUPP:
		return "the host gives no pair: its clocksource is not a "
		       "counter that it shares with guests, or its KVM is "
		       "older than Linux 4.11; set the host's clocksource to "
		       "tsc";
	case -EACCES:
		return "the hypercall is for ring 0 only; in user space give "
		       "an env without hypercall";
	case -EINVAL:
		return "the host cannot write to the address that the env "
		       "gives for the kvm-pairing page (map.phys)";
	case -EPROTO:
		return "the host returned an undefined status or an impossible "
		       "time; report it as a bug of the host";
	case -EAGAIN:
		return "too many calls are under way at once; try again";
	default:
		return NULL;
	}
}

static void say_error(int error, char *buf, size_t size)
{
	const char *why = explain_error(error);

	if (why)
		TEXT(buf, size, why);
}

static void call_close(void *state)
{
	struct kvm_call *kc = state;
	const struct paraclock_env *env = kc->env;

	if (!kc->smccc)
		pclk_kvm_vmcall_close(kc);
	env->free(env->ctx, kc);
}

static int prepare(struct kvm_call *kc, const struct paraclock_options *opts)
{
	switch (kc->env->counter_id) {
	case PARACLOCK_COUNTER_ARM_VCNT:
		kc->smccc = true;
		return pclk_kvm_smccc_open(kc, opts);
	case PARACLOCK_COUNTER_X86_TSC:
		return pclk_kvm_vmcall_open(kc, opts);
	default:
		TEXT(opts->detail, opts->detail_size,
		     "KVM pairs with the TSC or the arm64 virtual counter "
		     "only");
		return -EOPNOTSUPP;
	}
}

static int check(const struct paraclock_env *env,
		 const struct paraclock_options *opts)
{
	if (!env->hypercall) {
		TEXT(opts->detail, opts->detail_size,
		     "this env makes no hypercalls");
		return -EOPNOTSUPP;
	}
	if (opts->device) {
		TEXT(opts->detail, opts->detail_size,
		     "kvm-pairing is a hypercall here and has no device");
		return -EINVAL;
	}
	return 0;
}

static int call_open(const struct paraclock_env *env,
		     const struct paraclock_options *opts, void *arg,
		     void **ret_state)
{
	struct kvm_pair pair;
	struct kvm_call *kc;
	int ret = check(env, opts);

	(void)arg;
	if (ret)
		return ret;
	kc = env->alloc(env->ctx, sizeof(*kc));
	if (!kc)
		return -ENOMEM;
	memset(kc, 0, sizeof(*kc));
	kc->env = env;
	kc->how = pclk_counter_choose(env);
	ret = prepare(kc, opts);
	if (ret) {
		env->free(env->ctx, kc);
		return ret;
	}
	/* No feature bit announces x86's call: only making it shows. */
	ret = ask(kc, &pair);
	if (ret) {
		if (opts->detail)
			say_error(ret, opts->detail, opts->detail_size);
		call_close(kc);
		return ret;
	}
	*ret_state = kc;
	return 0;
}

/*
 * The host reads its counter during the call, so the value that it gives for
 * ours lies between two readings of ours. If it never does, it is not our
 * counter, and only the time has a meaning.
 */
static int call_get_time(void *state, struct paraclock_sample *ret_sample)
{
	struct kvm_call *kc = state;
	struct paraclock_sample sample = {
		.clock_error_ns = PARACLOCK_ERROR_UNKNOWN,
		.valid = 1,
		.timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED,
		.counter = kc->env->counter_id,
		.leap = PARACLOCK_LEAP_UNKNOWN,
	};
	uint64_t before, after = 0;
	struct kvm_pair pair = { 0 };

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

static void call_explain(void *state, int error,
			 const struct paraclock_sample *sample, char *buf,
			 size_t size)
{
	(void)state;
	if (error)
		say_error(error, buf, size);
	else if (sample && sample->reason == PARACLOCK_REASON_COUNTER)
		TEXT(buf, size,
		     "the counter value that the host gives is not one that "
		     "the CPU had during the call; check that the counters of "
		     "all CPUs agree");
}

const struct paraclock_backend pclk_backend_kvm_call = {
	.size = sizeof(struct paraclock_backend),
	.name = "kvm-pairing",
	.quality = KVM_PAIRING_QUALITY,
	.open = call_open,
	.get_time = call_get_time,
	.explain = call_explain,
	.close = call_close,
};
