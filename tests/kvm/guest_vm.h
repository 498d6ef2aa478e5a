/* SPDX-License-Identifier: MIT */
/*
 * A VMM for the guest of guest/: long mode, one or two vCPUs, commands by
 * mailbox. No call takes longer than call_sec: a vCPU that hangs is given up,
 * because some nested KVMs hang in what others do at once.
 */
#ifndef GUEST_VM_H
#define GUEST_VM_H

#include <stdbool.h>

#include <linux/kvm.h>

#include <paraclock/paraclock.h>

#include "guest/mailbox.h"
#include "vm.h"

struct guest_cpu {
	int fd;
	struct kvm_run *run;
	struct guest_mailbox *mailbox;
	struct paraclock_sample *ring; /* GUEST_SAMPLES of them */
};

struct guest_vm {
	int kvm, fd;
	unsigned int n_cpus;
	char *memory;
	size_t run_bytes;
	unsigned int call_sec; /* limit of a call */
	struct guest_cpu cpu[GUEST_CPUS];
	/* MSRs that KVM leaves to the VMM: 0 or -1, which is a #GP. */
	int (*on_rdmsr)(struct guest_vm *vm, uint32_t msr, uint64_t *ret_value);
	int (*on_wrmsr)(struct guest_vm *vm, uint32_t msr, uint64_t value);
	void *arg;
	uint64_t offset; /* of vCPU 0, for guest_writer_env() */
};

/* Make it, with the guest waiting for its first command. hyperv: its CPUID is
 * Hyper-V's, and MSRs 0x40000000 to 0x400001ff are the VMM's. NULL, or why it
 * cannot be. */
const char *guest_vm_make(struct guest_vm *ret_vm, unsigned int n_cpus,
			  bool hyperv);
void guest_vm_free(struct guest_vm *vm);

/*
 * Have a vCPU obey. 0: see its mailbox; -ETIMEDOUT: it hangs, and this VM must
 * not be used any more; -EIO: it died, and a line on stdout says why.
 */
int guest_call(struct guest_vm *vm, unsigned int cpu,
	       enum guest_command command);

/*
 * Have a vCPU, between two commands, go on in this ring. Ring 3 may write to
 * GUEST_PORT, but no MSR. A KVM that emulates ring 0 runs ring 3 at full speed.
 */
int guest_set_ring(struct guest_vm *vm, unsigned int cpu, unsigned int ring);

/* The TSC offset of a vCPU, and whether this KVM obeys when it is set. */
int guest_get_offset(const struct guest_vm *vm, unsigned int cpu,
		     uint64_t *ret_offset);
int guest_set_offset(struct guest_vm *vm, unsigned int cpu, uint64_t offset);

/* This machine's TSC, ordered after every earlier load. */
uint64_t guest_host_tsc(void);

static inline void *guest_at(const struct guest_vm *vm, uint64_t address)
{
	return vm->memory + address;
}

#endif
