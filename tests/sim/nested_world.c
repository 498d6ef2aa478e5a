// SPDX-License-Identifier: MIT
/* Nested guests: how their world begins, and how L2 moves in it. */

#include <time.h>

#include <paraclock/timekeeper.h>

#include "nested.h"

#define USER   PARACLOCK_SIM_USER
#define KERNEL PARACLOCK_SIM_KERNEL

__extension__ typedef __int128 s128;

static const struct above_kind physical_kinds[] = {
	{ "physical host", NULL, 0, 1, MONO, false },
	{ "physical host, TAI", NULL, 0, 1, TAI, false },
};

/* --- hosts and machines --------------------------------------------------- */

static uint64_t live_counter(void *arg)
{
	struct timespec now;

	(void)arg;
	(void)clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * (uint64_t)SEC + (uint64_t)now.tv_nsec;
}

static uint64_t random_hz(struct world *w)
{
	return 1000000000 + dice(w, 3500000001);
}

/* It has run for half an hour, or for much longer. */
static uint64_t random_tsc(struct world *w)
{
	return (1ULL << 43) + (dice(w, 0) >> (12 + dice(w, 9)));
}

uint64_t random_ns(struct world *w)
{
	uint64_t ns = dice(w, 1ULL << dice(w, 35));

	/* The rest is only updates. */
	return ns % (64 * w->opts.period_ns);
}

/* The clock that its relay sees. */
static const struct paraclock_env *env_of(const struct machine *m)
{
	return paraclock_sim_env(m->vm, m->kind->announces ? KERNEL : USER);
}

static void make_host(struct world *w, struct paraclock_sim_host **ret_host)
{
	struct paraclock_sim_host_options opts = {
		.size = sizeof(opts),
		.tsc_hz = random_hz(w),
		.tsc_start = random_tsc(w),
		.clock_ahead_ns =
			(int64_t)dice(w, 10 * (uint64_t)SEC) - 5 * SEC,
		.clock_ppb = (int64_t)dice(w, 200001) - 100000,
	};

	assert_int_equal(paraclock_sim_host_new(ret_host, w->sim, &opts), 0);
}

static void on_notice(void *arg, struct paraclock_sim_vm *vm,
		      unsigned int notice)
{
	struct machine *m = arg;

	(void)vm;
	if (notice == PARACLOCK_SIM_NOTICE_REENLIGHTENMENT)
		paraclock_reenlightenment_notify(&m->re);
}

static void make_relay(struct machine *m)
{
	m->relay = (struct paraclock_relay){
		.size = sizeof(m->relay),
		.clk = m->clk,
		.targets = m->target,
	};
}

static void open_announced(struct machine *m)
{
	m->re = (struct paraclock_reenlightenment){
		.size = sizeof(m->re),
		.env = env_of(m),
		.relay = &m->relay,
		.vector = 0xee,
	};
	assert_int_equal(paraclock_reenlightenment_start(&m->re), 0);
	assert_int_equal(paraclock_reenlightenment_open(&m->clk, &m->re), 0);
}

static void make_l1(struct world *w, struct machine *m,
		    struct paraclock_sim_host *on)
{
	struct paraclock_sim_vm_options opts = {
		.size = sizeof(opts),
		.parts = m->kind->parts,
		.vcpus = 2,
		.tsc_hz = dice(w, 2) ? random_hz(w) : 0,
		.tsc_start = random_tsc(w),
		.vmclock_timescale = m->kind->timescale,
		.notify = on_notice,
		.notify_arg = m,
	};

	assert_int_equal(paraclock_sim_vm_new(&m->vm, on, &opts), 0);
	assert_int_equal(paraclock_sim_host_nested(&m->guests, m->vm), 0);
	if (m->kind->announces)
		open_announced(m);
	else
		m->clk = open_user(m->vm, m->kind->backend);
	m->reader = open_user(m->vm, m->kind->backend);
	make_relay(m);
}

/* Its kernel has the TSC unchanged, and its clock is a timekeeper. */
static void make_physical(struct world *w, struct machine *m)
{
	struct paraclock_sim_host *at = w->host[PHYSICAL];
	struct paraclock_sim_vm_options opts = {
		.size = sizeof(opts),
		.tsc_start = paraclock_sim_host_counter(at),
	};
	const struct paraclock_env *env;
	struct paraclock_timeline tl;

	m->kind =
		&physical_kinds[above_kinds[w->opts.above[0]].timescale == TAI];
	assert_int_equal(paraclock_sim_vm_new(&m->vm, at, &opts), 0);
	m->guests = at;
	env = env_of(m);
	assert_int_equal(paraclock_timekeeper_acquire(&m->tk, env, NULL), 0);
	assert_int_equal(paraclock_sim_timeline(m->vm, m->kind->timescale, &tl),
			 0);
	tl.flags |= PARACLOCK_TIMELINE_STABLE;
	tl.t_end = UINT64_MAX >> 1;
	assert_int_equal(paraclock_timekeeper_set(&m->tk, env, &tl, 0), 0);
	assert_int_equal(paraclock_timekeeper_open(&m->clk, &m->tk, env), 0);
	make_relay(m);
	m->relay.timekeeper = &m->tk;
}

/* --- L2 on a machine ------------------------------------------------------ */

static int pause_guest(void *arg, int stop)
{
	struct world *w = arg;

	assert_int_equal(w->guest.paused, !stop);
	w->guest.paused = stop != 0;
	return 0;
}

/* L2's clock at a value of L1's counter: the truth, to 2^-64 s. */
static u128 guest_time_at(const struct guest *g, uint64_t counter)
{
	struct paraclock_coupling c;
	struct paraclock_timeline tl;
	s128 past;

	assert_int_equal(paraclock_sim_coupling(g->vm, &c), 0);
	assert_int_equal(paraclock_sim_timeline(g->vm, MONO, &tl), 0);
	/* 2^-48 ticks since the base, modulo 2^112 as the counter is. */
	past = (s128)(((u128)counter * c.mult + ((u128)c.offset << 48) -
		       ((u128)tl.base_tsc << 48))
		      << 16) >>
	       16;
	past = past * (s128)(tl.period_frac >> 1) >> (tl.period_shift + 47);
	return ((u128)tl.base_sec << 64 | tl.base_frac) + (u128)past;
}

/*
 * Its VMM has brought along the clock's time: the truth. The present error of
 * the page above is included.
 */
static void align_guest(struct world *w)
{
	struct guest *g = &w->guest;
	struct machine *m = g->on;
	uint64_t counter = paraclock_sim_counter(m->vm, 0);
	u128 at;

	if (m->kind->timescale != MONO)
		return;
	at = guest_time_at(g, counter);
	g->align_ns = above_error_ns(w, m);
	for (unsigned int i = 0; i < m->relay.n_targets; i++)
		assert_int_equal(paraclock_relay_align(
					 &m->relay, &m->target[i], counter,
					 (uint64_t)(at >> 64), (uint64_t)at),
				 0);
}

static void fill_page(struct world *w, struct machine *m, enum below b,
		      struct paraclock_target *target)
{
	const struct below_kind *kind = &below_kinds[b];

	memset(&m->writer[b], 0, sizeof(m->writer[b]));
	assert_int_equal(
		paraclock_page_writer_acquire(&m->writer[b], env_of(m)), 0);
	target->page = paraclock_sim_page(w->guest.vm, kind->page, 0, NULL);
	target->writer = &m->writer[b];
	target->write = kind->write;
	target->freeze = kind->freeze;
	if (!kind->freeze)
		target->pause = w->opts.pause ? w->opts.pause : pause_guest;
	target->arg = w;
}

/* The timekeeper that was frozen elsewhere, if any: *from. */
static void fill_target(struct world *w, struct machine *m, enum below b,
			struct paraclock_target *target)
{
	static const struct paraclock_timekeeper_options orphan = {
		.size = sizeof(orphan),
		.flags = PARACLOCK_TIMEKEEPER_ORPHAN,
	};
	const struct paraclock_target *from = w->guest.target[b];
	struct paraclock_timekeeper *tk = &w->guest.tk;

	*target = (struct paraclock_target){
		.size = sizeof(*target),
		.marker = from ? from->marker + 1 : 1,
		.seen_sec = from ? from->seen_sec : 0,
		.seen_frac = from ? from->seen_frac : 0,
		.flags = w->opts.monotonic ? PARACLOCK_TARGET_MONOTONIC : 0,
	};
	assert_int_equal(paraclock_sim_coupling(w->guest.vm, &target->coupling),
			 0);
	if (b != BELOW_TIMEKEEPER) {
		fill_page(w, m, b, target);
		return;
	}
	target->timekeeper = tk;
	assert_int_equal(paraclock_timekeeper_acquire(tk, env_of(m),
						      from ? &orphan : NULL),
			 0);
}

/* The guest that was paused elsewhere begins here. */
static void put_guest(struct world *w, struct machine *m)
{
	struct guest *g = &w->guest;

	m->relay.n_targets = 0;
	g->paused = false;
	g->align_ns = 0;
	for (unsigned int b = 0; b < BELOWS; b++) {
		struct paraclock_target *target =
			&m->target[m->relay.n_targets];

		if (!(w->opts.below & BELOW(b)))
			continue;
		fill_target(w, m, b, target);
		g->target[b] = target;
		m->relay.n_targets++;
	}
	g->on = m;
}

static void make_guest(struct world *w)
{
	struct machine *m = &w->machine[0];
	struct guest *g = &w->guest;
	struct paraclock_sim_vm_options opts = {
		.size = sizeof(opts),
		.parts = PARACLOCK_SIM_HAS_NO_WRITER,
		.vcpus = 2,
		.tsc_hz = dice(w, 2) ? random_hz(w) : 0,
		.tsc_start = random_tsc(w),
	};

	for (unsigned int b = 0; b < BELOWS; b++)
		opts.parts |=
			w->opts.below & BELOW(b) ? below_kinds[b].part : 0;
	assert_int_equal(paraclock_sim_vm_new(&g->vm, m->guests, &opts), 0);
	put_guest(w, m);
	finish_update(w, m, paraclock_relay_update(&m->relay));
	for (unsigned int b = 0; b < BELOWS; b++) {
		if (w->opts.below & BELOW(b) && below_kinds[b].backend)
			g->clk[b] = open_user(g->vm, below_kinds[b].backend);
	}
}

/* --- the world ------------------------------------------------------------ */

void world_start(struct world *w, const struct world_options *opts)
{
	struct paraclock_sim_options sim_opts = {
		.size = sizeof(sim_opts),
		.seed = opts->seed,
		.counter = opts->live ? live_counter : NULL,
		.counter_hz = opts->live ? SEC : 0,
	};

	memset(w, 0, sizeof(*w));
	w->opts = *opts;
	assert_int_equal(paraclock_sim_new(&w->sim, &sim_opts), 0);
	w->next_update = INT64_MAX;
	for (unsigned int i = 0; i < HOSTS; i++)
		make_host(w, &w->host[i]);
	for (unsigned int i = 0; i < 2; i++) {
		w->machine[i].kind = &above_kinds[opts->above[i]];
		w->machine[i].on = w->host[i];
		make_l1(w, &w->machine[i], w->host[i]);
	}
	if (!opts->live)
		make_physical(w, &w->machine[PHYSICAL]);
	/* Clocks that begin with their VM have begun. */
	pass(w, opts->live ? 0 : 1 + dice(w, 1000 * (uint64_t)SEC));
	make_guest(w);
	w->next_update = true_ns(w) + (int64_t)opts->period_ns;
}

void world_end(struct world *w)
{
	for (unsigned int b = 0; b < BELOWS; b++)
		paraclock_close(w->guest.clk[b]);
	for (unsigned int i = 0; i < MACHINES; i++) {
		paraclock_close(w->machine[i].reader);
		paraclock_close(w->machine[i].clk);
	}
	paraclock_sim_free(w->sim);
}

/* --- L2 moves ------------------------------------------------------------- */

static void hold_guest(struct world *w)
{
	struct machine *m = w->guest.on;

	for (unsigned int i = 0; i < m->relay.n_targets; i++)
		m->target[i].flags |= PARACLOCK_TARGET_HELD;
	assert_int_equal(paraclock_relay_update(&m->relay), 0);
}

/* Its counter is another one. */
static void release_guest(struct world *w)
{
	struct machine *m = w->guest.on;

	for (unsigned int i = 0; i < m->relay.n_targets; i++) {
		m->target[i].flags &= ~(uint32_t)PARACLOCK_TARGET_HELD;
		assert_int_equal(paraclock_sim_coupling(w->guest.vm,
							&m->target[i].coupling),
				 0);
	}
}

void move_l2(struct world *w, struct machine *to, unsigned int looks)
{
	struct machine *from = w->guest.on;
	uint64_t valid;

	hold_guest(w);
	valid = w->l2.valid;
	look_on(w, looks, random_ns(w));
	assert_int_equal(paraclock_sim_migrate(w->guest.vm, to->guests,
					       random_ns(w),
					       random_flags(w, ANNOUNCED)),
			 0);
	look_on(w, looks, random_ns(w));
	assert_int_equal(w->l2.valid, valid);
	if (to == from) {
		release_guest(w);
	} else {
		put_guest(w, to);
		from->relay.n_targets = 0;
	}
	align_guest(w);
	finish_update(w, to, paraclock_relay_update(&to->relay));
	look_on(w, looks, random_ns(w));
}
