// SPDX-License-Identifier: MIT
/*
 * Random guests, hosts and disruptions: no step is made that must not be, and
 * where one is due it is made. keeps.c holds each step against the truth; what
 * is due is worked out here, from the rules and the plan of the world.
 *
 * PARACLOCK_KEEP_WORLDS in the environment sets how many worlds are played.
 * PARACLOCK_KEEP_SEED plays that world alone.
 */

#include "keep_play.h"

#define WORLDS 4000

/* How often the keeper looks, and how long it does after the last event. */
#define OFTEN	   (100 * MS)
#define AFTERWARDS (15 * SEC)

/* What is nearer to a limit may fall on either side of it. */
#define MARGIN_NS (2 * MS)

static const char *const event_names[EVENTS] = {
	"restores", "clones", "pauses", "migrations", "suspends", "date -s",
};

/* Over all worlds. */
static struct {
	unsigned int events[EVENTS], kind_steps[KINDS];
	unsigned int steps, undone, slews, refused, right, unsure, meddled;
	unsigned int moments[MOMENTS], days, downs, locks, again;
} sums;

/* --- what happens --------------------------------------------------------- */

/* From the twinkling of an eye to days. */
static int64_t how_long(struct play *p)
{
	switch (dice(p, 5)) {
	case 0:
		return between(p, MS, 60 * MS);
	case 1:
		return between(p, 200 * MS, 900 * MS);
	case 2:
		return between(p, 2 * HOUR, 2 * DAY);
	default:
		return between(p, 2 * SEC, 60 * SEC);
	}
}

static int64_t magnitude(int64_t ns)
{
	return ns < 0 ? -ns : ns;
}

/* A gap of the host clock against MONOTONIC_RAW. */
static void see_gap(struct play *p, int64_t gap_ns, int64_t down_ns)
{
	int64_t low = p->w.rules.step_above_ns - MARGIN_NS;
	/* What the keeper allows for a host whose clock is slewed. */
	int64_t high = p->w.rules.step_above_ns + 2 * p->bound_ns +
		       (down_ns + SEC) / 10 + MARGIN_NS;

	p->seen.may_be_noticed |= magnitude(gap_ns) > low;
	p->seen.noticed |= magnitude(gap_ns) > high;
}

static void happens(struct play *p)
{
	struct keep_world *w = &p->w;
	uint32_t parts = p->kind->parts;
	bool silent = !dice(p, 4);
	int64_t ns = how_long(p), before = true_offset(w);
	struct seen *seen = &p->seen;

	/* So that what is due does not depend on what is left of a slew. */
	end_slew(w);
	seen->event = (enum event)dice(p, EVENTS);
	sums.events[seen->event]++;
	switch (seen->event) {
	case RESTORE:
		restore_on(w, dice(p, 2) ? w->host : w->other, ns, silent);
		break;
	case CLONE:
		restore_on(w, w->other, between(p, MS, 50 * MS), silent);
		break;
	case PAUSE:
		pause_for(w, ns);
		break;
	case MIGRATE:
		migrate(w, w->other, between(p, MS, 20 * SEC));
		break;
	case SUSPEND:
		suspend_for(w, ns, between(p, -SEC, SEC));
		break;
	default:
		set_clock(w, between(p, -100 * SEC, 100 * SEC));
		break;
	}
	p->off_ns = true_offset(w);
	if (seen->event == RESTORE || seen->event == CLONE) {
		seen->told |= !silent && parts & GENERATION;
		seen->noticed |=
			!silent && parts & (GENERATION | VMCLOCK | MARKERS);
	}
	if (seen->event == MIGRATE)
		seen->noticed |= (parts & (VMCLOCK | MARKERS)) != 0;
	if (seen->event == SUSPEND && ns > 12 * MS)
		seen->noticed = true;
	if (seen->event == SUSPEND)
		seen->may_be_noticed = true;
	/* RAW stands still, so all of it is a gap; what an RTC set is not. */
	if (seen->event == SUSPEND)
		see_gap(p, ns, p->down_ns);
	else if (seen->event != DATE)
		see_gap(p, p->off_ns - before, p->down_ns);
	/* A page shows a jump of any size. */
	seen->may_be_noticed |=
		seen->noticed || (seen->event != DATE && parts & VMCLOCK);
}

/* --- what is due ---------------------------------------------------------- */

enum due {
	DUE_NOTHING,
	DUE_STEP,
	DUE_SLEW,
	DUE_UNSURE
};

static bool is_near(int64_t ns, int64_t limit_ns)
{
	return magnitude(magnitude(ns) - limit_ns) < MARGIN_NS;
}

static int64_t max_step(const struct play *p)
{
	if (p->w.rules.max_step_ns >= 0)
		return p->w.rules.max_step_ns;
	return p->synchronized && !p->seen.told ? HOUR : -1;
}

static bool may_go_back(const struct play *p)
{
	return p->w.rules.backwards || (p->w.rules.boot && !p->synchronized);
}

/* By the rules, for a clock that is off by so much and a source that is valid
 * in the end. */
static enum due due(const struct play *p, int64_t off_ns)
{
	const struct keep_rules *rules = &p->w.rules;
	int64_t size = magnitude(off_ns), most = max_step(p);
	bool guessed = p->kind->fitness == GUESSED;

	if (p->kind->fitness == UNFIT || rules->dry_run)
		return DUE_NOTHING;
	if (rules->on_disruption == KEEP_REPORT || !p->seen.may_be_noticed)
		return DUE_NOTHING;
	if (is_near(off_ns, rules->step_above_ns) ||
	    is_near(off_ns, p->bound_ns) ||
	    is_near(off_ns, rules->assume_error_ns) || is_near(off_ns, most))
		return DUE_UNSURE;
	if (size < rules->step_above_ns || (!guessed && size < p->bound_ns) ||
	    (guessed && !p->seen.told && size < rules->assume_error_ns) ||
	    (most >= 0 && size > most))
		return DUE_NOTHING;
	if (rules->on_disruption == KEEP_STEP && off_ns < 0 && !may_go_back(p))
		return DUE_NOTHING;
	if (!p->seen.noticed)
		return DUE_UNSURE;
	return rules->on_disruption == KEEP_SLEW ? DUE_SLEW : DUE_STEP;
}

/* --- somebody else -------------------------------------------------------- */

/* chronyd's makestep, by a source of its own that is right. */
static void makestep(struct keep_world *w)
{
	int64_t realtime = guest_realtime(w);

	set_clock(w, true_utc(w) - realtime);
	w->kernel |= KEEP_KERNEL_SYNCHRONIZED;
}

static void plan_others(struct play *p)
{
	struct keep_world *w = &p->w;

	w->moment = dice(p, 2) ? NEVER : (enum moment)dice(p, MOMENTS);
	w->times = dice(p, 4) ? 1 : 3;
	w->meddle = dice(p, 2) ? makestep : NULL;
	w->meddle_ns = between(p, -100 * SEC, 100 * SEC);
	p->acts_at_ns = dice(p, 4) ? INT64_MAX : between(p, 0, 12 * SEC);
	sums.moments[w->moment]++;
}

static bool is_meddled(const struct play *p)
{
	return p->w.moment != NEVER || p->acts_at_ns != INT64_MAX;
}

/* --- a play --------------------------------------------------------------- */

static void plan_event(struct play *p)
{
	p->down_ns = dice(p, 2) ? between(p, 0, 10 * SEC) : 0;
	p->locked_ns = dice(p, 4) ? 0 : between(p, 0, 3 * SEC);
	p->fails = !dice(p, 16);
	p->asked = !dice(p, 16);
	sums.downs += p->down_ns > 0;
	sums.locks += p->locked_ns > 0;
}

/* Limits of check_step() in keeps.c. What others do may make another step due:
 * then only what is never allowed is refused. */
static void set_limits(struct play *p)
{
	struct keep_world *w = &p->w;
	enum due what = due(p, p->off_ns);

	w->may_step = what != DUE_NOTHING;
	if (is_meddled(p))
		w->may_step = p->kind->fitness != UNFIT && !w->rules.dry_run &&
			      w->rules.on_disruption != KEEP_REPORT &&
			      p->seen.may_be_noticed;
	w->may_go_back = may_go_back(p);
	w->max_step_ns = max_step(p);
}

static void start_event(struct play *p)
{
	struct keep_world *w = &p->w;

	plan_event(p);
	if (p->down_ns)
		set_down(w, true);
	w->lock_error = p->locked_ns ? -EBUSY : 0;
	w->step_error = p->fails ? -EPERM : 0;
	happens(p);
	if (p->asked) {
		keeper_ask(&w->keeper, "asked");
		p->seen.noticed = p->seen.may_be_noticed = true;
	}
	set_limits(p);
	count_anew(w);
}

static void look_until(struct play *p, int64_t ns)
{
	struct keep_world *w = &p->w;

	for (int64_t past = 0; past < ns; past += OFTEN) {
		if (w->is_down && past >= p->down_ns)
			set_down(w, false);
		if (past >= p->locked_ns)
			w->lock_error = 0;
		if (past >= p->acts_at_ns) {
			p->acts_at_ns = INT64_MAX - 1;
			makestep(w);
		}
		look(w);
		pass(w, OFTEN);
	}
}

static void complain(const struct play *p, const char *what)
{
	fail_msg("seed %llu, %s, %s: %s; off by %lld ns, then %lld; %s because "
		 "of %s, after %s",
		 (unsigned long long)p->w.seed, p->kind->name,
		 event_names[p->seen.event], what, (long long)p->off_ns,
		 (long long)true_offset(&p->w),
		 keep_state_name(p->w.keeper.state),
		 keep_why_name(p->w.keeper.why), p->w.acts);
}

/* Nobody else has set the clock: exactly what is due has been done. */
static void check_end(struct play *p)
{
	struct keep_world *w = &p->w;
	enum due what = due(p, p->off_ns);
	int64_t off = magnitude(true_offset(w));

	if (what == DUE_UNSURE) {
		sums.unsure++;
		return;
	}
	if (what == DUE_STEP && !p->fails && (w->steps != 1 || off > EXACT_NS))
		complain(p, "a step is due");
	if (what == DUE_STEP && !p->fails && w->keeper.state != KEEP_RIGHT)
		complain(p, "it is right");
	if (what == DUE_STEP && !p->fails && w->forgets != 1)
		complain(p, "others must measure anew");
	if ((what != DUE_STEP || p->fails) && w->steps)
		complain(p, "no step is due");
	if (what == DUE_SLEW && !w->slews)
		complain(p, "a slew is due");
	if (what != DUE_SLEW && w->slews)
		complain(p, "no slew is due");
	if (what == DUE_NOTHING &&
	    magnitude(true_offset(w) - p->off_ns) > EXACT_NS)
		complain(p, "nothing is due");
	sums.refused += what == DUE_NOTHING && off > w->rules.step_above_ns;
	sums.right += off <= w->rules.step_above_ns;
}

static void check_words(struct play *p)
{
	if (p->w.keeper.state == KEEP_RIGHT && p->kind->fitness == UNFIT)
		complain(p, "right by an unfit source");
}

static void sum_up(struct play *p)
{
	struct keep_world *w = &p->w;

	sums.steps += w->steps;
	sums.undone += w->undone;
	sums.slews += w->slews > 0;
	sums.kind_steps[p->kind - kinds] += w->steps;
	sums.meddled += is_meddled(p);
	sums.days += p->day_ahead;
}

static void play(uint64_t seed)
{
	static struct play p;

	make_world(&p, seed);
	plan_others(&p);
	start_event(&p);
	if (!dice(&p, 4)) {
		/* Another one, while the first may still be waited for. */
		look_until(&p, between(&p, OFTEN, 12 * SEC));
		sum_up(&p);
		sums.again++;
		look(&p.w);
		/* It counts as synchronised if it never ceased to be, or did
		 * not while the first one was waited for. */
		p.synchronized = p.synchronized && p.w.kernel;
		start_event(&p);
		look_until(&p, AFTERWARDS);
	} else {
		look_until(&p, AFTERWARDS);
		if (!is_meddled(&p))
			check_end(&p);
	}
	check_words(&p);
	sum_up(&p);
	world_free(&p.w);
}

static uint64_t setting(const char *name, uint64_t otherwise)
{
	const char *text = getenv(name);

	return text ? strtoull(text, NULL, 0) : otherwise;
}

static void print_sums(uint64_t worlds)
{
	print_message("  %llu worlds, %u with a second disruption:",
		      (unsigned long long)worlds, sums.again);
	for (unsigned int i = 0; i < EVENTS; i++)
		print_message(" %u %s%s", sums.events[i], event_names[i],
			      i < EVENTS - 1 ? "," : "\n");
	print_message("  %u steps, %u overshoots undone, %u slewed, %u right, "
		      "%u refused, %u too near to a limit; %u with somebody "
		      "else, %u locked, %u not valid for a while, %u a day "
		      "ahead\n",
		      sums.steps, sums.undone, sums.slews, sums.right,
		      sums.refused, sums.unsure, sums.meddled, sums.locks,
		      sums.downs, sums.days);
	for (unsigned int i = 0; i < KINDS; i++)
		print_message("  %s: %u steps\n", kinds[i].name,
			      sums.kind_steps[i]);
}

static void no_correction_is_wrong(void **state)
{
	uint64_t seed = setting("PARACLOCK_KEEP_SEED", 0);
	uint64_t worlds = setting("PARACLOCK_KEEP_WORLDS", WORLDS);

	(void)state;
	if (seed) {
		play(seed);
		return;
	}
	for (uint64_t i = 1; i <= worlds; i++)
		play(i);
	print_sums(worlds);
	/* Everything has happened, so the test has shown something. */
	for (unsigned int i = 0; worlds >= WORLDS && i < KINDS; i++)
		assert_int_equal(sums.kind_steps[i] != 0,
				 kinds[i].fitness != UNFIT);
	assert_true(worlds < WORLDS || (sums.undone && sums.slews));
	assert_true(sums.unsure < worlds / 8);
}

int main(void)
{
	add_test("no correction is wrong, and none that is due is missing",
		 no_correction_is_wrong);
	return run_suite(NULL, NULL);
}
