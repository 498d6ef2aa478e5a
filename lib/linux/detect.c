// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <libfdt.h>

#if defined(__x86_64__)
#include <asm/prctl.h>
#include <cpuid.h>
#include <libcpuid/libcpuid.h>
#endif

#include "counter.h"
#include "detect.h"
#include "device.h"
#include "fixed.h"
#include "frequency.h"
#include "hypervisor.h"
#include "text.h"

#define ACPI_DEVICES "/sys/bus/acpi/devices"
#define FDT_FILE     "/sys/firmware/fdt"
/* Linux takes no larger one. */
#define FDT_MAX (2U << 20)

/* Long enough for 4 ppm when both ends are known to 20 ns; and for 40, which
 * shows what is no frequency of this counter. */
#define MEASURE_NS 10000000
#define CHECK_NS   1000000

/* How often to let another thread run that is at libcpuid. */
#define SILENCE_TRIES 1000

/* Linux makes a device of a node without a status, or with these. */
static bool is_enabled(const void *fdt, int node)
{
	int length;
	const char *status = fdt_getprop(fdt, node, "status", &length);

	return !status || (length == 5 && !memcmp(status, "okay", 5)) ||
	       (length == 3 && !memcmp(status, "ok", 3));
}

int detect_in_fdt(const void *fdt, size_t size, const char *compatible)
{
	int node = -1;

	/* libfdt 1.6 reads past the end of a cut tree of an older version;
	 * what Linux shows is version 17. */
	if (size < FDT_V17_SIZE || fdt_version(fdt) < 16 ||
	    fdt_check_full(fdt, size))
		return 0;
	do
		node = fdt_node_offset_by_compatible(fdt, node, compatible);
	while (node >= 0 && !is_enabled(fdt, node));
	return node >= 0;
}

static int is_in_acpi(const char *hid)
{
	size_t length = strlen(hid);
	struct dirent *entry;
	int found = 0;
	DIR *dir = opendir(ACPI_DEVICES);

	if (!dir)
		return 0;
	while (!found && (entry = readdir(dir)))
		found = strncmp(entry->d_name, hid, length) == 0 &&
			entry->d_name[length] == ':';
	closedir(dir);
	return found;
}

/* Whole file up to size bytes; returns how many, or -1. */
static ssize_t read_file(const char *path, void *buf, size_t size)
{
	size_t used = 0;
	ssize_t got;
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return -1;
	do {
		got = read(fd, (char *)buf + used, size - used);
		if (got > 0)
			used += (size_t)got;
	} while (got > 0 && used < size);
	close(fd);
	return got < 0 ? -1 : (ssize_t)used;
}

static int is_in_device_tree(const char *compatible)
{
	ssize_t size;
	void *fdt;
	int found;

	if (access(FDT_FILE, R_OK))
		return 0;
	fdt = malloc(FDT_MAX);
	if (!fdt)
		return 0;
	size = read_file(FDT_FILE, fdt, FDT_MAX);
	found = size > 0 && detect_in_fdt(fdt, (size_t)size, compatible);
	free(fdt);
	return found;
}

int detect_device(const char *acpi_hid, const char *compatible)
{
	if (is_in_acpi(acpi_hid))
		return PARACLOCK_FIRMWARE_ACPI;
	if (is_in_device_tree(compatible))
		return PARACLOCK_FIRMWARE_DEVICE_TREE;
	return PARACLOCK_FIRMWARE_NONE;
}

#if defined(__x86_64__)

int detect_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t ret_regs[4])
{
	/* 0: CPUID faults; an old kernel does not know the question. */
	if (syscall(SYS_arch_prctl, ARCH_GET_CPUID, 0) == 0)
		return -EACCES;
	__cpuid_count(leaf, subleaf, ret_regs[0], ret_regs[1], ret_regs[2],
		      ret_regs[3]);
	return 0;
}

static const char *vendor_name(hypervisor_vendor_t vendor)
{
	switch (vendor) {
	case HYPERVISOR_BHYVE:
		return "bhyve";
	case HYPERVISOR_HYPERV:
		return "hyper-v";
	case HYPERVISOR_KVM:
		return "kvm";
	case HYPERVISOR_PARALLELS:
		return "parallels";
	case HYPERVISOR_QEMU:
		return "qemu-tcg";
	case HYPERVISOR_VIRTUALBOX:
		return "virtualbox";
	case HYPERVISOR_VMWARE:
		return "vmware";
	case HYPERVISOR_XEN:
		return "xen";
	default:
		return "";
	}
}

static void be_quiet(const char *message)
{
	(void)message;
}

/*
 * A library prints nothing, and neither may what it calls. Once for the
 * process and for good: libcpuid keeps the function in a plain variable, and
 * to put the old one back would be a race with whoever else is at it.
 */
static void silence_libcpuid(void)
{
	static int state; /* 0: as it was; 1: being set; 2: set */
	int was = 0;

	if (__atomic_compare_exchange_n(&state, &was, 1, false,
					__ATOMIC_ACQUIRE, __ATOMIC_ACQUIRE)) {
		(void)cpuid_set_warn_function(be_quiet);
		__atomic_store_n(&state, 2, __ATOMIC_RELEASE);
		return;
	}
	/* Another thread has one store to make. Bounded: in a child that was
	 * forked just then, there is no such thread. */
	for (unsigned int i = 0; i < SILENCE_TRIES; i++) {
		if (__atomic_load_n(&state, __ATOMIC_ACQUIRE) == 2)
			return;
		sched_yield();
	}
}

/* Vendor and invariance, as libcpuid sees them. */
static void ask_libcpuid(struct paraclock_machine *machine)
{
	struct cpu_raw_data_t raw;
	struct cpu_id_t id;

	silence_libcpuid();
	if (cpuid_present() && !cpuid_get_raw_data(&raw) &&
	    !cpu_identify(&raw, &id)) {
		machine->invariant = id.flags[CPU_FEATURE_CONSTANT_TSC] != 0;
		TEXT(machine->hypervisor, sizeof(machine->hypervisor),
		     vendor_name(cpuid_get_hypervisor(&raw, &id)));
	}
}

/* CPUID 0x15: Hz = ECX * EBX / EAX; 0x40000010: kHz, a convention of VMware
 * that QEMU follows. */
static uint64_t stated_hz(const struct paraclock_env *env)
{
	uint32_t regs[4];

	if (!env->cpuid(env->ctx, 0, 0, regs) && regs[0] >= 0x15 &&
	    !env->cpuid(env->ctx, 0x15, 0, regs) && regs[0] && regs[1] &&
	    regs[2])
		return (uint64_t)regs[2] * regs[1] / regs[0];
	if (!env->cpuid(env->ctx, 1, 0, regs) && regs[2] >> 31 &&
	    !env->cpuid(env->ctx, 0x40000000, 0, regs) &&
	    regs[0] >= 0x40000010 && regs[0] < 0x40000100 &&
	    !env->cpuid(env->ctx, 0x40000010, 0, regs))
		return (uint64_t)regs[0] * 1000;
	return 0;
}

static void ask_cpu(const struct paraclock_env *env,
		    struct paraclock_machine *machine)
{
	uint32_t base, regs[4];

	if (env->cpuid(env->ctx, 0, 0, regs))
		return;
	ask_libcpuid(machine);
	/* libcpuid looks at the first hypervisor only; QEMU with Hyper-V's
	 * enlightenments is KVM all the same. */
	if (!paraclock_hypervisor_find(env, "KVMKVMKVM\0\0\0", &base))
		TEXT(machine->hypervisor, sizeof(machine->hypervisor), "kvm");
	machine->counter_hz = stated_hz(env);
}

#else

int detect_cpuid(uint32_t leaf, uint32_t subleaf, uint32_t ret_regs[4])
{
	(void)leaf;
	(void)subleaf;
	(void)ret_regs;
	return -EOPNOTSUPP;
}

/* The architecture makes the virtual counter invariant and names its rate. */
static void ask_cpu(const struct paraclock_env *env,
		    struct paraclock_machine *machine)
{
	uint64_t hz;

	(void)env;
	__asm__ __volatile__("mrs %0, cntfrq_el0" : "=r"(hz));
	machine->counter_hz = hz;
	machine->invariant = 1;
}

#endif

/* Let at least so much time pass. */
static void wait_ns(long ns)
{
	struct timespec wait = { .tv_nsec = ns };

	while (nanosleep(&wait, &wait) && errno == EINTR)
		;
}

/* A claim is held against the clock; without one the clock alone counts. */
static void ask_clock(const struct paraclock_env *env,
		      struct paraclock_machine *machine)
{
	struct frequency frequency;

	if ((env->check_counter && env->check_counter(env->ctx)) ||
	    pclk_frequency_begin(&frequency, env))
		return;
	wait_ns(machine->counter_hz ? CHECK_NS : MEASURE_NS);
	pclk_frequency_end(&frequency, machine);
}

void detect_machine(const struct paraclock_env *env,
		    struct paraclock_machine *ret_machine)
{
	struct paraclock_machine machine = {
		.size = sizeof(machine),
		.counter = COUNTER_NATIVE,
	};
	uint8_t kind;

	ask_cpu(env, &machine);
	machine.stated_hz = machine.counter_hz;
	/* Empty: it is not known. */
	(void)linux_clocksource(NULL, machine.clocksource, &kind);
	machine.vmclock = (uint8_t)detect_device("AMZNC10C", "amazon,vmclock");
	machine.vmgenid =
		(uint8_t)detect_device("VMGENCTR", "microsoft,vmgenid");
	ask_clock(env, &machine);
	*ret_machine = machine;
}
