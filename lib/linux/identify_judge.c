// SPDX-License-Identifier: MIT
/*
 * Which hypervisor's clocks are here: the verdict.
 *
 * CPUID alone does not tell. A hypervisor may show another one's leaves before
 * its own (KVM, Xen and others show Hyper-V's); and one that does not trap
 * CPUID in user mode (PVM, Xen PV) leaves the layer below it visible. What the
 * kernel keeps its time by is the better witness.
 */

#include <string.h>

#include "identify_seen.h"

static bool is(const char *name, const char *wanted)
{
	return name && strcmp(name, wanted) == 0;
}

/* Does CPUID show a hypervisor that gives its guests no pvclock page? */
static bool has_another(const struct identify_seen *seen)
{
	return seen->other || seen->unnamed || seen->hyperv;
}

/* The clock is KVM's, or that of a hypervisor that stands in for it. */
static const char *judge_kvm(const struct identify_seen *seen)
{
	if (seen->kvm) {
		/* Both show KVM's leaves, for guests that know KVM's clock. */
		if (is(seen->other, "openbsd-vmm"))
			return seen->other;
		return is(seen->firmware, "virtualbox") ? "virtualbox" : "kvm";
	}
	/* KVM always shows its leaves to a kernel that uses its clock. If user
	 * mode sees other leaves or none, another layer answered: PVM. */
	return seen->cpuid_known ? "pvm" : "kvm";
}

static const char *judge_hyperv(const struct identify_seen *seen)
{
	if (seen->unnamed)
		return "unknown";
	/* QEMU can hide KVM's leaves and show Hyper-V's; with TCG it cannot. */
	if (seen->is_qemu)
		return "kvm";
	return seen->firmware ? seen->firmware : "hyper-v";
}

const char *pclk_identify_judge(const struct identify_seen *seen)
{
	bool is_xen = seen->xen || seen->xen_clock;

	if (seen->kvm || seen->kvm_clock)
		return judge_kvm(seen);
	if (is_xen)
		return "xen";
	/* A pvclock page under another name: only PVM has that. */
	if (seen->pvclock_page && has_another(seen))
		return "pvm";
	if (seen->other)
		return seen->other;
	if (seen->hyperv || seen->hyperv_clock || seen->hyperv_page)
		return judge_hyperv(seen);
	if (seen->vmware_clock)
		return "vmware";
	if (seen->firmware)
		return seen->firmware;
	if (seen->count)
		return "unknown";
	return seen->cpuid_known ? "none" : "";
}
