// SPDX-License-Identifier: MIT
/*
 * Each way to read a PTP clock: which one is chosen, what the handle remembers,
 * and that the pair is right to within its error.
 */

#include <linux/ptp_clock.h>

#include "fake_ptp.h"

static struct fake_ptp ptp;
static struct fake_phc *phc;

static struct paraclock *open_phc(void)
{
	struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "phc",
		.env = &ptp.clocks.world.env,
	};
	struct paraclock *clk = NULL;

	assert_int_equal(paraclock_open(&clk, &opts), 0);
	return clk;
}

/* --- worlds --------------------------------------------------------------- */

static void only_time(void)
{
}

static void can_all(void)
{
	phc->cross = 1;
	phc->precise = 0;
	phc->extended = 0;
}

static void image_can_all(void)
{
	can_all();
	ptp.clocks.kind = PARACLOCK_CLOCKSOURCE_IMAGE;
	strcpy(ptp.clocks.source, "kvm-clock");
}

static void no_capability(void)
{
	can_all();
	phc->cross = 0;
}

static void old_kernel(void)
{
	phc->extended = 0;
	phc->old_kernel = true;
}

static void ignores_clock_id(void)
{
	phc->extended = 0;
	phc->own_clock = true;
}

static void busy_twice(void)
{
	can_all();
	phc->busy = 2;
}

static void busy_thrice(void)
{
	can_all();
	phc->busy = 3;
}

static void needs_kvm_clock(void)
{
	can_all();
	phc->extended = -EOPNOTSUPP;
	phc->needs_image = true;
}

#define PRECISE_FAILS(name, error)     \
	static void name(void)         \
	{                              \
		can_all();             \
		phc->precise = -error; \
	}

PRECISE_FAILS(precise_einval, EINVAL)
PRECISE_FAILS(precise_eopnotsupp, EOPNOTSUPP)
PRECISE_FAILS(precise_enotty, ENOTTY)
PRECISE_FAILS(precise_etimedout, ETIMEDOUT)

static void extended_fails(int error)
{
	phc->extended = error;
}

static void extended_eio(void)
{
	extended_fails(-EIO);
}

static void extended_enotty(void)
{
	extended_fails(-ENOTTY);
}

static void slow(void)
{
	phc->ticks = 26000;
}

static void slower_and_slower(void)
{
	phc->extended = 0;
	phc->late = 500;
}

static void tells_no_time(void)
{
	phc->read = -EOPNOTSUPP;
}

static void is_busy_for_ever(void)
{
	can_all();
	phc->busy = 1000000;
	phc->read = -EBUSY;
}

static void step_each(struct fake_ptp *p, struct fake_phc *device)
{
	(void)p;
	device->step += 2000000;
}

static void steps_always(void)
{
	phc->extended = 0;
	ptp.on_device = step_each;
}

static void step_second(struct fake_ptp *p, struct fake_phc *device)
{
	if (p->readings == 2)
		device->step += 5000;
}

static void steps_once(void)
{
	phc->extended = 0;
	ptp.on_device = step_second;
}

static void step_back_second(struct fake_ptp *p, struct fake_phc *device)
{
	if (p->readings == 2)
		device->step -= 500;
}

static void steps_back_once(void)
{
	phc->extended = 0;
	ptp.on_device = step_back_second;
}

static void step_second_far(struct fake_ptp *p, struct fake_phc *device)
{
	if (p->readings == 2)
		device->step += 50000;
}

/* A step while brackets are made: the first is too wide to end the search. */
static void slow_steps_once(void)
{
	slow();
	ptp.on_device = step_second_far;
}

static void jump_raw(struct fake_ptp *p, struct fake_phc *device)
{
	(void)device;
	if (p->readings == 1)
		p->clocks.raw.base += 3000;
}

static void raw_jumps_once(void)
{
	phc->extended = 0;
	ptp.on_device = jump_raw;
}

static void set_clock(struct fake_ptp *p, struct fake_phc *device)
{
	(void)device;
	if (p->readings == 1)
		p->clocks.real_minus_mono += 5000;
}

static void clock_is_set_once(void)
{
	old_kernel();
	ptp.on_device = set_clock;
}

static void clocksource_is_hpet(void)
{
	can_all();
	ptp.clocks.kind = PARACLOCK_CLOCKSOURCE_OTHER;
	strcpy(ptp.clocks.source, "hpet");
}

/* --- answers that no driver should give ----------------------------------- */

static void spoil_nsec(struct fake_ptp *p, void *answer)
{
	(void)p;
	((struct ptp_sys_offset_precise *)answer)->device.nsec = 1000000000;
}

static void spoil_sec(struct fake_ptp *p, void *answer)
{
	(void)p;
	((struct ptp_sys_offset_precise *)answer)->device.sec = INT64_MAX;
}

static void spoil_monoraw(struct fake_ptp *p, void *answer)
{
	struct ptp_sys_offset_precise *offset = answer;

	(void)p;
	memset(&offset->sys_monoraw, 0, sizeof(offset->sys_monoraw));
}

static void spoil_monoraw_late(struct fake_ptp *p, void *answer)
{
	(void)p;
	((struct ptp_sys_offset_precise *)answer)->sys_monoraw.sec++;
}

static void spoil_none(struct fake_ptp *p, void *answer)
{
	(void)p;
	((struct ptp_sys_offset_extended *)answer)->n_samples = 0;
}

static void spoil_many(struct fake_ptp *p, void *answer)
{
	(void)p;
	((struct ptp_sys_offset_extended *)answer)->n_samples = 25;
}

static void spoil_third(struct fake_ptp *p, void *answer)
{
	struct ptp_sys_offset_extended *offset = answer;

	(void)p;
	memset(offset->ts[2], 0, sizeof(offset->ts[2]));
}

static void spoil_third_device(struct fake_ptp *p, void *answer)
{
	struct ptp_sys_offset_extended *offset = answer;

	(void)p;
	memset(&offset->ts[2][1], 0, sizeof(offset->ts[2][1]));
}

static void swap(struct ptp_clock_time *a, struct ptp_clock_time *b)
{
	struct ptp_clock_time c = *a;

	*a = *b;
	*b = c;
}

static void spoil_ends(struct fake_ptp *p, void *answer)
{
	struct ptp_sys_offset_extended *offset = answer;

	(void)p;
	swap(&offset->ts[1][0], &offset->ts[1][2]);
}

static void spoil_order(struct fake_ptp *p, void *answer)
{
	struct ptp_sys_offset_extended *offset = answer;

	(void)p;
	for (unsigned int i = 0; i < 3; i++)
		swap(&offset->ts[0][i], &offset->ts[2][i]);
}

#define SPOILT(name, world)                \
	static void name##_is_spoilt(void) \
	{                                  \
		world;                     \
		ptp.on_answer = name;      \
	}

static void only_precise(void)
{
	phc->cross = 1;
	phc->precise = 0;
}

SPOILT(spoil_nsec, only_precise())
SPOILT(spoil_sec, only_precise())
SPOILT(spoil_monoraw, only_precise())
SPOILT(spoil_monoraw_late, only_precise())
SPOILT(spoil_none, extended_fails(0))
SPOILT(spoil_many, extended_fails(0))
SPOILT(spoil_third, extended_fails(0))
SPOILT(spoil_third_device, extended_fails(0))
SPOILT(spoil_ends, extended_fails(0))
SPOILT(spoil_order, extended_fails(0))

/* --- rows ----------------------------------------------------------------- */

struct way_case {
	const char *name;
	void (*world)(void);
	int ret;
	uint8_t reason;
	/* Half of the 1040 ticks that a reading takes is 200 ns. */
	uint64_t least_error, most_error;
	/*
	 * caps, precise, raw, realtime, read: by opening, which reads once, and
	 * by another read.
	 */
	struct fake_ptp_calls first, later;
};

#define OK PARACLOCK_REASON_OK

static struct way_case cases[] = {
	/* clang-format off */
	{ "PRECISE is the first choice", can_all,
	  0, OK, 0, 60, { 1, 1, 0, 0, 0 }, { 0, 1, 0, 0, 0 } },
	{ "PRECISE works on an image of the counter, too", image_can_all,
	  0, OK, 0, 60, { 1, 1, 0, 0, 0 }, { 0, 1, 0, 0, 0 } },
	{ "without the capability PRECISE is not asked for", no_capability,
	  0, OK, 200, 320, { 1, 0, 1, 0, 0 }, { 0, 0, 1, 0, 0 } },
	{ "EXTENDED uses the narrowest of its readings", slower_and_slower,
	  0, OK, 488, 540, { 1, 0, 1, 0, 0 }, { 0, 0, 1, 0, 0 } },
	{ "a kernel without clock ids is asked for REALTIME", old_kernel,
	  0, OK, 200, 320, { 1, 0, 1, 1, 0 }, { 0, 0, 0, 1, 0 } },
	{ "a driver that ignores the clock id is detected", ignores_clock_id,
	  0, OK, 200, 320, { 1, 0, 1, 1, 0 }, { 0, 0, 0, 1, 0 } },
	{ "a driver that only gives its time is read between two counter reads",
	  only_time,
	  0, OK, 200, 320, { 1, 0, 1, 0, 1 }, { 0, 0, 0, 0, 1 } },
	{ "an unknown EXTENDED is not tried again", extended_enotty,
	  0, OK, 200, 320, { 1, 0, 1, 0, 1 }, { 0, 0, 0, 0, 1 } },
	{ "an EXTENDED that fails once is tried again", extended_eio,
	  0, OK, 200, 320, { 1, 0, 1, 1, 1 }, { 0, 0, 1, 1, 1 } },
	{ "PRECISE that is busy for a moment is waited for", busy_twice,
	  0, OK, 0, 60, { 1, 3, 0, 0, 0 }, { 0, 1, 0, 0, 0 } },
	{ "a PRECISE that was busy for long is tried next time", busy_thrice,
	  0, OK, 0, 60, { 1, 3, 1, 0, 0 }, { 0, 1, 0, 0, 0 } },
	{ "ENODEV of PRECISE holds for this clocksource", needs_kvm_clock,
	  0, OK, 200, 320, { 1, 1, 1, 0, 1 }, { 0, 0, 0, 0, 1 } },
	{ "EOPNOTSUPP of PRECISE holds", precise_eopnotsupp,
	  0, OK, 200, 320, { 1, 1, 1, 0, 0 }, { 0, 0, 1, 0, 0 } },
	{ "ENOTTY of PRECISE holds", precise_enotty,
	  0, OK, 200, 320, { 1, 1, 1, 0, 0 }, { 0, 0, 1, 0, 0 } },
	{ "EINVAL of PRECISE does not hold", precise_einval,
	  0, OK, 200, 320, { 1, 1, 1, 0, 0 }, { 0, 1, 1, 0, 0 } },
	{ "a device that has timed out once does not delay later reads",
	  precise_etimedout,
	  -ETIMEDOUT, OK, 0, 0, { 1, 1, 0, 0, 0 }, { 0, 1, 0, 0, 0 } },
	{ "a device without a time times out", tells_no_time,
	  -ETIMEDOUT, OK, 0, 0, { 2, 0, 1, 0, 1 }, { 1, 0, 0, 0, 1 } },
	{ "a device that is busy for ever is given up", is_busy_for_ever,
	  -EAGAIN, OK, 0, 0, { 1, 3, 3, 3, 3 }, { 0, 3, 3, 3, 3 } },
	{ "a step between two readings makes it read anew", steps_once,
	  0, OK, 200, 320, { 1, 0, 2, 0, 0 }, { 0, 0, 1, 0, 0 } },
	{ "no step back is too small to be noticed", steps_back_once,
	  0, OK, 200, 320, { 1, 0, 2, 0, 0 }, { 0, 0, 1, 0, 0 } },
	{ "where each reading steps, a single reading is used", steps_always,
	  0, OK, 200, 320, { 1, 0, 3, 3, 1 }, { 0, 0, 3, 3, 1 } },
	{ "MONOTONIC_RAW that jumps meanwhile makes it read anew",
	  raw_jumps_once, 0, OK, 200, 320,
	  { 1, 0, 2, 0, 0 }, { 0, 0, 1, 0, 0 } },
	{ "REALTIME that is set meanwhile makes it read anew",
	  clock_is_set_once, 0, OK, 200, 320,
	  { 1, 0, 1, 2, 0 }, { 0, 0, 0, 1, 0 } },
	{ "a wide pair is tried four times, and reports its width", slow,
	  0, PARACLOCK_REASON_WIDE, 5000, 5060,
	  { 1, 0, 1, 0, 4 }, { 0, 0, 0, 0, 4 } },
	{ "a step between wide pairs starts over", slow_steps_once,
	  0, PARACLOCK_REASON_WIDE, 5000, 5060,
	  { 1, 0, 1, 0, 6 }, { 0, 0, 0, 0, 4 } },
	{ "a counter that the kernel distrusts is UNSTABLE",
	  clocksource_is_hpet, 0, PARACLOCK_REASON_UNSTABLE, 0, 0,
	  { 1, 0, 0, 0, 1 }, { 0, 0, 0, 0, 1 } },
	{ "a thousand million ns are refused", spoil_nsec_is_spoilt,
	  0, OK, 200, 320, { 1, 1, 1, 0, 1 }, { 0, 1, 0, 0, 1 } },
	{ "a time beyond 64 bits is refused", spoil_sec_is_spoilt,
	  0, OK, 200, 320, { 1, 1, 1, 0, 1 }, { 0, 1, 0, 0, 1 } },
	{ "a MONOTONIC_RAW that was not written is refused",
	  spoil_monoraw_is_spoilt, 0, OK, 200, 320,
	  { 1, 1, 1, 0, 1 }, { 0, 1, 0, 0, 1 } },
	{ "a MONOTONIC_RAW from the future is refused",
	  spoil_monoraw_late_is_spoilt, 0, OK, 200, 320,
	  { 1, 1, 1, 0, 1 }, { 0, 1, 0, 0, 1 } },
	{ "EXTENDED without readings is refused", spoil_none_is_spoilt,
	  0, OK, 200, 320, { 1, 0, 1, 1, 1 }, { 0, 0, 1, 1, 1 } },
	{ "EXTENDED with more than were asked for is refused",
	  spoil_many_is_spoilt, 0, OK, 200, 320,
	  { 1, 0, 1, 1, 1 }, { 0, 0, 1, 1, 1 } },
	{ "a reading that was not written is refused",
	  spoil_third_is_spoilt, 0, OK, 200, 320,
	  { 1, 0, 1, 1, 1 }, { 0, 0, 1, 1, 1 } },
	{ "a device's time that was not written is refused",
	  spoil_third_device_is_spoilt, 0, OK, 200, 320,
	  { 1, 0, 3, 3, 1 }, { 0, 0, 3, 3, 1 } },
	{ "an end before its beginning is refused", spoil_ends_is_spoilt,
	  0, OK, 200, 320, { 1, 0, 3, 3, 1 }, { 0, 0, 3, 3, 1 } },
	{ "readings out of order are refused", spoil_order_is_spoilt,
	  0, OK, 200, 320, { 1, 0, 3, 3, 1 }, { 0, 0, 3, 3, 1 } },
	/* clang-format on */
};

static void check_calls(const struct fake_ptp_calls *want)
{
	assert_int_equal(ptp.calls.caps, want->caps);
	assert_int_equal(ptp.calls.precise, want->precise);
	assert_int_equal(ptp.calls.raw, want->raw);
	assert_int_equal(ptp.calls.realtime, want->realtime);
	assert_int_equal(ptp.calls.read, want->read);
	memset(&ptp.calls, 0, sizeof(ptp.calls));
}

static void check_sample(const struct way_case *c,
			 const struct paraclock_sample *sample)
{
	assert_int_equal(sample->reason, c->reason);
	assert_int_equal(sample->valid, !c->reason);
	assert_int_equal(sample->timescale,
			 PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED);
	assert_int_equal(sample->counter, PARACLOCK_COUNTER_X86_TSC);
	assert_int_equal(sample->leap, PARACLOCK_LEAP_UNKNOWN);
	assert_int_equal(sample->flags, 0);
	assert_int_equal(sample->clock_error_ns, PARACLOCK_ERROR_UNKNOWN);
	if (c->reason == PARACLOCK_REASON_UNSTABLE) {
		assert_int_equal(sample->pair_error_ns,
				 PARACLOCK_ERROR_UNKNOWN);
		return;
	}
	fake_ptp_check_pair(&ptp, phc, sample);
	assert_in_range(sample->pair_error_ns, c->least_error, c->most_error);
}

static void check_way(void **state)
{
	const struct way_case *c = *state;
	struct paraclock_sample sample, before;
	struct paraclock *clk;

	fake_ptp_init(&ptp);
	phc = fake_ptp_add(&ptp, 0, "hyperv", 123);
	c->world();
	clk = open_phc();
	check_calls(&c->first);
	memset(&sample, 0xa5, sizeof(sample));
	before = sample;
	assert_int_equal(paraclock_read(clk, &sample), c->ret);
	check_calls(&c->later);
	if (c->ret)
		assert_memory_equal(&sample, &before, sizeof(sample));
	else
		check_sample(c, &sample);
	paraclock_close(clk);
	assert_int_equal(ptp.opens, 1);
	assert_int_equal(ptp.shuts, 1);
	assert_int_equal(ptp.clocks.world.allocs, ptp.clocks.world.frees);
}

int main(void)
{
	ADD_ROWS(cases, check_way);
	return run_suite(NULL, NULL);
}
