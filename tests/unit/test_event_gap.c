// SPDX-License-Identifier: MIT
/*
 * Events after a page that could not be used for a while: what it says then is
 * compared with what was said before.
 */

#include "events.h"

#define NOW 1000000000
#define SEC 1000000000LL

static struct world world;
static struct fake *const fake = &world.fake;

/* --- pages, a ns a tick --------------------------------------------------- */

/* What the host says: ns at counter 0, and whether it can be used. */
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

/* With a time, and what is to stand at an offset while it is not good. */
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

/* It is looked at while it cannot be used: by a read, and for events. */
static void look(struct paraclock *clk, const struct row *row)
{
	struct paraclock_event event = { .size = sizeof(event) };
	struct paraclock_sample sample;
	int ret;

	assert_int_equal(paraclock_read(clk, &sample), row->error);
	if (!row->error)
		assert_int_equal(sample.valid, 0);
	/* What cannot be read is lost: see test_event_loss.c. */
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

static void the_page_is_compared_with_what_it_said(void **state)
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
	/* An error leaves no note of when it was. */
	assert_int_equal(event.counter_before, row->error ? NOW : NOW + 500);
	assert_in_range(event.host_ns_before - 10 * SEC -
				(int64_t)event.counter_before + 100,
			0, 200);
	no_event(clk);
	paraclock_close(clk);
}

static void a_page_that_says_the_same_has_not_jumped(void **state)
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

/* --- and beside these ----------------------------------------------------- */

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
	assert_int_equal(paraclock_token(clk), 2);
	fake->counter = NOW + 200;
	write_unreliable(10 * SEC, false, 3);
	assert_int_equal(paraclock_token(clk), 2);
	fake->counter = NOW + 300;
	write_unreliable(6 * SEC, true, 4);
	assert_int_equal(paraclock_token(clk), 2);
	event = next_event(clk);
	check_jump(&event, -4 * SEC);
	assert_int_equal(event.disruption, 2);
	assert_int_equal(event.counter_after, NOW + 100);
	no_event(clk);
	/* What was taken before that is not told twice. */
	fake->vmclock[16]++;
	write_unreliable(6 * SEC, false, 5);
	event = next_event(clk);
	assert_int_equal(event.kind, PARACLOCK_EVENT_UPDATED);
	assert_int_equal(event.flags & PARACLOCK_EVENT_GAP, 0);
	write_unreliable(9 * SEC, true, 6);
	no_event(clk);
	assert_int_equal(paraclock_token(clk), 3);
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

int main(void)
{
	static const CMUnitTestFunction checks[] = {
		the_page_is_compared_with_what_it_said,
		a_page_that_says_the_same_has_not_jumped,
	};
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(
			an_event_is_completed_when_the_page_can_be_used),
		cmocka_unit_test(another_timescale_is_no_gap),
	};
	struct CMUnitTest table[ARRAY_LEN(rows)] = { 0 };
	int failed = 0;

	for (size_t c = 0; c < ARRAY_LEN(checks); c++) {
		for (size_t i = 0; i < ARRAY_LEN(rows); i++)
			table[i] = (struct CMUnitTest){ .name = rows[i].name,
							.test_func = checks[c],
							.initial_state =
								&rows[i] };
		failed |= cmocka_run_group_tests(table, NULL, NULL);
	}
	return failed | cmocka_run_group_tests(tests, NULL, NULL);
}
