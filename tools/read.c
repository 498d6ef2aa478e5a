// SPDX-License-Identifier: MIT
/* paraclock read: read a clock, once or periodically. */

#include <err.h>
#include <errno.h>
#include <inttypes.h>

#include "tools.h"

static const char doc[] =
	"Read the host clock. Each reading is a pair: what the host clock "
	"said, and the value of the CPU counter that belongs to it.\n"
	"\v"
	"STATE is 'ok', or the reason why the pair must not be used to "
	"correlate clocks; stderr explains it. 'own-kernel' in place of 'ok' "
	"means a source that only repeats this kernel's own clock. TIME is a "
	"date on TIMESCALE (TAI is 37 s ahead of UTC), or seconds for a clock "
	"with an unspecified start. True time is "
	"within BOUND of it; '-': the host states no bound. EPOCH counts the "
	"disruptions (migration, restore ...) that were noticed; do not "
	"compare readings of different epochs. --long and --json show the "
	"counter value and the rest.\n"
	"\n"
	"Exit status: 0 every reading was valid; 3 at least one was not; 1 the "
	"clock could not be read; 2 wrong usage.\n"
	"\n"
	"Examples:\n"
	"  paraclock read\n"
	"  paraclock read -b kvmclock -n 100 -i 0.01\n"
	"  paraclock read -b vmclock -d /dev/vmclock1 --json\n"
	"  paraclock read --json | jq 'select(.valid) | .host_ns'";

static const struct argp_option options[] = {
	{ "count", 'n', "N", 0, "Make N readings (default 1)", 0 },
	{ "interval", 'i', "SECONDS", 0,
	  "Time between readings, such as 0.25 (default 1)", 0 },
	{ "json", 'j', NULL, 0,
	  "Print one JSON object per reading, one per line", 0 },
	{ "long", 'l', NULL, 0,
	  "Print all of a reading, a line for each member", 0 },
	{ 0 },
};

struct reading {
	struct series series; /* first: a series_read_fn is handed this */
	bool is_long;
};

static void print_header(void)
{
	printf("%-11s %-29s %-17s %8s %5s", "STATE", "TIME", "TIMESCALE",
	       "BOUND", "EPOCH");
}

static void print_row(struct series *series,
		      const struct paraclock_sample *sample)
{
	char when[UTC_TEXT], bound[SHORT_TEXT];

	series_begin_row(series, sample, NULL);
	sample_print_state(sample);
	sample_format_time(sample, when);
	printf(" %-29s %-17s %8s %5" PRIu64 "\n", when,
	       paraclock_timescale_name(sample->timescale),
	       format_bound(sample_bound(sample), bound), sample->epoch);
}

static int print_text(struct reading *reading, const struct paraclock *clk,
		      const struct paraclock_sample *sample)
{
	if (!reading->is_long)
		print_row(&reading->series, sample);
	else
		sample_print_long(paraclock_backend_name(clk), sample);
	if (output_flush())
		return -EIO;
	series_end_row(&reading->series, clk, sample);
	return 0;
}

static int read_once(struct series *series, const struct paraclock *clk)
{
	struct paraclock_sample sample;
	char text[512];
	int ret = paraclock_read(clk, &sample);

	if (ret) {
		paraclock_explain(clk, ret, NULL, text, sizeof(text));
		warnx("%s: %s", paraclock_backend_name(clk), text);
		return STATUS_FAILED;
	}
	if (series->json)
		ret = sample_print_json(paraclock_backend_name(clk), &sample);
	else
		ret = print_text((struct reading *)series, clk, &sample);
	if (ret)
		return STATUS_FAILED;
	return sample.valid ? STATUS_OK : STATUS_NOT_VALID;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct reading *reading = state->input;

	if (key != 'l')
		return series_parse(key, arg, state);
	reading->is_long = true;
	return 0;
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
		.series = {
			.count = 1,
			.interval_ns = NSEC_PER_SEC,
			.print_header = print_header,
		},
	};
	int ret = args_parse(&argp, argc, argv, &reading.series);

	return ret ? ret : series_run(&reading.series, read_once);
}
