// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

/* Older ones need what is above. */
#include <linux/vm_sockets.h>

#include "qga_host.h"

/* poll(2) reports a virtio port that nobody has opened on the host as hung up,
 * for as long as it lasts: it is looked at again after this time. */
#define PORT_CLOSED_NS INT64_C(250000000)
/* A port that failed, or a terminal that hung up, is opened anew: another may
 * have its name. */
#define PORT_FAILED_NS INT64_C(1000000000)

static int explain(char *why, size_t size, const char *what, int error)
{
	snprintf(why, size, "%s: %s", what, strerror(error));
	return -error;
}

/* --- a port ---------------------------------------------------------------- */

/* A serial line, or a pseudo terminal, must not edit or echo: is it one? */
static bool make_raw(int fd)
{
	struct termios raw;

	if (tcgetattr(fd, &raw))
		return false;
	cfmakeraw(&raw);
	tcsetattr(fd, TCSANOW, &raw);
	return true;
}

static int open_port(struct qga_host *host, char *why, size_t size)
{
	const char *path = host->place.port;
	int fd = open(path, O_RDWR | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	struct stat st;

	if (fd < 0 && errno == EBUSY) {
		snprintf(why, size,
			 "%s: another program has it open; if that is qemu-ga, "
			 "have it listen on a socket (-m unix-listen -p "
			 "SOCKET) and name that with --upstream",
			 path);
		return -EBUSY;
	}
	if (fd < 0)
		return explain(why, size, path, errno);
	if (fstat(fd, &st) || !S_ISCHR(st.st_mode)) {
		close(fd);
		snprintf(why, size, "%s: not a character device", path);
		return -ENOTTY;
	}
	host->is_tty = make_raw(fd);
	host->fd = fd;
	return 0;
}

static void try_port(void *arg)
{
	struct qga_host *host = arg;
	char why[256];

	if (host->fd < 0 && open_port(host, why, sizeof(why))) {
		loop_timer(host->loop, PORT_FAILED_NS, try_port, host);
		return;
	}
	/* Its read tells whether the host is there. */
	host->changed(host->arg);
}

/* --- a socket -------------------------------------------------------------- */

static int make_socket(int family)
{
	return socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

/* A socket that nobody listens on any more is in the way. */
static bool is_dead(const struct sockaddr_un *address)
{
	struct stat st;
	bool is_socket = !lstat(address->sun_path, &st) && S_ISSOCK(st.st_mode);
	int fd = make_socket(AF_UNIX);
	/* Any other file refuses a connection as well. */
	bool dead = is_socket && fd >= 0 &&
		    connect(fd, (const struct sockaddr *)address,
			    sizeof(*address)) < 0 &&
		    errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return dead;
}

static int bind_private(int fd, const struct sockaddr_un *address)
{
	/* Whoever connects may set the clock. */
	mode_t before = umask(0177);
	int ret = bind(fd, (const struct sockaddr *)address, sizeof(*address));

	umask(before);
	return ret;
}

static int bind_unix(const char *path, char *why, size_t size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, ret;

	if (strlen(path) >= sizeof(address.sun_path))
		return explain(why, size, path, ENAMETOOLONG);
	memcpy(address.sun_path, path, strlen(path));
	fd = make_socket(AF_UNIX);
	if (fd < 0)
		return explain(why, size, path, errno);
	ret = bind_private(fd, &address);
	if (ret && errno == EADDRINUSE && is_dead(&address)) {
		unlink(path);
		ret = bind_private(fd, &address);
	}
	if (ret || listen(fd, 8)) {
		ret = errno;
		close(fd);
		return explain(why, size, path, ret);
	}
	return fd;
}

static int bind_vsock(unsigned int port, char *why, size_t size)
{
	struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = port,
	};
	int fd = make_socket(AF_VSOCK);
	int error;

	if (fd >= 0 &&
	    !bind(fd, (const struct sockaddr *)&address, sizeof(address)) &&
	    !listen(fd, 8))
		return fd;
	error = errno;
	if (fd >= 0)
		close(fd);
	return explain(why, size, "vsock", error);
}

/* A process of this machine, or a guest below it, may not act as its host. */
static bool is_from_host(const struct qga_host *host, int fd)
{
	struct sockaddr_vm peer = { 0 };
	socklen_t size = sizeof(peer);

	if (!host->place.vsock)
		return true;
	if (getpeername(fd, (struct sockaddr *)&peer, &size))
		return false;
	if (peer.svm_cid == VMADDR_CID_HOST)
		return true;
	service_log(LOG_LEVEL_WARNING,
		    "vsock: refused a connection from CID %u: only the host "
		    "may connect",
		    peer.svm_cid);
	return false;
}

static void take_connection(void *arg)
{
	struct qga_host *host = arg;
	int fd = accept4(host->listen_fd, NULL, NULL,
			 SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return;
	if (!is_from_host(host, fd)) {
		close(fd);
		return;
	}
	/* One at a time: the others wait, as they do for qemu-ga. */
	loop_watch(host->loop, host->listen_fd, 0, NULL, NULL);
	host->fd = fd;
	host->changed(host->arg);
}

/* --- both ------------------------------------------------------------------ */

int qga_host_open(struct qga_host *host, char *why, size_t size)
{
	host->fd = host->listen_fd = -1;
	if (host->place.port) {
		int ret = open_port(host, why, size);

		if (!ret)
			loop_timer(host->loop, 0, try_port, host);
		return ret;
	}
	host->listen_fd =
		host->place.listen
			? bind_unix(host->place.listen, why, size)
			: bind_vsock(host->place.vsock_port, why, size);
	if (host->listen_fd < 0)
		return host->listen_fd;
	return loop_watch(host->loop, host->listen_fd, POLLIN, take_connection,
			  host);
}

static void close_connection(struct qga_host *host)
{
	if (host->fd < 0)
		return;
	loop_watch(host->loop, host->fd, 0, NULL, NULL);
	close(host->fd);
	host->fd = -1;
}

void qga_host_close(struct qga_host *host)
{
	close_connection(host);
	loop_timer(host->loop, -1, try_port, host);
	if (host->listen_fd < 0)
		return;
	loop_watch(host->loop, host->listen_fd, 0, NULL, NULL);
	close(host->listen_fd);
	host->listen_fd = -1;
	if (host->place.listen)
		unlink(host->place.listen);
}

void qga_host_lost(struct qga_host *host, int error)
{
	host->connected = false;
	if (host->fd < 0)
		return;
	if (host->listen_fd >= 0) {
		close_connection(host);
		loop_watch(host->loop, host->listen_fd, POLLIN, take_connection,
			   host);
	} else if (error == -EPIPE && !host->is_tty) {
		loop_watch(host->loop, host->fd, 0, NULL, NULL);
		loop_timer(host->loop, PORT_CLOSED_NS, try_port, host);
	} else {
		close_connection(host);
		loop_timer(host->loop, PORT_FAILED_NS, try_port, host);
	}
}

int qga_host_read(struct qga_host *host, char *at, size_t size)
{
	ssize_t n;

	if (host->fd < 0)
		return 0;
	n = read(host->fd, at, size);
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR))) {
		host->connected = true;
		return n > 0 ? (int)n : 0;
	}
	n = n ? -errno : -EPIPE;
	qga_host_lost(host, (int)n);
	return (int)n;
}

void qga_host_want(struct qga_host *host, bool input, bool output)
{
	short events = (short)((input ? POLLIN : 0) | (output ? POLLOUT : 0));

	if (host->connected)
		loop_watch(host->loop, host->fd, events, host->changed,
			   host->arg);
}
