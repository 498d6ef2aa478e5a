// SPDX-License-Identifier: MIT
/* The outside world, on Linux: the env that NULL stands for. */

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/counter.h"
#include "base/fixed.h"
#include "detect.h"
#include "device.h"
#include "mapping.h"
#include "memory.h"
#include "process.h"

extern const struct paraclock_env pclk_env_linux;

static int64_t linux_pread(void *ctx, int fd, void *buf, size_t n,
			   uint64_t offset)
{
	int saved = errno;
	ssize_t got;

	(void)ctx;
	/* Not pread(), which is a cancellation point: a thread that is
	 * cancelled while it commits a change would leave it half done. */
	do
		got = syscall(SYS_pread64, fd, buf, n, (off_t)offset);
	while (got < 0 && errno == EINTR);
	if (got < 0)
		got = -ENODEV;
	errno = saved;
	return got;
}

static int linux_check_counter(void *ctx)
{
	int saved = errno;
	int mode = PR_TSC_ENABLE;

	(void)ctx;
	/* A kernel without PR_GET_TSC forbids nothing. */
	if (prctl(PR_GET_TSC, &mode))
		mode = PR_TSC_ENABLE;
	errno = saved;
	return mode == PR_TSC_ENABLE ? 0 : -EACCES;
}

static int linux_cpuid(void *ctx, uint32_t leaf, uint32_t subleaf,
		       uint32_t ret_regs[4])
{
	int saved = errno;
	int ret = pclk_detect_cpuid(leaf, subleaf, ret_regs);

	(void)ctx;
	errno = saved;
	return ret;
}

static int linux_find_device(void *ctx, const char *acpi_hid,
			     const char *compatible)
{
	int saved = errno;
	int ret = pclk_detect_device(acpi_hid, compatible);

	(void)ctx;
	errno = saved;
	return ret;
}

static int linux_describe(void *ctx, struct paraclock_machine *ret_machine)
{
	int saved = errno;

	(void)ctx;
	pclk_detect_machine(&pclk_env_linux, ret_machine);
	errno = saved;
	return 0;
}

static int linux_read_clock(void *ctx, int clock_id, int64_t *ret_ns)
{
	int saved = errno;
	struct timespec now;
	int ret = clock_gettime(clock_id, &now) ? -errno : 0;

	(void)ctx;
	if (!ret)
		*ret_ns = (int64_t)now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
	errno = saved;
	return ret;
}

/* A thread with deadlines is not moved: it might have to wait on that CPU for
 * whatever runs there. Neither is one whose policy is unknown. */
static bool may_be_moved(void)
{
	long policy = syscall(SYS_sched_getscheduler, 0);

	if (policy < 0)
		return false;
	policy &= ~(long)SCHED_RESET_ON_FORK;
	return policy != SCHED_FIFO && policy != SCHED_RR &&
	       policy != SCHED_DEADLINE;
}

static int visit(unsigned int cpu)
{
	/* 8192 CPUs: Linux's own limit on x86. */
	unsigned long was[128], there[128] = { 0 };
	const unsigned int bits = 8 * sizeof(there[0]);
	long size;

	if (!may_be_moved())
		return -EAGAIN;
	size = syscall(SYS_sched_getaffinity, 0, sizeof(was), was);
	if (size <= 0 || cpu / bits >= (size_t)size / sizeof(there[0]))
		return -EAGAIN;
	there[cpu / bits] = 1UL << cpu % bits;
	/* When this returns, the thread runs on that CPU. */
	if (syscall(SYS_sched_setaffinity, 0, size, there))
		return -EAGAIN;
	(void)syscall(SYS_sched_setaffinity, 0, size, was);
	return 0;
}

static int linux_run_on_cpu(void *ctx, unsigned int cpu, int go)
{
	int saved = errno;
	int ret = 0;

	(void)ctx;
	if (sched_getcpu() != (int)cpu)
		ret = go ? visit(cpu) : -EAGAIN;
	errno = saved;
	return ret;
}

static void *linux_alloc(void *ctx, size_t size)
{
	int saved = errno;
	void *ptr = malloc(size);

	(void)ctx;
	errno = saved;
	return ptr;
}

static void linux_free(void *ctx, void *ptr)
{
	(void)ctx;
	free(ptr);
}

/* What this process knows of its kernel's clocks. There is one kernel, so all
 * copies of this env share one memory. */
static struct paraclock_system_clocks system_clocks;

const struct paraclock_env pclk_env_linux = {
	.size = sizeof(struct paraclock_env),
	.counter_id = COUNTER_NATIVE,
	.check_counter = linux_check_counter,
	.cpuid = linux_cpuid,
	.map_page = pclk_linux_map_page,
	.unmap_page = pclk_linux_unmap_page,
	.pread = linux_pread,
	.find_device = linux_find_device,
	.describe = linux_describe,
	.read_clock = linux_read_clock,
	.run_on_cpu = linux_run_on_cpu,
	.process_id = pclk_linux_process_id,
	.alloc = linux_alloc,
	.free = linux_free,
	.system_clocks = &system_clocks,
	.clocksource = pclk_linux_clocksource,
	.read_text = pclk_linux_read_text,
	.open_device = pclk_linux_open_device,
	.ioctl = pclk_linux_ioctl,
	.close_device = pclk_linux_close_device,
	.watch_clock = pclk_linux_watch_clock,
	.watch_generation = pclk_linux_watch_generation,
	.poll_group = pclk_linux_poll_group,
	.identify = pclk_linux_identify,
	.fork_id = pclk_linux_fork_id,
	.is_there = pclk_linux_is_there,
	.device_number = pclk_linux_device_number,
	.next_number = pclk_linux_next_number,
	.read_memory = pclk_linux_read_memory,
};
