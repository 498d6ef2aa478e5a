// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "serve_file.h"

/* Readers of any user. Not by umask(2), which may be narrower. */
#define MODE 0644

static int map(struct serve_file *file, int fd)
{
	struct stat st;
	void *memory;
	int ret;

	/* Without it a full file system shows as SIGBUS at the first store. */
	ret = posix_fallocate(fd, 0, (off_t)file->size);
	if (ret)
		return -ret;
	if (fchmod(fd, MODE) || fstat(fd, &st))
		return -errno;
	memory = mmap(NULL, file->size, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		      0);
	if (memory == MAP_FAILED)
		return -errno;
	file->memory = memory;
	file->device = st.st_dev;
	file->inode = st.st_ino;
	return 0;
}

/* Whoever else owns it, or can write it, may cut it short. */
static bool is_ours(int fd, size_t size)
{
	struct stat st;

	return !fstat(fd, &st) && S_ISREG(st.st_mode) &&
	       st.st_uid == geteuid() && st.st_nlink == 1 &&
	       !(st.st_mode & (S_IWGRP | S_IWOTH)) && st.st_size == (off_t)size;
}

int serve_file_map(struct serve_file *file)
{
	int fd = open(file->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	int ret;

	if (fd < 0)
		return -errno;
	ret = is_ours(fd, file->size) ? map(file, fd) : -EPERM;
	close(fd);
	file->temporary[0] = '\0';
	return ret;
}

int serve_file_make(struct serve_file *file)
{
	int length = snprintf(file->temporary, sizeof(file->temporary),
			      "%s.XXXXXX", file->path);
	int fd, ret;

	if (length < 0 || (size_t)length >= sizeof(file->temporary)) {
		file->temporary[0] = '\0';
		return -ENAMETOOLONG;
	}
	fd = mkostemp(file->temporary, O_CLOEXEC);
	if (fd < 0) {
		ret = -errno;
		file->temporary[0] = '\0';
		return ret;
	}
	ret = map(file, fd);
	close(fd);
	if (ret)
		serve_file_drop(file);
	return ret;
}

int serve_file_show(struct serve_file *file)
{
	if (!file->temporary[0])
		return 0;
	if (rename(file->temporary, file->path))
		return -errno;
	file->temporary[0] = '\0';
	return 0;
}

bool serve_file_is_shown(const struct serve_file *file)
{
	struct stat st;

	return file->memory && !lstat(file->path, &st) &&
	       st.st_dev == file->device && st.st_ino == file->inode;
}

void serve_file_drop(struct serve_file *file)
{
	if (file->memory)
		munmap(file->memory, file->size);
	file->memory = NULL;
	if (file->temporary[0])
		unlink(file->temporary);
	file->temporary[0] = '\0';
}
