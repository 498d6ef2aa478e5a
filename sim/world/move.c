// SPDX-License-Identifier: MIT
/* VMs that pause, or move to another host. */

#include <errno.h>
#include <time.h>

#include "move.h"

#define FLAGS_RESUME                                               \
	(PARACLOCK_SIM_COUNTER_STOPS | PARACLOCK_SIM_CLOCK_STOPS | \
	 PARACLOCK_SIM_TELLS_STOP)

/* --- pause ---------------------------------------------------------------- */

static void stop(struct paraclock_sim_vm *vm)
{
	uint64_t now;

	pclk_sim_stop_world(vm->sim);
	now = pclk_sim_instant(vm->sim);
	vm->stopped_tsc = pclk_sim_vm_tsc(vm, now);
	vm->stopped_mono = pclk_sim_vm_mono(vm, now);
	pclk_sim_set_paused(vm, true);
	pclk_sim_go_on(vm->sim);
}

int paraclock_sim_pause(struct paraclock_sim_vm *vm)
{
	if (!vm)
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	if (!vm->paused)
		stop(vm);
	pclk_sim_unlock(vm->sim);
	return 0;
}

static int resume(struct paraclock_sim_vm *vm, uint32_t flags)
{
	struct paraclock_sim *sim = vm->sim;
	uint64_t now;

	pclk_sim_stop_world(sim);
	pclk_sim_end_pieces(sim);
	now = pclk_sim_instant(sim);
	if (flags & PARACLOCK_SIM_COUNTER_STOPS)
		pclk_sim_vm_set_tsc(vm, now, vm->stopped_tsc);
	if (flags & PARACLOCK_SIM_CLOCK_STOPS)
		pclk_sim_set_mono(vm, now, vm->stopped_mono);
	if (flags & PARACLOCK_SIM_TELLS_STOP)
		pclk_sim_pages_tell_stop(vm);
	pclk_sim_set_paused(vm, false);
	pclk_sim_vm_changed(vm);
	pclk_sim_go_on(sim);
	return pclk_sim_take_error(sim);
}

int paraclock_sim_resume(struct paraclock_sim_vm *vm, uint32_t flags)
{
	bool paused;
	int ret = 0;

	if (!vm || flags & ~FLAGS_RESUME)
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	paused = vm->paused;
	if (paused)
		ret = resume(vm, flags);
	pclk_sim_unlock(vm->sim);
	if (paused)
		pclk_sim_notify(vm, PARACLOCK_SIM_NOTICE_RESUMED);
	return ret;
}

/* --- to another host ------------------------------------------------------ */

static void wait_out(struct paraclock_sim *sim, uint64_t ns)
{
	struct timespec rest = {
		.tv_sec = (time_t)(ns / NSEC_PER_SEC),
		.tv_nsec = (long)(ns % NSEC_PER_SEC),
	};

	if (!sim->opts.counter) {
		pclk_sim_pass(sim, ns);
		return;
	}
	pclk_sim_unlock(sim);
	while (ns && nanosleep(&rest, &rest))
		;
	pclk_sim_lock(sim);
}

static int migrate(struct paraclock_sim_vm *vm, struct paraclock_sim_host *to,
		   uint64_t downtime_ns, uint32_t flags)
{
	bool silent = flags & PARACLOCK_SIM_SILENT;
	struct sim_origin from = pclk_sim_origin_of(vm);
	struct sim_landing at = { .host = to };
	struct paraclock_sim *sim = vm->sim;
	int ret = pclk_sim_choose_ratio(&from, flags, &at);

	if (!ret && !sim->opts.counter && sim->now > RUN_MAX - downtime_ns)
		ret = -ERANGE;
	if (ret)
		return ret;
	stop(vm);
	wait_out(sim, downtime_ns);
	pclk_sim_stop_world(sim);
	pclk_sim_end_pieces(sim);
	at.now = pclk_sim_instant(sim);
	/* Unless they stop, both have run on during the downtime. */
	at.tsc = flags & PARACLOCK_SIM_COUNTER_STOPS
			 ? vm->stopped_tsc
			 : pclk_sim_vm_tsc(vm, at.now);
	at.mono = flags & PARACLOCK_SIM_CLOCK_STOPS
			  ? vm->stopped_mono
			  : pclk_sim_vm_mono(vm, at.now);
	pclk_sim_land(vm, &at, flags);
	vm->moves++;
	if (!silent)
		vm->disruption = pclk_sim_marker(sim);
	pclk_sim_mark_inside(vm, silent);
	pclk_sim_set_paused(vm, false);
	pclk_sim_vm_changed(vm);
	pclk_sim_go_on(sim);
	return pclk_sim_take_error(sim);
}

int paraclock_sim_migrate(struct paraclock_sim_vm *vm,
			  struct paraclock_sim_host *to, uint64_t downtime_ns,
			  uint32_t flags)
{
	bool interrupted, moved;
	uint64_t moves;
	int ret;

	if (!vm || !to || flags & ~FLAGS_ALL || downtime_ns > RUN_MAX ||
	    !pclk_sim_may_land(vm, to) || vm->paused)
		return -EINVAL;
	if (flags & PARACLOCK_SIM_ANNOUNCED)
		pclk_sim_notify(vm, PARACLOCK_SIM_NOTICE_ANNOUNCED);
	pclk_sim_lock(vm->sim);
	moves = vm->moves;
	ret = migrate(vm, to, downtime_ns, flags);
	moved = vm->moves != moves;
	interrupted = pclk_sim_is_interrupted(vm);
	pclk_sim_unlock(vm->sim);
	if (moved)
		pclk_sim_notify_landing(vm, interrupted);
	return ret;
}

/* --- emulation ------------------------------------------------------------ */

void pclk_sim_end_emulation(struct paraclock_sim_vm *vm)
{
	struct paraclock_sim *sim = vm->sim;
	uint64_t now;
	u128 tsc;

	if (!vm->emulated)
		return;
	pclk_sim_stop_world(sim);
	pclk_sim_end_pieces(sim);
	now = pclk_sim_instant(sim);
	tsc = pclk_sim_vm_tsc(vm, now);
	vm->ratio = vm->own_ratio;
	vm->emulated = false;
	pclk_sim_vm_set_tsc(vm, now, tsc);
	/* The guest knows of the new rate; VMs inside of it do not. */
	pclk_sim_mark_inside(vm, false);
	pclk_sim_vm_changed(vm);
	pclk_sim_go_on(sim);
}
