// SPDX-License-Identifier: MIT
/*
 * tsc: this kernel's CLOCK_REALTIME at a counter value. It asks no host: an
 * own-kernel source, for bare metal and for comparison.
 */

#include <errno.h>
#include <string.h>
#include <time.h>

#include <paraclock/backend.h>

#include "base/counter.h"
#include "base/fixed.h"
#include "base/text.h"

/* Only by name: it would steer this kernel's clock by itself. */
#define QUALITY (-100)

/* An interrupt makes a bracket wide; of four, one is narrow. */
#define BRACKETS 4

struct tsc {
	const struct paraclock_env *env;
	uint64_t mult; /* 2^-32 ns per tick */
	uint64_t step; /* by how much the counter moves at a time, ticks */
	enum counter_how how;
	uint8_t counter; /* enum paraclock_counter */
	uint8_t reason;
	bool invariant;
	/* If the clock contradicts firmware: what firmware states, what the
	 * clock says, and its error, Hz. Else 0. */
	uint64_t stated_hz, measured_hz, measured_error_hz;
	char clocksource[32];
};

/* An env that accepts any page's counter as its own does not say which one it
 * reads. */
static uint8_t counter_of(const struct paraclock_env *env)
{
	return env->counter_id == PARACLOCK_COUNTER_ANY ? PARACLOCK_COUNTER_NONE
							: env->counter_id;
}

/* The clocksource of a kernel that keeps its time by this counter. */
static const char *clocksource_of(uint8_t counter)
{
	return counter == PARACLOCK_COUNTER_ARM_VCNT ? "arch_sys_counter"
						     : "tsc";
}

/* A kernel that does not use the counter may have seen it go wrong; and another
 * clock may be coarse, which a bracket's width does not show. */
static bool is_trusted(const struct paraclock_machine *machine)
{
	/* An arm64 counter is steady by its architecture. */
	if (machine->counter == PARACLOCK_COUNTER_ARM_VCNT &&
	    !machine->clocksource[0])
		return true;
	return pclk_text_equal(machine->clocksource,
			       clocksource_of(machine->counter));
}

static uint8_t judge(const struct tsc *tsc,
		     const struct paraclock_machine *machine)
{
	if (tsc->counter == PARACLOCK_COUNTER_NONE)
		return PARACLOCK_REASON_COUNTER;
	if (!machine->invariant || !is_trusted(machine))
		return PARACLOCK_REASON_UNSTABLE;
	return PARACLOCK_REASON_OK;
}

/* The longest that a tick may last, rounded up: it is for widths only. */
static uint64_t mult_of(const struct paraclock_machine *machine)
{
	uint64_t hz = machine->counter_hz;

	/* The error is at most 2^-5 of it: never 0. */
	if (machine->measured_hz)
		hz = machine->measured_hz - machine->measured_error_hz;
	return ((uint64_t)NSEC_PER_SEC << 32) / (hz ? hz : 1) + 1;
}

static void set_machine(struct tsc *tsc,
			const struct paraclock_machine *machine)
{
	tsc->mult = mult_of(machine);
	if (machine->measured && machine->stated_hz) {
		tsc->stated_hz = machine->stated_hz;
		tsc->measured_hz = machine->measured_hz;
		tsc->measured_error_hz = machine->measured_error_hz;
	}
	memcpy(tsc->clocksource, machine->clocksource,
	       sizeof(tsc->clocksource));
	tsc->invariant = machine->invariant;
	tsc->reason = judge(tsc, machine);
}

static int tsc_open(const struct paraclock_env *env,
		    const struct paraclock_options *opts, void *arg,
		    void **ret_state)
{
	struct paraclock_machine machine = { .size = sizeof(machine) };
	struct tsc *tsc;

	(void)arg;

	if (!env->describe || !env->read_clock) {
		TEXT(opts->detail, opts->detail_size,
		     "this env has no system clocks");
		return -EOPNOTSUPP;
	}
	if (opts->device) {
		TEXT(opts->detail, opts->detail_size, "tsc has no device");
		return -EINVAL;
	}
	if (paraclock_describe_machine(env, &machine) || !machine.counter_hz) {
		TEXT(opts->detail, opts->detail_size,
		     "the frequency of the counter is not known: no firmware "
		     "states it, and the kernel's clock is too coarse to "
		     "measure it");
		return -ENODEV;
	}
	tsc = env->alloc(env->ctx, sizeof(*tsc));
	if (!tsc)
		return -ENOMEM;
	memset(tsc, 0, sizeof(*tsc));
	tsc->env = env;
	tsc->how = pclk_counter_choose(env);
	tsc->step = pclk_counter_step(env, tsc->how);
	tsc->counter = counter_of(env);
	set_machine(tsc, &machine);
	*ret_state = tsc;
	return 0;
}

static void tsc_close(void *state)
{
	struct tsc *tsc = state;

	tsc->env->free(tsc->env->ctx, tsc);
}

/*
 * The clock was read between the two ends, or up to one step of the counter
 * after the second: the counter may have reached that value just after the
 * first.
 */
static uint64_t half_width_ns(const struct tsc *tsc, uint64_t width)
{
	u128 ns = ((u128)(width - width / 2) + tsc->step) * tsc->mult >> 32;

	/* 1: rounding. */
	return ns < PARACLOCK_ERROR_UNKNOWN ? (uint64_t)ns + 1
					    : PARACLOCK_ERROR_UNKNOWN;
}

static int tsc_get_time(void *state, struct paraclock_sample *ret_sample)
{
	struct tsc *tsc = state;
	const struct paraclock_env *env = tsc->env;
	uint64_t width = UINT64_MAX;
	struct paraclock_sample sample = {
		.pair_error_ns = PARACLOCK_ERROR_UNKNOWN,
		.clock_error_ns = PARACLOCK_ERROR_UNKNOWN,
		.valid = !tsc->reason,
		.reason = tsc->reason,
		.timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED,
		.counter = tsc->counter,
		.leap = PARACLOCK_LEAP_UNKNOWN,
		.flags = PARACLOCK_FLAG_OWN_KERNEL,
	};

	for (unsigned int i = 0; i < BRACKETS; i++) {
		uint64_t before = counter_read(env, tsc->how);
		int64_t ns;
		int ret = env->read_clock(env->ctx, CLOCK_REALTIME, &ns);
		uint64_t after = counter_read(env, tsc->how);

		if (ret)
			return ret;
		/* It went backwards: the ends are not of one counter. */
		if (after < before || after - before >= width)
			continue;
		width = after - before;
		sample.host_ns = ns;
		sample.host_tsc = before + width / 2;
	}
	if (width == UINT64_MAX)
		return -EAGAIN;
	if (sample.valid)
		sample.pair_error_ns = half_width_ns(tsc, width);
	*ret_sample = sample;
	return 0;
}

static void explain_unstable(const struct tsc *tsc, char *buf, size_t size)
{
	const char *source = tsc->clocksource;

	if (!tsc->invariant)
		TEXT(buf, size,
		     "the CPU does not say that its counter is invariant: it "
		     "may change its rate, or stop");
	else if (!source[0])
		TEXT(buf, size,
		     "the kernel's clocksource cannot be read, so whether the "
		     "kernel trusts the counter is not known; mount sysfs");
	else
		TEXT(buf, size, "the kernel's clocksource is ", source,
		     " and not ", clocksource_of(tsc->counter), ": a kernel ",
		     "that keeps its time by another clock may have ",
		     "seen the counter go wrong");
}

static void explain_frequency(const struct tsc *tsc, char *buf, size_t size)
{
	char stated[32], measured[32];

	pclk_text_hz(tsc->stated_hz, 0, stated);
	pclk_text_hz(tsc->measured_hz, tsc->measured_error_hz, measured);
	TEXT(buf, size, "fit for correlation; firmware states a counter of ",
	     stated, ", but by the kernel's clock it runs at ", measured,
	     ", which is what counts here");
}

static void tsc_explain(void *state, int error,
			const struct paraclock_sample *sample, char *buf,
			size_t size)
{
	const struct tsc *tsc = state;

	if (error == -EAGAIN)
		TEXT(buf, size,
		     "the counter ran backwards around each reading of the "
		     "clock: the counters of the CPUs do not agree");
	else if (error || !sample)
		return;
	else if (sample->reason == PARACLOCK_REASON_COUNTER)
		TEXT(buf, size, "this env does not say which counter it reads");
	else if (sample->reason == PARACLOCK_REASON_UNSTABLE)
		explain_unstable(tsc, buf, size);
	else if (sample->reason == PARACLOCK_REASON_OK && tsc->stated_hz)
		explain_frequency(tsc, buf, size);
}

const struct paraclock_backend pclk_backend_tsc = {
	.size = sizeof(struct paraclock_backend),
	.name = "tsc",
	.quality = QUALITY,
	.open = tsc_open,
	.get_time = tsc_get_time,
	.explain = tsc_explain,
	.close = tsc_close,
};
