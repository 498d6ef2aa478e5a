// SPDX-License-Identifier: MIT
/*
 * Which hypervisor's clocks are here, by the evidence of CPUID, kernel and
 * firmware.
 */

#include "fake.h"
#include "linux/identify.h"

#define GUEST	 1
#define METAL	 0
#define NO_CPUID (-1)

#define KVM   "KVMKVMKVM\0\0"
#define HV    "Microsoft Hv"
#define XEN   "XenVMMXenVMM"
#define BHYVE "bhyve bhyve "

struct file {
	const char *path, *text;
};

struct row {
	const char *name;
	int guest;	       /* GUEST, METAL or NO_CPUID */
	char signature[3][13]; /* at 0x40000000, 0x40000100, ... */
	const char *current;   /* clocksource */
	const char *available;
	const char *page;	 /* that the kernel shows */
	const char *dmi[2];	 /* sys_vendor, product_name */
	const char *tree, *type; /* /hypervisor's compatible; /sys/hypervisor */
	uint8_t vmclock;
	const char *want;
	const char *evidence; /* separated by | */
};

static struct row rows[] = {
	/* clang-format off */
	{ "KVM", GUEST, { KVM }, "tsc", "tsc kvm-clock acpi_pm ", "pvclock",
	  { 0 }, NULL, NULL, 0, "kvm",
	  "cpuid 0x40000000 \"KVMKVMKVM\\0\\0\\0\"|"
	  "available clocksource kvm-clock|pvclock page" },
	{ "PVM, which leaves the layer below in sight", GUEST, { BHYVE },
	  "kvm-clock", "kvm-clock ", "pvclock", { 0 }, NULL, NULL,
	  PARACLOCK_FIRMWARE_ACPI, "pvm",
	  "cpuid 0x40000000 \"bhyve bhyve \"|clocksource kvm-clock|"
	  "pvclock page|acpi AMZNC10C" },
	{ "PVM above an unknown hypervisor", GUEST, { "somebody els" },
	  "kvm-clock", NULL, "pvclock", { 0 }, NULL, NULL, 0, "pvm",
	  "cpuid 0x40000000 \"somebody els\"|clocksource kvm-clock|"
	  "pvclock page" },
	{ "PVM above Hyper-V", GUEST, { HV }, "kvm-clock", NULL, "pvclock",
	  { 0 }, NULL, NULL, 0, "pvm",
	  "cpuid 0x40000000 \"Microsoft Hv\"|clocksource kvm-clock|"
	  "pvclock page" },
	{ "PVM above Xen", GUEST, { XEN }, "kvm-clock", NULL, NULL,
	  { 0 }, NULL, NULL, 0, "pvm",
	  "cpuid 0x40000000 \"XenVMMXenVMM\"|clocksource kvm-clock" },
	{ "PVM in a container without sysfs", GUEST, { BHYVE }, "", NULL,
	  "pvclock", { 0 }, NULL, NULL, PARACLOCK_FIRMWARE_UNKNOWN, "pvm",
	  "cpuid 0x40000000 \"bhyve bhyve \"|pvclock page" },
	{ "bhyve itself", GUEST, { BHYVE }, "tsc", "tsc acpi_pm ", NULL,
	  { "BHYVE", "BHYVE" }, NULL, NULL, 0, "bhyve",
	  "cpuid 0x40000000 \"bhyve bhyve \"|dmi BHYVE BHYVE" },
	{ "bhyve with Hyper-V's face", GUEST, { HV, BHYVE }, "tsc", NULL, NULL,
	  { 0 }, NULL, NULL, 0, "bhyve",
	  "cpuid 0x40000000 \"Microsoft Hv\"|cpuid 0x40000100 \"bhyve bhyve \""
	},
	{ "KVM with Hyper-V's face", GUEST, { HV, KVM }, "tsc",
	  "tsc hyperv_clocksource_tsc_page", "hyperv", { "QEMU", "Q35" },
	  NULL, NULL, 0, "kvm",
	  "cpuid 0x40000000 \"Microsoft Hv\"|"
	  "cpuid 0x40000100 \"KVMKVMKVM\\0\\0\\0\"|"
	  "available clocksource hyperv_clocksource_tsc_page|hyperv page|"
	  "dmi QEMU Q35" },
	{ "KVM with its own leaves hidden", GUEST, { HV }, "tsc", NULL,
	  "hyperv", { "QEMU", "Standard PC (Q35 + ICH9, 2009)" },
	  NULL, NULL, 0, "kvm",
	  "cpuid 0x40000000 \"Microsoft Hv\"|hyperv page|"
	  "dmi QEMU Standard PC (Q35 + ICH9, 2009)" },
	{ "KVM with all leaves hidden", GUEST, { "" }, "tsc", "tsc hpet", NULL,
	  { "QEMU", "KVM Virtual Machine" }, NULL, NULL, 0, "kvm",
	  "cpuid hypervisor bit, no signature|dmi QEMU KVM Virtual Machine" },
	{ "KVM that looks like Xen and Hyper-V", GUEST, { HV, XEN, KVM },
	  "xen", NULL, NULL, { 0 }, NULL, "xen", 0, "kvm",
	  "cpuid 0x40000000 \"Microsoft Hv\"|cpuid 0x40000100 "
	  "\"XenVMMXenVMM\"|cpuid 0x40000200 \"KVMKVMKVM\\0\\0\\0\"|"
	  "clocksource xen|sysfs hypervisor xen" },
	{ "Hyper-V", GUEST, { HV }, "hyperv_clocksource_tsc_page",
	  "hyperv_clocksource_tsc_page hyperv_clocksource_msr ", "hyperv",
	  { "Microsoft Corporation", "Virtual Machine" }, NULL, NULL, 0,
	  "hyper-v",
	  "cpuid 0x40000000 \"Microsoft Hv\"|"
	  "clocksource hyperv_clocksource_tsc_page|"
	  "available clocksource hyperv_clocksource_msr|hyperv page|"
	  "dmi Microsoft Corporation Virtual Machine" },
	{ "Hyper-V's face alone, of VirtualBox", GUEST, { HV }, "tsc", NULL,
	  NULL, { "innotek GmbH", "VirtualBox" }, NULL, NULL, 0, "virtualbox",
	  "cpuid 0x40000000 \"Microsoft Hv\"|dmi innotek GmbH VirtualBox" },
	{ "KVM's face, of VirtualBox", GUEST, { KVM }, "kvm-clock", NULL,
	  "pvclock", { "innotek GmbH", "VirtualBox" }, NULL, NULL, 0,
	  "virtualbox",
	  "cpuid 0x40000000 \"KVMKVMKVM\\0\\0\\0\"|clocksource kvm-clock|"
	  "pvclock page|dmi innotek GmbH VirtualBox" },
	{ "Hyper-V's face before an unknown one", GUEST,
	  { HV, "somebody els" }, "tsc", NULL, NULL, { 0 }, NULL, NULL, 0,
	  "unknown",
	  "cpuid 0x40000000 \"Microsoft Hv\"|cpuid 0x40000100 "
	  "\"somebody els\"" },
	{ "Xen HVM with viridian", GUEST, { HV, XEN }, "xen", "xen tsc hpet",
	  "pvclock", { "Xen", "HVM domU" }, NULL, "xen", 0, "xen",
	  "cpuid 0x40000000 \"Microsoft Hv\"|cpuid 0x40000100 "
	  "\"XenVMMXenVMM\"|clocksource xen|pvclock page|"
	  "sysfs hypervisor xen|dmi Xen HVM domU" },
	{ "Xen PV on bare metal", METAL, { "" }, "xen", "xen tsc", "pvclock",
	  { "Dell Inc.", "PowerEdge R740" }, NULL, "xen", 0, "xen",
	  "clocksource xen|pvclock page|sysfs hypervisor xen" },
	{ "a pvclock page and nothing else may be Xen's or KVM's", METAL,
	  { "" }, "", NULL, "pvclock", { 0 }, NULL, NULL,
	  PARACLOCK_FIRMWARE_UNKNOWN, "unknown", "pvclock page" },
	{ "kvm-clock, where CPUID is forbidden", NO_CPUID, { "" }, "kvm-clock",
	  NULL, "pvclock", { 0 }, NULL, NULL, 0, "kvm",
	  "clocksource kvm-clock|pvclock page" },
	{ "PVM on bare metal", METAL, { "" }, "kvm-clock", "kvm-clock ",
	  "pvclock", { "Dell Inc.", "PowerEdge R740" }, NULL, NULL, 0, "pvm",
	  "clocksource kvm-clock|pvclock page" },
	{ "PVM above a hypervisor without a name",
	  GUEST, { "" }, "kvm-clock", NULL,
	  "pvclock", { 0 }, NULL, NULL, 0, "pvm",
	  "cpuid hypervisor bit, no signature|clocksource kvm-clock|"
	  "pvclock page" },
	{ "KVM's leaves, of OpenBSD", GUEST, { "OpenBSDVMM58", KVM },
	  "kvm-clock", NULL, "pvclock", { 0 }, NULL, NULL, 0, "openbsd-vmm",
	  "cpuid 0x40000000 \"OpenBSDVMM58\"|cpuid 0x40000100 "
	  "\"KVMKVMKVM\\0\\0\\0\"|clocksource kvm-clock|pvclock page" },
	{ "bhyve on arm64", NO_CPUID, { "" }, "arch_sys_counter", NULL, NULL,
	  { "FreeBSD", "BHYVE" }, NULL, NULL, 0, "bhyve",
	  "dmi FreeBSD BHYVE" },
	{ "bhyve before it had a vendor", NO_CPUID, { "" },
	  "arch_sys_counter", NULL, NULL, { " ", "BHYVE" }, NULL, NULL, 0,
	  "bhyve", "dmi   BHYVE" },
	{ "VMware", GUEST, { "VMwareVMware" }, "tsc", NULL, NULL,
	  { "VMware, Inc.", "VMware7,1" }, NULL, NULL, 0, "vmware",
	  "cpuid 0x40000000 \"VMwareVMware\"|dmi VMware, Inc. VMware7,1" },
	{ "an unknown hypervisor", GUEST, { "EVMMEVMMEVMM" }, "tsc", NULL,
	  NULL, { 0 }, NULL, NULL, 0, "unknown",
	  "cpuid 0x40000000 \"EVMMEVMMEVMM\"" },
	{ "bytes that do not print", GUEST, { "\"a\\\x01\xff z\0\0b " },
	  "tsc", NULL, NULL, { 0 }, NULL, NULL, 0, "unknown",
	  "cpuid 0x40000000 \"\\x22a\\x5c\\x01\\xff z\\0\\0b \\0\"" },
	{ "only the bit", GUEST, { "" }, "tsc", NULL, NULL, { 0 }, NULL, NULL,
	  0, "unknown", "cpuid hypervisor bit, no signature" },
	{ "bare metal", METAL, { "" }, "tsc", "tsc hpet acpi_pm ", NULL,
	  { "Dell Inc.", "PowerEdge R740" }, NULL, NULL, 0, "none", "" },
	{ "a rented bare-metal machine", METAL, { "" }, "tsc", "tsc hpet", NULL,
	  { "Amazon EC2", "m5.metal" }, NULL, NULL, 0, "none", "" },
	{ "without any evidence the hypervisor is unknown",
	  NO_CPUID, { "" }, "",
	  NULL, NULL, { 0 }, NULL, NULL, PARACLOCK_FIRMWARE_UNKNOWN, "", "" },
	{ "an arm64 of EC2", NO_CPUID, { "" }, "arch_sys_counter",
	  "arch_sys_counter ", NULL, { "Amazon EC2", "c7g.large" }, NULL,
	  NULL, 0, "kvm", "dmi Amazon EC2 c7g.large" },
	{ "an arm64 of EC2 without hypervisor", NO_CPUID, { "" },
	  "arch_sys_counter", NULL, NULL, { "Amazon EC2", "c7g.metal" }, NULL,
	  NULL, 0, "", "" },
	{ "Parallels on arm64", NO_CPUID, { "" }, "arch_sys_counter", NULL,
	  NULL, { "Parallels International GmbH.",
		  "Parallels ARM Virtual Machine" }, NULL, NULL, 0,
	  "parallels", "dmi Parallels International GmbH. Parallels ARM "
	  "Virtual Machine" },
	{ "Apple's on arm64", NO_CPUID, { "" }, "arch_sys_counter", NULL, NULL,
	  { "Apple Inc.", "Apple Virtualization Generic Platform" }, NULL,
	  NULL, 0, "apple",
	  "dmi Apple Inc. Apple Virtualization Generic Platform" },
	{ "KVM by the device tree", NO_CPUID, { "" }, "arch_sys_counter", NULL,
	  NULL, { 0 }, "linux,kvm", NULL, PARACLOCK_FIRMWARE_DEVICE_TREE,
	  "kvm", "device tree amazon,vmclock|device tree linux,kvm" },
	{ "Xen by the device tree", NO_CPUID, { "" }, "arch_sys_counter", NULL,
	  NULL, { 0 }, "xen,xen-4.17", NULL, 0, "xen",
	  "device tree xen,xen-4.17" },
	{ "QEMU on arm64 does not say which accelerator it uses",
	  NO_CPUID, { "" },
	  "arch_sys_counter", NULL, NULL, { "QEMU", "QEMU Virtual Machine" },
	  NULL, NULL, 0, "unknown", "dmi QEMU QEMU Virtual Machine" },
	/* clang-format on */
};

static const struct row *now;
static struct fake fake;

static int row_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf,
		     uint32_t ret_regs[4])
{
	uint32_t n = (leaf - 0x40000000) >> 8;

	(void)ctx;
	(void)subleaf;
	if (now->guest == NO_CPUID)
		return -EACCES;
	memset(ret_regs, 0, 4 * sizeof(*ret_regs));
	if (leaf == 1)
		ret_regs[2] = (uint32_t)now->guest << 31;
	if (leaf >> 16 != 0x4000 || leaf & 0xff || n >= 3 ||
	    !now->signature[n][0])
		return 0;
	ret_regs[0] = leaf + 1;
	memcpy(&ret_regs[1], now->signature[n], 12);
	return 0;
}

static int row_read(void *ctx, const char *path, char *buf, size_t size)
{
	const struct file files[] = {
		{ "/sys/class/dmi/id/sys_vendor", now->dmi[0] },
		{ "/sys/class/dmi/id/product_name", now->dmi[1] },
		{ "/sys/firmware/devicetree/base/hypervisor/compatible",
		  now->tree },
		{ "/sys/hypervisor/type", now->type },
		{ "/sys/devices/system/clocksource/clocksource0/"
		  "available_clocksource",
		  now->available },
	};

	(void)ctx;
	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		if (strcmp(path, files[i].path) == 0 && files[i].text) {
			strncpy(buf, files[i].text, size - 1);
			buf[size - 1] = '\0';
			return (int)strlen(buf);
		}
	}
	return -ENODEV;
}

static void start(const struct row *row)
{
	now = row;
	fake_init(&fake);
	fake.env.cpuid = row_cpuid;
	fake.env.read_text = row_read;
	fake.pvclock_error = -ENODEV;
	fake.hyperv_error = -ENODEV;
	if (row->page && strcmp(row->page, "pvclock") == 0)
		fake.pvclock_error = 0;
	if (row->page && strcmp(row->page, "hyperv") == 0)
		fake.hyperv_error = 0;
	fake_set_hyperv(&fake, 1, 0);
}

static void check_row(void **state)
{
	const struct row *row = *state;
	struct paraclock_machine machine = { .size = sizeof(machine) };
	char evidence[2048] = "";

	start(row);
	if (row->current)
		strcpy(machine.clocksource, row->current);
	machine.vmclock = row->vmclock;
	pclk_identify(&fake.env, &machine);
	for (size_t i = 0; i < PARACLOCK_EVIDENCE_MAX; i++) {
		if (i && machine.evidence[i][0])
			strcat(evidence, "|");
		strcat(evidence, machine.evidence[i]);
	}
	assert_string_equal(machine.hypervisor, row->want);
	assert_string_equal(evidence, row->evidence);
}

/* Each signature alone, and behind Hyper-V's face. */
static void every_name_is_known(void **state)
{
	static const char known[][2][13] = {
		{ KVM, "kvm" },
		{ "Linux KVM Hv", "kvm" },
		{ XEN, "xen" },
		{ "VMwareVMware", "vmware" },
		{ BHYVE, "bhyve" },
		{ "TCGTCGTCGTCG", "qemu-tcg" },
		{ "VBoxVBoxVBox", "virtualbox" },
		{ " lrpepyh  vr", "parallels" },
		{ "prl hyperv  ", "parallels" },
		{ "ACRNACRNACRN", "acrn" },
		{ "QXNQSBMV", "qnx" },
		{ "Jailhouse", "jailhouse" },
		{ "OpenBSDVMM58", "openbsd-vmm" },
		{ "___ NVMM ___", "netbsd-nvmm" },
		{ "HAXMHAXMHAXM", "haxm" },
		{ "VZ  Apple VZ", "apple" },
		{ "Apple VZ", "apple" },
	};
	struct paraclock_machine machine;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		for (size_t face = 0; face < 2; face++) {
			struct row row = { .guest = GUEST };

			memcpy(row.signature[0], HV, 13);
			memcpy(row.signature[face], known[i][0], 13);
			start(&row);
			memset(&machine, 0, sizeof(machine));
			pclk_identify(&fake.env, &machine);
			assert_string_equal(machine.hypervisor, known[i][1]);
		}
	}
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(every_name_is_known),
	};

	ADD_TESTS(others);
	ADD_ROWS(rows, check_row);
	return run_suite(NULL, NULL);
}
