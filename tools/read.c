// SPDX-License-Identifier: MIT
/* paraclock read: a clock's answer, once or periodically. */

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <time.h>
#include <unistd.h>

#include "tools.h"

struct reading {
	struct source source;
	uint64_t count;
	int64_t interval_ns;
	bool json;
	/* What was explained last; it is explained when it changes. */
	unsigned int explained;
};

static const char doc[] =
	"Read the host's clock. Each reading is a pair: what the host clock "
	"said, and the value of the CPU counter that belongs to it.\n"
	"\v"
	"STATE is 'ok', or the reason why the pair must not be used to "
	"correlate clocks; stderr explains it. HOST_NS counts from the epoch "
	"of TIMESCALE; TIME is the same as a date, or in seconds for a clock "
	"that counts from an unspecified start. PAIR_NS and CLOCK_NS bound how "
	"far apart the two are, and how far off the host's clock may be. EPOCH "
	"counts the disruptions (migration, restore ...) that were noticed; "
	"readings of different epochs must not be compared.\n"
	"\n"
	"Exit status: 0 every reading was valid; 3 at least one was not; 1 it "
	"could not be read; 2 usage.\n"
	"\n"
	"Examples:\n"
	"  paraclock read\n"
	"  paraclock read -b kvmclock -n 100 -i 0.01\n"
	"  paraclock read -b vmclock -d /dev/vmclock1 --json\n"
	"  paraclock read --json | jq 'select(.valid) | .host_ns'";

static const struct argp_option options[] = {
	{ "count", 'n', "N", 0, "Readings to make (default 1)", 0 },
	{ "interval", 'i', "SECONDS", 0,
	  "From one reading to the next, like 0.25 (default 1)", 0 },
	{ "json", 'j', NULL, 0, "One JSON object per reading and line", 0 },
	{ 0 },
};

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct reading *reading = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		args_init(state);
		state->child_inputs[0] = &reading->source;
		return 0;
	case 'n':
		return parse_count(state, arg, &reading->count);
	case 'i':
		if (parse_seconds(arg, &reading->interval_ns))
			return args_error(state, "-i %s: not a time in seconds",
					  arg);
		return 0;
	case 'j':
		reading->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_error(state, "%s: not expected here", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void print_header(void)
{
	printf("%-11s %19s  %-20s %-17s %19s %7s %8s %5s  %s\n", "STATE",
	       "HOST_NS", "TIME", "TIMESCALE", "COUNTER", "PAIR_NS", "CLOCK_NS",
	       "EPOCH", "MARKERS");
}

static int print_line(const struct paraclock_sample *sample)
{
	char when[48], pair[24], bound[24];

	sample_format_time(sample, 0, when, sizeof(when));
	format_error_ns(sample->pair_error_ns, pair, sizeof(pair));
	format_error_ns(sample->clock_error_ns, bound, sizeof(bound));
	printf("%-11s %19" PRId64 "  %-20s %-17s %19" PRIu64
	       " %7s %8s %5" PRIu64 "  %s\n",
	       sample_state(sample), sample->host_ns, when,
	       paraclock_timescale_name(sample->timescale), sample->host_tsc,
	       pair, bound, sample->disruption,
	       paraclock_marker_class_name(sample->marker_class));
	return output_flush();
}

/* On stderr: stdout has one line for each reading. */
static void explain_change(struct reading *reading, const struct paraclock *clk,
			   const struct paraclock_sample *sample)
{
	char text[512];

	if (sample->reason == reading->explained)
		return;
	reading->explained = sample->reason;
	if (sample->valid)
		return;
	paraclock_explain(clk, 0, sample, text, sizeof(text));
	warnx("%s: not valid: %s", paraclock_backend_name(clk), text);
}

static int read_once(struct reading *reading, const struct paraclock *clk)
{
	struct paraclock_sample sample;
	char text[512];
	int ret = paraclock_read(clk, &sample);

	if (ret) {
		paraclock_explain(clk, ret, NULL, text, sizeof(text));
		warnx("%s: %s", paraclock_backend_name(clk), text);
		return STATUS_FAILED;
	}
	if (reading->json)
		ret = sample_print_json(paraclock_backend_name(clk), &sample);
	else
		ret = print_line(&sample);
	if (ret)
		return STATUS_FAILED;
	if (!reading->json)
		explain_change(reading, clk, &sample);
	return sample.valid ? STATUS_OK : STATUS_NOT_VALID;
}

static void sleep_until(int64_t deadline_ns)
{
	const struct timespec deadline = {
		.tv_sec = deadline_ns / NSEC_PER_SEC,
		.tv_nsec = deadline_ns % NSEC_PER_SEC,
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline,
			       NULL) == EINTR)
		;
}

static int read_all(struct reading *reading, const struct paraclock *clk)
{
	int status = STATUS_OK;
	struct timespec start;
	int64_t deadline_ns;

	clock_gettime(CLOCK_MONOTONIC, &start);
	deadline_ns = (int64_t)start.tv_sec * NSEC_PER_SEC + start.tv_nsec;
	if (!reading->json && isatty(STDOUT_FILENO))
		print_header();
	for (uint64_t i = 0; i < reading->count; i++) {
		int ret;

		if (i && reading->interval_ns) {
			deadline_ns += reading->interval_ns;
			sleep_until(deadline_ns);
		}
		ret = read_once(reading, clk);
		if (ret == STATUS_FAILED)
			return ret;
		if (ret)
			status = ret;
	}
	return status;
}

int cmd_read(int argc, char **argv)
{
	static const struct argp_child children[] = {
		{ .argp = &source_argp },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = doc,
		.children = children,
	};
	struct reading reading = {
		.count = 1,
		.interval_ns = NSEC_PER_SEC,
		.explained = PARACLOCK_REASON_OK,
	};
	struct paraclock *clk;
	int ret = args_parse(&argp, argc, argv, &reading);

	if (ret)
		return ret;
	ret = source_open(&reading.source, &clk);
	if (ret)
		return ret;
	ret = read_all(&reading, clk);
	paraclock_close(clk);
	return ret;
}
