// SPDX-License-Identifier: MIT
/* Files for people and scripts, replaced as a whole. */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "service.h"

/* In the same folder, because rename(2) is atomic only within a file system.
 * The process id keeps two writers apart. */
static int name_temporary(const char *path, char *name, size_t size)
{
	const char *slash = strrchr(path, '/');
	const int folder = slash ? (int)(slash - path) + 1 : 0;
	const int length = snprintf(name, size, "%.*s.%s.%ld", folder, path,
				    path + folder, (long)getpid());

	return length < 0 || (size_t)length >= size ? -ENAMETOOLONG : 0;
}

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left) {
		const ssize_t n = write(fd, text, left);

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0) {
			text += n;
			left -= (size_t)n;
		}
	}
	return 0;
}

/* The files lie on a tmpfs, which has nothing to sync. */
static int fill(int fd, const char *text)
{
	int ret = write_all(fd, text);

	/* Whatever the umask is. */
	if (!ret && fchmod(fd, 0644))
		ret = -errno;
	if (close(fd) && !ret)
		ret = -errno;
	return ret;
}

static int create(const char *name)
{
	const int fd =
		open(name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		     0600);

	return fd < 0 ? -errno : fd;
}

/* One that is there already stays as it is. */
static void make_folder(const char *path)
{
	int fd;

	if (mkdir(path, 0700))
		return;
	fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return;
	/* Whatever the umask is. */
	(void)fchmod(fd, 0755);
	close(fd);
}

void state_make_folders(const char *folder)
{
	char path[PATH_MAX];

	if (!folder[0])
		return;
	for (const char *c = folder + 1; (c = strchr(c, '/')); c++) {
		snprintf(path, sizeof(path), "%.*s", (int)(c - folder), folder);
		make_folder(path);
	}
	make_folder(folder);
}

int state_write(const char *path, const char *text)
{
	char name[PATH_MAX];
	int fd, ret;

	ret = name_temporary(path, name, sizeof(name));
	if (ret)
		return ret;
	fd = create(name);
	/* Left behind by a process that had this id. */
	if (fd == -EEXIST && unlink(name) == 0)
		fd = create(name);
	if (fd < 0)
		return fd;
	ret = fill(fd, text);
	if (!ret && rename(name, path))
		ret = -errno;
	if (ret)
		unlink(name);
	return ret;
}

bool state_may_replace(const char *option, const char *path)
{
	struct stat st;

	if (lstat(path, &st) || S_ISREG(st.st_mode))
		return true;
	service_log(LOG_LEVEL_ERROR,
		    "%s %s: this is no file, and only a file is replaced; name "
		    "another",
		    option, path);
	return false;
}
