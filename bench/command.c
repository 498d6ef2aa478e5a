// SPDX-License-Identifier: MIT
/* paraclock bench: the command. */

#include <argp.h>
#include <err.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "tools.h"

#define DEFAULT_NS (2 * NSEC_PER_SEC)
#define MIN_NS	   (NSEC_PER_SEC / 10)
#define MAX_NS	   (3600 * NSEC_PER_SEC)

/* The share of one thread in the time; two threads get the rest. */
#define SHARE_OF_ONE 0.6

/* And asking keep, if one runs, takes as much more. */
#define SHARE_OF_SYNC 0.1

struct arguments {
	int64_t ns;
	const char *keep_folder;
	bool json;
};

enum {
	OPTION_KEEP = 256
};

static const char doc[] =
	"Measure what one read of a host clock costs on this machine, and "
	"compare it with the bare counter and clock_gettime(CLOCK_MONOTONIC)."
	"\v"
	"Examples:\n"
	"  paraclock bench                 a table, after about 2 s\n"
	"  paraclock bench --seconds 20    steadier figures on a busy machine\n"
	"  paraclock bench --json | jq '.subjects[] | {name, median_ns}'\n"
	"  taskset -c 1 paraclock bench    on one CPU, without a second "
	"thread\n"
	"\n"
	"\"bare\" is the counter after a fence (x86: lfence; rdtsc), "
	"\"counter\" the same by paraclock_counter(), \"vdso\" is "
	"clock_gettime(CLOCK_MONOTONIC), \"read-at\" is paraclock_read_at() of "
	"a recent counter value. kvmclock is read from this machine's own page "
	"if there is one; the other pages are images in memory, which cost the "
	"same. Every read also checks a vmclock's disruption marker.\n"
	"\n"
	"If 'paraclock keep' runs and the clock is right, one request to it "
	"('paraclock keep --sync', without the start of a process) is "
	"measured as well.\n"
	"\n"
	"Short blocks of all subjects alternate, so that other load on the "
	"machine hits all of them alike; the medians are over blocks. \"ok\" "
	"and \"MISSED\" compare a figure with the project's limits: at most "
	"for "
	"/ vdso and - bare, at least for throughput / bare's. A busy machine "
	"can miss them. A clock that was not valid all the time gets no "
	"figures.\n"
	"\n"
	"Exit status: 0 everything was measured and is within its limits; 1 "
	"something could not be measured, or a way of counting failed its "
	"control; 2 wrong usage; 3 everything was measured, and a limit was "
	"missed.";

static const struct argp_option options[] = {
	{ "seconds", 's', "S", 0, "Measure for about S seconds (default 2)",
	  0 },
	{ "keep", OPTION_KEEP, "DIR", 0,
	  "Where the socket of 'paraclock keep' is (default "
	  "/run/paraclock/keep)",
	  0 },
	{ "json", 'j', NULL, 0, "Print one JSON object on one line", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct arguments *arguments = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		args_init(state);
		return 0;
	case 's':
		return parse_span_within(state, "--seconds", arg,
					 (struct span_range){ MIN_NS, MAX_NS },
					 &arguments->ns);
	case OPTION_KEEP:
		arguments->keep_folder = arg;
		return 0;
	case 'j':
		arguments->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_error(state, "%s: unexpected argument", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static int fail(const char *what, int error)
{
	warnx("%s: %s", what, strerror(-error));
	return STATUS_FAILED;
}

/* Prepare to measure; print errors. */
static int prepare(struct bench *bench)
{
	int ret;

	bench->machine.size = sizeof(bench->machine);
	ret = paraclock_describe_machine(NULL, &bench->machine);
	if (ret)
		return fail("the machine cannot be described", ret);
	bench->cpus = sysconf(_SC_NPROCESSORS_ONLN);
	ret = pages_init(bench->machine.counter_hz);
	if (ret)
		return fail("the counter's frequency is unusable", ret);
	subjects_open(bench);
	return STATUS_OK;
}

static int measure(struct bench *bench)
{
	int ret = measure_time(bench, bench->seconds * SHARE_OF_ONE);

	if (!ret)
		ret = measure_threads(bench,
				      bench->seconds * (1 - SHARE_OF_ONE));
	if (ret)
		return fail("measuring failed", ret);
	measure_allocations(bench);
	measure_syscalls(bench);
	measure_sync(bench, bench->seconds * SHARE_OF_SYNC);
	return STATUS_OK;
}

/* A limit that is missed may be a busy machine's doing: it is no failure to
 * measure. */
static int judge(const struct bench *bench)
{
	bool any = false;

	for (unsigned int i = 0; i < bench->count; i++) {
		const struct subject *subject = &bench->subject[i];

		if (!is_measured(subject) && !subject->absent)
			return STATUS_FAILED;
		any = any || (subject->clk && is_measured(subject));
	}
	if (!any || is_broken(&bench->syscalls) ||
	    is_broken(&bench->allocations))
		return STATUS_FAILED;
	return misses_limit(bench) ? STATUS_NOT_VALID : STATUS_OK;
}

static int run(struct bench *bench, bool json)
{
	int ret = prepare(bench);

	if (ret == STATUS_OK)
		ret = measure(bench);
	if (ret != STATUS_OK)
		return ret;
	/* Every figure is compared with these two. */
	if (!is_measured(bench->bare) || !is_measured(bench->vdso)) {
		warnx("the bare counter or clock_gettime() could not be "
		      "measured");
		return STATUS_FAILED;
	}
	/* output_flush() has said why. */
	if (json ? report_json(bench) : report_table(bench))
		return STATUS_FAILED;
	return judge(bench);
}

int cmd_bench(int argc, char **argv)
{
	static const struct argp argp = { .options = options,
					  .parser = parse,
					  .doc = doc };
	struct arguments arguments = {
		.ns = DEFAULT_NS,
		.keep_folder = "/run/paraclock/keep",
	};
	struct bench bench = { 0 };
	int ret = args_parse(&argp, argc, argv, &arguments);

	if (ret)
		return ret;
	bench.seconds = (double)arguments.ns / NSEC_PER_SEC;
	bench.keep_folder = arguments.keep_folder;
	ret = run(&bench, arguments.json);
	subjects_close(&bench);
	return ret;
}
