/* SPDX-License-Identifier: MIT */
/* An env whose ioctls answer like KVM's, for the tests of kvm-host. */
#ifndef FAKE_KVM_H
#define FAKE_KVM_H

#include <linux/kvm.h>

#include "fake.h"

/* The descriptors that the fake gives, and one that is the caller's. */
enum {
	KVM_FD = 100,
	VM_FD,
	VCPU_FD,
	CALLERS_VM_FD
};

#define REALTIME_NS 1795242647883714009
#define STEP	    1000 /* ticks from one reading of the counter to the next */
#define ALL_FLAGS \
	(KVM_CLOCK_TSC_STABLE | KVM_CLOCK_REALTIME | KVM_CLOCK_HOST_TSC)

/* KVM's answers; an error is 0 or what the call returns. */
static struct kvm {
	int open_error, version_error, vm_error, vcpu_error, set_error;
	int get_error;
	int interrupts; /* calls that a signal still interrupts */
	uint32_t known; /* KVM_CAP_ADJUST_CLOCK */
	uint32_t flags; /* after it has looked at the TSCs */
	bool looked;
	uint64_t realtime;
	int64_t tsc_off; /* distance of host_tsc, ticks */
	unsigned int vcpus, open[CALLERS_VM_FD + 1], calls;
	char path[64];
} kvm;

static struct fake fake;

static int new_fd(int fd, int error)
{
	if (!error)
		kvm.open[fd]++;
	return error ? error : fd;
}

static int get_clock(struct kvm_clock_data *data)
{
	if (kvm.get_error)
		return kvm.get_error;
	data->clock = 1234;
	if (!kvm.looked)
		return 0;
	data->flags = kvm.flags;
	data->realtime = kvm.realtime;
	/* Half way from the last reading of the counter to the next. */
	data->host_tsc = fake.counter - STEP / 2 + (uint64_t)kvm.tsc_off;
	return 0;
}

static int set_clock(const struct kvm_clock_data *data)
{
	static const struct kvm_clock_data zero;

	assert_memory_equal(data, &zero, sizeof(zero));
	if (!kvm.set_error)
		kvm.looked = kvm.vcpus == 1;
	return kvm.set_error;
}

static int on_vm(int fd, unsigned long request, void *arg)
{
	switch (request) {
	case KVM_CREATE_VCPU:
		assert_int_equal(fd, VM_FD);
		assert_null(arg);
		kvm.vcpus += !kvm.vcpu_error;
		return new_fd(VCPU_FD, kvm.vcpu_error);
	case KVM_SET_CLOCK:
		/* Never on the caller's VM: its guest would notice. */
		assert_int_equal(fd, VM_FD);
		return set_clock(arg);
	case KVM_GET_CLOCK:
		return get_clock(arg);
	case KVM_CHECK_EXTENSION:
		assert_int_equal((uintptr_t)arg, KVM_CAP_ADJUST_CLOCK);
		return (int)kvm.known;
	default:
		/* KVM_RUN above all. */
		fail_msg("ioctl %#lx on a VM", request);
		return -ENOTTY;
	}
}

static int kvm_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	assert_ptr_equal(ctx, &fake);
	kvm.calls++;
	if (kvm.interrupts) {
		kvm.interrupts--;
		return -EINTR;
	}
	assert_int_equal(kvm.open[fd], 1);
	if (fd != KVM_FD)
		return on_vm(fd, request, arg);
	if (request == KVM_GET_API_VERSION)
		return kvm.version_error ? kvm.version_error : KVM_API_VERSION;
	assert_int_equal(request, KVM_CREATE_VM);
	assert_null(arg);
	return new_fd(VM_FD, kvm.vm_error);
}

static int kvm_open(void *ctx, const char *path, int *ret_fd)
{
	int fd = new_fd(KVM_FD, kvm.open_error);

	assert_ptr_equal(ctx, &fake);
	strncpy(kvm.path, path, sizeof(kvm.path) - 1);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

static void kvm_close(void *ctx, int fd)
{
	assert_ptr_equal(ctx, &fake);
	assert_int_equal(kvm.open[fd], 1);
	kvm.open[fd]--;
}

static int setup(void **state)
{
	(void)state;
	fake_init(&fake);
	fake.counter_step = STEP;
	fake.env.ioctl = kvm_ioctl;
	fake.env.open_device = kvm_open;
	fake.env.close_device = kvm_close;
	kvm = (struct kvm){
		.known = ALL_FLAGS,
		.flags = ALL_FLAGS,
		.realtime = REALTIME_NS,
		.open[CALLERS_VM_FD] = 1,
	};
	return 0;
}

static void assert_all_closed(void)
{
	assert_int_equal(fake.allocs, fake.frees);
	for (int fd = KVM_FD; fd < CALLERS_VM_FD; fd++)
		assert_int_equal(kvm.open[fd], 0);
	assert_int_equal(kvm.open[CALLERS_VM_FD], 1);
}

static struct paraclock *open_on(int vm_fd)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "kvm-host",
		.vm_fd = vm_fd,
		.env = &fake.env,
	};
	struct paraclock *clk = NULL;

	assert_int_equal(paraclock_open(&clk, &opts), 0);
	assert_non_null(clk);
	return clk;
}

#endif
