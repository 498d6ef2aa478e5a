// SPDX-License-Identifier: MIT
/* Nested guests: their time, and their readers. */

#include <paraclock/relay.h>
#include <paraclock/timekeeper.h>

#include "nested.h"

#define PVCLOCK PARACLOCK_SIM_HAS_PVCLOCK
#define HYPERV	PARACLOCK_SIM_HAS_HYPERV
#define VMCLOCK PARACLOCK_SIM_HAS_VMCLOCK

const struct above_kind above_kinds[ABOVES] = {
	/* clang-format off */
	[ABOVE_KVMCLOCK] = { "kvmclock", "kvmclock", PVCLOCK, PVCLOCK_NS,
		MONO, false },
	[ABOVE_KVMCLOCK_MARKERS] = { "kvmclock with markers", "kvmclock",
		PVCLOCK | PARACLOCK_SIM_HAS_VMCLOCK_MARKERS, PVCLOCK_NS, MONO,
		false },
	[ABOVE_HYPERV] = { "hyperv", "hyperv", HYPERV, HYPERV_NS, MONO, false },
	[ABOVE_REENLIGHTENMENT] = { "reenlightenment", "hyperv",
		HYPERV | PARACLOCK_SIM_HAS_REENLIGHTENMENT, HYPERV_NS, MONO,
		true },
	[ABOVE_VMCLOCK_MONO] = { "vmclock, monotonic", "vmclock", VMCLOCK,
		VMCLOCK_NS, MONO, false },
	[ABOVE_VMCLOCK] = { "vmclock", "vmclock", VMCLOCK, VMCLOCK_NS, TAI,
		false },
	/* clang-format on */
};

/*
 * By <paraclock/host.h>, for a counter that has run for half an hour. With the
 * promise a ns more, for rounding the truth down.
 */
const struct below_kind below_kinds[BELOWS] = {
	/* clang-format off */
	[BELOW_PVCLOCK] = { "pvclock", "kvmclock", PVCLOCK,
		PARACLOCK_SIM_PVCLOCK, paraclock_pvclock_write, NULL,
		PVCLOCK_NS, 4 },
	[BELOW_HYPERV] = { "hyperv", "hyperv", HYPERV, PARACLOCK_SIM_HYPERV,
		paraclock_hyperv_write, paraclock_hyperv_freeze, HYPERV_NS,
		102 },
	[BELOW_VMCLOCK] = { "vmclock", "vmclock", VMCLOCK,
		PARACLOCK_SIM_VMCLOCK, paraclock_vmclock_write,
		paraclock_vmclock_freeze, VMCLOCK_NS, 2 },
	[BELOW_TIMEKEEPER] = { "timekeeper", NULL, 0, 0, NULL, NULL, 1, 2 },
	/* clang-format on */
};

uint64_t dice(struct world *w, uint64_t sides)
{
	return paraclock_sim_random(w->sim, sides);
}

int64_t true_ns(struct world *w)
{
	int64_t ns = -1;

	assert_int_equal(paraclock_sim_now(w->sim, MONO, &ns), 0);
	return ns;
}

/* 0.25 ppb of an age. */
static int64_t quarter_ppb(int64_t ns)
{
	return ns / (4 * SEC) + 1;
}

/* --- time ----------------------------------------------------------------- */

/* The true time of the base of the relay's conversion. */
static int64_t above_base(struct world *w, const struct machine *m)
{
	const uint64_t *page;

	if (m == &w->machine[PHYSICAL] || !(m->kind->parts & PVCLOCK))
		return true_ns(w);
	page = paraclock_sim_page(m->vm, PARACLOCK_SIM_PVCLOCK, 0, NULL);
	return true_ns(w) - truth(m->vm, MONO) + truth_at(m->vm, page[1], MONO);
}

int64_t above_error_ns(struct world *w, const struct machine *m)
{
	return m->kind->within_ns + quarter_ppb(true_ns(w) - above_base(w, m));
}

static void note_written(struct world *w)
{
	struct guest *g = &w->guest;

	for (unsigned int b = 0; b < BELOWS; b++) {
		const struct paraclock_target *target = g->target[b];

		if (!target || memcmp(&target->timeline, &g->written[b],
				      sizeof(target->timeline)) == 0)
			continue;
		g->written[b] = target->timeline;
		g->written_at[b] = true_ns(w);
		g->above_base[b] = above_base(w, g->on);
	}
}

/*
 * A clock that stands still during a call cannot catch up with the time that
 * readers saw: the next call is a microsecond later.
 */
void finish_update(struct world *w, struct machine *m, int ret)
{
	for (unsigned int i = 0; ret && i < 1000; i++) {
		if (ret != -EAGAIN && ret != -ESTALE)
			fail_msg("an update: %d (target: %d)", ret,
				 m->target[0].error);
		assert_int_equal(
			paraclock_sim_run(w->sim, w->opts.live ? 0 : US), 0);
		ret = paraclock_relay_update(&m->relay);
	}
	assert_int_equal(ret, 0);
	note_written(w);
}

static void update_all(struct world *w)
{
	for (unsigned int i = 0; i < MACHINES; i++) {
		struct machine *m = &w->machine[i];

		if (!m->relay.n_targets || m->silent)
			continue;
		if (m->held)
			assert_int_equal(paraclock_relay_update(&m->relay),
					 -EAGAIN);
		else
			finish_update(w, m, paraclock_relay_update(&m->relay));
	}
}

static void run_until(struct world *w, int64_t until)
{
	int64_t now = true_ns(w);

	if (until > now)
		assert_int_equal(
			paraclock_sim_run(w->sim, (uint64_t)(until - now)), 0);
}

void pass(struct world *w, uint64_t ns)
{
	int64_t until = true_ns(w) + (int64_t)ns;

	while (w->next_update <= until) {
		run_until(w, w->next_update);
		w->next_update += (int64_t)w->opts.period_ns;
		update_all(w);
	}
	run_until(w, until);
}

/* --- readers -------------------------------------------------------------- */

/*
 * A sample's host clock is judged against true time, not against that clock; so
 * its declared error is only its pair's.
 */
static void judge(struct world *w, struct counts *c,
		  const struct paraclock_sim_vm *vm,
		  const struct paraclock_sample *sample, int64_t within_ns)
{
	int64_t off;

	if (!sample->valid)
		return;
	c->valid++;
	off = llabs(sample->host_ns -
		    truth_at(vm, sample->host_tsc, sample->timescale));
	if (off > c->wrong_ns)
		c->wrong_ns = off;
	if (off > within_ns + (int64_t)sample->pair_error_ns) {
		c->wrong++;
		c->last_wrong = true_ns(w);
	} else if (off > c->worst_ns) {
		c->worst_ns = off;
	}
}

static void look_above(struct world *w, struct machine *m,
		       struct paraclock *clk)
{
	struct paraclock_sample sample;

	w->l1.reads++;
	assert_int_equal(paraclock_read(clk, &sample), 0);
	judge(w, &w->l1, m->vm, &sample, above_error_ns(w, m));
}

/*
 * Of the page above and the page below. With the promise a rate is rounded
 * down, or slower.
 */
static int64_t below_error_ns(struct world *w, enum below b)
{
	const struct guest *g = &w->guest;
	const struct below_kind *kind = &below_kinds[b];
	bool lifts = w->opts.monotonic;
	int64_t now = true_ns(w);

	return g->on->kind->within_ns + quarter_ppb(now - g->above_base[b]) +
	       g->align_ns + (lifts ? kind->lifted_ns : kind->within_ns) +
	       (lifts ? 3 : 1) * quarter_ppb(now - g->written_at[b]);
}

static int read_below(struct world *w, enum below b,
		      struct paraclock_sample *ret_sample)
{
	struct guest *g = &w->guest;
	const struct paraclock_env *env =
		paraclock_sim_env(g->vm, PARACLOCK_SIM_USER);

	if (b != BELOW_TIMEKEEPER)
		return paraclock_read(g->clk[b], ret_sample);
	return paraclock_timekeeper_read(&g->tk, env, ret_sample);
}

static void look_below(struct world *w, enum below b)
{
	struct guest *g = &w->guest;
	struct paraclock_sample sample;
	int ret = read_below(w, b, &sample);

	w->l2.reads++;
	/* Frozen, or past its lease. */
	if (b == BELOW_TIMEKEEPER && ret == -EAGAIN)
		return;
	assert_int_equal(ret, 0);
	judge(w, &w->l2, g->vm, &sample, below_error_ns(w, b));
	if (!sample.valid)
		return;
	if (w->opts.monotonic)
		assert_true(sample.host_ns >= g->seen_ns[b]);
	g->seen_ns[b] = sample.host_ns;
}

/*
 * Readers wait for a frozen Hyper-V page, by tries where time stands still: not
 * each time.
 */
static bool is_skipped(struct world *w, enum below b)
{
	const struct paraclock_target *target = w->guest.target[b];

	if (!target || (b == BELOW_PVCLOCK && w->guest.paused))
		return true;
	return b == BELOW_HYPERV && target->state == PARACLOCK_TARGET_FROZEN &&
	       dice(w, 16);
}

void look(struct world *w)
{
	for (unsigned int i = 0; i < MACHINES && !w->blind; i++) {
		struct machine *m = &w->machine[i];

		if (m->clk)
			look_above(w, m, m->clk);
		if (m->reader)
			look_above(w, m, m->reader);
	}
	for (unsigned int b = 0; b < BELOWS; b++) {
		if (!is_skipped(w, b))
			look_below(w, b);
	}
}

void look_on(struct world *w, unsigned int times, uint64_t ns)
{
	for (unsigned int i = 0; i < times; i++) {
		look(w);
		pass(w, dice(w, 2 * (ns / times) + 1));
	}
	look(w);
}
