// SPDX-License-Identifier: MIT
#include "keeper_rows.h"

void check_row(void **state)
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

void is_restored(struct keep_world *w)
{
	restore_after(w, 30 * SEC, false);
}

void is_restored_silently(struct keep_world *w)
{
	restore_after(w, 30 * SEC, true);
}

void is_paused(struct keep_world *w)
{
	pause_for(w, 20 * SEC);
}

void is_set_ahead_and_asked(struct keep_world *w)
{
	set_clock(w, 30 * SEC);
	keeper_ask(&w->keeper, "asked");
}

/* So short that the host clock does not show it against MONOTONIC_RAW. */
void is_suspended_briefly(struct keep_world *w)
{
	suspend_for(w, 50 * MS, -700 * MS);
}

/* --- what is so before ---------------------------------------------------- */

void synchronized(struct keep_world *w)
{
	w->kernel = KEEP_KERNEL_SYNCHRONIZED;
}

void with_a_bound(struct keep_world *w)
{
	w->own.clock_error_ns = MS;
}

void without_a_bound(struct keep_world *w)
{
	w->own.clock_error_ns = PARACLOCK_ERROR_UNKNOWN;
}

void limited(struct keep_world *w)
{
	with_a_bound(w);
	w->rules.max_step_ns = w->max_step_ns = 10 * SEC;
}
