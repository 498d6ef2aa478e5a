// SPDX-License-Identifier: MIT
/*
 * Which hypervisor's clocks are here: the evidence.
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
#include "identify_seen.h"

#define AVAILABLE \
	"/sys/devices/system/clocksource/clocksource0/available_clocksource"
#define PTP_CLASS "/sys/class/ptp/ptp"
/* A machine may have a PTP clock for each of many NICs. */
#define DRIVERS_MAX 64
#define TREE_NODE   "/sys/firmware/devicetree/base/hypervisor/compatible"

static void add(struct identify_seen *seen, const char *const *parts)
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
	/* The position differs from release to release. */
	for (unsigned int i = 0; i + 5 <= 12; i++) {
		if (memcmp(signature + i, "Apple", 5) == 0)
			return "apple";
	}
	return NULL;
}

static void add_signature(struct identify_seen *seen,
			  const struct pclk_hypervisor *hv)
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

static void ask_cpuid(const struct paraclock_env *env,
		      struct identify_seen *seen)
{
	struct pclk_hypervisors cpuid;

	if (pclk_hypervisors_look(env, &cpuid))
		return;
	seen->cpuid_known = true;
	seen->is_guest = cpuid.is_guest;
	for (unsigned int i = 0; i < cpuid.count; i++)
		add_signature(seen, &cpuid.found[i]);
	if (cpuid.is_guest && !cpuid.count)
		ADD(seen, "cpuid hypervisor bit, no signature");
}

/* --- the kernel ----------------------------------------------------------- */

/* Add a clocksource that only a guest's kernel has; what says where it was
 * seen. */
static void add_clocksource(struct identify_seen *seen, const char *what,
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

static void ask_clocksources(const struct paraclock_env *env,
			     struct identify_seen *seen)
{
	const char *current = seen->machine->clocksource;
	char names[256], *next = names;

	add_clocksource(seen, "clocksource ", current);
	if (pclk_env_text(env, AVAILABLE, names, sizeof(names)) < 0)
		return;
	while (*next) {
		char *name = next + strspn(next, " ");

		next = name + strcspn(name, " ");
		if (*next)
			*next++ = '\0';
		if (strcmp(name, current) != 0)
			add_clocksource(seen, "available clocksource ", name);
	}
}

/* Has the kernel enabled this page at some time? Then the word at that offset,
 * its multiplier or scale, is not 0. */
static bool has_page(const struct paraclock_env *env, const char *name,
		     size_t word)
{
	struct paraclock_mapping map = { .fd = -1 };
	uint64_t value = 0;

	/* In ring 0 mapping the page would only create an empty one. */
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

static void ask_kernel(const struct paraclock_env *env,
		       struct identify_seen *seen)
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
 * Add the PTP clock of a driver that only one hypervisor's guests have; so not
 * vmclock's or virtio's, which several have.
 */
static void add_driver(struct identify_seen *seen, const char *name)
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

static void ask_drivers(const struct paraclock_env *env,
			struct identify_seen *seen)
{
	char path[64], digits[24], name[64];
	uint32_t number = 0;

	for (unsigned int i = 0; env->next_number && i < DRIVERS_MAX; i++) {
		if (env->next_number(env->ctx, PTP_CLASS, number, &number))
			return;
		TEXT(path, sizeof(path), PTP_CLASS,
		     pclk_decimal(number++, digits), "/clock_name");
		if (pclk_env_text(env, path, name, sizeof(name)) > 0)
			add_driver(seen, name);
	}
}

/* --- firmware ------------------------------------------------------------- */

static void ask_announced(struct identify_seen *seen, uint8_t where,
			  const char *hid, const char *compatible)
{
	if (where == PARACLOCK_FIRMWARE_ACPI)
		ADD(seen, "acpi ", hid);
	else if (where == PARACLOCK_FIRMWARE_DEVICE_TREE)
		ADD(seen, "device tree ", compatible);
}

static void ask_device_tree(const struct paraclock_env *env,
			    struct identify_seen *seen)
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

/* Prefixes of sys_vendor and product_name that mean a virtual machine. A name
 * of NULL: they do not say of which hypervisor. */
static const struct {
	const char *vendor, *product, *name;
	bool also_metal; /* the provider's bare metal has the same */
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
	/* Here the vendor is a blank, or FreeBSD. */
	{ "", "BHYVE", "bhyve", false },
	{ "Microsoft Corporation", "Virtual Machine", "hyper-v", false },
	{ "Apple", "Apple Virtualization", "apple", false },
	{ "OpenStack", "", "kvm", false },
	{ "Amazon EC2", "", "kvm", true },
	{ "Google", "Google Compute Engine", "kvm", true },
};

/* Printable characters only: firmware's texts may hold any bytes. */
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

static void ask_dmi(const struct paraclock_env *env, struct identify_seen *seen)
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

/* --- all of it ------------------------------------------------------------ */

static bool is_named(const char *name)
{
	return name[0] && strcmp(name, "unknown") != 0 &&
	       strcmp(name, "none") != 0;
}

void pclk_identify(const struct paraclock_env *env,
		   struct paraclock_machine *machine)
{
	struct identify_seen seen = { .machine = machine };

	memset(machine->evidence, 0, sizeof(machine->evidence));
	ask_cpuid(env, &seen);
	ask_kernel(env, &seen);
	ask_announced(&seen, machine->vmclock, "AMZNC10C", "amazon,vmclock");
	ask_announced(&seen, machine->vmgenid, "VMGENCTR", "microsoft,vmgenid");
	ask_device_tree(env, &seen);
	ask_dmi(env, &seen);
	/* On arm64 CPUID does not exist and DMI may say nothing. */
	if (!is_named(pclk_identify_judge(&seen)))
		ask_drivers(env, &seen);
	TEXT(machine->hypervisor, sizeof(machine->hypervisor),
	     pclk_identify_judge(&seen));
}
