// SPDX-License-Identifier: MIT
/* kvm-host: where it refuses to open. It is never chosen automatically. */

#include "fake_kvm.h"

#define UNTOUCHED ((struct paraclock *)(uintptr_t)0x5a5a5a50)

static void it_is_never_chosen(void **state)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.vm_fd = CALLERS_VM_FD,
		.env = &fake.env,
	};
	struct paraclock *clk = UNTOUCHED;

	(void)state;
	kvm.looked = true;
	fake.pvclock_error = -ENODEV;
	assert_int_equal(paraclock_open(&clk, &opts), -ENODEV);
	assert_ptr_equal(clk, UNTOUCHED);
	assert_int_equal(kvm.calls, 0);
	assert_all_closed();
}

/* --- what does not open --------------------------------------------------- */

struct refusal {
	const char *name;
	int *error; /* the call that fails; NULL: all succeed */
	int with;   /* and with what */
	int ret;
	const char *says; /* part of the detail */
	int vm_fd;
	const char *device;
	int interrupts;
};

static struct refusal refusals[] = {
	/* clang-format off */
	{ "without /dev/kvm it is not here", &kvm.open_error, -ENODEV, -ENODEV,
	  .says = "/dev/kvm: no such device; load kvm_intel" },
	{ "without permission for /dev/kvm the detail names the group",
	  &kvm.open_error,
	  -EACCES, -EACCES, .says = "join the group kvm" },
	{ "no descriptor left for /dev/kvm", &kvm.open_error, -ENOMEM, -ENOMEM,
	  .says = "/dev/kvm: no memory" },
	{ "another device is not KVM", &kvm.version_error, -ENOTTY, -ENODEV,
	  .says = "/dev/null is not KVM", .device = "/dev/null" },
	{ "KVM of another API is not used", &kvm.version_error, 13, -ENODEV,
	  .says = "/dev/kvm is not KVM" },
	{ "another hypervisor holds the CPU", &kvm.vm_error, -EBUSY, -ENODEV,
	  .says = "KVM_CREATE_VM failed; another hypervisor" },
	{ "no memory for a VM", &kvm.vm_error, -ENOMEM, -ENOMEM,
	  .says = "KVM_CREATE_VM: no memory" },
	{ "no descriptor left for a VM", &kvm.vm_error, -EMFILE, -ENOMEM,
	  .says = "KVM_CREATE_VM: no memory, or no file descriptor" },
	{ "no descriptor left, neither here nor in the system",
	  &kvm.vcpu_error, -ENFILE, -ENOMEM,
	  .says = "KVM_CREATE_VCPU: no memory, or no file descriptor" },
	{ "a sandbox forbids VMs", &kvm.vm_error, -EPERM, -EACCES,
	  .says = "KVM_CREATE_VM is forbidden" },
	{ "a vCPU cannot be made", &kvm.vcpu_error, -EINVAL, -ENODEV,
	  .says = "KVM_CREATE_VCPU failed" },
	{ "the clock cannot be set", &kvm.set_error, -EINVAL, -ENODEV,
	  .says = "KVM_SET_CLOCK failed" },
	{ "a sandbox forbids setting the clock", &kvm.set_error, -EACCES,
	  -EACCES, .says = "KVM_SET_CLOCK is forbidden" },
	{ "a signal each time ends the wait", NULL, 0, -ENODEV,
	  .says = "is not KVM", .interrupts = INT32_MAX },
	{ "a signal each time ends the wait while a VM is made",
	  &kvm.vm_error, -EINTR,
	  -ENODEV, .says = "KVM_CREATE_VM: signals interrupted" },
	{ "a descriptor of something else than a VM",
	  &kvm.get_error, -ENOTTY, -EINVAL,
	  .says = "vm_fd is not the file descriptor of a KVM VM",
	  .vm_fd = CALLERS_VM_FD },
	{ "a closed descriptor", &kvm.get_error, -EBADF, -EINVAL,
	  .says = "vm_fd is not", .vm_fd = CALLERS_VM_FD },
	{ "a negative descriptor", NULL, 0, -EINVAL, .says = "vm_fd is not",
	  .vm_fd = -1 },
	{ "a VM of another process", &kvm.get_error, -EIO, -ENODEV,
	  .says = "a VM of another process", .vm_fd = CALLERS_VM_FD },
	{ "a VM and a device", NULL, 0, -EINVAL, .says = "not both",
	  .vm_fd = CALLERS_VM_FD, .device = "/dev/kvm" },
	/* clang-format on */
};

static void assert_refused(const struct paraclock_options *asked, int ret,
			   const char *says)
{
	struct paraclock_options opts = *asked;
	struct paraclock *clk = UNTOUCHED;
	char detail[256] = "";

	opts.size = sizeof(opts);
	opts.backend = "kvm-host";
	opts.env = &fake.env;
	opts.detail = detail;
	opts.detail_size = sizeof(detail);
	assert_int_equal(paraclock_open(&clk, &opts), ret);
	assert_ptr_equal(clk, UNTOUCHED);
	if (!strstr(detail, says))
		fail_msg("\"%s\" lacks \"%s\"", detail, says);
	assert_all_closed();
	/* The same without a buffer for the detail. */
	opts.detail = NULL;
	assert_int_equal(paraclock_open(&clk, &opts), ret);
	assert_ptr_equal(clk, UNTOUCHED);
	assert_all_closed();
}

static void check_refusal(void **state)
{
	const struct refusal *r = *state;
	const struct paraclock_options opts = {
		.vm_fd = r->vm_fd,
		.device = r->device,
	};

	setup(NULL);
	if (r->error)
		*r->error = r->with;
	kvm.interrupts = r->interrupts;
	assert_refused(&opts, r->ret, r->says);
	/*
	 * The clock is opened twice; an interrupted call is tried a hundred
	 * times.
	 */
	assert_in_range(kvm.calls, 0, 2 * 110);
}

static void an_env_without_ioctls_has_no_kvm(void **state)
{
	const struct paraclock_options opts = { 0 };

	(void)state;
	fake.env.ioctl = NULL;
	assert_refused(&opts, -EOPNOTSUPP, "makes no ioctls");
}

static void an_env_without_devices_needs_a_vm(void **state)
{
	const struct paraclock_options opts = { 0 };
	struct paraclock *clk;

	(void)state;
	fake.env.open_device = NULL;
	assert_refused(&opts, -EOPNOTSUPP, "options.vm_fd");
	setup(NULL);
	fake.env.close_device = NULL;
	assert_refused(&opts, -EOPNOTSUPP, "options.vm_fd");
	clk = open_on(CALLERS_VM_FD);
	paraclock_close(clk);
	assert_all_closed();
}

static void arm_has_no_such_clock(void **state)
{
	const struct paraclock_options opts = { .vm_fd = CALLERS_VM_FD };

	(void)state;
	fake.env.counter_id = PARACLOCK_COUNTER_ARM_VCNT;
	assert_refused(&opts, -EOPNOTSUPP, "on x86 only");
	assert_int_equal(kvm.calls, 0);
}

static void *second_alloc_fails(void *ctx, size_t size)
{
	if (fake.allocs == 1)
		return NULL;
	assert_ptr_equal(ctx, &fake);
	fake.allocs++;
	return malloc(size);
}

static void without_memory_it_does_not_open(void **state)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = "kvm-host",
		.env = &fake.env,
	};
	struct paraclock *clk = UNTOUCHED;

	(void)state;
	fake.env.alloc = second_alloc_fails;
	assert_int_equal(paraclock_open(&clk, &opts), -ENOMEM);
	assert_ptr_equal(clk, UNTOUCHED);
	assert_int_equal(kvm.calls, 0);
	assert_all_closed();
}

/* --- all of it ------------------------------------------------------------ */

static const struct CMUnitTest others[] = {
	cmocka_unit_test_setup(it_is_never_chosen, setup),
	cmocka_unit_test_setup(an_env_without_ioctls_has_no_kvm, setup),
	cmocka_unit_test_setup(an_env_without_devices_needs_a_vm, setup),
	cmocka_unit_test_setup(arm_has_no_such_clock, setup),
	cmocka_unit_test_setup(without_memory_it_does_not_open, setup),
};

int main(void)
{
	ADD_TESTS(others);
	ADD_ROWS(refusals, check_refusal);
	return run_suite(NULL, NULL);
}
