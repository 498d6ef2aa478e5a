// SPDX-License-Identifier: MIT
/*
 * What the writer of a vmclock page puts where, what a page without a time
 * keeps, and from when on a timeline may be written.
 */

#include <paraclock/host.h>

#include "writers.h"

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
	static const struct CMUnitTest tests[] = {
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

	ADD_TESTS(tests);
	return run_suite(NULL, NULL);
}
