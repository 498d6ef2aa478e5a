// SPDX-License-Identifier: MIT
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "guest_vm.h"

/*
 * A call executes thousands of instructions, which an emulating KVM does in
 * some ms. A longer call, even on a busy machine, hangs.
 */
#define CALL_SEC 600

/*
 * Until it returns, KVM_RUN is interrupted this often: a single signal may come
 * just before it.
 */
#define KICK_NSEC 10000000

#define CPUID_ENTRIES	256
#define LEAF_HYPERVISOR 0x40000000U
#define LEAF_AMD	0x80000001U
#define AMD_RDTSCP	(1U << 27)

#define EFER_LME (1U << 8)
#define EFER_LMA (1U << 10)
#define CR0_PE	 (1U << 0)
#define CR0_ET	 (1U << 4)
#define CR0_PG	 (1U << 31)
#define CR4_PAE	 (1U << 5)

/* Present, writable, for ring 3 as well; a page of 2 MiB. */
#define TABLE_FLAGS 0x7U
#define TABLE_LARGE 0x80U
#define LARGE_PAGE  (2UL << 20)

/* rflags: always 1, and ring 3 may do I/O. */
#define RFLAGS 0x3002U

union cpuid {
	struct kvm_cpuid2 head;
	char room[sizeof(struct kvm_cpuid2) +
		  CPUID_ENTRIES * sizeof(struct kvm_cpuid_entry2)];
};

uint64_t guest_host_tsc(void)
{
	uint32_t low, high;

	__asm__ __volatile__("lfence\n\trdtsc"
			     : "=a"(low), "=d"(high)
			     :
			     : "memory");
	return (uint64_t)high << 32 | low;
}

/* --- the guest's memory --------------------------------------------------- */

/* Its own memory at the guest's addresses. */
static void make_tables(struct guest_vm *vm)
{
	uint64_t *table = guest_at(vm, GUEST_TABLES);
	const size_t entries = GUEST_PAGE / sizeof(*table);

	table[0] = (GUEST_TABLES + GUEST_PAGE) | TABLE_FLAGS;
	table += entries;
	table[0] = (GUEST_TABLES + 2 * GUEST_PAGE) | TABLE_FLAGS;
	table += entries;
	for (uint64_t i = 0; i < GUEST_BYTES / LARGE_PAGE; i++)
		table[i] = i * LARGE_PAGE | TABLE_FLAGS | TABLE_LARGE;
}

/* Flat segments of 64 bits: code and data of ring 0, and of ring 3. */
static void make_gdt(struct guest_vm *vm)
{
	static const uint64_t gdt[] = {
		0,
		0x00af9b000000ffff,
		0x00cf93000000ffff,
		0x00affb000000ffff,
		0x00cff3000000ffff,
	};

	memcpy(guest_at(vm, GUEST_GDT), gdt, sizeof(gdt));
}

static void load_image(struct guest_vm *vm)
{
	int fd = open(GUEST_IMAGE, O_RDONLY | O_CLOEXEC);
	ssize_t got;

	if (fd < 0)
		err(1, "%s", GUEST_IMAGE);
	got = read(fd, guest_at(vm, GUEST_IMAGE_BASE),
		   GUEST_RING(0) - GUEST_IMAGE_BASE);
	close(fd);
	if (got <= 0)
		err(1, "%s", GUEST_IMAGE);
}

static const char *make_memory(struct guest_vm *vm)
{
	struct kvm_userspace_memory_region region = {
		.memory_size = GUEST_BYTES,
	};

	vm->memory = mmap(NULL, GUEST_BYTES, PROT_READ | PROT_WRITE,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm->memory == MAP_FAILED)
		return vm_because("mmap");
	region.userspace_addr = (uintptr_t)vm->memory;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region))
		return vm_because("KVM_SET_USER_MEMORY_REGION");
	make_tables(vm);
	make_gdt(vm);
	load_image(vm);
	return NULL;
}

/* --- the guest's CPUs ----------------------------------------------------- */

static void set_leaf(union cpuid *cpuid, uint32_t leaf, const uint32_t regs[4])
{
	struct kvm_cpuid_entry2 *entry = NULL;

	for (uint32_t i = 0; i < cpuid->head.nent && !entry; i++) {
		if (cpuid->head.entries[i].function == leaf)
			entry = &cpuid->head.entries[i];
	}
	if (!entry)
		entry = &cpuid->head.entries[cpuid->head.nent++];
	*entry = (struct kvm_cpuid_entry2){
		.function = leaf,
		.eax = regs[0],
		.ebx = regs[1],
		.ecx = regs[2],
		.edx = regs[3],
	};
}

/* A partition that may use the reference TSC page, the frequency MSRs and
 * reenlightenment. Source: Hyper-V TLFS, "Feature Discovery". */
static void be_hyperv(union cpuid *cpuid)
{
	/* clang-format off */
	static const struct {
		uint32_t leaf, regs[4];
	} leaves[] = {
		/* "Microsoft Hv", "Hv#1" */
		{ LEAF_HYPERVISOR,
		  { LEAF_HYPERVISOR + 6, 0x7263694d, 0x666f736f, 0x76482074 } },
		{ LEAF_HYPERVISOR + 1, { 0x31237648, 0, 0, 0 } },
		{ LEAF_HYPERVISOR + 3,
		  { 1U << 1 | 1U << 9 | 1U << 11 | 1U << 13, 0, 0, 1U << 8 } },
	};
	/* clang-format on */

	for (size_t i = 0; i < sizeof(leaves) / sizeof(leaves[0]); i++)
		set_leaf(cpuid, leaves[i].leaf, leaves[i].regs);
}

static const char *set_cpuid(const struct guest_vm *vm, int cpu, bool hyperv)
{
	/* Room for the leaves of Hyper-V. */
	union cpuid cpuid = { .head.nent = CPUID_ENTRIES - 8 };

	if (ioctl(vm->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid))
		return vm_because("KVM_GET_SUPPORTED_CPUID");
	/* A KVM that emulates ring 0 does not know that instruction. */
	for (uint32_t i = 0; i < cpuid.head.nent; i++) {
		if (cpuid.head.entries[i].function == LEAF_AMD)
			cpuid.head.entries[i].edx &= ~AMD_RDTSCP;
	}
	if (hyperv)
		be_hyperv(&cpuid);
	return ioctl(cpu, KVM_SET_CPUID2, &cpuid) ? vm_because("KVM_SET_CPUID2")
						  : NULL;
}

/* Hyper-V's MSRs come to us, also from a KVM that could handle them itself. */
static const char *route_msrs_to_us(struct guest_vm *vm)
{
	static uint8_t none[0x200 / 8];
	const struct kvm_enable_cap cap = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args = { KVM_MSR_EXIT_REASON_FILTER |
			  KVM_MSR_EXIT_REASON_UNKNOWN |
			  KVM_MSR_EXIT_REASON_INVAL },
	};
	const struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges[0] = {
			.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
			.nmsrs = sizeof(none) * 8,
			.base = LEAF_HYPERVISOR,
			.bitmap = none,
		},
	};

	if (ioctl(vm->fd, KVM_ENABLE_CAP, &cap))
		return vm_because("KVM_CAP_X86_USER_SPACE_MSR");
	if (ioctl(vm->fd, KVM_X86_SET_MSR_FILTER, &filter))
		return vm_because("KVM_X86_SET_MSR_FILTER");
	return NULL;
}

static void use_ring(struct kvm_sregs *sregs, unsigned int ring)
{
	struct kvm_segment segment = {
		.limit = UINT32_MAX,
		.selector = GUEST_CODE(ring),
		.type = 11,
		.present = 1,
		.dpl = ring & 3,
		.s = 1,
		.l = 1,
		.g = 1,
	};

	sregs->cs = segment;
	segment.selector = GUEST_DATA(ring);
	segment.type = 3;
	segment.l = 0;
	segment.db = 1;
	sregs->ss = sregs->ds = sregs->es = segment;
	sregs->fs = sregs->gs = segment;
}

static const char *set_registers(struct guest_vm *vm, unsigned int n)
{
	const struct kvm_regs regs = {
		.rip = GUEST_IMAGE_BASE,
		/* As after a call. */
		.rsp = GUEST_STACK(n) - 8,
		.rdi = GUEST_MAILBOX(n),
		.rflags = RFLAGS,
	};
	struct kvm_sregs sregs;

	if (ioctl(vm->cpu[n].fd, KVM_GET_SREGS, &sregs))
		return vm_because("KVM_GET_SREGS");
	sregs.cr3 = GUEST_TABLES;
	sregs.cr4 = CR4_PAE;
	sregs.cr0 = CR0_PE | CR0_ET | CR0_PG;
	sregs.efer = EFER_LME | EFER_LMA;
	sregs.gdt.base = GUEST_GDT;
	sregs.gdt.limit = 5 * 8 - 1;
	sregs.idt.base = GUEST_IDT;
	sregs.idt.limit = GUEST_PAGE - 1;
	use_ring(&sregs, 0);
	if (ioctl(vm->cpu[n].fd, KVM_SET_SREGS, &sregs))
		return vm_because("KVM_SET_SREGS");
	if (ioctl(vm->cpu[n].fd, KVM_SET_REGS, &regs))
		return vm_because("KVM_SET_REGS");
	return NULL;
}

static const char *make_cpu(struct guest_vm *vm, unsigned int n, bool hyperv)
{
	struct guest_cpu *cpu = &vm->cpu[n];
	const char *why;

	cpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, n);
	if (cpu->fd < 0)
		return vm_because("KVM_CREATE_VCPU");
	vm->n_cpus = n + 1;
	cpu->run = mmap(NULL, vm->run_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			cpu->fd, 0);
	if (cpu->run == MAP_FAILED)
		return vm_because("mmap of kvm_run");
	cpu->mailbox = guest_at(vm, GUEST_MAILBOX(n));
	cpu->mailbox->cpu = n;
	cpu->ring = guest_at(vm, GUEST_RING(n));
	why = set_cpuid(vm, cpu->fd, hyperv);
	return why ? why : set_registers(vm, n);
}

/* --- making it ------------------------------------------------------------ */

static const char *make_parts(struct guest_vm *vm, unsigned int n_cpus,
			      bool hyperv)
{
	const char *why;

	vm->fd = ioctl(vm->kvm, KVM_CREATE_VM, 0);
	if (vm->fd < 0)
		return vm_because("KVM_CREATE_VM");
	vm->run_bytes = (size_t)ioctl(vm->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	why = make_memory(vm);
	if (!why && hyperv)
		why = route_msrs_to_us(vm);
	for (unsigned int i = 0; i < n_cpus && !why; i++)
		why = make_cpu(vm, i, hyperv);
	/* KVM gives pairs of its clock only after each vCPU has run. */
	for (unsigned int i = 0; i < n_cpus && !why; i++) {
		int ret = guest_call(vm, i, GUEST_NOTHING);

		if (ret == -ETIMEDOUT)
			why = "a guest in long mode does not run on this KVM";
		else if (ret)
			errx(1, "vCPU %u died at once: %s", i, strerror(-ret));
	}
	return why;
}

const char *guest_vm_make(struct guest_vm *ret_vm, unsigned int n_cpus,
			  bool hyperv)
{
	const char *why;

	*ret_vm = (struct guest_vm){
		.fd = -1,
		.memory = MAP_FAILED,
		.call_sec = CALL_SEC,
	};
	ret_vm->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (ret_vm->kvm < 0)
		return vm_because("/dev/kvm");
	why = make_parts(ret_vm, n_cpus, hyperv);
	if (why)
		guest_vm_free(ret_vm);
	return why;
}

void guest_vm_free(struct guest_vm *vm)
{
	for (unsigned int i = 0; i < vm->n_cpus; i++) {
		if (vm->cpu[i].run != MAP_FAILED)
			munmap(vm->cpu[i].run, vm->run_bytes);
		close(vm->cpu[i].fd);
	}
	if (vm->memory != MAP_FAILED)
		munmap(vm->memory, GUEST_BYTES);
	if (vm->fd >= 0)
		close(vm->fd);
	close(vm->kvm);
	*vm = (struct guest_vm){ .kvm = -1, .fd = -1, .memory = MAP_FAILED };
}

/* --- running it ----------------------------------------------------------- */

static void on_kick(int number)
{
	(void)number;
}

/* A timer that interrupts this thread when a call has taken too long. */
static int watch(const struct guest_vm *vm, timer_t *ret_timer)
{
	/* Not SA_RESTART: it ends KVM_RUN. */
	const struct sigaction action = { .sa_handler = on_kick };
	const struct itimerspec after = {
		.it_value.tv_sec = vm->call_sec,
		.it_interval.tv_nsec = KICK_NSEC,
	};
	struct sigevent event = {
		.sigev_notify = SIGEV_THREAD_ID,
		.sigev_signo = SIGALRM,
	};

	event._sigev_un._tid = (pid_t)syscall(SYS_gettid);
	if (sigaction(SIGALRM, &action, NULL) ||
	    timer_create(CLOCK_MONOTONIC, &event, ret_timer))
		return -errno;
	return timer_settime(*ret_timer, 0, &after, NULL) ? -errno : 0;
}

static int rdmsr(struct guest_vm *vm, struct kvm_run *run)
{
	uint64_t value = 0;
	int ret = vm->on_rdmsr ? vm->on_rdmsr(vm, run->msr.index, &value) : -1;

	run->msr.data = value;
	run->msr.error = ret != 0;
	return 1;
}

static int wrmsr(struct guest_vm *vm, struct kvm_run *run)
{
	int ret = vm->on_wrmsr ? vm->on_wrmsr(vm, run->msr.index, run->msr.data)
			       : -1;

	run->msr.error = ret != 0;
	return 1;
}

static int died(const struct guest_cpu *cpu)
{
	struct kvm_regs regs = { 0 };

	ioctl(cpu->fd, KVM_GET_REGS, &regs);
	printf("the guest ended with exit %u (%u) at 0x%llx\n",
	       cpu->run->exit_reason,
	       cpu->run->exit_reason == KVM_EXIT_INTERNAL_ERROR
		       ? cpu->run->internal.suberror
		       : 0,
	       (unsigned long long)regs.rip);
	return -EIO;
}

/* 1: go on; 0: it has obeyed. */
static int handle_exit(struct guest_vm *vm, struct guest_cpu *cpu)
{
	struct kvm_run *run = cpu->run;

	switch (run->exit_reason) {
	case KVM_EXIT_IO:
		return run->io.port == GUEST_PORT ? 0 : died(cpu);
	case KVM_EXIT_X86_RDMSR:
		return rdmsr(vm, run);
	case KVM_EXIT_X86_WRMSR:
		return wrmsr(vm, run);
	default:
		return died(cpu);
	}
}

int guest_call(struct guest_vm *vm, unsigned int n, enum guest_command command)
{
	struct guest_cpu *cpu = &vm->cpu[n];
	timer_t timer;
	int ret = watch(vm, &timer);

	if (ret)
		return ret;
	cpu->mailbox->command = command;
	do {
		if (!ioctl(cpu->fd, KVM_RUN, 0))
			ret = handle_exit(vm, cpu);
		else
			ret = errno == EINTR ? -ETIMEDOUT : -errno;
	} while (ret > 0);
	timer_delete(timer);
	return ret;
}

int guest_set_ring(struct guest_vm *vm, unsigned int n, unsigned int ring)
{
	struct kvm_sregs sregs;

	if (ioctl(vm->cpu[n].fd, KVM_GET_SREGS, &sregs))
		return -errno;
	use_ring(&sregs, ring);
	return ioctl(vm->cpu[n].fd, KVM_SET_SREGS, &sregs) ? -errno : 0;
}

static int offset_attr(const struct guest_vm *vm, unsigned int n,
		       unsigned long request, uint64_t *offset)
{
	const struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};

	return ioctl(vm->cpu[n].fd, request, &attr) ? -errno : 0;
}

int guest_get_offset(const struct guest_vm *vm, unsigned int n,
		     uint64_t *ret_offset)
{
	return offset_attr(vm, n, KVM_GET_DEVICE_ATTR, ret_offset);
}

/* One KVM returns 0 and leaves the offset unchanged. */
int guest_set_offset(struct guest_vm *vm, unsigned int n, uint64_t offset)
{
	uint64_t now;
	int ret = offset_attr(vm, n, KVM_SET_DEVICE_ATTR, &offset);

	if (!ret)
		ret = guest_get_offset(vm, n, &now);
	if (ret)
		return ret;
	return now == offset ? 0 : -EOPNOTSUPP;
}
