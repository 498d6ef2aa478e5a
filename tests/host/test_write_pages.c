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

/* --- every field of vmclock ----------------------------------------------- */

static void fill(struct paraclock_timeline *tl)
{
	*tl = (struct paraclock_timeline){
		.size = sizeof(*tl),
		.base_tsc = 0x1111111111111111,
		.base_sec = 0x22222222,
		.base_frac = 0x3333333333333333,
		.period_frac = 0x8444444444444444,
		.t_end = UINT64_MAX,
		.maxerror_ns = 0x55555555,
		.esterror_ns = 0x66666666,
		.maxerror_rate_frac = 0x7777777777777777,
		.esterror_rate_frac = 0x8888888888888888,
		.marker = 0x9999999999999999,
		.generation = 0xaaaaaaaaaaaaaaaa,
		.flags = 0x7ff & ~PARACLOCK_TIMELINE_MONOTONIC,
		.tai_offset_sec = 37,
		.period_shift = 31,
		.timescale = PARACLOCK_TIMESCALE_UTC,
		.counter = PARACLOCK_COUNTER_ARM_VCNT,
		.status = PARACLOCK_STATUS_FREERUNNING,
		.leap = PARACLOCK_LEAP_PRE_NEG,
		.smear = 2,
	};
}

/* By hand, from the specification. */
static const uint8_t filled[112] = {
	/* clang-format off */
	'V', 'C', 'L', 'K',  0, 0x10, 0, 0,  1, 0, 0, 0,  2, 0, 0, 0,
	0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99, 0x99,
	/* all but MONOTONIC, 1 << 7 */
	0x7f, 0x03, 0, 0, 0, 0, 0, 0,
	/* TAI + offset is UTC: -37 */
	0, 0, 3, 2, 0xdb, 0xff, 2, 31,
	0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
	0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x44, 0x84,
	0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88, 0x88,
	0x77, 0x77, 0x77, 0x77, 0x77, 0x77, 0x77, 0x77,
	0x22, 0x22, 0x22, 0x22, 0, 0, 0, 0,
	0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33, 0x33,
	0x66, 0x66, 0x66, 0x66, 0, 0, 0, 0,
	0x55, 0x55, 0x55, 0x55, 0, 0, 0, 0,
	0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa,
	/* clang-format on */
};

static struct fake vm_host, vm_guest;
static struct paraclock_page_writer vm_writer;

static int start_vmclock(void **state)
{
	(void)state;
	fake_init(&vm_host);
	/* Beyond the reference point that fill() uses. */
	vm_host.counter = 0x1111111122222222;
	only_page(&vm_guest, &kinds[2]);
	memset(&vm_writer, 0, sizeof(vm_writer));
	return paraclock_page_writer_acquire(&vm_writer, &vm_host.env);
}

static int write_vmclock(const struct paraclock_timeline *tl)
{
	return paraclock_vmclock_write(vm_guest.vmclock, &vm_writer,
				       &vm_host.env, tl);
}

static void every_field_of_vmclock(void **state)
{
	struct paraclock_timeline tl;

	(void)state;
	fill(&tl);
	assert_int_equal(write_vmclock(&tl), 0);
	assert_memory_equal(vm_guest.vmclock, filled, sizeof(filled));
	for (size_t i = sizeof(filled); i < 4096; i++)
		assert_int_equal(vm_guest.vmclock[i], 0);
}

static void unflagged_fields_are_zero(void **state)
{
	static const size_t words[] = { 24, 56, 64, 88, 96, 104 };
	struct paraclock_timeline tl;

	(void)state;
	fill(&tl);
	tl.flags = 0;
	assert_int_equal(write_vmclock(&tl), 0);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		uint64_t word;

		memcpy(&word, vm_guest.vmclock + words[i], sizeof(word));
		assert_int_equal(word, 0);
	}
	assert_int_equal(vm_guest.vmclock[36], 0);
}

static void monotonic_has_a_flag_of_its_own(void **state)
{
	struct paraclock_timeline tl;

	(void)state;
	fill(&tl);
	tl.flags = PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(write_vmclock(&tl), 0);
	assert_int_equal(vm_guest.vmclock[24], 0x80);
}

/* As QEMU's: markers only. */
static void markers_without_time(void **state)
{
	struct paraclock_timeline tl = {
		.size = sizeof(tl),
		.marker = 77,
		.generation = 88,
		.flags = PARACLOCK_TIMELINE_GENERATION,
		.timescale = PARACLOCK_TIMESCALE_TAI,
		.counter = PARACLOCK_COUNTER_NONE,
	};
	struct paraclock_sample sample;
	struct paraclock_marker marker;
	struct paraclock *clk;

	(void)state;
	assert_int_equal(write_vmclock(&tl), 0);
	clk = fake_open(&vm_guest, "vmclock");
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_STATUS);
	assert_int_equal(paraclock_marker(clk, &marker), 0);
	assert_int_equal(marker.value, 77);
	assert_int_equal(marker.generation, 88);
	paraclock_close(clk);
}

/* A page with a time, and then a status without one, under this marker. */
static void lose_time(struct paraclock_timeline *tl, uint8_t *ret_page,
		      uint64_t marker)
{
	struct paraclock_timeline none = { .size = sizeof(none) };

	fill(tl);
	assert_int_equal(write_vmclock(tl), 0);
	memcpy(ret_page, vm_guest.vmclock, 112);
	none.timescale = tl->timescale;
	none.counter = tl->counter;
	none.status = PARACLOCK_STATUS_INITIALIZING;
	none.marker = marker;
	assert_int_equal(write_vmclock(&none), 0);
	put32(ret_page, 12, 4);
	put64(ret_page, 16, marker);
	ret_page[34] = 1;
}

static void a_status_without_time_keeps_the_time(void **state)
{
	struct paraclock_timeline tl;
	uint8_t want[112];

	(void)state;
	fill(&tl);
	lose_time(&tl, want, tl.marker);
	/* The flags of the error terms, which belong to the time. */
	put64(want, 24, 0x78);
	want[35] = 0;
	put16(want, 36, 0);
	want[38] = 0;
	put64(want, 104, 0);
	assert_memory_equal(vm_guest.vmclock, want, sizeof(want));
}

/* A host may show the marker of a disruption first, and the time later. */
static void another_marker_drops_the_time(void **state)
{
	struct paraclock_timeline tl;
	uint8_t want[112];

	(void)state;
	lose_time(&tl, want, 5);
	put64(want, 24, 0);
	memset(want + 35, 0, sizeof(want) - 35);
	assert_memory_equal(vm_guest.vmclock, want, sizeof(want));
	/* The bound of the old time no longer holds anybody. */
	tl.marker = 5;
	tl.base_sec += 86400;
	assert_int_equal(write_vmclock(&tl), 0);
}

static void a_reader_gets_what_goes_with_the_time(void **state)
{
	struct paraclock_timeline tl = timeline_of(&kinds[2], 1000000000);
	struct paraclock_sample sample;
	struct paraclock *clk;

	(void)state;
	tl.base_tsc = 1000;
	/* 2016-12-31T12:00:00, the last day before TAI - UTC was 37. */
	tl.base_sec = 1483185600;
	tl.timescale = PARACLOCK_TIMESCALE_UTC;
	tl.leap = PARACLOCK_LEAP_PRE_POS;
	tl.tai_offset_sec = 36;
	tl.maxerror_ns = 1234;
	tl.flags = PARACLOCK_TIMELINE_TAI_OFFSET | PARACLOCK_TIMELINE_MAXERROR |
		   PARACLOCK_TIMELINE_MAXERROR_RATE |
		   PARACLOCK_TIMELINE_MONOTONIC;
	assert_int_equal(write_vmclock(&tl), 0);
	vm_guest.counter = 2000;
	clk = fake_open(&vm_guest, "vmclock");
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_true(sample.valid);
	/* A period rounded down: the last tick has not ended. */
	assert_in_range(sample.host_ns, 1483185600000000999,
			1483185600000001000);
	assert_int_equal(sample.clock_error_ns, 1234);
	assert_int_equal(sample.leap, PARACLOCK_LEAP_PRE_POS);
	assert_int_equal(sample.tai_offset_sec, 36);
	assert_int_equal(sample.timescale, PARACLOCK_TIMESCALE_UTC);
	assert_int_equal(sample.flags,
			 PARACLOCK_FLAG_TAI_OFFSET | PARACLOCK_FLAG_MONOTONIC);
	paraclock_close(clk);
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

/* --- windows -------------------------------------------------------------- */

static void vmclock_begins_now_or_before(void **state)
{
	const struct writer_kind *kind = &kinds[2];
	static struct fake guest, host;
	struct paraclock_page_writer writer = { { 0 } };
	struct paraclock_timeline tl = timeline_of(kind, 1000000000);
	struct paraclock_sample sample;
	struct paraclock *clk;
	uint8_t *page, before[PARACLOCK_VMCLOCK_PAGE_SIZE];
	int64_t truth;

	(void)state;
	fake_init(&host);
	only_page(&guest, kind);
	page = page_of(&guest, kind);
	memcpy(before, page, sizeof(before));
	host.counter = 2000;
	guest.counter = 4999;
	assert_int_equal(paraclock_page_writer_acquire(&writer, &host.env), 0);
	tl.base_sec = 1000;
	for (int i = 0; i < 2; i++) {
		tl.base_tsc = i ? 5000 : 1000;
		tl.t_start = i ? 1000 : 5000;
		host.counter = 4900;
		assert_int_equal(kind->write(page, &writer, &host.env, &tl),
				 -ESTALE);
		assert_memory_equal(page, before, sizeof(before));
	}
	tl.base_tsc = 1000;
	tl.t_start = 5000;
	host.counter = 5000;
	assert_int_equal(kind->write(page, &writer, &host.env, &tl), 0);
	clk = fake_open(&guest, kind->backend);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.reason, PARACLOCK_REASON_WINDOW);
	guest.counter = 5001;
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_true(sample.valid);
	assert_int_equal(paraclock_timeline_ns(&tl, 5001, &truth), 0);
	assert_in_range(truth - sample.host_ns, 0, 3);
	paraclock_close(clk);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test_setup(every_field_of_vmclock, start_vmclock),
		cmocka_unit_test_setup(unflagged_fields_are_zero,
				       start_vmclock),
		cmocka_unit_test_setup(monotonic_has_a_flag_of_its_own,
				       start_vmclock),
		cmocka_unit_test_setup(markers_without_time, start_vmclock),
		cmocka_unit_test_setup(a_status_without_time_keeps_the_time,
				       start_vmclock),
		cmocka_unit_test_setup(another_marker_drops_the_time,
				       start_vmclock),
		cmocka_unit_test_setup(a_reader_gets_what_goes_with_the_time,
				       start_vmclock),
		cmocka_unit_test(vmclock_begins_now_or_before),
	};

	ADD_TESTS(others);
	ADD_ROWS(kinds, reading_what_was_written);
	ADD_ROWS(refusals, check_refusal);
	return run_suite(NULL, NULL);
}
