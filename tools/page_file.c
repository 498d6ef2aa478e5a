// SPDX-License-Identifier: MIT
/* A page of a simulated VM in a file that other programs read. */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "page_file.h"

#define VMCLOCK_MAGIC 0x4b4c4356U

/* Which 32-bit word of the page is its sequence. */
static const uint8_t sequence_at[] = {
	[PARACLOCK_SIM_PVCLOCK] = 0,
	[PARACLOCK_SIM_HYPERV] = 0,
	[PARACLOCK_SIM_VMCLOCK] = 3,
};

static int complain(const char *path, const char *what)
{
	warnx("%s: %s", path, what);
	return -EIO;
}

/* --- one page ------------------------------------------------------------- */

/*
 * The kernel writes, not a store to a mapping: somebody may truncate the file,
 * and a store past its end would be a SIGBUS. Each call is ordered after the
 * one before. Readers may see the write byte by byte: a torn sequence or marker
 * differs from the old one, so that they only see the change earlier.
 */
static int put(const struct page_file *p, size_t offset, size_t n)
{
	const char *from = (const char *)p->shown + offset;
	ssize_t wrote;

	if (!p->map) {
		wrote = pwrite(p->fd, from, n, (off_t)(p->at + offset));
	} else {
		/* A pipe holds a page; a bad address is EFAULT, not a
		 * signal. */
		wrote = write(p->pipe[1], from, n);
		if (wrote == (ssize_t)n)
			wrote = read(p->pipe[0],
				     (char *)p->map + p->map_size - p->size +
					     offset,
				     n);
	}
	if (wrote < 0)
		return -errno;
	return wrote == (ssize_t)n ? 0 : -ENOSPC;
}

int page_file_hide(const struct page_file *p)
{
	unsigned int seq = sequence_at[p->kind];
	uint32_t *shown = (uint32_t *)p->shown + seq;

	*shown = p->kind == PARACLOCK_SIM_HYPERV ? 0 : *shown | 1;
	return put(p, seq * sizeof(*shown), sizeof(*shown));
}

/* All of it, whatever was there; the sequence comes last. */
static int put_page(struct page_file *p)
{
	const size_t size = sizeof(uint32_t);
	size_t at = sequence_at[p->kind] * size;
	int ret = page_file_hide(p);

	if (ret)
		return ret;
	memcpy(p->shown, p->page, p->size);
	if (at)
		ret = put(p, 0, at);
	if (!ret)
		ret = put(p, at + size, p->size - at - size);
	return ret ? ret : put(p, at, size);
}

/* Did somebody truncate the file? A file that is not ours is not extended. */
static int mend(struct page_file *p)
{
	struct stat stat;

	if (fstat(p->fd, &stat))
		return complain(p->path, strerror(errno));
	if ((uint64_t)stat.st_size >= p->at + p->size)
		return 0;
	if (!p->own)
		return complain(p->path, "was truncated by another process; "
					 "restore its size");
	if (!p->mended)
		warnx("%s: was truncated by another process; written again",
		      p->path);
	p->mended = true;
	return 1;
}

int page_file_show(struct page_file *p)
{
	int ret = mend(p);

	if (ret < 0 || (!ret && !memcmp(p->page, p->shown, p->size)))
		return ret;
	ret = put_page(p);
	return ret ? complain(p->path, strerror(-ret)) : 0;
}

/* A file of huge pages refuses write(2), and is mapped from a huge page on. */
static int map_page(struct page_file *p, uint64_t align)
{
	uint64_t skip = p->at % align;

	p->map_size = p->size + skip;
	p->map = mmap(NULL, p->map_size, PROT_READ | PROT_WRITE, MAP_SHARED,
		      p->fd, (off_t)(p->at - skip));
	if (p->map == MAP_FAILED) {
		p->map = NULL;
		return complain(p->path, strerror(errno));
	}
	if (pipe2(p->pipe, O_CLOEXEC))
		return complain(p->path, strerror(errno));
	return 0;
}

/* --- files ---------------------------------------------------------------- */

static int open_regular(const char *path, int flags, struct stat *ret_stat)
{
	int fd = open(path, flags | O_RDWR | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0)
		return complain(path, strerror(errno));
	if (fstat(fd, ret_stat) || !S_ISREG(ret_stat->st_mode)) {
		close(fd);
		return complain(path, "not a regular file");
	}
	return fd;
}

/* Lock the file for this process alone, and allocate its blocks: on a full disk
 * a write into a hole would fail in the middle of an update. */
static int claim(struct page_file *p)
{
	ssize_t got;
	int error;

	if (flock(p->fd, LOCK_EX | LOCK_NB))
		return complain(p->path,
				"another process publishes there; stop it");
	do
		error = posix_fallocate(p->fd, (off_t)p->at, (off_t)p->size);
	while (error == EINTR);
	if (error)
		return complain(p->path, strerror(error));
	got = pread(p->fd, p->shown, p->size, (off_t)p->at);
	return got == (ssize_t)p->size
		       ? 0
		       : complain(p->path,
				  got < 0 ? strerror(errno) : "cannot be read");
}

static int open_own(struct page_file *p)
{
	struct stat stat;

	p->own = true;
	p->fd = open_regular(p->path, O_CREAT, &stat);
	if (p->fd < 0)
		return p->fd;
	if (stat.st_size && (size_t)stat.st_size != p->size)
		return complain(p->path, "exists and is not a page; choose "
					 "another directory, or remove it");
	return claim(p);
}

static bool is_free(const struct page_file *p)
{
	const unsigned char *byte = p->shown;
	const uint32_t *magic = p->shown;

	if (*magic == VMCLOCK_MAGIC)
		return true;
	for (size_t i = 0; i < p->size; i++) {
		if (byte[i])
			return false;
	}
	return true;
}

/* Into a file of somebody else, whose size stays. */
static int open_into(struct page_file *p)
{
	struct statfs fs;
	struct stat stat;
	uint64_t size;
	int ret;

	p->fd = open_regular(p->path, 0, &stat);
	if (p->fd < 0)
		return p->fd;
	size = (uint64_t)stat.st_size;
	if (size < p->size || p->at > size - p->size)
		return complain(p->path, "--at is beyond its end");
	ret = claim(p);
	if (!ret && !fstatfs(p->fd, &fs) && fs.f_type == HUGETLBFS_MAGIC)
		ret = map_page(p, (uint64_t)fs.f_bsize);
	if (ret)
		return ret;
	return is_free(p) ? 0
			  : complain(p->path, "there is something else at "
					      "--at; zero it first");
}

static bool has_memory(struct page_file *p)
{
	p->shown = malloc(p->size);
	if (!p->path || !p->shown)
		warnx("out of memory");
	return p->path && p->shown;
}

void page_file_close(const struct page_file *p)
{
	if (p->map)
		munmap(p->map, p->map_size);
	for (unsigned int i = 0; i < 2; i++) {
		if (p->pipe[i] >= 0)
			close(p->pipe[i]);
	}
	if (p->fd >= 0)
		close(p->fd);
	free(p->shown);
	free(p->path);
}

int page_file_open(struct page_file *p, const char *dir, const char *name)
{
	p->at = 0;
	if (asprintf(&p->path, "%s/%s", dir, name) < 0)
		p->path = NULL;
	return has_memory(p) ? open_own(p) : -EIO;
}

int page_file_open_into(struct page_file *p, const char *path, uint64_t at)
{
	p->at = at;
	p->path = strdup(path);
	return has_memory(p) ? open_into(p) : -EIO;
}
