// SPDX-License-Identifier: MIT
/* VMs that stop and go on: here, elsewhere, or as they once were. */

#include <errno.h>
#include <time.h>

#include "world.h"

#define FLAGS_ALL 0x3fU
#define FLAGS_RESUME                                               \
	(PARACLOCK_SIM_COUNTER_STOPS | PARACLOCK_SIM_CLOCK_STOPS | \
	 PARACLOCK_SIM_TELLS_STOP)

/* Where a VM comes from, and how its TSC ran there. */
struct origin {
	const struct paraclock_sim_host *host;
	struct sim_hz hz;
	uint64_t own_ratio, ratio;
	bool reenlightened;
};

/* Where it goes on. */
struct landing {
	struct paraclock_sim_host *host;
	uint64_t now;	    /* when */
	u128 tsc, mono;	    /* what it then is there */
	uint64_t own_ratio; /* what its TSC is by itself */
	uint64_t ratio;	    /* and with emulation */
};

struct paraclock_sim_state {
	const struct paraclock_sim_vm *vm;
	struct origin from;
	uint64_t at;
	u128 tsc, mono;
	uint64_t disruption, generation, halted;
	uint64_t skew[PARACLOCK_SIM_VCPUS_MAX];
	struct sim_msrs msrs;
	struct sim_kernel kernel;
	uint8_t page[][PAGE_BYTES];
};

static void tell(struct paraclock_sim_vm *vm, unsigned int notice)
{
	if (vm->opts.notify)
		vm->opts.notify(vm->opts.notify_arg, vm, notice);
}

static bool is_interrupted(const struct paraclock_sim_vm *vm)
{
	return vm->emulated && pclk_sim_is_reenlightened(vm);
}

static void tell_landing(struct paraclock_sim_vm *vm, bool interrupted)
{
	tell(vm, PARACLOCK_SIM_NOTICE_RESUMED);
	if (interrupted)
		tell(vm, PARACLOCK_SIM_NOTICE_REENLIGHTENMENT);
}

static bool is_inside(const struct paraclock_sim_host *host,
		      const struct paraclock_sim_vm *vm)
{
	while (host->inside && host->inside != vm)
		host = host->inside->host;
	return host->inside;
}

/* What runs inside has moved as well, and its TSC is not what it was. */
static void mark_inside(const struct paraclock_sim_vm *vm, bool silent)
{
	for (struct paraclock_sim_vm *at = vm->sim->vms; at; at = at->next) {
		if (!is_inside(at->host, vm))
			continue;
		at->moves++;
		if (!silent)
			at->disruption = pclk_sim_marker(vm->sim);
	}
}

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

/* It does not begin before its start, nor does the tick that it is in. */
static void set_mono(struct paraclock_sim_vm *vm, uint64_t now, u128 mono)
{
	struct sim_line line = { .hz = pclk_sim_vm_hz(vm) };
	u128 least = pclk_sim_part_of_tick(&line,
					   (uint64_t)pclk_sim_vm_tsc(vm, now));

	if (!vm->host->inside && mono < least)
		mono = least;
	vm->over_host = (s128)(mono - pclk_sim_host_mono(vm->host, now));
}

/* The world is stopped, and pieces are ended. */
static void land(struct paraclock_sim_vm *vm, const struct landing *at,
		 uint32_t flags)
{
	vm->host = at->host;
	vm->ratio = at->ratio;
	vm->own_ratio = at->own_ratio;
	vm->emulated = at->ratio != at->own_ratio;
	pclk_sim_vm_set_tsc(vm, at->now, at->tsc);
	set_mono(vm, at->now, at->mono);
	if (flags & PARACLOCK_SIM_TELLS_STOP)
		pclk_sim_pages_tell_stop(vm);
}

/* --- pause ---------------------------------------------------------------- */

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
		set_mono(vm, now, vm->stopped_mono);
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
		tell(vm, PARACLOCK_SIM_NOTICE_RESUMED);
	return ret;
}

/* --- to another host ------------------------------------------------------ */

static bool may_land(const struct paraclock_sim_vm *vm,
		     const struct paraclock_sim_host *to)
{
	return to->sim == vm->sim && !is_inside(to, vm);
}

static struct origin origin_of(const struct paraclock_sim_vm *vm)
{
	return (struct origin){
		.host = vm->host,
		.hz = pclk_sim_vm_hz(vm),
		.own_ratio = vm->own_ratio,
		.ratio = vm->ratio,
		.reenlightened = pclk_sim_is_reenlightened(vm),
	};
}

/* How its TSC runs there. */
static int choose_ratio(const struct origin *from, uint32_t flags,
			struct landing *at)
{
	int ret = 0;

	if (at->host == from->host) {
		/* Emulation goes on as well: the guest alone ends it. */
		at->own_ratio = from->own_ratio;
		at->ratio = from->ratio;
		return 0;
	}
	at->own_ratio = RATIO_ONE;
	at->ratio = RATIO_ONE;
	/* Emulated, until the guest says that it knows the new rate. */
	if (flags & PARACLOCK_SIM_SCALED || from->reenlightened)
		ret = pclk_sim_ratio(from->hz, pclk_sim_host_hz(at->host),
				     &at->ratio);
	if (flags & PARACLOCK_SIM_SCALED)
		at->own_ratio = at->ratio;
	return ret;
}

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
	struct origin from = origin_of(vm);
	struct landing at = { .host = to };
	struct paraclock_sim *sim = vm->sim;
	int ret = choose_ratio(&from, flags, &at);

	if (!ret && !sim->opts.counter && sim->now > RUN_MAX - downtime_ns)
		ret = -ERANGE;
	if (ret)
		return ret;
	stop(vm);
	wait_out(sim, downtime_ns);
	pclk_sim_stop_world(sim);
	pclk_sim_end_pieces(sim);
	at.now = pclk_sim_instant(sim);
	/* What they would be now, had nothing happened. */
	at.tsc = flags & PARACLOCK_SIM_COUNTER_STOPS
			 ? vm->stopped_tsc
			 : pclk_sim_vm_tsc(vm, at.now);
	at.mono = flags & PARACLOCK_SIM_CLOCK_STOPS
			  ? vm->stopped_mono
			  : pclk_sim_vm_mono(vm, at.now);
	land(vm, &at, flags);
	vm->moves++;
	if (!silent)
		vm->disruption = pclk_sim_marker(sim);
	mark_inside(vm, silent);
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
	    !may_land(vm, to) || vm->paused)
		return -EINVAL;
	if (flags & PARACLOCK_SIM_ANNOUNCED)
		tell(vm, PARACLOCK_SIM_NOTICE_ANNOUNCED);
	pclk_sim_lock(vm->sim);
	moves = vm->moves;
	ret = migrate(vm, to, downtime_ns, flags);
	moved = vm->moves != moves;
	interrupted = is_interrupted(vm);
	pclk_sim_unlock(vm->sim);
	if (moved)
		tell_landing(vm, interrupted);
	return ret;
}

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
	/* It knows; what runs inside does not. */
	mark_inside(vm, false);
	pclk_sim_vm_changed(vm);
	pclk_sim_go_on(sim);
}

/* --- saving and restoring ------------------------------------------------- */

static struct paraclock_sim_state *save(struct paraclock_sim_vm *vm)
{
	struct paraclock_sim_state *state = calloc(
		1, sizeof(*state) + vm->n_pages * sizeof(state->page[0]));
	uint64_t now = pclk_sim_instant(vm->sim);

	if (!state)
		return NULL;
	state->vm = vm;
	state->from = origin_of(vm);
	state->at = now;
	state->tsc = pclk_sim_vm_tsc(vm, now);
	state->mono = pclk_sim_vm_mono(vm, now);
	state->disruption = vm->disruption;
	state->generation = vm->generation;
	state->halted = vm->halted;
	memcpy(state->skew, vm->skew, sizeof(state->skew));
	state->msrs = vm->msrs;
	state->kernel = vm->kernel;
	for (unsigned int i = 0; i < vm->n_pages; i++)
		memcpy(state->page[i], vm->page[i].live, PAGE_BYTES);
	return state;
}

int paraclock_sim_save(struct paraclock_sim_state **ret_state,
		       struct paraclock_sim_vm *vm)
{
	struct paraclock_sim_state *state;

	if (!ret_state || !vm)
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	pclk_sim_stop_world(vm->sim);
	state = save(vm);
	pclk_sim_go_on(vm->sim);
	pclk_sim_unlock(vm->sim);
	if (!state)
		return -ENOMEM;
	*ret_state = state;
	return 0;
}

void paraclock_sim_state_free(struct paraclock_sim_state *state)
{
	free(state);
}

static int put_memory_back(struct paraclock_sim_vm *vm,
			   const struct paraclock_sim_state *state)
{
	int ret = 0;

	for (unsigned int i = 0; i < vm->n_pages; i++) {
		int error;

		pclk_sim_page_put_back(&vm->page[i], state->page[i]);
		error = pclk_sim_page_forget(vm, &vm->page[i]);
		ret = ret ? ret : error;
	}
	return ret;
}

static void set_markers(struct paraclock_sim_vm *vm,
			const struct paraclock_sim_state *state, uint32_t flags)
{
	bool silent = flags & PARACLOCK_SIM_SILENT;

	vm->moves++;
	vm->restores +=
		!silent && vm->opts.parts & PARACLOCK_SIM_HAS_GENERATION;
	vm->disruption = silent ? state->disruption : pclk_sim_marker(vm->sim);
	vm->generation = silent ? state->generation : pclk_sim_marker(vm->sim);
	mark_inside(vm, silent);
}

static int land_as_saved(struct paraclock_sim_vm *vm,
			 const struct paraclock_sim_state *state,
			 struct landing *at, uint32_t flags)
{
	struct paraclock_sim *sim = vm->sim;
	/* The kernel's count of sets is the watchers', not its memory's. */
	uint64_t sets = vm->kernel.sets;
	uint64_t since;
	int ret;

	pclk_sim_stop_world(sim);
	pclk_sim_end_pieces(sim);
	at->now = pclk_sim_instant(sim);
	at->tsc = state->tsc;
	at->mono = state->mono;
	since = at->now - state->at;
	if (!(flags & PARACLOCK_SIM_COUNTER_STOPS))
		at->tsc += pclk_sim_ticks_of(sim, state->from.hz, since);
	if (!(flags & PARACLOCK_SIM_CLOCK_STOPS))
		at->mono += pclk_sim_span(sim, since);
	ret = put_memory_back(vm, state);
	vm->msrs = state->msrs;
	vm->kernel = state->kernel;
	vm->kernel.sets = sets;
	STORE(vm->halted, state->halted);
	memcpy(vm->skew, state->skew, sizeof(vm->skew));
	land(vm, at, flags);
	set_markers(vm, state, flags);
	pclk_sim_set_paused(vm, false);
	pclk_sim_vm_changed(vm);
	pclk_sim_go_on(sim);
	return ret ? ret : pclk_sim_take_error(sim);
}

static int restore(struct paraclock_sim_vm *vm,
		   const struct paraclock_sim_state *state,
		   struct paraclock_sim_host *to, uint32_t flags)
{
	struct landing at = { .host = to };
	int ret = choose_ratio(&state->from, flags, &at);

	return ret ? ret : land_as_saved(vm, state, &at, flags);
}

int paraclock_sim_restore(struct paraclock_sim_vm *vm,
			  const struct paraclock_sim_state *state,
			  struct paraclock_sim_host *to, uint32_t flags)
{
	bool interrupted, moved;
	uint64_t moves;
	int ret;

	if (!vm || !state || state->vm != vm || (to && !may_land(vm, to)) ||
	    flags & ~(FLAGS_ALL & ~PARACLOCK_SIM_ANNOUNCED))
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	moves = vm->moves;
	ret = restore(vm, state, to ? to : vm->host, flags);
	moved = vm->moves != moves;
	interrupted = is_interrupted(vm);
	pclk_sim_unlock(vm->sim);
	if (moved)
		tell_landing(vm, interrupted);
	return ret;
}

static int make_clone(struct paraclock_sim_vm **ret_vm,
		      struct paraclock_sim_vm *vm,
		      struct paraclock_sim_host *to, uint32_t flags)
{
	struct landing at = { .host = to };
	struct paraclock_sim_state *state;
	struct paraclock_sim_vm_options opts = vm->opts;
	struct paraclock_sim_vm *twin;
	int ret;

	pclk_sim_stop_world(vm->sim);
	state = save(vm);
	pclk_sim_go_on(vm->sim);
	if (!state)
		return -ENOMEM;
	/* Its TSC's rate is restored. */
	opts.tsc_hz = 0;
	/* First what fails: no VM is taken out of the world again. */
	ret = choose_ratio(&state->from, flags, &at);
	if (!ret)
		ret = pclk_sim_vm_make(&twin, to, &opts);
	if (!ret)
		ret = land_as_saved(twin, state, &at, flags);
	if (!ret)
		*ret_vm = twin;
	free(state);
	return ret;
}

int paraclock_sim_clone(struct paraclock_sim_vm **ret_vm,
			struct paraclock_sim_vm *vm,
			struct paraclock_sim_host *to, uint32_t flags)
{
	bool interrupted = false;
	int ret;

	if (!ret_vm || !vm || (to && !may_land(vm, to)) ||
	    flags & ~(FLAGS_ALL & ~PARACLOCK_SIM_ANNOUNCED))
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	ret = make_clone(ret_vm, vm, to ? to : vm->host, flags);
	if (!ret)
		interrupted = is_interrupted(*ret_vm);
	pclk_sim_unlock(vm->sim);
	if (!ret)
		tell_landing(*ret_vm, interrupted);
	return ret;
}
