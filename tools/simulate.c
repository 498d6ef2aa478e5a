// SPDX-License-Identifier: MIT
/* paraclock simulate: plays a script on a simulated host. */

#include <err.h>
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "json.h"
#include "publish.h"
#include "tools.h"

/* TAI - UTC since 2017, s: a script's world starts with it. */
#define TAI_OFFSET_SEC 37

struct simulate {
	const char *path;
	struct publisher publisher;
	bool check;
	bool realtime;
	bool has_at;
	bool json;
	bool progress;
	uint64_t failed;
};

static const char doc[] =
	"Play a script on a simulated host: hosts, VMs on them, what happens "
	"to "
	"both, and what a reader is expected to see. One line is printed for "
	"each thing that happens."
	"\v"
	"paraclock-script(5) explains the script. Time is virtual and passes "
	"as "
	"fast as the machine can simulate it. With --realtime, time and "
	"counter "
	"are this machine's, and 'paraclock read -b vmclock -d DIR/VM.vmclock' "
	"reads a running clock.\n"
	"\n"
	"--dir makes the files VM.vmclock, VM.hyperv and VM.pvclock.N (of vCPU "
	"N). When a script ends with --realtime, its pages say that they must "
	"not be used. Without --realtime the pages count with a simulated "
	"counter: read them with 'paraclock decode'.\n"
	"\n"
	"Exit status: 0 all expectations held; 1 the script could not be "
	"played; 2 wrong usage; 3 an expectation did not hold.\n"
	"\n"
	"Examples:\n"
	"  paraclock simulate examples/migration.sim\n"
	"  paraclock simulate --realtime --dir /tmp/sim "
	"examples/migration.sim\n"
	"  for f in *.sim; do paraclock simulate --check \"$f\"; done";

/* Keys of options without a letter. */
enum {
	KEY_CHECK = 256,
	KEY_INTO,
	KEY_AT
};

static const struct argp_option options[] = {
	{ "check", KEY_CHECK, NULL, 0, "Only check the script", 0 },
	{ "realtime", 'r', NULL, 0,
	  "Play in real time, with this machine's counter", 0 },
	{ "dir", 'd', "DIR", 0, "Publish the pages as files in DIR", 0 },
	{ "into", KEY_INTO, "FILE", 0,
	  "Publish the first VM's vmclock in an existing FILE, such as a "
	  "guest's memory",
	  0 },
	{ "at", KEY_AT, "OFFSET", 0, "Where in FILE the page lies, bytes", 0 },
	{ "json", 'j', NULL, 0, "Print one JSON object per line", 0 },
	{ 0 },
};

static error_t check(const struct argp_state *state, const struct simulate *sim)
{
	const struct publisher *pub = &sim->publisher;

	if (!sim->path)
		return args_error(state, "no script; name its file");
	if (!pub->into != !sim->has_at)
		return args_error(state, "--into and --at need each other");
	if (pub->at % 4096)
		return args_error(state, "--at: not a multiple of 4096");
	if (sim->check && (pub->dir || pub->into || sim->realtime))
		return args_error(state, "--check plays nothing; remove --dir, "
					 "--into and --realtime");
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct simulate *sim = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		args_init(state);
		return 0;
	case KEY_CHECK:
		sim->check = true;
		return 0;
	case 'r':
		sim->realtime = true;
		return 0;
	case 'd':
		sim->publisher.dir = arg;
		return 0;
	case KEY_INTO:
		sim->publisher.into = arg;
		return 0;
	case KEY_AT:
		sim->has_at = true;
		return parse_number(state, "--at", arg,
				    (struct number_range){ 0, UINT64_MAX },
				    &sim->publisher.at);
	case 'j':
		sim->json = true;
		return 0;
	case ARGP_KEY_ARG:
		if (sim->path)
			return args_error(state, "%s: unexpected argument",
					  arg);
		sim->path = arg;
		return 0;
	case ARGP_KEY_END:
		return check(state, sim);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- what happens ---------------------------------------------------------
 */

static int print_json(const struct paraclock_sim_event *event)
{
	struct json json = { 0 };

	json_begin(&json, NULL, '{');
	json_put_s64(&json, "elapsed_ns", event->time_ns);
	json_put_u64(&json, "line", event->line);
	json_put_text(&json, "text", event->text);
	json_put_bool(&json, "failed", event->failed);
	json_put_text(&json, "detail", event->detail[0] ? event->detail : NULL);
	if (event->sample) {
		sample_put_json(&json, event->backend, event->sample);
		if (event->sample->valid)
			json_put_s64(&json, "error_ns", event->error_ns);
		else
			json_put_null(&json, "error_ns");
	}
	json_end(&json, '}');
	return json_finish(&json);
}

static void print_sample(const struct paraclock_sim_event *event)
{
	const struct paraclock_sample *sample = event->sample;
	char text[UTC_TEXT];

	sample_format_time(sample, text);
	printf(": %s %s %s", event->backend, text,
	       paraclock_timescale_name(sample->timescale));
	if (sample->leap != PARACLOCK_LEAP_NONE &&
	    sample->leap != PARACLOCK_LEAP_UNKNOWN)
		printf(" leap=%s", paraclock_leap_name(sample->leap));
}

static int print_text(const struct paraclock_sim_event *event)
{
	printf("%6" PRId64 ".%09" PRId64 "  %s", event->time_ns / NSEC_PER_SEC,
	       event->time_ns % NSEC_PER_SEC, event->text);
	if (event->sample)
		print_sample(event);
	if (event->detail[0])
		printf("%s%s", event->failed ? ": FAILED: " : ": ",
		       event->detail);
	putchar('\n');
	return output_flush();
}

static void clear_progress(const struct simulate *sim)
{
	if (sim->progress)
		fputs("\r\033[K", stderr);
}

static int on_event(void *arg, const struct paraclock_sim_event *event)
{
	struct simulate *sim = arg;

	if (stop)
		return -EINTR;
	clear_progress(sim);
	if (event->passes) {
		if (sim->progress)
			fprintf(stderr, "%s ...", event->text);
		return 0;
	}
	if (event->failed) {
		sim->failed++;
		warnx("%s:%u:%u: %s: %s", sim->path, event->line, event->column,
		      event->text, event->detail);
	}
	return sim->json ? print_json(event) : print_text(event);
}

static int on_pages(void *arg, const struct paraclock_sim_play *play)
{
	struct simulate *sim = arg;

	return publish(&sim->publisher, play);
}

/* --- this machine's time --------------------------------------------------
 */

/* Ordered after all earlier loads, like the counter of a reader. */
static uint64_t counter(void *arg)
{
	(void)arg;
	return paraclock_counter(NULL);
}

static int sleep_for(void *arg, uint64_t ns)
{
	struct timespec left = {
		.tv_sec = (time_t)(ns / NSEC_PER_SEC),
		.tv_nsec = (long)(ns % NSEC_PER_SEC),
	};

	(void)arg;
	(void)stop_poll(NULL, 0, &left);
	return stop ? -EINTR : 0;
}

static int set_realtime(struct simulate *sim,
			struct paraclock_sim_play_options *opts)
{
	struct paraclock_machine machine = { .size = sizeof(machine) };
	const struct paraclock_env *env = paraclock_default_env();
	struct timespec now;

	if (env->check_counter && env->check_counter(env->ctx)) {
		warnx("--realtime: this process may not read the counter "
		      "(PR_SET_TSC)");
		return STATUS_FAILED;
	}
	if (paraclock_describe_machine(NULL, &machine) || !machine.counter_hz) {
		warnx("--realtime: the frequency of the counter is not known");
		return STATUS_FAILED;
	}
	clock_gettime(CLOCK_REALTIME, &now);
	opts->start_tai_ns =
		(now.tv_sec + TAI_OFFSET_SEC) * NSEC_PER_SEC + now.tv_nsec;
	opts->counter = counter;
	opts->counter_hz = machine.counter_hz;
	opts->wait = sleep_for;
	sim->progress = isatty(STDERR_FILENO);
	stop_on_signals(true);
	return STATUS_OK;
}

/* --- the script -----------------------------------------------------------
 */

static int read_script(const char *path, struct paraclock_sim_script **ret)
{
	/* One byte more than allowed: the parser refuses a longer file. */
	static char text[PARACLOCK_SIM_SCRIPT_MAX + 1];
	FILE *stream = fopen(path, "re");
	char detail[1024] = "";
	size_t size;
	int error;

	if (!stream) {
		warn("%s", path);
		return STATUS_FAILED;
	}
	size = fread(text, 1, sizeof(text), stream);
	error = ferror(stream) ? errno : 0;
	fclose(stream);
	if (error) {
		warnx("%s: %s", path, strerror(error));
		return STATUS_FAILED;
	}
	error = paraclock_sim_script_parse(ret, text, size, detail,
					   sizeof(detail));
	if (!error)
		return STATUS_OK;
	if (detail[0])
		warnx("%s:%s", path, detail);
	else
		warnx("%s: %s", path, paraclock_error_name(error));
	return STATUS_FAILED;
}

static int play(struct simulate *sim, const struct paraclock_sim_script *script)
{
	struct paraclock_sim_play_options opts = {
		.size = sizeof(opts),
		.arg = sim,
		.on_event = on_event,
		.on_pages = on_pages,
	};
	char detail[512] = "";
	int ret;

	if (sim->realtime && set_realtime(sim, &opts))
		return STATUS_FAILED;
	ret = paraclock_sim_script_play(script, &opts, NULL, detail,
					sizeof(detail));
	clear_progress(sim);
	publish_end(&sim->publisher, sim->realtime);
	/* -EINTR: a signal stopped it, as intended. */
	if (ret && ret != -EINTR) {
		/* Errors of files and of stdout were already printed. */
		if (detail[0])
			warnx("%s:%s", sim->path, detail);
		else if (ret != -EIO)
			warnx("%s: %s", sim->path, paraclock_error_name(ret));
		return STATUS_FAILED;
	}
	return sim->failed ? STATUS_NOT_VALID : STATUS_OK;
}

int cmd_simulate(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "SCRIPT",
		.doc = doc,
	};
	struct simulate sim = { 0 };
	struct paraclock_sim_script *script;
	int ret = args_parse(&argp, argc, argv, &sim);

	if (!ret)
		ret = read_script(sim.path, &script);
	if (ret)
		return ret;
	if (sim.publisher.dir && mkdir(sim.publisher.dir, 0755) &&
	    errno != EEXIST) {
		warn("%s", sim.publisher.dir);
		ret = STATUS_FAILED;
	} else if (!sim.check) {
		ret = play(&sim, script);
	}
	paraclock_sim_script_free(script);
	return ret;
}
