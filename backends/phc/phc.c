// SPDX-License-Identifier: MIT
/*
 * phc: PTP hardware clocks without hardware: the host's clock, as a paravirtual
 * driver shows it.
 */

#include <errno.h>
#include <string.h>

#include "base/text.h"
#include "phc_scale.h"

/*
 * Below kvm-pairing (200), and so below every page: a pair costs system calls
 * and, with all but a few drivers, is as wide as an exit to the hypervisor. Not
 * below 0: it is the host's clock, not this kernel's, and the best one where
 * the machine has no page.
 */
#define QUALITY 150

struct phc {
	struct ptp ptp;
	struct phc_kind kind;
	uint64_t scale; /* pclk_phc_measure()'s memory */
};

static int wanted(const char *name)
{
	struct phc_kind kind;

	pclk_phc_kind_of(name, &kind);
	if (kind.paravirtual)
		return 1;
	/* Another backend reads what is known and not this one's. */
	return kind.timescale == PARACLOCK_TIMESCALE_UNKNOWN ? 0 : -1;
}

static void explain_absence(const struct ptp *ptp,
			    const struct paraclock_options *opts)
{
	TEXT(opts->detail, opts->detail_size,
	     "no PTP clock of a paravirtual driver in /sys/class/ptp; load the "
	     "one for this hypervisor (hv_utils, ptp_vmclock, ptp_vmw, "
	     "virtio_rtc)",
	     ptp->passed[0] ? "; passed over as not one of these (name it as "
			      "the device to read it): "
			    : "",
	     ptp->passed);
}

static int phc_open(const struct paraclock_env *env,
		    const struct paraclock_options *opts, void *arg,
		    void **ret_state)
{
	struct phc *phc = env->alloc(env->ctx, sizeof(*phc));
	int ret;

	(void)arg;

	if (!phc)
		return -ENOMEM;
	memset(phc, 0, sizeof(*phc));
	ret = pclk_ptp_open(&phc->ptp, env, opts, wanted);
	if (ret) {
		if (ret == -ENODEV && !opts->device && opts->detail &&
		    !opts->detail[0])
			explain_absence(&phc->ptp, opts);
		env->free(env->ctx, phc);
		return ret;
	}
	pclk_phc_kind_of(phc->ptp.name, &phc->kind);
	*ret_state = phc;
	return 0;
}

static void phc_close(void *state)
{
	struct phc *phc = state;
	const struct paraclock_env *env = phc->ptp.env;

	pclk_ptp_close(&phc->ptp);
	env->free(env->ctx, phc);
}

static int phc_get_time(void *state, struct paraclock_sample *ret_sample)
{
	struct phc *phc = state;
	uint8_t timescale = phc->kind.timescale;
	struct ptp_pair pair;
	int ret = pclk_ptp_read(&phc->ptp, &pair);

	if (ret)
		return ret;
	if (phc->kind.measured)
		timescale = pclk_phc_measure(&phc->scale, &pair);
	pclk_ptp_sample(&phc->ptp, &pair, timescale, ret_sample);
	/* Its driver also gives the time of a page that the host has given
	 * up. */
	if (phc->kind.measured)
		ret_sample->flags = PARACLOCK_FLAG_UNVOUCHED;
	return 0;
}

/* Each read asks the device. But what was learnt of it holds for one host, and
 * this may be another. */
static int phc_confirm_fresh(void *state, int noticed)
{
	struct phc *phc = state;

	if (noticed) {
		pclk_ptp_forget(&phc->ptp);
		__atomic_store_n(&phc->scale, 0, __ATOMIC_RELAXED);
	}
	return 0;
}

static void phc_explain(void *state, int error,
			const struct paraclock_sample *sample, char *buf,
			size_t size)
{
	struct phc *phc = state;

	if (!error && sample && sample->valid &&
	    sample->timescale == PARACLOCK_TIMESCALE_UNKNOWN)
		TEXT(buf, size, phc->ptp.path,
		     !phc->ptp.name[0]
			     ? ": its timescale is not known, because sysfs "
			       "does not show the device of this number; mount "
			       "or unmask /sys"
		     : phc->kind.measured
			     ? ": its timescale is not known: it is neither "
			       "close to CLOCK_REALTIME nor ahead by the "
			       "kernel's TAI offset; set the system clock and "
			       "the TAI offset (chrony, ntpd), or use vmclock"
			     : ": its timescale is not known: this library "
			       "does not know the driver");
	else
		pclk_ptp_explain(&phc->ptp, error, sample, buf, size);
}

const struct paraclock_backend pclk_backend_phc = {
	.size = sizeof(struct paraclock_backend),
	.name = "phc",
	.quality = QUALITY,
	.open = phc_open,
	.get_time = phc_get_time,
	.confirm_fresh = phc_confirm_fresh,
	.explain = phc_explain,
	.close = phc_close,
};
