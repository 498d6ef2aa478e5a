// SPDX-License-Identifier: MIT
/*
 * The keeper on a simulated guest: other daemons, leap seconds, what it tells, and
 * boot (rules 7 to 10). Each step that it makes is held against the truth by
 * keeps.c, whatever a row expects.
 */

#include "keeper_rows.h"

/* --- rule 7: other daemons ------------------------------------------------ */

static void slews_otherwise(struct keep_world *w)
{
	with_a_bound(w);
	w->rules.otherwise = KEEP_SLEW;
}

static void slews_otherwise_synchronized(struct keep_world *w)
{
	slews_otherwise(w);
	synchronized(w);
	w->may_step = false;
}

/* The daemon in charge goes about it at its own pace. */
static void drifts_under_a_daemon(struct keep_world *w)
{
	set_clock(w, -300 * MS);
	synchronized(w);
}

static void drifts(struct keep_world *w)
{
	set_clock(w, -300 * MS);
	pass_looking(w, SEC, OFTEN);
	assert_true(w->slews > 0);
	pass_looking(w, 4 * SEC, OFTEN);
	assert_true(llabs(true_offset(w)) <= 100 * MS);
	pass_looking(w, 4 * SEC, OFTEN);
}

static const struct row daemons[] = {
	/* clang-format off */
	{ "rule 7: day-to-day discipline is the other daemon's",
	  slews_otherwise_synchronized, drifts_under_a_daemon,
	  OFF(SYNCHRONIZED), .off_ns = 300 * MS },
	{ "rule 7: with nobody in charge it slews, and forgets nothing",
	  slews_otherwise, drifts, RIGHT },
	{ "rule 7: a step of ours voids what others have measured",
	  with_a_bound, is_paused, RIGHT, STEPPED, .acts = "LawSTF" },
	{ "rule 7: a refused step voids nothing",
	  limited, is_paused, OFF(MAX_STEP), .off_ns = 20 * SEC },
	/* clang-format on */
};

/* --- rule 8: leap seconds and smears -------------------------------------- */

/* A leap second in the list, at the end of the month: 2026-02-01. */
#define LEAP_NS (1769904000 * SEC)

static void smeared(struct keep_world *w)
{
	with_a_bound(w);
	w->own.timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED;
	w->leap_ns = LEAP_NS;
}

static void not_smeared(struct keep_world *w)
{
	with_a_bound(w);
	w->leap_ns = LEAP_NS;
}

/* To a number of seconds from the leap second. */
static void restored_at(struct keep_world *w, int64_t from_leap_sec)
{
	int64_t now = true_utc(w);

	w->may_step = false;
	restore_after(w, LEAP_NS + from_leap_sec * SEC - now, false);
}

static void is_restored_a_day_before(struct keep_world *w)
{
	restored_at(w, -86400 + 10);
}

static void is_restored_just_after(struct keep_world *w)
{
	restored_at(w, 100);
}

static void is_restored_earlier(struct keep_world *w)
{
	restored_at(w, -86400 - 10);
	w->may_step = true;
}

/* At rest nothing is read but clocks. */
static void rests(struct keep_world *w)
{
	pass_looking(w, 10 * SEC, OFTEN);
	assert_int_equal(w->lists, 0);
	assert_int_equal(w->n_acts, 0);
}

static void waits_for_a_day(struct keep_world *w)
{
	restored_at(w, 86400 - 10);
	pass_looking(w, 5 * SEC, OFTEN);
	assert_int_equal(w->keeper.state, KEEP_WAITING);
	assert_int_equal(w->keeper.why, KEEP_WHY_LEAP);
	w->may_step = true;
	pass_looking(w, 10 * SEC, OFTEN);
}

static void is_restored_near_unsmeared(struct keep_world *w)
{
	restored_at(w, -1000);
	w->may_step = true;
}

static void announced(struct keep_world *w)
{
	smeared(w);
	w->leap_ns = 0;
	w->kernel = KEEP_KERNEL_LEAP;
}

static void is_paused_without_a_step(struct keep_world *w)
{
	w->may_step = false;
	is_paused(w);
}

static const struct row leaps[] = {
	/* clang-format off */
	{ "rule 8: a leap second in less than a day",
	  smeared, is_restored_a_day_before, WAITS(LEAP), .off_ns = ANY_OFF },
	{ "rule 8: a leap second just now",
	  smeared, is_restored_just_after, WAITS(LEAP), .off_ns = ANY_OFF },
	{ "more than a day before a leap second it steps",
	  smeared, is_restored_earlier, RIGHT, STEPPED },
	{ "rule 8: a day after the leap second the wait is over",
	  smeared, waits_for_a_day, RIGHT, STEPPED },
	{ "at rest no list of leap seconds is read, and nothing is done",
	  smeared, rests, RIGHT },
	{ "a host that cannot smear is stepped by, near a leap second too",
	  not_smeared, is_restored_near_unsmeared, RIGHT, STEPPED },
	{ "rule 8: the kernel announces a leap second",
	  announced, is_paused_without_a_step, WAITS(LEAP),
	  .off_ns = 20 * SEC },
	{ "rule 5: after a restore its announcement is an old one",
	  announced, is_restored, RIGHT, STEPPED },
	/* clang-format on */
};

/* --- rule 10: boot -------------------------------------------------------- */

static void boot_in_2035(struct keep_world *w)
{
	with_a_bound(w);
	w->rules.boot = true;
	w->may_go_back = true;
}

static void boot_in_2035_synchronized(struct keep_world *w)
{
	with_a_bound(w);
	w->rules.boot = true;
	synchronized(w);
}

static void boot_before_the_build(struct keep_world *w)
{
	boot_in_2035(w);
	w->rules.earliest_ns = BUILT + 100 * DAY;
	w->may_step = false;
}

static void boots_ahead(struct keep_world *w)
{
	unsigned int kernel = w->kernel;

	set_clock(w, 9 * 365 * DAY);
	w->kernel = kernel;
	keeper_ask(&w->keeper, "boot");
}

static void boots_in_1970(struct keep_world *w)
{
	set_clock(w, -guest_realtime(w));
	keeper_ask(&w->keeper, "boot");
}

static void backwards(struct keep_world *w)
{
	with_a_bound(w);
	w->rules.backwards = true;
	w->may_go_back = true;
}

static const struct row boots[] = {
	/* clang-format off */
	{ "rule 10: an RTC in 2035 is put back at boot",
	  boot_in_2035, boots_ahead, RIGHT, STEPPED },
	{ "rule 10: not if somebody has synchronised the clock",
	  boot_in_2035_synchronized, boots_ahead, OFF(BACKWARDS),
	  .off_ns = -9 * 365 * DAY },
	{ "rule 10: and only with --boot",
	  with_a_bound, boots_ahead, OFF(BACKWARDS), .off_ns = -9 * 365 * DAY },
	{ "rule 10: never below the date of the build",
	  boot_before_the_build, boots_ahead, OFF(EARLIEST),
	  .off_ns = -9 * 365 * DAY },
	{ "a microVM without an RTC boots in 1970",
	  with_a_bound, boots_in_1970, RIGHT, STEPPED },
	{ "--backwards goes back",
	  backwards, is_set_ahead_and_asked, RIGHT, STEPPED },
	/* clang-format on */
};

/* --- rule 9: what is told of a restore ------------------------------------ */

static void a_restore_is_told_with_its_markers(void **state)
{
	struct paraclock_marker now;
	struct keep_world w;

	(void)state;
	world_new(&w, MARKERS);
	with_a_bound(&w);
	keep_own(&w);
	is_restored(&w);
	keeper_look(&w.keeper);
	assert_int_equal(paraclock_marker(w.clk, &now), 0);
	assert_true(w.news.corrected);
	assert_true(llabs(w.news.stepped_ns - 30 * SEC) < EXACT_NS);
	assert_true(llabs(w.news.before.offset_ns - 30 * SEC) < EXACT_NS);
	assert_int_equal(w.news.after.error, 0);
	assert_true(llabs(w.news.after.offset_ns) < EXACT_NS);
	assert_string_equal(w.news.cause.kind, "restored");
	assert_int_equal(w.news.cause.marker_class,
			 PARACLOCK_MARKER_AUTHORITATIVE);
	assert_string_equal(w.news.backend, "own");
	world_free(&w);
}

/* What several looks and several clocks show of it is still one. */
static void a_disruption_counts_once(void **state)
{
	static void (*const happens[])(struct keep_world * w) = {
		is_restored, is_restored_silently, is_suspended_briefly
	};

	(void)state;
	for (unsigned int i = 0; i < 3; i++) {
		struct keep_world w;

		world_new(&w, MARKERS);
		with_a_bound(&w);
		keep_own(&w);
		pass_looking(&w, SEC, OFTEN);
		assert_int_equal(w.keeper.disruptions, 0);
		happens[i](&w);
		pass_looking(&w, SEC, OFTEN);
		assert_int_equal(w.keeper.disruptions, 1);
		world_free(&w);
	}
}

static void run_until(struct keep_world *w, int64_t utc_ns)
{
	assert_int_equal(
		paraclock_sim_run(w->sim, (uint64_t)(utc_ns - true_utc(w))), 0);
}

/* The guest's own clock has missed it. */
static void a_leap_second_is_no_jump(void **state)
{
	struct keep_world w;

	(void)state;
	world_new(&w, MARKERS);
	with_a_bound(&w);
	w.own.timescale = TAI;
	keep_own(&w);
	pass_looking(&w, SEC, OFTEN);
	run_until(&w, LEAP_NS - 2 * SEC);
	pass_looking(&w, SEC, OFTEN);
	run_until(&w, LEAP_NS + 2 * SEC);
	w.own.leaps = 1;
	pass_looking(&w, SEC, OFTEN);
	assert_int_equal(w.keeper.disruptions, 0);
	assert_true(llabs(w.keeper.last.offset_ns + SEC) < EXACT_NS);
	/* A second that no offset explains is one. */
	w.own.timescale = UTC;
	pass_looking(&w, SEC, OFTEN);
	assert_int_equal(w.keeper.disruptions, 1);
	world_free(&w);
}

/* Mid-month it was the host that was wrong, before or after. */
static void another_offset_is_a_jump(void **state)
{
	static const int16_t by[] = { 1, -1, 27 };

	(void)state;
	for (size_t i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
		struct keep_world w;

		world_new(&w, MARKERS);
		with_a_bound(&w);
		w.own.timescale = TAI;
		/* It would step to what is wrong. */
		w.rules.on_disruption = KEEP_REPORT;
		keep_own(&w);
		pass_looking(&w, SEC, OFTEN);
		w.own.leaps = by[i];
		pass_looking(&w, SEC, OFTEN);
		assert_int_equal(w.keeper.disruptions, 1);
		world_free(&w);
	}
}

/* --- a restore in the middle of a look ------------------------------------ */

static void restores_briefly(struct keep_world *w)
{
	restore_after(w, 600 * MS, false);
}

/* Whichever reading comes first after it, it is known to be a restore: a host
 * without a bound is then believed. */
static void a_restore_while_it_looks(void **state)
{
	unsigned int restored = 0;

	(void)state;
	for (unsigned int reads = 1; reads < 12; reads++) {
		struct keep_world w;

		world_new(&w, MARKERS);
		without_a_bound(&w);
		keep_own(&w);
		w.moment = WHILE_LOOKED;
		w.times = 1;
		w.meddle = restores_briefly;
		w.reads_left = reads;
		keeper_look(&w.keeper);
		/* The test's own readings do not count. */
		w.reads_left = 0;
		pass_looking(&w, SEC, OFTEN);
		if (w.steps != !w.times || llabs(true_offset(&w)) > EXACT_NS)
			fail_msg("reading %u: %u steps, off by %lld ns, after "
				 "%s",
				 reads, w.steps, (long long)true_offset(&w),
				 w.acts);
		restored += !w.times;
		world_free(&w);
	}
	assert_true(restored > 1);
}

int main(void)
{
	ADD_ROWS(daemons, check_row);
	ADD_ROWS(leaps, check_row);
	ADD_ROWS(boots, check_row);
	add_test("rule 9: a restore is told with its markers",
		 a_restore_is_told_with_its_markers);
	add_test("a disruption counts once", a_disruption_counts_once);
	add_test("a leap second is no jump of the host's clock",
		 a_leap_second_is_no_jump);
	add_test("another TAI offset in mid-month is one",
		 another_offset_is_a_jump);
	add_test("a restore at any reading of a look is one",
		 a_restore_while_it_looks);
	return run_suite(NULL, NULL);
}
