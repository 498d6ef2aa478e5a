// SPDX-License-Identifier: MIT
/* The env of a VM: its counter, its pages, and what it says of itself. */

#include <errno.h>
#include <stdio.h>

#include "guest.h"

static uint64_t tsc_now(const struct paraclock_sim_vm *vm, unsigned int vcpu)
{
	u128 tsc = pclk_sim_vm_tsc(vm, pclk_sim_instant(vm->sim));

	return (uint64_t)(tsc >> 64) + vm->skew[vcpu];
}

/* No lock: what it looks at changes only while no thread is in a VM. */
static uint64_t guest_counter(void *ctx)
{
	struct paraclock_sim_vm *vm = sim_vm_of(ctx);
	int vcpu;

	pclk_sim_stop_here(vm);
	vcpu = pclk_sim_this_vcpu(vm);
	return tsc_now(vm, vcpu < 0 ? 0 : (unsigned int)vcpu);
}

/* --- pages ---------------------------------------------------------------- */

static struct sim_page *find_page(struct sim_view *view, const char *name)
{
	struct paraclock_sim_vm *vm = view->vm;
	unsigned int vcpu = vm->opts.user_vcpu;

	if (strcmp(name, "hyperv") == 0)
		return pclk_sim_page_of(vm, PARACLOCK_SIM_HYPERV, 0);
	if (strcmp(name, "vmclock") == 0)
		return pclk_sim_page_of(vm, PARACLOCK_SIM_VMCLOCK, 0);
	if (strcmp(name, "pvclock") != 0)
		return NULL;
	/* In user space, Linux shows the page of one vCPU; the kernel reads the
	 * page of the vCPU that it is on. */
	if (view == &vm->view[PARACLOCK_SIM_KERNEL]) {
		int here = pclk_sim_this_vcpu(vm);

		vcpu = here < 0 ? 0 : (unsigned int)here;
	}
	return pclk_sim_page_of(vm, PARACLOCK_SIM_PVCLOCK, vcpu);
}

static int map_pairing(const struct sim_view *view,
		       struct paraclock_mapping *ret_map)
{
	*ret_map = (struct paraclock_mapping){
		.addr = view->vm->pairing,
		.size = PAGE_BYTES,
		.phys = SIM_PHYS_PAIRING,
		.fd = -1,
	};
	return 0;
}

static int guest_map_page(void *ctx, const char *name, const char *path,
			  struct paraclock_mapping *ret_map)
{
	struct sim_view *view = ctx;
	bool kernel = view == &view->vm->view[PARACLOCK_SIM_KERNEL];
	struct sim_page *page = find_page(view, name);

	if (kernel && !path && strcmp(name, "kvm-pairing") == 0)
		return map_pairing(view, ret_map);
	if (!page || (path && (strcmp(name, "vmclock") != 0 ||
			       strcmp(path, "/dev/vmclock0") != 0))) {
		(void)snprintf(ret_map->why, sizeof(ret_map->why),
			       "the simulated VM has no %s page%s%s", name,
			       path ? " at " : "", path ? path : "");
		return -ENODEV;
	}
	*ret_map = (struct paraclock_mapping){
		.addr = page->live,
		.size = PAGE_BYTES,
		.phys = kernel ? pclk_sim_phys_of(page) : 0,
		.fd = !kernel && page->kind == PARACLOCK_SIM_VMCLOCK
			      ? SIM_FD_VMCLOCK
			      : -1,
	};
	return 0;
}

static void guest_unmap_page(void *ctx, struct paraclock_mapping *map)
{
	(void)ctx;
	map->addr = NULL;
}

/* --- the machine ---------------------------------------------------------- */

static int guest_find_device(void *ctx, const char *acpi_hid,
			     const char *compatible)
{
	uint32_t parts = sim_vm_of(ctx)->opts.parts;

	(void)compatible;
	if (strcmp(acpi_hid, "AMZNC10C") == 0 && parts & SIM_ANY_VMCLOCK)
		return PARACLOCK_FIRMWARE_ACPI;
	if (strcmp(acpi_hid, "VMGENCTR") == 0 &&
	    parts & PARACLOCK_SIM_HAS_GENERATION)
		return PARACLOCK_FIRMWARE_ACPI;
	return PARACLOCK_FIRMWARE_NONE;
}

static int guest_describe(void *ctx, struct paraclock_machine *ret_machine)
{
	const uint32_t kvm =
		PARACLOCK_SIM_HAS_PVCLOCK | PARACLOCK_SIM_HAS_PAIRING;
	struct paraclock_sim_vm *vm = sim_vm_of(ctx);
	uint32_t parts = vm->opts.parts;
	struct paraclock_machine machine = {
		.size = ret_machine->size,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.invariant = 1,
		.vmclock =
			parts & SIM_ANY_VMCLOCK ? PARACLOCK_FIRMWARE_ACPI : 0,
		.vmgenid = parts & PARACLOCK_SIM_HAS_GENERATION
				   ? PARACLOCK_FIRMWARE_ACPI
				   : 0,
	};
	bool hyperv = parts & PARACLOCK_SIM_HAS_HYPERV && !(parts & kvm);
	const char *name = hyperv ? "hyper-v" : "kvm";
	struct sim_hz hz;

	memcpy(machine.hypervisor, name, strlen(name));
	pclk_sim_lock(vm->sim);
	memcpy(machine.clocksource, vm->kernel.source,
	       sizeof(machine.clocksource));
	hz = pclk_sim_vm_hz(vm);
	pclk_sim_unlock(vm->sim);
	machine.counter_hz = hz.hz >> hz.bits;
	*ret_machine = machine;
	return 0;
}

static int guest_clocksource(void *ctx, char ret_name[32], uint8_t *ret_kind)
{
	struct paraclock_sim_vm *vm = sim_vm_of(ctx);

	pclk_sim_lock(vm->sim);
	memcpy(ret_name, vm->kernel.source, sizeof(vm->kernel.source));
	*ret_kind = vm->kernel.kind;
	pclk_sim_unlock(vm->sim);
	return 0;
}

/* The caller wants a vCPU's page renewed, which KVM does when the vCPU enters.
 * The thread stays on its own vCPU, as if its affinity was put back. */
static int guest_run_on_cpu(void *ctx, unsigned int cpu, int go)
{
	struct paraclock_sim_vm *vm = sim_vm_of(ctx);

	if (pclk_sim_this_vcpu(vm) == (int)cpu)
		return 0;
	if (!go || cpu >= vm->opts.vcpus)
		return -EAGAIN;
	pclk_sim_lock(vm->sim);
	pclk_sim_page_enter_vcpu(vm, cpu);
	pclk_sim_unlock(vm->sim);
	return 0;
}

static uint32_t guest_process_id(void *ctx)
{
	(void)ctx;
	return SIM_PROCESS_ID;
}

static void *guest_alloc(void *ctx, size_t size)
{
	(void)ctx;
	return malloc(size);
}

static void guest_free(void *ctx, void *ptr)
{
	(void)ctx;
	free(ptr);
}

/* Linux's read(2) copies under the sequence; here the lock keeps writers
 * out. */
static int64_t guest_pread(void *ctx, int fd, void *buf, size_t n,
			   uint64_t offset)
{
	struct paraclock_sim_vm *vm = sim_vm_of(ctx);
	struct sim_page *page = pclk_sim_page_of(vm, PARACLOCK_SIM_VMCLOCK, 0);

	if (fd != SIM_FD_VMCLOCK || !page)
		return -EBADF;
	if (offset >= PAGE_BYTES)
		return 0;
	if (n > PAGE_BYTES - offset)
		n = PAGE_BYTES - (size_t)offset;
	pclk_sim_lock(vm->sim);
	memcpy(buf, page->live + offset, n);
	pclk_sim_unlock(vm->sim);
	return (int64_t)n;
}

/* --- the views ------------------------------------------------------------ */

static const struct paraclock_env common = {
	.size = sizeof(struct paraclock_env),
	.counter_id = PARACLOCK_COUNTER_X86_TSC,
	.counter = guest_counter,
	.cpuid = pclk_sim_cpuid,
	.map_page = guest_map_page,
	.unmap_page = guest_unmap_page,
	.find_device = guest_find_device,
	.describe = guest_describe,
	.process_id = guest_process_id,
	.alloc = guest_alloc,
	.free = guest_free,
};

static void add_kernel(struct paraclock_env *env)
{
	env->rdmsr = pclk_sim_rdmsr;
	env->wrmsr = pclk_sim_wrmsr;
	env->hypercall = pclk_sim_hypercall;
}

static void add_user(struct paraclock_env *env)
{
	env->pread = guest_pread;
	env->read_clock = pclk_sim_read_clock;
	env->run_on_cpu = guest_run_on_cpu;
	env->clocksource = guest_clocksource;
	env->read_text = pclk_sim_read_text;
	env->open_device = pclk_sim_open_device;
	env->device_number = pclk_sim_device_number;
	env->ioctl = pclk_sim_ioctl;
	env->close_device = pclk_sim_close_device;
	env->watch_clock = pclk_sim_watch_clock;
	env->watch_generation = pclk_sim_watch_generation;
	env->poll_group = pclk_sim_poll_group;
}

static void init_view(struct paraclock_sim_vm *vm, unsigned int ring)
{
	struct sim_view *view = &vm->view[ring];

	view->vm = vm;
	view->env = common;
	view->env.ctx = view;
	view->env.system_clocks = &view->system;
	if (ring == PARACLOCK_SIM_USER)
		add_user(&view->env);
	else
		add_kernel(&view->env);
}

struct sim_view *pclk_sim_view_of(const struct paraclock_env *env)
{
	return env->counter == guest_counter ? env->ctx : NULL;
}

/* Made when it is first asked for: VMs, which sim/world makes, know nothing of
 * what is built on them here. */
const struct paraclock_env *paraclock_sim_env(struct paraclock_sim_vm *vm,
					      unsigned int ring)
{
	if (!vm || ring > PARACLOCK_SIM_KERNEL)
		return NULL;
	pclk_sim_lock(vm->sim);
	if (!vm->view[ring].vm)
		init_view(vm, ring);
	pclk_sim_unlock(vm->sim);
	return &vm->view[ring].env;
}
