// SPDX-License-Identifier: MIT
/*
 * The smallest VM that has a clock: one vCPU, no memory, and it never runs.
 *
 * KVM gives a VM a clock that follows the TSC (its master clock, which has the
 * pair that we want) once it has checked that the TSCs of all vCPUs agree. It
 * checks when a vCPU first runs and when the clock is set [1]. We set the clock
 * and run no vCPU: KVM_RUN may never return (nested KVMs have been seen to hang
 * in it), and only a signal could end it, which a library must not send. All
 * the other calls return by themselves.
 *
 * Reference: [1] Linux arch/x86/kvm/x86.c, kvm_vm_ioctl_set_clock(), since
 * 5.16, the first release with the pair.
 */

#include <errno.h>
#include <string.h>

#include "base/env_call.h"
#include "base/text.h"
#include "kvm_vm.h"

#define DEVICE "/dev/kvm"

/*
 * A signal interrupts KVM_CREATE_VM, which then has to be repeated. Each try
 * consumes the pending signal, so only a storm of signals uses up the tries.
 */
#define CALL_TRIES 100

static int call(const struct paraclock_env *env, int fd, unsigned long request,
		void *arg)
{
	int ret = -EINTR;

	for (unsigned int i = 0; ret == -EINTR && i < CALL_TRIES; i++)
		ret = env->ioctl(env->ctx, fd, request, arg);
	return ret;
}

/* Say why path could not be opened. */
static int no_device(const struct paraclock_options *opts, const char *path,
		     int error)
{
	const char *why = pclk_open_why(error);

	if (error == -EACCES)
		why = ": permission denied; join the group kvm, or run as root";
	else if (error == -ENODEV || error == -ENOENT)
		why = ": no such device; load kvm_intel or kvm_amd (in a "
		      "guest, the host must allow nested virtualization)";
	TEXT(opts->detail, opts->detail_size, path, why);
	return pclk_open_error(error);
}

static int failed(const struct paraclock_options *opts, const char *step,
		  int error)
{
	const char *why = " failed; another hypervisor may hold the CPU's "
			  "virtualization; see the kernel's log";
	int ret = -ENODEV;

	if (error == -ENOMEM || error == -EMFILE || error == -ENFILE) {
		why = ": no memory, or no file descriptor is left";
		ret = -ENOMEM;
	} else if (error == -EACCES || error == -EPERM) {
		why = " is forbidden by a seccomp filter or a security module";
		ret = -EACCES;
	} else if (error == -EINTR) {
		why = ": signals interrupted every try";
	}
	TEXT(opts->detail, opts->detail_size, step, why);
	return ret;
}

/* Its file descriptor, or a negative errno. */
static int create_vm(const struct paraclock_env *env,
		     const struct paraclock_options *opts)
{
	const char *path = opts->device ? opts->device : DEVICE;
	int kvm;
	int ret = pclk_env_open(env, path, &kvm);

	if (ret)
		return no_device(opts, path, ret);
	ret = call(env, kvm, KVMIO_GET_API_VERSION, NULL);
	if (ret != KVMIO_API_VERSION) {
		TEXT(opts->detail, opts->detail_size, path, " is not KVM");
		ret = -ENODEV;
	} else {
		ret = call(env, kvm, KVMIO_CREATE_VM, NULL);
		if (ret < 0)
			ret = failed(opts, "KVM_CREATE_VM", ret);
	}
	env->close_device(env->ctx, kvm);
	return ret;
}

static int start_clock(const struct paraclock_env *env,
		       const struct paraclock_options *opts, int vm)
{
	struct kvm_vm_clock zero;
	int ret = call(env, vm, KVMIO_CREATE_VCPU, NULL);

	if (ret < 0)
		return failed(opts, "KVM_CREATE_VCPU", ret);
	/* The vCPU lives as long as its VM. */
	env->close_device(env->ctx, ret);
	memset(&zero, 0, sizeof(zero));
	ret = call(env, vm, KVMIO_SET_CLOCK, &zero);
	return ret < 0 ? failed(opts, "KVM_SET_CLOCK", ret) : 0;
}

int pclk_kvm_vm_make(const struct paraclock_env *env,
		     const struct paraclock_options *opts, int *ret_fd)
{
	int vm, ret;

	if (!env->open_device || !env->close_device) {
		TEXT(opts->detail, opts->detail_size,
		     "this env opens no devices; give a VM of your own "
		     "(options.vm_fd)");
		return -EOPNOTSUPP;
	}
	vm = create_vm(env, opts);
	if (vm < 0)
		return vm;
	ret = start_clock(env, opts, vm);
	if (ret)
		env->close_device(env->ctx, vm);
	else
		*ret_fd = vm;
	return ret;
}

int pclk_kvm_vm_get_clock(const struct paraclock_env *env, int fd,
			  struct kvm_vm_clock *ret_clock)
{
	struct kvm_vm_clock clock;
	int ret;

	/* A kernel before 5.16 leaves some fields alone: they must not show our
	 * stack. */
	memset(&clock, 0, sizeof(clock));
	ret = call(env, fd, KVMIO_GET_CLOCK, &clock);
	if (ret < 0)
		return ret;
	*ret_clock = clock;
	return 0;
}

uint32_t pclk_kvm_vm_clock_flags(const struct paraclock_env *env, int fd)
{
	void *cap = (void *)(uintptr_t)KVMIO_CAP_ADJUST_CLOCK;
	int ret = call(env, fd, KVMIO_CHECK_EXTENSION, cap);

	return ret < 0 ? 0 : (uint32_t)ret;
}
