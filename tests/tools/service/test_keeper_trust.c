// SPDX-License-Identifier: MIT
/*
 * The keeper on a simulated guest: trust has a size, and after a restore or a
 * suspend nothing in memory is true (rules 4 to 6). Each step that it makes is
 * held against the truth by keeps.c, whatever a row expects.
 */

#include "keeper_rows.h"

/* --- what happens --------------------------------------------------------- */

static void is_restored_late(struct keep_world *w)
{
	restore_after(w, 300 * DAY, false);
}

static void is_restored_soon(struct keep_world *w)
{
	restore_after(w, 500 * MS, false);
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

/* --- what is so before ---------------------------------------------------- */

static void without_a_bound_synchronized(struct keep_world *w)
{
	without_a_bound(w);
	synchronized(w);
}

/* --- rule 4: trust has a size --------------------------------------------- */

static void synchronized_limited(struct keep_world *w)
{
	with_a_bound(w);
	synchronized(w);
	w->max_step_ns = HOUR;
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

int main(void)
{
	ADD_ROWS(trust, check_row);
	ADD_ROWS(memories, check_row);
	ADD_ROWS(suspends, check_row);
	return run_suite(NULL, NULL);
}
