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
	"correlate clocks; stderr explains it. HOST_NS counts from the start "
	"of TIMESCALE; TIME is the same as a date, or in seconds for a clock "
	"with an unspecified start. PAIR_NS bounds how well time and counter "
	"belong together, CLOCK_NS how far off the host clock may be. EPOCH "
	"counts the disruptions (migration, restore ...) that were noticed; do "
	"not compare readings of different epochs. A line that ends in "
	"own-kernel comes from a source that only repeats this kernel's own "
	"clock. If the host states a bound, and the clock is on UTC or on TAI "
	"with its offset, the next line says between which two times true UTC "
	"lies.\n"
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
	{ 0 },
};

static void print_header(void)
{
	printf("%-11s %19s  %-20s %-17s %19s %7s %8s %5s  %s", "STATE",
	       "HOST_NS", "TIME", "TIMESCALE", "COUNTER", "PAIR_NS", "CLOCK_NS",
	       "EPOCH", "MARKERS");
}

static void print_interval(const struct paraclock_sample *sample)
{
	char earliest[INTERVAL_TEXT], latest[INTERVAL_TEXT];

	if (sample_format_interval(sample, earliest, latest))
		printf("  UTC between %s and %s\n", earliest, latest);
}

static int print_line(struct series *series, const struct paraclock *clk,
		      const struct paraclock_sample *sample)
{
	char when[48], pair[24], bound[24];

	sample_format_time(sample, 0, when, sizeof(when));
	format_error_ns(sample->pair_error_ns, pair, sizeof(pair));
	format_error_ns(sample->clock_error_ns, bound, sizeof(bound));
	series_begin_row(series, sample, NULL);
	sample_print_state(sample);
	printf(" %19" PRId64 "  %-20s %-17s %19" PRIu64 " %7s %8s %5" PRIu64
	       "  %s",
	       sample->host_ns, when,
	       paraclock_timescale_name(sample->timescale), sample->host_tsc,
	       pair, bound, sample->epoch,
	       paraclock_marker_class_name(sample->marker_class));
	sample_end_line(sample);
	print_interval(sample);
	if (output_flush())
		return -EIO;
	series_end_row(series, clk, sample);
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
		ret = print_line(series, clk, &sample);
	if (ret)
		return STATUS_FAILED;
	return sample.valid ? STATUS_OK : STATUS_NOT_VALID;
}

int cmd_read(int argc, char **argv)
{
	static const struct argp_child children[] = {
		{ .argp = &source_argp },
		{ 0 },
	};
	static const struct argp argp = {
		.options = options,
		.parser = series_parse,
		.doc = doc,
		.children = children,
	};
	struct series series = {
		.count = 1,
		.interval_ns = NSEC_PER_SEC,
		.print_header = print_header,
	};
	int ret = args_parse(&argp, argc, argv, &series);

	return ret ? ret : series_run(&series, read_once);
}
