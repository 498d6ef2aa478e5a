// SPDX-License-Identifier: MIT
/* paraclock(1): which subcommand. */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools.h"

struct command {
	const char *name;
	int (*run)(int argc, char **argv);
	bool has_json;
};

static const struct command commands[] = {
	{ "status", cmd_status, true },	    { "read", cmd_read, true },
	{ "cross", cmd_cross, true },	    { "decode", cmd_decode, true },
	{ "watch", cmd_watch, true },	    { "events", cmd_events, true },
	{ "record", cmd_record, false },    { "plot", cmd_plot, false },
	{ "keep", cmd_keep, true },	    { "agent", cmd_agent, true },
	{ "feed", cmd_feed, true },	    { "export", cmd_export, false },
	{ "alarm", cmd_alarm, true },
#ifdef PARACLOCK_HAS_SERVE
	{ "serve", cmd_serve, true },
#endif
#ifdef PARACLOCK_HAS_SIM
	{ "simulate", cmd_simulate, true },
#endif
#ifdef PARACLOCK_HAS_BENCH
	{ "bench", cmd_bench, true },
#endif
};

/* What stands before the command. */
struct before {
	bool json;
	int command; /* its index in argv; 0: there is no command */
};

static const struct argp_option options[] = {
	{ "json", 'j', NULL, 0,
	  "Print JSON: the same as --json after the command", 0 },
	{ 0 },
};

static const char doc[] =
	"Read the clocks that the hypervisor gives this machine: list them, "
	"say what they read, and say whether you may rely on it.\n"
	"\n"
	"Commands:\n"
	"  status   list the clocks that are here, and say why the others\n"
	"           are not; 'paraclock' alone does this\n"
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
	"  alarm    say OK, WARNING or CRITICAL, as monitoring plug-ins do\n"
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
	struct before *before = state->input;

	(void)arg;
	switch (key) {
	case 'j':
		before->json = true;
		return 0;
	case ARGP_KEY_ARG:
		before->command = state->next - 1;
		/* The rest is the command's. */
		state->next = state->argc;
		return 0;
	default:
		return ARGP_ERR_UNKNOWN;
	}
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
	.options = options,
	.parser = parse,
	.args_doc = "[COMMAND [OPTION...]]",
	.doc = doc,
};

/* How many letters have to be changed, put in or taken out; long names are no
 * slip of the finger. */
#define WORD_MAX 16

static unsigned int distance(const char *a, const char *b)
{
	unsigned int row[WORD_MAX + 1], size = (unsigned int)strlen(b);

	if (strlen(a) > WORD_MAX || size > WORD_MAX)
		return UINT_MAX;
	for (unsigned int i = 0; i <= size; i++)
		row[i] = i;
	for (; *a; a++) {
		unsigned int corner = row[0]++;

		for (unsigned int i = 1; i <= size; i++) {
			unsigned int least = corner + (*a != b[i - 1]);

			corner = row[i];
			if (least > corner + 1)
				least = corner + 1;
			if (least > row[i - 1] + 1)
				least = row[i - 1] + 1;
			row[i] = least;
		}
	}
	return row[size];
}

/* Two slips make another word of a short one. */
static const char *guess(const char *name)
{
	unsigned int best = strlen(name) > 3 ? 3 : 2;
	const char *found = NULL;

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		unsigned int slips = distance(name, commands[i].name);

		if (slips < best) {
			best = slips;
			found = commands[i].name;
		}
	}
	return found;
}

static int complain(const char *name)
{
	const char *meant = guess(name);

	if (meant)
		warnx("%s: no such command; did you mean '%s'? See 'paraclock "
		      "--help'",
		      name, meant);
	else
		warnx("%s: no such command; see 'paraclock --help'", name);
	return STATUS_USAGE;
}

static int refuse_json(const char *name)
{
	warnx("--json: '%s' prints no JSON; see 'paraclock %s --help'", name,
	      name);
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
	if (argc < 2 || argv[1][0] == '-' || strcmp(argv[1], "help") == 0)
		return args_parse(&argp, 2, arguments, NULL);
	command = find_command(argv[1]);
	return command ? run(command, 2, arguments) : complain(argv[1]);
}

/* argv[0] is the command's name; with @p json there is a word before it. */
static int run_named(bool json, int argc, char **argv)
{
	const struct command *command = find_command(argv[0]);
	static char option[] = "--json";

	if (strcmp(argv[0], "help") == 0)
		return json ? refuse_json("help") : cmd_help(argc, argv);
	if (!command)
		return complain(argv[0]);
	if (!json)
		return run(command, argc, argv);
	if (!command->has_json)
		return refuse_json(command->name);
	argv[0] = option;
	return run(command, argc + 1, argv - 1);
}

/* What a caller left closed would be the number of the next file that is
 * opened, and that file would receive what is printed. Printing on a stdout
 * that was closed stays an error. */
static void fill_standard_files(void)
{
	static const int modes[] = {
		[STDIN_FILENO] = O_RDONLY,
		[STDOUT_FILENO] = O_RDONLY,
		[STDERR_FILENO] = O_WRONLY,
	};

	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
		/* Each takes the lowest free number. An initramfs may have no
		 * /dev yet. */
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", modes[fd]) < 0)
			open("/", O_PATH);
	}
}

int main(int argc, char **argv)
{
	char self[] = "paraclock", fallback[] = "status", option[] = "--json";
	char *status[] = { fallback, option, NULL };
	struct before before = { 0 };
	int ret;

	fill_standard_files();
	atexit(output_close);
	/* A closed pipe then fails a write, and the command ends in order. */
	signal(SIGPIPE, SIG_IGN);
	program_invocation_short_name = (char *)(uintptr_t) "paraclock";

	if (argc > 0)
		argv[0] = self;
	ret = args_parse_in_order(&argp, argc, argv, &before);
	if (ret)
		return ret;
	if (before.command)
		return run_named(before.json, argc - before.command,
				 argv + before.command);
	return run(find_command(fallback), before.json ? 2 : 1, status);
}
