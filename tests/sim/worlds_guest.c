// SPDX-License-Identifier: MIT
/* Random worlds: a guest of the VM, whose clocks a relay writes. */

#include <paraclock/relay.h>
#include <paraclock/timekeeper.h>

#include "worlds.h"

#define USER PARACLOCK_SIM_USER

static const struct paraclock_env *env_above(const struct world *w)
{
	return paraclock_sim_env(w->vm, USER);
}

static void make_targets(struct world *w)
{
	struct paraclock_target *page = &w->target[0];
	struct paraclock_target *tk = &w->target[1];

	*page = (struct paraclock_target){
		.size = sizeof(*page),
		.page = paraclock_sim_page(w->guest, PARACLOCK_SIM_VMCLOCK, 0,
					   NULL),
		.writer = &w->writer,
		.write = paraclock_vmclock_write,
		.freeze = paraclock_vmclock_freeze,
		.marker = 1,
	};
	*tk = (struct paraclock_target){
		.size = sizeof(*tk),
		.timekeeper = &w->guest_tk,
		.marker = 1,
	};
	assert_int_equal(
		paraclock_page_writer_acquire(&w->writer, env_above(w)), 0);
	assert_int_equal(paraclock_timekeeper_acquire(&w->guest_tk,
						      env_above(w), NULL),
			 0);
}

/* The guest goes with its host, so this stays as it is. */
static void couple(struct world *w)
{
	for (unsigned int i = 0; i < ARRAY_LEN(w->target); i++)
		assert_int_equal(paraclock_sim_coupling(w->guest,
							&w->target[i].coupling),
				 0);
}

void guest_start(struct world *w)
{
	struct paraclock_sim_vm_options opts = {
		.size = sizeof(opts),
		.parts =
			PARACLOCK_SIM_HAS_NO_WRITER | PARACLOCK_SIM_HAS_VMCLOCK,
		.tsc_hz = dice(w, 2) ? 1000000000 + dice(w, 3500000001) : 0,
		/* Its host may be put back to before it began. */
		.tsc_start = (1ULL << 48) + any_size(w, 50),
		.vmclock_timescale = w->scale,
	};

	assert_int_equal(paraclock_sim_host_nested(&w->inside, w->vm), 0);
	assert_int_equal(paraclock_sim_vm_new(&w->guest, w->inside, &opts), 0);
	make_targets(w);
	couple(w);
	w->relay = (struct paraclock_relay){
		.size = sizeof(w->relay),
		.clk = w->reader[SOURCE_VMCLOCK].clk,
		.targets = w->target,
		.n_targets = ARRAY_LEN(w->target),
		.lease_ns = dice(w, 2) ? 0 : MS + any_size(w, 34),
	};
	w->relay_period_ns = MS + any_size(w, 32);
	assert_int_equal(paraclock_relay_update(&w->relay), 0);
	w->next_relay_ns = mono_now(w) + (int64_t)w->relay_period_ns;
	guest_readers_open(w);
}

static void check(struct world *w, int ret)
{
	if (ret && ret != -EAGAIN && ret != -ESTALE)
		fail_msg("seed %llu, pass %u: a relay: %d (%d, %d)",
			 (unsigned long long)w->seed, w->pass, ret,
			 w->target[0].error, w->target[1].error);
}

void relay_due(struct world *w)
{
	if (mono_now(w) < w->next_relay_ns)
		return;
	check(w, paraclock_relay_update(&w->relay));
	w->next_relay_ns =
		mono_now(w) + (int64_t)w->relay_period_ns + w->least_ns;
}

void relay_freeze(struct world *w)
{
	check(w, paraclock_relay_freeze(&w->relay));
}

void relay_resume(struct world *w)
{
	check(w, paraclock_relay_resume(&w->relay));
}
