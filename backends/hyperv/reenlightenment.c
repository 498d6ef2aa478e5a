// SPDX-License-Identifier: MIT
/*
 * Reenlightenment: Hyper-V announces a move, and waits until L1 is ready.
 *
 * References: Hyper-V TLFS, [1] "Timers"; [2] "Feature Discovery",
 * HV_PARTITION_PRIVILEGE_MASK; [3] Linux arch/x86/hyperv/hv_init.c.
 *
 * The order is that of [3]: end the emulation while L2 is blocked, and only
 * then read frequency and page, because until then both are the old host's. See
 * docs/decisions/0019.
 */

#include <errno.h>
#include <stdbool.h>

#include <paraclock/backend.h>
#include <paraclock/events.h>
#include <paraclock/host.h>
#include <paraclock/relay.h>

#include "base/cpuid.h"
#include "base/fixed.h"
#include "hyperv_page.h"

/* Leaf base + 3, see [2]: AccessFrequencyMsrs and
 * AccessReenlightenmentControls in EAX, the frequency MSRs in EDX. */
#define NEED_EAX (1U << 11 | 1U << 13)
#define NEED_EDX (1U << 8)

#define MSR_FREQUENCY	  0x40000022U /* Hz */
#define MSR_CONTROL	  0x40000106U
#define CONTROL_ENABLE	  (1ULL << 16)
#define CONTROL_TARGET	  32
#define MSR_EMULATION	  0x40000107U
#define EMULATION_ENABLE  1ULL
#define MSR_STATUS	  0x40000108U
#define STATUS_EMULATING  1ULL
#define FIRST_FREE_VECTOR 16

/* How many passes are made for moves that come while one is handled. */
#define PASSES 3

/* A page whose rate differs from the frequency by more than one part in this
 * (500 ppm) is the old host's. Between hosts whose rates are closer, the page is
 * new once Hyper-V says that its emulation has ended. */
#define RATE_PART 2000

struct __attribute__((may_alias)) kept {
	uint64_t handled; /* how many notifications have been handled */
};

static struct kept *kept_of(struct paraclock_reenlightenment *re)
{
	return (void *)re->opaque;
}

static int check(const struct paraclock_reenlightenment *re)
{
	return !re || re->size < sizeof(*re) || !re->env ||
			       re->env->size < sizeof(*re->env)
		       ? -EINVAL
		       : 0;
}

/* Only a successful start has checked CPUID for the MSRs. */
static int check_started(const struct paraclock_reenlightenment *re)
{
	int ret = check(re);

	return ret || re->hz ? ret : -EINVAL;
}

static int get_msr(const struct paraclock_reenlightenment *re, uint32_t msr,
		   uint64_t *ret_value)
{
	return re->env->rdmsr(re->env->ctx, msr, ret_value);
}

static int set_msr(const struct paraclock_reenlightenment *re, uint32_t msr,
		   uint64_t value)
{
	return re->env->wrmsr(re->env->ctx, msr, value);
}

static int get_frequency(struct paraclock_reenlightenment *re)
{
	uint64_t hz;
	int ret = get_msr(re, MSR_FREQUENCY, &hz);

	if (ret)
		return ret;
	if (!hz)
		return -EPROTO;
	__atomic_store_n(&re->hz, hz, __ATOMIC_RELAXED);
	return 0;
}

/* --- setting it up -------------------------------------------------------- */

static int check_features(const struct paraclock_env *env)
{
	uint32_t regs[4];
	int ret;

	if (!env->rdmsr || !env->wrmsr)
		return -EOPNOTSUPP;
	ret = pclk_hypervisor_leaf(env, HYPERV_SIGNATURE, 3, regs);
	if (ret)
		return ret;
	return (regs[0] & NEED_EAX) == NEED_EAX && regs[3] & NEED_EDX
		       ? 0
		       : -EOPNOTSUPP;
}

int paraclock_reenlightenment_start(struct paraclock_reenlightenment *re)
{
	int ret = check(re);

	if (!ret && re->vector < FIRST_FREE_VECTOR)
		ret = -EINVAL;
	if (!ret)
		ret = check_features(re->env);
	if (!ret)
		ret = get_frequency(re);
	if (ret)
		return ret;
	if (!re->notifications) {
		re->notifications = 1;
		kept_of(re)->handled = 1;
	}
	ret = set_msr(re, MSR_CONTROL,
		      (uint64_t)re->target_vp << CONTROL_TARGET |
			      CONTROL_ENABLE | re->vector);
	if (ret)
		return ret;
	ret = set_msr(re, MSR_EMULATION, EMULATION_ENABLE);
	if (ret)
		(void)set_msr(re, MSR_CONTROL, 0);
	return ret;
}

int paraclock_reenlightenment_stop(struct paraclock_reenlightenment *re)
{
	uint64_t status;
	int ret = check_started(re);

	if (!ret)
		ret = get_msr(re, MSR_STATUS, &status);
	if (ret)
		return ret;
	if (status & STATUS_EMULATING)
		return -EBUSY;
	/* In this order, a move in between is still announced. */
	ret = set_msr(re, MSR_EMULATION, 0);
	return ret ? ret : set_msr(re, MSR_CONTROL, 0);
}

/* --- a move --------------------------------------------------------------- */

void paraclock_reenlightenment_notify(struct paraclock_reenlightenment *re)
{
	if (re)
		__atomic_fetch_add(&re->notifications, 1, __ATOMIC_SEQ_CST);
}

static uint64_t notifications_of(const struct paraclock_reenlightenment *re)
{
	return __atomic_load_n(&re->notifications, __ATOMIC_SEQ_CST);
}

/* Block L2 until the relay has written what L2 reads. */
static int accept(struct paraclock_reenlightenment *re, uint64_t status,
		  uint64_t seen)
{
	int ret = re->relay ? paraclock_relay_freeze(re->relay) : 0;

	if (!ret && status & STATUS_EMULATING)
		ret = set_msr(re, MSR_STATUS,
			      status & ~(uint64_t)STATUS_EMULATING);
	if (!ret)
		ret = get_frequency(re);
	if (ret)
		return ret;
	/* Release pairs with source_confirm_fresh(): a reader that sees this
	 * sees the frequency. */
	__atomic_store_n(&kept_of(re)->handled, seen, __ATOMIC_RELEASE);
	return re->relay ? paraclock_relay_resume(re->relay) : 0;
}

static int run_once(struct paraclock_reenlightenment *re)
{
	/* Read before the status: the status then shows each move counted here,
	 * and a later one does not count as handled. */
	uint64_t seen = notifications_of(re);
	uint64_t status;
	int ret = get_msr(re, MSR_STATUS, &status);

	if (ret)
		return ret;
	if (seen == kept_of(re)->handled) {
		if (!(status & STATUS_EMULATING))
			return re->relay ? paraclock_relay_update(re->relay)
					 : 0;
		/* The interrupt of this move is late or lost. */
		paraclock_reenlightenment_notify(re);
		seen++;
	}
	return accept(re, status, seen);
}

int paraclock_reenlightenment_run(struct paraclock_reenlightenment *re)
{
	int ret = check_started(re);

	if (ret)
		return ret;
	for (unsigned int i = 0; i < PASSES; i++) {
		ret = run_once(re);
		if (notifications_of(re) == kept_of(re)->handled)
			return ret;
		if (ret && ret != -EAGAIN)
			return ret;
		/* Another move came meanwhile. */
	}
	return -EAGAIN;
}

/* --- the page, with the notifications as its marker ----------------------- */

struct source {
	const struct paraclock_env *env;
	struct paraclock_reenlightenment *re;
	void *page; /* the state of the backend hyperv */
};

static int source_open(const struct paraclock_env *env,
		       const struct paraclock_options *opts, void *arg,
		       void **ret_state)
{
	struct source *source = env->alloc(env->ctx, sizeof(*source));
	int ret;

	if (!source)
		return -ENOMEM;
	source->env = env;
	source->re = arg;
	ret = pclk_backend_hyperv.open(env, opts, NULL, &source->page);
	if (ret)
		env->free(env->ctx, source);
	else
		*ret_state = source;
	return ret;
}

static void source_close(void *state)
{
	struct source *source = state;

	pclk_backend_hyperv.close(source->page);
	source->env->free(source->env->ctx, source);
}

static int source_get_time(void *state, struct paraclock_sample *ret_sample)
{
	struct source *source = state;

	return pclk_backend_hyperv.get_time(source->page, ret_sample);
}

static int source_get_time_at(void *state, uint64_t counter,
			      struct paraclock_sample *ret_sample)
{
	struct source *source = state;

	return pclk_backend_hyperv.get_time_at(source->page, counter,
					       ret_sample);
}

static int source_get_conversion(void *state,
				 struct paraclock_sample *ret_sample,
				 struct paraclock_conversion *ret_conv)
{
	struct source *source = state;

	return pclk_backend_hyperv.get_conversion(source->page, ret_sample,
						  ret_conv);
}

static void source_explain(void *state, int error,
			   const struct paraclock_sample *sample, char *buf,
			   size_t size)
{
	struct source *source = state;

	pclk_backend_hyperv.explain(source->page, error, sample, buf, size);
}

static int source_get_marker(void *state, struct paraclock_marker *ret_marker)
{
	struct source *source = state;

	*ret_marker = (struct paraclock_marker){
		.value = notifications_of(source->re),
	};
	return 0;
}

static int source_watch_marker(void *state, const uint64_t *ret_words[2])
{
	struct source *source = state;

	ret_words[0] = &source->re->notifications;
	ret_words[1] = NULL;
	return 0;
}

/* Does the page count about 10^9 ns in a second of the host's frequency? */
static bool has_rate(const struct paraclock_conversion *conv, uint64_t hz)
{
	uint64_t ns = hz * conv->mult_hi + mul_high(hz, conv->mult_lo);
	uint64_t off =
		ns > NSEC_PER_SEC ? ns - NSEC_PER_SEC : NSEC_PER_SEC - ns;

	return off < NSEC_PER_SEC / RATE_PART;
}

/* Until the move is handled, the page is the old host's. */
static int source_confirm_fresh(void *state, int noticed)
{
	struct source *source = state;
	struct paraclock_reenlightenment *re = source->re;
	struct paraclock_sample sample;
	struct paraclock_conversion conv;
	/* Pairs with the release in accept(). */
	uint64_t handled =
		__atomic_load_n(&kept_of(re)->handled, __ATOMIC_ACQUIRE);

	(void)noticed;
	if (handled != notifications_of(re) ||
	    source_get_conversion(source, &sample, &conv) || !conv.usable ||
	    !has_rate(&conv, __atomic_load_n(&re->hz, __ATOMIC_RELAXED)))
		return -EAGAIN;
	return 0;
}

/* Its quality does not matter: it is in no registry. */
static const struct paraclock_backend backend = {
	.size = sizeof(struct paraclock_backend),
	.name = "hyperv",
	.quality = 0,
	/* The hypervisor announces every move that changes the TSC. */
	.marker_class = PARACLOCK_MARKER_AUTHORITATIVE,
	.open = source_open,
	.get_time = source_get_time,
	.get_time_at = source_get_time_at,
	.get_conversion = source_get_conversion,
	.get_marker = source_get_marker,
	.watch_marker = source_watch_marker,
	.confirm_fresh = source_confirm_fresh,
	.explain = source_explain,
	.close = source_close,
	.marker_kind = PARACLOCK_EVENT_MIGRATED,
};

int paraclock_reenlightenment_open(struct paraclock **ret_clk,
				   struct paraclock_reenlightenment *re)
{
	struct paraclock_options opts = {
		.size = sizeof(opts),
	};
	int ret = check(re);

	if (ret || !re->hz)
		return -EINVAL;
	opts.env = re->env;
	return paraclock_open_backend(ret_clk, &backend, re, &opts);
}
