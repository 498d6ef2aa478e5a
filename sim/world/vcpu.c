// SPDX-License-Identifier: MIT
/* What happens to vCPUs. */

#include <errno.h>

#include "world.h"

int paraclock_sim_vcpu_halt(struct paraclock_sim_vm *vm, unsigned int vcpu)
{
	if (!vm || vcpu >= vm->opts.vcpus)
		return -EINVAL;
	sim_lock(vm->sim);
	STORE(vm->halted, vm->halted | 1ULL << vcpu);
	sim_unlock(vm->sim);
	return 0;
}

int paraclock_sim_vcpu_run(struct paraclock_sim_vm *vm, unsigned int vcpu)
{
	int ret;

	if (!vm || vcpu >= vm->opts.vcpus)
		return -EINVAL;
	sim_lock(vm->sim);
	STORE(vm->halted, vm->halted & ~(1ULL << vcpu));
	sim_page_enter_vcpu(vm, vcpu);
	sim_set_this_vcpu(vm, vcpu);
	ret = sim_take_error(vm->sim);
	sim_unlock(vm->sim);
	return ret;
}

int paraclock_sim_vcpu_skew(struct paraclock_sim_vm *vm, unsigned int vcpu,
			    uint64_t ticks)
{
	int ret;

	if (!vm || vcpu >= vm->opts.vcpus || !vcpu)
		return -EINVAL;
	sim_lock(vm->sim);
	sim_stop_world(vm->sim);
	vm->skew[vcpu] = ticks;
	sim_vm_changed(vm);
	sim_go_on(vm->sim);
	ret = sim_take_error(vm->sim);
	sim_unlock(vm->sim);
	return ret;
}
