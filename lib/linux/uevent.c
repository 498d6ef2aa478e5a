// SPDX-License-Identifier: MIT
/*
 * The kernel's messages that this machine was restored or cloned, and
 * descriptors that are polled as one.
 *
 * Source: Linux drivers/virt/vmgenid.c, a change uevent with NEW_VMGENID=1.
 * Only Linux 6.8 sends it: commit 3aadf100f93d reverted it in 6.9 and 6.8.y.
 * Every kernel since 5.18 writes to its log, see kernel_log.c.
 */

#include <errno.h>
#include <linux/filter.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "device.h"
#include "generation.h"

/* Group 1 is the kernel's own, 2 is udev's. */
#define UEVENT_GROUP 1

/* A uevent is an action, a path and at most 2 KiB of variables. A longer
 * message is cut, and nothing is looked for in the rest. */
#define UEVENT_MAX 4096

/*
 * The most messages read in one call. All are read, because a socket that was
 * full reports that once, and accepts no more until it is empty. By default it
 * holds about 250, and the kernel's log some thousands.
 */
#define MESSAGES_MAX 16384

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))

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

/* Most uevents announce devices, hundreds at a time: without a filter there may
 * be no room for the one that matters. */
static void keep_changes_only(int fd)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, 0),
		/* "change@": its first word in network byte order, 'chan'. */
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0x6368616e, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, UEVENT_MAX),
		BPF_STMT(BPF_RET | BPF_K, 0),
	};
	const struct sock_fprog filter = {
		.len = ARRAY_LEN(code),
		.filter = code,
	};

	/* If this fails, it works without a filter. */
	(void)setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter,
			 sizeof(filter));
}

int pclk_uevent_open(int *ret_fd)
{
	const struct sockaddr_nl address = {
		.nl_family = AF_NETLINK,
		.nl_groups = UEVENT_GROUP,
	};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK,
			NETLINK_KOBJECT_UEVENT);
	int ret;

	if (fd >= 0) {
		keep_changes_only(fd);
		if (!bind(fd, (const void *)&address, sizeof(address))) {
			*ret_fd = fd;
			return 0;
		}
	}
	ret = pclk_error_of_open(errno);
	if (fd >= 0)
		close(fd);
	return ret;
}

/* Here and below, a system call by number where libc's wrapper is a
 * cancellation point, see device.c. */
int pclk_uevent_read(int fd)
{
	struct sockaddr_nl from = { 0 };
	socklen_t length = sizeof(from);
	char message[UEVENT_MAX];
	ssize_t got = syscall(SYS_recvfrom, fd, message, sizeof(message), 0,
			      &from, &length);

	if (got < 0) {
		if (errno == EINTR)
			return 0;
		return errno == ENOBUFS ? GENERATION_LOST : -EAGAIN;
	}
	/* Other processes of root may send to the group; the kernel is 0. */
	if (length < sizeof(from) || from.nl_pid != 0)
		return 0;
	return pclk_uevent_is_generation(message, (size_t)got)
		       ? GENERATION_CHANGED
		       : 0;
}

/* The kernel that sends the uevent writes to its log just before. So where the
 * log may be read, it is enough, and a restore is not told twice. */
static int open_messages(int *ret_fd)
{
	return pclk_kernel_log_open(ret_fd) ? pclk_uevent_open(ret_fd) : 0;
}

static int read_messages(int fd)
{
	struct stat st;
	bool is_log = !fstat(fd, &st) && S_ISCHR(st.st_mode);
	int ret = 0, one = 0;

	for (int i = 0; i < MESSAGES_MAX && one >= 0; i++) {
		ret |= one;
		one = is_log ? pclk_kernel_log_read(fd) : pclk_uevent_read(fd);
	}
	/* More messages are waiting: they count as lost. */
	if (one >= 0)
		ret |= one | GENERATION_LOST;
	return ret;
}

int pclk_linux_watch_generation(void *ctx, int *fd)
{
	int saved = errno;
	int ret;

	(void)ctx;
	ret = *fd < 0 ? open_messages(fd) : read_messages(*fd);
	errno = saved;
	return ret;
}

static int add_to_group(int *group, int fd)
{
	/* Edge-triggered: a device that stays readable, or hung up like a
	 * vmclock without notifications, wakes once and not for ever. */
	struct epoll_event event = { .events = EPOLLIN | EPOLLET };
	int new = *group;

	if (new < 0)
		new = epoll_create1(EPOLL_CLOEXEC);
	if (new < 0)
		return -ENOMEM;
	if (epoll_ctl(new, EPOLL_CTL_ADD, fd, &event)) {
		/* EPERM: a file that cannot be polled, and is always ready. */
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
