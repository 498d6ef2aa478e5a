// SPDX-License-Identifier: MIT
/*
 * PTP hardware clocks: opening and explaining. ptp_find.c finds them,
 * ptp_read.c reads them.
 */

#include <errno.h>
#include <string.h>

#include <paraclock/system.h>

#include "base/text.h"
#include "ptp_find.h"

/* The library's own default for max_pair_error_ns. */
#define GOOD_NS 1000

/*
 * Each read takes a snapshot, whose errors are not the device's. This first one
 * also makes the env learn its clocks, which takes a while.
 */
static int check_clocks(const struct ptp *ptp,
			const struct paraclock_options *opts)
{
	struct paraclock_snapshot snap = { .size = sizeof(snap) };
	int ret = paraclock_snapshot(ptp->env, &snap);

	if (!ret || ret == -EAGAIN)
		return 0;
	TEXT(opts->detail, opts->detail_size,
	     "the system clocks, which a PTP clock is paired with, cannot be "
	     "read");
	return ret;
}

int pclk_ptp_open(struct ptp *ptp, const struct paraclock_env *env,
		  const struct paraclock_options *opts, ptp_wanted_fn *wanted)
{
	int ret;

	memset(ptp, 0, sizeof(*ptp));
	ptp->own = *env;
	ptp->own.system_clocks = &ptp->own_clocks;
	ptp->env = env->system_clocks ? env : &ptp->own;
	ptp->fd = -1;
	ptp->how = pclk_counter_choose(env);
	ptp->good_ns =
		opts->max_pair_error_ns ? opts->max_pair_error_ns : GOOD_NS;
	if (!env->open_device || !env->close_device || !env->ioctl ||
	    !env->read_clock || (!env->read_text && !opts->device)) {
		TEXT(opts->detail, opts->detail_size,
		     "this env cannot open and read PTP clocks");
		return -EOPNOTSUPP;
	}
	ret = check_clocks(ptp, opts);
	if (ret)
		return ret;
	return pclk_ptp_find(ptp, opts, wanted);
}

void pclk_ptp_sample(const struct ptp *ptp, const struct ptp_pair *pair,
		     uint8_t timescale, struct paraclock_sample *ret_sample)
{
	memset(ret_sample, 0, sizeof(*ret_sample));
	ret_sample->host_ns = pair->host_ns;
	ret_sample->host_tsc = pair->tsc;
	ret_sample->pair_error_ns = pair->error_ns;
	ret_sample->clock_error_ns = PARACLOCK_ERROR_UNKNOWN;
	ret_sample->timescale = timescale;
	ret_sample->counter = ptp->env->counter_id;
	ret_sample->leap = PARACLOCK_LEAP_UNKNOWN;
	ret_sample->valid = pair->coupled;
	/* A kernel that runs on another clocksource has seen the counter go
	 * wrong, or was told to distrust it. */
	if (!pair->coupled)
		ret_sample->reason = PARACLOCK_REASON_UNSTABLE;
}

static const char *explain_error(const struct ptp *ptp, int error)
{
	switch (error) {
	case -EAGAIN:
		if (__atomic_load_n(&ptp->busy, __ATOMIC_RELAXED))
			return "its driver was busy at each try; some drivers "
			       "limit the readings per second (ENA: 125), so "
			       "read less often";
		return "its time or the system clocks kept being set while it "
		       "was read; try again";
	case -ENODEV:
		return "the device has gone (its driver was unloaded, or it "
		       "was unplugged); close the clock";
	case -EPROTO:
		return "its driver returns impossible times; report it to "
		       "the kernel's maintainers";
	case -ERANGE:
		return "the host's time does not fit into 64 bits of ns";
	case -ETIMEDOUT:
		return "its driver has no time at present: the host does "
		       "not vouch for its clock, or has not said what time it "
		       "is for too long; try again later";
	default:
		return NULL;
	}
}

static void explain_unstable(const struct ptp *ptp, char *buf, size_t size)
{
	struct paraclock_snapshot snap = { .size = sizeof(snap) };

	if (paraclock_snapshot(ptp->env, &snap) || !snap.clocksource[0])
		memcpy(snap.clocksource, "unknown", sizeof("unknown"));
	TEXT(buf, size,
	     "the counters of the CPUs may not agree: the kernel keeps its "
	     "time by clocksource ",
	     snap.clocksource,
	     ", not by them; choose another clocksource if the kernel "
	     "offers one");
}

void pclk_ptp_explain(const struct ptp *ptp, int error,
		      const struct paraclock_sample *sample, char *buf,
		      size_t size)
{
	const char *why = explain_error(ptp, error);

	if (error && why)
		TEXT(buf, size, ptp->path, ": ", why);
	else if (!error && sample &&
		 sample->reason == PARACLOCK_REASON_UNSTABLE)
		explain_unstable(ptp, buf, size);
	else if (!error && sample && sample->reason == PARACLOCK_REASON_WIDE)
		TEXT(buf, size, ptp->path,
		     ": the time that reading it takes leaves the pair wider "
		     "than allowed (max_pair_error_ns); read again, or allow "
		     "more");
}
