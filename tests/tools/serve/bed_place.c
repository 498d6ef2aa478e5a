// SPDX-License-Identifier: MIT
/* A machine that has a vmclock device, as far as its processes see. */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bed.h"

static int lacks(const char *what)
{
	printf("skipped: %s: %s\n", what, strerror(errno));
	return 77;
}

static int write_text(const char *path, const char *text)
{
	const int fd = open(path, O_WRONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return -1;
	n = write(fd, text, strlen(text));
	close(fd);
	return n < 0 ? -1 : 0;
}

static int be_root(void)
{
	const uid_t uid = geteuid();
	const gid_t gid = getegid();
	char text[64];

	if (!uid)
		return unshare(CLONE_NEWNS);
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS))
		return -1;
	snprintf(text, sizeof(text), "0 %u 1", (unsigned int)uid);
	if (write_text("/proc/self/uid_map", text))
		return -1;
	(void)write_text("/proc/self/setgroups", "deny");
	snprintf(text, sizeof(text), "0 %u 1", (unsigned int)gid);
	return write_text("/proc/self/gid_map", text);
}

static int bind_node(const char *dir, const char *name)
{
	char from[300], to[300];
	int fd;

	snprintf(from, sizeof(from), "/dev/%s", name);
	snprintf(to, sizeof(to), "%s/%s", dir, name);
	fd = open(to, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	close(fd);
	return mount(from, to, NULL, MS_BIND, NULL);
}

int place_install(const char *dir, int fd)
{
	static const char *const nodes[] = { "null", "zero", "urandom",
					     "random" };
	char target[64], link[300];

	if (be_root() || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("none", dir, "tmpfs", 0, "mode=0755"))
		return lacks("no mount namespace of its own");
	for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]); i++)
		if (bind_node(dir, nodes[i]))
			return lacks("cannot show a device in another /dev");
	/* A file that cannot shrink, and has no other name. */
	snprintf(target, sizeof(target), "/proc/%d/fd/%d", (int)getpid(), fd);
	snprintf(link, sizeof(link), "%s/vmclock0", dir);
	if (symlink(target, link) || mount(dir, "/dev", NULL, MS_MOVE, NULL))
		return lacks("cannot have another /dev");
	if (mount("none", "/run", "tmpfs", 0, "mode=0755") ||
	    mkdir("/run/paraclock", 0755) ||
	    mkdir("/run/paraclock/serve", 0755))
		return lacks("cannot have another /run");
	return 0;
}
