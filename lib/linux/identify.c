// SPDX-License-Identifier: MIT
/*
 * Which hypervisor's clocks are here.
 *
 * CPUID alone does not tell. A hypervisor may wear another one's face before
 * its own leaves (Hyper-V's is worn by KVM, Xen and others); and one that does
 * not trap CPUID in user mode (PVM, Xen PV) leaves the layer below in sight.
 * What the kernel keeps its time by is the nearer witness.
 *
 * Sources: Linux arch/x86/kernel/cpu/hypervisor.c; each clocksource's .name;
 * systemd src/basic/virt.c for DMI and the device tree.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include "base/cpuid.h"
#include "base/env_call.h"
#include "base/text.h"
#include "identify.h"

#define AVAILABLE \
	"/sys/devices/system/clocksource/clocksource0/available_clocksource"
#define PTP_CLASS "/sys/class/ptp/ptp"
/* A machine of many NICs has a PTP clock for each. */
#define DRIVERS_MAX 64
#define TREE_NODE   "/sys/firmware/devicetree/base/hypervisor/compatible"

/* What was seen. */
struct seen {
	struct paraclock_machine *machine;
	unsigned int count;    /* texts in machine->evidence */
	bool cpuid_known;      /* CPUID could be asked */
	bool is_guest;	       /* its bit is set */
	bool is_qemu;	       /* DMI says so */
	unsigned int unnamed;  /* signatures that are nobody's */
	bool kvm, xen, hyperv; /* signatures */
	bool kvm_clock, xen_clock, hyperv_clock, pvclock_page, hyperv_page;
	bool vmware_clock;
	const char *other;    /* another signature's name */
	const char *firmware; /* what the device tree or DMI names */
};

static void add(struct seen *seen, const char *const *parts)
{
	const size_t size = sizeof(seen->machine->evidence[0]);

	if (seen->count < PARACLOCK_EVIDENCE_MAX)
		pclk_text_join(seen->machine->evidence[seen->count++], size,
			       parts);
}

#define ADD(seen, ...) add(seen, (const char *const[]){ __VA_ARGS__, NULL })

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Signatures in CPUID whose clocks are judged by name, 12 bytes. */
#define SIGNATURE_KVM	 "KVMKVMKVM\0\0\0"
#define SIGNATURE_HYPERV "Microsoft Hv"
#define SIGNATURE_XEN	 "XenVMMXenVMM"

/* --- CPUID ---------------------------------------------------------------- */

static const struct {
	char signature[13];
	const char *name;
} signatures[] = {
	{ "VMwareVMware", "vmware" },	   { "bhyve bhyve ", "bhyve" },
	{ "TCGTCGTCGTCG", "qemu-tcg" },	   { "VBoxVBoxVBox", "virtualbox" },
	{ " lrpepyh  vr", "parallels" },   { "prl hyperv  ", "parallels" },
	{ "ACRNACRNACRN", "acrn" },	   { "QXNQSBMV", "qnx" },
	{ "QNXQVMBSQG", "qnx" },	   { "Jailhouse", "jailhouse" },
	{ "OpenBSDVMM58", "openbsd-vmm" }, { "___ NVMM ___", "netbsd-nvmm" },
	{ "HAXMHAXMHAXM", "haxm" },
};

static const char *name_of(const char signature[12])
{
	for (size_t i = 0; i < sizeof(signatures) / sizeof(signatures[0]);
	     i++) {
		if (memcmp(signatures[i].signature, signature, 12) == 0)
			return signatures[i].name;
	}
	/* Its place in the twelve differs from release to release. */
	for (unsigned int i = 0; i + 5 <= 12; i++) {
		if (memcmp(signature + i, "Apple", 5) == 0)
			return "apple";
	}
	return NULL;
}

static void take_signature(struct seen *seen, const struct pclk_hypervisor *hv)
{
	static const char digits[] = "0123456789abcdef";
	const char base[] = {
		'4', '0', '0', '0', digits[hv->n >> 4 & 15], digits[hv->n & 15],
		'0', '0', '\0'
	};
	char quoted[PCLK_QUOTED_MAX];
	const char *name;

	pclk_signature_quote(hv->signature, quoted);
	ADD(seen, "cpuid 0x", base, " ", quoted);
	if (memcmp(hv->signature, SIGNATURE_KVM, 12) == 0 ||
	    memcmp(hv->signature, "Linux KVM Hv", 12) == 0) {
		seen->kvm = true;
	} else if (memcmp(hv->signature, SIGNATURE_XEN, 12) == 0) {
		seen->xen = true;
	} else if (memcmp(hv->signature, SIGNATURE_HYPERV, 12) == 0) {
		seen->hyperv = true;
	} else {
		name = name_of(hv->signature);
		seen->unnamed += !name;
		if (!seen->other)
			seen->other = name;
	}
}

static void ask_cpuid(const struct paraclock_env *env, struct seen *seen)
{
	struct pclk_hypervisors cpuid;

	if (pclk_hypervisors_look(env, &cpuid))
		return;
	seen->cpuid_known = true;
	seen->is_guest = cpuid.is_guest;
	for (unsigned int i = 0; i < cpuid.count; i++)
		take_signature(seen, &cpuid.found[i]);
	if (cpuid.is_guest && !cpuid.count)
		ADD(seen, "cpuid hypervisor bit, no signature");
}

/* --- the kernel ----------------------------------------------------------- */

/* One of the clocksources that only a guest's kernel has; what is said of it
 * with it. */
static void take_clocksource(struct seen *seen, const char *what,
			     const char *name)
{
	bool *which = NULL;

	if (strcmp(name, "kvm-clock") == 0)
		which = &seen->kvm_clock;
	else if (strcmp(name, "xen") == 0)
		which = &seen->xen_clock;
	else if (starts_with(name, "hyperv_clocksource"))
		which = &seen->hyperv_clock;
	if (!which)
		return;
	*which = true;
	ADD(seen, what, name);
}

static void ask_clocksources(const struct paraclock_env *env, struct seen *seen)
{
	const char *current = seen->machine->clocksource;
	char names[256], *next = names;

	take_clocksource(seen, "clocksource ", current);
	if (pclk_env_text(env, AVAILABLE, names, sizeof(names)) < 0)
		return;
	while (*next) {
		char *name = next + strspn(next, " ");

		next = name + strcspn(name, " ");
		if (*next)
			*next++ = '\0';
		if (strcmp(name, current) != 0)
			take_clocksource(seen, "available clocksource ", name);
	}
}

/* What shows a page has enabled it once; the word is its multiplier or scale,
 * which is not 0 where somebody has written one. */
static bool has_page(const struct paraclock_env *env, const char *name,
		     size_t word)
{
	struct paraclock_mapping map = { .fd = -1 };
	uint64_t value = 0;

	/* In ring 0 a page is there for the asking, and nothing is in it. */
	if (!env->map_page || env->wrmsr ||
	    env->map_page(env->ctx, name, NULL, &map))
		return false;
	if (map.addr && map.size >= word + sizeof(value))
		value = __atomic_load_n((const uint64_t *)map.addr +
						word / sizeof(value),
					__ATOMIC_RELAXED);
	if (env->unmap_page)
		env->unmap_page(env->ctx, &map);
	return value != 0;
}

static void ask_kernel(const struct paraclock_env *env, struct seen *seen)
{
	char type[32];

	ask_clocksources(env, seen);
	seen->pvclock_page = has_page(env, "pvclock", 24);
	if (seen->pvclock_page)
		ADD(seen, "pvclock page");
	seen->hyperv_page = has_page(env, "hyperv", 8);
	if (seen->hyperv_page)
		ADD(seen, "hyperv page");
	if (pclk_env_text(env, "/sys/hypervisor/type", type, sizeof(type)) >
	    0) {
		seen->xen_clock |= strcmp(type, "xen") == 0;
		ADD(seen, "sysfs hypervisor ", type);
	}
}

/*
 * The PTP clock of a paravirtual driver, which no other hypervisor's guest has.
 * Not vmclock's or virtio's, which several have.
 */
static void take_driver(struct seen *seen, const char *name)
{
	if (strcmp(name, "KVM virtual PTP") == 0)
		seen->kvm_clock = true;
	else if (strcmp(name, "hyperv") == 0)
		seen->hyperv_clock = true;
	else if (strcmp(name, "ptp_vmw") == 0)
		seen->vmware_clock = true;
	else
		return;
	ADD(seen, "ptp ", name);
}

static void ask_drivers(const struct paraclock_env *env, struct seen *seen)
{
	char path[64], digits[24], name[64];
	uint32_t number = 0;

	for (unsigned int i = 0; env->next_number && i < DRIVERS_MAX; i++) {
		if (env->next_number(env->ctx, PTP_CLASS, number, &number))
			return;
		TEXT(path, sizeof(path), PTP_CLASS,
		     pclk_decimal(number++, digits), "/clock_name");
		if (pclk_env_text(env, path, name, sizeof(name)) > 0)
			take_driver(seen, name);
	}
}

/* --- firmware ------------------------------------------------------------- */

static void ask_announced(struct seen *seen, uint8_t where, const char *hid,
			  const char *compatible)
{
	if (where == PARACLOCK_FIRMWARE_ACPI)
		ADD(seen, "acpi ", hid);
	else if (where == PARACLOCK_FIRMWARE_DEVICE_TREE)
		ADD(seen, "device tree ", compatible);
}

static void ask_device_tree(const struct paraclock_env *env, struct seen *seen)
{
	char text[48];

	if (pclk_env_text(env, TREE_NODE, text, sizeof(text)) <= 0)
		return;
	ADD(seen, "device tree ", text);
	if (starts_with(text, "linux,kvm"))
		seen->firmware = "kvm";
	else if (starts_with(text, "xen"))
		seen->firmware = "xen";
	else if (strstr(text, "vmware"))
		seen->firmware = "vmware";
	else if (starts_with(text, "jailhouse"))
		seen->firmware = "jailhouse";
}

/* Of sys_vendor and product_name, the beginnings that name a virtual machine.
 * NULL as the name: which one is not said. */
static const struct {
	const char *vendor, *product, *name;
	bool also_metal; /* the same on a rented machine without hypervisor */
} dmi_names[] = {
	{ "QEMU", "KVM", "kvm", false },
	{ "QEMU", "", NULL, false },
	{ "", "KVM", "kvm", false },
	{ "", "VirtualBox", "virtualbox", false },
	{ "innotek GmbH", "", "virtualbox", false },
	{ "VMware", "", "vmware", false },
	{ "Xen", "", "xen", false },
	{ "Parallels", "", "parallels", false },
	{ "BHYVE", "", "bhyve", false },
	/* Its vendor is a blank, or FreeBSD. */
	{ "", "BHYVE", "bhyve", false },
	{ "Microsoft Corporation", "Virtual Machine", "hyper-v", false },
	{ "Apple", "Apple Virtualization", "apple", false },
	{ "OpenStack", "", "kvm", false },
	{ "Amazon EC2", "", "kvm", true },
	{ "Google", "Google Compute Engine", "kvm", true },
};

/* Only what prints: firmware's texts may hold anything. */
static void read_dmi(const struct paraclock_env *env, const char *path,
		     char *buf, size_t size)
{
	if (pclk_env_text(env, path, buf, size) < 0)
		buf[0] = '\0';
	for (char *c = buf; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
}

static void ask_dmi(const struct paraclock_env *env, struct seen *seen)
{
	const bool may_be_metal = seen->cpuid_known && !seen->is_guest;
	char vendor[48], product[48];
	bool counts = seen->is_guest;

	read_dmi(env, "/sys/class/dmi/id/sys_vendor", vendor, sizeof(vendor));
	read_dmi(env, "/sys/class/dmi/id/product_name", product,
		 sizeof(product));
	seen->is_qemu = strcmp(vendor, "QEMU") == 0;
	for (size_t i = 0; i < sizeof(dmi_names) / sizeof(dmi_names[0]); i++) {
		if (!starts_with(vendor, dmi_names[i].vendor) ||
		    !starts_with(product, dmi_names[i].product) ||
		    (dmi_names[i].also_metal &&
		     (may_be_metal || strstr(product, ".metal"))))
			continue;
		counts = true;
		if (!seen->firmware)
			seen->firmware = dmi_names[i].name;
		break;
	}
	if (counts && (vendor[0] || product[0]))
		ADD(seen, "dmi ", vendor, vendor[0] && product[0] ? " " : "",
		    product);
}

/* --- what follows --------------------------------------------------------- */

static bool is(const char *name, const char *wanted)
{
	return name && strcmp(name, wanted) == 0;
}

/* Does CPUID show somebody who gives his guests no pvclock page? */
static bool has_another(const struct seen *seen)
{
	return seen->other || seen->unnamed || seen->hyperv;
}

/* The clock of KVM, or of a hypervisor that stands in for it. */
static const char *judge_kvm(const struct seen *seen)
{
	if (seen->kvm) {
		/* Both show KVM's leaves, for guests that know its clock. */
		if (is(seen->other, "openbsd-vmm"))
			return seen->other;
		return is(seen->firmware, "virtualbox") ? "virtualbox" : "kvm";
	}
	/* KVM always shows its leaves to a kernel that uses its clock. If user
	 * mode sees others or none, its CPUID is not KVM's: that is PVM. */
	return seen->cpuid_known ? "pvm" : "kvm";
}

static const char *judge_hyperv(const struct seen *seen)
{
	if (seen->unnamed)
		return "unknown";
	/* QEMU can hide KVM's leaves and show Hyper-V's, not so with TCG. */
	if (seen->is_qemu)
		return "kvm";
	return seen->firmware ? seen->firmware : "hyper-v";
}

static const char *judge(const struct seen *seen)
{
	bool is_xen = seen->xen || seen->xen_clock;

	if (seen->kvm || seen->kvm_clock)
		return judge_kvm(seen);
	if (is_xen)
		return "xen";
	/* KVM's or Xen's, which no other than PVM hides behind a name. */
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

static bool is_named(const char *name)
{
	return name[0] && !is(name, "unknown") && !is(name, "none");
}

void pclk_identify(const struct paraclock_env *env,
		   struct paraclock_machine *machine)
{
	struct seen seen = { .machine = machine };

	memset(machine->evidence, 0, sizeof(machine->evidence));
	ask_cpuid(env, &seen);
	ask_kernel(env, &seen);
	ask_announced(&seen, machine->vmclock, "AMZNC10C", "amazon,vmclock");
	ask_announced(&seen, machine->vmgenid, "VMGENCTR", "microsoft,vmgenid");
	ask_device_tree(env, &seen);
	ask_dmi(env, &seen);
	/* As on arm64, where neither CPUID nor DMI need say anything. */
	if (!is_named(judge(&seen)))
		ask_drivers(env, &seen);
	TEXT(machine->hypervisor, sizeof(machine->hypervisor), judge(&seen));
}
