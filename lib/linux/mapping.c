// SPDX-License-Identifier: MIT
/* Pages of clocks, mapped: from a device, from a file, or shown by the
 * kernel. */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <linux/magic.h>

#include "base/env_call.h"
#include "base/text.h"
#include "device.h"
#include "mapping.h"
#include "memory.h"
#include "page/page.h"
#include "vvar.h"

#define DEVICE_PAGE	4096U
#define VMCLOCK		"/dev/vmclock"
#define VMCLOCK_DEVICES 64

/* In mapping.cookie: we mapped it (the kernel mapped its own pages, and they
 * stay); the file had a name when it was opened (a memfd never has one); it is
 * the page that `paraclock serve` keeps. */
#define IS_MAPPED 1U
#define HAD_NAME  2U
#define IS_SERVED 4U

/* -ENODEV: nothing has that name. -ENXIO: something has, but cannot be used. */
static int fail(struct paraclock_mapping *map, const char *path, int error)
{
	int reason = pclk_reason_of_open(path, error);
	int ret = pclk_open_error(reason);

	TEXT(map->why, sizeof(map->why), path, pclk_open_why(reason),
	     ret != -EACCES	       ? ""
	     : map->cookie & IS_SERVED ? "; see paraclock-served(7)"
				       : "; see paraclock-vmclock(7)");
	return ret == -ENODEV && error != ENOENT ? -ENXIO : ret;
}

static int map_device(int fd, const char *path,
		      struct paraclock_mapping *ret_map)
{
	void *page = mmap(NULL, DEVICE_PAGE, PROT_READ, MAP_SHARED, fd, 0);

	if (page == MAP_FAILED && errno != ENODEV && errno != EINVAL)
		return fail(ret_map, path, errno);
	/* Most devices cannot be mapped, and some can but then fault. */
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
	/* Kept open, for the device may notify. */
	ret_map->fd = fd;
	return 0;
}

/*
 * `paraclock serve` never truncates its page, and nobody else may: the file is
 * root's or this process's own, and nobody else may write it. (An ACL shows in
 * the group's bits.) On tmpfs, so that no disk can fail under a load. The rule
 * is for this page alone: whoever publishes others has promised nothing.
 */
static bool is_kept_by_owner(int fd, const struct stat *st)
{
	struct statfs fs;

	return (st->st_uid == 0 || st->st_uid == geteuid()) &&
	       !(st->st_mode & (S_IWGRP | S_IWOTH)) && !fstatfs(fd, &fs) &&
	       fs.f_type == TMPFS_MAGIC;
}

/*
 * Does the file keep its size? It does if it is sealed, or if the caller
 * vouches for it. Of any other file owner and mode say nothing: root may
 * truncate it.
 */
static bool keeps_its_size(int fd, const struct stat *st,
			   const struct paraclock_mapping *map)
{
	int seals = fcntl(fd, F_GET_SEALS);

	return map->flags & PARACLOCK_DEVICE_FIXED_SIZE ||
	       (seals >= 0 && seals & F_SEAL_SHRINK) ||
	       (map->cookie & IS_SERVED && is_kept_by_owner(fd, st));
}

/*
 * Map a file that keeps its size. Any other file is read anew each time,
 * because a load past its end would be a SIGBUS in the caller's process; so are
 * a file that cannot be mapped and one that is still too short for a page.
 */
static void map_file(int fd, const struct stat *opened,
		     struct paraclock_mapping *ret_map)
{
	bool kept = keeps_its_size(fd, opened, ret_map);
	void *page = MAP_FAILED;
	size_t size = 0;
	struct stat st;

	ret_map->fd = fd;
	/* After the seal was seen: from then on the file does not shrink. */
	if (kept && !fstat(fd, &st))
		size = st.st_size < DEVICE_PAGE ? (size_t)st.st_size
						: DEVICE_PAGE;
	if (size >= PAGE_COPY_MAX)
		page = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		return;
	/* A caller that vouches may err: check that it is that long now. */
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
	/* O_NONBLOCK: opening a FIFO must not block. */
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
	ret_map->cookie |= st.st_nlink ? HAD_NAME : 0;
	if (S_ISREG(st.st_mode)) {
		ret_map->addr = NULL;
		ret_map->size = (size_t)st.st_size;
		map_file(fd, &st, ret_map);
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

/* Map the first device that can be mapped; otherwise report why the first one
 * that exists cannot. */
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

int pclk_linux_map_page(void *ctx, const char *name, const char *path,
			struct paraclock_mapping *ret_map)
{
	struct paraclock_mapping map = { .fd = -1, .flags = ret_map->flags };
	int saved = errno;
	int ret;

	(void)ctx;
	if (strcmp(name, "served") == 0) {
		map.cookie = IS_SERVED;
		path = path ? path : PARACLOCK_SERVED_PATH;
	}
	if (path) {
		ret = map_path(path, &map);
	} else if (map.flags & PARACLOCK_DEVICE_MEMORY &&
		   strcmp(name, "vmclock") == 0) {
		ret = pclk_linux_map_memory(&map);
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

void pclk_linux_unmap_page(void *ctx, struct paraclock_mapping *map)
{
	int saved = errno;

	(void)ctx;
	if (map->fd >= 0)
		close(map->fd);
	if (map->cookie & IS_MAPPED)
		munmap((void *)(uintptr_t)map->addr, map->size);
	errno = saved;
}

int pclk_linux_is_there(void *ctx, const struct paraclock_mapping *map)
{
	int saved = errno;
	struct stat st;
	bool gone = map->fd >= 0 && map->cookie & HAD_NAME &&
		    (fstat(map->fd, &st) || !st.st_nlink);

	(void)ctx;
	errno = saved;
	return gone ? -ENODEV : 0;
}
