// SPDX-License-Identifier: MIT
/* paraclock keep: CLOCK_REALTIME right after every restore, pause and
 * migration. */

#include "service/keep_server.h"
#include "service/keep_sync.h"

/* How long --once waits for a source that is not valid yet. */
#define ONCE_WAIT_NS (10 * NSEC_PER_SEC)

enum mode {
	SERVE,
	ONCE,
	WAIT,
	SYNC
};

struct command {
	struct keep_options keep;
	enum mode mode;
	int64_t wait_ns;   /* -1: not given */
	int64_t within_ns; /* -1: not given */
	bool has_wait, has_sync, is_once;
};

static const char doc[] =
	"Keep CLOCK_REALTIME right by the host's clock: after this machine was "
	"restored, paused or migrated, set it once, as soon as the host clock "
	"is valid again.\n"
	"\v"
	"It needs neither NTP nor a change on the host, and leaves the "
	"day-to-day discipline to chronyd, ntpd or systemd-timesyncd: chronyd "
	"is told to forget what it measured before. Sources are a vmclock with "
	"time and the PTP clocks of KVM, Hyper-V, VMware and virtio-rtc; never "
	"one that repeats this kernel's own clock. The clock never goes back "
	"without --backwards. paraclock-keep(8) has the rules.\n"
	"\n"
	"A program that must not start with a wrong clock runs 'paraclock keep "
	"--sync' first.\n"
	"\n"
	"Exit status: 0 the clock is right, or a signal ended the service; 1 "
	"it could not be measured or corrected; 2 wrong usage; 3 it is not "
	"right and was not corrected, and stderr says why.\n"
	"\n"
	"Examples:\n"
	"  paraclock keep\n"
	"  paraclock keep --once --boot\n"
	"  paraclock keep --sync && exec my-program\n"
	"  paraclock keep --wait 30 --within 0.001\n"
	"  paraclock keep --dry-run --json";

enum keep_option {
	OPT_INTERVAL = 0x200,
	OPT_ONCE,
	OPT_BOOT,
	OPT_WAIT,
	OPT_WITHIN,
	OPT_SYNC,
	OPT_EXEC,
	OPT_VSOCK,
};

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0,
	  "Print one JSON object per event on stdout, one per line", 0 },
	{ "interval", OPT_INTERVAL, "SECONDS", 0,
	  "Measure at this interval while nothing happens (default 1)", 0 },
	{ "exec", OPT_EXEC, "PROGRAM", 0,
	  "Run PROGRAM for each event, with the event as JSON on its stdin, "
	  "and kill it after 10 s",
	  0 },
	{ "vsock", OPT_VSOCK, "PORT", 0,
	  "Answer --sync requests on this vsock port as well", 0 },
	{ 0, 0, NULL, 0, "Instead of running on:", 3 },
	{ "once", OPT_ONCE, NULL, 0,
	  "Measure, correct and exit: for init and for restore hooks", 3 },
	{ "boot", OPT_BOOT, NULL, 0,
	  "With --once: the clock may be set back if nothing has synchronised "
	  "it since this machine booted",
	  3 },
	{ "wait", OPT_WAIT, "SECONDS", 0,
	  "Wait at most this long until the clock is right, and correct "
	  "nothing; with --once or --sync: wait no longer (default 10)",
	  3 },
	{ "within", OPT_WITHIN, "SECONDS", 0,
	  "With --wait or --sync: the clock is right if it is off by no more "
	  "than this (default: --step-above)",
	  3 },
	{ "sync", OPT_SYNC, NULL, 0,
	  "Ask the service to look now, and exit when the clock is right", 3 },
	{ 0 },
};

static error_t parse_vsock(const struct argp_state *state, const char *text,
			   uint32_t *ret_port)
{
	uint64_t port;
	/* The last number means any port. */
	error_t ret =
		parse_number(state, "--vsock", text,
			     (struct number_range){ 1, UINT32_MAX - 1 }, &port);

	if (!ret)
		*ret_port = (uint32_t)port;
	return ret;
}

static error_t finish(const struct argp_state *state, struct command *command)
{
	if (command->is_once && command->has_sync)
		return args_error(state, "--once and --sync: choose one");
	if (command->keep.rules.boot && !command->is_once)
		return args_error(state, "--boot: only with --once");
	if (command->within_ns >= 0 && !command->has_wait && !command->has_sync)
		return args_error(state,
				  "--within: only with --wait or --sync");
	if (command->is_once)
		command->mode = ONCE;
	else if (command->has_sync)
		command->mode = SYNC;
	else if (command->has_wait)
		command->mode = WAIT;
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct command *command = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		args_init(state);
		state->child_inputs[0] = &command->keep;
		return 0;
	case 'j':
		command->keep.json = true;
		return 0;
	case OPT_INTERVAL:
		return parse_interval(state, arg,
				      &command->keep.observer.interval_ns);
	case OPT_EXEC:
		command->keep.exec = arg;
		return 0;
	case OPT_VSOCK:
		return parse_vsock(state, arg, &command->keep.vsock_port);
	case OPT_ONCE:
		command->is_once = true;
		return 0;
	case OPT_BOOT:
		command->keep.rules.boot = true;
		return 0;
	case OPT_WAIT:
		command->has_wait = true;
		return parse_span(state, "--wait", arg, &command->wait_ns);
	case OPT_WITHIN:
		return parse_span(state, "--within", arg, &command->within_ns);
	case OPT_SYNC:
		command->has_sync = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_error(state, "%s: unexpected argument", arg);
	case ARGP_KEY_END:
		return finish(state, command);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- once ----------------------------------------------------------------- */

/* A short run of the loop: signals, and chronyc. */
static void end_wait(void *arg)
{
	loop_end(arg, STATUS_NOT_VALID);
}

/* false: a signal came. */
static bool pause_for(struct loop *loop, int64_t ns)
{
	(void)loop_timer(loop, ns, end_wait, loop);
	return loop_run(loop) == STATUS_NOT_VALID;
}

static int status_of(const struct keep *keep)
{
	const struct keeper *keeper = &keep->observer.keeper;

	if (!keeper->clk)
		return STATUS_FAILED;
	if (keeper->state == KEEP_RIGHT)
		return STATUS_OK;
	if (keeper->state == KEEP_WAITING && keeper->why != KEEP_WHY_TOO_WIDE &&
	    keeper->why != KEEP_WHY_LEAP)
		return STATUS_FAILED;
	return keeper->why == KEEP_WHY_FAILED ? STATUS_FAILED
					      : STATUS_NOT_VALID;
}

/* Look until the clock is right, or will not be by itself. */
static int look_until(struct command *command, struct keep *keep,
		      int64_t wait_ns)
{
	int64_t until_ns = loop_now_ns() + wait_ns;
	bool signalled = false;

	for (;;) {
		(void)observer_look(&keep->observer);
		if (keep_is_right(keep, command->within_ns) ||
		    (command->mode == ONCE && keep_is_settled(keep)) ||
		    loop_now_ns() >= until_ns || signalled)
			break;
		signalled = !pause_for(keep->observer.loop, LOOK_NS);
	}
	/* What was begun is finished: chronyd must forget, hooks must run. */
	until_ns = loop_now_ns() + ONCE_WAIT_NS;
	while ((chrony_is_busy(&keep->chrony) || keep->is_executing) &&
	       !signalled && loop_now_ns() < until_ns)
		signalled = !pause_for(keep->observer.loop, LOOK_NS);
	if (keep_is_right(keep, command->within_ns))
		return STATUS_OK;
	return keep->observer.keeper.state == KEEP_RIGHT ? STATUS_NOT_VALID
							 : status_of(keep);
}

static int run_once(struct command *command, struct keep *keep)
{
	int64_t wait_ns =
		command->wait_ns >= 0 ? command->wait_ns : ONCE_WAIT_NS;
	int ret;

	if (command->mode == ONCE)
		keeper_ask(&keep->observer.keeper, "asked");
	ret = look_until(command, keep, wait_ns);
	if (!keep->observer.keeper.clk)
		/* Why not was told when the wait began. */
		service_log(LOG_LEVEL_ERROR,
			    "no host clock that says what time it is came "
			    "in time");
	else if (ret == STATUS_NOT_VALID &&
		 keep->observer.keeper.state == KEEP_RIGHT)
		service_log(LOG_LEVEL_ERROR, "not within --within");
	return ret;
}

static int serve(struct keep *keep)
{
	struct keep_server *server;
	int ret;

	state_make_folders(keep->options->folder);
	if (keep_server_open(&server, keep))
		return STATUS_FAILED;
	observer_start(&keep->observer);
	service_lock_memory();
	notify_ready(keep_state_name(keep->observer.keeper.state));
	notify_watchdog(keep->observer.loop);
	ret = loop_run(keep->observer.loop);
	notify_stopping();
	keep_server_close(server);
	return ret;
}

static int run(struct command *command, struct loop *loop)
{
	static struct keep keep;
	int ret = keep_open(&keep, &command->keep, loop);

	if (ret)
		return ret;
	ret = command->mode == SERVE ? serve(&keep) : run_once(command, &keep);
	keep_close(&keep);
	return ret;
}

int cmd_keep(int argc, char **argv)
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
	struct command command = { .wait_ns = -1, .within_ns = -1 };
	struct loop *loop;
	int ret = args_parse(&argp, argc, argv, &command);

	if (ret)
		return ret;
	if (command.mode == SYNC)
		return keep_sync(&command.keep,
				 command.wait_ns >= 0 ? command.wait_ns
						      : ONCE_WAIT_NS,
				 command.within_ns);
	if (command.mode == WAIT) {
		/* Only a measurement is asked for. */
		command.keep.rules.on_disruption = KEEP_REPORT;
		command.keep.rules.otherwise = KEEP_REPORT;
	}
	if (loop_new(&loop)) {
		service_log(LOG_LEVEL_ERROR, "no memory or descriptor is left");
		return STATUS_FAILED;
	}
	ret = run(&command, loop);
	loop_free(loop);
	return ret;
}
