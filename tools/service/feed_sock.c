// SPDX-License-Identifier: MIT
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "duration.h"
#include "feed_output.h"
#include "feed_sock.h"

#define OFFSET_MAX_NS (NSEC_PER_SEC << 32)

int feed_sock_encode(const struct feed_sample *sample,
		     struct feed_sock *ret_datagram)
{
	const struct feed_tv tv = feed_tv(sample->real_ns);

	if (duration_of(sample->offset_ns) >= (uint64_t)OFFSET_MAX_NS)
		return -ERANGE;
	*ret_datagram = (struct feed_sock){
		.tv_sec = tv.sec,
		.tv_usec = tv.us,
		.offset = (double)sample->offset_ns / (double)NSEC_PER_SEC,
		.leap = feed_leap(sample->leap),
		.magic = FEED_SOCK_MAGIC,
	};
	return 0;
}

/* By its name each time, for chronyd makes the socket anew when it starts. */
static int send_datagram(struct feed_output *output,
			 const struct feed_sample *sample)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	struct feed_sock datagram;
	ssize_t sent;
	int ret = feed_sock_encode(sample, &datagram);

	if (ret)
		return ret;
	if (output->fd < 0)
		output->fd = socket(
			AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (output->fd < 0)
		return -errno;
	memcpy(to.sun_path, output->target, strlen(output->target) + 1);
	sent = sendto(output->fd, &datagram, sizeof(datagram), MSG_NOSIGNAL,
		      (const struct sockaddr *)&to, sizeof(to));
	return sent < 0 ? -errno : 0;
}

static void close_socket(struct feed_output *output)
{
	if (output->fd >= 0)
		close(output->fd);
	output->fd = -1;
}

int feed_sock_open(struct feed_output *output, const char *path)
{
	static const struct feed_output_kind kind = {
		.name = "chrony-sock",
		.send = send_datagram,
		.close = close_socket,
	};
	struct sockaddr_un address;

	if (!path[0] || strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	*output = (struct feed_output){ .kind = &kind, .fd = -1 };
	memcpy(output->target, path, strlen(path) + 1);
	return 0;
}
