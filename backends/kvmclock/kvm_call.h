/* SPDX-License-Identifier: MIT */
/* KVM's clock pairing by hypercall, in ring 0: x86 and arm64. */
#ifndef KVM_CALL_H
#define KVM_CALL_H

#include <stdbool.h>

#include <paraclock/backend.h>

#include "base/counter.h"

/*
 * Below the pages (hyperv's is the lowest, 250), which cost no exit to the
 * host; above phc (150), whose pairs are wider. It is chosen where a page
 * exists but gives another timescale than the caller wants.
 */
#define KVM_PAIRING_QUALITY 200

/* kvm-pairing in ring 0. On Linux, kvm_pairing.c opens it if the env makes
 * hypercalls. */
extern const struct paraclock_backend pclk_backend_kvm_call;

struct kvm_call {
	const struct paraclock_env *env;
	enum counter_how how;
	bool smccc; /* arm64's call, which needs no page */
	/* x86: a page of results, one for each call under way: other threads
	 * and signal handlers make calls too. taken is a mask of those in
	 * use. */
	struct paraclock_mapping map;
	uint64_t slots;
	uint64_t taken;
};

/* The host's time at a counter value, from one call. */
struct kvm_pair {
	int64_t ns;
	uint64_t tsc;
};

/*
 * Find KVM, and get ready to call it. Errors as paraclock_open(), with a
 * sentence in options.detail. Neither makes the call.
 */
int pclk_kvm_vmcall_open(struct kvm_call *kc,
			 const struct paraclock_options *opts);
int pclk_kvm_smccc_open(struct kvm_call *kc,
			const struct paraclock_options *opts);
void pclk_kvm_vmcall_close(struct kvm_call *kc);

/* Make the call. */
int pclk_kvm_vmcall_ask(struct kvm_call *kc, struct kvm_pair *ret_pair);
int pclk_kvm_smccc_ask(const struct kvm_call *kc, struct kvm_pair *ret_pair);

#endif
