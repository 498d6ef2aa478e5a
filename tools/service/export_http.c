// SPDX-License-Identifier: MIT
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "duration.h"
#include "export_http.h"
#include "export_mhd.h"
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
	struct mhd mhd;
	struct MHD_Daemon *daemon;
	struct loop *loop;
	export_text_fn *fn;
	void *ctx;
	int fd; /* libmicrohttpd's epoll */
	struct connection connections[CONNECTIONS];
};

/* --- pages ---------------------------------------------------------------- */

static const char page[] =
	"<!DOCTYPE html>\n"
	"<html lang=\"en\">\n"
	"<head><title>paraclock export</title></head>\n"
	"<body>\n"
	"<h1>paraclock export</h1>\n"
	"<p>The clocks that the hypervisor gives this machine: "
	"<a href=\"/metrics\">metrics</a>.</p>\n"
	"</body>\n"
	"</html>\n";

static enum MHD_Result queue(struct export_http *http,
			     struct MHD_Connection *connection,
			     unsigned int status, struct MHD_Response *response)
{
	enum MHD_Result ret =
		http->mhd.queue_response(connection, status, response);

	http->mhd.destroy_response(response);
	return ret;
}

static struct MHD_Response *make_text(struct export_http *http,
				      const char *text, size_t size,
				      const char *type)
{
	struct MHD_Response *response = http->mhd.create_response_from_buffer(
		size, (void *)(uintptr_t)text, MHD_RESPMEM_MUST_COPY);

	if (response) {
		http->mhd.add_response_header(response, "Content-Type", type);
		http->mhd.add_response_header(
			response, "X-Content-Type-Options", "nosniff");
	}
	return response;
}

static enum MHD_Result refuse(struct export_http *http,
			      struct MHD_Connection *connection,
			      unsigned int status, const char *text)
{
	struct MHD_Response *response = make_text(http, text, strlen(text),
						  "text/plain; charset=utf-8");

	if (!response)
		return MHD_NO;
	if (status == MHD_HTTP_METHOD_NOT_ALLOWED)
		http->mhd.add_response_header(response, "Allow", "GET, HEAD");
	return queue(http, connection, status, response);
}

static enum MHD_Result answer_metrics(struct export_http *http,
				      struct MHD_Connection *connection)
{
	const enum text_format format =
		accept_format(http->mhd.lookup_connection_value(
			connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_ACCEPT));
	struct MHD_Response *response;
	size_t size;
	const char *text = http->fn(http->ctx, format, &size);

	if (!text)
		return MHD_NO;
	response = make_text(http, text, size, text_content_type(format));
	if (!response)
		return MHD_NO;
	http->mhd.add_response_header(response, "Vary", "Accept");
	return queue(http, connection, MHD_HTTP_OK, response);
}

static enum MHD_Result answer_page(struct export_http *http,
				   struct MHD_Connection *connection)
{
	struct MHD_Response *response = make_text(http, page, sizeof(page) - 1,
						  "text/html; charset=utf-8");

	if (!response)
		return MHD_NO;
	http->mhd.add_response_header(response, "Content-Security-Policy",
				      "default-src 'none'");
	return queue(http, connection, MHD_HTTP_OK, response);
}

static bool has_body(struct export_http *http,
		     struct MHD_Connection *connection)
{
	const char *length = http->mhd.lookup_connection_value(
		connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_CONTENT_LENGTH);

	return (length && strcmp(length, "0") != 0) ||
	       http->mhd.lookup_connection_value(
		       connection, MHD_HEADER_KIND,
		       MHD_HTTP_HEADER_TRANSFER_ENCODING);
}

/* Called twice for a request. With an answer to the first call libmicrohttpd
 * closes the connection, and reads no body. */
static enum MHD_Result answer(void *arg, struct MHD_Connection *connection,
			      const char *url, const char *method,
			      const char *version, const char *body,
			      size_t *body_size, void **request)
{
	struct export_http *http = arg;
	const bool is_metrics = strcmp(url, "/metrics") == 0;

	(void)version;
	(void)body;
	(void)body_size;
	if (!*request && !has_body(http, connection)) {
		*request = arg;
		return MHD_YES;
	}
	if (!is_metrics && strcmp(url, "/") != 0)
		return refuse(http, connection, MHD_HTTP_NOT_FOUND,
			      "Not found: only / and /metrics are here.\n");
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 &&
	    strcmp(method, MHD_HTTP_METHOD_HEAD) != 0)
		return refuse(http, connection, MHD_HTTP_METHOD_NOT_ALLOWED,
			      "Only GET and HEAD are allowed.\n");
	return is_metrics ? answer_metrics(http, connection)
			  : answer_page(http, connection);
}

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
	const union MHD_ConnectionInfo *info = http->mhd.get_connection_info(
		connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
	struct connection *one = info ? info->socket_context : NULL;

	(void)request;
	(void)why;
	if (one)
		one->since_ns = loop_now_ns();
}

/* libmicrohttpd then finds that the client has gone. */
static void end_connection(struct export_http *http,
			   struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info = http->mhd.get_connection_info(
		connection, MHD_CONNECTION_INFO_CONNECTION_FD);

	if (info)
		(void)shutdown(info->connect_fd, SHUT_RDWR);
}

/* Its own timeout begins anew with each byte. */
static void on_sweep(void *arg)
{
	struct export_http *http = arg;
	bool is_used = false;

	for (size_t i = 0; i < CONNECTIONS; i++) {
		struct connection *one = &http->connections[i];

		if (!one->connection)
			continue;
		is_used = true;
		if (loop_now_ns() - one->since_ns > PATIENCE_NS)
			end_connection(http, one->connection);
	}
	if (is_used)
		(void)loop_timer(http->loop, SWEEP_NS, on_sweep, http);
}

/* --- the loop ------------------------------------------------------------- */

static void on_ready(void *arg)
{
	struct export_http *http = arg;
	MHD_UNSIGNED_LONG_LONG ms;

	(void)http->mhd.run(http->daemon);
	if (http->mhd.get_timeout(http->daemon, &ms) != MHD_YES)
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
	    !listen(fd, CONNECTIONS))
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

/* libmicrohttpd owns the socket from here on, if it starts. */
static int start_daemon(struct export_http *http, int fd)
{
	const union MHD_DaemonInfo *info;

	http->daemon = http->mhd.start_daemon(
		MHD_USE_EPOLL, 0, NULL, NULL, answer, http,
		MHD_OPTION_LISTEN_SOCKET, fd, MHD_OPTION_CONNECTION_LIMIT,
		(unsigned int)CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
		(size_t)CONNECTION_MEMORY, MHD_OPTION_NOTIFY_CONNECTION,
		on_connection, http, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
		http, MHD_OPTION_END);
	if (!http->daemon) {
		close(fd);
		return -ENOMEM;
	}
	info = http->mhd.get_daemon_info(http->daemon,
					 MHD_DAEMON_INFO_EPOLL_FD);
	if (!info)
		return -EOPNOTSUPP;
	http->fd = info->epoll_fd;
	return loop_watch(http->loop, http->fd, POLLIN, on_ready, http);
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
	http->fn = fn;
	http->ctx = ctx;
	http->fd = -1;
	ret = mhd_load(&http->mhd);
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
	if (http->fd >= 0)
		(void)loop_watch(http->loop, http->fd, 0, NULL, NULL);
	(void)loop_timer(http->loop, -1, on_ready, http);
	if (http->daemon)
		http->mhd.stop_daemon(http->daemon);
	(void)loop_timer(http->loop, -1, on_sweep, http);
	mhd_unload(&http->mhd);
	free(http);
}
