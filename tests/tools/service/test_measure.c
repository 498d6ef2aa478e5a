// SPDX-License-Identifier: MIT
/* One measurement on a simulated guest: what turns a sample into UTC, and
 * brackets where the kernel's clocksource is not the counter. */

#include "measure.h"

#include "keeps.h"

/* Markers and no time, like the vmclock of QEMU: what a restore changes. */
#define MARKERS \
	(PARACLOCK_SIM_HAS_VMCLOCK_MARKERS | PARACLOCK_SIM_HAS_GENERATION)

/* --- UTC ------------------------------------------------------------------ */

/* The guest's CLOCK_REALTIME is right, so what is measured is the error of the
 * conversion. @p utc_ns: when; 0: as the world begins. */
static void measured_at(int64_t utc_ns, const struct own_source *own,
			const struct utc_help *help,
			struct measurement *ret_measurement)
{
	struct keep_world w;
	struct utc_help mine = *help;

	world_new(&w, MARKERS);
	if (utc_ns)
		assert_int_equal(
			paraclock_sim_run(w.sim,
					  (uint64_t)(utc_ns - true_utc(&w))),
			0);
	w.own = *own;
	w.own.clock_error_ns = MS;
	keep_own(&w);
	mine.ctx = &w;
	if (mine.has_start && mine.start_utc_ns < INT64_MAX) {
		uint64_t counter = w.env.counter(w.env.ctx);
		int64_t utc, mono;

		assert_int_equal(paraclock_sim_truth(w.vm, counter, UTC, &utc),
				 0);
		assert_int_equal(
			paraclock_sim_truth(w.vm, counter, MONO, &mono), 0);
		mine.start_utc_ns += utc - mono;
	}
	measure(w.clk, &mine, ret_measurement);
	world_free(&w);
}

static int no_list(void *ctx, struct paraclock_leap_table *ret_table)
{
	(void)ctx;
	(void)ret_table;
	return -ENOENT;
}

static int list(void *ctx, struct paraclock_leap_table *ret_table)
{
	struct keep_world *w = ctx;

	return w->ops.leap_table(w, ret_table);
}

/* 2026-02-01. */
#define MONTH_END (1769904000 * SEC)

/* A leap second is less than a day away. */
static int near_list(void *ctx, struct paraclock_leap_table *ret_table)
{
	struct keep_world *w = ctx;

	w->leap_ns = MONTH_END;
	return w->ops.leap_table(w, ret_table);
}

static int expired_list(void *ctx, struct paraclock_leap_table *ret_table)
{
	struct keep_world *w = ctx;

	w->expires_ns = BUILT - DAY;
	return w->ops.leap_table(w, ret_table);
}

static int offset_37(void *ctx, int16_t *ret_sec)
{
	(void)ctx;
	*ret_sec = 37;
	return 0;
}

/* Another than the list's, so that the test sees who was asked. */
static int offset_39(void *ctx, int16_t *ret_sec)
{
	(void)ctx;
	*ret_sec = 39;
	return 0;
}

static int unknown_offset(void *ctx, int16_t *ret_sec)
{
	(void)ctx;
	(void)ret_sec;
	return -ENODATA;
}

static const struct row {
	const char *name;
	struct own_source own;
	struct utc_help help;
	int utc_error;
	int64_t off_ns;
	uint8_t timescale; /* of the sample that is returned */
} rows[] = {
	{ "a page's own TAI offset goes before any other",
	  { .timescale = TAI },
	  { .leap_table = list, .tai_offset = offset_39 },
	  0,
	  0,
	  TAI },
	{ "without one, a list goes before the kernel's",
	  { .timescale = TAI, .no_offset = true },
	  { .leap_table = list, .tai_offset = offset_39 },
	  0,
	  0,
	  TAI },
	{ "without a list, the kernel's counts",
	  { .timescale = TAI, .no_offset = true },
	  { .leap_table = no_list, .tai_offset = offset_37 },
	  0,
	  0,
	  TAI },
	{ "without the kernel's either, UTC is not known",
	  { .timescale = TAI, .no_offset = true },
	  { .leap_table = no_list, .tai_offset = unknown_offset },
	  -ENOENT,
	  0,
	  TAI },
	{ "nobody can be asked",
	  { .timescale = TAI, .no_offset = true },
	  { 0 },
	  -ENOENT,
	  0,
	  TAI },
	{ "MONOTONIC with its start is UTC that may be smeared",
	  { .timescale = MONO },
	  { .has_start = true },
	  0,
	  0,
	  PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED },
	{ "a start that is wrong by a second",
	  { .timescale = MONO },
	  { .has_start = true, .start_utc_ns = SEC },
	  0,
	  SEC,
	  PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED },
	{ "a start beyond what ns can count",
	  { .timescale = MONO },
	  { .has_start = true, .start_utc_ns = INT64_MAX },
	  -ERANGE,
	  0,
	  MONO },
	{ "in an inserted second a number of UTC means two instants",
	  { .timescale = UTC, .leap = PARACLOCK_LEAP_POS },
	  { 0 },
	  -EAGAIN,
	  0,
	  UTC },
	{ "so does that of TAI which was converted to UTC",
	  { .timescale = TAI, .leap = PARACLOCK_LEAP_POS },
	  { .leap_table = list },
	  -EAGAIN,
	  0,
	  TAI },
	{ "what the host says of leap seconds is not of the start",
	  { .timescale = MONO, .leap = PARACLOCK_LEAP_POS },
	  { .has_start = true },
	  0,
	  0,
	  PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED },
	{ "a start is not asked for where the source has UTC",
	  { .timescale = UTC },
	  { .has_start = true, .start_utc_ns = SEC },
	  0,
	  0,
	  UTC },
};

static void check_row(void **state)
{
	const struct row *row = *state;
	struct measurement m;

	measured_at(0, &row->own, &row->help, &m);
	assert_int_equal(m.error, 0);
	assert_int_equal(m.utc_error, row->utc_error);
	assert_int_equal(m.sample.timescale, row->timescale);
	/* What the host states is of its own clock. */
	assert_int_equal(m.has_bound,
			 row->help.has_start && row->own.timescale == MONO
				 ? row->utc_error != 0
				 : 1);
	if (!row->utc_error)
		assert_in_range(m.offset_ns - row->off_ns + EXACT_NS, 0,
				2 * EXACT_NS);
}

/* --- does the bound hold for UTC? ------------------------------------------ */

#define SMEARED PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED

static const struct bound_row {
	const char *name;
	uint8_t timescale;
	struct utc_help help;
	bool is_of_utc;
} bound_rows[] = {
	{ "bound: UTC", UTC, { 0 }, true },
	{ "bound: TAI", TAI, { 0 }, true },
	{ "bound: may be smeared, and nobody knows", SMEARED, { 0 }, false },
	{ "bound: may be smeared, and the list is not asked",
	  SMEARED,
	  { .leap_table = list },
	  false },
	{ "bound: a list shows that no leap second is near",
	  SMEARED,
	  { .leap_table = list, .bounds_utc = true },
	  true },
	{ "bound: a list shows one",
	  SMEARED,
	  { .leap_table = near_list, .bounds_utc = true },
	  false },
	{ "bound: a list that has expired shows nothing",
	  SMEARED,
	  { .leap_table = expired_list, .bounds_utc = true },
	  false },
	{ "bound: no list",
	  SMEARED,
	  { .leap_table = no_list, .bounds_utc = true },
	  false },
	{ "bound: a start",
	  MONO,
	  { .leap_table = list, .bounds_utc = true, .has_start = true },
	  false },
	{ "bound: an unknown start",
	  MONO,
	  { .leap_table = list, .bounds_utc = true },
	  false },
};

static void check_bound(void **state)
{
	const struct bound_row *row = *state;
	const struct own_source own = { .timescale = row->timescale };
	struct measurement m;

	measured_at(MONTH_END - 12 * HOUR, &own, &row->help, &m);
	assert_int_equal(m.error, 0);
	assert_int_equal(m.utc_error, 0);
	assert_int_equal(m.is_of_utc, row->is_of_utc);
}

/* --- brackets: where the kernel's clocksource is not the counter ---------- */

static void bracketed(struct keep_world *w)
{
	const struct paraclock_sim_host_options host[2] = {
		{ .size = sizeof(host[0]) },
		{ .size = sizeof(host[1]) },
	};
	const struct paraclock_sim_vm_options vm = {
		.size = sizeof(vm),
		.parts = MARKERS,
		.tsc_start = 1ULL << 40,
		.clocksource = "hpet",
	};

	w->seed = 0;
	world_new_as(w, host, &vm);
	w->own.clock_error_ns = MS;
	keep_own(w);
}

static const struct utc_help no_help;

static void a_bracket_is_as_sure_as_its_worse_end(void **state)
{
	struct measurement m;
	struct keep_world w;

	(void)state;
	bracketed(&w);
	w.own.pair_error_ns = 100;
	w.own.wider_ns = 100;
	measure(w.clk, &no_help, &m);
	assert_int_equal(m.error, 0);
	/* The first bracket is as narrow as any; 100 and 200. */
	assert_int_equal(m.sample.pair_error_ns, 200);
	assert_true(m.bound_ns >= 200 + MS);
	assert_true(m.bound_ns < 200 + MS + EXACT_NS);
	world_free(&w);
}

static void moves(struct keep_world *w)
{
	migrate(w, w->other, SEC);
}

/* Between any two of its readings. */
static void no_bracket_is_from_before_a_disruption(void **state)
{
	unsigned int moved = 0;

	(void)state;
	for (unsigned int reads = 1; reads < 8; reads++) {
		struct measurement m;
		struct keep_world w;

		bracketed(&w);
		w.moment = WHILE_MEASURED;
		w.times = 1;
		w.meddle = moves;
		w.is_armed = true;
		w.reads_left = reads;
		measure(w.clk, &no_help, &m);
		if (m.error)
			assert_int_equal(m.error, -ESTALE);
		else
			assert_int_equal(m.sample.epoch,
					 paraclock_epoch(w.clk));
		moved += w.times == 0;
		world_free(&w);
	}
	assert_true(moved > 3);
}

int main(void)
{
	ADD_ROWS(rows, check_row);
	ADD_ROWS(bound_rows, check_bound);
	add_test("a bracket is as sure as its worse end",
		 a_bracket_is_as_sure_as_its_worse_end);
	add_test("no bracket is from before a disruption",
		 no_bracket_is_from_before_a_disruption);
	return run_suite(NULL, NULL);
}
