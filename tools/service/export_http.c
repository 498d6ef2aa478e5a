// SPDX-License-Identifier: MIT
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "duration.h"
#include "export_answer.h"
#include "service.h"

/* A Prometheus or two, and a person. Others wait in the queue of the socket. */
#define CONNECTIONS 16

/* A request with its headers; the answer is not kept there. */
#define CONNECTION_MEMORY 16384

/* A connection that completes no request for so long is closed: one that is
 * idle, and one that sends or reads byte by byte. */
#define PATIENCE_NS (15 * NSEC_PER_SEC)
#define SWEEP_NS    NSEC_PER_SEC

struct connection {
	struct MHD_Connection *connection; /* NULL: not in use */
	int64_t since_ns;
};

struct export_http {
	struct export_answer answer;
	struct MHD_Daemon *daemon;
	struct loop *loop;
	/* What the loop watches for libmicrohttpd. */
	fd_set readable, writable;
	int last; /* the largest descriptor of both; -1: none */
	struct connection connections[CONNECTIONS];
};

/* --- connections ---------------------------------------------------------- */

static void on_sweep(void *arg);

static void add_connection(struct export_http *http,
			   struct MHD_Connection *connection,
			   void **socket_context)
{
	for (size_t i = 0; i < CONNECTIONS; i++) {
		struct connection *one = &http->connections[i];

		if (one->connection)
			continue;
		*one = (struct connection){ connection, loop_now_ns() };
		*socket_context = one;
		(void)loop_timer(http->loop, SWEEP_NS, on_sweep, http);
		return;
	}
}

static void on_connection(void *arg, struct MHD_Connection *connection,
			  void **socket_context,
			  enum MHD_ConnectionNotificationCode what)
{
	struct connection *one = *socket_context;

	if (what == MHD_CONNECTION_NOTIFY_STARTED)
		add_connection(arg, connection, socket_context);
	else if (one)
		one->connection = NULL;
}

static void on_completed(void *arg, struct MHD_Connection *connection,
			 void **request, enum MHD_RequestTerminationCode why)
{
	struct export_http *http = arg;
	const union MHD_ConnectionInfo *info =
		http->answer.mhd.get_connection_info(
			connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct connection *one = info ? info->socket_context : NULL;

	(void)request;
	(void)why;
	if (one)
		one->since_ns = loop_now_ns();
}

/* Its own timeout begins anew with each byte. After the shutdown it finds that
 * the client has gone. */
static void end_if_overdue(struct export_http *http,
			   const struct connection *one)
{
	const union MHD_ConnectionInfo *info =
		http->answer.mhd.get_connection_info(
			one->connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	if (info && loop_now_ns() - one->since_ns > PATIENCE_NS)
		(void)shutdown(info->connect_fd, SHUT_RDWR);
}

static void on_sweep(void *arg)
{
	struct export_http *http = arg;
	bool is_used = false;

	for (size_t i = 0; i < CONNECTIONS; i++) {
		if (!http->connections[i].connection)
			continue;
		is_used = true;
		end_if_overdue(http, &http->connections[i]);
	}
	if (is_used)
		(void)loop_timer(http->loop, SWEEP_NS, on_sweep, http);
}

/* --- the loop ------------------------------------------------------------- */

static void on_ready(void *arg);

static short events_of(int fd, const fd_set *readable, const fd_set *writable)
{
	/* musl's macros make it unsigned. */
	unsigned int at = (unsigned int)fd;

	return (short)((FD_ISSET(at, readable) ? POLLIN : 0) |
		       (FD_ISSET(at, writable) ? POLLOUT : 0));
}

/* Have the loop watch these descriptors, and no longer those that are not among
 * them. */
static void watch_only(struct export_http *http, const fd_set *readable,
		       const fd_set *writable, int last)
{
	for (int fd = 0; fd <= last || fd <= http->last; fd++) {
		const short events = events_of(fd, readable, writable);

		if (events != events_of(fd, &http->readable, &http->writable))
			(void)loop_watch(http->loop, fd, events, on_ready,
					 http);
	}
	http->readable = *readable;
	http->writable = *writable;
	http->last = last;
}

static void watch_all(struct export_http *http)
{
	fd_set readable, writable, failed;
	int last = -1;

	FD_ZERO(&readable);
	FD_ZERO(&writable);
	FD_ZERO(&failed);
	(void)http->answer.mhd.get_fdset2(http->daemon, &readable, &writable,
					  &failed, &last, FD_SETSIZE);
	watch_only(http, &readable, &writable, last);
}

static void watch_nothing(struct export_http *http)
{
	fd_set none;

	FD_ZERO(&none);
	watch_only(http, &none, &none, -1);
}

/*
 * By poll(2), which tells of what is there, as often as asked. With epoll
 * libmicrohttpd 0.9.75 misses the end of a client whose last bytes came together
 * with it, and a full house stays closed until another client moves.
 */
static void on_ready(void *arg)
{
	struct export_http *http = arg;
	MHD_UNSIGNED_LONG_LONG ms;

	(void)http->answer.mhd.run(http->daemon);
	watch_all(http);
	if (http->answer.mhd.get_timeout(http->daemon, &ms) != MHD_YES)
		(void)loop_timer(http->loop, -1, on_ready, http);
	else
		(void)loop_timer(http->loop,
				 (int64_t)ms * (NSEC_PER_SEC / 1000), on_ready,
				 http);
}

static int open_socket(const struct export_address *address)
{
	const int on = 1;
	int fd = socket(address->address.ss_family,
			SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int ret;

	if (fd < 0)
		return -errno;
	/* A restart does not wait for the connections before it. */
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (!bind(fd, (const struct sockaddr *)&address->address,
		  address->size) &&
	    !listen(fd, SOMAXCONN))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

/* libmicrohttpd owns the socket from here on, if it starts. */
static int start_daemon(struct export_http *http, int fd)
{
	http->daemon = http->answer.mhd.start_daemon(
		MHD_NO_FLAG, 0, NULL, NULL, answer_request, &http->answer,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_MEMORY, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, http, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
		http, MHD_OPTION_END);
	if (!http->daemon) {
		close(fd);
		return -ENOMEM;
	}
	watch_all(http);
	return 0;
}

static int start(struct export_http *http, const struct export_address *address)
{
	struct export_address bound = *address;
	char text[80];
	int fd = open_socket(address), ret;

	if (fd < 0) {
		address_format(address, text, sizeof(text));
		service_log(LOG_LEVEL_ERROR, "--listen %s: %s", text,
			    strerror(-fd));
		return fd;
	}
	(void)getsockname(fd, (struct sockaddr *)&bound.address, &bound.size);
	address_format(&bound, text, sizeof(text));
	ret = start_daemon(http, fd);
	if (ret)
		service_log(LOG_LEVEL_ERROR, "--listen %s: %s", text,
			    strerror(-ret));
	else
		service_log(LOG_LEVEL_INFO, "listening on http://%s/metrics",
			    text);
	return ret;
}

int export_http_open(struct export_http **ret_http,
		     const struct export_address *address, struct loop *loop,
		     export_text_fn *fn, void *ctx)
{
	struct export_http *http = calloc(1, sizeof(*http));
	int ret;

	if (!http)
		return -ENOMEM;
	http->loop = loop;
	http->answer.fn = fn;
	http->answer.ctx = ctx;
	http->last = -1;
	ret = mhd_load(&http->answer.mhd);
	if (!ret)
		ret = start(http, address);
	if (ret) {
		export_http_close(http);
		return ret;
	}
	*ret_http = http;
	return 0;
}

void export_http_close(struct export_http *http)
{
	if (!http)
		return;
	watch_nothing(http);
	(void)loop_timer(http->loop, -1, on_ready, http);
	if (http->daemon)
		http->answer.mhd.stop_daemon(http->daemon);
	(void)loop_timer(http->loop, -1, on_sweep, http);
	mhd_unload(&http->answer.mhd);
	free(http);
}
