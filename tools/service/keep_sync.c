// SPDX-License-Identifier: MIT
#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <jansson.h>

#include "duration.h"
#include "keep_server.h"
#include "keep_sync.h"

/* keep answers at the limit at the latest; this much later it hangs. */
#define GRACE_NS (5 * NSEC_PER_SEC)

struct sync {
	const struct keep_options *options;
	int fd;
	int64_t until_ns; /* CLOCK_BOOTTIME */
	int64_t within_ns;
	struct paraclock *clk; /* whose marker is compared; NULL: none */
};

/* A keep that hangs must not hang us. */
static void limit(int fd, int64_t ns)
{
	const struct timeval most = {
		.tv_sec = (time_t)((ns + GRACE_NS) / NSEC_PER_SEC),
	};

	(void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &most, sizeof(most));
}

static int connect_to(const char *folder, int64_t wait_ns)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int length = snprintf(address.sun_path, sizeof(address.sun_path),
			      "%s/keep.sock", folder);
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

	if (fd >= 0)
		limit(fd, wait_ns);
	if (fd >= 0 && (size_t)length < sizeof(address.sun_path) &&
	    !connect(fd, (const void *)&address, sizeof(address)))
		return fd;
	if (errno == ENOENT || errno == ECONNREFUSED)
		warnx("%s: no paraclock keep runs here; 'systemctl start "
		      "paraclock-keep' starts it",
		      address.sun_path);
	else if (errno == EACCES)
		warnx("%s: permission denied; be in the group clock",
		      address.sun_path);
	else
		warn("%s", address.sun_path);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* The best source here that has a marker: whatever it says of time. */
static struct paraclock *open_marker(const struct keep_options *options)
{
	const struct paraclock_options opts = {
		.size = sizeof(opts),
		.backend = options->observer.source.backend,
		.device = options->observer.source.device,
		.timescales = options->observer.source.timescales,
	};
	struct paraclock_marker marker;
	struct paraclock *clk;

	if (paraclock_open(&clk, &opts))
		return NULL;
	if (!paraclock_marker(clk, &marker))
		return clk;
	paraclock_close(clk);
	return NULL;
}

/* Returns the reply, which the caller frees, or NULL after it has said on stderr
 * why keep did not answer. */
static json_t *ask(const struct sync *sync)
{
	char text[KEEP_MESSAGE_MAX];
	struct pollfd poller = { .fd = sync->fd, .events = POLLIN };
	int64_t left_ns = sync->until_ns - loop_now_ns();
	json_t *reply = NULL;
	ssize_t size;

	if (left_ns < 0)
		left_ns = 0;
	size = snprintf(text, sizeof(text),
			"{\"request\":\"sync\",\"wait_ns\":%" PRId64, left_ns);
	if (sync->within_ns >= 0)
		size += snprintf(text + size, sizeof(text) - (size_t)size,
				 ",\"within_ns\":%" PRId64, sync->within_ns);
	text[size++] = '}';
	if (send(sync->fd, text, (size_t)size, MSG_NOSIGNAL) == size &&
	    poll(&poller, 1, (int)((left_ns + GRACE_NS) / 1000000)) == 1 &&
	    (size = recv(sync->fd, text, sizeof(text), MSG_DONTWAIT)) > 0)
		reply = json_loadb(text, (size_t)size, 0, NULL);
	if (!json_is_object(reply))
		warnx("paraclock keep did not answer");
	else if (json_object_get(reply, "error"))
		warnx("paraclock keep: %s",
		      json_string_value(json_object_get(reply, "error")));
	else
		return reply;
	json_decref(reply);
	return NULL;
}

static uint64_t marker_of(const json_t *reply, const char *key)
{
	const char *text = json_string_value(json_object_get(reply, key));

	return text ? strtoull(text, NULL, 16) : 0;
}

/* Memory now, after the reply came: the reply itself may be part of what was
 * restored. */
static bool is_from_before(const struct sync *sync, const json_t *reply)
{
	struct paraclock_marker now;

	if (!sync->clk || !json_is_string(json_object_get(reply, "marker")) ||
	    paraclock_marker(sync->clk, &now))
		return false;
	return now.value != marker_of(reply, "marker") ||
	       now.generation != marker_of(reply, "generation");
}

static bool is_text(const json_t *reply, const char *key, const char *text)
{
	const char *is = json_string_value(json_object_get(reply, key));

	return is && strcmp(is, text) == 0;
}

/* Not right, or not known? As paraclock keep --once has it. */
static int status_of(const json_t *reply)
{
	if (is_text(reply, "why", "failed"))
		return STATUS_FAILED;
	return is_text(reply, "state", "off") ||
			       is_text(reply, "state", "right") ||
			       is_text(reply, "state", "slewing") ||
			       is_text(reply, "why", "too-wide") ||
			       is_text(reply, "why", "leap")
		       ? STATUS_NOT_VALID
		       : STATUS_FAILED;
}

static int print_reply(const struct sync *sync, const json_t *reply)
{
	bool right = json_is_true(json_object_get(reply, "right"));
	const json_t *offset = json_object_get(reply, "offset_ns");
	const char *why = json_string_value(json_object_get(reply, "text"));
	bool has_marker =
		sync->clk && json_is_string(json_object_get(reply, "marker"));
	char *line, off[48];

	if (sync->options->json) {
		line = json_dumps(reply, JSON_COMPACT);
		puts(line ? line : "");
		free(line);
	} else if (right) {
		int64_t ns = json_integer_value(offset);

		printf("right at counter %" JSON_INTEGER_FORMAT
		       ": CLOCK_REALTIME is %s %s the host's clock%s\n",
		       json_integer_value(json_object_get(reply, "counter")),
		       format_duration(duration_of(ns), off, sizeof(off)),
		       ns < 0 ? "ahead of" : "behind",
		       has_marker ? ", and the marker is unchanged" : "");
	} else {
		warnx("the clock is not right: %s",
		      why && why[0] ? why : "not within --within");
	}
	return right ? STATUS_OK : status_of(reply);
}

static int sync_once(struct sync *sync)
{
	const struct timespec pause = { .tv_nsec = LOOK_NS };
	json_t *reply = ask(sync);
	int ret = STATUS_FAILED;

	while (reply && is_from_before(sync, reply) &&
	       loop_now_ns() < sync->until_ns) {
		json_decref(reply);
		nanosleep(&pause, NULL);
		reply = ask(sync);
	}
	if (reply && is_from_before(sync, reply))
		warnx("the marker of each answer is not the one in memory: "
		      "name the source that keep uses, with -b and -d");
	else if (reply)
		ret = print_reply(sync, reply);
	json_decref(reply);
	return ret;
}

int keep_sync(const struct keep_options *options, int64_t wait_ns,
	      int64_t within_ns)
{
	struct sync sync = {
		.options = options,
		.fd = connect_to(options->folder, wait_ns),
		.until_ns = loop_now_ns() + wait_ns,
		.within_ns = within_ns,
	};
	int ret;

	if (sync.fd < 0)
		return STATUS_FAILED;
	sync.clk = open_marker(options);
	ret = sync_once(&sync);
	paraclock_close(sync.clk);
	close(sync.fd);
	return ret;
}
