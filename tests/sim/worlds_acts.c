// SPDX-License-Identifier: MIT
/* Random worlds: what hosts and VMs do in them. */

#include "worlds.h"

/* The time that calls take may carry a clock further by this, ns. */
#define SLACK_NS 100

uint64_t steps_inside, slews_inside, marked, moved, torn_pages, late_pages;

static bool any_torn(const struct world *w)
{
	return w->torn[0] || w->torn[1] || w->torn[2];
}

/* --- a host's clock ------------------------------------------------------- */

static s128 off_now(struct world *w, const struct honest *h)
{
	return h->off + (s128)(mono_now(w) - h->since_ns) * h->ppb;
}

static void rebase(struct world *w, struct honest *h)
{
	h->off = off_now(w, h);
	h->since_ns = mono_now(w);
}

void assert_honest(struct world *w, const struct honest *h)
{
	s128 off = off_now(w, h);

	if (h->status != PARACLOCK_STATUS_SYNCHRONIZED)
		return;
	if ((off < 0 ? -off : off) > (s128)h->bound_ns * SEC)
		fail_msg("seed %llu: the test's own host left its bound",
			 (unsigned long long)w->seed);
}

static void slew(struct world *w, struct honest *h, int64_t ppb)
{
	rebase(w, h);
	h->ppb = ppb;
	slews_inside++;
	assert_int_equal(paraclock_sim_slew(h->sim, ppb), 0);
}

static void step(struct world *w, struct honest *h, int64_t ns)
{
	rebase(w, h);
	h->off += (s128)ns * SEC;
	steps_inside++;
	marked += llabs(ns) > h->bound_ns;
	assert_int_equal(paraclock_sim_step(h->sim, ns), 0);
}

/* The clock's range, 10^-9 ns. */
static s128 room(const struct honest *h)
{
	return (s128)(h->bound_ns - SLACK_NS) * SEC;
}

static int64_t clamp(s128 value, int64_t size)
{
	if (value > size)
		return size;
	return value < -size ? -size : (int64_t)value;
}

void stay_within(struct world *w, struct honest *h, uint64_t ns)
{
	s128 off = off_now(w, h), end = off + (s128)ns * h->ppb;
	int64_t low, high;

	if (h->status != PARACLOCK_STATUS_SYNCHRONIZED || !ns ||
	    (end <= room(h) && end >= -room(h)))
		return;
	/* Rounded towards 0, so that it stays inside. */
	low = clamp((-room(h) - off) / (s128)ns, h->slew_ppb);
	high = clamp((room(h) - off) / (s128)ns, h->slew_ppb);
	low = low > 0 ? 0 : low;
	high = high < 0 ? 0 : high;
	if (dice(w, 3))
		slew(w, h, dice(w, 2) ? low : high);
	else
		slew(w, h, low + (int64_t)dice(w, (uint64_t)(high - low) + 1));
}

/*
 * To anywhere within its bound, or back to where it began, like one that is
 * stepped again and again.
 */
static void correct(struct world *w, struct honest *h)
{
	s128 off = off_now(w, h), to = h->home;
	int64_t by;

	if (h->status != PARACLOCK_STATUS_SYNCHRONIZED)
		return;
	if (!w->beat_ns || !dice(w, 8))
		to = (s128)around(w, h->bound_ns - SLACK_NS - 1) * SEC;
	if (!w->beat_ns)
		h->home = to;
	by = (int64_t)((to - off) / SEC);
	/* Mostly no further than the last page allows. */
	if (dice(w, 4))
		by = clamp(by, h->bound_ns);
	step(w, h, by);
	if (dice(w, 2))
		slew(w, h, around(w, h->slew_ppb));
}

/* Nobody corrects it for a while: its published bound grows as allowed. */
static void run_free(struct world *w, struct honest *h)
{
	unsigned int status = PARACLOCK_STATUS_FREERUNNING;

	if (!w->lasting)
		status = PARACLOCK_STATUS_UNRELIABLE;
	if (h->status == PARACLOCK_STATUS_SYNCHRONIZED) {
		if (dice(w, 2) && status == PARACLOCK_STATUS_FREERUNNING)
			slew(w, h, dice(w, 2) ? h->slew_ppb : -h->slew_ppb);
		assert_int_equal(paraclock_sim_status(h->sim, status), 0);
		h->status = status;
		return;
	}
	if (off_now(w, h) > room(h) || off_now(w, h) < -room(h))
		step(w, h, (int64_t)((h->home - off_now(w, h)) / SEC));
	h->status = PARACLOCK_STATUS_SYNCHRONIZED;
	assert_int_equal(paraclock_sim_status(h->sim, h->status), 0);
}

static void host_act(struct world *w)
{
	struct honest *h = dice(w, 2) ? w->on : &w->host[dice(w, HOSTS)];

	switch (dice(w, 8)) {
	case 0:
		run_free(w, h);
		break;
	case 1:
		stay_within(w, h, 1ULL << 40);
		break;
	case 2:
		h->jiffies = !dice(w, 4);
		assert_int_equal(paraclock_sim_clocksource(h->sim, !h->jiffies),
				 0);
		break;
	default:
		correct(w, h);
		break;
	}
}

/* --- pages ---------------------------------------------------------------- */

static void fault(struct world *w, unsigned int kind, unsigned int fault,
		  uint64_t delay_ns)
{
	assert_int_equal(paraclock_sim_fault(w->vm, kind, 0, fault, delay_ns),
			 0);
	w->old[kind] = fault == PARACLOCK_SIM_FAULT_STALE ||
		       fault == PARACLOCK_SIM_FAULT_SLOW;
	w->torn[kind] = fault == PARACLOCK_SIM_FAULT_TORN ||
			fault == PARACLOCK_SIM_FAULT_DIES;
	torn_pages += w->torn[kind];
	late_pages += w->old[kind];
}

static void mend_pages(struct world *w)
{
	for (unsigned int kind = 0; kind < 3; kind++) {
		if (w->old[kind] || w->torn[kind])
			fault(w, kind, PARACLOCK_SIM_FAULT_NONE, 0);
	}
}

static void page_act(struct world *w)
{
	unsigned int kind = (unsigned int)dice(w, 3);
	unsigned int what = (unsigned int)dice(w, 5);
	/* An old page's time must still be true. */
	bool may_be_old = kind != PARACLOCK_SIM_VMCLOCK || w->lasting;

	if (w->old[kind] || w->torn[kind] || !dice(w, 3)) {
		mend_pages(w);
		return;
	}
	if (what == PARACLOCK_SIM_FAULT_SLOW && may_be_old)
		fault(w, kind, what, 1 + any_size(w, 33));
	else if (what == PARACLOCK_SIM_FAULT_STALE && may_be_old)
		fault(w, kind, what, 0);
	else if (what == PARACLOCK_SIM_FAULT_TORN ||
		 what == PARACLOCK_SIM_FAULT_DIES)
		fault(w, kind, what, 0);
	else
		assert_int_equal(paraclock_sim_update(w->vm, kind, 0), 0);
}

/* --- moves ---------------------------------------------------------------- */

static uint32_t move_flags(struct world *w)
{
	const uint32_t any =
		PARACLOCK_SIM_SCALED | PARACLOCK_SIM_COUNTER_STOPS |
		PARACLOCK_SIM_CLOCK_STOPS | PARACLOCK_SIM_TELLS_STOP;

	return (uint32_t)dice(w, 0) & any;
}

/* Where a pause stops the counter, a host with a marker for it shows that. */
static void pause_vm(struct world *w)
{
	const uint32_t any =
		PARACLOCK_SIM_CLOCK_STOPS | PARACLOCK_SIM_TELLS_STOP;

	assert_int_equal(paraclock_sim_pause(w->vm), 0);
	for (unsigned int i = 0; i < HOSTS; i++)
		stay_within(w, &w->host[i], 3 * (uint64_t)SEC);
	assert_int_equal(paraclock_sim_run(w->sim, any_size(w, 30)), 0);
	assert_int_equal(
		paraclock_sim_resume(w->vm, (uint32_t)dice(w, 0) & any), 0);
}

/*
 * A page of the new host's that is never completed. The marker of a vmclock is
 * there in time, because that is its purpose.
 */
static void die_meanwhile(struct world *w)
{
	if (dice(w, 4) == 0)
		fault(w, (unsigned int)dice(w, 3), PARACLOCK_SIM_FAULT_DIES, 0);
}

static void restore(struct world *w, struct honest *to, bool dies)
{
	if (dies)
		die_meanwhile(w);
	assert_int_equal(paraclock_sim_restore(w->vm, w->saved, to->sim,
					       move_flags(w)),
			 0);
}

static void migrate(struct world *w, struct honest *to, bool dies)
{
	for (unsigned int i = 0; i < HOSTS; i++)
		stay_within(w, &w->host[i], 3 * (uint64_t)SEC);
	if (dies)
		die_meanwhile(w);
	assert_int_equal(paraclock_sim_migrate(w->vm, to->sim, any_size(w, 30),
					       move_flags(w)),
			 0);
}

/* Nobody reads before the followers know of it. */
static void move(struct world *w)
{
	struct honest *to = &w->host[dice(w, HOSTS)];
	unsigned int how = (unsigned int)dice(w, 3);
	bool announced = dice(w, 2);

	/* A page that is not renewed would be the old host's. */
	mend_pages(w);
	relay_freeze(w);
	if (announced)
		keepers_freeze(w);
	if (how == 0)
		pause_vm(w);
	else if (how == 1)
		restore(w, to, announced);
	else
		migrate(w, to, announced);
	w->on = how ? to : w->on;
	w->moves += how != 0;
	moved++;
	/* The kernel knows the counter's present rate. */
	assert_int_equal(paraclock_sim_guest_clocksource(
				 w->vm, dice(w, 2) ? "tsc" : "kvm-clock"),
			 0);
	relay_resume(w);
	keepers_reset(w, announced);
	follow_due(w, true);
}

static void vcpu_act(struct world *w)
{
	unsigned int vcpu = (unsigned int)dice(w, 3);

	if (vcpu && dice(w, 2))
		assert_int_equal(paraclock_sim_vcpu_halt(w->vm, vcpu), 0);
	else
		assert_int_equal(paraclock_sim_vcpu_run(w->vm, vcpu), 0);
}

static void save(struct world *w)
{
	mend_pages(w);
	paraclock_sim_state_free(w->saved);
	assert_int_equal(paraclock_sim_save(&w->saved, w->vm), 0);
}

void act(struct world *w)
{
	unsigned int what = (unsigned int)dice(w, 16);

	/* Every reader waits for a torn page: not for long. */
	if (any_torn(w) && dice(w, 2))
		mend_pages(w);
	if (what < 8)
		host_act(w);
	else if (what < 11)
		page_act(w);
	else if (what < 13)
		move(w);
	else if (what < 14)
		save(w);
	else if (what < 15)
		vcpu_act(w);
	else
		follow_due(w, true);
}
