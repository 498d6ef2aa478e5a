// SPDX-License-Identifier: MIT
/*
 * Random guests, hosts and disruptions: no step is made that must not be, and
 * where one is due it is made. keeps.c holds each step against the truth; what
 * is due is worked out here, from the rules and the plan of the world.
 *
 * PARACLOCK_KEEP_WORLDS in the environment sets how many worlds are played.
 * PARACLOCK_KEEP_SEED plays that world alone.
 */

#include "keeps.h"

#define WORLDS 4000

/* How often the keeper looks, and how long it does after the last event. */
#define OFTEN	   (100 * MS)
#define AFTERWARDS (15 * SEC)

/* What is nearer to a limit may fall on either side of it. */
#define MARGIN_NS (2 * MS)

/* --- sources -------------------------------------------------------------- */

#define VMCLOCK	   PARACLOCK_SIM_HAS_VMCLOCK
#define MARKERS	   PARACLOCK_SIM_HAS_VMCLOCK_MARKERS
#define GENERATION PARACLOCK_SIM_HAS_GENERATION

#define PTP                                                         \
	(PARACLOCK_SIM_HAS_PAIRING | PARACLOCK_SIM_HAS_PTP_HYPERV | \
	 PARACLOCK_SIM_HAS_PTP_VMCLOCK)

enum fitness {
	UNFIT,
	FIT,	 /* with a bound */
	GUESSED, /* without one */
};

static const struct kind {
	const char *name;
	const char *backend; /* NULL: the test's own source */
	const char *device;
	uint32_t parts;
	uint8_t timescale; /* of the vmclock, or of the test's own source */
	uint32_t flags;	   /* of that */
	enum fitness fitness;
	bool no_offset; /* TAI without its offset */
	bool no_list;
} kinds[] = {
	/* clang-format off */
	{ "vmclock, TAI, bound", "vmclock", .parts = VMCLOCK | GENERATION,
	  .timescale = TAI, .fitness = FIT },
	{ "vmclock, UTC, bound", "vmclock", .parts = VMCLOCK,
	  .timescale = UTC, .fitness = FIT },
	{ "vmclock, TAI, no bound", "vmclock", .parts = VMCLOCK | GENERATION,
	  .timescale = TAI, .fitness = GUESSED },
	{ "vmclock, UTC, no bound", "vmclock", .parts = VMCLOCK,
	  .timescale = UTC, .fitness = GUESSED },
	{ "vmclock, TAI, offset from a list", "vmclock",
	  .parts = VMCLOCK | GENERATION, .timescale = TAI, .fitness = FIT,
	  .no_offset = true },
	{ "vmclock, TAI, no offset", "vmclock", .parts = VMCLOCK | GENERATION,
	  .timescale = TAI, .no_offset = true, .no_list = true },
	{ "vmclock, MONOTONIC", "vmclock", .parts = VMCLOCK | GENERATION,
	  .timescale = MONO },
	{ "kvm-pairing, vmclock's markers", "kvm-pairing",
	  .parts = PARACLOCK_SIM_HAS_PAIRING | MARKERS | GENERATION,
	  .fitness = GUESSED },
	{ "kvm-pairing, markers without a generation", "kvm-pairing",
	  .parts = PARACLOCK_SIM_HAS_PAIRING | MARKERS, .fitness = GUESSED },
	{ "kvm-pairing, vmgenid", "kvm-pairing",
	  .parts = PARACLOCK_SIM_HAS_PAIRING | GENERATION,
	  .fitness = GUESSED },
	{ "kvm-pairing alone", "kvm-pairing",
	  .parts = PARACLOCK_SIM_HAS_PAIRING, .fitness = GUESSED },
	{ "Hyper-V's PTP clock", "phc", "/dev/ptp0",
	  PARACLOCK_SIM_HAS_PTP_HYPERV, .fitness = GUESSED },
	{ "Hyper-V's PTP clock, vmgenid", "phc", "/dev/ptp0",
	  PARACLOCK_SIM_HAS_PTP_HYPERV | GENERATION, .fitness = GUESSED },
	{ "vmclock's PTP clock, unvouched", "phc", "/dev/ptp0",
	  .parts = VMCLOCK | GENERATION | PARACLOCK_SIM_HAS_PTP_VMCLOCK },
	{ "kvmclock", "kvmclock",
	  .parts = PARACLOCK_SIM_HAS_PVCLOCK | MARKERS | GENERATION },
	{ "Hyper-V's page", "hyperv", .parts = PARACLOCK_SIM_HAS_HYPERV },
	{ "tsc, own kernel", "tsc",
	  .parts = PARACLOCK_SIM_HAS_PVCLOCK | MARKERS | GENERATION },
	{ "served, own kernel", .parts = MARKERS | GENERATION,
	  .timescale = UTC, .flags = PARACLOCK_FLAG_OWN_KERNEL },
	{ "unvouched", .parts = MARKERS | GENERATION, .timescale = UTC,
	  .flags = PARACLOCK_FLAG_UNVOUCHED },
	{ "MONOTONIC", .parts = MARKERS | GENERATION, .timescale = MONO },
	{ "UTC, bound", .parts = MARKERS | GENERATION, .timescale = UTC,
	  .fitness = FIT },
	{ "UTC, bound, no markers", .parts = PARACLOCK_SIM_HAS_PVCLOCK,
	  .timescale = UTC, .fitness = FIT },
	{ "UTC that may be smeared", .parts = MARKERS | GENERATION,
	  .timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED,
	  .fitness = GUESSED },
	/* clang-format on */
};

/* --- events --------------------------------------------------------------- */

enum event {
	RESTORE,
	CLONE, /* at once, on the other host */
	PAUSE,
	MIGRATE,
	SUSPEND,
	DATE, /* somebody sets the clock: no disruption */
	EVENTS,
};

static const char *const event_names[EVENTS] = {
	"restores", "clones", "pauses", "migrations", "suspends", "date -s",
};

/* What a disruption is, as the keeper can know it. */
struct seen {
	enum event event;
	bool noticed, may_be_noticed;
	bool told; /* that it was a restore or a clone */
};

struct play {
	struct keep_world w;
	const struct kind *kind;
	uint64_t random;
	int64_t bound_ns; /* of the hosts, if they state one */
	bool synchronized;
	bool day_ahead; /* the other host lies */
	/* After an event. */
	struct seen seen;
	int64_t off_ns; /* the host's UTC less CLOCK_REALTIME, at once */
	int64_t down_ns, locked_ns, acts_at_ns; /* for so long, and then */
	int64_t again_at_ns;			/* another event; or never */
	bool asked;
	bool fails; /* the kernel refuses */
};

/* Over all worlds. */
static struct {
	unsigned int events[EVENTS], kind_steps[ARRAY_LEN(kinds)];
	unsigned int steps, undone, slews, refused, right, unsure, meddled;
	unsigned int moments[MOMENTS], days, downs, locks, again;
} sums;

/* --- dice ----------------------------------------------------------------- */

static uint64_t roll(struct play *p)
{
	uint64_t z = p->random += 0x9e3779b97f4a7c15U;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9U;
	z = (z ^ z >> 27) * 0x94d049bb133111ebU;
	return z ^ z >> 31;
}

static uint64_t dice(struct play *p, uint64_t sides)
{
	return roll(p) % sides;
}

static int64_t between(struct play *p, int64_t low, int64_t high)
{
	return low + (int64_t)dice(p, (uint64_t)(high - low) + 1);
}

/* --- a world -------------------------------------------------------------- */

static void plan_host(struct play *p, struct paraclock_sim_host_options *host)
{
	*host = (struct paraclock_sim_host_options){ .size = sizeof(*host) };
	host->clock_ahead_ns = between(p, -p->bound_ns, p->bound_ns);
	if (p->kind->fitness == FIT || p->kind->timescale == MONO) {
		host->maxerror_ns = (uint64_t)p->bound_ns;
		/* A page without both of them states no bound. */
		host->maxerror_ppb = 100;
		host->error_flags = PARACLOCK_TIMELINE_MAXERROR |
				    PARACLOCK_TIMELINE_MAXERROR_RATE;
	}
}

static void plan_rules(struct play *p)
{
	struct keep_rules *rules = &p->w.rules;

	if (!dice(p, 8))
		rules->max_step_ns = dice(p, 2) ? 10 * SEC : HOUR;
	rules->backwards = !dice(p, 8);
	rules->boot = !dice(p, 8);
	rules->dry_run = !dice(p, 16);
	if (!dice(p, 8))
		rules->on_disruption = dice(p, 2) ? KEEP_REPORT : KEEP_SLEW;
}

/* A PTP clock is not valid beside one that is no image of the counter. */
static const char *clocksource(struct play *p)
{
	if (dice(p, 3))
		return "tsc";
	return p->kind->parts & PTP ? "kvm-clock" : "hpet";
}

static void make_world(struct play *p, uint64_t seed)
{
	struct paraclock_sim_host_options host[2];
	struct paraclock_sim_vm_options vm = {
		.size = sizeof(vm),
		.tsc_start = 1ULL << 40,
		.vmclock_period_ns = 600 * (uint64_t)SEC,
	};
	struct keep_world *w = &p->w;

	memset(p, 0, sizeof(*p));
	p->random = seed;
	p->kind = &kinds[dice(p, ARRAY_LEN(kinds))];
	p->bound_ns = dice(p, 4) ? between(p, US, 10 * MS)
				 : between(p, 10 * MS, 300 * MS);
	plan_host(p, &host[0]);
	plan_host(p, &host[1]);
	vm.parts = p->kind->parts;
	if (p->kind->parts & VMCLOCK)
		vm.vmclock_timescale = p->kind->timescale;
	vm.clocksource = clocksource(p);
	w->seed = seed;
	world_new_as(w, host, &vm);
	w->by_status = p->kind->backend && p->kind->parts & VMCLOCK;
	w->own.timescale = p->kind->timescale;
	w->own.flags = p->kind->flags;
	w->own.clock_error_ns = p->kind->fitness == FIT
					? (uint64_t)p->bound_ns
					: PARACLOCK_ERROR_UNKNOWN;
	w->leap_error = p->kind->no_list ? -ENOENT : 0;
	if (p->kind->no_offset) {
		assert_int_equal(paraclock_sim_tai(w->host, 0), 0);
		assert_int_equal(paraclock_sim_tai(w->other, 0), 0);
	}
	p->synchronized = dice(p, 2);
	w->kernel = p->synchronized ? KEEP_KERNEL_SYNCHRONIZED : 0;
	plan_rules(p);
	/* Until something happens. */
	w->may_step = false;
	if (p->kind->backend)
		keep_by(w, p->kind->backend, p->kind->device);
	else
		keep_own(w);
	p->day_ahead = !dice(p, 6);
	if (p->day_ahead)
		assert_int_equal(paraclock_sim_step(w->other, DAY), 0);
}

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
	for (unsigned int i = 0; i < ARRAY_LEN(kinds); i++)
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
	for (unsigned int i = 0; worlds >= WORLDS && i < ARRAY_LEN(kinds); i++)
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
