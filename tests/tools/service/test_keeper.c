// SPDX-License-Identifier: MIT
/*
 * The keeper on a simulated guest, rule by rule. Each step that it makes is
 * held against the truth by keeps.c, whatever a row expects.
 */

#include "keeps.h"

/* Markers and no time, like the vmclock of QEMU: what a restore changes. */
#define MARKERS \
	(PARACLOCK_SIM_HAS_VMCLOCK_MARKERS | PARACLOCK_SIM_HAS_GENERATION)

/* How long a row goes on after what has happened, and how often it looks. */
#define AFTERWARDS (3 * SEC)
#define OFTEN	   (100 * MS)

/* For off_ns: it is not looked at. */
#define ANY_OFF INT64_MIN

struct row {
	const char *name;
	/* Before the keeper starts, and then. */
	void (*prepare)(struct keep_world *w);
	void (*happens)(struct keep_world *w);
	/* How it ends. */
	enum keep_state state;
	enum keep_why why;
	unsigned int steps, forgets;
	int64_t off_ns;	     /* the host's UTC less CLOCK_REALTIME */
	const char *acts;    /* how the acts begin; NULL: not looked at */
	int64_t max_step_ns; /* for the truth; 0: any */
};

/* How a row ends. */
#define ENDS(x, y) .state = KEEP_##x, .why = KEEP_WHY_##y
#define RIGHT	   ENDS(RIGHT, NONE)
#define OFF(y)	   ENDS(OFF, y)
#define WAITS(y)   ENDS(WAITING, y)
/* After each step the others' measurements are void. */
#define STEPPED .steps = 1, .forgets = 1

static void check_row(void **state)
{
	const struct row *row = *state;
	struct keep_world w;
	int64_t off;

	world_new(&w, MARKERS);
	if (row->max_step_ns)
		w.max_step_ns = row->max_step_ns;
	if (row->prepare)
		row->prepare(&w);
	keep_own(&w);
	row->happens(&w);
	pass_looking(&w, AFTERWARDS, OFTEN);
	off = row->off_ns == ANY_OFF ? 0 : true_offset(&w) - row->off_ns;
	if (w.keeper.state != row->state || w.keeper.why != row->why)
		fail_msg("%s because of %s, after %s",
			 keep_state_name(w.keeper.state),
			 keep_why_name(w.keeper.why), w.acts);
	if (llabs(off) > EXACT_NS)
		fail_msg("off by %lld ns more, after %s", (long long)off,
			 w.acts);
	if (w.steps != row->steps || w.forgets != row->forgets)
		fail_msg("%u steps, forgotten %u times: %s", w.steps, w.forgets,
			 w.acts);
	if (row->acts && strncmp(w.acts, row->acts, strlen(row->acts)) != 0)
		fail_msg("'%s' does not begin with '%s'", w.acts, row->acts);
	world_free(&w);
}

/* --- what happens --------------------------------------------------------- */

static void is_restored(struct keep_world *w)
{
	restore_after(w, 30 * SEC, false);
}

static void is_restored_late(struct keep_world *w)
{
	restore_after(w, 300 * DAY, false);
}

static void is_restored_soon(struct keep_world *w)
{
	restore_after(w, 500 * MS, false);
}

static void is_restored_silently(struct keep_world *w)
{
	restore_after(w, 30 * SEC, true);
}

static void is_paused(struct keep_world *w)
{
	pause_for(w, 20 * SEC);
}

static void is_paused_and_opened_anew(struct keep_world *w)
{
	set_down(w, true);
	pause_for(w, 20 * SEC);
	pass_looking(w, 12 * SEC, OFTEN);
	keep_anew(w);
	set_down(w, false);
}

static void is_paused_briefly(struct keep_world *w)
{
	pause_for(w, 600 * MS);
}

static void is_paused_two_hours(struct keep_world *w)
{
	pause_for(w, 2 * HOUR);
}

static void is_migrated(struct keep_world *w)
{
	migrate(w, w->other, 5 * SEC);
}

static void other_is_a_day_ahead(struct keep_world *w)
{
	assert_int_equal(paraclock_sim_step(w->other, DAY), 0);
}

static void is_migrated_a_day_ahead(struct keep_world *w)
{
	other_is_a_day_ahead(w);
	migrate(w, w->other, 5 * SEC);
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

static void is_set_ahead_and_asked(struct keep_world *w)
{
	set_clock(w, 30 * SEC);
	keeper_ask(&w->keeper, "asked");
}

/* --- what is so before ---------------------------------------------------- */

static void synchronized(struct keep_world *w)
{
	w->kernel = KEEP_KERNEL_SYNCHRONIZED;
}

static void with_a_bound(struct keep_world *w)
{
	w->own.clock_error_ns = MS;
}

static void without_a_bound(struct keep_world *w)
{
	w->own.clock_error_ns = PARACLOCK_ERROR_UNKNOWN;
}

static void with_a_wide_bound(struct keep_world *w)
{
	w->own.clock_error_ns = 60 * SEC;
}

static void without_a_bound_synchronized(struct keep_world *w)
{
	without_a_bound(w);
	synchronized(w);
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

/* --- rule 4: trust has a size --------------------------------------------- */

static void synchronized_limited(struct keep_world *w)
{
	with_a_bound(w);
	synchronized(w);
	w->max_step_ns = HOUR;
}

static void limited(struct keep_world *w)
{
	with_a_bound(w);
	w->rules.max_step_ns = w->max_step_ns = 10 * SEC;
}

/* It lies a day ahead after half a minute, when the guest was told to be
 * synchronised again. */
static void synchronized_again_and_migrated(struct keep_world *w)
{
	is_restored(w);
	pass_looking(w, 20 * SEC, SEC);
	assert_int_equal(w->steps, 1);
	count_anew(w);
	synchronized(w);
	pass_looking(w, 10 * SEC, SEC);
	w->max_step_ns = HOUR;
	is_migrated_a_day_ahead(w);
}

/* The kernel tells of the restore, and the host's publisher goes on with the
 * old time for a while. */
static void is_restored_before_its_page(struct keep_world *w)
{
	assert_int_equal(paraclock_sim_step(w->host, -600 * MS), 0);
	restore_after(w, 600 * MS, false);
	pass_looking(w, SEC, OFTEN);
	assert_int_equal(w->steps, 0);
	assert_int_equal(paraclock_sim_step(w->host, 600 * MS), 0);
}

static const struct row trust[] = {
	/* clang-format off */
	{ "rule 4: no bound, no restore: within --assume-error",
	  without_a_bound, is_paused_briefly, OFF(ASSUMED),
	  .off_ns = 600 * MS },
	{ "rule 4: no bound, no restore: beyond it",
	  without_a_bound, is_paused, RIGHT, STEPPED },
	{ "rule 4: no bound, but a restore: --step-above decides",
	  without_a_bound, is_restored_soon, RIGHT, STEPPED },
	{ "a bound: a pause of 0.6 s is stepped",
	  with_a_bound, is_paused_briefly, RIGHT, STEPPED },
	{ "rule 4: synchronised, migrated to a host a day ahead",
	  synchronized_limited, is_migrated_a_day_ahead, OFF(MAX_STEP),
	  .forgets = 1, .off_ns = DAY + 5 * SEC },
	{ "not synchronised, the host is all that there is",
	  with_a_bound, is_migrated_a_day_ahead, RIGHT, STEPPED },
	{ "rule 4: synchronised, and paused two hours",
	  synchronized_limited, is_paused_two_hours, OFF(MAX_STEP),
	  .off_ns = 2 * HOUR },
	{ "synchronised, and restored after 300 days",
	  without_a_bound_synchronized, is_restored_late, RIGHT, STEPPED },
	{ "rule 4: --max-step after a restore",
	  limited, is_restored, OFF(MAX_STEP), .forgets = 1, .off_ns = 30 * SEC },
	{ "a migration with a marker is stepped",
	  with_a_bound, is_migrated, RIGHT, STEPPED },
	{ "rule 4: a page that follows a restore late is part of it",
	  without_a_bound, is_restored_before_its_page, RIGHT, .steps = 1,
	  .forgets = 2 },
	{ "rule 4: synchronised again after a restore: one hour",
	  with_a_bound, synchronized_again_and_migrated, OFF(MAX_STEP),
	  .forgets = 1, .off_ns = DAY + 5 * SEC },
	/* clang-format on */
};

/* --- rule 5: after a restore nothing in memory is true -------------------- */

/* Nobody has synchronised it, so said the kernel; after the restore it says
 * something else, as it does when the saved state is an older one. */
static void says_synchronized_after_a_restore(struct keep_world *w)
{
	restore_after(w, 2 * HOUR, false);
	synchronized(w);
}

static void says_synchronized_after_a_pause(struct keep_world *w)
{
	pause_for(w, 2 * HOUR);
	synchronized(w);
}

static void is_set_while_it_may_be_paused(struct keep_world *w)
{
	w->is_down = true;
	pause_for(w, 2 * HOUR);
	pass_looking(w, SEC, OFTEN);
	set_clock(w, SEC);
	pass_looking(w, SEC, OFTEN);
	w->is_down = false;
}

static void tai_by_a_list(struct keep_world *w)
{
	with_a_bound(w);
	w->own.timescale = TAI;
	w->own.no_offset = true;
}

static void tai_without_a_list(struct keep_world *w)
{
	tai_by_a_list(w);
	w->leap_error = -ENOENT;
	w->may_step = false;
}

/* An hour before the restore it was still good. */
static void tai_by_a_list_that_expires(struct keep_world *w)
{
	tai_by_a_list(w);
	w->expires_ns = true_utc(w) + HOUR;
}

static void is_restored_in_two_hours(struct keep_world *w)
{
	w->may_step = false;
	restore_after(w, 2 * HOUR, false);
}

static void tai_with_an_offset(struct keep_world *w)
{
	with_a_bound(w);
	w->own.timescale = TAI;
	w->leap_error = -ENOENT;
}

static void is_restored_and_right(struct keep_world *w)
{
	restore_after(w, 10 * MS, false);
}

/* A keeper that has taken the events so far asks this, and then measures. */
static int restored_before_it_measures(void *ctx, int64_t *ret_ns)
{
	struct keep_world *w = ctx;

	if (w->times) {
		w->times--;
		restore_after(w, 300 * DAY, false);
	}
	*ret_ns = w->suspended_ns;
	return 0;
}

static void is_restored_after_the_events(struct keep_world *w)
{
	w->ops.suspended = restored_before_it_measures;
	w->times = 1;
	assert_int_equal(keeper_look(&w->keeper), KEEP_RIGHT);
	assert_int_equal(w->steps, 1);
}

static const struct row memories[] = {
	/* clang-format off */
	{ "rule 5: a restored kernel's word counts for nothing",
	  with_a_bound, says_synchronized_after_a_restore, RIGHT, STEPPED },
	{ "rule 5: nor does it after another disruption",
	  with_a_bound, says_synchronized_after_a_pause, RIGHT, STEPPED },
	{ "rule 4: synchronised before a pause that shows later",
	  synchronized_limited, is_set_while_it_may_be_paused,
	  OFF(MAX_STEP), .off_ns = 2 * HOUR - SEC },
	{ "rule 4: a restore that only the measurement noticed is one",
	  synchronized, is_restored_after_the_events, RIGHT, STEPPED },
	{ "rule 5: a restore that hurt nothing still voids what others know",
	  with_a_bound, is_restored_and_right, RIGHT, .forgets = 1,
	  .off_ns = 10 * MS },
	{ "rule 5: TAI, its offset from a list",
	  tai_by_a_list, is_restored, RIGHT, STEPPED },
	{ "rule 5: TAI, its offset from the page",
	  tai_with_an_offset, is_restored, RIGHT, STEPPED },
	{ "rule 5: TAI without any offset is refused",
	  tai_without_a_list, is_restored, WAITS(NO_TAI_OFFSET),
	  .off_ns = 30 * SEC },
	{ "rule 5: a list that has expired by the host's time is refused",
	  tai_by_a_list_that_expires, is_restored_in_two_hours,
	  WAITS(NO_TAI_OFFSET), .off_ns = 2 * HOUR },
	/* clang-format on */
};

/* --- rule 6: suspend ------------------------------------------------------ */

static void is_suspended(struct keep_world *w)
{
	suspend_for(w, 2 * HOUR, -700 * MS);
}

/* So short that the host clock does not show it against MONOTONIC_RAW. */
static void is_suspended_briefly(struct keep_world *w)
{
	suspend_for(w, 50 * MS, -700 * MS);
}

static const struct row suspends[] = {
	/* clang-format off */
	{ "rule 6: a suspend leaves the clock as wrong as the RTC",
	  synchronized_limited, is_suspended, RIGHT, STEPPED },
	{ "rule 6: a short suspend as well",
	  with_a_bound, is_suspended_briefly, RIGHT, STEPPED },
	{ "rule 6: an RTC is right to a second, and so is a host at a guess",
	  without_a_bound, is_suspended, OFF(ASSUMED), .off_ns = 700 * MS },
	/* clang-format on */
};

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
	ADD_ROWS(loops, check_row);
	ADD_ROWS(once, check_row);
	ADD_ROWS(failures, check_row);
	ADD_ROWS(trust, check_row);
	ADD_ROWS(memories, check_row);
	ADD_ROWS(suspends, check_row);
	ADD_ROWS(daemons, check_row);
	ADD_ROWS(leaps, check_row);
	ADD_ROWS(boots, check_row);
	add_test("rule 9: a restore is told with its markers",
		 a_restore_is_told_with_its_markers);
	add_test("a disruption counts once", a_disruption_counts_once);
	add_test("a restore at any reading of a look is one",
		 a_restore_while_it_looks);
	return run_suite(NULL, NULL);
}
