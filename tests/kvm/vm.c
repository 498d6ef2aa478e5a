// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm.h"

#define MEMORY 4096
#define HLT    0xf4

/* A vCPU is given up after this many seconds: some nested KVMs hang. */
#define RUN_SEC 30

#define CLOCKSOURCE \
	"/sys/devices/system/clocksource/clocksource0/current_clocksource"

const char *vm_because(const char *what)
{
	static char why[128];

	snprintf(why, sizeof(why), "%s: %s", what, strerror(errno));
	return why;
}

const char *vm_make(struct vm *ret_vm)
{
	struct vm vm = { .fd = -1, .vcpu = -1, .memory = MAP_FAILED };
	const char *why = NULL;

	vm.kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (vm.kvm < 0)
		return vm_because("/dev/kvm");
	vm.fd = ioctl(vm.kvm, KVM_CREATE_VM, 0);
	if (vm.fd < 0)
		why = vm_because("KVM_CREATE_VM");
	if (!why)
		vm.vcpu = ioctl(vm.fd, KVM_CREATE_VCPU, 0);
	if (!why && vm.vcpu < 0)
		why = vm_because("KVM_CREATE_VCPU");
	if (why)
		vm_free(&vm);
	else
		*ret_vm = vm;
	return why;
}

static const char *load(struct vm *vm)
{
	struct kvm_userspace_memory_region region = { .memory_size = MEMORY };
	struct kvm_regs regs = { .rflags = 2 };
	struct kvm_sregs sregs;

	vm->memory = mmap(NULL, MEMORY, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm->memory == MAP_FAILED)
		return vm_because("mmap");
	memset(vm->memory, HLT, MEMORY);
	region.userspace_addr = (uintptr_t)vm->memory;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		return vm_because("KVM_SET_USER_MEMORY_REGION");
	if (ioctl(vm->vcpu, KVM_GET_SREGS, &sregs))
		return vm_because("KVM_GET_SREGS");
	/* Real mode, at address 0. */
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(vm->vcpu, KVM_SET_SREGS, &sregs))
		return vm_because("KVM_SET_SREGS");
	return ioctl(vm->vcpu, KVM_SET_REGS, &regs) ? vm_because("KVM_SET_REGS")
						    : NULL;
}

static void on_alarm(int number)
{
	(void)number;
}

const char *vm_run(struct vm *vm)
{
	/* Not SA_RESTART: it ends KVM_RUN. */
	const struct sigaction action = { .sa_handler = on_alarm };
	const char *why = load(vm);

	if (why)
		return why;
	if (sigaction(SIGALRM, &action, NULL))
		return vm_because("sigaction");
	alarm(RUN_SEC);
	if (ioctl(vm->vcpu, KVM_RUN, 0))
		why = vm_because("KVM_RUN");
	alarm(0);
	return why;
}

int vm_get_clock(const struct vm *vm, struct kvm_clock_data *ret_clock)
{
	const uint32_t pair = KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC;
	struct kvm_clock_data clock = { 0 };

	if (ioctl(vm->fd, KVM_GET_CLOCK, &clock))
		return -errno;
	if ((clock.flags & pair) != pair)
		return -EOPNOTSUPP;
	*ret_clock = clock;
	return 0;
}

void vm_free(struct vm *vm)
{
	if (vm->memory != MAP_FAILED)
		munmap(vm->memory, MEMORY);
	if (vm->vcpu >= 0)
		close(vm->vcpu);
	if (vm->fd >= 0)
		close(vm->fd);
	close(vm->kvm);
}

const char *vm_why_not_tsc(void)
{
	static char why[80];
	char name[32] = "";
	FILE *file = fopen(CLOCKSOURCE, "re");

	if (!file)
		return vm_because(CLOCKSOURCE);
	if (!fgets(name, sizeof(name), file))
		name[0] = '\0';
	fclose(file);
	name[strcspn(name, "\n")] = '\0';
	if (strcmp(name, "tsc") == 0)
		return NULL;
	snprintf(why, sizeof(why), "the clocksource is %s, not tsc", name);
	return why;
}
