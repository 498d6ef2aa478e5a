// SPDX-License-Identifier: MIT
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "feed_options.h"
#include "feed_output.h"
#include "feed_time.h"

#define POLL_DEFAULT 2

enum feed_option {
	SOCK = 0x100,
	SHM,
	LINES,
	INTERVAL,
	POLL,
	DELAY,
	ASSUME_ERROR,
	START_UTC,
	CHRONYC_SOCKET,
	NO_RESET,
	PRINT_CONFIG,
	FOLDER,
};

static const struct argp_option options[] = {
	{ 0, 0, NULL, 0, "Where the samples go (one of each at most):", 1 },
	{ "chrony-sock", SOCK, "PATH", 0,
	  "chronyd's 'refclock SOCK PATH': chronyd makes the socket", 1 },
	{ "ntp-shm", SHM, "UNIT", 0,
	  "NTP shared memory, for 'refclock SHM UNIT' of chronyd, ntpd or "
	  "ntpsec",
	  1 },
	{ "stdout", LINES, NULL, 0,
	  "stdout: one JSON object for each sample and for each disruption, "
	  "one per line",
	  1 },
	{ 0, 0, NULL, 0, "How often, and how sure:", 2 },
	{ "poll", POLL, "LOG2", 0,
	  "The 'poll' of chrony.conf, -2 to 10: every 2^LOG2 s (default 2); "
	  "feed takes four samples in that time",
	  2 },
	{ "interval", INTERVAL, "SECONDS", 0,
	  "Take a sample at this interval, at least 0.01 (default: a quarter "
	  "of "
	  "--poll)",
	  2 },
	{ "delay", DELAY, "SECONDS", 0,
	  "The 'delay' that chrony.conf states: nothing is delivered while the "
	  "bound is wider than half of it (default: what --print-config would "
	  "print when feed starts)",
	  2 },
	{ "assume-error", ASSUME_ERROR, "SECONDS", 0,
	  "Assume that a source that states no bound is right to within this "
	  "(default 1)",
	  2 },
	{ "start-utc", START_UTC, "TIME", 0,
	  "With -b: the UTC at which a clock that only counts (kvmclock, "
	  "hyperv) was 0, in ns since 1970 or as 2026-11-29T16:00:00.25Z; it "
	  "holds until the first disruption",
	  2 },
	{ "count", 'n', "COUNT", 0,
	  "Exit after COUNT samples were delivered to at least one output", 2 },
	{ 0, 0, NULL, 0, "chronyd, after a disruption:", 3 },
	{ "chronyc-socket", CHRONYC_SOCKET, "PATH", 0,
	  "Where chronyd listens for commands (chronyc -h PATH)", 3 },
	{ "no-reset", NO_RESET, NULL, 0,
	  "Do not have chronyd forget what it measured", 3 },
	{ 0, 0, NULL, 0, "What is shown:", 4 },
	{ "print-config", PRINT_CONFIG, NULL, 0,
	  "Print the lines for chrony.conf, by what the source says now, and "
	  "exit",
	  4 },
	{ "json", 'j', NULL, 0,
	  "Print each change of state as one JSON object on stdout, one per "
	  "line",
	  4 },
	{ "dir", FOLDER, "DIR", 0,
	  "Where feed.json is (default " FEED_FOLDER ")", 4 },
	{ 0 },
};

static error_t parse_poll(const struct argp_state *state, const char *text,
			  int *ret_poll)
{
	char *end;
	long poll = strtol(text, &end, 10);

	if (!text[0] || *end || poll < FEED_POLL_MIN || poll > FEED_POLL_MAX)
		return args_error(state,
				  "--poll %s: not a number from %d to %d", text,
				  FEED_POLL_MIN, FEED_POLL_MAX);
	*ret_poll = (int)poll;
	return 0;
}

static error_t parse_unit(const struct argp_state *state, const char *text,
			  int *ret_unit)
{
	uint64_t unit;
	error_t ret;

	if (*ret_unit >= 0)
		return args_error(state, "--ntp-shm is named twice; feed "
					 "delivers to one");
	ret = parse_number(state, "--ntp-shm", text,
			   (struct number_range){ 0, FEED_UNIT_MAX }, &unit);
	if (!ret)
		*ret_unit = (int)unit;
	return ret;
}

static error_t parse_sock(const struct argp_state *state, const char *text,
			  const char **ret_path)
{
	struct sockaddr_un address;

	if (*ret_path)
		return args_error(state, "--chrony-sock is named twice; feed "
					 "delivers to one");
	if (!text[0] || strlen(text) >= sizeof(address.sun_path))
		return args_error(state,
				  "--chrony-sock: the path of a socket has 1 "
				  "to %zu bytes",
				  sizeof(address.sun_path) - 1);
	/* chronyd splits its lines at white space, and options off a path at a
	 * colon: it can have made no such socket. */
	if (strpbrk(text, " \t\n\v\f\r:"))
		return args_error(state, "--chrony-sock: chrony.conf cannot "
					 "name a path with white space or a "
					 "colon");
	*ret_path = text;
	return 0;
}

static error_t parse_delay(const struct argp_state *state, const char *text,
			   int64_t *ret_ns)
{
	/* No bound is 0. */
	return parse_span_within(state, "--delay", text,
				 (struct span_range){ 1, 0 }, ret_ns);
}

static error_t parse_start(const struct argp_state *state, const char *text,
			   struct keep_rules *rules)
{
	if (feed_parse_time(text, &rules->start_utc_ns))
		return args_error(state,
				  "--start-utc %s: neither ns since 1970 nor "
				  "a date such as 2026-11-29T16:00:00.25Z",
				  text);
	rules->has_start = true;
	return 0;
}

static void set_defaults(struct feed_options *feed)
{
	feed->rules = observer_rules;
	feed->unit = -1;
	feed->poll = INT8_MIN;
	feed->delay_ns = -1;
	feed->folder = FEED_FOLDER;
}

/* Each of --poll and --interval follows the other. */
static error_t finish_times(const struct argp_state *state,
			    struct feed_options *feed)
{
	int64_t interval_ns = feed->observer.interval_ns;

	if (feed->poll == INT8_MIN) {
		feed->poll = interval_ns ? FEED_POLL_MIN : POLL_DEFAULT;
		while (feed->poll < FEED_POLL_MAX &&
		       feed_poll_ns(feed->poll) / FEED_SAMPLES < interval_ns)
			feed->poll++;
	}
	if (!interval_ns)
		interval_ns = feed_poll_ns(feed->poll) / FEED_SAMPLES;
	if (interval_ns > feed_poll_ns(feed->poll))
		return args_error(state,
				  "--interval: longer than chronyd's poll; "
				  "state a larger --poll (at most %d)",
				  FEED_POLL_MAX);
	feed->observer.interval_ns = interval_ns;
	return 0;
}

static error_t finish(const struct argp_state *state, struct feed_options *feed)
{
	if (feed->rules.has_start && !feed->observer.source.backend)
		return args_error(state, "--start-utc: of which clock? name it "
					 "with -b");
	if (!feed->sock && feed->unit < 0 && !feed->lines &&
	    !feed->print_config)
		return args_error(state,
				  "nowhere to deliver to: say --chrony-sock, "
				  "--ntp-shm or --stdout");
	if (feed->print_config && feed->sock && feed->sock[0] != '/')
		return args_error(state, "--chrony-sock: chronyd runs in "
					 "another folder: name the whole path");
	return finish_times(state, feed);
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct feed_options *feed = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		set_defaults(feed);
		state->child_inputs[0] = &feed->observer.source;
		return 0;
	case SOCK:
		return parse_sock(state, arg, &feed->sock);
	case SHM:
		return parse_unit(state, arg, &feed->unit);
	case LINES:
		feed->lines = true;
		return 0;
	case INTERVAL:
		return parse_interval(state, arg, &feed->observer.interval_ns);
	case POLL:
		return parse_poll(state, arg, &feed->poll);
	case DELAY:
		return parse_delay(state, arg, &feed->delay_ns);
	case ASSUME_ERROR:
		return parse_span(state, "--assume-error", arg,
				  &feed->rules.assume_error_ns);
	case START_UTC:
		return parse_start(state, arg, &feed->rules);
	case 'n':
		return parse_count(state, arg, &feed->count);
	case CHRONYC_SOCKET:
		feed->chronyc_socket = arg;
		return 0;
	case NO_RESET:
		feed->no_reset = true;
		return 0;
	case PRINT_CONFIG:
		feed->print_config = true;
		return 0;
	case 'j':
		feed->json = true;
		return 0;
	case FOLDER:
		if (!arg[0])
			return args_error(state, "--dir: the name is empty");
		feed->folder = arg;
		return 0;
	case ARGP_KEY_END:
		return finish(state, feed);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const struct argp_child children[] = {
	{ .argp = &source_memory_argp },
	{ 0 },
};

const struct argp feed_argp = {
	.options = options,
	.parser = parse,
	.children = children,
};
