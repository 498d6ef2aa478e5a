// SPDX-License-Identifier: MIT
/* What it costs to ask a running keep whether the clock is right, where it is:
 * the request, keep's measurement and the answer. */

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <jansson.h>

#include "bench.h"
#include "measure.h"

#define REQUESTS_MIN 20
#define REQUESTS_MAX 2000

/* keep answers in a millisecond; this one hangs. */
#define LIMIT_MS 2000

#define REPLY_MAX 4096

/* It is to answer at once, also that the clock is not right. */
static const char request[] = "{\"request\":\"sync\",\"wait_ns\":0}";

static int connect_to(const char *folder)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int length = snprintf(address.sun_path, sizeof(address.sun_path),
			      "%s/keep.sock", folder);
	int fd, ret;

	if (length < 0 || (size_t)length >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&address, sizeof(address))) {
		ret = -errno;
		close(fd);
		return ret;
	}
	return fd;
}

/* Returns the length of the reply, or 0. */
static size_t ask(int fd, char reply[REPLY_MAX])
{
	struct pollfd poller = { .fd = fd, .events = POLLIN };
	ssize_t n;

	if (send(fd, request, sizeof(request) - 1, MSG_NOSIGNAL) < 0 ||
	    poll(&poller, 1, LIMIT_MS) != 1)
		return 0;
	n = recv(fd, reply, REPLY_MAX, 0);
	return n > 0 ? (size_t)n : 0;
}

/* Is the clock right, by this reply? If not, why is set. */
static bool is_right(struct sync_cost *sync, const char *reply, size_t size)
{
	json_t *object = json_loadb(reply, size, 0, NULL);
	const char *text = json_string_value(json_object_get(object, "text"));
	const bool right = json_is_true(json_object_get(object, "right"));

	if (!object)
		strcpy(sync->why, "keep did not answer");
	else if (!right)
		snprintf(sync->why, sizeof(sync->why),
			 "the clock is not right: %s",
			 text ? text : "keep does not say why");
	json_decref(object);
	return right;
}

static void measure(struct sync_cost *sync, int fd, double seconds)
{
	const uint64_t end = raw_ns() + (uint64_t)(seconds * 1e9);
	double took[REQUESTS_MAX];
	uint64_t n = 0;

	do {
		char reply[REPLY_MAX];
		const uint64_t begin = raw_ns();
		const size_t size = ask(fd, reply);

		took[n] = (double)(raw_ns() - begin);
		if (!is_right(sync, reply, size))
			return;
		n++;
	} while (n < REQUESTS_MIN || (n < REQUESTS_MAX && raw_ns() < end));
	sync->requests = n;
	sync->ns = spread_of(took, n);
}

void measure_sync(struct bench *bench, double seconds)
{
	const int fd = connect_to(bench->keep_folder);

	if (fd == -ENOENT || fd == -ECONNREFUSED) {
		strcpy(bench->sync.why, "no paraclock keep runs here");
		return;
	}
	if (fd < 0) {
		snprintf(bench->sync.why, sizeof(bench->sync.why),
			 "%.64s/keep.sock: %s", bench->keep_folder,
			 strerror(-fd));
		return;
	}
	measure(&bench->sync, fd, seconds);
	close(fd);
}
