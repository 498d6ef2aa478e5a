// SPDX-License-Identifier: MIT
/*
 * From a host's clock to a guest's vmclock page.
 *
 * kvm-host gives single pairs, so a timekeeper makes a steady clock of them,
 * and a relay puts that onto the page, in ticks of the guest's TSC.
 *
 * kvm-host does not know how wrong this host's CLOCK_REALTIME is, nor whether
 * somebody smears leap seconds into it. A page that says UTC or TAI claims
 * both. Here the host's operator vouches for them.
 */
#include <errno.h>
#include <stdio.h>

#include <paraclock/backend.h>

#include "vmm_clock.h"

/* --- the operator's word, as a clock -------------------------------------- */

static int vouched_open(const struct paraclock_env *env,
			const struct paraclock_options *opts, void *arg,
			void **ret_state)
{
	(void)env;
	(void)opts;
	*ret_state = arg;
	return 0;
}

static int vouched_get_time(void *state, struct paraclock_sample *ret_sample)
{
	const struct vmm_clock *vmm = state;
	struct paraclock_sample now;
	struct paraclock_utc utc;
	int64_t tai_ns;
	int ret = paraclock_read(vmm->host, &now);

	if (ret)
		return ret;
	if (!now.valid) {
		*ret_sample = now;
		return 0;
	}
	/* Fails in a second that UTC has twice; the timekeeper bridges that. */
	now.timescale = PARACLOCK_TIMESCALE_UTC;
	now.leap = PARACLOCK_LEAP_NONE;
	ret = paraclock_sample_to_tai(&now, vmm->leaps, &tai_ns);
	if (!ret)
		ret = paraclock_tai_to_utc(vmm->leaps, tai_ns, &utc);
	/* A page cannot say that it does not know how the month ends. */
	if (!ret && utc.leap == PARACLOCK_LEAP_UNKNOWN)
		ret = -ESTALE;
	if (ret)
		return ret;
	now.host_ns = tai_ns;
	now.timescale = PARACLOCK_TIMESCALE_TAI;
	now.tai_offset_sec = utc.tai_offset_sec;
	now.flags |= PARACLOCK_FLAG_TAI_OFFSET;
	now.leap = utc.leap;
	now.clock_error_ns = vmm->error_ns;
	*ret_sample = now;
	return 0;
}

static void vouched_explain(void *state, int error,
			    const struct paraclock_sample *sample, char *buf,
			    size_t size)
{
	const struct vmm_clock *vmm = state;

	if (error == -ESTALE)
		snprintf(buf, size,
			 "the leap second list does not reach to "
			 "the end of this month; update tzdata");
	else
		paraclock_explain(vmm->host, error, sample, buf, size);
}

static void vouched_close(void *state)
{
	(void)state;
}

static const struct paraclock_backend vouched = {
	.size = sizeof(vouched),
	.name = "vouched",
	.open = vouched_open,
	.get_time = vouched_get_time,
	.explain = vouched_explain,
	.close = vouched_close,
};

/* --- the way to the page -------------------------------------------------- */

int vmm_clock_start(struct vmm_clock *vmm)
{
	struct paraclock_options opts = { .size = sizeof(opts),
					  .env = vmm->env };
	int ret = paraclock_open_backend(&vmm->vouched, &vouched, vmm, &opts);

	if (!ret)
		ret = paraclock_timekeeper_acquire(&vmm->timekeeper, vmm->env,
						   NULL);
	if (!ret)
		ret = paraclock_timekeeper_open(&vmm->kept, &vmm->timekeeper,
						vmm->env);
	if (!ret)
		ret = paraclock_page_writer_acquire(&vmm->writer, vmm->env);
	vmm->follow = (struct paraclock_follow){
		.size = sizeof(vmm->follow),
		.step_ns = 100000000,		/* what chronyd may step */
		.rate_interval_ns = 5000000000, /* the time comes after two */
		.drift_ppb = 50000,		/* of a computer's crystal */
		.flags = PARACLOCK_FOLLOW_RESTART,
	};
	vmm->target = (struct paraclock_target){
		.size = sizeof(vmm->target),
		.page = vmm->page,
		.writer = &vmm->writer,
		.write = paraclock_vmclock_write,
		.freeze = paraclock_vmclock_freeze,
		.coupling = vmm->coupling,
		.marker = 1,
	};
	vmm->relay = (struct paraclock_relay){
		.size = sizeof(vmm->relay),
		.clk = vmm->kept,
		.timekeeper = &vmm->timekeeper,
		.targets = &vmm->target,
		.n_targets = 1,
	};
	return ret;
}

int vmm_clock_update(struct vmm_clock *vmm)
{
	int ret = paraclock_timekeeper_follow(&vmm->timekeeper, vmm->env,
					      vmm->vouched, &vmm->follow);
	int relayed = paraclock_relay_update(&vmm->relay);

	return ret ? ret : relayed;
}

void vmm_clock_stop(struct vmm_clock *vmm)
{
	(void)paraclock_relay_freeze(&vmm->relay);
	paraclock_close(vmm->kept);
	paraclock_close(vmm->vouched);
}
