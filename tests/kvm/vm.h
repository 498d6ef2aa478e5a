/* SPDX-License-Identifier: MIT */
/* A VM of one vCPU, as a VMM makes it. */
#ifndef VM_H
#define VM_H

#include <linux/kvm.h>

/* The exit status of a test that cannot run here. */
#define SKIP 77

struct vm {
	int kvm, fd, vcpu;
	void *memory;
};

/* Make it; its clock gives no pair yet. NULL, or why that is impossible. */
const char *vm_make(struct vm *ret_vm);

/*
 * Run its vCPU for one HLT; from then on its clock gives pairs. NULL, or why
 * not.
 */
const char *vm_run(struct vm *vm);

/* CLOCK_REALTIME and the TSC at one instant. 0, or why KVM gives no pair. */
int vm_get_clock(const struct vm *vm, struct kvm_clock_data *ret_clock);

void vm_free(struct vm *vm);

/* Is the kernel's clocksource the TSC? NULL, or a sentence that names it. */
const char *vm_why_not_tsc(void);

/* "what: " and the meaning of errno; valid until the next call. */
const char *vm_because(const char *what);

#endif
