// SPDX-License-Identifier: MIT
/*
 * /dev/mem, to look at the page of a device that has no driver.
 *
 * The page is mapped for one look and no longer: if a driver claims it, the
 * kernel takes the mapping away, and a load from it would raise SIGBUS. So
 * nothing loads from it either: see docs/decisions/0006 and 0026.
 *
 * Source: Linux drivers/char/mem.c, arch/x86/mm/init.c devmem_is_allowed().
 */

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "base/text.h"
#include "device.h"
#include "iomem.h"
#include "memory.h"

#define IOMEM	  "/proc/iomem"
#define DEV_MEM	  "/dev/mem"
#define MEM_MAJOR 1
#define MEM_MINOR 1

#define PAGE_BYTES 4096U

/* Of the largest machines it has some thousands of lines. */
#define IOMEM_MAX (1U << 20)

/* The device's ACPI _HID. */
#define HID "AMZNC10C"

/* --- a copy ----------------------------------------------------------------- */

/* Here and below, system calls by number: libc's wrappers are cancellation
 * points, see device.c. */
int pclk_copy_by_pipe(const void *from, void *to, size_t n)
{
	int pipe_fd[2];
	ssize_t got;
	int ret = 0;

	if (pipe2(pipe_fd, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	got = syscall(SYS_write, pipe_fd[1], from, n);
	if (got == (ssize_t)n)
		got = syscall(SYS_read, pipe_fd[0], to, n);
	if (got < 0)
		ret = -errno;
	else if (got != (ssize_t)n)
		ret = -EFAULT;
	(void)syscall(SYS_close, pipe_fd[0]);
	(void)syscall(SYS_close, pipe_fd[1]);
	return ret;
}

int pclk_copy_by_mapping(int fd, uint64_t offset, void *to, size_t n)
{
	size_t skip = offset % PAGE_BYTES;
	char *page = mmap(NULL, skip + n, PROT_READ, MAP_SHARED, fd,
			  (off_t)(offset - skip));
	int ret;

	if (page == MAP_FAILED)
		return -errno;
	ret = pclk_copy_by_pipe(page + skip, to, n);
	munmap(page, skip + n);
	return ret;
}

int64_t pclk_linux_read_memory(void *ctx, const struct paraclock_mapping *map,
			       void *buf, size_t n, uint64_t offset)
{
	int saved = errno;
	int ret;

	(void)ctx;
	if (offset >= map->size)
		return 0;
	if (n > map->size - offset)
		n = (size_t)(map->size - offset);
	ret = pclk_copy_by_mapping(map->fd, map->phys + offset, buf, n);
	errno = saved;
	switch (ret) {
	case 0:
		return (int64_t)n;
	case -EAGAIN: /* no memory may be locked (mlockall) */
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		return -ENOMEM;
	default:
		return -ENODEV;
	}
}

/* --- finding it --------------------------------------------------------------- */

#if defined(__x86_64__)

static const char *hexadecimal(uint64_t value, char buf[24])
{
	char *at = buf + 23;

	*at = '\0';
	do {
		*--at = "0123456789abcdef"[value % 16];
		value /= 16;
	} while (value);
	*--at = 'x';
	*--at = '0';
	return at;
}

static int find_page(struct paraclock_mapping *map, struct iomem_found *found)
{
	struct iomem_parser parser = { .name = HID };
	char chunk[PAGE_BYTES];
	ssize_t got = 0;
	int fd = open(IOMEM, O_RDONLY | O_CLOEXEC);

	for (size_t size = 0; fd >= 0 && size < IOMEM_MAX;
	     size += (size_t)got) {
		got = read(fd, chunk, sizeof(chunk));
		if (got <= 0)
			break;
		pclk_iomem_parse(&parser, chunk, (size_t)got);
	}
	if (fd < 0 || got < 0)
		TEXT(map->why, sizeof(map->why),
		     IOMEM
		     ": it cannot be read, so the vmclock's page cannot be "
		     "found; mount /proc, and run this as root");
	if (fd >= 0)
		close(fd);
	*found = parser.found;
	return fd < 0 || got < 0 ? -ENXIO : 0;
}

static int judge(struct paraclock_mapping *map, const struct iomem_found *found)
{
	if (!found->is_named)
		TEXT(map->why, sizeof(map->why),
		     IOMEM " lists no " HID ": this machine has no vmclock; "
			   "ask the host for one (QEMU 10: -device vmclock)");
	else if (!found->size && found->is_hidden)
		TEXT(map->why, sizeof(map->why),
		     IOMEM " hides where " HID
			   " is from this process; run this "
			   "as root (with CAP_SYS_ADMIN)");
	else if (!found->size || found->start % IOMEM_ALIGN)
		TEXT(map->why, sizeof(map->why),
		     IOMEM " gives " HID " a range that is empty or does not "
			   "begin at a word; report it as a bug of the host");
	else
		return 0;
	return found->is_named ? -ENXIO : -ENODEV;
}

static const char *why_not_opened(int error)
{
	switch (error) {
	case -ENOENT:
	case -ENXIO:
	case -ENODEV:
		return ": no such device; use a kernel that has it "
		       "(CONFIG_DEVMEM) or one with ptp_vmclock (Linux 6.13), "
		       "and give it to the container, if this is one";
	case -EACCES:
		return ": permission denied; run this as root";
	case -EPERM:
		return ": refused, also to root: by the kernel's lockdown "
		       "(Secure Boot), for want of CAP_SYS_RAWIO, or by a "
		       "container's device policy; load ptp_vmclock (Linux "
		       "6.13)";
	case -EMFILE:
	case -ENFILE:
	case -ENOMEM:
		return ": no memory or no file descriptor is left";
	default:
		return ": it cannot be opened; see the kernel's log";
	}
}

static int open_memory(struct paraclock_mapping *map)
{
	struct stat st;
	int fd = open(DEV_MEM, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	int error = 0;

	if (fd < 0) {
		error = pclk_reason_of_open(DEV_MEM, errno);
	} else if (fstat(fd, &st) || !S_ISCHR(st.st_mode) ||
		   st.st_rdev != makedev(MEM_MAJOR, MEM_MINOR)) {
		close(fd);
		error = -ENODEV;
	}
	if (!error) {
		map->fd = fd;
		return 0;
	}
	TEXT(map->why, sizeof(map->why), DEV_MEM, why_not_opened(error));
	error = pclk_error_of_open(-error);
	return error == -ENODEV ? -ENXIO : error;
}

/* The first look. Most refusals come here, and not from open(2). */
static int try_memory(struct paraclock_mapping *map)
{
	char first[IOMEM_ALIGN], address[24];
	int error;

	if (map->size < sizeof(first))
		return 0;
	error = pclk_copy_by_mapping(map->fd, map->phys, first, sizeof(first));
	if (!error)
		return 0;
	TEXT(map->why, sizeof(map->why), DEV_MEM, " does not show ",
	     hexadecimal(map->phys, address),
	     error == -EPERM ? ": a driver has claimed the page, or the kernel "
			       "counts it as memory (CONFIG_STRICT_DEVMEM); "
			       "see " IOMEM
			     : ": the page there cannot be read");
	close(map->fd);
	return error == -EPERM ? -EACCES : -ENXIO;
}

int pclk_linux_map_memory(struct paraclock_mapping *ret_map)
{
	struct iomem_found found;
	int ret = find_page(ret_map, &found);

	if (!ret)
		ret = judge(ret_map, &found);
	if (!ret)
		ret = open_memory(ret_map);
	if (ret)
		return ret;
	ret_map->addr = NULL;
	ret_map->phys = found.start;
	ret_map->size =
		found.size < PAGE_BYTES ? (size_t)found.size : PAGE_BYTES;
	return try_memory(ret_map);
}

#else

int pclk_linux_map_memory(struct paraclock_mapping *ret_map)
{
	TEXT(ret_map->why, sizeof(ret_map->why),
	     "the vmclock's page is looked at in physical memory on x86 only: "
	     "elsewhere the kernel maps it past the cache that the host writes "
	     "to; load ptp_vmclock (Linux 6.13)");
	return -ENXIO;
}

#endif
