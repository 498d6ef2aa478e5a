// SPDX-License-Identifier: MIT
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "qga_upstream.h"

#define RETRY_FIRST_NS INT64_C(100000000)
#define RETRY_MAX_NS   INT64_C(1000000000)

static int try_connect(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -1;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd >= 0 &&
	    connect(fd, (const struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		fd = -1;
	}
	return fd;
}

static void connect_again(void *arg)
{
	struct qga_upstream *upstream = arg;

	upstream->fd = try_connect(upstream->path);
	if (upstream->fd < 0)
		qga_upstream_lost(upstream);
	else
		upstream->changed(upstream->arg);
}

void qga_upstream_open(struct qga_upstream *upstream)
{
	upstream->fd = -1;
	upstream->retry_ns = RETRY_FIRST_NS;
	connect_again(upstream);
}

static void close_connection(struct qga_upstream *upstream)
{
	if (upstream->fd < 0)
		return;
	loop_watch(upstream->loop, upstream->fd, 0, NULL, NULL);
	close(upstream->fd);
	upstream->fd = -1;
}

void qga_upstream_close(struct qga_upstream *upstream)
{
	loop_timer(upstream->loop, -1, connect_again, upstream);
	close_connection(upstream);
}

void qga_upstream_lost(struct qga_upstream *upstream)
{
	close_connection(upstream);
	loop_timer(upstream->loop, upstream->retry_ns, connect_again, upstream);
	if (upstream->retry_ns < RETRY_MAX_NS / 2)
		upstream->retry_ns *= 2;
	else
		upstream->retry_ns = RETRY_MAX_NS;
}

void qga_upstream_works(struct qga_upstream *upstream)
{
	upstream->retry_ns = RETRY_FIRST_NS;
}

int qga_upstream_read(struct qga_upstream *upstream, char *at, size_t size)
{
	ssize_t n = read(upstream->fd, at, size);

	if (n > 0)
		return (int)n;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	return n ? -errno : -EPIPE;
}

void qga_upstream_want(struct qga_upstream *upstream, bool input, bool output)
{
	short events = (short)((input ? POLLIN : 0) | (output ? POLLOUT : 0));

	if (upstream->fd >= 0)
		loop_watch(upstream->loop, upstream->fd, events,
			   upstream->changed, upstream->arg);
}
