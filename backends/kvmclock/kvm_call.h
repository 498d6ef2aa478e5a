/* SPDX-License-Identifier: MIT */
/* KVM's clock pairing by hypercall, in ring 0: x86 and arm64. */
#ifndef KVM_CALL_H
#define KVM_CALL_H

#include <stdbool.h>

#include <paraclock/backend.h>

#include "base/counter.h"

struct kvm_call {
	const struct paraclock_env *env;
	enum counter_how how;
	bool smccc; /* arm64's call, which needs no page */
	/* x86: results, one for each call under way, for there are other
	 * threads and signal handlers; taken is a mask of those in use. */
	struct paraclock_mapping map;
	uint64_t slots;
	uint64_t taken;
};

/* Errors as paraclock_open(), with its sentence in options.detail. */
int pclk_kvm_call_open(struct kvm_call *kc, const struct paraclock_env *env,
		       const struct paraclock_options *opts);
void pclk_kvm_call_close(struct kvm_call *kc);

/* As paraclock_backend.get_time. */
int pclk_kvm_call_read(struct kvm_call *kc,
		       struct paraclock_sample *ret_sample);
void pclk_kvm_call_explain(int error, char *buf, size_t size);

#endif
