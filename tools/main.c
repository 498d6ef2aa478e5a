// SPDX-License-Identifier: MIT
/* paraclock(1): which subcommand. */

#include <err.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "tools.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
	{ "status", cmd_status },     { "read", cmd_read },
	{ "cross", cmd_cross },	      { "decode", cmd_decode },
	{ "watch", cmd_watch },	      { "events", cmd_events },
	{ "record", cmd_record },     { "plot", cmd_plot },
	{ "keep", cmd_keep },	      { "agent", cmd_agent },
	{ "feed", cmd_feed },	      { "export", cmd_export },
#ifdef PARACLOCK_HAS_SERVE
	{ "serve", cmd_serve },
#endif
#ifdef PARACLOCK_HAS_SIM
	{ "simulate", cmd_simulate },
#endif
#ifdef PARACLOCK_HAS_BENCH
	{ "bench", cmd_bench },
#endif
};

static const char doc[] =
	"Read the clocks that the hypervisor gives this machine: list them, "
	"say what they read, and say whether you may rely on it.\n"
	"\n"
	"Commands:\n"
	"  status   list the clocks that are here, and say why the others\n"
	"           are not; 'paraclock' alone, or with --json, does this\n"
	"  read     read a clock, once or periodically\n"
	"  cross    read a clock together with the system clocks\n"
	"  decode   say what a saved page means at a counter value\n"
	"  watch    follow a clock: validity, rate, disruptions\n"
	"  events   print disruptions as they are noticed\n"
	"  record   write readings to a file, for a picture and for others\n"
	"  plot     make a picture of a record\n"
	"  keep     keep CLOCK_REALTIME right after restores and migrations\n"
	"  agent    answer the host about the clock, in front of qemu-ga\n"
	"  feed     feed the host clock to chronyd, ntpd or a pipe\n"
#ifdef PARACLOCK_HAS_SERVE
	"  serve    publish bounded UTC for every process of this machine\n"
#endif
	"  export   export metrics for Prometheus\n"
#ifdef PARACLOCK_HAS_SIM
	"  simulate play a script on a simulated host\n"
#endif
#ifdef PARACLOCK_HAS_BENCH
	"  bench    measure what a read costs\n"
#endif
	"\n"
	"'paraclock COMMAND --help' or 'paraclock help COMMAND' explains "
	"each.\n"
	"\v"
	"Exit status:\n"
	"  0  every reading was valid\n"
	"  1  failure; stderr says why, and what to do\n"
	"  2  wrong usage\n"
	"  3  the clock was read, and at least one reading was not valid\n"
	"\n"
	"Examples:\n"
	"  paraclock\n"
	"  paraclock read -n 10 -i 0.1\n"
	"  paraclock read --json | jq .host_ns\n"
	"  paraclock cross -n 100 --json > cross.json";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_INIT:
		args_init(state);
		return 0;
	case ARGP_KEY_ARG:
		return args_error(state, "%s: unexpected argument", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void print_version(FILE *stream, struct argp_state *state)
{
	(void)state;
	fprintf(stream, "paraclock %s\n", paraclock_version());
}

static const struct command *find_command(const char *name)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static int run(const struct command *command, int argc, char **argv)
{
	char name[32];
	int ret;

	snprintf(name, sizeof(name), "paraclock %s", command->name);
	argv[0] = name;
	/* getopt and err.h begin their lines with this. */
	program_invocation_short_name = name;
	ret = command->run(argc, argv);
	/* name ends here, and output_close() may still print an error. */
	program_invocation_short_name = (char *)(uintptr_t) "paraclock";
	return ret;
}

static const struct argp argp = {
	.parser = parse,
	.args_doc = "[COMMAND [OPTION...]]",
	.doc = doc,
};

static int complain(const char *name)
{
	warnx("%s: no such command; see 'paraclock --help'", name);
	return STATUS_USAGE;
}

/* 'paraclock help COMMAND' is 'paraclock COMMAND --help'. */
static int cmd_help(int argc, char **argv)
{
	char self[] = "paraclock", option[] = "--help";
	char *arguments[] = { self, option, NULL };
	const struct command *command;

	if (argc > 2) {
		warnx("%s: unexpected argument; see 'paraclock --help'",
		      argv[2]);
		return STATUS_USAGE;
	}
	/* argp prints the help and exits. */
	if (argc < 2 || argv[1][0] == '-')
		return args_parse(&argp, 2, arguments, NULL);
	command = find_command(argv[1]);
	return command ? run(command, 2, arguments) : complain(argv[1]);
}

int main(int argc, char **argv)
{
	char self[] = "paraclock", fallback[] = "status";
	char *no_arguments[] = { fallback, NULL };
	const struct command *command;
	int ret;

	atexit(output_close);
	/* A closed pipe then fails a write, and the command ends in order. */
	signal(SIGPIPE, SIG_IGN);
	argp_err_exit_status = STATUS_USAGE;
	argp_program_version_hook = print_version;
	program_invocation_short_name = (char *)(uintptr_t) "paraclock";

	if (argc > 1 && strcmp(argv[1], "help") == 0)
		return cmd_help(argc - 1, argv + 1);
	if (argc > 1 && argv[1][0] != '-') {
		command = find_command(argv[1]);
		return command ? run(command, argc - 1, argv + 1)
			       : complain(argv[1]);
	}
	/* 'paraclock' alone is 'paraclock status', which has one option. */
	if (argc > 1 && strcmp(argv[1], "--json") == 0)
		return run(find_command(fallback), argc, argv);
	if (argc > 0)
		argv[0] = self;
	ret = args_parse(&argp, argc, argv, NULL);
	if (ret)
		return ret;
	return run(find_command(fallback), 1, no_arguments);
}
