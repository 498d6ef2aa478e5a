// SPDX-License-Identifier: MIT
/* The outside world, on Linux: the env behind a NULL. */

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/counter.h"
#include "base/env_call.h"
#include "base/fixed.h"
#include "base/text.h"
#include "detect.h"
#include "device.h"
#include "page/page.h"
#include "process.h"
#include "vvar.h"

#define DEVICE_PAGE	4096U
#define VMCLOCK		"/dev/vmclock"
#define VMCLOCK_DEVICES 64

/* mapping.cookie: ours to unmap (the kernel's own pages are not); had a name
 * when it was opened (a memfd never had one). */
#define IS_MAPPED 1U
#define HAD_NAME  2U

extern const struct paraclock_env pclk_env_linux;

/* -ENODEV: there is nothing. -ENXIO: there is, and it is no use. */
static int fail(struct paraclock_mapping *map, const char *path, int error)
{
	int reason = pclk_reason_of_open(path, error);
	int ret = pclk_open_error(reason);

	TEXT(map->why, sizeof(map->why), path, pclk_open_why(reason),
	     ret == -EACCES ? "; see paraclock-vmclock(7)" : "");
	return ret == -ENODEV && error != ENOENT ? -ENXIO : ret;
}

static int map_device(int fd, const char *path,
		      struct paraclock_mapping *ret_map)
{
	void *page = mmap(NULL, DEVICE_PAGE, PROT_READ, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED && errno != ENODEV && errno != EINVAL)
		return fail(ret_map, path, errno);
	/* Most devices have nothing to map, and some map and then fault. */
	if (page == MAP_FAILED || pclk_vvar_probe(page, DEVICE_PAGE)) {
		if (page != MAP_FAILED)
			munmap(page, DEVICE_PAGE);
		TEXT(ret_map->why, sizeof(ret_map->why), path,
		     page == MAP_FAILED
			     ? ": this device has no page to map; is it a "
			       "clock?"
			     : ": its page cannot be read; is it a clock?");
		return -ENXIO;
	}
	ret_map->addr = page;
	ret_map->size = DEVICE_PAGE;
	ret_map->cookie |= IS_MAPPED;
	/* Kept, for the device may notify. */
	ret_map->fd = fd;
	return 0;
}

/*
 * Does the file keep its size? Sealed, or its user vouches for it. Nobody's
 * owner or mode says that: root truncates files, too.
 */
static bool keeps_its_size(int fd, uint64_t flags)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return flags & PARACLOCK_DEVICE_FIXED_SIZE ||
	       (seals >= 0 && seals & F_SEAL_SHRINK);
}

/*
 * A file that keeps its size is mapped. Any other is read anew each time, for a
 * load past its end would be a SIGBUS in the caller's process. So is one that
 * cannot be mapped, and one that is so short that it must yet grow.
 */
static void map_file(int fd, struct paraclock_mapping *ret_map)
{
	bool kept = keeps_its_size(fd, ret_map->flags);
	void *page = MAP_FAILED;
	size_t size = 0;
	struct stat st;

	ret_map->fd = fd;
	/* After the seal was seen: from there on it does not shrink. */
	if (kept && !fstat(fd, &st))
		size = st.st_size < DEVICE_PAGE ? (size_t)st.st_size
						: DEVICE_PAGE;
	if (size >= PAGE_COPY_MAX)
		page = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return;
	/* Who vouches for it may err: it is as long as that now. */
	if (pclk_vvar_probe(page, size)) {
		munmap(page, size);
		return;
	}
	ret_map->addr = page;
	ret_map->size = size;
	ret_map->cookie |= IS_MAPPED;
}

static int map_path(const char *path, struct paraclock_mapping *ret_map)
{
	/* O_NONBLOCK: a FIFO must not hold us up. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;
	int ret;

	if (fd < 0)
		return fail(ret_map, path, errno);
	if (fstat(fd, &st)) {
		ret = fail(ret_map, path, errno);
		close(fd);
		return ret;
	}
	ret_map->cookie = st.st_nlink ? HAD_NAME : 0;
	if (S_ISREG(st.st_mode)) {
		ret_map->addr = NULL;
		ret_map->size = (size_t)st.st_size;
		map_file(fd, ret_map);
		return 0;
	}
	if (S_ISCHR(st.st_mode)) {
		ret = map_device(fd, path, ret_map);
		if (!ret)
			return 0;
	} else {
		TEXT(ret_map->why, sizeof(ret_map->why), path,
		     ": neither a device nor a regular file");
		ret = -ENXIO;
	}
	close(fd);
	return ret;
}

/* The first that does; else why the first that is there does not. */
static int map_vmclock(struct paraclock_mapping *ret_map)
{
	uint32_t number = 0;
	int first = -ENODEV;

	for (int i = 0; i < VMCLOCK_DEVICES; i++, number++) {
		struct paraclock_mapping map = { .fd = -1 };
		char path[64], digits[24];
		int ret;

		if (pclk_linux_next_number(NULL, VMCLOCK, number, &number))
			break;
		TEXT(path, sizeof(path), VMCLOCK, pclk_decimal(number, digits));
		ret = map_path(path, &map);
		if (!ret || first == -ENODEV)
			*ret_map = map;
		if (!ret)
			return 0;
		if (first == -ENODEV)
			first = ret;
	}
	return first;
}

static int map_vvar(enum vvar_page page, const char *name,
		    struct paraclock_mapping *ret_map)
{
	const char *why = "";
	int ret = pclk_vvar_find(page, &ret_map->addr, &why);

	if (ret) {
		TEXT(ret_map->why, sizeof(ret_map->why), "the kernel shows no ",
		     name, " page to processes: ", why);
		return ret;
	}
	ret_map->size = VVAR_PAGE_SIZE;
	return 0;
}

static int linux_map_page(void *ctx, const char *name, const char *path,
			  struct paraclock_mapping *ret_map)
{
	struct paraclock_mapping map = { .fd = -1, .flags = ret_map->flags };
	int saved = errno;
	int ret;

	(void)ctx;
	if (path) {
		ret = map_path(path, &map);
	} else if (strcmp(name, "pvclock") == 0) {
		ret = map_vvar(VVAR_PVCLOCK, "kvmclock", &map);
	} else if (strcmp(name, "hyperv") == 0) {
		ret = map_vvar(VVAR_HYPERV, "Hyper-V", &map);
	} else if (strcmp(name, "vmclock") == 0) {
		ret = map_vmclock(&map);
	} else {
		TEXT(map.why, sizeof(map.why), name,
		     ": no such page on Linux; name a device");
		ret = -ENODEV;
	}
	if (ret)
		memcpy(ret_map->why, map.why, sizeof(map.why));
	else
		*ret_map = map;
	errno = saved;
	return ret;
}

static void linux_unmap_page(void *ctx, struct paraclock_mapping *map)
{
	int saved = errno;

	(void)ctx;
	if (map->fd >= 0)
		close(map->fd);
	if (map->cookie & IS_MAPPED)
		munmap((void *)(uintptr_t)map->addr, map->size);
	errno = saved;
}

static int linux_is_there(void *ctx, const struct paraclock_mapping *map)
{
	int saved = errno;
	struct stat st;
	bool gone = map->fd >= 0 && map->cookie & HAD_NAME &&
		    (fstat(map->fd, &st) || !st.st_nlink);

	(void)ctx;
	errno = saved;
	return gone ? -ENODEV : 0;
}

static int64_t linux_pread(void *ctx, int fd, void *buf, size_t n,
			   uint64_t offset)
{
	int saved = errno;
	ssize_t got;

	(void)ctx;
	/* Not pread(), which is a cancellation point: a thread that is
	 * cancelled while it takes in a change would leave that to nobody. */
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
	/* A kernel that does not know the question forbids nothing. */
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

/* A thread that has deadlines is not moved: it might wait on that CPU for
 * whatever runs there. Unknown is not moved either. */
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
	/* 8192 CPUs, Linux's own limit on x86. */
	unsigned long was[128], there[128] = { 0 };
	const unsigned int bits = 8 * sizeof(there[0]);
	long size;

	if (!may_be_moved())
		return -EAGAIN;
	size = syscall(SYS_sched_getaffinity, 0, sizeof(was), was);
	if (size <= 0 || cpu / bits >= (size_t)size / sizeof(there[0]))
		return -EAGAIN;
	there[cpu / bits] = 1UL << cpu % bits;
	/* Returns on that CPU. */
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

/* What this process knows of its kernel's clocks: one kernel, so one memory,
 * however many envs are copied from this one. */
static struct paraclock_system_clocks local;

const struct paraclock_env pclk_env_linux = {
	.size = sizeof(struct paraclock_env),
	.counter_id = COUNTER_NATIVE,
	.check_counter = linux_check_counter,
	.cpuid = linux_cpuid,
	.map_page = linux_map_page,
	.unmap_page = linux_unmap_page,
	.pread = linux_pread,
	.find_device = linux_find_device,
	.describe = linux_describe,
	.read_clock = linux_read_clock,
	.run_on_cpu = linux_run_on_cpu,
	.process_id = pclk_linux_process_id,
	.alloc = linux_alloc,
	.free = linux_free,
	.system_clocks = &local,
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
	.is_there = linux_is_there,
	.device_number = pclk_linux_device_number,
	.next_number = pclk_linux_next_number,
};
