// SPDX-License-Identifier: MIT
/* paraclock feed: the host clock, for chronyd, ntpd and whoever reads lines. */

#include <err.h>
#include <string.h>

#include "service/feed_burst.h"
#include "service/feed_config.h"
#include "service/feed_service.h"
#include "service/feed_start.h"
#include "service/feed_tell.h"

/* How long --print-config waits for a source that is not valid yet. */
#define CONFIG_WAIT_NS (10 * NSEC_PER_SEC)

static const char doc[] =
	"Feed the host's clock to chronyd, to ntpd or to any program that "
	"reads lines: with its bound, its leap seconds, and no time from "
	"before a migration or a restore.\n"
	"\v"
	"At each interval a burst of readings is taken of the source and of "
	"CLOCK_REALTIME at the same instants; its median is the sample. It is "
	"delivered only if it is valid and no disruption came since. On a "
	"disruption feed delivers nothing more, has chronyd forget what it "
	"measured before "
	"('reset sources'), and goes on when the source is valid again. "
	"paraclock-feed(8) has the rules.\n"
	"\n"
	"chronyd knows how sure the host's clock is only by 'delay' in "
	"chrony.conf: begin with --print-config. While the host is less sure "
	"than that, nothing is delivered.\n"
	"\n"
	"Sources on UTC or TAI will do, such as vmclock and the PTP clocks; "
	"kvmclock and hyperv with --start-utc; never one that repeats, or may "
	"repeat, this kernel's own clock.\n"
	"\n"
	"Exit status: 0 a signal ended the service, or COUNT samples were "
	"delivered; 1 the source will not do, what --start-utc says has become "
	"void, nobody reads stdout any more, or there is no source for "
	"--print-config; 2 wrong usage; 3 --print-config: the source is not "
	"valid.\n"
	"\n"
	"Examples:\n"
	"  paraclock feed --print-config > paraclock.conf && cat "
	"paraclock.conf\n"
	"  paraclock feed --chrony-sock /run/chrony/paraclock.sock --delay "
	"0.0026\n"
	"  paraclock feed --ntp-shm 0\n"
	"  paraclock feed --stdout -n 10 | jq .offset_ns";

static error_t parse(int key, char *arg, struct argp_state *state)
{
	switch (key) {
	case ARGP_KEY_INIT:
		args_init(state);
		state->child_inputs[0] = state->input;
		return 0;
	case ARGP_KEY_ARG:
		return args_error(state, "%s: unexpected argument", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- sources that will never do ------------------------------------------- */

/* By its name, for then it need not be there to be refused. */
static bool is_named(const struct feed_options *options,
		     const char *const *names)
{
	const char *backend = options->observer.source.backend;

	for (; backend && *names; names++) {
		if (strcmp(backend, *names) == 0)
			return true;
	}
	return false;
}

static int refuse_by_name(const struct feed_options *options)
{
	static const char *const own[] = { "tsc", "kvm-host", NULL };
	static const char *const page[] = { "served", NULL };
	static const char *const counting[] = { "kvmclock", "hyperv", NULL };
	const char *backend = options->observer.source.backend;

	if (is_named(options, own)) {
		warnx("%s repeats this kernel's own clock, and chronyd would "
		      "follow itself; name another source with -b",
		      backend);
		return STATUS_FAILED;
	}
	if (is_named(options, page)) {
		warnx("served may repeat this kernel's clock, and chronyd "
		      "would "
		      "follow itself; name with -b the source that 'paraclock "
		      "serve' measures");
		return STATUS_FAILED;
	}
	if (is_named(options, counting) && !options->rules.has_start) {
		warnx("%s says how much time has passed, not what time it is; "
		      "give the UTC at which it was 0 by --start-utc: ask the "
		      "host for its UTC, and subtract what 'paraclock read -b "
		      "%s' says at that moment",
		      backend, backend);
		return STATUS_FAILED;
	}
	return STATUS_OK;
}

static int check_start(const struct feed_options *options)
{
	if (!options->rules.has_start ||
	    !feed_start_is_void(options->folder, options->rules.start_utc_ns))
		return STATUS_OK;
	warnx("what --start-utc says has been void since a disruption "
	      "(%s/start.void); find out anew when this clock was 0",
	      options->folder);
	return STATUS_FAILED;
}

/* A source that says what time it is needs no start. */
static int check_scale(const struct feed *feed)
{
	const struct paraclock *clk = feed->observer.keeper.clk;
	struct paraclock_sample sample;

	if (!feed->options->rules.has_start || !clk ||
	    paraclock_read(clk, &sample) || !sample.valid ||
	    sample.timescale == PARACLOCK_TIMESCALE_MONOTONIC)
		return STATUS_OK;
	warnx("%s says itself what time it is; leave out --start-utc",
	      paraclock_backend_name(clk));
	return STATUS_FAILED;
}

/* --- what it does --------------------------------------------------------- */

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

static bool try_to_print(struct feed *feed)
{
	struct feed_sample sample;

	if (observer_look(&feed->observer) != KEEP_RIGHT) {
		feed->why = FEED_WHY_SOURCE;
		feed->keep_why = feed->observer.keeper.why;
		return false;
	}
	feed->disruptions = feed->observer.keeper.disruptions;
	if (feed_take(feed, &sample, &feed->why))
		return false;
	feed_config_print(stdout, feed->options, &sample);
	return true;
}

static void complain(const struct feed *feed)
{
	const struct keeper *keeper = &feed->observer.keeper;
	const struct paraclock_sample *sample = &keeper->last.sample;
	char text[OBSERVER_DETAIL_MAX];

	if (keeper->clk && feed->why == FEED_WHY_SOURCE &&
	    feed->keep_why == KEEP_WHY_NOT_VALID && !sample->valid)
		paraclock_explain(keeper->clk, 0, sample, text, sizeof(text));
	else
		feed_describe(feed, text, sizeof(text));
	if (keeper->clk)
		warnx("%s: %s", paraclock_backend_name(keeper->clk), text);
	else
		/* Why not was told when the wait began. */
		warnx("no host clock that says what time it is came in time");
}

static int print_config(struct feed *feed)
{
	int64_t until_ns = loop_now_ns() + CONFIG_WAIT_NS;

	feed->observer.looked = NULL;
	while (!try_to_print(feed)) {
		if (loop_now_ns() < until_ns &&
		    pause_for(feed->observer.loop, LOOK_NS))
			continue;
		complain(feed);
		return feed->observer.keeper.clk ? STATUS_NOT_VALID
						 : STATUS_FAILED;
	}
	return output_flush() ? STATUS_FAILED : STATUS_OK;
}

static int serve(struct feed *feed)
{
	int ret;

	state_make_folders(feed->options->folder);
	feed_start(feed);
	service_lock_memory();
	notify_ready(feed_state_name(feed->state));
	notify_watchdog(feed->observer.loop);
	ret = loop_run(feed->observer.loop);
	notify_stopping();
	return ret;
}

static int run(const struct feed_options *options, struct loop *loop)
{
	static struct feed feed;
	int ret = refuse_by_name(options);

	if (!ret)
		ret = check_start(options);
	if (!ret)
		ret = feed_open(&feed, options, loop);
	if (ret)
		return ret;
	ret = check_scale(&feed);
	if (!ret)
		ret = options->print_config ? print_config(&feed)
					    : serve(&feed);
	feed_close(&feed);
	return ret;
}

int cmd_feed(int argc, char **argv)
{
	static const struct argp_child children[] = {
		{ .argp = &feed_argp },
		{ 0 },
	};
	static const struct argp argp = {
		.parser = parse,
		.doc = doc,
		.children = children,
	};
	struct feed_options options = { 0 };
	struct loop *loop;
	int ret = args_parse(&argp, argc, argv, &options);

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
