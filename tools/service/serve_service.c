// SPDX-License-Identifier: MIT
#include <err.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "serve_service.h"

/* SYNCHRONIZED for so many intervals, and never longer without the host's own
 * marker: a restore would go unseen. */
#define FRESH_INTERVALS 4
#define ALONE_NS	(60 * NSEC_PER_SEC)

/* chronyd is asked no more often. */
#define KERNEL_INTERVAL_NS NSEC_PER_SEC

static void look_for_disruption(struct serve *serve)
{
	const struct keeper *keeper = &serve->observer.keeper;
	const char *kind = keeper->cause.kind ? keeper->cause.kind
					      : keeper->last_cause.kind;
	char text[128];

	if (keeper->disruptions == serve->seen)
		return;
	serve->seen = keeper->disruptions;
	snprintf(text, sizeof(text), "this machine was disrupted (%s)",
		 kind ? kind : "unknown");
	serve_disrupt(serve, "disrupted", text);
}

/* The keeper asks this after it has taken the events, and before it measures,
 * which takes long after a restore. */
static int suspended(void *arg, int64_t *ret_ns)
{
	look_for_disruption(arg);
	return steer_suspended(arg, ret_ns);
}

static void looked(void *arg)
{
	struct serve *serve = arg;

	look_for_disruption(serve);
	serve_find_marker(serve);
	if (serve->kernel)
		serve_kernel_look(serve);
	else
		serve_host_look(serve);
	serve_bound(serve);
	serve_tell(serve);
}

/* Twice in the 100 ms in which a change that nothing tells of may go unseen. */
#define CHECK_NS (LOOK_NS / 2)

/* Between two intervals: has the source changed? */
static void on_check(void *arg)
{
	struct serve *serve = arg;

	if (!serve->kernel)
		serve_host_check(serve);
	serve_tell(serve);
	(void)loop_timer(serve->loop, CHECK_NS, on_check, serve);
}

/* Somebody has set CLOCK_REALTIME: the segment is void, and so is the pair of
 * clock and correction that chronyd's words make. */
static void on_set(void *arg)
{
	struct serve *serve = arg;

	if (!steer_was_set(serve))
		return;
	(void)steer_arm(serve);
	if (serve->kernel)
		serve_disrupt(serve, "clock-set",
			      "CLOCK_REALTIME was set; waiting for chronyd's "
			      "next update");
	serve_bound(serve);
	serve_tell(serve);
}

static void ignore(void *arg)
{
	(void)arg;
}

static void ignore_news(void *arg, const struct keep_news *news)
{
	(void)arg;
	(void)news;
}

/* --- its life ------------------------------------------------------------- */

static void set_rules(struct serve *serve)
{
	int64_t interval_ns = serve->options->observer.interval_ns;

	if (serve->options->from_kernel && interval_ns < KERNEL_INTERVAL_NS)
		interval_ns = KERNEL_INTERVAL_NS;
	serve->rules = (struct serve_rules){
		.fresh_ns = FRESH_INTERVALS * interval_ns,
		.alone_ns = ALONE_NS,
	};
}

/* By its name, for then it need not be there to be refused. */
static bool is_served(const struct serve_options *options)
{
	const char *backend = options->observer.source.backend;

	return !options->from_kernel && backend &&
	       strcmp(backend, "served") == 0;
}

static int open_segment(struct serve *serve)
{
	const char *path = serve->options->clockbound;
	char why[512];

	if (!path ||
	    !serve_segment_open(&serve->segment, path, why, sizeof(why)))
		return STATUS_OK;
	warnx("%s", why);
	return STATUS_FAILED;
}

static int open_source(struct serve *serve)
{
	char why[256];

	if (steer_open(&serve->steer, "", why, sizeof(why))) {
		warnx("%s", why);
		serve->steer.watch_fd = -1;
		return STATUS_FAILED;
	}
	serve->ops = (struct keep_ops){
		.ctx = serve,
		.kernel = steer_kernel,
		.suspended = suspended,
		.leap_table = serve_leap_table,
		.tai_offset = serve_kernel_tai,
		.forget = ignore,
		.tell = ignore_news,
	};
	return observer_open(&serve->observer, &serve->options->observer,
			     serve->loop, &serve->options->rules, &serve->ops);
}

int serve_open(struct serve *serve, const struct serve_options *options,
	       struct loop *loop)
{
	char why[512];
	int ret;

	*serve = (struct serve){
		.options = options,
		.loop = loop,
		.segment.lock.fd = -1,
		.told_status = -1,
	};
	if (is_served(options)) {
		warnx("served is what serve itself publishes; name a host "
		      "clock with -b");
		return STATUS_FAILED;
	}
	if (options->clockbound &&
	    !state_may_replace("--clockbound", options->clockbound))
		return STATUS_FAILED;
	set_rules(serve);
	serve_track_init(&serve->track);
	if (service_check_place(options->in_container, why, sizeof(why)) ||
	    serve_page_open(&serve->page, options->folder, why, sizeof(why))) {
		warnx("%s", why);
		return STATUS_FAILED;
	}
	/* While nobody served, anything may have happened. */
	serve->marker = serve->page.found + 1;
	ret = open_segment(serve);
	if (!ret)
		ret = open_source(serve);
	if (!ret && options->from_kernel)
		ret = serve_kernel_open(serve);
	else if (!ret)
		ret = serve_host_check_bound(serve);
	if (!ret) {
		serve_find_marker(serve);
		/* First: whoever waits for the page finds both. */
		serve_bound(serve);
		ret = serve->segment_error ? -EIO : serve_write(serve);
		if (ret && !serve->segment_error)
			warnx("%s: %s", serve->page.path, strerror(-ret));
		ret = ret ? STATUS_FAILED : STATUS_OK;
	}
	if (ret)
		serve_close(serve);
	return ret;
}

void serve_start(struct serve *serve)
{
	serve->observer.looked = looked;
	serve->observer.looked_ctx = serve;
	(void)steer_arm(serve);
	(void)loop_watch(serve->loop, serve->steer.watch_fd, POLLIN, on_set,
			 serve);
	observer_start(&serve->observer);
	on_check(serve);
}

void serve_close(struct serve *serve)
{
	serve_kernel_close(serve);
	if (serve->steer.watch_fd > 0)
		(void)loop_watch(serve->loop, serve->steer.watch_fd, 0, NULL,
				 NULL);
	(void)loop_timer(serve->loop, -1, on_check, serve);
	if (serve->observer.loop)
		observer_close(&serve->observer);
	serve_page_close(&serve->page);
	serve_segment_close(&serve->segment);
	serve_unlock(&serve->segment.lock);
	if (serve->steer.watch_fd > 0)
		steer_close(&serve->steer);
	serve_tell_end(serve);
}
