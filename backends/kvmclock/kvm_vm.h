/* SPDX-License-Identifier: MIT */
/*
 * KVM's clock of a VM, read through the VM's file descriptor; and the smallest
 * VM that has such a clock.
 *
 * Source: Linux uapi linux/kvm.h, Documentation/virt/kvm/api.rst 4.29 and
 * 4.30. Numbers and layout are the same on every architecture; only x86 has
 * these two ioctls.
 */
#ifndef KVM_VM_H
#define KVM_VM_H

#include <paraclock/backend.h>

/* ioctls, type 0xae. */
#define KVMIO_GET_API_VERSION 0xae00UL
#define KVMIO_CREATE_VM	      0xae01UL
#define KVMIO_CHECK_EXTENSION 0xae03UL
#define KVMIO_CREATE_VCPU     0xae41UL
#define KVMIO_SET_CLOCK	      0x4030ae7bUL
#define KVMIO_GET_CLOCK	      0x8030ae7cUL

/* Since Linux 2.6.22; KVM's documentation says to refuse any other answer. */
#define KVMIO_API_VERSION 12
/* The answer: which flags GET_CLOCK may set. */
#define KVMIO_CAP_ADJUST_CLOCK 39

#define KVMIO_CLOCK_REALTIME 0x4U
#define KVMIO_CLOCK_HOST_TSC 0x8U

struct kvm_vm_clock {
	uint64_t clock; /* the guest's kvmclock, ns */
	uint32_t flags;
	uint32_t pad0;
	uint64_t realtime; /* CLOCK_REALTIME at host_tsc, ns */
	uint64_t host_tsc; /* this kernel's TSC, not the guest's */
	uint32_t pad[4];
};
_Static_assert(sizeof(struct kvm_vm_clock) == 48, "uapi kvm_clock_data");
_Static_assert(offsetof(struct kvm_vm_clock, flags) == 8, "uapi");
_Static_assert(offsetof(struct kvm_vm_clock, realtime) == 16, "uapi");
_Static_assert(offsetof(struct kvm_vm_clock, host_tsc) == 24, "uapi");

/* The file descriptor of a VM whose clock runs; closing it frees the VM. Errors
 * as paraclock_open(), with a sentence in options.detail. */
int pclk_kvm_vm_make(const struct paraclock_env *env,
		     const struct paraclock_options *opts, int *ret_fd);

/* What the VM's clock says; else ioctl's error. */
int pclk_kvm_vm_get_clock(const struct paraclock_env *env, int fd,
			  struct kvm_vm_clock *ret_clock);

/* What this kernel can tell there: a mask of KVMIO_CLOCK_x. */
uint32_t pclk_kvm_vm_clock_flags(const struct paraclock_env *env, int fd);

#endif
