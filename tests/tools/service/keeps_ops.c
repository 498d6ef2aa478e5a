// SPDX-License-Identifier: MIT
/* The acts of a keeper, each held against the truth. */

#include "keeps_parts.h"

static void note(struct keep_world *w, char act)
{
	if (w->n_acts < sizeof(w->acts) - 1)
		w->acts[w->n_acts++] = act;
	w->acts[w->n_acts] = '\0';
}

static int op_arm(void *ctx)
{
	struct keep_world *w = ctx;

	act_of_somebody(w, BEFORE_ARM);
	note(w, 'a');
	if (w->arm_error)
		return w->arm_error;
	w->is_armed = true;
	w->is_checked = false;
	w->sets_when_armed = w->sets;
	w->reads_left = 2;
	act_of_somebody(w, BEFORE_MEASURE);
	return 0;
}

static bool op_was_set(void *ctx)
{
	struct keep_world *w = ctx;

	assert_true(w->is_armed);
	act_of_somebody(w, BEFORE_CHECK);
	note(w, 'w');
	w->is_checked = w->sets == w->sets_when_armed;
	return !w->is_checked;
}

static int op_acquire(void *ctx)
{
	struct keep_world *w = ctx;

	act_of_somebody(w, BEFORE_LOCK);
	note(w, w->lock_error ? 'b' : 'L');
	if (w->lock_error)
		return w->lock_error;
	assert_false(w->is_locked);
	w->is_locked = true;
	return 0;
}

static void op_release(void *ctx)
{
	struct keep_world *w = ctx;

	note(w, 'U');
	assert_true(w->is_locked);
	w->is_locked = false;
	w->is_armed = false;
}

/* Is this undoing what the last step and somebody else did together? */
static bool undoes(const struct keep_world *w, int64_t by_ns)
{
	return w->raced_ns && w->stepped_ns && !w->undone &&
	       (by_ns < 0) != (w->stepped_ns < 0) &&
	       llabs(by_ns) <= llabs(w->stepped_ns) + EXACT_NS +
				       w->rules.step_above_ns +
				       w->rules.assume_error_ns;
}

static void check_act(const struct keep_world *w, int64_t by_ns)
{
	long long by = by_ns, off = true_offset(w) - by_ns;

	if (!w->is_locked || !w->is_armed || !w->is_checked)
		FAULT(w, "%lld ns without lock, watch or check", by);
	if (w->rules.dry_run || !w->may_step)
		FAULT(w, "%lld ns that must not be", by);
	if (w->is_down)
		FAULT(w, "%lld ns by a source that is not valid", by);
	/* Before somebody else's act in the gap, that is. */
	if (llabs(off) > EXACT_NS + (int64_t)w->own.pair_error_ns)
		FAULT(w, "%lld ns, wrong by %lld", by, off);
}

static void check_step(const struct keep_world *w, int64_t by_ns)
{
	long long by = by_ns;

	check_act(w, by_ns);
	if (undoes(w, by_ns))
		return;
	if (w->steps)
		FAULT(w, "%lld ns, a second step", by);
	if (by_ns < 0 && !w->may_go_back)
		FAULT(w, "%lld ns, a step back", by);
	if (w->max_step_ns >= 0 && llabs(by_ns) > w->max_step_ns)
		FAULT(w, "%lld ns, beyond %lld", by, (long long)w->max_step_ns);
}

static int op_step(void *ctx, int64_t by_ns)
{
	struct keep_world *w = ctx;

	note(w, 'S');
	if (w->step_error)
		return w->step_error;
	check_step(w, by_ns);
	w->undone += undoes(w, by_ns);
	w->steps++;
	w->raced_ns = 0;
	w->stepped_ns = by_ns;
	act_of_somebody(w, BEFORE_STEP);
	set_clock(w, by_ns);
	act_of_somebody(w, AFTER_STEP);
	w->is_checked = false;
	return 0;
}

void end_slew(struct keep_world *w)
{
	int64_t done = slewed_ns(w, raw_ns(w));

	w->slewing.left_ns = 0;
	if (done)
		assert_int_equal(paraclock_sim_guest_step(w->vm, done), 0);
}

static int op_slew(void *ctx, int64_t by_ns)
{
	struct keep_world *w = ctx;

	note(w, 's');
	check_act(w, by_ns);
	if (w->max_step_ns >= 0 && llabs(by_ns) > w->max_step_ns)
		FAULT(w, "slewed by %lld ns, beyond %lld", (long long)by_ns,
		      (long long)w->max_step_ns);
	/* What the slew before has done stays; its rest is dropped. */
	end_slew(w);
	w->slewing.left_ns = by_ns;
	w->slewing.raw_ns = raw_ns(w);
	w->slews++;
	return 0;
}

static unsigned int op_kernel(void *ctx)
{
	return ((struct keep_world *)ctx)->kernel;
}

static int op_suspended(void *ctx, int64_t *ret_ns)
{
	*ret_ns = ((struct keep_world *)ctx)->suspended_ns;
	return 0;
}

static int op_leap_table(void *ctx, struct paraclock_leap_table *ret_table)
{
	struct keep_world *w = ctx;
	struct paraclock_leap_table table = {
		.expires_sec = w->expires_ns / SEC,
		.count = 1,
		/* 2017-01-01, the last one so far. */
		.entry = { { .utc_sec = 1483228800, .tai_offset_sec = 37 } },
	};

	w->lists++;
	if (w->leap_error)
		return w->leap_error;
	if (w->leap_ns)
		table.entry[table.count++] = (struct paraclock_leap_entry){
			.utc_sec = w->leap_ns / SEC,
			.tai_offset_sec = 38,
		};
	assert_int_equal(paraclock_leap_table_check(&table), 0);
	*ret_table = table;
	return 0;
}

static void op_forget(void *ctx)
{
	struct keep_world *w = ctx;

	note(w, 'F');
	w->forgets++;
}

static void op_tell(void *ctx, const struct keep_news *news)
{
	struct keep_world *w = ctx;

	note(w, 'T');
	w->tells++;
	w->news = *news;
}

void set_ops(struct keep_world *w)
{
	w->ops = (struct keep_ops){
		.ctx = w,
		.arm = op_arm,
		.was_set = op_was_set,
		.acquire = op_acquire,
		.release = op_release,
		.step = op_step,
		.slew = op_slew,
		.kernel = op_kernel,
		.suspended = op_suspended,
		.leap_table = op_leap_table,
		.forget = op_forget,
		.tell = op_tell,
	};
}
