// SPDX-License-Identifier: MIT
/* vCPUs halt, run, and have TSCs of their own. */

#include <errno.h>

#include "world.h"

int paraclock_sim_vcpu_halt(struct paraclock_sim_vm *vm, unsigned int vcpu)
{
	if (!vm || vcpu >= vm->opts.vcpus)
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	STORE(vm->halted, vm->halted | 1ULL << vcpu);
	pclk_sim_unlock(vm->sim);
	return 0;
}

int paraclock_sim_vcpu_run(struct paraclock_sim_vm *vm, unsigned int vcpu)
{
	int ret;

	if (!vm || vcpu >= vm->opts.vcpus)
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	STORE(vm->halted, vm->halted & ~(1ULL << vcpu));
	pclk_sim_page_enter_vcpu(vm, vcpu);
	pclk_sim_set_this_vcpu(vm, vcpu);
	ret = pclk_sim_take_error(vm->sim);
	pclk_sim_unlock(vm->sim);
	return ret;
}

int paraclock_sim_vcpu_skew(struct paraclock_sim_vm *vm, unsigned int vcpu,
			    uint64_t ticks)
{
	int ret;

	if (!vm || vcpu >= vm->opts.vcpus || !vcpu)
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	pclk_sim_stop_world(vm->sim);
	vm->skew[vcpu] = ticks;
	pclk_sim_vm_changed(vm);
	pclk_sim_go_on(vm->sim);
	ret = pclk_sim_take_error(vm->sim);
	pclk_sim_unlock(vm->sim);
	return ret;
}
