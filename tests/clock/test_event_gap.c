// SPDX-License-Identifier: MIT
/*
 * Events after a page that was unusable for a while: its time is compared with
 * the time that it gave before.
 */

#include "events.h"
#include "leaps.h"

#define NOW 1000000000

/* --- pages, a ns a tick --------------------------------------------------- */

/* The host's state: ns at counter 0, and whether the page can be used. */
static void write_pvclock(int64_t ns, bool good, uint32_t i)
{
	put32(fake->pvclock, 0, 2 * i + 1);
	fake_set_pvclock(fake, 2 * i + 1, 2000 + i, (uint64_t)ns + 2000 + i);
	fake->pvclock[29] = good; /* TSC_STABLE */
	put32(fake->pvclock, 0, 2 * i + 2);
}

/* A reference point in the future. */
static void write_pvclock_ahead(int64_t ns, bool good, uint32_t i)
{
	uint64_t at = good ? 2000 + i : 1ULL << 40;

	put32(fake->pvclock, 0, 2 * i + 1);
	fake_set_pvclock(fake, 2 * i + 2, at, (uint64_t)ns + at);
}

static void write_pvclock_malformed(int64_t ns, bool good, uint32_t i)
{
	write_pvclock(ns, true, i);
	if (!good)
		put32(fake->pvclock, 24, 0);
}

static void write_hyperv(int64_t ns, bool good, uint32_t i)
{
	put32(fake->hyperv, 0, 0);
	fake_set_hyperv(fake, good ? i + 1 : 0, ns / 100);
}

static void write_hyperv_off(int64_t ns, bool good, uint32_t i)
{
	write_hyperv(ns, true, i);
	if (!good)
		put32(fake->hyperv, 0, UINT32_MAX);
}

/*
 * A page with a time, and the bytes that stand at an offset while it is
 * unusable.
 */
static void write_vmclock_with(int64_t ns, bool good, uint32_t i, size_t at,
			       uint8_t bad)
{
	int64_t since = NOW + ns;

	put32(fake->vmclock, 12, 2 * i + 1);
	fake_set_vmclock(fake, 2 * i + 1, fake->vmclock[16], NOW,
			 (uint64_t)(since / SEC));
	/* Rounded up: 2^64 / 10^9 is 18446744073.7. */
	put64(fake->vmclock, 80, (uint64_t)(since % SEC) * 18446744074U);
	if (!good)
		fake->vmclock[at] = bad;
	put32(fake->vmclock, 12, 2 * i + 2);
}

static void write_unreliable(int64_t ns, bool good, uint32_t i)
{
	write_vmclock_with(ns, good, i, 34, 4);
}

static void write_unknown(int64_t ns, bool good, uint32_t i)
{
	write_vmclock_with(ns, good, i, 34, 0);
}

static void write_foreign(int64_t ns, bool good, uint32_t i)
{
	write_vmclock_with(ns, good, i, 10, 0);
}

typedef void write_fn(int64_t ns, bool good, uint32_t i);

struct row {
	const char *name;
	const char *backend;
	write_fn *write;
	int error; /* of a read while it cannot be used */
};

static struct row rows[] = {
	{ "kvmclock, TSC_STABLE clear", "kvmclock", write_pvclock, 0 },
	{ "kvmclock, counter before the base", "kvmclock", write_pvclock_ahead,
	  0 },
	{ "kvmclock, malformed", "kvmclock", write_pvclock_malformed, -EPROTO },
	{ "hyperv, sequence 0", "hyperv", write_hyperv, 0 },
	{ "hyperv, sequence 0xffffffff", "hyperv", write_hyperv_off, 0 },
	{ "vmclock, unreliable", "vmclock", write_unreliable, 0 },
	{ "vmclock, unknown status", "vmclock", write_unknown, 0 },
	{ "vmclock, another counter", "vmclock", write_foreign, 0 },
};

static bool has_marker(const struct row *row)
{
	return strcmp(row->backend, "vmclock") == 0;
}

static struct paraclock *open_row(const struct row *row, int64_t ns)
{
	world_init(&world);
	fake->hyperv_error = strcmp(row->backend, "hyperv") ? -ENODEV : 0;
	fake->vmclock_error = has_marker(row) ? 0 : -ENODEV;
	row->write(ns, true, 1);
	return fake_open(fake, row->backend);
}

/* The page is looked at while it is unusable: by a read, and for events. */
static void look(struct paraclock *clk, const struct row *row)
{
	struct paraclock_event event = { .size = sizeof(event) };
	struct paraclock_sample sample;
	int ret;

	assert_int_equal(paraclock_read(clk, &sample), row->error);
	if (!row->error)
		assert_int_equal(sample.valid, 0);
	/* A page that cannot be read is lost: see test_event_loss.c. */
	ret = paraclock_next_event(clk, &event);
	assert_int_equal(ret ? 0 : event.kind,
			 ret ? 0 : PARACLOCK_EVENT_SOURCE_LOST);
	assert_int_equal(paraclock_next_event(clk, &event),
			 row->error ? row->error : -EAGAIN);
}

/* The scales of vmclock and Hyper-V are rounded. */
static void check_jump(const struct paraclock_event *event, int64_t gap_ns)
{
	const uint32_t all = PARACLOCK_EVENT_BEFORE | PARACLOCK_EVENT_AFTER |
			     PARACLOCK_EVENT_GAP;

	assert_int_equal(event->kind, PARACLOCK_EVENT_JUMPED);
	assert_int_equal(event->flags & all, all);
	assert_in_range(event->gap_ns - gap_ns + 100, 0, 200);
}

static void the_page_is_compared_with_its_former_time(void **state)
{
	const struct row *row = *state;
	struct paraclock *clk = open_row(row, 10 * SEC);
	struct paraclock_event event;

	row->write(10 * SEC, false, 2);
	fake->counter = NOW + 400;
	look(clk, row);
	fake->counter = NOW + 500;
	look(clk, row);
	row->write(17 * SEC, true, 3);
	if (has_marker(row))
		fake->vmclock[16]++;
	fake->counter = NOW + 900;
	if (row->error)
		assert_int_equal(next_event(clk).kind,
				 PARACLOCK_EVENT_SOURCE_FOUND);
	event = next_event(clk);
	check_jump(&event, 7 * SEC);
	assert_int_equal(event.counter_after, NOW + 900);
	assert_in_range(event.host_ns_after - 17 * SEC - NOW - 900 + 100, 0,
			200);
	/* An error records no time at which it happened. */
	assert_int_equal(event.counter_before, row->error ? NOW : NOW + 500);
	assert_in_range(event.host_ns_before - 10 * SEC -
				(int64_t)event.counter_before + 100,
			0, 200);
	no_event(clk);
	paraclock_close(clk);
}

static void an_unchanged_page_has_not_jumped(void **state)
{
	const struct row *row = *state;
	struct paraclock *clk = open_row(row, 10 * SEC);
	struct paraclock_event event;

	for (uint32_t i = 2; i < 20; i += 2) {
		row->write(10 * SEC, false, i);
		look(clk, row);
		row->write(10 * SEC, true, i + 1);
		if (row->error)
			assert_int_equal(next_event(clk).kind,
					 PARACLOCK_EVENT_SOURCE_FOUND);
		if (has_marker(row)) {
			fake->vmclock[16]++;
			event = next_event(clk);
			assert_int_equal(event.kind, PARACLOCK_EVENT_UPDATED);
			assert_true(event.flags & PARACLOCK_EVENT_GAP);
			assert_in_range(event.gap_ns + 100, 0, 200);
		}
		no_event(clk);
	}
	paraclock_close(clk);
}

/* --- combinations --------------------------------------------------------- */

static struct row *const unreliable = &rows[5];

/* The marker comes first, and the time when the host knows it again. */
static void an_event_is_completed_when_the_page_can_be_used(void **state)
{
	struct paraclock *clk = open_row(unreliable, 10 * SEC);
	struct paraclock_event event;

	(void)state;
	fake->counter = NOW + 100;
	fake->vmclock[16]++;
	write_unreliable(10 * SEC, false, 2);
	assert_int_equal(paraclock_epoch(clk), 2);
	fake->counter = NOW + 200;
	write_unreliable(10 * SEC, false, 3);
	assert_int_equal(paraclock_epoch(clk), 2);
	fake->counter = NOW + 300;
	write_unreliable(6 * SEC, true, 4);
	assert_int_equal(paraclock_epoch(clk), 2);
	event = next_event(clk);
	check_jump(&event, -4 * SEC);
	assert_int_equal(event.epoch, 2);
	assert_int_equal(event.counter_after, NOW + 100);
	no_event(clk);
	/* An event that was fetched before is not delivered twice. */
	fake->vmclock[16]++;
	write_unreliable(6 * SEC, false, 5);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_UPDATED);
	assert_int_equal(event.flags & PARACLOCK_EVENT_GAP, 0);
	write_unreliable(9 * SEC, true, 6);
	no_event(clk);
	assert_int_equal(paraclock_epoch(clk), 3);
	paraclock_close(clk);
}

static void another_timescale_is_no_gap(void **state)
{
	struct paraclock *clk = open_row(unreliable, 10 * SEC);
	struct paraclock_event event;

	(void)state;
	write_unreliable(10 * SEC, false, 2);
	look(clk, unreliable);
	write_unreliable(17 * SEC, true, 3);
	fake->vmclock[11] = 0; /* UTC */
	fake->vmclock[16]++;
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_UPDATED);
	assert_int_equal(event.flags,
			 PARACLOCK_EVENT_AFTER | PARACLOCK_EVENT_MARKERS);
	assert_int_equal(event.timescale, PARACLOCK_TIMESCALE_UTC);
	paraclock_close(clk);
}

/* --- a leap second in between --------------------------------------------- */

/*
 * A page of UTC: its time, and what it says of leap seconds; tai 0: it gives no
 * offset.
 */
struct leaping {
	int64_t tick, sec; /* s after NOW; s of UTC */
	uint8_t leap;
	int tai;
};

static void write_leaping(const struct leaping *page, uint32_t i)
{
	put32(fake->vmclock, 12, 2 * i + 1);
	fake_set_vmclock(fake, 2 * i + 1, i, NOW + (uint64_t)(page->tick * SEC),
			 (uint64_t)page->sec);
	fake->vmclock[11] = 0; /* UTC */
	put64(fake->vmclock, 24, page->tai != 0);
	put16(fake->vmclock, 36, (uint16_t)page->tai);
	fake->vmclock[38] = page->leap;
	put32(fake->vmclock, 12, 2 * i + 2);
}

#define POS(before) (T2017_01 - (before))
#define NEG(before) (T2035_01 - (before))
#define PRE_POS	    PARACLOCK_LEAP_PRE_POS
#define POST_POS    PARACLOCK_LEAP_POST_POS
#define PRE_NEG	    PARACLOCK_LEAP_PRE_NEG
#define POST_NEG    PARACLOCK_LEAP_POST_NEG
#define NO_LEAP	    PARACLOCK_LEAP_NONE

/*
 * The first page is from 10 s before the month's end, the second from 30 s
 * later: 19 s after the end where a second was inserted, 21 where one was
 * removed.
 */
static struct leap_gap_row {
	const char *name;
	struct leaping from, to;
	int64_t gap_ns;
} leap_gaps[] = {
	{ "inserted",
	  { 0, POS(10), PRE_POS, 36 },
	  { 30, POS(-19), POST_POS, 37 },
	  0 },
	{ "inserted, and no longer announced",
	  { 0, POS(10), PRE_POS, 0 },
	  { 30, POS(-19), NO_LEAP, 0 },
	  0 },
	{ "inserted, and 3 s behind",
	  { 0, POS(10), PRE_POS, 36 },
	  { 30, POS(-16), POST_POS, 37 },
	  -3 * SEC },
	{ "announced, and not inserted",
	  { 0, POS(10), PRE_POS, 36 },
	  { 30, POS(-20), NO_LEAP, 36 },
	  SEC },
	{ "removed",
	  { 0, NEG(10), PRE_NEG, 37 },
	  { 30, NEG(-21), POST_NEG, 36 },
	  0 },
	{ "removed, without an offset, 1 s behind",
	  { 0, NEG(10), PRE_NEG, 0 },
	  { 30, NEG(-20), POST_NEG, 0 },
	  -SEC },
	{ "announced, before the month ends",
	  { 0, POS(10), PRE_POS, 36 },
	  { 8, POS(2), PRE_POS, 36 },
	  0 },
	{ "announced, before the month ends, with another offset",
	  { 0, POS(10), PRE_POS, 36 },
	  { 5, POS(5), PRE_POS, 37 },
	  0 },
	{ "a removal announced, before the month ends",
	  { 0, NEG(10), PRE_NEG, 37 },
	  { 7, NEG(3), PRE_NEG, 37 },
	  0 },
	{ "just removed",
	  { 0, NEG(10), PRE_NEG, 37 },
	  { 10, NEG(-1), POST_NEG, 36 },
	  0 },
	{ "long ago",
	  { 0, POS(-10), POST_POS, 37 },
	  { 30, POS(-40), NO_LEAP, 37 },
	  0 },
};

static void check_leap_gap(struct paraclock *clk,
			   const struct leap_gap_row *row)
{
	struct paraclock_event event;

	fake->counter = NOW + (uint64_t)(row->to.tick * SEC) + 500;
	write_leaping(&row->to, 2);
	event = next_event(clk);
	assert_int_equal(event.flags & PARACLOCK_EVENT_GAP,
			 PARACLOCK_EVENT_GAP);
	/* The page's own rounding: below 1 ns in each 10 s. */
	assert_in_range(event.gap_ns - row->gap_ns + 100, 0, 200);
	assert_int_equal(event.kind, row->gap_ns ? PARACLOCK_EVENT_JUMPED
						 : PARACLOCK_EVENT_UPDATED);
	no_event(clk);
	paraclock_close(clk);
}

/* It is opened s after NOW, and looks at the page s after that. */
static struct paraclock *open_leaping(const struct leap_gap_row *row,
				      int64_t opened, int64_t looks)
{
	struct paraclock_sample sample;
	struct paraclock *clk;

	world_init(&world);
	fake->vmclock_error = 0;
	write_leaping(&row->from, 1);
	fake->counter = NOW + (uint64_t)(opened * SEC);
	clk = fake_open(fake, "vmclock");
	fake->counter += (uint64_t)(looks * SEC);
	assert_int_equal(paraclock_read(clk, &sample), 0);
	assert_int_equal(sample.valid, 1);
	return clk;
}

static void a_leap_second_is_no_gap(void **state)
{
	const struct leap_gap_row *row = *state;

	check_leap_gap(open_leaping(row, 0, 0), row);
	check_leap_gap(open_leaping(row, 1, row->to.tick - 2), row);
	check_leap_gap(open_leaping(row, row->to.tick - 3, 1), row);
}

int main(void)
{
	ADD_ROWS(rows, the_page_is_compared_with_its_former_time);
	ADD_ROWS(rows, an_unchanged_page_has_not_jumped);
	ADD_ROWS(leap_gaps, a_leap_second_is_no_gap);
	add_test("an event is completed when the page can be used",
		 an_event_is_completed_when_the_page_can_be_used);
	add_test("another timescale is no gap", another_timescale_is_no_gap);
	return run_suite(NULL, NULL);
}
