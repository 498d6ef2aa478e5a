// SPDX-License-Identifier: MIT
/*
 * Threads in VMs. To a guest, its TSC changes between two instructions, all at
 * once. So a thread that changes TSCs first waits until every thread in a VM
 * has left it or has come to its next read of the TSC, and holds those there.
 */

#include <errno.h>

#include "world.h"

/* The VM and vCPU that this thread is on. */
static _Thread_local struct {
	const struct paraclock_sim_vm *vm;
	unsigned int vcpu;
	bool entered;
} here;

/* A const world is not to be changed; its lock may be. */
static struct paraclock_sim *writable(const struct paraclock_sim *sim)
{
	return (struct paraclock_sim *)(uintptr_t)sim;
}

void pclk_sim_lock(const struct paraclock_sim *sim)
{
	(void)pthread_mutex_lock(&writable(sim)->lock);
}

void pclk_sim_unlock(const struct paraclock_sim *sim)
{
	(void)pthread_mutex_unlock(&writable(sim)->lock);
}

static void wait_for_change(struct paraclock_sim *sim)
{
	(void)pthread_cond_wait(&sim->changed, &sim->lock);
}

static void tell_change(struct paraclock_sim *sim)
{
	(void)pthread_cond_broadcast(&sim->changed);
}

static bool is_in(const struct paraclock_sim *sim)
{
	return here.entered && here.vm->sim == sim;
}

void pclk_sim_stop_world(struct paraclock_sim *sim)
{
	/* A program in a VM may act on its own world: do not wait for it. */
	uint32_t own = is_in(sim);

	sim->acting++;
	/* From now on a read of a TSC stops at pclk_sim_stop_here(). */
	__atomic_fetch_add(&sim->gate, 1, __ATOMIC_SEQ_CST);
	/* Another act may be under way: this one waits its turn. */
	while (sim->running > own)
		wait_for_change(sim);
}

void pclk_sim_go_on(struct paraclock_sim *sim)
{
	pclk_sim_go_on_with_pieces(sim);
	sim->acting--;
	__atomic_fetch_sub(&sim->gate, 1, __ATOMIC_SEQ_CST);
	tell_change(sim);
}

void pclk_sim_set_paused(struct paraclock_sim_vm *vm, bool paused)
{
	if (vm->paused == paused)
		return;
	vm->paused = paused;
	if (paused)
		__atomic_fetch_add(&vm->sim->gate, 1, __ATOMIC_SEQ_CST);
	else
		__atomic_fetch_sub(&vm->sim->gate, 1, __ATOMIC_SEQ_CST);
	tell_change(vm->sim);
}

static bool must_wait(const struct paraclock_sim_vm *vm)
{
	return vm->sim->acting || !pclk_sim_vm_runs(vm);
}

void pclk_sim_stop_here(struct paraclock_sim_vm *vm)
{
	struct paraclock_sim *sim = vm->sim;

	/* One load per read of a TSC: the lock only when somebody acts. */
	if (!is_in(sim) || !LOAD(sim->gate))
		return;
	pclk_sim_lock(sim);
	if (must_wait(here.vm)) {
		sim->running--;
		tell_change(sim);
		while (must_wait(here.vm))
			wait_for_change(sim);
		sim->running++;
	}
	pclk_sim_unlock(sim);
}

int paraclock_sim_enter(struct paraclock_sim_vm *vm, unsigned int vcpu)
{
	if (!vm || vcpu >= vm->opts.vcpus || here.entered)
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	while (must_wait(vm))
		wait_for_change(vm->sim);
	here.vm = vm;
	here.vcpu = vcpu;
	here.entered = true;
	vm->sim->running++;
	STORE(vm->halted, vm->halted & ~(1ULL << vcpu));
	pclk_sim_page_enter_vcpu(vm, vcpu);
	pclk_sim_unlock(vm->sim);
	return 0;
}

int paraclock_sim_leave(struct paraclock_sim_vm *vm)
{
	if (!vm || !here.entered || here.vm != vm)
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	here.entered = false;
	vm->sim->running--;
	tell_change(vm->sim);
	pclk_sim_unlock(vm->sim);
	return 0;
}

/* A thread that has entered no vCPU is on the first one that runs. */
int pclk_sim_this_vcpu(const struct paraclock_sim_vm *vm)
{
	uint64_t halted = LOAD(vm->halted);

	if (here.vm == vm && here.vcpu < vm->opts.vcpus &&
	    !(halted >> here.vcpu & 1))
		return (int)here.vcpu;
	for (unsigned int i = 0; i < vm->opts.vcpus; i++) {
		if (!(halted >> i & 1))
			return (int)i;
	}
	return -1;
}

void pclk_sim_forget_here(const struct paraclock_sim *sim)
{
	for (struct paraclock_sim_vm *vm = sim->vms; vm; vm = vm->next) {
		if (here.vm == vm)
			here.vm = NULL;
	}
}

void pclk_sim_set_this_vcpu(const struct paraclock_sim_vm *vm,
			    unsigned int vcpu)
{
	/* A thread that is in another VM stays there. */
	if (here.entered && here.vm != vm)
		return;
	here.vm = vm;
	here.vcpu = vcpu;
}
