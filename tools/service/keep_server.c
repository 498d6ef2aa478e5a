// SPDX-License-Identifier: MIT
/*
 * Who asks keep to look now: over a unix socket (SOCK_SEQPACKET, one message is
 * one JSON object), and over vsock (a stream, one line is one object).
 *
 * Request: {"request":"sync"}, with "wait_ns" and "within_ns" if wanted. The
 * reply comes when the clock is right, or why not.
 */

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <jansson.h>

#include "keep_listen.h"
#include "keep_server.h"
#include "keep_tell.h"
#include "news.h"

/* More programs at once are turned away. */
#define CLIENTS_MAX 32

/* How long a request waits unless it says so, and at most. */
#define WAIT_DEFAULT_NS (10 * NSEC_PER_SEC)
#define WAIT_MAX_NS	(3600 * NSEC_PER_SEC)

struct client {
	struct keep *keep;
	int fd; /* -1: free */
	bool is_stream;
	bool waits;
	bool is_ended;	   /* it asks no more, and waits for the reply */
	int64_t until_ns;  /* CLOCK_BOOTTIME */
	int64_t within_ns; /* -1: as the rules say */
	size_t used;	   /* of a line that has not ended */
	char line[KEEP_MESSAGE_MAX];
};

struct keep_server {
	struct keep *keep;
	int unix_fd, vsock_fd;
	char path[KEEP_SOCKET_PATH_SIZE]; /* empty: no socket is there */
	struct client client[CLIENTS_MAX];
};

static void at_limit(void *arg);

static void drop(struct client *client)
{
	(void)loop_timer(client->keep->observer.loop, -1, at_limit, client);
	(void)loop_watch(client->keep->observer.loop, client->fd, 0, NULL,
			 NULL);
	close(client->fd);
	client->fd = -1;
}

/* --- replies -------------------------------------------------------------- */

static void send_text(struct client *client, const char *text, size_t size)
{
	/* Never wait for a client; a reply fits into an empty buffer. */
	if (send(client->fd, text, size, MSG_NOSIGNAL | MSG_DONTWAIT) !=
	    (ssize_t)size)
		drop(client);
}

/* The marker that the last measurement belongs to. false: there was a disruption
 * since, and the measurement means nothing any more. The order matters: a
 * disruption after this look shows in the client's memory. */
static bool take_marker(const struct keep *keep, bool *ret_has_marker,
			struct paraclock_marker *ret_marker)
{
	const struct keeper *keeper = &keep->observer.keeper;
	const struct paraclock *clk = keeper->clk;

	*ret_has_marker = clk && !paraclock_marker(clk, ret_marker);
	return !clk || !paraclock_disrupted(clk, keeper->last.sample.epoch);
}

static void put_marker(struct json *json, const char *key, bool has_marker,
		       uint64_t value)
{
	if (has_marker)
		json_put_marker(json, key, value);
	else
		json_put_null(json, key);
}

static const char *text_of(const struct keep *keep, bool right, bool is_current)
{
	if (right)
		return "";
	return is_current ? keep_reason(keep)
			  : "a disruption came just now; ask again";
}

static void put_reply(struct json *json, const struct client *client)
{
	const struct keep *keep = client->keep;
	const struct keeper *keeper = &keep->observer.keeper;
	struct paraclock_marker marker = { 0 };
	bool has_marker;
	bool is_current = take_marker(keep, &has_marker, &marker);
	bool right = is_current && keep_is_right(keep, client->within_ns);

	json_put_bool(json, "right", right);
	json_put_text(json, "state", keep_state_name(keeper->state));
	json_put_text(json, "why",
		      keeper->clk ? keep_why_name(keeper->why) : "no-source");
	json_put_text(json, "text", text_of(keep, right, is_current));
	json_put_text(json, "backend",
		      keeper->clk ? paraclock_backend_name(keeper->clk) : NULL);
	news_put_measurement(json, &keeper->last);
	/* Many readers have no larger integers. */
	if (keeper->last.counter <= INT64_MAX)
		json_put_u64(json, "counter", keeper->last.counter);
	else
		json_put_null(json, "counter");
	put_marker(json, "marker", has_marker, marker.value);
	put_marker(json, "generation", has_marker, marker.generation);
}

static void reply(struct client *client)
{
	char *text = NULL;
	size_t size = 0;
	FILE *to = open_memstream(&text, &size);
	struct json json = { .to = to };

	client->waits = false;
	(void)loop_timer(client->keep->observer.loop, -1, at_limit, client);
	if (!to) {
		drop(client);
		return;
	}
	json_begin(&json, NULL, '{');
	put_reply(&json, client);
	json_end(&json, '}');
	json_finish(&json);
	fclose(to);
	send_text(client, text, size);
	free(text);
	if (client->fd >= 0 && client->is_ended)
		drop(client);
}

static void at_limit(void *arg)
{
	struct client *client = arg;

	if (client->fd >= 0 && client->waits)
		reply(client);
}

static void refuse(struct client *client, const char *text)
{
	char line[256];
	int length = snprintf(line, sizeof(line), "{\"error\":\"%s\"}\n", text);

	send_text(client, line, (size_t)length);
}

/* A look has ended: answer those whom it answers. */
static void answer(void *arg)
{
	struct keep_server *server = arg;
	const struct keep *keep = server->keep;

	for (unsigned int i = 0; i < CLIENTS_MAX; i++) {
		struct client *client = &server->client[i];

		if (client->fd < 0 || !client->waits)
			continue;
		if (keep_is_right(keep, client->within_ns) ||
		    (keep_is_settled(keep) && client->within_ns < 0) ||
		    loop_now_ns() >= client->until_ns)
			reply(client);
	}
}

/* --- requests ------------------------------------------------------------- */

/* A member that may be missing. false: it is no number of ns that is 0 or
 * more. */
static bool take_ns(const json_t *request, const char *key, int64_t *ret_ns)
{
	const json_t *value = json_object_get(request, key);

	if (!value)
		return true;
	if (!json_is_integer(value) || json_integer_value(value) < 0)
		return false;
	*ret_ns = json_integer_value(value);
	return true;
}

static void take_request(struct client *client, const json_t *request)
{
	const char *what =
		json_string_value(json_object_get(request, "request"));
	int64_t wait_ns = WAIT_DEFAULT_NS;

	client->within_ns = -1;
	if (!what || strcmp(what, "sync") != 0) {
		refuse(client, "request: the only one is sync");
		return;
	}
	if (!take_ns(request, "wait_ns", &wait_ns) ||
	    !take_ns(request, "within_ns", &client->within_ns)) {
		refuse(client, "wait_ns, within_ns: not a number of ns");
		return;
	}
	if (wait_ns > WAIT_MAX_NS)
		wait_ns = WAIT_MAX_NS;
	client->until_ns = loop_now_ns() + wait_ns;
	client->waits = true;
	(void)loop_timer(client->keep->observer.loop, wait_ns, at_limit,
			 client);
	/* Answers if it can. */
	(void)observer_look(&client->keep->observer);
}

static void take_text(struct client *client, const char *text, size_t size)
{
	json_error_t error;
	json_t *request =
		json_loadb(text, size, JSON_REJECT_DUPLICATES, &error);

	if (!json_is_object(request))
		refuse(client, "not a JSON object");
	else if (client->waits)
		refuse(client, "the request before is not answered yet");
	else
		take_request(client, request);
	json_decref(request);
}

/* Lines; one that is too long ends the connection. */
static void take_stream(struct client *client)
{
	char *end;

	while (client->fd >= 0 &&
	       (end = memchr(client->line, '\n', client->used))) {
		size_t length = (size_t)(end - client->line);

		take_text(client, client->line, length);
		client->used -= length + 1;
		memmove(client->line, end + 1, client->used);
	}
	if (client->fd >= 0 && client->used == sizeof(client->line))
		drop(client);
}

/* A client that only writes no more gets its reply. */
static void end_requests(struct client *client)
{
	struct pollfd poller = { .fd = client->fd };

	if (!client->waits || poll(&poller, 1, 0) < 0 ||
	    poller.revents & (POLLHUP | POLLERR)) {
		drop(client);
		return;
	}
	client->is_ended = true;
	(void)loop_watch(client->keep->observer.loop, client->fd, 0, NULL,
			 NULL);
}

static void on_client(void *arg)
{
	struct client *client = arg;
	/* A message that does not fit is cut, and is then no JSON. */
	ssize_t got = recv(client->fd, client->line + client->used,
			   sizeof(client->line) - client->used, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		end_requests(client);
		return;
	}
	if (!client->is_stream) {
		take_text(client, client->line, (size_t)got);
		return;
	}
	client->used += (size_t)got;
	take_stream(client);
}

static void take_client(struct keep_server *server, int listener,
			bool is_stream)
{
	struct keep *keep = server->keep;
	int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *client = NULL;

	if (fd < 0)
		return;
	if (is_stream && !keep_is_host(fd)) {
		close(fd);
		return;
	}
	for (unsigned int i = 0; i < CLIENTS_MAX && !client; i++) {
		if (server->client[i].fd < 0)
			client = &server->client[i];
	}
	if (!client) {
		close(fd);
		return;
	}
	*client = (struct client){ .keep = keep,
				   .fd = fd,
				   .is_stream = is_stream };
	if (loop_watch(keep->observer.loop, fd, POLLIN, on_client, client))
		drop(client);
}

static void on_unix(void *arg)
{
	struct keep_server *server = arg;

	take_client(server, server->unix_fd, false);
}

static void on_vsock(void *arg)
{
	struct keep_server *server = arg;

	take_client(server, server->vsock_fd, true);
}

/* --- its life ------------------------------------------------------------- */

static int open_sockets(struct keep_server *server)
{
	const struct keep_options *options = server->keep->options;
	struct loop *loop = server->keep->observer.loop;
	int fd = keep_listen_unix(options->folder, server->path,
				  sizeof(server->path));

	if (fd < 0)
		return fd;
	server->unix_fd = fd;
	if (loop_watch(loop, fd, POLLIN, on_unix, server))
		return -ENOMEM;
	if (!options->vsock_port)
		return 0;
	fd = keep_listen_vsock(options->vsock_port);
	if (fd < 0)
		return fd;
	server->vsock_fd = fd;
	return loop_watch(loop, fd, POLLIN, on_vsock, server);
}

int keep_server_open(struct keep_server **ret_server, struct keep *keep)
{
	struct keep_server *server = calloc(1, sizeof(*server));
	int ret;

	if (!server)
		return -ENOMEM;
	server->keep = keep;
	server->unix_fd = server->vsock_fd = -1;
	for (unsigned int i = 0; i < CLIENTS_MAX; i++)
		server->client[i].fd = -1;
	ret = open_sockets(server);
	if (ret) {
		keep_server_close(server);
		return ret;
	}
	keep->observer.looked = answer;
	keep->observer.looked_ctx = server;
	*ret_server = server;
	return 0;
}

static void close_fd(const struct keep_server *server, int fd)
{
	if (fd < 0)
		return;
	(void)loop_watch(server->keep->observer.loop, fd, 0, NULL, NULL);
	close(fd);
}

void keep_server_close(struct keep_server *server)
{
	if (!server)
		return;
	server->keep->observer.looked = NULL;
	for (unsigned int i = 0; i < CLIENTS_MAX; i++) {
		if (server->client[i].fd >= 0)
			drop(&server->client[i]);
	}
	close_fd(server, server->unix_fd);
	close_fd(server, server->vsock_fd);
	if (server->path[0])
		(void)unlink(server->path);
	free(server);
}
