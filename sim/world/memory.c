// SPDX-License-Identifier: MIT
/* The memory of a VM: its pages are all that is simulated of it. */

#include <errno.h>

#include "world.h"

#define PHYS_PVCLOCK 0x100000U
#define PHYS_HYPERV  0x200000U
#define PHYS_VMCLOCK 0x300000U

/* The guest names pages to MSRs by these addresses. Any addresses would do that
 * do not overlap: nothing else is at them. */
uint64_t pclk_sim_phys_of(const struct sim_page *page)
{
	if (page->kind == PARACLOCK_SIM_HYPERV)
		return PHYS_HYPERV;
	if (page->kind == PARACLOCK_SIM_VMCLOCK)
		return PHYS_VMCLOCK;
	return PHYS_PVCLOCK + page->vcpu * (uint64_t)PAGE_BYTES;
}

struct sim_page *pclk_sim_page_of(const struct paraclock_sim_vm *vm,
				  unsigned int kind, unsigned int vcpu)
{
	for (unsigned int i = 0; i < vm->n_pages; i++) {
		if (vm->page[i].kind == kind && vm->page[i].vcpu == vcpu)
			return &vm->page[i];
	}
	return NULL;
}

void *paraclock_sim_page(const struct paraclock_sim_vm *vm, unsigned int kind,
			 unsigned int vcpu, size_t *ret_size)
{
	struct sim_page *page = vm ? pclk_sim_page_of(vm, kind, vcpu) : NULL;

	if (!page)
		return NULL;
	if (ret_size)
		*ret_size = PAGE_BYTES;
	return page->live;
}

static uint8_t *new_memory(void)
{
	uint8_t *memory = aligned_alloc(PAGE_BYTES, PAGE_BYTES);

	if (memory)
		memset(memory, 0, PAGE_BYTES);
	return memory;
}

/* The env of the library's page writers: the TSC of the vCPU whose page is
 * being written, and a process that owns the pages. */
static uint64_t writer_counter(void *ctx)
{
	const struct paraclock_sim_vm *vm = ctx;
	u128 tsc = pclk_sim_vm_tsc(vm, pclk_sim_instant(vm->sim));

	return (uint64_t)(tsc >> 64) + vm->skew[vm->writer_vcpu];
}

static uint32_t writer_process_id(void *ctx)
{
	(void)ctx;
	return SIM_PROCESS_ID;
}

static void init_writer_env(struct paraclock_sim_vm *vm)
{
	vm->writer_env = (struct paraclock_env){
		.size = sizeof(vm->writer_env),
		.ctx = vm,
		.counter_id = PARACLOCK_COUNTER_X86_TSC,
		.counter = writer_counter,
		.process_id = writer_process_id,
	};
}

int pclk_sim_page_forget(struct paraclock_sim_vm *vm, struct sim_page *page)
{
	memset(&page->writer, 0, sizeof(page->writer));
	return paraclock_page_writer_acquire(&page->writer, &vm->writer_env);
}

static int add_page(struct paraclock_sim_vm *vm, unsigned int kind,
		    unsigned int vcpu, uint64_t period_ns)
{
	struct sim_page *page = &vm->page[vm->n_pages++];

	page->kind = (uint8_t)kind;
	page->vcpu = (uint8_t)vcpu;
	page->period_ns = period_ns;
	page->due = NEVER;
	page->next = NEVER;
	page->live = new_memory();
	page->shadow = new_memory();
	if (!page->live || !page->shadow)
		return -ENOMEM;
	return pclk_sim_page_forget(vm, page);
}

static int add_pages(struct paraclock_sim_vm *vm)
{
	const struct paraclock_sim_vm_options *opts = &vm->opts;
	int ret = 0;

	for (unsigned int i = 0; !ret && i < opts->vcpus; i++) {
		if (opts->parts & PARACLOCK_SIM_HAS_PVCLOCK)
			ret = add_page(vm, PARACLOCK_SIM_PVCLOCK, i,
				       opts->pvclock_period_ns);
	}
	if (!ret && opts->parts & PARACLOCK_SIM_HAS_HYPERV)
		ret = add_page(vm, PARACLOCK_SIM_HYPERV, 0, 0);
	if (!ret && opts->parts & SIM_ANY_VMCLOCK)
		ret = add_page(vm, PARACLOCK_SIM_VMCLOCK, 0,
			       opts->vmclock_period_ns);
	return ret;
}

int pclk_sim_pages_make(struct paraclock_sim_vm *vm)
{
	int ret = -ENOMEM;

	init_writer_env(vm);
	/* A pvclock page per vCPU, one of Hyper-V's, and one vmclock. */
	vm->page = calloc(vm->opts.vcpus + 2, sizeof(*vm->page));
	vm->pairing = new_memory();
	if (vm->page && vm->pairing)
		ret = add_pages(vm);
	if (ret)
		pclk_sim_pages_free(vm);
	return ret;
}

void pclk_sim_pages_free(struct paraclock_sim_vm *vm)
{
	for (unsigned int i = 0; vm->page && i < vm->n_pages; i++) {
		free(vm->page[i].live);
		free(vm->page[i].shadow);
	}
	free(vm->page);
	free(vm->pairing);
}
