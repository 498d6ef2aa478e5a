// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
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

/* --- one writer ----------------------------------------------------------- */

/* The number in the file is for the sentence only. */
static int holder_of(int fd)
{
	char text[16] = "";

	if (pread(fd, text, sizeof(text) - 1, 0) <= 0)
		return 0;
	return (int)strtol(text, NULL, 10);
}

static int write_holder(int fd)
{
	char text[16];
	int length = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	ssize_t put;

	if (ftruncate(fd, 0))
		return -errno;
	put = pwrite(fd, text, (size_t)length, 0);
	if (put < 0)
		return -errno;
	return put == length ? 0 : -ENOSPC;
}

static int not_held(const struct serve_lock *lock, char *why, size_t size)
{
	int error = errno;

	snprintf(why, size,
		 "%s: process %d holds %s already; stop it, or name another %s",
		 lock->held, holder_of(lock->fd), lock->what, lock->option);
	return error == EWOULDBLOCK ? -EBUSY : -error;
}

int serve_lock(struct serve_lock *lock, const char *path, char *why,
	       size_t size)
{
	int ret;

	lock->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock->fd < 0) {
		ret = -errno;
		snprintf(why, size,
			 "%s: %s; serve must be able to make and to write this "
			 "file: see to its folder, remove it, or name another "
			 "%s",
			 path, strerror(-ret), lock->option);
		return ret;
	}
	if (flock(lock->fd, LOCK_EX | LOCK_NB)) {
		ret = not_held(lock, why, size);
	} else {
		ret = write_holder(lock->fd);
		if (ret)
			snprintf(why, size, "%s: %s", path, strerror(-ret));
	}
	if (ret)
		serve_unlock(lock);
	return ret;
}

void serve_unlock(struct serve_lock *lock)
{
	if (lock->fd >= 0)
		close(lock->fd);
	lock->fd = -1;
}
