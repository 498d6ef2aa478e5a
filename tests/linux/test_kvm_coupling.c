// SPDX-License-Identifier: MIT
/*
 * The coupling of a KVM guest's TSC: with a fake KVM, and with this machine's.
 */

#include "fake.h"

#if defined(__x86_64__)
#include <fcntl.h>
#include <linux/kvm.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "base/counter.h"

/* Not in every <linux/kvm.h>. */
#ifndef KVM_VCPU_TSC_CTRL
#define KVM_VCPU_TSC_CTRL   0
#define KVM_VCPU_TSC_OFFSET 0
#endif
#endif

#define VCPU   17
#define OFFSET 0xfffffffff0000000U

/* --- a fake KVM ----------------------------------------------------------- */

struct kvm_fake {
	const char *name;
	int attr_ret; /* of KVM_GET_DEVICE_ATTR */
	int khz_ret;  /* of KVM_GET_TSC_KHZ */
	int api_ret;  /* of KVM_GET_API_VERSION */
	uint64_t host_hz;
	uint8_t measured;
	uint64_t ratio;
	unsigned int frac_bits;
	void (*change)(struct paraclock_env *env);
	int ret;
};

static struct fake fake;
static struct kvm_fake *kvm;
static unsigned int calls;

/* As Linux numbers them; the library's own numbers must be these. */
static int fake_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	/* struct kvm_device_attr */
	struct {
		uint32_t flags, group;
		uint64_t attr, addr;
	} *attr = arg;
	uint64_t offset = OFFSET;

	assert_ptr_equal(ctx, &fake);
	assert_int_equal(fd, VCPU);
	calls++;
	switch (request) {
	case 0xae00:
		assert_null(arg);
		return kvm->api_ret;
	case 0xaea3:
		assert_null(arg);
		return kvm->khz_ret;
	case 0x4018aee2:
		assert_int_equal(attr->flags, 0);
		assert_int_equal(attr->group, 0);
		assert_int_equal(attr->attr, 0);
		if (!kvm->attr_ret)
			memcpy((void *)(uintptr_t)attr->addr, &offset,
			       sizeof(offset));
		return kvm->attr_ret;
	default:
		fail_msg("unexpected ioctl %lx", request);
		return -ENOTTY;
	}
}

static void no_ioctl(struct paraclock_env *env)
{
	env->ioctl = NULL;
}

static void no_description(struct paraclock_env *env)
{
	env->describe = NULL;
}

static void arm(struct paraclock_env *env)
{
	env->counter_id = PARACLOCK_COUNTER_ARM_VCNT;
}

static void any_counter(struct paraclock_env *env)
{
	env->counter_id = PARACLOCK_COUNTER_ANY;
}

static void small_env(struct paraclock_env *env)
{
	env->size--;
}

/* A vCPU: not /dev/kvm. */
#define V   -EINVAL
#define GHZ 2600000000U
#define KHZ 2600000

static struct kvm_fake kvms[] = {
	/* clang-format off */
	{ "a guest at the host's frequency", 0, KHZ, V, GHZ, 0, 0, 0, NULL, 0 },
	{ "frequency stated, and kHz rounded down", 0, KHZ, V, GHZ + 999, 0, 0,
	  0, NULL, 0 },
	{ "frequency stated, and kHz rounded up", 0, KHZ, V, GHZ - 999, 0, 0, 0,
	  NULL, 0 },
	{ "frequency stated, one kHz and its rounding off", 0, KHZ, V,
	  GHZ + 1499, 0, 0, 0, NULL, 0 },
	{ "frequency stated, more than that off", 0, KHZ, V, GHZ + 1500, 0, 0,
	  0, NULL, -ENODEV },
	{ "frequency stated, the guest's 2 kHz higher", 0, KHZ + 2, V, GHZ, 0,
	  0, 0, NULL, -ENODEV },
	{ "frequency stated, the guest's 2 kHz lower", 0, KHZ - 2, V, GHZ, 0, 0,
	  0, NULL, -ENODEV },
	{ "frequency measured, 240 ppm higher", 0, KHZ + 624, V, GHZ, 1, 0, 0,
	  NULL, 0 },
	{ "frequency measured, 240 ppm lower", 0, KHZ - 624, V, GHZ, 1, 0, 0,
	  NULL, 0 },
	{ "frequency measured, 260 ppm higher", 0, KHZ + 676, V, GHZ, 1, 0, 0,
	  NULL, -ENODEV },
	{ "frequency measured, 260 ppm lower", 0, KHZ - 676, V, GHZ, 1, 0, 0,
	  NULL, -ENODEV },
	{ "a scaled guest whose ratio is unknown", 0, KHZ / 2, V, GHZ, 1, 0, 0,
	  NULL, -ENODEV },
	{ "a scaled guest whose ratio is known", 0, KHZ / 2, V, GHZ, 1,
	  (uint64_t)1 << 47, 48, NULL, 0 },
	{ "the most fraction bits", 0, KHZ, V, GHZ, 0, (uint64_t)1 << 63, 63,
	  NULL, 0 },
	{ "more fraction bits than possible", 0, KHZ, V, GHZ, 0,
	  (uint64_t)1 << 63, 64, NULL, -EINVAL },
	{ "too many fraction bits of no ratio", 0, KHZ, V, GHZ, 0, 0, 64, NULL,
	  -EINVAL },
	{ "fraction bits without a ratio are ignored", 0, KHZ, V, GHZ, 0, 0, 48,
	  NULL, 0 },
	{ "a known ratio needs no frequency", 0, -EIO, V, 0, 0, 3, 1,
	  no_description, 0 },
	{ "a frequency that cannot be scaled", 0, -EINVAL, V, 0, 0, 0, 0,
	  no_description, 0 },
	{ "a frequency that KVM does not know", 0, -ENOTTY, V, GHZ, 0, 0, 0,
	  NULL, 0 },
	{ "a host whose TSC is unstable", 0, -EIO, V, GHZ, 0, 0, 0, NULL,
	  -ENODEV },
	{ "a guest without a frequency",
	  0, 0, V, 1000, 0, 0, 0, NULL, -ENODEV },
	{ "a host without a frequency", 0, 1, V, 0, 0, 0, 0, NULL, -ENODEV },
	{ "a host without a description", 0, KHZ, V, GHZ, 0, 0, 0,
	  no_description, -ENODEV },
	{ "the highest possible frequency", 0, KHZ, V, UINT64_MAX, 1, 0, 0,
	  NULL, -ENODEV },
	{ "a file that is not open", -EBADF, -EBADF, -EBADF, GHZ, 0, 0, 0, NULL,
	  -ENODEV },
	{ "a file that is not KVM's", -ENOTTY, -ENOTTY, -ENOTTY, GHZ, 0, 0, 0,
	  NULL, -ENODEV },
	{ "a VM instead of a vCPU", -ENOTTY, KHZ, -ENOTTY, GHZ, 0, 0, 0, NULL,
	  -ENODEV },
	{ "/dev/kvm, whose attribute is another", 0, -EINVAL, 12, GHZ, 0, 0, 0,
	  NULL, -ENODEV },
	{ "/dev/kvm, with a ratio", 0, -EINVAL, 12, GHZ, 0, 1, 0, NULL,
	  -ENODEV },
	{ "a kernel without attributes", -EINVAL, KHZ, V, GHZ, 0, 0, 0, NULL,
	  -EOPNOTSUPP },
	{ "a kernel without this attribute", -ENXIO, KHZ, V, GHZ, 0, 0, 0, NULL,
	  -EOPNOTSUPP },
	{ "a VM of another process", -EIO, KHZ, V, GHZ, 0, 0, 0, NULL, -EIO },
	{ "an env without ioctls", 0, KHZ, V, GHZ, 0, 0, 0, no_ioctl,
	  -EOPNOTSUPP },
	{ "arm64, where the attribute is another", 0, KHZ, V, GHZ, 0, 0, 0, arm,
	  -EOPNOTSUPP },
	{ "a counter of no architecture", 0, KHZ, V, GHZ, 0, 0, 0, any_counter,
	  -EOPNOTSUPP },
	{ "an env of an earlier release", 0, KHZ, V, GHZ, 0, 0, 0, small_env,
	  -EINVAL },
	/* clang-format on */
};

static void check_kvm(void **state)
{
	struct paraclock_coupling got, untouched;

	kvm = *state;
	fake_init(&fake);
	fake.env.ioctl = fake_ioctl;
	fake.machine.counter_hz = kvm->host_hz;
	fake.machine.measured = kvm->measured;
	if (kvm->change)
		kvm->change(&fake.env);
	memset(&got, 0x5a, sizeof(got));
	untouched = got;
	calls = 0;
	assert_int_equal(paraclock_coupling_kvm(&got, &fake.env, VCPU,
						kvm->ratio, kvm->frac_bits),
			 kvm->ret);
	assert_true(calls <= 3);
	if (kvm->ret) {
		assert_memory_equal(&got, &untouched, sizeof(got));
		return;
	}
	assert_int_equal(got.size, sizeof(got));
	assert_true(got.offset == OFFSET);
	assert_true(got.mult == (kvm->ratio ? kvm->ratio : 1));
	assert_int_equal(got.shift, kvm->ratio ? kvm->frac_bits : 0);
	assert_int_equal(got.device_counter, PARACLOCK_COUNTER_X86_TSC);
	assert_int_equal(got.system_counter, PARACLOCK_COUNTER_X86_TSC);
	assert_int_equal(got.flags, PARACLOCK_COUPLING_FIXED |
					    PARACLOCK_COUPLING_TO_DEVICE);
}

static void null_is_refused(void **state)
{
	(void)state;
	fake_init(&fake);
	fake.env.ioctl = fake_ioctl;
	calls = 0;
	assert_int_equal(paraclock_coupling_kvm(NULL, &fake.env, VCPU, 0, 0),
			 -EINVAL);
	assert_int_equal(calls, 0);
}

/* --- this machine's KVM --------------------------------------------------- */

#if defined(__x86_64__)

/* rdtsc; hlt, in real mode. */
static const uint8_t code[] = { 0x0f, 0x31, 0xf4 };

struct guest {
	int kvm, vm, vcpu;
	struct kvm_run *run;
	size_t run_size;
	void *memory;
};

static void close_guest(struct guest *guest)
{
	if (guest->run != MAP_FAILED)
		munmap(guest->run, guest->run_size);
	close(guest->vcpu);
	close(guest->vm);
	close(guest->kvm);
	if (guest->memory != MAP_FAILED)
		munmap(guest->memory, 4096);
}

/* What is missing, or NULL. */
static const char *open_guest(struct guest *guest)
{
	struct kvm_userspace_memory_region region = { .memory_size = 4096 };

	*guest = (struct guest){ .vm = -1, .vcpu = -1, .run = MAP_FAILED };
	guest->memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	guest->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (guest->kvm < 0)
		return "no /dev/kvm, or no access to it";
	guest->vm = ioctl(guest->kvm, KVM_CREATE_VM, 0);
	if (guest->vm < 0)
		return "KVM makes no VM";
	guest->vcpu = ioctl(guest->vm, KVM_CREATE_VCPU, 0);
	if (guest->vcpu < 0)
		return "KVM makes no vCPU";
	guest->run_size = (size_t)ioctl(guest->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
	guest->run = mmap(NULL, guest->run_size, PROT_READ | PROT_WRITE,
			  MAP_SHARED, guest->vcpu, 0);
	if (guest->run == MAP_FAILED || guest->memory == MAP_FAILED)
		return "no memory";
	memcpy(guest->memory, code, sizeof(code));
	region.userspace_addr = (uintptr_t)guest->memory;
	if (ioctl(guest->vm, KVM_SET_USER_MEMORY_REGION, &region))
		return "KVM accepts no memory";
	return NULL;
}

/* KVM_SET_DEVICE_ATTR, KVM_GET_DEVICE_ATTR */
static int use_offset(const struct guest *guest, unsigned long request,
		      uint64_t *offset)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t)offset,
	};

	return ioctl(guest->vcpu, request, &attr);
}

static void on_alarm(int number)
{
	(void)number;
}

/* The guest's own rdtsc; 0: it did not reach its hlt within 30 s. */
static int run_guest(const struct guest *guest, uint64_t *ret_tsc)
{
	struct sigaction act = { .sa_handler = on_alarm };
	struct kvm_regs regs = { .rflags = 2 };
	struct kvm_sregs sregs;
	int ret;

	if (ioctl(guest->vcpu, KVM_GET_SREGS, &sregs))
		return 0;
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	if (ioctl(guest->vcpu, KVM_SET_SREGS, &sregs) ||
	    ioctl(guest->vcpu, KVM_SET_REGS, &regs))
		return 0;
	sigaction(SIGALRM, &act, NULL);
	alarm(30);
	ret = ioctl(guest->vcpu, KVM_RUN, 0);
	alarm(0);
	if (ret || guest->run->exit_reason != KVM_EXIT_HLT ||
	    ioctl(guest->vcpu, KVM_GET_REGS, &regs))
		return 0;
	*ret_tsc = (regs.rdx & UINT32_MAX) << 32 | (regs.rax & UINT32_MAX);
	return 1;
}

static void check_run(const struct guest *guest,
		      const struct paraclock_coupling *coupling)
{
	uint64_t before, after, in_guest, low, high, on_host;

	before = counter_fenced();
	if (!run_guest(guest, &in_guest)) {
		print_message("this KVM does not run the guest: its own TSC "
			      "is not compared\n");
		return;
	}
	after = counter_fenced();
	assert_int_equal(paraclock_coupling_to_device(coupling, before, &low),
			 0);
	assert_int_equal(paraclock_coupling_to_device(coupling, after, &high),
			 0);
	assert_true(in_guest - low <= high - low);
	assert_int_equal(
		paraclock_coupling_to_system(coupling, in_guest, &on_host), 0);
	assert_true(on_host - before <= after - before);
}

/*
 * KVM's answer after an offset was set. Some KVM accepts any and keeps 0; then
 * the guest's TSC is the host's.
 */
static uint64_t set_offset(const struct guest *guest, uint64_t offset)
{
	uint64_t kept = ~offset;

	assert_int_equal(use_offset(guest, KVM_SET_DEVICE_ATTR, &offset), 0);
	assert_int_equal(use_offset(guest, KVM_GET_DEVICE_ATTR, &kept), 0);
	if (kept != offset)
		print_message("this KVM does not keep the offset %llx\n",
			      (unsigned long long)offset);
	return kept;
}

static void check_offsets(const struct guest *guest)
{
	static const uint64_t offsets[] = { 0, 12345, (uint64_t)0 - 1000000,
					    0xfedcba9876543210U };

	for (size_t i = 0; i < ARRAY_LEN(offsets); i++) {
		struct paraclock_coupling coupling = { .size = 0 };
		uint64_t kept = set_offset(guest, offsets[i]);

		assert_int_equal(paraclock_coupling_kvm(&coupling, NULL,
							guest->vcpu, 0, 0),
				 0);
		assert_true(coupling.offset == kept);
		assert_true(coupling.mult == 1);
		assert_int_equal(coupling.shift, 0);
		check_run(guest, &coupling);
	}
}

/* Neither the VM nor /dev/kvm is a vCPU. */
static void check_others(const struct guest *guest)
{
	const int fds[] = { guest->vm, guest->kvm, -1 };
	struct paraclock_coupling coupling, untouched;

	memset(&coupling, 0x5a, sizeof(coupling));
	untouched = coupling;
	for (size_t i = 0; i < ARRAY_LEN(fds); i++) {
		for (uint64_t ratio = 0; ratio < 2; ratio++)
			assert_int_equal(paraclock_coupling_kvm(&coupling, NULL,
								fds[i], ratio,
								0),
					 -ENODEV);
	}
	assert_memory_equal(&coupling, &untouched, sizeof(coupling));
}

static void a_real_vcpu(void **state)
{
	uint64_t offset = 1;
	struct guest guest;
	const char *why = open_guest(&guest);

	(void)state;
	if (!why && use_offset(&guest, KVM_SET_DEVICE_ATTR, &offset))
		why = "KVM knows no TSC offset";
	if (!why) {
		check_offsets(&guest);
		check_others(&guest);
	}
	close_guest(&guest);
	if (why) {
		print_message("skipped: %s\n", why);
		skip();
	}
}

#endif

int main(void)
{
	const struct CMUnitTest whole[] = {
		cmocka_unit_test(null_is_refused),
#if defined(__x86_64__)
		cmocka_unit_test(a_real_vcpu),
#endif
	};

	ADD_ROWS(kvms, check_kvm);
	ADD_TESTS(whole);
	return run_suite(NULL, NULL);
}
