// SPDX-License-Identifier: MIT
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include <paraclock/paraclock.h>

#include "qga_service.h"

#define NSEC_PER_SEC INT64_C(1000000000)
/* A new connection has to answer in this time. qemu-ga serves one at a time:
 * if another program is connected, nobody may ever answer. */
#define GREETING_NS (10 * NSEC_PER_SEC)

static int64_t boottime_ns(void *ctx)
{
	(void)ctx;
	return loop_now_ns();
}

static int64_t random_number(void *ctx)
{
	uint64_t number = 0;

	(void)ctx;
	/* Early in a boot it could block: a guess is then no harder than any
	 * other, and only a host that deceives itself would make one. */
	if (getrandom(&number, sizeof(number), GRND_NONBLOCK) < 0)
		number = (uint64_t)boottime_ns(NULL) * 0x9e3779b97f4a7c15;
	/* JSON parsers that compute in doubles keep 53 bits. */
	return (int64_t)(number >> 11);
}

static void tell(struct qga_service *service, enum qga_event event,
		 const char *text)
{
	service->tell(service->ctx, event, text);
}

/* --- the host -------------------------------------------------------------- */

static void host_lost(struct qga_service *service, const char *why)
{
	qga_host_gone(service->qga);
	/* Connections come and go; a port has a state. */
	if (service->host.place.port && service->host_told == QGA_HOST_HERE)
		tell(service, QGA_HOST_GONE, why);
	service->host_told = QGA_HOST_GONE;
}

static bool has_hung_up(int fd)
{
	struct pollfd poller = { .fd = fd };

	return fd >= 0 && poll(&poller, 1, 0) > 0 &&
	       poller.revents & (POLLHUP | POLLERR);
}

static void read_host(struct qga_service *service)
{
	char *at;
	size_t size = qga_host_space(service->qga, &at);
	int n;

	if (!size) {
		/* Its replies wait for a host that may have gone: poll(2) would
		 * say so for ever. */
		if (has_hung_up(service->host.fd)) {
			qga_host_lost(&service->host, -EPIPE);
			host_lost(service, "it hung up");
		}
		return;
	}
	n = qga_host_read(&service->host, at, size);
	if (n < 0) {
		host_lost(service, n == -EPIPE ? "it hung up" : strerror(-n));
		return;
	}
	qga_host_fill(service->qga, (size_t)n);
	if (!service->host.connected || service->host_told == QGA_HOST_HERE)
		return;
	service->host_told = QGA_HOST_HERE;
	if (service->host.place.port)
		tell(service, QGA_HOST_HERE, "");
}

/* --- the upstream ---------------------------------------------------------- */

static void tell_upstream_gone(struct qga_service *service, const char *why)
{
	if (service->upstream_told != QGA_UPSTREAM_GONE)
		tell(service, QGA_UPSTREAM_GONE, why);
	service->upstream_told = QGA_UPSTREAM_GONE;
}

static void upstream_lost(struct qga_service *service, const char *why)
{
	qga_upstream_down(service->qga);
	qga_upstream_lost(&service->upstream);
	tell_upstream_gone(service, why);
}

static void read_upstream(struct qga_service *service)
{
	char data[16384];
	int n;

	if (!qga_upstream_ready(service->qga))
		return;
	n = qga_upstream_read(&service->upstream, data, sizeof(data));
	if (n < 0) {
		upstream_lost(service,
			      n == -EPIPE ? "it hung up" : strerror(-n));
		return;
	}
	qga_upstream_fill(service->qga, data, (size_t)n);
	if (qga_is_greeting(service->qga) ||
	    service->upstream_told == QGA_UPSTREAM_HERE)
		return;
	service->upstream_told = QGA_UPSTREAM_HERE;
	qga_upstream_works(&service->upstream);
	tell(service, QGA_UPSTREAM_HERE, "");
}

/* --- both ------------------------------------------------------------------ */

static void flush_host(struct qga_service *service)
{
	struct qga_buffer *out = &service->qga->to_host;
	int ret = -ENOMEM;

	if (!service->host.connected)
		return;
	if (!out->failed)
		ret = qga_buffer_flush(out, service->host.fd);
	if (!ret)
		return;
	qga_host_lost(&service->host, ret);
	host_lost(service, strerror(-ret));
}

static void flush_upstream(struct qga_service *service)
{
	struct qga_buffer *out = &service->qga->to_upstream;
	int ret = -ENOMEM;

	if (service->upstream.fd < 0)
		return;
	if (!out->failed)
		ret = qga_buffer_flush(out, service->upstream.fd);
	if (ret)
		upstream_lost(service, strerror(-ret));
}

/* Move what can be moved, and wait for the rest. */
static void pump(struct qga_service *service)
{
	struct qga *qga = service->qga;
	char *at;

	do {
		qga_run(qga);
		flush_upstream(service);
		flush_host(service);
	} while (qga_can_run(qga));
	qga_host_want(&service->host, qga_host_space(qga, &at) > 0,
		      qga_buffer_count(&qga->to_host) > 0);
	qga_upstream_want(&service->upstream, qga_upstream_ready(qga),
			  qga_buffer_count(&qga->to_upstream) > 0);
}

static void host_changed(void *arg)
{
	struct qga_service *service = arg;

	read_host(service);
	pump(service);
}

static void greeting_is_late(void *arg)
{
	struct qga_service *service = arg;

	if (!qga_is_greeting(service->qga))
		return;
	upstream_lost(service, "it has not answered guest-sync for 10 s; is "
			       "another program connected to it?");
	pump(service);
}

static void upstream_changed(void *arg)
{
	struct qga_service *service = arg;

	if (service->qga->is_up) {
		read_upstream(service);
	} else {
		qga_upstream_up(service->qga);
		loop_timer(service->upstream.loop, GREETING_NS,
			   greeting_is_late, service);
	}
	pump(service);
}

/* --- start and stop -------------------------------------------------------- */

static int make_qga(struct qga_service *service,
		    const struct qga_service_options *options)
{
	const struct qga_options own = {
		.clock = options->clock,
		.upstream = options->upstream,
		.version = paraclock_version(),
		.now = boottime_ns,
		.nonce = random_number,
		.tell = options->tell,
		.ctx = options->ctx,
	};

	return qga_new(&service->qga, &own);
}

int qga_service_start(struct qga_service *service, struct loop *loop,
		      const struct qga_service_options *options, char *why,
		      size_t size)
{
	int ret;

	*service = (struct qga_service){
		.host = { .loop = loop,
			  .place = options->place,
			  .fd = -1,
			  .listen_fd = -1,
			  .changed = host_changed,
			  .arg = service },
		.upstream = { .loop = loop,
			      .path = options->upstream,
			      .fd = -1,
			      .changed = upstream_changed,
			      .arg = service },
		.tell = options->tell,
		.ctx = options->ctx,
	};
	ret = make_qga(service, options);
	if (ret) {
		snprintf(why, size, "%s", strerror(-ret));
		return ret;
	}
	if (options->upstream)
		qga_upstream_open(&service->upstream);
	if (options->upstream && service->upstream.fd < 0)
		tell_upstream_gone(service, "nobody listens there");
	ret = qga_host_open(&service->host, why, size);
	if (ret)
		qga_service_stop(service);
	return ret;
}

void qga_service_stop(struct qga_service *service)
{
	loop_timer(service->upstream.loop, -1, greeting_is_late, service);
	qga_host_close(&service->host);
	qga_upstream_close(&service->upstream);
	qga_free(service->qga);
	service->qga = NULL;
}
