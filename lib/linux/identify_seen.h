/* SPDX-License-Identifier: MIT */
/* The evidence of which hypervisor this is: between identify.c, which collects
 * it, and identify_judge.c, which weighs it. */
#ifndef IDENTIFY_SEEN_H
#define IDENTIFY_SEEN_H

#include <paraclock/backend.h>

#include <stdbool.h>

struct identify_seen {
	struct paraclock_machine *machine;
	unsigned int count;    /* texts in machine->evidence */
	bool cpuid_known;      /* CPUID could be asked */
	bool is_guest;	       /* CPUID's bit for it is set */
	bool is_qemu;	       /* DMI says so */
	unsigned int unnamed;  /* signatures that are in no table */
	bool kvm, xen, hyperv; /* signatures */
	bool kvm_clock, xen_clock, hyperv_clock, pvclock_page, hyperv_page;
	bool vmware_clock;
	const char *other;    /* the name of another signature */
	const char *firmware; /* the name in the device tree or DMI */
};

/* The hypervisor's name; "unknown", "none", or empty: nothing could be
 * asked. */
const char *pclk_identify_judge(const struct identify_seen *seen);

#endif
