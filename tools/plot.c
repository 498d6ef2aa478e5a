// SPDX-License-Identifier: MIT
/* paraclock plot: a picture of a record. */

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "record/gnuplot.h"
#include "record/picture.h"
#include "tools.h"

struct plot {
	const char *path;
	const char *output;
	enum picture_format format;
	/* What is not NULL or not negative has to be freed or closed. */
	char *draft; /* the picture until it is whole */
	int draft_fd;
	struct trace trace;
	struct trend trend;
	struct curve curve;
};

static const char doc[] =
	"Draw a picture of a record that 'paraclock record' has written: the "
	"offset of the host clock with its bound, its rate, and its stability "
	"as the overlapping Allan deviation. Disruptions, and times at which "
	"CLOCK_REALTIME was set, are vertical lines."
	"\v"
	"The suffix of the output, .png or .svg, says what it is. An existing "
	"file is replaced when the picture is whole. FILE may be - for stdin. "
	"gnuplot draws it: install the package gnuplot-nox (Debian, Ubuntu) or "
	"gnuplot. paraclock-record(1) explains the panels.\n"
	"\n"
	"Exit status: 0 success; 1 failure; 2 wrong usage.\n"
	"\n"
	"Examples:\n"
	"  paraclock plot clock.csv -o clock.png\n"
	"  paraclock record -t 60 -o - | paraclock plot - -o clock.svg";

static const struct argp_option options[] = {
	{ "output", 'o', "FILE", 0, "Draw to FILE, a .png or a .svg", 0 },
	{ 0 },
};

static bool has_suffix(const char *text, const char *suffix)
{
	const size_t length = strlen(text), tail = strlen(suffix);

	return length > tail && strcmp(text + length - tail, suffix) == 0;
}

static error_t check(const struct argp_state *state, struct plot *plot)
{
	if (!plot->path)
		return args_error(state, "no record; name its file");
	if (!plot->output)
		return args_error(state, "no picture; name it with -o");
	if (has_suffix(plot->output, ".png"))
		plot->format = PICTURE_PNG;
	else if (has_suffix(plot->output, ".svg"))
		plot->format = PICTURE_SVG;
	else
		return args_error(state,
				  "-o %s: a name that ends in .png or .svg is "
				  "needed",
				  plot->output);
	return 0;
}

static error_t parse(int key, char *arg, struct argp_state *state)
{
	struct plot *plot = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		args_init(state);
		return 0;
	case 'o':
		plot->output = arg;
		return 0;
	case ARGP_KEY_ARG:
		if (plot->path)
			return args_error(state, "%s: unexpected argument",
					  arg);
		plot->path = arg;
		return 0;
	case ARGP_KEY_END:
		return check(state, plot);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

/* --- the record ----------------------------------------------------------- */

/* Each of the following: 0, or -1 and stderr says why. */

static int load_from(struct plot *plot, FILE *from, const char *name)
{
	char detail[512] = "";
	const int ret = trace_load(&plot->trace, from, detail, sizeof(detail));

	if (detail[0]) {
		warnx("%s:%s", name, detail);
		return -1;
	}
	if (ret) {
		warnx("%s: %s", name, strerror(-ret));
		return -1;
	}
	if (plot->trace.is_cut)
		warnx("%s: the last line is incomplete, and was left out",
		      name);
	if (plot->trace.count)
		return 0;
	warnx("%s: not one valid reading; 'paraclock record' has said why",
	      name);
	return -1;
}

static int load(struct plot *plot)
{
	FILE *from;
	int ret;

	if (strcmp(plot->path, "-") == 0)
		return load_from(plot, stdin, "stdin");
	from = fopen(plot->path, "re");
	if (!from) {
		warn("%s", plot->path);
		return -1;
	}
	ret = load_from(plot, from, plot->path);
	fclose(from);
	return ret;
}

static int evaluate(struct plot *plot)
{
	if (!trend_find(&plot->trend, &plot->trace) &&
	    !curve_find(&plot->curve, &plot->trace, &plot->trend))
		return 0;
	warnx("no memory");
	return -1;
}

/* --- the picture ---------------------------------------------------------- */

/* A file in memory: gnuplot reads it when it likes. */
static int write_script(const struct plot *plot)
{
	const struct picture picture = { &plot->trace, &plot->trend,
					 &plot->curve, plot->format };
	const int fd = memfd_create("plot", MFD_CLOEXEC);
	FILE *to = fd < 0 ? NULL : fdopen(dup(fd), "w");
	bool failed;

	if (!to) {
		warn("a file in memory");
		return -1;
	}
	picture_write(&picture, to);
	failed = ferror(to);
	if (fclose(to) || failed || lseek(fd, 0, SEEK_SET)) {
		warnx("a file in memory: cannot be written");
		close(fd);
		return -1;
	}
	return fd;
}

/* Beside the picture, so that it can take its place. */
static int open_draft(struct plot *plot)
{
	const mode_t mask = umask(0);

	umask(mask);
	if (asprintf(&plot->draft, "%s.XXXXXX", plot->output) < 0)
		plot->draft = NULL;
	else
		plot->draft_fd = mkostemp(plot->draft, O_CLOEXEC);
	if (plot->draft_fd >= 0 && !fchmod(plot->draft_fd, 0666 & ~mask))
		return 0;
	warn("%s", plot->output);
	return -1;
}

static void complain(int error, char *said)
{
	switch (error) {
	case -ENOENT:
		warnx("gnuplot is not installed; install the package "
		      "gnuplot-nox (Debian, Ubuntu) or gnuplot");
		return;
	case -EINTR:
		return;
	case -ETIMEDOUT:
		warnx("gnuplot did not finish, and was ended");
		return;
	case -EPROTO:
		said += strspn(said, " \n");
		said[strcspn(said, "\n")] = '\0';
		warnx("gnuplot failed%s%s", said[0] ? ": " : "", said);
		return;
	default:
		warnx("gnuplot: %s", strerror(-error));
	}
}

static bool is_empty(int fd)
{
	struct stat st;

	return fstat(fd, &st) || st.st_size == 0;
}

static int replace(const struct plot *plot)
{
	if (!fsync(plot->draft_fd) && !rename(plot->draft, plot->output))
		return 0;
	warn("%s", plot->output);
	return -1;
}

static int draw(struct plot *plot)
{
	const int script_fd = write_script(plot);
	char said[512];
	int ret;

	if (script_fd < 0)
		return -1;
	ret = gnuplot_run(script_fd, plot->draft_fd, said, sizeof(said));
	close(script_fd);
	/* It does not always notice a full disk. */
	if (!ret && is_empty(plot->draft_fd))
		ret = -ENOSPC;
	if (!ret)
		return replace(plot);
	complain(ret, said);
	return -1;
}

static void clean_up(struct plot *plot, int ret)
{
	if (plot->draft_fd >= 0) {
		close(plot->draft_fd);
		if (ret && plot->draft)
			unlink(plot->draft);
	}
	free(plot->draft);
	trace_free(&plot->trace);
	curve_free(&plot->curve);
}

int cmd_plot(int argc, char **argv)
{
	static const struct argp argp = {
		.options = options,
		.parser = parse,
		.args_doc = "FILE",
		.doc = doc,
	};
	struct plot *plot = calloc(1, sizeof(*plot));
	int ret;

	if (!plot)
		err(STATUS_FAILED, "plot");
	plot->draft_fd = -1;
	ret = args_parse(&argp, argc, argv, plot);
	if (!ret) {
		stop_on_signals(true);
		if (load(plot) || evaluate(plot) || open_draft(plot) ||
		    draw(plot))
			ret = STATUS_FAILED;
	}
	clean_up(plot, ret);
	free(plot);
	return ret;
}
