// SPDX-License-Identifier: MIT
/* paraclock serve: bounded UTC for every process on this machine. */

#include "service/serve_service.h"

static int run(const struct serve_options *options, struct loop *loop)
{
	static struct serve serve;
	int ret = serve_open(&serve, options, loop);

	if (ret)
		return ret;
	serve_start(&serve);
	service_lock_memory();
	notify_ready(serve_status_name(serve.track.tl.status));
	notify_watchdog(loop);
	ret = loop_run(loop);
	notify_stopping();
	serve_close(&serve);
	return ret;
}

int cmd_serve(int argc, char **argv)
{
	struct serve_options options;
	struct loop *loop;
	int ret = args_parse(&serve_argp, argc, argv, &options);

	if (ret)
		return ret;
	if (loop_new(&loop)) {
		service_log(LOG_LEVEL_ERROR, "no memory or descriptor is left");
		return STATUS_FAILED;
	}
	ret = run(&options, loop);
	loop_free(loop);
	return ret;
}
