// SPDX-License-Identifier: MIT
/* sd_notify(3)'s datagrams, without libsystemd: a microVM has none. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "service.h"

#define NSEC_PER_USEC INT64_C(1000)

/* The address that systemd's sd_notify(3) specifies: a path, or '@' for an
 * abstract name. Returns its length; 0: none that can be used. */
static socklen_t find_address(struct sockaddr_un *ret_address)
{
	const char *name = getenv("NOTIFY_SOCKET");
	size_t length;

	if (!name || (name[0] != '/' && name[0] != '@') || !name[1])
		return 0;
	length = strlen(name);
	if (length >= sizeof(ret_address->sun_path))
		return 0;
	*ret_address = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(ret_address->sun_path, name, length);
	if (name[0] != '@')
		length++;
	else
		ret_address->sun_path[0] = '\0';
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
}

/* A systemd that is stuck must not stop the clock's keeper for long. */
static void send_text(const char *text)
{
	const struct timeval limit = { .tv_sec = 1 };
	struct sockaddr_un address;
	const socklen_t length = find_address(&address);
	const int before = errno;
	int fd;

	if (!length)
		return;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		service_log(LOG_LEVEL_WARNING, "NOTIFY_SOCKET: socket: %s",
			    strerror(errno));
		return;
	}
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	if (sendto(fd, text, strlen(text), MSG_NOSIGNAL,
		   (const struct sockaddr *)&address, length) < 0)
		service_log(LOG_LEVEL_WARNING,
			    "cannot notify systemd (NOTIFY_SOCKET): %s",
			    strerror(errno));
	close(fd);
	errno = before;
}

/* A newline in the status would begin a variable of its own. */
static void send_status(const char *first, const char *status)
{
	char clean[256], text[sizeof(clean) + 64];

	snprintf(clean, sizeof(clean), "%s", status);
	service_make_printable(clean);
	snprintf(text, sizeof(text), "%sSTATUS=%s", first, clean);
	send_text(text);
}

void notify_ready(const char *status)
{
	send_status("READY=1\n", status);
}

void notify_status(const char *status)
{
	send_status("", status);
}

void notify_stopping(void)
{
	send_text("STOPPING=1");
}

/* systemd sets WATCHDOG_PID so that no child takes the variable for its own. */
static int64_t watchdog_ns(void)
{
	const char *usec = getenv("WATCHDOG_USEC");
	const char *pid = getenv("WATCHDOG_PID");
	char *end;
	long long value;

	if (!usec || (pid && strtoll(pid, NULL, 10) != getpid()))
		return 0;
	errno = 0;
	value = strtoll(usec, &end, 10);
	if (errno || end == usec || *end || value <= 0 ||
	    value > INT64_MAX / NSEC_PER_USEC)
		return 0;
	return value * NSEC_PER_USEC;
}

static void feed_watchdog(void *arg)
{
	send_text("WATCHDOG=1");
	notify_watchdog(arg);
}

void notify_watchdog(struct loop *loop)
{
	const int64_t limit_ns = watchdog_ns();

	if (limit_ns && loop_timer(loop, limit_ns / 2, feed_watchdog, loop))
		service_log(LOG_LEVEL_ERROR, "watchdog: out of memory");
}
