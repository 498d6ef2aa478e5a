// SPDX-License-Identifier: MIT
/*
 * When a VM's pages are written, and with which fault. The library's own
 * writers write them. They never leave a page torn or late, so a page with a
 * fault is written to a shadow, and its bytes are copied to the guest wrongly
 * or late.
 */

#include <errno.h>

#include "world.h"

/* No page has anything that changes beyond this, bytes. */
#define BODY 112

/* Bit 1 of a pvclock's byte 29. */
#define GUEST_STOPPED (0x02ULL << 40)

typedef int write_fn(void *page, struct paraclock_page_writer *writer,
		     const struct paraclock_env *env,
		     const struct paraclock_timeline *tl);

static write_fn *const write_of[] = {
	[PARACLOCK_SIM_PVCLOCK] = paraclock_pvclock_write,
	[PARACLOCK_SIM_HYPERV] = paraclock_hyperv_write,
	[PARACLOCK_SIM_VMCLOCK] = paraclock_vmclock_write,
};

/* The place of a page's sequence, in words of 4 bytes. */
static const unsigned int sequence_at[] = {
	[PARACLOCK_SIM_PVCLOCK] = 0,
	[PARACLOCK_SIM_HYPERV] = 0,
	[PARACLOCK_SIM_VMCLOCK] = 3,
};

static bool runs_vcpu(const struct paraclock_sim_vm *vm, unsigned int vcpu)
{
	return !(vm->halted >> vcpu & 1);
}

/* --- writing it ----------------------------------------------------------- */

static int put(struct paraclock_sim_vm *vm, struct sim_page *page)
{
	void *at = page->fault ? page->shadow : page->live;
	const struct paraclock_env *env = &vm->writer_env;
	write_fn *write = write_of[page->kind];
	struct paraclock_timeline tl;
	int ret = pclk_sim_page_timeline(vm, page, &tl);

	if (ret)
		return ret;
	vm->writer_vcpu = page->vcpu;
	ret = write(at, &page->writer, env, &tl);
	/* The clock would go back: omit the promise for this update. */
	if (ret == -ESTALE && tl.flags & PARACLOCK_TIMELINE_MONOTONIC) {
		tl.flags &= ~PARACLOCK_TIMELINE_MONOTONIC;
		ret = write(at, &page->writer, env, &tl);
	}
	if (ret == -ESTALE && page->kind == PARACLOCK_SIM_VMCLOCK) {
		/* The page goes back beyond its bound, so readers must
		 * not rely on what it said before. */
		vm->disruption = pclk_sim_marker(vm->sim);
		tl.marker = vm->disruption;
		ret = write(at, &page->writer, env, &tl);
	}
	return ret;
}

static uint32_t *sequence_of(const struct sim_page *page, uint8_t *at)
{
	return (uint32_t *)(void *)at + sequence_at[page->kind];
}

static void tear(struct sim_page *page)
{
	uint32_t *sequence = sequence_of(page, page->live);
	bool odd = page->kind != PARACLOCK_SIM_HYPERV;

	STORE(*sequence, odd ? LOAD(*sequence) | 1 : 0);
	/* Pairs with the acquire fence of a page's readers: they see the odd
	 * sequence before any of the new bytes. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
}

/* Copy words of 8 bytes, but not the 4 bytes of the sequence. */
static void copy_body(struct sim_page *page, unsigned int bytes)
{
	const unsigned int sequence = sequence_at[page->kind];
	uint64_t *to = (void *)page->live;
	const uint64_t *from = (const void *)page->shadow;
	uint32_t *to_half = (void *)page->live;
	const uint32_t *from_half = (const void *)page->shadow;
	unsigned int other = sequence ^ 1;

	for (unsigned int i = 0; i < bytes / sizeof(*to); i++) {
		if (i == sequence / 2)
			STORE(to_half[other], from_half[other]);
		else
			STORE(to[i], from[i]);
	}
}

/* Copy the shadow to the guest, as a writer would. */
static void show_shadow(struct sim_page *page)
{
	uint32_t sequence = LOAD(*sequence_of(page, page->shadow));

	tear(page);
	copy_body(page, BODY);
	__atomic_store_n(sequence_of(page, page->live), sequence,
			 __ATOMIC_RELEASE);
	page->due = NEVER;
}

/*
 * The sequence goes on instead of back. Our reader is not a program of the VM,
 * so it is not restored with it: it may be in the middle of a reading, and
 * after several restores of one state would find the same sequence over other
 * bytes.
 */
void pclk_sim_page_put_back(struct sim_page *page, const uint8_t *from)
{
	uint32_t *sequence = sequence_of(page, page->shadow);
	uint32_t *live = sequence_of(page, page->live);
	uint32_t last = page->fault ? *sequence : LOAD(*live);

	memcpy(page->shadow, from, PAGE_BYTES);
	*sequence = last;
	copy_body(page, PAGE_BYTES);
}

static void write_page(struct paraclock_sim_vm *vm, struct sim_page *page)
{
	uint64_t now = pclk_sim_instant(vm->sim);
	int ret = put(vm, page);

	page->pending = false;
	page->next = page->period_ns
			     ? now + pclk_sim_ticks(vm->sim, page->period_ns)
			     : NEVER;
	if (ret) {
		if (!vm->sim->error)
			vm->sim->error = ret;
		return;
	}
	if (page->fault == PARACLOCK_SIM_FAULT_SLOW) {
		page->due = now + pclk_sim_ticks(vm->sim, page->delay_ns);
	} else if (page->fault == PARACLOCK_SIM_FAULT_DIES) {
		/* Some of the new contents, under an odd sequence for ever. */
		tear(page);
		copy_body(page, page->kind == PARACLOCK_SIM_VMCLOCK ? 64 : 16);
		page->fault = PARACLOCK_SIM_FAULT_TORN;
	}
}

void pclk_sim_page_renew(struct paraclock_sim_vm *vm, struct sim_page *page)
{
	if (vm->opts.parts & PARACLOCK_SIM_HAS_NO_WRITER ||
	    !pclk_sim_vm_runs(vm))
		return;
	if (page->kind == PARACLOCK_SIM_PVCLOCK && !runs_vcpu(vm, page->vcpu))
		page->pending = true;
	else
		write_page(vm, page);
}

void pclk_sim_pages_renew(struct paraclock_sim_vm *vm)
{
	for (unsigned int i = 0; i < vm->n_pages; i++)
		pclk_sim_page_renew(vm, &vm->page[i]);
}

void pclk_sim_page_enter_vcpu(struct paraclock_sim_vm *vm, unsigned int vcpu)
{
	struct sim_page *page =
		pclk_sim_page_of(vm, PARACLOCK_SIM_PVCLOCK, vcpu);

	if (page && page->pending && pclk_sim_vm_runs(vm))
		write_page(vm, page);
}

void pclk_sim_pages_tell_stop(struct paraclock_sim_vm *vm)
{
	for (unsigned int i = 0; i < vm->n_pages; i++) {
		struct sim_page *page = &vm->page[i];
		uint8_t *at = page->fault ? page->shadow : page->live;

		if (page->kind == PARACLOCK_SIM_PVCLOCK)
			__atomic_fetch_or((uint64_t *)(void *)at + 3,
					  GUEST_STOPPED, __ATOMIC_RELAXED);
	}
}

/* --- in time -------------------------------------------------------------- */

uint64_t pclk_sim_pages_next(const struct paraclock_sim_vm *vm)
{
	bool runs = pclk_sim_vm_runs(vm);
	uint64_t next = NEVER;

	for (unsigned int i = 0; i < vm->n_pages; i++) {
		const struct sim_page *page = &vm->page[i];

		if (page->due < next)
			next = page->due;
		if (runs && page->next < next)
			next = page->next;
	}
	return next;
}

void pclk_sim_pages_due(struct paraclock_sim_vm *vm)
{
	uint64_t now = pclk_sim_instant(vm->sim);
	bool runs = pclk_sim_vm_runs(vm);

	for (unsigned int i = 0; i < vm->n_pages; i++) {
		struct sim_page *page = &vm->page[i];

		if (page->due <= now)
			show_shadow(page);
		if (runs && page->next <= now) {
			page->next =
				now + pclk_sim_ticks(vm->sim, page->period_ns);
			pclk_sim_page_renew(vm, page);
		}
	}
}

/* --- faults --------------------------------------------------------------- */

/* Faults are the simulation's own: a page without its writer has none. */
static struct sim_page *written_page(const struct paraclock_sim_vm *vm,
				     unsigned int kind, unsigned int vcpu)
{
	if (!vm || vm->opts.parts & PARACLOCK_SIM_HAS_NO_WRITER)
		return NULL;
	return pclk_sim_page_of(vm, kind, vcpu);
}

static void set_fault(struct paraclock_sim_vm *vm, struct sim_page *page,
		      unsigned int fault, uint64_t delay_ns)
{
	if (page->fault)
		show_shadow(page);
	page->fault = (uint8_t)fault;
	page->delay_ns = delay_ns;
	if (!fault) {
		write_page(vm, page);
		return;
	}
	memcpy(page->shadow, page->live, PAGE_BYTES);
	if (fault == PARACLOCK_SIM_FAULT_TORN)
		tear(page);
}

int paraclock_sim_fault(struct paraclock_sim_vm *vm, unsigned int kind,
			unsigned int vcpu, unsigned int fault,
			uint64_t delay_ns)
{
	struct sim_page *page = written_page(vm, kind, vcpu);
	int ret;

	if (!page || fault > PARACLOCK_SIM_FAULT_SLOW ||
	    (delay_ns && fault != PARACLOCK_SIM_FAULT_SLOW) ||
	    delay_ns > RUN_MAX)
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	set_fault(vm, page, fault, delay_ns);
	ret = pclk_sim_take_error(vm->sim);
	pclk_sim_unlock(vm->sim);
	return ret;
}

int paraclock_sim_update(struct paraclock_sim_vm *vm, unsigned int kind,
			 unsigned int vcpu)
{
	struct sim_page *page = written_page(vm, kind, vcpu);
	int ret;

	if (!page)
		return -EINVAL;
	pclk_sim_lock(vm->sim);
	write_page(vm, page);
	ret = pclk_sim_take_error(vm->sim);
	pclk_sim_unlock(vm->sim);
	return ret;
}
