// SPDX-License-Identifier: MIT
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/vfs.h>
#include <time.h>
#include <unistd.h>

#include <linux/magic.h>

#include <paraclock/crosststamp.h>

#include "device.h"

#define CLOCKSOURCE \
	"/sys/devices/system/clocksource/clocksource0/current_clocksource"

/* How often a watch wakes its owner to look at the clocksource, for whose
 * change the kernel has no event. */
#define WATCH_SEC 1

int pclk_error_of_open(int error)
{
	switch (error) {
	case EACCES:
	case EPERM:
		return -EACCES;
	case ENOMEM:
	case EMFILE:
	case ENFILE:
		return -ENOMEM;
	default:
		return -ENODEV;
	}
}

/*
 * System calls by number, because libc's wrappers are cancellation points: a
 * thread that is cancelled while it commits a change would leave it half done.
 */
static int open_file(const char *path, int flags)
{
	return (int)syscall(SYS_openat, AT_FDCWD, path,
			    flags | O_CLOEXEC | O_NONBLOCK | O_NOCTTY, 0);
}

static ssize_t read_fd(int fd, void *buf, size_t size)
{
	ssize_t got;

	do
		got = syscall(SYS_read, fd, buf, size);
	while (got < 0 && errno == EINTR);
	return got;
}

/* A container may have a file of its own mounted over one of the kernel's:
 * systemd-nspawn's boot id, for instance, is not that of the kernel. */
static bool is_mounted_over(int fd, const char *path)
{
	struct statfs fs;

	return !strncmp(path, "/proc/sys/", 10) &&
	       (fstatfs(fd, &fs) || fs.f_type != PROC_SUPER_MAGIC);
}

int pclk_linux_read_text(void *ctx, const char *path, char *buf, size_t size)
{
	int saved = errno;
	int ret, fd;
	ssize_t got;

	(void)ctx;
	if (!strncmp(path, "/dev/", 5) ||
	    !strncmp(path, "/proc/self/ns/", 14)) {
		/* Reading a device may block, or have any other effect. */
		got = readlink(path, buf, size - 1);
		ret = got < 0 ? -ENODEV : (int)got;
	} else if ((fd = open_file(path, O_RDONLY)) < 0) {
		ret = pclk_error_of_open(errno);
	} else {
		/* One read: sysfs returns a whole attribute at once. */
		got = is_mounted_over(fd, path) ? -1
						: read_fd(fd, buf, size - 1);
		ret = got < 0 ? -ENODEV : (int)got;
		(void)syscall(SYS_close, fd);
	}
	if (ret > 0 && buf[ret - 1] == '\n')
		ret--;
	if (ret >= 0)
		buf[ret] = '\0';
	errno = saved;
	return ret;
}

uint8_t pclk_clocksource_kind(const char *name)
{
	static const struct {
		const char *name;
		uint8_t kind;
	} known[] = {
		/* Linux names, each clocksource's .name. No other clocksource
		 * is a function of the counter. */
		{ "tsc", PARACLOCK_CLOCKSOURCE_COUNTER },
		{ "tsc-early", PARACLOCK_CLOCKSOURCE_COUNTER },
		{ "arch_sys_counter", PARACLOCK_CLOCKSOURCE_COUNTER },
		{ "kvm-clock", PARACLOCK_CLOCKSOURCE_IMAGE },
		/* A pvclock page as kvm-clock's, arch/x86/xen/time.c. */
		{ "xen", PARACLOCK_CLOCKSOURCE_IMAGE },
		{ "hyperv_clocksource_tsc_page", PARACLOCK_CLOCKSOURCE_IMAGE },
	};

	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		if (strcmp(known[i].name, name) == 0)
			return known[i].kind;
	}
	return PARACLOCK_CLOCKSOURCE_OTHER;
}

int pclk_linux_clocksource(void *ctx, char ret_name[32], uint8_t *ret_kind)
{
	char name[32];
	int ret = pclk_linux_read_text(ctx, CLOCKSOURCE, name, sizeof(name));

	if (ret < 0)
		return ret;
	*ret_kind = pclk_clocksource_kind(name);
	memset(ret_name, 0, sizeof(name));
	memcpy(ret_name, name, (size_t)ret);
	return 0;
}

int pclk_reason_of_open(const char *path, int error)
{
	/* If the mode lets this process in, something else forbids it, which
	 * stops root, too. */
	if (error == EACCES &&
	    (!geteuid() || !faccessat(AT_FDCWD, path, R_OK, AT_EACCESS)))
		return -EPERM;
	return -error;
}

int pclk_linux_open_device(void *ctx, const char *path, int *ret_fd)
{
	int saved = errno;
	int ret = 0;
	int fd;

	(void)ctx;
	fd = open_file(path, O_RDWR);
	if (fd < 0 && (errno == EACCES || errno == EPERM || errno == EROFS))
		fd = open_file(path, O_RDONLY);
	if (fd < 0)
		ret = pclk_reason_of_open(path, errno);
	else
		*ret_fd = fd;
	errno = saved;
	return ret;
}

int pclk_linux_device_number(void *ctx, int fd, uint32_t *ret_major,
			     uint32_t *ret_minor)
{
	int saved = errno;
	int ret = -ENODEV;
	struct stat st;

	(void)ctx;
	if (!fstat(fd, &st) && S_ISCHR(st.st_mode)) {
		*ret_major = major(st.st_rdev);
		*ret_minor = minor(st.st_rdev);
		ret = 0;
	}
	errno = saved;
	return ret;
}

/* The number that follows the prefix in an entry's name; -1: not a number. */
static int64_t number_of(const char *name, const char *prefix)
{
	size_t length = strlen(prefix);
	int64_t value = 0;

	if (strncmp(name, prefix, length) != 0)
		return -1;
	name += length;
	if (!*name || (*name == '0' && name[1]))
		return -1;
	for (; *name; name++) {
		if (*name < '0' || *name > '9' || value > UINT32_MAX)
			return -1;
		value = value * 10 + (*name - '0');
	}
	return value;
}

int pclk_linux_next_number(void *ctx, const char *prefix, uint32_t from,
			   uint32_t *ret_number)
{
	const char *name = strrchr(prefix, '/');
	int64_t best = (int64_t)UINT32_MAX + 1;
	int saved = errno;
	char folder[64];
	const struct dirent *entry;
	DIR *dir = NULL;

	(void)ctx;
	if (name && (size_t)(name - prefix) < sizeof(folder)) {
		memcpy(folder, prefix, (size_t)(name - prefix));
		folder[name - prefix] = '\0';
		dir = opendir(folder);
	}
	while (dir && (entry = readdir(dir))) {
		int64_t number = number_of(entry->d_name, name + 1);

		if (number >= from && number < best)
			best = number;
	}
	if (dir)
		closedir(dir);
	errno = saved;
	if (best > UINT32_MAX)
		return -ENODEV;
	*ret_number = (uint32_t)best;
	return 0;
}

/* Linux takes 32 bits, which musl declares as an int. */
#ifdef __GLIBC__
typedef unsigned long ioctl_request;
#else
typedef int ioctl_request;
#endif

int pclk_linux_ioctl(void *ctx, int fd, unsigned long request, void *arg)
{
	int saved = errno;
	int ret = ioctl(fd, (ioctl_request)request, arg);

	(void)ctx;
	if (ret < 0)
		ret = -errno;
	errno = saved;
	return ret;
}

void pclk_linux_close_device(void *ctx, int fd)
{
	int saved = errno;

	(void)ctx;
	close(fd);
	errno = saved;
}

/* -ECANCELED: armed, and the clock was set since the last expiry was read. */
static int arm(int fd)
{
	struct itimerspec when = { .it_interval.tv_sec = WATCH_SEC };

	if (clock_gettime(CLOCK_REALTIME, &when.it_value))
		return -errno;
	when.it_value.tv_sec += WATCH_SEC;
	if (timerfd_settime(fd, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET,
			    &when, NULL))
		return -errno;
	return 0;
}

static int start_watch(int *fd)
{
	int new = timerfd_create(CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
	int ret;

	if (new < 0)
		return errno == EMFILE || errno == ENFILE || errno == ENOMEM
			       ? -ENOMEM
			       : -EOPNOTSUPP;
	ret = arm(new);
	/* The watch does not report a set from before it began. */
	if (ret == -ECANCELED)
		ret = 0;
	if (ret)
		close(new);
	else
		*fd = new;
	return ret ? -EOPNOTSUPP : 0;
}

int pclk_linux_watch_clock(void *ctx, int *fd)
{
	int saved = errno;
	uint64_t expired;
	int ret = 0;

	(void)ctx;
	if (*fd < 0) {
		ret = start_watch(fd);
	} else if (read_fd(*fd, &expired, sizeof(expired)) < 0 &&
		   errno == ECANCELED) {
		/* Arm it again at once: on a clock that was set back, the next
		 * expiry may be years ahead. A set in between counts as this
		 * one. */
		(void)arm(*fd);
		ret = 1;
	}
	errno = saved;
	return ret;
}
