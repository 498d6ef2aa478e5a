// SPDX-License-Identifier: MIT
#include <string.h>

#include "serve_options.h"

/* What ClockBound asks of its users for their oscillators. */
#define DRIFT_PPB 50000

/* chronyd's default maxslewrate. */
#define SLEW_PPB 83333334

#define DRIFT_MAX_PPB 100000000
#define SLEW_MAX_PPB  200000000

#define INTERVAL_NS (NSEC_PER_SEC / 4)

enum serve_option {
	FROM = 0x100,
	ASSUME_ERROR,
	INTERVAL,
	DRIFT,
	MAX_SLEW,
	CHRONYC_SOCKET,
	FOLDER,
	CLOCKBOUND,
	CONTAINER,
};

static const struct argp_option options[] = {
	{ 0, 0, NULL, 0, "What the time comes from:", 1 },
	{ "from", FROM, "host|kernel", 0,
	  "A host clock (default), or this kernel's clock as chronyd corrects "
	  "it. Then -b names a source of disruption markers only",
	  1 },
	{ "assume-error", ASSUME_ERROR, "SECONDS", 0,
	  "Assume that a host clock that states no bound is right to within "
	  "this. Without it such a clock is refused",
	  1 },
	{ "drift-ppm", DRIFT, "PPM", 0,
	  "The counter's rate may wander by this much (default 50)", 1 },
	{ "max-slew-ppm", MAX_SLEW, "PPM", 0,
	  "The most that anybody slews CLOCK_REALTIME by: chronyd's "
	  "maxslewrate (default 83333.333, which is chronyd's default)",
	  1 },
	{ "interval", INTERVAL, "SECONDS", 0,
	  "Measure so often, 0.01 to 15 (default 0.25). chronyd is asked "
	  "once a second at most",
	  1 },
	{ "chronyc-socket", CHRONYC_SOCKET, "PATH", 0,
	  "Where chronyd listens for chronyc, if not at its usual place", 1 },
	{ 0, 0, NULL, 0, "What is published:", 2 },
	{ "dir", FOLDER, "DIR", 0,
	  "Where the page is, utc.vmclock (default " SERVE_FOLDER ")", 2 },
	{ "clockbound", CLOCKBOUND, "FILE", 0,
	  "Also write ClockBound's segment, which bounds CLOCK_REALTIME: its "
	  "clients look at /var/run/clockbound/shm0",
	  2 },
	{ 0, 0, NULL, 0, "How it runs:", 3 },
	{ "container", CONTAINER, NULL, 0,
	  "Run in a container, although its clock is the whole machine's. "
	  "Without it serve refuses there",
	  3 },
	{ "json", 'j', NULL, 0, "Print a JSON object for each change of state",
	  3 },
	{ 0 },
};

static error_t parse_ppm(const struct argp_state *state, const char *option,
			 const char *text, struct number_range range,
			 uint64_t *ret_ppb)
{
	uint64_t ppb = UINT64_MAX;
	int64_t value;

	/* A number with 9 decimals, of which 3 count. Rounded up: it is a
	 * bound. */
	if (!parse_seconds(text, &value))
		ppb = ((uint64_t)value + 999999) / 1000000;
	if (ppb < range.least || ppb > range.most)
		return args_error(state,
				  "%s %s: not a number of ppm from %s to %u",
				  option, text, range.least ? "0.001" : "0",
				  (unsigned int)(range.most / 1000));
	*ret_ppb = ppb;
	return 0;
}

static error_t parse_from(const struct argp_state *state, const char *text,
			  struct serve_options *serve)
{
	serve->from_kernel = strcmp(text, "kernel") == 0;
	if (!serve->from_kernel && strcmp(text, "host") != 0)
		return args_error(state, "--from %s: neither host nor kernel",
				  text);
	return 0;
}

static error_t set_interval(const struct argp_state *state, const char *text,
			    int64_t *ret_ns)
{
	return parse_span_within(state, "--interval", text,
				 (struct span_range){ NSEC_PER_SEC / 100,
						      15 * NSEC_PER_SEC },
				 ret_ns);
}

static error_t parse_path(const struct argp_state *state, const char *option,
			  char *text, const char **ret_path)
{
	if (!text[0])
		return args_error(state, "%s: the name is empty", option);
	if (strlen(text) > 240)
		return args_error(state, "%s: the name is too long", option);
	*ret_path = text;
	return 0;
}

#define SEGMENT_INTERVAL_NS (4 * NSEC_PER_SEC)

static error_t finish(const struct argp_state *state,
		      struct serve_options *serve)
{
	if (serve->from_kernel && serve->assume_error_ns >= 0)
		return args_error(state, "--assume-error is for host clocks: "
					 "with --from kernel chronyd states "
					 "the bound");
	if (serve->clockbound &&
	    serve->observer.interval_ns > SEGMENT_INTERVAL_NS)
		return args_error(state, "--interval: with --clockbound 4 at "
					 "most, for its segment is void after "
					 "5 s");
	serve->observer.markers_will_do = serve->from_kernel;
	if (serve->assume_error_ns >= 0)
		serve->rules.assume_error_ns = serve->assume_error_ns;
	return 0;
}

static void set_defaults(struct serve_options *serve)
{
	*serve = (struct serve_options){
		.rules = observer_rules,
		.observer.interval_ns = INTERVAL_NS,
		.assume_error_ns = -1,
		.drift_ppb = DRIFT_PPB,
		.slew_ppb = SLEW_PPB,
		.folder = SERVE_FOLDER,
	};
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct serve_options *serve = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		args_init(state);
		set_defaults(serve);
		state->child_inputs[0] = &serve->observer.source;
		return 0;
	case FROM:
		return parse_from(state, arg, serve);
	case ASSUME_ERROR:
		return parse_span(state, "--assume-error", arg,
				  &serve->assume_error_ns);
	case DRIFT:
		return parse_ppm(state, "--drift-ppm", arg,
				 (struct number_range){ 0, DRIFT_MAX_PPB },
				 &serve->drift_ppb);
	case MAX_SLEW:
		/* chronyd, too, has to correct the clock somehow. */
		return parse_ppm(state, "--max-slew-ppm", arg,
				 (struct number_range){ 1, SLEW_MAX_PPB },
				 &serve->slew_ppb);
	case INTERVAL:
		return set_interval(state, arg, &serve->observer.interval_ns);
	case CHRONYC_SOCKET:
		return parse_path(state, "--chronyc-socket", arg,
				  &serve->chronyc_socket);
	case FOLDER:
		return parse_path(state, "--dir", arg, &serve->folder);
	case CLOCKBOUND:
		return parse_path(state, "--clockbound", arg,
				  &serve->clockbound);
	case CONTAINER:
		serve->in_container = true;
		return 0;
	case 'j':
		serve->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_error(state, "%s: unexpected argument", arg);
	case ARGP_KEY_END:
		return finish(state, serve);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static const char doc[] =
	"Publish UTC with a bound for every process on this machine. Reading "
	"it takes no system call and no daemon's answer. paraclock-serve(8), "
	"WHAT IT GUARANTEES, says when the bound holds."
	"\v"
	"The page DIR/utc.vmclock is read with 'paraclock read -b served', "
	"with paraclock_interval(3), or with any reader of vmclock pages. It "
	"says TAI, TAI - UTC, and a bound that grows until the next "
	"measurement. When a disruption voids what is known, the page says so "
	"before anything else is done.\n"
	"\n"
	"Which number to state:\n"
	"  --assume-error  for hosts that give a time and no bound: how far "
	"the\n"
	"                  host's own clock may be from UTC\n"
	"  --drift-ppm     how much the rate of this machine's counter may "
	"wander\n"
	"  --max-slew-ppm  if chronyd runs with another maxslewrate: the same\n"
	"                  number. State a smaller one only if chronyd's\n"
	"                  maxslewrate is that small\n"
	"\n"
	"Exit status: 0 a signal ended it, and the page says UNRELIABLE; 1 it "
	"could not run, and stderr says why; 2 wrong usage.\n"
	"\n"
	"Examples:\n"
	"  paraclock serve\n"
	"  paraclock serve --assume-error 0.001 --clockbound "
	"/var/run/clockbound/shm0\n"
	"  paraclock serve --from kernel --max-slew-ppm 1000";

static const struct argp_child children[] = {
	{ .argp = &source_memory_argp },
	{ 0 },
};

const struct argp serve_argp = {
	.options = options,
	.parser = parse,
	.doc = doc,
	.children = children,
};
