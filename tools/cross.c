// SPDX-License-Identifier: MIT
/* paraclock cross: a clock and this machine's own, at one instant. */

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "json.h"
#include "tools.h"

/*
 * What comes between a measurement (a page that is being written, a clock that
 * is set, a move to another host) is over soon: tried again after this, for a
 * tenth of a second in all.
 */
#define TRY_NS (NSEC_PER_SEC / 100)
#define TRIES  10U

/* After a pause the caches are cold, and an interrupt may fall into any
 * reading; of so many, one is narrow. */
#define READINGS 3U

/* A reading every second says no more of a rate, and ten are seen sooner. */
#define INTERVAL_NS (NSEC_PER_SEC / 10)

struct cross {
	struct series series; /* first: a series_read_fn gets this one */
	/* Where the rate is measured from. */
	bool has_first;
	struct paraclock_crosststamp first;
};

/* What is worked out from a cross timestamp. */
struct result {
	bool has_offset, has_rate;
	int64_t offset_ns; /* host - CLOCK_REALTIME */
	double rate_ppm;   /* of the host, against CLOCK_MONOTONIC_RAW */
	double bound_ppm;
};

static const char doc[] =
	"Read the host's clock together with this machine's own clocks: what "
	"each of them said at the value of the CPU counter that belongs to the "
	"host's time.\n"
	"\v"
	"STATE, HOST_NS, TIMESCALE, PAIR_NS and EPOCH are as of 'paraclock "
	"read'. REALTIME_NS and RAW_NS are CLOCK_REALTIME and "
	"CLOCK_MONOTONIC_RAW at the same instant; UNCERT_NS bounds how far off "
	"any of this machine's clocks may be. OFFSET_NS is the host's UTC less "
	"CLOCK_REALTIME: above 0, this machine is behind. A clock that counts "
	"from an unspecified start has none, and TAI has one if the offset of "
	"TAI is known. RATE_PPM is how much faster than CLOCK_MONOTONIC_RAW "
	"the host clock ran since the first line (of this epoch), known to "
	"within BOUND_PPM. What is not known is '-'. A line that ends in LOCAL "
	"is of a source that only repeats what this kernel's own clock says.\n"
	"\n"
	"Where something comes between (the machine is moved, its clock set, "
	"a page rewritten), the reading is made again, for a tenth of a "
	"second.\n"
	"\n"
	"Exit status: 0 every reading was valid; 3 at least one was not; 1 it "
	"could not be done; 2 usage.\n"
	"\n"
	"Examples:\n"
	"  paraclock cross\n"
	"  paraclock cross -b kvmclock -n 100 --json > cross.json\n"
	"  paraclock cross -b vmclock -n 3600 -i 1\n"
	"  paraclock cross -b kvm-pairing --json | jq .offset_ns";

static const struct argp_option options[] = {
	{ "count", 'n', "N", 0, "Readings to make (default 1)", 0 },
	{ "interval", 'i', "SECONDS", 0,
	  "From one reading to the next, like 0.25 (default 0.1)", 0 },
	{ "json", 'j', NULL, 0, "One JSON object per reading and line", 0 },
	{ 0 },
};

/* --- measuring ------------------------------------------------------------ */

static bool may_pass(int error)
{
	return error == -EAGAIN || error == -ESTALE || error == -EINVAL;
}

static int cross_once(const struct paraclock *clk,
		      struct paraclock_crosststamp *ret_xt)
{
	const struct timespec pause = { .tv_nsec = TRY_NS };
	int ret = -EAGAIN;

	for (unsigned int i = 0; i < TRIES && may_pass(ret); i++) {
		if (i)
			nanosleep(&pause, NULL);
		*ret_xt = (struct paraclock_crosststamp){
			.size = sizeof(*ret_xt),
		};
		ret = paraclock_crosststamp(clk, NULL, ret_xt);
	}
	return ret;
}

/* How far off host and local clocks may be from each other, ns. */
static double width_ns(const struct paraclock_crosststamp *xt)
{
	return (double)xt->sample.pair_error_ns + (double)xt->uncertainty_ns;
}

/* The first answer says whether there is a valid one; what follows can only
 * make it narrower. */
static int cross_narrow(const struct paraclock *clk,
			struct paraclock_crosststamp *ret_xt)
{
	struct paraclock_crosststamp more;
	int ret = cross_once(clk, ret_xt);

	if (ret || !ret_xt->sample.valid)
		return ret;
	for (unsigned int i = 1; i < READINGS; i++) {
		more = (struct paraclock_crosststamp){ .size = sizeof(more) };
		if (!paraclock_crosststamp(clk, NULL, &more) &&
		    more.sample.valid &&
		    more.sample.epoch == ret_xt->sample.epoch &&
		    width_ns(&more) < width_ns(ret_xt))
			*ret_xt = more;
	}
	return 0;
}

static bool is_known(const struct paraclock_crosststamp *xt,
		     enum paraclock_clock clock)
{
	return xt->known >> clock & 1;
}

/* On TAI: by the host's own offset, which is as good as its time, or else by
 * this kernel's. */
static bool tai_offset(const struct paraclock_crosststamp *xt,
		       int64_t *ret_offset_ns)
{
	const struct paraclock_sample *sample = &xt->sample;
	int64_t utc_ns;

	if (!(sample->flags & PARACLOCK_FLAG_TAI_OFFSET))
		return is_known(xt, PARACLOCK_CLOCK_TAI) &&
		       !__builtin_sub_overflow(sample->host_ns,
					       xt->ns[PARACLOCK_CLOCK_TAI],
					       ret_offset_ns);
	return !__builtin_sub_overflow(sample->host_ns,
				       sample->tai_offset_sec * NSEC_PER_SEC,
				       &utc_ns) &&
	       !__builtin_sub_overflow(utc_ns, xt->ns[PARACLOCK_CLOCK_REALTIME],
				       ret_offset_ns);
}

static bool utc_offset(const struct paraclock_crosststamp *xt,
		       int64_t *ret_offset_ns)
{
	const struct paraclock_sample *sample = &xt->sample;

	/* UTC gives an inserted second the number of the one before it: which
	 * of the two the local clock means cannot be known. */
	if (!xt->realtime_valid || sample->leap == PARACLOCK_LEAP_POS)
		return false;
	switch (sample->timescale) {
	case PARACLOCK_TIMESCALE_UTC:
	case PARACLOCK_TIMESCALE_UTC_MAYBE_SMEARED:
		return !__builtin_sub_overflow(sample->host_ns,
					       xt->ns[PARACLOCK_CLOCK_REALTIME],
					       ret_offset_ns);
	case PARACLOCK_TIMESCALE_TAI:
		return tai_offset(xt, ret_offset_ns);
	default:
		return false;
	}
}

/* Can a rate be measured from a to b? */
static bool same_run(const struct paraclock_crosststamp *a,
		     const struct paraclock_crosststamp *b)
{
	return a->sample.epoch == b->sample.epoch &&
	       a->sample.timescale == b->sample.timescale &&
	       a->clocksource_changed_seq == b->clocksource_changed_seq;
}

static void measure_rate(const struct paraclock_crosststamp *from,
			 const struct paraclock_crosststamp *to,
			 struct result *result)
{
	int64_t host_ns, raw_ns, ahead_ns;

	if (__builtin_sub_overflow(to->ns[PARACLOCK_CLOCK_MONOTONIC_RAW],
				   from->ns[PARACLOCK_CLOCK_MONOTONIC_RAW],
				   &raw_ns) ||
	    __builtin_sub_overflow(to->sample.host_ns, from->sample.host_ns,
				   &host_ns) ||
	    __builtin_sub_overflow(host_ns, raw_ns, &ahead_ns) || raw_ns <= 0)
		return;
	result->rate_ppm = (double)ahead_ns / (double)raw_ns * 1e6;
	result->bound_ppm =
		(width_ns(from) + width_ns(to)) / (double)raw_ns * 1e6;
	result->has_rate = true;
}

static struct result evaluate(struct cross *cross,
			      const struct paraclock_crosststamp *xt)
{
	struct result result = { 0 };

	if (!xt->sample.valid)
		return result;
	result.has_offset = utc_offset(xt, &result.offset_ns);
	if (!is_known(xt, PARACLOCK_CLOCK_MONOTONIC_RAW))
		return result;
	if (cross->has_first && same_run(&cross->first, xt)) {
		measure_rate(&cross->first, xt, &result);
	} else {
		cross->first = *xt;
		cross->has_first = true;
	}
	return result;
}

/* --- why not -------------------------------------------------------------- */

static void explain_clocksource(const struct paraclock_snapshot *snap,
				char *buf, size_t size)
{
	if (!snap->clocksource[0])
		snprintf(buf, size,
			 "which clocksource the kernel keeps its time by "
			 "cannot be read from /sys/devices/system/clocksource; "
			 "mount sysfs");
	else
		snprintf(buf, size,
			 "the kernel keeps its time by %s, which is not "
			 "computed from the CPU counter; choose another "
			 "clocksource (tsc, kvm-clock ...) in "
			 "/sys/devices/system/clocksource/clocksource0/"
			 "current_clocksource",
			 snap->clocksource);
}

static const char *explain_error(int error)
{
	switch (error) {
	case -EAGAIN:
		return "this machine's clocks kept being set, or its counter "
		       "kept jumping; try again";
	case -EINVAL:
		return "the counter value of the source is not of this moment: "
		       "the counters of the CPUs do not agree, or the source "
		       "answers with an old pair; 'paraclock read' shows it";
	case -ENODEV:
		return "the source counts with another counter than this "
		       "machine's clocks; it can be read, but not correlated "
		       "with them";
	case -ESTALE:
		return "each time, the machine was moved or paused, or "
		       "CLOCK_REALTIME was set; try again when that is over";
	default:
		return NULL;
	}
}

/* Is it the source, or are it this machine's clocks? Each is asked alone. */
static void explain(const struct paraclock *clk, int error, char *buf,
		    size_t size)
{
	struct paraclock_snapshot snap = { .size = sizeof(snap) };
	struct paraclock_sample sample;
	const char *text = explain_error(error);

	if (!text || paraclock_read(clk, &sample) == error)
		paraclock_explain(clk, error, NULL, buf, size);
	else if (!paraclock_snapshot(NULL, &snap) &&
		 !snap.valid_for_correlation)
		explain_clocksource(&snap, buf, size);
	else
		snprintf(buf, size, "%s", text);
}

/* --- JSON ----------------------------------------------------------------- */

static void put_clock(struct json *json, const char *key,
		      const struct paraclock_crosststamp *xt,
		      enum paraclock_clock clock)
{
	if (is_known(xt, clock))
		json_put_s64(json, key, xt->ns[clock]);
	else
		json_put_null(json, key);
}

static void put_rate(struct json *json, const char *key, bool known, double ppm)
{
	if (known)
		json_put_double(json, key, ppm);
	else
		json_put_null(json, key);
}

static int print_json(const char *backend,
		      const struct paraclock_crosststamp *xt,
		      const struct result *result)
{
	struct json json = { 0 };

	json_begin(&json, NULL, '{');
	sample_put_json(&json, backend, &xt->sample);
	put_clock(&json, "realtime_ns", xt, PARACLOCK_CLOCK_REALTIME);
	put_clock(&json, "monotonic_ns", xt, PARACLOCK_CLOCK_MONOTONIC);
	put_clock(&json, "monotonic_raw_ns", xt, PARACLOCK_CLOCK_MONOTONIC_RAW);
	put_clock(&json, "boottime_ns", xt, PARACLOCK_CLOCK_BOOTTIME);
	if (xt->known)
		json_put_u64(&json, "uncertainty_ns", xt->uncertainty_ns);
	else
		json_put_null(&json, "uncertainty_ns");
	json_put_text(&json, "clocksource",
		      xt->clocksource[0] ? xt->clocksource : NULL);
	put_clock(&json, "tai_ns", xt, PARACLOCK_CLOCK_TAI);
	if (result->has_offset)
		json_put_s64(&json, "offset_ns", result->offset_ns);
	else
		json_put_null(&json, "offset_ns");
	put_rate(&json, "rate_ppm", result->has_rate, result->rate_ppm);
	put_rate(&json, "rate_ppm_bound", result->has_rate, result->bound_ppm);
	json_put_u64(&json, "clock_was_set_seq", xt->clock_was_set_seq);
	json_put_u64(&json, "clocksource_changed_seq",
		     xt->clocksource_changed_seq);
	json_end(&json, '}');
	return json_finish(&json);
}

/* --- for people ----------------------------------------------------------- */

#define COLUMNS " %19s  %-17s %19s %17s %14s %11s %11s %9s %7s %5s"

static void print_header(void)
{
	printf("%-11s" COLUMNS, "STATE", "HOST_NS", "TIMESCALE", "REALTIME_NS",
	       "RAW_NS", "OFFSET_NS", "RATE_PPM", "BOUND_PPM", "UNCERT_NS",
	       "PAIR_NS", "EPOCH");
}

/* A number of the table, or that there is none. */
struct cell {
	char text[32];
};

static struct cell cell_ns(bool known, int64_t ns, const char *sign)
{
	struct cell cell = { "-" };

	if (known)
		snprintf(cell.text, sizeof(cell.text), "%s%" PRId64,
			 ns < 0 ? "" : sign, ns);
	return cell;
}

static struct cell cell_u64(bool known, uint64_t value)
{
	struct cell cell = { "-" };

	if (known)
		snprintf(cell.text, sizeof(cell.text), "%" PRIu64, value);
	return cell;
}

static struct cell cell_ppm(bool known, double ppm, bool sign)
{
	struct cell cell = { "-" };

	if (known)
		snprintf(cell.text, sizeof(cell.text), sign ? "%+.4f" : "%.4f",
			 ppm);
	return cell;
}

static const char *remark_on(const struct paraclock_sample *sample)
{
	switch (sample->timescale) {
	case PARACLOCK_TIMESCALE_MONOTONIC:
		return "The host clock counts from an unspecified start: it "
		       "has no offset to CLOCK_REALTIME.";
	case PARACLOCK_TIMESCALE_UNKNOWN:
		return "The timescale of the host clock is not known, and with "
		       "it its offset to CLOCK_REALTIME.";
	default:
		return NULL;
	}
}

static int print_line(struct series *series, const struct paraclock *clk,
		      const struct paraclock_crosststamp *xt,
		      const struct result *result)
{
	const struct paraclock_sample *sample = &xt->sample;
	const int64_t *ns = xt->ns;
	char pair[24];

	format_error_ns(sample->pair_error_ns, pair, sizeof(pair));
	series_begin_row(series, sample, remark_on(sample));
	sample_print_state(sample);
	printf(COLUMNS, cell_ns(true, sample->host_ns, "").text,
	       paraclock_timescale_name(sample->timescale),
	       cell_ns(is_known(xt, PARACLOCK_CLOCK_REALTIME),
		       ns[PARACLOCK_CLOCK_REALTIME], "")
		       .text,
	       cell_ns(is_known(xt, PARACLOCK_CLOCK_MONOTONIC_RAW),
		       ns[PARACLOCK_CLOCK_MONOTONIC_RAW], "")
		       .text,
	       cell_ns(result->has_offset, result->offset_ns, "+").text,
	       cell_ppm(result->has_rate, result->rate_ppm, true).text,
	       cell_ppm(result->has_rate, result->bound_ppm, false).text,
	       cell_u64(xt->known, xt->uncertainty_ns).text, pair,
	       cell_u64(true, sample->epoch).text);
	sample_end_line(sample);
	if (output_flush())
		return -EIO;
	series_end_row(series, clk, sample);
	return 0;
}

static int read_once(struct series *series, const struct paraclock *clk)
{
	struct cross *cross = (struct cross *)series;
	const char *backend = paraclock_backend_name(clk);
	struct paraclock_crosststamp xt;
	struct result result;
	char text[512];
	int ret = cross_narrow(clk, &xt);

	if (ret) {
		explain(clk, ret, text, sizeof(text));
		warnx("%s: %s", backend, text);
		return STATUS_FAILED;
	}
	result = evaluate(cross, &xt);
	if (series->json)
		ret = print_json(backend, &xt, &result);
	else
		ret = print_line(series, clk, &xt, &result);
	if (ret)
		return STATUS_FAILED;
	return xt.sample.valid ? STATUS_OK : STATUS_NOT_VALID;
}

int cmd_cross(int argc, char **argv)
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
	struct cross cross = {
		.series = {
			.count = 1,
			.interval_ns = INTERVAL_NS,
			.print_header = print_header,
		},
	};
	int ret = args_parse(&argp, argc, argv, &cross.series);

	return ret ? ret : series_run(&cross.series, read_once);
}
