// SPDX-License-Identifier: MIT
/* paraclock cross: a host clock and the system clocks at one instant. */

#include <err.h>
#include <errno.h>
#include <time.h>

#include "cross_result.h"

/*
 * A measurement fails while a page is being written, a clock is set or the VM
 * is moved. All of these are over soon: retry after this time, for a tenth of a
 * second in all.
 */
#define TRY_NS (NSEC_PER_SEC / 100)
#define TRIES  10U

/* After a pause the caches are cold, and an interrupt can widen any reading: of
 * three, one is narrow. */
#define READINGS 3U

/* One reading per second would not make the rate more exact: the whole span
 * counts. */
#define INTERVAL_NS (NSEC_PER_SEC / 10)

struct cross {
	struct series series; /* first: a series_read_fn is handed this */
	/* The rate is measured from here. */
	bool has_first;
	struct paraclock_crosststamp first;
};

static const char doc[] =
	"Read the host clock together with the system clocks: what each of "
	"them said at one and the same value of the CPU counter.\n"
	"\v"
	"STATE and EPOCH mean what they mean in 'paraclock read'. OFFSET_NS is "
	"the host's UTC less CLOCK_REALTIME: above 0, this machine is behind. "
	"It needs a host clock on UTC, or on TAI with a known offset: "
	"without -b and --timescale, one that says what time it is goes before "
	"one that is only monotonic. The "
	"host's clock is within ERROR of that, and true UTC within BOUND, "
	"which needs a bound of the host's. RATE_PPM is how much faster the "
	"host clock ran than CLOCK_MONOTONIC_RAW since the first line of this "
	"epoch, within PPM_ERROR. '-' means not known. --json shows each "
	"clock at that instant.\n"
	"\n"
	"When the machine is moved, a clock is set or a page is rewritten "
	"during a reading, the reading is retried for a tenth of a second.\n"
	"\n"
	"Exit status: 0 every reading was valid; 3 at least one was not; 1 "
	"failure; 2 wrong usage.\n"
	"\n"
	"Examples:\n"
	"  paraclock cross\n"
	"  paraclock cross -b kvmclock -n 100 --json > cross.json\n"
	"  paraclock cross -b vmclock -n 3600 -i 1\n"
	"  paraclock cross -b kvm-pairing --json | jq .offset_ns";

static const struct argp_option options[] = {
	{ "count", 'n', "N", 0, "Make N readings (default 1)", 0 },
	{ "interval", 'i', "SECONDS", 0,
	  "Time between readings, such as 0.25 (default 0.1)", 0 },
	{ "json", 'j', NULL, 0,
	  "Print one JSON object per reading, one per line", 0 },
	{ 0 },
};

/* --- measuring ------------------------------------------------------------ */

/* Also -EINVAL: the clocksource may have changed during this try only. */
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

/* The error of the host clock against the system clocks, ns. */
static double width_ns(const struct paraclock_crosststamp *xt)
{
	return (double)xt->sample.pair_error_ns + (double)xt->uncertainty_ns;
}

/* The first reading decides whether this one is valid; the others can only make
 * it narrower. */
int cross_narrow(const struct paraclock *clk,
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

bool cross_utc_offset(const struct paraclock_crosststamp *xt,
		      struct paraclock_offset *ret_off)
{
	*ret_off = (struct paraclock_offset){ .size = sizeof(*ret_off) };
	/* As good as what set this kernel's CLOCK_TAI, and perhaps from before
	 * a restore: so it makes an offset and no bound. */
	if (cross_knows(xt, PARACLOCK_CLOCK_TAI))
		ret_off->assume_tai_offset_sec = xt->tai_offset_sec;
	if (paraclock_offset_of(xt, ret_off) || !ret_off->valid)
		return false;
	if (xt->sample.timescale == PARACLOCK_TIMESCALE_TAI &&
	    !(xt->sample.flags & PARACLOCK_FLAG_TAI_OFFSET))
		ret_off->bound_ns = PARACLOCK_ERROR_UNKNOWN;
	return true;
}

/* Was the clock the same from a to b, so that its rate can be measured? */
static bool same_run(const struct paraclock_crosststamp *a,
		     const struct paraclock_crosststamp *b)
{
	return a->sample.epoch == b->sample.epoch &&
	       a->sample.timescale == b->sample.timescale &&
	       a->clocksource_changed_seq == b->clocksource_changed_seq;
}

static void measure_rate(const struct paraclock_crosststamp *from,
			 const struct paraclock_crosststamp *to,
			 struct cross_result *result)
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

static struct cross_result evaluate(struct cross *cross,
				    const struct paraclock_crosststamp *xt)
{
	struct paraclock_offset off;
	struct cross_result result = { 0 };

	if (!xt->sample.valid)
		return result;
	result.has_offset = cross_utc_offset(xt, &off);
	result.offset_ns = off.offset_ns;
	result.error_ns = off.error_ns;
	result.bound_ns = off.bound_ns;
	if (!cross_knows(xt, PARACLOCK_CLOCK_MONOTONIC_RAW))
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
			 "the kernel's clocksource cannot be read from "
			 "/sys/devices/system/clocksource; mount sysfs");
	else
		snprintf(buf, size,
			 "the kernel's clocksource is %s, which does not count "
			 "with the CPU counter; write tsc or kvm-clock to "
			 "/sys/devices/system/clocksource/clocksource0/"
			 "current_clocksource",
			 snap->clocksource);
}

static const char *explain_error(int error)
{
	switch (error) {
	case -EAGAIN:
		return "the system clocks kept being set, or the counter kept "
		       "jumping; try again";
	case -EINVAL:
		return "the source's counter value is not current: the "
		       "counters of the CPUs disagree, or the source gives an "
		       "old pair; compare with 'paraclock read'";
	case -ENODEV:
		return "the source and the system clocks use different "
		       "counters; read it with 'paraclock read', or choose "
		       "another source with -b";
	case -ESTALE:
		return "the machine was moved or paused, or CLOCK_REALTIME was "
		       "set, during every try; try again later";
	default:
		return NULL;
	}
}

/* Ask the source alone, then the system clocks alone: one of them failed. */
void cross_explain(const struct paraclock *clk, int error, char *buf,
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

static int read_once(struct series *series, const struct paraclock *clk)
{
	struct cross *cross = (struct cross *)series;
	const char *backend = paraclock_backend_name(clk);
	struct paraclock_crosststamp xt;
	struct cross_result result;
	char text[512];
	int ret = cross_narrow(clk, &xt);

	if (ret) {
		cross_explain(clk, ret, text, sizeof(text));
		warnx("%s: %s", backend, text);
		return STATUS_FAILED;
	}
	result = evaluate(cross, &xt);
	if (series->json)
		ret = cross_print_json(backend, &xt, &result);
	else
		ret = cross_print_line(series, clk, &xt, &result);
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
			.source.prefers_utc = true,
			.count = 1,
			.interval_ns = INTERVAL_NS,
			.print_header = cross_print_header,
		},
	};
	int ret = args_parse(&argp, argc, argv, &cross.series);

	return ret ? ret : series_run(&cross.series, read_once);
}
