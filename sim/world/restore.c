// SPDX-License-Identifier: MIT
/* VMs that are saved, restored and cloned. */

#include <errno.h>

#include "move.h"

struct paraclock_sim_state {
	const struct paraclock_sim_vm *vm;
	struct sim_origin from;
	uint64_t at;
	u128 tsc, mono;
	uint64_t disruption, generation, halted;
	uint64_t skew[PARACLOCK_SIM_VCPUS_MAX];
	struct sim_msrs msrs;
	struct sim_kernel kernel;
	uint8_t page[][PAGE_BYTES];
};

static struct paraclock_sim_state *save(struct paraclock_sim_vm *vm)
{
	struct paraclock_sim_state *state = calloc(
		1, sizeof(*state) + vm->n_pages * sizeof(state->page[0]));
	uint64_t now = pclk_sim_instant(vm->sim);

	if (!state)
		return NULL;
	state->vm = vm;
	state->from = pclk_sim_origin_of(vm);
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
	pclk_sim_mark_inside(vm, silent);
}

static int land_as_saved(struct paraclock_sim_vm *vm,
			 const struct paraclock_sim_state *state,
			 struct sim_landing *at, uint32_t flags)
{
	struct paraclock_sim *sim = vm->sim;
	/* Watchers compare the count of sets, so it does not go back with the
	 * kernel's memory. */
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
	pclk_sim_land(vm, at, flags);
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
	struct sim_landing at = { .host = to };
	int ret = pclk_sim_choose_ratio(&state->from, flags, &at);

	return ret ? ret : land_as_saved(vm, state, &at, flags);
}

int paraclock_sim_restore(struct paraclock_sim_vm *vm,
			  const struct paraclock_sim_state *state,
			  struct paraclock_sim_host *to, uint32_t flags)
{
	bool interrupted, moved;
	uint64_t moves;
	int ret;

	if (!vm || !state || state->vm != vm ||
	    (to && !pclk_sim_may_land(vm, to)) ||
	    flags & ~(FLAGS_ALL & ~PARACLOCK_SIM_ANNOUNCED))
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	moves = vm->moves;
	ret = restore(vm, state, to ? to : vm->host, flags);
	moved = vm->moves != moves;
	interrupted = pclk_sim_is_interrupted(vm);
	pclk_sim_unlock(vm->sim);
	if (moved)
		pclk_sim_notify_landing(vm, interrupted);
	return ret;
}

static int make_clone(struct paraclock_sim_vm **ret_vm,
		      struct paraclock_sim_vm *vm,
		      struct paraclock_sim_host *to, uint32_t flags)
{
	struct sim_landing at = { .host = to };
	struct paraclock_sim_state *state;
	struct paraclock_sim_vm_options opts = vm->opts;
	struct paraclock_sim_vm *twin;
	int ret;

	pclk_sim_stop_world(vm->sim);
	state = save(vm);
	pclk_sim_go_on(vm->sim);
	if (!state)
		return -ENOMEM;
	/* The TSC's rate comes from the saved state. */
	opts.tsc_hz = 0;
	/* Whatever can fail comes first: a VM cannot be removed again. */
	ret = pclk_sim_choose_ratio(&state->from, flags, &at);
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

	if (!ret_vm || !vm || (to && !pclk_sim_may_land(vm, to)) ||
	    flags & ~(FLAGS_ALL & ~PARACLOCK_SIM_ANNOUNCED))
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	ret = make_clone(ret_vm, vm, to ? to : vm->host, flags);
	if (!ret)
		interrupted = pclk_sim_is_interrupted(*ret_vm);
	pclk_sim_unlock(vm->sim);
	if (!ret)
		pclk_sim_notify_landing(*ret_vm, interrupted);
	return ret;
}
