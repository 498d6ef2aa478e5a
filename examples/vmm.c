// SPDX-License-Identifier: MIT
/*
 * A VMM on a KVM host: its guest has a vmclock page with the host's time. The
 * guest here does nothing but halt, and its page is also a file, so that
 *
 *   paraclock read -b vmclock -d PAGE
 *
 * shows on the host what the guest reads.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/timex.h>
#include <unistd.h>

#include "vmm_clock.h"

#define LEAPS	"/usr/share/zoneinfo/leap-seconds.list"
#define HLT	0xf4
#define CODE	0x0000U /* guest-physical addresses */
#define VMCLOCK 0x1000U
#define SIZE	0x1000U

static int must(int ret, const char *what)
{
	if (ret < 0)
		err(1, "%s", what);
	return ret;
}

static void *map(int vm, uint32_t slot, uint64_t address, int fd)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.guest_phys_addr = address,
		.memory_size = SIZE,
	};
	void *memory =
		mmap(NULL, SIZE, PROT_READ | PROT_WRITE,
		     fd < 0 ? MAP_SHARED | MAP_ANONYMOUS : MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		err(1, "mmap");
	/* A guest that wrote its page would only fool itself; it need not. */
	region.flags = fd < 0 ? 0 : KVM_MEM_READONLY;
	region.userspace_addr = (uintptr_t)memory;
	must(ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region), "guest memory");
	return memory;
}

/* KVM compares the TSCs, and gives its clock, once the guest has run. */
static void run_once(int vcpu)
{
	struct kvm_regs regs = { .rip = CODE, .rflags = 2 };
	struct kvm_sregs sregs;
	uint64_t offset = 0;
	struct kvm_device_attr tsc = { .group = KVM_VCPU_TSC_CTRL,
				       .attr = KVM_VCPU_TSC_OFFSET,
				       .addr = (uintptr_t)&offset };

	/* The guest's TSC is the host's, for reading the page on the host. */
	must(ioctl(vcpu, KVM_SET_DEVICE_ATTR, &tsc), "KVM_VCPU_TSC_OFFSET");
	must(ioctl(vcpu, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	must(ioctl(vcpu, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(vcpu, KVM_SET_REGS, &regs), "KVM_SET_REGS");
	must(ioctl(vcpu, KVM_RUN, 0), "KVM_RUN");
}

static void read_leaps(const char *path, struct paraclock_leap_table *leaps)
{
	static char text[1 << 16];
	char why[128] = "";
	FILE *file = fopen(path, "r");
	size_t size = file ? fread(text, 1, sizeof(text), file) : 0;

	if (!file)
		err(1, "%s", path);
	fclose(file);
	if (paraclock_leap_list_parse(text, size, why, sizeof(why), leaps))
		errx(1, "%s: %s", path, why);
}

int main(int argc, char **argv)
{
	static struct paraclock_leap_table leaps;
	static struct vmm_clock vmm = { .leaps = &leaps };
	char why[1536] = "";
	struct paraclock_options opts = { .size = sizeof(opts),
					  .backend = "kvm-host",
					  .detail = why,
					  .detail_size = sizeof(why) };
	int kvm, vcpu, ret, told = 1;
	struct timex kernel = { 0 };
	struct paraclock *host;
	double seconds = argc == 3 || argc == 4 ? atof(argv[1]) : 0;

	if (!(seconds > 0 && seconds <= 1))
		errx(2, "usage: vmm SECONDS PAGE [LEAP-SECONDS-LIST]\n"
			"SECONDS: you vouch that CLOCK_REALTIME is this close "
			"to UTC, and that nobody\nsmears leap seconds into it");
	vmm.error_ns = (uint64_t)(seconds * 1e9);
	read_leaps(argc == 4 ? argv[3] : LEAPS, &leaps);
	if (adjtimex(&kernel) == TIME_ERROR)
		warnx("the kernel says that nobody synchronises CLOCK_REALTIME:"
		      " only you vouch for it");
	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm < 0)
		err(1, "/dev/kvm: load kvm_intel or kvm_amd, or use relay.c, "
		       "which needs no KVM");
	opts.vm_fd = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	vcpu = must(ioctl(opts.vm_fd, KVM_CREATE_VCPU, 0), "KVM_CREATE_VCPU");
	*(unsigned char *)map(opts.vm_fd, 0, CODE, -1) = HLT;
	ret = must(open(argv[2], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644),
		   argv[2]);
	must(ftruncate(ret, SIZE), argv[2]);
	vmm.page = map(opts.vm_fd, 1, VMCLOCK, ret);
	run_once(vcpu);
	if (paraclock_open(&host, &opts))
		errx(1, "%s", why);
	vmm.host = host;
	ret = paraclock_coupling_kvm(&vmm.coupling, NULL, vcpu, 0, 0);
	if (!ret)
		ret = vmm_clock_start(&vmm);
	if (ret)
		errx(1, "%s", paraclock_error_name(ret));
	for (;; usleep(250000)) {
		ret = vmm_clock_update(&vmm);
		if (ret && ret != -EAGAIN)
			paraclock_explain(vmm.vouched, ret, NULL, why,
					  sizeof(why));
		if (ret != told)
			printf("%s: %s\n", argv[2],
			       !ret		? "the guest has the time"
			       : ret == -EAGAIN ? "the rate is being measured"
						: why);
		fflush(stdout);
		told = ret;
	}
}
