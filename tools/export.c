// SPDX-License-Identifier: MIT
/* paraclock export: metrics of every clock and service, for Prometheus. */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service/export_http.h"
#include "service/export_metrics.h"
#include "service/export_sources.h"
#include "service/export_state.h"
#include "service/service.h"

/* Of keep, feed and serve. */
#define FOLDER "/run/paraclock"

/* Two clients at once see the same text, and no client makes more work. */
#define FRESH_NS (NSEC_PER_SEC / 10)

/* Of what is printed. */
#define PIECE 1024

struct command {
	struct source source;
	const char *folder;
	const char *textfile; /* NULL: none */
	bool listens;
	struct export_address address;
	int64_t interval_ns; /* -1: not given */
	bool once;
	bool has_format;
	enum text_format format;
};

struct exporter {
	const struct command *command;
	struct loop *loop;
	struct export_sources sources;
	struct export_data data;
	int64_t collected_ns;
	/* What was rendered since then; NULL: not yet. */
	char *texts[TEXT_FORMATS];
	size_t sizes[TEXT_FORMATS];
	bool has_failed; /* the last write, and the log says so */
};

static const char doc[] =
	"Export metrics of the hypervisor's clocks and of paraclock's services "
	"for Prometheus: on stdout, in a file for node_exporter, or by HTTP.\n"
	"\v"
	"HTTP is served at the loopback address unless you name another; there "
	"are /metrics and a plain page at /. Clients that ask for OpenMetrics "
	"receive it, others Prometheus' older text format, which is also that "
	"of --textfile. paraclock-export(8) lists the metrics.\n"
	"\n"
	"Exit status: 0 the metrics were written, or a signal ended the "
	"service; 1 they could not be written; 2 wrong usage.\n"
	"\n"
	"Examples:\n"
	"  paraclock export\n"
	"  paraclock export --format prometheus | promtool check metrics\n"
	"  paraclock export --listen 127.0.0.1:10319\n"
	"  paraclock export --textfile "
	"/var/lib/prometheus/node-exporter/paraclock.prom";

enum export_option {
	OPT_LISTEN = 0x200,
	OPT_TEXTFILE,
	OPT_INTERVAL,
	OPT_ONCE,
	OPT_FORMAT,
	OPT_DIR,
};

static const struct argp_option options[] = {
	{ 0, 0, NULL, 0, "Where the metrics go (default: stdout, once):", 1 },
	{ "listen", OPT_LISTEN, "ADDR[:PORT]", 0,
	  "Serve HTTP at this address; only a PORT means the loopback address "
	  "(default port 10319)",
	  1 },
	{ "textfile", OPT_TEXTFILE, "PATH", 0,
	  "Write this file, for node_exporter; also beside --listen", 1 },
	{ "interval", OPT_INTERVAL, "SECONDS", 0,
	  "With --textfile: at this interval, at least 0.1 (default 15)", 1 },
	{ "once", OPT_ONCE, NULL, 0,
	  "With --textfile: write it once and exit, for cron and timers", 1 },
	{ "format", OPT_FORMAT, "openmetrics|prometheus", 0,
	  "On stdout (default openmetrics) or with --textfile (default "
	  "prometheus)",
	  1 },
	{ 0, 0, NULL, 0, "What is exported (default: every source):", 2 },
	{ "dir", OPT_DIR, "DIR", 0,
	  "Where the folders of keep, feed and serve are (default " FOLDER ")",
	  2 },
	{ 0 },
};

static error_t parse_listen(const struct argp_state *state, const char *text,
			    struct command *command)
{
#ifndef PARACLOCK_HAS_HTTP
	(void)command;
	return args_error(state,
			  "--listen %s: this build has no HTTP server, because "
			  "libmicrohttpd was missing; use --textfile",
			  text);
#else
	if (address_parse(text, &command->address))
		return args_error(
			state,
			"--listen %s: not an address; say for example "
			"127.0.0.1:10319 or [::1]:10319",
			text);
	command->listens = true;
	return 0;
#endif
}

static error_t set_interval(const struct argp_state *state, const char *text,
			    int64_t *ret_ns)
{
	return parse_span_within(state, "--interval", text,
				 (struct span_range){ NSEC_PER_SEC / 10, 0 },
				 ret_ns);
}

static error_t parse_format(const struct argp_state *state, const char *text,
			    struct command *command)
{
	command->has_format = true;
	if (strcmp(text, "openmetrics") == 0)
		command->format = TEXT_OPENMETRICS;
	else if (strcmp(text, "prometheus") == 0)
		command->format = TEXT_PROMETHEUS;
	else
		return args_error(state,
				  "--format %s: neither openmetrics nor "
				  "prometheus",
				  text);
	return 0;
}

static error_t parse_text(const struct argp_state *state, const char *option,
			  const char *text, const char **ret_text)
{
	if (!text[0])
		return args_error(state, "%s: the name is empty", option);
	*ret_text = text;
	return 0;
}

static error_t finish(const struct argp_state *state, struct command *command)
{
	if (command->once && (command->listens || command->interval_ns >= 0))
		return args_error(state, "--once goes with neither --listen "
					 "nor --interval: choose one");
	if (!command->textfile && (command->once || command->interval_ns >= 0))
		return args_error(state, "--once, --interval: only with "
					 "--textfile");
	if (command->has_format && command->listens && !command->textfile)
		return args_error(state, "--format: clients of --listen say "
					 "which format they want");
	if (command->interval_ns < 0)
		command->interval_ns = 15 * NSEC_PER_SEC;
	if (!command->has_format)
		command->format =
			command->textfile ? TEXT_PROMETHEUS : TEXT_OPENMETRICS;
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct command *command = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		args_init(state);
		state->child_inputs[0] = &command->source;
		return 0;
	case OPT_LISTEN:
		return parse_listen(state, arg, command);
	case OPT_TEXTFILE:
		return parse_text(state, "--textfile", arg, &command->textfile);
	case OPT_INTERVAL:
		return set_interval(state, arg, &command->interval_ns);
	case OPT_ONCE:
		command->once = true;
		return 0;
	case OPT_FORMAT:
		return parse_format(state, arg, command);
	case OPT_DIR:
		return parse_text(state, "--dir", arg, &command->folder);
	case ARGP_KEY_ARG:
		return args_error(state, "%s: unexpected argument", arg);
	case ARGP_KEY_END:
		return finish(state, command);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* Other commands choose a source if none is named. argp frees the text. */
static char *say_alone(int key, const char *text, void *input)
{
	(void)input;
	if (key == 'b')
		return strdup("Export BACKEND alone, present or not");
	return (char *)(uintptr_t)text;
}

/* --- the text ------------------------------------------------------------- */

static void forget_texts(struct exporter *exporter)
{
	for (size_t i = 0; i < TEXT_FORMATS; i++) {
		free(exporter->texts[i]);
		exporter->texts[i] = NULL;
	}
}

static void collect(struct exporter *exporter)
{
	const int64_t now_ns = loop_now_ns();

	if (exporter->collected_ns &&
	    now_ns - exporter->collected_ns < FRESH_NS)
		return;
	exporter->collected_ns = now_ns;
	forget_texts(exporter);
	sources_collect(&exporter->sources);
	for (unsigned int i = 0; i < EXPORT_SERVICES; i++)
		export_state_load(exporter->command->folder,
				  (enum export_service_kind)i,
				  &exporter->data.services[i]);
}

static void render(struct exporter *exporter, enum text_format format)
{
	FILE *to = open_memstream(&exporter->texts[format],
				  &exporter->sizes[format]);

	if (!to)
		return;
	export_render(&exporter->data, format, to);
	/* Half a text may look like a whole one. */
	if (ferror(to) | fclose(to)) {
		free(exporter->texts[format]);
		exporter->texts[format] = NULL;
	}
}

static const char *get_text(void *arg, enum text_format format,
			    size_t *ret_size)
{
	struct exporter *exporter = arg;

	collect(exporter);
	if (!exporter->texts[format])
		render(exporter, format);
	*ret_size = exporter->sizes[format];
	return exporter->texts[format];
}

/* --- where it goes -------------------------------------------------------- */

static int write_file(struct exporter *exporter)
{
	const struct command *command = exporter->command;
	size_t size;
	const char *text = get_text(exporter, command->format, &size);
	int ret = text ? state_write(command->textfile, text) : -ENOMEM;

	if (ret && !exporter->has_failed)
		service_log(LOG_LEVEL_ERROR, "%s: %s%s", command->textfile,
			    strerror(-ret),
			    ret == -ENOENT ? "; create its folder" : "");
	else if (!ret && exporter->has_failed)
		service_log(LOG_LEVEL_NOTICE, "%s: written again",
			    command->textfile);
	exporter->has_failed = ret;
	return ret;
}

static void on_interval(void *arg)
{
	struct exporter *exporter = arg;

	(void)write_file(exporter);
	(void)loop_timer(exporter->loop, exporter->command->interval_ns,
			 on_interval, exporter);
}

static int write_stdout(struct exporter *exporter)
{
	size_t size;
	const char *text = get_text(exporter, exporter->command->format, &size);

	if (!text) {
		service_log(LOG_LEVEL_ERROR, "no memory is left");
		return STATUS_FAILED;
	}
	/* In pieces that fit a buffer: only output_flush() knows why one was not
	 * written. */
	for (size_t at = 0, n; at < size; at += n) {
		n = size - at < PIECE ? size - at : PIECE;
		fwrite(text + at, 1, n, stdout);
		if (output_flush())
			return STATUS_FAILED;
	}
	return STATUS_OK;
}

/* Numbers that nobody writes any more must not look like today's. */
static int run_loop(struct exporter *exporter)
{
	int ret;

	sources_start(&exporter->sources, exporter->loop);
	if (exporter->command->textfile)
		(void)loop_timer(exporter->loop, exporter->command->interval_ns,
				 on_interval, exporter);
	notify_ready("exporting");
	notify_watchdog(exporter->loop);
	ret = loop_run(exporter->loop);
	notify_stopping();
	if (exporter->command->textfile)
		(void)unlink(exporter->command->textfile);
	return ret;
}

static int serve(struct exporter *exporter)
{
#ifdef PARACLOCK_HAS_HTTP
	struct export_http *http;
	int ret = export_http_open(&http, &exporter->command->address,
				   exporter->loop, get_text, exporter);

	if (ret)
		return STATUS_FAILED;
	ret = run_loop(exporter);
	export_http_close(http);
	return ret;
#else
	return run_loop(exporter);
#endif
}

static int run(struct exporter *exporter)
{
	const struct command *command = exporter->command;

	if (!command->textfile && !command->listens)
		return write_stdout(exporter);
	/* A folder that is not there is the user's mistake: say so at once. */
	if (command->textfile &&
	    (!state_may_replace("--textfile", command->textfile) ||
	     write_file(exporter)))
		return STATUS_FAILED;
	if (command->once)
		return STATUS_OK;
	return command->listens ? serve(exporter) : run_loop(exporter);
}

int cmd_export(int argc, char **argv)
{
	const struct argp one_source = {
		.options = source_argp.options,
		.parser = source_argp.parser,
		.help_filter = say_alone,
	};
	const struct argp_child children[] = {
		{ .argp = &one_source, .group = 2 },
		{ 0 },
	};
	const struct argp argp = {
		.options = options,
		.parser = parse,
		.doc = doc,
		.children = children,
	};
	static struct exporter exporter;
	struct command command = { .folder = FOLDER, .interval_ns = -1 };
	int ret = args_parse(&argp, argc, argv, &command);

	if (ret)
		return ret;
	exporter.command = &command;
	if (loop_new(&exporter.loop)) {
		service_log(LOG_LEVEL_ERROR, "no memory or descriptor is left");
		return STATUS_FAILED;
	}
	ret = sources_open(&exporter.sources, &command.source, &exporter.data);
	if (!ret)
		ret = run(&exporter);
	sources_close(&exporter.sources);
	forget_texts(&exporter);
	loop_free(exporter.loop);
	return ret;
}
