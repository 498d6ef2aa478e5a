// SPDX-License-Identifier: MIT
/* The coupling of a guest's TSC, as its VMM can ask KVM for it. */

#include <errno.h>
#include <stdbool.h>

#include <paraclock/backend.h>
#include <paraclock/crosststamp.h>

#include "base/env_call.h"
#include "base/fixed.h"

/* As in <linux/kvm.h>, which has them on x86 only. */
#define KVM_GET_API_VERSION 0xae00UL
#define KVM_GET_TSC_KHZ	    0xaea3UL
#define KVM_GET_DEVICE_ATTR 0x4018aee2UL
#define KVM_VCPU_TSC_CTRL   0
#define KVM_VCPU_TSC_OFFSET 0

struct kvm_device_attr {
	uint32_t flags;
	uint32_t group;
	uint64_t attr;
	uint64_t addr;
};
_Static_assert(sizeof(struct kvm_device_attr) == 24, "as its ioctl says");

/*
 * Up to this difference KVM leaves a guest's TSC unscaled (its parameter
 * tsc_tolerance_ppm). A frequency measured over 10 ms is well within it.
 */
#define TOLERANCE_PPM 250

/* Firmware states the exact frequency; the kernel rounds it to whole kHz. */
#define STATED_KHZ 1

/* Does this error mean that the ioctl, or the attribute, is unknown? */
static bool is_unknown(int error)
{
	return error == -EINVAL || error == -ENXIO || error == -EOPNOTSUPP;
}

static int read_offset(const struct paraclock_env *env, int vcpu_fd,
		       uint64_t *ret_offset)
{
	uint64_t offset = 0;
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uint64_t)(uintptr_t)&offset,
	};
	int ret;

	/* On /dev/kvm itself, the only file that answers this, group 0,
	 * attribute 0 is something else. */
	if (env->ioctl(env->ctx, vcpu_fd, KVM_GET_API_VERSION, NULL) >= 0)
		return -ENODEV;
	ret = env->ioctl(env->ctx, vcpu_fd, KVM_GET_DEVICE_ATTR, &attr);
	if (ret == -EBADF || ret == -ENOTTY)
		return -ENODEV;
	if (is_unknown(ret))
		return -EOPNOTSUPP;
	if (ret < 0)
		return ret;
	*ret_offset = offset;
	return 0;
}

/*
 * A stated frequency may be of another machine, or rounded in another way than
 * the kernel's own number; so the measured one is used, if known.
 */
static bool is_host_khz(const struct paraclock_machine *machine, uint64_t khz)
{
	uint64_t hz = machine->measured_hz ? machine->measured_hz
					   : machine->counter_hz;
	uint64_t host_khz = hz / 1000 + (hz % 1000 >= 500);
	uint64_t apart = khz > host_khz ? khz - host_khz : host_khz - khz;

	if (!machine->measured && !machine->measured_hz)
		return apart <= STATED_KHZ;
	return apart <= STATED_KHZ + host_khz / 1000000 * TOLERANCE_PPM +
				host_khz % 1000000 * TOLERANCE_PPM / 1000000 +
				machine->measured_error_hz / 1000;
}

/*
 * 0: the guest's TSC is not scaled; -ENODEV: it is, or that cannot be known. A
 * kernel without KVM_GET_TSC_KHZ has no KVM_SET_TSC_KHZ either, for they came
 * together: it scales no guest. A kernel that has it and fails (-EIO: the
 * host's TSC is unstable) vouches for nothing.
 */
static int check_unscaled(const struct paraclock_env *env, int vcpu_fd)
{
	struct paraclock_machine machine = { .size = sizeof(machine) };
	int khz = env->ioctl(env->ctx, vcpu_fd, KVM_GET_TSC_KHZ, NULL);

	if (is_unknown(khz) || khz == -ENOTTY)
		return 0;
	if (khz <= 0 || paraclock_describe_machine(env, &machine) ||
	    (!machine.counter_hz && !machine.measured_hz))
		return -ENODEV;
	return is_host_khz(&machine, (uint64_t)khz) ? 0 : -ENODEV;
}

int paraclock_coupling_kvm(struct paraclock_coupling *ret_coupling,
			   const struct paraclock_env *env, int vcpu_fd,
			   uint64_t ratio, unsigned int frac_bits)
{
	struct paraclock_coupling coupling = {
		.size = sizeof(coupling),
		.mult = ratio ? ratio : 1,
		.shift = (uint8_t)(ratio ? frac_bits : 0),
		.device_counter = PARACLOCK_COUNTER_X86_TSC,
		.system_counter = PARACLOCK_COUNTER_X86_TSC,
		.flags = (PARACLOCK_COUPLING_FIXED |
			  PARACLOCK_COUPLING_TO_DEVICE),
	};
	int ret;

	if (!ret_coupling || frac_bits > 63)
		return -EINVAL;
	if (!env)
		env = paraclock_default_env();
	if (!env)
		return -ENODEV;
	if (env->size < sizeof(*env))
		return -EINVAL;
	/* On arm64 the same attribute is the number of an interrupt. */
	if (!env->ioctl || env->counter_id != PARACLOCK_COUNTER_X86_TSC)
		return -EOPNOTSUPP;
	ret = pclk_env_error(read_offset(env, vcpu_fd, &coupling.offset));
	if (!ret && !ratio)
		ret = check_unscaled(env, vcpu_fd);
	if (!ret)
		*ret_coupling = coupling;
	return ret;
}
