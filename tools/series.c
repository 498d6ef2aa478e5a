// SPDX-License-Identifier: MIT
/* Readings, one after the other: what 'read' and 'cross' share. */

#include <err.h>
#include <errno.h>
#include <time.h>

#include "tools.h"

/* At least this many rows between headers. */
#define PAGE_MIN 10U

error_t series_parse(int key, char *arg, struct argp_state *state)
{
	struct series *series = state->input;

	switch (key) {
	case ARGP_KEY_INIT:
		args_init(state);
		state->child_inputs[0] = &series->source;
		return 0;
	case 'n':
		return parse_count(state, arg, &series->count);
	case 'i':
		return parse_span(state, "-i", arg, &series->interval_ns);
	case 'j':
		series->json = true;
		return 0;
	case ARGP_KEY_ARG:
		return args_error(state, "%s: unexpected argument", arg);
	default:
		return ARGP_ERR_UNKNOWN;
	}
}

static void sleep_until(int64_t deadline_ns)
{
	const struct timespec deadline = {
		.tv_sec = deadline_ns / NSEC_PER_SEC,
		.tv_nsec = deadline_ns % NSEC_PER_SEC,
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &deadline,
			       NULL) == EINTR)
		;
}

static int read_all(struct series *series, series_read_fn *read_once,
		    const struct paraclock *clk)
{
	int status = STATUS_OK;
	struct timespec start;
	int64_t deadline_ns;

	clock_gettime(CLOCK_MONOTONIC, &start);
	deadline_ns = (int64_t)start.tv_sec * NSEC_PER_SEC + start.tv_nsec;
	for (uint64_t i = 0; i < series->count; i++) {
		int ret;

		if (i && series->interval_ns) {
			deadline_ns += series->interval_ns;
			sleep_until(deadline_ns);
		}
		ret = read_once(series, clk);
		if (ret == STATUS_FAILED)
			return ret;
		if (ret)
			status = ret;
	}
	return status;
}

int series_run(struct series *series, series_read_fn *read_once)
{
	unsigned int height = output_height();
	struct paraclock *clk;
	int ret = source_open(&series->source, &clk);

	if (ret)
		return ret;
	/* Less the header, and the line of the shell's prompt. */
	if (height)
		series->page = height > PAGE_MIN + 2 ? height - 2 : PAGE_MIN;
	series->explained = PARACLOCK_REASON_OK;
	ret = read_all(series, read_once, clk);
	paraclock_close(clk);
	return ret;
}

static void print_remark(const char *remark)
{
	print_wrapped(remark, 0, output_width());
}

void series_begin_row(struct series *series,
		      const struct paraclock_sample *sample, const char *remark)
{
	if (!series->page)
		return;
	if (!series->rows && sample->flags & PARACLOCK_FLAG_OWN_KERNEL)
		print_remark(
			"own-kernel: this source repeats this kernel's own "
			"clock. No host was asked: do not steer a clock "
			"by it.");
	if (!series->rows && remark)
		print_remark(remark);
	if (series->rows++ % series->page == 0) {
		fputs(output_style(STYLE_BOLD), stdout);
		series->print_header();
		puts(output_style(STYLE_RESET));
	}
}

void series_end_row(struct series *series, const struct paraclock *clk,
		    const struct paraclock_sample *sample)
{
	char text[512];

	if (sample->reason == series->explained)
		return;
	series->explained = sample->reason;
	if (sample->valid)
		return;
	paraclock_explain(clk, 0, sample, text, sizeof(text));
	warnx("%s: not valid: %s", paraclock_backend_name(clk), text);
}
