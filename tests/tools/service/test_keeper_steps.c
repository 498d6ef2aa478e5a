// SPDX-License-Identifier: MIT
/*
 * The keeper on a simulated guest: what it steps by, one step, once, and what
 * keeps it from one (rules 1 and 2). Each step that it makes is held against the
 * truth by keeps.c, whatever a row expects.
 */

#include "keeper_rows.h"

/* --- what happens --------------------------------------------------------- */

static void is_paused_and_opened_anew(struct keep_world *w)
{
	set_down(w, true);
	pause_for(w, 20 * SEC);
	pass_looking(w, 12 * SEC, OFTEN);
	keep_anew(w);
	set_down(w, false);
}

static void clock_is_set_back(struct keep_world *w)
{
	set_clock(w, -30 * SEC);
}

static void clock_is_set_ahead(struct keep_world *w)
{
	set_clock(w, 30 * SEC);
}

static void is_asked(struct keep_world *w)
{
	keeper_ask(&w->keeper, "asked");
}

static void is_set_back_and_asked(struct keep_world *w)
{
	set_clock(w, -30 * SEC);
	keeper_ask(&w->keeper, "asked");
}

/* --- what is so before ---------------------------------------------------- */

static void with_a_wide_bound(struct keep_world *w)
{
	w->own.clock_error_ns = 60 * SEC;
}

/* --- rule 1: no loops ----------------------------------------------------- */

static void own_kernel(struct keep_world *w)
{
	w->own.flags = PARACLOCK_FLAG_OWN_KERNEL;
	w->may_step = false;
}

static void unvouched(struct keep_world *w)
{
	w->own.flags = PARACLOCK_FLAG_UNVOUCHED;
	w->may_step = false;
}

static void monotonic(struct keep_world *w)
{
	w->own.timescale = MONO;
	w->may_step = false;
}

static void may_not_step(struct keep_world *w)
{
	w->may_step = false;
}

/* What chronyd does in every boot, many times. */
static void clock_is_set_often(struct keep_world *w)
{
	for (int i = 0; i < 20; i++) {
		set_clock(w, i % 2 ? 7 * SEC : -9 * SEC);
		pass_looking(w, 300 * MS, OFTEN);
	}
	set_clock(w, 20 * SEC);
}

static const struct row loops[] = {
	/* clang-format off */
	{ "rule 1: an own-kernel source steps nothing after a restore",
	  own_kernel, is_restored, OFF(OWN_KERNEL), .off_ns = 30 * SEC },
	{ "an unvouched source steps nothing",
	  unvouched, is_restored, OFF(UNVOUCHED), .off_ns = 30 * SEC },
	{ "a MONOTONIC source steps nothing",
	  monotonic, is_restored, OFF(NO_UTC), .off_ns = 30 * SEC },
	{ "rule 1: date -s back is somebody's act, and is reported",
	  may_not_step, clock_is_set_back, OFF(POLICY), .off_ns = 30 * SEC },
	{ "rule 1: date -s ahead as well",
	  may_not_step, clock_is_set_ahead, OFF(POLICY), .off_ns = -30 * SEC },
	{ "rule 1: and a hundred acts are nothing else",
	  may_not_step, clock_is_set_often, RIGHT },
	{ "rule 1: a pause without a marker shows against MONOTONIC_RAW",
	  with_a_bound, is_paused, RIGHT, STEPPED },
	{ "rule 1: and to a handle that was opened since",
	  with_a_bound, is_paused_and_opened_anew, RIGHT, STEPPED },
	{ "a restore without a marker shows too",
	  with_a_bound, is_restored_silently, RIGHT, STEPPED },
	/* clang-format on */
};

/* --- rule 2: one step, once ----------------------------------------------- */

static void meddler(struct keep_world *w, enum moment moment, int64_t by_ns)
{
	with_a_bound(w);
	w->moment = moment;
	w->times = 1;
	w->meddle_ns = by_ns;
}

static void chronyd_before_lock(struct keep_world *w)
{
	meddler(w, BEFORE_LOCK, 30 * SEC);
}

static void chronyd_before_arm(struct keep_world *w)
{
	meddler(w, BEFORE_ARM, 30 * SEC);
}

static void chronyd_before_measure(struct keep_world *w)
{
	meddler(w, BEFORE_MEASURE, 30 * SEC);
}

static void chronyd_while_measured(struct keep_world *w)
{
	meddler(w, WHILE_MEASURED, 30 * SEC);
}

static void chronyd_before_check(struct keep_world *w)
{
	meddler(w, BEFORE_CHECK, 30 * SEC);
}

static void date_before_check(struct keep_world *w)
{
	meddler(w, BEFORE_CHECK, 10 * SEC);
}

static void chronyd_before_step(struct keep_world *w)
{
	meddler(w, BEFORE_STEP, 30 * SEC);
}

static void chronyd_after_step(struct keep_world *w)
{
	meddler(w, AFTER_STEP, 30 * SEC);
}

static void date_far_ahead_before_step(struct keep_world *w)
{
	meddler(w, BEFORE_STEP, 31 * SEC);
}

static void date_back_before_step(struct keep_world *w)
{
	meddler(w, BEFORE_STEP, -10 * SEC);
}

/* Each time that it is about to step, and when it undoes that. */
static void everybody_before_step(struct keep_world *w)
{
	meddler(w, BEFORE_STEP, 30 * SEC);
	w->times = 99;
}

static void meddled_thrice(struct keep_world *w)
{
	meddler(w, BEFORE_CHECK, SEC);
	w->times = 3;
}

static void locked_out(struct keep_world *w)
{
	w->lock_error = -EBUSY;
	restore_after(w, 30 * SEC, false);
	pass_looking(w, SEC, OFTEN);
	assert_int_equal(w->keeper.state, KEEP_WAITING);
	assert_int_equal(w->keeper.why, KEEP_WHY_LOCKED);
	assert_int_equal(w->steps, 0);
	w->lock_error = 0;
}

static void again(struct keep_world *w)
{
	migrate(w, w->other, 20 * SEC);
}

static void moved_before_check(struct keep_world *w)
{
	meddler(w, BEFORE_CHECK, 0);
	w->meddle = again;
}

static void restored_again_after_a_step(struct keep_world *w)
{
	restore_after(w, 30 * SEC, false);
	pass_looking(w, SEC, OFTEN);
	assert_int_equal(w->steps, 1);
	count_anew(w);
	restore_after(w, 40 * SEC, false);
}

/* The host's clock goes back while the step before has not been seen to be
 * right: but there was another disruption, so that is no overshoot. */
static void moved_back_after_a_step(struct keep_world *w)
{
	restore_after(w, 30 * SEC, false);
	keeper_look(&w->keeper);
	assert_int_equal(w->steps, 1);
	assert_int_equal(paraclock_sim_step(w->other, -20 * SEC), 0);
	migrate(w, w->other, MS);
}

static const struct row once[] = {
	/* clang-format off */
	{ "rule 2: lock, watch, measure, check, step, once",
	  with_a_bound, is_restored, RIGHT, STEPPED, .acts = "LawS" },
	{ "what another sets before the lock counts",
	  chronyd_before_lock, is_restored, RIGHT, .forgets = 1 },
	{ "what another sets before the watch counts",
	  chronyd_before_arm, is_restored, RIGHT, .forgets = 1 },
	{ "what another sets before the measurement counts",
	  chronyd_before_measure, is_restored, RIGHT, .forgets = 1 },
	{ "what another sets while it measures counts",
	  chronyd_while_measured, is_restored, RIGHT, .forgets = 1 },
	{ "rule 2: what another sets before the check counts",
	  chronyd_before_check, is_restored, RIGHT, .forgets = 1,
	  .acts = "Lawa" },
	{ "rule 2: a part that another has set is not made again",
	  date_before_check, is_restored, RIGHT, STEPPED, .acts = "LawawS" },
	{ "rule 2: what another sets after the check is an overshoot: undone",
	  chronyd_before_step, is_restored, RIGHT, .steps = 2, .forgets = 2 },
	{ "what another sets just after the step is undone as well",
	  chronyd_after_step, is_restored, RIGHT, .steps = 2, .forgets = 2 },
	{ "more than the step is somebody's will, and reported",
	  date_far_ahead_before_step, is_restored, OFF(POLICY), STEPPED,
	  .off_ns = -31 * SEC },
	{ "what another sets back is somebody's will too",
	  date_back_before_step, is_restored, OFF(POLICY), STEPPED,
	  .off_ns = 10 * SEC },
	{ "an overshoot is undone once, and what undid it never",
	  everybody_before_step, is_restored, OFF(POLICY), .steps = 2,
	  .forgets = 2, .off_ns = -30 * SEC },
	{ "three times set by another: the next look corrects",
	  meddled_thrice, is_restored, RIGHT, STEPPED, .acts = "LawawawU" },
	{ "rule 2: another process holds the lock: wait",
	  with_a_bound, locked_out, RIGHT, STEPPED, .acts = "b" },
	{ "moved between measuring and setting: measured anew",
	  moved_before_check, is_restored, RIGHT, STEPPED, .acts = "LawawS" },
	{ "another restore is another step",
	  with_a_bound, restored_again_after_a_step, RIGHT, STEPPED },
	{ "a host that is behind after a step is no overshoot",
	  with_a_bound, moved_back_after_a_step, OFF(BACKWARDS), .steps = 1,
	  .forgets = 2, .off_ns = -20 * SEC + MS },
	/* clang-format on */
};

/* --- only what is valid; failures ----------------------------------------- */

static void invalid_for_ten_seconds(struct keep_world *w)
{
	w->is_down = true;
	restore_after(w, 30 * SEC, false);
	pass_looking(w, 10 * SEC, OFTEN);
	assert_int_equal(w->keeper.state, KEEP_WAITING);
	assert_int_equal(w->keeper.why, KEEP_WHY_NOT_VALID);
	assert_int_equal(w->steps, 0);
	w->is_down = false;
}

static void invalid_for_good(struct keep_world *w)
{
	w->is_down = true;
	w->may_step = false;
	restore_after(w, 30 * SEC, false);
}

static void step_fails(struct keep_world *w)
{
	w->step_error = -EPERM;
	w->may_step = false;
}

static void arm_fails(struct keep_world *w)
{
	w->arm_error = -EMFILE;
	w->may_step = false;
}

static void dry_run(struct keep_world *w)
{
	w->rules.dry_run = true;
	w->may_step = false;
}

static void slews(struct keep_world *w)
{
	w->rules.on_disruption = KEEP_SLEW;
}

static void is_restored_and_slewed(struct keep_world *w)
{
	restore_after(w, 2 * SEC, false);
	pass_looking(w, SEC, OFTEN);
	assert_int_equal(w->keeper.state, KEEP_SLEWING);
	pass_looking(w, 30 * SEC, OFTEN);
	assert_true(llabs(true_offset(w)) < 100 * MS);
	/* The rest is within --step-above. */
	end_slew(w);
	set_clock(w, true_offset(w));
}

static const struct row failures[] = {
	/* clang-format off */
	{ "a host that is not valid for 10 s: then one step",
	  with_a_bound, invalid_for_ten_seconds, RIGHT, STEPPED },
	{ "a host that is never valid again",
	  with_a_bound, invalid_for_good, WAITS(NOT_VALID),
	  .off_ns = 30 * SEC },
	{ "a bound wider than the offset: wait",
	  with_a_wide_bound, is_restored, WAITS(TOO_WIDE), .off_ns = 30 * SEC },
	{ "the kernel refuses",
	  step_fails, is_restored, OFF(FAILED), .off_ns = 30 * SEC },
	{ "nobody can be watched for",
	  arm_fails, is_restored, OFF(FAILED), .off_ns = 30 * SEC },
	{ "--dry-run",
	  dry_run, is_restored, OFF(DRY_RUN), .off_ns = 30 * SEC },
	{ "--on-disruption slew makes no step",
	  slews, is_restored_and_slewed, RIGHT, .forgets = 1 },
	{ "asked, it steps what somebody has set",
	  with_a_bound, is_set_back_and_asked, RIGHT, STEPPED },
	{ "asked, it still does not go back",
	  with_a_bound, is_set_ahead_and_asked, OFF(BACKWARDS),
	  .off_ns = -30 * SEC },
	{ "asked where nothing is wrong, it does nothing",
	  with_a_bound, is_asked, RIGHT },
	/* clang-format on */
};

int main(void)
{
	ADD_ROWS(loops, check_row);
	ADD_ROWS(once, check_row);
	ADD_ROWS(failures, check_row);
	return run_suite(NULL, NULL);
}
