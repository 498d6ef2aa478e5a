// SPDX-License-Identifier: MIT
/*
 * The kernel's word that this machine was restored or cloned, and descriptors
 * that are polled as one.
 *
 * Source: Linux drivers/virt/vmgenid.c, a change uevent with NEW_VMGENID=1.
 * Only Linux 6.8 sends it: commit 3aadf100f93d took it back for 6.9, and in
 * 6.8.y. On others a vmclock's generation tells of a restore, and nothing here
 * does.
 */

#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device.h"

/* Group 1 is the kernel's own, 2 is udev's. */
#define UEVENT_GROUP 1

/* A uevent is an action, a path and at most 2 KiB of variables. What is longer
 * is cut, and what is cut is not looked for. */
#define UEVENT_MAX 4096

/*
 * Messages taken in one call: all, since a socket that once was full says so
 * once, and then takes nothing more until it is empty. By default it holds
 * about 250.
 */
#define MESSAGES_MAX 16384

/* What is told: it was restored; it may have been, and that was lost. */
#define RESTORED 1
#define LOST	 2

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

/*
 * System calls by their numbers: two of libc's wrappers are cancellation
 * points, see device.c, and each would be an import that is used once.
 */

bool pclk_uevent_is_generation(const char *message, size_t size)
{
	static const char wanted[] = "NEW_VMGENID=1";
	const char *text = message, *end = message + size;

	while (text < end) {
		/* Strings, each with its NUL; the last may lack it. */
		const char *nul = memchr(text, '\0', (size_t)(end - text));

		if (!nul)
			return false;
		if (nul - text == sizeof(wanted) - 1 &&
		    memcmp(text, wanted, sizeof(wanted)) == 0)
			return true;
		text = nul + 1;
	}
	return false;
}

/* Most uevents announce devices, and hundreds at a time: without a filter the
 * one that counts may not find room. */
static void keep_changes_only(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		/* "change@", which network byte order makes 'chan'. */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x6368616e, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UEVENT_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog filter = {
		.len = ARRAY_LEN(code),
		.filter = code,
	};

	/* Works without, too. */
	(void)syscall(SYS_setsockopt, fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter,
		      sizeof(filter));
}

static int open_uevents(int *ret_fd)
{
	const struct sockaddr_nl address = {
		.nl_family = AF_NETLINK,
		.nl_groups = UEVENT_GROUP,
	};
	int fd = (int)syscall(SYS_socket, AF_NETLINK,
			      SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			      NETLINK_KOBJECT_UEVENT);
	int ret;

	if (fd >= 0) {
		keep_changes_only(fd);
		if (!syscall(SYS_bind, fd, &address, sizeof(address))) {
			*ret_fd = fd;
			return 0;
		}
	}
	ret = pclk_error_of_open(errno);
	if (fd >= 0)
		close(fd);
	return ret;
}

/* RESTORED or LOST; 0: it says neither; -EAGAIN: there was none. */
static int take_message(int fd)
{
	struct sockaddr_nl from = { 0 };
	socklen_t length = sizeof(from);
	char message[UEVENT_MAX];
	ssize_t got = syscall(SYS_recvfrom, fd, message, sizeof(message), 0,
			      &from, &length);

	if (got < 0) {
		if (errno == EINTR)
			return 0;
		return errno == ENOBUFS ? LOST : -EAGAIN;
	}
	/* Root's other processes may send to the group; the kernel is 0. */
	if (length < sizeof(from) || from.nl_pid != 0)
		return 0;
	return pclk_uevent_is_generation(message, (size_t)got);
}

int pclk_linux_watch_generation(void *ctx, int *fd)
{
	int saved = errno;
	int ret = 0, one = 0;

	(void)ctx;
	if (*fd < 0) {
		ret = open_uevents(fd);
	} else {
		for (int i = 0; i < MESSAGES_MAX && one >= 0; i++) {
			ret |= one;
			one = take_message(*fd);
		}
		/* Of what is full still, it is not known. */
		if (one >= 0)
			ret |= one | LOST;
	}
	errno = saved;
	return ret;
}

static int add_to_group(int *group, int fd)
{
	/* By edges: a device that is for ever readable, or hung up as a
	 * vmclock without notification, wakes once and not for ever. */
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int new = *group;

	if (new < 0)
		new = (int)syscall(SYS_epoll_create1, EPOLL_CLOEXEC);
	if (new < 0)
		return -ENOMEM;
	if (syscall(SYS_epoll_ctl, new, EPOLL_CTL_ADD, fd, &event)) {
		/* EPERM: a file that cannot be polled is always ready. */
		int ret = errno == EPERM ? -EOPNOTSUPP : -ENOMEM;

		if (*group < 0)
			close(new);
		return ret;
	}
	*group = new;
	return 0;
}

int pclk_linux_poll_group(void *ctx, int *group, int fd)
{
	struct epoll_event seen[16];
	int saved = errno;
	int ret = 0;

	(void)ctx;
	if (fd >= 0)
		ret = add_to_group(group, fd);
	else
		(void)syscall(SYS_epoll_pwait, *group, seen, ARRAY_LEN(seen), 0,
			      NULL, 0);
	errno = saved;
	return ret;
}
