// SPDX-License-Identifier: MIT
/* Nested guests: how L1 moves, announced and not. */

#include "nested.h"

#define SCALED	      PARACLOCK_SIM_SCALED
#define COUNTER_STOPS PARACLOCK_SIM_COUNTER_STOPS
#define CLOCK_STOPS   PARACLOCK_SIM_CLOCK_STOPS
#define SILENT	      PARACLOCK_SIM_SILENT

/* No L1 goes to a place that is reserved for L2. */
struct paraclock_sim_host *another_host(struct world *w,
					const struct machine *m)
{
	struct paraclock_sim_host *to;

	do {
		to = w->host[dice(w, HOSTS)];
	} while (to == m->on || to == w->host[PHYSICAL]);
	return to;
}

void migrate_l1(struct world *w, struct machine *m, uint64_t downtime_ns,
		uint32_t flags)
{
	struct paraclock_sim_host *to = another_host(w, m);

	assert_int_equal(paraclock_sim_migrate(m->vm, to, downtime_ns, flags),
			 0);
	m->on = to;
	w->resumed = true_ns(w);
	/* Its timers stood still: no update comes early. */
	w->next_update += (int64_t)downtime_ns;
}

uint32_t random_flags(struct world *w, enum how how)
{
	static const uint32_t all =
		SCALED | COUNTER_STOPS | CLOCK_STOPS | SILENT;

	/* Under emulation the page is right: TSC and clock go on alike. */
	if (how == EMULATED)
		return dice(w, 2) ? COUNTER_STOPS | CLOCK_STOPS : 0;
	return (uint32_t)dice(w, 0) & all;
}

/* The host may renew the page above only when vCPU 0 next runs. */
static bool make_late(struct world *w, const struct machine *m)
{
	bool late = m->kind->parts & PARACLOCK_SIM_HAS_PVCLOCK && !dice(w, 3);

	if (late)
		assert_int_equal(paraclock_sim_vcpu_halt(m->vm, 0), 0);
	w->blind = late;
	return late;
}

static void move_announced(struct world *w, struct machine *m,
			   unsigned int looks)
{
	uint64_t valid;
	bool late;
	int ret;

	assert_int_equal(paraclock_relay_freeze(&m->relay), 0);
	m->held = true;
	valid = w->l2.valid;
	look_on(w, looks, random_ns(w));
	late = make_late(w, m);
	migrate_l1(w, m, random_ns(w), random_flags(w, ANNOUNCED));
	look_on(w, looks, random_ns(w));
	if (w->guest.on == m)
		assert_int_equal(w->l2.valid, valid);
	m->held = false;
	ret = paraclock_relay_resume(&m->relay);
	/*
	 * A caller that has announced it is not Hyper-V, which waits as well.
	 */
	if (m->kind->announces)
		ret = paraclock_reenlightenment_run(&m->re);
	finish_update(w, m, ret);
	look(w);
	if (late)
		assert_int_equal(paraclock_sim_vcpu_run(m->vm, 0), 0);
	w->blind = false;
}

static void move_emulated(struct world *w, struct machine *m,
			  unsigned int looks)
{
	bool heard = dice(w, 2);

	/* What updates do before the move is handled, or nothing. */
	m->held = heard;
	m->silent = !heard;
	migrate_l1(w, m, random_ns(w), random_flags(w, EMULATED));
	look_on(w, looks, random_ns(w));
	m->held = false;
	m->silent = false;
	finish_update(w, m, paraclock_reenlightenment_run(&m->re));
}

static void move_careless(struct world *w, struct machine *m,
			  unsigned int looks)
{
	m->silent = true;
	migrate_l1(w, m, random_ns(w), random_flags(w, CARELESS));
	look_on(w, looks, random_ns(w));
	m->silent = false;
	finish_update(w, m, paraclock_relay_resume(&m->relay));
}

void move_l1(struct world *w, struct machine *m, enum how how,
	     unsigned int looks)
{
	if (how == ANNOUNCED)
		move_announced(w, m, looks);
	else if (how == EMULATED)
		move_emulated(w, m, looks);
	else if (how == CARELESS)
		move_careless(w, m, looks);
	else
		migrate_l1(w, m, random_ns(w), random_flags(w, how));
	look_on(w, looks, random_ns(w));
}
