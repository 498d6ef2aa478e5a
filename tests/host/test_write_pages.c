// SPDX-License-Identifier: MIT
/*
 * A timeline through each writer and reader: what comes out is what went in,
 * within the limits of host.h.
 */

#include <math.h>

#include <paraclock/host.h>

#include "writers.h"

#define TIMELINES 3000
#define HOUR_SEC  3599 /* A vmclock page is believed for an hour. */

struct through {
	struct fake fake; /* the guest's world */
	struct fake host; /* the writer's */
	struct paraclock_page_writer writer;
	uint64_t dices;
};

/* The page's time at a counter value; fails the test if that is not valid. */
static struct paraclock_sample
read_at(struct through *t, const struct writer_kind *kind, uint64_t counter)
{
	struct paraclock *clk;
	struct paraclock_sample sample;

	t->fake.counter = counter;
	clk = fake_open(&t->fake, kind->backend);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_OK);
	assert_true(sample.valid);
	assert_int_equal(sample.host_tsc, counter);
	paraclock_close(clk);
	return sample;
}

static int64_t off_by(struct through *t, const struct writer_kind *kind,
		      const struct paraclock_timeline *tl, uint64_t counter)
{
	struct paraclock_sample sample = read_at(t, kind, counter);
	int64_t truth;

	assert_int_equal(paraclock_timeline_ns(tl, counter, &truth), 0);
	assert_int_equal(sample.timescale, tl->timescale);
	return sample.host_ns - truth;
}

static struct paraclock_timeline any_timeline(struct through *t,
					      const struct writer_kind *kind,
					      uint64_t *ret_hz)
{
	/* 11 MHz to 5 GHz; a Hyper-V page cannot say 10 MHz. */
	uint64_t hz = 11000000 + dice(&t->dices) % 4989000000U;
	struct paraclock_timeline tl = timeline_of(kind, hz);

	tl.base_tsc = dice(&t->dices) >> (4 + dice(&t->dices) % 60);
	tl.base_sec = dice(&t->dices) % 4000000000U;
	tl.base_frac = dice(&t->dices);
	*ret_hz = hz;
	return tl;
}

struct worst {
	int64_t below, above; /* ns, within a millisecond of the base */
	int64_t later;	      /* ns, an hour later */
	double ppb;
};

static void measure(struct through *t, const struct writer_kind *kind,
		    struct worst *worst)
{
	struct paraclock_timeline tl;
	uint64_t hz, ticks;
	int64_t off, later;

	only_page(&t->fake, kind);
	memset(&t->writer, 0, sizeof(t->writer));
	assert_int_equal(
		paraclock_page_writer_acquire(&t->writer, &t->host.env), 0);
	tl = any_timeline(t, kind, &hz);
	t->host.counter = tl.base_tsc;
	assert_int_equal(kind->write(page_of(&t->fake, kind), &t->writer,
				     &t->host.env, &tl),
			 0);
	off = off_by(t, kind, &tl, tl.base_tsc + dice(&t->dices) % (hz / 1000));
	ticks = hz * HOUR_SEC;
	later = off_by(t, kind, &tl, tl.base_tsc + ticks);
	if (-off > worst->below)
		worst->below = -off;
	if (off > worst->above)
		worst->above = off;
	if (llabs(later) > worst->later)
		worst->later = llabs(later);
	/*
	 * The rate accounts for any error that is not the base's; 2: both are
	 * whole ns and rounded down separately.
	 */
	if (llabs(later - off) > 2) {
		double ppb = (double)(llabs(later - off) - 2) / HOUR_SEC;

		if (ppb > worst->ppb)
			worst->ppb = ppb;
	}
}

static void reading_what_was_written(void **state)
{
	const struct writer_kind *kind = *state;
	static struct through world;
	struct through *t = &world;
	struct worst worst = { 0 };

	memset(t, 0, sizeof(*t));
	t->dices = 3;
	fake_init(&t->host);
	for (int i = 0; i < TIMELINES; i++)
		measure(t, kind, &worst);
	print_message("%s: %lld ns below to %lld ns above at the base, "
		      "%lld ns after an hour; rate %.4f ppb\n",
		      kind->name, (long long)worst.below,
		      (long long)worst.above, (long long)worst.later,
		      worst.ppb);
	assert_true(worst.below <= kind->below);
	assert_true(worst.above <= kind->above);
	assert_true(worst.ppb <= kind->ppb);
	/* A bound that nothing comes near is the bound of something else. */
	assert_true(kind->below < 4 || worst.below > kind->below / 2);
	assert_true(kind->ppb < 0.1 || worst.ppb > kind->ppb / 2);
}

/* --- what a page cannot express ------------------------------------------- */

struct refusal {
	const char *name;
	unsigned int kind;
	void (*spoil)(struct paraclock_timeline *tl);
	int ret;
};

#define SPOIL(name, what)                               \
	static void name(struct paraclock_timeline *tl) \
	{                                               \
		what;                                   \
	}

SPOIL(is_utc, tl->timescale = PARACLOCK_TIMESCALE_UTC)
SPOIL(is_smeared, tl->timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED)
SPOIL(is_unknown, tl->timescale = PARACLOCK_TIMESCALE_UNKNOWN)
SPOIL(is_arm, tl->counter = PARACLOCK_COUNTER_ARM_VCNT)
SPOIL(no_counter, tl->counter = PARACLOCK_COUNTER_NONE)
SPOIL(no_time, tl->status = PARACLOCK_STATUS_UNRELIABLE)
SPOIL(no_status, tl->status = 5)
SPOIL(no_period, tl->period_frac = 0)
SPOIL(no_size, tl->size = 0)
SPOIL(too_slow, (tl->period_frac = UINT64_MAX, tl->period_shift = 0))
SPOIL(too_fast, (tl->period_frac = 1, tl->period_shift = 63))
SPOIL(too_late, tl->base_sec = 10000000000U)
SPOIL(negative_tai,
      (tl->flags = PARACLOCK_TIMELINE_TAI_OFFSET, tl->tai_offset_sec = -37))
SPOIL(leap_unknown, tl->leap = PARACLOCK_LEAP_UNKNOWN)
SPOIL(bad_smear, tl->smear = 3)
SPOIL(is_over, tl->t_end = 1)
SPOIL(is_to_come, tl->t_start = UINT64_MAX / 4)

static struct refusal refusals[] = {
	/* clang-format off */
	{ "pvclock cannot express UTC", 0, is_utc, -EINVAL },
	{ "pvclock has no other counter", 0, is_arm, -EINVAL },
	{ "pvclock cannot express a missing time", 0, no_time, -EINVAL },
	{ "an undefined status is refused", 0, no_status, -EINVAL },
	{ "a timeline without a period", 0, no_period, -EINVAL },
	{ "a timeline without a size", 0, no_size, -EINVAL },
	{ "pvclock: ticks of almost a second fit", 0, too_slow, 0 },
	{ "pvclock: ticks of 2^-127 s do not fit", 0, too_fast, -ERANGE },
	{ "pvclock: a time beyond 2^63 ns", 0, too_late, -ERANGE },
	{ "pvclock: its window has ended", 0, is_over, -ESTALE },
	{ "pvclock: its window has not begun", 0, is_to_come, -ESTALE },
	{ "hyperv cannot express UTC", 1, is_utc, -EINVAL },
	{ "hyperv has no other counter", 1, is_arm, -EINVAL },
	{ "hyperv cannot express a missing time", 1, no_time, -EINVAL },
	{ "hyperv: ticks of almost a second", 1, too_slow, -ERANGE },
	{ "hyperv: ticks of 2^-127 s", 1, too_fast, -ERANGE },
	{ "hyperv: a time beyond 2^63 ns", 1, too_late, -ERANGE },
	{ "hyperv: its window has ended", 1, is_over, -ESTALE },
	{ "hyperv: its window has not begun", 1, is_to_come, -ESTALE },
	{ "vmclock is never smeared", 2, is_smeared, -EINVAL },
	{ "vmclock has a timescale", 2, is_unknown, -EINVAL },
	{ "vmclock: a time needs a counter", 2, no_counter, -EINVAL },
	{ "vmclock: TAI is ahead of UTC", 2, negative_tai, -EINVAL },
	{ "vmclock cannot express an unknown leap state", 2, leap_unknown,
	  -EINVAL },
	{ "vmclock: an unknown smear", 2, bad_smear, -EINVAL },
	{ "vmclock: a time beyond 2^63 ns", 2, too_late, -ERANGE },
	{ "vmclock: its window has ended", 2, is_over, -ESTALE },
	/* clang-format on */
};

static void check_refusal(void **state)
{
	const struct refusal *r = *state;
	const struct writer_kind *kind = &kinds[r->kind];
	static struct fake guest, host;
	struct paraclock_page_writer writer = { { 0 } };
	struct paraclock_timeline tl = timeline_of(kind, 1000000000);
	uint8_t before[4096];
	uint8_t *page;

	fake_init(&host);
	only_page(&guest, kind);
	page = page_of(&guest, kind);
	tl.base_sec = 1000;
	assert_int_equal(paraclock_page_writer_acquire(&writer, &host.env), 0);
	assert_int_equal(kind->write(page, &writer, &host.env, &tl), 0);
	memcpy(before, page, sizeof(before));
	r->spoil(&tl);
	assert_int_equal(kind->write(page, &writer, &host.env, &tl), r->ret);
	if (r->ret)
		assert_memory_equal(page, before, sizeof(before));
	else
		assert_memory_not_equal(page, before, sizeof(before));
}

int main(void)
{
	ADD_ROWS(kinds, reading_what_was_written);
	ADD_ROWS(refusals, check_refusal);
	return run_suite(NULL, NULL);
}
