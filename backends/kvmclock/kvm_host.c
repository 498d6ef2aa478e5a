// SPDX-License-Identifier: MIT
/*
 * kvm-host: what KVM on this machine says CLOCK_REALTIME was at a value of the
 * TSC, from its copy of the kernel's timekeeper (pvclock_gtod). A VMM asks its
 * own VM, and for its guests this is the host's time. Without a VM, one is
 * made: then it is this kernel's own clock (own-kernel).
 *
 * Reference: [1] Linux Documentation/virt/kvm/api.rst 4.29, KVM_GET_CLOCK.
 */

#include <errno.h>
#include <string.h>

#include "base/counter.h"
#include "base/text.h"
#include "kvm_vm.h"

/*
 * Only by name: it would steer this kernel's clock by itself. Above tsc, which
 * gives the same time in a wider pair.
 */
#define QUALITY (-50)

struct kvm_host {
	const struct paraclock_env *env;
	int fd; /* of a VM */
	enum counter_how how;
	uint8_t own; /* we made the VM */
};

static int use_vm(const struct paraclock_env *env,
		  const struct paraclock_options *opts, int fd)
{
	struct kvm_vm_clock clock;
	const char *why = "options.vm_fd is not the file descriptor of a KVM "
			  "VM";
	int ret;

	if (opts->device) {
		TEXT(opts->detail, opts->detail_size,
		     "give a device or options.vm_fd, not both");
		return -EINVAL;
	}
	/* Whether it gives a pair may change, so the reads find out. */
	ret = fd < 0 ? -EINVAL : pclk_kvm_vm_get_clock(env, fd, &clock);
	if (!ret)
		return 0;
	if (ret == -EIO)
		why = "options.vm_fd is a VM of another process; KVM answers "
		      "only the process that made it";
	TEXT(opts->detail, opts->detail_size, why);
	return ret == -EIO ? -ENODEV : -EINVAL;
}

static int open_vm(struct kvm_host *kh, const struct paraclock_options *opts)
{
	kh->own = !opts->vm_fd;
	if (kh->own)
		return pclk_kvm_vm_make(kh->env, opts, &kh->fd);
	kh->fd = opts->vm_fd;
	return use_vm(kh->env, opts, kh->fd);
}

static int kvm_host_open(const struct paraclock_env *env,
			 const struct paraclock_options *opts, void *arg,
			 void **ret_state)
{
	struct kvm_host *kh;
	int ret;

	(void)arg;

	if (!env->ioctl || env->counter_id == PARACLOCK_COUNTER_ARM_VCNT) {
		TEXT(opts->detail, opts->detail_size,
		     env->ioctl ? "KVM gives its clock on x86 only"
				: "this env makes no ioctls");
		return -EOPNOTSUPP;
	}
	kh = env->alloc(env->ctx, sizeof(*kh));
	if (!kh)
		return -ENOMEM;
	memset(kh, 0, sizeof(*kh));
	kh->env = env;
	kh->how = pclk_counter_choose(env);
	ret = open_vm(kh, opts);
	if (ret)
		env->free(env->ctx, kh);
	else
		*ret_state = kh;
	return ret;
}

static void kvm_host_close(void *state)
{
	struct kvm_host *kh = state;
	const struct paraclock_env *env = kh->env;

	if (kh->own)
		env->close_device(env->ctx, kh->fd);
	env->free(env->ctx, kh);
}

/*
 * Did KVM read our counter? The proof is that its value lies between two
 * readings of ours: KVM fences its reading as well, and the counter of another
 * machine, a recorder or a test will not be there by chance.
 */
static bool is_ours(const struct kvm_host *kh, uint64_t tsc, uint64_t before,
		    uint64_t after)
{
	if (kh->env->counter_id != PARACLOCK_COUNTER_X86_TSC &&
	    kh->env->counter_id != PARACLOCK_COUNTER_ANY)
		return false;
	/* If the thread moved to a CPU whose counter is behind, nothing lies
	 * between. */
	return after - before <= INT64_MAX && tsc - before <= after - before;
}

static void not_valid(struct paraclock_sample *sample, uint8_t reason)
{
	sample->pair_error_ns = PARACLOCK_ERROR_UNKNOWN;
	sample->valid = 0;
	sample->reason = reason;
}

static int kvm_host_get_time(void *state, struct paraclock_sample *ret_sample)
{
	const struct kvm_host *kh = state;
	uint64_t before = counter_read(kh->env, kh->how);
	struct kvm_vm_clock clock;
	int ret = pclk_kvm_vm_get_clock(kh->env, kh->fd, &clock);
	uint64_t after = counter_read(kh->env, kh->how);

	if (ret)
		return -ENODEV;
	if (!(clock.flags & KVMIO_CLOCK_REALTIME))
		return -EOPNOTSUPP;
	if (clock.realtime > INT64_MAX)
		return -ERANGE;
	*ret_sample = (struct paraclock_sample){
		.host_ns = (int64_t)clock.realtime,
		.host_tsc = clock.host_tsc,
		.clock_error_ns = PARACLOCK_ERROR_UNKNOWN,
		.valid = 1,
		.timescale = PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED,
		.counter = PARACLOCK_COUNTER_X86_TSC,
		.leap = PARACLOCK_LEAP_UNKNOWN,
		.flags = kh->own ? PARACLOCK_FLAG_OWN_KERNEL : 0,
	};
	if (!(clock.flags & KVMIO_CLOCK_HOST_TSC)) {
		not_valid(ret_sample, PARACLOCK_REASON_HOST_CLOCK);
		ret_sample->counter = PARACLOCK_COUNTER_NONE;
		ret_sample->host_tsc = 0;
	} else if (!is_ours(kh, clock.host_tsc, before, after)) {
		not_valid(ret_sample, PARACLOCK_REASON_COUNTER);
	}
	return 0;
}

static const char *why_no_pair(const struct kvm_host *kh)
{
	const uint32_t pair = KVMIO_CLOCK_REALTIME | KVMIO_CLOCK_HOST_TSC;

	if ((pclk_kvm_vm_clock_flags(kh->env, kh->fd) & pair) != pair)
		return "this kernel's KVM does not give a TSC with its time; "
		       "Linux 5.16 and later do";
	if (kh->own)
		return "KVM gives no pair: this kernel's clocksource is not "
		       "the TSC, or it does not trust the TSC";
	return "KVM gives no pair for this VM: none of its vCPUs has run yet, "
	       "their TSCs do not agree, or this kernel's clocksource is not "
	       "the TSC";
}

/*
 * Why KVM did not answer: ask it again, so that a failed read need not store
 * anything. NULL: it answers now, and the error came from elsewhere.
 */
static const char *why_no_answer(const struct kvm_host *kh)
{
	struct kvm_vm_clock clock;
	int ret = pclk_kvm_vm_get_clock(kh->env, kh->fd, &clock);

	if (ret == -EIO)
		return "KVM answers only the process that made the VM, and "
		       "this is another one (a forked child?); open another "
		       "clock in it";
	if (ret)
		return "the VM's file descriptor was closed, or is now another "
		       "file's; close the clock";
	return clock.flags & KVMIO_CLOCK_REALTIME ? NULL : why_no_pair(kh);
}

static void kvm_host_explain(void *state, int error,
			     const struct paraclock_sample *sample, char *buf,
			     size_t size)
{
	const struct kvm_host *kh = state;
	const char *why = NULL;

	if (error == -EOPNOTSUPP || error == -ENODEV)
		why = why_no_answer(kh);
	else if (!error && sample && sample->reason == PARACLOCK_REASON_COUNTER)
		why = "KVM's TSC is not the counter that this env reads, or "
		      "the TSCs of this machine's CPUs do not agree";
	if (why)
		TEXT(buf, size, why);
}

const struct paraclock_backend pclk_backend_kvm_host = {
	.size = sizeof(struct paraclock_backend),
	.name = "kvm-host",
	.quality = QUALITY,
	.open = kvm_host_open,
	.get_time = kvm_host_get_time,
	.explain = kvm_host_explain,
	.close = kvm_host_close,
};
