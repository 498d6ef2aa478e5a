// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <linux/vm_sockets.h>

#include "keep_listen.h"
#include "service.h"

_Static_assert(KEEP_SOCKET_PATH_SIZE ==
		       sizeof(((struct sockaddr_un *)0)->sun_path),
	       "the path of a socket");

/* The descriptor, or -errno. */
static int listen_on(int fd, const void *address, socklen_t size)
{
	int error;

	if (fd < 0)
		return -errno;
	if (!bind(fd, address, size) && !listen(fd, SOMAXCONN))
		return fd;
	error = errno;
	close(fd);
	return -error;
}

/* A socket that a keep which has ended left there answers nobody. */
static bool is_left_over(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
			0);
	struct stat st;
	bool refused = fd >= 0 && !lstat(address->sun_path, &st) &&
		       S_ISSOCK(st.st_mode) &&
		       connect(fd, (const void *)address, sizeof(*address)) &&
		       errno == ECONNREFUSED;

	if (fd >= 0)
		close(fd);
	return refused;
}

int keep_listen_unix(const char *folder, char *ret_path, size_t size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int length = snprintf(address.sun_path, sizeof(address.sun_path),
			      "%s/keep.sock", folder);
	int fd;

	*ret_path = '\0';
	if ((size_t)length >= sizeof(address.sun_path)) {
		service_log(LOG_LEVEL_ERROR, "--dir %s: too long for a socket",
			    folder);
		return -ENAMETOOLONG;
	}
	if (is_left_over(&address))
		(void)unlink(address.sun_path);
	fd = listen_on(socket(AF_UNIX,
			      SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
		       &address, sizeof(address));
	if (fd < 0) {
		service_log(LOG_LEVEL_ERROR, "%s: %s", address.sun_path,
			    fd == -EADDRINUSE
				    ? "another paraclock keep runs here"
				    : strerror(-fd));
		return fd;
	}
	(void)chmod(address.sun_path, 0660);
	snprintf(ret_path, size, "%s", address.sun_path);
	return fd;
}

int keep_listen_vsock(uint32_t port)
{
	const struct sockaddr_vm address = {
		.svm_family = AF_VSOCK,
		.svm_cid = VMADDR_CID_ANY,
		.svm_port = port,
	};
	int fd = listen_on(
		socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0),
		&address, sizeof(address));

	if (fd < 0)
		service_log(LOG_LEVEL_ERROR, "--vsock %u: %s", port,
			    strerror(-fd));
	return fd;
}

bool keep_is_host(int fd)
{
	struct sockaddr_vm peer = { 0 };
	socklen_t size = sizeof(peer);

	return !getpeername(fd, (void *)&peer, &size) &&
	       peer.svm_family == AF_VSOCK && peer.svm_cid <= VMADDR_CID_HOST;
}
