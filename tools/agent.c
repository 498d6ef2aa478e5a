// SPDX-License-Identifier: MIT
/* paraclock agent: QEMU's guest agent protocol, in front of qemu-ga. */

#include <err.h>
#include <string.h>
#include <unistd.h>

#include "json.h"
#include "service/keep_server.h"
#include "service/news.h"
#include "service/qga_clock.h"
#include "service/qga_service.h"
#include "service/service.h"
#include "tools.h"

#define DEFAULT_PORT "/dev/virtio-ports/org.qemu.guest_agent.0"

#define WAIT_MS 1000

struct agent {
	struct qga_service_options service;
	struct keep_options keep;
	bool has_keep;
};

enum {
	OPTION_PORT = 256,
	OPTION_LISTEN,
	OPTION_VSOCK,
	OPTION_UPSTREAM,
	OPTION_KEEP,
};

static const char doc[] =
	"Answer the host's questions about this guest's clock, and set the "
	"clock when the host asks for it, by QEMU's guest agent protocol. "
	"Everything else goes to qemu-ga, which has to listen on a socket "
	"instead of the port, and its answers come back unchanged.\n"
	"\v"
	"These commands are answered here: guest-get-time, guest-set-time "
	"with a time, guest-set-time without one (from the host clock), and "
	"guest-paraclock-status. guest-info is answered by qemu-ga, and these "
	"are added. Without --upstream also guest-ping, guest-sync and "
	"guest-sync-delimited are answered, and anything else is "
	"CommandNotFound.\n"
	"\n"
	"If qemu-ga goes away, requests that it has not answered end with an "
	"error, and so do later ones until it is back.\n"
	"\n"
	"Exit status: 0 stopped by a signal; 1 failure, stderr says why; "
	"2 wrong usage.\n"
	"\n"
	"Examples:\n"
	"  qemu-ga -m unix-listen -p /run/qemu-ga.sock -b guest-set-time &\n"
	"  paraclock agent --upstream /run/qemu-ga.sock\n"
	"  paraclock agent --listen /tmp/agent.sock --dry-run\n"
	"  virsh domtime DOMAIN --sync       (on the host)";

static const struct argp_option options[] = {
	{ "port", OPTION_PORT, "PATH", 0,
	  "Speak to the host over this character device (default "
	  "/dev/virtio-ports/org.qemu.guest_agent.0)",
	  0 },
	{ "listen", OPTION_LISTEN, "SOCKET", 0,
	  "Instead of a port, listen on a Unix socket of mode 0600", 0 },
	{ "vsock", OPTION_VSOCK, "PORT", 0,
	  "Instead of a port, listen on a vsock port, for the host alone", 0 },
	{ "upstream", OPTION_UPSTREAM, "SOCKET", 0,
	  "Pass other commands to the agent that listens on this Unix socket",
	  0 },
	{ "keep", OPTION_KEEP, NULL, 0,
	  "Do what 'paraclock keep' does as well, in this process", 0 },
	{ "json", 'j', NULL, 0,
	  "Also print what is logged as JSON objects, one per line", 0 },
	{ 0 },
};

static bool has_place(const struct agent *agent)
{
	const struct qga_place *place = &agent->service.place;

	return place->port || place->listen || place->vsock;
}

static error_t complain_of_places(const struct argp_state *state)
{
	return args_error(state, "only one of --port, --listen and --vsock "
				 "can be given");
}

static error_t set_place(const struct argp_state *state, const char **place,
			 const char *arg)
{
	if (has_place(state->input))
		return complain_of_places(state);
	*place = arg;
	return 0;
}

static error_t set_vsock(const struct argp_state *state, char *arg)
{
	struct agent *agent = state->input;
	uint64_t port;
	/* The last number means any port. */
	error_t ret =
		parse_number(state, "--vsock", arg,
			     (struct number_range){ 0, UINT32_MAX - 1 }, &port);

	if (ret)
		return ret;
	if (has_place(agent))
		return complain_of_places(state);
	agent->service.place.vsock = true;
	agent->service.place.vsock_port = (unsigned int)port;
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct agent *agent = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		args_init(state);
		state->child_inputs[0] = &agent->keep;
		return 0;
	case OPTION_PORT:
		return set_place(state, &agent->service.place.port, arg);
	case OPTION_LISTEN:
		return set_place(state, &agent->service.place.listen, arg);
	case OPTION_VSOCK:
		return set_vsock(state, arg);
	case OPTION_UPSTREAM:
		agent->service.upstream = arg;
		return 0;
	case OPTION_KEEP:
		agent->has_keep = true;
		return 0;
	case 'j':
		agent->keep.json = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_error(state, "%s: unexpected argument", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct {
	const char *name; /* in JSON */
	int level;
	const char *text;
} events[] = {
	[QGA_TIME_SET] = { "time-set", LOG_LEVEL_NOTICE, "guest-set-time: " },
	[QGA_TIME_REFUSED] = { "time-refused", LOG_LEVEL_WARNING,
			       "guest-set-time refused: " },
	[QGA_HOST_HERE] = { "host-connected", LOG_LEVEL_INFO,
			    "the host is connected" },
	[QGA_HOST_GONE] = { "host-gone", LOG_LEVEL_INFO, "the host is gone: " },
	[QGA_UPSTREAM_HERE] = { "upstream-connected", LOG_LEVEL_INFO,
				"the agent behind answers" },
	[QGA_UPSTREAM_GONE] = { "upstream-gone", LOG_LEVEL_WARNING,
				"the agent behind is away, its commands are "
				"answered with an error: " },
};

static void print_event(enum qga_event event, const char *text)
{
	struct pollfd poller = { .fd = STDOUT_FILENO, .events = POLLOUT };
	struct json json = { 0 };

	/* A reader that is stuck costs a line, not the service. */
	if (poll(&poller, 1, WAIT_MS) <= 0)
		return;
	json_begin(&json, NULL, '{');
	json_put_now(&json);
	json_put_text(&json, "event", events[event].name);
	json_put_text(&json, "detail", *text ? text : NULL);
	json_end(&json, '}');
	json_finish(&json);
}

static void tell(void *ctx, enum qga_event event, const char *text)
{
	const struct agent *agent = ctx;

	service_log(events[event].level, "%s%s", events[event].text, text);
	if (agent->keep.json)
		print_event(event, text);
}

static int start_service(struct agent *agent, struct keep *keep,
			 struct loop *loop, struct qga_service *service)
{
	char why[512];

	agent->service.clock = qga_clock(keep);
	if (!qga_service_start(service, loop, &agent->service, why,
			       sizeof(why)))
		return STATUS_OK;
	warnx("%s", why);
	return STATUS_FAILED;
}

static int serve(struct agent *agent, struct keep *keep, struct loop *loop)
{
	struct keep_server *server = NULL;
	struct qga_service service;
	int ret;

	if (agent->has_keep)
		state_make_folders(agent->keep.folder);
	if (agent->has_keep && keep_server_open(&server, keep))
		return STATUS_FAILED;
	ret = start_service(agent, keep, loop, &service);
	if (!ret) {
		if (agent->has_keep)
			observer_start(&keep->observer);
		service_lock_memory();
		notify_ready("Serving the host");
		notify_watchdog(loop);
		ret = loop_run(loop);
		notify_stopping();
		qga_service_stop(&service);
	}
	keep_server_close(server);
	return ret;
}

static int run(struct agent *agent, struct loop *loop)
{
	static struct keep keep;
	int ret = keep_open(&keep, &agent->keep, loop);

	if (ret)
		return ret;
	ret = serve(agent, &keep, loop);
	keep_close(&keep);
	return ret;
}

int cmd_agent(int argc, char **argv)
{
	static const struct argp_child children[] = {
		{ .argp = &keep_argp },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = doc,
		.children = children,
	};
	static struct agent agent;
	struct loop *loop;
	int ret = args_parse(&argp, argc, argv, &agent);

	if (ret)
		return ret;
	agent.keep.sets_clock = true;
	if (!has_place(&agent))
		agent.service.place.port = DEFAULT_PORT;
	agent.service.tell = tell;
	agent.service.ctx = &agent;
	ret = loop_new(&loop);
	if (ret) {
		warnx("%s", strerror(-ret));
		return STATUS_FAILED;
	}
	ret = run(&agent, loop);
	loop_free(loop);
	return ret;
}
